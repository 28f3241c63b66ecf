//! Errors of contextualization.

use im_cloud::net::NetError;
use std::time::Duration;
use thiserror::Error;

/// Why a machine could not be spoken to over SSH.
#[derive(Debug, Error)]
pub enum SshError {
    /// No connection.
    #[error(transparent)]
    Net(#[from] NetError),
    /// There is no address to try.
    #[error("the VM has no address yet")]
    NoAddress,
    /// Every credential was refused.
    #[error("{host} refused the log-in of {user} with {tried}")]
    Refused {
        /// Host and port.
        host: String,
        /// The login user.
        user: String,
        /// The credentials tried, in words.
        tried: String,
    },
    /// The private key cannot be read.
    #[error("the private key of {user} cannot be used: {reason}")]
    BadKey {
        /// The login user.
        user: String,
        /// The library's words.
        reason: String,
    },
    /// The connection broke, or what came is not SSH.
    #[error("the SSH connection with {host} failed: {reason}")]
    Broken {
        /// Host and port.
        host: String,
        /// The library's words.
        reason: String,
    },
    /// It took too long.
    #[error("no answer over SSH from {host} within {} s", .after.as_secs_f32())]
    TimedOut {
        /// Host and port.
        host: String,
        /// The limit.
        after: Duration,
    },
    /// Waiting for a log-in is over.
    #[error("no log-in over SSH within {} s; at last: {last}", .after.as_secs_f32())]
    Waited {
        /// How long it was waited for.
        after: Duration,
        /// What the last attempt came to.
        last: Box<SshError>,
    },
}

impl SshError {
    /// Whether it is worth trying again: the machine may still be booting.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Net(NetError::Forbidden { .. } | NetError::InvalidHost { .. })
            | Self::NoAddress
            | Self::BadKey { .. }
            | Self::Waited { .. } => false,
            // Right after its boot a VM may not have got its keys yet: the caller counts these.
            Self::Net(_) | Self::Refused { .. } | Self::Broken { .. } | Self::TimedOut { .. } => true,
        }
    }
}

/// Why contextualization could not go on.
#[derive(Debug, Error)]
pub enum CtxtError {
    /// The connection with the master.
    #[error(transparent)]
    Ssh(#[from] SshError),
    /// A newer run is known to the master: this one must stop.
    #[error("run {number} is out of date: the master has seen run {newer}")]
    Superseded {
        /// The number that was asked for.
        number: u64,
        /// The highest seen.
        newer: u64,
    },
    /// A command on the master failed.
    #[error("{what} failed on the master (exit code {code}): {output}")]
    Command {
        /// What was tried.
        what: &'static str,
        /// Its exit code; 255 when it ended by a signal.
        code: u32,
        /// The end of what it said.
        output: String,
    },
    /// Ansible is neither there nor could it be installed.
    #[error("Ansible could not be installed in the master VM: {0}")]
    NoAnsible(String),
    /// The runner ended without saying how: retrying is allowed.
    #[error("the runner of run {number} vanished from the master: {reason}")]
    Vanished {
        /// The run.
        number: u64,
        /// What is known.
        reason: String,
    },
    /// The master is not among the nodes of the run.
    #[error("VM {0} is the master but not among the VMs to configure")]
    NoMaster(im_model::VmId),
    /// A document or a value in it cannot be turned into files.
    #[error("{0}")]
    Unusable(String),
}
