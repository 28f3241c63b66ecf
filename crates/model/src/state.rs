//! The states that users see, and how an infrastructure's follows from those of its VMs.

use serde::{Deserialize, Serialize};
use std::fmt;

/// State of a VM, as returned by the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VmState {
    /// Asked for; the cloud has not finished.
    Pending,
    /// The cloud says it runs; contextualization has not finished.
    Running,
    /// Runs and is configured.
    Configured,
    /// Runs, but contextualization failed.
    Unconfigured,
    /// Suspended or powered off, resumable.
    Stopped,
    /// Terminated or destroyed.
    Off,
    /// Could not be created, or the cloud reports an error.
    Failed,
    /// The cloud could not be asked for too long, or its answer means nothing to us.
    Unknown,
    /// Being deleted.
    Deleting,
}

/// State of an infrastructure: the same words.
pub type InfraState = VmState;

impl VmState {
    /// The word used on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Configured => "configured",
            Self::Unconfigured => "unconfigured",
            Self::Stopped => "stopped",
            Self::Off => "off",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::Deleting => "deleting",
        }
    }

    /// Reads the word used on the wire.
    pub fn parse(word: &str) -> Option<Self> {
        [
            Self::Pending,
            Self::Running,
            Self::Configured,
            Self::Unconfigured,
            Self::Stopped,
            Self::Off,
            Self::Failed,
            Self::Unknown,
            Self::Deleting,
        ]
        .into_iter()
        .find(|s| s.as_str() == word)
    }

    /// The cloud has it up, whatever contextualization says.
    pub fn is_up(self) -> bool {
        matches!(self, Self::Running | Self::Configured | Self::Unconfigured)
    }

    /// Rank for the infrastructure's state; the highest wins, whatever the order of the VMs.
    ///
    /// Gives what the order-dependent rule of the original gives in every mix in which that rule does not depend on
    /// the order.
    fn rank(self) -> u8 {
        match self {
            Self::Deleting => 0,
            Self::Off => 1,
            Self::Stopped => 2,
            Self::Configured => 3,
            Self::Unconfigured => 4,
            Self::Running => 5,
            Self::Pending => 6,
            Self::Unknown => 7,
            Self::Failed => 8,
        }
    }

    /// The state of an infrastructure from those of its VMs that are not destroyed.
    ///
    /// `None` when no VM says anything (there is none, or all are being deleted): then the infrastructure's own
    /// verdict decides.
    pub fn of_infrastructure(vms: impl IntoIterator<Item = VmState>) -> Option<InfraState> {
        vms.into_iter()
            .filter(|s| *s != Self::Deleting)
            .max_by_key(|s| s.rank())
    }
}

impl fmt::Display for VmState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::VmState::{self, *};

    #[test]
    fn order_of_vms_does_not_matter() {
        let all = [
            Pending,
            Running,
            Configured,
            Unconfigured,
            Stopped,
            Off,
            Failed,
            Unknown,
            Deleting,
        ];
        for a in all {
            for b in all {
                assert_eq!(VmState::of_infrastructure([a, b]), VmState::of_infrastructure([b, a]));
            }
            assert_eq!(VmState::parse(a.as_str()), Some(a));
        }
    }

    #[test]
    fn worst_news_wins() {
        assert_eq!(
            VmState::of_infrastructure([Configured, Unconfigured, Running]),
            Some(Running)
        );
        assert_eq!(VmState::of_infrastructure([Running, Pending]), Some(Pending));
        assert_eq!(VmState::of_infrastructure([Pending, Failed]), Some(Failed));
        assert_eq!(VmState::of_infrastructure([Deleting]), None);
        assert_eq!(VmState::of_infrastructure([]), None);
    }
}
