//! A process that can be killed: its database and its clouds stop answering it, in the middle of whatever it does.

use crate::safeguard::Safeguard;
use async_trait::async_trait;
use im_model::{
    BlobId, Deployment, Event, InfraId, InstanceId, LogScope, Millis, Operation, OperationId, ResourceState, StepEvent,
    StepEventKind, Wish,
};
use im_store::{
    Bounds, Claim, Committed, Fence, Grave, Graves, InfraState, Listed, OperationFilter, Owned, Pruned, Release, Store,
    StoreError, StoreResult, Submission, Submitted, Tombstone, Wished, Write,
};
use std::{
    collections::BTreeMap,
    future::pending,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// When the process dies, or what its database does to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// It dies just before its `n`th transaction.
    DieBefore(u64),
    /// It dies just after its `n`th transaction, before it hears of it.
    DieAfter(u64),
    /// The answer of the `n`th transaction gets lost: committed, but the process is not told.
    Unsure(u64),
    /// The process is told that nobody knows whether the `n`th transaction was committed: it was not.
    UnsureNot(u64),
    /// The `n`th transaction fails once; nothing is written.
    Fail(u64),
    /// From the `n`th transaction on the process cannot reach the database for so long; then what it had sent arrives.
    Stall(u64, Duration),
    /// Before the `n`th transaction the whole process stands still for so long, and then goes on as if nothing had
    /// happened.
    Freeze(u64, Duration),
    /// Before the `n`th transaction the process stands still for so long that another takes its place; then what it was
    /// about to write arrives.
    Replaced(u64, Duration),
}

impl Mishap {
    /// Before or after which transaction it happens.
    fn number(&mut self) -> &mut u64 {
        match self {
            Self::DieBefore(n)
            | Self::DieAfter(n)
            | Self::Unsure(n)
            | Self::UnsureNot(n)
            | Self::Fail(n)
            | Self::Stall(n, _)
            | Self::Freeze(n, _)
            | Self::Replaced(n, _) => n,
        }
    }
    /// The same, so many transactions later.
    #[must_use]
    pub fn later(mut self, by: u64) -> Self {
        *self.number() += by;
        self
    }
}

/// The life of one process.
#[derive(Clone, Debug, Default)]
pub struct Life(CancellationToken, Arc<Pauses>);

/// Until when a process cannot reach something.
#[derive(Debug, Default)]
struct Pauses {
    database: Mutex<Option<Instant>>,
    all: Mutex<Option<Instant>>,
}

fn until(pause: &Mutex<Option<Instant>>) -> Option<Instant> {
    let until = *pause.lock().unwrap_or_else(PoisonError::into_inner);
    until.filter(|until| *until > Instant::now())
}

fn prolong(pause: &Mutex<Option<Instant>>, by: Duration) {
    let mut until = pause.lock().unwrap_or_else(PoisonError::into_inner);
    *until = (*until).max(Some(Instant::now() + by));
}

/// What is still to befall processes, whichever they are.
pub type Mishaps = Arc<Mutex<Vec<Mishap>>>;

impl Life {
    /// It dies now.
    pub fn end(&self) {
        self.0.cancel();
    }
    /// Whether it is dead.
    pub fn is_over(&self) -> bool {
        self.0.is_cancelled()
    }
    /// Resolves when it dies.
    pub async fn over(&self) {
        self.0.cancelled().await;
    }
    /// It cannot reach the database for so long.
    pub fn cut_off(&self, pause: Duration) {
        prolong(&self.1.database, pause);
    }
    /// It stands still for so long: neither database nor clouds hear of it.
    pub fn freeze(&self, pause: Duration) {
        prolong(&self.1.all, pause);
    }
    /// Waits until it does not stand still; answers whether it did.
    pub async fn thawed(&self) -> bool {
        let mut waited = false;
        while let Some(until) = until(&self.1.all) {
            waited = true;
            tokio::time::sleep_until(until).await;
        }
        waited
    }
    /// Waits until the database can be reached, for ever if it is dead; answers whether there was something to wait
    /// for.
    async fn reach(&self) -> bool {
        let mut waited = false;
        while let Some(until) = until(&self.1.all).max(until(&self.1.database)) {
            waited = true;
            tokio::time::sleep_until(until).await;
        }
        self.check().await;
        waited
    }
    fn is_cut_off(&self) -> bool {
        until(&self.1.all).or_else(|| until(&self.1.database)).is_some()
    }
    /// What a dead process does: nothing, ever.
    pub async fn check(&self) {
        if self.is_over() {
            pending::<()>().await;
        }
    }
}

/// The database as one process sees it.
pub struct CrashStore {
    inner: Arc<dyn Store>,
    life: Life,
    transactions: Arc<AtomicU64>,
    mishaps: Mishaps,
    without: Option<Safeguard>,
}

impl CrashStore {
    /// A process's view of a database. Transactions are counted in `transactions`, which outlives it.
    pub fn new(
        inner: Arc<dyn Store>,
        life: Life,
        transactions: Arc<AtomicU64>,
        mishaps: Mishaps,
        without: Option<Safeguard>,
    ) -> Arc<Self> {
        Arc::new(Self {
            inner,
            life,
            transactions,
            mishaps,
            without,
        })
    }

    /// What is due at this transaction.
    fn next_mishap(&self) -> Option<Mishap> {
        let number = self.transactions.fetch_add(1, Ordering::SeqCst);
        let mut mishaps = self.mishaps.lock().unwrap_or_else(PoisonError::into_inner);
        let due = mishaps.iter_mut().position(|m| *m.number() <= number)?;
        Some(mishaps.remove(due))
    }

    /// Writes; what a process that cannot reach the database has sent arrives in the end, whatever it has come to
    /// think of it.
    async fn transaction<T: Send + 'static>(
        &self,
        write: impl Future<Output = StoreResult<T>> + Send + 'static,
    ) -> StoreResult<T> {
        self.life.check().await;
        if self.life.is_cut_off() {
            return self.in_the_end(write).await;
        }
        match self.next_mishap() {
            None => write.await,
            Some(Mishap::DieBefore(_)) => {
                self.life.end();
                pending().await
            }
            Some(Mishap::DieAfter(_)) => {
                let _ = write.await;
                self.life.end();
                pending().await
            }
            Some(Mishap::Unsure(_)) => {
                let _ = write.await;
                Err(StoreError::Uncertain("the connection broke".to_owned()))
            }
            Some(Mishap::UnsureNot(_)) => Err(StoreError::Uncertain("the connection broke".to_owned())),
            Some(Mishap::Fail(_)) => Err(StoreError::Database("disk full".to_owned())),
            Some(Mishap::Stall(_, pause)) => {
                self.life.cut_off(pause);
                self.in_the_end(write).await
            }
            Some(Mishap::Replaced(_, pause)) => {
                self.life.end();
                tokio::spawn(async move {
                    tokio::time::sleep(pause).await;
                    let _ = write.await;
                });
                pending().await
            }
            Some(Mishap::Freeze(_, pause)) => {
                self.life.freeze(pause);
                self.in_the_end(write).await
            }
        }
    }

    async fn in_the_end<T: Send + 'static>(
        &self,
        write: impl Future<Output = StoreResult<T>> + Send + 'static,
    ) -> StoreResult<T> {
        let life = self.life.clone();
        let sent = tokio::spawn(async move {
            life.reach().await;
            write.await
        });
        let answer = sent.await;
        self.life.check().await;
        answer.unwrap_or_else(|e| Err(StoreError::Database(e.to_string())))
    }

    /// What is written where a safeguard is missing.
    fn without(&self, mut writes: Vec<Write>) -> Vec<Write> {
        if self.without == Some(Safeguard::Intent) {
            let intent = |write: &Write| match write {
                Write::Resource(row) if row.state == ResourceState::Intended => Some((row.operation.clone(), row.step)),
                _ => None,
            };
            let intents: Vec<_> = writes.iter().filter_map(intent).collect();
            writes.retain(|write| match write {
                Write::Step(event) => {
                    let started = matches!(event.kind, StepEventKind::Started { .. });
                    !(started && intents.contains(&(event.operation.clone(), event.step)))
                }
                write => intent(write).is_none(),
            });
        }
        writes
    }

    async fn read<T>(&self, read: impl Future<Output = StoreResult<T>>) -> StoreResult<T> {
        self.life.reach().await;
        read.await
    }
}

#[async_trait]
impl Store for CrashStore {
    fn deployment(&self) -> Arc<Deployment> {
        self.inner.deployment()
    }
    fn exclusive(&self) -> bool {
        self.inner.exclusive()
    }
    async fn now(&self) -> StoreResult<Millis> {
        self.read(self.inner.now()).await
    }
    async fn submit(&self, submission: Submission) -> StoreResult<Submitted> {
        let inner = Arc::clone(&self.inner);
        self.transaction(async move { inner.submit(submission).await }).await
    }
    async fn claim(&self, infra: &InfraId, instance: &InstanceId, lease_ms: u64) -> StoreResult<Option<Claim>> {
        let (inner, infra, instance) = (Arc::clone(&self.inner), infra.clone(), instance.clone());
        self.transaction(async move { inner.claim(&infra, &instance, lease_ms).await })
            .await
    }
    async fn claim_due(&self, instance: &InstanceId, lease_ms: u64, limit: usize) -> StoreResult<Vec<Claim>> {
        self.read(self.inner.claim_due(instance, lease_ms, limit)).await
    }
    async fn wish(&self, id: &OperationId, wish: &Wish) -> StoreResult<Option<Wished>> {
        let (inner, id, wish) = (Arc::clone(&self.inner), id.clone(), wish.clone());
        self.transaction(async move { inner.wish(&id, &wish).await }).await
    }
    async fn renew(&self, instance: &InstanceId, lease_ms: u64) -> StoreResult<()> {
        self.read(self.inner.renew(instance, lease_ms)).await
    }
    async fn commit(&self, fence: &Fence, writes: Vec<Write>, release: Release) -> StoreResult<Committed> {
        let (inner, fence, writes) = (Arc::clone(&self.inner), fence.clone(), self.without(writes));
        self.transaction(async move { inner.commit(&fence, writes, release).await })
            .await
    }
    async fn load(&self, infra: &InfraId) -> StoreResult<Option<InfraState>> {
        self.read(self.inner.load(infra)).await
    }
    async fn tombstones(&self, infra: &InfraId) -> StoreResult<Vec<Tombstone>> {
        if self.without == Some(Safeguard::Tombstone) {
            return Ok(Vec::new());
        }
        self.read(self.inner.tombstones(infra)).await
    }
    async fn graves(&self, which: &Graves) -> StoreResult<Vec<Grave>> {
        if self.without == Some(Safeguard::Tombstone) {
            return Ok(Vec::new());
        }
        self.read(self.inner.graves(which)).await
    }
    async fn kept_requests(&self, infra: &InfraId) -> StoreResult<Vec<Operation>> {
        self.read(self.inner.kept_requests(infra)).await
    }
    async fn prune(&self, bounds: &Bounds) -> StoreResult<Pruned> {
        self.read(self.inner.prune(bounds)).await
    }
    async fn operations(&self, infra: &InfraId, filter: OperationFilter) -> StoreResult<Vec<Operation>> {
        self.read(self.inner.operations(infra, filter)).await
    }
    async fn operation(&self, id: &OperationId) -> StoreResult<Option<Operation>> {
        self.read(self.inner.operation(id)).await
    }
    async fn step_events(&self, id: &OperationId) -> StoreResult<Vec<StepEvent>> {
        self.read(self.inner.step_events(id)).await
    }
    async fn events(&self, infra: &InfraId, after: u64, limit: usize) -> StoreResult<Vec<Event>> {
        self.read(self.inner.events(infra, after, limit)).await
    }
    async fn log(&self, infra: &InfraId, scope: LogScope) -> StoreResult<String> {
        self.read(self.inner.log(infra, scope)).await
    }
    async fn logs(&self, infra: &InfraId) -> StoreResult<BTreeMap<LogScope, String>> {
        self.read(self.inner.logs(infra)).await
    }
    async fn blob(&self, id: &BlobId) -> StoreResult<Option<Arc<str>>> {
        self.read(self.inner.blob(id)).await
    }
    async fn list(&self, owned: &Owned) -> StoreResult<Arc<[Listed]>> {
        self.read(self.inner.list(owned)).await
    }
}
