//! Requirements and relationships: what a node needs, which node meets it, and how the two are linked.

use super::{
    coerce::Standing,
    context::{Context, What, suggest},
    nodes::with_defaults,
    one_key_list,
    properties::{Missing, Owner, given, required},
};
use crate::{
    Entry, Mapping, Node, Place, Value, codes,
    template::{NodeTemplate, Relationship, RelationshipTemplate, Requirement, Values},
    types::{Flat, Interfaces, TypeKind, read_interfaces},
};
use im_radl::Diagnostic;
use indexmap::IndexMap;
use std::sync::Arc;

/// What a requirement may have; the original takes these words for names as well.
const WORDS: &[&str] = &[
    "node",
    "capability",
    "relationship",
    "occurrences",
    "node_filter",
    "template",
];

/// `relationship_templates`.
pub(super) fn templates(cx: &Context<'_>, section: &Mapping) -> IndexMap<Arc<str>, RelationshipTemplate> {
    const FIELDS: &[&str] = &[
        "type",
        "derived_from",
        "properties",
        "interfaces",
        "attributes",
        "description",
        "copy",
        "metadata",
    ];
    let mut made = IndexMap::new();
    for (name, entry) in section.entries() {
        let what = format!("the relationship template `{name}`");
        let Some(map) = cx.members(&entry.value, &what) else {
            continue;
        };
        cx.fields(map, "a relationship template", FIELDS);
        let Some(type_node) = map.get("type") else {
            cx.error(codes::REQUIRED, format!("{what} has no `type`"), entry.key_at);
            continue;
        };
        let Some(type_name) = cx.text(map, "type", &what) else {
            continue;
        };
        let Some(flat) = cx.flat(TypeKind::Relationship, &type_name, type_node.at) else {
            continue;
        };
        let (properties, interfaces) = contents(cx, map, &flat, name, entry.key_at);
        let template = RelationshipTemplate {
            type_name: Arc::clone(&flat.definition.name),
            chain: flat.chain.clone(),
            properties,
            interfaces,
            at: entry.key_at,
        };
        made.insert(Arc::clone(name), template);
    }
    made
}

/// Properties and interfaces of a relationship.
fn contents(cx: &Context<'_>, map: &Mapping, flat: &Flat, name: &Arc<str>, at: Place) -> (Values, Interfaces) {
    let owner = Owner {
        what: What::new(name),
        type_name: &flat.definition.name,
        at,
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
    let mut interfaces = Interfaces::new();
    if let Some(value) = map.get("interfaces") {
        let mut findings = Vec::new();
        interfaces = read_interfaces(value, &mut findings);
        cx.push_in(value.at.file, findings);
    }
    (with_defaults(cx, &owner, &flat.properties, own), interfaces)
}

/// Fills in the requirements of all nodes.
pub(super) fn resolve(
    cx: &Context<'_>,
    section: &Mapping,
    nodes: &mut IndexMap<Arc<str>, NodeTemplate>,
    templates: &IndexMap<Arc<str>, RelationshipTemplate>,
) {
    let names: Vec<Arc<str>> = nodes.keys().cloned().collect();
    for name in names {
        let Some(written) = section.get(&name).and_then(|node| node.get("requirements")) else {
            if let Some(node) = nodes.get(&name) {
                occurrences(cx, node, &[]);
            }
            continue;
        };
        let Some(node) = nodes.get(&name) else { continue };
        let entries = one_key_list(cx, written, "requirements");
        occurrences(cx, node, &entries);
        let mut made = Vec::new();
        for (requirement, entry) in entries {
            let of = Of {
                cx,
                node,
                section,
                templates,
            };
            made.extend(of.requirement(requirement, entry));
        }
        if let Some(node) = nodes.get_mut(&name) {
            node.requirements = made;
        }
    }
}

/// How often each declared requirement is met.
fn occurrences(cx: &Context<'_>, node: &NodeTemplate, entries: &[(&Arc<str>, &Entry)]) {
    let Some(flat) = cx.find(TypeKind::Node, &node.type_name) else {
        return;
    };
    let mut seen: Vec<&str> = Vec::new();
    for declared in &flat.requirements {
        if seen.contains(&&*declared.name) {
            continue;
        }
        seen.push(&declared.name);
        let met: Vec<&Entry> = entries
            .iter()
            .filter(|(name, _)| **name == declared.name)
            .map(|(_, entry)| *entry)
            .collect();
        let count = u32::try_from(met.len()).unwrap_or(u32::MAX);
        if count < declared.least {
            let message = format!(
                "`{}` should have the requirement `{}`, as `{}` says",
                node.name, declared.name, node.type_name
            );
            cx.warning(codes::RELAXED, message, node.at);
        }
        if let Some(most) = declared.most
            && count > most
        {
            let message = format!(
                "`{}` has the requirement `{}` {count} times, and {most} are allowed",
                node.name, declared.name
            );
            let at = met.last().map_or(node.at, |entry| entry.key_at);
            cx.error(codes::OCCURRENCES, message, at);
        }
    }
}

struct Of<'a> {
    cx: &'a Context<'a>,
    node: &'a NodeTemplate,
    section: &'a Mapping,
    templates: &'a IndexMap<Arc<str>, RelationshipTemplate>,
}

impl Of<'_> {
    fn requirement(&self, name: &Arc<str>, entry: &Entry) -> Option<Requirement> {
        let cx = self.cx;
        let flat = cx.find(TypeKind::Node, &self.node.type_name)?;
        let declared = || flat.requirements.iter().filter(|declared| declared.name == *name);
        let (target, members) = match &entry.value.value {
            Value::Str(target) => {
                if declared().next().is_none() && !WORDS.contains(&&**name) {
                    let message = format!(
                        "`{}` has no requirement `{name}`, which `{}` has",
                        self.node.type_name, self.node.name
                    );
                    let found = Diagnostic::error(codes::REQUIREMENT, message);
                    let known = flat.requirements.iter().map(|declared| &*declared.name);
                    cx.push(suggest(found, name, known), entry.key_at);
                    return None;
                }
                (Some((Arc::clone(target), entry.value.at)), None)
            }
            Value::Map(map) => {
                cx.fields(map, "a requirement", WORDS);
                let target = map.get("node").filter(|node| !node.is_null());
                if let Some(node) = target
                    && node.as_str().is_none()
                {
                    let message = format!(
                        "the node that meets `{name}` is given by its name, and this is {}",
                        node.value.kind()
                    );
                    cx.error(codes::TARGET, message, node.at);
                    return None;
                }
                let target = target.and_then(|node| Some((Arc::clone(node.as_arc()?), node.at)));
                (target, Some(map))
            }
            other => {
                let message = format!(
                    "the requirement `{name}` must name a node, and this is {}",
                    other.kind()
                );
                cx.error(codes::SHAPE, message, entry.value.at);
                return None;
            }
        };
        let Some((target, at)) = target else {
            let message = format!(
                "the requirement `{name}` of `{}` names no node, and has no effect",
                self.node.name
            );
            cx.warning(codes::DROPPED, message, entry.key_at);
            return None;
        };
        self.target(name, &target, at)?;
        let declared_type = declared().find_map(|declared| declared.relationship.clone());
        let declared_interfaces = declared()
            .find(|declared| !declared.interfaces.is_empty())
            .map(|declared| Arc::clone(&declared.interfaces));
        let relationship = self.relationship(
            members.and_then(|map| map.get("relationship")),
            declared_type.as_ref(),
            &flat,
            entry.key_at,
        );
        let relationship = relationship.map(|mut made| {
            if let Some(interfaces) = declared_interfaces {
                made.type_interfaces.insert(0, interfaces);
            }
            made
        });
        Some(Requirement {
            name: Arc::clone(name),
            target,
            capability: members.and_then(|map| map.get("capability")?.as_arc().map(Arc::clone)),
            relationship,
            at: entry.key_at,
        })
    }

    fn target(&self, name: &str, target: &Arc<str>, at: Place) -> Option<()> {
        if self.section.contains(target) {
            return Some(());
        }
        let message = format!(
            "there is no node `{target}`, which the requirement `{name}` of `{}` names",
            self.node.name
        );
        let found = Diagnostic::error(codes::TARGET, message);
        let found = if self.cx.types.get(TypeKind::Node, target).is_some() {
            found.hint("it is a type; name a node of this document")
        } else {
            suggest(found, target, self.section.keys().map(|name| &**name))
        };
        self.cx.push(found, at);
        None
    }

    /// The relationship of a requirement. None if the link has no effect.
    fn relationship(
        &self,
        written: Option<&Node>,
        declared: Option<&Arc<str>>,
        flat: &Flat,
        at: Place,
    ) -> Option<Relationship> {
        let cx = self.cx;
        let empty = Mapping::new();
        let made = match written.map(|node| (&node.value, node)) {
            None | Some((Value::Null, _)) => self.of_type(declared?, &empty, at),
            Some((Value::Str(name), node)) => match self.templates.get(name) {
                Some(template) => Some(self.of_template(name, template)),
                None if cx.types.get(TypeKind::Relationship, name).is_some() => self.of_type(name, &empty, at),
                None => {
                    let message = format!("there is no relationship `{name}`: the link has no effect");
                    let found = Diagnostic::warning(codes::DROPPED, message);
                    let known = self.templates.keys().chain(cx.types.names(TypeKind::Relationship));
                    cx.push(suggest(found, name, known.map(|name| &**name)), node.at);
                    None
                }
            },
            Some((Value::Map(map), node)) => {
                cx.fields(map, "a relationship", &["type", "properties", "interfaces"]);
                let type_name = match map.get("type") {
                    Some(_) => cx.text(map, "type", &"the relationship")?,
                    None => Arc::clone(declared?),
                };
                match self.templates.get(&type_name) {
                    Some(template) => Some(self.of_template(&type_name, template)),
                    None => self.of_type(&type_name, map, map.get("type").map_or(node.at, |node| node.at)),
                }
            }
            Some((other, node)) => {
                let message = format!(
                    "a relationship is a name or a mapping with a `type`, and this is {}",
                    other.kind()
                );
                cx.error(codes::RELATIONSHIP, message, node.at);
                None
            }
        }?;
        if self.takes_effect(&made, flat) {
            return Some(made);
        }
        let message = format!(
            "`{}` declares no requirement with the relationship `{}`: the link has no effect",
            self.node.type_name, made.type_name
        );
        cx.warning(codes::DROPPED, message, at);
        None
    }

    /// The type, or its parent if it is not a normative one, must be declared by some requirement of the node's type.
    fn takes_effect(&self, made: &Relationship, flat: &Flat) -> bool {
        let declared = |name: &Arc<str>| {
            flat.requirements
                .iter()
                .filter_map(|declared| declared.relationship.as_ref())
                .any(|known| {
                    let full = self
                        .cx
                        .types
                        .get(TypeKind::Relationship, known)
                        .map_or(known, |made| &made.name);
                    full == name
                })
        };
        made.chain.iter().take(2).any(declared)
    }

    fn of_template(&self, name: &Arc<str>, template: &RelationshipTemplate) -> Relationship {
        Relationship {
            type_name: Arc::clone(&template.type_name),
            chain: template.chain.clone(),
            template: Some(Arc::clone(name)),
            properties: template.properties.clone(),
            interfaces: template.interfaces.clone(),
            type_interfaces: self
                .cx
                .find(TypeKind::Relationship, &template.type_name)
                .map(|flat| flat.interfaces.clone())
                .unwrap_or_default(),
        }
    }

    fn of_type(&self, type_name: &Arc<str>, map: &Mapping, at: Place) -> Option<Relationship> {
        let flat = self.cx.flat(TypeKind::Relationship, type_name, at)?;
        let (properties, interfaces) = contents(self.cx, map, &flat, &flat.definition.name, at);
        Some(Relationship {
            type_name: Arc::clone(&flat.definition.name),
            chain: flat.chain.clone(),
            template: None,
            properties,
            interfaces,
            type_interfaces: flat.interfaces.clone(),
        })
    }
}
