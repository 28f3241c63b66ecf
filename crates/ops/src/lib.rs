//! Durable operations: the engine that carries a stored request through resolve, plan and steps to its end, whatever
//! crashes in between.
//!
//! Generic over what operations mean: the application says it through [`Workflow`]. The engine owns claims, leases,
//! fences, intents, attempts, undo, replay, lanes and group commits. It never speaks HTTP or SQL, and knows a cloud
//! only as an [`im_cloud::Connector`].

mod actor;
mod cache;
mod engine;
mod inner;
mod needed;
mod operations;
mod options;
mod owner;
mod run;
mod settle;
mod state;
mod workflow;

pub use engine::Engine;
pub use operations::{OperationRows, StepStanding, StepView, remaining, step_views};
pub use options::EngineOptions;
pub use settle::Searched;
pub use workflow::{
    Cancelled, Change, Ending, Job, Planned, Reach, RowChange, RunCall, Sink, StepError, UnitOutcome, Workflow,
};
