//! Attributes while there are no machines yet: expressions that Ansible evaluates where a recipe runs.

use super::{Cx, container, function};
use crate::{
    Node, NodeTemplate, Value,
    functions::{AttributeQuery, Attributes, Via},
    yaml::python_text,
};
use im_radl::Diagnostic;

/// The compute type whose addresses are lists.
pub(crate) const INDIGO_COMPUTE: &str = "tosca.nodes.indigo.Compute";

/// Attributes as expressions.
pub(super) struct Expressions<'c, 'a>(pub(super) &'c Cx<'a>);

/// A list index: what reads as a whole number.
pub(crate) fn index(node: &Node) -> Option<usize> {
    super::value::integer(node).and_then(|index| usize::try_from(index).ok())
}

/// A text of Jinja between single quotes.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// Members of a map, as Jinja asks for them.
fn members(path: &[Node]) -> String {
    path.iter()
        .map(|key| match &key.value {
            Value::Int(index) => format!("[{index}]"),
            other => format!("[{}]", quoted(&python_text(other))),
        })
        .collect()
}

impl Expressions<'_, '_> {
    fn expression(&self, query: &AttributeQuery<'_>) -> Option<Value> {
        let cx = self.0;
        let node = query.node;
        let host = cx.host_of(node);
        let group = quoted(&cx.names.id(host.map_or(&node.name, |host| &host.name)));
        let here = matches!(query.via, Via::Host | Via::SelfNode);
        let of = |index: usize, variable: &str| format!("hostvars[groups[{group}][{index}]]['{variable}']");
        let own_or_first = |variable: &str| {
            let inner = if here { variable.to_owned() } else { of(0, variable) };
            Some(Value::text(format!("{{{{ {inner} }}}}")))
        };
        match query.name {
            "tosca_id" => own_or_first("IM_NODE_VMID"),
            "tosca_name" => Some(Value::Str(node.name.clone())),
            "private_address" | "public_address" => {
                let variable = if query.name == "private_address" {
                    "IM_NODE_PRIVATE_IP"
                } else {
                    "IM_NODE_PUBLIC_IP"
                };
                if !node.is_a(INDIGO_COMPUTE) {
                    return own_or_first(variable);
                }
                Some(Value::text(match query.path.first().and_then(index) {
                    Some(n) => format!("{{{{ {} }}}}", of(n, variable)),
                    None => format!(
                        "{{{{ groups[{group}]|map('extract', hostvars,'{variable}')|list if {group} in groups else []}}}}"
                    ),
                }))
            }
            "ip_address" if &*node.root_type == super::network::PORT => {
                let order = cx.property(node, "order").as_ref().and_then(index).unwrap_or(0);
                Some(Value::text(format!(
                    "{{{{ {} }}}}",
                    of(0, &format!("IM_NODE_NET_{order}_IP"))
                )))
            }
            "ip_address" if here => own_or_first("IM_NODE_PUBLIC_IP"),
            "ip_address" => {
                let (public, private) = (of(0, "IM_NODE_PUBLIC_IP"), of(0, "IM_NODE_PRIVATE_IP"));
                let first = format!("hostvars[groups[{group}][0]]");
                Some(Value::text(format!(
                    "{{{{ {public} if 'IM_NODE_PUBLIC_IP' in {first} else {private}}}}}"
                )))
            }
            "tls_certificates" => {
                let variable = "IM_NODE_TLS_CERTIFICATES";
                let map = if here { variable.to_owned() } else { of(0, variable) };
                Some(Value::text(format!("{{{{ {map}{} }}}}", members(query.path))))
            }
            "endpoint" if node.is_a(function::FUNCTION) => {
                let oscar = function::oscar_of(cx.template, node)?;
                let dns = function::dns_host(cx, oscar)?;
                Some(Value::text(format!("https://{dns}")))
            }
            "endpoints" if node.is_a(container::APPLICATION) => {
                let address = format!("{{{{ {} }}}}", of(0, "IM_NODE_PUBLIC_IP"));
                let all = container::endpoints(cx, node, Some(&address));
                member(
                    &Value::Seq(all.into_iter().map(|text| Value::text(text).into()).collect()),
                    query.path,
                )
            }
            _ => declared_default(query),
        }
    }
}

/// The default that the type declares for an attribute.
pub(crate) fn declared_default(query: &AttributeQuery<'_>) -> Option<Value> {
    let node: &NodeTemplate = query.node;
    let definition = match query.capability {
        Some(capability) => node.capabilities.get(capability)?.attributes.get(query.name),
        None => node.attributes.get(query.name),
    };
    member(&definition?.default.as_ref()?.value, query.path)
}

/// A list's item or a map's member, as deep as the path goes.
pub(crate) fn member(value: &Value, path: &[Node]) -> Option<Value> {
    let Some((first, rest)) = path.split_first() else {
        return Some(value.clone());
    };
    let next = match value {
        Value::Seq(items) => items.get(index(first)?)?,
        Value::Map(map) => map.get(&python_text(&first.value))?,
        _ => return None,
    };
    member(&next.value, rest)
}

impl Attributes for Expressions<'_, '_> {
    fn attribute(&self, query: &AttributeQuery<'_>) -> Result<Option<Node>, Box<Diagnostic>> {
        Ok(self.expression(query).map(|value| Node::new(value, query.at)))
    }
}
