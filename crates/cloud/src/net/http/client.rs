//! The client.

use super::{
    super::{Guard, NetError, Purpose, Sent, TlsOptions},
    Origin, Redirects, Request, Response, Streaming,
    request::origin_of,
    response::Driver,
};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, pki_types::ServerName};
use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::io::{AsyncRead, AsyncWrite};
use url::Url;

/// Bounds of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Time for the whole answer; with [`Client::stream`], for its headers.
    pub total: Duration,
    /// With [`Client::stream`], time between two pieces of the body.
    pub idle: Duration,
    /// Length of the body, in bytes.
    pub body: usize,
}

impl Default for Limits {
    /// 30 s, 60 s, 16 MiB.
    fn default() -> Self {
        Self {
            total: Duration::from_secs(30),
            idle: Duration::from_mins(1),
            body: 16 << 20,
        }
    }
}

/// An HTTP client whose every connection passes the guard. Cheap to clone; holds no connection.
#[derive(Clone, Debug)]
pub struct Client {
    guard: Guard,
    purpose: Purpose,
    options: TlsOptions,
    limits: Limits,
    tls: Arc<OnceLock<Result<Arc<ClientConfig>, NetError>>>,
}

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// Whether a request goes where the caller said, and may therefore carry the caller's certificate.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leg {
    Asked,
    Redirected,
}

impl Client {
    /// A client for one purpose.
    pub fn new(guard: Guard, purpose: Purpose, options: TlsOptions) -> Self {
        Self {
            guard,
            purpose,
            options,
            limits: Limits::default(),
            tls: Arc::default(),
        }
    }

    /// The same client with other limits.
    #[must_use]
    pub fn with_limits(&self, limits: Limits) -> Self {
        Self { limits, ..self.clone() }
    }

    /// Asks, and reads the answer to its end.
    pub async fn send(&self, request: Request) -> Result<Response, NetError> {
        let host = request.origin.to_string();
        let total = self.limits.total;
        // Whether the request left is not known when the time is up: the worse is assumed.
        let timed_out = |_| NetError::TimedOut {
            host,
            after: total,
            sent: Sent::Maybe,
        };
        tokio::time::timeout(total, async { self.follow(request).await?.collect().await })
            .await
            .map_err(timed_out)?
    }

    /// Asks, and leaves the body to be read as it comes.
    pub async fn stream(&self, request: Request) -> Result<Streaming, NetError> {
        let host = request.origin.to_string();
        let total = self.limits.total;
        tokio::time::timeout(total, self.follow(request))
            .await
            .map_err(|_| NetError::TimedOut {
                host,
                after: total,
                sent: Sent::Maybe,
            })?
    }

    async fn follow(&self, mut request: Request) -> Result<Streaming, NetError> {
        let mut left = match request.redirects {
            Redirects::Follow(n) if request.method == Method::GET || request.method == Method::HEAD => Some(n),
            _ => None,
        };
        let mut leg = Leg::Asked;
        loop {
            let answer = self.once(&request, leg).await?;
            let Some(remaining) = left.as_mut() else {
                return Ok(answer);
            };
            let location = match answer.status.as_u16() {
                301 | 302 | 303 | 307 | 308 => answer.headers.get(header::LOCATION),
                _ => return Ok(answer),
            };
            let problem = |problem| NetError::Redirect {
                host: request.origin.to_string(),
                problem,
            };
            *remaining = remaining.checked_sub(1).ok_or_else(|| problem("too many times"))?;
            let location = location
                .and_then(|l| l.to_str().ok())
                .ok_or_else(|| problem("without saying where to"))?;
            let (origin, path) =
                target(&request, location).ok_or_else(|| problem("to something that is no web page"))?;
            if matches!(request.origin, Origin::Https { .. }) && !matches!(origin, Origin::Https { .. }) {
                return Err(problem("from TLS to a plain connection"));
            }
            if origin != request.origin {
                leg = Leg::Redirected;
                request.headers = request
                    .headers
                    .drain()
                    .filter_map(|(name, value)| Some((name?, value)))
                    .filter(|(name, value)| {
                        (*name == header::ACCEPT || *name == header::USER_AGENT) && !value.is_sensitive()
                    })
                    .collect();
            }
            request.origin = origin;
            request.path = path;
        }
    }

    /// One request, one connection.
    async fn once(&self, request: &Request, leg: Leg) -> Result<Streaming, NetError> {
        let host = request.origin.to_string();
        let mut message = hyper::Request::builder()
            .method(request.method.clone())
            .uri(&request.path)
            .body(Full::new(request.body.clone()))
            .map_err(|e| NetError::InvalidRequest { reason: e.to_string() })?;
        *message.headers_mut() = request.headers.clone();
        let authority = request.origin.authority();
        let authority = authority.parse().map_err(|_| NetError::InvalidHost {
            host: authority,
            reason: "it cannot stand in a Host header".to_owned(),
        })?;
        message.headers_mut().insert(header::HOST, authority);
        message
            .headers_mut()
            .insert(header::CONNECTION, header::HeaderValue::from_static("close"));
        if !message.headers().contains_key(header::USER_AGENT) {
            let agent = header::HeaderValue::from_static(concat!("im/", env!("CARGO_PKG_VERSION")));
            message.headers_mut().insert(header::USER_AGENT, agent);
        }

        let io = self.connect(&request.origin, leg).await?;
        let broken = |sent| {
            let host = host.clone();
            move |e: hyper::Error| NetError::Broken {
                host,
                reason: e.to_string(),
                sent,
            }
        };
        let (mut sender, connection) = http1::handshake::<_, Full<Bytes>>(TokioIo::new(io))
            .await
            .map_err(broken(Sent::No))?;
        let driver = Driver(tokio::spawn(async move {
            // What goes wrong on the connection is reported to whoever waits for the answer.
            let _ = connection.await;
        }));
        sender.ready().await.map_err(broken(Sent::No))?;
        let answer = sender.send_request(message).await.map_err(broken(Sent::Maybe))?;
        let (head, body) = answer.into_parts();
        Ok(Streaming {
            status: head.status,
            headers: head.headers,
            body,
            url: request.at(),
            host,
            idle: self.limits.idle,
            limit: self.limits.body,
            read: 0,
            _driver: driver,
        })
    }

    async fn connect(&self, origin: &Origin, leg: Leg) -> Result<Box<dyn Io>, NetError> {
        match origin {
            Origin::Unix(path) => Ok(Box::new(self.guard.connect_unix(path).await?)),
            Origin::Http { host, port } => Ok(Box::new(self.guard.connect_tcp(host, *port, self.purpose).await?)),
            Origin::Https { host, port } => {
                let config = self.tls_config(leg)?;
                let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
                let name = ServerName::try_from(bare).map_err(|e| NetError::InvalidHost {
                    host: host.clone(),
                    reason: e.to_string(),
                })?;
                let tcp = self.guard.connect_tcp(host, *port, self.purpose).await?;
                let tls = tokio_rustls::TlsConnector::from(config)
                    .connect(name, tcp)
                    .await
                    .map_err(|e| NetError::Tls {
                        host: origin.to_string(),
                        reason: e.to_string(),
                    })?;
                Ok(Box::new(tls))
            }
        }
    }

    fn tls_config(&self, leg: Leg) -> Result<Arc<ClientConfig>, NetError> {
        if leg == Leg::Redirected && self.options.identity.is_some() {
            let anonymous = TlsOptions {
                identity: None,
                ..self.options.clone()
            };
            return Ok(self.guard.roots().config(&anonymous)?);
        }
        self.tls
            .get_or_init(|| Ok(self.guard.roots().config(&self.options)?))
            .clone()
    }
}

/// Where a redirect leads.
fn target(request: &Request, location: &str) -> Option<(Origin, String)> {
    let base = match &request.origin {
        Origin::Http { .. } => format!("http://{}{}", request.origin, request.path),
        Origin::Https { .. } => format!("https://{}{}", request.origin, request.path),
        Origin::Unix(_) => return None,
    };
    origin_of(&Url::parse(&base).ok()?.join(location).ok()?).ok()
}
