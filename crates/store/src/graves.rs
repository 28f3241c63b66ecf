//! Rows about what is gone: tombstones, who may search for them again, and what is kept for how long.

use im_model::{InfraId, Millis, Resource};

use crate::Owned;

/// A row of something that is gone or was given away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tombstone {
    /// The row: [`im_model::ResourceState::Gone`] or `Released`.
    pub row: Resource,
    /// Since when, on the database's clock. 0 where an older version did not note it.
    pub since: Millis,
    /// When it was searched for once more, after its settle time.
    pub searched: Option<Millis>,
}

/// An infrastructure with tombstones (`Gone`) that were not searched for again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grave {
    /// The infrastructure, deleted or not.
    pub infra: InfraId,
    /// Since when the oldest of them is gone.
    pub since: Millis,
}

/// Whose graves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Graves {
    /// Those for which an operation has kept its request.
    WithRequest,
    /// All of these owners' infrastructures, deleted ones too.
    Of(Owned),
}

/// What pruning leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Events per infrastructure; the newest are kept, at least one.
    pub events: u64,
    /// How long final operations with their logs, and tombstones that were searched for again, are kept; feed and logs
    /// of a deleted infrastructure, too. In milliseconds.
    pub history: Millis,
    /// Rows of each kind that one call removes at most, about.
    pub at_once: u32,
}

/// How many rows were removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Events.
    pub events: u64,
    /// Final operations, with their logs.
    pub operations: u64,
    /// Tombstones.
    pub tombstones: u64,
    /// Pieces of logs of deleted infrastructures.
    pub logs: u64,
    /// More is to be removed: ask again.
    pub more: bool,
}
