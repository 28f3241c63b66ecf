//! What a plain scalar means by YAML 1.1, rule for rule as `PyYAML` resolves and builds it.

use super::Value;
use std::{fmt::Write as _, sync::Arc};

/// What a plain scalar means. The error says why a text that looks like a number or a date is none.
pub fn resolve(text: &str) -> Result<Value, &'static str> {
    let Some(first) = text.bytes().next() else {
        return Ok(Value::Null);
    };
    match first {
        b'~' | b'n' | b'N' if is_null(text) => Ok(Value::Null),
        b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' => {
            Ok(bool_of(text).map_or_else(|| Value::text(text), Value::Bool))
        }
        b'-' | b'+' | b'.' | b'0'..=b'9' => number(text),
        _ => Ok(Value::text(text)),
    }
}

fn number(text: &str) -> Result<Value, &'static str> {
    if is_float(text) {
        return float_of(text).map(Value::Float).ok_or("it is no float");
    }
    if is_int(text) {
        return int_of(text).map(Value::Int);
    }
    if text.as_bytes()[0].is_ascii_digit()
        && let Some(parts) = Time::split(text)
    {
        return parts.write().map(Value::Timestamp);
    }
    Ok(Value::text(text))
}

/// The value of a scalar that a tag says is of a type of the YAML schema.
pub(super) fn tagged(tag: &str, text: &str) -> Result<Value, &'static str> {
    match tag {
        "str" => Ok(Value::text(text)),
        "null" => Ok(Value::Null),
        "bool" => match text.to_ascii_lowercase().as_str() {
            "yes" | "true" | "on" => Ok(Value::Bool(true)),
            "no" | "false" | "off" => Ok(Value::Bool(false)),
            _ => Err("it is no boolean"),
        },
        "int" => int_of(text).map(Value::Int),
        "float" => float_of(text).map(Value::Float).ok_or("it is no float"),
        "timestamp" => Time::split(text).ok_or("it is no date")?.write().map(Value::Timestamp),
        _ => Err("it is no scalar of YAML"),
    }
}

fn is_null(text: &str) -> bool {
    matches!(text, "~" | "null" | "Null" | "NULL")
}

fn bool_of(text: &str) -> Option<bool> {
    match text {
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Some(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

fn unsigned(text: &str) -> &str {
    text.strip_prefix(['-', '+']).unwrap_or(text)
}

fn all(text: &str, allowed: impl Fn(u8) -> bool) -> bool {
    text.bytes().all(allowed)
}

fn digit_or_line(byte: u8) -> bool {
    byte.is_ascii_digit() || byte == b'_'
}

/// `:` and a number below 60, once or more.
fn sixties(text: &str) -> bool {
    let mut parts = text.split(':');
    parts.next() == Some("")
        && parts.clone().next().is_some()
        && parts.all(|part| match part.as_bytes() {
            [one] => one.is_ascii_digit(),
            [ten, one] => (b'0'..=b'5').contains(ten) && one.is_ascii_digit(),
            _ => false,
        })
}

fn is_int(text: &str) -> bool {
    let text = unsigned(text);
    if let Some(rest) = text.strip_prefix("0b") {
        return !rest.is_empty() && all(rest, |b| matches!(b, b'0' | b'1' | b'_'));
    }
    if let Some(rest) = text.strip_prefix("0x") {
        return !rest.is_empty() && all(rest, |b| b.is_ascii_hexdigit() || b == b'_');
    }
    if let Some(rest) = text.strip_prefix('0') {
        return all(rest, |b| matches!(b, b'0'..=b'7' | b'_'));
    }
    let head = text.bytes().take_while(|b| digit_or_line(*b)).count();
    if head == 0 || !text.as_bytes()[0].is_ascii_digit() {
        return false;
    }
    head == text.len() || sixties(&text[head..])
}

/// The number of a text that is an integer by its form or its tag.
fn int_of(text: &str) -> Result<i128, &'static str> {
    const BAD: &str = "it is no integer";
    const BIG: &str = "the integer is too large";
    let clean: String = text.chars().filter(|c| *c != '_').collect();
    let negative = clean.starts_with('-');
    let digits = unsigned(&clean);
    let radix = |digits: &str, radix: u32| {
        if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
            return Err(BAD);
        }
        i128::from_str_radix(digits, radix).map_err(|_| BIG)
    };
    let value = if digits == "0" {
        0
    } else if let Some(rest) = digits.strip_prefix("0b") {
        radix(rest, 2)?
    } else if let Some(rest) = digits.strip_prefix("0x") {
        radix(rest, 16)?
    } else if digits.starts_with('0') {
        radix(digits, 8)?
    } else if digits.contains(':') {
        digits.split(':').try_fold(0_i128, |sum, part| {
            let part = radix(part, 10)?;
            sum.checked_mul(60).and_then(|sum| sum.checked_add(part)).ok_or(BIG)
        })?
    } else {
        radix(digits, 10)?
    };
    Ok(if negative { -value } else { value })
}

fn exponent(text: &str) -> bool {
    text.strip_prefix(['e', 'E'])
        .and_then(|rest| rest.strip_prefix(['-', '+']))
        .is_some_and(|digits| !digits.is_empty() && all(digits, |b| b.is_ascii_digit()))
}

fn is_float(text: &str) -> bool {
    if matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let signless = unsigned(text);
    if matches!(signless, ".inf" | ".Inf" | ".INF") {
        return true;
    }
    if let Some(rest) = text.strip_prefix('.') {
        let digits = rest.bytes().take_while(|b| digit_or_line(*b)).count();
        return rest.as_bytes().first().is_some_and(u8::is_ascii_digit)
            && (digits == rest.len() || exponent(&rest[digits..]));
    }
    if !signless.as_bytes().first().is_some_and(u8::is_ascii_digit) {
        return false;
    }
    let Some((whole, rest)) = signless.split_once('.') else {
        return false;
    };
    let digits = rest.bytes().take_while(|b| digit_or_line(*b)).count();
    let head = whole.bytes().take_while(|b| digit_or_line(*b)).count();
    if head == whole.len() {
        digits == rest.len() || exponent(&rest[digits..])
    } else {
        sixties(&whole[head..]) && digits == rest.len()
    }
}

/// The number of a text that is a float by its form or its tag.
fn float_of(text: &str) -> Option<f64> {
    let clean: String = text
        .chars()
        .filter(|c| *c != '_')
        .map(|c| c.to_ascii_lowercase())
        .collect();
    let negative = clean.starts_with('-');
    let digits = unsigned(&clean);
    let plain = |text: &str| {
        let ok = !text.is_empty() && all(text, |b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'-' | b'+'));
        if ok { text.parse::<f64>().ok() } else { None }
    };
    let value = match digits {
        ".inf" => f64::INFINITY,
        ".nan" => return Some(f64::NAN),
        _ if digits.contains(':') => digits
            .split(':')
            .rev()
            .try_fold((0.0, 1.0), |(sum, base), part| {
                plain(part).map(|part| (sum + part * base, base * 60.0))
            })
            .map(|(sum, _)| sum)?,
        _ => plain(digits)?,
    };
    Some(if negative { -value } else { value })
}

/// The parts of a date, or of a date with a time.
struct Time<'a> {
    date: [&'a str; 3],
    clock: Option<Clock<'a>>,
}

struct Clock<'a> {
    parts: [&'a str; 3],
    fraction: &'a str,
    /// Nothing, `Z`, or a sign, hours and minutes.
    zone: Option<(u8, &'a str, &'a str)>,
}

fn digits(text: &str, least: usize, most: usize) -> Option<(&str, &str)> {
    let count = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
    if count < least {
        None
    } else {
        Some(text.split_at(count))
    }
}

impl<'a> Time<'a> {
    fn split(text: &'a str) -> Option<Self> {
        let (year, rest) = digits(text, 4, 4)?;
        let (month, rest) = digits(rest.strip_prefix('-')?, 1, 2)?;
        let (day, rest) = digits(rest.strip_prefix('-')?, 1, 2)?;
        let date = [year, month, day];
        let short = month.len() == 1 || day.len() == 1;
        if rest.is_empty() {
            return if short { None } else { Some(Self { date, clock: None }) };
        }
        let rest = if let Some(rest) = rest.strip_prefix(['T', 't']) {
            rest
        } else {
            let trimmed = rest.trim_start_matches([' ', '\t']);
            if trimmed.len() == rest.len() {
                return None;
            }
            trimmed
        };
        let (hour, rest) = digits(rest, 1, 2)?;
        let (minute, rest) = digits(rest.strip_prefix(':')?, 2, 2)?;
        let (second, rest) = digits(rest.strip_prefix(':')?, 2, 2)?;
        let (fraction, rest) = match rest.strip_prefix('.') {
            Some(rest) => digits(rest, 0, usize::MAX)?,
            None => ("", rest),
        };
        let zone = match rest.trim_start_matches([' ', '\t']) {
            "" if rest.is_empty() => None,
            "Z" => Some((b'Z', "", "")),
            zone => {
                let sign = *zone.as_bytes().first()?;
                let (hours, rest) = digits(zone.strip_prefix(['-', '+'])?, 1, 2)?;
                let minutes = match rest.strip_prefix(':') {
                    Some(rest) if rest.len() == 2 && all(rest, |b| b.is_ascii_digit()) => rest,
                    None if rest.is_empty() => "",
                    _ => return None,
                };
                Some((sign, hours, minutes))
            }
        };
        Some(Self {
            date,
            clock: Some(Clock {
                parts: [hour, minute, second],
                fraction,
                zone,
            }),
        })
    }

    /// As Python writes it.
    fn write(&self) -> Result<Arc<str>, &'static str> {
        const BAD: &str = "there is no such date";
        let part = |text: &str| text.parse::<u32>().map_err(|_| BAD);
        let [year, month, day] = [part(self.date[0])?, part(self.date[1])?, part(self.date[2])?];
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let last = match month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 if leap => 29,
            2 => 28,
            _ => return Err(BAD),
        };
        if year == 0 || day == 0 || day > last {
            return Err(BAD);
        }
        let mut out = format!("{year:04}-{month:02}-{day:02}");
        if let Some(clock) = &self.clock {
            let [hour, minute, second] = [part(clock.parts[0])?, part(clock.parts[1])?, part(clock.parts[2])?];
            if hour > 23 || minute > 59 || second > 59 {
                return Err("there is no such time of day");
            }
            let _ = write!(out, " {hour:02}:{minute:02}:{second:02}");
            let micros = &clock.fraction[..clock.fraction.len().min(6)];
            if micros.bytes().any(|b| b != b'0') {
                let _ = write!(out, ".{micros:0<6}");
            }
            match clock.zone {
                None => {}
                Some((b'Z', ..)) => out.push_str("+00:00"),
                Some((sign, hours, minutes)) => {
                    let minutes = if minutes.is_empty() { 0 } else { part(minutes)? };
                    let total = part(hours)? * 60 + minutes;
                    if total >= 24 * 60 {
                        return Err("there is no such time zone");
                    }
                    let sign = if total == 0 { '+' } else { char::from(sign) };
                    let _ = write!(out, "{sign}{:02}:{:02}", total / 60, total % 60);
                }
            }
        }
        Ok(Arc::from(out))
    }
}
