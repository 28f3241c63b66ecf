//! How the service speaks to clouds: the [`Connector`] trait, its errors, its layers, and the one guarded network
//! module that opens every socket a request causes.
//!
//! Knows no concrete cloud.

mod connector;
mod error;
mod layers;
pub mod net;

pub use connector::{
    Connector, Cx, Dependency, Draw, FirstOrResume, Found, Gone, LaunchPlan, LaunchRequest, Observed, Seen, Target,
    VmPlan, VmRequest, Wanted, WantedResource,
};
pub use error::{CloudError, ErrorKind, Outcome};
pub use layers::{LayerOptions, Layered, Rate};
