//! The API on a socket: HTTP/1.1 and HTTP/2, in clear or over TLS.

use crate::Rest;
use axum_server::{
    Handle,
    accept::NoDelayAcceptor,
    tls_rustls::{RustlsAcceptor, RustlsConfig},
};
use std::{convert::Infallible, io, net::SocketAddr, path::PathBuf, time::Duration};
use tokio_util::sync::CancellationToken;
use tower::service_fn;

/// Credentials hold keys and certificates: clients may send this much of headers, and a bit.
const MAX_HEADERS: u32 = 192 << 10;
/// Somebody who connects and says nothing does not keep a socket.
const FIRST_REQUEST: Duration = Duration::from_mins(1);

/// Files of the server's key and certificate (PEM).
#[derive(Clone, Debug)]
pub struct Tls {
    /// `REST_SSL_KEYFILE`.
    pub key: PathBuf,
    /// `REST_SSL_CERTFILE`; may hold a chain.
    pub certificate: PathBuf,
}

/// Serves until `stop`, then lets requests that are under way end for up to `grace`.
///
/// A crypto provider of rustls must have been installed when `tls` is given.
pub async fn serve(
    listener: std::net::TcpListener,
    rest: Rest,
    tls: Option<Tls>,
    stop: CancellationToken,
    grace: Duration,
) -> io::Result<()> {
    let handle = Handle::new();
    let mut server = axum_server::from_tcp(listener)?
        .handle(handle.clone())
        .first_request_timeout(FIRST_REQUEST)
        .accept_error_handler(|_: Option<&SocketAddr>, e: &io::Error| tracing::debug!("a connection failed: {e}"));
    let http = server.http_builder();
    http.http1().max_buf_size(2 * MAX_HEADERS as usize).pipeline_flush(true);
    http.http2()
        .max_header_list_size(MAX_HEADERS)
        .keep_alive_interval(Duration::from_mins(1));
    let connections = service_fn(move |peer: SocketAddr| {
        let rest = rest.for_peer(peer.ip());
        async move { Ok::<_, Infallible>(rest) }
    });
    let waiting = tokio::spawn(async move {
        stop.cancelled().await;
        handle.graceful_shutdown(Some(grace));
    });
    let result = match tls {
        None => server.acceptor(NoDelayAcceptor::new()).serve(connections).await,
        Some(files) => {
            let config = RustlsConfig::from_pem_file(&files.certificate, &files.key).await?;
            let acceptor = RustlsAcceptor::new(config).acceptor(NoDelayAcceptor::new());
            server.acceptor(acceptor).serve(connections).await
        }
    };
    waiting.abort();
    result
}
