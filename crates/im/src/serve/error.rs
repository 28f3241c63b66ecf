//! Why the service does not start, and what to do about it.

use im_config::ConfigError;
use im_store::StoreError;
use std::{io, path::PathBuf};
use thiserror::Error;

/// Why the service does not start (or no longer runs).
#[derive(Debug, Error)]
pub(crate) enum StartError {
    /// A value in a configuration file.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// A file that the operator named.
    #[error("{what} {}: {cause}; {hint}", path.display())]
    File {
        /// What it is.
        what: &'static str,
        /// Which.
        path: PathBuf,
        /// What happened.
        cause: io::Error,
        /// What to do.
        hint: &'static str,
    },
    /// The port.
    #[error(
        "cannot listen on {address}: {cause}; `ss -ltnp 'sport = :{port}'` names who has the port, REST_ADDRESS and \
         REST_PORT choose others"
    )]
    Listen {
        /// Address and port.
        address: String,
        /// The port alone.
        port: u16,
        /// What happened.
        cause: io::Error,
    },
    /// The database.
    #[error("{0}")]
    Database(StoreError),
    /// The keys: missing, damaged, open to others, or not those of the database.
    #[error("{0}")]
    Keys(StoreError),
    /// Serving ended by itself.
    #[error("the API stopped: {0}")]
    Serve(io::Error),
    /// The operating system gave us no threads, signals or sockets.
    #[error("cannot start: {0}")]
    Runtime(io::Error),
}

impl StartError {
    /// Of what the store says when it is opened.
    pub(super) fn store(error: StoreError) -> Self {
        match error {
            StoreError::WrongKey(_) | StoreError::KeyFile(_) => Self::Keys(error),
            other => Self::Database(other),
        }
    }

    /// The exit code of the program.
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Database(_) | Self::Keys(_) => 2,
            _ => 1,
        }
    }
}
