//! What the user sees: colours, the two streams, quiet and verbose.
//!
//! Results go to standard output, everything else to standard error. Text that came from elsewhere is cleaned of
//! control characters before it reaches a terminal. Never fails on a stream that nobody reads any more.

use super::error::{CliError, Exit};
use owo_colors::{OwoColorize, Style};
use serde::Serialize;
use std::{
    borrow::Cow,
    io::{self, IsTerminal, Write},
};

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// One JSON document on standard output; errors as JSON on standard error.
    Json,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` or `CLICOLOR=0` says otherwise.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How much is said besides results and errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Talk {
    /// Results and errors only.
    Quiet,
    /// Progress, summary, warnings.
    Normal,
    /// Requests too.
    Verbose,
}

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Motion {
    /// Lines redrawn in place.
    Live,
    /// One line per change.
    Plain,
}

/// What a piece of text is, which decides its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// `error:` and bad states.
    Bad,
    /// `warning:` and states on the way.
    Busy,
    /// Good states, commands to type.
    Good,
    /// `hint:`, paths and names.
    Name,
    /// Headings.
    Strong,
    /// What matters less.
    Faint,
}

impl Tone {
    fn style(self) -> Style {
        match self {
            Self::Bad => Style::new().red().bold(),
            Self::Busy => Style::new().yellow(),
            Self::Good => Style::new().green(),
            Self::Name => Style::new().cyan(),
            Self::Strong => Style::new().bold(),
            Self::Faint => Style::new().dimmed(),
        }
    }
}

/// A painter for one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paint {
    /// With colours.
    Colors,
    /// Without.
    Plain,
}

impl Paint {
    /// Text in the colour of its tone.
    pub(crate) fn paint(self, tone: Tone, text: impl AsRef<str>) -> String {
        match self {
            Self::Colors => text.as_ref().style(tone.style()).to_string(),
            Self::Plain => text.as_ref().to_owned(),
        }
    }
}

/// The user interface of one run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ui {
    /// How results are written.
    pub(crate) format: Format,
    /// How much is said.
    pub(crate) talk: Talk,
    /// How progress is shown.
    pub(crate) motion: Motion,
    /// Painter of standard output.
    pub(crate) out: Paint,
    /// Painter of standard error.
    pub(crate) err: Paint,
}

impl Ui {
    /// Looks at terminals and environment.
    pub(crate) fn new(format: Format, color: ColorChoice, talk: Talk) -> Self {
        let out_tty = io::stdout().is_terminal();
        let err_tty = io::stderr().is_terminal();
        let dumb = std::env::var_os("TERM").is_some_and(|t| t == "dumb");
        let motion = if err_tty && !dumb && talk > Talk::Quiet && format == Format::Text {
            Motion::Live
        } else {
            Motion::Plain
        };
        Self {
            format,
            talk,
            motion,
            out: painter(color, out_tty, dumb),
            err: painter(color, err_tty, dumb),
        }
    }

    /// Writes a line of the result.
    pub(crate) fn line(&self, text: impl AsRef<str>) -> Result<(), CliError> {
        let mut text = clean(text.as_ref(), self.out).into_owned();
        text.push('\n');
        write_out(text.as_bytes())
    }

    /// Writes text of the result as it is, ending it with a line feed if it has none.
    pub(crate) fn text(&self, text: &str) -> Result<(), CliError> {
        if text.is_empty() || text.ends_with('\n') {
            write_out(clean(text, self.out).as_bytes())
        } else {
            self.line(text)
        }
    }

    /// Writes a document: letter by letter, unless a terminal would take some of it for commands.
    #[allow(clippy::unused_self, reason = "every way of writing is asked of the interface")]
    pub(crate) fn document(&self, text: &str) -> Result<(), CliError> {
        if io::stdout().is_terminal() {
            write_out(printable(text).as_bytes())
        } else {
            write_out(text.as_bytes())
        }
    }

    /// Writes the result as JSON.
    #[allow(clippy::unused_self, reason = "every way of writing is asked of the interface")]
    pub(crate) fn json(&self, value: &impl Serialize) -> Result<(), CliError> {
        let mut text = serde_json::to_string_pretty(value)
            .map_err(|e| CliError::new(Exit::Failed, "the result cannot be written as JSON").cause(e))?;
        text.push('\n');
        write_out(text.as_bytes())
    }

    /// Writes one of many results as JSON, on a line of its own.
    #[allow(clippy::unused_self, reason = "every way of writing is asked of the interface")]
    pub(crate) fn json_line(&self, value: &impl Serialize) -> Result<(), CliError> {
        let mut text = serde_json::to_string(value)
            .map_err(|e| CliError::new(Exit::Failed, "the result cannot be written as JSON").cause(e))?;
        text.push('\n');
        write_out(text.as_bytes())
    }

    /// Says something that is not the result.
    pub(crate) fn note(&self, text: impl AsRef<str>) {
        if self.talk >= Talk::Normal && self.format == Format::Text {
            self.write_err(text.as_ref());
        }
    }

    /// Says something only `--verbose` asks for.
    pub(crate) fn debug(&self, text: impl AsRef<str>) {
        if self.talk >= Talk::Verbose {
            self.write_err(&format!("{} {}", self.err.paint(Tone::Faint, "debug:"), text.as_ref()));
        }
    }

    /// Warns.
    pub(crate) fn warn(&self, text: impl AsRef<str>) {
        if self.talk >= Talk::Normal {
            self.write_err(&format!("{} {}", self.err.paint(Tone::Busy, "warning:"), text.as_ref()));
        }
    }

    /// Says what to do next.
    pub(crate) fn hint(&self, text: impl AsRef<str>) {
        self.note(format!("{} {}", self.err.paint(Tone::Name, "hint:"), text.as_ref()));
    }

    /// Writes a line to standard error whatever `--quiet` says. A closed stream is nobody's loss.
    pub(crate) fn write_err(&self, text: &str) {
        let mut line = clean(text, self.err).into_owned();
        line.push('\n');
        let _ = io::stderr().lock().write_all(line.as_bytes());
    }
}

/// Whether a stream gets colours. `CLICOLOR_FORCE` wins over everything but the option; then `NO_COLOR`, `CLICOLOR=0`.
fn painter(choice: ColorChoice, tty: bool, dumb: bool) -> Paint {
    let set = |name: &str| std::env::var_os(name).is_some_and(|v| !v.is_empty());
    let is = |name: &str, value: &str| std::env::var_os(name).is_some_and(|v| v == value);
    let colors = match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto if set("NO_COLOR") => false,
        ColorChoice::Auto if set("CLICOLOR_FORCE") && !is("CLICOLOR_FORCE", "0") => true,
        ColorChoice::Auto => tty && !dumb && !is("CLICOLOR", "0"),
    };
    if colors { Paint::Colors } else { Paint::Plain }
}

fn write_out(bytes: &[u8]) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)
        .and_then(|()| out.flush())
        .map_err(|e| match e.kind() {
            io::ErrorKind::BrokenPipe => CliError::nobody_reads(),
            _ => CliError::new(Exit::Failed, "cannot write to standard output").cause(e),
        })
}

/// Removes what could steer a terminal from our own output line; our colours stay when there are any.
fn clean(text: &str, paint: Paint) -> Cow<'_, str> {
    match paint {
        Paint::Plain => printable(text),
        Paint::Colors => Cow::Borrowed(text),
    }
}

/// Text from elsewhere (logs, answers, documents) without control characters other than line feed and tab.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    let bad = |c: char| c.is_control() && c != '\n' && c != '\t';
    if text.contains(bad) {
        Cow::Owned(
            text.replace("\r\n", "\n")
                .chars()
                .map(|c| if bad(c) { '\u{fffd}' } else { c })
                .collect(),
        )
    } else {
        Cow::Borrowed(text)
    }
}

/// Seconds as people read them: `0.4s`, `12s`, `3m05s`, `1h02m`.
pub(crate) fn elapsed(millis: i64) -> String {
    let millis = millis.max(0);
    let seconds = millis / 1000;
    match seconds {
        0..10 => format!("{}.{}s", seconds, millis % 1000 / 100),
        10..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

/// `1 VM`, `2 VMs`.
pub(crate) fn count(number: usize, what: &str) -> String {
    if number == 1 {
        format!("1 {what}")
    } else {
        format!("{number} {what}s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elapsed_times() {
        let shown: Vec<_> = [-5, 0, 449, 9_999, 10_000, 59_999, 60_000, 185_000, 3_720_000]
            .into_iter()
            .map(elapsed)
            .collect();
        assert_eq!(
            shown,
            ["0.0s", "0.0s", "0.4s", "9.9s", "10s", "59s", "1m00s", "3m05s", "1h02m"]
        );
    }

    #[test]
    fn control_characters_do_not_pass() {
        assert_eq!(printable("a\tb\nc"), "a\tb\nc");
        assert_eq!(
            printable("\u{1b}[2Jx\r\ny\u{9b}5n\u{7f}"),
            "\u{fffd}[2Jx\ny\u{fffd}5n\u{fffd}"
        );
    }

    #[test]
    fn counts() {
        assert_eq!(
            (count(1, "VM"), count(0, "VM")),
            ("1 VM".to_owned(), "0 VMs".to_owned())
        );
    }
}
