//! What can be asked of the Infrastructure Manager: create, add, remove, configure, power, alter, destroy, read.
//!
//! Data flows one way: document → request → operation → plan → cloud → events. Nothing here knows HTTP or SQL, and
//! nothing here names a concrete cloud: connectors come in through [`Connectors`].

mod error;
mod facade;
mod manager;

pub use error::{ServiceError, ServiceResult};
pub use facade::{Accepted, ContMsg, Context, Force, OperationView, Reply, StateView, VmView};
pub use manager::Manager;
