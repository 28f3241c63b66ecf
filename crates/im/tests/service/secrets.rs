//! Secrets are planted wherever the service takes some; then everything that it writes, says and shows is searched.
//!
//! What users are told of their own machines (`GET …/vms/0`, `/radl`) holds credentials on purpose and is not searched.

use crate::support::{Home, Im, SOON, told};
use futures::StreamExt as _;
use im_testkit::{Leak, Search, files};
use std::{
    collections::BTreeSet,
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

/// Characters that forms write differently, as far as a value in quotes of a header or of a document may hold them.
const END: &str = " \\&<>+/=%41";

/// Everything that a run has shown so far, beside what is in files.
#[derive(Default)]
struct Shown(BTreeSet<Leak>);

impl Shown {
    fn answer(&mut self, search: &Search, what: &str, (status, text): (reqwest::StatusCode, String)) -> u16 {
        self.0
            .extend(search.in_bytes(&format!("{what}: {status}"), text.as_bytes()));
        status.as_u16()
    }
}

/// The credentials of a caller: every type of cloud with whatever secrets it takes.
fn credentials(search: &mut Search, docker: &str) -> String {
    let mut lines = Vec::new();
    let mut line = |words: &[(&str, &str)]| {
        let words: Vec<_> = words.iter().map(|(key, value)| format!("{key} = '{value}'")).collect();
        lines.push(words.join("; "));
    };
    let mut of = |place: &str| search.plant(place, END);
    line(&[
        ("type", "InfrastructureManager"),
        ("username", "bob"),
        ("password", &of("password of the service")),
    ]);
    line(&[
        ("id", "dummy"),
        ("type", "Dummy"),
        ("password", &of("password of Dummy")),
    ]);
    let key = format!(
        "-----BEGIN PRIVATE KEY-----\\n{}\\n-----END PRIVATE KEY-----",
        of("key of Docker")
    );
    line(&[
        ("id", "docker"),
        ("type", "Docker"),
        ("host", docker),
        ("password", &of("password of Docker")),
    ]);
    line(&[
        ("id", "docker-over-tls"),
        ("type", "Docker"),
        ("host", "https://docker.invalid"),
        ("public_key", "x"),
        ("private_key", &key),
    ]);
    line(&[
        ("id", "ost"),
        ("type", "OpenStack"),
        ("host", "https://keystone.invalid:5000"),
        ("username", "u"),
        ("tenant", "t"),
        ("password", &of("password of OpenStack")),
        ("auth_token", &of("token of OpenStack")),
    ]);
    line(&[
        ("id", "ec2"),
        ("type", "EC2"),
        ("username", &of("access key of EC2")),
        ("password", &of("secret of EC2")),
        ("token", &of("token of EC2")),
    ]);
    let account = format!("{{\"private_key\": \"{}\"}}", of("service account of GCE"));
    line(&[
        ("id", "gce"),
        ("type", "GCE"),
        ("username", "a@b"),
        ("project", "p"),
        ("password", &account),
    ]);
    line(&[
        ("id", "azure"),
        ("type", "Azure"),
        ("subscription_id", "s"),
        ("client_id", "c"),
        ("tenant", "t"),
        ("secret", &of("secret of Azure")),
    ]);
    line(&[
        ("id", "kube"),
        ("type", "Kubernetes"),
        ("host", "https://kube.invalid"),
        ("token", &of("token of Kubernetes")),
    ]);
    line(&[
        ("id", "one"),
        ("type", "OpenNebula"),
        ("host", "one.invalid"),
        ("username", "u"),
        ("password", &of("password of OpenNebula")),
    ]);
    line(&[("id", "linode"), ("type", "Linode"), ("username", &of("key of Linode"))]);
    line(&[
        ("id", "x"),
        ("type", "Unheard"),
        ("password", &of("password of a cloud that is not known")),
        ("whatever", &of("a key that is not known")),
    ]);
    lines.join("\\n")
}

/// A document with secrets in whatever of it may hold one.
fn document(search: &mut Search, cloud: &str, image: &str) -> String {
    let mut of = |place: &str| search.plant(&format!("{place} ({cloud})"), "+/&é");
    let key = format!(
        "-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----",
        of("private_key of the VM")
    );
    format!(
        "network net (outbound = 'yes')\n\
         system front (cpu.count = 1 and memory.size = 512M and net_interface.0.connection = 'net' and\n\
         disk.0.os.name = 'linux' and disk.0.image.url = '{image}' and\n\
         disk.0.os.credentials.username = 'u' and disk.0.os.credentials.password = '{}' and\n\
         disk.0.os.credentials.private_key = '{key}' and\n\
         disk.0.os.credentials.new.password = '{}')\n\
         configure front (\n@begin\n---\n- vars:\n    db_password: \"{}\"\n  tasks:\n  - debug: msg=\"{{{{db_password}}}}\"\n@end\n)\n\
         contextualize (system front configure front)\n\
         deploy front 1 {cloud}\n",
        of("password of the VM"),
        of("new password of the VM"),
        of("variable of a recipe"),
    )
}

/// A Docker daemon that answers the first question and then complains, repeating all that it may have been sent.
async fn complaining_daemon() -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let repeats: Arc<Mutex<Vec<String>>> = Arc::default();
    let words = Arc::clone(&repeats);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 1 << 16];
            let read = stream.read(&mut request).await.unwrap_or(0);
            let request = String::from_utf8_lossy(&request[..read]).into_owned();
            let (status, body) = if request.contains("/info ") {
                (
                    "200 OK",
                    serde_json::json!({"ID": "FAKE", "OperatingSystem": "x", "OSType": "linux", "Architecture": "x86_64", "NCPU": 4, "MemTotal": 8_000_000_000_u64}),
                )
            } else {
                let words = words.lock().unwrap().join(" | ");
                (
                    "400 Bad Request",
                    serde_json::json!({"message": format!("I do not like {request}: {words}")}),
                )
            };
            let body = body.to_string();
            let head = format!(
                "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
        }
    });
    (port, repeats)
}

/// What the feed of an infrastructure says, from its first event on, until it says nothing for a while.
async fn feed(im: &Im, who: &str, id: &str) -> String {
    let answer = im
        .ask_as(who, "GET", &format!("/infrastructures/{id}/events"))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    let mut text = String::new();
    let mut pieces = answer.bytes_stream();
    while let Ok(Some(Ok(piece))) = tokio::time::timeout(Duration::from_millis(500), pieces.next()).await {
        text.push_str(&String::from_utf8_lossy(&piece));
    }
    assert!(text.contains("event: "), "{text}");
    text
}

/// Files that hold secrets on purpose: the operator's own.
fn is_the_operators(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "im.cfg") || path.extension().is_some_and(|end| end == "key")
}

fn on_disk(search: &Search, home: &Home) -> BTreeSet<Leak> {
    let found = files(&home.path(""));
    assert!(
        found.iter().any(|(path, _)| path.ends_with("data/inf.dat")),
        "{found:?}"
    );
    let mut leaks = BTreeSet::new();
    for (path, mode) in found {
        if !is_the_operators(&path) {
            leaks.extend(search.in_file(&path));
            assert_eq!(
                mode & 0o007,
                0,
                "{} may be read by everybody ({mode:o})",
                path.display()
            );
        }
    }
    leaks
}

#[tokio::test]
#[allow(clippy::too_many_lines, reason = "one story")]
async fn planted_secrets_stay_where_they_belong() {
    let (port, repeats) = complaining_daemon().await;
    let mut search = Search::default();
    let home = Home::new("");
    home.configure(&format!("ALLOWED_LOCAL_HOSTS = 127.0.0.1:{port}"));
    std::fs::create_dir(home.path("tmp")).unwrap();
    let start = || {
        let mut command = crate::support::program();
        command
            .arg("serve")
            .arg("--config")
            .arg(home.config())
            .env("TMPDIR", home.path("tmp"));
        Im::start(command)
    };
    let mut shown = Shown::default();
    let bob = credentials(&mut search, &format!("http://127.0.0.1:{port}"));
    let im = start();
    let ask = |method: &str, path: &str, body: String| told(im.ask_as(&bob, method, path).body(body));

    // Refused before anything is done: what is said repeats no secret.
    let token = {
        let claims = search.plant("claims of a token", "");
        let coded = im_cloud::net::http::encode(&claims);
        let signature = search.plant("signature of a token", "");
        search.watch("token", &format!("eyJhbGciOiJSUzI1NiJ9.{coded}.{signature}"));
        format!("eyJhbGciOiJSUzI1NiJ9.{coded}.{signature}")
    };
    let broken = [
        format!("type = InfrastructureManager; token = {token}"),
        format!("Bearer {token}"),
        format!(
            "type = InfrastructureManager; username = bob; password = {}",
            search.plant("a wrong password", "")
        ),
        format!(
            "type = InfrastructureManager; username = bob; password = '{}",
            search.plant("an open quote", "")
        ),
        format!("nonsense {}", search.plant("nonsense", "")),
        format!(
            "type = Docker; host = http://u:{}@127.0.0.1",
            search.plant("password in a host", "")
        ),
    ];
    for header in &broken {
        for (method, path) in [
            ("GET", "/infrastructures"),
            ("POST", "/infrastructures"),
            ("GET", "/infrastructures/x"),
        ] {
            let answer = told(im.ask_as(header, method, path).body("system s ()\ndeploy s 1")).await;
            shown.answer(&search, &format!("{method} {path} with odd credentials"), answer);
        }
    }
    let password = search.plant("a document that is wrong", "+/&é");
    for wrong in [
        format!("system s (disk.0.os.credentials.password = '{password}' and cpu.count = 'many')\ndeploy s 1"),
        format!(
            "system s (disk.0.os.credentials.password = '{password}' disk.0.os.credentials.username = 'u')\ndeploy s 1"
        ),
        format!("system s (disk.0.os.credentials.password = '{password}\ndeploy s 1"),
        format!("system s (disk.0.os.credentials.password = {password})\ndeploy s 1"),
        format!(
            "system s (disk.0.os.credentials.password = '{password}' and disk.0.os.credentials.password = 'other')\ndeploy s 1"
        ),
        format!("[{{\"class\":\"system\",\"id\":\"s\",\"disk.0.os.credentials.password\":\"{password}\",\"x\"}}]"),
        format!("configure c (\n@begin\n- vars: {{p: '{password}'\n@end\n)\ndeploy s 1"),
        format!(
            "system s (disk.0.os.credentials.private_key = '{password}' and net_interface.0.connection = 'none')\ndeploy s 1"
        ),
    ] {
        let answer = ask("POST", "/infrastructures", wrong).await;
        assert_eq!(shown.answer(&search, "a wrong document", answer), 400);
    }

    // A whole life.
    let created = im
        .ask_as(&bob, "POST", "/infrastructures")
        .body(document(&mut search, "dummy", "dummy://x"))
        .send()
        .await
        .unwrap();
    assert_eq!(created.status(), 200, "{}", created.text().await.unwrap());
    let id = created.headers()["infid"].to_str().unwrap().to_owned();
    let inf = format!("/infrastructures/{id}");
    let operation = created
        .headers()
        .get("operation-id")
        .map(|v| v.to_str().unwrap().to_owned());
    for path in [format!("{inf}/vms/0"), format!("{inf}/radl")] {
        assert_eq!(ask("GET", &path, String::new()).await.0, 200);
    }
    let alter = format!(
        "system front (disk.0.os.credentials.password = '{}' and cpu.count = 2)",
        search.plant("a password to alter", "")
    );
    // It answers with the machine as it is now, credentials included.
    let altered = ask("PUT", &format!("{inf}/vms/0"), alter.clone()).await;
    assert_eq!(altered.0, 200, "{}", altered.1);
    let recipe = format!(
        "configure front (\n@begin\n- vars: {{p: {}}}\n@end\n)",
        search.plant("a variable to reconfigure", "")
    );
    for (method, path, body) in [
        ("PUT", format!("{inf}/reconfigure"), recipe),
        ("PUT", format!("{inf}/stop"), String::new()),
        ("PUT", format!("{inf}/start"), String::new()),
        ("PUT", format!("{inf}/vms/7"), alter),
        (
            "POST",
            format!("{inf}/authorization"),
            format!(
                "{{\"username\":\"eve\",\"password\":\"{}\"}}",
                search.plant("password of another owner", "")
            ),
        ),
    ] {
        let answer = ask(method, &path, body).await;
        shown.answer(&search, &format!("{method} {path}"), answer);
    }
    // What was planted by now, a cloud repeats: in an error that many may read.
    let failing = document(&mut search, "docker", "docker://127.0.0.1/none");
    // No cloud is sent what is another's, or a recipe.
    let sent = secrets_in(&bob)
        .into_iter()
        .filter(|secret| secret.contains("passwordofDocker"))
        .chain(
            secrets_in(&failing)
                .into_iter()
                .filter(|secret| !secret.contains("recipe")),
        );
    *repeats.lock().unwrap() = sent
        .flat_map(|secret| [im_cloud::net::http::encode(&secret), secret])
        .collect();
    assert_eq!(repeats.lock().unwrap().len(), 8);
    let answer = ask("POST", "/infrastructures", failing.clone()).await;
    assert!(
        answer.1.contains("I do not like"),
        "the daemon was not asked: {}",
        answer.1
    );
    assert_eq!(shown.answer(&search, "a create that fails", answer), 400);
    let begun = im
        .ask_as(&bob, "POST", "/infrastructures?async=1")
        .body(failing)
        .send()
        .await
        .unwrap();
    let failed = begun.headers()["infid"].to_str().unwrap().to_owned();
    im_failed(&im, &bob, &failed).await;

    for id in [&id, &failed] {
        let text = feed(&im, &bob, id).await;
        shown
            .0
            .extend(search.in_bytes(&format!("events of {id}"), text.as_bytes()));
        for path in ["/contmsg", "/vms/0/contmsg", "/state", ""] {
            let answer = ask("GET", &format!("/infrastructures/{id}{path}"), String::new()).await;
            shown.answer(&search, path, answer);
        }
    }
    if let Some(operation) = operation {
        let answer = ask("GET", &format!("/operations/{operation}"), String::new()).await;
        assert_eq!(shown.answer(&search, "operation", answer), 200);
    }
    shown.0.extend(search.in_process(im.pid()));
    shown.0.extend(on_disk(&search, &home));

    // Killed in the middle of something, with its journals on the disk.
    let many = document(&mut search, "dummy", "dummy://x").replace("deploy front 1", "deploy front 200");
    let many = im
        .ask_as(&bob, "POST", "/infrastructures?async=1")
        .body(many)
        .send()
        .await
        .unwrap();
    assert_eq!(many.status(), 200);
    im.crash();
    assert!(home.path("data/inf.dat-wal").exists());
    shown.0.extend(on_disk(&search, &home));
    let im = start();
    let gone = told(im.ask_as(&bob, "DELETE", &inf)).await;
    assert_eq!(shown.answer(&search, "destroy", gone), 200);
    shown.0.extend(search.in_process(im.pid()));
    im.stop("TERM");
    shown.0.extend(on_disk(&search, &home));
    assert!(home.log().contains("DEBUG"), "the log is that of the lowest level");

    let leaks: Vec<_> = shown.0.iter().collect();
    assert!(leaks.is_empty(), "{} leaks: {leaks:#?}", leaks.len());
}

/// The values that were planted in a text.
fn secrets_in(text: &str) -> Vec<String> {
    text.match_indices("Zq7planted")
        .map(|(at, _)| {
            let rest = &text[at - 2..];
            let end = rest.find(['\'', '"', '\n']).unwrap_or(rest.len());
            let end = rest.find("\\n").map_or(end, |n| n.min(end));
            rest[..end].to_owned()
        })
        .collect()
}

async fn im_failed(im: &Im, who: &str, id: &str) {
    let until = Instant::now() + SOON;
    loop {
        let (_, text) = told(im.ask_as(who, "GET", &format!("/infrastructures/{id}/state"))).await;
        if text.contains(r#""state":"failed""#) {
            return;
        }
        assert!(Instant::now() < until, "{text}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
