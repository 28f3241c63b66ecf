//! What the runner says, one JSON line each.

use im_model::{LogScope, VmId};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// An event of a run. Sequence numbers start at 1 and have no gaps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunnerEvent {
    /// Position in the run.
    pub seq: u64,
    /// When, by the master's clock: microseconds since the Unix epoch.
    #[serde(default)]
    pub time: i64,
    /// What.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// How a step of some VMs goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StepOutcome {
    /// It began.
    Started,
    /// It ended well.
    Succeeded,
    /// It ended badly: these VMs get no further steps.
    Failed,
}

/// Which of a VM's credentials were accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialInUse {
    /// The current password.
    Password,
    /// The VM's own private key.
    PrivateKey,
    /// The pending password: it is the current one from now on.
    NewPassword,
    /// The pending private key: it is the current one from now on.
    NewPrivateKey,
    /// The infrastructure's key.
    InfrastructureKey,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum EventKind {
    /// A step: `wait_all_ssh`, `basic`, `main_<system>`, `<configure>_<system>`.
    Step {
        /// Its name.
        name: String,
        /// The VMs it is about.
        vms: Vec<VmId>,
        /// How it goes.
        outcome: StepOutcome,
        /// Why it failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// Text for a log: whole lines, or a piece of one that goes on in the next event. In the header log each event is
    /// one message, to be preceded by its time.
    Log {
        /// Whose.
        scope: LogScope,
        /// The text.
        text: String,
    },
    /// A VM answered.
    Reached {
        /// The VM.
        vm: VmId,
        /// Where.
        host: IpAddr,
        /// At which port.
        port: u16,
        /// To which credential.
        credential: CredentialInUse,
    },
    /// A VM's pending credentials have become its current ones.
    Credentials {
        /// The VM.
        vm: VmId,
        /// Whether the password did.
        password: bool,
        /// Whether the key did.
        key: bool,
    },
    /// A VM will get no further steps in this run.
    VmDone {
        /// The VM.
        vm: VmId,
        /// Whether all of them ended well.
        ok: bool,
        /// Why not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// The last event.
    Finished {
        /// Whether every VM ended well.
        ok: bool,
        /// Why not, if it is not for a VM.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
}
