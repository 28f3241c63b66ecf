//! Errors of connectors.

use std::fmt;

/// What went wrong, as far as the service acts on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The credentials are missing, refused or expired.
    Unauthorized,
    /// The credentials are those of another account than the resource's.
    WrongAccount,
    /// The thing named does not exist.
    NotFound,
    /// Something foreign has the name or the port that we wanted.
    Conflict,
    /// The request makes no sense to the cloud.
    Invalid,
    /// Quota, capacity.
    Exhausted,
    /// Too many requests.
    RateLimited,
    /// The cloud has no such operation.
    Unsupported,
    /// Refused by the guarded network module.
    Forbidden,
    /// No answer, a broken one, or a server error.
    Unavailable,
}

/// Whether the effect may have happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It has not: repeating under another key is safe.
    NotApplied,
    /// It may have: only a resume under the same key is safe.
    Unknown,
}

/// An error of a connector. Displays what was tried and the cloud's own words, never a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloudError {
    /// What went wrong.
    pub kind: ErrorKind,
    /// Whether the effect may have happened.
    pub outcome: Outcome,
    /// The message, in the contract's words where it gives some (e.g. `Error pulling the image: <body>`).
    pub message: String,
}

impl CloudError {
    /// An error of a call that certainly had no effect.
    pub fn not_applied(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            outcome: Outcome::NotApplied,
            message: message.into(),
        }
    }
    /// An error of a call whose effect is not known.
    pub fn unknown(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            outcome: Outcome::Unknown,
            message: message.into(),
        }
    }
    /// The contract's answer where an operation does not exist.
    pub fn unsupported(message: &str) -> Self {
        Self::not_applied(ErrorKind::Unsupported, message)
    }
    /// The same call may succeed later without anybody doing anything.
    pub fn is_temporary(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::RateLimited | ErrorKind::Unavailable | ErrorKind::Exhausted
        )
    }
}

impl fmt::Display for CloudError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
impl std::error::Error for CloudError {}
