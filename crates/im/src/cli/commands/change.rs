//! Commands that change something: create, add, remove, reconfigure, power, alter, destroy.
//!
//! Each sends one request and, unless told not to, watches until the service is done. The service goes on by itself
//! whatever happens to this program.

use super::look::{machine_json, machines};
use crate::cli::{
    api::{self, StateView, path},
    args::{DocumentArgs, PowerArgs},
    board::{self, Board, first_line},
    client::{Answer, Change, Client},
    document::{Scope, Sendable, to_send},
    error::{CliError, Exit},
    progress,
    ui::{Format, Tone, Ui, count, elapsed, printable},
    watch::{Goal, Outcome, Watch, or_interrupted},
};
use im_model::{OpState, VmState};
use reqwest::Method;
use serde_json::{Value, json};
use std::{
    io::{BufRead as _, IsTerminal as _},
    time::{Duration, Instant},
};

/// What to watch for.
pub(crate) struct Ending<'a> {
    /// The infrastructure.
    pub(crate) id: &'a str,
    /// What to wait for.
    pub(crate) goal: Goal,
    /// How long.
    pub(crate) timeout: Option<Duration>,
    /// What the service was asked to do, to complete `the service could not …`.
    pub(crate) doing: &'a str,
    /// What to type later, when the user leaves.
    pub(crate) later: String,
}

/// `im create`.
pub(crate) async fn create(client: &Client, args: &DocumentArgs, detach: bool) -> Result<Exit, CliError> {
    let ui = client.ui();
    let document = to_send(args, Scope::Whole, ui).await?;
    let answer = client
        .change(Change {
            method: Method::POST,
            path: path([]),
            query: vec![("async", "yes".to_owned()), ("diagnostics", "yes".to_owned())],
            body: Some(document.body()),
            accept: "application/json",
            doing: "create the infrastructure",
        })
        .await
        .map_err(|e| document.explain(e, ui))?;
    document.note_answer(&answer.text, ui);
    let id = created(&answer.text)?;
    if ui.format == Format::Text {
        ui.line(&id)?;
    }
    if detach {
        return detached(ui, &id, &answer);
    }
    let ending = Ending {
        id: &id,
        goal: Goal::Settled {
            operation: answer.operation,
        },
        timeout: None,
        doing: "create the infrastructure",
        later: format!("`im log -f {id}` comes back to it"),
    };
    watch_to_end(client, ending).await
}

fn created(text: &str) -> Result<String, CliError> {
    let uri = serde_json::from_str::<Value>(text)
        .ok()
        .and_then(|v| v.get("uri")?.as_str().map(str::to_owned))
        .unwrap_or_else(|| text.trim().to_owned());
    let id = api::last_segment(&uri);
    if id.is_empty() {
        return Err(
            CliError::new(Exit::Failed, "the service did not tell the id of the infrastructure")
                .hint("`im list` shows what it accepted"),
        );
    }
    Ok(id.to_owned())
}

/// `im add`.
pub(crate) async fn add(
    client: &Client,
    typed: &str,
    args: &DocumentArgs,
    configure: bool,
    detach: bool,
) -> Result<Exit, CliError> {
    let ui = client.ui();
    let document = to_send(args, Scope::Part, ui).await?;
    let id = api::resolve(client, typed).await?;
    let mut query = context(configure);
    query.push(("diagnostics", "yes".to_owned()));
    let change = Change {
        method: Method::POST,
        path: path([&id]),
        query,
        body: Some(document.body()),
        accept: "application/json",
        doing: "add machines",
    };
    let Some(answer) = or_interrupted(client.change(change)).await else {
        return Ok(left(ui, &id, &format!("`im wait {id}` waits for the end")));
    };
    let answer = answer.map_err(|e| document.explain(e, ui))?;
    document.note_answer(&answer.text, ui);
    ui.note(changed(&api::added(&answer.text)));
    after(client, &id, answer, configure, detach, "add machines").await
}

/// What came, what went, what stays.
fn changed(vms: &api::AddedVms) -> String {
    let some = |what: &str, vms: &[u32]| format!("{what} {}: {}", count(vms.len(), "machine"), numbers(vms));
    let mut parts = Vec::new();
    if !vms.added.is_empty() {
        parts.push(some("added", &vms.added));
    }
    let Some(besides) = &vms.besides else {
        let nothing = || "no machines were added; the definitions are kept".to_owned();
        return parts.pop().unwrap_or_else(nothing);
    };
    if !besides.removed.is_empty() {
        parts.push(some("removed", &besides.removed));
    }
    if parts.is_empty() {
        parts.push("no machines were added or removed".to_owned());
    }
    parts.push(format!("{} kept", count(besides.kept, "machine")));
    parts.join("; ")
}

/// `im remove`.
pub(crate) async fn remove(
    client: &Client,
    typed: &str,
    vms: &[u32],
    configure: bool,
    detach: bool,
) -> Result<Exit, CliError> {
    let ui = client.ui();
    let id = api::resolve(client, typed).await?;
    let list = vms.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
    let change = Change {
        method: Method::DELETE,
        path: path([&id, "vms", &list]),
        query: context(configure),
        body: None,
        accept: "*/*, application/json",
        doing: "remove machines",
    };
    ui.note(format!("removing {}: {}", count(vms.len(), "machine"), numbers(vms)));
    let Some(answer) = or_interrupted(client.change(change)).await else {
        return Ok(left(ui, &id, &format!("`im wait {id}` waits for the end")));
    };
    after(client, &id, answer?, configure, detach, "remove machines").await
}

/// `im reconfigure`.
pub(crate) async fn reconfigure(
    client: &Client,
    typed: &str,
    document: Option<&Sendable>,
    vms: &[u32],
    detach: bool,
) -> Result<Exit, CliError> {
    let id = api::resolve(client, typed).await?;
    let mut query = Vec::new();
    if !vms.is_empty() {
        query.push(("vm_list", vms.iter().map(u32::to_string).collect::<Vec<_>>().join(",")));
    }
    let answer = client
        .change(Change {
            method: Method::PUT,
            path: path([&id, "reconfigure"]),
            query,
            body: document.map(Sendable::body),
            accept: "*/*, application/json",
            doing: "reconfigure the infrastructure",
        })
        .await
        .map_err(|e| match document {
            Some(document) => document.explain(e, client.ui()),
            None => e,
        })?;
    after(client, &id, answer, true, detach, "reconfigure the infrastructure").await
}

/// `im start`, `im stop`, `im reboot`.
pub(crate) async fn power(client: &Client, args: &PowerArgs, word: &str, done: &str) -> Result<Exit, CliError> {
    let ui = client.ui();
    let id = api::resolve(client, &args.id).await?;
    let paths = match args.vm {
        Some(vm) => vec![path([&id, "vms", &vm.to_string(), word])],
        // There is no call that restarts an infrastructure as a whole.
        None if word == "reboot" => api::vms(client, &id)
            .await?
            .iter()
            .map(|vm| path([&id, "vms", &vm.to_string(), word]))
            .collect(),
        None => vec![path([&id, word])],
    };
    let (start, doing) = (Instant::now(), format!("{word} it"));
    for path in paths {
        let change = Change {
            method: Method::PUT,
            path,
            query: Vec::new(),
            body: None,
            accept: "*/*, application/json",
            doing: &doing,
        };
        let Some(answer) = or_interrupted(client.change(change)).await else {
            return Ok(left(ui, &id, &format!("`im state {id}` tells how far it is")));
        };
        answer?;
    }
    let what = match args.vm {
        Some(vm) => format!("vm {vm}"),
        None => "infrastructure".to_owned(),
    };
    match ui.format {
        Format::Json => ui.json(&json!({"id": id, "vm": args.vm, "done": word}))?,
        Format::Text => ui.note(format!("{what} {done} in {}", since(start))),
    }
    Ok(Exit::Ok)
}

/// `im alter`.
pub(crate) async fn alter(client: &Client, typed: &str, vm: u32, args: &DocumentArgs) -> Result<Exit, CliError> {
    let ui = client.ui();
    let document = to_send(args, Scope::Part, ui).await?;
    let id = api::resolve(client, typed).await?;
    let json = ui.format == Format::Json;
    let change = Change {
        method: Method::PUT,
        path: path([&id, "vms", &vm.to_string()]),
        query: Vec::new(),
        body: Some(document.body()),
        accept: if json { "application/json" } else { "text/plain" },
        doing: "alter the machine",
    };
    let Some(answer) = or_interrupted(client.change(change)).await else {
        return Ok(left(
            ui,
            &id,
            &format!("`im show {id} {vm}` tells what has become of it"),
        ));
    };
    let answer = answer.map_err(|e| document.explain(e, ui))?;
    match serde_json::from_str::<Value>(&answer.text) {
        Ok(value) if json => ui.json(&value)?,
        _ => ui.text(&printable(&answer.text))?,
    }
    Ok(Exit::Ok)
}

/// `im destroy`.
pub(crate) async fn destroy(
    client: &Client,
    typed: &[String],
    force: bool,
    yes: bool,
    detach: bool,
) -> Result<Exit, CliError> {
    let ui = client.ui();
    let mut ids = Vec::new();
    for typed in typed {
        ids.push(api::resolve(client, typed).await?);
    }
    if !yes && !confirmed(client, &ids).await? {
        ui.note("nothing was removed");
        return Ok(Exit::Failed);
    }
    let mut exit = Exit::Ok;
    for id in &ids {
        let mut query = vec![("async", "yes".to_owned())];
        if force {
            query.push(("force", "yes".to_owned()));
        }
        let answer = client
            .change(Change {
                method: Method::DELETE,
                path: path([id]),
                query,
                body: None,
                accept: "*/*, application/json",
                doing: "destroy the infrastructure",
            })
            .await?;
        if detach {
            detached(ui, id, &answer)?;
            continue;
        }
        let ending = Ending {
            id,
            goal: Goal::Gone {
                operation: answer.operation,
            },
            timeout: None,
            doing: "destroy the infrastructure",
            later: format!("`im destroy {id}` waits for the end again"),
        };
        let ended = watch_to_end(client, ending).await?;
        if ended != Exit::Ok {
            exit = ended;
        }
        if ended == Exit::Interrupted {
            break;
        }
    }
    Ok(exit)
}

async fn confirmed(client: &Client, ids: &[String]) -> Result<bool, CliError> {
    let ui = client.ui();
    if !std::io::stdin().is_terminal() {
        return Err(
            CliError::usage("destroying takes everything away, and nobody is here to be asked")
                .hint("say that you mean it with `--yes`"),
        );
    }
    for id in ids {
        let vms = api::vms(client, id).await?;
        ui.write_err(&format!(
            "{} with {}",
            ui.err.paint(Tone::Strong, id),
            count(vms.len(), "machine")
        ));
    }
    ui.write_err("Destroy all of it? [y/N]");
    let mut word = String::new();
    let _ = std::io::stdin().lock().read_line(&mut word);
    Ok(matches!(word.trim().to_lowercase().as_str(), "y" | "yes"))
}

fn context(configure: bool) -> Vec<(&'static str, String)> {
    if configure {
        Vec::new()
    } else {
        vec![("context", "no".to_owned())]
    }
}

fn numbers(vms: &[u32]) -> String {
    vms.iter().map(|v| format!("vm {v}")).collect::<Vec<_>>().join(", ")
}

fn since(start: Instant) -> String {
    elapsed(i64::try_from(start.elapsed().as_millis()).unwrap_or(i64::MAX))
}

async fn after(
    client: &Client,
    id: &str,
    answer: Answer,
    configure: bool,
    detach: bool,
    doing: &str,
) -> Result<Exit, CliError> {
    if detach || !configure {
        // Without configuration there is nothing to wait for.
        return detached(client.ui(), id, &answer);
    }
    let ending = Ending {
        id,
        goal: Goal::Settled {
            operation: answer.operation,
        },
        timeout: None,
        doing,
        later: format!("`im log -f {id}` comes back to it"),
    };
    watch_to_end(client, ending).await
}

fn detached(ui: &Ui, id: &str, answer: &Answer) -> Result<Exit, CliError> {
    match ui.format {
        Format::Json => ui.json(&json!({"id": id, "operation": answer.operation}))?,
        Format::Text => ui.hint(format!("`im wait {id}` tells when it is done")),
    }
    Ok(Exit::Ok)
}

fn left(ui: &Ui, id: &str, how: &str) -> Exit {
    let word = ui.err.paint(Tone::Busy, "detached:");
    ui.write_err(&format!("{word} the service goes on with {id}"));
    ui.hint(how);
    Exit::Interrupted
}

/// Watches to the end and tells how it ended.
pub(crate) async fn watch_to_end(client: &Client, ending: Ending<'_>) -> Result<Exit, CliError> {
    let ui = client.ui();
    let start = Instant::now();
    let mut view = progress::view(*ui);
    let mut watch = Watch::new(client, ending.id, ending.goal.clone());
    let outcome = watch.run(view.as_mut(), ending.timeout).await?;
    match outcome {
        Outcome::Settled(state) => settled(client, ending.id, &state, &watch.board, start).await,
        Outcome::Gone => {
            match ui.format {
                Format::Json => ui.json(&json!({"id": ending.id, "state": null}))?,
                Format::Text => ui.note(format!("{} is gone, after {}", ending.id, since(start))),
            }
            // Whoever waited for it to be configured did not get it.
            Ok(if matches!(ending.goal, Goal::Gone { .. }) {
                Exit::Ok
            } else {
                Exit::Failed
            })
        }
        Outcome::Halted {
            operation,
            state,
            error,
        } => Err(halted(&ending, operation, state, error)),
        Outcome::Detached => Ok(left(ui, ending.id, &ending.later)),
        Outcome::TimedOut => {
            let state = watch.board.view().map(|v| v.state);
            let mut error = CliError::new(Exit::Failed, "the time is over and something is still under way");
            if let Some(state) = state {
                error = error.cause(format!("the infrastructure is {state}"));
            }
            Err(error.hint(format!("`im log {}` shows what it does", ending.id)))
        }
    }
}

fn halted(ending: &Ending<'_>, operation: String, state: OpState, why: Option<String>) -> CliError {
    let mut error = CliError::new(Exit::Failed, format!("the service could not {}", ending.doing));
    error.causes.extend(why);
    let id = ending.id;
    error.hints.push(match state {
        OpState::WaitingCredentials => {
            format!(
                "it waits for credentials that the cloud accepts: mend your file and `im operations retry {operation}`"
            )
        }
        OpState::Undone => format!("what it had made was removed; `im log {id}` says more"),
        _ => format!(
            "`im operations show {operation}` says more, `im operations retry {operation}` tries again, \
             `im destroy {id}` removes what there is"
        ),
    });
    error.operation = Some(operation);
    error
}

async fn settled(
    client: &Client,
    id: &str,
    state: &StateView,
    board: &Board,
    start: Instant,
) -> Result<Exit, CliError> {
    let ui = client.ui();
    let numbers: Vec<u32> = state.vm_states.keys().copied().collect();
    let shown = if numbers.len() <= 64 { numbers.as_slice() } else { &[] };
    let machines = machines(client, id, shown, state).await;
    let exit = if state.state == VmState::Configured {
        Exit::Ok
    } else {
        Exit::Failed
    };
    if ui.format == Format::Json {
        ui.json(&json!({
            "id": id,
            "state": state.state,
            "vm_states": state.vm_states,
            "vms": machines.iter().map(machine_json).collect::<Vec<_>>(),
            "errors": board.operation_errors,
        }))?;
        return Ok(exit);
    }
    if ui.talk == crate::cli::ui::Talk::Quiet {
        return Ok(exit);
    }
    // The summary is no result: a script reads the id alone.
    ui.note(format!(
        "{} {} in {}",
        ui.err.paint(Tone::Strong, "infrastructure"),
        ui.err.paint(board::tone(state.state), state.state.as_str()),
        since(start)
    ));
    for line in summary(ui, &machines) {
        ui.note(line);
    }
    if exit == Exit::Ok {
        if let Some(first) = numbers.first() {
            ui.hint(format!(
                "`im ssh {id}` logs in to vm {first}; `im destroy {id}` removes all of it"
            ));
        }
        return Ok(exit);
    }
    for error in &board.operation_errors {
        ui.write_err(&format!("{} {}", ui.err.paint(Tone::Bad, "error:"), first_line(error)));
    }
    for (vm, row) in &board.vms {
        for (step, why) in &row.errors {
            let why = why.as_ref().map(|w| format!(": {}", first_line(w))).unwrap_or_default();
            let what = format!("{}: {} failed{why}", board.who(&[*vm]), board::step_name(step));
            ui.write_err(&format!("{} {what}", ui.err.paint(Tone::Bad, "error:")));
        }
    }
    // One that is known to have failed, rather than one that only suffers from it.
    let guilty = |vm: &u32| board.vms.get(vm).is_some_and(|row| !row.errors.is_empty());
    let bad = state
        .vm_states
        .iter()
        .filter(|(_, s)| matches!(s, VmState::Failed | VmState::Unconfigured))
        .min_by_key(|(vm, _)| !guilty(vm));
    match bad {
        Some((vm, _)) => ui.hint(format!(
            "`im log {id} {vm}` shows what went wrong on vm {vm}; `im reconfigure {id}` tries again"
        )),
        None => ui.hint(format!("`im log {id}` shows what went wrong")),
    }
    Ok(exit)
}

fn summary(ui: &Ui, machines: &[crate::cli::machine::Machine]) -> Vec<String> {
    let width = machines.iter().map(|m| m.system.chars().count()).max().unwrap_or(0);
    machines
        .iter()
        .map(|m| {
            let state = m.state.map_or_else(
                || format!("{:<12}", "?"),
                |s| ui.err.paint(board::tone(s), format!("{:<12}", s.as_str())),
            );
            let name = printable(&m.system).into_owned();
            let addresses = m.addresses();
            format!(
                "  vm {:<3} {name:<width$}  {state}  {}",
                m.number,
                printable(&addresses)
            )
            .trim_end()
            .to_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_new_infrastructures() {
        assert_eq!(created(r#"{"uri":"http://h/infrastructures/abc"}"#).unwrap(), "abc");
        assert_eq!(created("http://h/infrastructures/abc\n").unwrap(), "abc");
        assert!(created("").is_err());
    }
}
