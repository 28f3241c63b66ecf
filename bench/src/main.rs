//! Measures a real `im serve`, and kills it.
//!
//! - `bench scale`: from 1 to 10,000 `Dummy` VMs in one infrastructure; 10,000 infrastructures with 100,000 VMs.
//! - `bench http`: start-up, idle memory, requests per second.
//! - `bench kill`: `kill -9` at seeded moments while real containers are deployed, configured and deleted.
//!
//! Everything goes through the REST interface of a program that is started for it, with a database of its own. The
//! program under test is a release build: `cargo build --release -p im`.
//!
//! Never here: the code of the service. A measurement that calls functions would leave out what users wait for.
#![allow(clippy::print_stdout)] // its answers are for people and pipes

mod docker;
mod error;
mod full;
mod growth;
mod http;
mod kill;
mod load;
mod report;
mod rows;
mod scale;
mod server;

use clap::{Parser, Subcommand};
use error::BenchResult;
use std::{path::PathBuf, process::ExitCode};

/// Measures a real `im serve`, and kills it.
#[derive(Debug, Parser)]
#[command(name = "bench", version)]
struct Arguments {
    /// The program under test.
    #[arg(long, global = true, value_name = "FILE", default_value_os_t = beside_us())]
    im: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Creates more and more `Dummy` VMs, then fills a database: time, commits and memory.
    Scale(scale::Options),
    /// Start-up, idle memory, requests per second and their slowest hundredth.
    Http(load::Options),
    /// Kills the service while it works on real containers, and counts what it leaves.
    Kill(kill::Options),
}

/// The release build that lies where this program was built.
fn beside_us() -> PathBuf {
    let folder = std::env::current_exe()
        .ok()
        .and_then(|us| Some(us.parent()?.parent()?.join("release")));
    folder.unwrap_or_else(|| PathBuf::from("target/release")).join("im")
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let run = || -> BenchResult<bool> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(async {
            match arguments.command {
                Command::Scale(options) => scale::run(&arguments.im, &options).await,
                Command::Http(options) => load::run(&arguments.im, &options).await,
                Command::Kill(options) => kill::run(&arguments.im, &options).await,
            }
        })
    };
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("error: {error}");
            ExitCode::from(2)
        }
    }
}
