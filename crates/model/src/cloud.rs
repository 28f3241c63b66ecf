//! Clouds, accounts and credentials as records.

use crate::{ResourceKind, Secret};
use indexmap::IndexMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{collections::BTreeMap, fmt, sync::Arc};

/// One line of a user's credentials: keys and values, in the order given. Values are secrets, all of them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct AuthLine {
    fields: IndexMap<String, Secret>,
}

impl AuthLine {
    /// A line from its pairs; of a repeated key the last wins.
    pub fn new<K: Into<String>, V: Into<Secret>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        Self {
            fields: pairs.into_iter().map(|(k, v)| (k.into(), v.into())).collect(),
        }
    }
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Secret> {
        self.fields.get(key)
    }
    /// The text of a key that is not secret by nature (`type`, `id`, `host`, `username`...); empty when absent.
    pub fn plain(&self, key: &str) -> &str {
        self.fields.get(key).map_or("", Secret::expose)
    }
    /// `type`: the name of a connector, or `InfrastructureManager`, `Vault`...
    pub fn kind(&self) -> &str {
        self.plain("type")
    }
    /// Sets a key.
    pub fn set(&mut self, key: &str, value: impl Into<Secret>) {
        self.fields.insert(key.to_owned(), value.into());
    }
    /// Removes a key.
    pub fn remove(&mut self, key: &str) {
        self.fields.shift_remove(key);
    }
    /// The pairs in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Secret)> {
        self.fields.iter().map(|(k, v)| (k.as_str(), v))
    }
    /// Whether there is no key at all.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }
}

impl fmt::Debug for AuthLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.fields.keys().map(|k| (k, "***"))).finish()
    }
}

/// Everything a caller sent to prove who they are, here and at their clouds. Serialised only into sealed columns.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Credentials {
    /// The lines, in order.
    pub lines: Vec<AuthLine>,
}

impl Credentials {
    /// Lines of one type, in order.
    pub fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a AuthLine> {
        self.lines.iter().filter(move |l| l.kind() == kind)
    }
}

impl Serialize for Credentials {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(
            self.lines
                .iter()
                .map(|l| l.iter().map(|(k, v)| (k, v.expose())).collect::<IndexMap<_, _>>()),
        )
    }
}
impl<'de> Deserialize<'de> for Credentials {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let lines = Vec::<IndexMap<String, String>>::deserialize(deserializer)?;
        Ok(Self {
            lines: lines.into_iter().map(AuthLine::new).collect(),
        })
    }
}

/// A cloud as the user named it: what is stored with each VM. Never credentials.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CloudRef {
    /// `id` of the auth line, or `<type><position>`.
    pub id: String,
    /// Connector name.
    #[serde(rename = "type")]
    pub kind: String,
    /// Host, empty when the line has none.
    #[serde(default)]
    pub server: String,
    /// Port; `None` when the line has none (`-1` on the wire).
    #[serde(default, with = "port")]
    pub port: Option<u16>,
    /// Scheme, empty when the line has none.
    #[serde(default)]
    pub protocol: String,
    /// Path, as typed. For `unix://` hosts, the socket's path.
    #[serde(default)]
    pub path: String,
    /// What else tells two clouds of one host apart (`tenant`, `domain`, `vo`...).
    #[serde(default)]
    pub extra: BTreeMap<String, String>,
}

mod port {
    #![allow(clippy::ref_option, clippy::trivially_copy_pass_by_ref)] // the form that `serde(with)` wants
    use serde::{Deserialize, Deserializer, Serializer};
    pub(super) fn serialize<S: Serializer>(port: &Option<u16>, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_i32(port.map_or(-1, i32::from))
    }
    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<u16>, D::Error> {
        Ok(u16::try_from(i64::deserialize(d)?).ok())
    }
}

/// Who we are at a cloud, as the cloud itself says: endpoint, project or account, region. Two equal accounts see the
/// same resources; absence seen under another account means nothing.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Account(Arc<str>);

impl Account {
    /// From the cloud's own words, e.g. `docker:5WDM:…` or `https://keystone/v3 project=…`.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a power operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Power {
    /// Start a stopped VM.
    Start,
    /// Stop, resumably.
    Stop,
    /// Restart.
    Reboot,
}

impl Power {
    /// The word used in URLs and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Reboot => "reboot",
        }
    }
}

/// How the creation of one kind of resource is made safe to repeat at a cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Idempotence {
    /// The cloud recognises a token for this many seconds.
    ClientToken {
        /// How long, in seconds.
        ttl: u32,
    },
    /// Creating is a PUT under a name of our own.
    Put,
    /// The cloud refuses a second object of the same name.
    UniqueName,
    /// The mark goes into the create call; a resumed create searches for it first.
    MarkThenSearch,
    /// The cloud keeps nothing we could recognise.
    Unmarkable,
    /// There is nothing outside this service to create.
    NothingOutside,
}

/// Whether a connector has an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Supports {
    /// It has.
    Yes,
    /// It has not; the text is the contract's answer.
    No(&'static str),
}

/// What a connector can do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Capability {
    /// Per kind of resource it creates, how creating is made idempotent.
    pub creates: BTreeMap<ResourceKind, Idempotence>,
    /// Start and stop.
    pub power: Supports,
    /// Reboot.
    pub reboot: Supports,
    /// Change of CPU, memory.
    pub alter: Supports,
    /// Snapshots.
    pub snapshot: Supports,
    /// Image lists.
    pub images: Supports,
    /// Quotas.
    pub quotas: Supports,
    /// Whether its VMs are configured over SSH.
    pub contextualizes: bool,
    /// Whether its addresses may be dialled (those of `Dummy` are not real).
    pub dialable: bool,
    /// How long, in milliseconds, after a create call a new object may be missing from the cloud's lists.
    pub listing_lag_ms: u64,
}
