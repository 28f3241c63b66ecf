//! What all parts of the engine share: who owns what here, the lease, readers' caches, waiters, and how long after an
//! interrupted call its effect may still arrive.

use crate::{
    EngineOptions, Workflow,
    actor::{self, Seed, Signal},
    cache::Cache,
    owner::Owner,
};
use im_model::{Event, InfraId, Key, Operation, OperationId};
use im_store::{Claim, InfraState, OperationFilter, Store, StoreError, StoreResult, Submission, Submitted};
use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};
use tokio::{
    sync::{Notify, broadcast, mpsc, oneshot, watch},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Locks a table. A panic elsewhere leaves it whole: each entry is written in one go.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

type Waiters = HashMap<OperationId, watch::Sender<Option<Arc<Operation>>>>;
/// Serialises what decides who owns an infrastructure here.
pub(crate) type Gate = Arc<tokio::sync::Mutex<()>>;

pub(crate) struct Inner {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) workflow: Arc<dyn Workflow>,
    pub(crate) options: EngineOptions,
    owners: Mutex<HashMap<InfraId, Arc<Owner>>>,
    gates: Mutex<HashMap<InfraId, Weak<tokio::sync::Mutex<()>>>>,
    feeds: Mutex<HashMap<InfraId, broadcast::Sender<Arc<Event>>>>,
    waiters: Mutex<Waiters>,
    cache: Mutex<Cache>,
    /// Calls whose effect may still arrive, until when.
    suspects: Mutex<HashMap<Key, Instant>>,
    /// The last of them, by infrastructure.
    restless: Mutex<HashMap<InfraId, Instant>>,
    /// The same for everything of an infrastructure whose former owner was cut off.
    unsettled: Mutex<HashMap<InfraId, Instant>>,
    /// When the last renewal that succeeded was sent.
    renewed: watch::Sender<Instant>,
    /// Nothing new is started.
    pub(crate) stopping: CancellationToken,
    /// Everything is dropped.
    pub(crate) killed: CancellationToken,
    /// Operations under way.
    pub(crate) runs: TaskTracker,
    /// Something was buried: it is to be searched for again.
    pub(crate) buried: Notify,
}

impl Inner {
    pub(crate) fn new(store: Arc<dyn Store>, workflow: Arc<dyn Workflow>, options: EngineOptions) -> Arc<Self> {
        Arc::new(Self {
            cache: Mutex::new(Cache::new(options.cached_rows)),
            store,
            workflow,
            options,
            owners: Mutex::default(),
            gates: Mutex::default(),
            feeds: Mutex::default(),
            waiters: Mutex::default(),
            suspects: Mutex::default(),
            restless: Mutex::default(),
            unsettled: Mutex::default(),
            renewed: watch::channel(Instant::now()).0,
            stopping: CancellationToken::new(),
            killed: CancellationToken::new(),
            runs: TaskTracker::new(),
            buried: Notify::new(),
        })
    }

    /// Runs a task until it ends or the engine does.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let killed = self.killed.clone();
        tokio::spawn(async move {
            killed.run_until_cancelled_owned(task).await;
        });
    }

    /// Runs work to its end though the caller may go away in the middle of it: what was claimed must be taken up.
    pub(crate) async fn to_the_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = StoreResult<T>> + Send + 'static,
    ) -> StoreResult<T> {
        let (to, answer) = oneshot::channel();
        self.spawn(async move {
            // Nobody may be there to hear it.
            let _ = to.send(work.await);
        });
        let ended = |_| StoreError::Database("the engine has ended".to_owned());
        answer.await.map_err(ended)?
    }

    /// The same, and an orderly stop waits for it.
    pub(crate) fn spawn_run(&self, task: impl Future<Output = ()> + Send + 'static) {
        let killed = self.killed.clone();
        self.runs.spawn(async move {
            killed.run_until_cancelled_owned(task).await;
        });
    }

    // ---- who owns what

    pub(crate) fn active(&self, infra: &InfraId) -> Option<Arc<Owner>> {
        lock(&self.owners).get(infra).cloned()
    }

    pub(crate) fn gate(&self, infra: &InfraId) -> Gate {
        let mut gates = lock(&self.gates);
        if let Some(gate) = gates.get(infra).and_then(Weak::upgrade) {
            return gate;
        }
        if gates.len() > 1024 {
            gates.retain(|_, gate| gate.strong_count() > 0);
        }
        let gate = Gate::default();
        gates.insert(infra.clone(), Arc::downgrade(&gate));
        gate
    }

    /// Takes an owner out of the register, if it is the one registered.
    pub(crate) fn forget(&self, owner: &Arc<Owner>) {
        let mut owners = lock(&self.owners);
        if owners.get(&owner.infra).is_some_and(|o| Arc::ptr_eq(o, owner)) {
            owners.remove(&owner.infra);
        }
    }

    /// Nothing is left to do: the rows stay in memory for readers, where nobody else can change them.
    pub(crate) fn released(&self, owner: &Arc<Owner>) {
        if self.store.exclusive() {
            lock(&self.cache).put(owner.state());
        }
        self.forget(owner);
    }

    /// Somebody else may own it now: drops everything at once, then asks for it again.
    pub(crate) fn lose(self: &Arc<Self>, owner: &Arc<Owner>) {
        self.unsettle(&owner.infra);
        self.forget(owner);
        owner.dead.cancel();
        let (inner, infra) = (Arc::clone(self), owner.infra.clone());
        self.spawn(async move { inner.reclaim(infra).await });
    }

    /// Asks for an infrastructure that was lost, until somebody owns it.
    async fn reclaim(self: Arc<Self>, infra: InfraId) {
        loop {
            if self.stopping.is_cancelled() {
                return;
            }
            {
                let gate = self.gate(&infra);
                let _guard = gate.lock().await;
                if self.active(&infra).is_some() {
                    return;
                }
                match self
                    .store
                    .claim(&infra, &self.options.instance, self.options.lease_ms())
                    .await
                {
                    Ok(Some(claim)) => {
                        if self.own(claim, None).await.is_ok() {
                            return;
                        }
                    }
                    Ok(None) => return,
                    Err(error) => tracing::warn!(%infra, "{error}"),
                }
            }
            tokio::time::sleep(self.options.poll).await;
        }
    }

    /// Tells whoever owns the infrastructure by now of an operation that was stored behind its back.
    pub(crate) fn hand_over(self: &Arc<Self>, operation: Arc<Operation>) {
        let inner = Arc::clone(self);
        self.spawn(async move {
            let infra = operation.infra.clone();
            {
                // While it is held, nobody is in the middle of reading rows.
                let gate = inner.gate(&infra);
                let _guard = gate.lock().await;
                if let Some(owner) = inner.active(&infra)
                    && owner.signals.send(Signal::Inserted(operation)).is_ok()
                {
                    return;
                }
            }
            inner.reclaim(infra).await;
        });
    }

    /// The same, after a pause: it is ours, but could not be read.
    pub(crate) fn reclaim_later(self: &Arc<Self>, infra: &InfraId) {
        let (inner, infra) = (Arc::clone(self), infra.clone());
        self.spawn(async move {
            tokio::time::sleep(inner.options.poll).await;
            inner.reclaim(infra).await;
        });
    }

    /// Becomes the owner: reads the rows (unless given) and goes on with what is unfinished. The gate must be held.
    pub(crate) async fn own(
        self: &Arc<Self>,
        claim: Claim,
        seed: Option<(InfraState, Arc<Operation>)>,
    ) -> StoreResult<()> {
        let infra = claim.fence.infra.clone();
        if claim.taken_over {
            self.unsettle(&infra);
        }
        let (state, seeds) = if let Some((state, operation)) = seed {
            (state, vec![Seed::Fresh(operation)])
        } else {
            let state = self.load(&infra).await?;
            let operations = self.store.operations(&infra, OperationFilter::Unfinished).await?;
            let seeds = operations.into_iter().map(|o| Seed::Stored(Arc::new(o))).collect();
            (InfraState::clone(&state), seeds)
        };
        lock(&self.cache).remove(&infra);
        let (signals, inbox) = mpsc::unbounded_channel();
        let (owner, writer) = Owner::new(self, claim.fence, state, signals);
        lock(&self.owners).insert(infra, Arc::clone(&owner));
        self.spawn(writer.run());
        self.spawn(actor::run(Arc::clone(self), owner, inbox, seeds));
        Ok(())
    }

    /// Claims whatever nobody carries out.
    pub(crate) async fn claim_due(self: &Arc<Self>) -> StoreResult<()> {
        const LIMIT: usize = 32;
        loop {
            let claims = self
                .store
                .claim_due(&self.options.instance, self.options.lease_ms(), LIMIT)
                .await?;
            let full = claims.len() >= LIMIT;
            for claim in claims {
                let infra = claim.fence.infra.clone();
                let gate = self.gate(&infra);
                let _guard = gate.lock().await;
                if let Some(owner) = self.active(&infra) {
                    // The store has given us a new epoch under the feet of the old one.
                    self.forget(&owner);
                    owner.dead.cancel();
                    self.unsettle(&infra);
                }
                if let Err(error) = self.own(claim, None).await {
                    // It is ours, so nobody else will look: try again until it can be read.
                    tracing::error!(%infra, "cannot be taken up: {error}");
                    self.reclaim_later(&infra);
                }
            }
            if !full || self.stopping.is_cancelled() {
                return Ok(());
            }
        }
    }

    /// Stores a request. A submission may be repeated, so an answer that got lost is asked for again.
    pub(crate) async fn submit_to_store(&self, submission: Submission) -> StoreResult<Submitted> {
        let mut tries = 0;
        loop {
            match self.store.submit(submission.clone()).await {
                Err(error) if error.is_temporary() && tries < 3 => {
                    tracing::warn!(infra = %submission.operation.infra, "{error}; will be repeated");
                    tries += 1;
                    tokio::time::sleep(Duration::from_millis(50 << tries)).await;
                }
                answer => return answer,
            }
        }
    }

    // ---- the lease

    pub(crate) fn renewed_at(&self, sent: Instant) {
        let _ = self.renewed.send_replace(sent);
    }

    /// Waits until calls to clouds may start: the last renewal was sent less than half a lease ago.
    pub(crate) async fn may_call(&self) {
        let mut renewed = self.renewed.subscribe();
        while renewed.borrow_and_update().elapsed() * 2 >= self.options.lease {
            if renewed.changed().await.is_err() {
                return;
            }
        }
    }

    /// The lease has run out: whatever we own may be somebody else's.
    pub(crate) fn drop_if_expired(self: &Arc<Self>) {
        if self.renewed.borrow().elapsed() < self.options.lease {
            return;
        }
        let mut owners: Vec<_> = lock(&self.owners).values().cloned().collect();
        owners.sort_by(|a, b| a.infra.cmp(&b.infra));
        for owner in owners {
            tracing::warn!(infra = %owner.infra, "the lease ran out");
            self.lose(&owner);
        }
    }

    // ---- effects that may still arrive

    /// A call under this key was made, and what came of it is not known.
    pub(crate) fn suspect(&self, infra: &InfraId, key: &Key) {
        let now = Instant::now();
        {
            let mut restless = lock(&self.restless);
            restless.retain(|_, until| *until > now);
            restless.insert(infra.clone(), now + self.options.settle);
        }
        let mut suspects = lock(&self.suspects);
        if suspects.len() >= 1024 {
            suspects.retain(|_, until| *until > now);
        }
        suspects.insert(key.clone(), now + self.options.settle);
    }

    /// Until when effects may still arrive of which only this process knows: who owns the infrastructure after us would
    /// not wait for them. `None`: there are no such.
    pub(crate) fn restless_until(&self, infra: &InfraId) -> Option<Instant> {
        let restless = lock(&self.restless).get(infra).copied();
        let unsettled = lock(&self.unsettled).get(infra).copied();
        restless.max(unsettled).filter(|until| *until > Instant::now())
    }

    fn unsettle(&self, infra: &InfraId) {
        let mut unsettled = lock(&self.unsettled);
        let now = Instant::now();
        unsettled.retain(|_, until| *until > now);
        // Where the former owner may live on, it may not know yet that it is replaced (a delete does not wait for the end
        // of its lease), and begin a call as long as its lease lasts.
        let calls = if self.store.exclusive() {
            Duration::ZERO
        } else {
            self.options.lease + self.options.call_deadline
        };
        unsettled.insert(infra.clone(), now + self.options.settle + calls);
    }

    /// From when on absence of what has this key is conclusive, given the cloud's listing lag. `None`: it is now.
    pub(crate) fn conclusive_from(&self, infra: &InfraId, key: &Key, lag: Duration) -> Option<Instant> {
        let suspect = lock(&self.suspects).get(key).copied();
        let unsettled = lock(&self.unsettled).get(infra).copied();
        let from = suspect.max(unsettled)? + lag;
        (from > Instant::now()).then_some(from)
    }

    // ---- readers and waiters

    pub(crate) fn publish(&self, infra: &InfraId, events: Vec<Event>) {
        if events.is_empty() {
            return;
        }
        let mut feeds = lock(&self.feeds);
        let Some(feed) = feeds.get(infra) else { return };
        for event in events {
            if feed.send(Arc::new(event)).is_err() {
                feeds.remove(infra);
                return;
            }
        }
    }

    pub(crate) fn subscribe(&self, infra: &InfraId) -> broadcast::Receiver<Arc<Event>> {
        let mut feeds = lock(&self.feeds);
        if feeds.len() >= 1024 {
            feeds.retain(|_, feed| feed.receiver_count() > 0);
        }
        feeds
            .entry(infra.clone())
            .or_insert_with(|| broadcast::channel(1024).0)
            .subscribe()
    }

    /// Tells those who wait for an operation.
    pub(crate) fn wake(&self, operation: &Arc<Operation>) {
        if let Some(waiter) = lock(&self.waiters).get(&operation.id) {
            waiter.send_replace(Some(Arc::clone(operation)));
        }
    }

    pub(crate) fn await_operation(self: &Arc<Self>, id: &OperationId) -> Waiting {
        let receiver = lock(&self.waiters)
            .entry(id.clone())
            .or_insert_with(|| watch::channel(None).0)
            .subscribe();
        Waiting {
            inner: Arc::clone(self),
            id: id.clone(),
            receiver,
        }
    }

    /// The rows of an infrastructure that nobody here owns. The gate must be held.
    pub(crate) async fn load(&self, infra: &InfraId) -> StoreResult<Arc<InfraState>> {
        if let Some(state) = self.cached(infra) {
            return Ok(state);
        }
        let state = self.store.load(infra).await?.ok_or_else(|| StoreError::Missing {
            what: format!("infrastructure {infra}"),
        })?;
        let state = Arc::new(state);
        self.keep(&state);
        Ok(state)
    }

    pub(crate) fn cached(&self, infra: &InfraId) -> Option<Arc<InfraState>> {
        lock(&self.cache).get(infra)
    }

    /// Keeps rows for readers. The gate must be held.
    pub(crate) fn keep(&self, state: &Arc<InfraState>) {
        if self.store.exclusive() {
            lock(&self.cache).put(Arc::clone(state));
        }
    }

    pub(crate) fn uncache(&self, infra: &InfraId) {
        lock(&self.cache).remove(infra);
    }
}

/// Somebody who waits for an operation.
pub(crate) struct Waiting {
    inner: Arc<Inner>,
    id: OperationId,
    receiver: watch::Receiver<Option<Arc<Operation>>>,
}

impl Waiting {
    /// The operation's row once it has ended or paused.
    pub(crate) async fn ended(&mut self) -> Arc<Operation> {
        loop {
            if self.receiver.changed().await.is_err() {
                // Nobody will tell; whoever waits looks for himself after a while.
                std::future::pending::<()>().await;
            }
            if let Some(operation) = self.receiver.borrow_and_update().clone() {
                return operation;
            }
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut waiters = lock(&self.inner.waiters);
        if waiters.get(&self.id).is_some_and(|w| w.receiver_count() <= 1) {
            waiters.remove(&self.id);
        }
    }
}
