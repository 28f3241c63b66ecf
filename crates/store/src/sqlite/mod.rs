//! The store on SQLite: one process, one writer, readers beside it.
//!
//! Writes go through one task ([`writer`]) that batches what waits; reads use a few read-only connections, each list
//! or load in one transaction, so that it sees one moment. A lock on a file beside the database, held for life, keeps a
//! second process out, and proves at the next start that every former owner is dead: its leases are broken at once.

mod apply;
mod files;
mod graves;
mod lists;
mod prepare;
mod read;
mod rows_sql;
mod schema;
mod sealed;
mod wishes;
mod writer;

pub use files::parse_data_db;
pub use sealed::{KeyUse, Resealed, SealedRows};

use crate::{
    Bounds, Claim, Committed, Fence, Grave, Graves, InfraState, KeyRing, Listed, OperationFilter, Owned, Pruned,
    Release, Store, StoreError, StoreResult, Submission, Submitted, Tombstone, Wished, Write,
};
use apply::PreparedSubmission;
use async_trait::async_trait;
use files::{Files, TemporaryFolder};
use im_model::{
    BlobId, Deployment, Event, InfraId, InstanceId, LogScope, Millis, Operation, OperationId, StepEvent, Wish,
};
use lists::Lists;
use prepare::Prepared;
use read::Reader;
use sqlx::{
    ConnectOptions, Connection, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::sync::{mpsc, oneshot};
use writer::{Answer, Job, Writer};

/// Connections for reading. A read takes well under a millisecond; more would only cost memory.
const READERS: u32 = 3;
/// Calls that wait for the writer before callers are held back.
const QUEUE: usize = 1024;

/// Tells the time. SQLite's clock is that of the machine; tests bring their own.
pub type Clock = Arc<dyn Fn() -> Millis + Send + Sync>;

/// How to open a database.
#[derive(Clone)]
pub struct SqliteOptions {
    /// The file; see [`parse_data_db`].
    pub path: PathBuf,
    /// The keys; see [`SqliteStore::keys_for`].
    pub keys: KeyRing,
    /// Flush to disk before a commit returns. Only tests may do without.
    pub durable: bool,
    /// The clock that leases are judged on.
    pub clock: Clock,
    /// How long to wait for the process that has the database (one that is just ending, say).
    pub lock_wait: Duration,
}

impl SqliteOptions {
    /// Durable, with the machine's clock, without waiting for the lock.
    pub fn new(path: impl Into<PathBuf>, keys: KeyRing) -> Self {
        Self {
            path: path.into(),
            keys,
            durable: true,
            clock: Arc::new(machine_clock),
            lock_wait: Duration::ZERO,
        }
    }
}

impl fmt::Debug for SqliteOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteOptions")
            .field("path", &self.path)
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}

fn machine_clock() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX)
}

/// A database of SQLite.
pub struct SqliteStore {
    deployment: Arc<Deployment>,
    keys: KeyRing,
    clock: Clock,
    jobs: mpsc::Sender<Job>,
    reader: Reader,
    stamp: Arc<AtomicU64>,
    lists: Lists,
    path: PathBuf,
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl SqliteStore {
    /// Opens a database, making it where absent, and breaks the leases of the process that had it before.
    pub async fn open(options: SqliteOptions) -> StoreResult<Self> {
        Self::open_in(options, None).await
    }

    /// A database in a folder of its own, removed with the store; nothing is flushed. For tests.
    pub async fn temporary() -> StoreResult<Self> {
        Self::temporary_with(Arc::new(machine_clock)).await
    }

    /// The same, with a clock of the test's.
    pub async fn temporary_with(clock: Clock) -> StoreResult<Self> {
        let folder = TemporaryFolder::new()?;
        let options = SqliteOptions {
            durable: false,
            clock,
            ..SqliteOptions::new(folder.path().join("im.db"), KeyRing::random()?)
        };
        Self::open_in(options, Some(folder)).await
    }

    /// The keys of a database. Makes the key file only for a database that has nothing of ours yet: a new key would
    /// not open what is there.
    pub async fn keys_for(key_file: &Path, database: &Path) -> StoreResult<KeyRing> {
        if key_file.exists() || !has_tables(database).await? {
            return KeyRing::load_or_create(key_file);
        }
        Err(StoreError::WrongKey(format!(
            "the key file {} of the database {} is missing: put it back, or move the database away to begin with an \
             empty one (KEY_FILE and IM_KEYS say where keys are)",
            key_file.display(),
            database.display()
        )))
    }

    async fn open_in(options: SqliteOptions, folder: Option<TemporaryFolder>) -> StoreResult<Self> {
        let SqliteOptions {
            path,
            keys,
            durable,
            clock,
            lock_wait,
        } = options;
        let files = {
            let path = path.clone();
            tokio::task::spawn_blocking(move || Files::prepare(&path, lock_wait, folder))
                .await
                .map_err(|e| StoreError::Database(e.to_string()))??
        };
        let connect = connect_options(&path, durable);
        let mut conn = connect.connect().await.map_err(db)?;
        let (deployment, keys) = first_transaction(&mut conn, &keys, &path).await?;
        let deployment = Arc::new(deployment);
        let saved = sqlx::query_scalar("SELECT coalesce(max(saved_n), 0) FROM im_infrastructure")
            .fetch_one(&mut conn)
            .await
            .map_err(db)?;
        let pool = SqlitePoolOptions::new()
            .max_connections(READERS)
            .min_connections(0)
            .idle_timeout(Some(Duration::from_mins(1)))
            .test_before_acquire(false)
            .connect_lazy_with(connect.read_only(true));
        let stamp = Arc::new(AtomicU64::new(1));
        let (jobs, queue) = mpsc::channel(QUEUE);
        let writer = Writer {
            conn,
            recorded: keys.writing(),
            keys: keys.clone(),
            clock: Arc::clone(&clock),
            saved,
            texts: rows_sql::Texts::default(),
            stamp: Arc::clone(&stamp),
            files,
        };
        tokio::spawn(writer.run(queue));
        Ok(Self {
            deployment,
            reader: Reader::new(pool, keys.clone()),
            keys,
            clock,
            jobs,
            stamp,
            lists: Lists::default(),
            path,
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Ends what was begun, closes the files and gives the lock back. Calls made after it fail.
    pub async fn close(&self) {
        self.reader.close().await;
        let (done, closed) = oneshot::channel();
        if self.jobs.send(Job::Close(done)).await.is_ok() {
            drop(closed.await);
        }
    }

    /// Takes every infrastructure from its owner, as opening the database does. For tests that let an instance "die"
    /// and keep the store.
    pub async fn break_leases(&self) -> StoreResult<()> {
        self.call(Job::BreakLeases).await
    }

    async fn call<T>(&self, job: impl FnOnce(Answer<T>) -> Job) -> StoreResult<T> {
        let (to, answer) = oneshot::channel();
        let closed = || StoreError::Database("the database is closed".to_owned());
        self.jobs.send(job(to)).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }
}

fn connect_options(path: &Path, durable: bool) -> SqliteConnectOptions {
    let synchronous = if durable {
        SqliteSynchronous::Full
    } else {
        SqliteSynchronous::Off
    };
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(synchronous)
        .foreign_keys(false)
        .busy_timeout(Duration::from_secs(10))
        .pragma("journal_size_limit", "67108864")
        // Pages changed by one transaction should fit, or they are written twice.
        .pragma("cache_size", "-8000")
        .statement_cache_capacity(128)
        .row_buffer_size(1024)
        .disable_statement_logging()
}

/// Tables, key check and leases, all or nothing.
async fn first_transaction(
    conn: &mut SqliteConnection,
    keys: &KeyRing,
    path: &Path,
) -> StoreResult<(Deployment, KeyRing)> {
    let mut tx = conn.begin_with("BEGIN IMMEDIATE").await.map_err(db)?;
    let (deployment, keys) = schema::prepare(&mut tx, keys, &path.display().to_string()).await?;
    sqlx::query(apply::BREAK_LEASES).execute(&mut *tx).await.map_err(db)?;
    tx.commit().await.map_err(db)?;
    Ok((deployment, keys))
}

async fn has_tables(path: &Path) -> StoreResult<bool> {
    if !std::fs::metadata(path).is_ok_and(|m| m.len() > 0) {
        return Ok(false);
    }
    let mut conn = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .disable_statement_logging()
        .connect()
        .await
        .map_err(db)?;
    let present = schema::present(&mut conn).await;
    conn.close().await.map_err(db)?;
    present
}

/// What the driver says, as ours.
fn db(error: sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::Database(e) => StoreError::Database(e.message().to_owned()),
        sqlx::Error::ColumnDecode { index, source } => StoreError::Unreadable {
            what: format!("column {index}"),
            why: source.to_string(),
        },
        other => StoreError::Database(other.to_string()),
    }
}

#[async_trait]
impl Store for SqliteStore {
    fn deployment(&self) -> Arc<Deployment> {
        Arc::clone(&self.deployment)
    }

    /// The lock on the file is held for life.
    fn exclusive(&self) -> bool {
        true
    }

    async fn now(&self) -> StoreResult<Millis> {
        Ok((self.clock)())
    }

    async fn submit(&self, submission: Submission) -> StoreResult<Submitted> {
        let Submission {
            operation,
            infrastructure,
            mut writes,
            supersede_all,
            instance,
            lease_ms,
        } = submission;
        let create = infrastructure.is_some();
        if let Some(row) = infrastructure {
            writes.insert(0, Write::Infrastructure(row));
        }
        let infra = operation.infra.clone();
        let submission = PreparedSubmission {
            operation: prepare::operation(&self.keys, &operation)?,
            prepared: Prepared::new(&self.keys, &infra, writes)?,
            infra,
            create,
            supersede_all,
            instance,
            lease_ms,
        };
        self.call(|to| Job::Submit(Box::new(submission), to)).await
    }

    async fn claim(&self, infra: &InfraId, instance: &InstanceId, lease_ms: u64) -> StoreResult<Option<Claim>> {
        self.call(|to| Job::Claim(infra.clone(), instance.clone(), lease_ms, to))
            .await
    }

    async fn claim_due(&self, instance: &InstanceId, lease_ms: u64, limit: usize) -> StoreResult<Vec<Claim>> {
        self.call(|to| Job::ClaimDue(instance.clone(), lease_ms, limit, to))
            .await
    }

    async fn wish(&self, id: &OperationId, wish: &Wish) -> StoreResult<Option<Wished>> {
        let request = wish
            .request()
            .map(|request| prepare::request(&self.keys, id, request))
            .transpose()?;
        let heeded = self.call(|to| Job::Wish(id.clone(), wish.clone(), request, to)).await?;
        let Some(heeded) = heeded else { return Ok(None) };
        let operation = self.reader.operation(id).await?;
        Ok(operation.map(|operation| Wished { heeded, operation }))
    }

    async fn renew(&self, instance: &InstanceId, lease_ms: u64) -> StoreResult<()> {
        self.call(|to| Job::Renew(instance.clone(), lease_ms, to)).await
    }

    async fn commit(&self, fence: &Fence, writes: Vec<Write>, release: Release) -> StoreResult<Committed> {
        let prepared = Box::new(Prepared::new(&self.keys, &fence.infra, writes)?);
        self.call(|to| Job::Commit(fence.clone(), prepared, release, to)).await
    }

    async fn load(&self, infra: &InfraId) -> StoreResult<Option<InfraState>> {
        self.reader.load(infra).await
    }

    async fn tombstones(&self, infra: &InfraId) -> StoreResult<Vec<Tombstone>> {
        self.reader.tombstones(infra).await
    }

    async fn graves(&self, which: &Graves) -> StoreResult<Vec<Grave>> {
        self.reader.graves(which).await
    }

    async fn kept_requests(&self, infra: &InfraId) -> StoreResult<Vec<Operation>> {
        self.reader.kept_requests(infra).await
    }

    async fn prune(&self, bounds: &Bounds) -> StoreResult<Pruned> {
        self.call(|to| Job::Prune(*bounds, to)).await
    }

    async fn operations(&self, infra: &InfraId, filter: OperationFilter) -> StoreResult<Vec<Operation>> {
        self.reader.operations(infra, filter).await
    }

    async fn operation(&self, id: &OperationId) -> StoreResult<Option<Operation>> {
        self.reader.operation(id).await
    }

    async fn step_events(&self, id: &OperationId) -> StoreResult<Vec<StepEvent>> {
        self.reader.step_events(id).await
    }

    async fn step_counts(&self, id: &OperationId) -> StoreResult<(usize, usize)> {
        self.reader.step_counts(id).await
    }

    async fn events(&self, infra: &InfraId, after: u64, limit: usize) -> StoreResult<Vec<Event>> {
        self.reader.events(infra, after, limit).await
    }

    async fn log(&self, infra: &InfraId, scope: LogScope) -> StoreResult<String> {
        self.reader.log(infra, scope).await
    }

    async fn logs(&self, infra: &InfraId) -> StoreResult<BTreeMap<LogScope, String>> {
        self.reader.logs(infra).await
    }

    async fn blob(&self, id: &BlobId) -> StoreResult<Option<Arc<str>>> {
        self.reader.blob(id).await
    }

    async fn list(&self, owned: &Owned) -> StoreResult<Arc<[Listed]>> {
        // Read before the rows: what is written meanwhile makes the copy old, never the other way round.
        let stamp = self.stamp.load(Ordering::Acquire);
        if let Some(rows) = self.lists.get(owned, stamp) {
            return Ok(rows);
        }
        let rows: Arc<[Listed]> = self.reader.list(owned).await?.into();
        self.lists.put(owned, stamp, &rows);
        Ok(rows)
    }

    fn list_stamp(&self) -> Option<u64> {
        Some(self.stamp.load(Ordering::Acquire))
    }
}
