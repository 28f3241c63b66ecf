//! Containers, networks and volumes as the daemon describes them.

use crate::{
    daemon::Daemon,
    names,
    spec::{LabelledNetwork, PublicAddress},
};
use im_cloud::{CloudError, Cx, Observed, net::http::encode};
use im_model::{Key, Mark, VmState};
use serde::Deserialize;
use serde_json::json;
use std::{collections::BTreeMap, net::IpAddr};

/// A container, from a list or from a look at it alone.
#[derive(Debug, Deserialize)]
#[serde(from = "Raw")]
pub(crate) struct Container {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) status: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) networks: BTreeMap<String, Endpoint>,
}

/// Its endpoint on a network.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Endpoint {
    #[serde(rename = "NetworkID")]
    network: String,
    #[serde(rename = "IPAddress")]
    ip: String,
    #[serde(rename = "GlobalIPv6Address")]
    ipv6: String,
}

/// Both forms that the API has.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Raw {
    id: String,
    name: Option<String>,
    names: Option<Vec<String>>,
    state: Option<State>,
    labels: Option<BTreeMap<String, String>>,
    config: Option<RawConfig>,
    network_settings: Option<RawNetworks>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum State {
    Word(String),
    Full {
        #[serde(rename = "Status", default)]
        status: String,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawConfig {
    labels: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawNetworks {
    networks: Option<BTreeMap<String, Option<Endpoint>>>,
}

impl From<Raw> for Container {
    fn from(raw: Raw) -> Self {
        let name = raw.name.or_else(|| raw.names?.into_iter().next()).unwrap_or_default();
        let networks = raw.network_settings.and_then(|n| n.networks).unwrap_or_default();
        Self {
            id: raw.id,
            name: name.trim_start_matches('/').to_owned(),
            status: match raw.state {
                Some(State::Word(word) | State::Full { status: word }) => word,
                None => String::new(),
            },
            labels: raw.config.and_then(|c| c.labels).or(raw.labels).unwrap_or_default(),
            networks: networks
                .into_iter()
                .map(|(name, endpoint)| (name, endpoint.unwrap_or_default()))
                .collect(),
        }
    }
}

/// The mark among labels, if it is ours and genuine.
pub(crate) fn mark_in(labels: &BTreeMap<String, String>, cx: &Cx) -> Option<Mark> {
    Mark::open(labels.get(names::MARK)?, &cx.deployment)
}

/// Whether labels hold the genuine mark of this key.
pub(crate) fn bears(labels: &BTreeMap<String, String>, cx: &Cx, key: &Key) -> bool {
    mark_in(labels, cx).is_some_and(|mark| mark.key == *key && mark.infra == cx.infra)
}

impl Endpoint {
    fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        [&self.ip, &self.ipv6].into_iter().filter_map(|ip| ip.parse().ok())
    }
    /// Whether it is on the network of this id or name.
    fn is_on(&self, name: &str, network: &str) -> bool {
        self.network == network || name == network
    }
}

impl Container {
    /// Its state, in the contract's words.
    pub(crate) fn state(&self) -> VmState {
        match self.status.as_str() {
            "running" | "restarting" => VmState::Running,
            "created" => VmState::Pending,
            "dead" => VmState::Failed,
            "removing" => VmState::Deleting,
            _ => VmState::Stopped,
        }
    }

    /// Its public address is the one of the daemon's host.
    pub(crate) fn needs_host(&self) -> bool {
        self.public() == Some(PublicAddress::Host)
    }

    fn public(&self) -> Option<PublicAddress> {
        PublicAddress::from_label(self.labels.get(names::PUBLIC)?)
    }

    /// What the service is told. A container that is not up has no address.
    pub(crate) fn observed(&self, host: Option<IpAddr>) -> Observed {
        let labelled: Vec<LabelledNetwork> = self
            .labels
            .get(names::NETWORKS)
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default();
        let mut private = Vec::new();
        for network in &labelled {
            let endpoints = self.networks.iter().filter(|(name, e)| e.is_on(name, &network.id));
            for ip in endpoints.flat_map(|(_, e)| e.addresses()) {
                private.extend(network.radl.iter().map(|radl| (Some(radl.clone()), ip)));
            }
        }
        let others = || {
            let other = |(name, e): &(&String, &Endpoint)| !labelled.iter().any(|n| e.is_on(name, &n.id));
            self.networks.iter().filter(other).flat_map(|(_, e)| e.addresses())
        };
        let public = self.public();
        if labelled.is_empty() && public != Some(PublicAddress::Own) {
            private.extend(others().map(|ip| (None, ip)));
        }
        let up = self.state() == VmState::Running;
        let public_ips = match public {
            _ if !up => Vec::new(),
            // The first one of each family, preferably one that its neighbours reach as well.
            Some(PublicAddress::Own) => first_of_each_family(private.iter().map(|(_, ip)| *ip).chain(others())),
            Some(PublicAddress::Host) => host.into_iter().collect(),
            Some(PublicAddress::Fixed(ip)) => vec![ip],
            None => Vec::new(),
        };
        Observed {
            cloud_id: self.id.clone(),
            state: Some(self.state()),
            public_ips,
            private_ips: private,
            features: BTreeMap::new(),
        }
    }
}

fn first_of_each_family(ips: impl Iterator<Item = IpAddr>) -> Vec<IpAddr> {
    let mut found: Vec<IpAddr> = Vec::new();
    for ip in ips {
        if !found.iter().any(|f| f.is_ipv4() == ip.is_ipv4()) {
            found.push(ip);
        }
    }
    found
}

/// A network, from a list.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Network {
    pub(crate) id: String,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) created: String,
    #[serde(default)]
    pub(crate) labels: Option<BTreeMap<String, String>>,
    /// Only from a look at it alone.
    #[serde(default)]
    pub(crate) containers: Option<BTreeMap<String, serde_json::Value>>,
}

/// A volume.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Volume {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) labels: Option<BTreeMap<String, String>>,
}

/// Volumes, from a list.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Volumes {
    pub(crate) volumes: Option<Vec<Volume>>,
}

/// A filter, as part of a query.
pub(crate) fn filters(name: &str, values: &[&str]) -> String {
    format!("filters={}", encode(&json!({ name: values }).to_string()))
}

impl Daemon {
    /// A container by id or name.
    pub(crate) async fn container(&self, id: &str) -> Result<Option<Container>, CloudError> {
        let path = format!("/containers/{}/json", encode(id));
        self.get("Error getting info about the Container", &path).await
    }

    /// The containers that a filter lets through.
    pub(crate) async fn containers(&self, filter: &str, values: &[&str]) -> Result<Vec<Container>, CloudError> {
        let path = format!("/containers/json?all=1&{}", filters(filter, values));
        self.must_get("Error getting the containers", &path).await
    }

    /// The networks that a filter lets through.
    pub(crate) async fn networks(&self, filter: &str, values: &[&str]) -> Result<Vec<Network>, CloudError> {
        let path = format!("/networks?{}", filters(filter, values));
        self.must_get("Error getting the networks", &path).await
    }

    /// A network by id.
    pub(crate) async fn network(&self, id: &str) -> Result<Option<Network>, CloudError> {
        let path = format!("/networks/{}", encode(id));
        self.get("Error getting info about the network", &path).await
    }

    /// A volume.
    pub(crate) async fn volume(&self, name: &str) -> Result<Option<Volume>, CloudError> {
        let path = format!("/volumes/{}", encode(name));
        self.get("Error getting info about the volume", &path).await
    }

    /// The volumes that a filter lets through.
    pub(crate) async fn volumes(&self, filter: &str, values: &[&str]) -> Result<Vec<Volume>, CloudError> {
        let path = format!("/volumes?{}", filters(filter, values));
        let found: Volumes = self.must_get("Error getting the volumes", &path).await?;
        Ok(found.volumes.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(labels: &serde_json::Value, state: &str) -> Container {
        serde_json::from_value(json!({
            "Id": "c1", "Names": ["/n"], "State": state, "Labels": labels,
            "NetworkSettings": {"Networks": {
                "bridge": {"NetworkID": "b", "IPAddress": "172.17.0.2", "GlobalIPv6Address": ""},
                "im_i_private": {"NetworkID": "p", "IPAddress": "172.18.0.2"},
            }}
        }))
        .unwrap()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn addresses() {
        let private = json!([{"id": "p", "radl": ["private"]}]).to_string();
        let seen = |labels: serde_json::Value, host: Option<IpAddr>| {
            let o = container(&labels, "running").observed(host);
            (o.public_ips, o.private_ips)
        };
        let own_private = vec![(Some("private".to_owned()), ip("172.18.0.2"))];
        // Reached by its neighbours at the same address as by the service.
        assert_eq!(
            seen(json!({"im.networks": private, "im.public": "own"}), None),
            (vec![ip("172.18.0.2")], own_private.clone())
        );
        assert_eq!(
            seen(json!({"im.networks": "[]", "im.public": "own"}), None),
            (vec![ip("172.17.0.2")], vec![])
        );
        assert_eq!(
            seen(
                json!({"im.networks": private, "im.public": "host"}),
                Some(ip("192.0.2.7"))
            ),
            (vec![ip("192.0.2.7")], own_private.clone())
        );
        assert_eq!(
            seen(json!({"im.networks": private, "im.public": "192.0.2.8"}), None),
            (vec![ip("192.0.2.8")], own_private.clone())
        );
        assert_eq!(seen(json!({"im.networks": private}), None), (vec![], own_private));
        let stopped = container(&json!({"im.public": "192.0.2.8"}), "exited").observed(None);
        assert_eq!((stopped.state, stopped.public_ips), (Some(VmState::Stopped), vec![]));
    }

    #[test]
    fn both_forms_are_read() {
        let full: Container = serde_json::from_value(json!({
            "Id": "c1", "Name": "/n", "State": {"Status": "created", "Running": false}, "Config": {"Labels": {"a": "b"}},
            "NetworkSettings": {"Networks": {"x": null}}
        }))
        .unwrap();
        assert_eq!((full.name.as_str(), full.state()), ("n", VmState::Pending));
        assert_eq!(full.labels["a"], "b");
    }
}
