//! From a mapping of one key to a function.

use crate::{Node, Value, codes};
use im_radl::Diagnostic;
use std::sync::Arc;

/// A function with its arguments, which may be functions in turn.
#[derive(Clone, Debug, PartialEq)]
pub enum Expression<'a> {
    /// `get_input: name`
    Input {
        /// The input.
        name: Arc<str>,
    },
    /// `get_property: [entity, name...]`
    Property {
        /// Whose.
        entity: Arc<str>,
        /// The property, or a requirement or capability and then the property, and a path.
        path: &'a [Node],
    },
    /// `get_attribute: [entity, name...]`
    Attribute {
        /// Whose.
        entity: Arc<str>,
        /// The attribute, or a capability and then the attribute, and a path.
        path: &'a [Node],
    },
    /// `concat: [...]`
    Concat {
        /// What is put together.
        items: &'a [Node],
    },
    /// `token: [text, separator, index]`
    Token {
        /// What is cut.
        text: &'a Node,
        /// One character.
        separator: &'a Node,
        /// Which piece.
        index: &'a Node,
    },
    /// `get_artifact: [entity, name]`: only an input of an operation can be one.
    Artifact {
        /// The artifact, or a URL.
        name: &'a Node,
    },
}

/// Which function a value is, by its name. A mapping with one of these keys as its only one is a function.
/// `{token: secret}` is none: that is a credential.
pub fn is_function(node: &Node) -> Option<&str> {
    let (name, entry) = node.single()?;
    match &**name {
        "token" => entry.value.as_seq().map(|_| "token"),
        name @ ("get_input" | "get_property" | "get_attribute" | "get_operation_output" | "concat") => Some(name),
        _ => None,
    }
}

/// Reads a function. Nothing if the value is none: data as it stands. `get_artifact` is read as well, though
/// [`is_function`] leaves it to those who allow it.
pub fn parse(node: &Node) -> Result<Option<Expression<'_>>, Box<Diagnostic>> {
    let Some((name, entry)) = node.single() else {
        return Ok(None);
    };
    let value = &entry.value;
    let wrong = |rule: &str| {
        let message = format!("`{name}` {rule}");
        Err(Box::new(Diagnostic::error(codes::FUNCTION, message).at(node.at.span)))
    };
    let list = |least: usize| value.as_seq().filter(|items| items.len() >= least);
    Ok(Some(match &**name {
        "get_input" => {
            let named = match (&value.value, value.as_seq()) {
                (Value::Str(name), _) => Some(Arc::clone(name)),
                (_, Some([only])) => only.as_arc().map(Arc::clone),
                _ => None,
            };
            let Some(name) = named else {
                return wrong("takes the name of one input");
            };
            Expression::Input { name }
        }
        "get_property" | "get_attribute" => {
            let Some([entity, path @ ..]) = list(2) else {
                return wrong("takes a list: a node's name, SELF, HOST, SOURCE or TARGET, then a name");
            };
            let Some(entity) = entity.as_arc().map(Arc::clone) else {
                return wrong("takes a list that begins with a node's name, SELF, HOST, SOURCE or TARGET");
            };
            if &**name == "get_property" {
                Expression::Property { entity, path }
            } else {
                Expression::Attribute { entity, path }
            }
        }
        "concat" => {
            let Some(items) = list(1) else {
                return wrong("takes a list of at least one value");
            };
            Expression::Concat { items }
        }
        "token" => {
            let Some([text, separator, index]) = value.as_seq() else {
                return wrong("takes a list of three: a text, the character to cut it at, and the number of the piece");
            };
            Expression::Token { text, separator, index }
        }
        "get_artifact" => match value.as_seq() {
            Some([_, name, ..]) => Expression::Artifact { name },
            _ => return wrong("takes a list: a node's name or SELF, then the artifact's name"),
        },
        "get_operation_output" => {
            let found = Diagnostic::error(codes::OPERATION_OUTPUT, "`get_operation_output` is not supported")
                .at(node.at.span)
                .hint("let the recipe write what is needed where the other can read it, or use `ansible_output`");
            return Err(Box::new(found));
        }
        _ => return Ok(None),
    }))
}
