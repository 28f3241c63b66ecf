//! `cargo xtask check`: checks of the repository itself, run by `./test`.
//!
//! It reads the workspace's manifests and the files git knows. It changes
//! nothing and never looks at the network.

mod edges;
mod files;

use std::path::PathBuf;
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments != ["check"] {
        say("usage: cargo xtask check");
        return ExitCode::from(2);
    }
    match check() {
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

/// All findings about the repository this program was built from.
fn check() -> Result<Vec<String>, String> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map(PathBuf::from)
        .ok_or("the workspace has no root folder")?;
    let metadata = output(
        Command::new("cargo")
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .current_dir(&root),
    )?;
    let mut findings = edges::check(&edges::parse(&metadata)?);
    let listed = output(
        Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(&root),
    )?;
    findings.extend(files::check(&root, &listed)?);
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
