//! Rows of cloud resources: the intent written before the create call, what came of it, and the tombstone.

use crate::{Account, CloudRef, InfraId, Key, OperationId, StepId, Unit};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{fmt, sync::Arc};

/// Kind of a cloud resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResourceKind {
    /// A machine: server, instance, container, pod.
    Vm,
    /// A network.
    Network,
    /// A security group or firewall.
    Group,
    /// A rule of one.
    Rule,
    /// A key pair stored at the cloud.
    KeyPair,
    /// A disk.
    Volume,
    /// A disk's attachment to a VM.
    Attachment,
    /// A public address.
    Address,
    /// An address's binding to a VM.
    Binding,
    /// A router's interface on a network.
    RouterInterface,
    /// A DNS record.
    Record,
}

impl ResourceKind {
    /// The word used in rows, marks and events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Vm => "vm",
            Self::Network => "network",
            Self::Group => "group",
            Self::Rule => "rule",
            Self::KeyPair => "key_pair",
            Self::Volume => "volume",
            Self::Attachment => "attachment",
            Self::Address => "address",
            Self::Binding => "binding",
            Self::RouterInterface => "router_interface",
            Self::Record => "record",
        }
    }
}
impl fmt::Display for ResourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The create request as it will be sent, encoded once and never again: an upgraded binary sends the same bytes.
///
/// May hold passwords and keys: stored in a sealed column.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Frozen(Arc<str>);

impl Frozen {
    /// Encodes a request.
    pub fn of(request: &Value) -> Self {
        Self(request.to_string().into())
    }
    /// From a row.
    pub fn from_stored(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }
    /// The encoded text (JSON).
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// Decodes into the connector's own type.
    pub fn decode<T: serde::de::DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.0)
    }
}
impl fmt::Debug for Frozen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frozen({} bytes)", self.0.len())
    }
}

/// Where a resource stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResourceState {
    /// Written down before the create call: may or may not exist.
    Intended,
    /// Exists, with its cloud id.
    Created,
    /// To be removed: the delete call may have been made.
    Removing,
    /// Removed, or its absence was established. A tombstone, searched for once more after the settle time.
    Gone,
    /// Given away (export with delete, abandon): not ours any more, never to be removed.
    Released,
}

/// Row of a resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource {
    /// Identity of the intent.
    pub key: Key,
    /// Owner.
    pub infra: InfraId,
    /// Operation that wanted it.
    pub operation: OperationId,
    /// Its step there.
    pub step: StepId,
    /// Which try, from 0.
    pub attempt: u32,
    /// What it belongs to: a VM, or the infrastructure (shared).
    pub unit: Unit,
    /// Kind.
    pub kind: ResourceKind,
    /// A name unique in the infrastructure among resources of its kind that live, e.g. the RADL network's id.
    pub name: String,
    /// Where.
    pub cloud: Arc<CloudRef>,
    /// As whom, frozen with the intent.
    pub account: Account,
    /// The request.
    pub frozen: Frozen,
    /// The cloud's id, once known.
    pub cloud_id: Option<String>,
    /// Where it stands.
    pub state: ResourceState,
}
