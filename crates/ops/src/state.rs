//! Folding writes into the rows that an owner keeps in memory. Pure.

use im_model::ResourceState;
use im_store::{InfraState, Write};
use std::sync::Arc;

/// Does to the rows in memory what the store does to those in the database.
pub(crate) fn apply(state: &mut InfraState, write: &Write) {
    match write {
        Write::Infrastructure(row) => state.infra = Arc::clone(row),
        Write::Vm(row) => {
            state.vms.insert(row.id, Arc::clone(row));
        }
        Write::Resource(row) => {
            if matches!(row.state, ResourceState::Gone | ResourceState::Released) {
                state.resources.remove(&row.key);
            } else {
                state.resources.insert(row.key.clone(), Arc::clone(row));
            }
        }
        Write::NewOperation(_)
        | Write::OperationState { .. }
        | Write::Cancel { .. }
        | Write::Resolved { .. }
        | Write::Planned { .. }
        | Write::Request { .. }
        | Write::Step(_)
        | Write::Event(_)
        | Write::Log { .. }
        | Write::ClearLog { .. }
        | Write::Searched { .. }
        | Write::DropRequests
        | Write::Blob { .. } => {}
    }
}
