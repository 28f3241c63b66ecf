//! What keeps things from being lost or leaked, by name. A test may do without one of them, to see that the simulator
//! misses it: a safeguard that nothing misses is none, or the simulator is blind.

/// A safeguard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Safeguard {
    /// The intent is on record before the call. Without: it never is; only what came of a call is.
    Intent,
    /// A commit under an old epoch is refused. Without: it is written.
    Fence,
    /// Absence counts only once what is on its way has had time to arrive. Without: at once.
    Settle,
    /// An object is ours only if its mark proves it. Without: if it bears the name.
    Mark,
    /// Absence counts only under the account of the intent. Without: under any.
    Account,
    /// What is gone stays on record, and is searched for once more. Without: it is forgotten.
    Tombstone,
}

impl Safeguard {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Intent,
        Self::Fence,
        Self::Settle,
        Self::Mark,
        Self::Account,
        Self::Tombstone,
    ];
}
