//! `im check`: is a document right? `im explain`: what does a finding mean? Contacts nothing.

use crate::cli::{
    args::Language,
    document::{Scope, Source, json, sum},
    error::{CliError, Exit},
    ui::{Format, Tone, Ui},
};
use serde_json::json;
use std::path::PathBuf;

/// Checks documents: 0 if all are accepted, 1 if one is refused, 2 if one cannot be read.
pub(crate) fn check(files: &[PathBuf], format: Option<Language>, ui: Ui) -> Result<Exit, CliError> {
    let mut exit = Exit::Ok;
    let mut results = Vec::new();
    for file in files {
        let source = Source::read(file, format)?;
        let Some(parsed) = source.check(Scope::Whole) else {
            return Err(
                CliError::usage(format!("`{}` is TOSCA, which cannot be checked yet", source.name))
                    .hint("RADL can, in plain and in JSON form; if it is RADL, say so with `--format radl`"),
            );
        };
        if !parsed.is_ok() {
            exit = Exit::Failed;
        }
        match ui.format {
            Format::Json => results.push(json!({
                "file": source.name,
                "accepted": parsed.is_ok(),
                "diagnostics": json(&parsed.diagnostics),
            })),
            Format::Text => {
                if !parsed.diagnostics.is_empty() {
                    ui.text(&source.render(&parsed.diagnostics, ui.out))?;
                    ui.line("")?;
                }
                let verdict = if parsed.is_ok() {
                    ui.out.paint(Tone::Good, "accepted")
                } else {
                    ui.out.paint(Tone::Bad, "refused")
                };
                let sum = sum(&parsed.diagnostics);
                let sum = if sum.is_empty() { sum } else { format!(": {sum}") };
                ui.line(format!("{}: {verdict}{sum}", source.name))?;
            }
        }
    }
    if ui.format == Format::Json {
        ui.json(&results)?;
    }
    Ok(exit)
}

/// Explains a code, or lists them all.
pub(crate) fn explain(code: Option<&str>, ui: Ui) -> Result<Exit, CliError> {
    let Some(code) = code else {
        match ui.format {
            Format::Json => ui.json(&im_radl::PAGES.iter().map(page_json).collect::<Vec<_>>())?,
            Format::Text => {
                for page in im_radl::PAGES {
                    ui.line(format!("{}  {}", ui.out.paint(Tone::Strong, page.code), page.title))?;
                }
            }
        }
        return Ok(Exit::Ok);
    };
    let page = im_radl::explain(code.trim())
        .ok_or_else(|| CliError::usage(format!("there is no code `{code}`")).hint("`im explain` lists them all"))?;
    match ui.format {
        Format::Json => ui.json(&page_json(page))?,
        Format::Text => ui.text(&page.to_string())?,
    }
    Ok(Exit::Ok)
}

fn page_json(page: &im_radl::Page) -> serde_json::Value {
    json!({"code": page.code, "title": page.title, "text": page.text, "wrong": page.wrong, "right": page.right})
}
