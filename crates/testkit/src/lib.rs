//! For tests only: simulated cloud, conformance suite, fixtures.

pub mod conformance;
mod nodes;
pub mod proxy;

pub use nodes::{NodeImage, Nodes, TestNode, required};
