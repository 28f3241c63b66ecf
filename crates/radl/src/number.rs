//! Numbers, operators, units and numeric intervals.
//!
//! Never rounds an integer that fits: products of a value and its unit are computed wider than either.

use serde::{Deserialize, Serialize};
use std::{cmp::Ordering, fmt};

/// A number as written: with a point it is a float.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Number {
    /// Without a point.
    Int(i64),
    /// With a point.
    Float(f64),
}

impl Number {
    /// As a float.
    #[allow(clippy::cast_precision_loss)] // What a float is for.
    pub fn as_f64(self) -> f64 {
        match self {
            Self::Int(value) => value as f64,
            Self::Float(value) => value,
        }
    }

    /// As an integer, rounded half to even.
    #[allow(clippy::cast_possible_truncation)] // Saturates, which is the nearest answer.
    pub fn as_i64(self) -> i64 {
        match self {
            Self::Int(value) => value,
            Self::Float(value) => value.round_ties_even() as i64,
        }
    }

    /// Times the first factor, divided by the second. An integer stays one.
    #[must_use]
    #[allow(clippy::cast_precision_loss)] // Factors are below 2^53.
    pub fn scaled(self, by: i64, over: i64) -> Number {
        match self {
            Self::Int(value) => {
                let product = i128::from(value) * i128::from(by);
                let over = i128::from(over.max(1));
                let (quotient, rest) = (product.div_euclid(over), product.rem_euclid(over));
                let up = match (rest * 2).cmp(&over) {
                    Ordering::Less => 0,
                    Ordering::Equal => quotient.rem_euclid(2),
                    Ordering::Greater => 1,
                };
                let rounded = quotient + up;
                let bound = if rounded < 0 { i64::MIN } else { i64::MAX };
                Self::Int(i64::try_from(rounded).unwrap_or(bound))
            }
            Self::Float(value) => Self::Float(value * by as f64 / over.max(1) as f64),
        }
    }

    fn cmp_scaled(self, own: i64, other: Number, its: i64) -> Ordering {
        if let (Self::Int(a), Self::Int(b)) = (self, other) {
            return (i128::from(a) * i128::from(own)).cmp(&(i128::from(b) * i128::from(its)));
        }
        let (a, b) = (self.scaled(own, 1).as_f64(), other.scaled(its, 1).as_f64());
        a.partial_cmp(&b).unwrap_or(Ordering::Equal)
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(value) => write!(f, "{value}"),
            Self::Float(value) if value.fract() == 0.0 => write!(f, "{value}.0"),
            Self::Float(value) => write!(f, "{value}"),
        }
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<f64> for Number {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

/// How a feature compares with its value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Op {
    /// `=`
    #[default]
    #[serde(rename = "=")]
    Eq,
    /// `<`
    #[serde(rename = "<")]
    Lt,
    /// `<=`
    #[serde(rename = "<=")]
    Le,
    /// `>`
    #[serde(rename = ">")]
    Gt,
    /// `>=`
    #[serde(rename = ">=")]
    Ge,
}

impl Op {
    /// As written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Eq => "=",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The factor of a unit: letter case is ignored, and so is one `B` at the end. Units that are not sizes count as 1.
pub fn unit_factor(unit: &str) -> i64 {
    let unit = unit.strip_suffix(['b', 'B']).unwrap_or(unit);
    let is = |name: &str| unit.eq_ignore_ascii_case(name);
    match unit.len() {
        1 if is("k") => 1_000,
        1 if is("m") => 1_000_000,
        1 if is("g") => 1_000_000_000,
        1 if is("t") => 1_000_000_000_000,
        2 if is("ki") => 1 << 10,
        2 if is("mi") => 1 << 20,
        2 if is("gi") => 1 << 30,
        2 if is("ti") => 1 << 40,
        _ => 1,
    }
}

/// One end of an interval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct End {
    /// The operator it was given with; kept for printing, not for comparing.
    pub op: Op,
    /// The number.
    pub value: Number,
    /// Its unit, empty when it has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub unit: String,
}

impl End {
    fn cmp(&self, other: &End) -> Ordering {
        self.value
            .cmp_scaled(unit_factor(&self.unit), other.value, unit_factor(&other.unit))
    }

    /// The number in another unit.
    pub fn value_in(&self, unit: &str) -> Number {
        let (own, asked) = (unit_factor(&self.unit), unit_factor(unit));
        if own == asked {
            self.value
        } else {
            self.value.scaled(own, asked)
        }
    }
}

/// What a numeric feature may be: from one end to the other, both included.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The smallest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lower: Option<End>,
    /// The largest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upper: Option<End>,
}

impl Interval {
    /// Of one comparison.
    pub fn new(op: Op, value: Number, unit: impl Into<String>) -> Self {
        let end = End {
            op,
            value,
            unit: unit.into(),
        };
        match op {
            Op::Eq => Self {
                lower: Some(end.clone()),
                upper: Some(end),
            },
            Op::Lt | Op::Le => Self {
                lower: None,
                upper: Some(end),
            },
            Op::Gt | Op::Ge => Self {
                lower: Some(end),
                upper: None,
            },
        }
    }

    /// The end that reading takes: the lower one if there is one.
    pub fn read(&self) -> Option<&End> {
        self.lower.as_ref().or(self.upper.as_ref())
    }

    /// The one end, when a single `=` says it all.
    pub fn exact(&self) -> Option<&End> {
        match (&self.lower, &self.upper) {
            (Some(lower), Some(upper)) if lower == upper && lower.op == Op::Eq => Some(lower),
            _ => None,
        }
    }

    /// The ends, each once: what is printed and checked.
    pub fn ends(&self) -> impl Iterator<Item = &End> {
        let upper = if self.exact().is_some() {
            None
        } else {
            self.upper.as_ref()
        };
        self.lower.iter().chain(upper)
    }

    /// What lies in both, if anything does.
    #[must_use]
    pub fn intersect(&self, other: &Interval) -> Option<Interval> {
        let met = Interval {
            lower: tighter(self.lower.as_ref(), other.lower.as_ref(), Ordering::Greater),
            upper: tighter(self.upper.as_ref(), other.upper.as_ref(), Ordering::Less),
        };
        match (&met.lower, &met.upper) {
            (Some(lower), Some(upper)) if lower.cmp(upper) == Ordering::Greater => None,
            _ => Some(met),
        }
    }
}

/// The tighter of two ends. Of equal ones the exact one, else the first.
fn tighter(old: Option<&End>, new: Option<&End>, wins: Ordering) -> Option<End> {
    let (Some(old), Some(new)) = (old, new) else {
        return old.or(new).cloned();
    };
    let order = new.cmp(old);
    let take_new = order == wins || (order == Ordering::Equal && new.op == Op::Eq && old.op != Op::Eq);
    Some(if take_new { new } else { old }.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(op: Op, value: i64, unit: &str) -> Interval {
        Interval::new(op, Number::Int(value), unit)
    }

    #[test]
    fn units() {
        for (unit, factor) in [
            ("", 1),
            ("B", 1),
            ("k", 1000),
            ("KB", 1000),
            ("KiB", 1024),
            ("gi", 1 << 30),
            ("m", 1_000_000),
            ("TI", 1 << 40),
            ("ECU", 1),
            ("BB", 1),
        ] {
            assert_eq!(unit_factor(unit), factor, "{unit}");
        }
    }

    #[test]
    fn reading_in_units() {
        assert_eq!(Number::Int(512).scaled(1_000_000, 1), Number::Int(512_000_000));
        assert_eq!(Number::Int(1500).scaled(1, 1000), Number::Int(2));
        assert_eq!(Number::Int(2500).scaled(1, 1000), Number::Int(2));
        assert_eq!(Number::Float(1.5).scaled(1 << 30, 1), Number::Float(1_610_612_736.0));
        assert_eq!(Number::Int(i64::MAX).scaled(1000, 1), Number::Int(i64::MAX));
    }

    #[test]
    fn intervals_meet_across_units() {
        let met = interval(Op::Ge, 1, "G")
            .intersect(&interval(Op::Le, 2048, "M"))
            .unwrap();
        assert_eq!(met.read().unwrap().value_in(""), Number::Int(1_000_000_000));
        assert!(interval(Op::Ge, 4, "").intersect(&interval(Op::Le, 2, "")).is_none());
        assert!(interval(Op::Ge, 2, "").intersect(&interval(Op::Eq, 1, "")).is_none());
        assert!(interval(Op::Gt, 2, "").intersect(&interval(Op::Eq, 2, "")).is_some());
        let two = interval(Op::Le, 4, "").intersect(&interval(Op::Eq, 2, "")).unwrap();
        assert_eq!(two.exact().unwrap().value, Number::Int(2));
    }

    #[test]
    fn floats_print_with_a_point() {
        assert_eq!(Number::Float(1.0).to_string(), "1.0");
        assert_eq!(Number::Float(1e22).to_string(), "10000000000000000000000.0");
        assert_eq!(Number::Float(0.1).to_string(), "0.1");
    }
}
