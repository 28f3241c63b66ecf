//! Values as Python's `str()` and `repr()` write them: texts of the original that documents and recipes depend on.

use super::Value;
use std::fmt::Write as _;

/// As `str()` writes it: `True`, `None`, `20.1`, `['a', 1]`.
pub fn python_text(value: &Value) -> String {
    match value {
        Value::Str(text) | Value::Timestamp(text) => text.to_string(),
        other => python_repr(other),
    }
}

/// As `repr()` writes it: texts between quotes.
pub fn python_repr(value: &Value) -> String {
    let mut out = String::new();
    repr(&mut out, value);
    out
}

fn repr(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("None"),
        Value::Bool(true) => out.push_str("True"),
        Value::Bool(false) => out.push_str("False"),
        Value::Int(int) => {
            let _ = write!(out, "{int}");
        }
        Value::Float(float) => out.push_str(&float_text(*float)),
        Value::Timestamp(text) => timestamp(out, text),
        Value::Str(text) => quoted(out, text),
        Value::Seq(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                repr(out, &item.value);
            }
            out.push(']');
        }
        Value::Map(map) => {
            out.push('{');
            for (index, (key, entry)) in map.entries().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                match &entry.key {
                    Some(key) => repr(out, key),
                    None => quoted(out, key),
                }
                out.push_str(": ");
                repr(out, &entry.value.value);
            }
            out.push('}');
        }
    }
}

/// The shortest text that reads as this number: `20.1`, `1e+16`, `inf`.
pub(super) fn float_text(float: f64) -> String {
    if float.is_nan() {
        return "nan".to_owned();
    }
    if float.is_infinite() {
        return if float > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let mut shortest = format!("{float:e}");
    // Of two texts that are as short and as near, Python takes the even one.
    let digits = shortest
        .bytes()
        .take_while(|b| *b != b'e')
        .filter(u8::is_ascii_digit)
        .count();
    let rounded = format!("{float:.*e}", digits.saturating_sub(1));
    if rounded.parse() == Ok(float) {
        shortest = rounded;
    }
    let Some((mantissa, exponent)) = shortest.split_once('e') else {
        return shortest;
    };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        return plain(mantissa, exponent);
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

/// Digits with the point where the exponent puts it.
fn plain(mantissa: &str, exponent: i32) -> String {
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let digits = digits.trim_end_matches('0');
    let Ok(whole) = usize::try_from(exponent + 1) else {
        let zeros = "0".repeat(exponent.unsigned_abs() as usize - 1);
        return format!("{sign}0.{zeros}{digits}");
    };
    if whole == 0 {
        return format!("{sign}0.{digits}");
    }
    let padded = format!("{digits:0<whole$}");
    let (whole, fraction) = padded.split_at(whole);
    format!("{sign}{whole}.{}", if fraction.is_empty() { "0" } else { fraction })
}

fn quoted(out: &mut String, text: &str) {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    out.push(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c if c < ' ' || ('\u{7f}'..='\u{a0}').contains(&c) || c == '\u{ad}' => {
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push(quote);
}

/// `datetime.date(2020, 9, 8)`.
fn timestamp(out: &mut String, text: &str) {
    let numbers = |text: &str| -> Vec<u32> {
        text.split(['-', ':', '.'])
            .filter_map(|part| part.parse().ok())
            .collect()
    };
    let list = |numbers: &[u32]| numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
    let Some((date, time)) = text.split_once(' ') else {
        let _ = write!(out, "datetime.date({})", list(&numbers(text)));
        return;
    };
    let (clock, zone) = match time.find(['+', '-']) {
        Some(at) => time.split_at(at),
        None => (time, ""),
    };
    let mut parts = numbers(date);
    let clock = numbers(clock);
    parts.extend(&clock[..clock.len().min(2)]);
    // Python leaves out seconds of zero when no microseconds follow.
    if clock.len() > 3 || clock.get(2).is_some_and(|second| *second != 0) {
        parts.extend(clock.iter().skip(2));
    }
    let _ = write!(out, "datetime.datetime({}", list(&parts));
    match zone {
        "" => {}
        "+00:00" => out.push_str(", tzinfo=datetime.timezone.utc"),
        zone => {
            let offset = numbers(&zone[1..]);
            let seconds = offset.iter().fold(0, |sum, part| sum * 60 + part) * 60;
            let delta = if zone.starts_with('-') {
                format!("days=-1, seconds={}", 86_400 - seconds)
            } else {
                format!("seconds={seconds}")
            };
            let _ = write!(out, ", tzinfo=datetime.timezone(datetime.timedelta({delta}))");
        }
    }
    out.push(')');
}
