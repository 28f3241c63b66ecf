//! `im orphans`: what bears the service's mark at the caller's clouds and belongs to nothing.

use super::look::{Cell, plain, print_table};
use crate::cli::{
    args::OrphansCommand,
    client::{Change, Client},
    error::{CliError, Exit},
    ui::{Format, count, printable},
};
use reqwest::Method;
use serde::{Deserialize, Serialize};

/// Answer of the service.
#[derive(Debug, Default, Deserialize, Serialize)]
struct Found {
    #[serde(rename = "orphans")]
    there: Vec<Orphan>,
    #[serde(default)]
    removed: Vec<Orphan>,
    #[serde(default)]
    errors: Vec<Problem>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Orphan {
    cloud: String,
    account: String,
    kind: String,
    id: String,
    name: String,
    infrastructure: String,
    key: String,
    status: String,
}

#[derive(Debug, Deserialize, Serialize)]
struct Problem {
    cloud: String,
    message: String,
}

/// `im orphans list` and `im orphans remove`.
pub(crate) async fn run(client: &Client, command: &OrphansCommand) -> Result<Exit, CliError> {
    let path = vec!["orphans".to_owned()];
    let found: Found = match command {
        OrphansCommand::List => client.get_json(&path, "look for orphans").await?,
        OrphansCommand::Remove => {
            let answer = client
                .change(Change {
                    method: Method::DELETE,
                    path,
                    query: Vec::new(),
                    accept: "application/json",
                    body: None,
                    doing: "remove orphans",
                })
                .await?;
            serde_json::from_str(&answer.text).map_err(|e| {
                CliError::new(
                    Exit::Failed,
                    "the answer to the request to remove orphans makes no sense",
                )
                .cause(e)
            })?
        }
    };
    show(client, command, &found)
}

fn show(client: &Client, command: &OrphansCommand, found: &Found) -> Result<Exit, CliError> {
    let ui = client.ui();
    // What could not be asked is not known to be clean.
    let exit = if found.errors.is_empty() {
        Exit::Ok
    } else {
        Exit::Failed
    };
    if ui.format == Format::Json {
        ui.json(found)?;
        return Ok(exit);
    }
    let gone = found.removed.iter().map(|orphan| row(orphan, "removed"));
    let there = found.there.iter().map(|orphan| row(orphan, &orphan.status));
    let rows: Vec<Vec<Cell>> = gone.chain(there).collect();
    if !rows.is_empty() {
        print_table(ui, &["CLOUD", "KIND", "ID", "INFRASTRUCTURE", "STATUS"], &rows)?;
    }
    for problem in &found.errors {
        ui.warn(format!(
            "cloud {}: {}",
            printable(&problem.cloud),
            printable(&problem.message)
        ));
    }
    let of = |status: &str| found.there.iter().filter(|o| o.status == status).count();
    match command {
        OrphansCommand::List if rows.is_empty() && found.errors.is_empty() => {
            ui.note("nothing at your clouds bears this service's mark without belonging to an infrastructure");
        }
        OrphansCommand::List if of("dead") > 0 => ui.hint("`im orphans remove` removes what is dead"),
        OrphansCommand::Remove => ui.note(format!("{} removed", count(found.removed.len(), "orphan"))),
        OrphansCommand::List => {}
    }
    if of("unknown") + of("left_behind") > 0 {
        ui.hint(
            "what the service has no record of, or was told to leave, only you can remove, with the cloud's own tools",
        );
    }
    Ok(exit)
}

fn row(orphan: &Orphan, status: &str) -> Vec<Cell> {
    let cell = |text: &str| plain(printable(text));
    vec![
        cell(&orphan.cloud),
        cell(&orphan.kind),
        cell(&orphan.id),
        cell(&orphan.infrastructure),
        cell(&status.replace('_', " ")),
    ]
}
