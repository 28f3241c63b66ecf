//! An infrastructure at the cloud under test: what the engine would do, without its rows.

use super::Subject;
use im_cloud::{
    CloudError, Connector, Cx, Draw, FirstOrResume, Gone, LaunchPlan, LaunchRequest, Observed, Target, VmRequest,
    Wanted, WantedResource,
};
use im_model::{Account, Deployment, Frozen, InfraId, Key, KeyParts, OperationId, ResourceKind, StepId, VmId};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use uuid::Uuid;

/// A source of "random" values that follow from a seed.
#[derive(Clone, Debug)]
pub struct Seeded(pub u64);

impl Seeded {
    fn next(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

impl Draw for Seeded {
    fn alphanumeric(&mut self, len: usize) -> String {
        const LETTERS: &[u8; 62] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
        (0..len).map(|_| char::from(LETTERS[self.below(62) as usize])).collect()
    }
    fn below(&mut self, bound: u32) -> u32 {
        u32::try_from(self.next() % u64::from(bound.max(1))).unwrap_or_default()
    }
}

/// A resource that was asked for.
#[derive(Clone, Debug)]
pub struct Made {
    /// As it was asked for.
    pub wanted: Wanted,
    /// What the cloud said.
    pub observed: Observed,
}

/// An infrastructure of a test.
#[derive(Clone)]
pub struct World {
    /// What calls are made with.
    pub cx: Cx,
    operation: OperationId,
    step: Arc<AtomicU32>,
    seed: u64,
    passwords: Arc<Mutex<Vec<String>>>,
}

impl World {
    pub(super) fn new(subject: &Subject) -> Self {
        let infra = Uuid::new_v4();
        let deployment = Deployment {
            name: format!("test{}", &infra.simple().to_string()[..8]),
            secret: Uuid::new_v4().to_string().into(),
        };
        Self {
            cx: Cx {
                cloud: Arc::clone(&subject.cloud),
                auth: Arc::clone(&subject.auth),
                infra: InfraId::from(infra.to_string()),
                deployment: Arc::new(deployment),
                account: None,
                deadline: Duration::from_mins(1),
            },
            operation: OperationId::from(Uuid::new_v4().to_string()),
            step: Arc::default(),
            seed: infra.as_u64_pair().0,
            passwords: Arc::default(),
        }
    }

    /// Somebody else with the same infrastructure id: their marks are not ours, their names are.
    #[must_use]
    pub fn stranger(&self, subject: &Subject) -> World {
        let mut stranger = subject.world();
        stranger.cx.infra = self.cx.infra.clone();
        stranger.seed = self.seed;
        subject.worlds.lock().unwrap().push(stranger.clone());
        stranger
    }

    /// Another infrastructure of the same deployment: its marks are ours.
    #[must_use]
    pub fn neighbour(&self, subject: &Subject) -> World {
        let mut neighbour = subject.world();
        neighbour.cx.deployment = Arc::clone(&self.cx.deployment);
        subject.worlds.lock().unwrap().push(neighbour.clone());
        neighbour
    }

    /// The same under another account.
    pub fn under(&self, account: &Account) -> Cx {
        Cx {
            account: Some(account.clone()),
            ..self.cx.clone()
        }
    }

    /// A key that no other call gives.
    pub fn key(&self) -> Key {
        Key::of(KeyParts {
            deployment: &self.cx.deployment.name,
            infra: &self.cx.infra,
            operation: &self.operation,
            step: StepId(self.step.fetch_add(1, Ordering::Relaxed)),
            index: 0,
            attempt: 0,
        })
    }

    /// A request for so many VMs.
    pub fn request(&self, subject: &Subject, count: u32) -> LaunchRequest {
        let system = subject.system();
        LaunchRequest {
            infra: self.cx.infra.clone(),
            document: Arc::clone(&subject.document),
            vms: (0..count)
                .map(|n| VmRequest {
                    vm: VmId(n),
                    system: Arc::clone(&system),
                })
                .collect(),
            tags: BTreeMap::from([("IM_INFRA_ID".to_owned(), self.cx.infra.to_string())]),
            existing: Vec::new(),
        }
    }

    /// The values that planning draws.
    pub fn draw(&self) -> Seeded {
        Seeded(self.seed)
    }

    /// Resolves and plans.
    pub async fn plan(&self, subject: &Subject, request: &LaunchRequest) -> Result<LaunchPlan, CloudError> {
        let resolved = subject.connector.resolve(&self.cx, request).await?;
        // As it comes back from the database.
        let resolved: Value = serde_json::from_str(&resolved.to_string()).unwrap();
        let plan = subject
            .connector
            .plan(&self.cx.cloud, request, &resolved, &mut self.draw())?;
        let own = plan.vms.iter().flat_map(|vm| &vm.own);
        let passwords = own.filter(|(name, _)| name.ends_with(".password"));
        let passwords = passwords.filter_map(|(_, value)| value.as_str().map(str::to_owned));
        self.passwords.lock().unwrap().extend(passwords);
        Ok(plan)
    }

    /// Passwords drawn so far.
    pub fn passwords(&self) -> Vec<String> {
        self.passwords.lock().unwrap().clone()
    }

    /// The resources of a plan in an order in which they can be made, ids of those before filled in by `id_of`.
    pub fn in_order(plan: &LaunchPlan) -> Vec<(Option<VmId>, WantedResource)> {
        let shared = plan.shared.iter().map(|r| (None, r.clone()));
        let own = plan
            .vms
            .iter()
            .flat_map(|vm| vm.resources.iter().map(|r| (Some(vm.vm), r.clone())));
        let mut waiting: Vec<_> = shared.chain(own).collect();
        let mut ordered: Vec<(Option<VmId>, WantedResource)> = Vec::new();
        while !waiting.is_empty() {
            let planned: Vec<_> = waiting.iter().map(|(_, r)| (r.kind, r.name.clone())).collect();
            let ready = waiting.iter().position(|(_, r)| {
                let mut needs = references(&r.spec);
                needs.extend(r.after.iter().map(|d| (d.kind.as_str().to_owned(), d.name.clone())));
                !needs
                    .iter()
                    .any(|(kind, name)| planned.iter().any(|(k, n)| k.as_str() == kind && n == name))
            });
            let ready = ready.expect("resources do not wait for each other in a circle");
            ordered.push(waiting.remove(ready));
        }
        ordered
    }

    /// The request of a resource, ids filled in.
    pub fn wanted(&self, vm: Option<VmId>, resource: &WantedResource, made: &[Made]) -> Wanted {
        let mut spec = (*resource.spec).clone();
        fill(&mut spec, &|kind, name| {
            let same = |m: &&Made| m.wanted.kind.as_str() == kind && m.wanted.name == name;
            made.iter().find(same).map(|m| m.observed.cloud_id.clone())
        });
        Wanted {
            key: self.key(),
            kind: resource.kind,
            name: resource.name.clone(),
            vm,
            frozen: Frozen::of(&spec),
        }
    }

    /// Makes one resource.
    pub async fn ensure(&self, subject: &Subject, wanted: &Wanted, run: FirstOrResume) -> Result<Observed, CloudError> {
        let mut answers = subject
            .connector
            .ensure(&self.cx, std::slice::from_ref(wanted), run)
            .await;
        assert_eq!(answers.len(), 1, "one answer per wanted resource");
        answers.remove(0)
    }

    /// Launches so many VMs with all that they need.
    pub async fn launch(&self, subject: &Subject, count: u32) -> Vec<Made> {
        let request = self.request(subject, count);
        let plan = self.plan(subject, &request).await.unwrap();
        let mut made = Vec::new();
        for (vm, resource) in Self::in_order(&plan) {
            let wanted = self.wanted(vm, &resource, &made);
            let observed = self.ensure(subject, &wanted, FirstOrResume::First).await.unwrap();
            made.push(Made { wanted, observed });
        }
        made
    }

    /// What was made, as something to remove.
    pub fn target(wanted: &Wanted, cloud_id: Option<&str>) -> Target {
        Target {
            key: wanted.key.clone(),
            kind: wanted.kind,
            name: wanted.name.clone(),
            frozen: wanted.frozen.clone(),
            cloud_id: cloud_id.map(str::to_owned),
        }
    }

    /// Removes what was made, the last first.
    pub async fn remove(&self, subject: &Subject, made: &[Made]) -> Result<Vec<Gone>, CloudError> {
        let mut gone = Vec::new();
        for one in made.iter().rev() {
            let target = Self::target(&one.wanted, Some(&one.observed.cloud_id));
            gone.push(subject.connector.ensure_absent(&self.cx, &target).await?);
        }
        Ok(gone)
    }

    /// Removes everything that bears a mark of this world; answers what could not be removed.
    pub(super) async fn sweep(&self, connector: &dyn Connector) -> Vec<String> {
        let mut left = Vec::new();
        // What others stand on goes last.
        let order = |kind: ResourceKind| kind != ResourceKind::Vm;
        for _ in 0..3 {
            left.clear();
            let mut found = match connector.find(&self.cx).await {
                Ok(found) => found,
                Err(error) => {
                    left.push(error.to_string());
                    continue;
                }
            };
            if found.is_empty() {
                break;
            }
            found.sort_by_key(|f| order(f.kind));
            for one in found {
                let target = Target {
                    key: one.mark.key.clone(),
                    kind: one.kind,
                    name: one.name.clone(),
                    // Enough for connectors that look by name.
                    frozen: Frozen::of(&serde_json::json!({"name": one.name, "driver": "local"})),
                    cloud_id: Some(one.cloud_id.clone()),
                };
                if let Err(error) = connector.ensure_absent(&self.cx, &target).await {
                    left.push(error.to_string());
                }
            }
        }
        left
    }
}

/// The resources that a request names, as kind and name.
pub(super) fn references(spec: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    each_text(spec, &mut |text| {
        if let Some((kind, name)) = reference(text) {
            found.push((kind.to_owned(), name.to_owned()));
        }
    });
    found
}

fn reference(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix("@id:")?.split_once('/')
}

fn each_text(value: &Value, see: &mut dyn FnMut(&str)) {
    match value {
        Value::String(text) => see(text),
        Value::Array(items) => items.iter().for_each(|item| each_text(item, see)),
        Value::Object(members) => members.values().for_each(|member| each_text(member, see)),
        _ => {}
    }
}

fn fill(value: &mut Value, id_of: &dyn Fn(&str, &str) -> Option<String>) {
    match value {
        Value::String(text) => {
            if let Some((kind, name)) = reference(text) {
                let id = id_of(kind, name);
                *text = id.unwrap_or_else(|| panic!("{text} is made before it is named"));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| fill(item, id_of)),
        Value::Object(members) => members.values_mut().for_each(|member| fill(member, id_of)),
        _ => {}
    }
}
