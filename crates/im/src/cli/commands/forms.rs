//! `im fmt` and `im convert`: other forms of a document that say the same. Contact nothing.

use crate::cli::{
    args::{Form, Language},
    document::{Source, json, sum},
    error::{CliError, Exit},
    tosca::{self, Fetching},
    ui::Ui,
};
use im_radl::{Document, Limits};
use im_tosca::Mirrors;
use std::{fs, path::Path, path::PathBuf};

/// Lays documents out: files in place, standard input on standard output. With `check` nothing is written, and the
/// exit code is 1 if something would be.
pub(crate) fn format(files: &[PathBuf], check: bool, ui: Ui) -> Result<Exit, CliError> {
    let mut exit = Exit::Ok;
    for file in files {
        let source = Source::read(file, None)?;
        if source.language != Language::Radl {
            let what = CliError::usage(format!("`{}` is not in the plain form of RADL", source.name));
            return Err(what.hint("`im convert` makes the plain form of a JSON document"));
        }
        let laid = im_radl::format_text(&source.text, &Limits::default()).map_err(|d| refused(&source, &d, ui))?;
        if check {
            if laid != source.text {
                ui.line(&source.name)?;
                exit = Exit::Failed;
            }
        } else if file == Path::new("-") {
            ui.document(&laid)?;
        } else if laid != source.text {
            fs::write(file, &laid)
                .map_err(|e| CliError::new(Exit::Failed, format!("cannot write `{}`", source.name)).cause(e))?;
            ui.note(format!("{}: laid out", source.name));
        }
    }
    Ok(exit)
}

/// Writes a document in the other form, or in the one that is asked for. TOSCA becomes RADL.
pub(crate) async fn convert(file: &Path, to: Option<Form>, mirrors: Mirrors, ui: Ui) -> Result<Exit, CliError> {
    let source = Source::read(file, None)?;
    let other = match source.language {
        Language::Radl => Form::Json,
        Language::Json | Language::Tosca => Form::Radl,
    };
    let document = radl(&source, Fetching::online(mirrors), ui).await?;
    match to.unwrap_or(other) {
        Form::Json => ui.json(&im_radl::to_json(&document))?,
        Form::Radl => {
            let text = im_radl::print(&document);
            let laid = im_radl::format_text(&text, &Limits::default()).unwrap_or(text);
            ui.document(&laid)?;
        }
    }
    Ok(Exit::Ok)
}

/// The document as RADL. Warnings are shown.
pub(crate) async fn radl(source: &Source, fetching: Fetching, ui: Ui) -> Result<Document, CliError> {
    let parsed = match source.language {
        Language::Radl => im_radl::parse_text(&source.text),
        Language::Json => im_radl::parse_json(&source.text),
        Language::Tosca => return tosca::to_radl(source, fetching, ui).await,
    };
    let (document, warnings) = parsed.into_result().map_err(|d| refused(source, &d, ui))?;
    if !warnings.is_empty() {
        ui.note(source.render(&warnings, ui.err).trim_end());
    }
    Ok(document)
}

/// The error for a document that is wrong.
pub(crate) fn refused(source: &Source, diagnostics: &[im_radl::Diagnostic], ui: Ui) -> CliError {
    let mut error = CliError::new(Exit::Failed, format!("`{}` has {}", source.name, sum(diagnostics)));
    error.rendered = Some(source.render(diagnostics, ui.err));
    error.diagnostics = json(diagnostics);
    error
}
