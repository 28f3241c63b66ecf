//! The frozen requests: what the plan stores and `ensure` sends.

use crate::{
    image::{HIDE_SCRIPT, INSTALL_SCRIPT, OWN_SCRIPT, Start},
    names,
};
use im_radl::{ANYWHERE, OutPort, PortRange, Protocol};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, net::IpAddr};

/// A network to create.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct NetworkSpec {
    pub(crate) name: String,
}

/// A volume to create.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct VolumeSpec {
    pub(crate) name: String,
    pub(crate) driver: String,
}

/// A container to create and start.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct VmSpec {
    pub(crate) name: String,
    pub(crate) vm: u32,
    pub(crate) image: String,
    /// `None`: the image was not there when this was planned; it is looked at once it is.
    pub(crate) start: Option<Start>,
    pub(crate) hostname: String,
    pub(crate) domainname: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) memory: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) nano_cpus: Option<i64>,
    /// Holds the password.
    pub(crate) env: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) mounts: Vec<Mount>,
    #[serde(default)]
    pub(crate) privileged: bool,
    /// Ports that only other containers reach.
    #[serde(default)]
    pub(crate) expose: Vec<String>,
    #[serde(default)]
    pub(crate) ports: Vec<Published>,
    /// Where they are published; empty: everywhere.
    #[serde(default)]
    pub(crate) publish: String,
    #[serde(default)]
    pub(crate) networks: Vec<Attached>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) public: Option<PublicAddress>,
    /// `outports` entries that are recorded as they were, per public network.
    #[serde(default)]
    pub(crate) kept: BTreeMap<String, Vec<String>>,
}

/// A volume or a folder of the host inside a container.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Mount {
    pub(crate) bind: bool,
    pub(crate) source: String,
    pub(crate) target: String,
}

/// A port of the container, published.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Published {
    /// The RADL network whose `outports` it is recorded in.
    pub(crate) network: String,
    pub(crate) port: u16,
    pub(crate) udp: bool,
    /// Ports of the host, best first; the next is taken where the daemon says that one is in use.
    pub(crate) host: Vec<u16>,
    /// Who may come in, for the record; Docker cannot tell.
    #[serde(default = "anywhere")]
    pub(crate) cidr: String,
}

fn anywhere() -> String {
    ANYWHERE.to_owned()
}

/// A Docker network the container is on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Attached {
    /// Its id (or, for those of others, its name).
    pub(crate) id: String,
    /// The RADL networks it stands for.
    pub(crate) radl: Vec<String>,
    #[serde(default)]
    pub(crate) aliases: Vec<String>,
}

/// What stands for a container's public address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PublicAddress {
    /// Its own, since the service and the other containers reach it.
    Own,
    /// The one of the daemon's host, whatever it is at the time.
    Host,
    /// This one of the daemon's host.
    Fixed(IpAddr),
}

/// Entry of the label that says which Docker network stands for which RADL network.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LabelledNetwork {
    pub(crate) id: String,
    pub(crate) radl: Vec<String>,
}

impl Published {
    fn protocol(&self) -> Protocol {
        if self.udp { Protocol::Udp } else { Protocol::Tcp }
    }
    /// As Docker writes it.
    pub(crate) fn container_port(&self) -> String {
        format!("{}/{}", self.port, self.protocol())
    }
    /// The port of the host that the n-th try takes.
    pub(crate) fn host_port(&self, tries: usize) -> u16 {
        let at = tries.min(self.host.len().saturating_sub(1));
        self.host.get(at).copied().unwrap_or_default()
    }
    fn entry(&self, tries: usize) -> OutPort {
        OutPort {
            cidr: self.cidr.clone(),
            protocol: self.protocol(),
            remote: PortRange::one(u32::from(self.host_port(tries))),
            local: PortRange::one(u32::from(self.port)),
            range: false,
        }
    }
}

impl VmSpec {
    /// The `outports` of its public networks, as features to record; null where nothing is left of them. `tries` says,
    /// per port, how many of its host ports were found in use.
    pub(crate) fn outports(&self, tries: &[usize]) -> BTreeMap<String, Value> {
        let mut texts: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (network, kept) in &self.kept {
            texts.entry(network).or_default().extend(kept.iter().cloned());
        }
        for (port, tries) in self.ports.iter().zip(tries) {
            let entry = port.entry(*tries).to_string();
            texts.entry(&port.network).or_default().push(entry);
        }
        let feature = |(network, entries): (&str, Vec<String>)| {
            let text = if entries.is_empty() {
                Value::Null
            } else {
                Value::String(entries.join(","))
            };
            (format!("network.{network}.outports"), text)
        };
        texts.into_iter().map(feature).collect()
    }

    /// The create call's body.
    pub(crate) fn body(&self, infra: &str, mark: &str, start: &Start, tries: &[usize]) -> Value {
        let mut labels = self.labels.clone();
        labels.insert(names::MARK.to_owned(), mark.to_owned());
        labels.insert(names::INFRA.to_owned(), infra.to_owned());
        labels.insert(names::VM.to_owned(), self.vm.to_string());
        let networks: Vec<_> = self
            .networks
            .iter()
            .map(|n| json!({"id": n.id, "radl": n.radl}))
            .collect();
        labels.insert(names::NETWORKS.to_owned(), Value::Array(networks).to_string());
        if let Some(public) = &self.public {
            labels.insert(names::PUBLIC.to_owned(), public.to_label());
        }

        let mut exposed = Map::new();
        exposed.insert("22/tcp".to_owned(), json!({}));
        for port in &self.expose {
            exposed.insert(port.clone(), json!({}));
        }
        let mut bindings = Map::new();
        for (port, tries) in self.ports.iter().zip(tries) {
            exposed.insert(port.container_port(), json!({}));
            let binding = json!({"HostIp": self.publish, "HostPort": port.host_port(*tries).to_string()});
            match bindings.get_mut(&port.container_port()) {
                Some(Value::Array(more)) => more.push(binding),
                _ => {
                    bindings.insert(port.container_port(), json!([binding]));
                }
            }
        }

        let mounts: Vec<_> = self.mounts.iter().map(Mount::body).collect();
        let mut host = json!({
            "Mounts": mounts,
            "Privileged": self.privileged,
            "PortBindings": bindings,
        });
        if let Some(memory) = self.memory {
            host["Memory"] = json!(memory);
        }
        if let Some(cpus) = self.nano_cpus {
            host["NanoCpus"] = json!(cpus);
        }
        let env: Vec<_> = self.env.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let mut body = json!({
            "Hostname": self.hostname,
            "Domainname": self.domainname,
            "Image": self.image,
            "Env": env,
            "Labels": labels,
            "ExposedPorts": exposed,
        });
        match start {
            Start::Image => {}
            Start::Own(command) => {
                body["User"] = json!("root");
                body["Entrypoint"] = json!(["/bin/sh", "-c", HIDE_SCRIPT, "im-start", OWN_SCRIPT]);
                body["Cmd"] = json!(command);
            }
            Start::Install => {
                body["User"] = json!("root");
                body["Entrypoint"] = json!(["/bin/sh", "-c", HIDE_SCRIPT, "im-start", INSTALL_SCRIPT]);
                body["Cmd"] = json!([]);
            }
        }
        if let Some(first) = self.networks.first() {
            host["NetworkMode"] = json!(first.id);
            body["NetworkingConfig"] = json!({"EndpointsConfig": {&first.id: first.endpoint()}});
        }
        body["HostConfig"] = host;
        body
    }

    /// What no message may hold.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &str> {
        self.env.values().map(String::as_str).filter(|v| v.len() > 3)
    }
}

impl std::fmt::Debug for VmSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VmSpec")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Mount {
    fn body(&self) -> Value {
        let kind = if self.bind { "bind" } else { "volume" };
        json!({"Type": kind, "Source": self.source, "Target": self.target, "ReadOnly": false})
    }
}

impl Attached {
    /// Settings of its endpoint there.
    pub(crate) fn endpoint(&self) -> Value {
        if self.aliases.is_empty() {
            json!({})
        } else {
            json!({"Aliases": self.aliases})
        }
    }
}

impl PublicAddress {
    pub(crate) fn to_label(self) -> String {
        match self {
            Self::Own => "own".to_owned(),
            Self::Host => "host".to_owned(),
            Self::Fixed(ip) => ip.to_string(),
        }
    }
    pub(crate) fn from_label(text: &str) -> Option<Self> {
        match text {
            "own" => Some(Self::Own),
            "host" => Some(Self::Host),
            ip => ip.parse().ok().map(Self::Fixed),
        }
    }
}
