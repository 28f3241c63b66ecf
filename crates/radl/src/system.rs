//! What the service reads out of a system: interfaces, names, disks, credentials, applications.

use crate::{Document, Feature, Features, Network, Number, Op, OutPort, System, merge::APPLICATIONS, outports};

/// An interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interface<'a> {
    /// Its number.
    pub n: usize,
    /// The id of its network.
    pub connection: &'a str,
    /// The address asked for or given.
    pub ip: Option<&'a str>,
    /// The IPv6 address asked for or given.
    pub ipv6: Option<&'a str>,
}

/// Credentials, plain.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Login<'a> {
    /// User.
    pub username: Option<&'a str>,
    /// Password.
    pub password: Option<&'a str>,
    /// Public key.
    pub public_key: Option<&'a str>,
    /// Private key.
    pub private_key: Option<&'a str>,
}

impl std::fmt::Debug for Login<'_> {
    /// Without the secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login")
            .field("username", &self.username)
            .field("password", &self.password.map(|_| "***"))
            .field("public_key", &self.public_key)
            .field("private_key", &self.private_key.map(|_| "***"))
            .finish()
    }
}

impl Login<'_> {
    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        *self == Login::default()
    }

    /// Whether it is a key pair; else it is user and password, if anything.
    pub fn is_key(&self) -> bool {
        self.public_key.is_some() || self.private_key.is_some()
    }
}

/// A data disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataDisk<'a> {
    /// Its number, from 1.
    pub n: usize,
    /// Its size in bytes.
    pub size: Option<i64>,
    /// An image or a volume to attach.
    pub image_url: Option<&'a str>,
    /// The device it appears as.
    pub device: Option<&'a str>,
    /// Where it is mounted.
    pub mount_path: Option<&'a str>,
    /// Its file system; `swap` makes it swap.
    pub fstype: Option<&'a str>,
    /// The cloud's kind of volume.
    pub kind: Option<&'a str>,
}

/// An application.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Application<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its version, and how it compares.
    pub version: Option<(Op, &'a str)>,
    /// Where it is.
    pub path: Option<&'a str>,
    /// Whether the image must have it.
    pub preinstalled: bool,
}

/// What applications are asked for.
pub struct Applications;

impl Applications {
    /// The name without `,version`: what applications are compared by.
    pub fn bare_name(application: &Features) -> &str {
        let name = application.text("name").unwrap_or_default();
        name.split_once(',').map_or(name, |(name, _)| name)
    }
}

/// A name asked for in DNS and in hosts files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestedName {
    /// Host.
    pub host: String,
    /// Domain; `localdomain` means no DNS record.
    pub domain: String,
}

impl RequestedName {
    /// Host and domain.
    pub fn fqdn(&self) -> String {
        format!("{}.{}", self.host, self.domain)
    }
}

/// Names for those that ask for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameDefaults<'a> {
    /// Of interface 0; `#N#` stands for the VM's id.
    pub host: &'a str,
    /// The domain.
    pub domain: &'a str,
}

impl Default for NameDefaults<'_> {
    fn default() -> Self {
        Self {
            host: "vnode-#N#",
            domain: "localdomain",
        }
    }
}

impl System {
    /// Its interfaces: 0, 1, ... while there is a connection.
    pub fn interfaces(&self) -> impl Iterator<Item = Interface<'_>> {
        (0..).map_while(|n| {
            Some(Interface {
                n,
                connection: self.features.text(&format!("net_interface.{n}.connection"))?,
                ip: self.features.text(&format!("net_interface.{n}.ip")),
                ipv6: self.features.text(&format!("net_interface.{n}.ipv6")),
            })
        })
    }

    /// The number of the first interface on a network.
    pub fn interface_on(&self, network: &str) -> Option<usize> {
        self.interfaces().find(|i| i.connection == network).map(|i| i.n)
    }

    /// The name of an interface of a VM; interfaces other than 0 may have none.
    pub fn requested_name(&self, vm: impl std::fmt::Display, interface: usize) -> Option<RequestedName> {
        self.requested_name_with(vm, interface, NameDefaults::default())
    }

    /// The same with other defaults.
    pub fn requested_name_with(
        &self,
        vm: impl std::fmt::Display,
        interface: usize,
        defaults: NameDefaults<'_>,
    ) -> Option<RequestedName> {
        let asked = self
            .features
            .text(&format!("net_interface.{interface}.dns.0.name"))
            .or_else(|| self.features.text(&format!("net_interface.{interface}.dns_name")))
            .filter(|name| !name.is_empty());
        let asked = asked.or(if interface == 0 { Some(defaults.host) } else { None })?;
        Some(split_name(asked, &vm.to_string(), defaults.domain))
    }

    /// Further names of an interface: `dns.1.name` and on, and `additional_dns_names`.
    pub fn additional_names(&self, vm: impl std::fmt::Display, interface: usize) -> Vec<RequestedName> {
        let vm = vm.to_string();
        let numbered = (1..).map_while(|n| self.features.text(&format!("net_interface.{interface}.dns.{n}.name")));
        let listed = self
            .features
            .list(&format!("net_interface.{interface}.additional_dns_names"));
        let listed = listed.unwrap_or_default().iter().map(String::as_str);
        let domain = NameDefaults::default().domain;
        numbered
            .chain(listed)
            .map(|name| split_name(name, &vm, domain))
            .collect()
    }

    /// Its data disks: 1, 2, ... while there is a size or an image.
    pub fn data_disks(&self) -> impl Iterator<Item = DataDisk<'_>> {
        (1..).map_while(|n| {
            let text = |what: &str| self.features.text(&format!("disk.{n}.{what}"));
            let size = self.features.bytes(&format!("disk.{n}.size"));
            let image_url = text("image.url");
            (size.is_some() || image_url.is_some()).then(|| DataDisk {
                n,
                size,
                image_url,
                device: text("device"),
                mount_path: text("mount_path"),
                fstype: text("fstype"),
                kind: text("type"),
            })
        })
    }

    /// The images it may boot from: each cloud takes those it understands.
    pub fn image_urls(&self) -> Vec<&str> {
        match self.features.get("disk.0.image.url") {
            Some(Feature::Text(_, url)) => vec![url],
            Some(Feature::List(_, urls)) => urls.iter().map(String::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// Credentials of its boot disk.
    pub fn credentials(&self) -> Login<'_> {
        self.login("")
    }

    /// Credentials to be set in its boot disk.
    pub fn new_credentials(&self) -> Login<'_> {
        self.login("new.")
    }

    fn login(&self, new: &str) -> Login<'_> {
        let text = |what: &str| self.features.text(&format!("disk.0.os.credentials.{new}{what}"));
        Login {
            username: text("username"),
            password: text("password"),
            public_key: text("public_key"),
            private_key: text("private_key"),
        }
    }

    /// The applications of its boot disk.
    pub fn applications(&self) -> impl Iterator<Item = Application<'_>> {
        self.features.groups(APPLICATIONS).filter_map(|group| {
            Some(Application {
                name: group.text("name")?,
                version: match group.get("version") {
                    Some(Feature::Text(op, version)) => Some((*op, version.as_str())),
                    _ => None,
                },
                path: group.text("path"),
                preinstalled: group.is_yes("preinstalled"),
            })
        })
    }

    /// Processors asked for.
    pub fn cpu_count(&self) -> Option<Number> {
        self.features.number("cpu.count")
    }

    /// Memory asked for, in bytes.
    pub fn memory(&self) -> Option<i64> {
        self.features.bytes("memory.size")
    }
}

fn split_name(asked: &str, vm: &str, default_domain: &str) -> RequestedName {
    let name = asked.replace("#N#", vm);
    let (host, domain) = match name.split_once('@').or_else(|| name.split_once('.')) {
        Some((host, domain)) if !domain.is_empty() => (host, domain),
        Some((host, _)) => (host, default_domain),
        None => (name.as_str(), default_domain),
    };
    RequestedName {
        host: host.to_owned(),
        domain: domain.to_owned(),
    }
}

impl Network {
    /// Whether its addresses are public.
    pub fn is_public(&self) -> bool {
        self.features.is_yes("outbound")
    }

    /// What is reachable from outside; what cannot be read is left out, since the checks refuse it.
    pub fn outports(&self) -> Vec<OutPort> {
        match self.features.text("outports") {
            Some(text) if !text.is_empty() => outports::parse_outports(text).unwrap_or_default(),
            _ => Vec::new(),
        }
    }

    /// The cloud's own name of it.
    pub fn provider_id(&self) -> Option<&str> {
        self.features.text("provider_id")
    }
}

impl Document {
    /// Whether a network is known to be public.
    pub fn is_public_network(&self, id: &str) -> bool {
        self.network(id).is_some_and(Network::is_public)
    }

    /// The first address of an interface on a public network, over the systems in order.
    pub fn public_ip(&self) -> Option<&str> {
        self.ip_where(true)
    }

    /// The first address of an interface on a network that is not public.
    pub fn private_ip(&self) -> Option<&str> {
        self.ip_where(false)
    }

    fn ip_where(&self, public: bool) -> Option<&str> {
        let interfaces = self.systems.iter().flat_map(System::interfaces);
        interfaces
            .filter(|i| self.is_public_network(i.connection) == public)
            .find_map(|i| i.ip)
    }
}
