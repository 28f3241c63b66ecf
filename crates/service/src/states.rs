//! States as users see them: what the clouds say, overlaid with what contextualization says. Pure.

use im_model::{Configured, EventBody, Infrastructure, Vm, VmId, VmState};
use im_store::{InfraState, Write};
use std::{collections::BTreeMap, sync::Arc};

/// State of a VM as shown.
pub(crate) fn shown(infra: &Infrastructure, vm: &Vm) -> VmState {
    if vm.destroyed {
        return VmState::Off;
    }
    if infra.deleting {
        return VmState::Deleting;
    }
    if !vm.state.is_up() {
        return vm.state;
    }
    match (infra.configured, vm.configured) {
        (Configured::Failed, _) | (_, Configured::Failed) => VmState::Unconfigured,
        (_, Configured::Yes) => VmState::Configured,
        (_, Configured::Unfinished) => VmState::Running,
    }
}

/// State of an infrastructure from those of its VMs that are not destroyed.
pub(crate) fn overall(infra: &Infrastructure, vms: impl IntoIterator<Item = VmState>) -> VmState {
    if infra.deleting {
        return VmState::Deleting;
    }
    VmState::of_infrastructure(vms).unwrap_or_else(|| {
        if infra.failed || infra.configured == Configured::Failed {
            VmState::Failed
        } else if infra.configured == Configured::Unfinished {
            VmState::Pending
        } else {
            VmState::Unknown
        }
    })
}

/// Rows as they will be after a change: the present ones, with some replaced.
pub(crate) struct Next<'a> {
    pub(crate) state: &'a InfraState,
    pub(crate) infra: Arc<Infrastructure>,
    pub(crate) vms: BTreeMap<VmId, Arc<Vm>>,
}

impl<'a> Next<'a> {
    pub(crate) fn new(state: &'a InfraState) -> Self {
        Self {
            state,
            infra: state.infra.clone(),
            vms: BTreeMap::new(),
        }
    }

    /// All VMs.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Vm>> {
        let new = self.vms.values().filter(|vm| !self.state.vms.contains_key(&vm.id));
        let old = self.state.vms.values();
        old.map(|vm| self.vms.get(&vm.id).unwrap_or(vm)).chain(new)
    }

    /// VMs that are not destroyed.
    pub(crate) fn living(&self) -> impl Iterator<Item = &Arc<Vm>> {
        self.all().filter(|vm| !vm.destroyed)
    }

    /// The state of the whole, counted anew.
    pub(crate) fn overall(&self) -> VmState {
        overall(&self.infra, self.living().map(|vm| shown(&self.infra, vm)))
    }

    /// The state of the whole, cheaply: while VMs are pending, which the last ones are the longest, the whole is too.
    /// The event at the end of an operation counts anew.
    fn overall_soon(&self) -> VmState {
        let last = self.state.vms.values().rev().take(16);
        let pending = |vm: &&Arc<Vm>| {
            let vm = self.vms.get(&vm.id).unwrap_or(vm);
            !vm.destroyed && vm.state == VmState::Pending
        };
        if !self.infra.deleting && last.into_iter().any(|vm| pending(&vm)) {
            VmState::Pending
        } else {
            self.overall()
        }
    }

    /// The writes: changed rows and one event for them all.
    pub(crate) fn writes(self) -> Vec<Write> {
        let overall = self.overall();
        self.finish(overall)
    }

    /// The same for a change of few rows among many.
    pub(crate) fn writes_soon(self) -> Vec<Write> {
        let overall = self.overall_soon();
        self.finish(overall)
    }

    fn finish(self, overall: VmState) -> Vec<Write> {
        let mut writes = Vec::with_capacity(self.vms.len() + 2);
        if !Arc::ptr_eq(&self.infra, &self.state.infra) {
            writes.push(Write::Infrastructure(self.infra.clone()));
        }
        let changed = self.vms.values().filter(|vm| {
            let before = self.state.vms.get(&vm.id);
            before.is_none_or(|before| shown(&self.state.infra, before) != shown(&self.infra, vm))
        });
        let vms: BTreeMap<VmId, VmState> = changed.map(|vm| (vm.id, shown(&self.infra, vm))).collect();
        writes.extend(self.vms.into_values().map(Write::Vm));
        writes.push(Write::Event(EventBody::State { state: overall, vms }));
        writes
    }
}
