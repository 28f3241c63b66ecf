//! Why a measurement could not be made.

use std::{io, path::PathBuf, time::Duration};
use thiserror::Error;

/// Result of a measurement.
pub(crate) type BenchResult<T> = Result<T, BenchError>;

/// Why a measurement could not be made.
#[derive(Debug, Error)]
pub(crate) enum BenchError {
    #[error("{0} cannot be started: {1}; build it with `cargo build --release -p im`, or name it with --im")]
    NotStarted(PathBuf, io::Error),
    #[error("the service ended before it listened; its log:\n{0}")]
    Ended(String),
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("the answer cannot be read: {0}")]
    Answer(String),
    #[error("{what}: status {status}: {body}")]
    Status { what: String, status: u16, body: String },
    #[error("{what} after {limit:?}")]
    Late { what: String, limit: Duration },
    #[error("{0}")]
    Setup(String),
}
