//! Inputs and outputs.

use super::{
    coerce::{Standing, coerce},
    context::{Context, SIMPLE, What, is_simple, suggest},
};
use crate::{
    Entry, Mapping, Node, Value, codes,
    functions::is_function,
    template::{Input, Output},
    types::{PropertyDefinition, TypeKind, read_property},
    yaml::python_text,
};
use im_radl::{Diagnostic, Severity};
use indexmap::IndexMap;
use std::sync::Arc;

const FIELDS: &[&str] = &[
    "type",
    "description",
    "default",
    "constraints",
    "required",
    "status",
    "key_schema",
    "entry_schema",
];

pub(super) fn inputs(cx: &Context<'_>, section: &Mapping) -> IndexMap<Arc<str>, Input> {
    section
        .entries()
        .filter_map(|(name, entry)| Some((Arc::clone(name), input(cx, name, entry)?)))
        .collect()
}

fn input(cx: &Context<'_>, name: &Arc<str>, entry: &Entry) -> Option<Input> {
    let what = format!("the input `{name}`");
    let map = match &entry.value.value {
        Value::Map(map) => map,
        other => {
            let message = format!("{what} must be a mapping with a `type`, and this is {}", other.kind());
            cx.error(codes::SHAPE, message, entry.value.at);
            return None;
        }
    };
    cx.fields(map, "an input", FIELDS);
    let mut findings = Vec::new();
    let definition = read_property(name, &entry.value, entry.key_at, &mut findings);
    // The original looks neither at constraints nor at entries of inputs.
    if definition.is_some() {
        for found in &mut findings {
            found.severity = Severity::Warning;
        }
    }
    cx.push_in(entry.key_at.file, findings);
    let mut definition = definition?;
    definition.constraints.clear();
    check_type(cx, &what, &definition, map)?;
    let default = definition
        .default
        .clone()
        .map(|default| fit(cx, name, &definition, default));
    Some(Input {
        definition,
        default,
        at: entry.key_at,
    })
}

fn check_type(cx: &Context<'_>, what: &str, definition: &PropertyDefinition, map: &Mapping) -> Option<()> {
    let name = &*definition.type_name;
    if is_simple(name) || matches!(name, "PortDef" | "PortSpec") {
        return Some(());
    }
    let at = map.get("type").map(|node| node.at).unwrap_or_default();
    if cx.find(TypeKind::Data, name).is_some() {
        let message = format!("{what} has the type `{name}`, and the original only takes simple types");
        cx.warning(codes::RELAXED, message, at);
        return Some(());
    }
    let found = Diagnostic::error(
        codes::UNKNOWN_TYPE,
        format!("{what} has the type `{name}`, which is none"),
    );
    cx.push(suggest(found, name, SIMPLE.iter().copied()), at);
    None
}

/// The default as a value of its type.
fn fit(cx: &Context<'_>, name: &Arc<str>, definition: &PropertyDefinition, default: Node) -> Node {
    if default.value.is_falsy() && !matches!(&*definition.type_name, "integer" | "boolean" | "string") {
        return default;
    }
    if is_function(&default).is_some() {
        return default;
    }
    let what = What::new(name);
    let what = what.member(&"default");
    if &*definition.type_name == "string" {
        // What is written without quotes is often meant as it would be elsewhere: `no`, `22.04`.
        if default.as_str().is_none() {
            let message = format!("{what} should be text: put it between quotes");
            cx.warning(codes::RELAXED, message, default.at);
        }
        return default;
    }
    // The entries of lists and maps are not looked at.
    let flat = PropertyDefinition {
        entry: None,
        ..definition.clone()
    };
    let mut found = Vec::new();
    let made = coerce(cx, &default, &flat, Standing::Property, &what, &mut found);
    if default.value.is_falsy() {
        return made.unwrap_or(default);
    }
    cx.push_all(found);
    made.unwrap_or(default)
}

pub(super) fn outputs(cx: &Context<'_>, section: &Mapping) -> IndexMap<Arc<str>, Output> {
    let mut made = IndexMap::new();
    for (name, entry) in section.entries() {
        let what = format!("the output `{name}`");
        let Some(map) = entry.value.as_map() else {
            let message = format!(
                "{what} must be a mapping with a `value`, and this is {}",
                entry.value.value.kind()
            );
            cx.error(codes::SHAPE, message, entry.value.at);
            continue;
        };
        cx.fields(map, "an output", &["value", "description"]);
        let Some(value) = map.get("value") else {
            cx.error(codes::REQUIRED, format!("{what} has no `value`"), entry.key_at);
            continue;
        };
        let output = Output {
            value: value.clone(),
            description: map.get("description").map(|node| Arc::from(python_text(&node.value))),
            at: entry.key_at,
        };
        made.insert(Arc::clone(name), output);
    }
    made
}
