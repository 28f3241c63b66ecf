//! From a document and the types it can use to a [`Template`], with everything that is wrong said at once.
//!
//! Never fetches and never evaluates: functions are checked for what they name, and left as they are.

mod coerce;
mod constrain;
mod context;
mod functions;
mod groups;
mod inputs;
mod nodes;
mod properties;
mod requirements;

use crate::{Limits, Mapping, Node, Place, Sources, Template, Value, codes, types::TypeLibrary, yaml::python_text};
use context::Context;
use im_radl::{Diagnostic, Sink};
use indexmap::IndexMap;
use std::sync::Arc;

/// A document that was read, with all it needs.
pub(crate) struct Document<'a> {
    /// Its members, with those of the template that it extends.
    pub(crate) root: &'a Mapping,
    /// As it was submitted.
    pub(crate) raw: &'a Node,
    pub(crate) version: Arc<str>,
    pub(crate) repositories: IndexMap<Arc<str>, Arc<str>>,
    pub(crate) types: TypeLibrary,
    /// Whether an import is missing.
    pub(crate) incomplete: bool,
}

/// What a topology may have.
pub(crate) const TOPOLOGY: &[&str] = &[
    "description",
    "inputs",
    "node_templates",
    "relationship_templates",
    "outputs",
    "groups",
    "substitution_mappings",
    "policies",
];

/// Checks a document, as far as it can be read. Whether it is accepted, the findings tell.
pub(crate) fn validate(document: &Document<'_>, sources: &Sources, limits: &Limits, sink: Sink) -> (Template, Sink) {
    let cx = Context::new(&document.types, limits, sources, sink, document.incomplete);
    let empty = Mapping::new();
    let topology = match document.root.get("topology_template") {
        Some(node) => cx.members(node, &"`topology_template`"),
        None => None,
    };
    if topology.is_none_or(Mapping::is_empty) {
        let first = || document.root.entries().next().map(|(_, entry)| entry);
        let entry = document.root.entry("topology_template").or_else(first);
        let found = Diagnostic::warning(codes::RELAXED, "the document has no topology: nothing will be deployed");
        cx.push(found, entry.map_or(Place::default(), |entry| entry.key_at));
    }
    let topology = topology.unwrap_or(&empty);
    cx.fields(topology, "a topology", TOPOLOGY);
    let section = |key: &str| {
        topology
            .get(key)
            .and_then(|node| cx.members(node, &format_args!("`{key}`")))
            .unwrap_or(&empty)
    };
    let metadata = document
        .root
        .get("metadata")
        .and_then(|node| cx.members(node, &"`metadata`"))
        .cloned()
        .unwrap_or_default();
    let inputs = inputs::inputs(&cx, section("inputs"));
    let outputs = inputs::outputs(&cx, section("outputs"));
    let relationships = requirements::templates(&cx, section("relationship_templates"));
    let node_section = section("node_templates");
    let mut nodes = nodes::nodes(&cx, node_section);
    requirements::resolve(&cx, node_section, &mut nodes, &relationships);
    let groups = groups::groups(&cx, section("groups"), node_section);
    let policies = groups::policies(&cx, topology.get("policies"), node_section, section("groups"));
    if let Some(node) = topology.get("substitution_mappings") {
        groups::substitution(&cx, node);
    }
    let text = |node: Option<&Node>| {
        node.filter(|node| !node.is_null())
            .map(|node| Arc::from(python_text(&node.value)))
    };
    let template = Template {
        version: Arc::clone(&document.version),
        description: text(document.root.get("description")).or_else(|| text(topology.get("description"))),
        metadata,
        inputs,
        nodes,
        relationships,
        outputs,
        groups,
        policies,
        repositories: document.repositories.clone(),
        raw: document.raw.clone(),
        types: document.types.clone(),
        sources: Arc::default(),
    };
    functions::check(&cx, &template);
    let sink = cx.finish();
    (template, sink)
}

/// One-key mappings of a list, each as its name and value. What is none is refused.
fn one_key_list<'n>(cx: &Context<'_>, node: &'n Node, what: &str) -> Vec<(&'n Arc<str>, &'n crate::Entry)> {
    let mut all = Vec::new();
    match &node.value {
        Value::Null => {}
        Value::Seq(items) => {
            for item in items {
                match item.as_map() {
                    Some(map) if !map.is_empty() => all.extend(map.entries()),
                    _ => {
                        let message = format!(
                            "each of `{what}` must be a name with a value, and this is {}",
                            item.value.kind()
                        );
                        cx.error(codes::SHAPE, message, item.at);
                    }
                }
            }
        }
        other => {
            let message = format!("`{what}` must be a list, and this is {}", other.kind());
            cx.push(
                Diagnostic::error(codes::SHAPE, message).hint("begin each of them with `- `"),
                node.at,
            );
        }
    }
    all
}
