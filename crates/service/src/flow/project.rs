//! What changes mean for the rows that users see. Constant work per change, but for the ends of operations; the clock
//! is read for log lines and for when a cloud last told a state, nothing else from outside.

use super::{Flow, configure, scope::Scope, steps::failed_at};
use crate::{
    draw,
    logs::{header, now},
    materialize,
    request::{Launch, Request, Then, What},
    states::Next,
};
use im_ctxt::{DISABLED, DISABLED_VM};
use im_model::{
    Configured, LogScope, OpKind, OpState, Operation, OperationId, Resource, ResourceKind, Unit, Vm, VmId, VmState,
};
use im_ops::{Cancelled, Change, Ending, Job, UnitOutcome};
use im_radl::Document;
use im_store::{InfraState, Write};
use std::sync::Arc;

/// Whether the operation was ended by a destroy, which then owns all rows.
fn taken_over(ending: &Ending, state: &InfraState) -> bool {
    ending.cancelled == Some(Cancelled::ByDelete) || state.infra.deleting || state.infra.deleted
}

impl Flow {
    pub(super) fn project_launch(&self, job: &Job, state: &InfraState, change: Change<'_>) -> Vec<Write> {
        match change {
            Change::Step { step, created, .. } => {
                let (Unit::Vm(vm), Some((resource, observed))) = (step.unit, created) else {
                    return Vec::new();
                };
                let Some(row) = state.vms.get(&vm) else {
                    return Vec::new();
                };
                let mut row = (**row).clone();
                materialize::take(&mut row.own, observed);
                if resource.kind == im_model::ResourceKind::Vm {
                    row.cloud_id = Some(observed.cloud_id.as_str().into());
                    row.account = Some(resource.account.clone());
                    row.state = observed.state.unwrap_or(VmState::Running);
                }
                row.updated = now();
                one(state, row)
            }
            Change::Unit {
                unit: Unit::Vm(vm),
                outcome,
            } => {
                let Some(row) = state.vms.get(&vm) else {
                    return Vec::new();
                };
                let mut row = (**row).clone();
                match outcome {
                    UnitOutcome::Done => return Vec::new(),
                    UnitOutcome::Failed { errors } => {
                        row.state = VmState::Failed;
                        row.error = Some(failed_at(&row.system, &row.cloud, errors));
                        row.cloud_id = None;
                    }
                    UnitOutcome::Cancelled => {
                        row.destroyed = true;
                        row.state = VmState::Off;
                    }
                }
                one(state, row)
            }
            Change::Began | Change::Unit { .. } => Vec::new(),
            Change::Ended(ending) => self.launched(job, state, ending),
        }
    }

    /// The end of a create or add.
    fn launched(&self, job: &Job, state: &InfraState, ending: &Ending) -> Vec<Write> {
        let Ok(request) = Request::from_value(&job.operation.request) else {
            return Vec::new();
        };
        let What::Launch(launch) = &request.what else {
            return Vec::new();
        };
        if !ending.state.is_final() || taken_over(ending, state) {
            return Vec::new();
        }
        let create = job.operation.kind == OpKind::Create;
        let new: Vec<&Arc<Vm>> = state
            .vms
            .values()
            .filter(|vm| vm.operation.as_ref() == Some(&job.operation.id))
            .collect();
        let all_failed = !new.is_empty() && new.iter().all(|vm| vm.state == VmState::Failed || vm.destroyed);
        let cancelled = new.iter().any(|vm| vm.destroyed);
        if ending.state == OpState::Undone && (!all_failed || cancelled) {
            return nothing_came_of_it(state, &new, create, launch, ending.error.as_deref());
        }
        if new.is_empty() && create {
            let why = "Infrastructure without any deploy. Exiting.";
            let mut next = Next::new(state);
            Arc::make_mut(&mut next.infra).failed = true;
            return with_lines(next.writes(), &[why]);
        }
        if all_failed {
            let mut next = Next::new(state);
            let mut why: Vec<&str> = new.iter().filter_map(|vm| vm.error.as_deref()).collect();
            why.dedup();
            for vm in &new {
                next.vms.insert(vm.id, destroyed(vm));
            }
            if create {
                let infra = Arc::make_mut(&mut next.infra);
                infra.failed = true;
                infra.deleted = launch.waited_for;
            }
            let text = format!("All VMs failed. No contextualize.\n{}", why.join("\n"));
            return with_lines(next.writes(), &[&text]);
        }
        self.afterwards(job, state, Next::new(state), &request, launch.context)
    }

    /// The end of a change after which VMs are configured: at once where nobody takes part, else by an operation.
    fn afterwards(
        &self,
        job: &Job,
        state: &InfraState,
        mut next: Next<'_>,
        request: &Request,
        context: bool,
    ) -> Vec<Write> {
        let document = self.document(state);
        let (true, Ok(document)) = (context, document) else {
            return next.writes();
        };
        let scope = Scope::new(&document, &self.connectors);
        if next.living().any(|vm| scope.takes(vm)) {
            let mut writes = next.writes();
            writes.extend(follow_on(job, request).map(Write::NewOperation));
            return writes;
        }
        let lines = nobody_takes_part(&mut next, &document);
        let mut writes = next.writes();
        writes.extend(lines);
        writes
    }

    pub(super) fn project_remove(&self, job: &Job, state: &InfraState, change: Change<'_>) -> Vec<Write> {
        if matches!(change, Change::Step { .. } | Change::Unit { .. }) {
            // Of these there is one for each VM; the request is as long as there are VMs.
            return Vec::new();
        }
        let Ok(request) = Request::from_value(&job.operation.request) else {
            return Vec::new();
        };
        let What::Remove { vms, context, then } = &request.what else {
            return Vec::new();
        };
        let rows = || vms.iter().filter_map(|id| state.vms.get(id)).filter(|vm| !vm.destroyed);
        match change {
            Change::Began => {
                let mut next = Next::new(state);
                for row in rows() {
                    let mut row = (**row).clone();
                    row.state = VmState::Deleting;
                    next.vms.insert(row.id, Arc::new(row));
                }
                next.writes()
            }
            Change::Step { .. } | Change::Unit { .. } => Vec::new(),
            Change::Ended(ending) => {
                if !ending.state.is_final() || taken_over(ending, state) {
                    return Vec::new();
                }
                let mut next = Next::new(state);
                let mut lines = Vec::new();
                let mut removed = 0;
                for row in rows() {
                    match left_over(ending, row.id) {
                        None => {
                            removed += 1;
                            next.vms.insert(row.id, destroyed(row));
                        }
                        Some(why) => {
                            next.vms.insert(row.id, still_there(state, row, &why));
                            lines.push(format!("Error removing VM {}: {why}", row.id));
                        }
                    }
                }
                let context = *context && removed > 0 && next.living().next().is_some();
                let mut writes = self.afterwards(job, state, next, &request, context);
                if let Some(then) = then.as_ref().filter(|_| ending.state == OpState::Done) {
                    writes.extend(launch_after(job, &request, then).map(Write::NewOperation));
                }
                writes.extend(lines.iter().map(|line| header(line)));
                writes
            }
        }
    }
}

/// A destroy.
pub(super) fn destroy(job: &Job, state: &InfraState, change: Change<'_>) -> Vec<Write> {
    match change {
        Change::Began => {
            let mut next = Next::new(state);
            Arc::make_mut(&mut next.infra).deleting = true;
            // One event says it all: every VM shows what the infrastructure does.
            next.writes()
        }
        Change::Step { .. } | Change::Unit { .. } => Vec::new(),
        Change::Ended(ending) => {
            if !ending.state.is_final() {
                return Vec::new();
            }
            let request = Request::from_value(&job.operation.request);
            let force = matches!(request.map(|r| r.what), Ok(What::Destroy { force: true }));
            let mut next = Next::new(state);
            let mut lines = Vec::new();
            let mut clean = ending.state == OpState::Done;
            if let Some(why) = &ending.error {
                lines.push(format!("Error destroying the infrastructure: {why}"));
            }
            if let Some(UnitOutcome::Failed { errors }) = ending.units.get(&Unit::Infra) {
                clean = false;
                lines.push(format!("Error destroying the infrastructure: {}", errors.join("\n")));
            }
            for row in state.vms.values().filter(|vm| !vm.destroyed) {
                match left_over(ending, row.id).filter(|_| !force) {
                    None if clean || force || ending.units.contains_key(&Unit::Vm(row.id)) => {
                        next.vms.insert(row.id, destroyed(row));
                    }
                    None => {}
                    Some(why) => {
                        clean = false;
                        next.vms.insert(row.id, still_there(state, row, &why));
                        lines.push(format!("Error destroying VM {}: {why}", row.id));
                    }
                }
            }
            let infra = Arc::make_mut(&mut next.infra);
            infra.deleting = false;
            infra.deleted = clean || force;
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            with_lines(next.writes(), &lines)
        }
    }
}

/// A contextualization.
pub(super) fn configure(state: &InfraState, change: Change<'_>) -> Vec<Write> {
    let Change::Ended(ending) = change else {
        return Vec::new();
    };
    if !ending.state.is_final() || taken_over(ending, state) {
        return Vec::new();
    }
    configure::ended(state, ending)
}

/// One changed row and its event.
fn one(state: &InfraState, row: Vm) -> Vec<Write> {
    let mut next = Next::new(state);
    next.vms.insert(row.id, Arc::new(row));
    next.writes_soon()
}

fn destroyed(vm: &Arc<Vm>) -> Arc<Vm> {
    let mut row = (**vm).clone();
    row.destroyed = true;
    row.state = VmState::Off;
    Arc::new(row)
}

/// How the error of a VM begins of which only other resources are left.
const MACHINE_GONE: &str = "The machine is gone";

/// A VM that could not be removed. If its machine is gone and something else is left, it is off, and says what; else
/// what it does now is to be asked.
fn still_there(state: &InfraState, vm: &Arc<Vm>, why: &str) -> Arc<Vm> {
    let mut row = (**vm).clone();
    row.updated = 0;
    let left: Vec<_> = state.resources.values().filter(|r| r.unit == Unit::Vm(vm.id)).collect();
    let machine = left.iter().any(|r| r.kind == ResourceKind::Vm);
    if row.cloud_id.is_some() && !machine && !left.is_empty() {
        let left: Vec<String> = left.iter().map(|r| told(r)).collect();
        row.cloud_id = None;
        row.state = VmState::Off;
        row.error = Some(format!(
            "{MACHINE_GONE}, but {} could not be removed: {why}. Remove it again to try once more.",
            left.join(", ")
        ));
    } else if row.cloud_id.is_some() {
        row.state = VmState::Running;
    } else if row.state == VmState::Deleting {
        // Its machine went earlier, or never was.
        let gone = vm
            .error
            .as_deref()
            .is_some_and(|e| e.starts_with("The machine is gone"));
        row.state = if gone { VmState::Off } else { VmState::Failed };
    }
    Arc::new(row)
}

fn told(resource: &Resource) -> String {
    let kind = resource.kind.as_str().replace('_', " ");
    match &resource.cloud_id {
        Some(id) => format!("{kind} {} ({id})", resource.name),
        None => format!("{kind} {}", resource.name),
    }
}

/// Why a VM is still there, if it is. One without steps had nothing to remove.
fn left_over(ending: &Ending, vm: VmId) -> Option<String> {
    match ending.units.get(&Unit::Vm(vm)) {
        Some(UnitOutcome::Failed { errors }) => Some(errors.join("\n")),
        Some(UnitOutcome::Cancelled) => Some("cancelled".to_owned()),
        Some(UnitOutcome::Done) => None,
        None => ending.error.clone(),
    }
}

/// A create or add of which nothing came: resolve or plan failed, or it was given up.
fn nothing_came_of_it(
    state: &InfraState,
    new: &[&Arc<Vm>],
    create: bool,
    launch: &Launch,
    why: Option<&str>,
) -> Vec<Write> {
    let mut next = Next::new(state);
    for vm in new {
        next.vms.insert(vm.id, destroyed(vm));
    }
    if create {
        let infra = Arc::make_mut(&mut next.infra);
        infra.failed = true;
        infra.deleted = launch.waited_for;
    }
    let lines: Vec<&str> = why.into_iter().collect();
    with_lines(next.writes(), &lines)
}

fn with_lines(mut writes: Vec<Write>, lines: &[&str]) -> Vec<Write> {
    writes.extend(lines.iter().map(|line| header(line)));
    writes
}

/// All VMs are configured at once, and the logs say so.
pub(super) fn nobody_takes_part(next: &mut Next<'_>, document: &Document) -> Vec<Write> {
    let unfinished: Vec<Arc<Vm>> = next
        .living()
        .filter(|vm| vm.configured != Configured::Yes)
        .cloned()
        .collect();
    for vm in unfinished {
        let mut row = (*vm).clone();
        row.configured = Configured::Yes;
        next.vms.insert(row.id, Arc::new(row));
    }
    Arc::make_mut(&mut next.infra).configured = Configured::Yes;
    let mut writes = vec![
        Write::ClearLog { scope: LogScope::Infra },
        Write::Log {
            scope: LogScope::Infra,
            text: DISABLED.to_owned(),
        },
    ];
    if next.state.infra.context.number > 0 {
        let disabled = next.living().filter(|vm| document.is_context_disabled(&vm.system));
        for vm in disabled {
            writes.push(Write::ClearLog {
                scope: LogScope::Vm(vm.id),
            });
            writes.push(Write::Log {
                scope: LogScope::Vm(vm.id),
                text: format!("{DISABLED_VM}\n"),
            });
        }
    }
    writes
}

/// The operation that configures after another one. Its id follows from the other's, so that a replay makes the same.
fn follow_on(job: &Job, request: &Request) -> Option<Arc<Operation>> {
    let request = Request {
        what: What::Configure { radl: None, only: None },
        ..request.clone()
    };
    let (id, infra) = (follow_on_id(&job.operation.id), job.operation.infra.clone());
    let request = request.to_value().ok()?;
    Some(Arc::new(Operation::pending(
        id,
        infra,
        OpKind::Configure,
        request,
        now(),
    )))
}

/// The add that an update goes on with.
fn launch_after(job: &Job, request: &Request, then: &Then) -> Option<Arc<Operation>> {
    let request = Request {
        what: What::Launch(then.launch.clone()),
        ..request.clone()
    };
    let request = request.to_value().ok()?;
    let (id, infra) = (then.operation.clone(), job.operation.infra.clone());
    Some(Arc::new(Operation::pending(id, infra, OpKind::Add, request, now())))
}

fn follow_on_id(id: &OperationId) -> OperationId {
    let hash = draw::hash(&format!("configure after {id}"));
    let mut bytes = [0u8; 16];
    // A hash is longer than an id and consists of digits only.
    let _ = hex::decode_to_slice(&hash[..32], &mut bytes);
    OperationId::from(uuid::Builder::from_random_bytes(bytes).into_uuid().to_string())
}
