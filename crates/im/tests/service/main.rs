//! The real program as a service: on a port of its own, with a database of its own and VMs that exist in name only.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may fail")]

mod client;
mod keys;
mod life;
mod restart;
mod secrets;
mod start;
mod strangers;
mod support;
