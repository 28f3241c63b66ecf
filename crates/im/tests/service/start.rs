//! Starting, and what is said when that does not work.

use crate::support::{Home, program};
use std::{os::unix::fs::PermissionsExt as _, process::Output};

fn refused(home: &Home) -> (i32, String) {
    let output: Output = program()
        .arg("serve")
        .arg("--config")
        .arg(home.config())
        .output()
        .unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn wrong_settings_name_file_and_line() {
    let home = Home::new("BOOT_MODE = few\nMAX_VM_FAILS = -1");
    let (code, said) = refused(&home);
    assert_eq!(code, 1);
    let file = home.config().display().to_string();
    assert!(said.contains(&format!("{file}, line 7: BOOT_MODE")), "{said}");
    assert!(said.contains(&format!("{file}, line 8: MAX_VM_FAILS")), "{said}");

    home.configure("ALLOWED_LOCAL_HOSTS = 10.0.0.0/8");
    let (code, said) = refused(&home);
    assert_eq!(code, 1);
    assert!(said.contains("line 7: ALLOWED_LOCAL_HOSTS"), "{said}");

    std::fs::remove_file(home.config()).unwrap();
    let (code, said) = refused(&home);
    assert_eq!(code, 1);
    assert!(said.contains("configuration file") && said.contains(&file), "{said}");
}

#[test]
fn unknown_settings_are_warned_about() {
    let home = Home::new("RESTPORT = 1\nACTIVATE_XMLRPC = False");
    home.start().stop("TERM");
    let log = home.log();
    assert!(
        log.contains(
            " - InfrastructureManager - WARNING - Unknown option in the IM config file. Ignoring it: RESTPORT\n"
        ),
        "{log}"
    );
    assert!(!log.contains("XMLRPC"), "{log}");
    assert!(
        log.contains("Start Infrastructure Manager daemon (v.") && log.contains("daemon stopped"),
        "{log}"
    );
}

#[test]
fn a_port_that_is_taken() {
    let home = Home::new("");
    let im = home.start();
    let other = Home::new("");
    let taken = std::fs::read_to_string(other.config()).unwrap();
    let taken = taken.replace("REST_PORT = 0", &format!("REST_PORT = {}", im.port()));
    std::fs::write(other.config(), taken).unwrap();
    let (code, said) = refused(&other);
    assert_eq!(code, 1);
    assert!(
        said.contains(&format!("cannot listen on 127.0.0.1:{}", im.port())) && said.contains("REST_PORT"),
        "{said}"
    );
}

#[test]
fn one_process_per_database() {
    let home = Home::new("");
    let _im = home.start();
    let (code, said) = refused(&home);
    assert_eq!(code, 2);
    assert!(said.starts_with("Error connecting with the DB!!.\n"), "{said}");
    assert!(said.contains("another process uses the database"), "{said}");
}

#[test]
fn keys_are_the_owners_alone_and_outside_the_database() {
    let home = Home::new("");
    home.start().stop("TERM");
    let key = home.path("data/inf.dat.key");
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::remove_file(key).unwrap();
    let (code, said) = refused(&home);
    assert_eq!(code, 2);
    assert!(said.contains("inf.dat.key"), "{said}");
}

#[test]
fn a_link_of_that_name_is_the_service() {
    let home = Home::new("");
    let link = home.path("im_service");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_im"), &link).unwrap();
    let im = home.start_as(&link, &[]);
    assert_eq!(im.stop("TERM"), "IM service stopped.");
    let version = std::process::Command::new(&link).arg("--version").output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    assert!(version.to_lowercase().starts_with("im "), "{version}");
}

/// A generous limit: machines that run tests are busy. The benchmark measures.
#[test]
fn it_is_there_at_once() {
    let home = Home::new("");
    home.start().stop("TERM");
    let took = home.start().took;
    assert!(took.as_millis() < 2_000, "{took:?}");
}

#[test]
fn the_environment_names_the_database() {
    let home = Home::new("");
    let mut command = program();
    let data = home.path("elsewhere.db");
    command.arg("serve").arg("--config").arg(home.config());
    // Set after what the helper removes.
    let mut shell = std::process::Command::new("sh");
    shell
        .arg("-c")
        .arg(format!("IM_DATA_DB=sqlite://{} exec \"$0\" \"$@\"", data.display()))
        .arg(command.get_program())
        .args(command.get_args());
    crate::support::Im::start(shell).stop("TERM");
    assert!(data.exists());
    assert!(!home.path("data/inf.dat").exists());
}

#[test]
fn a_log_that_cannot_be_written_goes_to_standard_error() {
    let home = Home::new("");
    let text = std::fs::read_to_string(home.config()).unwrap();
    let text = text.replace(&home.path("im.log").display().to_string(), "/proc/none/im.log");
    std::fs::write(home.config(), text).unwrap();
    let im = home.start();
    assert_eq!(im.stop("TERM"), "IM service stopped.");
}
