//! The command line: words in, requests out, results and progress back.
//!
//! Talks to a service through its public API only, as anybody's client could. Nothing here sees the database, a cloud
//! or a node; `im ssh` starts the system's `ssh`. `im serve` and `im keys`, which are for operators, are elsewhere.

#![allow(
    clippy::result_large_err,
    reason = "an error ends the program; its size is of no weight"
)]
#![allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "the interface is handed on as what it is, whatever its size"
)]

mod api;
mod args;
mod auth;
mod board;
mod client;
mod commands;
mod document;
mod error;
mod feed;
mod machine;
mod names;
mod progress;
mod settings;
mod sse;
mod tosca;
mod ui;
mod watch;

pub(crate) use args::KeysCommand;
pub(crate) use error::{CliError, Exit};
pub(crate) use ui::{Format, Ui};

use args::{Cli, Command};
use clap::Parser as _;
use std::{ffi::OsString, process::ExitCode};

/// Runs the program.
pub(crate) fn main() -> ExitCode {
    if let Some(code) = commands::ssh::answer_as_askpass() {
        return code;
    }
    let words: Vec<OsString> = std::env::args_os().collect();
    let cli = match Cli::try_parse_from(names::translate(words)) {
        Ok(cli) => cli,
        Err(error) => {
            // clap prints help to standard output and errors to standard error, in its own colours.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let ui = settings::early_ui(&cli.global);
    match cli.command {
        Command::Serve { config } => crate::serve::run(config.as_deref()),
        Command::Keys { config, command } => ended(crate::keys::run(config.as_deref(), &command, ui), ui),
        Command::Completion { shell } => ended(commands::completion(ui, shell), ui),
        command => {
            let decided = match settings::decide(&cli.global) {
                Ok(decided) => decided,
                Err(error) => return error.report(&ui).into(),
            };
            let ui = decided.ui;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = match runtime {
                Ok(runtime) => runtime,
                Err(e) => return CliError::new(Exit::Failed, "cannot start").cause(e).report(&ui).into(),
            };
            let result = runtime.block_on(commands::run(command, &decided));
            // A look-up of a name that still hangs must not keep the program from ending.
            runtime.shutdown_background();
            ended(result, ui)
        }
    }
}

fn ended(result: Result<Exit, CliError>, ui: ui::Ui) -> ExitCode {
    result.unwrap_or_else(|error| error.report(&ui)).into()
}
