//! Which accounts an operation is about: those that its plan names, and those of what it touches. Pure.

use super::Flow;
use im_model::{Account, Action, CloudRef, OpState, Operation, OperationId, Unit};
use im_store::InfraState;
use std::{collections::BTreeSet, sync::Arc};

/// A cloud, and who has to speak to it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Needs {
    pub(crate) cloud: Arc<CloudRef>,
    pub(crate) account: Account,
}

impl Needs {
    /// What is needed, for whoever came with something else.
    pub(crate) fn sentence(&self, operation: &OperationId) -> String {
        let Self { cloud, account } = self;
        let server = if cloud.server.is_empty() {
            String::new()
        } else {
            format!(" at {}", cloud.server)
        };
        format!(
            "Operation {operation} needs credentials of account {account} of cloud {} (type {}{server}).",
            cloud.id, cloud.kind
        )
    }
}

impl Flow {
    /// The accounts that an operation is about; none before it has a plan.
    pub(crate) fn needs(&self, row: &Operation, state: &InfraState) -> BTreeSet<Needs> {
        let mut needs = BTreeSet::new();
        let mut add = |cloud: &Arc<CloudRef>, account: &Account| {
            // Where there is nothing outside, there is no account either.
            if self.connectors.has_outside(&cloud.kind) {
                needs.insert(Needs {
                    cloud: cloud.clone(),
                    account: account.clone(),
                });
            }
        };
        for step in row.plan.iter().flat_map(|plan| &plan.steps) {
            match (&step.action, step.unit) {
                (Action::Ensure { cloud, account, .. }, _) => add(cloud, account),
                (Action::Absent { key }, _) => {
                    if let Some(resource) = state.resources.get(key) {
                        add(&resource.cloud, &resource.account);
                    }
                }
                (Action::Run { .. }, Unit::Vm(vm)) => {
                    let row = state.vms.get(&vm);
                    if let Some((cloud, account)) = row.and_then(|vm| Some((&vm.cloud, vm.account.as_ref()?))) {
                        add(cloud, account);
                    }
                }
                (Action::Run { .. }, Unit::Infra) => {}
            }
        }
        for resource in state.resources.values().filter(|r| r.operation == row.id) {
            add(&resource.cloud, &resource.account);
        }
        needs
    }

    /// The same for one that waits for credentials; nothing for others.
    pub(crate) fn needs_of_waiting(&self, row: &Operation, state: &InfraState) -> Vec<Needs> {
        if row.state == OpState::WaitingCredentials {
            self.needs(row, state).into_iter().collect()
        } else {
            Vec::new()
        }
    }
}
