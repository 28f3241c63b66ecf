//! For tests only: simulated cloud, conformance suite, fixtures.

pub mod conformance;
pub mod proxy;
