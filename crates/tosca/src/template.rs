//! A document after validation: inherited definitions merged, defaults filled in, values coerced to their types.
//! Functions are still there, as they were written: they are evaluated where their values are used.
//!
//! Never fetches, evaluates or converts anything.

use crate::{
    Mapping, Node, Place, Sources,
    types::{Definitions, Interfaces, PropertyDefinition, TypeLibrary},
};
use indexmap::IndexMap;
use std::sync::Arc;

/// Values by name, in order.
pub type Values = IndexMap<Arc<str>, Node>;

/// A valid document.
#[derive(Clone, Debug)]
pub struct Template {
    /// `tosca_definitions_version`.
    pub version: Arc<str>,
    /// `metadata`.
    pub metadata: Mapping,
    /// `description`.
    pub description: Option<Arc<str>>,
    /// The inputs, with those of the template that it extends.
    pub inputs: IndexMap<Arc<str>, Input>,
    /// The nodes, in the order of the document.
    pub nodes: IndexMap<Arc<str>, NodeTemplate>,
    /// The relationship templates.
    pub relationships: IndexMap<Arc<str>, RelationshipTemplate>,
    /// The outputs.
    pub outputs: IndexMap<Arc<str>, Output>,
    /// The groups.
    pub groups: IndexMap<Arc<str>, Group>,
    /// The policies, in order.
    pub policies: Vec<Policy>,
    /// The repositories: names to URLs.
    pub repositories: IndexMap<Arc<str>, Arc<str>>,
    /// The document as it was submitted, for storing.
    pub raw: Node,
    /// Every type that its nodes can have.
    pub types: TypeLibrary,
    /// The files that places speak of.
    pub sources: Arc<Sources>,
}

/// A parameter of the document.
#[derive(Clone, Debug)]
pub struct Input {
    /// Its type and constraints.
    pub definition: PropertyDefinition,
    /// Its value where the caller gives none. Null if there is no default.
    pub default: Option<Node>,
    /// Where it is defined.
    pub at: Place,
}

/// An output.
#[derive(Clone, Debug)]
pub struct Output {
    /// What to evaluate.
    pub value: Node,
    /// What it is, for people.
    pub description: Option<Arc<str>>,
    /// Where it is defined.
    pub at: Place,
}

/// A node.
#[derive(Clone, Debug)]
pub struct NodeTemplate {
    /// Its name.
    pub name: Arc<str>,
    /// Its type, by the full name.
    pub type_name: Arc<str>,
    /// Its type, the type's parent and so on.
    pub chain: Vec<Arc<str>>,
    /// The ancestor just below the root of all: `tosca.nodes.Compute`.
    pub root_type: Arc<str>,
    /// Its properties: own values and defaults, coerced; functions as they were written. One without value is absent.
    pub properties: Values,
    /// What its type says of its properties, by name.
    pub property_definitions: Definitions,
    /// The attributes that its type declares.
    pub attributes: Definitions,
    /// The capabilities of its type, with the values of the document.
    pub capabilities: IndexMap<Arc<str>, Capability>,
    /// Its requirements, in order.
    pub requirements: Vec<Requirement>,
    /// The interfaces it defines itself.
    pub interfaces: Interfaces,
    /// The interfaces of its type and the type's ancestors, the nearest first.
    pub type_interfaces: Vec<Arc<Interfaces>>,
    /// Its artifacts: own ones over its type's.
    pub artifacts: IndexMap<Arc<str>, Artifact>,
    /// Where its name is written.
    pub at: Place,
}

/// A capability of a node.
#[derive(Clone, Debug)]
pub struct Capability {
    /// Its type, by the full name.
    pub type_name: Arc<str>,
    /// Its type, the type's parent and so on.
    pub chain: Vec<Arc<str>>,
    /// Its properties: the defaults of its own type first, then the values of the document, coerced.
    pub properties: Values,
    /// What its type says of its properties, by name.
    pub property_definitions: Definitions,
    /// The attributes that its type declares.
    pub attributes: Definitions,
}

/// A requirement of a node, met by another node.
#[derive(Clone, Debug)]
pub struct Requirement {
    /// Its name: `host`.
    pub name: Arc<str>,
    /// The node that meets it.
    pub target: Arc<str>,
    /// The capability of the target that the document names.
    pub capability: Option<Arc<str>>,
    /// How they are linked; none if the link has no effect.
    pub relationship: Option<Relationship>,
    /// Where it is written.
    pub at: Place,
}

/// How two nodes are linked.
#[derive(Clone, Debug)]
pub struct Relationship {
    /// Its type, by the full name.
    pub type_name: Arc<str>,
    /// Its type, the type's parent and so on.
    pub chain: Vec<Arc<str>>,
    /// The relationship template, if it is one.
    pub template: Option<Arc<str>>,
    /// Its properties, with defaults.
    pub properties: Values,
    /// The interfaces that the requirement or the relationship template defines.
    pub interfaces: Interfaces,
    /// The interfaces of its type and the type's ancestors, the nearest first.
    pub type_interfaces: Vec<Arc<Interfaces>>,
}

/// A relationship that requirements refer to by name.
#[derive(Clone, Debug)]
pub struct RelationshipTemplate {
    /// Its type, by the full name.
    pub type_name: Arc<str>,
    /// Its type, the type's parent and so on.
    pub chain: Vec<Arc<str>>,
    /// Its properties, with defaults.
    pub properties: Values,
    /// Its interfaces.
    pub interfaces: Interfaces,
    /// Where its name is written.
    pub at: Place,
}

/// A file, a role or an image that belongs to a node.
#[derive(Clone, Debug, PartialEq)]
pub struct Artifact {
    /// Its type, by the full name; empty if the document gives none.
    pub type_name: Arc<str>,
    /// What or where it is. May be a function.
    pub file: Node,
    /// The repository it is in, by name.
    pub repository: Option<Arc<str>>,
    /// Where it goes.
    pub deploy_path: Option<Node>,
    /// Its properties.
    pub properties: Mapping,
    /// Where it is written.
    pub at: Place,
}

/// A group of nodes.
#[derive(Clone, Debug)]
pub struct Group {
    /// Its type, by the full name.
    pub type_name: Arc<str>,
    /// The nodes.
    pub members: Vec<Arc<str>>,
    /// Where its name is written.
    pub at: Place,
}

/// A policy.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Its name.
    pub name: Arc<str>,
    /// Its type, by the full name.
    pub type_name: Arc<str>,
    /// Its type, the type's parent and so on.
    pub chain: Vec<Arc<str>>,
    /// Its properties, with defaults; functions as they were written.
    pub properties: Values,
    /// Nodes and groups that it is for.
    pub targets: Vec<Arc<str>>,
    /// Where its name is written.
    pub at: Place,
}

impl NodeTemplate {
    /// Whether its type is this one or derives from it.
    pub fn is_a(&self, type_name: &str) -> bool {
        is_a(&self.chain, type_name)
    }

    /// The relationships of its requirements that have an effect, with their targets.
    pub fn links(&self) -> impl Iterator<Item = (&Requirement, &Relationship)> {
        self.requirements
            .iter()
            .filter_map(|requirement| Some((requirement, requirement.relationship.as_ref()?)))
    }
}

impl Capability {
    /// Whether its type is this one or derives from it.
    pub fn is_a(&self, type_name: &str) -> bool {
        is_a(&self.chain, type_name)
    }
}

impl Relationship {
    /// Whether its type is this one or derives from it.
    pub fn is_a(&self, type_name: &str) -> bool {
        is_a(&self.chain, type_name)
    }
}

impl Policy {
    /// Whether its type is this one or derives from it.
    pub fn is_a(&self, type_name: &str) -> bool {
        is_a(&self.chain, type_name)
    }
}

fn is_a(chain: &[Arc<str>], type_name: &str) -> bool {
    chain.iter().any(|name| &**name == type_name)
}

/// The root of what runs somewhere.
pub const COMPUTE: &str = "tosca.nodes.Compute";

impl Template {
    /// The node that a node runs on, one step up: the target of its first `HostedOn` or `BindsTo` relationship.
    pub fn next_host(&self, node: &NodeTemplate) -> Option<&NodeTemplate> {
        let (requirement, _) = node.links().find(|(_, link)| {
            link.is_a("tosca.relationships.HostedOn") || link.is_a("tosca.relationships.network.BindsTo")
        })?;
        self.nodes.get(&requirement.target)
    }

    /// The nodes above a node, the nearest first. Each once, however they are linked.
    pub fn hosts_above<'a>(&'a self, node: &'a NodeTemplate) -> Vec<&'a NodeTemplate> {
        let mut above = Vec::new();
        let mut at = node;
        while let Some(next) = self.next_host(at) {
            if std::ptr::eq(next, node) || above.iter().any(|seen: &&NodeTemplate| std::ptr::eq(*seen, next)) {
                break;
            }
            above.push(next);
            at = next;
        }
        above
    }

    /// The compute node that a node is or runs on.
    pub fn host_of<'a>(&'a self, node: &'a NodeTemplate) -> Option<&'a NodeTemplate> {
        if &*node.root_type == COMPUTE {
            return Some(node);
        }
        self.hosts_above(node)
            .into_iter()
            .find(|host| &*host.root_type == COMPUTE)
    }

    /// The nodes that run on a compute node, in the order of the document, itself not among them.
    pub fn hosted_on<'a>(&'a self, compute: &NodeTemplate) -> Vec<&'a NodeTemplate> {
        self.nodes
            .values()
            .filter(|node| node.name != compute.name)
            .filter(|node| self.host_of(node).is_some_and(|host| host.name == compute.name))
            .collect()
    }
}
