//! From values to text in block style, which YAML 1.1 reads as the same values.
//!
//! The order of keys is kept. Texts of several lines are written as such where that is safe.

use super::{Mapping, Node, Value, python::float_text, scalar};
use std::fmt::Write as _;

/// Writes a value, with a line end after the last line.
pub fn dump(node: &Node) -> String {
    let mut out = String::new();
    match &node.value {
        Value::Map(map) if !map.is_empty() => mapping(&mut out, map, 0, false),
        Value::Seq(items) if !items.is_empty() => sequence(&mut out, items, 0, false),
        other => {
            flat(&mut out, other, 0);
            out.push('\n');
        }
    }
    out
}

fn indent(out: &mut String, depth: usize) {
    for _ in 0..depth {
        out.push_str("  ");
    }
}

fn mapping(out: &mut String, map: &Mapping, depth: usize, mut begun: bool) {
    for (key, entry) in map.entries() {
        if !begun {
            indent(out, depth);
        }
        begun = false;
        let mut text = String::new();
        match &entry.key {
            Some(other) => scalar_text(&mut text, other),
            None => inline(&mut text, key),
        }
        // Both scanners give up a simple key after 1024 characters.
        if text.len() > 1000 {
            let _ = writeln!(out, "? {text}");
            indent(out, depth);
            out.push(':');
        } else {
            out.push_str(&text);
            out.push(':');
        }
        member(out, &entry.value.value, depth);
    }
}

/// What follows `key:`.
fn member(out: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Map(map) if !map.is_empty() => {
            out.push('\n');
            mapping(out, map, depth + 1, false);
        }
        Value::Seq(items) if !items.is_empty() => {
            out.push('\n');
            sequence(out, items, depth, false);
        }
        other => {
            out.push(' ');
            flat(out, other, depth + 1);
            out.push('\n');
        }
    }
}

fn sequence(out: &mut String, items: &[Node], depth: usize, mut begun: bool) {
    for item in items {
        if !begun {
            indent(out, depth);
        }
        begun = false;
        out.push_str("- ");
        match &item.value {
            Value::Map(map) if !map.is_empty() => mapping(out, map, depth + 1, true),
            Value::Seq(items) if !items.is_empty() => sequence(out, items, depth + 1, true),
            other => {
                flat(out, other, depth + 1);
                out.push('\n');
            }
        }
    }
}

/// What takes no lines of its own, except for a text of several lines, which is indented by `depth`.
fn flat(out: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Seq(_) => out.push_str("[]"),
        Value::Map(_) => out.push_str("{}"),
        Value::Str(text) if is_block(text) => block(out, text, depth),
        other => scalar_text(out, other),
    }
}

fn scalar_text(out: &mut String, value: &Value) {
    match value {
        Value::Null | Value::Seq(_) | Value::Map(_) => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Int(int) => {
            let _ = write!(out, "{int}");
        }
        Value::Float(float) => out.push_str(&yaml_float(*float)),
        Value::Timestamp(text) => out.push_str(text),
        Value::Str(text) => inline(out, text),
    }
}

fn yaml_float(float: f64) -> String {
    let text = float_text(float);
    match text.as_str() {
        "nan" => ".nan".to_owned(),
        "inf" => ".inf".to_owned(),
        "-inf" => "-.inf".to_owned(),
        // A float has a point.
        _ if !text.contains('.') => text.replacen('e', ".0e", 1),
        _ => text,
    }
}

fn is_printable(c: char) -> bool {
    match c {
        ' '..='~' => true,
        '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'.. => {
            !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{ad}')
        }
        _ => false,
    }
}

/// Whether a text can be written line by line after `|`.
fn is_block(text: &str) -> bool {
    text.contains('\n')
        && !text.starts_with([' ', '\n', '\t'])
        && text.chars().all(|c| c == '\n' || c == '\t' || is_printable(c))
        // A line of nothing but blanks could be taken for indentation.
        && text.split('\n').all(|line| line.is_empty() || !line.trim_matches([' ', '\t']).is_empty())
}

fn block(out: &mut String, text: &str, depth: usize) {
    let body = text.trim_end_matches('\n');
    out.push_str(match text.len() - body.len() {
        0 => "|-",
        1 => "|",
        _ => "|+",
    });
    // What is kept at the end: the line end of the last line is written by the caller.
    let lines = text.strip_suffix('\n').unwrap_or(text);
    for line in lines.split('\n') {
        out.push('\n');
        if !line.is_empty() {
            indent(out, depth.max(1));
            out.push_str(line);
        }
    }
}

/// A text in one line: plain, between single quotes, or between double quotes with escapes.
fn inline(out: &mut String, text: &str) {
    if is_plain(text) {
        out.push_str(text);
    } else if text.chars().all(is_printable) {
        out.push('\'');
        out.push_str(&text.replace('\'', "''"));
        out.push('\'');
    } else {
        double(out, text);
    }
}

fn is_plain(text: &str) -> bool {
    let Some(first) = text.chars().next() else { return false };
    let begins = match first {
        '-' => text.as_bytes().get(1).is_some_and(u8::is_ascii_alphanumeric),
        '_' | '/' | '$' | '(' | ')' | '+' | ';' | '^' | '\\' => true,
        '<' => text != "<<",
        '.' => !text.starts_with("..."),
        other => other.is_alphanumeric(),
    };
    begins
        && !(text.ends_with([' ', ':']) || text.contains(": ") || text.contains(" #"))
        && text.chars().all(is_printable)
        && matches!(scalar::resolve(text), Ok(Value::Str(_)))
}

fn double(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if is_printable(c) => out.push(c),
            c if u32::from(c) <= 0xff => {
                let _ = write!(out, "\\x{:02X}", u32::from(c));
            }
            c if u32::from(c) <= 0xffff => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => {
                let _ = write!(out, "\\U{:08X}", u32::from(c));
            }
        }
    }
    out.push('"');
}
