//! What is demanded once all is quiet.

use super::world::World;
use crate::Object;
use im_model::{InfraId, OpKind, OpState, Operation, Resource, ResourceState, StepEventKind, VmState};
use im_store::{OperationFilter, StoreResult};
use std::collections::{BTreeMap, BTreeSet};

/// The violations found; none is what is demanded.
///
/// - What the rows say exists is what exists at the clouds, made by exactly the request that was written down.
/// - No key had two living objects at once, and no step two in different attempts.
/// - What is somebody else's is as it was.
/// - Every operation is final, or parked; nothing is left half-way.
/// - Each unit's end, each beginning and each end was projected exactly once.
/// - After a delete nothing is left at all.
pub async fn check(world: &World, infra: &str) -> StoreResult<Vec<String>> {
    let id = InfraId::from(infra);
    let mut found = Vec::new();
    let Some(state) = world.store.load(&id).await? else {
        return Ok(vec![format!("{infra} has no row")]);
    };
    let operations = world.store.operations(&id, OperationFilter::All).await?;
    let parked = operations
        .iter()
        .any(|o| matches!(o.state, OpState::Stuck | OpState::WaitingCredentials));

    let refused = refused(world, &operations).await?;
    // What was given away, or up, may be there or not.
    let released = released(world, &id).await?;
    let mut objects = BTreeMap::new();
    for (name, cloud) in &world.clouds {
        for object in cloud.touched() {
            found.push(format!("cloud {name}: somebody else's {object} was touched"));
        }
        for mark in cloud.doubles() {
            found.push(format!("cloud {name}: two living objects of {mark}"));
        }
        for (key, object) in cloud.of_infra(&id) {
            if released.contains(&key) {
                continue;
            }
            objects.insert(key, (name.clone(), object));
        }
    }
    let excuse = Excuse { parked, refused };
    for row in state.resources.values() {
        found.extend(compare(row, objects.remove(row.key.as_str()), excuse));
    }
    for (key, (cloud, object)) in objects {
        found.push(format!(
            "LEAK: {} {} at cloud {cloud} (key {key}) has no row",
            object.kind, object.id
        ));
    }
    for operation in &operations {
        if !operation.state.is_final() && !parked {
            found.push(format!("operation {} is left {:?}", operation.id, operation.state));
        }
        let mut ended = BTreeSet::new();
        for event in world.store.step_events(&operation.id).await? {
            let end = match event.kind {
                StepEventKind::Succeeded { .. } | StepEventKind::Skipped => true,
                StepEventKind::Failed { last, .. } => last,
                _ => false,
            };
            if end && !ended.insert(event.step) {
                found.push(format!("operation {}: step {} ended twice", operation.id, event.step));
            }
        }
    }
    for (what, count) in &state.infra.extra {
        if count.as_u64() != Some(1) {
            found.push(format!("{what}: projected {count} times"));
        }
    }
    if state.infra.deleted {
        if !state.resources.is_empty() {
            found.push("deleted, but has resources".to_owned());
        }
        return Ok(found);
    }
    let by_id: BTreeMap<(&str, &str), &Resource> = state
        .resources
        .values()
        .filter_map(|r| Some(((r.cloud.id.as_str(), r.cloud_id.as_deref()?), &**r)))
        .collect();
    for vm in state
        .vms
        .values()
        .filter(|vm| !vm.destroyed && !parked && released.is_empty())
    {
        let row = vm
            .cloud_id
            .as_deref()
            .and_then(|id| by_id.get(&(vm.cloud.id.as_str(), id)));
        match (vm.state, row) {
            (VmState::Failed, None) | (VmState::Running | VmState::Stopped, Some(_)) => {}
            // The VM went, its disk was refused: the removal failed, and is asked for again. Or the delete that took its
            // launch over failed.
            (VmState::Running | VmState::Stopped | VmState::Pending, None) if refused => {}
            (state, row) => found.push(format!("VM {} is {state}, with resource {}", vm.id, row.is_some())),
        }
    }
    Ok(found)
}

/// Demands that [`check`] finds nothing, now.
///
/// # Panics
///
/// When it finds something, or the rows cannot be read: a fixture that fails is a test that fails.
#[allow(clippy::expect_used)]
pub async fn demand(world: &World, infra: &str) {
    let found = check(world, infra).await.expect("the rows can be read");
    assert!(found.is_empty(), "{found:#?}");
}

/// Keys of what is on record as not ours any more.
pub(super) async fn released(world: &World, infra: &InfraId) -> StoreResult<BTreeSet<String>> {
    let tombstones = world.store.tombstones(infra).await?;
    let released = tombstones.iter().filter(|t| t.row.state == ResourceState::Released);
    Ok(released.map(|t| t.row.key.to_string()).collect())
}

/// Whether some removal failed, or was not wanted to end.
async fn refused(world: &World, operations: &[Operation]) -> StoreResult<bool> {
    let failed = |kind: &StepEventKind| matches!(kind, StepEventKind::Failed { last: true, .. });
    for operation in operations {
        if !matches!(operation.kind, OpKind::Remove | OpKind::Destroy) {
            continue;
        }
        let events = world.store.step_events(&operation.id).await?;
        if operation.cancel.is_some() || events.iter().any(|e| failed(&e.kind)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Why a row may be left half-way.
#[derive(Clone, Copy)]
struct Excuse {
    parked: bool,
    refused: bool,
}

/// What a row says, and what is there.
fn compare(row: &Resource, there: Option<(String, Object)>, excuse: Excuse) -> Vec<String> {
    let what = format!("{} {}", row.kind, row.name);
    match (row.state, there) {
        (ResourceState::Created, Some((cloud, object))) => {
            let mut found = Vec::new();
            if row.cloud.id != cloud || row.cloud_id.as_deref() != Some(object.id.as_str()) {
                found.push(format!("{what} is recorded under another id"));
            }
            if object.spec != row.frozen.as_str() {
                found.push(format!("{what} was made by another request"));
            }
            found
        }
        (ResourceState::Created, None) => vec![format!("{what} is recorded but does not exist")],
        // What a cloud refused to remove stays so until somebody asks again.
        (ResourceState::Removing | ResourceState::Intended, _) if excuse.refused => Vec::new(),
        (other, _) if !excuse.parked => vec![format!("{what} is left {other:?}")],
        _ => Vec::new(),
    }
}
