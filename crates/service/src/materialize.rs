//! A VM's document as users and contextualization see it: the part shared with its siblings, its own features, its
//! addresses on its interfaces, its names. Pure.

use crate::options::Cidr;
use im_cloud::Observed;
use im_model::{Vm, VmId};
use im_radl::{Document, Features, Network, System};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{collections::BTreeMap, net::IpAddr};

/// Where a VM's row keeps its addresses as the cloud told them. No feature can have such a name.
const ADDRESSES: &str = "@addresses";
/// Where a VM's row says that a run has configured it.
const KEYED: &str = "@contextualized";
const NETWORK: &str = "network.";

/// Addresses as the cloud told them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Addresses {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    public: Vec<IpAddr>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    private: Vec<(Option<String>, IpAddr)>,
}

/// Takes what a cloud said of a VM (or of something that belongs to it) into the features of its row.
pub(crate) fn take(own: &mut BTreeMap<String, Value>, observed: &Observed) {
    for (name, value) in &observed.features {
        own.insert(name.clone(), value.clone());
    }
    if observed.public_ips.is_empty() && observed.private_ips.is_empty() {
        return;
    }
    let mut public = observed.public_ips.clone();
    public.sort_unstable();
    public.dedup();
    let mut private = observed.private_ips.clone();
    private.sort_unstable();
    private.dedup();
    if let Ok(value) = serde_json::to_value(Addresses { public, private }) {
        own.insert(ADDRESSES.to_owned(), value);
    }
}

/// Whether a run has configured the VM before: then the infrastructure's key opens it.
pub(crate) fn is_keyed(vm: &Vm) -> bool {
    vm.own.get(KEYED) == Some(&Value::Bool(true))
}

/// Remembers that a run has configured the VM.
pub(crate) fn set_keyed(own: &mut BTreeMap<String, Value>) {
    own.insert(KEYED.to_owned(), Value::Bool(true));
}

/// Pending credentials have become the current ones. `features` are those of the VM's whole document.
pub(crate) fn promote(own: &mut BTreeMap<String, Value>, features: &Features, password: bool, key: bool) {
    let moves = [("password", password), ("private_key", key), ("public_key", key)];
    for (name, _) in moves.iter().filter(|(_, done)| *done) {
        let pending = format!("disk.0.os.credentials.new.{name}");
        if let Some(value) = features.text(&pending) {
            own.insert(format!("disk.0.os.credentials.{name}"), Value::from(value));
            own.insert(pending, Value::Null);
        }
    }
}

/// What names and addresses are made with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Naming<'a> {
    /// `DEFAULT_VM_NAME`.
    pub(crate) default_name: &'a str,
    /// `PRIVATE_NET_MASKS`.
    pub(crate) masks: &'a [Cidr],
    /// Whether names are given at all: some clouds give their own.
    pub(crate) names: bool,
}

/// The document of a VM. Its system is the one of the row's name. Features that cannot be read are left out: they come
/// from the row, which only connectors and this service write.
pub(crate) fn materialize(base: &Document, vm: &Vm, naming: Naming<'_>) -> Document {
    let mut document = base.clone();
    document.deploys.clear();
    if document.system(&vm.system).is_none() {
        document.systems.push(System {
            name: vm.system.clone(),
            ..System::default()
        });
    }
    let mut addresses = Addresses::default();
    for (name, value) in &vm.own {
        if name == ADDRESSES {
            addresses = Addresses::deserialize(value).unwrap_or_default();
        } else if name.starts_with('@') {
            // What the service remembers; no feature.
        } else if let Some((id, feature)) = name.strip_prefix(NETWORK).and_then(|rest| rest.rsplit_once('.')) {
            let network = network_of(&mut document, id);
            // A value that cannot be read is as good as absent.
            let _ = network.features.set_json(feature, value);
        } else if let Some(system) = document.system_mut(&vm.system) {
            let _ = system.features.set_json(name, value);
        }
    }
    let Some(at) = document.systems.iter().position(|s| s.name == vm.system) else {
        return document;
    };
    let mut system = document.systems.swap_remove(at);
    place(&mut document.networks, &mut system, &addresses, naming.masks);
    if naming.names {
        give_names(&mut system, vm.id, naming.default_name);
    }
    if let Some(id) = vm.cloud_id.as_deref()
        && !system.features.contains("instance_id")
    {
        system.features.set_text("instance_id", id);
    }
    document.systems = vec![system];
    document
}

fn network_of<'d>(document: &'d mut Document, id: &str) -> &'d mut Network {
    let at = document.networks.iter().position(|n| n.id == id).unwrap_or_else(|| {
        document.networks.push(Network {
            id: id.to_owned(),
            ..Network::default()
        });
        document.networks.len() - 1
    });
    &mut document.networks[at]
}

/// Interfaces of a system, in order: 0..n while there is a connection.
fn interfaces(system: &System) -> Vec<String> {
    (0..)
        .map_while(|n| system.features.text(&format!("net_interface.{n}.connection")))
        .map(str::to_owned)
        .collect()
}

/// Puts addresses on interfaces, networks made where none fits.
fn place(networks: &mut Vec<Network>, system: &mut System, addresses: &Addresses, masks: &[Cidr]) {
    if addresses.public.is_empty() && addresses.private.is_empty() {
        return;
    }
    let connections = interfaces(system);
    for n in 0..connections.len().max(1) {
        system.features.remove(&format!("net_interface.{n}.ip"));
        system.features.remove(&format!("net_interface.{n}.ipv6"));
    }
    let first = |v4: bool| addresses.public.iter().find(|ip| ip.is_ipv4() == v4);
    if !addresses.public.is_empty() {
        let is_public = |id: &String| networks.iter().any(|n| n.id == *id && n.is_public());
        let at = connections.iter().position(is_public).unwrap_or_else(|| {
            let id = free_name(networks, "public");
            connect(networks, system, &id, true)
        });
        if let Some(ip) = first(true) {
            system
                .features
                .set_text(format!("net_interface.{at}.ip"), ip.to_string());
        }
        if let Some(ip) = first(false) {
            system
                .features
                .set_text(format!("net_interface.{at}.ipv6"), ip.to_string());
        }
    }
    for (hint, ip) in &addresses.private {
        let at = private_interface(networks, system, hint.as_deref(), *ip).unwrap_or_else(|| {
            let mask = masks.iter().find(|m| m.contains(*ip));
            let id = mask.map_or_else(|| free_name(networks, "private"), |m| format!("private.{}", m.base()));
            connect(networks, system, &id, false)
        });
        let kind = if ip.is_ipv4() { "ip" } else { "ipv6" };
        system
            .features
            .set_text(format!("net_interface.{at}.{kind}"), ip.to_string());
    }
}

/// The interface for a private address: the one the cloud named, else one on a private network whose range holds the
/// address, else one on a private network without a range; each takes one address of a family.
fn private_interface(networks: &[Network], system: &System, hint: Option<&str>, ip: IpAddr) -> Option<usize> {
    let kind = if ip.is_ipv4() { "ip" } else { "ipv6" };
    let free = |n: usize| !system.features.contains(&format!("net_interface.{n}.{kind}"));
    let connections = interfaces(system);
    if let Some(id) = hint {
        let mut named = connections.iter().enumerate().filter(|(_, c)| *c == id);
        if let Some((n, _)) = named.find(|(n, _)| free(*n)) {
            return Some(n);
        }
    }
    let network = |id: &str| networks.iter().find(|n| n.id == id);
    let range = |id: &str| -> Option<Cidr> { network(id)?.features.text("cidr")?.parse().ok() };
    let private = |id: &str| network(id).is_none_or(|n| !n.is_public());
    let pick = |fits: &dyn Fn(&str) -> bool| {
        let mut all = connections.iter().enumerate();
        all.find(|(n, id)| free(*n) && private(id) && fits(id)).map(|(n, _)| n)
    };
    pick(&|id| range(id).is_some_and(|r| r.contains(ip))).or_else(|| pick(&|id| range(id).is_none()))
}

/// A further interface on a network, which is made if need be. Answers its number.
fn connect(networks: &mut Vec<Network>, system: &mut System, id: &str, public: bool) -> usize {
    if !networks.iter().any(|n| n.id == id) {
        let mut network = Network {
            id: id.to_owned(),
            ..Network::default()
        };
        if public {
            network.features.set_text("outbound", "yes");
        }
        networks.push(network);
    }
    let n = interfaces(system).len();
    system.features.set_text(format!("net_interface.{n}.connection"), id);
    n
}

fn free_name(networks: &[Network], stem: &str) -> String {
    let taken = |name: &String| networks.iter().any(|n| n.id == *name);
    // One more than there are networks: one of them is free.
    (0..=networks.len())
        .map(|n| format!("{stem}.{n}"))
        .find(|name| !taken(name))
        .unwrap_or_default()
}

/// Replaces `#N#` in requested names; the first interface gets the default name if it asks for none.
fn give_names(system: &mut System, id: VmId, default: &str) {
    let named: Vec<(String, String)> = system
        .features
        .iter()
        .filter(|(name, _)| name.starts_with("net_interface."))
        .filter(|(name, _)| {
            let last = name.rsplit('.').next();
            last == Some("dns_name") || name.contains(".dns.") && last == Some("name")
        })
        .filter_map(|(name, _)| Some((name.to_owned(), system.features.text(name)?.to_owned())))
        .collect();
    for (name, text) in &named {
        if text.contains("#N#") {
            system
                .features
                .set_text(name.clone(), text.replace("#N#", &id.to_string()));
        }
    }
    let asked = ["net_interface.0.dns_name", "net_interface.0.dns.0.name"];
    let has_first = system
        .features
        .iter()
        .any(|(name, _)| name.starts_with("net_interface.0."));
    if has_first && !named.iter().any(|(name, _)| asked.contains(&name.as_str())) {
        let name = default.replace("#N#", &id.to_string());
        system.features.set_text("net_interface.0.dns_name", name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::default_private_masks;
    use im_model::{BlobId, CloudRef, Configured, VmState};
    use std::sync::Arc;

    fn vm(own: BTreeMap<String, Value>) -> Vm {
        Vm {
            id: VmId(3),
            operation: None,
            system: "s".into(),
            state: VmState::Running,
            destroyed: false,
            configured: Configured::Unfinished,
            cloud: Arc::new(CloudRef {
                id: "c".into(),
                kind: "K".into(),
                server: String::new(),
                port: None,
                protocol: String::new(),
                path: String::new(),
                extra: BTreeMap::new(),
            }),
            account: None,
            cloud_id: Some("i-1".into()),
            base: BlobId::from("b"),
            own,
            error: None,
            created: 0,
            updated: 0,
        }
    }

    fn shown(base: &str, public: &[&str], private: &[(Option<&str>, &str)]) -> Document {
        let parsed = im_radl::parse(base);
        assert!(parsed.is_ok(), "{:?}", parsed.diagnostics);
        let mut own = BTreeMap::from([("disk.0.os.credentials.password".to_owned(), Value::from("pw"))]);
        let observed = Observed {
            cloud_id: "i-1".into(),
            state: None,
            public_ips: public.iter().map(|ip| ip.parse().unwrap()).collect(),
            private_ips: private
                .iter()
                .map(|(n, ip)| (n.map(str::to_owned), ip.parse().unwrap()))
                .collect(),
            features: BTreeMap::from([("network.p.provider_id".to_owned(), Value::from("net-9"))]),
        };
        take(&mut own, &observed);
        let masks = default_private_masks();
        let naming = Naming {
            default_name: "vnode-#N#",
            masks: &masks,
            names: true,
        };
        materialize(&parsed.document, &vm(own), naming)
    }

    const BASE: &str = "network p (outbound='yes') network a (cidr='10.1.0.0/16') network b ()
        system s (net_interface.0.connection='b' and net_interface.1.connection='a' and
                  net_interface.2.connection='p' and net_interface.1.dns_name='w-#N#')";

    #[test]
    fn addresses_find_their_interfaces() {
        let document = shown(
            BASE,
            &["8.8.8.8", "2001:db8::1"],
            &[(None, "192.168.1.1"), (None, "10.1.0.7")],
        );
        let features = &document.systems[0].features;
        for (name, value) in [
            ("net_interface.0.ip", "192.168.1.1"),
            ("net_interface.1.ip", "10.1.0.7"),
            ("net_interface.2.ip", "8.8.8.8"),
            ("net_interface.2.ipv6", "2001:db8::1"),
            ("net_interface.0.dns_name", "vnode-3"),
            ("net_interface.1.dns_name", "w-3"),
            ("instance_id", "i-1"),
            ("disk.0.os.credentials.password", "pw"),
        ] {
            assert_eq!(features.text(name), Some(value), "{name}");
        }
        assert_eq!(
            document.network("p").unwrap().features.text("provider_id"),
            Some("net-9")
        );
        assert_eq!(document.systems.len(), 1);
    }

    #[test]
    fn a_cloud_that_names_the_network_is_believed() {
        let document = shown(BASE, &[], &[(Some("b"), "10.1.0.8")]);
        assert_eq!(
            document.systems[0].features.text("net_interface.0.ip"),
            Some("10.1.0.8")
        );
    }

    #[test]
    fn networks_are_made_where_none_fits() {
        let document = shown("system s (cpu.count=1)", &["8.8.4.4"], &[(None, "172.17.0.2")]);
        let features = &document.systems[0].features;
        assert_eq!(features.text("net_interface.0.connection"), Some("public.0"));
        assert_eq!(features.text("net_interface.1.connection"), Some("private.172.16.0.0"));
        assert_eq!(features.text("net_interface.1.ip"), Some("172.17.0.2"));
        assert!(document.network("public.0").unwrap().is_public());
    }
}
