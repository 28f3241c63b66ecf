//! Functions of values: `get_input`, `get_property`, `get_attribute`, `concat`, `token`, `get_artifact`. One parser and
//! one evaluator; what an attribute is, is a matter of who asks.
//!
//! Never decides where functions are allowed: whoever evaluates a value does.

mod draw;
mod eval;
mod find;
mod parse;

pub use draw::draw_inputs;
pub use eval::{Eval, Inputs, NullPart};
pub use find::{Link, Scope};
pub(crate) use find::{Named, attribute as find_attribute, check_path, property as find_property};
pub use parse::{Expression, is_function, parse};

use crate::{Node, NodeTemplate, Place, Template};
use im_radl::Diagnostic;

/// Whose attribute is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Via {
    /// The node that uses the value: `SELF`.
    SelfNode,
    /// A node that it runs on: `HOST`.
    Host,
    /// The node of a relationship that has the requirement: `SOURCE`.
    Source,
    /// The node of a relationship that meets it: `TARGET`.
    Target,
    /// A node by its name.
    Named,
}

impl Via {
    /// What the first argument of a function says.
    pub fn of(entity: &str) -> Self {
        match entity {
            "SELF" => Self::SelfNode,
            "HOST" => Self::Host,
            "SOURCE" => Self::Source,
            "TARGET" => Self::Target,
            _ => Self::Named,
        }
    }
}

/// A question for an attribute.
#[derive(Clone, Copy, Debug)]
pub struct AttributeQuery<'a> {
    /// The document.
    pub template: &'a Template,
    /// The node whose attribute it is. With [`Via::Host`], the first node up the chain that has it.
    pub node: &'a NodeTemplate,
    /// The node that uses the value.
    pub using: &'a NodeTemplate,
    /// How the node is named.
    pub via: Via,
    /// The capability whose attribute it is.
    pub capability: Option<&'a str>,
    /// The attribute.
    pub name: &'a str,
    /// List indexes and map members, evaluated.
    pub path: &'a [Node],
    /// Where the function is written.
    pub at: Place,
}

/// What attributes are: expressions for Ansible at conversion, values of running VMs for outputs.
pub trait Attributes {
    /// The value of an attribute; none if it has none (yet), which counts as null. The whole path is applied.
    fn attribute(&self, query: &AttributeQuery<'_>) -> Result<Option<Node>, Box<Diagnostic>>;
}
