//! Puts the service together: settings, database, clouds, engine, REST.

use std::{path::PathBuf, process::ExitCode};

/// Runs the service until it is told to stop.
pub(crate) fn run(config: Option<PathBuf>) -> ExitCode {
    let named = config.map_or_else(|| "the usual settings".to_owned(), |path| path.display().to_string());
    tracing::error!("the service is not part of this build; {named} not read");
    ExitCode::FAILURE
}
