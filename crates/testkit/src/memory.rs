//! A store in memory that keeps the promises of [`Store`], fast enough for thousands of schedules. Its clock is
//! tokio's, so that a paused one works.

use async_trait::async_trait;
use im_model::{
    BlobId, Cancel, Deployment, Event, EventBody, InfraId, Infrastructure, InstanceId, Key, LogScope, Millis, OpKind,
    OpState, Operation, OperationId, PLAN_FORMAT, Resource, ResourceState, StepEvent, Wish,
};
use im_store::{
    Bounds, Claim, Committed, Fence, Grave, Graves, Heeded, InfraState, Listed, OperationFilter, Owned, Pruned,
    Release, Store, StoreError, StoreResult, Submission, Submitted, Tombstone, Wished, Write,
};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;

struct Row {
    state: InfraState,
    owner: Option<InstanceId>,
    epoch: u64,
    until: Instant,
    broken: bool,
    feed: Vec<Event>,
    logs: BTreeMap<LogScope, String>,
    tombstones: BTreeMap<Key, Tombstone>,
    saved: Millis,
    /// Requests of final operations, kept while tombstones are to be searched for again.
    kept: Vec<(OperationId, Arc<Value>)>,
    /// Number of the last event; the feed may have lost its beginning.
    numbered: u64,
}

#[derive(Default)]
struct Tables {
    rows: BTreeMap<InfraId, Row>,
    operations: Vec<Operation>,
    lines: BTreeMap<OperationId, Vec<StepEvent>>,
    blobs: BTreeMap<BlobId, Arc<str>>,
}

/// Rows in memory.
pub struct MemoryStore {
    deployment: Arc<Deployment>,
    exclusive: bool,
    /// Old epochs are refused.
    fenced: AtomicBool,
    began: Instant,
    tables: Mutex<Tables>,
    commits: AtomicU64,
}

impl MemoryStore {
    /// An empty store. `exclusive` as [`Store::exclusive`]: of `SQLite`'s kind, else of a shared database's.
    pub fn new(exclusive: bool) -> Arc<Self> {
        Arc::new(Self {
            deployment: Arc::new(Deployment {
                name: "sim".into(),
                secret: "secret of the simulation".into(),
            }),
            exclusive,
            fenced: AtomicBool::new(true),
            began: Instant::now(),
            tables: Mutex::default(),
            commits: AtomicU64::new(0),
        })
    }

    /// How many transactions there were that wrote.
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    /// Breaks the promise that a commit under an old epoch is refused, to see that it is missed.
    pub fn unfence(&self) {
        self.fenced.store(false, Ordering::Relaxed);
    }

    /// What a new process finds that takes the place of one that was killed: every lease is broken.
    pub fn reopen(&self) {
        for row in self.tables().rows.values_mut() {
            row.until = Instant::now();
            row.broken |= row.owner.is_some();
        }
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn millis(&self) -> Millis {
        Millis::try_from(self.began.elapsed().as_millis()).unwrap_or(Millis::MAX)
    }
}

fn missing(infra: &InfraId) -> StoreError {
    StoreError::Missing {
        what: format!("infrastructure {infra}"),
    }
}

impl Row {
    fn new(infra: &Arc<Infrastructure>) -> Self {
        Self {
            state: InfraState {
                infra: Arc::clone(infra),
                vms: BTreeMap::new(),
                resources: BTreeMap::new(),
                seq: 0,
            },
            owner: None,
            epoch: 0,
            until: Instant::now(),
            broken: false,
            feed: Vec::new(),
            logs: BTreeMap::new(),
            tombstones: BTreeMap::new(),
            saved: 0,
            kept: Vec::new(),
            numbered: 0,
        }
    }

    fn unsearched(&self) -> impl Iterator<Item = &Tombstone> {
        let gone = |t: &&Tombstone| t.row.state == ResourceState::Gone && t.searched.is_none();
        self.tombstones.values().filter(gone)
    }

    fn live(&self) -> bool {
        self.owner.is_some() && self.until > Instant::now()
    }

    fn take(&mut self, instance: &InstanceId, lease_ms: u64) -> Claim {
        let other = self.owner.as_ref().is_some_and(|owner| owner != instance);
        let taken_over = self.broken || other;
        self.owner = Some(instance.clone());
        self.epoch += 1;
        self.until = Instant::now() + Duration::from_millis(lease_ms);
        self.broken = false;
        Claim {
            fence: Fence {
                infra: self.state.infra.id.clone(),
                epoch: self.epoch,
            },
            taken_over,
        }
    }

    fn event(&mut self, time: Millis, body: EventBody) -> Event {
        self.numbered += 1;
        let event = Event {
            infra: self.state.infra.id.clone(),
            seq: self.numbered,
            time,
            body,
        };
        self.feed.push(event.clone());
        event
    }
}

impl Tables {
    fn write(&mut self, infra: &InfraId, writes: Vec<Write>, now: Millis) -> StoreResult<Vec<Event>> {
        let row = self.rows.get_mut(infra).ok_or_else(|| missing(infra))?;
        row.state.seq += 1;
        row.saved = now;
        let mut events = Vec::new();
        let mut ended = Vec::new();
        let mut drop_requests = false;
        for write in writes {
            match write {
                Write::Infrastructure(new) => row.state.infra = new,
                Write::Vm(new) => {
                    row.state.vms.insert(new.id, new);
                }
                Write::Resource(new) => {
                    row.state.resources.remove(&new.key);
                    let before = row.tombstones.remove(&new.key).filter(|t| t.row.state == new.state);
                    if matches!(new.state, ResourceState::Gone | ResourceState::Released) {
                        let tombstone = Tombstone {
                            row: Resource::clone(&new),
                            since: before.as_ref().map_or(now, |t| t.since),
                            searched: before.and_then(|t| t.searched),
                        };
                        row.tombstones.insert(new.key.clone(), tombstone);
                    } else {
                        row.state.resources.insert(new.key.clone(), new);
                    }
                }
                Write::NewOperation(new) => {
                    if !self.operations.iter().any(|o| o.id == new.id) {
                        self.operations.push(Operation::clone(&new));
                    }
                }
                Write::OperationState { id, state, error } => {
                    if let Some(operation) = self.operations.iter_mut().find(|o| o.id == id) {
                        (operation.state, operation.error) = (state, error);
                        if state.is_final() {
                            let request = std::mem::take(&mut operation.request);
                            let buries = matches!(
                                operation.kind,
                                OpKind::Create | OpKind::Add | OpKind::Remove | OpKind::Destroy
                            );
                            if buries {
                                ended.push((id, request));
                            }
                            operation.resolved = None;
                            operation.plan = None;
                        }
                    }
                }
                Write::Cancel { id } => {
                    if let Some(operation) = self.operations.iter_mut().find(|o| o.id == id) {
                        operation.cancel = operation.cancel.max(Some(Cancel::Unwind));
                    }
                }
                Write::Resolved { id, resolved } => {
                    if let Some(operation) = self.operations.iter_mut().find(|o| o.id == id) {
                        operation.resolved = Some(resolved);
                    }
                }
                Write::Planned { id, plan } => {
                    if let Some(operation) = self.operations.iter_mut().find(|o| o.id == id) {
                        operation.plan = Some(plan);
                        operation.plan_format = PLAN_FORMAT;
                    }
                }
                Write::Request { id, request } => {
                    if let Some(operation) = self.operations.iter_mut().find(|o| o.id == id) {
                        operation.request = request;
                    }
                }
                Write::Step(event) => self.lines.entry(event.operation.clone()).or_default().push(event),
                Write::Event(body) => events.push(row.event(now, body)),
                Write::Log { scope, text } => {
                    row.logs.entry(scope).or_default().push_str(&text);
                    events.push(row.event(now, EventBody::Log { scope, text }));
                }
                Write::ClearLog { scope } => {
                    row.logs.remove(&scope);
                }
                Write::Searched { key } => {
                    if let Some(tombstone) = row.tombstones.get_mut(&key) {
                        tombstone.searched = Some(now);
                    }
                }
                Write::DropRequests => drop_requests = true,
                Write::Blob { id, text } => {
                    self.blobs.insert(id, text);
                }
            }
        }
        row.kept.extend(ended);
        if drop_requests || row.unsearched().next().is_none() {
            row.kept.clear();
        }
        Ok(events)
    }

    fn unfinished(&self, infra: &InfraId) -> impl Iterator<Item = &Operation> {
        self.operations
            .iter()
            .filter(|o| o.infra == *infra && !o.state.is_final())
    }

    /// Something that this version can carry out is left.
    fn busy(&self, infra: &InfraId) -> bool {
        self.unfinished(infra).any(|o| o.plan_format <= PLAN_FORMAT)
    }

    /// The same, and no newer version is to go first.
    fn due(&self, infra: &InfraId) -> bool {
        let known = |o: &Operation| o.plan_format <= PLAN_FORMAT;
        self.busy(infra)
            && (self.unfinished(infra).all(known)
                || self.unfinished(infra).any(|o| known(o) && o.kind == OpKind::Destroy))
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn deployment(&self) -> Arc<Deployment> {
        Arc::clone(&self.deployment)
    }
    fn exclusive(&self) -> bool {
        self.exclusive
    }
    async fn now(&self) -> StoreResult<Millis> {
        Ok(self.millis())
    }

    async fn submit(&self, submission: Submission) -> StoreResult<Submitted> {
        self.commits.fetch_add(1, Ordering::Relaxed);
        let now = self.millis();
        let mut tables = self.tables();
        let operation = &submission.operation;
        let infra = operation.infra.clone();
        let repeated = tables.operations.iter().any(|o| o.id == operation.id);
        if let Some(row) = &submission.infrastructure
            && !repeated
        {
            if tables.rows.contains_key(&infra) {
                return Err(StoreError::Exists {
                    what: format!("infrastructure {infra}"),
                });
            }
            tables.rows.insert(infra.clone(), Row::new(row));
        }
        let row = tables.rows.get_mut(&infra).ok_or_else(|| missing(&infra))?;
        let supersede = submission.supersede_all && !repeated;
        let own = row.owner.as_ref() == Some(&submission.instance);
        let claim = if own && !supersede {
            Some(Claim {
                fence: Fence {
                    infra: infra.clone(),
                    epoch: row.epoch,
                },
                taken_over: false,
            })
        } else if row.live() && !supersede {
            None
        } else {
            Some(row.take(&submission.instance, submission.lease_ms))
        };
        let mut events = Vec::new();
        if !repeated {
            if supersede {
                for other in tables.operations.iter_mut().filter(|o| o.infra == infra) {
                    if !other.state.is_final() {
                        other.cancel = other.cancel.max(Some(Cancel::Unwind));
                    }
                }
            }
            tables.operations.push(Operation::clone(operation));
            events = tables.write(&infra, submission.writes, now)?;
        }
        let seq = tables.rows.get(&infra).map_or(0, |r| r.state.seq);
        Ok(Submitted { claim, events, seq })
    }

    async fn claim(&self, infra: &InfraId, instance: &InstanceId, lease_ms: u64) -> StoreResult<Option<Claim>> {
        let mut tables = self.tables();
        let Some(row) = tables.rows.get_mut(infra) else {
            return Ok(None);
        };
        let own = row.owner.as_ref() == Some(instance);
        Ok((own || !row.live()).then(|| row.take(instance, lease_ms)))
    }

    async fn claim_due(&self, instance: &InstanceId, lease_ms: u64, limit: usize) -> StoreResult<Vec<Claim>> {
        let mut tables = self.tables();
        let due: Vec<InfraId> = tables
            .rows
            .iter()
            .filter(|(infra, row)| !row.live() && tables.due(infra))
            .map(|(infra, _)| infra.clone())
            .take(limit)
            .collect();
        Ok(due
            .iter()
            .filter_map(|infra| Some(tables.rows.get_mut(infra)?.take(instance, lease_ms)))
            .collect())
    }

    async fn wish(&self, id: &OperationId, wish: &Wish) -> StoreResult<Option<Wished>> {
        self.commits.fetch_add(1, Ordering::Relaxed);
        let mut tables = self.tables();
        let Some(operation) = tables.operations.iter_mut().find(|o| o.id == *id) else {
            return Ok(None);
        };
        let next = wish.heeded(operation.state, operation.cancel);
        let heeded = Heeded::from(operation.state, next.as_ref());
        if let Some((state, cancel)) = next {
            if operation.state.is_paused() {
                operation.error = None;
                if let Some(request) = wish.request() {
                    operation.request = Arc::clone(request);
                }
            }
            (operation.state, operation.cancel) = (state, cancel);
        }
        Ok(Some(Wished {
            heeded,
            operation: operation.clone(),
        }))
    }

    async fn renew(&self, instance: &InstanceId, lease_ms: u64) -> StoreResult<()> {
        for row in self.tables().rows.values_mut() {
            if row.owner.as_ref() == Some(instance) {
                row.until = Instant::now() + Duration::from_millis(lease_ms);
            }
        }
        Ok(())
    }

    async fn commit(&self, fence: &Fence, writes: Vec<Write>, release: Release) -> StoreResult<Committed> {
        self.commits.fetch_add(1, Ordering::Relaxed);
        let now = self.millis();
        let mut tables = self.tables();
        let row = tables.rows.get(&fence.infra).ok_or_else(|| missing(&fence.infra))?;
        if row.epoch != fence.epoch && self.fenced.load(Ordering::Relaxed) {
            return Err(StoreError::Fenced {
                infra: fence.infra.clone(),
            });
        }
        let events = tables.write(&fence.infra, writes, now)?;
        let released = match release {
            Release::Keep => false,
            Release::IfIdle => !tables.busy(&fence.infra),
            Release::Now => true,
        };
        let row = tables.rows.get_mut(&fence.infra).ok_or_else(|| missing(&fence.infra))?;
        if released {
            row.owner = None;
        }
        Ok(Committed {
            seq: row.state.seq,
            events,
            released,
        })
    }

    async fn load(&self, infra: &InfraId) -> StoreResult<Option<InfraState>> {
        Ok(self.tables().rows.get(infra).map(|row| row.state.clone()))
    }
    async fn tombstones(&self, infra: &InfraId) -> StoreResult<Vec<Tombstone>> {
        let tables = self.tables();
        let row = tables.rows.get(infra);
        Ok(row.map_or_else(Vec::new, |row| row.tombstones.values().cloned().collect()))
    }
    async fn graves(&self, which: &Graves) -> StoreResult<Vec<Grave>> {
        let tables = self.tables();
        let wanted = |row: &Row| match which {
            Graves::WithRequest => !row.kept.is_empty(),
            Graves::Of(Owned::All) => true,
            Graves::Of(Owned::By(names)) => {
                let owners = &row.state.infra.owners.lines;
                owners
                    .iter()
                    .any(|line| names.iter().any(|n| n == line.plain("username")))
            }
        };
        let mut graves: Vec<Grave> = tables
            .rows
            .iter()
            .filter(|(_, row)| wanted(row))
            .filter_map(|(infra, row)| {
                let since = row.unsearched().map(|t| t.since).min()?;
                Some(Grave {
                    infra: infra.clone(),
                    since,
                })
            })
            .collect();
        graves.sort_by_key(|g| g.since);
        Ok(graves)
    }
    async fn kept_requests(&self, infra: &InfraId) -> StoreResult<Vec<Operation>> {
        let tables = self.tables();
        let row = tables.rows.get(infra).ok_or_else(|| missing(infra))?;
        let with = |(id, request): &(OperationId, Arc<Value>)| {
            let operation = tables.operations.iter().find(|o| o.id == *id)?;
            Some(Operation {
                request: Arc::clone(request),
                ..operation.clone()
            })
        };
        Ok(row.kept.iter().rev().filter_map(with).collect())
    }
    async fn prune(&self, bounds: &Bounds) -> StoreResult<Pruned> {
        let before = self.millis() - bounds.history;
        let mut pruned = Pruned::default();
        let mut tables = self.tables();
        for row in tables.rows.values_mut() {
            let keep = usize::try_from(bounds.events.max(1)).unwrap_or(usize::MAX);
            let over = row.feed.len().saturating_sub(keep);
            row.feed.drain(..over);
            pruned.events += over as u64;
            let dead = row.tombstones.len();
            row.tombstones
                .retain(|_, t| t.searched.is_none() || t.since >= before || t.row.state != ResourceState::Gone);
            pruned.tombstones += (dead - row.tombstones.len()) as u64;
        }
        Ok(pruned)
    }
    async fn operations(&self, infra: &InfraId, filter: OperationFilter) -> StoreResult<Vec<Operation>> {
        let all = filter == OperationFilter::All;
        Ok(self
            .tables()
            .operations
            .iter()
            .filter(|o| o.infra == *infra && (all || !o.state.is_final()))
            .cloned()
            .collect())
    }
    async fn operation(&self, id: &OperationId) -> StoreResult<Option<Operation>> {
        Ok(self.tables().operations.iter().find(|o| o.id == *id).cloned())
    }
    async fn step_events(&self, id: &OperationId) -> StoreResult<Vec<StepEvent>> {
        Ok(self.tables().lines.get(id).cloned().unwrap_or_default())
    }
    async fn events(&self, infra: &InfraId, after: u64, limit: usize) -> StoreResult<Vec<Event>> {
        let tables = self.tables();
        let row = tables.rows.get(infra).ok_or_else(|| missing(infra))?;
        Ok(row.feed.iter().filter(|e| e.seq > after).take(limit).cloned().collect())
    }
    async fn log(&self, infra: &InfraId, scope: LogScope) -> StoreResult<String> {
        let logs = self.logs(infra).await?;
        Ok(logs.get(&scope).cloned().unwrap_or_default())
    }
    async fn logs(&self, infra: &InfraId) -> StoreResult<BTreeMap<LogScope, String>> {
        let tables = self.tables();
        Ok(tables.rows.get(infra).ok_or_else(|| missing(infra))?.logs.clone())
    }
    async fn blob(&self, id: &BlobId) -> StoreResult<Option<Arc<str>>> {
        Ok(self.tables().blobs.get(id).cloned())
    }
    async fn list(&self, _owned: &Owned) -> StoreResult<Arc<[Listed]>> {
        let tables = self.tables();
        let rows = tables.rows.iter().filter(|(_, row)| !row.state.infra.deleted);
        Ok(rows
            .map(|(id, row)| Listed {
                id: id.clone(),
                owners: Arc::new(row.state.infra.owners.clone()),
                saved: row.saved,
                deleted: false,
            })
            .collect())
    }
}

/// Whether an operation has come to rest: final, or waiting for somebody.
pub fn at_rest(state: OpState) -> bool {
    state.is_final() || matches!(state, OpState::Stuck | OpState::WaitingCredentials)
}
