//! The engine's face: submit, wait, read, update, subscribe, stop.

use crate::{EngineOptions, Workflow, inner::Inner, owner::operation_event, settle, state::apply};
use im_model::{Event, InfraId, Infrastructure, Operation, OperationId};
use im_store::{InfraState, Release, Store, StoreError, StoreResult, Submission, Write};
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc};
use tokio::{sync::broadcast, time::Instant};

/// Carries operations to their end, whatever crashes in between.
pub struct Engine {
    pub(crate) inner: Arc<Inner>,
}

impl Engine {
    /// Claims what nobody carries out and goes on with it.
    pub async fn start(
        store: Arc<dyn Store>,
        workflow: Arc<dyn Workflow>,
        options: EngineOptions,
    ) -> StoreResult<Arc<Self>> {
        let inner = Inner::new(store, workflow, options);
        inner.claim_due().await?;
        let renewer = Arc::clone(&inner);
        inner.spawn(async move { renew(renewer).await });
        let looker = Arc::clone(&inner);
        inner.spawn(async move {
            loop {
                tokio::time::sleep(looker.options.poll).await;
                if looker.stopping.is_cancelled() {
                    return;
                }
                if let Err(error) = looker.claim_due().await {
                    tracing::warn!("looking for operations to take up: {error}");
                }
            }
        });
        let engine = Arc::new(Self { inner });
        settle::start(&engine);
        Ok(engine)
    }

    /// The database.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.inner.store
    }

    /// Stores an operation (and its infrastructure, for a create) durably, then carries it out. Returns once it is
    /// stored; repeating the call is safe. With `supersede_all` (destroy) every other operation of the infrastructure
    /// is cancelled in the same transaction. Whoever drops the future changes nothing: it is stored all the same.
    pub async fn submit(
        &self,
        operation: Operation,
        infrastructure: Option<Infrastructure>,
        mut writes: Vec<Write>,
        supersede_all: bool,
    ) -> StoreResult<()> {
        writes.push(Write::Event(operation_event(&operation)));
        let submission = Submission {
            operation: Arc::new(operation),
            infrastructure: infrastructure.map(Arc::new),
            writes,
            supersede_all,
            instance: self.inner.options.instance.clone(),
            lease_ms: self.inner.options.lease_ms(),
        };
        let inner = Arc::clone(&self.inner);
        self.inner
            .to_the_end(async move { submit(&inner, submission).await })
            .await
    }

    /// Waits until an operation has ended, or cannot go on by itself ([`OpState::Stuck`],
    /// [`OpState::WaitingCredentials`]), and returns its row. Dropping the future changes nothing.
    pub async fn wait(&self, operation: &OperationId) -> StoreResult<Operation> {
        let inner = &self.inner;
        let mut waiting = inner.await_operation(operation);
        let read = || async {
            inner
                .store
                .operation(operation)
                .await?
                .ok_or_else(|| StoreError::Missing {
                    what: format!("operation {operation}"),
                })
        };
        let infra = read().await?.infra;
        loop {
            let owner = inner.active(&infra);
            let row = read().await?;
            if row.state.is_final() || row.state.is_paused() {
                return Ok(without_contents(row));
            }
            loop {
                tokio::select! {
                    biased;
                    ended = waiting.ended() => return Ok(without_contents(Operation::clone(&ended))),
                    () = tokio::time::sleep(inner.options.poll) => {}
                }
                // Whoever carries it out elsewhere cannot wake us, and an owner that was lost may have been so in the
                // very commit that would have.
                match (&owner, inner.active(&infra)) {
                    (Some(before), Some(now)) if Arc::ptr_eq(before, &now) => {}
                    _ => break,
                }
            }
        }
    }

    /// An infrastructure as it stands; `None`: there is no such. Deleted ones too.
    pub async fn snapshot(&self, infra: &InfraId) -> StoreResult<Option<Arc<InfraState>>> {
        let inner = &self.inner;
        if let Some(owner) = inner.active(infra) {
            return Ok(Some(owner.state()));
        }
        if let Some(state) = inner.cached(infra) {
            return Ok(Some(state));
        }
        let gate = inner.gate(infra);
        let _guard = gate.lock().await;
        if let Some(owner) = inner.active(infra) {
            return Ok(Some(owner.state()));
        }
        match inner.load(infra).await {
            Ok(state) => Ok(Some(state)),
            Err(StoreError::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Changes rows outside any operation (a refresh, new owners): `change` sees the present rows, with nobody in
    /// between, and what it returns is written durably. `false`: another instance owns the infrastructure, or there is
    /// no such; nothing was written.
    pub async fn update<F>(&self, infra: &InfraId, change: F) -> StoreResult<bool>
    where
        F: FnOnce(&InfraState) -> Vec<Write> + Send + 'static,
    {
        let (inner, infra) = (Arc::clone(&self.inner), infra.clone());
        self.inner
            .to_the_end(async move { update(&inner, &infra, change).await })
            .await
    }

    /// What happens to an infrastructure from now on, as far as this instance does it. Readers combine it with
    /// [`Store::events`]: subscribe first, then read, and leave out what was read.
    pub fn subscribe(&self, infra: &InfraId) -> broadcast::Receiver<Arc<Event>> {
        self.inner.subscribe(infra)
    }

    /// Orderly end: nothing new is started, calls under way end and are recorded.
    pub async fn stop(&self) {
        self.inner.stopping.cancel();
        self.inner.runs.close();
        let patience = self.inner.options.call_deadline * 2;
        if tokio::time::timeout(patience, self.inner.runs.wait()).await.is_err() {
            tracing::warn!("some calls did not end in time; they are taken up again at the next start");
        }
        self.inner.killed.cancel();
    }

    /// Drops everything at once, as the end of the process does. For tests.
    #[doc(hidden)]
    pub fn abandon(&self) {
        self.inner.killed.cancel();
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.inner.killed.cancel();
    }
}

/// The row as the store keeps a final one.
fn without_contents(mut row: Operation) -> Operation {
    if row.state.is_final() {
        row.request = Arc::new(Value::Null);
        row.resolved = None;
        row.plan = None;
    }
    row
}

/// Stores an operation, and takes up the infrastructure if it is ours then.
async fn submit(inner: &Arc<Inner>, submission: Submission) -> StoreResult<()> {
    let infra = submission.operation.infra.clone();
    loop {
        if let Some(owner) = inner.active(&infra) {
            match owner.submit(submission.clone()).await {
                // Released or lost meanwhile.
                Err(StoreError::Fenced { .. }) => {}
                answer => return answer,
            }
        }
        let gate = inner.gate(&infra);
        let _guard = gate.lock().await;
        if inner.active(&infra).is_some() {
            continue;
        }
        let submitted = inner.submit_to_store(submission.clone()).await?;
        inner.uncache(&infra);
        // A submission has events; none come back if it had been stored before.
        let new = !submitted.events.is_empty();
        inner.publish(&infra, submitted.events);
        let Some(claim) = submitted.claim else {
            return Ok(());
        };
        // A new infrastructure has no rows but those that were handed over.
        let seed = submission.infrastructure.clone().filter(|_| new).map(|infra| {
            let mut state = InfraState {
                infra,
                vms: BTreeMap::new(),
                resources: BTreeMap::new(),
                seq: submitted.seq,
            };
            for write in &submission.writes {
                apply(&mut state, write);
            }
            (state, Arc::clone(&submission.operation))
        });
        if let Err(error) = inner.own(claim, seed).await {
            // It is stored and it is ours: it will be taken up as soon as it can be read.
            tracing::error!(%infra, "cannot be taken up: {error}");
            inner.reclaim_later(&infra);
        }
        return Ok(());
    }
}

/// See [`Engine::update`].
async fn update<F>(inner: &Arc<Inner>, infra: &InfraId, change: F) -> StoreResult<bool>
where
    F: FnOnce(&InfraState) -> Vec<Write> + Send + 'static,
{
    // The change can be made once only, so it is handed over until somebody has made it.
    let change = Arc::new(std::sync::Mutex::new(Some(change)));
    loop {
        let gate = inner.gate(infra);
        let guard = gate.lock().await;
        if inner.active(infra).is_none() {
            let (instance, lease) = (&inner.options.instance, inner.options.lease_ms());
            let Some(claim) = inner.store.claim(infra, instance, lease).await? else {
                return Ok(false);
            };
            match inner.own(claim, None).await {
                Ok(()) => {}
                Err(StoreError::Missing { .. }) => return Ok(false),
                Err(error) => {
                    inner.reclaim_later(infra);
                    return Err(error);
                }
            }
        }
        let Some(owner) = inner.active(infra) else { continue };
        drop(guard);
        let once = Arc::clone(&change);
        let made = owner
            .change(Release::IfIdle, move |draft| {
                if let Some(change) = crate::inner::lock(&once).take() {
                    let writes = change(draft.state());
                    draft.extend(writes);
                }
            })
            .await;
        match made {
            Ok(()) => return Ok(true),
            Err(StoreError::Fenced { .. }) if crate::inner::lock(&change).is_some() => {}
            Err(StoreError::Fenced { .. }) => return Ok(false),
            Err(error) => return Err(error),
        }
    }
}

/// Renews the lease of everything that is owned here, three times in its length.
async fn renew(inner: Arc<Inner>) {
    let pause = inner.options.lease / 3;
    let mut wait = pause;
    loop {
        tokio::time::sleep(wait).await;
        let sent = Instant::now();
        let renewal = inner.store.renew(&inner.options.instance, inner.options.lease_ms());
        // A database that does not answer is as good as one that refuses.
        let renewed = tokio::time::timeout(pause, renewal).await;
        match renewed.unwrap_or_else(|_| Err(StoreError::Database("no answer in time".to_owned()))) {
            Ok(()) => {
                inner.renewed_at(sent);
                wait = pause;
            }
            Err(error) => {
                tracing::warn!("the lease could not be renewed: {error}");
                wait = pause / 8;
                inner.drop_if_expired();
            }
        }
    }
}
