//! Evaluates functions, wherever they stand in a value.

use super::{
    AttributeQuery, Attributes, Expression,
    find::{self, Link, Named, PropertyAt, Scope},
    is_function, parse,
};
use crate::{Mapping, Node, NodeTemplate, Place, Template, Value, codes, yaml::python_text};
use im_radl::Diagnostic;
use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
};

/// Values of inputs that differ from their defaults: drawn ones, by name.
pub type Inputs = BTreeMap<String, Value>;

/// What a null within `concat` gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NullPart {
    /// The text `None`: recipes of the original know it.
    Text,
    /// Null for the whole: outputs that are not there yet.
    Null,
}

/// How deep values and the properties they refer to may nest.
const DEEPEST: usize = 150;
/// How many values one evaluation may look at.
const MOST: usize = 200_000;
/// Bytes of a text that `concat` makes.
const LONGEST: usize = 1 << 20;

type Refused = Box<Diagnostic>;

/// Evaluates values for one user of them.
pub struct Eval<'a> {
    template: &'a Template,
    inputs: &'a Inputs,
    attributes: &'a dyn Attributes,
    scope: Scope<'a>,
    null_part: NullPart,
    /// Properties that are being evaluated, by their addresses.
    running: RefCell<Vec<*const Node>>,
    depth: Cell<usize>,
    seen: Cell<usize>,
}

impl<'a> Eval<'a> {
    /// For outputs and policies, which belong to no node.
    pub fn new(template: &'a Template, inputs: &'a Inputs, attributes: &'a dyn Attributes) -> Self {
        Self {
            template,
            inputs,
            attributes,
            scope: Scope::default(),
            null_part: NullPart::Text,
            running: RefCell::default(),
            depth: Cell::new(0),
            seen: Cell::new(0),
        }
    }

    /// For a node: `SELF` is this one.
    #[must_use]
    pub fn of_node(mut self, node: &'a NodeTemplate) -> Self {
        self.scope.using = Some(node);
        self
    }

    /// For operations of a relationship: `SOURCE` and `TARGET` are its ends, `SELF` itself.
    #[must_use]
    pub fn of_link(mut self, link: Link<'a>) -> Self {
        self.scope.link = Some(link);
        self
    }

    /// What a null within `concat` gives.
    #[must_use]
    pub fn null_part(mut self, null_part: NullPart) -> Self {
        self.null_part = null_part;
        self
    }

    /// A value with all functions in it replaced by what they give.
    pub fn value(&self, node: &Node) -> Result<Node, Refused> {
        self.seen.set(0);
        self.deep(node, self.scope)
    }

    fn refuse(&self, mut found: Refused, at: Place) -> Refused {
        if found.span.is_none() {
            *found = self.template.sources.locate(*found, at);
        } else if found.file.is_none() {
            *found = self.template.sources.locate_in(*found, at.file);
        }
        found
    }

    fn limit(&self, what: &str, at: Place) -> Refused {
        self.refuse(Box::new(Diagnostic::error(codes::LIMIT, what)), at)
    }

    fn deep(&self, node: &Node, scope: Scope<'a>) -> Result<Node, Refused> {
        self.seen.set(self.seen.get() + 1);
        if self.seen.get() > MOST {
            return Err(self.limit("the functions here refer to too many values", node.at));
        }
        if self.depth.get() >= DEEPEST {
            return Err(self.limit("the functions here refer to each other too often", node.at));
        }
        self.depth.set(self.depth.get() + 1);
        let made = self.one(node, scope);
        self.depth.set(self.depth.get() - 1);
        made
    }

    fn one(&self, node: &Node, scope: Scope<'a>) -> Result<Node, Refused> {
        if is_function(node).is_some()
            && let Some(expression) = parse(node).map_err(|found| self.refuse(found, node.at))?
        {
            return self.expression(&expression, scope, node.at);
        }
        let value = match &node.value {
            Value::Seq(items) => {
                let items: Result<Vec<Node>, Refused> = items.iter().map(|item| self.deep(item, scope)).collect();
                Value::Seq(items?)
            }
            Value::Map(map) => {
                let mut made = Mapping::new();
                for (key, entry) in map.entries() {
                    let value = self.deep(&entry.value, scope)?;
                    made.insert_entry(key.clone(), crate::Entry { value, ..entry.clone() });
                }
                Value::Map(made)
            }
            other => other.clone(),
        };
        Ok(Node::new(value, node.at))
    }

    fn expression(&self, expression: &Expression<'_>, scope: Scope<'a>, at: Place) -> Result<Node, Refused> {
        match expression {
            Expression::Input { name } => self.input(name, at),
            Expression::Property { entity, path } => {
                let path = self.arguments(path, scope)?;
                // Found by names that live as long as this call; the values live in the template.
                let found =
                    find::property(self.template, &scope, entity, &path).map_err(|found| self.refuse(found, at))?;
                match found {
                    Some(found) => self.property(&found, scope, at),
                    None => Ok(Node::new(Value::Null, at)),
                }
            }
            Expression::Attribute { entity, path } => {
                let path = self.arguments(path, scope)?;
                self.attribute(entity, &path, scope, at)
            }
            Expression::Concat { items } => self.concat(items, scope, at),
            Expression::Token { text, separator, index } => self.token(text, separator, index, scope, at),
            Expression::Artifact { name } => Ok((*name).clone()),
        }
    }

    fn input(&self, name: &str, at: Place) -> Result<Node, Refused> {
        if let Some(value) = self.inputs.get(name) {
            return Ok(Node::new(value.clone(), at));
        }
        let Some(input) = self.template.inputs.get(name) else {
            let found = Diagnostic::error(codes::UNKNOWN_INPUT, format!("there is no input `{name}`"));
            return Err(self.refuse(Box::new(found), at));
        };
        match &input.default {
            // One that is made of others.
            Some(default) if is_function(default).is_some() => {
                let value = self.deep(default, Scope::default())?;
                Ok(Node::new(value.value, at))
            }
            Some(default) => Ok(Node::new(default.value.clone(), at)),
            None => Ok(Node::new(Value::Null, at)),
        }
    }

    /// Names and indexes, which may be functions.
    fn arguments(&self, path: &[Node], scope: Scope<'a>) -> Result<Vec<Node>, Refused> {
        path.iter().map(|step| self.deep(step, scope)).collect()
    }

    fn property(&self, found: &PropertyAt<'_>, scope: Scope<'a>, at: Place) -> Result<Node, Refused> {
        let Some(value) = found.value else {
            return Ok(Node::new(Value::Null, at));
        };
        let address = std::ptr::from_ref(value);
        if self.running.borrow().contains(&address) {
            let found = Diagnostic::error(codes::CYCLE, "the value refers to itself, by way of others or not");
            return Err(self.refuse(Box::new(found), at));
        }
        // A function belongs to the node that has it; within lists and maps, to the one that uses it.
        let owner = found.owner.and_then(|owner| self.template.nodes.get(&owner.name));
        let scope = match owner {
            Some(owner) if is_function(value).is_some() => Scope {
                using: Some(owner),
                link: None,
            },
            _ => scope,
        };
        self.running.borrow_mut().push(address);
        let made = self.deep(value, scope);
        self.running.borrow_mut().pop();
        self.descend(made?, found.rest, at)
    }

    /// Goes into lists by numbers and into maps by names. What is not there is null.
    fn descend(&self, mut value: Node, path: &[Node], at: Place) -> Result<Node, Refused> {
        for step in path {
            value = match (value.value, &step.value) {
                (Value::Seq(items), Value::Int(index)) => {
                    let index = usize::try_from(*index).ok();
                    match index.and_then(|index| items.into_iter().nth(index)) {
                        Some(item) => item,
                        None => return Ok(Node::new(Value::Null, at)),
                    }
                }
                (Value::Map(mut map), key) => match map.remove(&python_text(key)) {
                    Some(member) => member,
                    None => return Ok(Node::new(Value::Null, at)),
                },
                (Value::Null, _) => return Ok(Node::new(Value::Null, at)),
                (other, key) => {
                    let message = format!("nothing can be taken by `{}` from {}", python_text(key), other.kind());
                    let found = Diagnostic::error(codes::NO_PROPERTY, message);
                    return Err(self.refuse(Box::new(found), at));
                }
            };
        }
        Ok(Node::new(value.value, at))
    }

    fn attribute(&self, entity: &str, path: &[Node], scope: Scope<'a>, at: Place) -> Result<Node, Refused> {
        let null = Node::new(Value::Null, at);
        let found = find::attribute(self.template, &scope, entity, path).map_err(|found| self.refuse(found, at))?;
        match found {
            None | Some(Named::Nothing) => Ok(null),
            Some(Named::Property(property)) => self.property(&property, scope, at),
            Some(Named::Attribute(found)) => {
                let using = scope.using.unwrap_or(found.node);
                let query = AttributeQuery {
                    template: self.template,
                    node: found.node,
                    using,
                    via: found.via,
                    capability: found.capability,
                    name: found.name,
                    path: found.rest,
                    at,
                };
                let value = self
                    .attributes
                    .attribute(&query)
                    .map_err(|found| self.refuse(found, at))?;
                Ok(value.unwrap_or(null))
            }
        }
    }

    fn concat(&self, items: &[Node], scope: Scope<'a>, at: Place) -> Result<Node, Refused> {
        let mut text = String::new();
        for item in items {
            let value = self.deep(item, scope)?;
            if value.is_null() && self.null_part == NullPart::Null {
                return Ok(Node::new(Value::Null, at));
            }
            text.push_str(&python_text(&value.value));
            if text.len() > LONGEST {
                return Err(self.limit("the text that `concat` makes is too long", at));
            }
        }
        Ok(Node::text(text, at))
    }

    fn token(&self, text: &Node, separator: &Node, index: &Node, scope: Scope<'a>, at: Place) -> Result<Node, Refused> {
        let null = Node::new(Value::Null, at);
        let text = self.deep(text, scope)?;
        let separator = self.deep(separator, scope)?;
        let index = self.deep(index, scope)?;
        if text.is_null() {
            return Ok(null);
        }
        let cut = separator.as_str().filter(|cut| cut.chars().count() == 1);
        let (Some(cut), Some(index)) = (cut, index.as_int()) else {
            let message = "`token` cuts at one character, and takes the number of a piece";
            return Err(self.refuse(Box::new(Diagnostic::error(codes::FUNCTION, message)), at));
        };
        let text = python_text(&text.value);
        let piece = usize::try_from(index).ok().and_then(|index| text.split(cut).nth(index));
        Ok(piece.map_or(null, |piece| Node::text(piece, at)))
    }
}
