//! How containers are reached: by their own addresses where the daemon is on this machine, else through ports that its
//! host publishes.

use crate::{DockerOptions, daemon::Daemon, spec::PublicAddress};
use im_cloud::{
    CloudError, ErrorKind,
    net::{Purpose, http::Origin, is_own},
};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr};

/// How containers are reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Access {
    /// Address that ports are published on; empty: all.
    pub(crate) publish: String,
    /// What stands for the public address of a container that has one.
    pub(crate) public: PublicAddress,
}

impl Access {
    /// Whether the service dials containers at their own addresses, so that nothing need be published for it.
    pub(crate) fn is_direct(&self) -> bool {
        self.public == PublicAddress::Own
    }
}

/// A network, as far as its addresses matter here.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Bridge {
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) id: String,
    #[serde(default)]
    driver: String,
    #[serde(rename = "IPAM", default)]
    ipam: Option<Ipam>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Ipam {
    #[serde(default)]
    config: Option<Vec<IpamConfig>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct IpamConfig {
    #[serde(default)]
    subnet: String,
    #[serde(default)]
    gateway: String,
}

impl Bridge {
    /// The daemon's own address on it.
    fn gateway(&self) -> Option<IpAddr> {
        if self.driver != "bridge" {
            return None;
        }
        let configs = self.ipam.as_ref()?.config.as_deref().unwrap_or_default();
        configs.iter().find_map(|config| {
            if let Ok(ip) = config.gateway.parse() {
                return Some(ip);
            }
            // Where it says none it takes the first.
            let (net, _) = config.subnet.split_once('/')?;
            let net: Ipv4Addr = net.parse().ok()?;
            Some(Ipv4Addr::from(u32::from(net).checked_add(1)?).into())
        })
    }
}

/// Decides it, from what the daemon's networks say and where the daemon listens.
pub(crate) async fn decide(
    daemon: &Daemon,
    options: &DockerOptions,
    networks: &[Bridge],
) -> Result<Access, CloudError> {
    let gateways: Vec<IpAddr> = networks.iter().filter_map(Bridge::gateway).collect();
    let local = is_local(daemon).await?;
    let asked = options.publish_address;
    if local && gateways.iter().any(|ip| is_own(*ip)) {
        return Ok(published(
            asked.unwrap_or(Ipv4Addr::LOCALHOST.into()),
            PublicAddress::Own,
        ));
    }
    if let Some(ip) = asked.filter(|ip| !ip.is_loopback() && !ip.is_unspecified()) {
        return Ok(published(ip, PublicAddress::Fixed(ip)));
    }
    if !local {
        let publish = asked.map_or(String::new(), |ip| ip.to_string());
        return Ok(Access {
            publish,
            public: PublicAddress::Host,
        });
    }
    // Local, but its bridges are not this machine's: a virtual machine, a tunnel, or we are in a container ourselves.
    match (daemon.origin(), gateways.first()) {
        (Origin::Unix(_), Some(ip)) => Ok(published(*ip, PublicAddress::Fixed(*ip))),
        _ => Err(CloudError::not_applied(
            ErrorKind::Invalid,
            format!(
                "the containers of the Docker daemon at {} cannot be reached from here by their own addresses; the \
                 operator of this service can say which address of the daemon's host to use instead",
                daemon.origin()
            ),
        )),
    }
}

fn published(ip: IpAddr, public: PublicAddress) -> Access {
    Access {
        publish: ip.to_string(),
        public,
    }
}

async fn is_local(daemon: &Daemon) -> Result<bool, CloudError> {
    let (Origin::Http { host, port } | Origin::Https { host, port }) = daemon.origin() else {
        return Ok(true);
    };
    let pinned = daemon
        .guard()
        .pin(host, *port, Purpose::Cloud)
        .await
        .map_err(|e| e.into_cloud_error("Docker"))?;
    Ok(pinned.iter().all(|a| a.ip().is_loopback() || is_own(a.ip())))
}

/// The address of the daemon's host, as this service sees it.
pub(crate) async fn host_address(daemon: &Daemon) -> Result<Option<IpAddr>, CloudError> {
    let (Origin::Http { host, port } | Origin::Https { host, port }) = daemon.origin() else {
        return Ok(None);
    };
    let pinned = daemon
        .guard()
        .pin(host, *port, Purpose::Cloud)
        .await
        .map_err(|e| e.into_cloud_error("Docker"))?;
    Ok(pinned
        .first()
        .map(std::net::SocketAddr::ip)
        .filter(|ip| !ip.is_loopback()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gateways() {
        let gateway = |json: &str| serde_json::from_str::<Bridge>(json).unwrap().gateway();
        let ip = |text: &str| text.parse::<IpAddr>().ok();
        let said = r#"{"Driver":"bridge","IPAM":{"Config":[{"Subnet":"172.18.0.0/16","Gateway":"172.18.0.9"}]}}"#;
        assert_eq!(gateway(said), ip("172.18.0.9"));
        let unsaid = r#"{"Driver":"bridge","IPAM":{"Config":[{"Subnet":"172.17.0.0/16"}]}}"#;
        assert_eq!(gateway(unsaid), ip("172.17.0.1"));
        assert_eq!(gateway(r#"{"Driver":"host","IPAM":{"Config":null}}"#), None);
        assert_eq!(gateway(r#"{"Driver":"bridge"}"#), None);
    }
}
