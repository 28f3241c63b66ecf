//! The questions that several commands ask, with their answers as types.

use super::{
    client::Client,
    error::{CliError, Exit},
};
use futures::{StreamExt as _, stream};
use im_model::VmState;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// State of an infrastructure and its machines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StateView {
    /// The infrastructure's.
    pub(crate) state: VmState,
    /// The machines', by number.
    #[serde(default)]
    pub(crate) vm_states: BTreeMap<u32, VmState>,
}

impl StateView {
    /// Nothing is under way any more.
    pub(crate) fn is_settled(&self) -> bool {
        is_settled(self.state, self.vm_states.values().copied())
    }
}

/// Nothing is under way any more. One machine that failed makes the infrastructure `failed` at once, so the others
/// are looked at too.
pub(crate) fn is_settled(state: VmState, vms: impl IntoIterator<Item = VmState>) -> bool {
    let busy = |s: VmState| matches!(s, VmState::Pending | VmState::Running | VmState::Deleting);
    !busy(state) && state != VmState::Unknown && !vms.into_iter().any(busy)
}

/// Path below `/infrastructures`.
pub(crate) fn path<const N: usize>(segments: [&str; N]) -> Vec<String> {
    std::iter::once("infrastructures")
        .chain(segments)
        .map(str::to_owned)
        .collect()
}

#[derive(Default, Deserialize)]
struct UriList {
    #[serde(rename = "uri-list", default)]
    uris: Vec<Uri>,
    #[serde(flatten)]
    besides: Option<Besides>,
}

#[derive(Deserialize)]
struct Uri {
    uri: String,
}

/// Ids of the caller's infrastructures, newest first.
pub(crate) async fn list(client: &Client, filter: Option<&str>) -> Result<Vec<String>, CliError> {
    let query: Vec<_> = filter.map(|f| ("filter", f.to_owned())).into_iter().collect();
    let list: UriList = client
        .get_json_with(&path([]), &query, "list your infrastructures")
        .await?;
    Ok(list.uris.iter().map(|u| last_segment(&u.uri).to_owned()).collect())
}

/// Numbers of an infrastructure's machines.
pub(crate) async fn vms(client: &Client, id: &str) -> Result<Vec<u32>, CliError> {
    let list: UriList = client.get_json(&path([id]), "show the infrastructure").await?;
    Ok(vm_numbers(&list))
}

fn vm_numbers(list: &UriList) -> Vec<u32> {
    list.uris
        .iter()
        .filter_map(|u| last_segment(&u.uri).parse().ok())
        .collect()
}

/// What an answer to "add" tells.
pub(crate) struct AddedVms {
    /// Numbers of the new machines.
    pub(crate) added: Vec<u32>,
    /// Of a TOSCA document: what else became of the machines.
    pub(crate) besides: Option<Besides>,
}

/// Machines that an update did not add.
#[derive(Deserialize)]
pub(crate) struct Besides {
    /// Numbers of those that are gone.
    pub(crate) removed: Vec<u32>,
    /// How many are still there.
    pub(crate) kept: usize,
}

/// The machines in an answer to "add".
pub(crate) fn added(text: &str) -> AddedVms {
    let list: UriList = serde_json::from_str(text).unwrap_or_default();
    AddedVms {
        added: vm_numbers(&list),
        besides: list.besides,
    }
}

/// The last segment of a URI: the id.
pub(crate) fn last_segment(uri: &str) -> &str {
    uri.trim().trim_end_matches('/').rsplit('/').next().unwrap_or_default()
}

/// State of an infrastructure.
pub(crate) async fn state(client: &Client, id: &str) -> Result<StateView, CliError> {
    #[derive(Deserialize)]
    struct Envelope {
        state: StateView,
    }
    let envelope: Envelope = client.get_json(&path([id, "state"]), "tell the state").await?;
    Ok(envelope.state)
}

/// A property of an infrastructure that is text.
pub(crate) async fn property(
    client: &Client,
    id: &str,
    name: &str,
    query: &[(&'static str, String)],
) -> Result<String, CliError> {
    let doing = match name {
        "contmsg" => "show the log",
        "radl" | "tosca" => "show the document",
        _ => "show the property",
    };
    let answer: Value = client.get_json_with(&path([id, name]), query, doing).await?;
    Ok(answer.get(name).and_then(Value::as_str).unwrap_or_default().to_owned())
}

/// Log of a machine.
pub(crate) async fn vm_log(client: &Client, id: &str, vm: u32) -> Result<String, CliError> {
    let path = path([id, "vms", &vm.to_string(), "contmsg"]);
    client.get_text(&path, "show the log of the machine").await
}

/// Description of a machine: the JSON form of its RADL.
pub(crate) async fn vm(client: &Client, id: &str, vm: u32) -> Result<Value, CliError> {
    let path = path([id, "vms", &vm.to_string()]);
    let answer: Value = client.get_json(&path, "show the machine").await?;
    answer.get("radl").cloned().ok_or_else(|| {
        CliError::new(Exit::Failed, "the description of the machine makes no sense").cause("it has no `radl`")
    })
}

/// Descriptions of many machines, eight at a time, in the order asked for.
pub(crate) async fn vm_infos(client: &Client, id: &str, vms: &[u32]) -> Vec<(u32, Result<Value, CliError>)> {
    stream::iter(vms.iter().copied())
        .map(|number| async move { (number, vm(client, id, number).await) })
        .buffered(8)
        .collect()
        .await
}

/// The full id for what the user typed: an id, or the first characters of one.
pub(crate) async fn resolve(client: &Client, typed: &str) -> Result<String, CliError> {
    let typed = typed.trim();
    let is_full = typed.len() == 36 && typed.bytes().filter(|b| *b == b'-').count() == 4;
    if is_full {
        return Ok(typed.to_owned());
    }
    let ids = list(client, None).await?;
    if typed.is_empty() || ids.iter().any(|id| id == typed) {
        return match typed {
            "" => Err(CliError::usage("the id of the infrastructure is empty").hint("`im list` shows yours")),
            _ => Ok(typed.to_owned()),
        };
    }
    let mut matching = ids.iter().filter(|id| id.starts_with(typed));
    match (matching.next(), matching.next()) {
        (Some(id), None) => Ok(id.clone()),
        (Some(one), Some(other)) => Err(CliError::usage(format!(
            "`{typed}` begins the ids of several infrastructures"
        ))
        .cause(format!("`{one}` and `{other}`, for a start"))
        .hint("type more of it")),
        (None, _) => Err(CliError::new(
            Exit::Failed,
            format!("no infrastructure of yours has an id that begins with `{typed}`"),
        )
        .hint("`im list` shows your infrastructures")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use VmState::{Configured, Deleting, Failed, Off, Pending, Running, Stopped, Unconfigured, Unknown};

    #[test]
    fn settled() {
        for (state, vms, settled) in [
            (Configured, vec![Configured, Configured], true),
            (Unconfigured, vec![Configured, Unconfigured], true),
            (Failed, vec![Failed, Running], false),
            (Failed, vec![Failed, Pending], false),
            (Failed, vec![Failed, Configured], true),
            (Failed, vec![], true),
            (Stopped, vec![Stopped, Off], true),
            (Pending, vec![], false),
            (Configured, vec![Configured, Deleting], false),
            (Unknown, vec![Unknown], false),
        ] {
            assert_eq!(is_settled(state, vms.clone()), settled, "{state} {vms:?}");
        }
    }

    #[test]
    fn ids_from_uris() {
        assert_eq!(last_segment("http://h:1/p/infrastructures/abc/vms/3\n"), "3");
        let vms = added(r#"{"uri-list":[{"uri":"http://h/infrastructures/a/vms/4"},{"uri":"x/5/"}]}"#);
        assert_eq!(vms.added, [4, 5]);
        assert!(vms.besides.is_none());
        let vms = added(r#"{"uri-list":[],"removed":[1],"kept":2}"#);
        assert_eq!(vms.besides.map(|b| (b.removed, b.kept)), Some((vec![1], 2)));
        assert!(added("not json").added.is_empty());
    }
}
