//! Whole commands: words in, output and exit code out, against a service that says what the test wants.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod changes;
mod offline;
mod operations;
mod questions;
mod run;
mod server;
