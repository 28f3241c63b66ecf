//! What happened, for whoever watches: the feed behind `GET /infrastructures/<id>/events`.

use crate::{InfraId, Millis, OpKind, OpState, OperationId, VmId, VmState};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Whose log a line belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogScope {
    /// The header log of the infrastructure.
    Infra,
    /// The log of one VM.
    Vm(VmId),
}

/// An event of an infrastructure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The infrastructure.
    #[serde(skip, default = "nowhere")]
    pub infra: InfraId,
    /// Position in the infrastructure's feed, from 1; what `Last-Event-ID` names.
    pub seq: u64,
    /// When.
    pub time: Millis,
    /// What.
    #[serde(flatten)]
    pub body: EventBody,
}

fn nowhere() -> InfraId {
    InfraId::from("")
}

/// What happened. On the wire `type` names the variant and is also the SSE event name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum EventBody {
    /// An operation changed state.
    Operation {
        /// Which.
        id: OperationId,
        /// What it does.
        kind: OpKind,
        /// Its new state.
        state: OpState,
        /// Why, when it did not go well.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// A step of an operation or of contextualization began or ended.
    Step {
        /// Name for people: `create network net`, `basic`, `main_front`, `workers_worker`…
        name: String,
        /// The VMs it is about; empty: the infrastructure.
        vms: Vec<VmId>,
        /// `started`, `succeeded`, `failed`, `skipped`, `undone`.
        outcome: String,
        /// Why it failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// States as users see them changed.
    State {
        /// The infrastructure's.
        state: VmState,
        /// Those of the VMs that changed.
        vms: BTreeMap<VmId, VmState>,
    },
    /// Events before this one are not kept any more: whoever reads the feed has missed some, and reads state and logs
    /// anew. Never stored; made for the reader, under the number of the last event that is missing.
    Reset,
    /// Lines were added to a log.
    Log {
        /// Whose.
        scope: LogScope,
        /// The text, whole lines.
        text: String,
    },
}
