//! Whole commands: words in, output and exit code out, against a service that says what the test wants.

mod changes;
mod offline;
mod questions;
mod run;
mod server;
