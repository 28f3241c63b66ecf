//! Everything that an edge can ask, as one trait: REST, XML-RPC and the tests of both see only this.

use crate::{
    Accepted, ContMsg, Context, Force, OperationDetails, OperationView, Orphans, RemainingResource, Reply,
    ServiceResult, StateView, Steer, Translation, Updated, VmView,
};
use async_trait::async_trait;
use futures::stream::BoxStream;
use im_auth::Caller;
use im_model::{Credentials, Event, InfraId, OperationId, Power, VmId};
use im_radl::{Difference, Document};
use im_tosca::OutputValue;
use indexmap::IndexMap;
use serde_json::Value;
use std::sync::Arc;

/// The Infrastructure Manager. Every call checks, in this order: `BOOT_MODE`, the caller, the infrastructure, the VM.
///
/// Calls that change something store an operation before they answer. A caller that goes away changes nothing: the
/// operation goes on.
#[async_trait]
pub trait Manager: Send + Sync + 'static {
    /// Lets a caller in. Errors are [`crate::ServiceError::Unauthorized`].
    async fn login(&self, credentials: Credentials) -> ServiceResult<Caller>;

    /// Ids of the caller's infrastructures, newest saved first; `filter` is an unanchored regular expression on the
    /// RADL text, then on the TOSCA text.
    async fn list(&self, caller: &Caller, filter: Option<&str>) -> ServiceResult<Vec<InfraId>>;

    /// Creates an infrastructure. With [`Reply::WhenDone`] an error means that nothing is left of it.
    async fn create(&self, caller: &Caller, document: Document, reply: Reply) -> ServiceResult<Accepted<InfraId>>;

    /// Creates an infrastructure from a TOSCA document, which is kept with it.
    async fn create_tosca(&self, caller: &Caller, text: &str, reply: Reply) -> ServiceResult<Accepted<InfraId>>;

    /// Makes an infrastructure what its TOSCA document, with this one merged over it, says: removes VMs, then adds.
    /// Answers which. Configures again even where none comes or goes, unless told not to.
    async fn update_tosca(
        &self,
        caller: &Caller,
        infra: &InfraId,
        text: &str,
        context: Context,
        reply: Reply,
    ) -> ServiceResult<Accepted<Updated>>;

    /// What a TOSCA document means for an infrastructure, as RADL; changes nothing.
    async fn translate(&self, caller: &Caller, infra: &InfraId, text: &str) -> ServiceResult<Translation>;

    /// What a document would change if it were added, after these VMs are gone. Changes nothing, asks no cloud.
    async fn difference(
        &self,
        caller: &Caller,
        infra: &InfraId,
        document: &Document,
        removals: &[VmId],
    ) -> ServiceResult<Difference>;

    /// The TOSCA document of an infrastructure that comes from one.
    async fn tosca(&self, caller: &Caller, infra: &InfraId) -> ServiceResult<Arc<str>>;

    /// The outputs of its TOSCA document, computed from its VMs as they are now; each with why it has no value.
    async fn outputs(&self, caller: &Caller, infra: &InfraId) -> ServiceResult<IndexMap<String, OutputValue>>;

    /// VMs that are not destroyed, in order.
    async fn vms(&self, caller: &Caller, infra: &InfraId) -> ServiceResult<Vec<VmId>>;

    /// State of an infrastructure and its VMs, refreshed from the clouds within a small budget of time.
    async fn state(&self, caller: &Caller, infra: &InfraId) -> ServiceResult<StateView>;

    /// Contextualization log.
    async fn contmsg(&self, caller: &Caller, infra: &InfraId, how_much: ContMsg) -> ServiceResult<String>;

    /// The current document: merged definitions, last deploys.
    async fn radl(&self, caller: &Caller, infra: &InfraId) -> ServiceResult<Document>;

    /// Adds VMs, or only definitions when the document deploys nothing.
    async fn add(
        &self,
        caller: &Caller,
        infra: &InfraId,
        document: Document,
        context: Context,
        reply: Reply,
    ) -> ServiceResult<Accepted<Vec<VmId>>>;

    /// Removes VMs: all ids are checked before any goes. Answers how many went.
    async fn remove(
        &self,
        caller: &Caller,
        infra: &InfraId,
        vms: &[VmId],
        context: Context,
        reply: Reply,
    ) -> ServiceResult<Accepted<usize>>;

    /// Configures again; `only` restricts the user's steps. Answers once the operation is stored.
    async fn reconfigure(
        &self,
        caller: &Caller,
        infra: &InfraId,
        document: Document,
        only: Option<&[VmId]>,
    ) -> ServiceResult<Accepted<()>>;

    /// Starts or stops all VMs.
    async fn power(&self, caller: &Caller, infra: &InfraId, power: Power) -> ServiceResult<Accepted<()>>;

    /// Starts, stops or restarts one VM.
    async fn power_vm(&self, caller: &Caller, infra: &InfraId, vm: VmId, power: Power) -> ServiceResult<Accepted<()>>;

    /// Changes a VM to the system of its name in the document.
    async fn alter(
        &self,
        caller: &Caller,
        infra: &InfraId,
        vm: VmId,
        document: Document,
    ) -> ServiceResult<Accepted<VmView>>;

    /// A VM: networks and its system, with states and addresses as of now.
    async fn vm(&self, caller: &Caller, infra: &InfraId, vm: VmId) -> ServiceResult<Arc<VmView>>;

    /// One feature of a VM's system, in RADL-JSON form; `None`: it has none of that name.
    async fn vm_property(&self, caller: &Caller, infra: &InfraId, vm: VmId, name: &str)
    -> ServiceResult<Option<Value>>;

    /// Log of one VM.
    async fn vm_contmsg(&self, caller: &Caller, infra: &InfraId, vm: VmId) -> ServiceResult<String>;

    /// Removes an infrastructure with all that it has.
    async fn destroy(
        &self,
        caller: &Caller,
        infra: &InfraId,
        force: Force,
        reply: Reply,
    ) -> ServiceResult<Accepted<()>>;

    /// The feed after event number `after`; ends after the infrastructure is gone.
    async fn events(&self, caller: &Caller, infra: &InfraId, after: u64) -> ServiceResult<BoxStream<'static, Event>>;

    /// What bears a mark of this deployment at the caller's clouds and belongs to no infrastructure that lives.
    async fn orphans(&self, caller: &Caller) -> ServiceResult<Orphans>;

    /// Removes of these what a tombstone proves dead; answers what went and what is left.
    async fn remove_orphans(&self, caller: &Caller) -> ServiceResult<Orphans>;

    /// One operation: its plan, what became of each step, what it leaves behind.
    async fn operation(&self, caller: &Caller, id: &OperationId) -> ServiceResult<OperationDetails>;

    /// Operations of an infrastructure, oldest first; of a deleted one, too.
    async fn operations(&self, caller: &Caller, infra: &InfraId) -> ServiceResult<Vec<OperationView>>;

    /// Lets an operation go on, or ends it. With [`Reply::WhenDone`] answers when it has ended or paused. Repeating the
    /// call is safe; one that has ended is an error ([`crate::ServiceError::Conflict`]) unless that was wanted.
    async fn steer(
        &self,
        caller: &Caller,
        id: &OperationId,
        steer: Steer,
        reply: Reply,
    ) -> ServiceResult<OperationDetails>;

    /// Gives an infrastructure up without asking any cloud: it is gone, and what it had stays. Answers what that is,
    /// with [`Reply::WhenDone`].
    async fn abandon(
        &self,
        caller: &Caller,
        infra: &InfraId,
        reply: Reply,
    ) -> ServiceResult<Accepted<Vec<RemainingResource>>>;
}
