//! Operations: what the service does or did, and what may remain at the clouds; retry, cancel, abandon; and giving up a
//! whole infrastructure.

use super::look::{Cell, plain, print_table};
use crate::cli::{
    api::{self, path},
    args::OperationsCommand,
    board::first_line,
    client::{Change, Client},
    error::{CliError, Exit},
    ui::{Format, Tone, Ui, count, elapsed, printable},
    watch::or_interrupted,
};
use im_model::{Millis, OpKind, OpState};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    io::{BufRead as _, IsTerminal as _},
    time::{SystemTime, UNIX_EPOCH},
};

/// An operation, as far as it is shown.
#[derive(Deserialize)]
struct Operation {
    id: String,
    kind: OpKind,
    state: OpState,
    #[serde(default)]
    infrastructure: String,
    #[serde(default)]
    cancel: Option<String>,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    created: Millis,
    steps: usize,
    ended: usize,
    #[serde(default)]
    needs: Vec<Needed>,
    #[serde(default)]
    plan: Vec<Step>,
    #[serde(default)]
    remaining: Vec<Remaining>,
}

#[derive(Deserialize)]
struct Cloud {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    server: String,
}

#[derive(Deserialize)]
struct Needed {
    cloud: Cloud,
    account: String,
}

#[derive(Deserialize)]
struct Step {
    #[serde(rename = "step")]
    number: u32,
    #[serde(default)]
    vm: Option<u32>,
    what: String,
    state: String,
    #[serde(default)]
    attempts: u32,
    #[serde(default)]
    errors: Vec<String>,
}

#[derive(Deserialize)]
struct Remaining {
    kind: String,
    name: String,
    #[serde(default)]
    vm: Option<u32>,
    cloud: Cloud,
    account: String,
    #[serde(default)]
    id: Option<String>,
    key: String,
    state: String,
}

fn tone(state: OpState) -> Tone {
    match state {
        OpState::Done => Tone::Good,
        OpState::Undone | OpState::Stuck | OpState::WaitingCredentials => Tone::Bad,
        OpState::Pending | OpState::Running | OpState::Unwinding => Tone::Busy,
    }
}

fn age(created: Millis) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = Millis::try_from(now.as_millis()).unwrap_or(created);
    elapsed(now.saturating_sub(created).max(0))
}

fn machine(vm: Option<u32>) -> String {
    vm.map_or_else(|| "all".to_owned(), |vm| format!("vm {vm}"))
}

/// `im operations …`.
pub(crate) async fn run(client: &Client, command: OperationsCommand) -> Result<Exit, CliError> {
    match command {
        OperationsCommand::List { id, all } => list(client, &id, all).await,
        OperationsCommand::Show { operation } => show(client, &operation).await,
        OperationsCommand::Retry { operation, wait } => steer(client, &operation, "retry", wait.wait).await,
        OperationsCommand::Cancel { operation, yes, wait } => {
            let asked = "Cancel it, and remove what it made?";
            if !yes && !confirmed(client, &operation, "cancelling removes what was made", asked)? {
                return Ok(Exit::Failed);
            }
            steer(client, &operation, "cancel", wait.wait).await
        }
        OperationsCommand::Abandon { operation, yes, wait } => {
            let asked = "Give it up? What it made may stay at the cloud, and is yours to remove.";
            if !yes && !confirmed(client, &operation, "what is given up may stay at the cloud", asked)? {
                return Ok(Exit::Failed);
            }
            steer(client, &operation, "abandon", wait.wait).await
        }
    }
}

/// Asks; an error where nobody is there to be asked.
fn confirmed(client: &Client, what: &str, why: &str, question: &str) -> Result<bool, CliError> {
    let ui = client.ui();
    if !std::io::stdin().is_terminal() {
        return Err(
            CliError::usage(format!("{why}, and nobody is here to be asked")).hint("say that you mean it with `--yes`")
        );
    }
    ui.write_err(&ui.err.paint(Tone::Strong, what));
    ui.write_err(&format!("{question} [y/N]"));
    let mut word = String::new();
    let _ = std::io::stdin().lock().read_line(&mut word);
    let yes = matches!(word.trim().to_lowercase().as_str(), "y" | "yes");
    if !yes {
        ui.note("nothing was changed");
    }
    Ok(yes)
}

async fn list(client: &Client, typed: &str, all: bool) -> Result<Exit, CliError> {
    let ui = client.ui();
    let id = api::resolve(client, typed).await?;
    let answer: Value = client
        .get_json(&path([&id, "operations"]), "list the operations")
        .await?;
    let list = answer.get("operations").cloned().unwrap_or_default();
    let read: Vec<Operation> = serde_json::from_value(list.clone()).map_err(|e| senseless(&e))?;
    let shown = |operation: &Operation| all || !operation.state.is_final();
    if ui.format == Format::Json {
        let kept: Vec<&Value> = list
            .as_array()
            .into_iter()
            .flatten()
            .zip(&read)
            .filter(|(_, operation)| shown(operation))
            .map(|(value, _)| value)
            .collect();
        ui.json(&kept)?;
        return Ok(Exit::Ok);
    }
    let rows: Vec<Vec<Cell>> = read
        .iter()
        .filter(|operation| shown(operation))
        .map(|operation| {
            vec![
                plain(&operation.id),
                plain(operation.kind.as_str()),
                (operation.state.as_str().to_owned(), Some(tone(operation.state))),
                plain(format!("{}/{}", operation.ended, operation.steps)),
                plain(age(operation.created)),
                plain(first_line(operation.error.as_deref().unwrap_or_default())),
            ]
        })
        .collect();
    if rows.is_empty() {
        ui.note(if all {
            "it has no operations"
        } else {
            "nothing is under way; `--all` shows what has ended, too"
        });
        return Ok(Exit::Ok);
    }
    print_table(ui, &["OPERATION", "KIND", "STATE", "STEPS", "AGE", "WHY"], &rows)?;
    Ok(Exit::Ok)
}

fn senseless(error: &serde_json::Error) -> CliError {
    CliError::new(Exit::Failed, "the answer about operations makes no sense").cause(error)
}

async fn show(client: &Client, id: &str) -> Result<Exit, CliError> {
    let ui = client.ui();
    let path = ["operations".to_owned(), id.to_owned()];
    let answer: Value = client.get_json(&path, "show the operation").await?;
    if ui.format == Format::Json {
        ui.json(&answer)?;
        return Ok(Exit::Ok);
    }
    let operation: Operation = serde_json::from_value(answer).map_err(|e| senseless(&e))?;
    print(ui, &operation)?;
    Ok(Exit::Ok)
}

fn print(ui: &Ui, operation: &Operation) -> Result<(), CliError> {
    ui.line(format!(
        "{}  {}  {}",
        ui.out.paint(Tone::Strong, &operation.id),
        operation.kind.as_str(),
        ui.out.paint(tone(operation.state), operation.state.as_str())
    ))?;
    if !operation.infrastructure.is_empty() {
        ui.line(format!("infrastructure  {}", operation.infrastructure))?;
    }
    ui.line(format!(
        "steps           {} of {} have ended",
        operation.ended, operation.steps
    ))?;
    if let Some(cancel) = &operation.cancel {
        ui.line(format!("to end early    {cancel}"))?;
    }
    for line in operation.error.as_deref().unwrap_or_default().lines() {
        ui.line(format!("why             {}", printable(line)))?;
    }
    for need in &operation.needs {
        ui.line(format!(
            "needs           credentials of account {} of {}",
            printable(&need.account),
            cloud(&need.cloud)
        ))?;
    }
    if !operation.plan.is_empty() {
        ui.line("")?;
        let rows: Vec<Vec<Cell>> = operation.plan.iter().map(step_row).collect();
        print_table(ui, &["STEP", "FOR", "WHAT", "STATE", "TRIES", "WHY"], &rows)?;
    }
    print_remaining(ui, &operation.remaining)?;
    if operation.state.is_paused() {
        ui.hint(format!(
            "`im operations retry {0}` tries again, `cancel` removes what it made, `abandon` gives it up",
            operation.id
        ));
    }
    Ok(())
}

fn step_row(step: &Step) -> Vec<Cell> {
    let tone = match step.state.as_str() {
        "succeeded" => Some(Tone::Good),
        "failed" => Some(Tone::Bad),
        "running" | "retrying" => Some(Tone::Busy),
        _ => None,
    };
    let why = step.errors.last().map(String::as_str).unwrap_or_default();
    vec![
        plain(step.number.to_string()),
        plain(machine(step.vm)),
        plain(printable(&step.what).into_owned()),
        (step.state.clone(), tone),
        plain(step.attempts.to_string()),
        plain(first_line(why)),
    ]
}

fn cloud(cloud: &Cloud) -> String {
    let name = format!("{} {}", cloud.kind, cloud.id);
    let text = if cloud.server.is_empty() {
        name
    } else {
        format!("{name} ({})", cloud.server)
    };
    printable(&text).into_owned()
}

fn print_remaining(ui: &Ui, remaining: &[Remaining]) -> Result<(), CliError> {
    if remaining.is_empty() {
        return Ok(());
    }
    ui.line("")?;
    ui.line(format!(
        "{} may remain at the cloud:",
        count(remaining.len(), "resource")
    ))?;
    let rows: Vec<Vec<Cell>> = remaining
        .iter()
        .map(|one| {
            let id = one
                .id
                .clone()
                .unwrap_or_else(|| format!("unknown; its name or a label holds {}", one.key));
            vec![
                plain(printable(&one.kind).into_owned()),
                plain(printable(&one.name).into_owned()),
                plain(machine(one.vm)),
                plain(cloud(&one.cloud)),
                plain(printable(&one.account).into_owned()),
                plain(one.state.clone()),
                plain(printable(&id).into_owned()),
            ]
        })
        .collect();
    print_table(ui, &["KIND", "NAME", "FOR", "CLOUD", "ACCOUNT", "STATE", "ID"], &rows)
}

async fn steer(client: &Client, id: &str, word: &'static str, wait: bool) -> Result<Exit, CliError> {
    let ui = client.ui();
    let doing = format!("{word} the operation");
    let change = Change {
        method: Method::POST,
        path: vec!["operations".to_owned(), id.to_owned(), word.to_owned()],
        query: at_once(wait),
        body: None,
        accept: "application/json",
        doing: &doing,
    };
    let Some(answer) = or_interrupted(client.change(change)).await else {
        ui.hint(format!(
            "the service goes on; `im operations show {id}` tells how far it is"
        ));
        return Ok(Exit::Interrupted);
    };
    let answer: Value = serde_json::from_str(&answer?.text).map_err(|e| senseless(&e))?;
    let operation: Operation = serde_json::from_value(answer.clone()).map_err(|e| senseless(&e))?;
    match ui.format {
        Format::Json => ui.json(&answer)?,
        Format::Text => {
            let state = ui.err.paint(tone(operation.state), operation.state.as_str());
            ui.note(format!("operation {id} is {state}"));
            if let Some(error) = operation.error.as_deref().filter(|_| wait) {
                ui.note(first_line(error));
            }
            print_remaining(ui, &operation.remaining)?;
        }
    }
    let well = match word {
        "retry" => !wait || operation.state == OpState::Done,
        _ => !wait || operation.state == OpState::Undone,
    };
    Ok(if well { Exit::Ok } else { Exit::Failed })
}

/// `im abandon`.
pub(crate) async fn abandon(client: &Client, typed: &str, yes: bool) -> Result<Exit, CliError> {
    let ui = client.ui();
    let id = api::resolve(client, typed).await?;
    let question = "Give it up? Its machines go on running, and cost what they cost, until you remove them yourself.";
    if !yes && !confirmed(client, &id, "what is given up stays at the cloud", question)? {
        return Ok(Exit::Failed);
    }
    let change = Change {
        method: Method::POST,
        path: path([&id, "abandon"]),
        query: Vec::new(),
        body: None,
        accept: "application/json",
        doing: "abandon the infrastructure",
    };
    let Some(answer) = or_interrupted(client.change(change)).await else {
        ui.hint(format!("the service goes on; `im abandon {id}` asks again"));
        return Ok(Exit::Interrupted);
    };
    let answer = answer?;
    let list: Value = serde_json::from_str(&answer.text).map_err(|e| senseless(&e))?;
    let list = list.get("remaining").cloned().unwrap_or_default();
    match ui.format {
        Format::Json => ui.json(&json!({"id": id, "operation": answer.operation, "remaining": list}))?,
        Format::Text => {
            ui.note(format!("{id} is given up"));
            let remaining: Vec<Remaining> = serde_json::from_value(list).map_err(|e| senseless(&e))?;
            print_remaining(ui, &remaining)?;
            if let Some(operation) = &answer.operation {
                ui.hint(format!("`im operations show {operation}` lists it again"));
            }
        }
    }
    Ok(Exit::Ok)
}

fn at_once(wait: bool) -> Vec<(&'static str, String)> {
    if wait {
        Vec::new()
    } else {
        vec![("async", "yes".to_owned())]
    }
}
