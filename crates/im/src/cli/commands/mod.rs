//! What each command does. One file per kind; here they are told apart.

mod change;
mod check;
mod forms;
mod look;
mod operations;
mod orphans;
mod outputs;
mod plan;
pub(crate) mod ssh;

use super::{
    args::{Cli, Command, DocumentArgs},
    client::Client,
    document::{Scope, to_send},
    error::{CliError, Exit},
    settings::{Decided, Settings},
    ui::{Format, Ui},
};
use clap::CommandFactory as _;

/// Runs a command that may ask a service.
pub(crate) async fn run(command: Command, decided: &Decided) -> Result<Exit, CliError> {
    let Decided { ui, settings } = decided;
    let client = || Client::new(settings, *ui);
    match command {
        Command::Check {
            files,
            format,
            most,
            maps,
        } => check::check(&files, format, most, &maps.mirrors(), *ui).await,
        Command::Explain { code } => check::explain(code.as_deref(), *ui),
        Command::Fmt { files, check } => forms::format(&files, check, *ui),
        Command::Convert { file, to, maps } => forms::convert(&file, to, maps.mirrors(), *ui).await,
        Command::Plan(args) => plan::plan(&args, settings, *ui).await,
        Command::Version => version(settings, *ui).await,
        Command::Create { document, detach } => change::create(&client()?, &document, detach.detach).await,
        Command::Add {
            id,
            document,
            no_configure,
            detach,
        } => change::add(&client()?, &id, &document, !no_configure, detach.detach).await,
        Command::Remove {
            id,
            vms,
            no_configure,
            detach,
        } => change::remove(&client()?, &id, &vms, !no_configure, detach.detach).await,
        Command::Reconfigure {
            id,
            file,
            format,
            no_check,
            vms,
            detach,
        } => {
            let document = file.map(|file| DocumentArgs { file, format, no_check });
            let checked = match &document {
                Some(document) => Some(to_send(document, Scope::Part, ui).await?),
                None => None,
            };
            change::reconfigure(&client()?, &id, checked.as_ref(), &vms, detach.detach).await
        }
        Command::Start(args) => change::power(&client()?, &args, "start", "started").await,
        Command::Stop(args) => change::power(&client()?, &args, "stop", "stopped").await,
        Command::Reboot(args) => change::power(&client()?, &args, "reboot", "restarted").await,
        Command::Alter { id, vm, document } => change::alter(&client()?, &id, vm, &document).await,
        Command::Destroy {
            ids,
            force,
            yes,
            detach,
        } => change::destroy(&client()?, &ids, force, yes, detach.detach).await,
        Command::Operations { command } => operations::run(&client()?, command).await,
        Command::Abandon { id, yes } => operations::abandon(&client()?, &id, yes).await,
        Command::List { filter, long } => look::list(&client()?, filter.as_deref(), long).await,
        Command::Show {
            id,
            vm,
            property,
            radl,
            tosca,
        } => {
            let document = [(radl, "radl"), (tosca, "tosca")].into_iter().find(|(asked, _)| *asked);
            let document = document.map(|(_, name)| name);
            look::show(&client()?, &id, vm, property.as_deref(), document).await
        }
        Command::Outputs { id, name } => outputs::outputs(&client()?, &id, name.as_deref()).await,
        Command::State { id } => look::state(&client()?, &id).await,
        Command::Wait { id, timeout } => look::wait(&client()?, &id, timeout).await,
        Command::Log { id, vm, follow, header } => look::log(&client()?, &id, vm, follow, header).await,
        Command::Orphans { command } => orphans::run(&client()?, &command).await,
        Command::Ssh { id, vm, command } => ssh::ssh(&client()?, &id, vm, &command).await,
        // The program looks at these before it decides anything that a client needs.
        Command::Serve { .. } | Command::Keys { .. } | Command::Completion { .. } => Ok(Exit::Usage),
    }
}

/// Prints a completion script.
pub(crate) fn completion(ui: Ui, shell: clap_complete::Shell) -> Result<Exit, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "im", &mut script);
    ui.text(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Ok)
}

async fn version(settings: &Settings, ui: Ui) -> Result<Exit, CliError> {
    let own = env!("CARGO_PKG_VERSION");
    let client = Client::anonymous(settings, ui)?;
    let service = client.get_text(&["version".to_owned()], "tell its version").await;
    match ui.format {
        Format::Json => {
            let service = service.as_ref().ok().map(|v| v.trim().to_owned());
            ui.json(&serde_json::json!({"client": own, "service": service, "url": client.base()}))?;
        }
        Format::Text => {
            ui.line(format!("im {own}"))?;
            match &service {
                Ok(version) => ui.line(format!("service {} at {}", version.trim(), client.base()))?,
                Err(error) => ui.warn(&error.message),
            }
        }
    }
    Ok(Exit::Ok)
}
