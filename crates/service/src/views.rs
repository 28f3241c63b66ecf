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
/// How many VMs of one.
const KEPT_VMS: usize = 1024;

struct Kept {
    seq: u64,
    vms: HashMap<VmId, (VmState, Arc<VmView>)>,
}

/// The cache.
#[derive(Default)]
pub(crate) struct Views {
    kept: Mutex<HashMap<InfraId, Kept>>,
}

impl Views {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<InfraId, Kept>> {
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
        let shown = refresher.believed(flow, &state.infra.id, vm, shown);
        let known = {
            let kept = self.lock();
            let of_now = kept.get(&state.infra.id).filter(|k| k.seq == state.seq);
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
        self.keep(state, vm.id, shown, &view);
        Ok(view)
    }

    fn keep(&self, state: &InfraState, vm: VmId, shown: VmState, view: &Arc<VmView>) {
        let mut kept = self.lock();
        if kept.len() >= KEPT && !kept.contains_key(&state.infra.id) {
            kept.clear();
        }
        let of_infra = kept.entry(state.infra.id.clone()).or_insert_with(|| Kept {
            seq: state.seq,
            vms: HashMap::new(),
        });
        if of_infra.seq < state.seq || of_infra.vms.len() >= KEPT_VMS {
            of_infra.seq = state.seq;
            of_infra.vms.clear();
        }
        if of_infra.seq == state.seq {
            of_infra.vms.insert(vm, (shown, view.clone()));
        }
    }

    /// The states of an infrastructure and its VMs.
    pub(crate) fn states(flow: &Flow, refresher: &Refresher, state: &InfraState) -> StateView {
        let infra = &state.infra;
        let living = state.vms.values().filter(|vm| !vm.destroyed);
        let believed = |vm: &Arc<Vm>| refresher.believed(flow, &infra.id, vm, states::shown(infra, vm));
        let vm_states: std::collections::BTreeMap<_, _> = living.map(|vm| (vm.id, believed(vm))).collect();
        StateView {
            state: states::overall(infra, vm_states.values().copied()),
            vm_states,
        }
    }
}
