//! What can be asked of the Infrastructure Manager: create, add, remove, configure, power, alter, destroy, read.
//!
//! Data flows one way: document → request → operation → plan → cloud → events. Nothing here knows HTTP or SQL, and
//! nothing here names a concrete cloud: connectors come in through [`Connectors`].

mod calls;
mod connectors;
mod documents;
mod draw;
mod error;
mod facade;
mod feed;
mod flow;
mod housekeeping;
mod logs;
mod manager;
mod materialize;
mod operations;
mod options;
mod orphans;
mod reads;
mod refresh;
mod request;
mod select;
mod service;
mod states;
#[cfg(test)]
mod tests_support;
mod tosca;
mod views;

pub use connectors::Connectors;
pub use error::{ServiceError, ServiceResult};
pub use facade::{
    Accepted, CloudName, ContMsg, Context, Force, NeededAccount, OperationDetails, OperationView, PlannedStep,
    RemainingResource, Reply, StateView, Steer, Updated, VmView,
};
pub use flow::Flow;
pub use housekeeping::Housekeeping;
pub use im_ops::StepStanding;
pub use manager::Manager;
pub use options::{BootMode, Cidr, CidrError, PolicySource, ServiceOptions, TagNames, default_private_masks};
pub use orphans::{Orphan, OrphanProblem, OrphanStatus, Orphans};
pub use service::Service;
pub use tosca::{Fetch, ToscaOptions, Translation};
