//! A cloud in memory that fails on demand.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::panic)] // Each test uses a part.

use async_trait::async_trait;
use im_auth::{Admins, Caller, Policy};
use im_cloud::{
    CloudError, Connector, Cx, Dependency, Draw, ErrorKind, FirstOrResume, Found, Gone, LaunchPlan, LaunchRequest,
    Observed, Seen, Target, VmPlan, Wanted, WantedResource,
    net::{AllowedHosts, Guard},
};
use im_model::{
    Account, AuthLine, Capability, CloudRef, Credentials, Idempotence, InfraId, InstanceId, Mark, Power, ResourceKind,
    Supports, VmId, VmState,
};
use im_ops::EngineOptions;
use im_radl::{Document, System};
use im_service::{Connectors, Manager, Service, ServiceOptions};
use im_store::{SqliteStore, Store};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

struct Thing {
    id: String,
    key: String,
    kind: ResourceKind,
    mark: String,
    account: String,
    spec: Value,
    state: VmState,
}

#[derive(Default)]
struct World {
    things: BTreeMap<String, Thing>,
    refused: BTreeMap<String, String>,
    kept: BTreeMap<String, String>,
    slow: Duration,
    /// Machines are configured over SSH; so they are born, and so their address is.
    real: Option<(VmState, &'static [&'static str])>,
    silent: bool,
    /// Each infrastructure has names of its own.
    roomy: bool,
    /// So many looks at VMs find none of them.
    blind: u32,
    /// Ids that were asked about, per look.
    looks: Vec<usize>,
    /// Calls that were to change something.
    changes: u32,
    /// What was made or removed in the wrong order.
    wrong: Vec<String>,
}

/// The cloud.
pub(crate) struct Fake(Mutex<World>);

impl Fake {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::default()))
    }
    /// Creating this VM fails.
    pub(crate) fn refuse_vm(&self, vm: u32, why: &str) {
        self.0
            .lock()
            .unwrap()
            .refused
            .insert(format!("vm {vm}"), why.to_owned());
    }
    /// Removing and powering this fails.
    pub(crate) fn keep(&self, name: &str, why: &str) {
        self.0.lock().unwrap().kept.insert(name.to_owned(), why.to_owned());
    }
    /// Nothing fails any more.
    pub(crate) fn release(&self) {
        let mut world = self.0.lock().unwrap();
        world.kept.clear();
        world.refused.clear();
    }
    /// Something that exists.
    pub(crate) fn put(&self, name: &str, key: &str) {
        let thing = Thing {
            id: format!("id of {name}"),
            key: key.to_owned(),
            kind: ResourceKind::Vm,
            mark: String::new(),
            account: "fake account".to_owned(),
            spec: Value::Null,
            state: VmState::Running,
        };
        self.0.lock().unwrap().things.insert(name.to_owned(), thing);
    }
    /// Names of all that exists.
    pub(crate) fn things(&self) -> Vec<String> {
        self.0.lock().unwrap().things.keys().cloned().collect()
    }
    pub(crate) fn spec_of(&self, name: &str) -> Value {
        self.0.lock().unwrap().things[name].spec.clone()
    }
    pub(crate) fn id_of(&self, name: &str) -> Value {
        self.0.lock().unwrap().things[name].id.clone().into()
    }
    pub(crate) fn set_state(&self, name: &str, state: VmState) {
        self.0.lock().unwrap().things.get_mut(name).unwrap().state = state;
    }
    /// Everything is gone without our doing.
    pub(crate) fn clear(&self) {
        self.0.lock().unwrap().things.clear();
    }
    /// It is gone without our doing.
    pub(crate) fn lose(&self, name: &str) {
        self.0.lock().unwrap().things.remove(name);
    }
    /// Machines can be configured; they are born like this, and stay so.
    pub(crate) fn be_real(&self, born: VmState, addresses: &'static [&'static str]) {
        self.0.lock().unwrap().real = Some((born, addresses));
    }
    /// Each infrastructure has names of its own.
    pub(crate) fn be_roomy(&self) {
        self.0.lock().unwrap().roomy = true;
    }
    /// Looks at VMs get no answer.
    pub(crate) fn be_silent(&self, silent: bool) {
        self.0.lock().unwrap().silent = silent;
    }
    /// So many looks at VMs find none of them.
    pub(crate) fn be_blind(&self, looks: u32) {
        self.0.lock().unwrap().blind = looks;
    }
    /// How many VMs each look at them was about, since the last time.
    pub(crate) fn looks(&self) -> Vec<usize> {
        std::mem::take(&mut self.0.lock().unwrap().looks)
    }
    /// How many calls were to change something.
    pub(crate) fn changes(&self) -> u32 {
        self.0.lock().unwrap().changes
    }
    /// What was made or removed in the wrong order.
    pub(crate) fn wrong(&self) -> Vec<String> {
        self.0.lock().unwrap().wrong.clone()
    }
    /// Puts something there that nobody asked for.
    pub(crate) fn plant(&self, name: &str, mark: &str, account: &str) {
        let thing = Thing {
            id: format!("id of {name}"),
            key: String::new(),
            kind: ResourceKind::Vm,
            mark: mark.to_owned(),
            account: account.to_owned(),
            spec: Value::Null,
            state: VmState::Running,
        };
        self.0.lock().unwrap().things.insert(name.to_owned(), thing);
    }
    /// The mark that a thing bears.
    pub(crate) fn mark_of(&self, name: &str) -> String {
        self.0.lock().unwrap().things[name].mark.clone()
    }
    /// Observing takes so long.
    pub(crate) fn be_slow(&self, how: Duration) {
        self.0.lock().unwrap().slow = how;
    }
}

/// Whose credentials these are; an error if they are not those that are wanted.
fn account_of(cx: &Cx) -> Result<String, CloudError> {
    let own = match cx.auth.plain("account") {
        "" => "fake account",
        own => own,
    };
    match &cx.account {
        Some(wanted) if wanted.as_str() != own => Err(CloudError::not_applied(
            ErrorKind::WrongAccount,
            format!("these are credentials of {own}, not of {wanted}"),
        )),
        _ => Ok(own.to_owned()),
    }
}

fn name_of(kind: ResourceKind, name: &str) -> String {
    format!("{kind} {name}")
}

fn refused(why: &str) -> CloudError {
    CloudError::not_applied(ErrorKind::Exhausted, why)
}

fn observed(thing: &Thing, vm: bool, addresses: &[&str]) -> Observed {
    Observed {
        cloud_id: thing.id.clone(),
        state: vm.then_some(thing.state),
        public_ips: Vec::new(),
        private_ips: addresses
            .iter()
            .filter(|_| vm)
            .map(|a| (None, a.parse().unwrap()))
            .collect(),
        features: BTreeMap::new(),
    }
}

#[async_trait]
impl Connector for Fake {
    fn kind(&self) -> &'static str {
        "Fake"
    }
    fn capability(&self) -> Capability {
        let kinds = [ResourceKind::Vm, ResourceKind::Network, ResourceKind::Volume];
        let real = self.0.lock().unwrap().real.is_some();
        Capability {
            creates: kinds.map(|kind| (kind, Idempotence::UniqueName)).into(),
            power: Supports::Yes,
            reboot: Supports::Yes,
            alter: Supports::No("Not supported"),
            snapshot: Supports::No("Not supported"),
            images: Supports::No("Should have implemented this"),
            quotas: Supports::No("Should have implemented this"),
            contextualizes: real,
            dialable: real,
            listing_lag_ms: u64::from(real),
        }
    }
    fn check_auth(&self, _cloud: &CloudRef, _auth: &AuthLine) -> Result<(), CloudError> {
        Ok(())
    }
    fn candidates(&self, _cloud: &CloudRef, system: &System) -> Vec<System> {
        let mut system = system.clone();
        system.features.set_text("disk.0.os.credentials.username", "root");
        vec![system]
    }
    async fn account(&self, cx: &Cx) -> Result<Account, CloudError> {
        account_of(cx).map(Account::new)
    }
    async fn resolve(&self, _cx: &Cx, _request: &LaunchRequest) -> Result<Value, CloudError> {
        Ok(json!({}))
    }
    fn plan(
        &self,
        _cloud: &CloudRef,
        request: &LaunchRequest,
        _resolved: &Value,
        draw: &mut dyn Draw,
    ) -> Result<LaunchPlan, CloudError> {
        let wanted = |kind, name: String, spec: Value, after| WantedResource {
            kind,
            name,
            spec: Arc::new(spec),
            after,
        };
        let mut plan = LaunchPlan::default();
        if !request.existing.contains(&(ResourceKind::Network, "net".to_owned())) {
            plan.shared = vec![wanted(ResourceKind::Network, "net".into(), json!({}), Vec::new())];
        }
        for vm in &request.vms {
            let name = vm.vm.to_string();
            let disk = Dependency {
                kind: ResourceKind::Volume,
                name: name.clone(),
            };
            let spec = json!({ "network": "@id:network/net", "drawn": draw.alphanumeric(4) });
            plan.vms.push(VmPlan {
                vm: vm.vm,
                resources: vec![
                    wanted(ResourceKind::Vm, name.clone(), spec, vec![disk]),
                    wanted(ResourceKind::Volume, name, json!({}), Vec::new()),
                ],
                own: BTreeMap::new(),
            });
        }
        Ok(plan)
    }
    async fn ensure(&self, cx: &Cx, wanted: &[Wanted], _run: FirstOrResume) -> Vec<Result<Observed, CloudError>> {
        let account = match account_of(cx) {
            Ok(account) => account,
            Err(error) => return vec![Err(error); wanted.len()],
        };
        let mut guard = self.0.lock().unwrap();
        let world = &mut *guard;
        world.changes += 1;
        let (born, addresses) = world.real.unwrap_or((VmState::Running, &[]));
        let mut one = |wanted: &Wanted| {
            let mut name = name_of(wanted.kind, &wanted.name);
            if world.roomy {
                name = format!("{name} of {}", cx.infra);
            }
            let spec: Value = wanted.frozen.decode().unwrap();
            let net = spec.get("network").and_then(Value::as_str);
            if net.is_some_and(|net| !world.things.values().any(|t| t.id == net)) {
                world.wrong.push(format!("{name} was made without its network"));
            }
            if let Some(why) = world.refused.get(&name) {
                return Err(refused(why));
            }
            let thing = world.things.entry(name).or_insert_with_key(|name| Thing {
                id: format!("id of {name}"),
                key: wanted.key.to_string(),
                kind: wanted.kind,
                mark: cx.mark(&wanted.key),
                account: account.clone(),
                spec,
                state: born,
            });
            if thing.key != wanted.key.as_str() {
                return Err(CloudError::not_applied(ErrorKind::Conflict, "the name is taken"));
            }
            Ok(observed(thing, wanted.kind == ResourceKind::Vm, addresses))
        };
        wanted.iter().map(&mut one).collect()
    }
    async fn find(&self, cx: &Cx) -> Result<Vec<Found>, CloudError> {
        let mut found = self.find_all(cx).await?;
        found.retain(|found| found.mark.infra == cx.infra);
        Ok(found)
    }
    async fn find_all(&self, cx: &Cx) -> Result<Vec<Found>, CloudError> {
        let account = account_of(cx)?;
        let world = self.0.lock().unwrap();
        let found = |(name, thing): (&String, &Thing)| {
            if thing.account != account {
                return None;
            }
            Some(Found {
                kind: thing.kind,
                cloud_id: thing.id.clone(),
                name: name.clone(),
                mark: Mark::open(&thing.mark, &cx.deployment)?,
            })
        };
        Ok(world.things.iter().filter_map(found).collect())
    }
    async fn observe(&self, cx: &Cx, ids: &[String]) -> Result<Vec<Seen>, CloudError> {
        account_of(cx)?;
        let slow = self.0.lock().unwrap().slow;
        tokio::time::sleep(slow).await;
        let mut world = self.0.lock().unwrap();
        world.looks.push(ids.len());
        if world.silent {
            return Err(CloudError::not_applied(ErrorKind::Unavailable, "no answer"));
        }
        let blind = world.blind > 0;
        world.blind = world.blind.saturating_sub(1);
        let addresses = world.real.map_or(&[][..], |real| real.1);
        let see = |id: &String| match world.things.values().find(|thing| thing.id == *id) {
            Some(thing) if !blind => Seen::There(Box::new(observed(thing, true, addresses))),
            _ => Seen::NotThere,
        };
        Ok(ids.iter().map(see).collect())
    }
    async fn ensure_absent(&self, cx: &Cx, target: &Target) -> Result<Gone, CloudError> {
        let account = account_of(cx)?;
        let mut guard = self.0.lock().unwrap();
        let world = &mut *guard;
        world.changes += 1;
        let mark = cx.mark(&target.key);
        let here = |thing: &Thing| thing.mark == mark && thing.account == account;
        let named = world
            .things
            .iter()
            .find(|(_, thing)| here(thing))
            .map(|(name, _)| name.clone());
        let name = named.unwrap_or_else(|| name_of(target.kind, &target.name));
        // What a test put there bears no mark.
        let put = |thing: &Thing| thing.mark.is_empty() && thing.account == account;
        if !world.things.get(&name).is_some_and(|thing| put(thing) || here(thing)) {
            return Ok(Gone::WasAbsent);
        }
        let id = world.things[&name].id.clone();
        let uses = |t: &Thing| t.kind == ResourceKind::Vm && t.spec.get("network").and_then(Value::as_str) == Some(&id);
        if world.things.values().any(uses) {
            world.wrong.push(format!("{name} was removed while it was used"));
        }
        if let Some(why) = world.kept.get(&name) {
            return Err(CloudError::not_applied(ErrorKind::Invalid, why.clone()));
        }
        Ok(match world.things.remove(&name) {
            Some(_) => Gone::Removed,
            None => Gone::WasAbsent,
        })
    }
    async fn power(&self, _cx: &Cx, cloud_id: &str, power: Power) -> Result<Observed, CloudError> {
        let mut world = self.0.lock().unwrap();
        world.changes += 1;
        let World { things, kept, .. } = &mut *world;
        let (name, thing) = things.iter_mut().find(|(_, thing)| thing.id == cloud_id).unwrap();
        if let Some(why) = kept.get(name) {
            return Err(CloudError::not_applied(ErrorKind::Invalid, why.clone()));
        }
        thing.state = match power {
            Power::Stop => VmState::Stopped,
            Power::Start | Power::Reboot => VmState::Running,
        };
        Ok(observed(thing, true, &[]))
    }
    async fn alter(&self, _cx: &Cx, _id: &str, _current: &System, _wanted: &System) -> Result<Observed, CloudError> {
        Err(CloudError::unsupported("Not supported"))
    }
    async fn images(&self, _cx: &Cx, _filters: &BTreeMap<String, String>) -> Result<Vec<(String, String)>, CloudError> {
        Err(CloudError::unsupported("Should have implemented this"))
    }
    async fn quotas(&self, _cx: &Cx) -> Result<BTreeMap<String, (f64, f64)>, CloudError> {
        Err(CloudError::unsupported("Should have implemented this"))
    }
}

/// Options of engines in tests.
pub(crate) fn engine_options() -> EngineOptions {
    let mut engine = EngineOptions::new(InstanceId::from("test"));
    engine.retry_delay = Duration::from_millis(10);
    engine
}

/// Options of services in tests: clouds are asked often.
pub(crate) fn options() -> ServiceOptions {
    ServiceOptions {
        refresh_after: Duration::from_millis(50),
        ..ServiceOptions::default()
    }
}

/// The service over that cloud.
pub(crate) async fn service(fake: &Arc<Fake>) -> Arc<Service> {
    service_with(fake, options(), engine_options()).await
}

/// The same, with these options.
pub(crate) async fn service_with(fake: &Arc<Fake>, options: ServiceOptions, engine: EngineOptions) -> Arc<Service> {
    let store = Arc::new(SqliteStore::temporary().await.unwrap());
    service_on(fake, store, options, engine).await
}

/// The same, with a database of the test's.
pub(crate) async fn service_over(fake: &Arc<Fake>, store: Arc<dyn Store>) -> Arc<Service> {
    service_on(fake, store, options(), engine_options()).await
}

/// The same, with a database and options of the test's.
pub(crate) async fn service_on(
    fake: &Arc<Fake>,
    store: Arc<dyn Store>,
    options: ServiceOptions,
    engine: EngineOptions,
) -> Arc<Service> {
    let connectors: [Arc<dyn Connector>; 1] = [fake.clone()];
    let guard = Guard::new(AllowedHosts::default());
    Service::start(store, Connectors::new(connectors), options, engine, guard)
        .await
        .unwrap()
}

fn caller_with(user: &str, lines: &[&[(&str, &str)]]) -> Caller {
    let me: &[(&str, &str)] = &[("type", "InfrastructureManager"), ("username", user), ("password", "p")];
    let all = [me].into_iter().chain(lines.iter().copied());
    let credentials = Credentials {
        lines: all.map(|line| AuthLine::new(line.iter().copied())).collect(),
    };
    let policy = Policy {
        admins: Admins::from_json(&json!({"username": "root", "password": "p"})).unwrap(),
        ..Policy::default()
    };
    policy.check(credentials).unwrap()
}

pub(crate) fn caller() -> Caller {
    caller_with("me", &[&[("type", "Fake"), ("id", "fake")]])
}

/// A user (`root` is the administrator) with an account of their own at the cloud.
pub(crate) fn caller_of(user: &str, account: &str) -> Caller {
    caller_with(user, &[&[("type", "Fake"), ("id", "fake"), ("account", account)]])
}

/// The same user, with credentials of another account there.
pub(crate) fn caller_of_another_account() -> Caller {
    caller_of("me", "another account")
}

pub(crate) fn caller_without_cloud() -> Caller {
    caller_with("me", &[])
}

pub(crate) fn read(text: &str) -> Document {
    let parsed = im_radl::parse(text);
    assert!(parsed.is_ok(), "{:?}", parsed.diagnostics);
    parsed.document
}

pub(crate) async fn eventually(service: &Service, id: &InfraId, wanted: VmState, vm: VmId) {
    for _ in 0..200 {
        if service.state(&caller(), id).await.unwrap().vm_states[&vm] == wanted {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("never {wanted}: {:?}", service.state(&caller(), id).await);
}
