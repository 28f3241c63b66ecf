//! A cloud in memory, with the faults of real ones: answers that get lost, effects that arrive late, lists that lag,
//! foreign objects under our names, several accounts. It lives on when the process that calls it dies, and so do the
//! requests that are on their way.

use crate::{crash::Life, dice::Dice};
use async_trait::async_trait;
use im_cloud::{
    CloudError, Connector, Cx, Draw, ErrorKind, FirstOrResume, Found, Gone, LaunchPlan, LaunchRequest, Observed, Seen,
    Target, VmPlan, Wanted, WantedResource,
};
use im_model::{
    Account, AuthLine, Capability, CloudRef, Idempotence, InfraId, Key, Mark, Power, ResourceKind, Supports, VmState,
};
use im_radl::System;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep},
};

/// What happens to one call about one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Refused, nothing done; may succeed later.
    Refused,
    /// Refused, nothing done; will not succeed.
    RefusedForGood,
    /// Refused for the credentials.
    Unauthorized,
    /// Done, but the answer is lost.
    AnswerLost,
    /// Not done, and no answer.
    NotDoneNoAnswer,
    /// No answer, and done only after so long.
    Late(Duration),
    /// The connector panics.
    Panic,
}

/// How the cloud behaves.
#[derive(Clone, Debug)]
pub struct SimCloudOptions {
    /// How creating is made idempotent.
    pub idempotence: Idempotence,
    /// How long a new object is missing from lists.
    pub lag: Duration,
    /// The longest that a call takes.
    pub latency: Duration,
    /// The longest that a request may be on its way after its caller died.
    pub transit: Duration,
}

impl Default for SimCloudOptions {
    fn default() -> Self {
        Self {
            idempotence: Idempotence::UniqueName,
            lag: Duration::ZERO,
            latency: Duration::from_millis(20),
            transit: Duration::from_millis(50),
        }
    }
}

/// An object at the cloud.
#[derive(Clone, Debug)]
pub struct Object {
    /// Its id.
    pub id: String,
    /// Kind.
    pub kind: ResourceKind,
    /// Name.
    pub name: String,
    /// The mark as it was written.
    pub mark: String,
    /// Whose.
    pub account: String,
    /// The request that made it.
    pub spec: String,
    listed_from: Instant,
    /// Of a VM: whether it runs.
    state: VmState,
}

struct World {
    objects: BTreeMap<String, Object>,
    /// Ids by name. Names of ours hold the key, so whatever bears a mark of ours is found by its name, too.
    names: HashMap<String, Vec<String>>,
    next: u64,
    dice: Dice,
    /// Per call about one resource, counted: the faults to come.
    faults: BTreeMap<u64, Fault>,
    calls: u64,
    /// So many faults in a hundred calls, of these kinds.
    rate: (u64, Vec<Fault>),
    /// Keys of which two objects were alive at once.
    doubles: Vec<String>,
    /// How many objects were ever made.
    created: u64,
}

impl World {
    fn named(&self, name: &str) -> impl Iterator<Item = &Object> {
        let ids = self.names.get(name).map(Vec::as_slice).unwrap_or_default();
        ids.iter().filter_map(|id| self.objects.get(id))
    }
    fn insert(&mut self, object: Object) {
        self.names
            .entry(object.name.clone())
            .or_default()
            .push(object.id.clone());
        self.objects.insert(object.id.clone(), object);
    }
    fn remove(&mut self, id: &str) {
        if let Some(object) = self.objects.remove(id)
            && let Some(ids) = self.names.get_mut(&object.name)
        {
            ids.retain(|other| other != id);
        }
    }
}

/// A cloud.
pub struct SimCloud {
    /// How it behaves.
    pub options: SimCloudOptions,
    world: Mutex<World>,
}

impl SimCloud {
    /// An empty cloud.
    pub fn new(options: SimCloudOptions, seed: u64) -> Arc<Self> {
        Arc::new(Self {
            options,
            world: Mutex::new(World {
                objects: BTreeMap::new(),
                names: HashMap::new(),
                next: 0,
                dice: Dice::new(seed),
                faults: BTreeMap::new(),
                calls: 0,
                rate: (0, Vec::new()),
                doubles: Vec::new(),
                created: 0,
            }),
        })
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The way to it for one process.
    pub fn connector(self: &Arc<Self>, life: &Life) -> Arc<dyn Connector> {
        Arc::new(SimConnector {
            cloud: Arc::clone(self),
            life: life.clone(),
        })
    }

    /// The `n`th call about a resource, from 0, fails so.
    pub fn fail_at(&self, n: u64, fault: Fault) {
        self.world().faults.insert(n, fault);
    }

    /// So many of a hundred calls fail, in one of these ways.
    pub fn fail_often(&self, percent: u64, kinds: &[Fault]) {
        self.world().rate = (percent, kinds.to_vec());
    }

    /// Everything works from now on; what is on its way still arrives.
    pub fn heal(&self) {
        let mut world = self.world();
        world.rate = (0, Vec::new());
        world.faults.clear();
    }

    /// How many calls there were, one per resource.
    pub fn calls(&self) -> u64 {
        self.world().calls
    }

    /// How many objects were ever made.
    pub fn created(&self) -> u64 {
        self.world().created
    }

    /// The objects that are alive.
    pub fn objects(&self) -> Vec<Object> {
        self.world().objects.values().cloned().collect()
    }

    /// Keys of which two objects were alive at once.
    pub fn doubles(&self) -> Vec<String> {
        self.world().doubles.clone()
    }

    /// Puts an object of somebody else there.
    pub fn plant(&self, kind: ResourceKind, name: &str, mark: &str, account: &str) -> String {
        let mut world = self.world();
        world.next += 1;
        let id = format!("foreign-{}", world.next);
        world.insert(Object {
            id: id.clone(),
            kind,
            name: name.to_owned(),
            mark: mark.to_owned(),
            account: account.to_owned(),
            state: VmState::Running,
            spec: String::new(),
            listed_from: Instant::now(),
        });
        id
    }

    /// The name that an object of ours bears.
    pub fn name_of(key: &Key) -> String {
        format!("im-{key}")
    }

    fn next_fault(&self) -> Option<Fault> {
        let mut world = self.world();
        let number = world.calls;
        world.calls += 1;
        if let Some(fault) = world.faults.remove(&number) {
            return Some(fault);
        }
        let (percent, kinds) = world.rate.clone();
        if world.dice.percent(percent) {
            return world.dice.pick(&kinds).copied();
        }
        None
    }

    fn some_of(&self, longest: Duration) -> Duration {
        let micros = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.world().dice.below(micros.saturating_add(1)))
    }

    /// A create request arrives.
    fn create(&self, wanted: &Wanted, mark: &str, account: &str, first: FirstOrResume) -> Result<String, CloudError> {
        let mut world = self.world();
        let name = Self::name_of(&wanted.key);
        let unique = !matches!(
            self.options.idempotence,
            Idempotence::MarkThenSearch | Idempotence::Unmarkable
        );
        if unique {
            if let Some(there) = world
                .named(&name)
                .find(|o| o.kind == wanted.kind && o.account == account)
            {
                if there.mark == mark {
                    return Ok(there.id.clone());
                }
                return Err(CloudError::not_applied(
                    ErrorKind::Conflict,
                    format!("the name {name} is taken"),
                ));
            }
        } else if first == FirstOrResume::Resume {
            let now = Instant::now();
            let listed = world
                .named(&name)
                .find(|o| o.mark == mark && o.account == account && o.listed_from <= now);
            if let Some(there) = listed {
                return Ok(there.id.clone());
            }
        }
        if world.named(&name).any(|o| o.mark == mark) {
            world.doubles.push(mark.to_owned());
        }
        world.next += 1;
        world.created += 1;
        let id = format!("{}-{}", wanted.kind, world.next);
        world.insert(Object {
            id: id.clone(),
            kind: wanted.kind,
            name,
            mark: mark.to_owned(),
            account: account.to_owned(),
            state: VmState::Running,
            spec: wanted.frozen.as_str().to_owned(),
            listed_from: Instant::now() + self.options.lag,
        });
        Ok(id)
    }

    /// A delete request arrives.
    fn delete(&self, target: &Target, mark: &str, account: &str) -> Gone {
        let mut world = self.world();
        let now = Instant::now();
        let unique = !matches!(
            self.options.idempotence,
            Idempotence::MarkThenSearch | Idempotence::Unmarkable
        );
        let ids: Vec<String> = world
            .named(&Self::name_of(&target.key))
            .filter(|o| o.mark == mark && o.account == account)
            .filter(|o| match &target.cloud_id {
                Some(id) => o.id == *id,
                // By its name it is found at once, by its mark only in lists.
                None => unique || o.listed_from <= now,
            })
            .map(|o| o.id.clone())
            .collect();
        for id in &ids {
            world.remove(id);
        }
        if ids.is_empty() { Gone::WasAbsent } else { Gone::Removed }
    }

    /// The state of an object of this account.
    fn state(&self, id: &str, account: &str) -> Option<VmState> {
        let world = self.world();
        world.objects.get(id).filter(|o| o.account == account).map(|o| o.state)
    }

    /// Changes it; answers whether there is such an object.
    fn set_state(&self, id: &str, account: &str, state: VmState) -> bool {
        let mut world = self.world();
        let object = world.objects.get_mut(id).filter(|o| o.account == account);
        object.map(|o| o.state = state).is_some()
    }

    fn found(&self, cx: &Cx, account: &str) -> Vec<Found> {
        let now = Instant::now();
        self.world()
            .objects
            .values()
            .filter(|o| o.account == account && o.listed_from <= now)
            .filter_map(|o| {
                Some(Found {
                    kind: o.kind,
                    cloud_id: o.id.clone(),
                    name: o.name.clone(),
                    mark: Mark::open(&o.mark, &cx.deployment)?,
                })
            })
            .filter(|found| found.mark.infra == cx.infra)
            .collect()
    }

    /// Objects that bear a mark of this infrastructure, by key.
    pub fn of_infra(&self, infra: &InfraId) -> BTreeMap<String, Object> {
        let part = format!(".{infra}.");
        self.world()
            .objects
            .values()
            .filter(|o| o.mark.contains(&part))
            .map(|o| (o.mark.rsplit('.').nth(1).unwrap_or_default().to_owned(), o.clone()))
            .collect()
    }
}

struct SimConnector {
    cloud: Arc<SimCloud>,
    life: Life,
}

fn no_answer() -> CloudError {
    CloudError::unknown(ErrorKind::Unavailable, "no answer")
}

impl SimConnector {
    fn check(cx: &Cx) -> Result<String, CloudError> {
        let own = cx.auth.plain("account");
        if own.is_empty() {
            return Err(CloudError::not_applied(ErrorKind::Unauthorized, "who are you?"));
        }
        match &cx.account {
            Some(wanted) if wanted.as_str() != own => Err(CloudError::not_applied(
                ErrorKind::WrongAccount,
                format!("these are credentials of {own}, not of {wanted}"),
            )),
            _ => Ok(own.to_owned()),
        }
    }

    /// Sends a request. The cloud carries it out whether or not somebody still waits for the answer.
    async fn request<T: Send + 'static>(
        &self,
        effect: impl FnOnce(&SimCloud) -> Result<T, CloudError> + Send + 'static,
    ) -> Result<T, CloudError> {
        self.life.check().await;
        let fault = self.cloud.next_fault();
        let way = self.cloud.some_of(self.cloud.options.transit);
        let answer_after = self.cloud.some_of(self.cloud.options.latency);
        let (send, receive) = oneshot::channel();
        let cloud = Arc::clone(&self.cloud);
        match fault {
            Some(Fault::Refused) => {
                sleep(answer_after).await;
                return Err(CloudError::not_applied(ErrorKind::Unavailable, "come back later"));
            }
            Some(Fault::RefusedForGood) => {
                sleep(answer_after).await;
                return Err(CloudError::not_applied(ErrorKind::Invalid, "never"));
            }
            Some(Fault::Unauthorized) => {
                return Err(CloudError::not_applied(ErrorKind::Unauthorized, "token expired"));
            }
            Some(Fault::NotDoneNoAnswer) => {
                sleep(answer_after).await;
                return Err(no_answer());
            }
            Some(Fault::Late(pause)) => {
                tokio::spawn(async move {
                    sleep(pause).await;
                    let _ = effect(&cloud);
                });
                sleep(answer_after).await;
                return Err(no_answer());
            }
            Some(Fault::Panic) => std::panic::resume_unwind(Box::new("the connector panics")),
            Some(Fault::AnswerLost) | None => {
                tokio::spawn(async move {
                    sleep(way).await;
                    let result = effect(&cloud);
                    sleep(answer_after).await;
                    let _ = send.send(result);
                });
            }
        }
        let answer = receive.await;
        self.life.check().await;
        if fault == Some(Fault::AnswerLost) {
            return Err(no_answer());
        }
        answer.unwrap_or_else(|_| Err(no_answer()))
    }

    async fn ensure_one(&self, cx: &Cx, wanted: &Wanted, first: FirstOrResume) -> Result<Observed, CloudError> {
        let account = Self::check(cx)?;
        let (wanted, mark) = (wanted.clone(), cx.mark(&wanted.key));
        let cloud_id = self
            .request(move |cloud| cloud.create(&wanted, &mark, &account, first))
            .await?;
        Ok(Observed {
            cloud_id,
            state: Some(VmState::Running),
            public_ips: Vec::new(),
            private_ips: Vec::new(),
            features: BTreeMap::new(),
        })
    }
}

#[async_trait]
impl Connector for SimConnector {
    fn kind(&self) -> &'static str {
        "Sim"
    }

    fn capability(&self) -> Capability {
        let kinds = [
            ResourceKind::Vm,
            ResourceKind::Network,
            ResourceKind::Volume,
            ResourceKind::Address,
        ];
        let creates = kinds.map(|kind| (kind, self.cloud.options.idempotence));
        Capability {
            creates: creates.into(),
            power: Supports::Yes,
            reboot: Supports::Yes,
            alter: Supports::No("no"),
            snapshot: Supports::No("no"),
            images: Supports::No("no"),
            quotas: Supports::No("no"),
            contextualizes: false,
            dialable: false,
            listing_lag_ms: u64::try_from(self.cloud.options.lag.as_millis()).unwrap_or(u64::MAX),
        }
    }

    fn check_auth(&self, _cloud: &CloudRef, auth: &AuthLine) -> Result<(), CloudError> {
        if auth.plain("account").is_empty() {
            return Err(CloudError::not_applied(ErrorKind::Unauthorized, "who are you?"));
        }
        Ok(())
    }

    fn candidates(&self, _cloud: &CloudRef, system: &System) -> Vec<System> {
        vec![system.clone()]
    }

    async fn account(&self, cx: &Cx) -> Result<Account, CloudError> {
        self.life.check().await;
        Self::check(cx).map(Account::new)
    }

    async fn resolve(&self, cx: &Cx, _request: &LaunchRequest) -> Result<Value, CloudError> {
        Self::check(cx)?;
        self.request(|_| Ok(json!({}))).await
    }

    fn plan(
        &self,
        _cloud: &CloudRef,
        request: &LaunchRequest,
        _resolved: &Value,
        _draw: &mut dyn Draw,
    ) -> Result<LaunchPlan, CloudError> {
        let vm = |vm: im_model::VmId| VmPlan {
            vm,
            resources: vec![WantedResource {
                kind: ResourceKind::Vm,
                name: format!("vm{vm}"),
                spec: Arc::new(json!({ "vm": vm })),
                after: Vec::new(),
            }],
            own: BTreeMap::new(),
        };
        Ok(LaunchPlan {
            shared: Vec::new(),
            vms: request.vms.iter().map(|v| vm(v.vm)).collect(),
        })
    }

    async fn ensure(&self, cx: &Cx, wanted: &[Wanted], run: FirstOrResume) -> Vec<Result<Observed, CloudError>> {
        let mut results = Vec::with_capacity(wanted.len());
        for one in wanted {
            results.push(self.ensure_one(cx, one, run).await);
        }
        results
    }

    async fn find(&self, cx: &Cx) -> Result<Vec<Found>, CloudError> {
        let account = Self::check(cx)?;
        let cx = cx.clone();
        self.request(move |cloud| Ok(cloud.found(&cx, &account))).await
    }

    async fn observe(&self, cx: &Cx, ids: &[String]) -> Result<Vec<Seen>, CloudError> {
        let account = Self::check(cx)?;
        let ids = ids.to_vec();
        self.request(move |cloud| {
            let seen = |id: &String| {
                let Some(state) = cloud.state(id, &account) else {
                    return Seen::NotThere;
                };
                Seen::There(Box::new(Observed {
                    cloud_id: id.clone(),
                    state: Some(state),
                    public_ips: Vec::new(),
                    private_ips: Vec::new(),
                    features: BTreeMap::new(),
                }))
            };
            Ok(ids.iter().map(seen).collect())
        })
        .await
    }

    async fn ensure_absent(&self, cx: &Cx, target: &Target) -> Result<Gone, CloudError> {
        let account = Self::check(cx)?;
        let (target, mark) = (target.clone(), cx.mark(&target.key));
        self.request(move |cloud| Ok(cloud.delete(&target, &mark, &account)))
            .await
    }

    async fn power(&self, cx: &Cx, cloud_id: &str, power: Power) -> Result<Observed, CloudError> {
        let account = Self::check(cx)?;
        let cloud_id = cloud_id.to_owned();
        self.request(move |cloud| {
            let state = match power {
                Power::Stop => VmState::Stopped,
                Power::Start | Power::Reboot => VmState::Running,
            };
            if !cloud.set_state(&cloud_id, &account, state) {
                return Err(CloudError::not_applied(ErrorKind::NotFound, "no such VM"));
            }
            Ok(Observed {
                cloud_id,
                state: Some(state),
                public_ips: Vec::new(),
                private_ips: Vec::new(),
                features: BTreeMap::new(),
            })
        })
        .await
    }

    async fn alter(&self, _: &Cx, _: &str, _: &System, _: &System) -> Result<Observed, CloudError> {
        Err(CloudError::unsupported("no"))
    }

    async fn images(&self, _: &Cx, _: &BTreeMap<String, String>) -> Result<Vec<(String, String)>, CloudError> {
        Err(CloudError::unsupported("no"))
    }

    async fn quotas(&self, _: &Cx) -> Result<BTreeMap<String, (f64, f64)>, CloudError> {
        Err(CloudError::unsupported("no"))
    }
}
