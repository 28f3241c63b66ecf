//! `im keys` beside a service that runs, and one that does not.

use crate::support::{Home, program, radl};
use std::{
    io::{BufRead as _, BufReader, Read as _},
    os::unix::fs::PermissionsExt as _,
    process::{Output, Stdio},
    time::{Duration, Instant},
};

fn keys(home: &Home, words: &[&str]) -> (i32, String, String) {
    let output: Output = program()
        .arg("keys")
        .args(words)
        .arg("--config")
        .arg(home.config())
        .output()
        .unwrap();
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

/// Id, role and values of each key.
fn listed(home: &Home) -> Vec<(String, String, u64)> {
    let (code, out, err) = keys(home, &["list", "--output", "json"]);
    assert_eq!(code, 0, "{err}");
    let list: serde_json::Value = serde_json::from_str(&out).unwrap();
    let text = |v: &serde_json::Value| v.as_str().unwrap().to_owned();
    list["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|k| (text(&k["id"]), text(&k["role"]), k["values"].as_u64().unwrap()))
        .collect()
}

#[tokio::test]
async fn keys_are_rotated_under_a_running_service() {
    let home = Home::new("");
    let im = home.start();
    let id = im.create(3).await;
    im.until(&id, "configured").await;
    let first = listed(&home).remove(0);
    assert_eq!(first.1, "writing");
    assert!(first.2 > 10, "{first:?}");

    let (code, staged, said) = keys(&home, &["new"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("im keys rotate"), "{said}");
    assert_eq!(listed(&home)[1], (staged.trim().to_owned(), "staged".into(), 0));

    let (code, rotated, said) = keys(&home, &["rotate"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(rotated, staged);
    assert!(said.contains(&format!("im keys drop {}", first.0)), "{said}");
    let after = listed(&home);
    assert_eq!(after[0], (first.0.clone(), "reading".into(), 0));
    assert_eq!((after[1].1.as_str(), after[1].2 >= first.2), ("writing", true));

    // The service goes on with the new key: what it writes, it reads.
    let more = im
        .ask("POST", &format!("/infrastructures/{id}"))
        .body(radl(1))
        .send()
        .await
        .unwrap();
    assert_eq!(more.status(), 200);
    im.until(&id, "configured").await;
    let (code, _, said) = keys(&home, &["drop", &first.0]);
    assert_eq!(code, 1, "a service may still be writing: {said}");
    assert!(said.contains("in a minute"), "{said}");
    im.crash();

    let (code, _, said) = keys(&home, &["drop", &first.0]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(listed(&home).len(), 1);
    let im = home.start();
    im.until(&id, "configured").await;
    assert_eq!(
        im.text("GET", &format!("/infrastructures/{id}"))
            .await
            .1
            .lines()
            .count(),
        4
    );
    let key = home.path("data/inf.dat.key");
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn keys_of_the_environment_are_used_and_never_written() {
    let home = Home::new("");
    let (code, line, said) = keys(&home, &["new", "--print"]);
    assert_eq!((code, line.split(' ').count()), (0, 3), "{said}");
    let first = line.replace(" staged", "");
    let (_, second, _) = keys(&home, &["new", "--print"]);
    let run = |text: &str, words: &[&str]| {
        let output = program()
            .args(words)
            .arg("--config")
            .arg(home.config())
            .env("IM_KEYS", text)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        (
            output.status.code().unwrap(),
            String::from_utf8(output.stdout).unwrap(),
            said,
        )
    };
    let start = |text: &str| {
        let mut command = program();
        command
            .arg("serve")
            .arg("--config")
            .arg(home.config())
            .env("IM_KEYS", text);
        crate::support::Im::start(command)
    };
    let im = start(&first);
    let id = im.create(1).await;
    im.stop("TERM");
    assert!(!home.path("data/inf.dat.key").exists());

    // One that is staged has to become the last one first; then everything is sealed anew.
    let (code, _, said) = run(&format!("{first}{second}"), &["keys", "rotate"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("staged"), "{said}");
    let both = format!("{first}{}", second.replace(" staged", ""));
    let im = start(&both);
    im.until(&id, "configured").await;
    let (code, _, said) = run(&both, &["keys", "rotate"]);
    assert_eq!(code, 0, "{said}");
    im.stop("TERM");
    let old = first.split(' ').next().unwrap();
    let (code, _, said) = run(&both, &["keys", "drop", old]);
    assert_eq!(code, 0, "{said}");
    let im = start(&second.replace(" staged", ""));
    im.until(&id, "configured").await;
    im.stop("TERM");

    // The former key alone: refused, and told which is missing.
    let (code, _, said) = run(&first, &["serve"]);
    assert_eq!(code, 2);
    assert!(
        said.contains("keys in IM_KEYS do not open") && said.contains(second.split(' ').next().unwrap()),
        "{said}"
    );
    assert!(!said.contains("Error connecting with the DB"), "{said}");
}

#[test]
fn a_key_that_is_missing_or_open_to_others_is_said_so() {
    let home = Home::new("");
    home.start().stop("TERM");
    let key = home.path("data/inf.dat.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o604)).unwrap();
    let (code, _, said) = keys(&home, &["list"]);
    assert_eq!(code, 1);
    assert!(said.contains("chmod 600"), "{said}");
    std::fs::remove_file(&key).unwrap();
    for words in [["list"].as_slice(), &["new"], &["rotate"]] {
        let (code, _, said) = keys(&home, words);
        assert_eq!(code, 1, "{words:?}: {said}");
        assert!(said.contains("inf.dat.key"), "{words:?}: {said}");
        assert!(!key.exists(), "{words:?} made a key for a database that has another");
    }
    let (code, _, said) = keys(&home, &["drop", "xyz"]);
    assert_eq!(code, 2, "{said}");
}

/// When a rotation is killed.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// So long after its start.
    After(Duration),
    /// When it has made the new key the one that seals.
    Promoted,
    /// When it has sealed so many batches anew.
    Sealed(usize),
}

/// Starts `im keys rotate` and kills it with SIGKILL; whether it was still running.
fn rotate_and_kill(home: &Home, moment: Moment) -> bool {
    let mut child = program()
        .args(["keys", "rotate", "--verbose", "--config"])
        .arg(home.config())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    match moment {
        Moment::After(pause) => std::thread::sleep(pause),
        Moment::Promoted => {
            // It prints the key's id at once.
            let mut one = [0];
            let _ = child.stdout.as_mut().unwrap().read(&mut one).unwrap();
        }
        Moment::Sealed(batches) => {
            let lines = BufReader::new(child.stderr.as_mut().unwrap()).lines();
            let sealed = lines.map_while(Result::ok).filter(|l| l.contains("sealed anew"));
            assert_eq!(sealed.take(batches).count(), batches);
        }
    }
    let running = child.try_wait().unwrap().is_none();
    child.kill().unwrap();
    let status = child.wait().unwrap();
    running && !status.success()
}

#[tokio::test]
async fn a_rotation_may_be_killed_at_any_moment() {
    let home = Home::new("");
    let im = home.start();
    let id = im.create(150).await;
    im.until(&id, "configured").await;
    let infra = format!("/infrastructures/{id}");
    let oldest = listed(&home).remove(0);
    assert!(oldest.2 > 400, "several batches: {oldest:?}");

    // Once undisturbed, to know how long it takes.
    let begun = Instant::now();
    assert_eq!(keys(&home, &["rotate"]).0, 0);
    let whole = begun.elapsed();
    let moments = (0..8).map(|n| Moment::After(whole * n / 8)).chain([
        Moment::Promoted,
        Moment::Sealed(1),
        Moment::Sealed(2),
        Moment::Sealed(3),
    ]);
    let (mut killed, mut halves, mut vms) = (0, 0, 150);
    for (n, moment) in (0..).zip(moments) {
        killed += u32::from(rotate_and_kill(&home, moment));
        // The service beside it goes on, and each key that is needed is there.
        halves += u32::from(listed(&home).iter().filter(|key| key.2 > 0).count() > 1);
        let more = im.ask("POST", &infra).body(radl(1)).send().await.unwrap();
        assert_eq!(more.status(), 200, "{moment:?}: {}", more.text().await.unwrap());
        vms += 1;
        if n % 2 == 1 {
            // What was begun is brought to its end.
            let (code, _, said) = keys(&home, &["rotate"]);
            assert_eq!(code, 0, "{moment:?}: {said}");
        }
    }
    assert!(killed >= 6, "only {killed} were killed before their end");
    assert!(halves >= 3, "only {halves} left two keys in use");
    im.until(&id, "configured").await;
    im.crash();

    // Killed once more with nobody beside it; a service starts with both keys, reads all, and writes.
    rotate_and_kill(&home, Moment::Sealed(6));
    assert!(listed(&home).iter().filter(|key| key.2 > 0).count() > 1);
    let im = home.start();
    im.until(&id, "configured").await;
    let (_, uris) = im.text("GET", &infra).await;
    assert_eq!(uris.lines().count(), vms);
    let (status, document) = im.text("GET", &format!("{infra}/radl")).await;
    assert!(status == 200 && document.contains("deploy front"), "{document}");
    im.stop("TERM");

    let (code, last, said) = keys(&home, &["rotate"]);
    assert_eq!(code, 0, "{said}");
    let all = listed(&home);
    for (key, role, values) in &all {
        if key == last.trim() {
            assert!(role == "writing" && *values > oldest.2, "{all:?}");
        } else {
            assert_eq!(*values, 0, "{all:?}");
            let (code, _, said) = keys(&home, &["drop", key]);
            assert_eq!(code, 0, "{said}");
        }
    }
    // The id of the key that sealed it is at the head of each value; the file of keys is the one that has it elsewhere.
    for (path, _) in im_testkit::files(&home.path("data")) {
        let bytes = std::fs::read(&path).unwrap();
        for (key, ..) in all.iter().filter(|key| key.0 != last.trim()) {
            let id: Vec<u8> = (0..key.len() / 2)
                .map(|n| u8::from_str_radix(&key[2 * n..2 * n + 2], 16).unwrap())
                .collect();
            let head = [[1].as_slice(), &id].concat();
            let left = bytes.windows(head.len()).any(|w| w == head);
            assert!(!left, "{} holds what {key} sealed", path.display());
        }
    }
    let im = home.start();
    im.until(&id, "configured").await;
    assert_eq!(im.text("GET", &infra).await.1.lines().count(), vms);
    im.stop("TERM");
}
