//! What the operator decides about the API. Plain values; whoever reads `im.cfg` fills them in.

use crate::TrustedProxies;
use std::{borrow::Cow, time::Duration};

/// How the API behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// What `GET /version` answers.
    pub version: Cow<'static, str>,
    /// `REST_ROOT_PATH`: a prefix that paths may have and that URIs in answers get. Empty or `/`: none.
    pub root_path: String,
    /// Peers whose `X-Forwarded-*` headers are believed.
    pub trusted_proxies: TrustedProxies,
    /// `host:port` in URIs for a request that names no host.
    pub fallback_host: String,
    /// Whether the socket speaks TLS: the scheme of URIs in answers.
    pub tls: bool,
    /// `CORS_ORIGIN` where `ENABLE_CORS` is set: an origin, or `*`.
    pub cors: Option<String>,
    /// Largest request body in bytes.
    pub max_body: usize,
    /// Bounds of documents.
    pub documents: im_radl::Limits,
    /// `REST_BLOCKING_CALL_TIMEOUT`: after this time a call answers 504; what it started goes on.
    pub call_timeout: Option<Duration>,
    /// How often an idle stream of events says that it is alive.
    pub heartbeat: Duration,
    /// `STATIC_FILES_DIR` is set.
    pub static_files: bool,
    /// All keys are set that `/oai` needs.
    pub oai: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            version: Cow::Borrowed(env!("CARGO_PKG_VERSION")),
            root_path: String::new(),
            trusted_proxies: TrustedProxies::default(),
            fallback_host: "localhost:8800".to_owned(),
            tls: false,
            cors: None,
            max_body: 16 << 20,
            documents: im_radl::Limits::default(),
            call_timeout: None,
            heartbeat: Duration::from_secs(15),
            static_files: false,
            oai: false,
        }
    }
}
