//! Documents: read from a file or standard input, their language told, checked before anything is sent.

use super::{
    args::{DocumentArgs, Language},
    client::Body,
    error::{CliError, Exit},
    ui::{Paint, Talk, Ui, count, printable},
};
use im_radl::{Colours, Diagnostic, Parsed};
use std::{fs, io::Read as _, path::Path};

/// Whether a document stands alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// It does: everything it names must be in it.
    Whole,
    /// It adds to what an infrastructure has, which this program does not know.
    Part,
}

/// A document as it was read.
pub(crate) struct Source {
    /// Its name in messages.
    pub(crate) name: String,
    /// Its text.
    pub(crate) text: String,
    /// Its language.
    pub(crate) language: Language,
}

impl Source {
    /// Reads a file; `-` is standard input.
    pub(crate) fn read(file: &Path, format: Option<Language>) -> Result<Self, CliError> {
        let (name, bytes) = if file == Path::new("-") {
            let mut bytes = Vec::new();
            std::io::stdin()
                .lock()
                .read_to_end(&mut bytes)
                .map_err(|e| CliError::usage("cannot read the document from standard input").cause(e))?;
            ("standard input".to_owned(), bytes)
        } else {
            let name = file.display().to_string();
            let bytes =
                fs::read(file).map_err(|e| CliError::usage(format!("cannot read the document `{name}`")).cause(e))?;
            (name, bytes)
        };
        let text = String::from_utf8(bytes).map_err(|e| {
            let at = e.utf8_error().valid_up_to();
            CliError::usage(format!("the document `{name}` is not UTF-8 text"))
                .cause(format!("byte {at} and what follows make no character"))
        })?;
        let language = format.unwrap_or_else(|| guess(file, &text));
        Ok(Self { name, text, language })
    }

    /// What is found in it by itself; `None` where this program cannot check the language.
    pub(crate) fn check(&self, scope: Scope) -> Option<Parsed> {
        let mut parsed = match self.language {
            Language::Radl => im_radl::parse_text(&self.text),
            Language::Json => im_radl::parse_json(&self.text),
            Language::Tosca => return None,
        };
        // What a document that cannot be read refers to means nothing.
        if scope == Scope::Whole && parsed.is_ok() {
            parsed.diagnostics.extend(im_radl::check(&parsed.document));
        }
        Some(parsed)
    }

    /// Findings as people read them.
    pub(crate) fn render(&self, diagnostics: &[Diagnostic], paint: Paint) -> String {
        let colours = match paint {
            Paint::Colors => Colours::On,
            Paint::Plain => Colours::Off,
        };
        let shown: Vec<String> = diagnostics
            .iter()
            .map(|d| d.render(&printable(&self.name), &self.text, colours))
            .collect();
        shown.join("\n")
    }

    fn body(self) -> Body {
        Body {
            content_type: match self.language {
                Language::Radl => "text/plain",
                Language::Json => "application/json",
                Language::Tosca => "text/yaml",
            },
            text: self.text,
        }
    }
}

/// `1 error`, `1 error, 2 warnings`, or nothing.
pub(crate) fn sum(diagnostics: &[Diagnostic]) -> String {
    let errors = diagnostics.iter().filter(|d| d.is_error()).count();
    let warnings = diagnostics.len() - errors;
    [(errors, "error"), (warnings, "warning")]
        .into_iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, what)| count(n, what))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Reads a document to send it: refused here if it is wrong, so that nothing is half done over there.
pub(crate) fn to_send(args: &DocumentArgs, scope: Scope, ui: &Ui) -> Result<Body, CliError> {
    let source = Source::read(&args.file, args.format)?;
    if !args.no_check
        && let Some(parsed) = source.check(scope)
    {
        if !parsed.is_ok() {
            let mut error = CliError::new(
                Exit::Failed,
                format!("`{}` has {}; nothing was sent", source.name, sum(&parsed.diagnostics)),
            );
            error.rendered = Some(source.render(&parsed.diagnostics, ui.err));
            error.diagnostics = json(&parsed.diagnostics);
            return Err(error);
        }
        if ui.talk >= Talk::Normal && !parsed.diagnostics.is_empty() {
            ui.note(source.render(&parsed.diagnostics, ui.err).trim_end());
        }
    }
    Ok(source.body())
}

/// Findings as JSON.
pub(crate) fn json(diagnostics: &[Diagnostic]) -> Vec<serde_json::Value> {
    diagnostics
        .iter()
        .filter_map(|d| serde_json::to_value(d).ok())
        .collect()
}

fn guess(file: &Path, text: &str) -> Language {
    let extension = file.extension().and_then(|e| e.to_str()).unwrap_or_default();
    match extension.to_ascii_lowercase().as_str() {
        "json" | "jsn" => Language::Json,
        "yaml" | "yml" => Language::Tosca,
        "radl" => Language::Radl,
        _ if text.trim_start().starts_with('[') => Language::Json,
        _ if text.lines().any(|l| l.starts_with("tosca_definitions_version")) => Language::Tosca,
        _ => Language::Radl,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages() {
        for (file, text, language) in [
            ("a.radl", "[", Language::Radl),
            ("a.JSON", "", Language::Json),
            ("a.yml", "", Language::Tosca),
            ("-", " [\n", Language::Json),
            ("-", "# x\ntosca_definitions_version: y\n", Language::Tosca),
            ("noname", "network n ()", Language::Radl),
        ] {
            assert_eq!(guess(Path::new(file), text), language, "{file} {text}");
        }
    }
}
