//! `im check`: is a document right, and does what it becomes make sense? `im explain`: what does a finding mean?
//! Contact nothing.

use crate::cli::{
    args::Language,
    document::{Scope, Source, Unchecked, json, sum},
    error::{CliError, Exit},
    tosca::unread_note,
    ui::{Format, Tone, Ui},
};
use im_radl::Limits;
use im_tosca::Mirrors;
use serde_json::json;
use std::path::PathBuf;

/// Checks documents: 0 if all are accepted, 1 if one is refused, 2 if one cannot be read.
pub(crate) async fn check(
    files: &[PathBuf],
    format: Option<Language>,
    most: usize,
    mirrors: &Mirrors,
    ui: Ui,
) -> Result<Exit, CliError> {
    let mut exit = Exit::Ok;
    let mut results = Vec::new();
    let limits = Limits {
        diagnostics: most,
        ..Limits::default()
    };
    for file in files {
        let source = Source::read(file, format)?;
        let checked = source.check(Scope::Whole, &limits, mirrors, ui).await;
        let checked = checked.map_err(|why| unchecked(&source, why))?;
        if !checked.accepted {
            exit = Exit::Failed;
        }
        match ui.format {
            Format::Json => results.push(json!({
                "file": source.name,
                "accepted": checked.accepted,
                "diagnostics": json(&checked.diagnostics),
                "unread": checked.unread,
            })),
            Format::Text => {
                if !checked.diagnostics.is_empty() {
                    ui.text(&source.render_checked(&checked, ui.out))?;
                    ui.line("")?;
                }
                let verdict = if checked.accepted {
                    ui.out.paint(Tone::Good, "accepted")
                } else {
                    ui.out.paint(Tone::Bad, "refused")
                };
                let sum = sum(&checked.diagnostics);
                let sum = if sum.is_empty() { sum } else { format!(": {sum}") };
                ui.line(format!("{}: {verdict}{sum}", source.name))?;
                if let Some(unread) = unread_note(&checked.unread) {
                    ui.note(format!("{}: {unread}", source.name));
                }
            }
        }
    }
    if ui.format == Format::Json {
        ui.json(&results)?;
    }
    Ok(exit)
}

fn unchecked(source: &Source, why: Unchecked) -> CliError {
    match why {
        Unchecked::Elsewhere(wanted) => {
            let message = format!(
                "`{}` imports files that are not built in, and nothing is fetched here: {}",
                source.name,
                wanted.join(", ")
            );
            CliError::usage(message).hint(
                "the service fetches them when the document is sent; `--map URL_PREFIX=FOLDER` reads them from a folder",
            )
        }
        Unchecked::Error(error) => error,
    }
}

/// Explains a code, or lists them all.
pub(crate) fn explain(code: Option<&str>, ui: Ui) -> Result<Exit, CliError> {
    let Some(code) = code else {
        match ui.format {
            Format::Json => ui.json(&pages().map(page_json).collect::<Vec<_>>())?,
            Format::Text => {
                for page in pages() {
                    ui.line(format!("{}  {}", ui.out.paint(Tone::Strong, page.code), page.title))?;
                }
            }
        }
        return Ok(Exit::Ok);
    };
    let page = pages()
        .find(|page| page.code.eq_ignore_ascii_case(code.trim()))
        .ok_or_else(|| CliError::usage(format!("there is no code `{code}`")).hint("`im explain` lists them all"))?;
    match ui.format {
        Format::Json => ui.json(&page_json(page))?,
        Format::Text => ui.text(&page.to_string())?,
    }
    Ok(Exit::Ok)
}

/// The pages of both languages.
fn pages() -> impl Iterator<Item = &'static im_radl::Page> {
    im_radl::PAGES.iter().chain(im_tosca::pages())
}

fn page_json(page: &im_radl::Page) -> serde_json::Value {
    json!({"code": page.code, "title": page.title, "text": page.text, "wrong": page.wrong, "right": page.right})
}
