//! Create and add: which cloud, which images, which resources, which rows.

use super::{Flow, scope::Scope, stuck};
use crate::{
    connectors::Cloud,
    draw::{self, Seeded},
    request::{Launch, Request},
    select::{self, Offers},
    states::Next,
};
use futures::future::join_all;
use im_cloud::{Draw as _, LaunchPlan, LaunchRequest, VmRequest, WantedResource};
use im_model::{
    Account, Action, BlobId, CloudRef, Configured, ResourceKind, ResourceState, Step, StepId, Supports, Unit, Vm, VmId,
    VmState,
};
use im_ops::{Job, Planned, StepError};
use im_radl::{Diagnostic, Document, System};
use im_store::{InfraState, Write};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// What was read and drawn before a launch was planned.
#[derive(Debug, Serialize, Deserialize)]
struct Resolved {
    /// What random values are drawn from.
    seed: String,
    /// The clouds that are used.
    clouds: Vec<CloudPart>,
    /// Per deploy of VMs, where it goes and as what.
    deploys: Vec<DeployPart>,
}

#[derive(Debug, Serialize, Deserialize)]
struct CloudPart {
    cloud: Arc<CloudRef>,
    account: Option<Account>,
    answer: Value,
    /// Why nothing can be launched there.
    error: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct DeployPart {
    system: String,
    count: u32,
    /// Position in `clouds`.
    cloud: usize,
    concrete: Option<Arc<System>>,
    /// Why none of its VMs can be launched.
    error: Option<String>,
}

/// The blob of the document that VMs of a deploy share.
pub(crate) fn base_id(text: &str) -> BlobId {
    BlobId::from(draw::hash(text))
}

fn sentence(diagnostics: &[Diagnostic]) -> StepError {
    StepError::failed(im_radl::first_error(diagnostics).unwrap_or_else(|| "the document is not acceptable".to_owned()))
}

impl Resolved {
    /// Ids of the VMs of each deploy, in order.
    fn ids(&self, first: u32) -> Vec<Vec<VmId>> {
        let mut next = first;
        let ids = |deploy: &DeployPart| {
            let ids = (next..next.saturating_add(deploy.count)).map(VmId).collect();
            next = next.saturating_add(deploy.count);
            ids
        };
        self.deploys.iter().map(ids).collect()
    }

    /// What a cloud is asked for: everything of this launch that goes there, at once.
    fn request(&self, flow: &Flow, user: &str, document: &Arc<Document>, state: &InfraState, cloud: usize) -> LaunchRequest {
        let ids = self.ids(state.infra.next_vm);
        let mine = self.deploys.iter().zip(&ids).filter(|(d, _)| d.cloud == cloud && d.error.is_none());
        let vms = mine.flat_map(|(deploy, ids)| {
            let system = deploy.concrete.clone().unwrap_or_default();
            ids.iter().map(move |vm| VmRequest {
                vm: *vm,
                system: system.clone(),
            })
        });
        let part = &self.clouds[cloud];
        let shared = state.resources.values().filter(|r| r.unit == Unit::Infra);
        let here = shared.filter(|r| r.cloud == part.cloud && Some(&r.account) == part.account.as_ref());
        LaunchRequest {
            infra: state.infra.id.clone(),
            document: document.clone(),
            vms: vms.collect(),
            tags: flow.tags(user, state.infra.id.as_str()),
            existing: here
                .filter(|r| r.state == ResourceState::Created)
                .map(|r| (r.kind, r.name.clone()))
                .collect(),
        }
    }
}

impl Flow {
    fn tags(&self, user: &str, infra: &str) -> BTreeMap<String, String> {
        let names = &self.options.tags;
        let pairs = [
            (&names.username, user),
            (&names.infra, infra),
            (&names.url, self.options.url.as_str()),
            (&names.im, "es.upv.grycap.im"),
        ];
        let set = pairs.into_iter().filter_map(|(name, value)| Some((name.clone()?, value.to_owned())));
        set.filter(|(name, value)| !name.is_empty() && !value.is_empty()).collect()
    }

    /// The infrastructure's document with the request's added, and the request's with its references replaced.
    fn merged(&self, launch: &Launch, state: &InfraState) -> Result<(Document, Document), StepError> {
        let sent = self.documents.read(&launch.radl).map_err(|why| stuck(&why))?;
        let stored = self.document(state)?;
        let complete = sent.completed(&stored).map_err(|d| sentence(&d))?;
        let merged = sent.merge_into(&stored).map_err(|d| sentence(&d))?;
        Ok((complete, merged))
    }

    /// Which cloud gets what, and what the clouds say to that.
    pub(super) async fn resolve_launch(
        &self,
        job: &Job,
        request: &Request,
        launch: &Launch,
        state: &InfraState,
    ) -> Result<Value, StepError> {
        let (sent, merged) = self.merged(launch, state)?;
        let seed = draw::seed().ok_or_else(|| StepError::temporary("the system gives no random numbers"))?;
        let mut resolved = Resolved {
            seed,
            clouds: Vec::new(),
            deploys: Vec::new(),
        };
        if sent.vm_count() > 0 {
            let merged = Arc::new(Document {
                deploys: sent.deploys.clone(),
                ..merged
            });
            let clouds = self
                .connectors
                .clouds(&request.credentials)
                .map_err(|e| StepError::failed(e.to_string()))?;
            self.place(&mut resolved, &merged, state, &clouds, job).await?;
            self.ask(&mut resolved, request, &merged, state, &clouds, job).await;
        }
        serde_json::to_value(resolved).map_err(|e| StepError::failed(e.to_string()))
    }

    /// Fills in where each deploy goes.
    async fn place(
        &self,
        resolved: &mut Resolved,
        document: &Document,
        state: &InfraState,
        clouds: &[Cloud],
        job: &Job,
    ) -> Result<(), StepError> {
        let groups = document
            .groups(&state.infra.private_networks)
            .map_err(|d| StepError::failed(d.line_message()))?;
        let offers = self.offers(document, clouds, job).await?;
        let ids: Vec<&str> = clouds.iter().map(|c| c.cloud.id.as_str()).collect();
        let mut homes: HashMap<usize, usize> = HashMap::new();
        for group in &groups {
            // VMs that share nothing are groups of one; those of one deploy all choose alike.
            if group.networks.is_empty() && group.deploys.iter().all(|(d, _)| homes.contains_key(d)) {
                continue;
            }
            let chosen = select::choose(document, group, &ids, &offers).map_err(StepError::failed)?;
            homes.extend(group.deploys.iter().map(|(deploy, _)| (*deploy, chosen)));
        }
        let mut used: Vec<usize> = Vec::new();
        for (position, deploy) in document.deploys.iter().enumerate() {
            let (Some(home), count @ 1..) = (homes.get(&position).copied(), deploy.count()) else {
                continue;
            };
            let cloud = used.iter().position(|u| *u == home).unwrap_or_else(|| {
                used.push(home);
                used.len() - 1
            });
            let offer = offers.get(&(home, deploy.system.clone()));
            let error = match offer {
                None => Some(format!(
                    "Error, no concrete system to deploy: {} in cloud: {}. Check if a correct image is being used",
                    deploy.system, ids[home]
                )),
                Some(o) if o.system.features.text("disk.0.os.credentials.username").is_none_or(str::is_empty) => {
                    Some(format!("No username for deploy: {}", deploy.system))
                }
                Some(_) => None,
            };
            resolved.deploys.push(DeployPart {
                system: deploy.system.clone(),
                count: u32::try_from(count).unwrap_or(u32::MAX),
                cloud,
                concrete: offer.map(|o| Arc::new(o.system.clone())),
                error,
            });
        }
        resolved.clouds = used
            .into_iter()
            .map(|position| CloudPart {
                cloud: clouds[position].cloud.clone(),
                account: None,
                answer: Value::Null,
                error: None,
            })
            .collect();
        Ok(())
    }

    /// The best that each cloud offers for each system that is deployed.
    async fn offers(&self, document: &Document, clouds: &[Cloud], job: &Job) -> Result<Offers, StepError> {
        let mut offers = Offers::new();
        let mut names: Vec<&str> = document.deploys.iter().map(|d| d.system.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        for asked in names.into_iter().filter_map(|name| document.system(name)) {
            let offered = select::offered(asked, &self.options);
            let softly = |f: &im_radl::Features| f.softs().iter().any(|s| s.features.contains("disk.0.image.url"));
            let has_image = !offered.image_urls().is_empty() || softly(&offered.features);
            let mut problems = Vec::new();
            let before = offers.len();
            for (position, cloud) in clouds.iter().enumerate() {
                let system = if has_image {
                    offered.clone()
                } else {
                    match self.with_image(cloud, &offered, job).await {
                        Ok(Some(system)) => system,
                        Ok(None) => continue,
                        Err(why) => {
                            problems.push(format!("Error getting images from cloud: {} ({why})", cloud.cloud.id));
                            continue;
                        }
                    }
                };
                let candidates = cloud.connector.candidates(&cloud.cloud, &system);
                if let Some(offer) = select::best(candidates, asked) {
                    offers.insert((position, asked.name.clone()), offer);
                }
            }
            if !has_image && offers.len() == before {
                let mut message = format!("No VMI obtained from Sites to system '{}'", asked.name);
                if !problems.is_empty() {
                    message = format!("{message}: {}", problems.join("\n"));
                }
                return Err(StepError::failed(message));
            }
        }
        Ok(offers)
    }

    /// A system that names no image gets the first one that a cloud lists for its operating system. A cloud that has
    /// nothing outside needs none.
    async fn with_image(&self, cloud: &Cloud, system: &System, job: &Job) -> Result<Option<System>, String> {
        if let Supports::No(why) = cloud.connector.capability().images {
            let outside = cloud.connector.capability().creates;
            let nothing = |i: &im_model::Idempotence| *i == im_model::Idempotence::NothingOutside;
            if outside.values().all(nothing) {
                return Ok(Some(system.clone()));
            }
            return Err(why.to_owned());
        }
        let cx = cloud.cx(&job.operation.infra, &self.deployment, None, self.options.call_deadline);
        let filter = |key: &str, feature: &str| {
            let value = system.features.text(feature)?;
            Some((key.to_owned(), value.to_owned()))
        };
        let filters = [
            filter("distribution", "disk.0.os.flavour"),
            filter("version", "disk.0.os.version"),
        ];
        let filters = filters.into_iter().flatten().collect();
        let images = cloud.connector.images(&cx, &filters).await.map_err(|e| e.message)?;
        Ok(images.into_iter().next().map(|(uri, _)| {
            let mut system = system.clone();
            system.features.set_text("disk.0.image.url", uri);
            system
        }))
    }

    /// Asks each cloud that is used who we are there and what planning needs to know.
    async fn ask(
        &self,
        resolved: &mut Resolved,
        request: &Request,
        document: &Arc<Document>,
        state: &InfraState,
        clouds: &[Cloud],
        job: &Job,
    ) {
        let parts = resolved.clouds.len();
        let answers = (0..parts).map(|part| {
            let wanted = &resolved.clouds[part].cloud;
            let cloud = clouds.iter().find(|c| c.cloud == *wanted);
            let mut launch = resolved.request(self, &request.user, document, state, part);
            async move {
                let cloud = cloud.ok_or_else(|| "No cloud provider available".to_owned())?;
                cloud
                    .connector
                    .check_auth(&cloud.cloud, &cloud.auth)
                    .map_err(|e| e.message)?;
                let cx = cloud.cx(&job.operation.infra, &self.deployment, None, self.options.call_deadline);
                let account = cloud.connector.account(&cx).await.map_err(|e| e.message)?;
                let shared = state.resources.values().filter(|r| r.unit == Unit::Infra);
                launch.existing = shared
                    .filter(|r| r.cloud == cloud.cloud && r.account == account && r.state == ResourceState::Created)
                    .map(|r| (r.kind, r.name.clone()))
                    .collect();
                let cx = cloud.cx(
                    &job.operation.infra,
                    &self.deployment,
                    Some(account.clone()),
                    self.options.call_deadline,
                );
                let answer = cloud.connector.resolve(&cx, &launch).await.map_err(|e| e.message)?;
                Ok::<_, String>((account, answer))
            }
        });
        let answers: Vec<_> = join_all(answers).await;
        for (part, answer) in resolved.clouds.iter_mut().zip(answers) {
            match answer {
                Ok((account, answer)) => {
                    part.account = Some(account);
                    part.answer = answer;
                }
                Err(why) => part.error = Some(why),
            }
        }
    }

    /// Rows and steps.
    pub(super) fn plan_launch(
        &self,
        job: &Job,
        launch: &Launch,
        resolved: &Value,
        state: &InfraState,
    ) -> Result<Planned, StepError> {
        let resolved =
            Resolved::deserialize(resolved).map_err(|e| stuck(&format!("what was resolved cannot be read: {e}")))?;
        let (sent, merged) = self.merged(launch, state)?;
        let radl: Arc<str> = im_radl::print(&merged).into();
        let document = Arc::new(Document {
            deploys: sent.deploys,
            ..merged
        });
        let mut planner = Planner {
            flow: self,
            job,
            launch,
            resolved: &resolved,
            state,
            scope: Scope::new(&document, &self.connectors),
            next: Next::new(state),
            writes: Vec::new(),
            steps: Vec::new(),
        };
        planner.rows(&document);
        for cloud in 0..resolved.clouds.len() {
            planner.cloud(&document, cloud);
        }
        let mut infra = (*state.infra).clone();
        infra.radl = radl;
        infra.failed = false;
        let count = resolved.deploys.iter().fold(0u32, |n, d| n.saturating_add(d.count));
        infra.next_vm = infra.next_vm.saturating_add(count);
        for (deploy, part) in resolved.deploys.iter().map(|d| (d, &resolved.clouds[d.cloud])) {
            if let Some(system) = document.system(&deploy.system) {
                let private = system.interfaces().filter(|i| !document.is_public_network(i.connection));
                for interface in private {
                    let home = infra.private_networks.entry(interface.connection.to_owned());
                    home.or_insert_with(|| part.cloud.id.clone());
                }
            }
        }
        planner.next.infra = Arc::new(infra);
        Ok(planner.finish())
    }
}

struct Planner<'a> {
    flow: &'a Flow,
    job: &'a Job,
    launch: &'a Launch,
    resolved: &'a Resolved,
    state: &'a InfraState,
    scope: Scope<'a>,
    next: Next<'a>,
    writes: Vec<Write>,
    steps: Vec<Step>,
}

impl Planner<'_> {
    /// A row for each VM; those that cannot even be asked for have failed already.
    fn rows(&mut self, document: &Document) {
        let ids = self.resolved.ids(self.state.infra.next_vm);
        for (deploy, ids) in self.resolved.deploys.iter().zip(ids) {
            let part = &self.resolved.clouds[deploy.cloud];
            let base = Document {
                networks: document.networks.clone(),
                systems: deploy.concrete.iter().map(|s| (**s).clone()).collect(),
                ..Document::default()
            };
            let text: Arc<str> = im_radl::print(&base).into();
            let id = base_id(&text);
            self.writes.push(Write::Blob { id: id.clone(), text });
            let part_error = part.error.as_ref().map(|why| failed_at(&deploy.system, &part.cloud, std::slice::from_ref(why)));
            let error = deploy.error.clone().or(part_error);
            let configured = if self.launch.context && !self.scope.includes(&deploy.system, &part.cloud.kind) {
                Configured::Yes
            } else {
                Configured::Unfinished
            };
            for vm in ids {
                let row = Vm {
                    id: vm,
                    operation: Some(self.job.operation.id.clone()),
                    system: deploy.system.clone(),
                    state: if error.is_some() { VmState::Failed } else { VmState::Pending },
                    destroyed: false,
                    configured,
                    cloud: part.cloud.clone(),
                    account: part.account.clone(),
                    cloud_id: None,
                    base: id.clone(),
                    own: BTreeMap::new(),
                    error: error.clone(),
                    created: self.job.operation.created,
                    updated: 0,
                };
                self.next.vms.insert(vm, Arc::new(row));
            }
        }
    }

    /// The resources at one cloud.
    fn cloud(&mut self, document: &Arc<Document>, cloud: usize) {
        let part = &self.resolved.clouds[cloud];
        let Some(account) = part.account.clone().filter(|_| part.error.is_none()) else {
            return;
        };
        let request = self.resolved.request(self.flow, &self.user(), document, self.state, cloud);
        let vms: Vec<VmId> = request.vms.iter().map(|v| v.vm).collect();
        let mut draw = Seeded::new(&self.resolved.seed, &format!("plan {}", part.cloud.id));
        let planned = match self.flow.connectors.require(&part.cloud.kind) {
            Ok(connector) => connector
                .plan(&part.cloud, &request, &part.answer, &mut draw)
                .map_err(|e| e.message),
            Err(e) => Err(e.to_string()),
        };
        let plan = match planned {
            Ok(plan) => plan,
            Err(why) => {
                for vm in vms {
                    self.fail(vm, &why);
                }
                return;
            }
        };
        let systems: HashMap<VmId, Arc<System>> = request.vms.into_iter().map(|v| (v.vm, v.system)).collect();
        self.resources(plan, &part.cloud, &account, &systems);
    }

    fn user(&self) -> String {
        Request::from_value(&self.job.operation.request).map(|r| r.user).unwrap_or_default()
    }

    fn fail(&mut self, vm: VmId, why: &str) {
        if let Some(row) = self.next.vms.get_mut(&vm) {
            let row = Arc::make_mut(row);
            row.state = VmState::Failed;
            row.error = Some(failed_at(&row.system, &row.cloud, &[why.to_owned()]));
        }
    }

    fn resources(
        &mut self,
        plan: LaunchPlan,
        cloud: &Arc<CloudRef>,
        account: &Account,
        systems: &HashMap<VmId, Arc<System>>,
    ) {
        let existing = self.state.resources.values().filter(|r| {
            r.unit == Unit::Infra && r.cloud == *cloud && r.account == *account && r.state == ResourceState::Created
        });
        let mut known = Names::default();
        for resource in existing {
            if let Some(id) = &resource.cloud_id {
                known.ids.insert((resource.kind, resource.name.clone()), id.clone());
            }
        }
        let mut shared_problem = None;
        for wanted in ordered(plan.shared) {
            if let Err(why) = self.ensure(Unit::Infra, &wanted, cloud, account, &mut known) {
                shared_problem.get_or_insert(why);
            }
        }
        for vm in plan.vms {
            let mut own = vm.own;
            let mut problem = shared_problem.clone();
            let begun = self.steps.len();
            let mut mine = known.child();
            for wanted in ordered(vm.resources) {
                if problem.is_none()
                    && let Err(why) = self.ensure(Unit::Vm(vm.vm), &wanted, cloud, account, &mut mine)
                {
                    problem = Some(why);
                }
            }
            if let Some(why) = problem {
                self.steps.truncate(begun);
                self.fail(vm.vm, &why);
                continue;
            }
            let features = systems.get(&vm.vm).map(|s| &s.features);
            let has = |name: &str| {
                let of_image = features.is_some_and(|f| f.text(name).is_some_and(|t| !t.is_empty()));
                of_image || own.get(name).and_then(Value::as_str).is_some_and(|t| !t.is_empty())
            };
            let (old, new) = ("disk.0.os.credentials.password", "disk.0.os.credentials.new.password");
            if has(old) && !has(new) {
                let password = Seeded::new(&self.resolved.seed, &format!("password {}", vm.vm)).alphanumeric(8);
                own.insert(new.to_owned(), Value::from(password));
            }
            if let Some(row) = self.next.vms.get_mut(&vm.vm) {
                Arc::make_mut(row).own = own;
            }
        }
    }

    /// A step that makes a resource exist, after those it depends on.
    fn ensure(
        &mut self,
        unit: Unit,
        wanted: &WantedResource,
        cloud: &Arc<CloudRef>,
        account: &Account,
        names: &mut Names<'_>,
    ) -> Result<(), String> {
        let mut after = Vec::new();
        let spec = names.rewritten(&wanted.spec, &mut after)?;
        for dependency in &wanted.after {
            if let Some(step) = names.step(dependency.kind, &dependency.name)? {
                after.push(step);
            }
        }
        after.sort_unstable();
        after.dedup();
        let id = StepId(u32::try_from(self.steps.len()).map_err(|_| "too many steps".to_owned())?);
        self.steps.push(Step {
            unit,
            after,
            always: false,
            action: Action::Ensure {
                kind: wanted.kind,
                name: wanted.name.clone(),
                cloud: cloud.clone(),
                account: account.clone(),
                spec,
            },
        });
        names.steps.insert((wanted.kind, wanted.name.clone()), id);
        Ok(())
    }

    fn finish(self) -> Planned {
        let mut writes = self.writes;
        writes.extend(self.next.writes());
        Planned {
            plan: im_model::Plan { steps: self.steps },
            writes,
        }
    }
}

/// The sentence of a VM that could not be launched.
pub(super) fn failed_at(system: &str, cloud: &CloudRef, attempts: &[String]) -> String {
    let attempts = attempts.iter().enumerate();
    let lines: Vec<String> = attempts
        .map(|(n, why)| format!("Attempt {}: {why}", n + 1))
        .collect();
    format!(
        "Error launching the VMs of type {system} to cloud ID {} of type {}. {}",
        cloud.id,
        cloud.kind,
        lines.join("\n")
    )
}

/// Resources so that what others depend on comes first; the order is otherwise kept. Circles are left as they are:
/// looking up what is not there yet then fails.
fn ordered(mut wanted: Vec<WantedResource>) -> Vec<WantedResource> {
    if wanted.len() < 2 {
        return wanted;
    }
    let mut sorted: Vec<WantedResource> = Vec::with_capacity(wanted.len());
    while !wanted.is_empty() {
        let ready = wanted.iter().position(|one| {
            let mut needs: Vec<(String, String)> =
                one.after.iter().map(|d| (d.kind.to_string(), d.name.clone())).collect();
            references(&one.spec, &mut |kind, name| needs.push((kind.to_owned(), name.to_owned())));
            let waits = |other: &WantedResource| {
                let same = |(kind, name): &(String, String)| *kind == other.kind.as_str() && *name == other.name;
                !std::ptr::eq(other, one) && needs.iter().any(same)
            };
            !wanted.iter().any(waits)
        });
        sorted.push(wanted.remove(ready.unwrap_or(0)));
    }
    sorted
}

const REFERENCE: &str = "@id:";

/// Calls `found` with kind and name of each reference in a spec.
fn references(spec: &Value, found: &mut dyn FnMut(&str, &str)) {
    match spec {
        Value::String(text) => {
            if let Some((kind, name)) = text.strip_prefix(REFERENCE).and_then(|rest| rest.split_once('/')) {
                found(kind, name);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        Value::Object(members) => members.values().for_each(|item| references(item, found)),
        _ => {}
    }
}

/// Where the ids of named resources come from: a step of the plan, or a row.
#[derive(Default)]
struct Names<'p> {
    parent: Option<&'p Names<'p>>,
    steps: HashMap<(ResourceKind, String), StepId>,
    ids: HashMap<(ResourceKind, String), String>,
}

impl<'p> Names<'p> {
    fn child<'c>(&'c self) -> Names<'c>
    where
        'p: 'c,
    {
        Names {
            parent: Some(self),
            steps: HashMap::new(),
            ids: HashMap::new(),
        }
    }

    /// The step that makes it; none if it is there already.
    fn step(&self, kind: ResourceKind, name: &str) -> Result<Option<StepId>, String> {
        let key = (kind, name.to_owned());
        if let Some(step) = self.steps.get(&key) {
            return Ok(Some(*step));
        }
        if self.ids.contains_key(&key) {
            return Ok(None);
        }
        match self.parent {
            Some(parent) => parent.step(kind, name),
            None => Err(format!("the plan names {kind} `{name}`, which nothing makes")),
        }
    }

    fn id(&self, kind: ResourceKind, name: &str) -> Option<&str> {
        let own = self.ids.get(&(kind, name.to_owned())).map(String::as_str);
        own.or_else(|| self.parent?.id(kind, name))
    }

    /// The spec with references turned into steps or ids. The steps go into `after`.
    fn rewritten(&self, spec: &Arc<Value>, after: &mut Vec<StepId>) -> Result<Arc<Value>, String> {
        let mut any = false;
        references(spec, &mut |_, _| any = true);
        if !any {
            return Ok(spec.clone());
        }
        let mut rewritten = (**spec).clone();
        self.rewrite(&mut rewritten, after)?;
        Ok(Arc::new(rewritten))
    }

    fn rewrite(&self, spec: &mut Value, after: &mut Vec<StepId>) -> Result<(), String> {
        match spec {
            Value::String(text) => {
                let Some((kind, name)) = text.strip_prefix(REFERENCE).and_then(|rest| rest.split_once('/')) else {
                    return Ok(());
                };
                let kind = serde_json::from_value::<ResourceKind>(Value::from(kind))
                    .map_err(|_| format!("the plan names an unknown kind `{kind}`"))?;
                if let Some(step) = self.step(kind, name)? {
                    after.push(step);
                    *text = format!("{REFERENCE}{step}");
                } else if let Some(id) = self.id(kind, name) {
                    *text = id.to_owned();
                }
                Ok(())
            }
            Value::Array(items) => items.iter_mut().try_for_each(|item| self.rewrite(item, after)),
            Value::Object(members) => members.values_mut().try_for_each(|item| self.rewrite(item, after)),
            _ => Ok(()),
        }
    }
}
