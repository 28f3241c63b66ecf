//! The guarded network module: the only place that opens a socket because a request asked for it.
//!
//! Whoever wants to reach a host that a tenant named goes through a [`Guard`]. It resolves the name once, checks every
//! address against the policy for the [`Purpose`], and connects to the very addresses that it checked: a name that
//! answers differently the second time gains nothing. [`http::Client`] puts HTTP over such connections (TCP, TLS, Unix
//! sockets) and follows redirects itself, each through the guard again.
//!
//! [`import::Importer`] is for the URLs that documents name: bounded content, public addresses only.
//!
//! Never here: environment proxies, connection reuse between calls (a stale connection would make it uncertain whether
//! a request was sent), and fallbacks to unverified TLS.

mod address;
mod allowed;
mod error;
mod guard;
pub mod http;
pub mod import;
mod tls;

pub use address::{AddressClass, classify};
pub use allowed::{AllowedHosts, AllowedHostsError};
pub use error::{NetError, Sent};
pub use guard::{Guard, Purpose, Resolve, SystemResolver, is_own};
pub use tls::{ClientIdentity, TlsError, TlsOptions, Verification};
