//! Node templates: their types, properties, capabilities, interfaces and artifacts.

use super::{
    coerce::{Standing, integer},
    context::{Context, What, suggest},
    properties::{Missing, Owner, default_of, given, required},
};
use crate::{
    Entry, Mapping, Node, Value, codes,
    functions::is_function,
    template::{Artifact, Capability, NodeTemplate, Values},
    types::{Definitions, Flat, INTERFACE_FIELDS, Interfaces, TypeKind, read_artifacts, read_interfaces},
    yaml::python_text,
};
use im_radl::Diagnostic;
use indexmap::IndexMap;
use std::{borrow::Cow, sync::Arc};

const FIELDS: &[&str] = &[
    "type",
    "derived_from",
    "properties",
    "requirements",
    "interfaces",
    "capabilities",
    "description",
    "directives",
    "attributes",
    "artifacts",
    "node_filter",
    "copy",
    "metadata",
];

/// The nodes, without their requirements: those need all nodes.
pub(super) fn nodes(cx: &Context<'_>, section: &Mapping) -> IndexMap<Arc<str>, NodeTemplate> {
    if section.len() > cx.limits.nodes {
        let message = format!("there are {} nodes, and {} are allowed", section.len(), cx.limits.nodes);
        let at = section
            .entries()
            .next()
            .map(|(_, entry)| entry.key_at)
            .unwrap_or_default();
        cx.error(codes::LIMIT, message, at);
        return IndexMap::new();
    }
    section
        .entries()
        .filter_map(|(name, entry)| Some((Arc::clone(name), node(cx, name, entry)?)))
        .collect()
}

fn node(cx: &Context<'_>, name: &Arc<str>, entry: &Entry) -> Option<NodeTemplate> {
    let Some(map) = entry.value.as_map() else {
        let message = format!(
            "the node `{name}` must be a mapping with a `type`, and this is {}",
            entry.value.value.kind()
        );
        cx.error(codes::SHAPE, message, entry.value.at);
        return None;
    };
    let Some(type_node) = map.get("type") else {
        cx.fields(map, "a node", FIELDS);
        cx.error(
            codes::REQUIRED,
            format!("the node `{name}` has no `type`"),
            entry.key_at,
        );
        return None;
    };
    let type_name = cx.text(map, "type", &format_args!("the node `{name}`"))?;
    let Some(flat) = cx.flat(TypeKind::Node, &type_name, type_node.at) else {
        cx.fields(map, "a node", FIELDS);
        return None;
    };
    cx.fields_or_properties(map, "a node", FIELDS, &flat.properties);
    let what = What::new(name);
    let owner = Owner {
        what,
        type_name: &flat.definition.name,
        at: entry.key_at,
        standing: Standing::Property,
        missing: Missing::Refused,
    };
    let empty = Mapping::new();
    let written = map
        .get("properties")
        .and_then(|node| cx.members(node, &format_args!("`properties` of `{name}`")));
    let own = given(cx, &owner, &flat.properties, written.unwrap_or(&empty));
    required(cx, &owner, &flat.properties, written);
    let properties = with_defaults(cx, &owner, &flat.properties, own);
    let capabilities = capabilities(cx, name, map, &flat);
    Some(NodeTemplate {
        name: Arc::clone(name),
        type_name: Arc::clone(&flat.definition.name),
        chain: flat.chain.clone(),
        root_type: Arc::clone(&flat.root_type),
        properties,
        property_definitions: flat.properties.clone(),
        attributes: flat.attributes.clone(),
        capabilities,
        requirements: Vec::new(),
        interfaces: interfaces(cx, name, map, &flat),
        type_interfaces: flat.interfaces.clone(),
        artifacts: artifacts(cx, map, &flat),
        at: entry.key_at,
    })
}

/// Defaults of the type for what has no value, then the values.
pub(super) fn with_defaults(cx: &Context<'_>, owner: &Owner<'_>, definitions: &Definitions, own: Values) -> Values {
    let mut all = Values::new();
    for (name, definition) in definitions {
        if own.contains_key(name) {
            continue;
        }
        if let Some(default) = default_of(cx, owner, definition, name) {
            all.insert(Arc::clone(name), default);
        }
    }
    all.extend(own);
    all
}

fn capabilities(cx: &Context<'_>, node: &Arc<str>, map: &Mapping, flat: &Flat) -> IndexMap<Arc<str>, Capability> {
    let empty = Mapping::new();
    let written = map
        .get("capabilities")
        .and_then(|value| cx.members(value, &format_args!("`capabilities` of `{node}`")))
        .unwrap_or(&empty);
    for (name, entry) in written.entries() {
        if !flat.capabilities.contains_key(name) {
            let message = format!(
                "`{}` has no capability `{name}`, which `{node}` has",
                flat.definition.name
            );
            let found = Diagnostic::error(codes::CAPABILITY, message);
            cx.push(
                suggest(found, name, flat.capabilities.keys().map(|name| &**name)),
                entry.key_at,
            );
        }
    }
    let mut all = IndexMap::new();
    for (name, declared) in &flat.capabilities {
        let entry = written.entry(name);
        let Some(kind) = cx.find(TypeKind::Capability, &declared.type_name) else {
            // Only of interest if the document uses it.
            if let Some(entry) = entry {
                cx.unknown_type(TypeKind::Capability, &declared.type_name, entry.key_at);
            }
            continue;
        };
        let mut definitions = kind.properties.clone();
        definitions.extend(
            declared
                .properties
                .iter()
                .map(|(name, def)| (Arc::clone(name), Arc::clone(def))),
        );
        let of_node = What::new(node);
        let owner = Owner {
            what: of_node.member(name),
            type_name: &kind.definition.name,
            at: entry.map_or(declared.at, |entry| entry.key_at),
            standing: Standing::Capability,
            missing: Missing::Refused,
        };
        // Defaults that the type inherits do not count: an unset `network_name` is absent.
        let mut nearest = kind.definition.properties.clone();
        nearest.extend(
            declared
                .properties
                .iter()
                .map(|(name, def)| (Arc::clone(name), Arc::clone(def))),
        );
        let own = entry
            .map(|entry| capability_values(cx, &owner, &definitions, entry))
            .unwrap_or_default();
        if &**name == "scalable" || kind.is_a("tosca.capabilities.Scalable") {
            scaling(cx, &owner, &own);
        }
        let capability = Capability {
            type_name: Arc::clone(&kind.definition.name),
            chain: kind.chain.clone(),
            properties: merge_capability(cx, &owner, &nearest, own),
            property_definitions: definitions,
            attributes: kind.attributes.clone(),
        };
        all.insert(Arc::clone(name), capability);
    }
    all
}

/// Defaults keep their order, and values of the document take their places; then come the other values.
fn merge_capability(cx: &Context<'_>, owner: &Owner<'_>, nearest: &Definitions, own: Values) -> Values {
    let mut all = Values::new();
    for (name, definition) in nearest {
        if let Some(default) = default_of(cx, owner, definition, name) {
            all.insert(Arc::clone(name), default);
        }
    }
    for (name, value) in own {
        all.insert(name, value);
    }
    all
}

fn capability_values(cx: &Context<'_>, owner: &Owner<'_>, definitions: &Definitions, entry: &Entry) -> Values {
    let Some(map) = cx.members(&entry.value, &owner.what) else {
        return Values::new();
    };
    cx.fields_or_properties(
        map,
        "a capability",
        &[
            "properties",
            "attributes",
            "occurrences",
            "directives",
            "description",
            "metadata",
        ],
        definitions,
    );
    let written = map
        .get("properties")
        .and_then(|node| cx.members(node, &format_args!("`properties` of {}", owner.what)));
    if !map.contains("properties") && !map.keys().any(|key| definitions.contains_key(key)) {
        let message = format!("{} has no `properties`", owner.what);
        cx.warning(codes::RELAXED, message, entry.key_at);
    }
    required(cx, owner, definitions, written);
    written
        .map(|written| given(cx, owner, definitions, &with_ids_as_text(written)))
        .unwrap_or_default()
}

/// Machines to remove are named by their numbers, often without quotes.
fn with_ids_as_text(written: &Mapping) -> Cow<'_, Mapping> {
    const LIST: &str = "removal_list";
    let has_number = |node: &Node| {
        node.as_seq()
            .is_some_and(|items| items.iter().any(|item| item.as_int().is_some()))
    };
    if !written.get(LIST).is_some_and(has_number) {
        return Cow::Borrowed(written);
    }
    let mut written = written.clone();
    if let Some(Value::Seq(items)) = written.get_mut(LIST).map(|node| &mut node.value) {
        for item in items.iter_mut().filter(|item| item.as_int().is_some()) {
            item.value = Value::text(python_text(&item.value));
        }
    }
    Cow::Owned(written)
}

/// The number of instances at the start lies between the least and the most.
fn scaling(cx: &Context<'_>, owner: &Owner<'_>, own: &Values) {
    let Some(default) = own.get("default_instances") else {
        return;
    };
    if is_function(default).is_some() {
        return;
    }
    let number = |node: &Node| match integer(&node.value) {
        Some(Value::Int(int)) => Some(int),
        _ => None,
    };
    let (Some(least), Some(most)) = (own.get("min_instances"), own.get("max_instances")) else {
        let message = format!(
            "{} has `default_instances`, and needs `min_instances` and `max_instances` with it",
            owner.what
        );
        cx.error(codes::SCALING, message, default.at);
        return;
    };
    if let (Some(least), Some(most), Some(count)) = (number(least), number(most), number(default))
        && !(least..=most).contains(&count)
    {
        let message = format!(
            "`default_instances` of {} must be between {least} and {most}",
            owner.what
        );
        cx.error(codes::SCALING, message, default.at);
    }
}

const STANDARD: &[&str] = &["create", "configure", "start", "stop", "delete"];
const CONFIGURE: &[&str] = &[
    "pre_configure_source",
    "pre_configure_target",
    "post_configure_source",
    "post_configure_target",
    "add_target",
    "add_source",
    "target_changed",
    "remove_target",
    "remove_source",
];

/// The interfaces of a node, by their short names.
fn interfaces(cx: &Context<'_>, node: &Arc<str>, map: &Mapping, flat: &Flat) -> Interfaces {
    let Some(value) = map.get("interfaces") else {
        return Interfaces::new();
    };
    let mut findings = Vec::new();
    let read = read_interfaces(value, &mut findings);
    cx.push_in(value.at.file, findings);
    let mut made = Interfaces::new();
    for (name, interface) in read {
        let (short, operations) = match &*name {
            "Standard" | "tosca.interfaces.node.lifecycle.Standard" => ("Standard", Some(STANDARD.to_vec())),
            "Configure" | "tosca.interfaces.relationship.Configure" => ("Configure", Some(CONFIGURE.to_vec())),
            other => (other, None),
        };
        let custom = operations
            .is_none()
            .then(|| custom_operations(cx, &name, interface.type_name.as_deref(), flat));
        let known: Vec<&str> = match (&operations, &custom) {
            (Some(operations), _) => operations.clone(),
            (None, Some(Some(operations))) => operations.iter().map(|name| &**name).collect(),
            _ => {
                let message = format!(
                    "`{}` has no interface `{name}`, which `{node}` has",
                    flat.definition.name
                );
                let found = Diagnostic::error(codes::OPERATION, message);
                let declared = flat.interfaces.iter().flat_map(|all| all.keys());
                let names = declared.map(|name| &**name).chain(["Standard", "Configure"]);
                cx.push(suggest(found, &name, names), interface.at);
                continue;
            }
        };
        for (operation, defined) in &interface.operations {
            if !known.contains(&&**operation) {
                let message = format!("the interface `{name}` has no operation `{operation}`");
                let found = Diagnostic::error(codes::OPERATION, message);
                cx.push(suggest(found, operation, known.iter().copied()), defined.at);
            }
        }
        made.insert(Arc::from(short), interface);
    }
    made
}

/// The operations of an interface that is neither of the two common ones.
fn custom_operations(cx: &Context<'_>, name: &str, own_type: Option<&str>, flat: &Flat) -> Option<Vec<Arc<str>>> {
    let declared: Vec<_> = flat.interfaces.iter().filter_map(|all| all.get(name)).collect();
    let type_name = own_type
        .or_else(|| declared.iter().find_map(|interface| interface.type_name.as_deref()))
        .unwrap_or(name);
    let chain = cx.types.chain(TypeKind::Interface, type_name);
    if declared.is_empty() && chain.is_empty() {
        return None;
    }
    let of_types = chain.iter().flat_map(|made| made.operations.iter().cloned());
    let of_declared = declared
        .iter()
        .flat_map(|interface| interface.operations.keys().cloned());
    Some(
        of_types
            .chain(of_declared)
            .filter(|name| !INTERFACE_FIELDS.contains(&&**name))
            .collect(),
    )
}

/// Own artifacts over those of the type.
fn artifacts(cx: &Context<'_>, map: &Mapping, flat: &Flat) -> IndexMap<Arc<str>, Artifact> {
    let mut all = IndexMap::new();
    if let Some(value) = map.get("artifacts") {
        let mut findings = Vec::new();
        all = read_artifacts(value, &mut findings);
        cx.push_in(value.at.file, findings);
        for (name, artifact) in &all {
            if artifact.type_name.is_empty() || cx.types.get(TypeKind::Artifact, &artifact.type_name).is_some() {
                continue;
            }
            let message = format!(
                "the artifact `{name}` has the type `{}`, which nothing defines",
                artifact.type_name
            );
            let found = Diagnostic::warning(codes::ARTIFACT, message);
            let names = cx.types.names(TypeKind::Artifact).map(|name| &**name);
            let near = im_radl::nearest(&artifact.type_name, names).map(|near| format!("did you mean `{near}`?"));
            cx.push(Diagnostic { hint: near, ..found }, artifact.at);
        }
    }
    for (name, artifact) in &flat.artifacts {
        all.entry(Arc::clone(name)).or_insert_with(|| artifact.clone());
    }
    all
}
