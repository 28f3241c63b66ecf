//! Commands that only ask, and what they say when the answer is no.

use crate::{
    run::User,
    server::{End, Reply, Server, event},
};
use insta::assert_snapshot;
use serde_json::json;

pub(crate) const ID: &str = "5c8f1c3e-ca3f-11f0-9d2c-0242ac110002";

/// An infrastructure with two machines.
pub(crate) fn infrastructure(server: &Server, state: &str) {
    let vm = |n: u32| json!({"uri": format!("{}/infrastructures/{ID}/vms/{n}", server.url)});
    let radl = |n: u32| {
        json!({"radl": [
            {"class": "network", "id": "pub", "outbound": "yes", "outports": "40022-22"},
            {"class": "network", "id": "n"},
            {"class": "system", "id": if n == 0 { "front" } else { "worker" }, "state": state,
             "provider.type": "Docker", "net_interface.0.connection": "n", "net_interface.0.ip": format!("10.0.0.{}", n + 2),
             "net_interface.1.connection": if n == 0 { "pub" } else { "" }, "net_interface.1.ip": "127.0.0.1",
             "disk.0.os.credentials.username": "root", "disk.0.os.credentials.password": "p4ss"}
        ]})
    };
    server
        .json(
            "GET /infrastructures",
            &json!({"uri-list": [{"uri": format!("{}/infrastructures/{ID}", server.url)}]}),
        )
        .json(
            &format!("GET /infrastructures/{ID}"),
            &json!({"uri-list": [vm(0), vm(1)]}),
        )
        .json(
            &format!("GET /infrastructures/{ID}/radl"),
            &json!({"radl": "description d ( name = 'Web cluster' )\nnetwork n ()\n"}),
        )
        .json(
            &format!("GET /infrastructures/{ID}/state"),
            &json!({"state": {"state": state, "vm_states": {"0": state, "1": state}}}),
        )
        .json(&format!("GET /infrastructures/{ID}/vms/0"), &radl(0))
        .json(&format!("GET /infrastructures/{ID}/vms/1"), &radl(1));
}

#[test]
fn answers_for_people_and_for_programs() {
    let server = Server::start();
    infrastructure(&server, "configured");
    server
        .json(
            &format!("GET /infrastructures/{ID}/contmsg"),
            &json!({"contmsg": "2026-01-01 00:00:00: Select master VM\n"}),
        )
        .json(
            &format!("GET /infrastructures/{ID}/contmsg?headeronly=yes"),
            &json!({"contmsg": "head\n"}),
        )
        .on(
            &format!("GET /infrastructures/{ID}/vms/1/contmsg"),
            Reply::Full(200, "text/plain", "TASK [x]\r\n\u{1b}[2Jok: 1\n".into(), None),
        )
        .on(
            &format!("GET /infrastructures/{ID}/vms/1/cpu.count"),
            Reply::Full(200, "text/plain", "2".into(), None),
        )
        .on("GET /version", Reply::Full(200, "text/plain", "2.0.0".into(), None));
    let user = User::of(&server);
    let told: Vec<String> = [
        &["list"] as &[&str],
        &["list", "--output", "json"],
        &["list", "--long"],
        &["show", "5c8f"],
        &["show", "5c8f", "--output", "json"],
        &["show", "5c8f", "1", "cpu.count"],
        &["show", "5c8f", "--radl"],
        &["state", ID],
        &["state", ID, "-o", "json"],
        &["log", ID],
        &["log", ID, "--header"],
        &["log", ID, "1"],
        &["getstate", ID],
        &["wait", ID, "-q"],
        &["version"],
    ]
    .iter()
    .map(|words| user.run(words))
    .collect();
    assert_snapshot!(told.join("\n"));
    assert!(server.asked().iter().all(|a| a.line == "GET /version"
        || a.headers["authorization"] == "type = 'InfrastructureManager'; username = 'me'; password = 's3cret'"));
}

#[test]
fn orphans_are_told_and_what_is_dead_is_removed() {
    let server = Server::start();
    let orphan = |id: &str, status: &str| {
        json!({"cloud": "one", "account": "project 42", "kind": "vm", "id": id, "name": "im-00ff",
               "infrastructure": ID, "key": "00ff", "status": status})
    };
    server
        .json(
            "GET /orphans",
            &json!({"orphans": [orphan("i-1", "dead"), orphan("i-2", "left_behind")], "removed": [],
                    "errors": [{"cloud": "two", "message": "no answer"}]}),
        )
        .json(
            "DELETE /orphans",
            &json!({"orphans": [orphan("i-2", "left_behind")], "removed": [orphan("i-1", "dead")], "errors": []}),
        );
    let user = User::of(&server);
    let told = user.run(&["orphans", "list"]);
    for part in [
        "i-1",
        "dead",
        "left behind",
        "cloud two: no answer",
        "im orphans remove",
    ] {
        assert!(told.contains(part), "{part} is missing in {told}");
    }
    let json = user.run(&["orphans", "ls", "-o", "json"]);
    assert!(
        json.contains("\"status\": \"left_behind\"") || json.contains("\"status\":\"left_behind\""),
        "{json}"
    );
    let told = user.run(&["orphans", "remove"]);
    for part in ["i-1", "removed", "1 orphan removed", "i-2"] {
        assert!(told.contains(part), "{part} is missing in {told}");
    }
    assert_eq!(server.lines(), ["GET /orphans", "GET /orphans", "DELETE /orphans"]);
}

#[test]
fn no_is_explained() {
    let server = Server::start();
    let refusal = |status, text: &str| {
        Reply::Full(
            status,
            "application/json",
            json!({"message": text, "code": status}).to_string(),
            None,
        )
    };
    server
        .on(
            "GET /infrastructures",
            refusal(
                401,
                "Error Getting Inf. List: Invalid InfrastructureManager credentials",
            ),
        )
        .on(
            &format!("GET /infrastructures/{ID}/state"),
            refusal(
                404,
                "Error Getting Inf. prop: Invalid infrastructure ID or access not granted.",
            ),
        )
        .on(
            &format!("GET /infrastructures/{ID}"),
            Reply::Full(502, "text/html", "<html>bad gateway".into(), None),
        )
        .on(
            &format!("GET /infrastructures/{ID}/contmsg"),
            Reply::Full(200, "text/html", "hello".into(), None),
        );
    let user = User::of(&server);
    let told: Vec<String> = [
        &["list"] as &[&str],
        &["state", ID],
        &["state", ID, "-o", "json"],
        &["show", ID],
        &["log", ID],
        &["log", "--url", "localhost:8800", ID],
    ]
    .iter()
    .map(|words| user.run(words))
    .collect();
    assert_snapshot!(told.join("\n"));
}

#[test]
fn nobody_there() {
    // A port that was free a moment ago.
    let url = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let user = User::new();
    user.file("auth", crate::run::AUTH);
    let told = [
        user.run(&["list", "--url", &url, "--auth", "auth"]),
        user.run(&["list", "--url", &url]),
        user.run(&["list", "--url", &url, "--auth", "missing"]),
        user.run(&["version", "--url", &url]),
    ];
    assert_snapshot!(told.join("\n").replace(&url, "[URL]"));
}

#[test]
fn credentials_are_expanded_here() {
    let server = Server::start();
    server.json("GET /infrastructures", &json!({"uri-list": []}));
    let user = User::of(&server);
    user.file("token", "a b\nc\n");
    user.file(
        "auth.dat",
        "# mine\ntype = InfrastructureManager; username = me; password = command(echo s3cret)\n\
         id = d; type = Docker; host = unix://var/run/docker.sock; key = file(token)\n",
    );
    user.run(&["list"]);
    assert_snapshot!(server.asked()[0].headers["authorization"]);
}

#[test]
fn settings_come_from_files_too() {
    let server = Server::start();
    server.json("GET /infrastructures", &json!({"uri-list": []}));
    let user = User::new();
    std::fs::create_dir_all(user.home().join(".config/im")).unwrap();
    user.file(
        ".config/im/client.cfg",
        &format!("[client]\nurl = {}\nauth = ~/mine\noutput = json\n", server.url),
    );
    user.file("mine", crate::run::AUTH);
    assert_snapshot!(user.run(&["list"]));
    // A folder that may be anybody's does not decide where credentials go.
    let user = User::new();
    user.file("im_client.cfg", "[im_client]\nrestapi_url = http://evil.example\n");
    user.file("mine", crate::run::AUTH);
    assert_snapshot!("settings_of_the_folder", user.run(&["list", "--auth", "mine"]));
}

#[test]
fn the_log_is_followed() {
    let server = Server::start();
    infrastructure(&server, "configured");
    let log =
        |seq, scope: serde_json::Value, text: &str| (0, event(seq, 1000, "log", json!({"scope": scope, "text": text})));
    let events = vec![
        log(1, json!("infra"), "Select master VM\n"),
        log(2, json!({"vm": 0}), "TASK [one]\nok: [0]\n"),
        log(3, json!({"vm": 1}), "TASK [two]\n"),
        (
            0,
            event(
                4,
                2000,
                "state",
                json!({"state": "configured", "vms": {"0": "configured", "1": "configured"}}),
            ),
        ),
    ];
    server.on(
        &format!("GET /infrastructures/{ID}/events"),
        Reply::Events(events, End::Never),
    );
    let user = User::of(&server);
    let told = [
        user.run(&["log", "-f", ID]),
        user.run(&["log", "-f", ID, "0"]),
        user.run(&["log", "-f", ID, "1", "-o", "json"]),
    ];
    assert_snapshot!(told.join("\n"));
}

#[cfg(unix)]
#[test]
fn ssh_gets_its_words_and_asks_for_the_password() {
    let server = Server::start();
    infrastructure(&server, "configured");
    let user = User::of(&server);
    user.file(
        "ssh",
        "#!/bin/sh\nfor word; do echo \"[$word]\"; done\necho \"password: $($SSH_ASKPASS \"root@im-5c8f1c3e-ca3f-11f0-9d2c-0242ac110002-0's password: \")\"\nexit 7\n",
    );
    let run = |words: &[&str]| {
        let path = format!(
            "{}:{}",
            user.home().display(),
            std::env::var("PATH").unwrap_or_default()
        );
        let output = user.command(words).env("PATH", path).output().unwrap();
        user.tell(words, &output)
    };
    assert_snapshot!([run(&["ssh", "5c8f"]), run(&["ssh", "5c8f", "1", "--", "uname", "-a"])].join("\n"));
}
