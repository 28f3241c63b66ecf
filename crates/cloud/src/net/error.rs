//! Errors of the network module.

use super::{AddressClass, TlsError};
use crate::{CloudError, ErrorKind, Outcome};
use std::time::Duration;

/// Whether the other side may have seen the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Not a byte of it left.
    No,
    /// It may have.
    Maybe,
}

/// Why a host could not be asked. Holds host names and ports, never paths, queries, headers or bodies.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetError {
    /// The host makes no sense.
    #[error("{host:?} is not a valid host: {reason}")]
    InvalidHost {
        /// As given.
        host: String,
        /// Why.
        reason: String,
    },
    /// The policy refuses the address.
    #[error(
        "{host} is {class}, and this service does not connect to such addresses for {purpose}; its operator can allow \
         it with ALLOWED_LOCAL_HOSTS"
    )]
    Forbidden {
        /// Host and port.
        host: String,
        /// The worst of its addresses.
        class: AddressClass,
        /// For what.
        purpose: super::Purpose,
    },
    /// The policy refuses the Unix socket.
    #[error("Unix sockets of the service's host are refused; its operator can allow this one with ALLOWED_LOCAL_HOSTS")]
    ForbiddenSocket,
    /// The name has no address.
    #[error("no address found for {host}: {reason}")]
    Resolve {
        /// The name.
        host: String,
        /// The resolver's words.
        reason: String,
    },
    /// Nobody accepted the connection.
    #[error("cannot connect to {host}: {reason}")]
    Connect {
        /// Host and port, or the socket.
        host: String,
        /// The system's words.
        reason: String,
    },
    /// No TLS session came to be.
    #[error("TLS with {host} failed: {reason}")]
    Tls {
        /// Host and port.
        host: String,
        /// The library's words.
        reason: String,
    },
    /// The TLS material itself is unusable.
    #[error(transparent)]
    TlsSetup(#[from] TlsError),
    /// The time ran out.
    #[error("no answer from {host} within {} s", .after.as_secs_f32())]
    TimedOut {
        /// Host and port.
        host: String,
        /// The limit.
        after: Duration,
        /// Whether the request may have been seen.
        sent: Sent,
    },
    /// The connection broke, or what came back is not HTTP.
    #[error("{host} broke the connection or answered nonsense: {reason}")]
    Broken {
        /// Host and port.
        host: String,
        /// The library's words.
        reason: String,
        /// Whether the request may have been seen.
        sent: Sent,
    },
    /// The answer is longer than allowed.
    #[error("the answer of {host} is longer than {limit} bytes")]
    TooLarge {
        /// Host and port.
        host: String,
        /// The limit.
        limit: usize,
    },
    /// A redirect that may not be followed.
    #[error("{host} redirects {problem}")]
    Redirect {
        /// Host and port.
        host: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// The request itself cannot be encoded.
    #[error("the request cannot be sent: {reason}")]
    InvalidRequest {
        /// Why.
        reason: String,
    },
}

impl NetError {
    /// Whether the other side may have seen the request.
    pub fn sent(&self) -> Sent {
        match self {
            Self::TimedOut { sent, .. } | Self::Broken { sent, .. } => *sent,
            Self::TooLarge { .. } | Self::Redirect { .. } => Sent::Maybe,
            _ => Sent::No,
        }
    }

    /// As an error of a connector, in front of which `what` says what was tried.
    pub fn into_cloud_error(self, what: &str) -> CloudError {
        let kind = match &self {
            Self::Forbidden { .. } | Self::ForbiddenSocket => ErrorKind::Forbidden,
            Self::InvalidHost { .. } | Self::InvalidRequest { .. } | Self::TlsSetup(_) => ErrorKind::Invalid,
            _ => ErrorKind::Unavailable,
        };
        CloudError {
            kind,
            outcome: match self.sent() {
                Sent::No => Outcome::NotApplied,
                Sent::Maybe => Outcome::Unknown,
            },
            message: format!("{what}: {self}"),
        }
    }
}
