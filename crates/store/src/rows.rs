//! What goes into and comes out of the store.

use im_model::{
    BlobId, Credentials, Event, EventBody, InfraId, Infrastructure, InstanceId, Key, LogScope, Millis, OpState,
    Operation, OperationId, Plan, Resource, StepEvent, Vm, VmId,
};
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc};

/// Permission to write: the infrastructure and the epoch under which it was claimed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fence {
    /// The infrastructure.
    pub infra: InfraId,
    /// Raised by every claim and by every destroy.
    pub epoch: u64,
}

/// An infrastructure that this instance owns now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Permission to write.
    pub fence: Fence,
    /// The previous owner's lease had to be broken or ran out: effects of its calls may still arrive.
    pub taken_over: bool,
}

/// An infrastructure as its owner keeps it in memory. Rows are shared: a copy costs pointers.
#[derive(Clone, Debug, PartialEq)]
pub struct InfraState {
    /// Its row.
    pub infra: Arc<Infrastructure>,
    /// All its VMs, destroyed ones too.
    pub vms: BTreeMap<VmId, Arc<Vm>>,
    /// Rows of its resources that are not tombstones ([`im_model::ResourceState::Gone`], `Released`).
    pub resources: BTreeMap<Key, Arc<Resource>>,
    /// `seq` of the row when this was read or written: equal numbers mean equal content.
    pub seq: u64,
}

/// One change. Replaces whole rows; a row that is not there is inserted.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// The infrastructure's row.
    Infrastructure(Arc<Infrastructure>),
    /// A VM's row.
    Vm(Arc<Vm>),
    /// A resource's row.
    Resource(Arc<Resource>),
    /// A further operation of this infrastructure, inserted if absent.
    NewOperation(Arc<Operation>),
    /// State, error and cancel flag of an operation. A final state drops its request, resolved data and plan
    /// arguments that hold credentials: the row keeps kind, state and error, and the number of its steps. While the
    /// infrastructure has tombstones that are still to be searched for, an operation that may have made some keeps its
    /// request for that (see [`Write::Searched`]); only [`crate::Store::kept_requests`] hands it out.
    OperationState {
        /// Which.
        id: OperationId,
        /// New state.
        state: OpState,
        /// New error.
        error: Option<String>,
    },
    /// Asks a running operation to end early.
    Cancel {
        /// Which.
        id: OperationId,
    },
    /// What an operation resolved.
    Resolved {
        /// Which.
        id: OperationId,
        /// What.
        resolved: Arc<Value>,
    },
    /// The plan of an operation.
    Planned {
        /// Which.
        id: OperationId,
        /// The plan.
        plan: Arc<Plan>,
    },
    /// New credentials for an operation that waits for some (replaces its request).
    Request {
        /// Which.
        id: OperationId,
        /// The whole request.
        request: Arc<Value>,
    },
    /// A line of an operation's log.
    Step(StepEvent),
    /// Something for whoever watches; the store gives it the next number of the infrastructure's feed.
    Event(EventBody),
    /// Text at the end of a log. Also published as [`EventBody::Log`]; the store does that.
    Log {
        /// Whose log.
        scope: LogScope,
        /// Whole lines.
        text: String,
    },
    /// Empties a log.
    ClearLog {
        /// Whose log.
        scope: LogScope,
    },
    /// A tombstone was searched for again, after its settle time. Once none of the infrastructure is left to be searched
    /// for, the requests that were kept for it are dropped in the same transaction.
    Searched {
        /// Its key.
        key: Key,
    },
    /// Drops the requests that final operations of the infrastructure were allowed to keep: they are of no use any more.
    DropRequests,
    /// A shared text (the concrete document of a deploy), under the hash of it. Sealed.
    Blob {
        /// Its id: see [`im_model::BlobId`].
        id: BlobId,
        /// The text.
        text: Arc<str>,
    },
}

/// Whether the owner keeps the infrastructure after a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// It does.
    Keep,
    /// The row gets no owner, whatever is left: another instance has to go on (a plan of a newer format).
    Now,
    /// Nothing is left to do: the row gets no owner, in the same transaction, unless an operation that is not final
    /// is stored meanwhile (then it is kept and [`Committed::released`] is false). Operations of plan formats that are
    /// not known do not count: whoever knows them is to have it.
    IfIdle,
}

/// Answer of a commit.
#[derive(Clone, Debug, PartialEq)]
pub struct Committed {
    /// The infrastructure's new `seq`.
    pub seq: u64,
    /// The events written, numbered.
    pub events: Vec<Event>,
    /// The infrastructure has no owner any more.
    pub released: bool,
}

/// A request to be stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Submission {
    /// The operation, `Pending`. Inserted if absent: repeating a submission is safe.
    pub operation: Arc<Operation>,
    /// For a create: the infrastructure, inserted in the same transaction.
    pub infrastructure: Option<Arc<Infrastructure>>,
    /// Further writes of the same transaction.
    pub writes: Vec<Write>,
    /// Cancel every other operation that is not final and raise the epoch (destroy).
    pub supersede_all: bool,
    /// Who accepts it: claims the infrastructure in the same transaction where it is unowned, expired or its own.
    pub instance: InstanceId,
    /// Length of the lease, in milliseconds.
    pub lease_ms: u64,
}

/// What a wish did to an operation's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heeded {
    /// Nothing: it was wished before, is under way, or has ended.
    Nothing,
    /// It is marked; whoever carries it out sees to it.
    Marked,
    /// It was paused, and goes on.
    LetOn,
}

impl Heeded {
    /// From the state before, and what [`im_model::Wish::heeded`] made of it.
    pub fn from<T>(before: OpState, heeded: Option<&T>) -> Self {
        match heeded {
            None => Self::Nothing,
            Some(_) if before.is_paused() => Self::LetOn,
            Some(_) => Self::Marked,
        }
    }
}

/// Answer of [`crate::Store::wish`].
#[derive(Clone, Debug, PartialEq)]
pub struct Wished {
    /// What became of it.
    pub heeded: Heeded,
    /// The operation, as it is now.
    pub operation: Operation,
}

/// Answer of a submission.
#[derive(Clone, Debug, PartialEq)]
pub struct Submitted {
    /// This instance owns the infrastructure; the epoch may be new (after `supersede_all`). `None`: another does, and
    /// will find the operation.
    pub claim: Option<Claim>,
    /// Events written, numbered.
    pub events: Vec<Event>,
    /// The infrastructure's `seq`.
    pub seq: u64,
}

/// Whose infrastructures to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owned {
    /// Everybody's (administrators).
    All,
    /// Those that have an owner of one of these user names; the caller then checks the lines themselves.
    By(Vec<String>),
}

/// A row of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// Identity.
    pub id: InfraId,
    /// Its owners.
    pub owners: Arc<Credentials>,
    /// When it was last saved.
    pub saved: Millis,
    /// It is gone.
    pub deleted: bool,
}
