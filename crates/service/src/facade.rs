//! The values that go in and out of the service.

use im_model::{
    Account, CloudRef, InfraId, Key, Millis, OpKind, OpState, OperationId, ResourceKind, ResourceState, StepId, VmId,
    VmState,
};
use im_ops::StepStanding;
use im_radl::Document;
use serde::Serialize;
use std::{collections::BTreeMap, sync::OnceLock};

/// Whether a caller waits for the operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Answer when it has ended (VMs launched, not booted).
    WhenDone,
    /// Answer as soon as the request is stored.
    AtOnce,
}

/// Whether VMs are configured after a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    /// Yes.
    Run,
    /// No; a later run takes them in.
    Skip,
}

/// Whether failures of the cloud stop a destroy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Force {
    /// They do.
    No,
    /// They are ignored.
    Yes,
}

/// How much of an infrastructure's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContMsg {
    /// Header and the VMs' logs.
    Full,
    /// Header only.
    HeaderOnly,
}

/// Answer of a call that changes something.
#[derive(Clone, Debug, PartialEq)]
pub struct Accepted<T> {
    /// The operation that does it; none if there was nothing to do.
    pub operation: Option<OperationId>,
    /// What the caller asked for.
    pub value: T,
    /// What the document surely does not mean, where the service has read it (TOSCA).
    pub warnings: Vec<im_radl::Diagnostic>,
}

/// What an update by a TOSCA document did, as far as it was waited for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Updated {
    /// New VMs.
    pub added: Vec<VmId>,
    /// VMs that are gone.
    pub removed: Vec<VmId>,
    /// How many of those before are still there.
    pub kept: usize,
}

/// State of an infrastructure and of its VMs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StateView {
    /// The infrastructure's.
    pub state: VmState,
    /// The VMs' that are not destroyed.
    pub vm_states: BTreeMap<VmId, VmState>,
}

/// A VM.
#[derive(Clone, Debug, PartialEq)]
pub struct VmView {
    /// Its id.
    pub id: VmId,
    /// Networks and its system, `state` included.
    pub document: Document,
    /// Name of its system in `document`.
    pub system: String,
    text: OnceLock<String>,
    json: OnceLock<String>,
}

impl VmView {
    /// From its parts.
    pub fn new(id: VmId, system: String, document: Document) -> Self {
        Self {
            id,
            document,
            system,
            text: OnceLock::new(),
            json: OnceLock::new(),
        }
    }

    /// Networks and system as canonical RADL. Made once: views are shared by all who read the same state.
    pub fn text(&self) -> &str {
        self.text.get_or_init(|| match self.document.system(&self.system) {
            Some(system) => im_radl::print_vm(&self.document.networks, system),
            None => im_radl::print(&self.document),
        })
    }

    /// Networks and system as RADL-JSON, compact. Made once.
    pub fn json(&self) -> &str {
        self.json.get_or_init(|| {
            let value = match self.document.system(&self.system) {
                Some(system) => im_radl::vm_to_json(&self.document.networks, system),
                None => im_radl::to_json(&self.document),
            };
            value.to_string()
        })
    }
}

/// An operation, for people and portals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OperationView {
    /// Which.
    pub id: OperationId,
    /// Of which infrastructure.
    pub infrastructure: InfraId,
    /// What it does.
    pub kind: OpKind,
    /// Where it stands.
    pub state: OpState,
    /// It is to end early: `cancel` or `abandon`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancel: Option<&'static str>,
    /// Why it did not go well.
    pub error: Option<String>,
    /// When it was stored.
    pub created: Millis,
    /// Steps: how many there are.
    pub steps: usize,
    /// How many of them have ended.
    pub ended: usize,
    /// Of one that waits for credentials: of which accounts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<NeededAccount>,
}

/// What is wanted of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Steer {
    /// Go on: it is stuck, or waits for the credentials of this call.
    Retry,
    /// End, and remove what was made.
    Cancel,
    /// End, and ask no cloud any more.
    Abandon,
}

/// A cloud, as far as it says where something is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CloudName {
    /// The `id` of its line.
    pub id: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its host; empty where it has none.
    pub server: String,
}

impl From<&CloudRef> for CloudName {
    fn from(cloud: &CloudRef) -> Self {
        Self {
            id: cloud.id.clone(),
            kind: cloud.kind.clone(),
            server: cloud.server.clone(),
        }
    }
}

/// An account whose credentials are needed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NeededAccount {
    /// Where.
    pub cloud: CloudName,
    /// Who.
    pub account: Account,
}

/// A step of an operation, without anything secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedStep {
    /// Its number.
    pub step: StepId,
    /// The machine that it is for; none: for all.
    pub vm: Option<VmId>,
    /// What it does.
    pub what: String,
    /// Steps that come first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<StepId>,
    /// Where it stands.
    pub state: StepStanding,
    /// Attempts begun.
    pub attempts: u32,
    /// What went wrong, one sentence an attempt.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
}

/// Something that may be at a cloud and is not ours any more, or should be gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RemainingResource {
    /// What it is.
    pub kind: ResourceKind,
    /// Its name in the infrastructure.
    pub name: String,
    /// The machine that it belonged to; none: shared.
    pub vm: Option<VmId>,
    /// Where.
    pub cloud: CloudName,
    /// Whose.
    pub account: Account,
    /// Its id there. None: it is not known whether it was made; its name or a label there holds `key`.
    pub id: Option<String>,
    /// What marks it there.
    pub key: Key,
    /// `released`: it is yours now. `removing`: its removal was refused; removing it again is possible.
    pub state: ResourceState,
}

/// An operation with its plan and what it leaves behind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OperationDetails {
    /// The operation.
    #[serde(flatten)]
    pub operation: OperationView,
    /// Its steps. Once it has ended, those that had begun.
    pub plan: Vec<PlannedStep>,
    /// What may remain at the clouds.
    pub remaining: Vec<RemainingResource>,
}
