//! `im plan`: what a document means, before anything is done. Calls no cloud; with `--against` it asks the service
//! what the document would change there.

use super::forms;
use crate::cli::{
    api::{self, path},
    args::{Graph, PlanArgs},
    client::{Change, Client},
    document::{Scope, Source, to_send},
    error::{CliError, Exit},
    settings::Settings,
    tosca::Fetching,
    ui::{Format, Ui},
};
use im_radl::{Difference, Plan};
use reqwest::Method;

/// Tells what a document means, or what it would change.
pub(crate) async fn plan(args: &PlanArgs, settings: &Settings, ui: Ui) -> Result<Exit, CliError> {
    if let Some(id) = &args.against {
        return against(args, id, settings, ui).await;
    }
    let source = Source::read(&args.document.file, args.document.format)?;
    let mirrors = args.maps.mirrors();
    let fetching = if args.offline {
        Fetching::offline(mirrors)
    } else {
        Fetching::online(mirrors)
    };
    let document = forms::radl(&source, fetching, ui).await?;
    let mistakes: Vec<_> = im_radl::check(&document)
        .into_iter()
        .filter(im_radl::Diagnostic::is_error)
        .collect();
    if !mistakes.is_empty() {
        return Err(forms::refused(&source, &mistakes, ui));
    }
    let plan = Plan::of(&document).map_err(|found| forms::refused(&source, &[*found], ui))?;
    match (args.graph, ui.format) {
        (Some(Graph::Dot), _) => ui.document(&plan.to_dot())?,
        (Some(Graph::Svg), _) => ui.document(&plan.to_svg())?,
        (None, Format::Json) => ui.json(&plan)?,
        (None, Format::Text) => ui.text(&plan.to_string())?,
    }
    Ok(Exit::Ok)
}

async fn against(args: &PlanArgs, typed: &str, settings: &Settings, ui: Ui) -> Result<Exit, CliError> {
    let client = Client::new(settings, ui)?;
    let body = to_send(&args.document, Scope::Part, &ui).await?;
    let id = api::resolve(&client, typed).await?;
    let answer = client
        .change(Change {
            method: Method::POST,
            path: path([&id, "plan"]),
            query: Vec::new(),
            body: Some(body.body()),
            accept: "application/json",
            doing: "tell what the document would change",
        })
        .await?;
    let difference: Difference = serde_json::from_str(&answer.text).map_err(|e| {
        CliError::new(Exit::Failed, "what the service answers is no difference")
            .cause(e)
            .hint("does the service have the same version as this program? `im version` tells")
    })?;
    match ui.format {
        Format::Json => ui.json(&difference)?,
        Format::Text => ui.text(&difference.to_string())?,
    }
    Ok(Exit::Ok)
}
