//! Values become values of their types: what the original takes for one is taken, and comes out as one.
//!
//! Functions are left as they are: what they give is not known yet.

use super::{
    constrain::constrain,
    context::{Context, Found, What, suggest},
};
use crate::{
    Mapping, Node, Value, codes,
    functions::is_function,
    types::{Flat, PropertyDefinition, TypeKind},
    units::{Quantity, UnitKind},
    yaml::python_text,
};
use im_radl::Diagnostic;
use std::sync::Arc;

/// Where a value stands, which decides how strictly text is text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// A property of a node or a relationship: anything can become text.
    Property,
    /// A property of a capability: scalars can become text, `{equal: x}` stays, and so do versions and sizes as they
    /// are written.
    Capability,
    /// Within a list, a map or a data type: text is text.
    Inside,
}

/// Makes a value one of its type. Nothing if it cannot be one; then it is among the findings.
pub(super) fn coerce(
    cx: &Context<'_>,
    node: &Node,
    definition: &PropertyDefinition,
    standing: Standing,
    what: &What<'_>,
    found: &mut Vec<Found>,
) -> Option<Node> {
    if is_function(node).is_some() {
        return Some(node.clone());
    }
    let by_type = Of {
        cx,
        what,
        standing,
        entry: definition.entry.as_deref(),
    };
    let made = by_type.coerce(node, &definition.type_name, found)?;
    if matches!(made.value, Value::Map(_))
        && standing == Standing::Capability
        && definition.type_name.as_ref() == "string"
    {
        return Some(made);
    }
    constrain(&made, &definition.constraints, &definition.type_name, what, found);
    Some(made)
}

struct Of<'a> {
    cx: &'a Context<'a>,
    what: &'a What<'a>,
    standing: Standing,
    entry: Option<&'a PropertyDefinition>,
}

/// Bounds on nesting are those of YAML; data types that contain themselves end with the value.
impl Of<'_> {
    fn coerce(&self, node: &Node, type_name: &str, found: &mut Vec<Found>) -> Option<Node> {
        let value = match (type_name, &node.value) {
            ("string", _) => return self.string(node, found),
            ("integer", value) => match integer(value) {
                Some(value) => value,
                None => return self.wrong(node, "an integer", found),
            },
            ("float", Value::Float(float)) => Value::Float(*float),
            ("float", Value::Int(int)) => {
                let message = format!("{} should be a float: `{int}.0`", self.what);
                found.push((Diagnostic::warning(codes::RELAXED, message), node.at));
                // What is written as a number has few digits.
                #[allow(clippy::cast_precision_loss)]
                Value::Float(*int as f64)
            }
            ("float", _) => return self.wrong(node, "a float", found),
            ("number", value @ (Value::Int(_) | Value::Float(_))) => value.clone(),
            ("number", _) => return self.wrong(node, "a number", found),
            ("boolean", value) => match boolean(value) {
                Some(bool) => Value::Bool(bool),
                None => return self.wrong(node, "true or false", found),
            },
            ("version", value) => match version(value) {
                // `version: 12` of an operating system is no `12.0`.
                Some(_) if self.standing == Standing::Capability => Value::text(python_text(value)),
                Some(text) => Value::Str(text),
                None => return self.wrong(node, "a version such as 22.04 or 1.2.3", found),
            },
            ("timestamp", Value::Str(text) | Value::Timestamp(text)) => Value::Str(Arc::clone(text)),
            ("timestamp", _) => return self.wrong(node, "a date in text", found),
            ("range", Value::Seq(ends)) if is_range(ends) => node.value.clone(),
            ("range", _) => {
                return self.wrong(
                    node,
                    "a list of two numbers, the second not below the first; it may be UNBOUNDED",
                    found,
                );
            }
            ("list", Value::Seq(items)) => Value::Seq(self.list(items, found)?),
            ("list", _) => return self.wrong(node, "a list", found),
            ("map", Value::Map(map)) => Value::Map(self.map(map, found)?),
            ("map", Value::Seq(_)) => return self.wrong(node, "a mapping: give each of them a name", found),
            ("map", _) => return self.wrong(node, "a mapping", found),
            _ => match UnitKind::of_type(type_name) {
                Some(kind) => return self.quantity(node, kind, found),
                None => return self.data(node, type_name, found),
            },
        };
        Some(Node::new(value, node.at))
    }

    fn wrong(&self, node: &Node, expected: &str, found: &mut Vec<Found>) -> Option<Node> {
        let is = match &node.value {
            Value::Seq(_) | Value::Map(_) | Value::Null => node.value.kind().to_owned(),
            value => format!("{}, `{}`", value.kind(), short(&python_text(value))),
        };
        let message = format!("{} must be {expected}, and this is {is}", self.what);
        found.push((Diagnostic::error(codes::VALUE, message), node.at));
        None
    }

    fn string(&self, node: &Node, found: &mut Vec<Found>) -> Option<Node> {
        let value = match (&node.value, self.standing) {
            // Comparisons such as `{equal: x86_64}` are looked at when they are converted.
            (Value::Str(_), _) | (Value::Map(_) | Value::Seq(_), Standing::Capability) => return Some(node.clone()),
            (_, Standing::Inside) => return self.wrong(node, "text (put it between quotes)", found),
            (value, _) => Value::text(python_text(value)),
        };
        Some(Node::new(value, node.at))
    }

    fn quantity(&self, node: &Node, kind: UnitKind, found: &mut Vec<Found>) -> Option<Node> {
        let text = python_text(&node.value);
        let Some(quantity) = Quantity::parse(kind, &text) else {
            let message = format!(
                "{} must be a number with a unit, and this is `{}`",
                self.what,
                short(&text)
            );
            let hint = format!("units are: {}", kind.names());
            found.push((Diagnostic::error(codes::UNIT, message).hint(hint), node.at));
            return None;
        };
        if quantity.other_case {
            let message = format!("the unit of {} should be written `{}`", self.what, quantity.unit());
            found.push((Diagnostic::warning(codes::UNIT_CASE, message), node.at));
        }
        if quantity.trailing {
            let message = format!("what follows `{quantity}` in {} means nothing", self.what);
            found.push((Diagnostic::warning(codes::SUSPICIOUS, message), node.at));
        }
        let text = if self.standing == Standing::Capability {
            text
        } else {
            quantity.to_string()
        };
        Some(Node::text(text, node.at))
    }

    fn list(&self, items: &[Node], found: &mut Vec<Found>) -> Option<Vec<Node>> {
        let Some(entry) = self.entry else {
            return Some(items.to_vec());
        };
        let before = found.len();
        let made: Vec<Node> = items
            .iter()
            .enumerate()
            .filter_map(|(index, item)| {
                let what = self.what.member(&index);
                coerce(self.cx, item, entry, Standing::Inside, &what, found)
            })
            .collect();
        if has_error(&found[before..]) { None } else { Some(made) }
    }

    fn map(&self, map: &Mapping, found: &mut Vec<Found>) -> Option<Mapping> {
        let Some(entry) = self.entry else {
            return Some(map.clone());
        };
        let before = found.len();
        let mut made = map.clone();
        for (name, value) in made.iter_mut() {
            let what = self.what.member(name);
            if let Some(coerced) = coerce(self.cx, value, entry, Standing::Inside, &what, found) {
                *value = coerced;
            }
        }
        if has_error(&found[before..]) { None } else { Some(made) }
    }

    /// A value of a type that `data_types` defines.
    fn data(&self, node: &Node, type_name: &str, found: &mut Vec<Found>) -> Option<Node> {
        let Some(flat) = self.cx.find(TypeKind::Data, type_name) else {
            self.cx.unknown_type(TypeKind::Data, type_name, node.at);
            return None;
        };
        let simple = flat.base.clone().or_else(|| {
            let last = flat
                .chain
                .last()
                .and_then(|name| self.cx.types.get(TypeKind::Data, name))?;
            last.derived_from
                .clone()
                .filter(|parent| super::context::is_simple(parent))
        });
        let made = match simple {
            Some(base) => self.coerce(node, &base, found)?,
            None => self.members(node, &flat, found)?,
        };
        constrain(&made, &flat.constraints, type_name, self.what, found);
        if type_name == "PortSpec" {
            const ANY: [&str; 4] = ["source", "target", "source_range", "target_range"];
            if made
                .as_map()
                .is_some_and(|map| !ANY.iter().any(|key| map.contains(key)))
            {
                let message = format!("{} needs one of {}", self.what, ANY.join(", "));
                found.push((Diagnostic::error(codes::VALUE, message), node.at));
                return None;
            }
        }
        Some(made)
    }

    fn members(&self, node: &Node, flat: &Flat, found: &mut Vec<Found>) -> Option<Node> {
        let Value::Map(map) = &node.value else {
            let expected = format!("a mapping, as `{}` is one", flat.definition.name);
            return self.wrong(node, &expected, found);
        };
        let before = found.len();
        let mut made = Mapping::new();
        for (name, entry) in map.entries() {
            let what = self.what.member(name);
            let Some(definition) = flat.properties.get(name) else {
                if flat.properties.is_empty() {
                    made.insert_entry(Arc::clone(name), entry.clone());
                    continue;
                }
                let message = format!(
                    "`{}` has no member `{name}`, which {} has",
                    flat.definition.name, self.what
                );
                let error = Diagnostic::error(codes::UNKNOWN_PROPERTY, message);
                let error = suggest(error, name, flat.properties.keys().map(|name| &**name));
                found.push((error, entry.key_at));
                continue;
            };
            if entry.value.is_null() && !definition.required {
                continue;
            }
            if let Some(value) = coerce(self.cx, &entry.value, definition, Standing::Inside, &what, found) {
                made.insert_entry(Arc::clone(name), crate::Entry { value, ..entry.clone() });
            }
        }
        for (name, definition) in &flat.properties {
            if made.contains(name) || map.contains(name) {
                continue;
            }
            match &definition.default {
                Some(default) if !default.value.is_falsy() => {
                    made.insert(Arc::clone(name), default.clone());
                }
                None if definition.required => {
                    let message = format!("{} needs a `{name}`", self.what);
                    let hint = format!("it is a `{}`", definition.type_name);
                    found.push((Diagnostic::error(codes::MISSING_PROPERTY, message).hint(hint), node.at));
                }
                _ => {}
            }
        }
        if has_error(&found[before..]) {
            return None;
        }
        Some(Node::new(Value::Map(made), node.at))
    }
}

fn has_error(found: &[Found]) -> bool {
    found.iter().any(|(found, _)| found.is_error())
}

/// A text that fits into a message.
pub(super) fn short(text: &str) -> String {
    const MOST: usize = 60;
    let line = text.lines().next().unwrap_or_default();
    if line.len() == text.len() && line.chars().count() <= MOST {
        line.to_owned()
    } else {
        line.chars().take(MOST).chain("...".chars()).collect()
    }
}

/// What Python's `int()` makes of a value; a boolean stays one.
pub(super) fn integer(value: &Value) -> Option<Value> {
    match value {
        Value::Bool(_) | Value::Int(_) => Some(value.clone()),
        Value::Float(float) if float.is_finite() && float.abs() < 1e30 => {
            // The fraction is cut off, as Python does; the bound is checked above.
            #[allow(clippy::cast_possible_truncation)]
            let int = *float as i128;
            Some(Value::Int(int))
        }
        Value::Str(text) => {
            let text = text.trim();
            let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
            let grouped = !digits.is_empty()
                && digits
                    .split('_')
                    .all(|group| !group.is_empty() && group.bytes().all(|b| b.is_ascii_digit()));
            if !grouped {
                return None;
            }
            text.replace('_', "").parse().ok().map(Value::Int)
        }
        _ => None,
    }
}

fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(bool) => Some(*bool),
        Value::Str(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::Str(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// `major[.minor[.fix[.qualifier[-build]]]]`; a lone major gets `.0`.
fn version(value: &Value) -> Option<Arc<str>> {
    let text = match value {
        Value::Str(text) => text.trim().to_owned(),
        Value::Int(_) | Value::Float(_) => python_text(value),
        _ => return None,
    };
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let mut parts = text.splitn(4, '.');
    let major = parts.next().filter(|part| number(part))?;
    let rest: Vec<&str> = parts.collect();
    if !rest.iter().take(2).all(|part| number(part)) {
        return None;
    }
    if let Some(last) = rest.get(2) {
        let (qualifier, build) = last.split_once('-').map_or((*last, None), |(q, b)| (q, Some(b)));
        let named = !qualifier.is_empty() && qualifier.bytes().all(|b| b.is_ascii_alphanumeric());
        if !named || build.is_some_and(|build| !number(build)) {
            return None;
        }
    }
    Some(if rest.is_empty() {
        Arc::from(format!("{major}.0"))
    } else {
        Arc::from(text)
    })
}

fn is_range(ends: &[Node]) -> bool {
    let end = |node: &Node| match &node.value {
        Value::Int(int) => Some(Some(*int)),
        Value::Str(text) if &**text == "UNBOUNDED" => Some(None),
        _ => None,
    };
    match ends {
        [first, last] => match (end(first), end(last)) {
            (Some(Some(first)), Some(Some(last))) => first <= last,
            (Some(_), Some(_)) => true,
            _ => false,
        },
        _ => false,
    }
}
