//! Database, clouds, and the processes that come and go.

use super::{
    database::{Database, Opened},
    flow::{Ask, SimFlow},
};
use crate::{
    crash::{CrashStore, Life, Mishap, Mishaps},
    memory::MemoryStore,
    safeguard::Safeguard,
    simcloud::{SimCloud, SimCloudOptions},
};
use im_model::{Credentials, InfraId, Infrastructure, InstanceId, OpKind, OpState, Operation, OperationId, Wish};
use im_ops::{Engine, EngineOptions};
use im_store::{OperationFilter, Store, StoreError, StoreResult, Submission};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// How the world is made.
#[derive(Clone, Debug)]
pub struct WorldOptions {
    /// The database serves one process, which finds every lease broken when it starts.
    pub exclusive: bool,
    /// How the clouds behave.
    pub cloud: SimCloudOptions,
    /// Seed of the clouds' chance.
    pub seed: u64,
    /// What befalls the processes, in order of transactions.
    pub mishaps: Vec<Mishap>,
    /// See [`EngineOptions::settle`].
    pub settle: Duration,
    /// Where the rows are.
    pub database: Database,
    /// What is done without.
    pub without: Option<Safeguard>,
}

impl Default for WorldOptions {
    fn default() -> Self {
        Self {
            exclusive: true,
            cloud: SimCloudOptions::default(),
            seed: 0,
            mishaps: Vec::new(),
            settle: Duration::from_secs(5),
            database: Database::Memory,
            without: None,
        }
    }
}

struct Process {
    life: Life,
    engine: Arc<Engine>,
}

/// Database, clouds, and the processes.
pub struct World {
    /// The database.
    pub store: Arc<dyn Store>,
    /// The clouds.
    pub clouds: BTreeMap<String, Arc<SimCloud>>,
    options: WorldOptions,
    opened: Opened,
    mishaps: Mishaps,
    transactions: Arc<AtomicU64>,
    draws: Arc<AtomicU64>,
    processes: [Option<Process>; 2],
    slot: usize,
    starts: u32,
}

impl World {
    /// Two empty clouds, `a` and `b`, and an empty database in memory.
    pub fn new(options: WorldOptions) -> Self {
        let store = MemoryStore::new(options.exclusive);
        Self::with(Opened::Memory(store), options)
    }

    /// The same, with the database that the options name.
    pub async fn open(mut options: WorldOptions) -> StoreResult<Self> {
        if options.database == Database::Memory {
            return Ok(Self::new(options));
        }
        options.exclusive = true;
        Ok(Self::with(Opened::sqlite().await?, options))
    }

    fn with(opened: Opened, mut options: WorldOptions) -> Self {
        options.cloud.without = options.without;
        if let (Opened::Memory(store), Some(Safeguard::Fence)) = (&opened, options.without) {
            store.unfence();
        }
        let cloud = |name: &str, n: u64| {
            (
                name.to_owned(),
                SimCloud::new(options.cloud.clone(), options.seed.wrapping_mul(2) + n),
            )
        };
        Self {
            store: opened.store(),
            opened,
            clouds: [cloud("a", 0), cloud("b", 1)].into(),
            transactions: Arc::default(),
            draws: Arc::default(),
            processes: [None, None],
            slot: 0,
            starts: 0,
            mishaps: Arc::new(Mutex::new(options.mishaps.clone())),
            options,
        }
    }

    /// How it was made.
    pub fn options(&self) -> &WorldOptions {
        &self.options
    }

    /// How many transactions the database in memory has had that wrote.
    pub fn commits(&self) -> u64 {
        match &self.opened {
            Opened::Memory(store) => store.commits(),
            Opened::Sqlite(_) => 0,
        }
    }

    /// More befalls the processes; transactions are counted from now.
    pub fn befall(&self, mishaps: impl IntoIterator<Item = Mishap>) {
        let now = self.transactions();
        let mut list = self.mishaps.lock().unwrap_or_else(PoisonError::into_inner);
        list.extend(mishaps.into_iter().map(|mishap| mishap.later(now)));
    }

    /// How many transactions there were.
    pub fn transactions(&self) -> u64 {
        self.transactions.load(Ordering::SeqCst)
    }

    /// How many processes there were.
    pub fn starts(&self) -> u32 {
        self.starts
    }

    /// Which of two processes is spoken to from now on. A database that serves one has only the first.
    pub fn speak_to(&mut self, slot: usize) {
        self.slot = if self.options.exclusive { 0 } else { slot % 2 };
    }

    /// Kills the process that is spoken to, if it lives.
    pub fn kill(&mut self) {
        if let Some(process) = self.processes[self.slot].take() {
            process.life.end();
            process.engine.abandon();
        }
    }

    /// The process that is spoken to stands still for so long.
    pub fn freeze(&self, pause: Duration) {
        if let Some(process) = &self.processes[self.slot] {
            process.life.freeze(pause);
        }
    }

    /// Stops the process that is spoken to in good order.
    pub async fn stop(&mut self) {
        if let Some(process) = self.processes[self.slot].take() {
            process.engine.stop().await;
            process.life.end();
        }
    }

    /// Nothing more happens to processes and clouds; what is on its way still arrives.
    pub fn heal(&self) {
        self.mishaps.lock().unwrap_or_else(PoisonError::into_inner).clear();
        for cloud in self.clouds.values() {
            cloud.heal();
        }
    }

    /// One more that befalls the processes.
    pub fn mishap(&self, mishap: Mishap) {
        self.mishaps.lock().unwrap_or_else(PoisonError::into_inner).push(mishap);
    }

    /// Stores an operation as an instance does that dies at once.
    pub async fn insert(&self, operation: Operation) {
        let submission = Submission {
            operation: Arc::new(operation),
            infrastructure: None,
            writes: Vec::new(),
            supersede_all: false,
            instance: InstanceId::from("short-lived"),
            lease_ms: 0,
        };
        let _ = self.store.submit(submission).await;
    }

    /// Options of the engines.
    pub fn engine_options(&self, instance: InstanceId) -> EngineOptions {
        let settle = if self.options.without == Some(Safeguard::Settle) {
            Duration::ZERO
        } else {
            self.options.settle
        };
        // The second search of what is gone mends what a missing safeguard lets through: it goes with each of them.
        let keep_requests = match self.options.without {
            None | Some(Safeguard::Tombstone) => Duration::from_hours(1),
            Some(_) => Duration::ZERO,
        };
        EngineOptions {
            lease: Duration::from_secs(30),
            poll: Duration::from_secs(2),
            retry_delay: Duration::from_secs(1),
            call_deadline: Duration::from_secs(10),
            settle,
            keep_requests,
            ..EngineOptions::new(instance)
        }
    }

    /// The engine of the process that is alive; a new process if there is none.
    pub async fn engine(&mut self) -> (Life, Arc<Engine>) {
        loop {
            if let Some(process) = &self.processes[self.slot] {
                if !process.life.is_over() {
                    return (process.life.clone(), Arc::clone(&process.engine));
                }
                self.kill();
            }
            self.starts += 1;
            if self.options.exclusive {
                if let Err(error) = self.opened.reopen().await {
                    tracing::error!("{error}");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    continue;
                }
                self.store = self.opened.store();
            }
            let life = Life::default();
            let store = CrashStore::new(
                self.store.clone(),
                life.clone(),
                Arc::clone(&self.transactions),
                Arc::clone(&self.mishaps),
                self.options.without,
            );
            let flow = Arc::new(SimFlow {
                clouds: self.clouds.clone(),
                life: life.clone(),
                deployment: self.store.deployment(),
                draws: Arc::clone(&self.draws),
            });
            let instance = InstanceId::from(format!("process {}", self.starts));
            let options = self.engine_options(instance);
            let engine = tokio::select! {
                biased;
                () = life.over() => continue,
                engine = Engine::start(store, flow, options) => engine,
            };
            if let Ok(engine) = engine {
                self.processes[self.slot] = Some(Process { life, engine });
            }
        }
    }

    /// Stores an operation, through as many processes as it takes.
    pub async fn submit(&mut self, id: &str, infra: &str, kind: OpKind, ask: &Ask) -> OperationId {
        self.submit_or_refuse(id, infra, kind, ask).await;
        OperationId::from(id)
    }

    /// The same; whether it was stored. What exists already or does not exist is refused.
    pub async fn submit_or_refuse(&mut self, id: &str, infra: &str, kind: OpKind, ask: &Ask) -> bool {
        let operation = operation(id, infra, kind, ask);
        loop {
            let (life, engine) = self.engine().await;
            let infrastructure = (kind == OpKind::Create).then(|| infrastructure(infra));
            let submitted = tokio::select! {
                biased;
                () = life.over() => continue,
                submitted = engine.submit(operation.clone(), infrastructure, Vec::new(), kind == OpKind::Destroy) => submitted,
            };
            match submitted {
                Ok(()) => return true,
                Err(StoreError::Exists { .. } | StoreError::Missing { .. }) => return false,
                Err(_) => {}
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Asks for an operation to be stored, and goes away after so long, whether or not there is an answer.
    pub async fn submit_and_leave(&mut self, id: &str, infra: &str, kind: OpKind, ask: &Ask, patience: Duration) {
        let (life, engine) = self.engine().await;
        tokio::select! {
            biased;
            () = life.over() => {}
            _ = engine.submit(operation(id, infra, kind, ask), None, Vec::new(), kind == OpKind::Destroy) => {}
            () = tokio::time::sleep(patience) => {}
        }
    }

    /// Tells the process that is spoken to what is wanted of an operation, again until there is an answer.
    pub async fn wish(&mut self, id: &OperationId, wish: &Wish) {
        loop {
            let (life, engine) = self.engine().await;
            let wished = tokio::select! {
                biased;
                () = life.over() => continue,
                wished = engine.wish(id, wish.clone()) => wished,
            };
            if wished.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits for an operation to come to rest, through as many processes as it takes.
    pub async fn wait(&mut self, id: &OperationId) -> StoreResult<Operation> {
        loop {
            let (life, engine) = self.engine().await;
            tokio::select! {
                biased;
                () = life.over() => {}
                row = engine.wait(id) => return row,
                () = tokio::time::sleep(Duration::from_hours(4)) => {
                    return Err(StoreError::Database(format!("operation {id} never ends")));
                }
            }
        }
    }

    /// [`World::submit`], then [`World::wait`].
    pub async fn perform(&mut self, id: &str, infra: &str, kind: OpKind, ask: &Ask) -> StoreResult<Operation> {
        let id = self.submit(id, infra, kind, ask).await;
        self.wait(&id).await
    }

    /// Lets parked operations of an infrastructure go on, as a caller does who comes with better credentials.
    pub async fn resume_parked(&mut self, infra: &str, account: &str) {
        // Only the owner can.
        let slot = self.slot;
        for other in [slot + 1, slot] {
            self.speak_to(other);
            self.resume_here(infra, account).await;
        }
    }

    async fn resume_here(&mut self, infra: &str, account: &str) {
        let unfinished = self
            .store
            .operations(&InfraId::from(infra), OperationFilter::Unfinished)
            .await
            .unwrap_or_default();
        for operation in unfinished {
            if matches!(operation.state, OpState::Stuck | OpState::WaitingCredentials) {
                let (life, engine) = self.engine().await;
                let mut request = Value::clone(&operation.request);
                request["account"] = json!(account);
                tokio::select! {
                    biased;
                    () = life.over() => {}
                    _ = engine.resume(&operation.id, request) => {}
                }
            }
        }
    }

    /// Waits until no operation of an infrastructure is under way. `false`: that takes too long.
    pub async fn quiet(&mut self, infra: &str) -> bool {
        let infra = InfraId::from(infra);
        for _ in 0..2_000 {
            self.engine().await;
            let unfinished = self
                .store
                .operations(&infra, OperationFilter::Unfinished)
                .await
                .unwrap_or_default();
            let parked = |o: &Operation| matches!(o.state, OpState::Stuck | OpState::WaitingCredentials);
            if unfinished.iter().all(parked) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        false
    }
}

fn operation(id: &str, infra: &str, kind: OpKind, ask: &Ask) -> Operation {
    let request = Arc::new(serde_json::to_value(ask).unwrap_or_default());
    Operation::pending(OperationId::from(id), InfraId::from(infra), kind, request, 0)
}

fn infrastructure(id: &str) -> Infrastructure {
    Infrastructure::new(InfraId::from(id), Credentials::default(), "".into(), 0)
}
