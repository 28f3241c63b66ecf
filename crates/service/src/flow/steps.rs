//! Rows and steps of a launch, from what was resolved. Pure: the same arguments give the same plan.

use super::{
    Flow,
    launch::Resolved,
    names::{Names, ordered},
    scope::Scope,
};
use crate::{
    draw::{self, Seeded},
    request::{Launch, Request},
    states::Next,
};
use im_cloud::{Draw as _, LaunchPlan, WantedResource};
use im_model::{
    Account, Action, BlobId, CloudRef, Configured, Deployment, ResourceState, Step, StepId, Unit, Vm, VmId, VmState,
};
use im_ops::{Job, Planned};
use im_radl::{Document, System};
use im_store::{InfraState, Write};
use serde_json::Value;
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// The blob of the document that VMs of a deploy share. Keyed: the id is readable in the database, and the hash of a
/// document with a password in it would let whoever reads it try passwords.
fn base_id(deployment: &Deployment, text: &str) -> BlobId {
    BlobId::from(draw::keyed_hash(&deployment.secret, "im blob v1", text))
}

pub(super) struct Planner<'a> {
    pub(super) flow: &'a Flow,
    pub(super) job: &'a Job,
    pub(super) launch: &'a Launch,
    pub(super) resolved: &'a Resolved,
    pub(super) state: &'a InfraState,
    pub(super) scope: Scope<'a>,
    pub(super) next: Next<'a>,
    pub(super) writes: Vec<Write>,
    pub(super) steps: Vec<Step>,
}

impl Planner<'_> {
    /// A row for each VM; those that cannot even be asked for have failed already.
    pub(super) fn rows(&mut self, document: &Document) {
        let ids = self.resolved.ids(self.state.infra.next_vm);
        for (deploy, ids) in self.resolved.deploys.iter().zip(ids) {
            let part = &self.resolved.clouds[deploy.cloud];
            let base = Document {
                networks: document.networks.clone(),
                systems: deploy.concrete.iter().map(|s| (**s).clone()).collect(),
                ..Document::default()
            };
            let text: Arc<str> = im_radl::print(&base).into();
            let id = base_id(&self.flow.deployment, &text);
            self.writes.push(Write::Blob { id: id.clone(), text });
            let part_error = part
                .error
                .as_ref()
                .map(|why| failed_at(&deploy.system, &part.cloud, std::slice::from_ref(why)));
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
                    state: if error.is_some() {
                        VmState::Failed
                    } else {
                        VmState::Pending
                    },
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
    pub(super) fn cloud(&mut self, document: &Arc<Document>, cloud: usize) {
        let part = &self.resolved.clouds[cloud];
        let Some(account) = part.account.clone().filter(|_| part.error.is_none()) else {
            return;
        };
        let request = self
            .resolved
            .request(self.flow, &self.user(), document, self.state, cloud);
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
        Request::from_value(&self.job.operation.request)
            .map(|r| r.user)
            .unwrap_or_default()
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

    pub(super) fn finish(self) -> Planned {
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
    let lines: Vec<String> = attempts.map(|(n, why)| format!("Attempt {}: {why}", n + 1)).collect();
    format!(
        "Error launching the VMs of type {system} to cloud ID {} of type {}. {}",
        cloud.id,
        cloud.kind,
        lines.join("\n")
    )
}
