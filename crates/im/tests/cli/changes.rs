//! Commands that change something and watch it: progress, interruptions, ends.

use crate::{
    questions::{ID, infrastructure},
    run::User,
    server::{End, Reply, Server, event},
};
use insta::assert_snapshot;
use serde_json::{Value, json};
use std::{
    io::{BufRead as _, BufReader},
    process::Command,
};

const OP: &str = "op-1";

fn accepted(server: &Server, line: &str) {
    let body = json!({"uri": format!("{}/infrastructures/{ID}", server.url)}).to_string();
    server.on(line, Reply::Full(200, "application/json", body, Some(OP)));
}

fn events(list: &[(u64, i64, &str, Value)]) -> Vec<(u64, String)> {
    list.iter()
        .map(|(seq, time, kind, body)| (0, event(*seq, *time, kind, body.clone())))
        .collect()
}

fn operation(state: &str) -> Value {
    json!({"id": OP, "kind": "create", "state": state})
}

fn step(name: &str, vms: &[u32], outcome: &str) -> Value {
    json!({"name": name, "vms": vms, "outcome": outcome})
}

fn states(word: &str) -> Value {
    json!({"state": word, "vms": {"0": word, "1": word}})
}

/// Times differ from run to run; the events' own do not.
fn timeless(text: &str) -> String {
    text.lines()
        .map(|line| match line.rfind(" in ") {
            Some(at) if line.ends_with('s') && line.starts_with("infrastructure") => {
                format!("{} in [TIME]", &line[..at])
            }
            _ => match line.rfind(", after ") {
                Some(at) => format!("{}, after [TIME]", &line[..at]),
                None => line.to_owned(),
            },
        })
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn create_shows_progress_and_survives_a_broken_connection() {
    let server = Server::start();
    infrastructure(&server, "configured");
    accepted(&server, "POST /infrastructures?async=yes&diagnostics=yes");
    let first = events(&[
        (1, 1000, "operation", operation("running")),
        (2, 1000, "state", states("pending")),
        (3, 1100, "step", step("create network n", &[], "started")),
        (4, 1300, "step", step("create network n", &[], "succeeded")),
    ]);
    let second = events(&[
        // Once more what was seen: it is not told twice.
        (4, 1300, "step", step("create network n", &[], "succeeded")),
        (5, 2000, "state", states("running")),
        (6, 2000, "operation", operation("done")),
        (7, 2500, "step", step("basic", &[0, 1], "started")),
        (8, 3500, "step", step("basic", &[0, 1], "succeeded")),
        (9, 9000, "state", states("configured")),
    ]);
    let path = format!("GET /infrastructures/{ID}/events");
    server.on(&path, Reply::Events(first, End::Broken));
    server.on(&path, Reply::Events(second, End::Never));
    let user = User::of(&server);
    assert_snapshot!(timeless(&user.run(&["create", "d.radl"])));
    let asked = server.asked();
    let resumed: Vec<&str> = asked
        .iter()
        .filter(|a| a.line == path)
        .map(|a| a.headers["last-event-id"].as_str())
        .collect();
    assert_eq!(resumed, ["0", "4"]);
    assert_eq!(
        (asked[0].headers["content-type"].as_str(), asked[0].body.as_str()),
        ("text/plain", crate::run::DOCUMENT)
    );
}

#[test]
fn create_that_fails_says_why() {
    let server = Server::start();
    infrastructure(&server, "unconfigured");
    accepted(&server, "POST /infrastructures?async=yes&diagnostics=yes");
    let list = events(&[
        (1, 1000, "operation", operation("running")),
        (2, 1000, "state", states("running")),
        (3, 1000, "operation", operation("done")),
        (4, 1500, "step", step("main", &[0, 1], "started")),
        (5, 2500, "step", step("main", &[0], "succeeded")),
        (
            6,
            2500,
            "step",
            json!({"name": "main", "vms": [1], "outcome": "failed", "error": "No package nginx\nmore"}),
        ),
        (7, 3000, "state", states("unconfigured")),
    ]);
    server.on(
        &format!("GET /infrastructures/{ID}/events"),
        Reply::Events(list, End::Never),
    );
    let user = User::of(&server);
    let told = [
        user.run(&["create", "d.radl"]),
        user.run(&["create", "d.radl", "-o", "json"]),
    ];
    assert_snapshot!(timeless(&told.join("\n")));
}

#[test]
fn create_that_needs_somebody_says_so() {
    let server = Server::start();
    infrastructure(&server, "pending");
    accepted(&server, "POST /infrastructures?async=yes&diagnostics=yes");
    let stuck =
        json!({"id": OP, "kind": "create", "state": "waiting_credentials", "error": "the cloud refuses the token"});
    let list = events(&[
        (1, 1000, "operation", operation("running")),
        (2, 1000, "operation", stuck),
    ]);
    server.on(
        &format!("GET /infrastructures/{ID}/events"),
        Reply::Events(list, End::Never),
    );
    assert_snapshot!(User::of(&server).run(&["create", "d.radl"]));
}

#[test]
fn a_bad_document_is_not_sent() {
    let server = Server::start();
    let user = User::of(&server);
    user.file("bad.radl", "system s ( cpu.count >= )\n");
    let told = [
        user.run(&["create", "bad.radl"]),
        user.run(&["create", "bad.radl", "-o", "json"]),
    ];
    assert_snapshot!(told.join("\n"));
    assert_eq!(server.lines(), [""; 0]);
    let told = user.run(&["create", "--no-check", "bad.radl"]);
    assert!(told.contains("exit: 1"), "{told}");
    assert_eq!(server.lines(), ["POST /infrastructures?async=yes&diagnostics=yes"]);
}

/// What the service finds in a document is shown in it, once, whether it refuses it or not.
#[test]
fn findings_of_the_service_are_shown() {
    let finding = |severity: &str, code: &str, message: &str| {
        let span = json!({"start": 8, "end": 9, "line": 1, "column": 9});
        json!({"severity": severity, "code": code, "message": message, "span": span, "hint": "do something"})
    };
    let server = Server::start();
    let user = User::of(&server);
    user.file("d.radl", "network n ()\nsystem s ()\n");
    let known = json!({"severity": "warning", "code": "R0904", "message": "No system has an interface on network `n`",
        "span": {"start": 0, "end": 9, "line": 1, "column": 1}});
    let body = json!({"uri": format!("{}/infrastructures/{ID}", server.url),
        "diagnostics": [known, finding("warning", "T0901", "the service knows better")]});
    let create = "POST /infrastructures?async=yes&diagnostics=yes";
    server.on(create, Reply::Full(200, "application/json", body.to_string(), Some(OP)));
    let told = user.run(&["create", "--detach", "d.radl"]);
    assert_eq!(told.matches("No system has an interface").count(), 1, "{told}");
    assert!(
        told.contains("warning[T0901]: the service knows better") && told.contains("d.radl:1:9"),
        "{told}"
    );
    let quiet = user.run(&["create", "--quiet", "--detach", "d.radl"]);
    assert!(!quiet.contains("T0901"), "{quiet}");

    let server = Server::start();
    let user = User::of(&server);
    user.file("d.radl", "network n ()\n");
    let body = json!({"message": "Error Creating Inf.: no", "code": 400, "diagnostics": [finding("error", "T0001", "not like this")]});
    server.on(create, Reply::Full(400, "application/json", body.to_string(), None));
    let told = user.run(&["create", "--no-check", "d.radl"]);
    assert!(
        told.contains("error[T0001]: not like this") && told.contains("1 | network n ()"),
        "{told}"
    );
}

#[test]
fn detaching_leaves_at_once() {
    let server = Server::start();
    accepted(&server, "POST /infrastructures?async=yes&diagnostics=yes");
    let user = User::of(&server);
    let told = [
        user.run(&["create", "--detach", "d.radl"]),
        user.run(&["create", "-d", "d.radl", "-o", "json"]),
    ];
    assert_snapshot!(told.join("\n"));
}

#[cfg(unix)]
#[test]
fn interrupting_a_create_detaches() {
    let server = Server::start();
    infrastructure(&server, "pending");
    accepted(&server, "POST /infrastructures?async=yes&diagnostics=yes");
    let list = events(&[
        (1, 1000, "operation", operation("running")),
        (2, 1000, "state", states("pending")),
    ]);
    server.on(
        &format!("GET /infrastructures/{ID}/events"),
        Reply::Events(list, End::Never),
    );
    let user = User::of(&server);
    let mut child = user.start(&["create", "d.radl"]);
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("pending") {
        assert!(stderr.read_line(&mut line).unwrap() > 0, "{line}");
    }
    Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut stderr, &mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_snapshot!(rest);
}

#[test]
fn a_service_without_events_is_asked_for_the_state() {
    let server = Server::start();
    let state = format!("GET /infrastructures/{ID}/state");
    server.json(
        &state,
        &json!({"state": {"state": "running", "vm_states": {"0": "running"}}}),
    );
    infrastructure(&server, "configured");
    let body = format!("{}/infrastructures/{ID}", server.url);
    server.on(
        "POST /infrastructures?async=yes&diagnostics=yes",
        Reply::Full(200, "text/uri-list", body, None),
    );
    let told = User::of(&server).run(&["create", "d.radl"]);
    let told: String = timeless(&told)
        .lines()
        .map(|l| {
            if l.starts_with('[') {
                format!("[time] {}\n", &l[9..])
            } else {
                format!("{l}\n")
            }
        })
        .collect();
    assert_snapshot!(told);
}

#[test]
fn an_update_tells_what_came_went_and_stays() {
    let mut told = Vec::new();
    for (added, removed) in [(&[][..], &[1, 2][..]), (&[3, 4], &[1]), (&[3], &[]), (&[], &[])] {
        let server = Server::start();
        infrastructure(&server, "configured");
        let uri = |vm: &u32| json!({"uri": format!("{}/infrastructures/{ID}/vms/{vm}", server.url)});
        let uris: Vec<_> = added.iter().map(uri).collect();
        let body = json!({"uri-list": uris, "diagnostics": [], "removed": removed, "kept": 2}).to_string();
        server.on(
            &format!("POST /infrastructures/{ID}?diagnostics=yes"),
            Reply::Full(200, "application/json", body, Some(OP)),
        );
        told.push(User::of(&server).run(&["add", "--detach", "5c8f", "d.radl"]));
    }
    assert_snapshot!(timeless(&told.join("\n")));
}

#[test]
fn add_and_remove_tell_only_what_is_new() {
    let server = Server::start();
    infrastructure(&server, "configured");
    let body = json!({"uri-list": [{"uri": format!("{}/infrastructures/{ID}/vms/1", server.url)}]}).to_string();
    server.on(
        &format!("POST /infrastructures/{ID}?diagnostics=yes"),
        Reply::Full(200, "application/json", body, Some(OP)),
    );
    server.on(
        &format!("DELETE /infrastructures/{ID}/vms/1"),
        Reply::Full(200, "text/plain", String::new(), Some(OP)),
    );
    server.on(
        &format!("DELETE /infrastructures/{ID}/vms/1?context=no"),
        Reply::Full(200, "text/plain", String::new(), Some(OP)),
    );
    let list = events(&[
        (
            1,
            1000,
            "operation",
            json!({"id": "old", "kind": "create", "state": "running"}),
        ),
        (2, 1000, "state", states("pending")),
        (
            3,
            1500,
            "step",
            json!({"name": "main", "vms": [0], "outcome": "failed", "error": "old news"}),
        ),
        (4, 2000, "state", states("configured")),
        (
            5,
            100_000,
            "operation",
            json!({"id": OP, "kind": "add", "state": "running"}),
        ),
        (
            6,
            100_000,
            "state",
            json!({"state": "pending", "vms": {"1": "pending"}}),
        ),
        (
            7,
            101_000,
            "operation",
            json!({"id": OP, "kind": "add", "state": "done"}),
        ),
        (8, 105_000, "state", states("configured")),
    ]);
    server.on(
        &format!("GET /infrastructures/{ID}/events"),
        Reply::Events(list, End::Never),
    );
    let user = User::of(&server);
    let told = [
        user.run(&["add", "5c8f", "d.radl"]),
        user.run(&["remove", "5c8f", "1"]),
        user.run(&["remove", "--no-configure", "5c8f", "1"]),
    ];
    assert_snapshot!(timeless(&told.join("\n")));
}

#[test]
fn destroy_asks_or_is_told() {
    let server = Server::start();
    let gone = json!({"message": "Error Getting Inf. prop: Deleted infrastructure.", "code": 404}).to_string();
    let state = format!("GET /infrastructures/{ID}/state");
    server.on(&state, Reply::Full(404, "application/json", gone, None));
    infrastructure(&server, "configured");
    server.on(
        &format!("DELETE /infrastructures/{ID}?async=yes"),
        Reply::Full(200, "text/plain", String::new(), Some(OP)),
    );
    let list = events(&[
        (
            1,
            1000,
            "operation",
            json!({"id": OP, "kind": "destroy", "state": "running"}),
        ),
        (2, 1000, "state", states("deleting")),
        (3, 2000, "step", step("delete vm 0", &[0], "succeeded")),
        (
            4,
            2000,
            "operation",
            json!({"id": OP, "kind": "destroy", "state": "done"}),
        ),
    ]);
    server.on(
        &format!("GET /infrastructures/{ID}/events"),
        Reply::Events(list, End::Closed),
    );
    let user = User::of(&server);
    let asked = user.run(&["destroy", ID]);
    let told = user.run(&["destroy", "--yes", ID]);
    assert_snapshot!(timeless(&[asked, told].join("\n")));
}

#[test]
fn power() {
    let server = Server::start();
    infrastructure(&server, "stopped");
    let ok = || Reply::Full(200, "text/plain", String::new(), Some(OP));
    for line in ["stop", "vms/1/start", "vms/0/reboot", "vms/1/reboot"] {
        server.on(&format!("PUT /infrastructures/{ID}/{line}"), ok());
    }
    let user = User::of(&server);
    for words in [&["stop", ID] as &[&str], &["start", ID, "1"], &["reboot", ID]] {
        let told = user.run(words);
        assert!(told.contains("exit: 0"), "{told}");
    }
    let changed: Vec<String> = server.lines().into_iter().filter(|l| l.starts_with("PUT")).collect();
    assert_eq!(
        changed.join("\n").replace(ID, "ID"),
        "PUT /infrastructures/ID/stop\nPUT /infrastructures/ID/vms/1/start\n\
         PUT /infrastructures/ID/vms/0/reboot\nPUT /infrastructures/ID/vms/1/reboot"
    );
}

#[test]
fn plan_tells_what_a_document_would_change() {
    let server = Server::start();
    infrastructure(&server, "configured");
    let difference = json!({
        "machines": [
            {"system": "s", "what": "kept", "count": 1, "vms": ["0"]},
            {"system": "s", "what": "added", "count": 2, "cloud": "one"},
        ],
        "networks": [], "steps": [], "recipes": [],
        "systems": [{"id": "s", "what": "changed", "features": [
            {"old": "cpu.count >= 1", "new": "cpu.count >= 2"},
        ]}],
        "reconfigure": true,
    });
    server.json(&format!("POST /infrastructures/{ID}/plan"), &difference);
    let user = User::of(&server);
    let text = user.run(&["plan", "d.radl", "--against", ID]);
    let as_json = user.run(&["plan", "d.radl", "--against", ID, "-o", "json"]);
    assert_snapshot!("plan_against", format!("{text}\n{as_json}"));
    let asked = server.asked();
    assert!(
        asked
            .iter()
            .any(|a| a.line.ends_with("/plan") && a.body == crate::run::DOCUMENT)
    );
    // Nothing was changed.
    assert!(
        server
            .lines()
            .iter()
            .all(|line| line.starts_with("GET") || line.ends_with("/plan"))
    );
}
