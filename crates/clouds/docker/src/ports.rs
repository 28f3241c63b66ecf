//! Which ports of the daemon's host a launch publishes.

use crate::{access::Access, spec::Published};
use im_cloud::Draw;
use im_radl::{Document, OutPort, Protocol, System};
use std::collections::{BTreeMap, BTreeSet};

/// Drawn ports come from here.
const FIRST: u32 = 35000;
const COUNT: u32 = 5001;
/// Ports per published one: the first, and those to turn to where it is in use.
const CHOICES: usize = 3;
const SSH: u16 = 22;

/// Ports that are taken: by other containers, or by this launch.
pub(crate) struct Taken {
    ports: BTreeSet<u16>,
}

/// What a VM publishes, exposes and records.
#[derive(Debug, Default)]
pub(crate) struct VmPorts {
    pub(crate) published: Vec<Published>,
    pub(crate) expose: BTreeSet<String>,
    pub(crate) kept: BTreeMap<String, Vec<String>>,
}

impl Taken {
    pub(crate) fn new(ports: impl IntoIterator<Item = u16>) -> Self {
        Self {
            ports: ports.into_iter().collect(),
        }
    }

    /// Ports of the host for one of the container, the one asked for first where it is free. Only the first is taken
    /// from others: the rest is for when it turns out to be in use. Empty where no port is left.
    fn choose(&mut self, asked: Option<u16>, draw: &mut dyn Draw) -> Vec<u16> {
        let mut chosen: Vec<u16> = asked.filter(|port| !self.ports.contains(port)).into_iter().collect();
        while chosen.len() < CHOICES {
            let start = draw.below(COUNT);
            let free = (0..COUNT)
                .filter_map(|n| u16::try_from(FIRST + (start + n) % COUNT).ok())
                .find(|port| !self.ports.contains(port) && !chosen.contains(port));
            match free {
                Some(port) => chosen.push(port),
                None => break,
            }
        }
        self.ports.extend(chosen.first());
        chosen
    }

    /// The ports of one VM. Ranges and ICMP are recorded and no more: Docker publishes neither.
    pub(crate) fn of_vm(
        &mut self,
        document: &Document,
        system: &System,
        access: &Access,
        draw: &mut dyn Draw,
    ) -> VmPorts {
        let mut ports = VmPorts::default();
        let mut has_ssh = access.is_direct();
        let mut seen = BTreeSet::new();
        for interface in system.interfaces() {
            let Some(network) = document.network(interface.connection) else {
                continue;
            };
            if !seen.insert(network.id.as_str()) {
                continue;
            }
            let entries = network.outports();
            if !network.is_public() {
                ports.expose.extend(entries.iter().filter_map(exposed));
                continue;
            }
            let is_ssh = |entry: &&OutPort| single(entry).is_some_and(|(_, local, udp)| local == SSH && !udp);
            if !has_ssh {
                has_ssh = true;
                let asked = entries.iter().find(is_ssh).and_then(single).map(|(remote, ..)| remote);
                ports.published.push(Published {
                    network: network.id.clone(),
                    port: SSH,
                    udp: false,
                    host: self.choose(asked.filter(|port| *port != SSH), draw),
                    cidr: im_radl::ANYWHERE.to_owned(),
                });
            }
            // The network's record is written even when nothing is left of it.
            let kept = ports.kept.entry(network.id.clone()).or_default();
            for entry in entries.iter().filter(|entry| !is_ssh(entry)) {
                match single(entry) {
                    Some((remote, local, udp)) => ports.published.push(Published {
                        network: network.id.clone(),
                        port: local,
                        udp,
                        host: self.choose(Some(remote), draw),
                        cidr: entry.cidr.clone(),
                    }),
                    None => kept.push(entry.to_string()),
                }
            }
            if kept.is_empty() && entries.is_empty() {
                ports.kept.remove(&network.id);
            }
        }
        ports
    }
}

/// Ports outside and inside, and whether it is UDP, of an entry that Docker can publish.
fn single(entry: &OutPort) -> Option<(u16, u16, bool)> {
    let udp = match entry.protocol {
        Protocol::Tcp => false,
        Protocol::Udp => true,
        Protocol::Icmp => return None,
    };
    let port = |port: u32| u16::try_from(port).ok().filter(|port| *port != 0);
    if entry.range {
        return None;
    }
    Some((port(entry.remote.first)?, port(entry.local.first)?, udp))
}

fn exposed(entry: &OutPort) -> Option<String> {
    let (_, local, _) = single(entry)?;
    Some(format!("{local}/{}", entry.protocol))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::PublicAddress;

    struct Zero;
    impl Draw for Zero {
        fn alphanumeric(&mut self, len: usize) -> String {
            "x".repeat(len)
        }
        fn below(&mut self, _bound: u32) -> u32 {
            0
        }
    }

    fn access(public: PublicAddress) -> Access {
        Access {
            publish: String::new(),
            public,
        }
    }

    fn document(outports: &str) -> Document {
        let text = format!(
            "network pub (outbound = 'yes'{outports})\nnetwork priv (outports = '53/udp,80')\nsystem s \
             (net_interface.0.connection = 'priv' and net_interface.1.connection = 'pub')"
        );
        im_radl::parse(&text).document
    }

    fn ports(outports: &str, public: PublicAddress, taken: &[u16]) -> (Vec<(u16, Vec<u16>)>, VmPorts) {
        let document = document(outports);
        let mut taken = Taken::new(taken.iter().copied());
        let ports = taken.of_vm(&document, &document.systems[0], &access(public), &mut Zero);
        let published = ports.published.iter().map(|p| (p.port, p.host.clone())).collect();
        (published, ports)
    }

    #[test]
    fn ssh_is_published_only_where_containers_are_not_reached_directly() {
        let (direct, _) = ports("", PublicAddress::Own, &[]);
        assert_eq!(direct, []);
        let (mapped, _) = ports("", PublicAddress::Host, &[35001]);
        assert_eq!(mapped, [(22, vec![35000, 35002, 35003])]);
        let (asked, _) = ports(" and outports = '2222-22'", PublicAddress::Host, &[]);
        assert_eq!(asked, [(22, vec![2222, 35000, 35001])]);
        let (skipped, record) = ports(" and outports = '2222-22'", PublicAddress::Own, &[]);
        assert_eq!(skipped, []);
        assert_eq!(record.kept["pub"], Vec::<String>::new());
    }

    #[test]
    fn asked_ports_come_first_unless_taken() {
        let outports = " and outports = '8080/tcp-80/tcp,10.0.0.0/8-53/udp,1:9/tcp,8/icmp'";
        let (published, record) = ports(outports, PublicAddress::Own, &[8080]);
        assert_eq!(
            published,
            [(80, vec![35000, 35001, 35002]), (53, vec![53, 35001, 35002])]
        );
        assert_eq!(record.published[1].cidr, "10.0.0.0/8");
        assert_eq!(record.kept["pub"], ["1:9/tcp", "8/icmp-8/icmp"]);
        assert_eq!(Vec::from_iter(record.expose), ["53/udp", "80/tcp"]);
    }
}
