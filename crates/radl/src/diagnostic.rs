//! Findings about a document, and how they are shown: as text with the source line, or as JSON.
//!
//! Never stops at the first: whoever finds something adds it and goes on.

use crate::{Origin, Span};
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, fmt, fmt::Write as _, sync::Arc};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The document is refused.
    Error,
    /// The document is accepted, but it surely does not mean what it says.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// A remark that belongs to a finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The remark.
    pub message: String,
    /// The file that the place is in; none is the document itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<Arc<str>>,
    /// Another place it speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span: Option<Span>,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Stable code; `im explain CODE` says more.
    pub code: Cow<'static, str>,
    /// What is wrong, in the contract's words where it has some, without the line.
    pub message: String,
    /// The file that the place is in, by its URL; none is the document itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<Arc<str>>,
    /// Where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span: Option<Span>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Other places and remarks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
}

impl Diagnostic {
    /// An error.
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, message)
    }

    /// A warning.
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, message)
    }

    fn new(severity: Severity, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            severity,
            code: Cow::Borrowed(code),
            message: message.into(),
            file: None,
            span: None,
            hint: None,
            notes: Vec::new(),
        }
    }

    /// At a place, if it is known.
    #[must_use]
    pub fn at(mut self, place: impl Into<Origin>) -> Self {
        self.span = place.into().0;
        self
    }

    /// In a file other than the document itself.
    #[must_use]
    pub fn in_file(mut self, file: Option<Arc<str>>) -> Self {
        self.file = file;
        self
    }

    /// With advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// With another place.
    #[must_use]
    pub fn note(mut self, message: impl Into<String>, place: Origin) -> Self {
        self.notes.push(Note {
            message: message.into(),
            file: None,
            span: place.0,
        });
        self
    }

    /// Whether it makes the document unacceptable.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// The message with `Line N: ` before it where the line is known: what the API answers.
    pub fn line_message(&self) -> String {
        match (&self.file, self.span) {
            (None, Some(span)) => format!("Line {}: {}", span.line, self.message),
            (Some(file), Some(span)) => format!("{file}, line {}: {}", span.line, self.message),
            (Some(file), None) => format!("{file}: {}", self.message),
            (None, None) => self.message.clone(),
        }
    }

    /// As text for people: message, place, source line with the span underlined, notes, hint.
    pub fn render(&self, file: &str, source: &str, colours: Colours) -> String {
        self.render_with(
            |other| match other {
                None => (file, source),
                Some(other) => (other, ""),
            },
            colours,
        )
    }

    /// The same, where places may be in several files: `source` tells the name and the text of one, the text empty if it
    /// is not at hand; none is the document itself.
    pub fn render_with<'a>(
        &'a self,
        source: impl Fn(Option<&'a str>) -> (&'a str, &'a str),
        colours: Colours,
    ) -> String {
        let mut out = String::new();
        let paint = Paint(colours);
        let colour = match self.severity {
            Severity::Error => RED,
            Severity::Warning => YELLOW,
        };
        let head = format!("{}[{}]", self.severity, self.code);
        let _ = writeln!(
            out,
            "{}: {}",
            paint.with(colour, &head),
            paint.with(BOLD, &self.message)
        );
        let (file, text) = source(self.file.as_deref());
        match self.span {
            Some(span) => excerpt(&mut out, file, text, span, paint, colour),
            None => {
                let _ = writeln!(out, "  {} {file}", paint.with(BLUE, "-->"));
            }
        }
        for note in &self.notes {
            let _ = writeln!(out, "{}: {}", paint.with(CYAN, "note"), note.message);
            if let Some(span) = note.span {
                let (file, text) = source(note.file.as_deref());
                excerpt(&mut out, file, text, span, paint, CYAN);
            }
        }
        if let Some(hint) = &self.hint {
            let _ = writeln!(out, "{}: {hint}", paint.with(GREEN, "help"));
        }
        out
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line_message())
    }
}

/// The sentence of the first error, as the API answers it.
pub fn first_error(diagnostics: &[Diagnostic]) -> Option<String> {
    diagnostics.iter().find(|d| d.is_error()).map(Diagnostic::line_message)
}

/// Whether to colour the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colours {
    /// Plain text.
    Off,
    /// ANSI sequences.
    On,
}

const RED: &str = "\x1b[1;31m";
const YELLOW: &str = "\x1b[1;33m";
const GREEN: &str = "\x1b[1;32m";
const CYAN: &str = "\x1b[1;36m";
const BLUE: &str = "\x1b[1;34m";
const BOLD: &str = "\x1b[1m";

#[derive(Clone, Copy)]
struct Paint(Colours);

impl Paint {
    fn with<'a>(self, colour: &str, text: &'a str) -> Cow<'a, str> {
        match self.0 {
            Colours::Off => Cow::Borrowed(text),
            Colours::On => Cow::Owned(format!("{colour}{text}\x1b[0m")),
        }
    }
}

/// A line longer than this is cut around the span.
const WIDEST: usize = 160;

fn excerpt(out: &mut String, file: &str, source: &str, span: Span, paint: Paint, colour: &str) {
    let arrow = paint.with(BLUE, "-->");
    let _ = writeln!(out, "  {arrow} {file}:{}:{}", span.line, span.column);
    let start = (span.start as usize).min(source.len());
    let Some(before) = source.get(..start) else { return };
    if source.is_empty() {
        return;
    }
    let first = before.rfind('\n').map_or(0, |at| at + 1);
    let line = source[first..].lines().next().unwrap_or_default();
    let lead = source[first..start].chars().count();
    let end = (span.end as usize).clamp(start, first + line.len().max(start - first));
    let width = source.get(start..end).map_or(1, |text| text.chars().count()).max(1);
    let skipped = if lead + width > WIDEST {
        lead.saturating_sub(WIDEST / 4)
    } else {
        0
    };
    let shown: String = line.chars().skip(skipped).take(WIDEST).map(plain).collect();
    let marks = "^".repeat(width.min(WIDEST - (lead - skipped).min(WIDEST - 1)));
    let number = span.line.to_string();
    let gap = " ".repeat(number.len());
    let bar = paint.with(BLUE, "|");
    let _ = writeln!(out, " {gap} {bar}");
    let _ = writeln!(out, " {} {bar} {}", paint.with(BLUE, &number), shown.trim_end());
    let indent = " ".repeat(lead - skipped);
    let _ = writeln!(out, " {gap} {bar} {indent}{}", paint.with(colour, &marks));
}

/// Tabs and control characters take one column each, so that the underline stands where it should.
fn plain(c: char) -> char {
    if c.is_control() { ' ' } else { c }
}
