//! A process that can be killed: its database and its clouds stop answering it, in the middle of whatever it does.

use async_trait::async_trait;
use im_model::{
    BlobId, Deployment, Event, InfraId, InstanceId, LogScope, Millis, Operation, OperationId, Resource, StepEvent, Wish,
};
use im_store::{
    Claim, Committed, Fence, InfraState, Listed, OperationFilter, Owned, Release, Store, StoreError, StoreResult,
    Submission, Submitted, Wished, Write,
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
    /// The `n`th transaction fails once; nothing is written.
    Fail(u64),
    /// From the `n`th transaction on the process cannot reach the database for so long; then what it had sent arrives.
    Stall(u64, Duration),
}

/// The life of one process.
#[derive(Clone, Debug, Default)]
pub struct Life(CancellationToken, Arc<Mutex<Option<Instant>>>);

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
        *self.1.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + pause);
    }
    async fn reach(&self) {
        let until = *self.1.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(until) = until {
            tokio::time::sleep_until(until).await;
        }
        self.check().await;
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
}

impl CrashStore {
    /// A process's view of a database. Transactions are counted in `transactions`, which outlives it.
    pub fn new(inner: Arc<dyn Store>, life: Life, transactions: Arc<AtomicU64>, mishaps: Mishaps) -> Arc<Self> {
        Arc::new(Self {
            inner,
            life,
            transactions,
            mishaps,
        })
    }

    async fn transaction<T>(&self, write: impl Future<Output = StoreResult<T>>) -> StoreResult<T> {
        self.life.reach().await;
        let number = self.transactions.fetch_add(1, Ordering::SeqCst);
        let mishap = {
            let mut mishaps = self.mishaps.lock().unwrap_or_else(PoisonError::into_inner);
            let due = mishaps.iter().position(|m| {
                let (Mishap::DieBefore(n)
                | Mishap::DieAfter(n)
                | Mishap::Unsure(n)
                | Mishap::Fail(n)
                | Mishap::Stall(n, _)) = m;
                *n <= number
            });
            due.map(|position| mishaps.remove(position))
        };
        match mishap {
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
            Some(Mishap::Fail(_)) => Err(StoreError::Database("disk full".to_owned())),
            Some(Mishap::Stall(_, pause)) => {
                self.life.cut_off(pause);
                self.life.reach().await;
                write.await
            }
        }
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
        self.transaction(self.inner.submit(submission)).await
    }
    async fn claim(&self, infra: &InfraId, instance: &InstanceId, lease_ms: u64) -> StoreResult<Option<Claim>> {
        self.transaction(self.inner.claim(infra, instance, lease_ms)).await
    }
    async fn claim_due(&self, instance: &InstanceId, lease_ms: u64, limit: usize) -> StoreResult<Vec<Claim>> {
        self.read(self.inner.claim_due(instance, lease_ms, limit)).await
    }
    async fn wish(&self, id: &OperationId, wish: &Wish) -> StoreResult<Option<Wished>> {
        self.transaction(self.inner.wish(id, wish)).await
    }
    async fn renew(&self, instance: &InstanceId, lease_ms: u64) -> StoreResult<()> {
        self.read(self.inner.renew(instance, lease_ms)).await
    }
    async fn commit(&self, fence: &Fence, writes: Vec<Write>, release: Release) -> StoreResult<Committed> {
        self.transaction(self.inner.commit(fence, writes, release)).await
    }
    async fn load(&self, infra: &InfraId) -> StoreResult<Option<InfraState>> {
        self.read(self.inner.load(infra)).await
    }
    async fn tombstones(&self, infra: &InfraId) -> StoreResult<Vec<Resource>> {
        self.read(self.inner.tombstones(infra)).await
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
