//! Types: how they are defined, read from a file, looked up and inherited.
//!
//! Never looks at node templates: that is [`crate::validate`].

mod constraint;
mod library;
mod prefix;
mod read;

pub use constraint::{Constraint, ConstraintKind};
pub(crate) use library::Layer;
pub use library::{Flat, TypeLibrary};
pub(crate) use prefix::prefixed;
pub(crate) use read::{INTERFACE_FIELDS, read_artifacts, read_interfaces, read_property, read_types, unknown_field};

use crate::{Mapping, Node, Place, template::Artifact};
use im_radl::Diagnostic;
use indexmap::IndexMap;
use std::sync::Arc;

/// What types are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TypeKind {
    /// `node_types`.
    Node,
    /// `relationship_types`.
    Relationship,
    /// `capability_types`.
    Capability,
    /// `artifact_types`.
    Artifact,
    /// `data_types`.
    Data,
    /// `interface_types`.
    Interface,
    /// `policy_types`.
    Policy,
    /// `group_types`.
    Group,
}

impl TypeKind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Node,
        Self::Relationship,
        Self::Capability,
        Self::Artifact,
        Self::Data,
        Self::Interface,
        Self::Policy,
        Self::Group,
    ];

    /// The key of a file that they stand under.
    pub fn section(self) -> &'static str {
        match self {
            Self::Node => "node_types",
            Self::Relationship => "relationship_types",
            Self::Capability => "capability_types",
            Self::Artifact => "artifact_types",
            Self::Data => "data_types",
            Self::Interface => "interface_types",
            Self::Policy => "policy_types",
            Self::Group => "group_types",
        }
    }

    /// In words: `node type`.
    pub fn words(self) -> &'static str {
        match self {
            Self::Node => "node type",
            Self::Relationship => "relationship type",
            Self::Capability => "capability type",
            Self::Artifact => "artifact type",
            Self::Data => "data type",
            Self::Interface => "interface type",
            Self::Policy => "policy type",
            Self::Group => "group type",
        }
    }

    /// What a short name such as `Compute` goes after.
    pub fn prefixes(self) -> &'static [&'static str] {
        match self {
            Self::Node => &["tosca.nodes."],
            Self::Relationship => &["tosca.relationships."],
            Self::Capability => &["tosca.capabilities."],
            Self::Artifact => &["tosca.artifacts."],
            Self::Data => &["tosca.datatypes.network.", "tosca.datatypes."],
            Self::Interface => &[
                "tosca.interfaces.node.lifecycle.",
                "tosca.interfaces.relationship.",
                "tosca.interfaces.",
            ],
            Self::Policy => &["tosca.policies."],
            Self::Group => &["tosca.groups."],
        }
    }
}

/// Definitions of properties or attributes by name.
pub type Definitions = IndexMap<Arc<str>, Arc<PropertyDefinition>>;
/// Interfaces by name.
pub type Interfaces = IndexMap<Arc<str>, InterfaceDefinition>;

/// One type as its file defines it, without what it inherits.
#[derive(Clone, Debug)]
pub struct TypeDefinition {
    /// What it is a type of.
    pub kind: TypeKind,
    /// Its name.
    pub name: Arc<str>,
    /// The type it derives from.
    pub derived_from: Option<Arc<str>>,
    /// Its properties.
    pub properties: Definitions,
    /// Its attributes.
    pub attributes: Definitions,
    /// The capabilities of its nodes.
    pub capabilities: IndexMap<Arc<str>, CapabilityDefinition>,
    /// The requirements of its nodes.
    pub requirements: Vec<RequirementDefinition>,
    /// Its interfaces.
    pub interfaces: Arc<Interfaces>,
    /// The artifacts of its nodes.
    pub artifacts: IndexMap<Arc<str>, Artifact>,
    /// Of an interface type: its operations.
    pub operations: Vec<Arc<str>>,
    /// Of a data type: the simple type that it narrows, `integer`.
    pub base: Option<Arc<str>>,
    /// Of a data type: what narrows it.
    pub constraints: Vec<Constraint>,
    /// Where its name is written.
    pub at: Place,
    /// What is wrong with the definition. Only of interest if the type is used.
    pub findings: Vec<Diagnostic>,
}

/// What a property, an attribute or an input can be.
#[derive(Clone, Debug, PartialEq)]
pub struct PropertyDefinition {
    /// The type's name, as it is written.
    pub type_name: Arc<str>,
    /// Of a list's items or a map's values.
    pub entry: Option<Box<PropertyDefinition>>,
    /// Whether there must be a value.
    pub required: bool,
    /// The value where none is given. A null stands for none.
    pub default: Option<Node>,
    /// What narrows it.
    pub constraints: Vec<Constraint>,
    /// Where it is defined.
    pub at: Place,
}

/// A capability that a node type declares.
#[derive(Clone, Debug, PartialEq)]
pub struct CapabilityDefinition {
    /// The type's name, as it is written.
    pub type_name: Arc<str>,
    /// Properties that only this one has.
    pub properties: Definitions,
    /// Where it is written.
    pub at: Place,
}

/// A requirement that a node type declares.
#[derive(Clone, Debug)]
pub struct RequirementDefinition {
    /// Its name.
    pub name: Arc<str>,
    /// The capability type that a target must have.
    pub capability: Option<Arc<str>>,
    /// The node type that a target must have.
    pub node: Option<Arc<str>>,
    /// The relationship type.
    pub relationship: Option<Arc<str>>,
    /// Interfaces that the requirement defines for the relationship.
    pub interfaces: Arc<Interfaces>,
    /// How often it must be met.
    pub least: u32,
    /// How often it may be met; none is without bound.
    pub most: Option<u32>,
    /// The whole entry: two that are equal are one.
    pub whole: Node,
    /// Where it is written.
    pub at: Place,
}

/// An interface of a type, a node or a relationship.
#[derive(Clone, Debug, PartialEq)]
pub struct InterfaceDefinition {
    /// The interface type, if it is given.
    pub type_name: Option<Arc<str>>,
    /// Inputs of all its operations.
    pub inputs: Mapping,
    /// Its operations, in order.
    pub operations: IndexMap<Arc<str>, Operation>,
    /// Where its name is written.
    pub at: Place,
}

/// An operation of an interface.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// The script or playbook: an artifact's name, a path, a URL, or an inline artifact.
    pub implementation: Option<Node>,
    /// What it is given: values or functions, by name.
    pub inputs: Mapping,
    /// Where its name is written.
    pub at: Place,
}
