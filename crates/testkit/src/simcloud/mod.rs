//! A cloud in memory, with the faults of real ones: answers that get lost, effects that arrive late, lists that lag,
//! foreign objects under our names, several accounts. It lives on when the process that calls it dies, and so do the
//! requests that are on their way.

mod connector;

use crate::{crash::Life, dice::Dice, safeguard::Safeguard};
use connector::SimConnector;
use im_cloud::{CloudError, Connector, Cx, ErrorKind, FirstOrResume, Found, Gone, Target, Wanted};
use im_model::{Idempotence, InfraId, Key, Mark, ResourceKind, VmState};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// What happens to every request to create something of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Always {
    /// Refused, nothing done; may succeed later.
    Refused,
    /// Refused, nothing done; will not succeed.
    RefusedForGood,
    /// Not done, and never answered.
    Unanswered,
}

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
    /// No answer ever, and done so long after the caller has given up or died.
    Hangs(Duration),
    /// The process stands still for so long between its permission to call and the call, which is made then whatever
    /// the process has come to think of it.
    Frozen(Duration),
    /// The same, for so long that another process takes its place (where the database serves several).
    Replaced(Duration),
    /// Done, and the caller is made to do it again before it can note it, as after a restart.
    Twice,
    /// Done, and answered, only after so long.
    Slow(Duration),
    /// The request arrives twice; the answer is the second one's.
    Repeated,
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
    /// What its connector does without.
    pub without: Option<Safeguard>,
}

impl Default for SimCloudOptions {
    fn default() -> Self {
        Self {
            idempotence: Idempotence::UniqueName,
            lag: Duration::ZERO,
            latency: Duration::from_millis(20),
            transit: Duration::from_millis(50),
            without: None,
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
    /// How often it was altered.
    altered: u32,
    /// Somebody else's.
    foreign: bool,
}

impl Object {
    /// The key in its mark.
    pub fn key(&self) -> Option<&str> {
        self.mark.rsplit('.').nth(1)
    }
    /// The step that wanted it, whichever the attempt.
    fn step(&self) -> Option<&str> {
        let (_, rest) = self.spec.split_once(r#""of":""#)?;
        rest.split_once('"').map(|(step, _)| step)
    }
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
    /// What always happens to requests to create one of these kinds.
    kinds: BTreeMap<ResourceKind, Always>,
    /// Keys or steps of which two objects were alive at once.
    doubles: Vec<String>,
    /// How many objects of a step are alive, whichever the attempt.
    living: HashMap<String, u32>,
    /// What others put there.
    planted: Vec<Object>,
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
        if let Some(step) = object.step() {
            let living = self.living.entry(step.to_owned()).or_default();
            *living += 1;
            if *living > 1 {
                self.doubles.push(step.to_owned());
            }
        }
        self.objects.insert(object.id.clone(), object);
    }
    fn remove(&mut self, id: &str) {
        let Some(object) = self.objects.remove(id) else {
            return;
        };
        if let Some(ids) = self.names.get_mut(&object.name) {
            ids.retain(|other| other != id);
        }
        if let Some(living) = object.step().and_then(|step| self.living.get_mut(step)) {
            *living -= 1;
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
                kinds: BTreeMap::new(),
                doubles: Vec::new(),
                living: HashMap::new(),
                planted: Vec::new(),
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

    /// Creating a resource of this kind fails so from now on.
    pub fn fail_kind(&self, kind: ResourceKind, always: Always) {
        self.world().kinds.insert(kind, always);
    }

    /// Everything works from now on; what is on its way still arrives.
    pub fn heal(&self) {
        let mut world = self.world();
        world.rate = (0, Vec::new());
        world.kinds.clear();
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

    /// Keys, and steps in whatever attempt, of which two objects were alive at once.
    pub fn doubles(&self) -> Vec<String> {
        self.world().doubles.clone()
    }

    /// Puts an object of somebody else there; answers its id.
    pub fn plant(&self, kind: ResourceKind, name: &str, mark: &str, account: &str) -> String {
        let mut world = self.world();
        world.next += 1;
        let id = format!("foreign-{}", world.next);
        let object = Object {
            id: id.clone(),
            kind,
            name: name.to_owned(),
            mark: mark.to_owned(),
            account: account.to_owned(),
            state: VmState::Running,
            altered: 0,
            foreign: true,
            spec: String::new(),
            listed_from: Instant::now(),
        };
        world.planted.push(object.clone());
        world.insert(object);
        id
    }

    /// Objects of others that are not any more what they were.
    pub fn touched(&self) -> Vec<String> {
        let world = self.world();
        let same = |planted: &Object| {
            let now = world.objects.get(&planted.id);
            now.is_some_and(|now| now.state == planted.state && now.altered == planted.altered)
        };
        let touched = world.planted.iter().filter(|planted| !same(planted));
        touched.map(|o| format!("{} {} ({:?})", o.kind, o.id, o.mark)).collect()
    }

    /// The objects that are alive and not somebody else's.
    pub fn ours(&self) -> Vec<Object> {
        let world = self.world();
        world.objects.values().filter(|o| !o.foreign).cloned().collect()
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

    fn is_ours(&self, object: &Object, mark: &str) -> bool {
        object.mark == mark || self.options.without == Some(Safeguard::Mark)
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
                if self.is_ours(there, mark) {
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
                .find(|o| self.is_ours(o, mark) && o.account == account && o.listed_from <= now);
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
            altered: 0,
            foreign: false,
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
            .filter(|o| self.is_ours(o, mark) && o.account == account)
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

    /// The same, of its size.
    fn alter(&self, id: &str, account: &str) -> bool {
        let mut world = self.world();
        let object = world.objects.get_mut(id).filter(|o| o.account == account);
        object.map(|o| o.altered += 1).is_some()
    }

    /// What this account can list and bears a mark of the deployment.
    fn marked(&self, cx: &Cx, account: &str) -> Vec<Found> {
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
            .collect()
    }

    fn found(&self, cx: &Cx, account: &str) -> Vec<Found> {
        let mut found = self.marked(cx, account);
        found.retain(|found| found.mark.infra == cx.infra);
        found
    }

    /// Objects that bear a mark of this infrastructure, by key.
    pub fn of_infra(&self, infra: &InfraId) -> BTreeMap<String, Object> {
        let part = format!(".{infra}.");
        self.world()
            .objects
            .values()
            .filter(|o| !o.foreign && o.mark.contains(&part))
            .map(|o| (o.key().unwrap_or_default().to_owned(), o.clone()))
            .collect()
    }
}
