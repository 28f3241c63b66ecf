//! Connectors without a cloud: [`Dummy`], whose VMs exist in name only, and [`DeployedNode`], for machines that are
//! already there.
//!
//! Neither opens a socket, keeps anything in memory or creates anything outside the service: what they answer follows
//! from the call alone, and power states and changes live in the service's rows.

mod deployed_node;
mod dummy;
mod nothing_outside;

pub use deployed_node::DeployedNode;
pub use dummy::Dummy;
