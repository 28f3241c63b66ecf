//! Remove and destroy: which resources go, in which order. Pure.

use im_model::{
    Account, Action, CloudRef, Key, Plan, Resource, ResourceKind, ResourceState, Step, StepId, Unit, Vm, VmId, VmState,
};
use im_ops::Planned;
use im_store::{InfraState, Write};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// What goes earlier: what hangs on others before what they hang on.
fn rank(kind: ResourceKind) -> u8 {
    match kind {
        ResourceKind::Record => 0,
        ResourceKind::Binding => 1,
        ResourceKind::Vm => 2,
        ResourceKind::Attachment => 3,
        ResourceKind::Volume | ResourceKind::Address => 4,
        ResourceKind::RouterInterface => 5,
        ResourceKind::Rule => 6,
        ResourceKind::Group => 7,
        ResourceKind::Network => 8,
        ResourceKind::KeyPair => 9,
    }
}

#[derive(Default)]
struct Steps {
    steps: Vec<Step>,
}

impl Steps {
    /// Steps that remove these resources of a unit, rank by rank, after `after`. Answers the last ones.
    fn remove(&mut self, unit: Unit, resources: &[&Arc<Resource>], after: &[StepId]) -> Vec<StepId> {
        let mut ranks: BTreeMap<u8, Vec<&Key>> = BTreeMap::new();
        for resource in resources {
            ranks.entry(rank(resource.kind)).or_default().push(&resource.key);
        }
        let mut before = after.to_vec();
        for keys in ranks.into_values() {
            let mut now = Vec::with_capacity(keys.len());
            for key in keys {
                let Ok(id) = u32::try_from(self.steps.len()) else { break };
                now.push(StepId(id));
                self.steps.push(Step {
                    unit,
                    after: before.clone(),
                    always: false,
                    action: Action::Absent { key: key.clone() },
                });
            }
            before = now;
        }
        before
    }
}

fn plan(state: &InfraState, gone: &BTreeSet<VmId>, shared_goes: impl Fn(&CloudRef, &Account) -> bool) -> Planned {
    let mut by_unit: BTreeMap<Unit, Vec<&Arc<Resource>>> = BTreeMap::new();
    for resource in state.resources.values() {
        by_unit.entry(resource.unit).or_default().push(resource);
    }
    let mut steps = Steps::default();
    // Newest first: the front end of a cluster is usually the first one, and goes last.
    let mut last: BTreeMap<(&CloudRef, &Account), Vec<StepId>> = BTreeMap::new();
    for vm in gone.iter().rev() {
        if let Some(resources) = by_unit.get(&Unit::Vm(*vm)) {
            let ends = steps.remove(Unit::Vm(*vm), resources, &[]);
            if let Some(resource) = resources.first() {
                last.entry((&*resource.cloud, &resource.account))
                    .or_default()
                    .extend(ends);
            }
        }
    }
    let mut shared: BTreeMap<(&CloudRef, &Account), Vec<&Arc<Resource>>> = BTreeMap::new();
    for resource in by_unit.get(&Unit::Infra).into_iter().flatten() {
        if shared_goes(&resource.cloud, &resource.account) {
            shared
                .entry((&*resource.cloud, &resource.account))
                .or_default()
                .push(resource);
        }
    }
    for (place, resources) in shared {
        let after = last.get(&place).cloned().unwrap_or_default();
        steps.remove(Unit::Infra, &resources, &after);
    }
    Planned {
        plan: Plan { steps: steps.steps },
        writes: Vec::new(),
    }
}

/// Removes some VMs; shared resources of a cloud go with the last VM there.
pub(super) fn plan_remove(state: &InfraState, vms: &[VmId]) -> Planned {
    let gone: BTreeSet<VmId> = vms
        .iter()
        .copied()
        .filter(|id| state.vms.get(id).is_some_and(|vm| !vm.destroyed))
        .collect();
    let with_resources: BTreeSet<Unit> = state.resources.values().map(|r| r.unit).collect();
    // A VM that failed and of which nothing is left uses nothing.
    let has_something = |vm: &Vm| vm.state != VmState::Failed || with_resources.contains(&Unit::Vm(vm.id));
    let stay = state
        .vms
        .values()
        .filter(|vm| !vm.destroyed && !gone.contains(&vm.id) && has_something(vm));
    let used: BTreeSet<(&CloudRef, Option<&Account>)> = stay.map(|vm| (&*vm.cloud, vm.account.as_ref())).collect();
    plan(state, &gone, |cloud, account| {
        !used.contains(&(cloud, Some(account))) && !used.contains(&(cloud, None))
    })
}

/// Removes everything, whatever the rows say of it.
pub(super) fn plan_destroy(state: &InfraState) -> Planned {
    let mut gone: BTreeSet<VmId> = state.vms.keys().copied().collect();
    // Rows of resources decide: a VM whose row never came to be may have some.
    gone.extend(state.resources.values().filter_map(|r| match r.unit {
        Unit::Vm(vm) => Some(vm),
        Unit::Infra => None,
    }));
    plan(state, &gone, |_, _| true)
}

/// Lets go of everything, whatever the rows say of it: nothing is asked of any cloud.
pub(super) fn plan_abandon(state: &InfraState) -> Planned {
    let released = |row: &Arc<Resource>| {
        let mut row = Resource::clone(row);
        row.state = ResourceState::Released;
        Write::Resource(Arc::new(row))
    };
    Planned {
        plan: Plan::default(),
        writes: state.resources.values().map(released).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests_support::{infrastructure, resource, vm};

    fn state() -> InfraState {
        let mut state = infrastructure();
        for id in 0..2 {
            state.vms.insert(VmId(id), Arc::new(vm(id)));
            for (kind, name) in [(ResourceKind::Volume, "d"), (ResourceKind::Vm, "v")] {
                let row = resource(Unit::Vm(VmId(id)), kind, &format!("{name}{id}"));
                state.resources.insert(row.key.clone(), Arc::new(row));
            }
        }
        let network = resource(Unit::Infra, ResourceKind::Network, "net");
        state.resources.insert(network.key.clone(), Arc::new(network));
        state
    }

    fn told(state: &InfraState, planned: &Planned) -> Vec<(String, Vec<u32>)> {
        let one = |step: &Step| {
            let Action::Absent { key } = &step.action else {
                unreachable!("only removals")
            };
            let after = step.after.iter().map(|s| s.0).collect();
            (state.resources[key].name.clone(), after)
        };
        planned.plan.steps.iter().map(one).collect()
    }

    #[test]
    fn machines_go_before_disks_and_networks_last() {
        let state = state();
        let steps = told(&state, &plan_destroy(&state));
        let wanted = [
            ("v1", vec![]),
            ("d1", vec![0]),
            ("v0", vec![]),
            ("d0", vec![2]),
            ("net", vec![1, 3]),
        ];
        let wanted: Vec<_> = wanted.into_iter().map(|(n, a)| (n.to_owned(), a)).collect();
        assert_eq!(steps, wanted);
    }

    #[test]
    fn shared_resources_stay_while_a_vm_uses_them() {
        let state = state();
        let names = |planned: &Planned| -> Vec<String> { told(&state, planned).into_iter().map(|s| s.0).collect() };
        assert_eq!(names(&plan_remove(&state, &[VmId(0)])), ["v0", "d0"]);
        // The other one is yet to be made, where and by whom is not known.
        let mut awaited = state.clone();
        let mut pending = vm(1);
        (pending.state, pending.account, pending.cloud_id) = (VmState::Pending, None, None);
        awaited.vms.insert(VmId(1), Arc::new(pending));
        awaited.resources.retain(|_, r| r.unit != Unit::Vm(VmId(1)));
        assert_eq!(names(&plan_remove(&awaited, &[VmId(0)])), ["v0", "d0"]);
        // The other one failed, and nothing is left of it.
        let mut alone = state.clone();
        let mut failed = vm(1);
        failed.state = VmState::Failed;
        alone.vms.insert(VmId(1), Arc::new(failed));
        assert_eq!(
            names(&plan_remove(&alone, &[VmId(0)])),
            ["v0", "d0"],
            "it still has a machine"
        );
        alone.resources.retain(|_, r| r.unit != Unit::Vm(VmId(1)));
        assert_eq!(names(&plan_remove(&alone, &[VmId(0)])), ["v0", "d0", "net"]);
        assert_eq!(
            names(&plan_remove(&state, &[VmId(0), VmId(1), VmId(7)])),
            ["v1", "d1", "v0", "d0", "net"]
        );
    }
}
