//! The original's released client against this service.

use crate::support::{BOB, Home, radl};
use std::process::Command;

#[test]
fn the_released_client_works() {
    let Some(client) = std::env::var_os("IM_TEST_CLIENT") else {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "IM_TEST_CLIENT must name the original's client: ./test installs it"
        );
        println!("not run: IM_TEST_CLIENT does not name the original's client (./test installs it)");
        return;
    };
    let home = Home::new("");
    let im = home.start();
    std::fs::write(home.path("auth"), BOB.replace("\\n", "\n")).unwrap();
    std::fs::write(home.path("one.radl"), radl(1)).unwrap();
    let document = home.path("one.radl").display().to_string();
    let run = |words: &[&str]| {
        let output = Command::new(&client)
            .current_dir(home.path(""))
            .args(["-r", &im.url, "-a", "auth"])
            .args(words)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(
            output.status.success(),
            "{words:?}: {said}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        said
    };
    assert!(run(&["getversion"]).contains(env!("CARGO_PKG_VERSION")));
    let created = run(&["create", &document]);
    let id = created.trim().rsplit(' ').next().unwrap().to_owned();
    assert!(run(&["list"]).contains(&id));
    run(&["wait", &id]);
    assert!(run(&["getstate", &id]).contains("configured"));
    assert!(run(&["getinfo", &id]).contains("system front"));
    assert!(run(&["getradl", &id]).contains("deploy front 1"));
    assert!(run(&["getcontmsg", &id]).contains("Contextualization disabled"));
    assert!(run(&["addresource", &id, &document]).contains('1'));
    run(&["removeresource", &id, "1"]);
    run(&["stopvm", &id, "0"]);
    assert!(run(&["getvminfo", &id, "0", "state"]).contains("stopped"));
    run(&["startvm", &id, "0"]);
    run(&["reconfigure", &id]);
    run(&["alter", &id, "0", &document]);
    assert!(run(&["-n", "getstate", "test"]).contains("configured"));
    run(&["-y", "destroy", &id]);
    assert!(!run(&["list"]).contains(&id));
}
