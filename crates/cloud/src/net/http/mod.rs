//! HTTP over guarded connections: one connection per request, over TCP, TLS or a Unix socket.

mod client;
mod request;
mod response;

pub use client::{Client, Limits};
pub use hyper::{HeaderMap, Method, StatusCode, header};
pub use request::{Origin, Redirects, Request, encode, secret_header};
pub use response::{Response, Streaming};
