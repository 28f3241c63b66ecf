//! What a document names is fetched under the import policy: attacks and bounds, against real listeners on loopback.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers outside the test functions fail the test, too

use im_cloud::net::{
    AddressClass, AllowedHosts, Guard, NetError, TlsOptions,
    import::{Fetched, Freshness, ImportError, ImportLimits, Imported, Importer, Validators},
};
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// A server that answers raw bytes, so that it can break every rule. Gives what it was asked, heads only.
async fn server<F, A>(answer: F) -> (SocketAddr, Arc<Mutex<Vec<String>>>)
where
    F: Fn(String, TcpStream) -> A + Send + Sync + 'static,
    A: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (log, answer) = (Arc::clone(&asked), Arc::new(answer));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    match stream.read_u8().await {
                        Ok(byte) => head.push(byte),
                        Err(_) => return,
                    }
                }
                let head = String::from_utf8(head).unwrap();
                log.lock().unwrap().push(head.clone());
                answer(head, stream).await;
            });
        }
    });
    (address, asked)
}

/// A server that says the same to everybody.
async fn says(head: &'static str, body: Vec<u8>) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    server(move |_, mut stream| {
        let body = body.clone();
        async move {
            let _ = stream.write_all(format!("HTTP/1.1 {head}\r\n\r\n").as_bytes()).await;
            let _ = stream.write_all(&body).await;
        }
    })
    .await
}

fn importer(allowed: &str, limits: ImportLimits) -> Importer {
    let guard = Guard::new(AllowedHosts::parse(allowed).unwrap());
    Importer::new(guard, TlsOptions::default(), limits)
}

async fn fetch(at: SocketAddr, limits: ImportLimits) -> Result<Fetched, ImportError> {
    importer("127.0.0.1", limits)
        .fetch(&format!("http://{at}/types.yaml"), None)
        .await
}

fn content(fetched: Fetched) -> Imported {
    match fetched {
        Fetched::Content(imported) => imported,
        Fetched::NotModified(_) => panic!("no content"),
    }
}

#[tokio::test]
async fn content_comes_with_what_a_cache_needs() {
    let head = "200 OK\r\ncontent-type: text/plain\r\netag: W/\"7\"\r\nlast-modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
                cache-control: max-age=300\r\ncontent-length: 5";
    let (at, asked) = says(head, b"a: 1\n".to_vec()).await;
    let imported = content(fetch(at, ImportLimits::default()).await.unwrap());
    assert_eq!(&imported.bytes[..], b"a: 1\n");
    assert_eq!(imported.url, format!("http://{at}/types.yaml"));
    assert_eq!(imported.content_type.as_deref(), Some("text/plain"));
    assert_eq!(imported.validators.etag.as_deref(), Some("W/\"7\""));
    assert_eq!(imported.freshness, Freshness::For(Duration::from_mins(5)));
    let asked = asked.lock().unwrap()[0].to_lowercase();
    assert!(asked.contains("accept-encoding: identity"), "{asked}");
    assert!(
        !asked.contains("authorization") && !asked.contains("cookie") && !asked.contains("if-"),
        "{asked}"
    );
}

#[tokio::test]
async fn what_is_known_is_asked_for_only_if_it_changed() {
    let (at, asked) = says("304 Not Modified\r\ncache-control: max-age=60", Vec::new()).await;
    let url = format!("http://{at}/");
    let importer = importer("127.0.0.1", ImportLimits::default());
    let known = Validators {
        etag: Some("\"7\"".into()),
        last_modified: Some("Sun, 06 Nov 1994 08:49:37 GMT".into()),
    };
    let fetched = importer.fetch(&url, Some(&known)).await.unwrap();
    assert_eq!(fetched, Fetched::NotModified(Freshness::For(Duration::from_mins(1))));
    let head = asked.lock().unwrap()[0].to_lowercase();
    assert!(
        head.contains("if-none-match: \"7\"") && head.contains("if-modified-since: sun"),
        "{head}"
    );
    // Nobody asked whether it changed: then that is no answer.
    for known in [None, Some(&Validators::default())] {
        let error = importer.fetch(&url, known).await.unwrap_err();
        assert!(
            matches!(&error, ImportError::Status { status, .. } if *status == 304),
            "{error}"
        );
    }
}

#[tokio::test]
async fn only_web_urls_without_credentials_are_fetched() {
    let importer = importer("*", ImportLimits::default());
    let long = format!("http://127.0.0.1/{}", "x".repeat(9000));
    for url in [
        "file:///etc/passwd",
        "/etc/passwd",
        "types.yaml",
        "//host/types.yaml",
        "unix:///var/run/docker.sock",
        "gopher://127.0.0.1:6379/_INFO",
        "ftp://127.0.0.1/x",
        "data:text/plain,x",
        "jar:http://127.0.0.1/x!/y",
        "http://user:hunter2@127.0.0.1:1/x",
        "http://user@127.0.0.1:1/x",
        "http://",
        "",
        &long,
    ] {
        let error = importer.fetch(url, None).await.unwrap_err();
        assert!(matches!(error, ImportError::Url(_)), "{url}: {error}");
        assert!(
            !error.is_temporary() && !error.to_string().contains("hunter2"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn private_hosts_are_refused_unless_the_operator_allows_them() {
    let (at, asked) = says("200 OK\r\ncontent-length: 2", b"ok".to_vec()).await;
    let url = format!("http://{at}/");
    let refused = importer("", ImportLimits::default())
        .fetch(&url, None)
        .await
        .unwrap_err();
    let class = |error: &ImportError| match error {
        ImportError::Net(NetError::Forbidden { class, .. }) => *class,
        other => panic!("{other}"),
    };
    assert_eq!(class(&refused), AddressClass::Loopback);
    assert!(!refused.is_temporary());
    let private = importer("", ImportLimits::default())
        .fetch("http://10.1.2.3/x", None)
        .await
        .unwrap_err();
    assert_eq!(class(&private), AddressClass::Private);
    assert!(asked.lock().unwrap().is_empty(), "the refused host was reached");
    let allowed = importer(&at.to_string(), ImportLimits::default());
    assert_eq!(&content(allowed.fetch(&url, None).await.unwrap()).bytes[..], b"ok");
}

#[tokio::test]
async fn redirects_are_bounded_and_checked_and_told() {
    let (at, asked) = server(|head, mut stream| async move {
        let n: u32 = head
            .split(['/', ' '])
            .nth(2)
            .and_then(|t| t.parse().ok())
            .unwrap_or_default();
        let to = match n {
            0 => "200 OK\r\ncontent-length: 0".to_owned(),
            99 => "302 Found\r\nlocation: http://10.0.0.1/latest/meta-data".to_owned(),
            98 => "302 Found\r\nlocation: http://169.254.169.254/latest/meta-data".to_owned(),
            97 => "302 Found\r\nlocation: file:///etc/passwd".to_owned(),
            n => format!("302 Found\r\nlocation: /{}", n - 1),
        };
        let _ = stream.write_all(format!("HTTP/1.1 {to}\r\n\r\n").as_bytes()).await;
    })
    .await;
    let importer = importer(
        &at.to_string(),
        ImportLimits {
            redirects: 3,
            ..ImportLimits::default()
        },
    );
    let get = |n: u32| {
        let (importer, url) = (importer.clone(), format!("http://{at}/{n}"));
        async move { importer.fetch(&url, None).await }
    };
    assert_eq!(content(get(3).await.unwrap()).url, format!("http://{at}/0"));
    let error = get(4).await.unwrap_err();
    assert!(matches!(error, ImportError::Net(NetError::Redirect { .. })), "{error}");
    for (n, expected) in [(99, AddressClass::Private), (98, AddressClass::Metadata)] {
        match get(n).await.unwrap_err() {
            ImportError::Net(NetError::Forbidden { class, .. }) => assert_eq!(class, expected),
            other => panic!("{other}"),
        }
    }
    assert!(matches!(
        get(97).await.unwrap_err(),
        ImportError::Net(NetError::Redirect { .. })
    ));
    assert_eq!(asked.lock().unwrap().len(), 4 + 4 + 3);
}

#[tokio::test]
async fn content_is_bounded_whether_its_length_is_announced_or_not() {
    let limits = ImportLimits {
        bytes: 1000,
        ..ImportLimits::default()
    };
    let body = vec![b'x'; 1001];
    for head in [
        "200 OK\r\ncontent-length: 1001",
        "200 OK\r\nconnection: close",
        "200 OK\r\ncontent-length: 99999999999999999999999",
    ] {
        let (at, _) = says(head, body.clone()).await;
        let error = fetch(at, limits).await.unwrap_err();
        assert!(
            matches!(
                error,
                ImportError::Net(NetError::TooLarge { .. } | NetError::Broken { .. })
            ),
            "{head}: {error}"
        );
    }
    let (at, _) = says("200 OK\r\ncontent-length: 1000", vec![b'x'; 1000]).await;
    assert_eq!(content(fetch(at, limits).await.unwrap()).bytes.len(), 1000);
    // Announced but not sent: nothing is kept ready for it, and what is missing is told.
    let (at, _) = says("200 OK\r\ncontent-length: 900", vec![b'x'; 10]).await;
    let error = fetch(at, limits).await.unwrap_err();
    assert!(
        matches!(error, ImportError::Net(NetError::Broken { .. })) && error.is_temporary(),
        "{error}"
    );
}

#[tokio::test]
async fn a_bomb_is_not_unpacked() {
    for head in [
        "200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 3",
        "200 OK\r\ncontent-encoding: identity\r\ncontent-encoding: br\r\ncontent-length: 3",
    ] {
        let (at, _) = says(head, b"xyz".to_vec()).await;
        let error = fetch(at, ImportLimits::default()).await.unwrap_err();
        assert!(matches!(error, ImportError::Compressed { .. }), "{error}");
    }
    let (at, _) = says(
        "200 OK\r\ncontent-encoding: Identity\r\ncontent-length: 3",
        b"xyz".to_vec(),
    )
    .await;
    assert_eq!(
        &content(fetch(at, ImportLimits::default()).await.unwrap()).bytes[..],
        b"xyz"
    );
}

#[tokio::test]
async fn a_server_that_drips_is_left() {
    // Each piece comes in time, the whole never does.
    let (at, _) = server(|_, mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    let limits = ImportLimits {
        total: Duration::from_millis(300),
        ..ImportLimits::default()
    };
    let error = tokio::time::timeout(Duration::from_secs(10), fetch(at, limits))
        .await
        .expect("it ends by itself")
        .unwrap_err();
    assert!(
        matches!(error, ImportError::Net(NetError::TimedOut { .. })) && error.is_temporary(),
        "{error}"
    );
}

#[tokio::test]
async fn what_went_wrong_is_told_without_the_path() {
    for (head, temporary) in [
        ("404 Not Found", false),
        ("503 Service Unavailable", true),
        ("206 Partial Content", false),
    ] {
        let (at, _) = says(head, Vec::new()).await;
        let url = format!("http://{at}/hunter2?token=hunter2");
        let error = importer("127.0.0.1", ImportLimits::default())
            .fetch(&url, None)
            .await
            .unwrap_err();
        assert_eq!(error.to_string(), format!("{at} answered {head}"));
        assert_eq!(error.is_temporary(), temporary);
    }
}
