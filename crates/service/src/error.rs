//! Errors as the edges see them. Each carries the sentence of the contract; the edge adds its prefix and status.

use im_model::OperationId;
use im_radl::Diagnostic;
use thiserror::Error;

/// Result of the service.
pub type ServiceResult<T> = Result<T, ServiceError>;

/// What went wrong, as far as an edge distinguishes it.
#[derive(Debug, Error)]
pub enum ServiceError {
    /// Unknown id, or deleted (404).
    #[error("Invalid infrastructure ID or access not granted.")]
    NoInfrastructure,
    /// Being deleted or just deleted (404).
    #[error("Deleted infrastructure.")]
    DeletedInfrastructure,
    /// The caller is neither owner nor admin (403).
    #[error("Access to this infrastructure not granted.")]
    NotGranted,
    /// Unknown VM (404).
    #[error("Invalid VM ID")]
    NoVm,
    /// VM already destroyed (404).
    #[error("Deleted VM.")]
    DeletedVm,
    /// `BOOT_MODE` forbids it (403).
    #[error("Function currently disabled.")]
    Disabled,
    /// The caller's credentials for this service were refused (401).
    #[error("{0}")]
    Unauthorized(String),
    /// The document is not acceptable (400).
    #[error("{message}")]
    BadDocument {
        /// In the contract's words.
        message: String,
        /// Everything found.
        diagnostics: Vec<Diagnostic>,
    },
    /// Asked for something that cannot be done (400).
    #[error("{0}")]
    Refused(String),
    /// The infrastructure does not come from a TOSCA document (403).
    #[error("'{0}' infrastructure property is not valid in this infrastructure")]
    NotTosca(&'static str),
    /// VMs that an update removes are still there, and nothing was added (404).
    #[error("{message}")]
    NotRemoved {
        /// In the contract's words.
        message: String,
    },
    /// Comes too late for what it is about (409).
    #[error("{0}")]
    Conflict(String),
    /// No such operation (404).
    #[error("Invalid operation ID")]
    NoOperation,
    /// The operation did not end well, waits or is stuck (400).
    #[error("{message}")]
    Operation {
        /// Which; `im` and the REST API show more of it.
        id: OperationId,
        /// In the contract's words.
        message: String,
    },
    /// Ours (500). The chain has been logged under `correlation`; the message says nothing of the inside.
    #[error("internal error {correlation}; the service's log says more under this number")]
    Internal {
        /// What to look for in the log.
        correlation: String,
    },
}

impl ServiceError {
    /// Logs the chain of an unexpected error once and gives it a number.
    pub fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        let correlation = uuid::Uuid::new_v4().simple().to_string()[..12].to_owned();
        let mut chain = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            chain.push_str(": ");
            chain.push_str(&cause.to_string());
            source = cause.source();
        }
        tracing::error!(%correlation, "{chain}");
        Self::Internal { correlation }
    }
}
