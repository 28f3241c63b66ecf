//! Operations as people see and steer them: lists, plans with what became of each step, what may remain at the clouds,
//! and wishes — retry, cancel, abandon.
//!
//! A wish is stored in the operation's row by whoever accepts it, owner or not. The owner is told where it is here,
//! looks by itself where it is elsewhere, and whoever takes over reads it with the rows.

use crate::{Engine, actor::Signal, inner::Inner, run::record};
use im_model::{
    Action, InfraId, OpKind, OpState, Operation, OperationId, Plan, Resource, ResourceState, StepEvent, StepEventKind,
    StepId, Unit, Wish,
};
use im_store::{Heeded, OperationFilter, StoreError, StoreResult, Wished};
use serde::Serialize;
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// Where a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepStanding {
    /// Waits for its turn.
    Waiting,
    /// Under way, or interrupted while it was.
    Running,
    /// An attempt failed; there will be another.
    Retrying,
    /// Ended well.
    Succeeded,
    /// Failed for good.
    Failed,
    /// Will not run.
    Skipped,
    /// Ended, and what it made is gone again.
    Undone,
}

/// A step with what became of it. Holds nothing secret: no request, no argument, no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepView {
    /// Its number.
    pub id: StepId,
    /// What it belongs to. Not known of a step whose plan was dropped, unless it made something.
    pub unit: Option<Unit>,
    /// What it does, for people.
    pub title: String,
    /// Steps before it. Not known once the plan was dropped.
    pub after: Vec<StepId>,
    /// Where it stands.
    pub standing: StepStanding,
    /// Attempts begun.
    pub attempts: u32,
    /// What went wrong, one sentence an attempt.
    pub errors: Vec<String>,
}

/// An operation with its steps and what it leaves behind.
#[derive(Clone, Debug)]
pub struct OperationRows {
    /// Its row. A final one comes without request, resolved data and plan.
    pub operation: Operation,
    /// Its steps; empty before it has a plan.
    pub steps: Vec<StepView>,
    /// How many steps there are: more than are listed where a plan was dropped before each of them had begun.
    pub count: usize,
    /// What it leaves at the clouds: see [`remaining`].
    pub remaining: Vec<Resource>,
}

impl Engine {
    /// Operations of an infrastructure, oldest first, each with the number of its steps and of those that have ended.
    pub async fn operations(&self, infra: &InfraId) -> StoreResult<Vec<(Operation, (usize, usize))>> {
        let store = self.store();
        let mut list = Vec::new();
        for operation in store.operations(infra, OperationFilter::All).await? {
            let counts = store.step_counts(&operation.id).await?;
            list.push((operation, counts));
        }
        Ok(list)
    }

    /// One operation, whole. `None`: there is no such.
    pub async fn operation(&self, id: &OperationId) -> StoreResult<Option<OperationRows>> {
        let store = self.store();
        let Some(operation) = store.operation(id).await? else {
            return Ok(None);
        };
        let events = store.step_events(id).await?;
        let (count, _) = store.step_counts(id).await?;
        let tombstones = store.tombstones(&operation.infra).await?;
        let mut rows: Vec<Resource> = tombstones.into_iter().map(|t| t.row).collect();
        if let Some(state) = self.snapshot(&operation.infra).await? {
            rows.extend(state.resources.values().map(|row| Resource::clone(row)));
        }
        let steps = step_views(operation.plan.as_deref(), &operation.id, &events, &rows);
        let remaining = remaining(&operation, rows);
        Ok(Some(OperationRows {
            operation,
            count: count.max(steps.len()),
            steps,
            remaining,
        }))
    }

    /// Stores a wish and sees to it that it is heeded, by whichever instance. Durable when it returns; repeating it is
    /// safe. `None`: no such operation.
    /// Whoever drops the future changes nothing.
    pub async fn wish(&self, id: &OperationId, wish: Wish) -> StoreResult<Option<Wished>> {
        let (inner, id) = (Arc::clone(&self.inner), id.clone());
        self.inner
            .to_the_end(async move { store_wish(&inner, &id, wish).await })
            .await
    }

    /// Gives an operation that waits for credentials, or is stuck, a new request, and lets it go on. `false`: it does
    /// not wait (any more), or there is no such.
    pub async fn resume(&self, operation: &OperationId, request: Value) -> StoreResult<bool> {
        let wished = self.wish(operation, Wish::Retry(Some(Arc::new(request)))).await?;
        Ok(wished.is_some_and(|w| w.heeded != Heeded::Nothing))
    }
}

/// See [`Engine::wish`].
async fn store_wish(inner: &Arc<Inner>, id: &OperationId, wish: Wish) -> StoreResult<Option<Wished>> {
    let mut tries = 0;
    let mut heeded = Heeded::Nothing;
    let wished = loop {
        match inner.store.wish(id, &wish).await {
            Ok(wished) => break wished,
            // It may have been written: asked again it then says "nothing", but somebody has to be told.
            Err(error) if tries < 3 && (error.is_temporary() || matches!(error, StoreError::Uncertain(_))) => {
                tracing::warn!(operation = %id, "{error}; will be repeated");
                if matches!(error, StoreError::Uncertain(_)) {
                    heeded = Heeded::Marked;
                }
                tries += 1;
                tokio::time::sleep(Duration::from_millis(50 << tries)).await;
            }
            Err(error) => return Err(error),
        }
    };
    let Some(mut wished) = wished else { return Ok(None) };
    if wished.heeded == Heeded::Nothing && !wished.operation.state.is_final() {
        wished.heeded = heeded;
    }
    announce(inner, &wished).await;
    Ok(Some(wished))
}

/// Tells the owner, or becomes it. Failing at that loses nothing: the row says what is wished.
async fn announce(inner: &Arc<Inner>, wished: &Wished) {
    let operation = &wished.operation;
    let signal = match (wished.heeded, operation.cancel) {
        (Heeded::Nothing, _) => return,
        (Heeded::Marked, Some(how)) if !operation.state.is_paused() => Signal::Cancelled(operation.id.clone(), how),
        _ => Signal::LetOn(Arc::new(operation.clone())),
    };
    let infra = &operation.infra;
    let gate = inner.gate(infra);
    // While it is held, nobody is in the middle of reading rows.
    let _guard = gate.lock().await;
    if let Some(owner) = inner.active(infra)
        && owner.signals.send(signal).is_ok()
    {
        return;
    }
    let (instance, lease) = (&inner.options.instance, inner.options.lease_ms());
    match inner.store.claim(infra, instance, lease).await {
        Ok(Some(claim)) => {
            if let Err(error) = inner.own(claim, None).await {
                tracing::error!(%infra, "cannot be taken up: {error}");
                inner.reclaim_later(infra);
            }
        }
        // Another instance has it, and looks.
        Ok(None) => {}
        Err(error) => tracing::warn!(%infra, "{error}; it will be taken up later"),
    }
}

/// What became of each step. `rows` are the infrastructure's resources, tombstones included: they name what a step made
/// when its plan was dropped.
pub fn step_views(
    plan: Option<&Plan>,
    operation: &OperationId,
    events: &[StepEvent],
    rows: &[Resource],
) -> Vec<StepView> {
    let mut views: BTreeMap<StepId, StepView> = BTreeMap::new();
    for (id, step) in (0u32..).map(StepId).zip(plan.iter().flat_map(|p| &p.steps)) {
        let row = match &step.action {
            Action::Absent { key } => rows.iter().find(|row| row.key == *key),
            _ => None,
        };
        let mut view = StepView::new(id, record::title(step, row));
        view.unit = Some(step.unit);
        view.after.clone_from(&step.after);
        views.insert(id, view);
    }
    if plan.is_none() {
        for row in rows.iter().filter(|row| row.operation == *operation) {
            let mut view = StepView::new(row.step, format!("create {}", row.kind.as_str().replace('_', " ")));
            view.unit = Some(row.unit);
            if row.unit == Unit::Infra && !row.name.is_empty() {
                view.title = format!("{} {}", view.title, row.name);
            }
            views.insert(row.step, view);
        }
    }
    for event in events {
        let view = views
            .entry(event.step)
            .or_insert_with(|| StepView::new(event.step, format!("step {}", event.step)));
        view.take(&event.kind);
    }
    views.into_values().collect()
}

impl StepView {
    fn new(id: StepId, title: String) -> Self {
        Self {
            id,
            unit: None,
            title,
            after: Vec::new(),
            standing: StepStanding::Waiting,
            attempts: 0,
            errors: Vec::new(),
        }
    }

    fn take(&mut self, event: &StepEventKind) {
        match event {
            StepEventKind::Started { attempt } => {
                self.attempts = self.attempts.max(attempt + 1);
                self.standing = StepStanding::Running;
            }
            StepEventKind::Succeeded { .. } => self.standing = StepStanding::Succeeded,
            StepEventKind::Failed { failure, last, .. } => {
                self.errors.push(failure.message.clone());
                self.standing = if *last {
                    StepStanding::Failed
                } else {
                    StepStanding::Retrying
                };
            }
            StepEventKind::Skipped => self.standing = StepStanding::Skipped,
            StepEventKind::Undone => self.standing = StepStanding::Undone,
        }
    }
}

/// What an operation leaves at the clouds though it should not be there, or nobody knows whether it is: what it
/// released; what it should have removed and did not. Of an abandoned infrastructure, all that was released.
pub fn remaining(operation: &Operation, rows: Vec<Resource>) -> Vec<Resource> {
    let removes = matches!(operation.kind, OpKind::Remove | OpKind::Destroy);
    let mut left: Vec<Resource> = rows
        .into_iter()
        .filter(|row| match row.state {
            ResourceState::Released => row.operation == operation.id || operation.kind == OpKind::Destroy,
            ResourceState::Removing => removes && operation.state != OpState::Done,
            _ => false,
        })
        .collect();
    left.sort_by(|a, b| (a.unit, a.kind, &a.name).cmp(&(b.unit, b.kind, &b.name)));
    left
}
