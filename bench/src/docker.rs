//! What a Docker daemon says happened, from its own stream of events, and what it has now.
//!
//! Never here: anything of the service. It is judged by what the daemon says.

use crate::{
    error::{BenchError, BenchResult},
    http::{Client, Peer},
    server::parse,
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

/// A daemon.
#[derive(Clone, Debug)]
pub(crate) struct Daemon {
    peer: Peer,
}

/// An event of a container, network or volume.
#[derive(Clone, Debug, Default)]
pub(crate) struct Event {
    kind: String,
    action: String,
    id: String,
    name: String,
    /// Label of the infrastructure, where the daemon tells labels.
    infra: String,
    /// For volumes that are mounted: where.
    container: String,
}

/// What happened to one object: how many times it was made and removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) made: usize,
    pub(crate) removed: usize,
}

/// Objects by kind and name.
pub(crate) type Accounts = BTreeMap<(String, String), Account>;

/// Collects events until dropped.
pub(crate) struct Watch {
    events: Arc<Mutex<Vec<Event>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Daemon {
    /// From a URL: `unix:///path`, `tcp://host:port`.
    pub(crate) async fn new(url: &str) -> BenchResult<Self> {
        let bad = || {
            BenchError::Setup(format!(
                "{url} is not the URL of a Docker daemon that this program can ask"
            ))
        };
        let peer = match url.split_once("://") {
            Some(("unix", path)) => Peer::Unix(format!("/{}", path.trim_start_matches('/')).into()),
            Some(("tcp" | "http", host)) => {
                let mut found = tokio::net::lookup_host(host.trim_end_matches('/')).await?;
                Peer::Tcp(found.next().ok_or_else(bad)?)
            }
            _ => return Err(bad()),
        };
        Ok(Self { peer })
    }

    /// Begins to collect events.
    pub(crate) async fn watch(&self) -> BenchResult<Watch> {
        let filters = encode(r#"{"type":["container","network","volume"]}"#);
        let request = Client::request("GET", &format!("/events?filters={filters}"), &[], "");
        let mut client = Client::connect(&self.peer).await?.open(&request).await?;
        let events = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&events);
        let task = tokio::spawn(async move {
            let mut text = Vec::new();
            while let Ok(Some(piece)) = client.more().await {
                text.extend_from_slice(&piece);
                while let Some(end) = text.iter().position(|b| *b == b'\n') {
                    let line: Vec<u8> = text.drain(..=end).collect();
                    if let Ok(value) = serde_json::from_slice(&line) {
                        seen.lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .push(Event::read(&value));
                    }
                }
            }
        });
        Ok(Watch { events, task })
    }

    /// Paths of the objects of an infrastructure that the daemon has now.
    pub(crate) async fn left(&self, infra: &str) -> BenchResult<Vec<String>> {
        let mut left = Vec::new();
        let label = encode(&format!(r#"{{"label":["im.infra={infra}"]}}"#));
        let containers = self.get(&format!("/containers/json?all=1&filters={label}")).await?;
        left.extend(ids(&containers, "Id").map(|id| format!("/containers/{id}?force=1&v=1")));
        let name = format!("im_{infra}");
        let networks = self.get("/networks").await?;
        let ours =
            |v: &&Value| v["Name"].as_str().is_some_and(|n| n.starts_with(&name)) || v["Labels"]["im.infra"] == infra;
        let all = networks.as_array().cloned().unwrap_or_default();
        left.extend(
            all.iter()
                .filter(ours)
                .filter_map(|v| v["Id"].as_str())
                .map(|id| format!("/networks/{id}")),
        );
        let volumes = self.get("/volumes").await?;
        let all = volumes["Volumes"].as_array().cloned().unwrap_or_default();
        left.extend(
            all.iter()
                .filter(ours)
                .filter_map(|v| v["Name"].as_str())
                .map(|n| format!("/volumes/{n}")),
        );
        Ok(left)
    }

    /// Removes what [`Daemon::left`] named: a measurement leaves nothing behind, whatever it found.
    pub(crate) async fn remove(&self, paths: &[String]) -> BenchResult<()> {
        for path in paths {
            let request = Client::request("DELETE", path, &[], "");
            Client::connect(&self.peer).await?.send(&request).await?;
        }
        Ok(())
    }

    async fn get(&self, path: &str) -> BenchResult<Value> {
        let answer = Client::connect(&self.peer)
            .await?
            .send(&Client::request("GET", path, &[], ""))
            .await?;
        parse(&answer.good(path)?)
    }
}

fn ids<'a>(list: &'a Value, field: &'a str) -> impl Iterator<Item = &'a str> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(move |v| v[field].as_str())
}

/// Percent-encodes what may not stand in a query.
fn encode(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~".contains(&b);
    text.bytes()
        .map(|b| {
            if plain(b) {
                char::from(b).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect()
}

impl Event {
    fn read(value: &Value) -> Self {
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let (id, attributes) = (text(&value["Actor"]["ID"]), &value["Actor"]["Attributes"]);
        let name = text(&attributes["name"]);
        Self {
            kind: text(&value["Type"]),
            action: text(&value["Action"]),
            name: if name.is_empty() { id.clone() } else { name },
            id,
            infra: text(&attributes["im.infra"]),
            container: text(&attributes["container"]),
        }
    }
}

impl Watch {
    /// What happened so far to the objects of an infrastructure.
    pub(crate) fn accounts(&self, infra: &str) -> Accounts {
        accounts(&self.events.lock().unwrap_or_else(PoisonError::into_inner), infra)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An object is the infrastructure's if its label or its name says so, or if it is a volume in one of its containers.
fn accounts(events: &[Event], infra: &str) -> Accounts {
    let named = |e: &Event| e.infra == infra || e.name.contains(infra);
    let containers: BTreeSet<_> = events
        .iter()
        .filter(|e| e.kind == "container" && named(e))
        .map(|e| &e.id)
        .collect();
    let mounted: BTreeSet<_> = events
        .iter()
        .filter(|e| e.kind == "volume" && containers.contains(&e.container))
        .map(|e| &e.id)
        .collect();
    let mut accounts = Accounts::new();
    for event in events
        .iter()
        .filter(|e| named(e) || (e.kind == "volume" && mounted.contains(&e.id)))
    {
        let account = accounts.entry((event.kind.clone(), event.name.clone())).or_default();
        match event.action.as_str() {
            // Of a volume there is one per name. The daemon says again that it made it whenever somebody asks for it,
            // the container that mounts it too.
            "create" if event.kind == "volume" && account.made > account.removed => {}
            "create" => account.made += 1,
            "destroy" => account.removed += 1,
            _ => {}
        }
    }
    // A volume that was there before is not the infrastructure's, wherever it is mounted.
    accounts.retain(|_, account| *account != Account::default());
    accounts
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(kind: &str, action: &str, id: &str, attributes: &Value) -> Event {
        Event::read(&json!({ "Type": kind, "Action": action, "Actor": { "ID": id, "Attributes": attributes } }))
    }

    #[test]
    fn objects_are_counted_by_what_the_daemon_says() {
        let events = [
            event("network", "create", "n1", &json!({ "name": "im_i-1_net" })),
            event(
                "container",
                "create",
                "c1",
                &json!({ "name": "im_i-1_front-0", "im.infra": "i-1" }),
            ),
            event("volume", "create", "v1", &json!({ "driver": "local" })),
            event("volume", "create", "v1", &json!({ "driver": "local" })),
            event("volume", "mount", "v1", &json!({ "container": "c1" })),
            event("volume", "mount", "old", &json!({ "container": "c1" })),
            event(
                "container",
                "create",
                "c2",
                &json!({ "name": "im_i-1_front-0", "im.infra": "i-1" }),
            ),
            event(
                "container",
                "create",
                "x",
                &json!({ "name": "im_i-2_front-0", "im.infra": "i-2" }),
            ),
            event(
                "container",
                "destroy",
                "c1",
                &json!({ "name": "im_i-1_front-0", "im.infra": "i-1" }),
            ),
            event("volume", "destroy", "v1", &json!({ "driver": "local" })),
        ];
        let found = accounts(&events, "i-1");
        let of = |kind: &str, name: &str| found[&(kind.to_owned(), name.to_owned())];
        assert_eq!(found.len(), 3);
        assert_eq!(of("container", "im_i-1_front-0"), Account { made: 2, removed: 1 });
        assert_eq!(of("network", "im_i-1_net"), Account { made: 1, removed: 0 });
        assert_eq!(of("volume", "v1"), Account { made: 1, removed: 1 });
    }

    #[test]
    fn queries_are_encoded() {
        assert_eq!(encode(r#"{"a":["b=c"]}"#), "%7B%22a%22%3A%5B%22b%3Dc%22%5D%7D");
    }
}
