//! Operations, plans and step events: the records from which everything is replayed.

use crate::{Account, CloudRef, InfraId, Key, Millis, OperationId, ResourceKind, StepId, VmId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

/// Format of the plans that this version writes. An instance claims only operations whose format it knows.
pub const PLAN_FORMAT: u32 = 1;

/// Each infrastructure runs at most one operation per lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lane {
    /// What changes cloud resources.
    Cloud,
    /// What configures machines.
    Configure,
}

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OpKind {
    /// First resources of a new infrastructure.
    Create,
    /// More resources.
    Add,
    /// Some VMs go.
    Remove,
    /// Everything goes. Takes both lanes.
    Destroy,
    /// Contextualization.
    Configure,
    /// Start, stop, reboot.
    Power,
    /// Change of a VM.
    Alter,
    /// Image of a disk.
    Snapshot,
}

impl OpKind {
    /// The lane it runs in. [`OpKind::Destroy`] takes the other one too.
    pub fn lane(self) -> Lane {
        if self == Self::Configure {
            Lane::Configure
        } else {
            Lane::Cloud
        }
    }
    /// The word used in rows and events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Add => "add",
            Self::Remove => "remove",
            Self::Destroy => "destroy",
            Self::Configure => "configure",
            Self::Power => "power",
            Self::Alter => "alter",
            Self::Snapshot => "snapshot",
        }
    }
}

/// State of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OpState {
    /// Stored; waits for its lane.
    Pending,
    /// Under way.
    Running,
    /// Cancelled or failed as a whole: what it made is being removed.
    Unwinding,
    /// Needs credentials for the same account from a mutating call.
    WaitingCredentials,
    /// Cannot go on; somebody must decide. `error` says why.
    Stuck,
    /// Ended; VMs that failed carry their own error.
    Done,
    /// Ended with everything that it made removed. `error` says why.
    Undone,
}

impl OpState {
    /// Nothing more will happen.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Undone)
    }
    /// It cannot go on by itself: credentials or a decision are needed. It holds no lane.
    pub fn is_paused(self) -> bool {
        matches!(self, Self::WaitingCredentials | Self::Stuck)
    }
    /// The word used in rows and events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Unwinding => "unwinding",
            Self::WaitingCredentials => "waiting_credentials",
            Self::Stuck => "stuck",
            Self::Done => "done",
            Self::Undone => "undone",
        }
    }
}

/// How an operation is to end early. The later ones are stronger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cancel {
    /// What it made is removed. Of a delete that takes everything over: that removes it.
    Unwind,
    /// No cloud is asked any more: what may exist there is on record as released.
    Abandon,
}

impl Cancel {
    /// The word used in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unwind => "cancel",
            Self::Abandon => "abandon",
        }
    }
}

/// What somebody wants of an operation. It may be stored by whoever accepts it, owner or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// One that waits or is stuck goes on, with a new request where there is one.
    Retry(Option<Arc<Value>>),
    /// It ends, and what it made is removed. One that waits or is stuck does so with the new request, if any.
    Cancel(Option<Arc<Value>>),
    /// It ends, and no cloud is asked any more.
    Abandon,
}

impl Wish {
    /// The request that comes with it.
    pub fn request(&self) -> Option<&Arc<Value>> {
        match self {
            Self::Retry(request) | Self::Cancel(request) => request.as_ref(),
            Self::Abandon => None,
        }
    }
    /// What the wish makes of an operation's state: the new state and the new mark. `None`: it changes nothing
    /// (already wished, already under way, or ended).
    ///
    /// Only an operation that waits or is stuck gets another state, and only such a one takes the new request and
    /// loses its error: whatever runs is written by its owner alone.
    pub fn heeded(&self, state: OpState, cancel: Option<Cancel>) -> Option<(OpState, Option<Cancel>)> {
        if state.is_final() {
            return None;
        }
        let wanted = match self {
            Self::Retry(_) => cancel,
            Self::Cancel(_) => cancel.max(Some(Cancel::Unwind)),
            Self::Abandon => Some(Cancel::Abandon),
        };
        if state.is_paused() {
            let state = match (cancel, wanted) {
                // What it made stays: it is not unwound, and what is complete is no part of what is given up.
                (None, None | Some(Cancel::Abandon)) => OpState::Running,
                _ => OpState::Unwinding,
            };
            return Some((state, wanted));
        }
        (wanted != cancel).then_some((state, wanted))
    }
}

/// Row of an operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// Identity; drawn by whoever accepts the request.
    pub id: OperationId,
    /// The infrastructure.
    pub infra: InfraId,
    /// What it does.
    pub kind: OpKind,
    /// Format of `plan` ([`PLAN_FORMAT`] when it was stored).
    pub plan_format: u32,
    /// The request, complete: it is all that a replay has. Holds the caller's credentials while the operation lives;
    /// a sealed column. The service defines its form.
    pub request: Arc<Value>,
    /// What was resolved, once it was: what the clouds said and what was drawn. Sealed.
    pub resolved: Option<Arc<Value>>,
    /// The plan, once it is stored. Sealed.
    pub plan: Option<Arc<Plan>>,
    /// Where it stands.
    pub state: OpState,
    /// How somebody wants it to end early. The owner heeds it; until then it is a wish.
    pub cancel: Option<Cancel>,
    /// Why it failed, is stuck or waits: a sentence for the user.
    pub error: Option<String>,
    /// When it was stored.
    pub created: Millis,
}

impl Operation {
    /// A request as it is stored: nothing has happened yet.
    pub fn pending(id: OperationId, infra: InfraId, kind: OpKind, request: Arc<Value>, created: Millis) -> Self {
        Self {
            id,
            infra,
            kind,
            plan_format: PLAN_FORMAT,
            request,
            resolved: None,
            plan: None,
            state: OpState::Pending,
            cancel: None,
            error: None,
            created,
        }
    }
}

/// What a step belongs to. A unit that fails is undone alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// The infrastructure as a whole: shared resources, bookkeeping.
    Infra,
    /// One VM.
    Vm(VmId),
}

/// What a step does. Named data, not code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "do")]
pub enum Action {
    /// Make a cloud resource exist: intent row, call, result row.
    Ensure {
        /// Kind.
        kind: ResourceKind,
        /// See [`crate::Resource::name`].
        name: String,
        /// Where.
        cloud: Arc<CloudRef>,
        /// As whom.
        account: Account,
        /// The request. A JSON string `"@id:<step number>"` anywhere in it is replaced by the cloud id that step
        /// gave, when the intent is frozen.
        spec: Arc<Value>,
    },
    /// Make a cloud resource be gone: its row goes to `Removing`, the call, the row to `Gone`.
    Absent {
        /// The row.
        key: Key,
    },
    /// Anything else that the service defines; must be safe to run twice.
    Run {
        /// Name of the handler.
        name: String,
        /// Its argument.
        args: Arc<Value>,
    },
}

/// A step of a plan; its [`StepId`] is its position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What it belongs to.
    pub unit: Unit,
    /// Steps that must have ended before it starts: it runs if all of them succeeded, and is skipped otherwise unless
    /// `always` is set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<StepId>,
    /// Runs even if a step before it failed (clean-up, bookkeeping).
    #[serde(default)]
    pub always: bool,
    /// What it does.
    pub action: Action,
}

/// What an operation will do: computed purely from request and resolved data, stored before any effect.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The steps.
    pub steps: Vec<Step>,
}

/// Why a step failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepFailure {
    /// The sentence for the user, the cloud's own words included.
    pub message: String,
    /// Another attempt may succeed.
    pub temporary: bool,
}

/// What happened to a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum StepEventKind {
    /// Its effect may have begun. For `Ensure`, the intent row is written in the same transaction.
    Started {
        /// Which try, from 0.
        attempt: u32,
    },
    /// It has ended well.
    Succeeded {
        /// Its result (for `Ensure` the cloud id).
        output: Arc<Value>,
    },
    /// This attempt failed.
    Failed {
        /// Why.
        failure: StepFailure,
        /// Which try, from 0.
        attempt: u32,
        /// No further attempt will be made.
        last: bool,
    },
    /// It will not run: a step before it failed, or the operation was cancelled.
    Skipped,
    /// What it had made is gone again.
    Undone,
}

/// Row of the append-only log of an operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepEvent {
    /// The operation.
    pub operation: OperationId,
    /// The step.
    pub step: StepId,
    /// What happened.
    #[serde(flatten)]
    pub kind: StepEventKind,
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [OpState; 7] = [
        OpState::Pending,
        OpState::Running,
        OpState::Unwinding,
        OpState::WaitingCredentials,
        OpState::Stuck,
        OpState::Done,
        OpState::Undone,
    ];

    #[test]
    fn wishes_pause_nothing_and_end_nothing_by_themselves() {
        let wishes = [Wish::Retry(None), Wish::Cancel(None), Wish::Abandon];
        for state in STATES {
            for cancel in [None, Some(Cancel::Unwind), Some(Cancel::Abandon)] {
                for wish in &wishes {
                    let Some((next, wanted)) = wish.heeded(state, cancel) else {
                        continue;
                    };
                    assert!(!state.is_final() && !next.is_final() && !next.is_paused(), "{state:?}");
                    assert!(wanted >= cancel, "a stronger wish is not weakened");
                    assert!(
                        state.is_paused() || next == state,
                        "only what is paused gets another state"
                    );
                    assert_eq!(wish.heeded(next, wanted), None, "the same wish again changes nothing");
                }
            }
        }
    }

    #[test]
    fn what_wishes_make_of_what_is_stuck() {
        let stuck = |wish: Wish, cancel| wish.heeded(OpState::Stuck, cancel);
        assert_eq!(stuck(Wish::Retry(None), None), Some((OpState::Running, None)));
        let unwinding = Some((OpState::Unwinding, Some(Cancel::Unwind)));
        assert_eq!(stuck(Wish::Cancel(None), None), unwinding);
        assert_eq!(stuck(Wish::Retry(None), Some(Cancel::Unwind)), unwinding);
        // Nothing of it was unwound, or something may have been.
        let abandoned = |state| Some((state, Some(Cancel::Abandon)));
        assert_eq!(stuck(Wish::Abandon, None), abandoned(OpState::Running));
        assert_eq!(
            stuck(Wish::Abandon, Some(Cancel::Unwind)),
            abandoned(OpState::Unwinding)
        );
        assert_eq!(Wish::Retry(None).heeded(OpState::Running, None), None);
    }
}
