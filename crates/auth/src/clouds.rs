//! From auth lines to the clouds that they open.

use crate::{CloudListError, Host, HostError, IM};
use im_model::{AuthLine, CloudRef, Credentials};
use std::collections::{BTreeMap, HashMap};

/// The clouds of some credentials, in order (earlier ones win ties). Every line without `type`, and those of types
/// `InfrastructureManager`, `VMRC` and `EGIIS`, are no clouds.
///
/// An unreadable `host` and an id given twice are errors: guessing would send credentials to the wrong place.
pub fn clouds(credentials: &Credentials) -> Result<Vec<(CloudRef, AuthLine)>, CloudListError> {
    let mut list = Vec::new();
    let mut seen = HashMap::new();
    for (index, line) in credentials.lines.iter().enumerate() {
        let Some(cloud) = cloud_ref(line, index) else { continue };
        let id = id_of(line, index);
        let cloud = cloud.map_err(|reason| CloudListError::BadHost {
            position: index + 1,
            kind: line.kind().to_owned(),
            id: id.clone(),
            reason,
        })?;
        if let Some(first) = seen.insert(id.clone(), index + 1) {
            return Err(CloudListError::DuplicateId {
                id,
                first,
                second: index + 1,
            });
        }
        list.push((cloud, line.clone()));
    }
    Ok(list)
}

/// The cloud of one line; `index` is its position among all lines, from 0. `None`: the line is no cloud.
pub fn cloud_ref(line: &AuthLine, index: usize) -> Option<Result<CloudRef, HostError>> {
    let kind = line.kind();
    if kind.is_empty() || matches!(kind, IM | "VMRC" | "EGIIS") {
        return None;
    }
    Some(Host::parse(line.plain("host")).map(|host| CloudRef {
        id: id_of(line, index),
        kind: kind.to_owned(),
        server: host.server,
        port: host.port,
        protocol: host.protocol,
        path: host.path,
        extra: extra(line),
    }))
}

fn id_of(line: &AuthLine, index: usize) -> String {
    match line.plain("id") {
        "" => format!("{}{index}", line.kind()),
        id => id.to_owned(),
    }
}

/// What tells two lines of one host apart. Names, never secrets.
pub(crate) fn extra(line: &AuthLine) -> BTreeMap<String, String> {
    let mut extra = BTreeMap::new();
    let mut keep = |key: &str, value: &str| {
        if !value.is_empty() {
            extra.insert(key.to_owned(), value.to_owned());
        }
    };
    match line.kind() {
        "OpenStack" => {
            let default = if line.get("proxy").is_some() {
                "2.0_voms"
            } else {
                "2.0_password"
            };
            let version = match line.plain("auth_version") {
                "" => default,
                given => given,
            };
            keep("auth_version", version);
            if version == "3.x_oidc_access_token" {
                keep("username", line.plain("username"));
                keep("domain", line.plain("domain"));
            } else if version.ends_with("_password") {
                keep("tenant", line.plain("tenant"));
            }
        }
        "EGI" => keep("vo", line.plain("vo")),
        _ => {}
    }
    extra
}
