//! The trait every cloud implements, with its promises.

use crate::CloudError;
use async_trait::async_trait;
use im_model::{
    Account, AuthLine, Capability, CloudRef, Deployment, Frozen, InfraId, Key, Mark, Power, ResourceKind, VmId, VmState,
};
use im_radl::{Document, System};
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// What a call is made with: where, as whom, for which infrastructure, until when.
#[derive(Clone, Debug)]
pub struct Cx {
    /// The cloud.
    pub cloud: Arc<CloudRef>,
    /// The caller's credentials for it.
    pub auth: Arc<AuthLine>,
    /// The infrastructure.
    pub infra: InfraId,
    /// The deployment: makes and reads marks.
    pub deployment: Arc<Deployment>,
    /// The account the work was begun under, once known: a connector that finds itself under another one refuses with
    /// [`crate::ErrorKind::WrongAccount`], naming both.
    pub account: Option<Account>,
    /// How long one call may take. Layers enforce it.
    pub deadline: Duration,
}

impl Cx {
    /// The mark to put on the resource of this key.
    pub fn mark(&self, key: &Key) -> String {
        Mark {
            deployment: self.deployment.name.clone(),
            infra: self.infra.clone(),
            key: key.clone(),
        }
        .seal(&self.deployment)
    }
}

/// A VM to launch.
#[derive(Clone, Debug)]
pub struct VmRequest {
    /// Its id.
    pub vm: VmId,
    /// Its system, concrete and matched ([`Connector::candidates`]), defaults included.
    pub system: Arc<System>,
}

/// VMs to launch together at one cloud.
#[derive(Clone, Debug)]
pub struct LaunchRequest {
    /// The infrastructure.
    pub infra: InfraId,
    /// Its document: networks and the rest.
    pub document: Arc<Document>,
    /// The VMs; those of one deploy share one `Arc<System>`.
    pub vms: Vec<VmRequest>,
    /// Tags to put on what is created, configured ones included (name → value).
    pub tags: BTreeMap<String, String>,
    /// Shared resources of the infrastructure that already live at this cloud, and must not be planned again.
    pub existing: Vec<(ResourceKind, String)>,
}

/// Source of random values for planning. They come from a seed drawn in an earlier, logged step: planning again draws
/// the same ones.
pub trait Draw {
    /// That many letters and digits.
    fn alphanumeric(&mut self, len: usize) -> String;
    /// A number below `bound`.
    fn below(&mut self, bound: u32) -> u32;
}

/// A resource that a launch needs.
#[derive(Clone, Debug, PartialEq)]
pub struct WantedResource {
    /// Kind.
    pub kind: ResourceKind,
    /// A name unique in the infrastructure among living resources of its kind.
    pub name: String,
    /// The request, in the connector's own form. A string `"@id:<kind>/<name>"` anywhere in it stands for the cloud id
    /// of another resource of the plan or of `existing`, which is made first.
    pub spec: Arc<Value>,
    /// What else must exist before, though the spec does not name its id.
    pub after: Vec<Dependency>,
}

/// Another resource of the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// Kind.
    pub kind: ResourceKind,
    /// Name.
    pub name: String,
}

/// What one VM needs.
#[derive(Clone, Debug, PartialEq)]
pub struct VmPlan {
    /// The VM.
    pub vm: VmId,
    /// Its own resources, the VM itself among them (exactly one of kind [`ResourceKind::Vm`]).
    pub resources: Vec<WantedResource>,
    /// Features to record with the VM beside its system, before anything is created: drawn passwords, names, rewritten
    /// `outports` (as `network.<id>.outports`). In RADL-JSON form.
    pub own: BTreeMap<String, Value>,
}

/// What a launch will create.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LaunchPlan {
    /// Resources shared by several VMs of the infrastructure.
    pub shared: Vec<WantedResource>,
    /// Per VM, in the order of the request.
    pub vms: Vec<VmPlan>,
}

/// A resource to make exist.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Identity of the intent; its mark goes into the create call.
    pub key: Key,
    /// Kind.
    pub kind: ResourceKind,
    /// Name.
    pub name: String,
    /// The VM it belongs to, if any.
    pub vm: Option<VmId>,
    /// The request, ids filled in.
    pub frozen: Frozen,
}

/// Whether a call may have been made before under the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstOrResume {
    /// It cannot have been.
    First,
    /// It may have been: search before creating, unless the cloud itself recognises the repetition.
    Resume,
}

/// What the cloud says of a resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// The cloud's id.
    pub cloud_id: String,
    /// For a VM, its state.
    pub state: Option<VmState>,
    /// For a VM, its addresses outside the private ranges or declared public by the connector.
    pub public_ips: Vec<std::net::IpAddr>,
    /// For a VM, its private addresses, with the RADL network id where the connector knows it.
    pub private_ips: Vec<(Option<String>, std::net::IpAddr)>,
    /// Features of the VM's record to set (name → value in RADL-JSON form; null removes).
    pub features: BTreeMap<String, Value>,
}

/// Answer of [`Connector::observe`] for one id.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// It exists.
    There(Box<Observed>),
    /// The cloud says, for the right account, that it does not.
    NotThere,
}

/// A resource found by its mark.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Kind.
    pub kind: ResourceKind,
    /// The cloud's id.
    pub cloud_id: String,
    /// Name at the cloud, for people.
    pub name: String,
    /// The mark, verified.
    pub mark: Mark,
}

/// A resource to make be gone.
#[derive(Clone, Debug)]
pub struct Target {
    /// Identity of its intent.
    pub key: Key,
    /// Kind.
    pub kind: ResourceKind,
    /// Name.
    pub name: String,
    /// Its request.
    pub frozen: Frozen,
    /// Its cloud id, if it became known; else it is searched for by its mark.
    pub cloud_id: Option<String>,
}

/// Answer of [`Connector::ensure_absent`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    /// It was there and was removed.
    Removed,
    /// It was not there.
    WasAbsent,
}

/// A cloud.
///
/// # Promises
///
/// Each is checked by the conformance suite against every connector; its table of cases has these numbers, and a test
/// compares both.
///
/// 1. `candidates` and `plan` are pure: same arguments, same answer.
/// 2. `ensure` with [`FirstOrResume::Resume`] never makes a second object under one key, wherever an earlier call with
///    that key was interrupted, except for kinds declared [`im_model::Idempotence::Unmarkable`].
/// 3. An object that `ensure` finds under its name is adopted only if its mark holds the key. A foreign one is a
///    [`crate::ErrorKind::Conflict`], `NotApplied`, and is left alone.
/// 4. `ensure` answers one result per wanted resource, in order; one failure does not stop the others.
/// 5. `ensure` failed with `NotApplied` leaves nothing; with `Unknown`, what it left is found by `find`, and removed by
///    `ensure_absent` under the same key.
/// 6. `ensure_absent` is idempotent, never touches an object that does not bear the key's mark, and answers success
///    only once the object is gone (or going, with nothing left to ask for).
/// 7. `find` lists every live resource of the infrastructure, complete, or fails.
///    `find_all` does the same for the whole account, whatever infrastructure a mark names; marks that the deployment
///    did not make are passed over by both.
/// 8. `observe` answers for every id asked, in order, in as few calls as the cloud allows; a passing fault is an error,
///    never [`Seen::NotThere`].
/// 9. Nothing answers "not there" for another account than `cx.account`.
/// 10. No secret of `cx.auth` or of a spec is in an error or a log line.
/// 11. `resolve` changes nothing.
/// 12. A plan has the VMs that were asked for, in order, with one resource of kind [`ResourceKind::Vm`] each; it names
///     a resource once, makes only kinds that the capability declares, refers only to what it or `existing` has, and
///     does not plan again what `existing` has.
/// 13. `power` and `alter` asked for twice are as done once, wherever the first call was interrupted; what they answer
///     is what `observe` sees.
/// 14. What the capability denies is refused as [`crate::ErrorKind::Unsupported`] with the capability's text.
/// 15. `capability`, `check_auth` and `candidates` ask nobody; an auth line of another type is
///     [`crate::ErrorKind::Unauthorized`].
#[async_trait]
pub trait Connector: Send + Sync {
    /// The connector's name: the `type` of auth lines and `provider.type`.
    fn kind(&self) -> &'static str;

    /// What it can do.
    fn capability(&self) -> Capability;

    /// Checks the auth line. No IO.
    ///
    /// Returns the contract's message, e.g. `No correct auth data has been specified to Docker: …`.
    fn check_auth(&self, cloud: &CloudRef, auth: &AuthLine) -> Result<(), CloudError>;

    /// The concrete systems that this cloud would launch for a requested one, one per acceptable image; empty when
    /// none. Sets `disk.0.image.url`, `provider.*`, credentials and forced features as the contract says. No IO.
    fn candidates(&self, cloud: &CloudRef, system: &System) -> Vec<System>;

    /// Who we are there, as the cloud says.
    async fn account(&self, cx: &Cx) -> Result<Account, CloudError>;

    /// Reads what planning needs to know (images, flavors, networks, free ports). Changes nothing.
    async fn resolve(&self, cx: &Cx, request: &LaunchRequest) -> Result<Value, CloudError>;

    /// What to create. Pure.
    fn plan(
        &self,
        cloud: &CloudRef,
        request: &LaunchRequest,
        resolved: &Value,
        draw: &mut dyn Draw,
    ) -> Result<LaunchPlan, CloudError>;

    /// Makes the resources exist, all of one kind.
    async fn ensure(&self, cx: &Cx, wanted: &[Wanted], run: FirstOrResume) -> Vec<Result<Observed, CloudError>>;

    /// Everything of the infrastructure `cx.infra` that bears a mark of the deployment.
    async fn find(&self, cx: &Cx) -> Result<Vec<Found>, CloudError>;

    /// Everything in the account that bears a mark of the deployment, of whatever infrastructure: `cx.infra` is not
    /// looked at.
    async fn find_all(&self, cx: &Cx) -> Result<Vec<Found>, CloudError>;

    /// What the cloud says of these VMs.
    async fn observe(&self, cx: &Cx, ids: &[String]) -> Result<Vec<Seen>, CloudError>;

    /// Makes a resource be gone.
    async fn ensure_absent(&self, cx: &Cx, target: &Target) -> Result<Gone, CloudError>;

    /// Starts, stops or restarts a VM. Already being so is success.
    async fn power(&self, cx: &Cx, cloud_id: &str, power: Power) -> Result<Observed, CloudError>;

    /// Changes a VM: the features of `wanted` that differ from `current` and that the cloud can change.
    async fn alter(&self, cx: &Cx, cloud_id: &str, current: &System, wanted: &System) -> Result<Observed, CloudError>;

    /// Images, as `(uri, name)`, filtered.
    async fn images(&self, cx: &Cx, filters: &BTreeMap<String, String>) -> Result<Vec<(String, String)>, CloudError>;

    /// Quotas: metric → (used, limit).
    async fn quotas(&self, cx: &Cx) -> Result<BTreeMap<String, (f64, f64)>, CloudError>;
}
