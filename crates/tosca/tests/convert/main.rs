//! From TOSCA to RADL and back to outputs: real documents against what the original made of them, and each rule by
//! itself.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod applications;
mod contract;
mod documents;
mod mutations;
mod outputs;
mod rules;
mod samples;
mod support;
mod types;
mod updates;
