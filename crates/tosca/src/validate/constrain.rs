//! Whether values are as constraints want them.

use super::context::{Found, What};
use crate::{
    Node, Value, codes,
    types::{Constraint, ConstraintKind},
    units::{Quantity, UnitKind},
    yaml::python_text,
};
use im_radl::Diagnostic;
use std::cmp::Ordering;

/// Adds a finding for each constraint that the value does not meet.
pub(super) fn constrain(
    value: &Node,
    constraints: &[Constraint],
    type_name: &str,
    what: &What<'_>,
    found: &mut Vec<Found>,
) {
    for constraint in constraints {
        if let Some(rule) = broken(value, constraint, UnitKind::of_type(type_name)) {
            let message = format!(
                "{what} {rule}, and this is `{}`",
                super::coerce::short(&python_text(&value.value))
            );
            found.push((Diagnostic::error(codes::CONSTRAINT, message), value.at));
        }
    }
}

/// The rule, if the value breaks it. A constraint that cannot be applied breaks nothing.
fn broken(value: &Node, constraint: &Constraint, unit: Option<UnitKind>) -> Option<String> {
    let operand = &constraint.operand;
    let shown = || python_text(&operand.value);
    let order = |operand: &Node| compare(value, operand, unit);
    let length = || match &value.value {
        Value::Str(text) => Some(text.chars().count()),
        Value::Seq(items) => Some(items.len()),
        Value::Map(map) => Some(map.len()),
        _ => None,
    };
    let count = || operand.as_int().and_then(|int| usize::try_from(int).ok());
    let (ok, rule) = match constraint.kind {
        ConstraintKind::Equal => (same(value, operand, unit), format!("must be `{}`", shown())),
        ConstraintKind::GreaterThan => (
            order(operand)? == Ordering::Greater,
            format!("must be more than `{}`", shown()),
        ),
        ConstraintKind::GreaterOrEqual => (
            order(operand)? != Ordering::Less,
            format!("must be at least `{}`", shown()),
        ),
        ConstraintKind::LessThan => (
            order(operand)? == Ordering::Less,
            format!("must be less than `{}`", shown()),
        ),
        ConstraintKind::LessOrEqual => (
            order(operand)? != Ordering::Greater,
            format!("must be at most `{}`", shown()),
        ),
        ConstraintKind::InRange => {
            let [low, high] = operand.as_seq()? else { return None };
            (
                within(value, low, high, unit),
                format!("must be between {} and {}", text(low), text(high)),
            )
        }
        ConstraintKind::ValidValues => {
            let allowed = operand.as_seq()?;
            let names: Vec<String> = allowed.iter().map(text).collect();
            (
                allowed.iter().any(|allowed| same(value, allowed, unit)),
                format!("must be one of {}", names.join(", ")),
            )
        }
        ConstraintKind::Length => (length()? == count()?, format!("must have the length {}", shown())),
        ConstraintKind::MinLength => (
            length()? >= count()?,
            format!("must have a length of at least {}", shown()),
        ),
        ConstraintKind::MaxLength => (
            length()? <= count()?,
            format!("must have a length of at most {}", shown()),
        ),
        ConstraintKind::Pattern => {
            let pattern = regex::RegexBuilder::new(&format!("^(?:{})$", operand.as_str()?))
                .size_limit(1 << 20)
                .build()
                .ok()?;
            let text = value.as_str()?;
            (pattern.is_match(text), format!("must match `{}`", shown()))
        }
    };
    if ok { None } else { Some(rule) }
}

fn text(node: &Node) -> String {
    format!("`{}`", python_text(&node.value))
}

fn is_unbounded(node: &Node) -> bool {
    node.as_str() == Some("UNBOUNDED")
}

fn within(value: &Node, low: &Node, high: &Node, unit: Option<UnitKind>) -> bool {
    let inside = |value: &Node| {
        (is_unbounded(low) || compare(value, low, unit).is_none_or(|order| order != Ordering::Less))
            && (is_unbounded(high) || compare(value, high, unit).is_none_or(|order| order != Ordering::Greater))
    };
    match &value.value {
        // A range is inside if both its ends are.
        Value::Seq(ends) => ends.iter().all(|end| is_unbounded(end) || inside(end)),
        _ => inside(value),
    }
}

fn same(value: &Node, operand: &Node, unit: Option<UnitKind>) -> bool {
    compare(value, operand, unit).map_or_else(
        || value == operand || python_text(&value.value) == python_text(&operand.value),
        |order| order == Ordering::Equal,
    )
}

fn compare(value: &Node, operand: &Node, unit: Option<UnitKind>) -> Option<Ordering> {
    if let Some(unit) = unit {
        let measure = |node: &Node| Quantity::parse(unit, &python_text(&node.value)).map(Quantity::measure);
        return measure(value)?.partial_cmp(&measure(operand)?);
    }
    match (&value.value, &operand.value) {
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        _ => number(value)?.partial_cmp(&number(operand)?),
    }
}

fn number(node: &Node) -> Option<f64> {
    match &node.value {
        // Comparing with what documents write needs no more digits.
        #[allow(clippy::cast_precision_loss)]
        Value::Int(int) => Some(*int as f64),
        Value::Float(float) => Some(*float),
        _ => None,
    }
}
