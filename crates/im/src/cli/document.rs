//! Documents: read from a file or standard input, their language told, checked before anything is sent.

use super::{
    args::{DocumentArgs, Language},
    client::Body,
    error::{CliError, Exit},
    tosca::{self, Fetching},
    ui::{Paint, Talk, Ui, count, printable},
};
use im_radl::{Colours, Diagnostic, Limits};
use im_tosca::{Mirrors, Redirected, Sources};
use std::{fs, io::Read as _, path::Path, sync::Arc};

/// Whether a document stands alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// It does: everything it names must be in it.
    Whole,
    /// It adds to what an infrastructure has, which this program does not know.
    Part,
}

/// What this program found in a document by itself.
pub(crate) struct Checked {
    /// Whether it is accepted.
    pub(crate) accepted: bool,
    /// Errors and warnings.
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// The files that a TOSCA document's findings speak of.
    sources: Option<Arc<Sources>>,
    /// What could not be looked at here: recipes and other files of a TOSCA document.
    pub(crate) unread: Vec<Arc<str>>,
}

/// Why nothing can be said of a document here.
pub(crate) enum Unchecked {
    /// It imports these files, which are not built in: they would have to be fetched first, which only the service does.
    Elsewhere(Vec<Arc<str>>),
    /// Something else.
    Error(CliError),
}

impl From<CliError> for Unchecked {
    fn from(error: CliError) -> Self {
        Self::Error(error)
    }
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

    /// What is found in it by itself.
    pub(crate) async fn check(
        &self,
        scope: Scope,
        limits: &Limits,
        mirrors: &Mirrors,
        ui: Ui,
    ) -> Result<Checked, Unchecked> {
        let mut parsed = match self.language {
            Language::Radl => im_radl::parse_text_with(&self.text, limits),
            Language::Json => im_radl::parse_json_with(&self.text, limits),
            Language::Tosca => return self.check_tosca(limits, mirrors, ui).await,
        };
        // What a document that cannot be read refers to means nothing.
        if scope == Scope::Whole && parsed.is_ok() {
            parsed.diagnostics.extend(im_radl::check_with(&parsed.document, limits));
        }
        // As somebody reads the document who mends it.
        parsed
            .diagnostics
            .sort_by_key(|d| d.span.map_or(u32::MAX, |span| span.start));
        Ok(Checked {
            accepted: parsed.is_ok(),
            diagnostics: parsed.diagnostics,
            sources: None,
            unread: Vec::new(),
        })
    }

    /// Reads, converts and checks what comes of it, as the service does, but for what recipes say.
    async fn check_tosca(&self, limits: &Limits, mirrors: &Mirrors, ui: Ui) -> Result<Checked, Unchecked> {
        let mut fetching = Fetching::offline(mirrors.clone());
        let translation = tosca::translate(self, &mut fetching, limits.diagnostics, ui).await?;
        if !fetching.unknown.is_empty() {
            return Err(Unchecked::Elsewhere(fetching.unknown));
        }
        let mut diagnostics = translation.diagnostics;
        if let Some(document) = &translation.document {
            let found = im_radl::check_with(document, limits).into_iter();
            diagnostics.extend(found.filter(Diagnostic::is_error));
        }
        Ok(Checked {
            accepted: !diagnostics.iter().any(Diagnostic::is_error),
            diagnostics,
            sources: Some(translation.sources),
            unread: fetching.unread,
        })
    }

    /// Findings as people read them.
    pub(crate) fn render(&self, diagnostics: &[Diagnostic], paint: Paint) -> String {
        let (name, colours) = (printable(&self.name), colours(paint));
        joined(diagnostics, |found| found.render(&name, &self.text, colours))
    }

    /// The same, of what was checked.
    pub(crate) fn render_checked(&self, checked: &Checked, paint: Paint) -> String {
        match &checked.sources {
            Some(sources) => tosca::render(&checked.diagnostics, sources, paint),
            None => self.render(&checked.diagnostics, paint),
        }
    }

    fn body(&self) -> Body {
        Body {
            content_type: match self.language {
                Language::Radl => "text/plain",
                Language::Json => "application/json",
                Language::Tosca => "text/yaml",
            },
            text: self.text.clone(),
        }
    }
}

/// A file from a folder that the user named; `None`: no folder covers it.
pub(crate) fn from_mirror(mirrors: &Mirrors, url: &str) -> Option<Result<String, String>> {
    match mirrors.redirect(url)? {
        Ok(Redirected::Url(_)) => None,
        Ok(Redirected::File(path)) => {
            Some(fs::read_to_string(&path).map_err(|e| format!("`{}` cannot be read: {e}", path.display())))
        }
        Err(refused) => Some(Err(refused.to_string())),
    }
}

fn colours(paint: Paint) -> Colours {
    match paint {
        Paint::Colors => Colours::On,
        Paint::Plain => Colours::Off,
    }
}

fn joined(diagnostics: &[Diagnostic], render: impl Fn(&Diagnostic) -> String) -> String {
    diagnostics.iter().map(render).collect::<Vec<_>>().join("\n")
}

/// A document that was read and, unless the user did not want it, checked.
pub(crate) struct Sendable {
    source: Source,
    /// What the user has been told of it.
    told: Vec<Diagnostic>,
}

impl Sendable {
    /// What is sent.
    pub(crate) fn body(&self) -> Body {
        self.source.body()
    }

    /// Tells what the service found in it beyond what the user knows: the member `diagnostics` of an answer.
    pub(crate) fn note_answer(&self, answer: &str, ui: &Ui) {
        let found = serde_json::from_str::<Found>(answer).unwrap_or_default().diagnostics;
        let told = |d: &Diagnostic| {
            self.told
                .iter()
                .any(|t| (&t.code, &t.message, t.span) == (&d.code, &d.message, d.span))
        };
        let new: Vec<_> = found.into_iter().filter(|d| !told(d)).map(placed).collect();
        if !new.is_empty() {
            ui.note(self.source.render(&new, ui.err).trim_end());
        }
    }

    /// An error of the service, with the places in the document that it speaks of.
    pub(crate) fn explain(&self, mut error: CliError, ui: &Ui) -> CliError {
        let found: Vec<Diagnostic> = error
            .diagnostics
            .iter()
            .filter_map(|d| serde_json::from_value(d.clone()).ok())
            .map(placed)
            .collect();
        if !found.is_empty() && error.rendered.is_none() {
            error.rendered = Some(self.source.render(&found, ui.err));
        }
        error
    }
}

#[derive(Default, serde::Deserialize)]
struct Found {
    #[serde(default)]
    diagnostics: Vec<Diagnostic>,
}

/// A finding without the places in files that only the service has.
fn placed(found: Diagnostic) -> Diagnostic {
    match found.file {
        None => found,
        Some(file) => Diagnostic {
            message: format!("{} (in {file})", found.message),
            file: None,
            span: None,
            notes: Vec::new(),
            ..found
        },
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
pub(crate) async fn to_send(args: &DocumentArgs, scope: Scope, ui: &Ui) -> Result<Sendable, CliError> {
    let source = Source::read(&args.file, args.format)?;
    let mut told = Vec::new();
    if !args.no_check
        && let Ok(checked) = source.check(scope, &Limits::default(), &Mirrors::default(), *ui).await
        && !depends_on_service(&checked)
    {
        if !checked.accepted {
            let mut error = CliError::new(
                Exit::Failed,
                format!("`{}` has {}; nothing was sent", source.name, sum(&checked.diagnostics)),
            );
            error.rendered = Some(source.render_checked(&checked, ui.err));
            error.diagnostics = json(&checked.diagnostics);
            return Err(error);
        }
        if ui.talk >= Talk::Normal && !checked.diagnostics.is_empty() {
            ui.note(source.render_checked(&checked, ui.err).trim_end());
        }
        told = checked.diagnostics;
    }
    Ok(Sendable { source, told })
}

/// Whether only the service can tell: it may have a repository of templates.
fn depends_on_service(checked: &Checked) -> bool {
    checked
        .diagnostics
        .iter()
        .any(|d| d.is_error() && d.code == im_tosca::TEMPLATE_FILE_CODE)
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
