//! The machines of an infrastructure as outputs see them.

use crate::{ServiceResult, logs, service::Service, service::database};
use im_model::{LogScope, VmId};
use im_store::InfraState;
use im_tosca::{FunctionAccess, Live, LiveVm};
use std::{collections::BTreeMap, sync::Arc};

/// Taken at one moment; nothing in it changes.
pub(super) struct Snapshot {
    vms: Vec<LiveVm>,
    ids: Vec<VmId>,
    logs: BTreeMap<VmId, String>,
}

impl Live for Snapshot {
    fn vms(&self) -> &[LiveVm] {
        &self.vms
    }

    fn log(&self, vm: usize) -> Option<String> {
        self.logs.get(self.ids.get(vm)?).cloned()
    }

    /// No connector makes functions: nobody could say.
    fn function(&self, _: usize) -> Option<FunctionAccess> {
        None
    }
}

impl Service {
    /// The machines of an infrastructure, with their logs where an output asks for them.
    pub(super) async fn live(&self, state: &Arc<InfraState>, logs: Logs) -> ServiceResult<Snapshot> {
        let mut snapshot = Snapshot {
            vms: Vec::new(),
            ids: Vec::new(),
            logs: BTreeMap::new(),
        };
        for row in state.vms.values().filter(|vm| !vm.destroyed) {
            let view = self.views.vm(&self.flow, &self.refresher, state, row).await?;
            let Some(system) = view.document.system(&view.system) else {
                continue;
            };
            let (mut public, mut private) = (None, None);
            for interface in system.interfaces() {
                let Some(ip) = interface.ip else { continue };
                let which = if view.document.is_public_network(interface.connection) {
                    &mut public
                } else {
                    &mut private
                };
                which.get_or_insert_with(|| ip.to_owned());
            }
            snapshot.ids.push(row.id);
            snapshot.vms.push(LiveVm {
                system: row.system.clone(),
                cloud_id: row.cloud_id.as_deref().map(str::to_owned),
                public_ip: public,
                private_ip: private,
                info: Arc::new(system.clone()),
            });
        }
        if logs == Logs::Needed {
            let mut texts = self
                .engine
                .store()
                .logs(&state.infra.id)
                .await
                .map_err(|e| database(&e))?;
            for id in &snapshot.ids {
                let log = texts.remove(&LogScope::Vm(*id)).unwrap_or_default();
                let error = state.vms.get(id).and_then(|row| row.error.as_deref());
                snapshot.logs.insert(*id, logs::of_vm(error, &log));
            }
        }
        Ok(snapshot)
    }
}

/// Whether logs are read: they can be long.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Logs {
    Needed,
    Unused,
}
