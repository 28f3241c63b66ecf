//! The words every other crate speaks: ids, states, secrets, credentials, and the records of durable operations.
//!
//! Everything here is a value. Nothing in this crate performs IO, reads a clock or draws a random number; whatever of
//! that kind is needed comes in as an argument.

mod cloud;
mod event;
mod ids;
mod infra;
mod key;
mod operation;
mod resource;
mod secret;
mod state;

pub use cloud::{Account, AuthLine, Capability, CloudRef, Credentials, Idempotence, Power, Supports};
pub use event::{Event, EventBody, LogScope};
pub use ids::{BlobId, InfraId, InstanceId, OperationId, StepId, VmId};
pub use infra::{Configured, ContextRun, Infrastructure, Vm};
pub use key::{Deployment, Key, KeyParts, Mark};
pub use operation::{
    Action, Cancel, Lane, OpKind, OpState, Operation, PLAN_FORMAT, Plan, Step, StepEvent, StepEventKind, StepFailure,
    Unit, Wish,
};
pub use resource::{Frozen, Resource, ResourceKind, ResourceState};
pub use secret::Secret;
pub use state::{InfraState, VmState};

/// Milliseconds since the Unix epoch, as the database's clock says.
pub type Millis = i64;
