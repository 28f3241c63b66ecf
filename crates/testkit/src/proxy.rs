//! A proxy before an HTTP server that makes single requests go wrong when told to.
//!
//! Knows HTTP/1.1 with one request per connection, as the service's client speaks it; nothing else gets through.

use crate::conformance::{Fault, Faults, LATE};
use async_trait::async_trait;
use futures::future::BoxFuture;
use std::{
    fmt, io,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream, UnixStream},
    task::JoinHandle,
};

/// A connection, plain or not.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// What is done with each connection first: TLS, for one.
pub type Accept = Arc<dyn Fn(TcpStream) -> BoxFuture<'static, io::Result<Box<dyn Stream>>> + Send + Sync>;

/// Where the server is.
#[derive(Clone, Debug)]
pub enum Upstream {
    /// A Unix socket.
    Unix(PathBuf),
    /// Host and port.
    Tcp(String),
}

impl Upstream {
    /// From a URL as Docker writes them: `unix:///path`, `tcp://host:port`.
    pub fn parse(url: &str) -> Option<Self> {
        match url.split_once("://")? {
            ("unix", path) => Some(Self::Unix(PathBuf::from(path))),
            ("tcp" | "http", address) => Some(Self::Tcp(address.trim_end_matches('/').to_owned())),
            _ => None,
        }
    }
}

/// A request, as far as one must know it to decide what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// From 0, in the order in which requests came.
    pub number: u64,
    /// Method.
    pub method: String,
    /// Path and query.
    pub path: String,
}

impl Call {
    fn read(number: u64, request: &[u8]) -> Self {
        let line = request.split(|b| *b == b'\r').next().unwrap_or_default();
        let line = String::from_utf8_lossy(line);
        let mut words = line.split(' ').map(str::to_owned);
        Self {
            number,
            method: words.next().unwrap_or_default(),
            path: words.next().unwrap_or_default(),
        }
    }

    /// Whether it may change something.
    pub fn changes(&self) -> bool {
        self.method != "GET" && self.method != "HEAD"
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// Stands between the two sides. Whatever it does, it may take its time: the caller waits.
#[async_trait]
pub trait Between: Send + Sync {
    /// A request is here and was not passed on. `None`: nothing goes wrong.
    async fn asked(&self, call: &Call) -> Option<Fault>;
    /// Its answer is here and was not passed back.
    async fn answered(&self, _call: &Call) {}
}

/// The proxy. Ends when it is dropped.
pub struct Proxy {
    address: SocketAddr,
    faults: Arc<Single>,
    task: JoinHandle<()>,
}

/// Lets a single call go wrong.
#[derive(Default)]
struct Single {
    armed: Mutex<Armed>,
    calls: AtomicU64,
}

#[derive(Default)]
struct Armed {
    fault: Option<Fault>,
    /// Calls to let through before.
    left: u32,
    hit: Option<String>,
}

#[async_trait]
impl Between for Single {
    async fn asked(&self, call: &Call) -> Option<Fault> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let mut armed = self.armed.lock().unwrap_or_else(PoisonError::into_inner);
        if armed.fault == Some(Fault::Late) && !call.changes() {
            return None;
        }
        let fault = armed.fault?;
        if armed.left > 0 {
            armed.left -= 1;
            return None;
        }
        armed.hit = Some(call.to_string());
        armed.fault = None;
        Some(fault)
    }
}

impl Proxy {
    /// Starts one on a free port of loopback, whose single calls [`Faults`] lets go wrong.
    pub async fn start(upstream: Upstream, accept: Option<Accept>) -> io::Result<Self> {
        let faults = Arc::<Single>::default();
        let (address, task) = listen(upstream, accept, Arc::clone(&faults) as Arc<dyn Between>).await?;
        Ok(Self { address, faults, task })
    }

    /// Starts one on a free port of loopback that asks `between` about every call.
    pub async fn with(upstream: Upstream, between: Arc<dyn Between>) -> io::Result<Self> {
        let (address, task) = listen(upstream, None, between).await?;
        let faults = Arc::default();
        Ok(Self { address, faults, task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn listen(
    upstream: Upstream,
    accept: Option<Accept>,
    between: Arc<dyn Between>,
) -> io::Result<(SocketAddr, JoinHandle<()>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let number = Arc::<AtomicU64>::default();
    let task = tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let (upstream, accept) = (upstream.clone(), accept.clone());
            let (between, number) = (Arc::clone(&between), Arc::clone(&number));
            tokio::spawn(async move {
                let client: Box<dyn Stream> = match accept {
                    None => Box::new(tcp),
                    Some(accept) => match accept(tcp).await {
                        Ok(client) => client,
                        Err(_) => return,
                    },
                };
                // A side that goes away is what this is for.
                let _ = serve(client, &upstream, &*between, &number).await;
            });
        }
    });
    Ok((address, task))
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Faults for Proxy {
    fn arm(&self, fault: Fault, call: u32) {
        *self.faults.armed.lock().unwrap_or_else(PoisonError::into_inner) = Armed {
            fault: Some(fault),
            left: call,
            hit: None,
        };
    }

    fn disarm(&self) -> Option<String> {
        std::mem::take(&mut *self.faults.armed.lock().unwrap_or_else(PoisonError::into_inner)).hit
    }

    fn calls(&self) -> u64 {
        self.faults.calls.load(Ordering::Relaxed)
    }
}

async fn serve(
    mut client: Box<dyn Stream>,
    upstream: &Upstream,
    between: &dyn Between,
    number: &AtomicU64,
) -> io::Result<()> {
    let Some(request) = read_request(&mut client).await? else {
        return Ok(());
    };
    let call = Call::read(number.fetch_add(1, Ordering::Relaxed), &request);
    match between.asked(&call).await {
        fault @ (None | Some(Fault::Delay(_))) => {
            if let Some(Fault::Delay(pause)) = fault {
                tokio::time::sleep(pause).await;
            }
            let mut server = connect(upstream).await?;
            server.write_all(&request).await?;
            let mut first = vec![0; 8192];
            let read = server.read(&mut first).await?;
            between.answered(&call).await;
            client.write_all(&first[..read]).await?;
            tokio::io::copy(&mut server, &mut client).await?;
        }
        Some(Fault::DropRequest) => return Ok(()),
        Some(Fault::DropAnswer) => {
            ask(upstream, &request).await?;
            return Ok(());
        }
        Some(Fault::Late) => {
            let upstream = upstream.clone();
            tokio::spawn(async move {
                tokio::time::sleep(LATE).await;
                let _ = ask(&upstream, &request).await;
            });
            return Ok(());
        }
        Some(Fault::Repeat) => {
            ask(upstream, &request).await?;
            let answer = ask(upstream, &request).await?;
            client.write_all(&answer).await?;
        }
    }
    client.shutdown().await
}

async fn connect(upstream: &Upstream) -> io::Result<Box<dyn Stream>> {
    Ok(match upstream {
        Upstream::Unix(path) => Box::new(UnixStream::connect(path).await?),
        Upstream::Tcp(address) => Box::new(TcpStream::connect(address).await?),
    })
}

async fn ask(upstream: &Upstream, request: &[u8]) -> io::Result<Vec<u8>> {
    let mut server = connect(upstream).await?;
    server.write_all(request).await?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).await?;
    Ok(answer)
}

/// Head and body of a request; `None` where the client went away before.
async fn read_request(client: &mut Box<dyn Stream>) -> io::Result<Option<Vec<u8>>> {
    let mut request = Vec::new();
    let mut chunk = [0; 8192];
    loop {
        let end = request.windows(4).position(|w| w == b"\r\n\r\n");
        if let Some(end) = end {
            let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length:"))
                .and_then(|value| value.trim().parse().ok())
                .unwrap_or(0);
            if request.len() >= end + 4 + length {
                return Ok(Some(request));
            }
        }
        let read = client.read(&mut chunk).await?;
        if read == 0 {
            return Ok(None);
        }
        request.extend_from_slice(&chunk[..read]);
    }
}
