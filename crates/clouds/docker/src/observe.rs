//! What the daemon says of containers: one list for all of an infrastructure.

use crate::{access, container::Container, daemon::Daemon, names};
use im_cloud::{CloudError, Cx, Observed, Seen};
use std::{collections::HashMap, net::IpAddr};

/// Ids per call, so that no request line gets too long.
const AT_ONCE: usize = 100;

pub(crate) async fn observe(daemon: &Daemon, cx: &Cx, ids: &[String]) -> Result<Vec<Seen>, CloudError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let label = format!("{}={}", names::INFRA, cx.infra);
    let mut found = HashMap::new();
    let mut keep = |containers: Vec<Container>| {
        for container in containers {
            found.insert(container.id.clone(), container);
        }
    };
    keep(daemon.containers("label", &[&label]).await?);
    // Those that do not bear the label were made by somebody else, or are gone.
    let missing: Vec<&str> = ids
        .iter()
        .map(String::as_str)
        .filter(|id| !found.contains_key(*id))
        .collect();
    let mut more = Vec::new();
    for some in missing.chunks(AT_ONCE) {
        more.extend(daemon.containers("id", some).await?);
    }
    let host = host_of(daemon, found.values().chain(&more)).await?;
    for container in more {
        found.insert(container.id.clone(), container);
    }
    if ids.iter().any(|id| !found.contains_key(id)) {
        // Absence counts only where it was asked for.
        daemon.account(cx).await?;
    }
    let seen = |id: &String| match found.get(id) {
        Some(container) => Seen::There(Box::new(container.observed(host))),
        None => Seen::NotThere,
    };
    Ok(ids.iter().map(seen).collect())
}

/// The address of the daemon's host, if any of these needs it.
async fn host_of(
    daemon: &Daemon,
    mut containers: impl Iterator<Item = &Container>,
) -> Result<Option<IpAddr>, CloudError> {
    if containers.any(Container::needs_host) {
        access::host_address(daemon).await
    } else {
        Ok(None)
    }
}

/// One container, after it was changed.
pub(crate) async fn one(daemon: &Daemon, container: &Container) -> Result<Observed, CloudError> {
    let host = host_of(daemon, std::iter::once(container)).await?;
    Ok(container.observed(host))
}
