//! The two lanes of an infrastructure: which operation runs, which waits, which is superseded.
//!
//! Decides and starts; carries nothing out itself. Lives while this instance owns the infrastructure.

use crate::{
    inner::Inner,
    owner::Owner,
    run::{self, End, Start},
    workflow::{Cancelled, Change, Ending, Job},
};
use futures::FutureExt;
use im_model::{Cancel, Lane, OpKind, OpState, Operation, OperationId, PLAN_FORMAT};
use im_store::{OperationFilter, Release};
use std::{collections::BTreeMap, panic::AssertUnwindSafe, sync::Arc};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};

/// An operation that the actor is to see to.
pub(crate) enum Seed {
    /// Just stored.
    Fresh(Arc<Operation>),
    /// Found in the rows.
    Stored(Arc<Operation>),
}

#[derive(Debug)]
pub(crate) enum Signal {
    /// An operation was stored.
    Inserted(Arc<Operation>),
    /// One is to end early.
    Cancelled(OperationId, Cancel),
    /// One that was paused goes on: its row, which says so.
    LetOn(Arc<Operation>),
    /// A run has come to its end.
    Ended(OperationId, End),
}

struct Entry {
    operation: Arc<Operation>,
    start: Start,
}

struct Running {
    operation: Arc<Operation>,
    cancel: watch::Sender<Option<Cancelled>>,
}

struct Actor {
    inner: Arc<Inner>,
    owner: Arc<Owner>,
    /// In the order stored.
    waiting: Vec<Entry>,
    /// Wait for credentials or for a person; they hold no lane.
    parked: BTreeMap<OperationId, Arc<Operation>>,
    /// Let on before their runs have told that they were parked.
    let_on: BTreeMap<OperationId, Arc<Operation>>,
    /// Have plans of a newer format: another instance has to see to them, and to what comes after them.
    foreign: BTreeMap<OperationId, Arc<Operation>>,
    cloud: Option<Running>,
    configure: Option<Running>,
}

/// Runs until the infrastructure is released or lost.
pub(crate) async fn run(
    inner: Arc<Inner>,
    owner: Arc<Owner>,
    mut inbox: mpsc::UnboundedReceiver<Signal>,
    seeds: Vec<Seed>,
) {
    let dead = owner.dead.clone();
    let mut actor = Actor {
        inner,
        owner,
        waiting: Vec::new(),
        parked: BTreeMap::new(),
        let_on: BTreeMap::new(),
        foreign: BTreeMap::new(),
        cloud: None,
        configure: None,
    };
    for seed in seeds {
        actor.take(seed);
    }
    let shared = !actor.inner.store.exclusive();
    let poll = actor.inner.options.poll;
    let work = async {
        loop {
            actor.schedule().await;
            let restless = actor.inner.restless_until(&actor.owner.infra);
            tokio::select! {
                biased;
                signal = inbox.recv() => match signal {
                    Some(signal) => actor.heed(signal),
                    None => return,
                },
                () = sleep_until(restless.unwrap_or_else(Instant::now)), if restless.is_some() => {}
                () = tokio::time::sleep(poll), if shared => actor.look().await,
            }
            while let Ok(signal) = inbox.try_recv() {
                actor.heed(signal);
            }
        }
    };
    tokio::select! {
        biased;
        () = dead.cancelled() => {}
        () = work => {}
    }
}

impl Actor {
    fn take(&mut self, seed: Seed) {
        match seed {
            Seed::Fresh(operation) => self.waiting.push(Entry {
                operation,
                start: Start::Fresh,
            }),
            Seed::Stored(operation) => {
                if operation.plan_format > PLAN_FORMAT {
                    tracing::warn!(operation = %operation.id, "has a plan of a newer version; left alone");
                    self.foreign.insert(operation.id.clone(), operation);
                } else if operation.state.is_paused() && operation.cancel.is_none() {
                    self.parked.insert(operation.id.clone(), operation);
                } else {
                    self.waiting.push(Entry {
                        operation,
                        start: Start::Replay,
                    });
                }
            }
        }
    }

    fn knows(&self, id: &OperationId) -> bool {
        self.parked.contains_key(id)
            || self.waiting.iter().any(|e| e.operation.id == *id)
            || self.running().any(|r| r.operation.id == *id)
    }

    fn running(&self) -> impl Iterator<Item = &Running> {
        self.cloud.iter().chain(&self.configure)
    }

    fn heed(&mut self, signal: Signal) {
        match signal {
            Signal::Inserted(operation) => {
                if !self.knows(&operation.id) {
                    self.waiting.push(Entry {
                        operation,
                        start: Start::Inserted,
                    });
                }
            }
            Signal::Cancelled(id, how) => {
                if let Some(running) = self.running().find(|r| r.operation.id == id) {
                    running.cancel(how.into());
                } else if let Some(operation) = self.parked.remove(&id) {
                    self.go_on(cancelled(operation, how));
                } else if let Some(entry) = self.waiting.iter_mut().find(|e| e.operation.id == id) {
                    let operation = Arc::make_mut(&mut entry.operation);
                    operation.cancel = operation.cancel.max(Some(how));
                }
            }
            Signal::LetOn(operation) => {
                if self.running().any(|r| r.operation.id == operation.id) {
                    self.let_on.insert(operation.id.clone(), operation);
                } else if self.parked.remove(&operation.id).is_some() {
                    self.go_on(operation);
                } else {
                    self.heed(Signal::Inserted(operation));
                }
            }
            Signal::Ended(id, end) => {
                let mut wanted = None;
                for lane in [&mut self.cloud, &mut self.configure] {
                    if let Some(running) = lane.take_if(|r| r.operation.id == id) {
                        wanted = *running.cancel.borrow();
                    }
                }
                let let_on = self.let_on.remove(&id);
                let End::Parked(operation, seen) = end else { return };
                // What was said while it was being parked is heeded now.
                if let Some(operation) = let_on {
                    self.go_on(operation);
                } else if wanted > seen {
                    let how = match wanted {
                        Some(Cancelled::Abandoned) => Cancel::Abandon,
                        _ => Cancel::Unwind,
                    };
                    self.go_on(cancelled(operation, how));
                } else {
                    self.parked.insert(operation.id.clone(), operation);
                }
            }
        }
    }

    /// What was paused is the next in its lane.
    fn go_on(&mut self, operation: Arc<Operation>) {
        let start = Start::Again;
        self.waiting.insert(0, Entry { operation, start });
    }

    /// Other instances can store operations of this infrastructure, and cancel some, without our being told.
    async fn look(&mut self) {
        let rows = self
            .inner
            .store
            .operations(&self.owner.infra, OperationFilter::Unfinished)
            .await;
        let rows = match rows {
            Ok(rows) => rows,
            Err(error) => {
                tracing::warn!(infra = %self.owner.infra, "{error}");
                return;
            }
        };
        self.foreign.clear();
        for row in rows {
            let row = Arc::new(row);
            if row.plan_format > PLAN_FORMAT {
                self.foreign.insert(row.id.clone(), row);
            } else if self.parked.contains_key(&row.id) && !row.state.is_paused() {
                self.heed(Signal::LetOn(row));
            } else {
                if let Some(how) = row.cancel.filter(|_| !row.state.is_paused()) {
                    self.heed(Signal::Cancelled(row.id.clone(), how));
                }
                self.heed(Signal::Inserted(row));
            }
        }
    }

    async fn schedule(&mut self) {
        if self.inner.stopping.is_cancelled() {
            return;
        }
        let destroys = |e: &Entry| e.operation.kind == OpKind::Destroy && !e.is_off();
        if let Some(position) = self.waiting.iter().rposition(destroys) {
            // A delete always gets through: it cancels whatever there is and takes over its intents.
            let destroy = self.waiting.remove(position);
            for running in self.running() {
                running.cancel(Cancelled::ByDelete);
            }
            let others: Vec<_> = std::mem::take(&mut self.waiting);
            for entry in others {
                self.close(entry, Cancelled::ByDelete).await;
            }
            // Ending an operation needs nothing of its plan, so those of newer formats end, too.
            let resting = std::mem::take(&mut self.parked).into_values();
            for operation in resting.chain(std::mem::take(&mut self.foreign).into_values()) {
                let start = Start::Replay;
                self.close(Entry { operation, start }, Cancelled::ByDelete).await;
            }
            if self.cloud.is_none() && self.configure.is_none() {
                self.launch(destroy);
            } else {
                self.waiting.push(destroy);
            }
            return;
        }
        // One that is paused is not over either, and has planned what to remove: nothing more may come to be.
        let running = self.cloud.iter().map(|r| &r.operation);
        let deleting = running.chain(self.parked.values()).any(|o| o.kind == OpKind::Destroy);
        if deleting || self.owner.with_state(|state| state.infra.deleted) {
            // What arrives during a delete, or was on its way when it ended, has nothing to work on.
            for entry in std::mem::take(&mut self.waiting) {
                self.close(entry, Cancelled::ByDelete).await;
            }
            if deleting {
                return;
            }
        }
        let (off, rest) = std::mem::take(&mut self.waiting).into_iter().partition(Entry::is_off);
        self.waiting = rest;
        for entry in Vec::<Entry>::from_iter(off) {
            let why = entry.operation.cancel.map_or(Cancelled::ByCaller, Cancelled::from);
            self.close(entry, why).await;
        }
        if !self.foreign.is_empty() {
            if self.cloud.is_none() && self.configure.is_none() {
                // Whoever knows their plans is to go on here.
                let _ = self.owner.change(Release::Now, |_| ()).await;
            }
            return;
        }
        self.schedule_configure().await;
        while self.cloud.is_none() {
            let next = self.waiting.iter().position(|e| e.operation.kind.lane() == Lane::Cloud);
            let Some(position) = next else { break };
            let entry = self.waiting.remove(position);
            self.launch(entry);
        }
        let idle = self.waiting.is_empty() && self.cloud.is_none() && self.configure.is_none();
        if idle && self.parked.is_empty() {
            let _ = self.owner.change(Release::IfIdle, |_| ()).await;
        }
    }

    /// The newest configure runs; older ones are superseded, whatever they are doing.
    async fn schedule_configure(&mut self) {
        let is_configure = |e: &Entry| e.operation.kind.lane() == Lane::Configure;
        let Some(newest) = self.waiting.iter().rposition(is_configure) else {
            return;
        };
        let newest = self.waiting[newest].operation.id.clone();
        let (mut superseded, mut rest) = (Vec::new(), Vec::new());
        for entry in std::mem::take(&mut self.waiting) {
            if is_configure(&entry) && entry.operation.id != newest {
                superseded.push(entry);
            } else {
                rest.push(entry);
            }
        }
        self.waiting = rest;
        let parked: Vec<_> = self
            .parked
            .values()
            .filter(|o| o.kind.lane() == Lane::Configure)
            .map(|o| o.id.clone())
            .collect();
        for id in parked {
            if let Some(operation) = self.parked.remove(&id) {
                superseded.push(Entry {
                    operation,
                    start: Start::Replay,
                });
            }
        }
        for entry in superseded {
            self.close(entry, Cancelled::Superseded).await;
        }
        let Some(position) = self.waiting.iter().position(is_configure) else {
            return;
        };
        if let Some(running) = &self.configure {
            running.cancel(Cancelled::Superseded);
        } else {
            let entry = self.waiting.remove(position);
            self.launch(entry);
        }
    }

    /// A request that was repeated may tell of an operation that is long over.
    async fn has_ended(&self, id: &OperationId) -> bool {
        let row = self.inner.store.operation(id).await;
        row.is_ok_and(|row| row.is_some_and(|row| row.state.is_final()))
    }

    /// Ends an operation that is not running, without touching anything that it may have made.
    async fn close(&self, entry: Entry, why: Cancelled) {
        if entry.start == Start::Inserted && self.has_ended(&entry.operation.id).await {
            return;
        }
        let (workflow, start) = (Arc::clone(&self.inner.workflow), entry.start);
        let closed = self
            .owner
            .change(Release::Keep, move |draft| {
                let operation = Arc::new(Operation {
                    state: OpState::Undone,
                    error: Some(why.sentence().to_owned()),
                    ..Operation::clone(&entry.operation)
                });
                draft.operation(Arc::clone(&operation));
                let job = Job {
                    operation,
                    resumed: matches!(start, Start::Replay | Start::Again),
                };
                let ending = Ending {
                    state: OpState::Undone,
                    error: Some(why.sentence().to_owned()),
                    cancelled: Some(why),
                    units: BTreeMap::new(),
                };
                let writes = workflow.project(&job, draft.state(), Change::Ended(&ending));
                draft.extend(writes);
            })
            .await;
        if let Err(error) = closed {
            tracing::warn!(infra = %self.owner.infra, "an operation could not be closed: {error}");
        }
    }

    fn launch(&mut self, entry: Entry) {
        let unwinding = (entry.operation.state == OpState::Unwinding).then_some(Cancelled::ByCaller);
        let (cancel, cancelled) = watch::channel(entry.operation.cancel.map(Cancelled::from).max(unwinding));
        let operation = Arc::clone(&entry.operation);
        let (inner, owner) = (Arc::clone(&self.inner), Arc::clone(&self.owner));
        self.inner.spawn_run(async move {
            let (dead, signals) = (owner.dead.clone(), owner.signals.clone());
            let id = entry.operation.id.clone();
            let fallback = (Arc::clone(&owner), Arc::clone(&entry.operation));
            let work = AssertUnwindSafe(run::run(inner, owner, entry.operation, entry.start, cancelled)).catch_unwind();
            let end = tokio::select! {
                biased;
                () = dead.cancelled() => return,
                end = work => end,
            };
            let end = match end {
                Ok(end) => end,
                Err(_) => panicked(&fallback.0, &fallback.1).await,
            };
            let _ = signals.send(Signal::Ended(id, end));
        });
        let lane = match operation.kind.lane() {
            Lane::Cloud => &mut self.cloud,
            Lane::Configure => &mut self.configure,
        };
        *lane = Some(Running { operation, cancel });
    }
}

/// Puts on record that an operation goes no further because of an error of ours.
async fn panicked(owner: &Owner, operation: &Operation) -> End {
    tracing::error!(operation = %operation.id, "the engine panicked in this operation; it is stuck");
    let operation = Arc::new(Operation {
        state: OpState::Stuck,
        error: Some("internal error; the service's log says more".to_owned()),
        ..operation.clone()
    });
    let stuck = Arc::clone(&operation);
    let stored = owner.change(Release::Keep, |draft| draft.operation(stuck)).await;
    if let Err(error) = stored {
        tracing::warn!(operation = %operation.id, "{error}");
    }
    End::Parked(operation, None)
}

fn cancelled(operation: Arc<Operation>, how: Cancel) -> Arc<Operation> {
    let mut operation = Arc::unwrap_or_clone(operation);
    operation.cancel = operation.cancel.max(Some(how));
    operation.state = OpState::Unwinding;
    Arc::new(operation)
}

impl Entry {
    /// It was cancelled before anything happened.
    fn is_off(&self) -> bool {
        self.operation.cancel.is_some() && self.operation.state == OpState::Pending
    }
}

impl Running {
    /// Cancels, or makes a cancellation stronger: what a delete takes over is not unwound.
    fn cancel(&self, mode: Cancelled) {
        self.cancel.send_if_modified(|present| {
            let stronger = present.is_none_or(|p| p < mode);
            if stronger {
                *present = Some(mode);
            }
            stronger
        });
    }
}
