//! What is asked, and of whom.

use super::super::{NetError, guard};
use bytes::Bytes;
use hyper::{HeaderMap, Method, header::HeaderValue};
use im_model::Secret;
use std::{fmt, path::PathBuf};
use url::Url;

/// Who is asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// HTTP over TCP.
    Http {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
    },
    /// HTTP over TLS.
    Https {
        /// Name or address; the certificate must be for it.
        host: String,
        /// Port.
        port: u16,
    },
    /// HTTP over a Unix socket of this host.
    Unix(PathBuf),
}

impl Origin {
    /// The value of the `Host` header.
    pub(super) fn authority(&self) -> String {
        match self {
            Self::Http { host, port: 80 } | Self::Https { host, port: 443 } => host.clone(),
            Self::Http { host, port } | Self::Https { host, port } => guard::display(host, *port),
            Self::Unix(_) => "localhost".to_owned(),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http { host, port } | Self::Https { host, port } => f.write_str(&guard::display(host, *port)),
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
        }
    }
}

/// Whether redirects are followed. Only those of GET and HEAD ever are; each goes through the guard again, never from
/// TLS to plain, and another origin gets neither our headers (but `Accept` and `User-Agent`) nor our certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redirects {
    /// They are answers like others.
    Keep,
    /// Follow at most so many.
    Follow(u8),
}

/// A request.
#[derive(Clone)]
pub struct Request {
    pub(super) method: Method,
    pub(super) origin: Origin,
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) redirects: Redirects,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Paths may hold tokens.
        write!(f, "{} {}", self.method, self.origin)
    }
}

impl Request {
    /// A request for a path, with its query, percent-encoded where needed (see [`encode`]).
    pub fn new(method: Method, origin: Origin, path: impl Into<String>) -> Self {
        Self {
            method,
            origin,
            path: path.into(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            redirects: Redirects::Keep,
        }
    }

    /// A request for an `http` or `https` URL.
    pub fn url(method: Method, url: &str) -> Result<Self, NetError> {
        let url = Url::parse(url).map_err(|e| NetError::InvalidHost {
            host: host_of(url),
            reason: e.to_string(),
        })?;
        let (origin, path) = origin_of(&url)?;
        Ok(Self::new(method, origin, path))
    }

    /// Adds a header; a value that no header may have is an error.
    pub fn header(mut self, name: &'static str, value: &str) -> Result<Self, NetError> {
        let value = HeaderValue::from_str(value).map_err(|_| NetError::InvalidRequest {
            reason: format!("the value of header {name} holds characters that headers may not hold"),
        })?;
        self.headers.insert(name, value);
        Ok(self)
    }

    /// Adds a secret header.
    pub fn secret(mut self, name: &'static str, value: &Secret) -> Result<Self, NetError> {
        self.headers.insert(name, secret_header(name, value)?);
        Ok(self)
    }

    /// A JSON body.
    #[must_use]
    pub fn json(mut self, body: &serde_json::Value) -> Self {
        self.headers.insert(
            hyper::header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        self.body = Bytes::from(body.to_string());
        self
    }

    /// A body as it is.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Who is asked: host and port, or the socket.
    pub fn host(&self) -> String {
        self.origin.to_string()
    }

    /// The whole URL. May hold secrets: not for messages.
    pub(super) fn at(&self) -> String {
        match &self.origin {
            Origin::Http { .. } => format!("http://{}{}", self.origin.authority(), self.path),
            Origin::Https { .. } => format!("https://{}{}", self.origin.authority(), self.path),
            Origin::Unix(_) => format!("{}{}", self.origin, self.path),
        }
    }

    /// What happens to redirects.
    #[must_use]
    pub fn redirects(mut self, redirects: Redirects) -> Self {
        self.redirects = redirects;
        self
    }
}

/// A header value that `Debug` does not print.
pub fn secret_header(name: &str, value: &Secret) -> Result<HeaderValue, NetError> {
    let mut value = HeaderValue::from_str(value.expose()).map_err(|_| NetError::InvalidRequest {
        reason: format!("the value of header {name} holds characters that headers may not hold"),
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// Percent-encodes a text for use as one segment of a path or one value of a query.
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            const HEX: &[u8; 16] = b"0123456789ABCDEF";
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    out
}

/// Origin and path of a URL; user and password in it are dropped, since nothing should send them by accident.
pub(super) fn origin_of(url: &Url) -> Result<(Origin, String), NetError> {
    let invalid = |reason: &str| NetError::InvalidHost {
        host: url.host_str().unwrap_or_default().to_owned(),
        reason: reason.to_owned(),
    };
    let host = url
        .host_str()
        .ok_or_else(|| invalid("the URL names no host"))?
        .to_owned();
    let port = url
        .port_or_known_default()
        .ok_or_else(|| invalid("the URL has no port"))?;
    let origin = match url.scheme() {
        "http" => Origin::Http { host, port },
        "https" => Origin::Https { host, port },
        _ => return Err(invalid("only http and https URLs can be fetched")),
    };
    let path = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    Ok((origin, path))
}

/// The host part of a text that is no URL, for an error message: user, password, path and query stay out.
fn host_of(text: &str) -> String {
    let rest = text.split_once("://").map_or(text, |(_, r)| r);
    let rest = rest.split(['/', '?', '#']).next().unwrap_or_default();
    rest.rsplit('@').next().unwrap_or_default().to_owned()
}
