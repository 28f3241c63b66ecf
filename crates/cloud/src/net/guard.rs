//! The guard: resolve once, check, pin, connect.

use super::{
    AddressClass, AllowedHosts, NetError, Sent,
    address::{carried, classify},
    allowed::Port,
    tls::TlsRoots,
};
use async_trait::async_trait;
use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    path::Path,
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::{TcpStream, UnixStream},
    time::{Instant, timeout_at},
};

/// How long connecting may take, all addresses together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Of a name with more addresses than this the first ones are tried: nobody needs more, and a name server of a tenant's
/// must not make this host knock on a thousand doors.
const MOST_ADDRESSES: usize = 8;

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// The API of a cloud.
    Cloud,
    /// A machine of an infrastructure.
    Node,
    /// Something that a document names: imports, artifacts.
    Import,
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cloud => "clouds",
            Self::Node => "nodes",
            Self::Import => "imports",
        })
    }
}

impl Purpose {
    fn permits(self, class: AddressClass) -> bool {
        match class {
            AddressClass::Public => true,
            AddressClass::Private => self != Self::Import,
            _ => false,
        }
    }
}

/// Turns names into addresses. A trait, so that tests can play a hostile name server.
#[async_trait]
pub trait Resolve: Send + Sync {
    /// The addresses of a name, best first.
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The system's resolver.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let mut found = Vec::new();
        for address in tokio::net::lookup_host((name, 0)).await? {
            if !found.contains(&address.ip()) {
                found.push(address.ip());
            }
        }
        Ok(found)
    }
}

/// Opens connections that the policy permits, and no others. Cheap to clone.
#[derive(Clone)]
pub struct Guard {
    inner: Arc<Inner>,
    /// The port that this service listens on.
    serves: Option<u16>,
}

struct Inner {
    allowed: AllowedHosts,
    resolver: Box<dyn Resolve>,
    connect_timeout: Duration,
    roots: TlsRoots,
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("allowed", &self.inner.allowed)
            .finish_non_exhaustive()
    }
}

/// A host as given: an address, or a name in its normal form.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Ip(IpAddr),
    Name(String),
}

/// The normal form of a host name: lower case, IDNA, no trailing dot. `None` when it is none.
pub(super) fn normal_name(text: &str) -> Option<String> {
    match url::Host::parse(text) {
        Ok(url::Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            (!name.is_empty()).then(|| name.to_owned())
        }
        _ => None,
    }
}

impl Host {
    /// Reads a host. Decimal, octal, hexadecimal and shortened IPv4 forms count as the addresses that they mean.
    fn parse(text: &str) -> Result<Self, NetError> {
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Ok(Self::Ip(ip.to_canonical()));
        }
        match url::Host::parse(text) {
            Ok(url::Host::Ipv4(ip)) => Ok(Self::Ip(ip.into())),
            Ok(url::Host::Ipv6(ip)) => Ok(Self::Ip(IpAddr::V6(ip).to_canonical())),
            _ => normal_name(text).map(Self::Name).ok_or_else(|| NetError::InvalidHost {
                host: text.to_owned(),
                reason: "neither a host name nor an address".to_owned(),
            }),
        }
    }
}

/// Host and port as people write them.
pub(super) fn display(host: &str, port: u16) -> String {
    if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

/// Whether packets to this address stay on this machine: then the kernel answers with the address itself as source.
/// Nothing is sent.
pub fn is_own(ip: IpAddr) -> bool {
    let any: IpAddr = match ip {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    UdpSocket::bind((any, 0))
        .and_then(|socket| socket.connect((ip, 9)).and_then(|()| socket.local_addr()))
        .is_ok_and(|source| source.ip() == ip)
}

impl Guard {
    /// A guard with the system's resolver.
    pub fn new(allowed: AllowedHosts) -> Self {
        Self::with_resolver(allowed, Box::new(SystemResolver))
    }

    /// A guard with another resolver.
    pub fn with_resolver(allowed: AllowedHosts, resolver: Box<dyn Resolve>) -> Self {
        Self {
            inner: Arc::new(Inner {
                allowed,
                resolver,
                connect_timeout: CONNECT_TIMEOUT,
                roots: TlsRoots::default(),
            }),
            serves: None,
        }
    }

    /// The same guard for a service that listens on this port. Of the addresses that the operator allows on this host,
    /// that port stays refused unless it is named: nobody makes the service ask itself by way of a Docker daemon's host.
    #[must_use]
    pub fn serving(self, port: u16) -> Self {
        Self {
            serves: Some(port),
            ..self
        }
    }

    /// The system's root certificates, read at most once.
    pub(super) fn roots(&self) -> &TlsRoots {
        &self.inner.roots
    }

    /// Checks an address that no name stands for, e.g. one that a cloud reported. No IO but a look at the routing table.
    pub fn check_address(&self, ip: IpAddr, port: u16, purpose: Purpose) -> Result<(), NetError> {
        self.check(None, ip, port, purpose)
            .map_err(|class| forbidden(&ip.to_string(), port, class, purpose))
    }

    fn check(&self, name: Option<&str>, ip: IpAddr, port: u16, purpose: Purpose) -> Result<(), AddressClass> {
        let mut class = classify(ip);
        if class <= AddressClass::Private && (is_own(ip.to_canonical()) || carried(ip).any(is_own)) {
            class = AddressClass::Own;
        }
        let of_this_host = matches!(
            class,
            AddressClass::Own | AddressClass::Loopback | AddressClass::Unspecified
        );
        let which = if of_this_host && self.serves == Some(port) {
            Port::Named
        } else {
            Port::Any
        };
        if purpose.permits(class) || self.inner.allowed.allows(name, ip, port, which) {
            Ok(())
        } else {
            Err(class)
        }
    }

    /// The addresses of a host that may be dialled; at least one. Whoever dials uses these and does not resolve again.
    pub async fn pin(&self, host: &str, port: u16, purpose: Purpose) -> Result<Vec<SocketAddr>, NetError> {
        if port == 0 {
            return Err(NetError::InvalidHost {
                host: host.to_owned(),
                reason: "no port given".to_owned(),
            });
        }
        let parsed = Host::parse(host)?;
        let (name, found) = match &parsed {
            Host::Ip(ip) => (None, vec![*ip]),
            Host::Name(name) => {
                let failed = |reason: String| NetError::Resolve {
                    host: name.clone(),
                    reason,
                };
                let found = self
                    .inner
                    .resolver
                    .resolve(name)
                    .await
                    .map_err(|e| failed(e.to_string()))?;
                if found.is_empty() {
                    return Err(failed("the name exists but has no address".to_owned()));
                }
                (Some(name.as_str()), found)
            }
        };
        let mut worst = AddressClass::Public;
        let mut pinned = Vec::with_capacity(found.len());
        for ip in found {
            match self.check(name, ip, port, purpose) {
                Ok(()) => pinned.push(SocketAddr::new(ip, port)),
                Err(class) => worst = worst.max(class),
            }
        }
        if pinned.is_empty() {
            return Err(forbidden(host, port, worst, purpose));
        }
        pinned.truncate(MOST_ADDRESSES);
        Ok(pinned)
    }

    /// A TCP connection to a host. Takes 10 s at most, all its addresses together.
    pub async fn connect_tcp(&self, host: &str, port: u16, purpose: Purpose) -> Result<TcpStream, NetError> {
        let limit = self.inner.connect_timeout;
        let deadline = Instant::now() + limit;
        let shown = display(host, port);
        let timed_out = || NetError::TimedOut {
            host: shown.clone(),
            after: limit,
            sent: Sent::No,
        };
        let pinned = timeout_at(deadline, self.pin(host, port, purpose))
            .await
            .map_err(|_| timed_out())??;
        let mut last = timed_out();
        let count = u32::try_from(pinned.len()).unwrap_or(u32::MAX);
        for (i, address) in (0u32..).zip(pinned) {
            let left = deadline.saturating_duration_since(Instant::now()) / (count - i).max(1);
            match timeout_at(Instant::now() + left, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    // Requests are small and answered: waiting to fill packets only costs time.
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Ok(Err(e)) => {
                    last = NetError::Connect {
                        host: shown.clone(),
                        reason: e.to_string(),
                    }
                }
                Err(_) => last = timed_out(),
            }
        }
        Err(last)
    }

    /// A connection to a Unix socket of this host, if the operator allows that very path.
    pub async fn connect_unix(&self, path: &Path) -> Result<UnixStream, NetError> {
        if !self.inner.allowed.allows_socket(path) {
            return Err(NetError::ForbiddenSocket);
        }
        let shown = || format!("unix://{}", path.display());
        match tokio::time::timeout(self.inner.connect_timeout, UnixStream::connect(path)).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(e)) => Err(NetError::Connect {
                host: shown(),
                reason: e.to_string(),
            }),
            Err(_) => Err(NetError::TimedOut {
                host: shown(),
                after: self.inner.connect_timeout,
                sent: Sent::No,
            }),
        }
    }
}

fn forbidden(host: &str, port: u16, class: AddressClass, purpose: Purpose) -> NetError {
    NetError::Forbidden {
        host: display(host, port),
        class,
        purpose,
    }
}
