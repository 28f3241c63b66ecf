//! Attacks on the guarded network module, each against real listeners on loopback.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers outside the test functions fail the test, too

mod common;

use bytes::Bytes;
use common::{Names, class_of};
use http_body_util::Full;
use hyper::{Response, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use im_cloud::{
    ErrorKind, Outcome,
    net::{
        AddressClass, AllowedHosts, Guard, NetError, Purpose, Sent, TlsOptions,
        http::{Client, Limits, Method, Origin, Redirects, Request},
    },
};
use im_model::Secret;
use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::net::{TcpListener, UnixListener};

fn guard(allowed: &str) -> Guard {
    Guard::new(AllowedHosts::parse(allowed).unwrap())
}

/// What a server saw: method, path, and all headers as one text.
type Seen = Arc<Mutex<Vec<String>>>;

/// A server that answers each request with what `answer` makes of its path.
async fn server<F>(answer: F) -> (SocketAddr, Seen)
where
    F: Fn(&str) -> Response<Full<Bytes>> + Send + Sync + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Seen::default();
    let (log, answer) = (Arc::clone(&seen), Arc::new(answer));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
            tokio::spawn(async move {
                let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                    let path = request.uri().to_string();
                    log.lock()
                        .unwrap()
                        .push(format!("{} {path} {:?}", request.method(), request.headers()));
                    let answer = answer(&path);
                    async move { Ok::<_, Infallible>(answer) }
                });
                let _ = http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
    (address, seen)
}

fn plain(text: &str) -> Response<Full<Bytes>> {
    Response::new(Full::from(text.to_owned()))
}

fn redirect(to: &str) -> Response<Full<Bytes>> {
    Response::builder()
        .status(302)
        .header("location", to)
        .body(Full::default())
        .unwrap()
}

fn client(guard: Guard, purpose: Purpose) -> Client {
    Client::new(guard, purpose, TlsOptions::default())
}

#[tokio::test]
async fn what_a_tenant_may_not_name_is_refused_in_every_notation() {
    let guard = guard("");
    for (host, class) in [
        ("127.0.0.1", AddressClass::Loopback),
        ("127.1", AddressClass::Loopback),
        ("2130706433", AddressClass::Loopback),
        ("0x7f000001", AddressClass::Loopback),
        ("0x7f.1", AddressClass::Loopback),
        ("0177.0.0.1", AddressClass::Loopback),
        ("017700000001", AddressClass::Loopback),
        ("[::1]", AddressClass::Loopback),
        ("::1", AddressClass::Loopback),
        ("[::ffff:127.0.0.1]", AddressClass::Loopback),
        ("[::ffff:7f00:1]", AddressClass::Loopback),
        ("[64:ff9b::127.0.0.1]", AddressClass::Loopback),
        ("[2002:7f00:1::]", AddressClass::Loopback),
        ("localhost", AddressClass::Loopback),
        ("LOCALHOST.", AddressClass::Loopback),
        ("0.0.0.0", AddressClass::Unspecified),
        ("0", AddressClass::Unspecified),
        ("[::]", AddressClass::Unspecified),
        ("169.254.169.254", AddressClass::Metadata),
        ("0xA9FEA9FE", AddressClass::Metadata),
        ("[::ffff:169.254.169.254]", AddressClass::Metadata),
        ("[fd00:ec2::254]", AddressClass::Metadata),
        ("169.254.0.7", AddressClass::LinkLocal),
        ("[fe80::1]", AddressClass::LinkLocal),
        ("224.0.0.1", AddressClass::Multicast),
        ("255.255.255.255", AddressClass::Reserved),
    ] {
        for purpose in [Purpose::Cloud, Purpose::Node, Purpose::Import] {
            let error = guard.connect_tcp(host, 80, purpose).await.unwrap_err();
            assert_eq!(class_of(&error), class, "{host}");
            assert_eq!(error.sent(), Sent::No);
            let error = error.into_cloud_error("Error connecting");
            assert_eq!((error.kind, error.outcome), (ErrorKind::Forbidden, Outcome::NotApplied));
        }
    }
}

#[tokio::test]
async fn nonsense_hosts_get_a_diagnostic() {
    let guard = guard("*");
    for host in ["", "a b", "fe80::1%eth0", "[::1", "http://x", "x/y", "256.256.256.256"] {
        let error = guard.pin(host, 80, Purpose::Cloud).await.unwrap_err();
        assert!(matches!(error, NetError::InvalidHost { .. }), "{host}: {error}");
    }
    assert!(matches!(
        guard.pin("127.0.0.1", 0, Purpose::Cloud).await.unwrap_err(),
        NetError::InvalidHost { .. }
    ));
}

#[tokio::test]
async fn private_addresses_are_for_clouds_and_nodes_only() {
    let names = Names::default().with("inside.example", &[&["10.255.255.1"]]);
    let guard = Guard::with_resolver(AllowedHosts::none(), Box::new(names));
    for purpose in [Purpose::Cloud, Purpose::Node] {
        let pinned = guard.pin("inside.example", 443, purpose).await.unwrap();
        assert_eq!(pinned, ["10.255.255.1:443".parse::<SocketAddr>().unwrap()]);
    }
    let error = guard.pin("inside.example", 443, Purpose::Import).await.unwrap_err();
    assert_eq!(class_of(&error), AddressClass::Private);
    assert!(
        !error.to_string().contains("10.255"),
        "tells what the name stands for: {error}"
    );
}

#[tokio::test]
async fn the_services_own_addresses_are_refused() {
    // The kernel says which address this host would use towards the internet; nothing is sent.
    let probe = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    if probe.connect("198.51.100.1:9").is_err() {
        eprintln!("not run: this host has no route, hence no address of its own but loopback");
        return;
    }
    let own = probe.local_addr().unwrap().ip();
    let error = guard("")
        .connect_tcp(&own.to_string(), 22, Purpose::Node)
        .await
        .unwrap_err();
    assert!(class_of(&error) >= AddressClass::Own, "{error}");
    assert!(guard(&own.to_string()).check_address(own, 22, Purpose::Node).is_ok());
}

#[tokio::test]
async fn a_name_that_changes_its_answer_gains_nothing() {
    let (address, _) = server(|_| plain("hello")).await;
    let port = address.port();
    // The first look-up is checked and is the one dialled; the second would lead elsewhere.
    let names = Names::default().with("turncoat.example", &[&["127.0.0.1"], &["127.0.0.2"]]);
    let allowed = AllowedHosts::parse(&format!("127.0.0.1:{port}")).unwrap();
    let guard = Guard::with_resolver(allowed, Box::new(names));
    let stream = guard
        .connect_tcp("turncoat.example", port, Purpose::Cloud)
        .await
        .unwrap();
    assert_eq!(stream.peer_addr().unwrap(), address);
    let error = guard
        .connect_tcp("turncoat.example", port, Purpose::Cloud)
        .await
        .unwrap_err();
    assert_eq!(class_of(&error), AddressClass::Loopback);
}

#[tokio::test]
async fn of_a_mixed_answer_only_the_permitted_addresses_are_pinned() {
    let names = Names::default().with("mixed.example", &[&["127.0.0.1", "203.0.113.9", "::1"]]);
    let guard = Guard::with_resolver(AllowedHosts::none(), Box::new(names));
    let pinned = guard.pin("mixed.example", 80, Purpose::Cloud).await.unwrap();
    assert_eq!(pinned, ["203.0.113.9:80".parse::<SocketAddr>().unwrap()]);
}

#[tokio::test]
async fn redirects_go_through_the_guard() {
    let (inner, inner_seen) = server(|_| plain("secret")).await;
    let inner_port = inner.port();
    let (outer, _) = server(move |path| match path {
        "/loop" => redirect("/loop"),
        "/to-inner" => redirect(&format!("http://127.0.0.1:{inner_port}/x")),
        "/to-decimal" => redirect(&format!("http://2130706433:{inner_port}/x")),
        "/to-mapped" => redirect(&format!("http://[::ffff:127.0.0.1]:{inner_port}/x")),
        "/to-socket" => redirect("unix:///var/run/docker.sock"),
        "/to-file" => redirect("file:///etc/passwd"),
        "/nowhere" => Response::builder().status(301).body(Full::default()).unwrap(),
        "/here" => redirect("there"),
        other => plain(other),
    })
    .await;
    // Only the outer server may be named.
    let client = client(guard(&format!("127.0.0.1:{}", outer.port())), Purpose::Import);
    let get = |path: &str| {
        let request = Request::url(Method::GET, &format!("http://{outer}{path}")).unwrap();
        client.send(request.redirects(Redirects::Follow(3)))
    };
    for path in ["/to-inner", "/to-decimal", "/to-mapped"] {
        assert_eq!(
            class_of(&get(path).await.unwrap_err()),
            AddressClass::Loopback,
            "{path}"
        );
    }
    for path in ["/to-socket", "/to-file", "/nowhere", "/loop"] {
        let error = get(path).await.unwrap_err();
        assert!(matches!(error, NetError::Redirect { .. }), "{path}: {error}");
    }
    assert_eq!(get("/here").await.unwrap().text(), "/there");
    assert!(inner_seen.lock().unwrap().is_empty(), "the refused server was reached");

    // Not followed unless asked for.
    let request = Request::url(Method::GET, &format!("http://{outer}/here")).unwrap();
    assert_eq!(client.send(request).await.unwrap().status, 302);
}

#[tokio::test]
async fn credentials_stay_with_the_origin() {
    let (other, seen) = server(|_| plain("ok")).await;
    let (first, first_seen) = server(move |path| match path {
        "/same" => redirect("/end"),
        "/other" => redirect(&format!("http://{other}/")),
        _ => plain("end"),
    })
    .await;
    let client = client(guard("127.0.0.1"), Purpose::Cloud);
    let get = |path: &str| {
        let request = Request::url(Method::GET, &format!("http://user:hunter2@{first}{path}"))
            .and_then(|r| r.secret("x-auth-token", &Secret::new("s3cr3t")))
            .and_then(|r| r.header("accept", "text/plain"))
            .unwrap();
        assert!(!format!("{request:?}").contains("s3cr3t"));
        client.send(request.redirects(Redirects::Follow(2)))
    };
    get("/same").await.unwrap();
    get("/other").await.unwrap();
    let first_seen = first_seen.lock().unwrap();
    assert_eq!(first_seen.len(), 3);
    assert!(
        first_seen
            .iter()
            .all(|r| r.contains("s3cr3t") && !r.contains("hunter2")),
        "{first_seen:?}"
    );
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 1);
    assert!(
        !seen[0].contains("s3cr3t") && seen[0].contains("text/plain"),
        "{seen:?}"
    );
}

#[tokio::test]
async fn sockets_are_refused_unless_that_very_path_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let (path, link) = (folder.path().join("api.sock"), folder.path().join("link.sock"));
    let listener = UnixListener::bind(&path).unwrap();
    std::os::unix::fs::symlink(&path, &link).unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service_fn(|_| async { Ok::<_, Infallible>(plain("through a socket")) });
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        }
    });
    let ask = |allowed: String, path: &std::path::Path| {
        let request = Request::new(Method::GET, Origin::Unix(path.to_owned()), "/");
        let client = client(guard(&allowed), Purpose::Cloud);
        async move { client.send(request).await }
    };
    let rule = format!("unix://{}", path.display());
    assert_eq!(ask(rule.clone(), &path).await.unwrap().text(), "through a socket");
    for (allowed, path) in [
        (String::new(), &path),
        ("localhost,127.0.0.1".into(), &path),
        (rule, &link),
    ] {
        assert_eq!(ask(allowed, path).await.unwrap_err(), NetError::ForbiddenSocket);
    }
}

#[tokio::test]
async fn answers_are_bounded_in_length_and_time() {
    let (address, _) = server(|_| plain(&"x".repeat(100_000))).await;
    let limits = Limits {
        body: 1000,
        ..Limits::default()
    };
    let url = format!("http://{address}/");
    let client = client(guard("127.0.0.1"), Purpose::Cloud).with_limits(limits);
    let error = client.send(Request::url(Method::GET, &url).unwrap()).await.unwrap_err();
    assert!(matches!(error, NetError::TooLarge { .. }), "{error}");

    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let limits = Limits {
        total: Duration::from_millis(50),
        ..Limits::default()
    };
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let error = client
        .with_limits(limits)
        .send(Request::url(Method::GET, &url).unwrap())
        .await
        .unwrap_err();
    assert!(matches!(error, NetError::TimedOut { .. }), "{error}");
    assert_eq!(error.into_cloud_error("x").outcome, Outcome::Unknown);

    // Nobody listens there any more.
    drop(silent);
    let error = client.send(Request::url(Method::GET, &url).unwrap()).await.unwrap_err();
    assert_eq!(error.sent(), Sent::No, "{error}");
}

#[test]
fn secrets_of_a_url_are_not_in_its_error() {
    for url in [
        "ftp://user:hunter2@host/p?token=hunter2",
        "http://user:hunter2@ho st/hunter2",
    ] {
        let error = Request::url(Method::GET, url).unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }
    let error = Request::new(Method::GET, Origin::Unix("/x".into()), "/")
        .secret("authorization", &Secret::new("hunter2\n"))
        .unwrap_err()
        .to_string();
    assert!(!error.contains("hunter2"), "{error}");
}
