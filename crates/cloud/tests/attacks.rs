//! Attacks on the guarded network module that need more than one move: URLs, names, redirects, the environment, headers.
//! Against real listeners on loopback. See `net.rs` for the plain ones, `imports.rs` for what documents name.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)] // helpers outside the test functions fail the test, too

mod common;

use common::{Names, class_of};
use im_cloud::net::{
    AddressClass, AllowedHosts, ClientIdentity, Guard, NetError, Purpose, TlsOptions,
    http::{Client, Limits, Method, Origin, Redirects, Request},
};
use im_model::Secret;
use std::{
    net::{IpAddr, SocketAddr},
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

fn guard(allowed: &str, names: Names) -> Guard {
    Guard::with_resolver(AllowedHosts::parse(allowed).unwrap(), Box::new(names))
}

fn client(guard: Guard) -> Client {
    Client::new(guard, Purpose::Cloud, TlsOptions::default())
}

async fn head_of(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

/// A server that says the same to everybody and keeps what it was asked.
async fn says(answer: String) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            if let Some(head) = head_of(&mut stream).await {
                log.lock().unwrap().push(head);
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        }
    });
    (address, asked)
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test]
async fn an_address_is_seen_through_however_a_url_writes_it() {
    let names = Names::default().with("localhost", &[&["127.0.0.1", "::1"]]);
    let client = client(guard("", names));
    for (url, class) in [
        ("http://127.0.0.1./", AddressClass::Loopback),
        ("http://127.1/", AddressClass::Loopback),
        ("http://127.0.1/", AddressClass::Loopback),
        ("http://2130706433/", AddressClass::Loopback),
        ("http://0x7f.0x0.0x0.0x1/", AddressClass::Loopback),
        ("http://0X7F000001/", AddressClass::Loopback),
        ("http://017700000001/", AddressClass::Loopback),
        ("http://0177.0.0.1/", AddressClass::Loopback),
        ("http://%31%32%37.0.0.1/", AddressClass::Loopback),
        // Full-width digits, ideographic full stops, circled digits
        ("http://\u{ff11}\u{ff12}\u{ff17}.0.0.1/", AddressClass::Loopback),
        ("http://127\u{3002}0\u{3002}0\u{3002}1/", AddressClass::Loopback),
        ("http://\u{2460}\u{2461}\u{2466}.0.0.1/", AddressClass::Loopback),
        ("http://127.0.\n0.1/", AddressClass::Loopback),
        ("  http://127.0.0.1/", AddressClass::Loopback),
        ("http:\\\\127.0.0.1\\x", AddressClass::Loopback),
        ("http:127.0.0.1/", AddressClass::Loopback),
        ("http:///127.0.0.1/", AddressClass::Loopback),
        ("http://localhost/", AddressClass::Loopback),
        ("http://LOCALHOST./", AddressClass::Loopback),
        ("http://local\u{ad}host/", AddressClass::Loopback),
        (
            "http://\u{24db}\u{24de}\u{24d2}\u{24d0}\u{24db}\u{24d7}\u{24de}\u{24e2}\u{24e3}/",
            AddressClass::Loopback,
        ),
        ("http://localhost\u{3002}/", AddressClass::Loopback),
        ("http://example.com@127.0.0.1/", AddressClass::Loopback),
        ("http://example.com:80@127.0.0.1/", AddressClass::Loopback),
        ("http://127.0.0.1\\@example.com/", AddressClass::Loopback),
        ("http://127.0.0.1#@example.com/", AddressClass::Loopback),
        ("http://127.0.0.1?@example.com/", AddressClass::Loopback),
        ("http://[::1]/", AddressClass::Loopback),
        ("http://[0:0:0:0:0:0:0:1]/", AddressClass::Loopback),
        ("http://[::ffff:127.0.0.1]/", AddressClass::Loopback),
        ("http://[::ffff:7f00:1]/", AddressClass::Loopback),
        ("http://[::7f00:1]/", AddressClass::Loopback),
        ("http://[::ffff:0:127.0.0.1]/", AddressClass::Loopback),
        ("http://[64:ff9b::127.0.0.1]/", AddressClass::Loopback),
        ("http://[64:ff9b:1:7f00:0:100::]/", AddressClass::Loopback),
        ("http://[2002:7f00:1::]/", AddressClass::Loopback),
        ("http://[2001:0:7f00:1::]/", AddressClass::Loopback),
        ("http://[2001:0:808:808:0:0:80ff:fffe]/", AddressClass::Loopback),
        ("http://[fe80::1]/", AddressClass::LinkLocal),
        ("http://169.254.169.254/latest/meta-data/", AddressClass::Metadata),
        ("http://2852039166/", AddressClass::Metadata),
        ("http://0251.0376.0251.0376/", AddressClass::Metadata),
        ("http://[::ffff:a9fe:a9fe]/", AddressClass::Metadata),
        ("http://[64:ff9b::a9fe:a9fe]/", AddressClass::Metadata),
        ("http://[fd00:ec2::254]/", AddressClass::Metadata),
        ("http://100.100.100.200/", AddressClass::Metadata),
        ("http://192.0.0.192/", AddressClass::Metadata),
        ("http://0/", AddressClass::Unspecified),
        ("http://0.0.0.0/", AddressClass::Unspecified),
        ("http://[::]/", AddressClass::Unspecified),
    ] {
        let request = Request::url(Method::GET, url).unwrap_or_else(|e| panic!("{url}: {e}"));
        let error = client.send(request).await.unwrap_err();
        assert_eq!(class_of(&error), class, "{url}");
    }
}

#[tokio::test]
async fn what_is_no_web_address_is_refused() {
    for url in [
        "file:///etc/passwd",
        "file://localhost/etc/passwd",
        "gopher://127.0.0.1:6379/_FLUSHALL",
        "ftp://127.0.0.1/",
        "dict://127.0.0.1:11211/stat",
        "ldap://127.0.0.1/",
        "unix:///var/run/docker.sock",
        "http+unix://%2Fvar%2Frun%2Fdocker.sock/info",
        "data:text/plain,x",
        "javascript:alert(1)",
        "jar:http://127.0.0.1/x!/y",
        "netdoc:///etc/passwd",
        "http://[fe80::1%25eth0]/",
        "http://[fe80::1%eth0]/",
        "http://[::1",
        "http://[127.0.0.1]/",
        "http://256.256.256.256/",
        "http://0x100000000/",
        "http://1.2.3.4.5/",
        "http://a b/",
        "http://a%00b/",
        "http://127.0.0.1:99999/",
        "http://:80/",
        "",
        "//127.0.0.1/",
    ] {
        let error = Request::url(Method::GET, url).unwrap_err();
        assert!(matches!(error, NetError::InvalidHost { .. }), "{url}: {error}");
    }
}

#[tokio::test]
async fn a_name_is_what_it_resolves_to() {
    // The look-up follows CNAMEs; what counts is where they end.
    let guard = guard(
        "",
        Names::default()
            .with("cname-to-inside.example", &[&["10.0.0.1"]])
            .with("cname-to-loopback.example", &[&["127.0.0.1"]])
            .with("127.0.0.1.nip.example", &[&["127.0.0.1"]])
            .with("metadata.google.internal", &[&["169.254.169.254"]])
            .with("instance-data.ec2.internal", &[&["169.254.169.254"]])
            .with("metadata", &[&["fd00:ec2::254"]])
            .with("all-bad.example", &[&["127.0.0.1", "169.254.169.254", "10.0.0.1"]])
            .with("nothing.example", &[&[]]),
    );
    for (name, class) in [
        ("cname-to-inside.example", AddressClass::Private),
        ("cname-to-loopback.example", AddressClass::Loopback),
        ("127.0.0.1.nip.example", AddressClass::Loopback),
        ("metadata.google.internal", AddressClass::Metadata),
        ("METADATA.google.internal.", AddressClass::Metadata),
        ("instance-data.ec2.internal", AddressClass::Metadata),
        ("metadata", AddressClass::Metadata),
        ("all-bad.example", AddressClass::Loopback),
    ] {
        let error = guard.pin(name, 80, Purpose::Import).await.unwrap_err();
        assert_eq!(class_of(&error), class, "{name}");
        for address in ["127.0.0.1:", "169.254", "10.0"] {
            assert!(!error.to_string().replace(name, "").contains(address), "{error}");
        }
    }
    let error = guard.pin("nothing.example", 80, Purpose::Cloud).await.unwrap_err();
    assert!(matches!(error, NetError::Resolve { .. }), "{error}");
}

#[tokio::test]
async fn a_name_with_a_thousand_addresses_is_no_scanner() {
    let many: Vec<String> = (0..1000)
        .map(|n| format!("203.0.{}.{}", n / 250, n % 250 + 1))
        .collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let guard = guard("", Names::default().with("many.example", &[&many]));
    let pinned = guard.pin("many.example", 22, Purpose::Cloud).await.unwrap();
    assert_eq!(pinned.len(), 8);
}

#[tokio::test]
async fn a_name_that_turns_between_redirects_is_checked_each_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&served);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            head_of(&mut stream).await;
            count.fetch_add(1, Ordering::Relaxed);
            let answer = format!("HTTP/1.1 302 Found\r\nlocation: http://turncoat.example:{port}/again\r\n\r\n");
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    // Good, good, then another of this host's; the listener listens on the first alone.
    let names = Names::default().with("turncoat.example", &[&["127.0.0.1"], &["127.0.0.1"], &["127.0.0.2"]]);
    let asked = Arc::clone(&names.asked);
    let client = client(guard(&format!("127.0.0.1:{port}"), names));
    let request = Request::url(Method::GET, &format!("http://turncoat.example:{port}/")).unwrap();
    let error = client.send(request.redirects(Redirects::Follow(9))).await.unwrap_err();
    assert_eq!(class_of(&error), AddressClass::Loopback);
    assert_eq!(served.load(Ordering::Relaxed), 2);
    assert_eq!(
        asked.load(Ordering::Relaxed),
        3,
        "one look-up for each connection: none after the check"
    );
}

#[tokio::test]
async fn the_services_own_port_is_refused_where_its_host_is_allowed() {
    let (address, asked) = says(OK.to_owned()).await;
    let names = || Names::default().with("localhost", &[&["127.0.0.1"]]);
    let get = |allowed: String, host: &'static str| async move {
        let guard = guard(&allowed, names()).serving(address.port());
        let url = format!("http://{host}:{}/", address.port());
        client(guard).send(Request::url(Method::GET, &url).unwrap()).await
    };
    for (allowed, host) in [
        ("127.0.0.1", "127.0.0.1"),
        ("localhost", "localhost"),
        ("127.0.0.1, [::1]", "[::ffff:127.0.0.1]"),
    ] {
        let error = get(allowed.to_owned(), host).await.unwrap_err();
        assert_eq!(class_of(&error), AddressClass::Loopback, "{allowed}");
    }
    assert!(asked.lock().unwrap().is_empty());
    for allowed in [format!("127.0.0.1:{}", address.port()), "*".to_owned()] {
        assert_eq!(get(allowed, "127.0.0.1").await.unwrap().status, 200);
    }
    // Another port of that host is as before.
    let guard = guard("127.0.0.1", names()).serving(1);
    let url = format!("http://{address}/");
    assert!(
        client(guard)
            .send(Request::url(Method::GET, &url).unwrap())
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn an_own_address_in_ipv6_clothes_is_one() {
    let probe = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    if probe.connect("198.51.100.1:9").is_err() {
        println!("not run: this host has no route, hence no address of its own but loopback");
        return;
    }
    let IpAddr::V4(own) = probe.local_addr().unwrap().ip() else {
        panic!("asked with IPv4");
    };
    let [a, b, c, d] = own.octets().map(u16::from);
    let (high, low) = ((a << 8) | b, (c << 8) | d);
    let guard = guard("", Names::default());
    for text in [
        format!("::ffff:{own}"),
        format!("64:ff9b::{high:x}:{low:x}"),
        format!("2002:{high:x}:{low:x}::1"),
    ] {
        let ip: IpAddr = text.parse().unwrap();
        let error = guard.check_address(ip, 22, Purpose::Node).unwrap_err();
        assert!(class_of(&error) >= AddressClass::Own, "{text}: {error}");
    }
}

/// Not a test by itself: what [`proxies_of_the_environment_are_not_used`] runs with proxies in its environment.
#[tokio::test]
async fn with_proxies() {
    let Ok(url) = std::env::var("IM_TEST_ASK") else { return };
    let client = client(guard("127.0.0.1", Names::default()));
    let answer = client.send(Request::url(Method::GET, &url).unwrap()).await.unwrap();
    println!("answered {}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn proxies_of_the_environment_are_not_used() {
    let (proxy, through) = says("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nproxy".to_owned()).await;
    let (target, direct) = says(OK.to_owned()).await;
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "with_proxies", "--nocapture"])
        .env("IM_TEST_ASK", format!("http://{target}/"))
        .env_remove("NO_PROXY")
        .env_remove("no_proxy");
    for name in [
        "HTTP_PROXY",
        "http_proxy",
        "HTTPS_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "all_proxy",
    ] {
        command.env(name, format!("http://{proxy}"));
    }
    let output = tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("answered ok"), "{said}");
    assert!(through.lock().unwrap().is_empty());
    assert_eq!(direct.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn headers_and_request_lines_cannot_be_made_from_values() {
    let (address, asked) = says(OK.to_owned()).await;
    let client = client(guard("127.0.0.1", Names::default()));
    let origin = || Origin::Http {
        host: "127.0.0.1".into(),
        port: address.port(),
    };
    for value in ["a\r\nx-evil: 1", "a\nx-evil: 1", "a\rb", "a\0b"] {
        let error = Request::new(Method::GET, origin(), "/")
            .header("x-name", value)
            .unwrap_err();
        assert!(matches!(error, NetError::InvalidRequest { .. }), "{error}");
        let error = Request::new(Method::GET, origin(), "/")
            .secret("x-name", &Secret::new(value))
            .unwrap_err();
        assert!(!error.to_string().contains("evil"), "{error}");
    }
    for path in ["/a b", "/a\r\nx-evil: 1", "/ HTTP/1.1\r\nx-evil: 1\r\n\r\n", "/\0"] {
        let error = client
            .send(Request::new(Method::GET, origin(), path))
            .await
            .unwrap_err();
        assert!(matches!(error, NetError::InvalidRequest { .. }), "{path:?}: {error}");
    }
    for host in ["127.0.0.1\r\nx-evil: 1", "127.0.0.1/x", "127.0.0.1?x", "a@127.0.0.1"] {
        let origin = Origin::Http {
            host: host.into(),
            port: address.port(),
        };
        let error = client.send(Request::new(Method::GET, origin, "/")).await.unwrap_err();
        assert!(
            matches!(error, NetError::InvalidHost { .. } | NetError::InvalidRequest { .. }),
            "{host:?}: {error}"
        );
    }
    assert!(asked.lock().unwrap().is_empty(), "something was sent");
    // A redirect cannot, either.
    let (evil, seen) = says(format!(
        "HTTP/1.1 302 Found\r\nlocation: http://{address}/a%0d%0ax-evil:%201 x\tb\r\n\r\n"
    ))
    .await;
    let request = Request::url(Method::GET, &format!("http://{evil}/")).unwrap();
    let _ = client.send(request.redirects(Redirects::Follow(1))).await;
    assert_eq!(seen.lock().unwrap().len(), 1);
    for head in asked.lock().unwrap().iter() {
        assert!(!head.to_lowercase().contains("\nx-evil"), "{head}");
    }
}

#[tokio::test]
async fn answers_without_end_are_left() {
    let limits = Limits {
        total: Duration::from_secs(2),
        body: 1000,
        ..Limits::default()
    };
    for (what, first, more) in [
        (
            "headers",
            "HTTP/1.1 200 OK\r\n",
            "x-more: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n",
        ),
        (
            "one header",
            "HTTP/1.1 200 OK\r\nx: ",
            "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy",
        ),
        (
            "status line",
            "HTTP/1.1 200 ",
            "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy",
        ),
        ("interim answers", "", "HTTP/1.1 103 Early Hints\r\n\r\n"),
        (
            "chunks",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            "1\r\nx\r\n",
        ),
        (
            "chunk extensions",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;",
            "yyyyyyyyyyyyyyyyyyyyy",
        ),
        (
            "body",
            "HTTP/1.1 200 OK\r\n\r\n",
            "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy",
        ),
        (
            "trailers",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n",
            "x-more: yyyyyyyyyyyyyyyyyyyy\r\n",
        ),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let sent = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&sent);
        let server = tokio::spawn(async move {
            let (mut stream, _): (TcpStream, _) = listener.accept().await.unwrap();
            head_of(&mut stream).await;
            let _ = stream.write_all(first.as_bytes()).await;
            let much = more.repeat(100);
            while stream.write_all(much.as_bytes()).await.is_ok() {
                count.fetch_add(much.len(), Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        });
        let client = client(guard("127.0.0.1", Names::default())).with_limits(limits);
        let request = Request::url(Method::GET, &format!("http://{address}/")).unwrap();
        let answer = tokio::time::timeout(Duration::from_secs(20), client.send(request)).await;
        let error = answer.unwrap_or_else(|_| panic!("{what}: no end")).unwrap_err();
        assert!(
            matches!(
                error,
                NetError::Broken { .. } | NetError::TooLarge { .. } | NetError::TimedOut { .. }
            ),
            "{what}: {error}"
        );
        // The connection is closed: the server notices.
        tokio::time::timeout(Duration::from_secs(20), server)
            .await
            .unwrap()
            .unwrap();
    }
}

type Authority = rcgen::CertifiedIssuer<'static, rcgen::KeyPair>;

fn authority() -> Authority {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// What a TLS server was asked, and whether the client showed a certificate.
type Asked = Arc<Mutex<Vec<(String, bool)>>>;

/// A TLS server for 127.0.0.1 that answers the same to everybody.
async fn tls_server(authority: &Authority, answer: String) -> (SocketAddr, Asked) {
    use rcgen::{CertificateParams, KeyPair};
    use rustls::{RootCertStore, ServerConfig, pki_types::PrivateKeyDer, server::WebPkiClientVerifier};
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()])
        .unwrap()
        .signed_by(&key, authority)
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .allow_unauthenticated()
        .build()
        .unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Asked::default();
    let log = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let known = stream.get_ref().1.peer_certificates().is_some();
            if let Some(head) = head_of(&mut stream).await {
                log.lock().unwrap().push((head, known));
                answer_with(&mut stream, &answer).await;
            }
        }
    });
    (address, asked)
}

async fn answer_with(stream: &mut (impl AsyncWrite + Unpin), answer: &str) {
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
}

#[tokio::test]
async fn tls_is_never_given_up() {
    let (plain, plain_asked) = says(OK.to_owned()).await;
    let authority = authority();
    let answer = format!("HTTP/1.1 302 Found\r\nlocation: http://{plain}/\r\n\r\n");
    let (address, asked) = tls_server(&authority, answer).await;
    let url = format!("https://{address}/");
    let get = |options: TlsOptions, url: String| {
        let client = Client::new(guard("127.0.0.1", Names::default()), Purpose::Cloud, options);
        async move {
            let request = Request::url(Method::GET, &url).unwrap();
            client.send(request.redirects(Redirects::Follow(3))).await
        }
    };
    // An authority that nobody trusts.
    let error = get(TlsOptions::default(), url.clone()).await.unwrap_err();
    assert!(matches!(error, NetError::Tls { .. } | NetError::TlsSetup(_)), "{error}");
    let trusting = TlsOptions {
        authorities: Some(Secret::new(authority.pem())),
        ..TlsOptions::default()
    };
    // A certificate for another name.
    let names = Names::default().with("other.example", &[&["127.0.0.1"]]);
    let client = Client::new(guard("other.example", names), Purpose::Cloud, trusting.clone());
    let request = Request::url(Method::GET, &format!("https://other.example:{}/", address.port())).unwrap();
    let error = client.send(request).await.unwrap_err();
    assert!(matches!(error, NetError::Tls { .. }), "{error}");
    assert!(asked.lock().unwrap().is_empty());
    // A redirect to a plain connection.
    let error = get(trusting, url).await.unwrap_err();
    assert!(
        matches!(error, NetError::Redirect { problem, .. } if problem.contains("TLS")),
        "{error}"
    );
    assert!(plain_asked.lock().unwrap().is_empty());
    assert_eq!(asked.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_whom_it_is_for() {
    use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyPair};
    let authority = authority();
    let (second, second_asked) = tls_server(&authority, OK.to_owned()).await;
    let answer = format!("HTTP/1.1 302 Found\r\nlocation: https://{second}/\r\n\r\n");
    let (first, first_asked) = tls_server(&authority, answer).await;
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["im".to_owned()]).unwrap();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let certificate = params.signed_by(&key, &authority).unwrap();
    let options = TlsOptions {
        authorities: Some(Secret::new(authority.pem())),
        identity: Some(ClientIdentity {
            certificate: Secret::new(certificate.pem()),
            private_key: Secret::new(key.serialize_pem()),
        }),
        ..TlsOptions::default()
    };
    let client = Client::new(guard("127.0.0.1", Names::default()), Purpose::Cloud, options);
    let request = Request::url(Method::GET, &format!("https://{first}/")).unwrap();
    let answer = client.send(request.redirects(Redirects::Follow(1))).await.unwrap();
    assert_eq!(answer.text(), "ok");
    let shown = |asked: &Asked| {
        asked
            .lock()
            .unwrap()
            .iter()
            .map(|(_, known)| *known)
            .collect::<Vec<_>>()
    };
    assert_eq!(shown(&first_asked), [true]);
    assert_eq!(shown(&second_asked), [false], "the second was not named by the caller");
}
