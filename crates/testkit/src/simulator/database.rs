//! The databases of a simulated world: rows in memory, or the real SQLite store on its own runtime, in real time, while
//! the world's clock is the test's.

use crate::memory::MemoryStore;
use async_trait::async_trait;
use im_model::{
    BlobId, Deployment, Event, InfraId, InstanceId, LogScope, Millis, Operation, OperationId, StepEvent, Wish,
};
use im_store::{
    Bounds, Claim, Committed, Fence, Grave, Graves, InfraState, KeyRing, Listed, OperationFilter, Owned, Pruned,
    Release, SqliteOptions, SqliteStore, Store, StoreError, StoreResult, Submission, Submitted, Tombstone, Wished,
    Write,
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicI64, Ordering},
    },
};
use tokio::{
    runtime::{Builder, Runtime},
    sync::RwLock,
    time::Instant,
};

/// Which database a world has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Database {
    /// Rows in memory: fast, and for any number of processes.
    #[default]
    Memory,
    /// The real store on SQLite, for one process.
    Sqlite,
}

/// A database that is there.
pub(super) enum Opened {
    Memory(Arc<MemoryStore>),
    Sqlite(Box<Files>),
}

/// A database of SQLite that processes open and leave.
pub(super) struct Files {
    keys: KeyRing,
    store: Arc<Outside>,
    began: Instant,
    folder: tempfile::TempDir,
}

impl Opened {
    pub(super) async fn sqlite() -> StoreResult<Self> {
        let failed = |e: std::io::Error| StoreError::Database(format!("a folder for the database: {e}"));
        let memory = Path::new("/dev/shm");
        let mut builder = tempfile::Builder::new();
        builder.prefix("im-sim-");
        let folder = builder
            .tempdir_in(memory)
            .or_else(|_| builder.tempdir())
            .map_err(failed)?;
        let (keys, began) = (KeyRing::random()?, Instant::now());
        let store = Outside::open(folder.path().join("im.db"), keys.clone(), began).await?;
        Ok(Self::Sqlite(Box::new(Files {
            keys,
            store,
            began,
            folder,
        })))
    }

    pub(super) fn store(&self) -> Arc<dyn Store> {
        match self {
            Self::Memory(store) => store.clone(),
            Self::Sqlite(files) => files.store.clone(),
        }
    }

    /// A new process opens it in the place of one that was killed.
    pub(super) async fn reopen(&mut self) -> StoreResult<()> {
        match self {
            Self::Memory(store) => store.reopen(),
            Self::Sqlite(files) => {
                files.store.close().await;
                let path = files.folder.path().join("im.db");
                files.store = Outside::open(path, files.keys.clone(), files.began).await?;
            }
        }
        Ok(())
    }
}

/// Where real time passes.
fn outside() -> StoreResult<&'static Runtime> {
    static OUTSIDE: OnceLock<Result<Runtime, String>> = OnceLock::new();
    let made = || {
        let mut builder = Builder::new_multi_thread();
        builder
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(|e| e.to_string())
    };
    let made = OUTSIDE.get_or_init(made).as_ref();
    made.map_err(|e| StoreError::Database(format!("no runtime for the database: {e}")))
}

/// A store on another runtime. While a call is under way the simulated clock stands still.
struct Outside {
    store: Arc<SqliteStore>,
    deployment: Arc<Deployment>,
    began: Instant,
    now: Arc<AtomicI64>,
    /// Held by calls under way, also those of processes that died meanwhile.
    busy: Arc<RwLock<()>>,
}

/// Runs something there. A blocking task keeps the paused clock from running ahead.
async fn there<T, F>(work: F) -> StoreResult<T>
where
    T: Send + 'static,
    F: Future<Output = StoreResult<T>> + Send + 'static,
{
    let runtime = outside()?;
    let answer = tokio::task::spawn_blocking(move || runtime.block_on(work)).await;
    answer.unwrap_or_else(|e| Err(StoreError::Database(e.to_string())))
}

impl Outside {
    async fn open(path: PathBuf, keys: KeyRing, began: Instant) -> StoreResult<Arc<Self>> {
        let now = Arc::new(AtomicI64::new(0));
        let clock = Arc::clone(&now);
        let options = SqliteOptions {
            durable: false,
            clock: Arc::new(move || clock.load(Ordering::SeqCst)),
            ..SqliteOptions::new(path, keys)
        };
        let store = Arc::new(there(SqliteStore::open(options)).await?);
        Ok(Arc::new(Self {
            deployment: store.deployment(),
            store,
            began,
            now,
            busy: Arc::default(),
        }))
    }

    /// Ends what is under way, then gives the files back.
    async fn close(&self) {
        let _last = self.busy.write().await;
        let store = Arc::clone(&self.store);
        let closed = there(async move {
            store.close().await;
            Ok(())
        });
        if let Err(error) = closed.await {
            tracing::warn!("{error}");
        }
    }

    async fn call<T, F, Fut>(&self, call: F) -> StoreResult<T>
    where
        T: Send + 'static,
        F: FnOnce(Arc<SqliteStore>) -> Fut,
        Fut: Future<Output = StoreResult<T>> + Send + 'static,
    {
        let busy = Arc::clone(&self.busy).read_owned().await;
        let now = Millis::try_from(self.began.elapsed().as_millis()).unwrap_or(Millis::MAX);
        self.now.store(now, Ordering::SeqCst);
        let call = call(Arc::clone(&self.store));
        there(async move {
            let answer = call.await;
            drop(busy);
            answer
        })
        .await
    }
}

#[async_trait]
impl Store for Outside {
    fn deployment(&self) -> Arc<Deployment> {
        Arc::clone(&self.deployment)
    }
    fn exclusive(&self) -> bool {
        true
    }
    async fn now(&self) -> StoreResult<Millis> {
        self.call(|s| async move { s.now().await }).await
    }
    async fn submit(&self, submission: Submission) -> StoreResult<Submitted> {
        self.call(|s| async move { s.submit(submission).await }).await
    }
    async fn claim(&self, infra: &InfraId, instance: &InstanceId, lease_ms: u64) -> StoreResult<Option<Claim>> {
        let (infra, instance) = (infra.clone(), instance.clone());
        self.call(|s| async move { s.claim(&infra, &instance, lease_ms).await })
            .await
    }
    async fn claim_due(&self, instance: &InstanceId, lease_ms: u64, limit: usize) -> StoreResult<Vec<Claim>> {
        let instance = instance.clone();
        self.call(|s| async move { s.claim_due(&instance, lease_ms, limit).await })
            .await
    }
    async fn wish(&self, id: &OperationId, wish: &Wish) -> StoreResult<Option<Wished>> {
        let (id, wish) = (id.clone(), wish.clone());
        self.call(|s| async move { s.wish(&id, &wish).await }).await
    }
    async fn renew(&self, instance: &InstanceId, lease_ms: u64) -> StoreResult<()> {
        let instance = instance.clone();
        self.call(|s| async move { s.renew(&instance, lease_ms).await }).await
    }
    async fn commit(&self, fence: &Fence, writes: Vec<Write>, release: Release) -> StoreResult<Committed> {
        let fence = fence.clone();
        self.call(|s| async move { s.commit(&fence, writes, release).await })
            .await
    }
    async fn load(&self, infra: &InfraId) -> StoreResult<Option<InfraState>> {
        let infra = infra.clone();
        self.call(|s| async move { s.load(&infra).await }).await
    }
    async fn tombstones(&self, infra: &InfraId) -> StoreResult<Vec<Tombstone>> {
        let infra = infra.clone();
        self.call(|s| async move { s.tombstones(&infra).await }).await
    }
    async fn graves(&self, which: &Graves) -> StoreResult<Vec<Grave>> {
        let which = which.clone();
        self.call(|s| async move { s.graves(&which).await }).await
    }
    async fn kept_requests(&self, infra: &InfraId) -> StoreResult<Vec<Operation>> {
        let infra = infra.clone();
        self.call(|s| async move { s.kept_requests(&infra).await }).await
    }
    async fn prune(&self, bounds: &Bounds) -> StoreResult<Pruned> {
        let bounds = *bounds;
        self.call(|s| async move { s.prune(&bounds).await }).await
    }
    async fn operations(&self, infra: &InfraId, filter: OperationFilter) -> StoreResult<Vec<Operation>> {
        let infra = infra.clone();
        self.call(|s| async move { s.operations(&infra, filter).await }).await
    }
    async fn operation(&self, id: &OperationId) -> StoreResult<Option<Operation>> {
        let id = id.clone();
        self.call(|s| async move { s.operation(&id).await }).await
    }
    async fn step_events(&self, id: &OperationId) -> StoreResult<Vec<StepEvent>> {
        let id = id.clone();
        self.call(|s| async move { s.step_events(&id).await }).await
    }
    async fn events(&self, infra: &InfraId, after: u64, limit: usize) -> StoreResult<Vec<Event>> {
        let infra = infra.clone();
        self.call(|s| async move { s.events(&infra, after, limit).await }).await
    }
    async fn log(&self, infra: &InfraId, scope: LogScope) -> StoreResult<String> {
        let infra = infra.clone();
        self.call(|s| async move { s.log(&infra, scope).await }).await
    }
    async fn logs(&self, infra: &InfraId) -> StoreResult<BTreeMap<LogScope, String>> {
        let infra = infra.clone();
        self.call(|s| async move { s.logs(&infra).await }).await
    }
    async fn blob(&self, id: &BlobId) -> StoreResult<Option<Arc<str>>> {
        let id = id.clone();
        self.call(|s| async move { s.blob(&id).await }).await
    }
    async fn list(&self, owned: &Owned) -> StoreResult<Arc<[Listed]>> {
        let owned = owned.clone();
        self.call(|s| async move { s.list(&owned).await }).await
    }
}
