//! Networks and volumes: made under their names, adopted only with our mark.

use crate::{
    container::{Network, Volume, bears},
    daemon::{Daemon, refusal},
    names,
    spec::{NetworkSpec, VolumeSpec},
};
use im_cloud::{
    CloudError, Cx, ErrorKind, FirstOrResume, Observed, Outcome, Wanted,
    net::http::{Method, StatusCode, encode},
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

/// A network whose bridge is there already is listed a moment later.
const TWIN_LOOKS: u32 = 40;
const TWIN_PAUSE: Duration = Duration::from_millis(50);

pub(crate) fn bare(cloud_id: String) -> Observed {
    Observed {
        cloud_id,
        state: None,
        public_ips: Vec::new(),
        private_ips: Vec::new(),
        features: BTreeMap::new(),
    }
}

/// A frozen request that this connector did not write.
pub(crate) fn unreadable(error: &serde_json::Error) -> CloudError {
    CloudError::not_applied(
        ErrorKind::Invalid,
        format!("the stored request cannot be read: {error}"),
    )
}

/// Something else has the name.
pub(crate) fn foreign(what: &str, name: &str) -> CloudError {
    CloudError::not_applied(
        ErrorKind::Conflict,
        format!("{what}: the name {name} is taken by something that this request did not make"),
    )
}

/// While it is not known what an earlier call did, no failure to find out says that it did nothing.
pub(crate) fn unsure(run: FirstOrResume, error: CloudError) -> CloudError {
    match run {
        FirstOrResume::First => error,
        FirstOrResume::Resume => CloudError {
            outcome: Outcome::Unknown,
            ..error
        },
    }
}

fn labels(cx: &Cx, wanted: &Wanted) -> Value {
    json!({names::MARK: cx.mark(&wanted.key), names::INFRA: cx.infra.as_str()})
}

/// The networks of a name that bear our key, the oldest first.
async fn own_networks(
    daemon: &Daemon,
    cx: &Cx,
    wanted: &Wanted,
    name: &str,
) -> Result<(Vec<Network>, bool), CloudError> {
    // The filter lets through what merely contains the name.
    let mut found = daemon.networks("name", &[name]).await?;
    found.retain(|n| n.name == name);
    let any = !found.is_empty();
    found.retain(|n| bears(n.labels.as_ref().unwrap_or(&BTreeMap::new()), cx, &wanted.key));
    found.sort_by(|a, b| (&a.created, &a.id).cmp(&(&b.created, &b.id)));
    Ok((found, any))
}

/// Adopts the oldest of our networks; others of the same key came of a daemon that does not refuse a name twice.
async fn adopt(daemon: &Daemon, mut own: Vec<Network>) -> Result<Option<Observed>, CloudError> {
    const WHAT: &str = "Error creating the network";
    if own.is_empty() {
        return Ok(None);
    }
    for more in own.drain(1..) {
        let path = format!("/networks/{}", encode(&more.id));
        let answer = daemon.call(WHAT, Method::DELETE, &path, None).await?;
        if !answer.status.is_success() && answer.status != StatusCode::NOT_FOUND {
            return Err(CloudError {
                outcome: Outcome::Unknown,
                ..refusal(WHAT, &answer)
            });
        }
    }
    Ok(own.pop().map(|n| bare(n.id)))
}

pub(crate) async fn network(
    daemon: &Daemon,
    cx: &Cx,
    wanted: &Wanted,
    run: FirstOrResume,
) -> Result<Observed, CloudError> {
    const WHAT: &str = "Error creating the network";
    let spec: NetworkSpec = wanted.frozen.decode().map_err(|e| unreadable(&e))?;
    if run == FirstOrResume::Resume {
        let (own, _) = own_networks(daemon, cx, wanted, &spec.name)
            .await
            .map_err(|e| unsure(run, e))?;
        if let Some(adopted) = adopt(daemon, own).await.map_err(|e| unsure(run, e))? {
            return Ok(adopted);
        }
    }
    let body = json!({
        "Name": spec.name,
        "CheckDuplicate": true,
        "Driver": "bridge",
        "Options": {"com.docker.network.bridge.name": names::bridge(&wanted.key)},
        "Labels": labels(cx, wanted),
    });
    let answer = daemon.call(WHAT, Method::POST, "/networks/create", Some(&body)).await?;
    if answer.status.is_success() {
        let id = answer
            .json::<Value>()
            .ok()
            .and_then(|v| Some(v.get("Id")?.as_str()?.to_owned()));
        return id.map(bare).ok_or_else(|| {
            CloudError::unknown(
                ErrorKind::Unavailable,
                format!("{WHAT}: the daemon does not say its id"),
            )
        });
    }
    let refused = refusal(WHAT, &answer);
    let twin = refused.message.contains("same bridge name");
    if answer.status != StatusCode::CONFLICT && !twin {
        return Err(refused);
    }
    // Taken: by this very request, if it reached the daemon twice.
    let unknown = |e| unsure(FirstOrResume::Resume, e);
    for _ in 0..TWIN_LOOKS {
        let (own, any) = own_networks(daemon, cx, wanted, &spec.name).await.map_err(unknown)?;
        match adopt(daemon, own).await.map_err(unknown)? {
            Some(adopted) => return Ok(adopted),
            None if twin => tokio::time::sleep(TWIN_PAUSE).await,
            None if any => return Err(foreign(WHAT, &spec.name)),
            // It went away in between.
            None => return Err(refused),
        }
    }
    Err(unknown(refused))
}

pub(crate) async fn volume(
    daemon: &Daemon,
    cx: &Cx,
    wanted: &Wanted,
    run: FirstOrResume,
) -> Result<Observed, CloudError> {
    const WHAT: &str = "Error creating the volume";
    let spec: VolumeSpec = wanted.frozen.decode().map_err(|e| unreadable(&e))?;
    if run == FirstOrResume::Resume {
        let found = daemon.volume(&spec.name).await.map_err(|e| unsure(run, e))?;
        if let Some(found) = found {
            return own_volume(cx, wanted, found);
        }
    }
    let body = json!({"Name": spec.name, "Driver": spec.driver, "Labels": labels(cx, wanted)});
    let answer = daemon.call(WHAT, Method::POST, "/volumes/create", Some(&body)).await?;
    if !answer.status.is_success() {
        return Err(refusal(WHAT, &answer));
    }
    // The daemon answers with the volume that has the name, old or new.
    let volume: Volume = answer.json().map_err(|e| {
        CloudError::unknown(
            ErrorKind::Unavailable,
            format!("{WHAT}: the daemon's answer is not understood: {e}"),
        )
    })?;
    own_volume(cx, wanted, volume)
}

fn own_volume(cx: &Cx, wanted: &Wanted, volume: Volume) -> Result<Observed, CloudError> {
    if bears(&volume.labels.unwrap_or_default(), cx, &wanted.key) {
        Ok(bare(volume.name))
    } else {
        Err(foreign("Error creating the volume", &volume.name))
    }
}
