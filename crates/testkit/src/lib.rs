//! For tests only: simulated cloud, conformance suite, fixtures.
