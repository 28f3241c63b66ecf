//! The two lanes of an infrastructure: which operation runs, which waits, which is superseded.
//!
//! Decides and starts; carries nothing out itself. Lives while this instance owns the infrastructure.

use crate::{
    inner::Inner,
    owner::Owner,
    run::{self, CancelMode, End, Start},
    workflow::{Change, Ending, Job},
};
use futures::FutureExt;
use im_model::{Lane, OpKind, OpState, Operation, OperationId, PLAN_FORMAT};
use im_store::{OperationFilter, Release};
use serde_json::Value;
use std::{collections::BTreeMap, panic::AssertUnwindSafe, sync::Arc};
use tokio::sync::{mpsc, watch};

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
    Cancelled(OperationId),
    /// A paused one has a new request.
    Resumed(OperationId, Arc<Value>),
    /// A run has come to its end.
    Ended(OperationId, End),
}

struct Entry {
    operation: Arc<Operation>,
    start: Start,
}

struct Running {
    operation: Arc<Operation>,
    cancel: watch::Sender<Option<CancelMode>>,
}

struct Actor {
    inner: Arc<Inner>,
    owner: Arc<Owner>,
    /// In the order stored.
    waiting: Vec<Entry>,
    /// Wait for credentials or for a person; they hold no lane.
    parked: BTreeMap<OperationId, Arc<Operation>>,
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
            tokio::select! {
                biased;
                signal = inbox.recv() => match signal {
                    Some(signal) => actor.heed(signal),
                    None => return,
                },
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
                } else if operation.state == OpState::WaitingCredentials && !operation.cancel {
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
            Signal::Cancelled(id) => {
                if let Some(running) = self.running().find(|r| r.operation.id == id) {
                    running.cancel(CancelMode::Unwind);
                } else if let Some(operation) = self.parked.remove(&id) {
                    let operation = Arc::new(Operation {
                        cancel: true,
                        ..Operation::clone(&operation)
                    });
                    self.waiting.insert(
                        0,
                        Entry {
                            operation,
                            start: Start::Replay,
                        },
                    );
                } else if let Some(entry) = self.waiting.iter_mut().find(|e| e.operation.id == id) {
                    Arc::make_mut(&mut entry.operation).cancel = true;
                }
            }
            Signal::Resumed(id, request) => {
                if let Some(mut operation) = self.parked.remove(&id) {
                    let changed = Arc::make_mut(&mut operation);
                    (changed.request, changed.state, changed.error) = (request, OpState::Running, None);
                    self.waiting.insert(
                        0,
                        Entry {
                            operation,
                            start: Start::Replay,
                        },
                    );
                }
            }
            Signal::Ended(id, end) => {
                for lane in [&mut self.cloud, &mut self.configure] {
                    if lane.as_ref().is_some_and(|r| r.operation.id == id) {
                        *lane = None;
                    }
                }
                if let End::Parked(operation) = end {
                    self.parked.insert(operation.id.clone(), operation);
                }
            }
        }
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
        for row in rows {
            if row.plan_format > PLAN_FORMAT {
                continue;
            }
            if row.cancel {
                self.heed(Signal::Cancelled(row.id.clone()));
            }
            self.heed(Signal::Inserted(Arc::new(row)));
        }
    }

    async fn schedule(&mut self) {
        if self.inner.stopping.is_cancelled() {
            return;
        }
        if let Some(position) = self.waiting.iter().rposition(|e| e.operation.kind == OpKind::Destroy) {
            // A delete always gets through: it cancels whatever there is and takes over its intents.
            let destroy = self.waiting.remove(position);
            for running in self.running() {
                running.cancel(CancelMode::TakenOver);
            }
            let others: Vec<_> = std::mem::take(&mut self.waiting);
            for entry in others {
                self.close(entry, "cancelled by a delete").await;
            }
            for (_, operation) in std::mem::take(&mut self.parked) {
                let start = Start::Replay;
                self.close(Entry { operation, start }, "cancelled by a delete").await;
            }
            if self.cloud.is_none() && self.configure.is_none() {
                self.launch(destroy);
            } else {
                self.waiting.push(destroy);
            }
            return;
        }
        let deleting = self.cloud.as_ref().is_some_and(|r| r.operation.kind == OpKind::Destroy);
        if deleting {
            return;
        }
        self.schedule_configure().await;
        while self.cloud.is_none() {
            let next = self.waiting.iter().position(|e| e.operation.kind.lane() == Lane::Cloud);
            let Some(position) = next else { break };
            let entry = self.waiting.remove(position);
            if entry.operation.cancel && entry.operation.state == OpState::Pending {
                self.close(entry, "cancelled").await;
            } else {
                self.launch(entry);
            }
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
            if is_configure(&entry) && (entry.operation.id != newest || entry.operation.cancel) {
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
            self.close(entry, "superseded by a newer configuration").await;
        }
        let Some(position) = self.waiting.iter().position(is_configure) else {
            return;
        };
        if let Some(running) = &self.configure {
            running.cancel(CancelMode::Superseded);
        } else {
            let entry = self.waiting.remove(position);
            self.launch(entry);
        }
    }

    /// Ends an operation that is not running, without touching anything that it may have made.
    async fn close(&self, entry: Entry, why: &'static str) {
        let (workflow, start) = (Arc::clone(&self.inner.workflow), entry.start);
        let closed = self
            .owner
            .change(Release::Keep, move |draft| {
                let operation = Arc::new(Operation {
                    state: OpState::Undone,
                    error: Some(why.to_owned()),
                    ..Operation::clone(&entry.operation)
                });
                draft.operation(Arc::clone(&operation));
                let job = Job {
                    operation,
                    resumed: start == Start::Replay,
                };
                let ending = Ending {
                    state: OpState::Undone,
                    error: Some(why.to_owned()),
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
        let (cancel, cancelled) = watch::channel(
            (entry.operation.cancel || entry.operation.state == OpState::Unwinding).then_some(CancelMode::Unwind),
        );
        let operation = Arc::clone(&entry.operation);
        let (inner, owner) = (Arc::clone(&self.inner), Arc::clone(&self.owner));
        self.inner.spawn_run(async move {
            let (dead, signals) = (owner.dead.clone(), owner.signals.clone());
            let id = entry.operation.id.clone();
            let fallback = Arc::clone(&entry.operation);
            let work = AssertUnwindSafe(run::run(inner, owner, entry.operation, entry.start, cancelled)).catch_unwind();
            let end = tokio::select! {
                biased;
                () = dead.cancelled() => return,
                end = work => end,
            };
            let end = end.unwrap_or_else(|_| {
                tracing::error!(operation = %id, "the engine panicked in this operation; it is left as it is");
                End::Parked(fallback)
            });
            let _ = signals.send(Signal::Ended(id, end));
        });
        let lane = match operation.kind.lane() {
            Lane::Cloud => &mut self.cloud,
            Lane::Configure => &mut self.configure,
        };
        *lane = Some(Running { operation, cancel });
    }
}

impl Running {
    /// Cancels, or makes a cancellation stronger: what a delete takes over is not unwound.
    fn cancel(&self, mode: CancelMode) {
        self.cancel.send_if_modified(|present| {
            let stronger = present.is_none_or(|p| p < mode);
            if stronger {
                *present = Some(mode);
            }
            stronger
        });
    }
}
