//! A VM as contextualization sees it: addresses, names, ports and log-in.

use crate::{Access, KeyPair};
use im_model::{Secret, VmId};
use im_radl::{Document, Network, PortRange, Protocol, System};
use std::{net::IpAddr, sync::Arc};

/// A host name and its domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsName {
    /// The host.
    pub host: String,
    /// The domain, without a leading dot.
    pub domain: String,
}

impl DnsName {
    /// Reads a requested name: `#N#` becomes the number of the VM; what follows the first dot is the domain.
    pub fn parse(text: &str, id: VmId, default_domain: &str) -> Self {
        let text = text.replace("#N#", &id.to_string());
        let (host, domain) = match text.split_once('.') {
            Some((host, domain)) if !domain.is_empty() => (host, domain),
            Some((host, _)) => (host, default_domain),
            None => (text.as_str(), default_domain),
        };
        Self {
            host: host.to_owned(),
            domain: domain.to_owned(),
        }
    }

    /// Host and domain.
    pub fn fqdn(&self) -> String {
        format!("{}.{}", self.host, self.domain)
    }
}

/// A network interface of a VM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its number.
    pub index: usize,
    /// The network it is on.
    pub network: Option<String>,
    /// Whether that is a public one.
    pub public: bool,
    /// Its address.
    pub ip: Option<IpAddr>,
    /// The name requested for it.
    pub name: Option<DnsName>,
}

/// How to log in to a VM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Login {
    /// The login user.
    pub user: String,
    /// The current password.
    pub password: Option<Secret>,
    /// The current private key.
    pub private_key: Option<Secret>,
    /// The password to set, stored before it is.
    pub new_password: Option<Secret>,
    /// The private key whose public half is to be let in.
    pub new_private_key: Option<Secret>,
    /// The public key to let in.
    pub new_public_key: Option<String>,
}

/// A VM that takes part in a run.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its id.
    pub id: VmId,
    /// The name of its system, which is its group.
    pub system: String,
    /// Its concrete system, its own features included.
    pub features: Arc<System>,
    /// Its public address.
    pub public_ip: Option<IpAddr>,
    /// Its private address.
    pub private_ip: Option<IpAddr>,
    /// Its interfaces, by number.
    pub interfaces: Vec<Interface>,
    /// Where its SSH is seen from outside.
    pub ssh_port: u16,
    /// How to log in.
    pub login: Login,
    /// Whether it asks for a network from outside, or is reached through a proxy: then it may be the master.
    pub reachable: bool,
    /// The type of its cloud.
    pub cloud_kind: String,
    /// The host of its cloud, if there is one.
    pub cloud_server: Option<String>,
    /// Its id at the cloud.
    pub cloud_id: Option<String>,
    /// Whether the cloud says that it runs.
    pub up: bool,
    /// Whether an earlier run configured it: then its log-in is tried with the infrastructure's key first.
    pub contextualized: bool,
}

/// What [`Node::new`] makes a node of.
#[derive(Clone, Debug)]
pub struct NodeParts<'a> {
    /// Its id.
    pub id: VmId,
    /// Its concrete system, its own features included (`net_interface.*.ip`, credentials).
    pub system: Arc<System>,
    /// The networks of the VM, with `outports` as the connector rewrote them.
    pub networks: &'a [Network],
    /// The type of its cloud.
    pub cloud_kind: &'a str,
    /// The host of its cloud, if there is one.
    pub cloud_server: Option<&'a str>,
    /// Its id at the cloud.
    pub cloud_id: Option<&'a str>,
    /// Whether the cloud says that it runs.
    pub up: bool,
    /// Whether an earlier run configured it.
    pub contextualized: bool,
    /// `DEFAULT_DOMAIN`.
    pub default_domain: &'a str,
}

impl Node {
    /// Reads a node from the features of a VM.
    pub fn new(parts: NodeParts<'_>) -> Self {
        let system = &parts.system;
        let features = &system.features;
        let network = |id: &str| parts.networks.iter().find(|network| network.id == id);
        let interfaces: Vec<Interface> = interface_indices(system)
            .map(|index| {
                let connection = features.text(&format!("net_interface.{index}.connection"));
                Interface {
                    index,
                    network: connection.map(str::to_owned),
                    public: connection.and_then(network).is_some_and(Network::is_public),
                    ip: features
                        .text(&format!("net_interface.{index}.ip"))
                        .and_then(|ip| ip.parse().ok()),
                    name: requested_name(system, index)
                        .map(|name| DnsName::parse(name, parts.id, parts.default_domain)),
                }
            })
            .collect();
        let first = |public: bool| interfaces.iter().filter(|i| i.public == public).find_map(|i| i.ip);
        let (public_ip, private_ip) = (first(true), first(false));
        let proxied = |i: &Interface| {
            let network = i.network.as_deref().and_then(network);
            network.is_some_and(|n| n.features.contains("proxy_host"))
        };
        let text = |name: &str| features.text(&format!("disk.0.os.credentials.{name}"));
        let secret = |name: &str| text(name).filter(|t| !t.is_empty()).map(Secret::new);
        let login = Login {
            user: text("username").unwrap_or("root").to_owned(),
            password: secret("password"),
            private_key: secret("private_key"),
            new_password: secret("new.password"),
            new_private_key: secret("new.private_key"),
            new_public_key: text("new.public_key").map(str::to_owned),
        };
        Self {
            id: parts.id,
            system: system.name.clone(),
            public_ip,
            private_ip,
            ssh_port: ssh_port(parts.networks),
            login,
            reachable: interfaces.iter().any(|i| i.public || proxied(i)),
            interfaces,
            cloud_kind: parts.cloud_kind.to_owned(),
            cloud_server: parts.cloud_server.map(str::to_owned),
            cloud_id: parts.cloud_id.map(str::to_owned),
            up: parts.up,
            contextualized: parts.contextualized,
            features: parts.system,
        }
    }

    /// Its address: the public one if any, else the private one.
    pub fn ip(&self) -> Option<IpAddr> {
        self.public_ip.or(self.private_ip)
    }

    /// The name of its operating system.
    pub fn os(&self) -> &str {
        self.features.features.text("disk.0.os.name").unwrap_or("linux")
    }

    /// Whether it runs Windows.
    pub fn is_windows(&self) -> bool {
        self.os().eq_ignore_ascii_case("windows")
    }

    /// Its name in the inventory.
    pub fn inventory_name(&self) -> Option<String> {
        Some(format!("{}_{}", self.ip()?, self.id))
    }

    /// The name that it should bear: the one requested for its first interface, else the default.
    pub fn name(&self, default_name: &str, default_domain: &str) -> DnsName {
        let first = self.interfaces.iter().find(|i| i.index == 0);
        first
            .and_then(|i| i.name.clone())
            .unwrap_or_else(|| DnsName::parse(default_name, self.id, default_domain))
    }

    /// Where and how the service logs in to it: public address first, each with the declared port and with 22. With the
    /// infrastructure's key as the last credential.
    pub fn access(&self, key: Option<&KeyPair>) -> Access {
        let mut addresses = Vec::new();
        for ip in [self.public_ip, self.private_ip].into_iter().flatten() {
            for port in [self.ssh_port, 22] {
                if !addresses.contains(&(ip, port)) {
                    addresses.push((ip, port));
                }
            }
        }
        Access {
            addresses,
            login: self.login.clone(),
            infrastructure_key: key.map(|k| k.private.clone()),
        }
    }
}

/// The numbers of a system's interfaces, in order.
pub(crate) fn interface_indices(system: &System) -> impl Iterator<Item = usize> {
    let mut found: Vec<usize> = system
        .features
        .iter()
        .filter_map(|(name, _)| name.strip_prefix("net_interface.")?.split('.').next()?.parse().ok())
        .collect();
    found.sort_unstable();
    found.dedup();
    found.into_iter()
}

/// The name requested for an interface, as written.
fn requested_name(system: &System, index: usize) -> Option<&str> {
    let text = |suffix: &str| system.features.text(&format!("net_interface.{index}.{suffix}"));
    text("dns.0.name")
        .or_else(|| text("dns_name"))
        .filter(|name| !name.is_empty())
}

/// Where SSH is seen from outside: the remote side of the `outports` entry whose local side is 22, over TCP.
fn ssh_port(networks: &[Network]) -> u16 {
    let public = networks.iter().filter(|network| network.is_public());
    public
        .flat_map(Network::outports)
        .filter(|port| port.protocol == Protocol::Tcp)
        .find(|port| !port.range && port.local == PortRange::one(22))
        .and_then(|port| u16::try_from(port.remote.first).ok())
        .unwrap_or(22)
}

/// The interfaces' networks by their ids, for [`crate::choose_master`].
pub(crate) fn networks_of(node: &Node) -> impl Iterator<Item = &str> {
    node.interfaces.iter().filter_map(|i| i.network.as_deref())
}

/// Whether a document still knows the system of a node.
pub(crate) fn is_disabled(document: &Document, node: &Node) -> bool {
    document.is_context_disabled(&node.system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let name = DnsName::parse("worker-#N#.cluster.example", VmId(3), "localdomain");
        assert_eq!(name.fqdn(), "worker-3.cluster.example");
        assert_eq!(
            DnsName::parse("front", VmId(0), "localdomain").fqdn(),
            "front.localdomain"
        );
        assert_eq!(DnsName::parse("front.", VmId(0), "x").fqdn(), "front.x");
    }

    #[test]
    fn the_port_of_ssh_is_the_remote_side_of_22() {
        for (outports, port) in [
            ("35001-22", 35001),
            ("80,35001/tcp-22/tcp", 35001),
            ("35001/udp-22/udp", 22),
            ("22", 22),
            ("8080/tcp-80/tcp", 22),
            ("20:30", 22),
        ] {
            let mut network = Network::default();
            network.features.set_text("outports", outports);
            assert_eq!(ssh_port(&[network.clone()]), 22, "{outports}");
            network.features.set_text("outbound", "yes");
            assert_eq!(ssh_port(&[network]), port, "{outports}");
        }
    }

    #[test]
    fn a_node_is_read_from_features() {
        let mut network = Network {
            id: "pub".to_owned(),
            ..Network::default()
        };
        network.features.set_text("outbound", "yes");
        network.features.set_text("outports", "8080/tcp-80/tcp,36000-22");
        let mut system = System {
            name: "front".to_owned(),
            ..System::default()
        };
        for (name, value) in [
            ("net_interface.1.connection", "pub"),
            ("net_interface.1.ip", "1.2.3.4"),
            ("net_interface.0.connection", "priv"),
            ("net_interface.0.ip", "10.0.0.2"),
            ("net_interface.0.dns_name", "front"),
            ("disk.0.os.credentials.username", "root"),
            ("disk.0.os.credentials.password", "pw"),
        ] {
            system.features.set_text(name, value);
        }
        let node = Node::new(NodeParts {
            id: VmId(4),
            system: Arc::new(system),
            networks: &[network],
            cloud_kind: "Docker",
            cloud_server: None,
            cloud_id: Some("abc"),
            up: true,
            contextualized: false,
            default_domain: "localdomain",
        });
        assert_eq!(node.inventory_name().unwrap(), "1.2.3.4_4");
        assert_eq!(node.private_ip.unwrap().to_string(), "10.0.0.2");
        assert_eq!((node.ssh_port, node.reachable), (36000, true));
        assert_eq!(node.name("vnode-#N#", "localdomain").fqdn(), "front.localdomain");
        let access: Vec<String> = node
            .access(None)
            .addresses
            .iter()
            .map(|(ip, port)| format!("{ip}:{port}"))
            .collect();
        assert_eq!(access, ["1.2.3.4:36000", "1.2.3.4:22", "10.0.0.2:36000", "10.0.0.2:22"]);
    }
}
