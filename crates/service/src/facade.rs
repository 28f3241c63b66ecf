//! The values that go in and out of the service.

use im_model::{OpKind, OpState, OperationId, VmId, VmState};
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
    /// What it does.
    pub kind: OpKind,
    /// Where it stands.
    pub state: OpState,
    /// Why it did not go well.
    pub error: Option<String>,
    /// Steps: how many there are.
    pub steps: usize,
    /// How many of them have ended.
    pub ended: usize,
}
