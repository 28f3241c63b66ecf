//! How the engine behaves: every figure that a test or a configuration file may want to change.

use im_model::InstanceId;
use std::time::Duration;

/// How the engine behaves.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// This process.
    pub instance: InstanceId,
    /// Length of a lease. It is renewed at a third of it; no cloud call starts after half of it without renewal.
    pub lease: Duration,
    /// How often to look for operations that nobody carries out, and for the end of those that another instance does.
    pub poll: Duration,
    /// Attempts per step (`MAX_VM_FAILS`).
    pub max_attempts: u32,
    /// Pause before the next attempt (`DELAY_BETWEEN_VM_RETRIES`).
    pub retry_delay: Duration,
    /// How long one call of a connector may take. What has not answered by then may or may not have happened.
    pub call_deadline: Duration,
    /// How long after an interrupted call its effect may still arrive. Absence counts only after it.
    pub settle: Duration,
    /// Attempts at undoing something before a person is needed; the pause doubles with each.
    pub undo_attempts: u32,
    /// Rows per commit, about.
    pub group_rows: usize,
    /// How long results wait for others to be committed with.
    pub group_delay: Duration,
    /// Calls of connectors at once, per operation and cloud.
    pub max_parallel_calls: usize,
    /// Handlers of the application at once, per operation.
    pub max_parallel_runs: usize,
    /// Resources per call of `ensure`.
    pub ensure_chunk: usize,
    /// Rows of idle infrastructures kept in memory for readers. One takes one to two KiB.
    pub cached_rows: usize,
    /// How long an operation that has ended keeps its request, and the credentials in it, for the second search of what
    /// it removed. Zero: not at all, so that only [`crate::Engine::search_again`] makes that search.
    pub keep_requests: Duration,
}

impl EngineOptions {
    /// The defaults, for one process.
    pub fn new(instance: InstanceId) -> Self {
        Self {
            instance,
            lease: Duration::from_secs(30),
            poll: Duration::from_secs(5),
            max_attempts: 3,
            retry_delay: Duration::from_secs(5),
            call_deadline: Duration::from_mins(2),
            settle: Duration::from_secs(3),
            undo_attempts: 6,
            group_rows: 500,
            group_delay: Duration::from_millis(10),
            max_parallel_calls: 8,
            max_parallel_runs: 256,
            ensure_chunk: 64,
            cached_rows: 60_000,
            keep_requests: Duration::from_hours(1),
        }
    }

    /// How long after its removal something may still be made by a call that was on its way, listing lag apart: its
    /// tombstone is searched for once more after that.
    pub(crate) fn grave_time(&self) -> Duration {
        self.lease + self.call_deadline + self.settle
    }

    pub(crate) fn lease_ms(&self) -> u64 {
        u64::try_from(self.lease.as_millis()).unwrap_or(u64::MAX)
    }
}
