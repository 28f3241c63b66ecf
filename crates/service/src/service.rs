//! The service itself: the engine, the application it runs, and what callers may ask.

use crate::{
    Accepted, Connectors, ContMsg, Context, Force, Manager, OperationDetails, OperationView, Orphans,
    RemainingResource, Reply, ServiceError, ServiceOptions, ServiceResult, StateView, Steer, Translation, Updated,
    VmView,
    flow::Flow,
    housekeeping::Housekeeper,
    options::Deed,
    orphans::Reaper,
    refresh::Refresher,
    tosca::{ReadDocuments, Toscas},
    views::Views,
};
use async_trait::async_trait;
use futures::stream::BoxStream;
use im_auth::Caller;
use im_cloud::net::Guard;
use im_model::{Credentials, Event, InfraId, OperationId, Power, Vm, VmId};
use im_ops::{Engine, EngineOptions};
use im_radl::{Difference, Document};
use im_store::{InfraState, Store, StoreError, StoreResult};
use im_tosca::OutputValue;
use indexmap::IndexMap;
use serde_json::Value;
use std::sync::Arc;

/// The Infrastructure Manager over a database and some connectors.
pub struct Service {
    pub(crate) engine: Arc<Engine>,
    pub(crate) flow: Arc<Flow>,
    pub(crate) options: Arc<ServiceOptions>,
    pub(crate) refresher: Arc<Refresher>,
    pub(crate) views: Views,
    pub(crate) toscas: Toscas,
    pub(crate) read_documents: ReadDocuments,
    pub(crate) reaper: Arc<Reaper>,
    _housekeeper: Option<Housekeeper>,
}

pub(crate) fn database(error: &StoreError) -> ServiceError {
    ServiceError::internal(error)
}

impl Service {
    /// Starts the engine, which goes on with whatever an earlier process left.
    pub async fn start(
        store: Arc<dyn Store>,
        connectors: Connectors,
        options: ServiceOptions,
        engine: EngineOptions,
        guard: Guard,
    ) -> StoreResult<Arc<Self>> {
        let options = Arc::new(options);
        let toscas = Toscas::new(options.tosca.clone(), guard.clone());
        let flow = Flow::new(connectors, options.clone(), store.clone(), guard);
        let engine = Engine::start(store.clone(), flow.clone(), engine).await?;
        Ok(Arc::new(Self {
            reaper: Reaper::new(engine.clone(), flow.clone()),
            _housekeeper: Housekeeper::start(store, options.housekeeping),
            engine,
            flow,
            options,
            refresher: Arc::default(),
            views: Views::default(),
            toscas,
            read_documents: ReadDocuments::default(),
        }))
    }

    /// Orderly end: what is under way ends or is left to the next start.
    pub async fn stop(&self) {
        self.engine.stop().await;
    }

    /// The engine, for health checks and benchmarks.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// The infrastructure, if it is there and the caller may touch it.
    pub(crate) async fn access(&self, caller: &Caller, infra: &InfraId) -> ServiceResult<Arc<InfraState>> {
        let state = self.engine.snapshot(infra).await.map_err(|e| database(&e))?;
        let state = state
            .filter(|s| !s.infra.deleted)
            .ok_or(ServiceError::NoInfrastructure)?;
        if caller.may_access(&state.infra.owners) {
            Ok(state)
        } else {
            Err(ServiceError::NotGranted)
        }
    }

    /// A VM that is not destroyed.
    pub(crate) fn living(state: &InfraState, vm: VmId) -> ServiceResult<&Arc<Vm>> {
        match state.vms.get(&vm) {
            None => Err(ServiceError::NoVm),
            Some(row) if row.destroyed => Err(ServiceError::DeletedVm),
            Some(row) => Ok(row),
        }
    }
}

#[async_trait]
impl Manager for Service {
    async fn login(&self, credentials: Credentials) -> ServiceResult<Caller> {
        let policy = (self.options.policy)();
        policy
            .check(credentials)
            .map_err(|e| ServiceError::Unauthorized(e.to_string()))
    }

    async fn list(&self, caller: &Caller, filter: Option<&str>) -> ServiceResult<Vec<InfraId>> {
        self.read_list(caller, filter).await
    }

    async fn create(&self, caller: &Caller, document: Document, reply: Reply) -> ServiceResult<Accepted<InfraId>> {
        self.do_create(caller, document, reply).await
    }

    async fn create_tosca(&self, caller: &Caller, text: &str, reply: Reply) -> ServiceResult<Accepted<InfraId>> {
        self.do_create_tosca(caller, text, reply).await
    }

    async fn update_tosca(
        &self,
        caller: &Caller,
        infra: &InfraId,
        text: &str,
        context: Context,
        reply: Reply,
    ) -> ServiceResult<Accepted<Updated>> {
        self.do_update_tosca(caller, infra, text, context, reply).await
    }

    async fn translate(&self, caller: &Caller, infra: &InfraId, text: &str) -> ServiceResult<Translation> {
        self.read_translation(caller, infra, text).await
    }

    async fn difference(
        &self,
        caller: &Caller,
        infra: &InfraId,
        document: &Document,
        removals: &[VmId],
    ) -> ServiceResult<Difference> {
        self.read_difference(caller, infra, document, removals).await
    }

    async fn tosca(&self, caller: &Caller, infra: &InfraId) -> ServiceResult<Arc<str>> {
        self.read_tosca(caller, infra).await
    }

    async fn outputs(&self, caller: &Caller, infra: &InfraId) -> ServiceResult<IndexMap<String, OutputValue>> {
        self.read_outputs(caller, infra).await
    }

    async fn vms(&self, caller: &Caller, infra: &InfraId) -> ServiceResult<Vec<VmId>> {
        let state = self.access(caller, infra).await?;
        Ok(state.vms.values().filter(|vm| !vm.destroyed).map(|vm| vm.id).collect())
    }

    async fn state(&self, caller: &Caller, infra: &InfraId) -> ServiceResult<StateView> {
        self.read_state(caller, infra).await
    }

    async fn contmsg(&self, caller: &Caller, infra: &InfraId, how_much: ContMsg) -> ServiceResult<String> {
        self.read_contmsg(caller, infra, how_much).await
    }

    async fn radl(&self, caller: &Caller, infra: &InfraId) -> ServiceResult<Document> {
        let state = self.access(caller, infra).await?;
        self.stored_document(&state).map(|document| (*document).clone())
    }

    async fn add(
        &self,
        caller: &Caller,
        infra: &InfraId,
        document: Document,
        context: Context,
        reply: Reply,
    ) -> ServiceResult<Accepted<Vec<VmId>>> {
        self.do_add(caller, infra, document, context, reply).await
    }

    async fn remove(
        &self,
        caller: &Caller,
        infra: &InfraId,
        vms: &[VmId],
        context: Context,
        reply: Reply,
    ) -> ServiceResult<Accepted<usize>> {
        self.do_remove(caller, infra, vms, context, reply).await
    }

    async fn reconfigure(
        &self,
        caller: &Caller,
        infra: &InfraId,
        document: Document,
        only: Option<&[VmId]>,
    ) -> ServiceResult<Accepted<()>> {
        self.do_reconfigure(caller, infra, &document, only).await
    }

    async fn power(&self, caller: &Caller, infra: &InfraId, power: Power) -> ServiceResult<Accepted<()>> {
        self.do_power(caller, infra, None, power).await
    }

    async fn power_vm(&self, caller: &Caller, infra: &InfraId, vm: VmId, power: Power) -> ServiceResult<Accepted<()>> {
        self.do_power(caller, infra, Some(vm), power).await
    }

    async fn alter(
        &self,
        caller: &Caller,
        infra: &InfraId,
        vm: VmId,
        document: Document,
    ) -> ServiceResult<Accepted<VmView>> {
        self.do_alter(caller, infra, vm, &document).await
    }

    async fn vm(&self, caller: &Caller, infra: &InfraId, vm: VmId) -> ServiceResult<Arc<VmView>> {
        self.read_vm(caller, infra, vm).await
    }

    async fn vm_property(
        &self,
        caller: &Caller,
        infra: &InfraId,
        vm: VmId,
        name: &str,
    ) -> ServiceResult<Option<Value>> {
        self.read_property(caller, infra, vm, name).await
    }

    async fn vm_contmsg(&self, caller: &Caller, infra: &InfraId, vm: VmId) -> ServiceResult<String> {
        self.read_vm_contmsg(caller, infra, vm).await
    }

    async fn destroy(
        &self,
        caller: &Caller,
        infra: &InfraId,
        force: Force,
        reply: Reply,
    ) -> ServiceResult<Accepted<()>> {
        self.do_destroy(caller, infra, force, reply).await
    }

    async fn events(&self, caller: &Caller, infra: &InfraId, after: u64) -> ServiceResult<BoxStream<'static, Event>> {
        self.read_events(caller, infra, after).await
    }

    async fn orphans(&self, caller: &Caller) -> ServiceResult<Orphans> {
        self.reaper.list(caller).await
    }

    async fn remove_orphans(&self, caller: &Caller) -> ServiceResult<Orphans> {
        self.options.boot_mode.allow(Deed::Destroy)?;
        self.reaper.remove(caller).await
    }

    async fn operation(&self, caller: &Caller, id: &OperationId) -> ServiceResult<OperationDetails> {
        self.read_operation(caller, id).await
    }

    async fn operations(&self, caller: &Caller, infra: &InfraId) -> ServiceResult<Vec<OperationView>> {
        self.read_operations(caller, infra).await
    }

    async fn steer(
        &self,
        caller: &Caller,
        id: &OperationId,
        steer: Steer,
        reply: Reply,
    ) -> ServiceResult<OperationDetails> {
        self.do_steer(caller, id, steer, reply).await
    }

    async fn abandon(
        &self,
        caller: &Caller,
        infra: &InfraId,
        reply: Reply,
    ) -> ServiceResult<Accepted<Vec<RemainingResource>>> {
        self.do_abandon(caller, infra, reply).await
    }
}
