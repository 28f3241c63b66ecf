//! Commands that only look: list, show, state, wait, log.

use super::change::{Ending, watch_to_end};
use crate::cli::{
    api::{self, StateView, path},
    board,
    client::Client,
    error::{CliError, Exit},
    machine::Machine,
    progress::LogView,
    ui::{Format, Tone, Ui, printable},
    watch::{Goal, Outcome, Watch},
};
use futures::{StreamExt as _, stream};
use im_model::VmState;
use serde_json::{Value, json};
use std::time::Duration;

/// A cell: its text and how it is painted.
pub(super) type Cell = (String, Option<Tone>);

pub(super) fn plain(text: impl Into<String>) -> Cell {
    (text.into(), None)
}

fn state_cell(state: Option<VmState>) -> Cell {
    state.map_or_else(|| plain("?"), |s| (s.as_str().to_owned(), Some(board::tone(s))))
}

/// Prints columns without lines between them, as the other tools of a shell do.
pub(super) fn print_table(ui: &Ui, head: &[&str], rows: &[Vec<Cell>]) -> Result<(), CliError> {
    let head: Vec<Cell> = head.iter().map(|h| ((*h).to_owned(), Some(Tone::Strong))).collect();
    let width = |column: usize| {
        let cells = std::iter::once(&head).chain(rows);
        cells
            .filter_map(|row| row.get(column))
            .map(|(text, _)| text.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    for row in std::iter::once(&head).chain(rows) {
        let mut line = String::new();
        for (index, ((text, tone), width)) in row.iter().zip(&widths).enumerate() {
            // The last cell that says something ends the line.
            let last = row.iter().skip(index + 1).all(|(text, _)| text.is_empty());
            let pad = if last {
                0
            } else {
                width.saturating_sub(text.chars().count()) + 2
            };
            line.push_str(&tone.map_or_else(|| text.clone(), |tone| ui.out.paint(tone, text)));
            line.push_str(&" ".repeat(pad));
            if last {
                break;
            }
        }
        ui.line(line)?;
    }
    Ok(())
}

/// `im list`.
pub(crate) async fn list(client: &Client, filter: Option<&str>, long: bool) -> Result<Exit, CliError> {
    let ui = client.ui();
    let ids = api::list(client, filter).await?;
    if !long {
        match ui.format {
            Format::Json => ui.json(&ids)?,
            Format::Text => {
                for id in &ids {
                    ui.line(id)?;
                }
                if ids.is_empty() {
                    ui.note("you have no infrastructures; `im create FILE` makes one");
                }
            }
        }
        return Ok(Exit::Ok);
    }
    let rows: Vec<(String, Option<StateView>, Option<String>)> = stream::iter(ids)
        .map(|id| async move {
            // One that was deleted meanwhile, or cannot be asked, does not spoil the list.
            let state = api::state(client, &id).await.ok();
            let radl = api::property(client, &id, "radl", &[]).await.ok();
            let name = radl.as_deref().and_then(name_of);
            (id, state, name)
        })
        .buffered(8)
        .collect()
        .await;
    match ui.format {
        Format::Json => {
            let rows: Vec<Value> = rows
                .iter()
                .map(|(id, state, name)| {
                    json!({
                        "id": id,
                        "state": state.as_ref().map(|s| s.state),
                        "vms": state.as_ref().map(|s| s.vm_states.len()),
                        "name": name,
                    })
                })
                .collect();
            ui.json(&rows)?;
        }
        Format::Text => {
            let rows: Vec<Vec<Cell>> = rows
                .iter()
                .map(|(id, state, name)| {
                    let vms = state
                        .as_ref()
                        .map_or_else(|| "?".to_owned(), |s| s.vm_states.len().to_string());
                    let name = name.as_deref().map(printable).unwrap_or_default();
                    vec![
                        plain(id),
                        state_cell(state.as_ref().map(|s| s.state)),
                        plain(vms),
                        plain(name),
                    ]
                })
                .collect();
            print_table(ui, &["ID", "STATE", "VMS", "NAME"], &rows)?;
        }
    }
    Ok(Exit::Ok)
}

/// The `name` of a document's description.
fn name_of(radl: &str) -> Option<String> {
    let parsed = im_radl::parse_text(radl);
    let name = parsed.document.description?.features.to_json_value("name")?;
    name.as_str().map(str::to_owned)
}

fn painted(ui: Ui, state: VmState) -> String {
    ui.out.paint(board::tone(state), state.as_str())
}

/// `im show`.
pub(crate) async fn show(
    client: &Client,
    typed: &str,
    vm: Option<u32>,
    property: Option<&str>,
    document: Option<&str>,
) -> Result<Exit, CliError> {
    let ui = client.ui();
    let id = api::resolve(client, typed).await?;
    let json = ui.format == Format::Json;
    if let Some(name) = document {
        let text = api::property(client, &id, name, &[]).await?;
        if json {
            ui.json(&json!({ name: text }))?;
        } else {
            ui.text(&printable(&text))?;
        }
        return Ok(Exit::Ok);
    }
    let Some(vm) = vm else {
        return overview(client, &id).await;
    };
    let mut path = path([&id, "vms", &vm.to_string()]);
    path.extend(property.map(str::to_owned));
    let doing = if property.is_some() {
        "show the property"
    } else {
        "show the machine"
    };
    if json {
        let answer: Value = client.get_json(&path, doing).await?;
        ui.json(&answer)?;
    } else {
        let text = client.get_text(&path, doing).await?;
        ui.text(&printable(&text))?;
        if text.is_empty() {
            ui.line("")?;
        }
    }
    Ok(Exit::Ok)
}

async fn overview(client: &Client, id: &str) -> Result<Exit, CliError> {
    let ui = client.ui();
    let numbers = api::vms(client, id).await?;
    let state = api::state(client, id).await?;
    let machines = machines(client, id, &numbers, &state).await;
    if ui.format == Format::Json {
        ui.json(
            &json!({"id": id, "state": state.state, "vms": machines.iter().map(machine_json).collect::<Vec<_>>()}),
        )?;
        return Ok(Exit::Ok);
    }
    ui.line(format!(
        "{}  {}",
        ui.out.paint(Tone::Strong, id),
        painted(*ui, state.state)
    ))?;
    print_machines(ui, &machines)?;
    Ok(Exit::Ok)
}

/// Descriptions of machines; one that cannot be had is shown with its state alone.
pub(crate) async fn machines(client: &Client, id: &str, numbers: &[u32], state: &StateView) -> Vec<Machine> {
    api::vm_infos(client, id, numbers)
        .await
        .into_iter()
        .map(|(number, answer)| {
            let mut machine = Machine::read(number, &answer.unwrap_or(Value::Null));
            machine.state = state.vm_states.get(&number).copied().or(machine.state);
            machine
        })
        .collect()
}

/// A machine as JSON, without anything secret.
pub(crate) fn machine_json(machine: &Machine) -> Value {
    json!({
        "vm": machine.number,
        "system": machine.system,
        "state": machine.state,
        "public": machine.public,
        "private": machine.private,
        "cloud": machine.cloud,
        "user": machine.login.user,
        "port": machine.login.port,
    })
}

/// Prints machines as a table.
fn print_machines(ui: &Ui, machines: &[Machine]) -> Result<(), CliError> {
    if machines.is_empty() {
        ui.note("it has no machines");
        return Ok(());
    }
    let rows: Vec<Vec<Cell>> = machines
        .iter()
        .map(|machine| {
            vec![
                plain(machine.number.to_string()),
                plain(printable(&machine.system)),
                state_cell(machine.state),
                plain(printable(&machine.addresses())),
                plain(printable(&machine.cloud)),
            ]
        })
        .collect();
    print_table(ui, &["VM", "SYSTEM", "STATE", "ADDRESSES", "CLOUD"], &rows)
}

/// `im state`.
pub(crate) async fn state(client: &Client, typed: &str) -> Result<Exit, CliError> {
    let ui = client.ui();
    let id = api::resolve(client, typed).await?;
    let state = api::state(client, &id).await?;
    if ui.format == Format::Json {
        ui.json(&state)?;
        return Ok(Exit::Ok);
    }
    ui.line(painted(*ui, state.state))?;
    for (vm, state) in &state.vm_states {
        ui.line(format!("vm {vm}  {}", painted(*ui, *state)))?;
    }
    Ok(Exit::Ok)
}

/// `im wait`.
pub(crate) async fn wait(client: &Client, typed: &str, timeout: Option<u64>) -> Result<Exit, CliError> {
    let id = api::resolve(client, typed).await?;
    let ending = Ending {
        id: &id,
        goal: Goal::Settled { operation: None },
        timeout: timeout.map(Duration::from_secs),
        doing: "wait for the infrastructure",
        later: format!("`im wait {id}` waits again"),
    };
    watch_to_end(client, ending).await
}

/// `im log`.
pub(crate) async fn log(
    client: &Client,
    typed: &str,
    vm: Option<u32>,
    follow: bool,
    header: bool,
) -> Result<Exit, CliError> {
    let ui = client.ui();
    let id = api::resolve(client, typed).await?;
    if follow {
        return follow_log(client, &id, vm).await;
    }
    let text = if let Some(vm) = vm {
        api::vm_log(client, &id, vm).await?
    } else {
        let query: Vec<_> = header.then(|| ("headeronly", "yes".to_owned())).into_iter().collect();
        api::property(client, &id, "contmsg", &query).await?
    };
    match ui.format {
        Format::Json => ui.json(&json!({ "contmsg": text }))?,
        Format::Text if text.is_empty() => ui.note("the log is empty; configuration has not begun"),
        Format::Text => ui.text(&printable(&text))?,
    }
    Ok(Exit::Ok)
}

async fn follow_log(client: &Client, id: &str, vm: Option<u32>) -> Result<Exit, CliError> {
    let ui = *client.ui();
    let mut view = LogView { ui, only: vm };
    let mut watch = Watch::new(client, id, Goal::Settled { operation: None });
    match watch.run(&mut view, None).await? {
        Outcome::Settled(state) => {
            let state = vm
                .and_then(|vm| state.vm_states.get(&vm).copied())
                .unwrap_or(state.state);
            ui.note(format!(
                "nothing is under way any more: {}",
                ui.err.paint(board::tone(state), state.as_str())
            ));
        }
        Outcome::Gone => ui.note("the infrastructure is gone"),
        Outcome::Halted { operation, state, .. } => {
            ui.note(format!("operation {operation} stands at `{}`", state.as_str()));
        }
        Outcome::Detached | Outcome::TimedOut => return Ok(Exit::Interrupted),
    }
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_documents() {
        assert_eq!(
            name_of("description x ( name = 'My cluster' )").as_deref(),
            Some("My cluster")
        );
        assert_eq!(name_of("network n ()"), None);
        assert_eq!(name_of("nonsense ("), None);
    }
}
