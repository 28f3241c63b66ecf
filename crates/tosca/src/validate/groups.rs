//! Groups, policies and substitution mappings.

use super::{
    coerce::Standing,
    context::{Context, What, suggest},
    nodes::with_defaults,
    one_key_list,
    properties::{Missing, Owner, given, required},
};
use crate::{
    Mapping, Node, Place, Value, codes,
    template::{Group, Policy},
    types::TypeKind,
};
use im_radl::Diagnostic;
use indexmap::IndexMap;
use std::sync::Arc;

/// `groups`.
pub(super) fn groups(cx: &Context<'_>, section: &Mapping, nodes: &Mapping) -> IndexMap<Arc<str>, Group> {
    const FIELDS: &[&str] = &[
        "type",
        "description",
        "properties",
        "members",
        "interfaces",
        "targets",
        "metadata",
    ];
    let mut made = IndexMap::new();
    for (name, entry) in section.entries() {
        let what = format!("the group `{name}`");
        let Some(map) = cx.members(&entry.value, &what) else {
            continue;
        };
        cx.fields(map, "a group", FIELDS);
        let Some(type_node) = map.get("type") else {
            cx.error(codes::REQUIRED, format!("{what} has no `type`"), entry.key_at);
            continue;
        };
        let Some(type_name) = cx.text(map, "type", &what) else {
            continue;
        };
        let Some(flat) = cx.flat(TypeKind::Group, &type_name, type_node.at) else {
            continue;
        };
        let members = map.get("members").or_else(|| map.get("targets"));
        let members = members.map(|node| names(cx, node, "members")).unwrap_or_default();
        let known = members.into_iter().filter(|(member, at)| {
            let known = nodes.contains(member);
            if !known {
                let found = Diagnostic::error(codes::TARGET, format!("there is no node `{member}`, which {what} has"));
                cx.push(suggest(found, member, nodes.keys().map(|name| &**name)), *at);
            }
            known
        });
        let group = Group {
            type_name: Arc::clone(&flat.definition.name),
            members: known.map(|(member, _)| member).collect(),
            at: entry.key_at,
        };
        made.insert(Arc::clone(name), group);
    }
    made
}

/// A list of names; one alone is taken for a list.
fn names(cx: &Context<'_>, node: &Node, key: &str) -> Vec<(Arc<str>, Place)> {
    match &node.value {
        Value::Null => Vec::new(),
        Value::Str(name) => vec![(Arc::clone(name), node.at)],
        Value::Seq(items) => items
            .iter()
            .filter_map(|item| match &item.value {
                Value::Str(name) => Some((Arc::clone(name), item.at)),
                other => {
                    let message = format!("`{key}` is a list of names, and this is {}", other.kind());
                    cx.error(codes::SHAPE, message, item.at);
                    None
                }
            })
            .collect(),
        other => {
            let message = format!("`{key}` is a list of names, and this is {}", other.kind());
            cx.error(codes::SHAPE, message, node.at);
            Vec::new()
        }
    }
}

/// `policies`.
pub(super) fn policies(cx: &Context<'_>, node: Option<&Node>, nodes: &Mapping, groups: &Mapping) -> Vec<Policy> {
    const FIELDS: &[&str] = &["type", "description", "properties", "targets", "triggers", "metadata"];
    let mut made = Vec::new();
    let Some(node) = node else { return made };
    for (name, entry) in one_key_list(cx, node, "policies") {
        let what = format!("the policy `{name}`");
        let Some(map) = cx.members(&entry.value, &what) else {
            continue;
        };
        cx.fields(map, "a policy", FIELDS);
        let Some(type_node) = map.get("type") else {
            cx.error(codes::REQUIRED, format!("{what} has no `type`"), entry.key_at);
            continue;
        };
        let Some(type_name) = cx.text(map, "type", &what) else {
            continue;
        };
        let Some(flat) = cx.flat(TypeKind::Policy, &type_name, type_node.at) else {
            continue;
        };
        let owner = Owner {
            what: What::new(name),
            type_name: &flat.definition.name,
            at: entry.key_at,
            standing: Standing::Property,
            missing: Missing::Relaxed,
        };
        let written = map
            .get("properties")
            .and_then(|node| cx.members(node, &format_args!("`properties` of `{name}`")));
        required(cx, &owner, &flat.properties, written);
        let own = written
            .map(|written| given(cx, &owner, &flat.properties, written))
            .unwrap_or_default();
        let targets = map
            .get("targets")
            .map(|node| names(cx, node, "targets"))
            .unwrap_or_default();
        for (target, at) in &targets {
            if !nodes.contains(target) && !groups.contains(target) {
                let message = format!("there is no node or group `{target}`, which {what} is for");
                let found = Diagnostic::error(codes::POLICY, message);
                let known = nodes.keys().chain(groups.keys()).map(|name| &**name);
                cx.push(suggest(found, target, known), *at);
            }
        }
        made.push(Policy {
            name: Arc::clone(name),
            type_name: Arc::clone(&flat.definition.name),
            chain: flat.chain.clone(),
            properties: with_defaults(cx, &owner, &flat.properties, own),
            targets: targets.into_iter().map(|(target, _)| target).collect(),
            at: entry.key_at,
        });
    }
    made
}

/// `substitution_mappings`: checked, and without effect.
pub(super) fn substitution(cx: &Context<'_>, node: &Node) {
    let Some(map) = cx.members(node, &"`substitution_mappings`") else {
        return;
    };
    cx.fields(
        map,
        "`substitution_mappings`",
        &[
            "node_type",
            "requirements",
            "capabilities",
            "properties",
            "attributes",
            "interfaces",
            "substitution_filter",
        ],
    );
    match map.get("node_type") {
        None => cx.error(
            codes::SUBSTITUTION,
            "`substitution_mappings` has no `node_type`",
            node.at,
        ),
        Some(named) => {
            if let Some(name) = cx.text(map, "node_type", &"`substitution_mappings`") {
                cx.flat(TypeKind::Node, &name, named.at);
            }
        }
    }
}
