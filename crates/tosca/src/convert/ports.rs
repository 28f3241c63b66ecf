//! Port specifications as `outports` text.

use super::{
    Cx,
    compute::wrong,
    value::{filled, integer, text},
};
use crate::{Node, Value, codes};
use im_radl::Diagnostic;

/// One entry of `outports`, with what it is compared by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Port {
    /// As `outports` writes it.
    pub(super) text: String,
    /// Protocol and port outside, of a single port.
    pub(super) key: Option<(String, i64)>,
}

/// A single port, the same on both sides.
pub(super) fn single(port: i64, protocol: &str, cidr: Option<&str>) -> Port {
    let cidr = prefix(cidr);
    Port {
        text: format!("{cidr}{port}/{protocol}-{port}/{protocol}"),
        key: Some((protocol.to_owned(), port)),
    }
}

fn prefix(cidr: Option<&str>) -> String {
    cidr.filter(|cidr| !cidr.is_empty())
        .map(|cidr| format!("{cidr}-"))
        .unwrap_or_default()
}

/// The protocol of the one port of an endpoint. What is spoken over TCP (`https`) is often written there.
pub(super) fn of_endpoint(cx: &Cx<'_>, value: Option<&Node>) -> Option<String> {
    if let Some(value) = value.filter(|value| !value.is_null()) {
        let name = text(value).to_lowercase();
        let spoken = !name.is_empty() && !matches!(name.as_str(), "tcp" | "udp" | "icmp" | "igmp");
        if spoken {
            let message = format!("the port of protocol `{name}` is opened for `tcp`");
            let found = Diagnostic::warning(codes::SUSPICIOUS, message)
                .hint("`protocol` is that of the port: `tcp`, `udp` or `icmp`");
            cx.find(found, value.at);
            return Some("tcp".to_owned());
        }
    }
    protocol(cx, value)
}

/// The protocol of a port; what `outports` cannot write is an error.
pub(super) fn protocol(cx: &Cx<'_>, value: Option<&Node>) -> Option<String> {
    let Some(value) = value.filter(|value| !value.is_null()) else {
        return Some("tcp".to_owned());
    };
    let protocol = text(value).to_lowercase();
    if protocol.is_empty() {
        return Some("tcp".to_owned());
    }
    if matches!(protocol.as_str(), "tcp" | "udp" | "icmp") {
        return Some(protocol);
    }
    let found = Diagnostic::error(codes::PORT, format!("ports of protocol `{protocol}` cannot be opened"))
        .hint("use `tcp`, `udp` or `icmp`");
    cx.find(found, value.at);
    None
}

/// One `PortSpec`.
pub(super) fn spec(cx: &Cx<'_>, spec: &Node) -> Option<Port> {
    let Value::Map(_) = spec.value else {
        cx.find(wrong("ports", "a mapping of port specifications", spec), spec.at);
        return None;
    };
    let member = |name: &str| spec.get(name).filter(|value| !value.is_null());
    let protocol = protocol(cx, member("protocol"))?;
    let cidr = filled(member("remote_cidr").cloned());
    if let Some(range) = member("source_range") {
        let ends: Vec<i64> = range.as_seq().unwrap_or_default().iter().filter_map(integer).collect();
        let [first, last] = ends[..] else {
            cx.find(wrong("source_range", "two port numbers", range), range.at);
            return None;
        };
        return Some(Port {
            text: format!("{}{first}:{last}/{protocol}", prefix(cidr.as_deref())),
            key: None,
        });
    }
    let number = |name: &str| -> Result<Option<i64>, ()> {
        let Some(value) = member(name) else { return Ok(None) };
        let port = integer(value).filter(|port| (0..=65_535).contains(port));
        if port.is_none() {
            cx.find(wrong(name, "a port number", value), value.at);
        }
        port.map(Some).ok_or(())
    };
    let (source, target) = (number("source").ok()?, number("target").ok()?);
    let (Some(source), Some(target)) = (source.or(target), target.or(source)) else {
        let found = Diagnostic::error(codes::PORT, "a port needs `source`, `target` or `source_range`")
            .hint("`source` is the port outside, `target` the one of the machine");
        cx.find(found, spec.at);
        return None;
    };
    let cidr = prefix(cidr.as_deref());
    Some(Port {
        text: format!("{cidr}{source}/{protocol}-{target}/{protocol}"),
        key: Some((protocol, source)),
    })
}
