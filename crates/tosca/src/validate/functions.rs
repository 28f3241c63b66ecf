//! Whether functions name what there is: inputs, nodes, properties, attributes.

use super::context::Context;
use crate::{
    Node, NodeTemplate, Template, codes,
    functions::{Expression, Link, Named, Scope, check_path, find_attribute, find_property, is_function, parse},
    template::{Artifact, Relationship},
    types::Interfaces,
};
use im_radl::{Diagnostic, nearest};

/// Checks the functions of a whole document.
pub(super) fn check(cx: &Context<'_>, template: &Template) {
    for node in template.nodes.values() {
        Of {
            cx,
            template,
            scope: Scope {
                using: Some(node),
                link: None,
            },
        }
        .node(node);
    }
    let outside = Of {
        cx,
        template,
        scope: Scope::default(),
    };
    for input in template.inputs.values() {
        if let Some(default) = input.default.as_ref().filter(|default| is_function(default).is_some()) {
            outside.value(default);
        }
    }
    for output in template.outputs.values() {
        outside.value(&output.value);
    }
    for policy in &template.policies {
        for value in policy.properties.values() {
            outside.value(value);
        }
    }
}

struct Of<'a> {
    cx: &'a Context<'a>,
    template: &'a Template,
    scope: Scope<'a>,
}

impl<'a> Of<'a> {
    fn node(&self, node: &'a NodeTemplate) {
        for value in node.properties.values() {
            self.value(value);
        }
        for capability in node.capabilities.values() {
            for value in capability.properties.values() {
                self.value(value);
            }
        }
        self.interfaces(&node.interfaces);
        for artifact in node.artifacts.values() {
            self.artifact(artifact);
        }
        for (requirement, relationship) in node.links() {
            let Some(target) = self.template.nodes.get(&requirement.target) else {
                continue;
            };
            self.link(node, target, relationship);
        }
    }

    fn link(&self, source: &'a NodeTemplate, target: &'a NodeTemplate, relationship: &'a Relationship) {
        let linked = Of {
            cx: self.cx,
            template: self.template,
            scope: Scope {
                using: Some(source),
                link: Some(Link {
                    source,
                    target,
                    relationship,
                }),
            },
        };
        // One that several requirements share is checked with each: they have other ends.
        for value in relationship.properties.values() {
            linked.value(value);
        }
        linked.interfaces(&relationship.interfaces);
    }

    fn interfaces(&self, interfaces: &Interfaces) {
        for interface in interfaces.values() {
            for value in interface.inputs.values() {
                self.value(value);
            }
            for operation in interface.operations.values() {
                for value in operation.inputs.values() {
                    self.value(value);
                }
            }
        }
    }

    fn artifact(&self, artifact: &Artifact) {
        self.value(&artifact.file);
        if let Some(value) = &artifact.deploy_path {
            self.value(value);
        }
        for value in artifact.properties.values() {
            self.value(value);
        }
    }

    /// Checks the functions in a value, and in their arguments.
    fn value(&self, node: &Node) {
        if is_function(node).is_some() {
            match parse(node) {
                Ok(Some(expression)) => {
                    if let Err(found) = self.expression(&expression) {
                        self.cx.push(*found, node.at);
                    }
                    return;
                }
                Ok(None) => {}
                Err(found) => {
                    self.cx.push(*found, node.at);
                    return;
                }
            }
        }
        if let Some(items) = node.as_seq() {
            for item in items {
                self.value(item);
            }
        } else if let Some(map) = node.as_map() {
            for member in map.values() {
                self.value(member);
            }
        }
    }

    fn expression(&self, expression: &Expression<'_>) -> Result<(), Box<Diagnostic>> {
        match expression {
            Expression::Input { name } => {
                if self.template.inputs.contains_key(name) || self.written_input(name) {
                    return Ok(());
                }
                let found = Diagnostic::error(codes::UNKNOWN_INPUT, format!("there is no input `{name}`"));
                let known = self.template.inputs.keys().map(|name| &**name);
                Err(Box::new(match nearest(name, known) {
                    Some(near) => found.hint(format!("did you mean `{near}`?")),
                    None => found.hint("define it under `inputs` of the topology"),
                }))
            }
            Expression::Property { entity, path } => {
                for step in *path {
                    self.value(step);
                }
                if path.iter().take(2).any(|step| is_function(step).is_some()) {
                    return Ok(());
                }
                find_property(self.template, &self.scope, entity, path).map(|_| ())
            }
            Expression::Attribute { entity, path } => {
                for step in *path {
                    self.value(step);
                }
                if path.first().is_some_and(|step| is_function(step).is_some()) {
                    return Ok(());
                }
                match find_attribute(self.template, &self.scope, entity, path)? {
                    Some(Named::Attribute(found)) => check_path(self.template, &found),
                    _ => Ok(()),
                }
            }
            Expression::Concat { items } => {
                for item in *items {
                    self.value(item);
                }
                Ok(())
            }
            Expression::Token { text, separator, index } => {
                for argument in [text, separator, index] {
                    self.value(argument);
                }
                let cut = separator.as_str().is_some_and(|cut| cut.chars().count() == 1);
                let number = index.as_int().is_some();
                if (!cut && is_function(separator).is_none()) || (!number && is_function(index).is_none()) {
                    let message = "`token` takes a text, one character to cut it at, and the number of the piece";
                    return Err(Box::new(Diagnostic::error(codes::FUNCTION, message)));
                }
                Ok(())
            }
            Expression::Artifact { .. } => Ok(()),
        }
    }

    /// Whether the document has an input of this name that was refused.
    fn written_input(&self, name: &str) -> bool {
        let topology = self.template.raw.get("topology_template");
        topology.and_then(|node| node.get("inputs")?.get(name)).is_some()
    }
}
