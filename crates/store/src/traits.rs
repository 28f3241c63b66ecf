//! The trait that every database implements.

use crate::{
    Bounds, Claim, Committed, Fence, Grave, Graves, InfraState, Listed, Owned, Pruned, Release, StoreResult,
    Submission, Submitted, Tombstone, Wished, Write,
};
use async_trait::async_trait;
use im_model::{
    BlobId, Deployment, Event, InfraId, InstanceId, LogScope, Millis, Operation, OperationId, StepEvent, StepEventKind,
    Wish,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Which operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationFilter {
    /// Those that are not final.
    Unfinished,
    /// All, oldest first.
    All,
}

/// A database.
///
/// # Promises
///
/// 1. A commit is atomic and durable when it returns `Ok`; an error other than [`crate::StoreError::Uncertain`] means
///    that nothing of it was written.
/// 2. A commit under an epoch that is not the row's fails with [`crate::StoreError::Fenced`] and writes nothing.
/// 3. `seq` grows with every change of an infrastructure; feed numbers of events have no gap and follow the order of
///    commits.
/// 4. Leases are judged on the database's clock.
/// 5. Whatever holds a secret is sealed at rest with its place as associated data.
/// 6. Commits of many infrastructures made at the same time share a flush to disk.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Name and mark key of this deployment.
    fn deployment(&self) -> Arc<Deployment>;
    /// No other process can write while this one has the database open (SQLite under its lock): what is in memory
    /// stays true, and readers need not ask again.
    fn exclusive(&self) -> bool {
        false
    }
    /// The database's clock.
    async fn now(&self) -> StoreResult<Millis>;

    /// Stores a request: infrastructure (for a create), operation, writes, claim, in one transaction.
    async fn submit(&self, submission: Submission) -> StoreResult<Submitted>;
    /// Claims one infrastructure where it is unowned, expired or already this instance's (epoch + 1).
    async fn claim(&self, infra: &InfraId, instance: &InstanceId, lease_ms: u64) -> StoreResult<Option<Claim>>;
    /// Claims up to `limit` infrastructures that have unfinished operations (of plan formats up to
    /// [`im_model::PLAN_FORMAT`]) and no live owner. One that also has an unfinished operation of a newer format is
    /// left to newer instances, unless a destroy waits there.
    async fn claim_due(&self, instance: &InstanceId, lease_ms: u64, limit: usize) -> StoreResult<Vec<Claim>>;
    /// Marks an operation as [`Wish::heeded`] says, whoever owns the infrastructure, with the new request where the
    /// operation was paused. Like a submission it needs no permission; the owner finds it in the row. Neither `seq` nor
    /// the feed change: the owner tells when it goes on. Repeating it is safe. `None`: no such operation.
    async fn wish(&self, id: &OperationId, wish: &Wish) -> StoreResult<Option<Wished>>;
    /// Renews the lease of everything this instance owns.
    async fn renew(&self, instance: &InstanceId, lease_ms: u64) -> StoreResult<()>;
    /// Writes, if the epoch still holds.
    async fn commit(&self, fence: &Fence, writes: Vec<Write>, release: Release) -> StoreResult<Committed>;

    /// An infrastructure with its VMs and living resources; deleted ones too.
    async fn load(&self, infra: &InfraId) -> StoreResult<Option<InfraState>>;
    /// Its tombstones.
    async fn tombstones(&self, infra: &InfraId) -> StoreResult<Vec<Tombstone>>;
    /// Infrastructures with tombstones that were not searched for again, the oldest first.
    async fn graves(&self, which: &Graves) -> StoreResult<Vec<Grave>>;
    /// Final operations of an infrastructure that have kept their request for such a search, with it, newest first.
    async fn kept_requests(&self, infra: &InfraId) -> StoreResult<Vec<Operation>>;
    /// Removes rows beyond these bounds, some at a time. Never what is unfinished, living, given away or still to be
    /// searched for.
    async fn prune(&self, bounds: &Bounds) -> StoreResult<Pruned>;
    /// Operations of an infrastructure, oldest first. Final ones come without request, resolved data and plan.
    async fn operations(&self, infra: &InfraId, filter: OperationFilter) -> StoreResult<Vec<Operation>>;
    /// One operation.
    async fn operation(&self, id: &OperationId) -> StoreResult<Option<Operation>>;
    /// The log of an operation, in the order written.
    async fn step_events(&self, id: &OperationId) -> StoreResult<Vec<StepEvent>>;
    /// Number of steps in an operation's plan, and how many of them have ended; kept when the plan is dropped. Zeros
    /// for an operation that is not stored.
    async fn step_counts(&self, id: &OperationId) -> StoreResult<(usize, usize)> {
        let plan = self.operation(id).await?.and_then(|operation| operation.plan);
        let ended: BTreeSet<_> = self
            .step_events(id)
            .await?
            .iter()
            .filter(|e| ends(&e.kind))
            .map(|e| e.step)
            .collect();
        Ok((plan.map_or(ended.len(), |plan| plan.steps.len()), ended.len()))
    }
    /// The feed after a number, oldest first, at most `limit`.
    async fn events(&self, infra: &InfraId, after: u64, limit: usize) -> StoreResult<Vec<Event>>;
    /// One log, whole.
    async fn log(&self, infra: &InfraId, scope: LogScope) -> StoreResult<String>;
    /// All logs of an infrastructure.
    async fn logs(&self, infra: &InfraId) -> StoreResult<BTreeMap<LogScope, String>>;
    /// A shared text.
    async fn blob(&self, id: &BlobId) -> StoreResult<Option<Arc<str>>>;
    /// Infrastructures that are not deleted, newest saved first. Shared: clients ask for lists all the time.
    async fn list(&self, owned: &Owned) -> StoreResult<Arc<[Listed]>>;
    /// A number that changes whenever the answer of [`Store::list`] may have: a list made after reading it is as good
    /// as a new one while it stays the same. `None`: cannot be told without asking.
    fn list_stamp(&self) -> Option<u64> {
        None
    }
}

/// Nothing more happens to the step, but for its undoing.
fn ends(kind: &StepEventKind) -> bool {
    !matches!(
        kind,
        StepEventKind::Started { .. } | StepEventKind::Failed { last: false, .. }
    )
}
