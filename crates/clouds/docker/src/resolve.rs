//! What planning needs to know of a daemon. Changes nothing.

use crate::{
    Docker,
    access::{self, Access, Bridge},
    daemon::Daemon,
    image::{self, Inspected, Start},
};
use futures::future::try_join_all;
use im_cloud::{CloudError, Cx, ErrorKind, LaunchRequest, net::http::encode};
use im_radl::Network;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The answer; stored, and read again by `plan`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Resolved {
    /// Processors of the daemon's host.
    pub(crate) cpus: i64,
    pub(crate) access: Access,
    /// Images that are there, and how their containers start; those that are missing are pulled later.
    pub(crate) images: BTreeMap<String, Start>,
    /// Ports of the host that containers publish.
    pub(crate) ports: BTreeSet<u16>,
    /// Networks that the user named and that are there: name → id.
    pub(crate) networks: BTreeMap<String, String>,
    /// Volumes that the user named and that are there.
    pub(crate) volumes: BTreeSet<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    #[serde(default)]
    ports: Vec<Port>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Port {
    public_port: Option<u16>,
}

/// A disk with a place in the file system: number, volume name or host folder if given, place.
pub(crate) fn mounted_disks(system: &im_radl::System) -> impl Iterator<Item = (usize, Option<&str>, &str)> {
    (1..).map_while(|n| {
        let target = system.features.text(&format!("disk.{n}.mount_path"))?;
        let device = system.features.text(&format!("disk.{n}.device"));
        Some((n, device.filter(|d| !d.is_empty()), target))
    })
}

/// The path of an image in the API.
pub(crate) fn image_path(reference: &str) -> String {
    let parts: Vec<_> = reference.split('/').map(encode).collect();
    format!("/images/{}/json", parts.join("/"))
}

pub(crate) async fn resolve(docker: &Docker, cx: &Cx, request: &LaunchRequest) -> Result<Resolved, CloudError> {
    let daemon = Daemon::new(docker, cx)?;
    daemon.account(cx).await?;
    let info = daemon.info().await?;
    if !matches!(info.os.as_str(), "" | "linux") {
        return Err(CloudError::not_applied(
            ErrorKind::Invalid,
            format!(
                "the Docker daemon at {} runs containers for {}, not for Linux",
                daemon.origin(),
                info.os
            ),
        ));
    }
    let networks: Vec<Bridge> = daemon.must_get("Error getting the networks", "/networks").await?;
    let containers: Vec<Listed> = daemon
        .must_get("Error getting the containers", "/containers/json")
        .await?;
    let ports = containers.iter().flat_map(|c| &c.ports).filter_map(|p| p.public_port);

    let systems = || request.vms.iter().map(|vm| &vm.system);
    let mut references = BTreeSet::new();
    let mut devices = BTreeSet::new();
    let mut last = None;
    for system in systems() {
        // VMs of one deploy share their system.
        if last.is_some_and(|l| std::sync::Arc::ptr_eq(l, system)) {
            continue;
        }
        last = Some(system);
        references.extend(system.image_urls().first().and_then(|url| image::reference(url)));
        let named = mounted_disks(system).filter_map(|(_, device, _)| device);
        devices.extend(named.filter(|device| !device.starts_with('/')));
    }
    let images = references.into_iter().map(async |reference| {
        let found: Option<Inspected> = daemon
            .get("Error getting info about the image", &image_path(reference))
            .await?;
        Ok::<_, CloudError>(found.map(|image| (reference.to_owned(), image.start())))
    });
    let images = try_join_all(images).await?.into_iter().flatten().collect();
    let volumes = devices.into_iter().map(async |device| {
        let path = format!("/volumes/{}", encode(device));
        let found: Option<serde_json::Value> = daemon.get("Error getting info about the volume", &path).await?;
        Ok::<_, CloudError>(found.map(|_| device.to_owned()))
    });
    let volumes = try_join_all(volumes).await?.into_iter().flatten().collect();

    let named: BTreeSet<_> = request
        .document
        .networks
        .iter()
        .filter_map(Network::provider_id)
        .collect();
    let access = access::decide(&daemon, &docker.options, &networks).await?;
    let known = networks.into_iter().filter(|n| named.contains(n.name.as_str()));
    Ok(Resolved {
        cpus: info.cpus,
        access,
        images,
        ports: ports.collect(),
        networks: known.map(|n| (n.name, n.id)).collect(),
        volumes,
    })
}
