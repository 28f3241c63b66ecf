//! Operations of a node and of its relationships, in the order they are run, and the recipe they make.

use super::{
    Cx,
    compute::artifacts,
    fetch::basename,
    names::ident,
    recipe::{self, Script},
    value::filled,
};
use crate::{
    Mapping, Node, NodeTemplate, Value, codes,
    functions::{Expression, Link, parse},
    template::Relationship,
    types::{InterfaceDefinition, Interfaces, Operation},
    yaml,
};
use im_radl::{Configure, ContextItem, Diagnostic, Number, Origin, Recipe};
use std::sync::Arc;

/// The operations that are run, in this order.
const ORDER: [&str; 12] = [
    "create",
    "pre_configure_source",
    "pre_configure_target",
    "configure_rel",
    "configure",
    "post_configure_source",
    "post_configure_target",
    "start",
    "add_target",
    "add_source",
    "target_changed",
    "remove_target",
];

/// Those that a node's type may define.
const OF_TYPE: [&str; 5] = ["create", "configure", "start", "stop", "delete"];
/// Those of a relationship that are for its source.
const OF_SOURCE: [&str; 3] = ["pre_configure_source", "post_configure_source", "add_source"];
/// Those of a relationship that are for its target.
const OF_TARGET: [&str; 5] = [
    "pre_configure_target",
    "post_configure_target",
    "add_target",
    "target_changed",
    "remove_target",
];

/// An operation that is run.
struct Used<'a> {
    name: &'static str,
    implementation: &'a Node,
    /// Inputs that count, the weakest first.
    inputs: Vec<&'a Mapping>,
    /// What the recipe's name says: the node, or the type of the relationship.
    owner: String,
    /// Whose artifacts are meant.
    node: &'a NodeTemplate,
    link: Option<Link<'a>>,
}

/// What is known of one operation of an interface.
#[derive(Clone, Copy)]
struct Defined<'a> {
    interface: &'a InterfaceDefinition,
    operation: &'a Operation,
}

fn find<'a>(interfaces: &'a Interfaces, name: &str) -> Option<Defined<'a>> {
    interfaces.values().find_map(|interface| {
        let operation = interface.operations.get(name)?;
        Some(Defined { interface, operation })
    })
}

/// In the types of a node or a relationship, the nearest first.
fn find_in_types<'a>(types: &'a [Arc<Interfaces>], name: &str, only: Option<[&str; 2]>) -> Option<Defined<'a>> {
    types.iter().find_map(|interfaces| {
        interfaces.iter().find_map(|(interface_name, interface)| {
            if only.is_some_and(|only| !only.contains(&&**interface_name)) {
                return None;
            }
            let operation = interface.operations.get(name)?;
            operation.implementation.as_ref()?;
            Some(Defined { interface, operation })
        })
    })
}

/// An operation, completed by another one where it only says inputs.
fn complete<'a>(
    own: Option<Defined<'a>>,
    inherited: impl FnOnce() -> Option<Defined<'a>>,
) -> Option<(&'a Node, Vec<&'a Mapping>)> {
    let of = |defined: Defined<'a>| vec![&defined.interface.inputs, &defined.operation.inputs];
    let (operation, inputs) = match own {
        Some(own) if own.operation.implementation.is_some() => (own.operation, of(own)),
        Some(own) => {
            let inherited = inherited()?;
            let mut inputs = of(inherited);
            inputs.extend(of(own));
            (inherited.operation, inputs)
        }
        None => {
            let inherited = inherited()?;
            (inherited.operation, of(inherited))
        }
    };
    Some((operation.implementation.as_ref()?, inputs))
}

/// All operations of a node.
fn used<'a>(cx: &Cx<'a>, node: &'a NodeTemplate) -> Vec<Used<'a>> {
    let mut all = Vec::new();
    for name in ORDER {
        // Of several relationships, the last wins; a relationship's operation wins over the node's own.
        if let Some(found) = by_links(cx, node, name) {
            all.push(found);
            continue;
        }
        let inherited = || {
            OF_TYPE
                .contains(&name)
                .then(|| find_in_types(&node.type_interfaces, name, Some(["Standard", "Configure"])))
                .flatten()
        };
        if let Some((implementation, inputs)) = complete(find(&node.interfaces, name), inherited) {
            all.push(Used {
                name,
                implementation,
                inputs,
                owner: cx.names.id(&node.name),
                node,
                link: None,
            });
        }
    }
    all
}

fn by_links<'a>(cx: &Cx<'a>, node: &'a NodeTemplate, name: &'static str) -> Option<Used<'a>> {
    if OF_SOURCE.contains(&name) {
        let links = node.links().filter_map(|(requirement, link)| {
            let target = cx.template.nodes.get(&requirement.target)?;
            of_link(node, target, target, link, name)
        });
        return links.last();
    }
    if OF_TARGET.contains(&name) {
        let links = cx.graph.incoming(node).iter();
        let mut sources = links.filter_map(|link| of_link(link.source, node, link.source, link.relationship, name));
        return sources.next_back();
    }
    None
}

/// An operation of a relationship: from the other node, the requirement or the relationship's type.
fn of_link<'a>(
    source: &'a NodeTemplate,
    target: &'a NodeTemplate,
    other: &'a NodeTemplate,
    relationship: &'a Relationship,
    name: &'static str,
) -> Option<Used<'a>> {
    let of_type = || find_in_types(&relationship.type_interfaces, name, None);
    let from_other = find(&other.interfaces, name).filter(|found| found.operation.implementation.is_some());
    let own = from_other.or_else(|| find(&relationship.interfaces, name));
    let (implementation, inputs) = complete(own, of_type)?;
    let using = if other.name == source.name { target } else { source };
    Some(Used {
        name,
        implementation,
        inputs,
        owner: ident(&relationship.type_name.to_lowercase()),
        node: if from_other.is_some() { other } else { using },
        link: Some(Link {
            source,
            target,
            relationship,
        }),
    })
}

/// The recipe of a node and where it runs; none if it has none.
pub(super) fn recipe(
    cx: &Cx<'_>,
    node: &NodeTemplate,
    host: &NodeTemplate,
    level: i64,
) -> Option<(Configure, ContextItem)> {
    let used = used(cx, node);
    let last = used.last()?;
    let mut name = last.owner.clone();
    let system = cx.names.id(&host.name);
    if system != name {
        name = format!("{name}_{system}");
    }
    if let Some(before) = used.len().checked_sub(2).and_then(|n| used.get(n))
        && before.owner != last.owner
    {
        name = format!("{name}_{}", before.owner);
    }
    let scripts: Vec<Script> = used.iter().filter_map(|used| script(cx, node, used)).collect();
    let plays = recipe::assemble(scripts)?;
    let text = format!("---\n{}", yaml::dump(&plays).trim_end());
    Some((
        configure(&format!("{name}_conf"), Recipe::Text(Arc::from(text))),
        item(&system, &format!("{name}_conf"), level),
    ))
}

pub(super) fn configure(name: &str, recipe: Recipe) -> Configure {
    Configure {
        name: name.to_owned(),
        recipe,
        at: Origin(None),
        recipe_at: Origin(None),
    }
}

pub(super) fn item(system: &str, configure: &str, level: i64) -> ContextItem {
    ContextItem {
        system: system.to_owned(),
        configure: configure.to_owned(),
        step: Some(Number::Int(level)),
        tool: None,
        at: Origin(None),
    }
}

/// Whether a node has anything to run.
pub(super) fn has_operations(cx: &Cx<'_>, node: &NodeTemplate) -> bool {
    !used(cx, node).is_empty()
}

fn script(cx: &Cx<'_>, node: &NodeTemplate, used: &Used<'_>) -> Option<Script> {
    let mut downloads = Vec::new();
    let inputs = inputs(cx, node, used, &mut downloads);
    let url = implementation(cx, used)?;
    let text = cx.fetch(&url, used.implementation.at)?;
    let is_playbook = [".yml", ".yaml"]
        .iter()
        .any(|end| basename(&url).to_ascii_lowercase().ends_with(end));
    if !is_playbook {
        return Some(Script {
            plays: vec![recipe::shell(basename(&url), &text, &inputs)],
            inputs: Mapping::new(),
            downloads,
        });
    }
    Some(Script {
        plays: plays(cx, &url, &text, used)?,
        inputs,
        downloads,
    })
}

/// The plays of a playbook.
fn plays(cx: &Cx<'_>, url: &str, text: &str, used: &Used<'_>) -> Option<Vec<Mapping>> {
    let (root, found) = yaml::parse(text, crate::FileId::of(url), &cx.limits);
    if let Some(error) = found.into_iter().find(Diagnostic::is_error) {
        let message = format!("`{url}` is not YAML: {}", error.line_message());
        cx.find(Diagnostic::error(codes::FILE, message), used.implementation.at);
        return None;
    }
    let root = root?;
    if let Value::Seq(items) = root.value {
        let plays: Option<Vec<Mapping>> = items
            .into_iter()
            .map(|item| match item.value {
                Value::Map(map) => Some(map),
                _ => None,
            })
            .collect();
        if plays.is_some() {
            return plays;
        }
    }
    let message = format!("`{url}` is not a list of plays: operation `{}` does nothing", used.name);
    cx.find(Diagnostic::warning(codes::SUSPICIOUS, message), used.implementation.at);
    None
}

/// The URL of what an operation runs.
fn implementation(cx: &Cx<'_>, used: &Used<'_>) -> Option<String> {
    let node = used.implementation;
    let part = |name: &str| filled(node.get(name).cloned());
    // An inline artifact.
    if let Some(file) = part("file") {
        return cx.url(&file, part("repository").as_deref(), node.at);
    }
    // A name, alone or as `primary`.
    let primary = node.get("primary").unwrap_or(node);
    if primary.as_map().is_some() {
        let inner = |name: &str| filled(primary.get(name).cloned());
        return cx.url(&inner("file")?, inner("repository").as_deref(), primary.at);
    }
    let name = primary.as_str()?;
    match used.node.artifacts.get(name) {
        Some(artifact) => {
            let file = filled(cx.value(used.node, &artifact.file))?;
            cx.url(&file, artifact.repository.as_deref(), artifact.at)
        }
        None => cx.url(name, None, node.at),
    }
}

/// The inputs of an operation, evaluated. One without a value refuses the document.
fn inputs(cx: &Cx<'_>, node: &NodeTemplate, used: &Used<'_>, downloads: &mut Vec<Node>) -> Mapping {
    let mut all = Mapping::new();
    for inputs in &used.inputs {
        for (name, value) in inputs.iter() {
            all.insert(name.clone(), value.clone());
        }
    }
    let mut evaluated = Mapping::new();
    for (name, value) in all.iter() {
        if let Ok(Some(Expression::Artifact { name: artifact })) = parse(value) {
            if let Some(path) = artifact_path(cx, used, artifact, downloads) {
                evaluated.insert(name.clone(), Node::text(path, value.at));
            }
            continue;
        }
        let Some(result) = cx.linked_value(used.node, used.link, value) else {
            continue;
        };
        if result.is_null() {
            let message = format!(
                "input `{name}` of operation `{}` of node `{}` has no value",
                used.name, node.name
            );
            let found = Diagnostic::error(codes::NULL_INPUT, message)
                .hint("give the property or the input that it comes from a value or a default");
            cx.find(found, value.at);
            continue;
        }
        evaluated.insert(name.clone(), result);
    }
    evaluated
}

/// Where a file that a recipe needs will be, and the task that brings it there.
fn artifact_path(cx: &Cx<'_>, used: &Used<'_>, artifact: &Node, downloads: &mut Vec<Node>) -> Option<String> {
    let name = filled(cx.linked_value(used.node, used.link, artifact))?;
    let known = artifacts(cx, used.node);
    let url = match known.get(name.as_str()) {
        Some((owner, artifact)) => {
            let file = filled(cx.value(owner, &artifact.file))?;
            cx.url(&file, artifact.repository.as_deref(), artifact.at)?
        }
        None => cx.url(&name, None, artifact.at)?,
    };
    let path = format!("/tmp/{}", basename(&url));
    let task = recipe::download(&url, &path);
    if !downloads.contains(&task) {
        downloads.push(task);
    }
    Some(path)
}
