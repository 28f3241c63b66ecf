//! Values as the conversion needs them: text, numbers, sizes, yes and no.

use crate::{Node, Value, yaml::python_text};
use im_radl::{Number, Op};

/// As text, `True` and `20.1` as Python writes them.
pub(super) fn text(node: &Node) -> String {
    python_text(&node.value)
}

/// As a number; text counts if it is one.
pub(super) fn number(node: &Node) -> Option<Number> {
    match &node.value {
        Value::Int(int) => i64::try_from(*int).ok().map(Number::Int),
        Value::Float(float) if float.is_finite() => Some(Number::Float(*float)),
        Value::Str(text) => {
            let text = text.trim();
            let float = || {
                text.parse()
                    .ok()
                    .filter(|float: &f64| float.is_finite())
                    .map(Number::Float)
            };
            text.parse().ok().map(Number::Int).or_else(float)
        }
        _ => None,
    }
}

/// As a whole number.
pub(super) fn integer(node: &Node) -> Option<i64> {
    match number(node)? {
        Number::Int(int) => Some(int),
        Number::Float(float) if float.fract() == 0.0 => Some(Number::Float(float).as_i64()),
        Number::Float(_) => None,
    }
}

/// As yes or no.
pub(super) fn boolean(node: &Node) -> Option<bool> {
    match &node.value {
        Value::Bool(bool) => Some(*bool),
        Value::Str(text) if text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("yes") => Some(true),
        Value::Str(text) if text.eq_ignore_ascii_case("false") || text.eq_ignore_ascii_case("no") => Some(false),
        _ => None,
    }
}

/// As RADL writes yes and no.
pub(super) fn yes_no(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}

const SIZES: [(&str, f64); 9] = [
    ("b", 1.0),
    ("kb", 1e3),
    ("kib", 1024.0),
    ("mb", 1e6),
    ("mib", 1_048_576.0),
    ("gb", 1e9),
    ("gib", 1_073_741_824.0),
    ("tb", 1e12),
    ("tib", 1_099_511_627_776.0),
];

const FREQUENCIES: [(&str, f64); 4] = [("hz", 1.0), ("khz", 1e3), ("mhz", 1e6), ("ghz", 1e9)];

/// Bytes of a size such as `2 GB`, rounded to a whole number. What follows the unit is ignored, as the original does.
pub(super) fn bytes(node: &Node) -> Option<i64> {
    scaled(node, &SIZES)
}

/// Hertz of a frequency such as `2.2 GHz`.
pub(super) fn hertz(node: &Node) -> Option<i64> {
    scaled(node, &FREQUENCIES)
}

#[allow(clippy::cast_possible_truncation)] // Saturates.
fn scaled(node: &Node, units: &[(&str, f64)]) -> Option<i64> {
    let text = text(node);
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let value: f64 = text.get(..digits)?.parse().ok()?;
    let unit = text.get(digits..)?.trim_start();
    let end = unit.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(unit.len());
    let unit = unit.get(..end)?.to_ascii_lowercase();
    // The longest unit that it begins with.
    let (_, factor) = units
        .iter()
        .filter(|(name, _)| unit.starts_with(name))
        .max_by_key(|(name, _)| name.len())?;
    Some((value * factor).round() as i64)
}

/// `{greater_than: 2}` as `> 2`.
pub(super) fn comparison(node: &Node) -> Option<(Op, &Node)> {
    let (name, entry) = node.single()?;
    let op = match &**name {
        "equal" => Op::Eq,
        "greater_than" => Op::Gt,
        "greater_or_equal" => Op::Ge,
        "less_than" => Op::Lt,
        "less_or_equal" => Op::Le,
        _ => return None,
    };
    Some((op, &entry.value))
}

/// Text that is there and not empty.
pub(crate) fn filled(node: Option<Node>) -> Option<String> {
    let text = text(&node.filter(|node| !node.is_null())?);
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(text: &str) -> Node {
        Value::text(text).into()
    }

    #[test]
    fn sizes() {
        for (text, size) in [
            ("2 GB", Some(2_000_000_000)),
            ("10GB", Some(10_000_000_000)),
            ("1.3333 GiB", Some(1_431_619_974)),
            ("2 gb", Some(2_000_000_000)),
            ("512MB", Some(512_000_000)),
            ("0 GiB", Some(0)),
            ("4 kB", Some(4_000)),
            ("5 B", Some(5)),
            ("5", None),
            ("5 G", None),
            ("-5 GB", None),
            ("", None),
        ] {
            assert_eq!(bytes(&node(text)), size, "{text}");
        }
        assert_eq!(hertz(&node("2.2 GHz")), Some(2_200_000_000));
    }

    #[test]
    fn numbers() {
        assert_eq!(number(&node(" 2 ")), Some(Number::Int(2)));
        assert_eq!(number(&node("0.5")), Some(Number::Float(0.5)));
        assert_eq!(number(&node("two")), None);
        assert_eq!(number(&node("inf")), None);
        assert_eq!(integer(&Value::Float(2.0).into()), Some(2));
        assert_eq!(integer(&Value::Float(2.5).into()), None);
        assert_eq!(boolean(&node("TRUE")), Some(true));
        assert_eq!(boolean(&node("maybe")), None);
    }
}
