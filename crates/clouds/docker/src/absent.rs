//! Finding what bears a mark, and removing it.

use crate::{
    container::{Container, Network, Volume, bears, mark_in},
    daemon::{Daemon, refusal},
    names,
    shared::unreadable,
    spec::{NetworkSpec, VolumeSpec},
};
use im_cloud::{
    CloudError, Cx, ErrorKind, Found, Gone, Outcome, Target,
    net::http::{Method, StatusCode, encode},
};
use im_model::ResourceKind;
use serde::de::IgnoredAny;
use serde_json::json;
use std::{collections::BTreeMap, time::Duration};

/// Between two looks at something that is going away.
const PAUSE: Duration = Duration::from_millis(100);
/// Looks at it before the call fails; its deadline usually ends it first.
const LOOKS: u32 = 600;

pub(crate) async fn find(daemon: &Daemon, cx: &Cx) -> Result<Vec<Found>, CloudError> {
    let label = format!("{}={}", names::INFRA, cx.infra);
    let mut found = marked(daemon, cx, &label).await?;
    found.retain(|found| found.mark.infra == cx.infra);
    Ok(found)
}

/// Of whatever infrastructure.
pub(crate) async fn find_all(daemon: &Daemon, cx: &Cx) -> Result<Vec<Found>, CloudError> {
    marked(daemon, cx, names::MARK).await
}

/// What has this label and bears a mark of ours.
async fn marked(daemon: &Daemon, cx: &Cx, label: &str) -> Result<Vec<Found>, CloudError> {
    daemon.account(cx).await?;
    let filter: &[&str] = &[label];
    let (containers, networks, volumes) = futures::try_join!(
        daemon.containers("label", filter),
        daemon.networks("label", filter),
        daemon.volumes("label", filter),
    )?;
    let found = |kind, labels: &BTreeMap<String, String>, cloud_id: String, name: String| {
        let mark = mark_in(labels, cx)?;
        Some(Found {
            kind,
            cloud_id,
            name,
            mark,
        })
    };
    let none = BTreeMap::new();
    let containers = containers
        .into_iter()
        .filter_map(|c| found(ResourceKind::Vm, &c.labels, c.id, c.name));
    let networks = networks
        .into_iter()
        .filter_map(|n| found(ResourceKind::Network, n.labels.as_ref().unwrap_or(&none), n.id, n.name));
    let volumes = volumes.into_iter().filter_map(|v| {
        let labels = v.labels.as_ref().unwrap_or(&none);
        found(ResourceKind::Volume, labels, v.name.clone(), v.name)
    });
    Ok(containers.chain(networks).chain(volumes).collect())
}

pub(crate) async fn ensure_absent(daemon: &Daemon, cx: &Cx, target: &Target) -> Result<Gone, CloudError> {
    let removed = match target.kind {
        ResourceKind::Vm => container(daemon, cx, target).await,
        ResourceKind::Network => network(daemon, cx, target).await,
        ResourceKind::Volume => volume(daemon, cx, target).await,
        kind => Err(CloudError::not_applied(
            ErrorKind::Invalid,
            format!("Docker has no resource of kind {kind}"),
        )),
    }?;
    if removed == Gone::WasAbsent {
        // Absence counts only where it was asked for.
        daemon.account(cx).await?;
    }
    Ok(removed)
}

/// It is there, but it is not what this service made under that key: it stays.
fn not_ours(what: &str, id: &str) -> CloudError {
    CloudError::not_applied(
        ErrorKind::Conflict,
        format!("{what}: {id} does not bear the mark of this request and is left alone"),
    )
}

/// The label of one key, as a filter.
fn own_label(cx: &Cx, target: &Target) -> String {
    format!("{}={}", names::MARK, cx.mark(&target.key))
}

async fn container(daemon: &Daemon, cx: &Cx, target: &Target) -> Result<Gone, CloudError> {
    const WHAT: &str = "Error deleting the Container";
    let mut doomed: Vec<Container> = match &target.cloud_id {
        Some(id) => daemon.container(id).await?.into_iter().collect(),
        None => Vec::new(),
    };
    if let Some(other) = doomed.iter().find(|c| !bears(&c.labels, cx, &target.key)) {
        return Err(not_ours(WHAT, &other.id));
    }
    // Also what a call left whose answer never came.
    let marked = daemon.containers("label", &[&own_label(cx, target)]).await?;
    doomed.extend(marked.into_iter().filter(|c| bears(&c.labels, cx, &target.key)));
    doomed.dedup_by(|a, b| a.id == b.id);
    for container in &doomed {
        let path = format!("/containers/{}", encode(&container.id));
        remove(daemon, WHAT, &format!("{path}?force=1&v=1"), &format!("{path}/json")).await?;
    }
    Ok(gone(doomed.is_empty()))
}

async fn network(daemon: &Daemon, cx: &Cx, target: &Target) -> Result<Gone, CloudError> {
    const WHAT: &str = "Error deleting the network";
    let spec: NetworkSpec = target.frozen.decode().map_err(|e| unreadable(&e))?;
    let own = |n: &Network| bears(n.labels.as_ref().unwrap_or(&BTreeMap::new()), cx, &target.key);
    if let Some(id) = &target.cloud_id
        && let Some(there) = daemon.network(id).await?
        && !own(&there)
    {
        return Err(not_ours(WHAT, &format!("{} ({})", spec.name, there.id)));
    }
    let mut doomed = daemon.networks("label", &[&own_label(cx, target)]).await?;
    doomed.retain(own);
    for network in &doomed {
        disconnect(daemon, cx, &network.id).await?;
        let path = format!("/networks/{}", encode(&network.id));
        remove(daemon, WHAT, &path, &path).await?;
    }
    Ok(gone(doomed.is_empty()))
}

/// Takes containers off a network that is to go, unless another infrastructure is using it.
async fn disconnect(daemon: &Daemon, cx: &Cx, network: &str) -> Result<(), CloudError> {
    const WHAT: &str = "Error deleting the network";
    let Some(there) = daemon.network(network).await? else {
        return Ok(());
    };
    for (id, endpoint) in there.containers.unwrap_or_default() {
        let container = daemon.container(&id).await?;
        let mark = container.as_ref().and_then(|c| mark_in(&c.labels, cx));
        if let Some(mark) = mark.filter(|mark| mark.infra != cx.infra) {
            return Err(CloudError::not_applied(
                ErrorKind::Conflict,
                format!("{WHAT}: infrastructure {} is using {}", mark.infra, there.name),
            ));
        }
        // The endpoint of a container that is gone has only its name left.
        let stale = endpoint.get("Name").and_then(serde_json::Value::as_str).unwrap_or(&id);
        let name = if container.is_some() { &id } else { stale };
        let path = format!("/networks/{}/disconnect", encode(network));
        let body = json!({"Container": name, "Force": true});
        // What matters is whether the network can be removed then.
        daemon.call(WHAT, Method::POST, &path, Some(&body)).await?;
    }
    Ok(())
}

async fn volume(daemon: &Daemon, cx: &Cx, target: &Target) -> Result<Gone, CloudError> {
    const WHAT: &str = "Error deleting the volume";
    let spec: VolumeSpec = target.frozen.decode().map_err(|e| unreadable(&e))?;
    let own = |v: &Volume| bears(v.labels.as_ref().unwrap_or(&BTreeMap::new()), cx, &target.key);
    match daemon.volume(&spec.name).await? {
        None => Ok(Gone::WasAbsent),
        Some(there) if own(&there) => {
            let path = format!("/volumes/{}", encode(&there.name));
            remove(daemon, WHAT, &path, &path).await?;
            Ok(Gone::Removed)
        }
        // Nobody told us that we have it: then it is just somebody's of the same name.
        Some(_) if target.cloud_id.is_none() => Ok(Gone::WasAbsent),
        Some(there) => Err(not_ours(WHAT, &there.name)),
    }
}

fn gone(none: bool) -> Gone {
    if none { Gone::WasAbsent } else { Gone::Removed }
}

/// Deletes, and waits until a look finds it no more.
async fn remove(daemon: &Daemon, what: &str, path: &str, look_at: &str) -> Result<(), CloudError> {
    let unknown = |e: CloudError| CloudError {
        outcome: Outcome::Unknown,
        ..e
    };
    let mut last = None;
    for look in 0..LOOKS {
        // Something that is in use or already going is asked for again.
        if look % 10 == 0 {
            let answer = daemon.call(what, Method::DELETE, path, None).await?;
            if answer.status == StatusCode::NOT_FOUND {
                return Ok(());
            }
            if !answer.status.is_success() {
                let error = refusal(what, &answer);
                if answer.status != StatusCode::CONFLICT || look >= 50 {
                    return Err(unknown(error));
                }
                last = Some(error);
            }
        }
        if daemon
            .get::<IgnoredAny>(what, look_at)
            .await
            .map_err(unknown)?
            .is_none()
        {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(unknown(last.unwrap_or_else(|| {
        CloudError::unknown(ErrorKind::Unavailable, format!("{what}: it is still there"))
    })))
}
