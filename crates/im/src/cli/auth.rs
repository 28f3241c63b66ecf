//! Credentials: from a file in line or JSON form to the `Authorization` header (contract, api 4.1 to 4.3).
//!
//! `file(PATH)` and `command(COMMAND)` are expanded here, on the user's side. Never prints a value: errors name the
//! line and the key only. What cannot be said in line form without loss is sent in JSON form.

use super::error::CliError;
use im_model::Secret;
use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Whether `command(...)` may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Commands {
    /// The user named the file.
    Allowed,
    /// The file was found through a settings file of the current folder, which may be anybody's.
    Refused,
}

/// One set of credentials: keys and values in order.
type Line = Vec<(String, Value)>;

#[derive(Clone, Debug, PartialEq)]
enum Value {
    Text(Secret),
    /// Only JSON has these.
    Other(serde_json::Value),
}

/// Reads a file and gives the header's value.
pub(crate) fn header_from_file(path: &Path, commands: Commands) -> Result<Secret, CliError> {
    let shown = path.display();
    let text = fs::read_to_string(path).map_err(|e| {
        CliError::usage(format!("cannot read the credentials in `{shown}`"))
            .cause(e)
            .hint("name the file with `--auth FILE` or in `IM_AUTH`")
    })?;
    let expander = Expander {
        folder: path.parent().map(Path::to_path_buf).unwrap_or_default(),
        shown: shown.to_string(),
        commands,
    };
    header(&text, &expander)
}

fn header(text: &str, expander: &Expander) -> Result<Secret, CliError> {
    let trimmed = text.trim();
    if !trimmed.contains('\n')
        && let Some(token) = trimmed.strip_prefix("Bearer ")
    {
        let token = expander.expand(token.trim(), 1, "Bearer")?;
        return Ok(Secret::new(format!("Bearer {}", token.expose().trim())));
    }
    let mut lines = if trimmed.starts_with('[') || trimmed.starts_with('{') {
        json_lines(trimmed, expander)?
    } else {
        text_lines(text, expander)?
    };
    lines.retain(|line| !line.is_empty());
    if lines.is_empty() {
        return Err(CliError::usage(format!("`{}` holds no credentials", expander.shown))
            .hint("write one set per line, such as `type = InfrastructureManager; username = ME; password = SECRET`"));
    }
    Ok(line_header(&lines).unwrap_or_else(|| json_header(&lines)))
}

// --- reading ---------------------------------------------------------------------------------------------------

fn json_lines(text: &str, expander: &Expander) -> Result<Vec<Line>, CliError> {
    let bad = |why: String| {
        CliError::usage(format!("`{}` is not a JSON array of credentials", expander.shown))
            .cause(why)
            .hint(
                "the form is `[{\"type\": \"InfrastructureManager\", \"username\": \"ME\", \"password\": \"SECRET\"}]`",
            )
    };
    // A syntax error tells its place, never the text around it.
    let value: serde_json::Value =
        serde_json::from_str(text).map_err(|e| bad(format!("line {}, column {}", e.line(), e.column())))?;
    let serde_json::Value::Array(items) = value else {
        return Err(bad("the outermost value is not an array".to_owned()));
    };
    let mut lines = Vec::new();
    for (index, item) in items.into_iter().enumerate() {
        let serde_json::Value::Object(members) = item else {
            return Err(bad(format!("element {} is not an object", index + 1)));
        };
        let mut line = Line::new();
        for (key, value) in members {
            let value = match value {
                serde_json::Value::String(text) => Value::Text(expander.expand(&text, index + 1, &key)?),
                other => Value::Other(other),
            };
            line.push((key, value));
        }
        lines.push(line);
    }
    Ok(lines)
}

fn text_lines(text: &str, expander: &Expander) -> Result<Vec<Line>, CliError> {
    let mut lines = Vec::new();
    for (index, raw) in text.lines().enumerate() {
        let raw = raw.trim();
        if raw.is_empty() || raw.starts_with('#') {
            continue;
        }
        lines.push(text_line(raw, index + 1, expander)?);
    }
    Ok(lines)
}

fn text_line(raw: &str, number: usize, expander: &Expander) -> Result<Line, CliError> {
    let mut line = Line::new();
    let pieces = split(raw, ';', Quotes::Keep);
    let last = pieces.len().saturating_sub(1);
    for (index, piece) in pieces.into_iter().enumerate() {
        if piece.trim().is_empty() && index == last {
            continue;
        }
        let parts = split(&piece, '=', Quotes::Drop);
        let [key, value] = parts.as_slice() else {
            // The service would silently drop the rest of the line; better to say so before anything is sent.
            let key = parts.first().map(|k| k.trim().to_owned()).unwrap_or_default();
            let after = if key.is_empty() {
                String::new()
            } else {
                format!(" at key `{key}`")
            };
            return Err(
                CliError::usage(format!("line {number} of `{}` cannot be read{after}", expander.shown))
                    .cause("each part must be `key = value`")
                    .hint("put a value that holds `=` or `;` in quotes; write an empty one as `''`"),
            );
        };
        let key = key.trim().to_owned();
        let value = value.trim().replace("\\n", "\n");
        let value = expander.expand(&value, number, &key)?;
        line.retain(|(k, _)| *k != key);
        line.push((key, Value::Text(value)));
    }
    Ok(line)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Quotes {
    Keep,
    Drop,
}

/// Splits outside quotes. A quote of one kind is literal inside the other; there is no escape character.
/// Trailing empty parts are dropped: `k = abc=` is two parts, `k =` one.
fn split(text: &str, separator: char, quotes: Quotes) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut empty = vec![true];
    let mut open: Option<char> = None;
    for c in text.chars() {
        let last = parts.len() - 1;
        match open {
            Some(q) if q == c => {
                open = None;
                if quotes == Quotes::Keep {
                    parts[last].push(c);
                }
            }
            None if c == '\'' || c == '"' => {
                open = Some(c);
                empty[last] = false;
                if quotes == Quotes::Keep {
                    parts[last].push(c);
                }
            }
            None if c == separator => {
                parts.push(String::new());
                empty.push(true);
            }
            _ => {
                if !c.is_whitespace() {
                    empty[last] = false;
                }
                parts[last].push(c);
            }
        }
    }
    if separator == '=' && parts.len() > 1 && empty.last() == Some(&true) {
        parts.pop();
    }
    parts
}

struct Expander {
    folder: PathBuf,
    shown: String,
    commands: Commands,
}

impl Expander {
    /// `file(PATH)` and `command(COMMAND)`; any other value as it is.
    fn expand(&self, value: &str, number: usize, key: &str) -> Result<Secret, CliError> {
        if let Some(path) = call(value, "file") {
            return self.file(path, number, key);
        }
        if let Some(command) = call(value, "command") {
            return self.command(command, number, key);
        }
        Ok(Secret::new(value))
    }

    /// Relative paths are looked for beside the credentials, then in the current folder.
    fn file(&self, path: &str, number: usize, key: &str) -> Result<Secret, CliError> {
        let path = path.trim();
        let path = match (path.strip_prefix("~/"), super::settings::home()) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => PathBuf::from(path),
        };
        let beside = self.folder.join(&path);
        let found = if beside.exists() { beside } else { path };
        fs::read_to_string(&found).map(Secret::new).map_err(|e| {
            CliError::usage(format!(
                "cannot read `{}`, which line {number} of `{}` names for `{key}`",
                found.display(),
                self.shown
            ))
            .cause(e)
        })
    }

    fn command(&self, command: &str, number: usize, key: &str) -> Result<Secret, CliError> {
        let place = format!("line {number} of `{}`", self.shown);
        if self.commands == Commands::Refused {
            return Err(CliError::usage(format!("{place} wants to run a command for `{key}`"))
                .cause("the file was named by a settings file in the current folder, which may be anybody's")
                .hint(format!("if you trust it, say so with `--auth {}`", self.shown)));
        }
        let output = Command::new("sh")
            .arg("-c")
            .arg(command)
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .map_err(|e| CliError::usage(format!("cannot run the command of {place} for `{key}`")).cause(e))?;
        if !output.status.success() {
            return Err(CliError::usage(format!("the command of {place} for `{key}` failed")).cause(output.status));
        }
        let text = String::from_utf8(output.stdout)
            .map_err(|_| CliError::usage(format!("the command of {place} for `{key}` does not print UTF-8")))?;
        Ok(Secret::new(text.replace('\n', "")))
    }
}

fn call<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    value.trim().strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')')
}

// --- writing ---------------------------------------------------------------------------------------------------

/// Line form: understood by every release. `None` if something would be lost.
fn line_header(lines: &[Line]) -> Option<Secret> {
    let mut header = String::new();
    for line in lines {
        if !header.is_empty() {
            header.push_str("\\n");
        }
        for (index, (key, value)) in line.iter().enumerate() {
            let Value::Text(value) = value else { return None };
            let plain_key = !key.is_empty()
                && key.trim() == key
                && key.chars().all(|c| c.is_ascii_graphic() && !";='\"\\#".contains(c));
            if !plain_key {
                return None;
            }
            if index > 0 {
                header.push_str("; ");
            }
            let _ = write!(header, "{key} = {}", quoted(value.expose())?);
        }
    }
    Some(Secret::new(header))
}

/// A value in line form. Line feeds at the ends are dropped: the reader trims values anyway.
fn quoted(value: &str) -> Option<String> {
    let value = value.trim_matches('\n');
    let sendable = value
        .chars()
        .all(|c| c == '\n' || c == '\t' || c == ' ' || c.is_ascii_graphic());
    // Blanks at the ends would be trimmed, a backslash before `n` read as a line feed, `file(` expanded over there.
    if !sendable || value.trim() != value || value.contains("\\n") || value.starts_with("file(") {
        return None;
    }
    // A backslash at the end of a run would meet what follows: leave such values to JSON.
    if value.contains("\\\n") || value.ends_with('\\') {
        return None;
    }
    let mut text = String::new();
    let mut rest = value;
    loop {
        // Runs without `'` go in `'`, runs of `'` in `"`.
        let end = rest.find('\'').unwrap_or(rest.len());
        if end > 0 || value.is_empty() {
            let _ = write!(text, "'{}'", &rest[..end]);
        }
        rest = &rest[end..];
        if rest.is_empty() {
            break;
        }
        let end = rest.find(|c| c != '\'').unwrap_or(rest.len());
        let _ = write!(text, "\"{}\"", &rest[..end]);
        rest = &rest[end..];
        if rest.is_empty() {
            break;
        }
    }
    Some(text.replace('\n', "\\\\n"))
}

/// JSON form, ASCII only, every backslash and line feed as `\u` so that the separators of the header cannot appear.
fn json_header(lines: &[Line]) -> Secret {
    let mut header = String::from("[");
    for (index, line) in lines.iter().enumerate() {
        if index > 0 {
            header.push(',');
        }
        header.push('{');
        for (index, (key, value)) in line.iter().enumerate() {
            if index > 0 {
                header.push(',');
            }
            json_string(&mut header, key);
            header.push(':');
            match value {
                Value::Text(text) => json_string(&mut header, text.expose()),
                Value::Other(other) => json_value(&mut header, other),
            }
        }
        header.push('}');
    }
    header.push(']');
    Secret::new(header)
}

fn json_value(out: &mut String, value: &serde_json::Value) {
    match value {
        serde_json::Value::String(text) => json_string(out, text),
        serde_json::Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                json_value(out, item);
            }
            out.push(']');
        }
        serde_json::Value::Object(members) => {
            out.push('{');
            for (index, (key, item)) in members.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                json_string(out, key);
                out.push(':');
                json_value(out, item);
            }
            out.push('}');
        }
        scalar => {
            let _ = write!(out, "{scalar}");
        }
    }
}

fn json_string(out: &mut String, text: &str) {
    out.push('"');
    for unit in text.encode_utf16() {
        match u8::try_from(unit) {
            Ok(b) if (b.is_ascii_graphic() || b == b' ') && b != b'"' && b != b'\\' => out.push(char::from(b)),
            _ => {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests;
