//! The API on real sockets.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail")]

mod support;

use futures::StreamExt as _;
use im_api::{Options, Rest, Tls};
use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::{Arc, Once},
    time::Duration,
};
use support::{AUTH, Fake};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

const SOON: Duration = Duration::from_secs(10);

struct Server {
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<std::io::Result<()>>,
}

fn start(options: Options, tls: Option<Tls>) -> Server {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let rest = Rest::new(Arc::new(Fake::default()), options, stop.clone());
    let task = tokio::spawn(im_api::serve(listener, rest, tls, stop.clone(), Duration::from_secs(5)));
    Server { address, stop, task }
}

impl Server {
    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    async fn end(self) {
        self.stop.cancel();
        timeout(SOON, self.task).await.unwrap().unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_connection_serves_many_requests() {
    let server = start(Options::default(), None);
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    for _ in 0..3 {
        stream
            .write_all(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n0.1.0") {
            let mut chunk = [0; 512];
            let read = timeout(SOON, stream.read(&mut chunk)).await.unwrap().unwrap();
            assert!(read > 0, "closed after {}", String::from_utf8_lossy(&answer));
            answer.extend_from_slice(&chunk[..read]);
        }
        assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
    }
    drop(stream);
    server.end().await;
}

#[tokio::test]
async fn headers_may_be_large() {
    let server = start(Options::default(), None);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let auth = format!("{AUTH}\\nid = c; type = Dummy; key = '{}'", "k".repeat(128 << 10));
    let answer = client
        .get(server.url("/infrastructures"))
        .header("authorization", &auth)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(
        answer.text().await.unwrap().lines().next().unwrap(),
        server.url("/infrastructures/inf")
    );
    let http2 = reqwest::Client::builder()
        .no_proxy()
        .http2_prior_knowledge()
        .build()
        .unwrap();
    let answer = http2
        .get(server.url("/infrastructures"))
        .header("authorization", &auth)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    drop((client, http2));
    server.end().await;
}

#[tokio::test]
async fn endless_streams_say_that_they_live_and_end_with_the_service() {
    let options = Options {
        heartbeat: Duration::from_millis(20),
        ..Options::default()
    };
    let server = start(options, None);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client
        .get(server.url("/infrastructures/endless/events"))
        .header("authorization", AUTH)
        .send()
        .await
        .unwrap();
    let mut body = answer.bytes_stream();
    for _ in 0..2 {
        let chunk = timeout(SOON, body.next()).await.unwrap().unwrap().unwrap();
        assert_eq!(&chunk[..], b": alive\n\n");
    }
    server.stop.cancel();
    while let Some(chunk) = timeout(SOON, body.next()).await.unwrap() {
        assert_eq!(&chunk.unwrap()[..], b": alive\n\n");
    }
    server.end().await;
}

#[tokio::test]
async fn tls() {
    let folder = tempfile::tempdir().unwrap();
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let files = Tls {
        key: folder.path().join("key.pem"),
        certificate: folder.path().join("cert.pem"),
    };
    std::fs::write(&files.key, signing_key.serialize_pem()).unwrap();
    std::fs::write(&files.certificate, cert.pem()).unwrap();
    let options = Options {
        tls: true,
        ..Options::default()
    };
    let server = start(options, Some(files));
    let client = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([reqwest::Certificate::from_pem(cert.pem().as_bytes()).unwrap()])
        .resolve("localhost", server.address)
        .build()
        .unwrap();
    let url = format!("https://localhost:{}", server.address.port());
    let answer = client
        .get(format!("{url}/infrastructures"))
        .header("authorization", AUTH)
        .send()
        .await
        .unwrap();
    assert_eq!(
        answer.text().await.unwrap().lines().next().unwrap(),
        format!("{url}/infrastructures/inf")
    );
    drop(client);
    server.end().await;
}

#[tokio::test]
async fn requests_under_way_end_before_the_service() {
    let options = Options {
        call_timeout: Some(Duration::from_millis(300)),
        ..Options::default()
    };
    let server = start(options, None);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let slow = client
        .get(server.url("/infrastructures/slow"))
        .header("authorization", AUTH)
        .send();
    let slow = tokio::spawn(slow);
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.stop.cancel();
    assert_eq!(slow.await.unwrap().unwrap().status(), 504);
    drop(client);
    server.end().await;
}
