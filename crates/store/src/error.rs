//! What can go wrong with the database.

use thiserror::Error;

/// Result of the store.
pub type StoreResult<T> = Result<T, StoreError>;

/// Why the store did not do it.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The epoch of the infrastructure is another: somebody else owns it now. Stop at once; nothing was written.
    #[error("infrastructure {infra} is owned by another instance or operation now")]
    Fenced {
        /// The infrastructure.
        infra: im_model::InfraId,
    },
    /// The row to be inserted is there already, with other content.
    #[error("{what} exists already")]
    Exists {
        /// What.
        what: String,
    },
    /// The row asked for does not exist.
    #[error("{what} does not exist")]
    Missing {
        /// What.
        what: String,
    },
    /// Whether the transaction was committed is not known; read again before doing anything else.
    #[error("the database did not say whether it committed: {0}")]
    Uncertain(String),
    /// The key file does not open what is in the database.
    #[error("{0}")]
    WrongKey(String),
    /// The key file is missing, damaged or open to others. The text says what to do.
    #[error("{0}")]
    KeyFile(String),
    /// What was asked for makes no sense or is not in this version; asking again does not help.
    #[error("{0}")]
    Refused(String),
    /// Another process has the database (SQLite serves one).
    #[error("{0}")]
    Locked(String),
    /// A row cannot be read: damaged, or written by a newer version.
    #[error("{what} cannot be read: {why}")]
    Unreadable {
        /// Table and key.
        what: String,
        /// Why.
        why: String,
    },
    /// The database refused or did not answer.
    #[error("database: {0}")]
    Database(String),
}

impl StoreError {
    /// The same call may succeed later.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Database(_) | Self::Uncertain(_))
    }
}
