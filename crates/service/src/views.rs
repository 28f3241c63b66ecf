//! What readers see of an infrastructure at one `seq`, made once and shared. A cache: may be dropped at any time.

use crate::{ServiceResult, StateView, VmView, flow::Flow, materialize, refresh::Refresher, states};
use im_model::{InfraId, Vm, VmId, VmState};
use im_store::InfraState;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// How many infrastructures are kept.
const KEPT: usize = 256;
/// How many VMs, of all of them: a view is a parsed document, thousands of which are many megabytes.
const KEPT_VMS: usize = 2048;

struct Kept {
    seq: u64,
    vms: HashMap<VmId, (VmState, Arc<VmView>)>,
}

#[derive(Default)]
struct All {
    infras: HashMap<InfraId, Kept>,
    /// VMs of all of them.
    vms: usize,
}

impl All {
    fn put(&mut self, infra: &InfraId, seq: u64, vm: VmId, view: (VmState, Arc<VmView>)) {
        if self.vms >= KEPT_VMS || (self.infras.len() >= KEPT && !self.infras.contains_key(infra)) {
            self.infras.clear();
            self.vms = 0;
        }
        let of_infra = self.infras.entry(infra.clone()).or_insert_with(|| Kept {
            seq,
            vms: HashMap::new(),
        });
        if of_infra.seq < seq {
            of_infra.seq = seq;
            self.vms -= of_infra.vms.len();
            of_infra.vms.clear();
        }
        if of_infra.seq == seq && of_infra.vms.insert(vm, view).is_none() {
            self.vms += 1;
        }
    }
}

/// The cache.
#[derive(Default)]
pub(crate) struct Views {
    kept: Mutex<All>,
}

impl Views {
    fn lock(&self) -> std::sync::MutexGuard<'_, All> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A VM as it stands.
    pub(crate) async fn vm(
        &self,
        flow: &Flow,
        refresher: &Refresher,
        state: &InfraState,
        vm: &Vm,
    ) -> ServiceResult<Arc<VmView>> {
        let shown = states::shown(&state.infra, vm);
        let shown = refresher.belief(flow, &state.infra.id).of(vm, shown);
        let known = {
            let kept = self.lock();
            let of_now = kept.infras.get(&state.infra.id).filter(|k| k.seq == state.seq);
            of_now.and_then(|k| k.vms.get(&vm.id)).cloned()
        };
        if let Some((was, view)) = known
            && was == shown
        {
            return Ok(view);
        }
        let base = flow.documents.base(&*flow.store, &vm.base).await?;
        let mut document = materialize::materialize(&base, vm, flow.naming(&vm.cloud.kind));
        if let Some(system) = document.system_mut(&vm.system) {
            system.features.set_text("state", shown.as_str());
        }
        let view = Arc::new(VmView::new(vm.id, vm.system.clone(), document));
        self.lock()
            .put(&state.infra.id, state.seq, vm.id, (shown, view.clone()));
        Ok(view)
    }

    /// The states of an infrastructure and its VMs.
    pub(crate) fn states(flow: &Flow, refresher: &Refresher, state: &InfraState) -> StateView {
        let infra = &state.infra;
        let living = state.vms.values().filter(|vm| !vm.destroyed);
        let belief = refresher.belief(flow, &infra.id);
        let believed = |vm: &Arc<Vm>| belief.of(vm, states::shown(infra, vm));
        let vm_states: std::collections::BTreeMap<_, _> = living.map(|vm| (vm.id, believed(vm))).collect();
        StateView {
            state: states::overall(infra, vm_states.values().copied()),
            vm_states,
        }
    }
}
