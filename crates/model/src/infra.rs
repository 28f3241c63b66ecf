//! Rows of infrastructures and VMs.

use crate::{Account, BlobId, CloudRef, Credentials, InfraId, Millis, OperationId, Secret, VmId, VmState};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc};

/// What contextualization has to say of a VM or of an infrastructure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Configured {
    /// Not finished.
    #[default]
    Unfinished,
    /// Finished well (or disabled).
    Yes,
    /// Failed.
    Failed,
}

/// The present contextualization run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContextRun {
    /// Number of the run; grows by one with each. Zero: there was none.
    pub number: u64,
    /// The master chosen.
    pub master: Option<VmId>,
    /// The infrastructure's key pair, kept so that a new master can take over.
    #[serde(with = "Secret")]
    pub private_key: Secret,
    /// Its public half (OpenSSH form).
    pub public_key: String,
}

/// Row of an infrastructure, without its VMs. Sealed as a whole, but for the columns that queries need.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Infrastructure {
    /// Identity.
    pub id: InfraId,
    /// The `InfrastructureManager` lines it was created with, and those added since.
    pub owners: Credentials,
    /// The current document (canonical RADL text): merged definitions, last deploys.
    pub radl: Arc<str>,
    /// TOSCA text, when it came from one.
    #[serde(default)]
    pub tosca: Option<Arc<str>>,
    /// Which cloud each private network lives at (RADL network id → cloud id).
    #[serde(default)]
    pub private_networks: BTreeMap<String, String>,
    /// Contextualization.
    #[serde(default)]
    pub context: ContextRun,
    /// The infrastructure's own verdict.
    #[serde(default)]
    pub configured: Configured,
    /// Creation failed as a whole.
    #[serde(default)]
    pub failed: bool,
    /// A destroy is under way.
    #[serde(default)]
    pub deleting: bool,
    /// It is gone; the row stays.
    #[serde(default)]
    pub deleted: bool,
    /// Next free VM id.
    #[serde(default)]
    pub next_vm: u32,
    /// When it was created.
    pub created: Millis,
    /// What other parts keep and readers must not lose.
    #[serde(default)]
    pub extra: BTreeMap<String, Value>,
}

impl Infrastructure {
    /// One that was asked for just now: it has no VMs, and nothing has been done for it.
    pub fn new(id: InfraId, owners: Credentials, radl: Arc<str>, created: Millis) -> Self {
        Self {
            id,
            owners,
            radl,
            tosca: None,
            private_networks: BTreeMap::new(),
            context: ContextRun::default(),
            configured: Configured::Unfinished,
            failed: false,
            deleting: false,
            deleted: false,
            next_vm: 0,
            created,
            extra: BTreeMap::new(),
        }
    }
}

/// Row of a VM.
///
/// Its RADL is stored as what it shares with its siblings (`base`, a blob: networks and concrete system) and what is
/// its own (`own`): thousands of equal VMs cost little more than their ids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vm {
    /// Position in the infrastructure's list.
    pub id: VmId,
    /// The operation that asked for it.
    #[serde(default)]
    pub operation: Option<OperationId>,
    /// System name in the document.
    pub system: String,
    /// What the cloud says (contextualization is overlaid on reading).
    pub state: VmState,
    /// It is gone; the row keeps its place.
    #[serde(default)]
    pub destroyed: bool,
    /// Contextualization's verdict.
    #[serde(default)]
    pub configured: Configured,
    /// Where.
    pub cloud: Arc<CloudRef>,
    /// As whom.
    pub account: Option<Account>,
    /// The cloud's id, once known.
    #[serde(default)]
    pub cloud_id: Option<Arc<str>>,
    /// Shared part of its RADL: a canonical document in a blob.
    pub base: BlobId,
    /// Features of its system that differ from `base` (name → value in RADL-JSON form). Holds credentials: sealed.
    #[serde(default)]
    pub own: BTreeMap<String, Value>,
    /// Why it failed.
    #[serde(default)]
    pub error: Option<String>,
    /// When it was asked for.
    pub created: Millis,
    /// When the cloud last told its state.
    #[serde(default)]
    pub updated: Millis,
}
