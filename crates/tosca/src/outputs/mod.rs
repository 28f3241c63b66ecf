//! Outputs: what a document tells about its infrastructure, computed from the machines as they are now.
//!
//! An output that cannot be computed is null and says why; the others are not touched by it. Nothing is kept from one
//! time to the next.

mod attributes;
mod log;

pub use log::ansible_output;

use crate::{
    Node, Template, Value,
    convert::json,
    functions::{self, Eval, Inputs, NullPart},
};
use im_radl::{Diagnostic, System};
use indexmap::IndexMap;
use std::{collections::BTreeMap, fmt, sync::Arc};

/// A machine as it is now.
#[derive(Clone)]
pub struct LiveVm {
    /// The system it was asked for as.
    pub system: String,
    /// The cloud's id of it.
    pub cloud_id: Option<String>,
    /// Its public address.
    pub public_ip: Option<String>,
    /// Its private address.
    pub private_ip: Option<String>,
    /// What is known of it: addresses of its interfaces, credentials, certificates.
    pub info: Arc<System>,
}

impl fmt::Debug for LiveVm {
    /// Without what is known of it, which holds secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveVm")
            .field("system", &self.system)
            .field("cloud_id", &self.cloud_id)
            .finish_non_exhaustive()
    }
}

/// How a function is called, as its cloud says.
#[derive(Clone, Default)]
pub struct FunctionAccess {
    /// Its URL: of the function at AWS, of the cluster at OSCAR.
    pub endpoint: Option<String>,
    /// The user; none where a bearer token is used.
    pub user: Option<String>,
    /// The password or the token.
    pub token: Option<String>,
}

impl fmt::Debug for FunctionAccess {
    /// Without the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FunctionAccess")
            .field("endpoint", &self.endpoint)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// What is known of the machines of an infrastructure.
pub trait Live {
    /// Its machines, in order.
    fn vms(&self) -> &[LiveVm];
    /// The contextualization log of a machine, by its place in [`Live::vms`].
    fn log(&self, vm: usize) -> Option<String>;
    /// How the function that a machine stands for is called; none where its cloud does not tell.
    fn function(&self, vm: usize) -> Option<FunctionAccess>;
}

/// One output.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputValue {
    /// Its value, null where it has none.
    pub value: serde_json::Value,
    /// Why it has none.
    pub error: Option<String>,
}

/// What outputs are computed from, besides the machines.
#[derive(Clone, Copy, Debug)]
pub struct OutputContext<'a> {
    /// The values of inputs, as they were first drawn.
    pub inputs: &'a Inputs,
    /// Ids of containers, as they were first drawn.
    pub container_ids: &'a BTreeMap<String, String>,
}

/// All outputs of a document, in its order.
pub fn outputs(template: &Template, context: &OutputContext<'_>, live: &dyn Live) -> IndexMap<String, OutputValue> {
    let attributes = attributes::LiveAttributes::new(template, context, live);
    let one = |value: &Node| {
        let mut errors = Vec::new();
        let value = evaluate(template, context, &attributes, value, &mut errors);
        OutputValue {
            value: json(&value),
            error: (!errors.is_empty()).then(|| errors.join("; ")),
        }
    };
    template
        .outputs
        .iter()
        .map(|(name, output)| (name.to_string(), one(&output.value)))
        .collect()
}

/// A value; data is taken apart, so that one part that cannot be computed leaves the others.
fn evaluate(
    template: &Template,
    context: &OutputContext<'_>,
    attributes: &attributes::LiveAttributes<'_>,
    node: &Node,
    errors: &mut Vec<String>,
) -> Node {
    if functions::is_function(node).is_none() {
        let value = match &node.value {
            Value::Seq(items) => Value::Seq(
                items
                    .iter()
                    .map(|item| evaluate(template, context, attributes, item, errors))
                    .collect(),
            ),
            Value::Map(map) => Value::Map(
                map.iter()
                    .map(|(key, value)| (key.clone(), evaluate(template, context, attributes, value, errors)))
                    .collect(),
            ),
            other => other.clone(),
        };
        return Node::new(value, node.at);
    }
    let eval = Eval::new(template, context.inputs, attributes).null_part(NullPart::Null);
    match eval.value(node) {
        Ok(value) => value,
        Err(finding) => {
            errors.push(reason(&finding));
            Node::new(Value::Null, node.at)
        }
    }
}

fn reason(finding: &Diagnostic) -> String {
    finding.message.clone()
}
