//! One operation, from its stored request to its end: resolve, plan, steps.
//!
//! Begins wherever the rows say that it stands; a replay is not a special case.

mod calls;
mod give_up;
mod graph;
pub(crate) mod record;
mod start;
mod steps;
mod undo;

use crate::{
    inner::Inner,
    owner::Owner,
    workflow::{Cancelled, Change, Ending, Job, StepError, UnitOutcome},
};
use futures::FutureExt;
use graph::Graph;
use im_model::{OpKind, OpState, Operation, PLAN_FORMAT, Plan, Unit};
use im_store::{Release, StoreError, StoreResult, Write};
use record::Record;
use serde_json::Value;
use std::{collections::BTreeMap, future::Future, panic::AssertUnwindSafe, sync::Arc, time::Duration};
use tokio::sync::watch;

/// Waits for a cancellation that is stronger than this one.
async fn stronger_cancel(cancel: &mut watch::Receiver<Option<Cancelled>>, than: Option<Cancelled>) -> Cancelled {
    loop {
        let Ok(mode) = cancel.wait_for(|mode| *mode > than).await.map(|mode| *mode) else {
            return std::future::pending().await;
        };
        if let Some(mode) = mode {
            return mode;
        }
    }
}

/// What is known of an operation when its run begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// It was inserted just now, by us, and is new.
    Fresh,
    /// It was inserted, or was there already.
    Inserted,
    /// Its row was read from the store.
    Replay,
    /// It was paused, and somebody lets it go on: its row says so already.
    Again,
}

impl Start {
    /// Something of it may have happened before.
    fn is_replay(self) -> bool {
        matches!(self, Self::Replay | Self::Again)
    }
}

/// How a run ended.
#[derive(Debug)]
pub(crate) enum End {
    /// The operation is final.
    Final,
    /// It waits for credentials or for a person; the cancellation that it had heeded by then.
    Parked(Arc<Operation>, Option<Cancelled>),
    /// The engine stops; the rows say how to go on.
    Stopped,
}

/// Why an operation goes no further.
enum Halt {
    Fail(String),
    Needs(String),
    Stuck(String),
    Cancelled(Cancelled),
    Stopping,
}

struct Run {
    inner: Arc<Inner>,
    owner: Arc<Owner>,
    job: Job,
    cancel: watch::Receiver<Option<Cancelled>>,
    /// The cancellation that is being heeded.
    heeded: Option<Cancelled>,
}

/// Carries an operation on to its end.
pub(crate) async fn run(
    inner: Arc<Inner>,
    owner: Arc<Owner>,
    operation: Arc<Operation>,
    start: Start,
    cancel: watch::Receiver<Option<Cancelled>>,
) -> End {
    let mut run = Run {
        inner,
        owner,
        job: Job {
            resumed: start.is_replay() && operation.state != OpState::Pending,
            operation,
        },
        cancel,
        heeded: None,
    };
    match run.drive(start).await {
        Ok(end) => end,
        Err(StoreError::Fenced { .. }) => End::Stopped,
        Err(error) => {
            let why = format!("internal error: {error}");
            tracing::error!(operation = %run.job.operation.id, "{why}");
            match run.park(OpState::Stuck, why, BTreeMap::new(), Vec::new()).await {
                Ok(end) => end,
                Err(_) => End::Parked(run.job.operation, run.heeded),
            }
        }
    }
}

impl Run {
    async fn drive(&mut self, mut start: Start) -> StoreResult<End> {
        if start == Start::Inserted {
            let id = self.job.operation.id.clone();
            let row = self
                .read(|store| {
                    let id = id.clone();
                    async move { store.operation(&id).await }
                })
                .await?;
            let Some(row) = row.filter(|row| !row.state.is_final()) else {
                return Ok(End::Final);
            };
            if row.state != OpState::Pending {
                start = Start::Replay;
                self.job.resumed = true;
            }
            self.job.operation = Arc::new(row);
        }
        self.begin(start).await?;
        let plan = match self.planned().await? {
            Ok(plan) => plan,
            Err(halt) => return self.halt(halt).await,
        };
        let events = if start.is_replay() {
            let id = self.job.operation.id.clone();
            self.read(|store| {
                let id = id.clone();
                async move { store.step_events(&id).await }
            })
            .await?
        } else {
            Vec::new()
        };
        match Graph::new(plan) {
            Ok(graph) => steps::Steps::new(self, graph, &events).run().await,
            Err(why) => self.halt(Halt::Fail(why)).await,
        }
    }

    /// Reads from the store, again while that may help.
    async fn read<T, F, Fut>(&self, read: F) -> StoreResult<T>
    where
        F: Fn(Arc<dyn im_store::Store>) -> Fut,
        Fut: Future<Output = StoreResult<T>>,
    {
        let mut pause = Duration::from_millis(50);
        loop {
            match read(Arc::clone(&self.inner.store)).await {
                Err(error) if error.is_temporary() => {
                    tracing::warn!(operation = %self.job.operation.id, "{error}; will be repeated");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(2));
                }
                answer => return answer,
            }
        }
    }

    fn cancelled(&self) -> Option<Cancelled> {
        *self.cancel.borrow()
    }

    fn alter(&mut self, change: impl FnOnce(&mut Operation)) {
        change(Arc::make_mut(&mut self.job.operation));
    }

    /// `Running`, on record.
    async fn begin(&mut self, start: Start) -> StoreResult<()> {
        let before = self.job.operation.state;
        let under_way = matches!(before, OpState::Running | OpState::Unwinding);
        if under_way && start != Start::Again {
            return Ok(());
        }
        self.alter(|o| {
            if !under_way {
                o.state = OpState::Running;
            }
            o.error = None;
        });
        let (job, workflow) = (self.job.clone(), Arc::clone(&self.inner.workflow));
        self.owner
            .change(Release::Keep, move |draft| {
                draft.operation(Arc::clone(&job.operation));
                if before == OpState::Pending {
                    let writes = workflow.project(&job, draft.state(), Change::Began);
                    draft.extend(writes);
                }
            })
            .await
    }

    /// The plan: the stored one, or a new one that is stored first.
    async fn planned(&mut self) -> StoreResult<Result<Arc<Plan>, Halt>> {
        if let Some(plan) = &self.job.operation.plan {
            return Ok(Ok(Arc::clone(plan)));
        }
        if self.job.operation.resolved.is_none() {
            let resolved = match self.resolve().await {
                Ok(resolved) => Arc::new(resolved),
                Err(halt) => return Ok(Err(halt)),
            };
            let write = Write::Resolved {
                id: self.job.operation.id.clone(),
                resolved: Arc::clone(&resolved),
            };
            self.owner.change(Release::Keep, move |draft| draft.push(write)).await?;
            self.alter(|o| o.resolved = Some(resolved));
        }
        let (job, workflow) = (self.job.clone(), Arc::clone(&self.inner.workflow));
        let planned = self
            .owner
            .change(Release::Keep, move |draft| {
                // It was accepted before the delete, and is carried out after it.
                if draft.state().infra.deleted && job.operation.kind != OpKind::Destroy {
                    return Err(StepError::failed("the infrastructure has been deleted"));
                }
                let resolved = job.operation.resolved.as_deref().unwrap_or(&Value::Null);
                let planned = workflow.plan(&job, resolved, draft.state())?;
                let plan = Arc::new(planned.plan);
                draft.extend(planned.writes);
                draft.push(Write::Planned {
                    id: job.operation.id.clone(),
                    plan: Arc::clone(&plan),
                });
                Ok(plan)
            })
            .await?;
        Ok(match planned {
            Ok(plan) => {
                let stored = Arc::clone(&plan);
                self.alter(|o| {
                    o.plan = Some(stored);
                    o.plan_format = PLAN_FORMAT;
                });
                Ok(plan)
            }
            Err(error) => Err(self.halt_of(error)),
        })
    }

    fn halt_of(&self, error: StepError) -> Halt {
        match error {
            StepError::Failed { message, .. } => Halt::Fail(message),
            StepError::NeedsCredentials { message } => Halt::Needs(message),
            StepError::Stuck { message } => Halt::Stuck(message),
            StepError::Interrupted => self.cancelled().map_or(Halt::Stopping, Halt::Cancelled),
        }
    }

    /// Asks the application to read the clouds, several times if that may help.
    async fn resolve(&self) -> Result<Value, Halt> {
        let mut attempt = 1;
        loop {
            let state = self.owner.state();
            let mut cancel = self.cancel.clone();
            let call = async {
                self.inner.may_call().await;
                AssertUnwindSafe(self.inner.workflow.resolve(&self.job, &state))
                    .catch_unwind()
                    .await
                    .unwrap_or_else(|_| Err(StepError::failed("internal error; the service's log says more")))
            };
            let result = tokio::select! {
                biased;
                mode = stronger_cancel(&mut cancel, None) => return Err(Halt::Cancelled(mode)),
                () = self.inner.stopping.cancelled() => return Err(Halt::Stopping),
                result = call => result,
            };
            match result {
                Ok(value) => return Ok(value),
                Err(StepError::Failed {
                    temporary: true,
                    message,
                }) if attempt < self.inner.options.max_attempts => {
                    tracing::info!(operation = %self.job.operation.id, "resolve: {message}; will be repeated");
                    attempt += 1;
                    tokio::select! {
                        biased;
                        _ = stronger_cancel(&mut cancel, None) => {}
                        () = self.inner.stopping.cancelled() => {}
                        () = tokio::time::sleep(self.inner.options.retry_delay) => {}
                    }
                }
                Err(error) => return Err(self.halt_of(error)),
            }
        }
    }

    /// The end of an operation that has no steps.
    async fn halt(&mut self, halt: Halt) -> StoreResult<End> {
        let none = BTreeMap::new();
        match halt {
            Halt::Fail(why) => self.finish(OpState::Undone, Some(why), none, Vec::new()).await,
            Halt::Cancelled(why) => self.finish_early(why, String::new(), none, Vec::new()).await,
            Halt::Needs(why) => self.park(OpState::WaitingCredentials, why, none, Vec::new()).await,
            Halt::Stuck(why) => self.park(OpState::Stuck, why, none, Vec::new()).await,
            Halt::Stopping => Ok(End::Stopped),
        }
    }

    /// The final state, with whatever happened last, in one commit that also gives the infrastructure up if nothing
    /// else is to be done.
    async fn finish(
        &mut self,
        state: OpState,
        error: Option<String>,
        units: BTreeMap<Unit, UnitOutcome>,
        records: Vec<Record>,
    ) -> StoreResult<End> {
        let ending = Ending {
            state,
            error,
            cancelled: None,
            units,
        };
        self.close(Release::IfIdle, ending, records).await?;
        Ok(End::Final)
    }

    /// The same for one that was cancelled; `more` follows the reason.
    async fn finish_early(
        &mut self,
        why: Cancelled,
        more: String,
        units: BTreeMap<Unit, UnitOutcome>,
        records: Vec<Record>,
    ) -> StoreResult<End> {
        let ending = Ending {
            state: OpState::Undone,
            error: Some(why.sentence().to_owned() + &more),
            cancelled: Some(why),
            units,
        };
        self.close(Release::IfIdle, ending, records).await?;
        Ok(End::Final)
    }

    /// A pause, on record.
    async fn park(
        &mut self,
        state: OpState,
        why: String,
        units: BTreeMap<Unit, UnitOutcome>,
        records: Vec<Record>,
    ) -> StoreResult<End> {
        let ending = Ending {
            state,
            error: Some(why),
            cancelled: None,
            units,
        };
        self.close(Release::Keep, ending, records).await?;
        Ok(End::Parked(Arc::clone(&self.job.operation), self.heeded))
    }

    async fn close(&mut self, release: Release, ending: Ending, records: Vec<Record>) -> StoreResult<()> {
        let (job, workflow) = (self.job.clone(), Arc::clone(&self.inner.workflow));
        self.alter(|o| {
            o.state = ending.state;
            o.error.clone_from(&ending.error);
        });
        let closed = Arc::clone(&self.job.operation);
        let keeps = !self.inner.options.keep_requests.is_zero();
        self.owner
            .change(release, move |draft| {
                if let Some(plan) = &job.operation.plan {
                    record::write(draft, workflow.as_ref(), &job, plan, records);
                }
                let over = closed.state.is_final();
                draft.operation(closed);
                if over && !keeps {
                    draft.push(Write::DropRequests);
                }
                let writes = workflow.project(&job, draft.state(), Change::Ended(&ending));
                draft.extend(writes);
            })
            .await
    }
}
