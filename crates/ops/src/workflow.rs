//! What the application tells the engine: how to resolve, plan, reach clouds, run its own steps, and what each change
//! means for the rows that users see.

use async_trait::async_trait;
use im_cloud::{Connector, Cx, Observed};
use im_model::{Cancel, CloudRef, OpState, Operation, Plan, Resource, Step, StepEventKind, StepId, Unit};
use im_store::{InfraState, StoreResult, Write};
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc};
use thiserror::Error;

/// An operation under way.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its row, as stored (request, resolved data and plan included, once there).
    pub operation: Arc<Operation>,
    /// It was begun by an owner that is gone: effects of that owner's calls may still arrive.
    pub resumed: bool,
}

/// Why a step, resolve or plan did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StepError {
    /// It failed; the sentence is for the user.
    #[error("{message}")]
    Failed {
        /// The contract's words where it has some, the cloud's own included.
        message: String,
        /// Another attempt may succeed.
        temporary: bool,
    },
    /// The credentials are missing, expired or another account's: the operation waits for better ones.
    #[error("{message}")]
    NeedsCredentials {
        /// Which are needed.
        message: String,
    },
    /// Nobody but a person can decide how to go on.
    #[error("{message}")]
    Stuck {
        /// Why.
        message: String,
    },
    /// The engine is stopping or the operation was cancelled or fenced: nothing is to be recorded.
    #[error("interrupted")]
    Interrupted,
}

impl StepError {
    /// A failure that no repetition mends.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::Failed {
            message: message.into(),
            temporary: false,
        }
    }
    /// A failure that another attempt may mend.
    pub fn temporary(message: impl Into<String>) -> Self {
        Self::Failed {
            message: message.into(),
            temporary: true,
        }
    }
}

/// What planning gives.
#[derive(Clone, Debug, Default)]
pub struct Planned {
    /// The steps.
    pub plan: Plan,
    /// Rows to write in the same transaction as the plan: new VMs, the changed document, blobs.
    pub writes: Vec<Write>,
}

/// The way to a cloud for a job.
#[derive(Clone)]
pub struct Reach {
    /// The connector, in its layers.
    pub connector: Arc<dyn Connector>,
    /// What calls are made with.
    pub cx: Cx,
}

/// How a unit of an operation (a VM, or the infrastructure) ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnitOutcome {
    /// All its steps succeeded.
    Done,
    /// A step failed for good; what it had made was undone. The sentences of all attempts, in order.
    Failed {
        /// Those sentences.
        errors: Vec<String>,
    },
    /// It was cancelled; what it had made was undone.
    Cancelled,
}

/// Why an operation ended early. The later ones are stronger: they replace earlier ones while it is ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cancelled {
    /// By a newer configuration.
    Superseded,
    /// By somebody who wants it undone: what it made was removed.
    ByCaller,
    /// By somebody who gave it up: no cloud was asked any more, and what may exist there is released.
    Abandoned,
    /// By a delete, which removes whatever there is itself.
    ByDelete,
}

impl Cancelled {
    /// What is shown as the operation's error.
    pub(crate) fn sentence(self) -> &'static str {
        match self {
            Self::Superseded => "superseded by a newer configuration",
            Self::ByCaller => "cancelled",
            Self::Abandoned => "abandoned",
            Self::ByDelete => "cancelled by a delete",
        }
    }
}

impl From<Cancel> for Cancelled {
    fn from(wish: Cancel) -> Self {
        match wish {
            Cancel::Unwind => Self::ByCaller,
            Cancel::Abandon => Self::Abandoned,
        }
    }
}

/// How an operation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// `Done`, `Undone`, `WaitingCredentials` or `Stuck`.
    pub state: OpState,
    /// Why it did not go well as a whole (resolve or plan failed, cancelled, stuck).
    pub error: Option<String>,
    /// It ended early.
    pub cancelled: Option<Cancelled>,
    /// Its units, once it had a plan.
    pub units: BTreeMap<Unit, UnitOutcome>,
}

/// What happened, for [`Workflow::project`].
#[derive(Clone, Copy, Debug)]
pub enum Change<'a> {
    /// The operation left `Pending`.
    Began,
    /// A step's event is being written.
    Step {
        /// Its number.
        id: StepId,
        /// The step.
        step: &'a Step,
        /// The event.
        event: &'a StepEventKind,
        /// For an ensured resource that exists now: its row and what the cloud said.
        created: Option<(&'a Resource, &'a Observed)>,
    },
    /// A unit ended.
    Unit {
        /// Which.
        unit: Unit,
        /// How.
        outcome: &'a UnitOutcome,
    },
    /// The operation ended or paused. Writes may hold [`Write::NewOperation`]s: they start at once.
    Ended(&'a Ending),
}

/// A change of rows from their present content.
pub type RowChange = Box<dyn FnOnce(&InfraState) -> Vec<Write> + Send>;

/// What a running handler may do to the rows while it runs.
#[async_trait]
pub trait Sink: Send + Sync {
    /// The infrastructure as it stands now.
    async fn state(&self) -> StoreResult<Arc<InfraState>>;
    /// Writes durably, under the job's fence. `Err` with [`im_store::StoreError::Fenced`]: stop at once.
    async fn write(&self, writes: Vec<Write>) -> StoreResult<()>;
    /// Changes rows from their present content, with nobody in between; what the function returns is written durably.
    async fn update(&self, change: RowChange) -> StoreResult<()>;
    /// Resolves once the operation is cancelled, superseded or the engine stops. A handler that waits selects on it
    /// and answers [`StepError::Interrupted`].
    async fn cancelled(&self);
}

/// A call of a handler.
#[derive(Clone)]
pub struct RunCall {
    /// The operation.
    pub job: Job,
    /// The step.
    pub step: StepId,
    /// What it belongs to.
    pub unit: Unit,
    /// Name of the handler.
    pub name: String,
    /// Its argument.
    pub args: Arc<Value>,
    /// Which try, from 0.
    pub attempt: u32,
    /// Results of the steps it waits for, by number.
    pub inputs: BTreeMap<StepId, Arc<Value>>,
    /// Rows, logs, cancellation.
    pub sink: Arc<dyn Sink>,
}

/// The application, as the engine sees it.
#[async_trait]
pub trait Workflow: Send + Sync + 'static {
    /// Reads the clouds and draws what is random. Logged before anything is planned; changes nothing. Called again
    /// only if its result was not stored.
    async fn resolve(&self, job: &Job, state: &InfraState) -> Result<Value, StepError>;

    /// The plan, from request, resolved data and rows. Pure: the same arguments give the same plan.
    fn plan(&self, job: &Job, resolved: &Value, state: &InfraState) -> Result<Planned, StepError>;

    /// Connector and context for a cloud, with the credentials of the job's request.
    fn reach(&self, job: &Job, cloud: &CloudRef) -> Result<Reach, StepError>;

    /// Runs a step of the application's own ([`im_model::Action::Run`]). Must be safe to run twice.
    async fn run(&self, call: RunCall) -> Result<Value, StepError>;

    /// What a change means for the rows that users see; written in the transaction that records the change. Pure.
    fn project(&self, job: &Job, state: &InfraState, change: Change<'_>) -> Vec<Write>;
}
