//! What can be wrong with a configuration file: where, what, and what to do.

use thiserror::Error;

/// An error that stops the service from starting.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{file}, line {line}: {message}; {hint}")]
pub struct ConfigError {
    /// The file, as named by whoever read it.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: String,
}
