//! The one writer of an infrastructure that this instance owns.
//!
//! Every change goes through one task, in order: it computes the rows from those in memory, commits several changes
//! together, and only then shows the new rows to readers and tells whoever waits. A commit is never abandoned half-way.
//! When the epoch has moved, everything of the infrastructure is dropped at once.

use crate::{actor::Signal, inner::Inner, state::apply};
use im_model::{Cancel, Event, EventBody, InfraId, OpState, Operation, OperationId, ResourceState};
use im_store::{Committed, Fence, InfraState, Release, StoreError, StoreResult, Submission, Write};
use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// What others are told once a change is durable.
#[derive(Debug)]
pub(crate) enum Note {
    /// An operation was stored.
    Inserted(Arc<Operation>),
    /// An operation is to end early.
    Cancelled(OperationId),
    /// An operation has a new state.
    State(Arc<Operation>),
}

/// Rows in the making.
pub(crate) struct Draft<'a> {
    state: &'a mut InfraState,
    writes: &'a mut Vec<Write>,
    notes: &'a mut Vec<Note>,
}

impl Draft<'_> {
    /// The rows as they stand, the writes so far included.
    pub(crate) fn state(&self) -> &InfraState {
        self.state
    }
    /// One more write.
    pub(crate) fn push(&mut self, write: Write) {
        match &write {
            Write::NewOperation(operation) => self.notes.push(Note::Inserted(Arc::clone(operation))),
            Write::Cancel { id } => self.notes.push(Note::Cancelled(id.clone())),
            _ => apply(self.state, &write),
        }
        self.writes.push(write);
    }
    /// More writes.
    pub(crate) fn extend(&mut self, writes: Vec<Write>) {
        for write in writes {
            self.push(write);
        }
    }
    /// The operation's new state: its row, its event, and whoever waits for it.
    pub(crate) fn operation(&mut self, operation: Arc<Operation>) {
        self.push(Write::OperationState {
            id: operation.id.clone(),
            state: operation.state,
            error: operation.error.clone(),
        });
        self.push(Write::Event(operation_event(&operation)));
        self.notes.push(Note::State(operation));
    }
}

/// The event that says where an operation stands.
pub(crate) fn operation_event(operation: &Operation) -> EventBody {
    EventBody::Operation {
        id: operation.id.clone(),
        kind: operation.kind,
        state: operation.state,
        error: operation.error.clone(),
    }
}

type Change = Box<dyn FnOnce(&mut Draft<'_>) + Send>;
type Reply = oneshot::Sender<StoreResult<()>>;

pub(crate) enum Request {
    Change {
        change: Change,
        release: Release,
        reply: Reply,
    },
    Submit {
        submission: Box<Submission>,
        reply: Reply,
    },
}

/// An infrastructure owned here.
pub(crate) struct Owner {
    pub(crate) infra: InfraId,
    requests: mpsc::UnboundedSender<Request>,
    pub(crate) signals: mpsc::UnboundedSender<Signal>,
    published: Mutex<Arc<InfraState>>,
    /// Fenced, released, or the engine has ended: whatever is done for the infrastructure is dropped.
    pub(crate) dead: CancellationToken,
}

impl Owner {
    /// The owner and what its writer needs: [`Writer::run`] must be spawned.
    pub(crate) fn new(
        inner: &Arc<Inner>,
        fence: Fence,
        state: InfraState,
        signals: mpsc::UnboundedSender<Signal>,
    ) -> (Arc<Self>, Writer) {
        let (requests, inbox) = mpsc::unbounded_channel();
        let owner = Arc::new(Self {
            infra: fence.infra.clone(),
            requests,
            signals,
            published: Mutex::new(Arc::new(state.clone())),
            dead: inner.killed.child_token(),
        });
        let writer = Writer {
            inner: Arc::clone(inner),
            owner: Arc::clone(&owner),
            inbox,
            fence,
            working: state,
        };
        (owner, writer)
    }

    /// The committed rows.
    pub(crate) fn state(&self) -> Arc<InfraState> {
        Arc::clone(&self.published.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks at the committed rows without keeping hold of them.
    pub(crate) fn with_state<R>(&self, look: impl FnOnce(&InfraState) -> R) -> R {
        look(&self.published.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn lost(&self) -> StoreError {
        StoreError::Fenced {
            infra: self.infra.clone(),
        }
    }

    /// Makes a change durable. [`StoreError::Fenced`]: this owner is no more, nothing was written.
    pub(crate) async fn change<R: Send + 'static>(
        &self,
        release: Release,
        change: impl FnOnce(&mut Draft<'_>) -> R + Send + 'static,
    ) -> StoreResult<R> {
        let (value_in, value_out) = oneshot::channel();
        let (reply, answer) = oneshot::channel();
        let change: Change = Box::new(move |draft| {
            let _ = value_in.send(change(draft));
        });
        self.requests
            .send(Request::Change { change, release, reply })
            .map_err(|_| self.lost())?;
        answer.await.unwrap_or_else(|_| Err(self.lost()))?;
        value_out.await.map_err(|_| self.lost())
    }

    /// Stores a further operation.
    pub(crate) async fn submit(&self, submission: Submission) -> StoreResult<()> {
        let (reply, answer) = oneshot::channel();
        let submission = Box::new(submission);
        self.requests
            .send(Request::Submit { submission, reply })
            .map_err(|_| self.lost())?;
        answer.await.unwrap_or_else(|_| Err(self.lost()))
    }
}

/// Whether a write makes a tombstone.
fn buries(write: &Write) -> bool {
    matches!(write, Write::Resource(row) if row.state == ResourceState::Gone)
}

/// The task that writes.
pub(crate) struct Writer {
    inner: Arc<Inner>,
    owner: Arc<Owner>,
    inbox: mpsc::UnboundedReceiver<Request>,
    fence: Fence,
    working: InfraState,
}

/// Why a group was not committed.
enum Refused {
    /// Not ours any more, or we cannot tell what was written: start again from the rows.
    Lost,
    /// The store refuses these rows.
    Bad(String),
}

impl Writer {
    /// Writes until the infrastructure is released or lost.
    pub(crate) async fn run(mut self) {
        let mut next = None;
        loop {
            let request = if let Some(request) = next.take() {
                request
            } else {
                tokio::select! {
                    biased;
                    () = self.owner.dead.cancelled() => break,
                    request = self.inbox.recv() => match request {
                        Some(request) => request,
                        None => break,
                    },
                }
            };
            let goes_on = match request {
                Request::Change { change, release, reply } => {
                    let (goes_on, stashed) = self.changes((change, release, reply)).await;
                    next = stashed;
                    goes_on
                }
                Request::Submit { submission, reply } => self.submit(*submission, reply).await,
            };
            if !goes_on {
                break;
            }
        }
        // Whoever finds the door closed must not find the owner in the register any more.
        self.inner.forget(&self.owner);
        self.owner.dead.cancel();
    }

    /// Commits a change and those that wait behind it. Also returns a request that was met and is not a change.
    async fn changes(&mut self, first: (Change, Release, Reply)) -> (bool, Option<Request>) {
        let (mut writes, mut notes, mut replies) = (Vec::new(), Vec::new(), Vec::new());
        let mut release = Release::Keep;
        let mut stashed = None;
        let mut next = Some(first);
        while let Some((change, wanted, reply)) = next.take() {
            let (writes_before, notes_before) = (writes.len(), notes.len());
            let mut draft = Draft {
                state: &mut self.working,
                writes: &mut writes,
                notes: &mut notes,
            };
            if std::panic::catch_unwind(AssertUnwindSafe(|| change(&mut draft))).is_ok() {
                if wanted != Release::Keep && release != Release::Now {
                    release = wanted;
                }
                replies.push(reply);
            } else {
                // What it had written so far is taken back; the others of the group are not to suffer.
                writes.truncate(writes_before);
                notes.truncate(notes_before);
                self.working = InfraState::clone(&self.owner.state());
                for write in &writes {
                    apply(&mut self.working, write);
                }
                let _ = reply.send(Err(StoreError::Unreadable {
                    what: format!("a change of infrastructure {}", self.owner.infra),
                    why: "the application panicked".to_owned(),
                }));
            }
            if writes.len() < self.inner.options.group_rows {
                match self.inbox.try_recv() {
                    Ok(Request::Change { change, release, reply }) => next = Some((change, release, reply)),
                    Ok(other) => stashed = Some(other),
                    Err(_) => {}
                }
            }
        }
        if release == Release::IfIdle && self.inner.restless_until(&self.owner.infra).is_some() {
            // The actor gives it up once all has arrived.
            release = Release::Keep;
        }
        if writes.is_empty() && release == Release::Keep {
            for reply in replies {
                let _ = reply.send(Ok(()));
            }
            for note in notes {
                self.tell(note);
            }
            return (true, stashed);
        }
        match self.commit(&writes, release).await {
            Ok(committed) => {
                let released = committed.released;
                self.publish(&writes, committed.seq, committed.events);
                for note in notes {
                    self.tell(note);
                }
                if released {
                    self.inner.released(&self.owner);
                }
                for reply in replies {
                    let _ = reply.send(Ok(()));
                }
                (!released, stashed)
            }
            Err(Refused::Lost) => {
                self.inner.lose(&self.owner);
                (false, None)
            }
            Err(Refused::Bad(why)) => {
                tracing::error!(infra = %self.owner.infra, "the store refused a change: {why}");
                self.working = InfraState::clone(&self.owner.state());
                for reply in replies {
                    let _ = reply.send(Err(StoreError::Unreadable {
                        what: format!("a change of infrastructure {}", self.owner.infra),
                        why: why.clone(),
                    }));
                }
                (true, stashed)
            }
        }
    }

    async fn commit(&mut self, writes: &[Write], release: Release) -> Result<Committed, Refused> {
        let mut pause = Duration::from_millis(50);
        loop {
            let error = match self.inner.store.commit(&self.fence, writes.to_vec(), release).await {
                Ok(committed) => return Ok(committed),
                Err(error) => error,
            };
            match error {
                StoreError::Fenced { .. } => {
                    tracing::info!(infra = %self.owner.infra, "owned by another now");
                    return Err(Refused::Lost);
                }
                StoreError::Uncertain(why) => {
                    // Whether it was written shows when everything is read again under a new epoch.
                    tracing::warn!(infra = %self.owner.infra, "a commit's fate is unknown: {why}");
                    return Err(Refused::Lost);
                }
                error if error.is_temporary() => {
                    tracing::warn!(infra = %self.owner.infra, "{error}; will be repeated");
                    tokio::select! {
                        biased;
                        () = self.owner.dead.cancelled() => return Err(Refused::Lost),
                        () = tokio::time::sleep(pause) => {}
                    }
                    pause = (pause * 2).min(Duration::from_secs(2));
                }
                error => return Err(Refused::Bad(error.to_string())),
            }
        }
    }

    fn publish(&mut self, writes: &[Write], seq: u64, events: Vec<Event>) {
        self.working.seq = seq;
        if writes.iter().any(buries) {
            self.inner.buried.notify_one();
        }
        {
            let mut published = self.owner.published.lock().unwrap_or_else(PoisonError::into_inner);
            let state = Arc::make_mut(&mut published);
            for write in writes {
                apply(state, write);
            }
            state.seq = seq;
        }
        self.inner.publish(&self.owner.infra, events);
    }

    fn tell(&self, note: Note) {
        let signal = match note {
            Note::Inserted(operation) => Signal::Inserted(operation),
            Note::Cancelled(id) => Signal::Cancelled(id, Cancel::Unwind),
            Note::State(operation) => {
                if operation.state.is_final() || matches!(operation.state, OpState::Stuck | OpState::WaitingCredentials)
                {
                    self.inner.wake(&operation);
                }
                return;
            }
        };
        let _ = self.owner.signals.send(signal);
    }

    async fn submit(&mut self, submission: Submission, reply: Reply) -> bool {
        let answer = match self.inner.submit_to_store(submission.clone()).await {
            Ok(answer) => answer,
            Err(error) => {
                let _ = reply.send(Err(error));
                return true;
            }
        };
        if self.owner.dead.is_cancelled() {
            // Replaced while this was under way: whoever replaced us may have read the rows before it was stored, and
            // the permission that came back is theirs.
            self.inner.hand_over(submission.operation);
            let _ = reply.send(Ok(()));
            return false;
        }
        let Some(claim) = answer.claim else {
            // It is stored; whoever owns the infrastructure now will find it.
            self.inner.lose(&self.owner);
            let _ = reply.send(Ok(()));
            return false;
        };
        let new = !answer.events.is_empty();
        if claim.taken_over || answer.seq != self.working.seq + u64::from(new) {
            // Somebody else has written meanwhile: what is in memory is not what is in the rows.
            self.inner.publish(&self.owner.infra, answer.events);
            self.inner.lose(&self.owner);
            let _ = reply.send(Ok(()));
            return false;
        }
        self.fence = claim.fence;
        // A submission has events; none come back if it had been stored before.
        if new {
            for write in &submission.writes {
                apply(&mut self.working, write);
            }
            self.publish(&submission.writes, answer.seq, answer.events);
        }
        self.tell(Note::Inserted(submission.operation));
        let _ = reply.send(Ok(()));
        true
    }
}
