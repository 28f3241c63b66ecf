//! The engine's face: submit, wait, read, update, subscribe, stop.

use crate::{EngineOptions, Workflow};
use im_model::{Event, InfraId, Infrastructure, OpState, Operation, OperationId};
use im_store::{InfraState, Release, Store, StoreError, StoreResult, Submission, Write};
use serde_json::Value;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

/// Carries operations to their end, whatever crashes in between.
pub struct Engine {
    store: Arc<dyn Store>,
    workflow: Arc<dyn Workflow>,
    options: EngineOptions,
    feeds: Mutex<HashMap<InfraId, broadcast::Sender<Arc<Event>>>>,
    stopping: CancellationToken,
}

impl Engine {
    /// Claims what nobody carries out and goes on with it.
    #[allow(clippy::unused_async)]
    pub async fn start(
        store: Arc<dyn Store>,
        workflow: Arc<dyn Workflow>,
        options: EngineOptions,
    ) -> StoreResult<Arc<Self>> {
        Ok(Arc::new(Self {
            store,
            workflow,
            options,
            feeds: Mutex::default(),
            stopping: CancellationToken::new(),
        }))
    }

    /// The application.
    pub fn workflow(&self) -> &Arc<dyn Workflow> {
        &self.workflow
    }

    /// The database.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Stores an operation (and its infrastructure, for a create) durably, then carries it out. Returns once it is
    /// stored; repeating the call is safe. With `supersede_all` (destroy) every other operation of the infrastructure
    /// is cancelled in the same transaction.
    pub async fn submit(
        &self,
        operation: Operation,
        infrastructure: Option<Infrastructure>,
        writes: Vec<Write>,
        supersede_all: bool,
    ) -> StoreResult<()> {
        let infra = operation.infra.clone();
        let submitted = self
            .store
            .submit(Submission {
                operation: Arc::new(operation),
                infrastructure: infrastructure.map(Arc::new),
                writes,
                supersede_all,
                instance: self.options.instance.clone(),
                lease_ms: self.options.lease_ms(),
            })
            .await?;
        self.publish(&infra, submitted.events);
        Ok(())
    }

    /// Gives an operation that waits for credentials, or is stuck, a new request, and lets it go on. `false`: it does
    /// not wait (any more), or another instance has it.
    pub async fn resume(&self, operation: &OperationId, request: Value) -> StoreResult<bool> {
        let Some(row) = self.store.operation(operation).await? else {
            return Ok(false);
        };
        if !matches!(row.state, OpState::WaitingCredentials | OpState::Stuck) {
            return Ok(false);
        }
        let id = operation.clone();
        self.update(&row.infra, move |_| {
            vec![Write::Request {
                id,
                request: Arc::new(request),
            }]
        })
        .await
    }

    /// Waits until an operation has ended, or cannot go on by itself ([`OpState::Stuck`],
    /// [`OpState::WaitingCredentials`]), and returns its row. Dropping the future changes nothing.
    pub async fn wait(&self, operation: &OperationId) -> StoreResult<Operation> {
        loop {
            let row = self
                .store
                .operation(operation)
                .await?
                .ok_or_else(|| StoreError::Missing {
                    what: format!("operation {operation}"),
                })?;
            if row.state.is_final() || matches!(row.state, OpState::Stuck | OpState::WaitingCredentials) {
                return Ok(row);
            }
            tokio::time::sleep(self.options.poll).await;
        }
    }

    /// An infrastructure as it stands; `None`: there is no such. Deleted ones too.
    pub async fn snapshot(&self, infra: &InfraId) -> StoreResult<Option<Arc<InfraState>>> {
        Ok(self.store.load(infra).await?.map(Arc::new))
    }

    /// Changes rows outside any operation (a refresh, new owners): `change` sees the present rows, with nobody in
    /// between, and what it returns is written durably. `false`: another instance owns the infrastructure, or there is
    /// no such; nothing was written.
    pub async fn update<F>(&self, infra: &InfraId, change: F) -> StoreResult<bool>
    where
        F: FnOnce(&InfraState) -> Vec<Write> + Send + 'static,
    {
        let Some(claim) = self
            .store
            .claim(infra, &self.options.instance, self.options.lease_ms())
            .await?
        else {
            return Ok(false);
        };
        let Some(state) = self.store.load(infra).await? else {
            return Ok(false);
        };
        let committed = self.store.commit(&claim.fence, change(&state), Release::IfIdle).await?;
        self.publish(infra, committed.events);
        Ok(true)
    }

    /// What happens to an infrastructure from now on, as far as this instance does it. Readers combine it with
    /// [`Store::events`]: subscribe first, then read, and leave out what was read.
    pub fn subscribe(&self, infra: &InfraId) -> broadcast::Receiver<Arc<Event>> {
        let mut feeds = self.feeds.lock().unwrap_or_else(PoisonError::into_inner);
        feeds
            .entry(infra.clone())
            .or_insert_with(|| broadcast::channel(1024).0)
            .subscribe()
    }

    fn publish(&self, infra: &InfraId, events: Vec<Event>) {
        let feeds = self.feeds.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(feed) = feeds.get(infra) {
            for event in events {
                let _ = feed.send(Arc::new(event));
            }
        }
    }

    /// Orderly end: nothing new is started, calls under way end and are recorded.
    #[allow(clippy::unused_async)]
    pub async fn stop(&self) {
        self.stopping.cancel();
    }
}
