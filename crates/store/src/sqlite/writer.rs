//! The one writer: a task that puts whatever waits into one transaction, so that all of it shares a flush to disk.
//!
//! Each call has a savepoint of its own: one that is refused fails alone. Nobody waits for company: a batch is what
//! arrived while the one before was being written. Answers are sent when the transaction is on the disk.

use super::{
    Clock,
    apply::{PreparedSubmission, Tx},
    db,
    files::Files,
    prepare::Prepared,
    rows_sql::Texts,
    schema,
};
use crate::{
    Bounds, Claim, Committed, Fence, Heeded, KeyId, KeyRing, Pruned, Release, StoreError, StoreResult, Submitted,
};
use im_model::{InfraId, InstanceId, OperationId, Wish};
use sqlx::{Connection, SqliteConnection};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use tokio::sync::{mpsc, oneshot};

/// At most this many calls share a transaction, so that the first does not wait long for the last.
const BATCH: usize = 128;

/// Where the answer of a call goes.
pub(super) type Answer<T> = oneshot::Sender<StoreResult<T>>;

/// A call.
pub(super) enum Job {
    Submit(Box<PreparedSubmission>, Answer<Submitted>),
    Commit(Fence, Box<Prepared>, Release, Answer<Committed>),
    Claim(InfraId, InstanceId, u64, Answer<Option<Claim>>),
    ClaimDue(InstanceId, u64, usize, Answer<Vec<Claim>>),
    /// With the request that comes with it, sealed.
    Wish(OperationId, Wish, Option<Vec<u8>>, Answer<Option<Heeded>>),
    Renew(InstanceId, u64, Answer<()>),
    BreakLeases(Answer<()>),
    Prune(Bounds, Answer<Pruned>),
    Close(oneshot::Sender<()>),
}

/// A call that was made, with its answer still in hand.
enum Done {
    Submit(StoreResult<Submitted>, Answer<Submitted>),
    Commit(StoreResult<Committed>, Answer<Committed>),
    Claim(StoreResult<Option<Claim>>, Answer<Option<Claim>>),
    ClaimDue(StoreResult<Vec<Claim>>, Answer<Vec<Claim>>),
    Wish(StoreResult<Option<Heeded>>, Answer<Option<Heeded>>),
    Nothing(StoreResult<()>, Answer<()>),
    Prune(StoreResult<Pruned>, Answer<Pruned>),
}

impl Done {
    fn failed(&self) -> bool {
        match self {
            Self::Submit(r, _) => r.is_err(),
            Self::Commit(r, _) => r.is_err(),
            Self::Claim(r, _) => r.is_err(),
            Self::ClaimDue(r, _) => r.is_err(),
            Self::Wish(r, _) => r.is_err(),
            Self::Nothing(r, _) => r.is_err(),
            Self::Prune(r, _) => r.is_err(),
        }
    }
    /// Answers; `verdict` replaces what would have been success.
    fn send(self, verdict: Option<&dyn Fn() -> StoreError>) {
        fn answer<T>(result: StoreResult<T>, to: Answer<T>, verdict: Option<&dyn Fn() -> StoreError>) {
            let result = match verdict {
                Some(error) if result.is_ok() => Err(error()),
                _ => result,
            };
            // Whoever asked may be gone; what was written stays.
            drop(to.send(result));
        }
        match self {
            Self::Submit(r, to) => answer(r, to, verdict),
            Self::Commit(r, to) => answer(r, to, verdict),
            Self::Claim(r, to) => answer(r, to, verdict),
            Self::ClaimDue(r, to) => answer(r, to, verdict),
            Self::Wish(r, to) => answer(r, to, verdict),
            Self::Nothing(r, to) => answer(r, to, verdict),
            Self::Prune(r, to) => answer(r, to, verdict),
        }
    }
}

pub(super) struct Writer {
    pub(super) conn: SqliteConnection,
    pub(super) keys: KeyRing,
    /// The key that seals, as the database was told.
    pub(super) recorded: KeyId,
    pub(super) clock: Clock,
    pub(super) saved: i64,
    pub(super) texts: Texts,
    /// Raised after each batch that changes lists: see [`crate::Store::list_stamp`].
    pub(super) stamp: Arc<AtomicU64>,
    pub(super) files: Files,
}

impl Writer {
    /// Works until the last sender is gone or [`Job::Close`] arrives.
    pub(super) async fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut closing = None;
        while closing.is_none() {
            let Some(first) = jobs.recv().await else { break };
            let mut batch = vec![first];
            while batch.len() < BATCH
                && let Ok(job) = jobs.try_recv()
            {
                batch.push(job);
            }
            if let Some(at) = batch.iter().position(|job| matches!(job, Job::Close(_))) {
                jobs.close();
                // Later calls are dropped, which their callers see as a closed store.
                batch.truncate(at + 1);
                if let Some(Job::Close(done)) = batch.pop() {
                    closing = Some(done);
                }
            }
            if !batch.is_empty() {
                self.write(batch).await;
            }
        }
        if let Err(e) = self.conn.close().await {
            tracing::warn!("closing the database: {e}");
        }
        drop(self.files);
        if let Some(done) = closing {
            let _ = done.send(());
        }
    }

    async fn write(&mut self, batch: Vec<Job>) {
        let alone = batch.len() == 1;
        let lists = batch.iter().any(changes_lists);
        if let Err(e) = self.execute("BEGIN IMMEDIATE").await {
            let text = e.to_string();
            for job in batch {
                refuse(job, &text);
            }
            return;
        }
        let mut done = Vec::with_capacity(batch.len());
        let mut lost: Option<String> = None;
        let writing = self.keys.writing();
        if writing != self.recorded {
            // What was sealed for this batch may be sealed with it: the next start must know that it is needed.
            lost = schema::record(&mut self.conn, writing)
                .await
                .err()
                .map(|e| e.to_string());
        }
        for job in batch {
            if let Some(text) = &lost {
                refuse(job, text);
                continue;
            }
            match self.one(job, alone).await {
                Ok(answer) => done.push(answer),
                Err((answer, text)) => {
                    done.push(answer);
                    lost = Some(text);
                }
            }
        }
        if let Some(text) = lost {
            // SQLite gave the transaction up (disk full, damaged): nothing of it was written.
            drop(self.execute("ROLLBACK").await);
            let error = || StoreError::Database(text.clone());
            for answer in done {
                answer.send(Some(&error));
            }
            return;
        }
        if done.iter().all(Done::failed) {
            drop(self.execute("ROLLBACK").await);
            for answer in done {
                answer.send(None);
            }
            return;
        }
        match self.execute("COMMIT").await {
            Ok(()) => {
                self.recorded = writing;
                self.stamp.fetch_add(u64::from(lists), Ordering::AcqRel);
                for answer in done {
                    answer.send(None);
                }
            }
            Err(e) => {
                let text = e.to_string();
                drop(self.execute("ROLLBACK").await);
                self.stamp.fetch_add(u64::from(lists), Ordering::AcqRel);
                let error = || StoreError::Uncertain(text.clone());
                for answer in done {
                    answer.send(Some(&error));
                }
            }
        }
    }

    /// Makes one call. `Err`: the whole transaction is lost.
    async fn one(&mut self, job: Job, alone: bool) -> Result<Done, (Done, String)> {
        if !alone && let Err(e) = self.execute("SAVEPOINT one").await {
            let text = e.to_string();
            tracing::warn!("{text}");
            // Without a savepoint the call cannot be undone alone.
            return Err((self.call(job).await, text));
        }
        let answer = self.call(job).await;
        if alone {
            return Ok(answer);
        }
        let failed = answer.failed();
        if failed && let Err(e) = self.execute("ROLLBACK TO one").await {
            return Err((answer, e.to_string()));
        }
        match self.execute("RELEASE one").await {
            Ok(()) => Ok(answer),
            Err(e) => Err((answer, e.to_string())),
        }
    }

    async fn call(&mut self, job: Job) -> Done {
        let mut tx = Tx {
            now: (self.clock)(),
            conn: &mut self.conn,
            texts: &mut self.texts,
            keys: &self.keys,
            saved: &mut self.saved,
        };
        match job {
            Job::Submit(submission, to) => Done::Submit(tx.submit(*submission).await, to),
            Job::Commit(fence, prepared, release, to) => Done::Commit(tx.commit(&fence, *prepared, release).await, to),
            Job::Claim(infra, instance, lease, to) => Done::Claim(tx.claim(&infra, &instance, lease).await, to),
            Job::ClaimDue(instance, lease, limit, to) => {
                Done::ClaimDue(tx.claim_due(&instance, lease, limit).await, to)
            }
            Job::Wish(id, wish, request, to) => Done::Wish(tx.wish(&id, &wish, request).await, to),
            Job::Renew(instance, lease, to) => Done::Nothing(tx.renew(&instance, lease).await, to),
            Job::BreakLeases(to) => Done::Nothing(tx.break_leases().await, to),
            Job::Prune(bounds, to) => Done::Prune(tx.prune(&bounds).await, to),
            // Taken out of the batch before.
            Job::Close(to) => {
                let (answer, _) = oneshot::channel();
                drop(to);
                Done::Nothing(Ok(()), answer)
            }
        }
    }

    async fn execute(&mut self, text: &'static str) -> StoreResult<()> {
        sqlx::query(text).execute(&mut self.conn).await.map_err(db)?;
        Ok(())
    }
}

/// Whether the answer of a list may be another afterwards.
fn changes_lists(job: &Job) -> bool {
    match job {
        Job::Submit(submission, _) => submission.prepared.saves(),
        Job::Commit(_, prepared, _, _) => prepared.saves(),
        _ => false,
    }
}

/// Answers a call that was not made.
fn refuse(job: Job, text: &str) {
    let error = || StoreError::Database(text.to_owned());
    match job {
        Job::Submit(_, to) => drop(to.send(Err(error()))),
        Job::Commit(_, _, _, to) => drop(to.send(Err(error()))),
        Job::Claim(_, _, _, to) => drop(to.send(Err(error()))),
        Job::ClaimDue(_, _, _, to) => drop(to.send(Err(error()))),
        Job::Wish(_, _, _, to) => drop(to.send(Err(error()))),
        Job::Renew(_, _, to) | Job::BreakLeases(to) => drop(to.send(Err(error()))),
        Job::Prune(_, to) => drop(to.send(Err(error()))),
        Job::Close(to) => {
            let _ = to.send(());
        }
    }
}
