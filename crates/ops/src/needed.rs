//! The sentence that tells whose credentials an operation waits for. Pure.

use im_model::{Account, CloudRef};
use std::fmt::Write as _;

/// A refusal, and which credentials would do: cloud, endpoint, and the account as the cloud itself calls it (project,
/// subscription or account with region).
pub(crate) fn needed(why: &str, cloud: &CloudRef, account: &Account) -> String {
    let mut text = why.trim_end().to_owned();
    if !text.ends_with(['.', '!', '?']) {
        text.push('.');
    }
    let _ = write!(
        text,
        " Needed are credentials for cloud {} of type {}",
        cloud.id, cloud.kind
    );
    let endpoint = endpoint(cloud);
    if !endpoint.is_empty() {
        let _ = write!(text, " at {endpoint}");
    }
    let _ = write!(text, ", account {account}.");
    text
}

/// Where a cloud is, as far as the auth line said.
fn endpoint(cloud: &CloudRef) -> String {
    let mut text = String::new();
    let somewhere = !cloud.server.is_empty() || !cloud.path.is_empty();
    if somewhere && !cloud.protocol.is_empty() {
        let _ = write!(text, "{}://", cloud.protocol);
    }
    text.push_str(&cloud.server);
    if let Some(port) = cloud.port {
        let _ = write!(text, ":{port}");
    }
    text.push_str(&cloud.path);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn all_that_a_person_needs_to_know() {
        let mut cloud = CloudRef {
            id: "one".into(),
            kind: "OpenStack".into(),
            server: "keystone.example".into(),
            port: Some(5000),
            protocol: "https".into(),
            path: "/v3".into(),
            extra: BTreeMap::new(),
        };
        let account = Account::new("project 42, region north");
        assert_eq!(
            needed("token expired", &cloud, &account),
            "token expired. Needed are credentials for cloud one of type OpenStack at https://keystone.example:5000/v3, \
             account project 42, region north."
        );
        (cloud.server, cloud.path, cloud.port) = (String::new(), String::new(), None);
        assert_eq!(
            needed("No such line.", &cloud, &account),
            "No such line. Needed are credentials for cloud one of type OpenStack, account project 42, region north."
        );
    }
}
