//! `IM_INFRASTRUCTURE_RADL`: the document as recipes query it.

use im_radl::{Document, to_ansible_json};
use serde_json::Value;

/// Systems, networks and deploys. Credentials only where they are asked for.
pub(super) fn radl(document: &Document, with_credentials: bool) -> Value {
    let mut all = to_ansible_json(document);
    if !with_credentials && let Value::Array(aspects) = &mut all {
        for aspect in aspects.iter_mut().filter_map(Value::as_object_mut) {
            aspect.retain(|name, _| !is_secret(name));
        }
    }
    all
}

fn is_secret(name: &str) -> bool {
    let credentials = name.contains("_credentials_") && !name.ends_with("_username");
    credentials || name == "vault_password" || name == "proxy_key" || name.ends_with("private_key")
}
