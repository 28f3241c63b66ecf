//! A small application: networks, volumes and VMs at two clouds, configuration, power, alteration, snapshots. Like the
//! real one in form.

use crate::{crash::Life, simcloud::SimCloud};
use async_trait::async_trait;
use im_cloud::{Cx, ErrorKind};
use im_model::{
    Account, Action, AuthLine, BlobId, CloudRef, Configured, Deployment, OpKind, OpState, Operation, OperationId, Plan,
    Power, Resource, ResourceKind, ResourceState, Step, StepId, Unit, Vm, VmId, VmState,
};
use im_ops::{Change, Job, Planned, Reach, RunCall, StepError, UnitOutcome, Workflow};
use im_radl::System;
use im_store::{InfraState, Write};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// A request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// VMs to make.
    pub vms: u32,
    /// At which clouds, in turn.
    pub clouds: Vec<String>,
    /// VMs to remove, switch, alter or copy.
    pub ids: Vec<u32>,
    /// Whose credentials come with it.
    pub account: String,
    /// VMs whose boot fails.
    pub boot_fails: Vec<u32>,
}

/// The application.
pub struct SimFlow {
    /// The clouds by name.
    pub clouds: BTreeMap<String, Arc<SimCloud>>,
    /// The process that runs it.
    pub life: Life,
    /// The deployment.
    pub deployment: Arc<Deployment>,
    /// Random values that were drawn so far: none is drawn twice.
    pub draws: Arc<AtomicU64>,
}

fn ask(job: &Job) -> Ask {
    Ask::deserialize(&*job.operation.request).unwrap_or_default()
}

fn cloud_ref(name: &str) -> Arc<CloudRef> {
    Arc::new(CloudRef {
        id: name.to_owned(),
        kind: "Sim".to_owned(),
        server: format!("{name}.example"),
        port: None,
        protocol: String::new(),
        path: String::new(),
        extra: BTreeMap::new(),
    })
}

fn run(unit: Unit, after: Vec<StepId>, always: bool, name: &str) -> Step {
    Step {
        unit,
        after,
        always,
        action: Action::Run {
            name: name.to_owned(),
            args: Arc::new(json!({})),
        },
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    DiskFirst,
    DiskLast,
}

struct Planner<'a> {
    operation: &'a OperationId,
    steps: Vec<Step>,
    state: &'a InfraState,
    account: Account,
    nonce: u64,
}

impl Planner<'_> {
    fn push(&mut self, step: Step) -> StepId {
        self.steps.push(step);
        StepId(u32::try_from(self.steps.len() - 1).unwrap_or(u32::MAX))
    }
    fn ensure(
        &mut self,
        unit: Unit,
        after: Vec<StepId>,
        kind: ResourceKind,
        name: String,
        cloud: &str,
        mut spec: Value,
    ) -> StepId {
        let account = self.account.clone();
        // So that two attempts at one thing are known as such.
        spec["of"] = json!(format!("{}/{}", self.operation, self.steps.len()));
        self.push(Step {
            unit,
            after,
            always: false,
            action: Action::Ensure {
                kind,
                name,
                cloud: cloud_ref(cloud),
                account,
                spec: Arc::new(spec),
            },
        })
    }

    fn launch(&mut self, ask: &Ask, job: &Job) -> Vec<Write> {
        let first = self.state.infra.next_vm;
        let mut networks: BTreeMap<String, (Option<StepId>, Value)> = BTreeMap::new();
        let mut boots = Vec::new();
        let mut infra = (*self.state.infra).clone();
        infra.next_vm = first + ask.vms;
        let mut writes = vec![Write::Infrastructure(Arc::new(infra))];
        for id in first..first + ask.vms {
            let Some(cloud) = ask.clouds.get(id as usize % ask.clouds.len().max(1)).cloned() else {
                continue;
            };
            if !networks.contains_key(&cloud) {
                let there = self.state.resources.values().find(|r| {
                    r.kind == ResourceKind::Network
                        && r.cloud.id == cloud
                        && r.account == self.account
                        && r.state == ResourceState::Created
                });
                let network = if let Some(row) = there {
                    (None, json!(row.cloud_id))
                } else {
                    let spec = json!({ "nonce": self.nonce });
                    let name = format!("net-{cloud}");
                    let step = self.ensure(Unit::Infra, Vec::new(), ResourceKind::Network, name, &cloud, spec);
                    (Some(step), json!(format!("@id:{step}")))
                };
                networks.insert(cloud.clone(), network);
            }
            let (network, network_id) = networks[&cloud].clone();
            let unit = Unit::Vm(VmId(id));
            let after: Vec<StepId> = network.into_iter().collect();
            let volume_spec = json!({ "vm": id, "nonce": self.nonce });
            let volume = self.ensure(
                unit,
                Vec::new(),
                ResourceKind::Volume,
                format!("vol{id}"),
                &cloud,
                volume_spec,
            );
            let spec = json!({ "vm": id, "nonce": self.nonce, "net": network_id, "disks": [format!("@id:{volume}")] });
            let after = after.into_iter().chain([volume]).collect();
            let vm = self.ensure(unit, after, ResourceKind::Vm, format!("vm{id}"), &cloud, spec);
            boots.push(self.push(run(unit, vec![vm], false, "boot")));
            writes.push(Write::Vm(Arc::new(Vm {
                id: VmId(id),
                operation: Some(job.operation.id.clone()),
                system: "s".to_owned(),
                state: VmState::Pending,
                destroyed: false,
                configured: Configured::Unfinished,
                cloud: cloud_ref(&cloud),
                account: Some(self.account.clone()),
                cloud_id: None,
                base: BlobId::from("b"),
                own: BTreeMap::new(),
                error: None,
                created: job.operation.created,
                updated: 0,
            })));
        }
        self.push(run(Unit::Infra, boots, true, "bookkeeping"));
        writes
    }

    /// A disk for a VM that is there, made before or after something is done to the VM.
    fn disk(&mut self, vm: VmId, name: String, what: &str, order: Order) {
        let unit = Unit::Vm(vm);
        let there = self.state.vms.get(&vm).filter(|v| !v.destroyed && v.cloud_id.is_some());
        let Some(there) = there.map(|v| v.cloud.id.clone()) else {
            self.push(run(unit, Vec::new(), false, "not there"));
            return;
        };
        let spec = json!({ "vm": vm, "nonce": self.nonce });
        if order == Order::DiskFirst {
            let disk = self.ensure(unit, Vec::new(), ResourceKind::Volume, name, &there, spec);
            self.push(run(unit, vec![disk], false, what));
        } else {
            let done = self.push(run(unit, Vec::new(), false, what));
            self.ensure(unit, vec![done], ResourceKind::Volume, name, &there, spec);
        }
    }

    /// Removal of rows: VMs, then volumes, then what is shared.
    fn remove(&mut self, wanted: impl Fn(&Resource) -> bool) {
        let rank = |r: &Resource| match r.kind {
            ResourceKind::Vm => 0,
            ResourceKind::Network => 2,
            _ => 1,
        };
        let mut rows: Vec<_> = self.state.resources.values().filter(|r| wanted(r)).cloned().collect();
        rows.sort_by_key(|r| rank(r));
        let mut vms = Vec::new();
        let mut of_vm: BTreeMap<Unit, Vec<StepId>> = BTreeMap::new();
        for row in rows {
            let after = match rank(&row) {
                0 => Vec::new(),
                1 => of_vm.get(&row.unit).cloned().unwrap_or_default(),
                _ => vms.clone(),
            };
            let step = self.push(Step {
                unit: row.unit,
                after,
                always: false,
                action: Action::Absent { key: row.key.clone() },
            });
            if rank(&row) == 0 {
                of_vm.entry(row.unit).or_default().push(step);
                vms.push(step);
            }
        }
    }
}

fn changed_vm(state: &InfraState, id: VmId, change: impl FnOnce(&mut Vm)) -> Option<Write> {
    let mut row = Vm::clone(state.vms.get(&id)?);
    change(&mut row);
    Some(Write::Vm(Arc::new(row)))
}

/// Counts how often something was projected: exactly once is demanded of most.
fn counted(state: &InfraState, name: &str) -> Write {
    let mut infra = (*state.infra).clone();
    let count = infra.extra.get(name).and_then(Value::as_u64).unwrap_or(0) + 1;
    infra.extra.insert(name.to_owned(), json!(count));
    Write::Infrastructure(Arc::new(infra))
}

#[async_trait]
impl Workflow for SimFlow {
    async fn resolve(&self, job: &Job, _state: &InfraState) -> Result<Value, StepError> {
        self.life.check().await;
        if ask(job).account.is_empty() {
            return Err(StepError::NeedsCredentials {
                message: "no account".to_owned(),
            });
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
        Ok(json!({ "nonce": self.draws.fetch_add(1, Ordering::SeqCst) }))
    }

    fn plan(&self, job: &Job, resolved: &Value, state: &InfraState) -> Result<Planned, StepError> {
        let ask = ask(job);
        let mut planner = Planner {
            operation: &job.operation.id,
            steps: Vec::new(),
            state,
            account: Account::new(ask.account.as_str()),
            nonce: resolved["nonce"].as_u64().unwrap_or(u64::MAX),
        };
        let mut writes = Vec::new();
        match job.operation.kind {
            OpKind::Create | OpKind::Add => writes = planner.launch(&ask, job),
            OpKind::Remove => {
                planner.remove(|r| matches!(r.unit, Unit::Vm(VmId(id)) if ask.ids.contains(&id)));
                for id in &ask.ids {
                    // A VM that has no resources must go, too.
                    planner.push(run(Unit::Vm(VmId(*id)), Vec::new(), false, "forget"));
                }
            }
            OpKind::Destroy => planner.remove(|_| true),
            OpKind::Configure => {
                planner.push(run(Unit::Infra, Vec::new(), false, "configure"));
            }
            OpKind::Power => {
                for id in &ask.ids {
                    planner.push(run(Unit::Vm(VmId(*id)), Vec::new(), false, "power"));
                }
            }
            OpKind::Alter => {
                for id in &ask.ids {
                    let name = format!("disk-{}-{id}", job.operation.id);
                    planner.disk(VmId(*id), name, "alter", Order::DiskFirst);
                }
            }
            OpKind::Snapshot => {
                for id in &ask.ids {
                    let name = format!("snapshot-{}-{id}", job.operation.id);
                    planner.disk(VmId(*id), name, "power", Order::DiskLast);
                }
            }
        }
        Ok(Planned {
            plan: Plan { steps: planner.steps },
            writes,
        })
    }

    fn reach(&self, job: &Job, cloud: &CloudRef) -> Result<Reach, StepError> {
        let ask = ask(job);
        let there = self
            .clouds
            .get(&cloud.id)
            .ok_or_else(|| StepError::failed("no such cloud"))?;
        Ok(Reach {
            connector: there.connector(&self.life),
            cx: Cx {
                cloud: Arc::new(cloud.clone()),
                auth: Arc::new(AuthLine::new([("account", ask.account.as_str())])),
                infra: job.operation.infra.clone(),
                deployment: Arc::clone(&self.deployment),
                account: None,
                deadline: Duration::from_secs(10),
            },
        })
    }

    async fn run(&self, call: RunCall) -> Result<Value, StepError> {
        self.life.check().await;
        let interrupted = tokio::select! {
            biased;
            () = call.sink.cancelled() => true,
            () = tokio::time::sleep(Duration::from_millis(30)) => false,
        };
        self.life.check().await;
        if interrupted {
            return Err(StepError::Interrupted);
        }
        let store = |e: im_store::StoreError| StepError::temporary(e.to_string());
        match (call.name.as_str(), call.unit) {
            ("boot", Unit::Vm(VmId(id))) if ask(&call.job).boot_fails.contains(&id) => {
                Err(StepError::failed("does not boot"))
            }
            ("not there", _) => Err(StepError::failed("no such VM")),
            ("power" | "alter", Unit::Vm(id)) => {
                let state = call.sink.state().await.map_err(store)?;
                let Some(vm) = state.vms.get(&id).filter(|vm| !vm.destroyed) else {
                    return Err(StepError::failed("no such VM"));
                };
                let Some(cloud_id) = vm.cloud_id.clone() else {
                    return Err(StepError::failed("the VM was never made"));
                };
                let Reach { connector, mut cx } = self.reach(&call.job, &vm.cloud)?;
                cx.account.clone_from(&vm.account);
                let result = if call.name == "power" {
                    connector.power(&cx, &cloud_id, Power::Stop).await
                } else {
                    let system = System::default();
                    connector.alter(&cx, &cloud_id, &system, &system).await
                };
                match result {
                    Ok(_) => Ok(Value::Null),
                    Err(e) if matches!(e.kind, ErrorKind::Unauthorized | ErrorKind::WrongAccount) => {
                        Err(StepError::NeedsCredentials { message: e.message })
                    }
                    Err(e) if e.is_temporary() => Err(StepError::temporary(e.message)),
                    Err(e) => Err(StepError::failed(e.message)),
                }
            }
            ("configure", _) => {
                call.sink
                    .update(Box::new(|state| {
                        let mut infra = (*state.infra).clone();
                        infra.configured = Configured::Yes;
                        vec![Write::Infrastructure(Arc::new(infra))]
                    }))
                    .await
                    .map_err(store)?;
                Ok(Value::Null)
            }
            _ => Ok(Value::Null),
        }
    }

    fn project(&self, job: &Job, state: &InfraState, change: Change<'_>) -> Vec<Write> {
        let operation = &job.operation;
        let launches = matches!(operation.kind, OpKind::Create | OpKind::Add);
        match change {
            Change::Began => vec![counted(state, &format!("{} began", operation.id))],
            Change::Step { created, step, .. } => {
                let (Some((row, observed)), Unit::Vm(id)) = (created, step.unit) else {
                    return Vec::new();
                };
                if row.kind != ResourceKind::Vm {
                    return Vec::new();
                }
                let set = changed_vm(state, id, |vm| {
                    vm.cloud_id = Some(observed.cloud_id.as_str().into());
                    vm.state = VmState::Running;
                });
                set.into_iter().collect()
            }
            Change::Unit { unit, outcome } => {
                let mut writes = Vec::new();
                // The count costs more the more there are; it is for small worlds.
                if state.vms.len() < 100 {
                    let name = format!("{} {unit:?} {}", operation.id, word(outcome));
                    writes.push(counted(state, &name));
                }
                if let Unit::Vm(id) = unit {
                    writes.extend(changed_vm(state, id, |vm| match outcome {
                        UnitOutcome::Failed { errors } if launches => {
                            (vm.state, vm.cloud_id) = (VmState::Failed, None);
                            vm.error = Some(errors.join("\n"));
                        }
                        UnitOutcome::Cancelled if launches => {
                            (vm.destroyed, vm.cloud_id) = (true, None);
                        }
                        UnitOutcome::Done if operation.kind == OpKind::Remove => {
                            (vm.destroyed, vm.cloud_id) = (true, None);
                        }
                        _ => {}
                    }));
                }
                writes
            }
            Change::Ended(ending) => {
                if !ending.state.is_final() {
                    return Vec::new();
                }
                let mut infra = (*state.infra).clone();
                let name = format!("{} ended", operation.id);
                let count = infra.extra.get(&name).and_then(Value::as_u64).unwrap_or(0) + 1;
                infra.extra.insert(name, json!(count));
                if operation.kind == OpKind::Destroy {
                    infra.deleted = ending.state == OpState::Done;
                }
                let mut writes = vec![Write::Infrastructure(Arc::new(infra))];
                if ending.state == OpState::Done && (launches || operation.kind == OpKind::Remove) {
                    writes.push(Write::NewOperation(Arc::new(Operation::pending(
                        OperationId::from(format!("{}-configure", operation.id)),
                        operation.infra.clone(),
                        OpKind::Configure,
                        Arc::clone(&operation.request),
                        operation.created,
                    ))));
                }
                writes
            }
        }
    }
}

fn word(outcome: &UnitOutcome) -> &'static str {
    match outcome {
        UnitOutcome::Done => "done",
        UnitOutcome::Failed { .. } => "failed",
        UnitOutcome::Cancelled => "cancelled",
    }
}
