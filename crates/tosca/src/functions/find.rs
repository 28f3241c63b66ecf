//! What `get_property` and `get_attribute` name.

use super::Via;
use crate::{
    Node, NodeTemplate, Template, codes,
    template::{Capability, Relationship, Values},
    types::{Definitions, PropertyDefinition, TypeKind},
    yaml::python_text,
};
use im_radl::{Diagnostic, nearest};

/// A relationship whose operations use the value.
#[derive(Clone, Copy, Debug)]
pub struct Link<'a> {
    /// The node with the requirement.
    pub source: &'a NodeTemplate,
    /// The node that meets it.
    pub target: &'a NodeTemplate,
    /// How they are linked.
    pub relationship: &'a Relationship,
}

/// Who uses a value.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scope<'a> {
    /// The node: `SELF`. None for outputs and policies.
    pub using: Option<&'a NodeTemplate>,
    /// The relationship: `SOURCE` and `TARGET`.
    pub link: Option<Link<'a>>,
}

/// A property that is named.
pub(crate) struct PropertyAt<'a> {
    /// The node that has it; none if a relationship has it.
    pub(crate) owner: Option<&'a NodeTemplate>,
    /// Its value; none if it has none.
    pub(crate) value: Option<&'a Node>,
    /// What goes into it.
    pub(crate) rest: &'a [Node],
}

/// An attribute that is named.
pub(crate) struct AttributeAt<'a> {
    pub(crate) node: &'a NodeTemplate,
    pub(crate) via: Via,
    pub(crate) capability: Option<&'a str>,
    pub(crate) name: &'a str,
    pub(crate) definition: &'a PropertyDefinition,
    pub(crate) rest: &'a [Node],
}

/// An attribute, or a property that is read by the same function.
pub(crate) enum Named<'a> {
    Attribute(AttributeAt<'a>),
    Property(PropertyAt<'a>),
    /// An attribute of a relationship, which has no value.
    Nothing,
}

enum Entity<'a> {
    Node(&'a NodeTemplate, Via),
    /// Nodes up the chain, the nearest first.
    Hosts(Vec<&'a NodeTemplate>),
    Relationship(&'a Relationship),
    /// A node that is defined, but wrongly: nothing more is said.
    Broken,
}

type Refused = Box<Diagnostic>;

fn refuse(code: &'static str, message: String) -> Refused {
    Box::new(Diagnostic::error(code, message))
}

fn suggest<'n>(mut found: Refused, name: &str, known: impl IntoIterator<Item = &'n str>) -> Refused {
    const MOST: usize = 20;
    let known: Vec<&str> = known.into_iter().collect();
    found.hint = match nearest(name, known.iter().copied()) {
        Some(near) => Some(format!("did you mean `{near}`?")),
        None if (1..=MOST).contains(&known.len()) => Some(format!("there are: {}", known.join(", "))),
        None => None,
    };
    found
}

fn entity<'a>(template: &'a Template, scope: &Scope<'a>, name: &str) -> Result<Entity<'a>, Refused> {
    let outside = |word: &str, of: &str| refuse(codes::UNKNOWN_NODE, format!("`{word}` has no meaning here: {of}"));
    match Via::of(name) {
        Via::SelfNode => match (scope.link, scope.using) {
            (Some(link), _) => Ok(Entity::Relationship(link.relationship)),
            (None, Some(node)) => Ok(Entity::Node(node, Via::SelfNode)),
            (None, None) => Err(outside(name, "no node uses this value; name one")),
        },
        Via::Host => {
            let Some(node) = scope.using else {
                return Err(outside(name, "no node uses this value; name one"));
            };
            let hosts = template.hosts_above(node);
            if hosts.is_empty() {
                return Err(refuse(
                    codes::UNKNOWN_NODE,
                    format!("`HOST` has no meaning here: `{}` runs on no other node", node.name),
                ));
            }
            Ok(Entity::Hosts(hosts))
        }
        via @ (Via::Source | Via::Target) => match scope.link {
            Some(link) if via == Via::Source => Ok(Entity::Node(link.source, via)),
            Some(link) => Ok(Entity::Node(link.target, via)),
            None => Err(outside(
                name,
                "only operations of relationships have a source and a target",
            )),
        },
        Via::Named => match template.nodes.get(name) {
            Some(node) => Ok(Entity::Node(node, Via::Named)),
            None if is_written(template, name) => Ok(Entity::Broken),
            None => Err(suggest(
                refuse(codes::UNKNOWN_NODE, format!("there is no node `{name}`")),
                name,
                template.nodes.keys().map(|name| &**name),
            )),
        },
    }
}

/// Whether the document has a node of this name that was refused.
fn is_written(template: &Template, name: &str) -> bool {
    let topology = template.raw.get("topology_template");
    topology
        .and_then(|node| node.get("node_templates")?.get(name))
        .is_some()
}

fn text(node: &Node) -> Option<&str> {
    node.as_str()
}

fn no_name(function: &str) -> Refused {
    refuse(codes::FUNCTION, format!("`{function}` takes names, which must be text"))
}

/// A property among values and definitions: its value, or that it has none.
// Unknown and without value are different things.
#[allow(clippy::option_option)]
fn among<'a>(values: &'a Values, definitions: &Definitions, name: &str) -> Option<Option<&'a Node>> {
    match values.get(name) {
        Some(value) => Some(Some(value)),
        None => definitions.contains_key(name).then_some(None),
    }
}

// As above.
#[allow(clippy::option_option)]
fn own_property<'a>(node: &'a NodeTemplate, name: &str) -> Option<Option<&'a Node>> {
    among(&node.properties, &node.property_definitions, name)
}

/// The capability that a name stands for: the one of the node that meets a requirement of this name, or of the node
/// itself.
fn capability<'a>(
    template: &'a Template,
    node: &'a NodeTemplate,
    name: &str,
) -> Option<(&'a NodeTemplate, &'a Capability)> {
    let met = node.requirements.iter().find(|requirement| &*requirement.name == name);
    let of_target = met
        .and_then(|requirement| template.nodes.get(&requirement.target))
        .and_then(|target| Some((target, target.capabilities.get(name)?)));
    of_target.or_else(|| Some((node, node.capabilities.get(name)?)))
}

/// The property that `get_property` names.
pub(crate) fn property<'a>(
    template: &'a Template,
    scope: &Scope<'a>,
    entity_name: &str,
    path: &'a [Node],
) -> Result<Option<PropertyAt<'a>>, Refused> {
    let [first, rest @ ..] = path else {
        return Err(no_name("get_property"));
    };
    let name = text(first).ok_or_else(|| no_name("get_property"))?;
    let of_node = |node: &'a NodeTemplate| {
        if let Some(value) = own_property(node, name) {
            return Some(PropertyAt {
                owner: Some(node),
                value,
                rest,
            });
        }
        let [second, rest @ ..] = rest else { return None };
        let (owner, capability) = capability(template, node, name)?;
        let value = among(&capability.properties, &capability.property_definitions, text(second)?)?;
        Some(PropertyAt {
            owner: Some(owner),
            value,
            rest,
        })
    };
    let (found, whose) = match entity(template, scope, entity_name)? {
        Entity::Broken => return Ok(None),
        Entity::Node(node, _) => (of_node(node), format!("`{}`", node.name)),
        Entity::Hosts(hosts) => (
            hosts.iter().find_map(|host| of_node(host)),
            "no node that it runs on".to_owned(),
        ),
        Entity::Relationship(relationship) => {
            let value = relationship.properties.get(name);
            let found = value.map(|value| PropertyAt {
                owner: None,
                value: Some(value),
                rest,
            });
            // Where the relationship has no such property, the node that uses it may.
            let found = found.or_else(|| scope.using.and_then(of_node));
            if found.is_none()
                && template
                    .types
                    .flat(TypeKind::Relationship, &relationship.type_name)
                    .is_some_and(|flat| flat.properties.contains_key(name))
            {
                return Ok(Some(PropertyAt {
                    owner: None,
                    value: None,
                    rest,
                }));
            }
            (found, format!("the relationship `{}`", relationship.type_name))
        }
    };
    found.map(Some).ok_or_else(|| {
        let shown = shown(path);
        let verb = if whose.starts_with("no ") { "has" } else { "has no" };
        let message = format!("{whose} {verb} property {shown}");
        let found = refuse(codes::NO_PROPERTY, message);
        match template.nodes.get(entity_name) {
            Some(node) => suggest(found, name, node.property_definitions.keys().map(|name| &**name)),
            None => found,
        }
    })
}

/// The attribute that `get_attribute` names.
pub(crate) fn attribute<'a>(
    template: &'a Template,
    scope: &Scope<'a>,
    entity_name: &str,
    path: &'a [Node],
) -> Result<Option<Named<'a>>, Refused> {
    let [first, rest @ ..] = path else {
        return Err(no_name("get_attribute"));
    };
    let name = text(first).ok_or_else(|| no_name("get_attribute"))?;
    let of_node = |node: &'a NodeTemplate, via: Via| {
        if let Some(definition) = node.attributes.get(name) {
            return Some(Named::Attribute(AttributeAt {
                node,
                via,
                capability: None,
                name,
                definition,
                rest,
            }));
        }
        let Some((second, rest)) = rest.split_first() else {
            let value = own_property(node, name)?;
            return Some(Named::Property(PropertyAt {
                owner: Some(node),
                value,
                rest: &[],
            }));
        };
        let (owner, capability) = capability(template, node, name)?;
        let second = text(second)?;
        let definition = capability.attributes.get(second)?;
        let via = if std::ptr::eq(owner, node) { via } else { Via::Named };
        Some(Named::Attribute(AttributeAt {
            node: owner,
            via,
            capability: Some(name),
            name: second,
            definition,
            rest,
        }))
    };
    let (found, whose) = match entity(template, scope, entity_name)? {
        Entity::Broken => return Ok(None),
        Entity::Node(node, via) => (of_node(node, via), format!("`{}`", node.name)),
        Entity::Hosts(hosts) => (
            hosts.iter().find_map(|host| of_node(host, Via::Host)),
            "no node that it runs on".to_owned(),
        ),
        Entity::Relationship(_) => {
            let own = scope.using.and_then(|node| of_node(node, Via::SelfNode));
            (own.or(Some(Named::Nothing)), String::new())
        }
    };
    found.map(Some).ok_or_else(|| {
        let shown = shown(path);
        let verb = if whose.starts_with("no ") { "has" } else { "has no" };
        let found = refuse(codes::NO_ATTRIBUTE, format!("{whose} {verb} attribute {shown}"));
        match template.nodes.get(entity_name) {
            Some(node) => suggest(found, name, node.attributes.keys().map(|name| &**name)),
            None => found,
        }
    })
}

fn shown(path: &[Node]) -> String {
    let parts: Vec<String> = path.iter().take(2).map(|node| python_text(&node.value)).collect();
    format!("`{}`", parts.join("."))
}

/// Whether the path fits the type of the attribute: numbers go into lists, names into maps and data types.
pub(crate) fn check_path(template: &Template, found: &AttributeAt<'_>) -> Result<(), Refused> {
    let wrong = |why: String| {
        let message = format!("the attribute `{}` of `{}` {why}", found.name, found.node.name);
        Err(refuse(codes::NO_ATTRIBUTE, message))
    };
    let mut definition = Some(found.definition.clone());
    for step in found.rest {
        let Some(current) = definition.take() else {
            return Ok(());
        };
        let is_function = super::is_function(step).is_some();
        definition = match &*current.type_name {
            "list" => {
                if step.as_int().is_none() && !is_function {
                    return wrong(format!("is a list, and `{}` is no number", python_text(&step.value)));
                }
                current.entry.map(|entry| *entry)
            }
            "map" => current.entry.map(|entry| *entry),
            name => match template.types.flat(TypeKind::Data, name) {
                Some(flat) if !flat.properties.is_empty() => {
                    if is_function {
                        return Ok(());
                    }
                    let member = python_text(&step.value);
                    match flat.properties.get(member.as_str()) {
                        Some(next) => Some((**next).clone()),
                        None => return wrong(format!("is a `{name}`, which has no `{member}`")),
                    }
                }
                _ => {
                    return wrong(format!(
                        "is a `{name}`, so nothing can be taken from it by `{}`",
                        python_text(&step.value)
                    ));
                }
            },
        };
    }
    Ok(())
}
