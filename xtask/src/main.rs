//! `cargo xtask check`: checks of the repository itself, run by `./test`. `cargo xtask deny`: checks of what it depends
//! on.
//!
//! They read the workspace's manifests and the files git knows. They change nothing and never look at the network.

mod deny;
mod edges;
mod files;
mod sockets;

use std::path::PathBuf;
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let findings = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["check"] => check(),
        ["deny"] => deny(),
        _ => {
            say("usage: cargo xtask check|deny");
            return ExitCode::from(2);
        }
    };
    match findings {
        Ok(findings) if findings.is_empty() => ExitCode::SUCCESS,
        Ok(findings) => {
            for finding in &findings {
                say(finding);
            }
            say(&format!("{} findings", findings.len()));
            ExitCode::FAILURE
        }
        Err(reason) => {
            say(&format!("error: {reason}"));
            ExitCode::FAILURE
        }
    }
}

/// The repository this program was built from.
fn root() -> Result<PathBuf, String> {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map(PathBuf::from)
        .ok_or_else(|| "the workspace has no root folder".to_owned())
}

/// All findings about what may be linked in.
fn deny() -> Result<Vec<String>, String> {
    let root = root()?;
    let rules = std::fs::read_to_string(root.join("deny.toml"))
        .map_err(|error| format!("deny.toml cannot be read: {error}"))?;
    let mut command = Command::new("cargo");
    command
        .args(["metadata", "--locked", "--all-features", "--format-version", "1"])
        .current_dir(&root);
    for target in deny::targets(&rules)? {
        command.args(["--filter-platform", &target]);
    }
    deny::check(&rules, &output(&mut command)?)
}

/// All findings about the repository.
fn check() -> Result<Vec<String>, String> {
    let root = root()?;
    let metadata = output(
        Command::new("cargo")
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .current_dir(&root),
    )?;
    let packages = edges::parse(&metadata)?;
    let mut findings = edges::check(&packages);
    findings.extend(sockets::check_dependencies(&packages));
    let listed = output(
        Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(&root),
    )?;
    findings.extend(files::check(&root, &listed)?);
    findings.extend(sockets::check(&root, &listed)?);
    Ok(findings)
}

/// What a program printed; its own words when it failed.
fn output(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .map_err(|error| format!("{name} could not be run: {error}"))?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{name} failed: {}", words.trim_end()));
    }
    String::from_utf8(output.stdout).map_err(|_| format!("{name} printed what is not UTF-8"))
}

#[allow(clippy::print_stderr, reason = "this is what the program is for")]
fn say(line: &str) {
    eprintln!("{line}");
}
