//! Fetches what a document names: imports, templates, artifacts. Any URL that a tenant writes is fetched here.
//!
//! Policy: `http` and `https` without user and password; public addresses only, unless `ALLOWED_LOCAL_HOSTS` names the
//! host; at most [`ImportLimits::redirects`] redirects, each checked like the first address, never from TLS to plain; at
//! most [`ImportLimits::bytes`] of content in at most [`ImportLimits::total`]. Content is asked for as it is and refused
//! when it comes compressed: nothing is ever unpacked, so nothing can grow.
//!
//! Never here: a cache (what came says how long it may be kept, and how to ask again), headers with credentials, reading
//! of files, other schemes, environment proxies.

mod freshness;

pub use freshness::Freshness;

use super::{
    Guard, NetError, Purpose, TlsOptions,
    http::{Client, HeaderMap, Limits, Method, Redirects, Request, StatusCode, Streaming, header},
};
use bytes::Bytes;
use std::time::{Duration, SystemTime};
use url::Url;

/// A URL longer than this is none that anybody wrote.
const LONGEST_URL: usize = 8 << 10;
/// A validator longer than this is not kept: it would only be sent back.
const LONGEST_VALIDATOR: usize = 1 << 10;

/// Bounds of one fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImportLimits {
    /// Time for everything: names, connections, redirects, content.
    pub total: Duration,
    /// Length of the content, in bytes.
    pub bytes: usize,
    /// Redirects.
    pub redirects: u8,
}

impl Default for ImportLimits {
    /// 20 s, 4 MiB, 5 redirects.
    fn default() -> Self {
        Self {
            total: Duration::from_secs(20),
            bytes: 4 << 20,
            redirects: 5,
        }
    }
}

/// What a former answer said it can be recognised by. Of public content; not secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validators {
    /// `ETag`, as it came.
    pub etag: Option<String>,
    /// `Last-Modified`, as it came.
    pub last_modified: Option<String>,
}

impl Validators {
    /// Whether there is nothing to recognise it by.
    pub fn is_empty(&self) -> bool {
        self.etag.is_none() && self.last_modified.is_none()
    }

    fn of(headers: &HeaderMap) -> Self {
        let text = |name| {
            let value = headers.get(name)?.to_str().ok()?;
            (value.len() <= LONGEST_VALIDATOR).then(|| value.to_owned())
        };
        Self {
            etag: text(header::ETAG),
            last_modified: text(header::LAST_MODIFIED),
        }
    }
}

/// Content that was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// Where it was in the end, after redirects: relative names in it are relative to this.
    pub url: String,
    /// The content.
    pub bytes: Bytes,
    /// `Content-Type`, as it came.
    pub content_type: Option<String>,
    /// For asking again whether it changed.
    pub validators: Validators,
    /// How long it may be used without asking.
    pub freshness: Freshness,
}

/// What came of a fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// Content.
    Content(Imported),
    /// What the caller has is still right; only after a fetch with validators.
    NotModified(Freshness),
}

/// Why something that a document names could not be fetched. Names hosts, never paths or queries: whoever reports it
/// has the URL as the document says it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// The URL is none that is fetched.
    #[error("the URL cannot be fetched: {0}")]
    Url(&'static str),
    /// Nobody answered, the policy refuses the host, or the answer breaks a bound.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The host answered something else.
    #[error("{host} answered {status}")]
    Status {
        /// Host and port.
        host: String,
        /// What.
        status: StatusCode,
    },
    /// Compressed although not asked to be.
    #[error("{host} sends the content compressed although it was asked not to")]
    Compressed {
        /// Host and port.
        host: String,
    },
}

impl ImportError {
    /// Whether asking again later may help. What the policy refuses stays refused.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Url(_) | Self::Compressed { .. } => false,
            Self::Status { status, .. } => {
                status.is_server_error()
                    || matches!(*status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
            }
            Self::Net(error) => matches!(
                error,
                NetError::Resolve { .. }
                    | NetError::Connect { .. }
                    | NetError::TimedOut { .. }
                    | NetError::Broken { .. }
            ),
        }
    }
}

/// Fetches under the import policy. Cheap to clone; holds no connection.
#[derive(Clone, Debug)]
pub struct Importer {
    client: Client,
    limits: ImportLimits,
}

impl Importer {
    /// Over the service's guard. `tls` may hold further authorities; an identity in it is not used: the service shows a
    /// tenant's host no certificate of its own.
    pub fn new(guard: Guard, tls: TlsOptions, limits: ImportLimits) -> Self {
        let tls = TlsOptions { identity: None, ..tls };
        let client = Client::new(guard, Purpose::Import, tls).with_limits(Limits {
            total: limits.total,
            idle: limits.total,
            body: limits.bytes,
        });
        Self { client, limits }
    }

    /// Fetches a URL; `known` asks for the content only if it changed.
    pub async fn fetch(&self, url: &str, known: Option<&Validators>) -> Result<Fetched, ImportError> {
        let url = checked(url)?;
        let mut request = Request::url(Method::GET, url.as_str())?
            .redirects(Redirects::Follow(self.limits.redirects))
            .header("accept", "*/*")?
            .header("accept-encoding", "identity")?;
        if let Some(known) = known {
            if let Some(etag) = &known.etag {
                request = request.header("if-none-match", etag)?;
            }
            if let Some(date) = &known.last_modified {
                request = request.header("if-modified-since", date)?;
            }
        }
        let host = request.host();
        tokio::time::timeout(self.limits.total, self.ask(request, known))
            .await
            .map_err(|_| NetError::TimedOut {
                host,
                after: self.limits.total,
                sent: super::Sent::Maybe,
            })?
    }

    async fn ask(&self, request: Request, known: Option<&Validators>) -> Result<Fetched, ImportError> {
        let answer = self.client.stream(request).await?;
        let freshness = Freshness::of(&answer.headers, SystemTime::now());
        if answer.status == StatusCode::NOT_MODIFIED && known.is_some_and(|k| !k.is_empty()) {
            return Ok(Fetched::NotModified(freshness));
        }
        let host = answer.host().to_owned();
        if answer.status != StatusCode::OK {
            let status = answer.status;
            return Err(ImportError::Status { host, status });
        }
        if is_coded(&answer.headers) {
            return Err(ImportError::Compressed { host });
        }
        too_long(&answer, self.limits.bytes)?;
        let url = answer.url().to_owned();
        let answer = answer.collect().await?;
        let text = |name| Some(answer.headers.get(name)?.to_str().ok()?.to_owned());
        Ok(Fetched::Content(Imported {
            url,
            content_type: text(header::CONTENT_TYPE),
            validators: Validators::of(&answer.headers),
            freshness,
            bytes: answer.body,
        }))
    }
}

/// The URL, if it is one that is fetched.
fn checked(text: &str) -> Result<Url, ImportError> {
    if text.len() > LONGEST_URL {
        return Err(ImportError::Url("it is longer than 8192 bytes"));
    }
    let url = Url::parse(text).map_err(|_| ImportError::Url("it is no absolute URL"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(ImportError::Url("only http and https are fetched"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(ImportError::Url("it holds a user or a password; public URLs only"));
    }
    Ok(url)
}

/// Whether the content is packed in any way.
fn is_coded(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// A length that is announced is believed when it is too much: nothing of it is read.
fn too_long(answer: &Streaming, limit: usize) -> Result<(), NetError> {
    let announced = answer
        .headers
        .get(header::CONTENT_LENGTH)
        .and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|n| n > limit as u64) {
        return Err(NetError::TooLarge {
            host: answer.host().to_owned(),
            limit,
        });
    }
    Ok(())
}
