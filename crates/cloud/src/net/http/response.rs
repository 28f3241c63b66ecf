//! What comes back.

use super::super::{NetError, Sent};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{HeaderMap, StatusCode, body::Incoming};
use std::time::Duration;
use tokio::task::JoinHandle;

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct Response {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
}

impl Response {
    /// The body as text; invalid UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
    /// The body as JSON.
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }
}

/// Ends the task that drives a connection when nobody reads it any more.
pub(super) struct Driver(pub(super) JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// An answer whose body is read as it comes. Dropping it closes the connection.
pub struct Streaming {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    pub(super) body: Incoming,
    pub(super) url: String,
    pub(super) host: String,
    pub(super) idle: Duration,
    pub(super) limit: usize,
    pub(super) read: usize,
    pub(super) _driver: Driver,
}

impl std::fmt::Debug for Streaming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {}", self.status, self.host)
    }
}

impl Streaming {
    /// Who answered: host and port, or the socket.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// What answered, after redirects. May hold secrets where the request's path did.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The next piece of the body; `None` at its end.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, NetError> {
        loop {
            let frame = tokio::time::timeout(self.idle, self.body.frame())
                .await
                .map_err(|_| NetError::TimedOut {
                    host: self.host.clone(),
                    after: self.idle,
                    sent: Sent::Maybe,
                })?;
            let Some(frame) = frame else { return Ok(None) };
            let frame = frame.map_err(|e| NetError::Broken {
                host: self.host.clone(),
                reason: e.to_string(),
                sent: Sent::Maybe,
            })?;
            let Ok(data) = frame.into_data() else { continue };
            self.read += data.len();
            if self.read > self.limit {
                return Err(NetError::TooLarge {
                    host: self.host.clone(),
                    limit: self.limit,
                });
            }
            return Ok(Some(data));
        }
    }

    /// Reads the rest.
    pub async fn collect(mut self) -> Result<Response, NetError> {
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            body.extend_from_slice(&chunk);
        }
        Ok(Response {
            status: self.status,
            headers: std::mem::take(&mut self.headers),
            body: body.into(),
        })
    }
}
