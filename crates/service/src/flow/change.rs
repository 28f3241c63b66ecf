//! Power and alter: one step per VM. Pure.

use im_model::{Action, Plan, Power, Step, Unit, VmId};
use im_ops::Planned;
use im_store::InfraState;
use serde_json::json;
use std::sync::Arc;

/// Handler that starts, stops or restarts a VM.
pub(super) const POWER: &str = "power";
/// Handler that changes a VM.
pub(super) const ALTER: &str = "alter";

fn step(vm: VmId, name: &str, args: serde_json::Value) -> Step {
    Step {
        unit: Unit::Vm(vm),
        after: Vec::new(),
        always: false,
        action: Action::Run {
            name: name.to_owned(),
            args: Arc::new(args),
        },
    }
}

/// One VM, or all that exist.
pub(super) fn plan_power(state: &InfraState, vm: Option<VmId>, power: Power) -> Planned {
    let wanted = state.vms.values().filter(|row| match vm {
        Some(id) => row.id == id,
        None => !row.destroyed && row.cloud_id.is_some(),
    });
    let steps = wanted
        .map(|row| step(row.id, POWER, json!({ "power": power })))
        .collect();
    Planned {
        plan: Plan { steps },
        writes: Vec::new(),
    }
}

/// One VM.
pub(super) fn plan_alter(vm: VmId) -> Planned {
    Planned {
        plan: Plan {
            steps: vec![step(vm, ALTER, json!({}))],
        },
        writes: Vec::new(),
    }
}
