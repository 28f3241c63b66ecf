//! Properties of anything that has a type: known ones, of their types, none missing.

use super::{
    coerce::{Standing, coerce},
    context::{Context, What, suggest},
};
use crate::{Mapping, Node, Place, codes, template::Values, types::Definitions};
use im_radl::Diagnostic;
use std::sync::Arc;

/// What happens if a required property has no value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// The document is refused.
    Refused,
    /// It is accepted, with a warning.
    Relaxed,
}

/// What properties belong to.
pub(super) struct Owner<'a> {
    pub(super) what: What<'a>,
    /// The name of its type.
    pub(super) type_name: &'a str,
    pub(super) at: Place,
    pub(super) standing: Standing,
    pub(super) missing: Missing,
}

/// The values of a document, coerced, in its order. A type without properties takes any.
pub(super) fn given(cx: &Context<'_>, owner: &Owner<'_>, definitions: &Definitions, written: &Mapping) -> Values {
    let mut values = Values::new();
    for (name, entry) in written.entries() {
        let Some(definition) = definitions.get(name) else {
            if definitions.is_empty() {
                values.insert(Arc::clone(name), entry.value.clone());
                continue;
            }
            let message = format!(
                "`{}` has no property `{name}`, which {} has",
                owner.type_name, owner.what
            );
            let found = Diagnostic::error(codes::UNKNOWN_PROPERTY, message);
            cx.push(
                suggest(found, name, definitions.keys().map(|name| &**name)),
                entry.key_at,
            );
            continue;
        };
        if entry.value.is_null() {
            // As if it were not there, but that the original takes it for a value.
            if definition.required {
                let what = owner.what.member(name);
                cx.warning(codes::SUSPICIOUS, format!("{what} has no value"), entry.key_at);
            }
            continue;
        }
        let what = owner.what.member(name);
        let mut found = Vec::new();
        let made = coerce(cx, &entry.value, definition, owner.standing, &what, &mut found);
        cx.push_all(found);
        values.insert(Arc::clone(name), made.unwrap_or_else(|| entry.value.clone()));
    }
    values
}

/// Refuses what is required and has neither a value nor a default.
pub(super) fn required(cx: &Context<'_>, owner: &Owner<'_>, definitions: &Definitions, written: Option<&Mapping>) {
    for (name, definition) in definitions {
        let there = written.is_some_and(|written| written.contains(name));
        if !definition.required || definition.default.is_some() || there {
            continue;
        }
        let what = owner.what.member(name);
        let message = format!("{what} is required");
        let found = match owner.missing {
            Missing::Refused => Diagnostic::error(codes::MISSING_PROPERTY, message),
            Missing::Relaxed => Diagnostic::warning(codes::RELAXED, message),
        };
        cx.push(
            found.hint(format!("add `{name}`, of the type `{}`", definition.type_name)),
            owner.at,
        );
    }
}

/// A default as a value of its type; as it stands, if it cannot be one.
pub(super) fn default_of(
    cx: &Context<'_>,
    owner: &Owner<'_>,
    definition: &crate::types::PropertyDefinition,
    name: &Arc<str>,
) -> Option<Node> {
    let default = definition.default.as_ref()?;
    let what = owner.what.member(name);
    let made = coerce(cx, default, definition, owner.standing, &what, &mut Vec::new());
    Some(made.unwrap_or_else(|| default.clone()))
}
