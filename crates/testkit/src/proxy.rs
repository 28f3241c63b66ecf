//! A proxy before an HTTP server that makes single requests go wrong when told to.
//!
//! Knows HTTP/1.1 with one request per connection, as the service's client speaks it; nothing else gets through.

use crate::conformance::{Fault, Faults, LATE};
use futures::future::BoxFuture;
use std::{
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex},
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

/// The proxy. Ends when it is dropped.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    armed: Mutex<Armed>,
}

#[derive(Default)]
struct Armed {
    fault: Option<Fault>,
    /// Changing calls to let through before.
    left: u32,
    happened: bool,
}

impl Shared {
    /// What happens to the present request.
    fn fault(&self, changes: bool) -> Option<Fault> {
        let mut armed = self.armed.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !changes || armed.fault.is_none() {
            return None;
        }
        if armed.left > 0 {
            armed.left -= 1;
            return None;
        }
        armed.happened = true;
        armed.fault.take()
    }
}

impl Proxy {
    /// Starts one on a free port of loopback.
    pub async fn start(upstream: Upstream, accept: Option<Accept>) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let shared = Arc::<Shared>::default();
        let state = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let (upstream, accept, state) = (upstream.clone(), accept.clone(), Arc::clone(&state));
                tokio::spawn(async move {
                    let client: Box<dyn Stream> = match accept {
                        None => Box::new(tcp),
                        Some(accept) => match accept(tcp).await {
                            Ok(client) => client,
                            Err(_) => return,
                        },
                    };
                    // A side that goes away is what this is for.
                    let _ = serve(client, &upstream, &state).await;
                });
            }
        });
        Ok(Self { address, shared, task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Faults for Proxy {
    fn arm(&self, fault: Fault, call: u32) {
        let mut armed = self
            .shared
            .armed
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        *armed = Armed {
            fault: Some(fault),
            left: call,
            happened: false,
        };
    }

    fn disarm(&self) -> bool {
        let mut armed = self
            .shared
            .armed
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        std::mem::take(&mut *armed).happened
    }
}

async fn serve(mut client: Box<dyn Stream>, upstream: &Upstream, shared: &Shared) -> io::Result<()> {
    let Some(request) = read_request(&mut client).await? else {
        return Ok(());
    };
    let changes = !request.starts_with(b"GET ") && !request.starts_with(b"HEAD ");
    match shared.fault(changes) {
        None => {
            let mut server = connect(upstream).await?;
            server.write_all(&request).await?;
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
