//! Networks and interfaces: from network nodes and ports, or from what endpoints ask for.

use super::{
    Cx,
    compute::wrong,
    ports::{self, Port},
    value::{boolean, filled, integer, text},
};
use crate::{Node, Value, codes, template::NodeTemplate};
use im_radl::{Diagnostic, Document, Features, Network, Origin};

pub(super) const NETWORK: &str = "tosca.nodes.network.Network";
pub(crate) const PORT: &str = "tosca.nodes.network.Port";
const ENDPOINT: &str = "tosca.capabilities.Endpoint";

/// A network node.
pub(super) fn network(cx: &Cx<'_>, node: &NodeTemplate) -> Network {
    let mut features = Features::new();
    let property = |name: &str| filled(cx.property(node, name));
    if property("network_type").is_some_and(|kind| kind.eq_ignore_ascii_case("public")) {
        features.set_text("outbound", "yes");
    }
    if let Some(name) = property("network_name") {
        features.set_text("provider_id", name);
    }
    if let Some(cidr) = property("cidr") {
        features.set_text("cidr", cidr);
        features.set_text("create", "yes");
    }
    if let Some(gateway) = property("gateway_ip") {
        features.set_text("router", gateway);
    }
    proxy(cx, node, &mut features);
    made(cx.names.id(&node.name), features)
}

fn made(id: String, features: Features) -> Network {
    Network {
        id,
        reference: false,
        features,
        at: Origin(None),
    }
}

/// A network that no node describes.
pub(super) fn plain(id: &str, public: bool) -> Network {
    let mut features = Features::new();
    features.set_text("outbound", if public { "yes" } else { "no" });
    made(id.to_owned(), features)
}

fn proxy(cx: &Cx<'_>, node: &NodeTemplate, features: &mut Features) {
    let host = filled(cx.property(node, "proxy_host"));
    let credential = cx.property(node, "proxy_credential");
    let (host, credential) = match (host, credential) {
        (Some(host), Some(credential)) => (host, credential),
        (None, None) => return,
        _ => {
            let found = Diagnostic::error(codes::NETWORK, "a proxy needs both `proxy_host` and `proxy_credential`");
            cx.find(found, node.at);
            return;
        }
    };
    let member = |name: &str| filled(credential.get(name).cloned());
    let Some(user) = member("user") else {
        cx.find(
            Diagnostic::error(codes::NETWORK, "`proxy_credential` needs a `user`"),
            credential.at,
        );
        return;
    };
    let token = member("token");
    if member("token_type").as_deref() == Some("private_key") {
        features.set_text("proxy_host", format!("{user}@{host}"));
        if let Some(key) = token {
            features.set_text("proxy_key", key);
        }
    } else {
        let token = token.map(|token| format!(":{token}")).unwrap_or_default();
        features.set_text("proxy_host", format!("{user}{token}@{host}"));
    }
}

/// What all endpoints of a machine ask for together; the later ones win.
#[derive(Default)]
struct Asked {
    public_ip: bool,
    private_ip: Option<bool>,
    network_name: Option<String>,
    dns_name: Option<String>,
    additional_dns_names: Vec<String>,
    additional_ip: Option<String>,
    tls: bool,
    ports: Vec<Port>,
}

impl Asked {
    fn of(cx: &Cx<'_>, node: &NodeTemplate) -> Self {
        let mut asked = Self::default();
        for other in cx.graph.hosted_on(node).iter().filter(|other| other.name != node.name) {
            for capability in other
                .capabilities
                .values()
                .filter(|capability| capability.is_a(ENDPOINT))
            {
                asked.fold(cx, other, &capability.properties);
            }
        }
        if let Some(endpoint) = node.capabilities.get("endpoint") {
            asked.fold(cx, node, &endpoint.properties);
        }
        asked.public_ip = cx
            .property(node, "public_ip")
            .as_ref()
            .and_then(boolean)
            .unwrap_or(false);
        asked
    }

    fn fold(&mut self, cx: &Cx<'_>, node: &NodeTemplate, properties: &crate::template::Values) {
        let property = |name: &str| cx.value(node, properties.get(name)?).filter(|value| !value.is_null());
        let flag = |name: &str| {
            let value = property(name)?;
            let flag = boolean(&value);
            if flag.is_none() {
                cx.find(wrong(name, "true or false", &value), value.at);
            }
            flag
        };
        if let Some(name) = property("network_name") {
            self.network_name = Some(text(&name));
        }
        self.private_ip = flag("private_ip").or(self.private_ip);
        self.tls = flag("tls").unwrap_or(self.tls);
        self.dns_name = filled(property("dns_name")).or(self.dns_name.take());
        self.additional_ip = filled(property("additional_ip")).or(self.additional_ip.take());
        if let Some(names) = property("additional_dns_names") {
            self.additional_dns_names = list(&names);
        }
        match property("ports") {
            Some(Node {
                value: Value::Map(ports),
                ..
            }) => self
                .ports
                .extend(ports.values().filter_map(|port| ports::spec(cx, port))),
            Some(Node {
                value: Value::Seq(ports),
                ..
            }) => self.ports.extend(ports.iter().filter_map(|port| ports::spec(cx, port))),
            Some(other) => cx.find(wrong("ports", "a mapping of port specifications", &other), other.at),
            None => {}
        }
        self.port(cx, &property);
    }

    /// The one port that an endpoint may have besides.
    fn port(&mut self, cx: &Cx<'_>, property: &dyn Fn(&str) -> Option<Node>) {
        let Some(value) = property("port") else { return };
        let Some(port) = integer(&value) else {
            cx.find(wrong("port", "a port number", &value), value.at);
            return;
        };
        let Some(protocol) = ports::of_endpoint(cx, property("protocol").as_ref()) else {
            return;
        };
        let port = ports::single(port, &protocol, filled(property("remote_cidr")).as_deref());
        if !self.ports.iter().any(|known| known.key == port.key) {
            self.ports.push(port);
        }
    }
}

/// Texts of a list; one text counts as a list of one.
fn list(node: &Node) -> Vec<String> {
    match &node.value {
        Value::Seq(items) => items.iter().filter(|item| !item.is_null()).map(text).collect(),
        Value::Null => Vec::new(),
        _ => vec![text(node)],
    }
}

/// What `network_name` says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wish {
    public: bool,
    provider_id: Option<String>,
    /// The pool of public addresses.
    pool: Option<String>,
}

fn wish(name: &str) -> Wish {
    let (name, pool) = match name.split_once(',') {
        Some((name, pool)) => (name.trim(), Some(pool.trim()).filter(|pool| !pool.is_empty())),
        None => (name.trim(), None),
    };
    let filled = |id: &str| (!id.is_empty()).then(|| id.to_owned());
    let (public, provider_id) = match name {
        "PUBLIC" => (true, None),
        "PRIVATE" => (false, None),
        _ => match (name.strip_suffix(".PUBLIC"), name.strip_suffix(".PRIVATE")) {
            (Some(id), _) => (true, filled(id)),
            (None, Some(id)) => (false, filled(id)),
            (None, None) => (false, filled(name)),
        },
    };
    Wish {
        public: public || pool.is_some(),
        provider_id,
        pool: pool.map(str::to_owned),
    }
}

/// The networks of a machine, in its features and in the document.
pub(super) fn connect(cx: &Cx<'_>, node: &NodeTemplate, features: &mut Features, document: &mut Document) {
    let asked = Asked::of(cx, node);
    if let Some(name) = &asked.dns_name {
        features.set_text("net_interface.0.dns_name", name.clone());
        features.set_text("net_interface.0.dns.0.name", name.clone());
        if asked.tls {
            features.set_text("net_interface.0.dns.0.tls", "true");
        }
    }
    if let Some(ip) = &asked.additional_ip {
        features.set_text("net_interface.0.additional_ip", ip.clone());
    }
    let ports = ports_of(cx, node);
    if ports.is_empty() {
        by_endpoint(cx, node, &asked, features, document);
    } else {
        by_ports(cx, &ports, &asked, features, document);
    }
}

/// The port nodes that are bound to a machine, with the network that each links to.
fn ports_of<'a>(cx: &Cx<'a>, node: &NodeTemplate) -> Vec<(&'a NodeTemplate, Option<&'a NodeTemplate>)> {
    let target = |port: &'a NodeTemplate, names: [&str; 2]| {
        let requirement = port.requirements.iter().find(|requirement| {
            let kind = requirement.relationship.as_ref();
            &*requirement.name == names[0] || kind.is_some_and(|link| link.is_a(names[1]))
        })?;
        cx.template.nodes.get(&requirement.target)
    };
    let ports = cx.template.nodes.values().filter(|port| &*port.root_type == PORT);
    ports
        .filter(|port| {
            target(port, ["binding", "tosca.relationships.network.BindsTo"]).is_some_and(|on| on.name == node.name)
        })
        .map(|port| (port, target(port, ["link", "tosca.relationships.network.LinksTo"])))
        .collect()
}

fn by_ports(
    cx: &Cx<'_>,
    ports: &[(&NodeTemplate, Option<&NodeTemplate>)],
    asked: &Asked,
    features: &mut Features,
    document: &mut Document,
) {
    let mut bound: Vec<String> = Vec::new();
    for (port, network) in ports {
        let Some(network) = network.filter(|network| &*network.root_type == NETWORK) else {
            let message = format!("port `{}` must link to a network", port.name);
            cx.find(Diagnostic::error(codes::NETWORK, message), port.at);
            continue;
        };
        let order = cx.property(port, "order");
        let n = match order.as_ref().map(integer) {
            None => 0,
            Some(Some(n)) if n >= 0 => n,
            Some(_) => {
                cx.find(
                    wrong("order", "a number from 0", order.as_ref().unwrap_or(&Node::default())),
                    port.at,
                );
                continue;
            }
        };
        let id = cx.names.id(&network.name);
        let connection = format!("net_interface.{n}.connection");
        if features.text(&connection).is_some() {
            let message = format!("two ports of one machine have the order {n}");
            let found = Diagnostic::error(codes::NETWORK, message).hint("number the ports of a machine 0, 1, 2...");
            cx.find(found, port.at);
        }
        features.set_text(connection, id.clone());
        bound.push(id);
        if let Some(ip) = filled(cx.property(port, "ip_address")) {
            features.set_text(format!("net_interface.{n}.ip"), ip);
        }
        let tls = cx.property(port, "tls").as_ref().and_then(boolean).unwrap_or(false);
        let first = filled(cx.property(port, "dns_name"));
        if let Some(name) = first {
            features.set_text(format!("net_interface.{n}.dns.0.name"), name);
            if tls {
                features.set_text(format!("net_interface.{n}.dns.0.tls"), "true");
            }
        }
        if let Some(ip) = filled(cx.property(port, "additional_ip")) {
            features.set_text(format!("net_interface.{n}.additional_ip"), ip);
        }
        if let Some(names) = cx.property(port, "additional_dns_names") {
            more_names(features, n, &list(&names), tls);
        }
    }
    let last_public = bound.iter().rev().find(|id| document.is_public_network(id));
    if let Some(id) = last_public.or(bound.first()).cloned() {
        open(document, &id, &asked.ports);
    }
}

/// Further names of an interface, after the one it may have already.
fn more_names(features: &mut Features, interface: i64, names: &[String], tls: bool) {
    let first = format!("net_interface.{interface}.dns.0.name");
    let begin = usize::from(features.contains(&first));
    for (n, name) in names.iter().enumerate() {
        let n = n + begin;
        features.set_text(format!("net_interface.{interface}.dns.{n}.name"), name.clone());
        if tls {
            features.set_text(format!("net_interface.{interface}.dns.{n}.tls"), "true");
        }
    }
}

/// Adds ports to those that a network opens.
pub(super) fn open(document: &mut Document, network: &str, ports: &[Port]) {
    let Some(network) = document.network_mut(network).filter(|_| !ports.is_empty()) else {
        return;
    };
    let mut entries: Vec<String> = network
        .features
        .text("outports")
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
        .into_iter()
        .collect();
    entries.extend(ports.iter().map(|port| port.text.clone()));
    network.features.set_text("outports", entries.join(","));
}

fn by_endpoint(cx: &Cx<'_>, node: &NodeTemplate, asked: &Asked, features: &mut Features, document: &mut Document) {
    let mut wish = asked.network_name.as_deref().map(wish).unwrap_or_default();
    wish.public |= asked.public_ip;
    let mut n = 0;
    let mut private = None;
    if !(wish.public && asked.private_ip == Some(false)) {
        let known = document.networks.iter().find(|network| !network.is_public());
        let known = known.map(|network| network.id.clone());
        let id = known.unwrap_or_else(|| {
            let id = free(cx, document, "private_net");
            document.networks.push(plain(&id, false));
            id
        });
        features.set_text("net_interface.0.connection", id.clone());
        private = Some(id);
        n += 1;
    }
    let mut public = None;
    if wish.public {
        let id = free(cx, document, "public_net");
        document.networks.push(plain(&id, true));
        features.set_text(format!("net_interface.{n}.connection"), id.clone());
        more_names(features, n, &asked.additional_dns_names, asked.tls);
        public = Some(id);
    } else if asked.additional_dns_names.iter().any(|name| !name.is_empty()) {
        let message = format!(
            "`additional_dns_names` of `{}` have no effect without a public address",
            node.name
        );
        let found = Diagnostic::warning(codes::SUSPICIOUS, message).hint("`network_name: PUBLIC` asks for one");
        cx.find(found, node.at);
    }
    if let Some(id) = wish.provider_id
        && let Some(network) = private
            .as_ref()
            .or(public.as_ref())
            .and_then(|id| document.network_mut(id))
    {
        if let Some(before) = network.provider_id().filter(|before| *before != id) {
            let message = format!(
                "`{}` asks for network `{id}`, and others of its network for `{before}`: this one counts for all",
                node.name
            );
            cx.find(Diagnostic::warning(codes::SUSPICIOUS, message), node.at);
        }
        network.features.set_text("provider_id", id);
    }
    if let Some(pool) = wish.pool
        && let Some(network) = public.as_ref().and_then(|id| document.network_mut(id))
    {
        network.features.set_text("provider_id", pool);
    }
    if let Some(id) = public.or(private) {
        open(document, &id, &asked.ports);
    }
}

/// `public_net`, `public_net_1`, ...: the first that is not taken.
fn free(cx: &Cx<'_>, document: &Document, base: &'static str) -> String {
    // The numbers before this one are taken: documents may have thousands of machines.
    let mut next = cx.next_networks.borrow_mut();
    let n = next.entry(base).or_insert(0);
    loop {
        let id = match *n {
            0 => base.to_owned(),
            n => format!("{base}_{n}"),
        };
        *n += 1;
        if document.network(&id).is_none() {
            return id;
        }
    }
}

/// What is missing at the end: some network, and an interface for each system.
pub(super) fn complete(document: &mut Document) {
    if document.networks.is_empty() {
        document.networks.push(plain("public", true));
    }
    let public = document.networks.iter().find(|network| network.is_public());
    let Some(id) = public.or(document.networks.last()).map(|network| network.id.clone()) else {
        return;
    };
    for system in &mut document.systems {
        if !system.features.contains("net_interface.0.connection") {
            system.features.set_text("net_interface.0.connection", id.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Wish, wish};

    #[test]
    fn network_names() {
        let said = |public, provider_id: Option<&str>, pool: Option<&str>| Wish {
            public,
            provider_id: provider_id.map(str::to_owned),
            pool: pool.map(str::to_owned),
        };
        for (name, means) in [
            ("PUBLIC", said(true, None, None)),
            ("PRIVATE", said(false, None, None)),
            ("a.b.PUBLIC", said(true, Some("a.b"), None)),
            ("net.PRIVATE", said(false, Some("net"), None)),
            ("mynet", said(false, Some("mynet"), None)),
            ("mynet, pool", said(true, Some("mynet"), Some("pool"))),
            ("net.PUBLIC,pool", said(true, Some("net"), Some("pool"))),
            ("PUBLIC,pool", said(true, None, Some("pool"))),
            ("net,", said(false, Some("net"), None)),
            ("", said(false, None, None)),
        ] {
            assert_eq!(wish(name), means, "{name}");
        }
    }
}
