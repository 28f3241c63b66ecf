//! The one error of the command line: what failed, why, and what to do about it.
//!
//! Carries no secrets: whoever builds one quotes only names, paths and what the service said.

use super::ui::{Format, Tone, Ui, printable};
use serde_json::{Value, json};
use std::fmt::{self, Write as _};

/// How the program ends. Documented in `docs/cli.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything asked for was done.
    Ok,
    /// Refused or failed.
    Failed,
    /// Wrong options or files that cannot be read.
    Usage,
    /// The service could not be reached.
    Unreachable,
    /// The user left; the service goes on.
    Interrupted,
    /// What a command on a machine ended with.
    Remote(u8),
}

impl Exit {
    /// The code.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Unreachable => 3,
            Self::Interrupted => 130,
            Self::Remote(code) => code,
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// An error for the user.
#[derive(Clone, Debug)]
pub(crate) struct CliError {
    /// How the program ends.
    pub(crate) exit: Exit,
    /// What failed. Empty: nothing is printed.
    pub(crate) message: String,
    /// Why, outermost first.
    pub(crate) causes: Vec<String>,
    /// HTTP status, when the service said no.
    pub(crate) status: Option<u16>,
    /// What the service found in the document, as it sent it.
    pub(crate) diagnostics: Vec<Value>,
    /// The same, rendered for people.
    pub(crate) rendered: Option<String>,
    /// The operation to ask about.
    pub(crate) operation: Option<String>,
    /// What to do.
    pub(crate) hints: Vec<String>,
}

impl CliError {
    /// An error with its message: lower case, one sentence, no full stop.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            causes: Vec::new(),
            status: None,
            diagnostics: Vec::new(),
            rendered: None,
            operation: None,
            hints: Vec::new(),
        }
    }

    /// A usage error.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// Whoever read our output has gone: end without a word.
    pub(crate) fn nobody_reads() -> Self {
        Self::new(Exit::Ok, "")
    }

    /// Adds why.
    pub(crate) fn cause(mut self, cause: impl fmt::Display) -> Self {
        self.causes.push(cause.to_string());
        self
    }

    /// Adds why, with everything below it.
    pub(crate) fn chain(mut self, error: &dyn std::error::Error) -> Self {
        let mut next = Some(error);
        while let Some(e) = next {
            let text = e.to_string();
            // Some libraries repeat the text of their source in their own.
            if self.causes.last().is_none_or(|last| !last.contains(&text)) {
                self.causes.push(text);
            }
            next = e.source();
        }
        self
    }

    /// Adds what to do.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Prints it and says how to end.
    pub(crate) fn report(&self, ui: &Ui) -> Exit {
        if !self.message.is_empty() {
            match ui.format {
                Format::Json => ui.write_err(&self.json().to_string()),
                Format::Text => ui.write_err(self.render(ui).trim_end()),
            }
        }
        self.exit
    }

    fn render(&self, ui: &Ui) -> String {
        let p = ui.err;
        let mut text = format!("{} {}", p.paint(Tone::Bad, "error:"), printable(&self.message));
        if let Some(status) = self.status {
            let _ = write!(text, " {}", p.paint(Tone::Faint, format!("(HTTP {status})")));
        }
        text.push('\n');
        for cause in &self.causes {
            let cause = printable(cause.trim_end()).replace('\n', "\n    ");
            let _ = writeln!(text, "  {} {cause}", p.paint(Tone::Strong, "cause:"));
        }
        if let Some(rendered) = &self.rendered {
            let _ = writeln!(text, "{}", rendered.trim_end());
        }
        if let Some(operation) = &self.operation {
            let _ = writeln!(
                text,
                "  {} {}",
                p.paint(Tone::Strong, "operation:"),
                printable(operation)
            );
        }
        for hint in &self.hints {
            let _ = writeln!(text, "{} {hint}", p.paint(Tone::Name, "hint:"));
        }
        text
    }

    fn json(&self) -> Value {
        let mut error = json!({"message": self.message, "exit": self.exit.code()});
        let mut set = |key: &str, value: Value| {
            error[key] = value;
        };
        if !self.causes.is_empty() {
            set("causes", json!(self.causes));
        }
        if let Some(status) = self.status {
            set("status", json!(status));
        }
        if !self.diagnostics.is_empty() {
            set("diagnostics", json!(self.diagnostics));
        }
        if let Some(operation) = &self.operation {
            set("operation", json!(operation));
        }
        if !self.hints.is_empty() {
            set("hints", json!(self.hints));
        }
        json!({ "error": error })
    }
}
