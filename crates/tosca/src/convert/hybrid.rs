//! Private networks of machines that go to different clouds: one network cannot be at two of them, so it is split.

use super::{Cx, names::ident, network};
use im_radl::{Document, Features};
use indexmap::IndexMap;

/// Features that a network takes over from the one it is split from.
const TAKEN: [&str; 5] = ["provider_id", "cidr", "create", "router", "outports"];

/// `scheme://host` of an image: the cloud that it belongs to. A registry of containers is no cloud.
pub fn image_site(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    if scheme == "docker" {
        return Some("docker://".to_owned());
    }
    let host = rest.split(['/', '?']).next().unwrap_or_default();
    (!host.is_empty()).then(|| format!("{scheme}://{host}"))
}

fn host_of(site: &str) -> &str {
    site.split_once("://").map_or(site, |(_, host)| host)
}

/// Moves systems to networks of their own cloud.
pub(super) fn split(cx: &Cx<'_>, document: &mut Document) {
    // Which cloud a private network is at.
    let mut at: IndexMap<String, String> = IndexMap::new();
    for vm in cx.context.existing.unwrap_or_default() {
        let Some(site) = &vm.image_site else { continue };
        for network in &vm.private_networks {
            at.entry(network.clone()).or_insert_with(|| site.clone());
        }
    }
    let deployed: Vec<String> = document
        .deploys
        .iter()
        .filter(|deploy| deploy.count() > 0)
        .map(|deploy| deploy.system.clone())
        .collect();
    for name in deployed {
        let Some(system) = document.system(&name) else { continue };
        let Some(site) = system.image_urls().first().and_then(|url| image_site(url)) else {
            continue;
        };
        let private: Vec<(usize, String)> = system
            .interfaces()
            .filter(|interface| !document.is_public_network(interface.connection))
            .map(|interface| (interface.n, interface.connection.to_owned()))
            .collect();
        for (n, connection) in private {
            let there = at.entry(connection.clone()).or_insert_with(|| site.clone());
            if *there == site {
                continue;
            }
            let known = at
                .iter()
                .find(|(id, other)| **other == site && document.network(id).is_some());
            let id = if let Some((id, _)) = known {
                id.clone()
            } else {
                let id = ident(&format!("private.{}", host_of(&site)));
                if document.network(&id).is_none() {
                    let mut made = network::plain(&id, false);
                    if let Some(from) = document.network(&connection) {
                        take_over(&mut made.features, &from.features);
                    }
                    document.networks.push(made);
                }
                at.insert(id.clone(), site.clone());
                id
            };

            if let Some(system) = document.system_mut(&name) {
                system.features.set_text(format!("net_interface.{n}.connection"), id);
            }
        }
    }
}

fn take_over(into: &mut Features, from: &Features) {
    for name in TAKEN {
        if let Some(feature) = from.get(name) {
            into.set(name, feature.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::image_site;

    #[test]
    fn sites() {
        for (url, site) in [
            ("ost://cloud1.com/image1", Some("ost://cloud1.com")),
            ("aws://us-east-1/ami", Some("aws://us-east-1")),
            ("docker://debian:12", Some("docker://")),
            ("docker://registry/x", Some("docker://")),
            ("egi://SITE/P/R:T?vo", Some("egi://SITE")),
            ("image", None),
            ("one:///1", None),
        ] {
            assert_eq!(image_site(url).as_deref(), site, "{url}");
        }
    }
}
