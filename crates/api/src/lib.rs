//! REST: decode, call the service, encode.
//!
//! [`Rest`] is a `tower` service over an [`im_service::Manager`]; [`serve`] puts it on a socket, with or without TLS.
//! A request is decoded in this order, and the first thing wrong is what is answered: body, credentials, path and query
//! values, `Accept`. Only then is the manager called: nothing is executed for a caller who could not read the answer.
//!
//! Never here: what an operation means, databases, clouds, configuration files, the clock.

mod accept;
mod answer;
mod base;
mod body;
mod call;
mod cors;
mod failure;
mod options;
mod proxies;
mod query;
mod rest;
mod routes;
mod server;

pub use options::Options;
pub use proxies::{TrustedProxies, TrustedProxiesError};
pub use rest::Rest;
pub use server::{Tls, serve};
