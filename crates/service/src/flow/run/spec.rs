//! From rows to what contextualization works with: nodes, the run, the connection to the master.

use super::store_failure;
use crate::{ServiceError, flow::Flow, materialize};
use im_auth::IM;
use im_ctxt::{KeyPair, Master, Node, NodeParts, RunSpec};
use im_model::{InfraId, Infrastructure, Secret, Vm, VmId};
use im_ops::{RunCall, StepError};
use im_radl::Document;
use im_store::InfraState;
use serde::Deserialize;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// Connections to masters between two steps of a run. A cache: a step that finds none connects.
#[derive(Default)]
pub(crate) struct Masters(Mutex<HashMap<InfraId, (u64, Master)>>);

impl Masters {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<InfraId, (u64, Master)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    pub(super) fn take(&self, infra: &InfraId, number: u64) -> Option<Master> {
        let (run, master) = self.lock().remove(infra)?;
        (run == number).then_some(master)
    }
    pub(super) fn put(&self, infra: &InfraId, number: u64, master: Master) {
        self.lock().insert(infra.clone(), (number, master));
    }
    /// Forgets the connection of an infrastructure whose run is over.
    pub(super) fn drop_of(&self, infra: &InfraId) {
        self.lock().remove(infra);
    }
}

/// Arguments of the steps of a contextualization.
#[derive(Debug, Deserialize)]
pub(super) struct Args {
    pub(super) number: u64,
    #[serde(default)]
    pub(super) only: Option<Vec<VmId>>,
}

pub(super) fn args(call: &RunCall) -> Result<Args, StepError> {
    Args::deserialize(&*call.args).map_err(|e| StepError::failed(e.to_string()))
}

/// The infrastructure's key pair, once there is one.
pub(super) fn key_of(infra: &Infrastructure) -> Option<KeyPair> {
    (!infra.context.private_key.is_empty()).then(|| KeyPair {
        private: infra.context.private_key.clone(),
        public: infra.context.public_key.clone(),
    })
}

fn internal(error: &ServiceError) -> StepError {
    StepError::temporary(error.to_string())
}

impl Flow {
    /// The document of a VM, as it stands.
    pub(crate) async fn vm_document(&self, vm: &Vm) -> Result<Document, StepError> {
        let base = self
            .documents
            .base(&*self.store, &vm.base)
            .await
            .map_err(|e| internal(&e))?;
        Ok(materialize::materialize(&base, vm, self.naming(&vm.cloud.kind)))
    }

    /// How names and addresses are made for VMs of this kind of cloud.
    pub(crate) fn naming(&self, kind: &str) -> materialize::Naming<'_> {
        materialize::Naming {
            default_name: &self.options.ctxt.default_name,
            masks: &self.options.private_masks,
            names: self.connectors.get(kind).is_none_or(|c| c.capability().contextualizes),
        }
    }

    /// A VM as contextualization sees it; none if its cloud's VMs are not configured over SSH.
    pub(super) async fn node(&self, vm: &Vm) -> Result<Option<Node>, StepError> {
        let Some(connector) = self.connectors.get(&vm.cloud.kind) else {
            return Ok(None);
        };
        let capability = connector.capability();
        if !capability.contextualizes || !capability.dialable {
            return Ok(None);
        }
        let document = self.vm_document(vm).await?;
        let Some(system) = document.system(&vm.system) else {
            return Ok(None);
        };
        let server = (!vm.cloud.server.is_empty()).then_some(vm.cloud.server.as_str());
        Ok(Some(Node::new(NodeParts {
            id: vm.id,
            system: Arc::new(system.clone()),
            networks: &document.networks,
            cloud_kind: &vm.cloud.kind,
            cloud_server: server,
            cloud_id: vm.cloud_id.as_deref(),
            up: vm.state.is_up(),
            contextualized: materialize::is_keyed(vm),
            default_domain: &self.options.ctxt.default_domain,
        })))
    }

    /// All VMs that are not destroyed, as contextualization sees them.
    pub(super) async fn nodes(&self, state: &InfraState) -> Result<Vec<Node>, StepError> {
        let mut nodes = Vec::new();
        for vm in state.vms.values().filter(|vm| !vm.destroyed) {
            nodes.extend(self.node(vm).await?);
        }
        Ok(nodes)
    }

    /// The run, from the rows as they stand.
    pub(super) async fn spec(&self, call: &RunCall) -> Result<RunSpec, StepError> {
        let args = args(call)?;
        let state = call.sink.state().await.map_err(|e| store_failure(&e))?;
        let infra = &state.infra;
        let missing = || StepError::temporary("the master has not been chosen yet");
        Ok(RunSpec {
            infra: infra.id.clone(),
            number: args.number,
            document: self.document(&state)?,
            nodes: self.nodes(&state).await?,
            master: infra.context.master.ok_or_else(missing)?,
            key: key_of(infra).ok_or_else(missing)?,
            only: args.only,
            owner_auth: owner_auth(infra),
            elapsed: self.ages.of(&infra.id, args.number),
            options: self.options.ctxt.clone(),
        })
    }

    /// The connection to the master: the one left by the step before, or a new one.
    pub(super) async fn connected(&self, spec: &RunSpec) -> Result<Master, StepError> {
        if let Some(master) = self.masters.take(&spec.infra, spec.number) {
            return Ok(master);
        }
        let node = spec
            .node(spec.master)
            .ok_or_else(|| StepError::failed("the master VM is gone"))?;
        Master::connect(
            &self.dial,
            &spec.infra,
            node.access(Some(&spec.key)),
            &self.options.ctxt,
        )
        .await
        .map_err(|e| super::ssh_failure(&e))
    }
}

/// `IM_INFRASTRUCTURE_AUTH`: the first owner's token, or name and password.
fn owner_auth(infra: &Infrastructure) -> Secret {
    let Some(line) = infra.owners.of_kind(IM).next() else {
        return Secret::default();
    };
    match line.get("token") {
        Some(token) => token.clone(),
        None => Secret::new(format!("{}:{}", line.plain("username"), line.plain("password"))),
    }
}
