//! Operations: shown, tried again, cancelled, given up.

use crate::{
    questions::{ID, infrastructure},
    run::User,
    server::{Reply, Server},
};
use insta::assert_snapshot;
use serde_json::{Value, json};
use std::fmt::Write as _;

const OP: &str = "0b7d4c3e-1111-4f6e-a27f-0b5cb8c1cda1";

fn view(state: &str) -> Value {
    let cloud = json!({"id": "one", "type": "OpenStack", "server": "cloud.example"});
    json!({
        "id": OP, "infrastructure": ID, "kind": "create", "state": state, "error": "token expired\nmore", "created": 0,
        "steps": 3, "ended": 1, "needs": [{"cloud": cloud, "account": "project 7"}],
        "plan": [
            {"step": 0, "vm": null, "what": "create network n", "state": "succeeded", "attempts": 1},
            {"step": 1, "vm": 0, "what": "create vm", "state": "retrying", "attempts": 2, "errors": ["a", "no \u{1b}[2Jroom"]},
            {"step": 2, "vm": 1, "what": "create vm", "state": "waiting", "attempts": 0}
        ],
        "remaining": [
            {"kind": "vm", "name": "0", "vm": 0, "cloud": cloud, "account": "project 7", "id": "i-1", "key": "k1", "state": "released"},
            {"kind": "network", "name": "n", "vm": null, "cloud": cloud, "account": "project 7", "id": null, "key": "k2", "state": "released"}
        ]
    })
}

/// Ages differ from run to run.
fn ageless(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [id, kind, state, steps, _, rest @ ..] if *id == OP && !rest.is_empty() && steps.contains('/') => {
                let _ = writeln!(out, "{id}  {kind}  {state}  {steps}  [AGE]  {}", rest.join(" "));
            }
            ["OPERATION", ..] => out.push_str(&(words.join("  ") + "\n")),
            _ => {
                let _ = writeln!(out, "{line}");
            }
        }
    }
    out
}

fn serving(line: &str, body: &Value) -> Server {
    let server = Server::start();
    infrastructure(&server, "configured");
    server.on(line, Reply::Full(200, "application/json", body.to_string(), Some(OP)));
    server
}

#[test]
fn operations_are_listed_and_shown() {
    let server = serving(
        &format!("GET /infrastructures/{ID}/operations"),
        &json!({"operations": [view("waiting_credentials"), view("done")]}),
    );
    server.json(&format!("GET /operations/{OP}"), &view("waiting_credentials"));
    let user = User::of(&server);
    let told = [
        user.run(&["operations", "list", "5c8f"]),
        user.run(&["ops", "ls", "5c8f", "--all"]),
        user.run(&["operations", "show", OP]),
        user.run(&["operations", "show", "none"]),
    ];
    assert_snapshot!(ageless(&told.join("\n")));
    let json = user.run(&["operations", "list", "5c8f", "-o", "json"]);
    assert!(
        json.contains("waiting_credentials") && !json.contains("\"done\""),
        "{json}"
    );
}

#[test]
fn operations_are_steered() {
    let server = serving(&format!("POST /operations/{OP}/retry?async=yes"), &view("running"));
    server
        .json(&format!("POST /operations/{OP}/retry"), &view("done"))
        .json(&format!("POST /operations/{OP}/cancel?async=yes"), &view("unwinding"))
        .json(&format!("POST /operations/{OP}/abandon"), &view("undone"))
        .on(
            "POST /operations/ended/retry?async=yes",
            Reply::Full(
                409,
                "application/json",
                json!({"message": "Error retrying operation: The operation has ended (done): nothing is left to be done.", "code": 409})
                    .to_string(),
                None,
            ),
        );
    let user = User::of(&server);
    let told = [
        user.run(&["operations", "retry", OP]),
        user.run(&["operations", "retry", OP, "--wait", "-q"]),
        // Nobody is there to be asked.
        user.run(&["operations", "cancel", OP]),
        user.run(&["operations", "cancel", OP, "--yes", "-q"]),
        user.run(&["operations", "abandon", OP, "-y", "--wait"]),
        user.run(&["operations", "retry", "ended"]),
    ];
    assert_snapshot!(told.join("\n"));
    let asked: Vec<String> = server.lines();
    assert_eq!(asked.iter().filter(|l| l.contains("/cancel")).count(), 1, "{asked:?}");
}

#[test]
fn an_infrastructure_is_given_up() {
    let remaining = view("done")["remaining"].clone();
    let server = serving(
        &format!("POST /infrastructures/{ID}/abandon"),
        &json!({"remaining": remaining}),
    );
    let user = User::of(&server);
    let told = [
        user.run(&["abandon", "5c8f"]),
        user.run(&["abandon", "5c8f", "--yes"]),
        user.run(&["abandon", "5c8f", "--yes", "-o", "json"]),
    ];
    assert_snapshot!(told.join("\n"));
}
