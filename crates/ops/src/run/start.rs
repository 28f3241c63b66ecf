//! Starting steps: intents are frozen and written down, then the calls are made.

use super::{
    StoreResult,
    calls::Of,
    graph::Status,
    record::Record,
    steps::{Retry, Steps, with_state},
};
use crate::{
    needed::needed,
    workflow::{Reach, RunCall, StepError},
};
use im_cloud::{Cx, FirstOrResume, Wanted};
use im_model::{
    Account, Action, CloudRef, Frozen, Idempotence, Key, KeyParts, Resource, ResourceKind, ResourceState,
    StepEventKind, StepId, Unit,
};
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// Resources that go into one call of `ensure`.
type Batches = BTreeMap<(Arc<CloudRef>, Account, ResourceKind, bool), Vec<(u32, Arc<Resource>)>>;

impl Steps<'_> {
    /// Starts whatever is ready, a group at a time.
    pub(super) async fn start_ready(&mut self) -> StoreResult<()> {
        while self.graph.has_ready() {
            let mut batches = Batches::new();
            let (mut removals, mut runs) = (Vec::new(), Vec::new());
            let mut rows = 0;
            while rows < self.run.inner.options.group_rows {
                let Some(id) = self.graph.next_ready() else { break };
                rows += 1;
                match self.graph.plan.steps[id as usize].action.clone() {
                    Action::Ensure { .. } => self.prepare_ensure(id, &mut batches),
                    Action::Absent { key } => {
                        if let Some((row, reach)) = self.prepare_absent(id, &key) {
                            removals.push((id, row, reach));
                        }
                    }
                    Action::Run { name, args } => {
                        self.started(id, None);
                        runs.push((id, name, args));
                    }
                }
            }
            // The intents are durable before any call is made.
            self.flush().await?;
            for ((cloud, account, kind, again), batch) in batches {
                self.call_ensure(&cloud, &account, kind, again, &batch);
            }
            for (id, row, reach) in removals {
                self.call_absent(Of::Step(id), row, &reach);
            }
            for (id, name, args) in runs {
                let (unit, attempt) = (self.graph.plan.steps[id as usize].unit, self.graph.attempt(id));
                let inputs = self.graph.inputs(id);
                self.in_flight += 1;
                let job = self.run.job.clone();
                self.calls.run(id, move |sink| RunCall {
                    job,
                    step: StepId(id),
                    unit,
                    name,
                    args,
                    attempt,
                    inputs,
                    sink,
                });
            }
        }
        self.flush().await
    }

    /// The start goes on record, unless it is there.
    fn started(&mut self, id: u32, row: Option<Arc<Resource>>) {
        let attempt = self.graph.attempt(id);
        self.graph.set(id, Status::Running, attempt);
        if !self.resumed.remove(&id) {
            self.records.push(Record::Step {
                id,
                event: StepEventKind::Started { attempt },
                row,
                observed: None,
            });
        }
    }

    /// The way to a cloud; if there is none, what is to become of the step is arranged.
    fn reach(&mut self, id: u32, cloud: &Arc<CloudRef>, account: &Account) -> Option<Reach> {
        if let Some(reach) = self.reaches.get(cloud) {
            return Some(reach.clone());
        }
        match self.run.inner.workflow.reach(&self.run.job, cloud) {
            Ok(reach) => {
                self.reaches.insert(Arc::clone(cloud), reach.clone());
                Some(reach)
            }
            Err(StepError::NeedsCredentials { message }) => {
                let message = needed(&message, cloud, account);
                self.step_error(id, StepError::NeedsCredentials { message }, None);
                None
            }
            Err(error) => {
                self.step_error(id, error, None);
                None
            }
        }
    }

    fn prepare_ensure(&mut self, id: u32, batches: &mut Batches) {
        let step = self.graph.plan.steps[id as usize].clone();
        let Action::Ensure {
            kind,
            name,
            cloud,
            account,
            spec,
        } = step.action
        else {
            return;
        };
        let again = self.resumed.contains(&id);
        let row = if again {
            match self.rows.get(&id) {
                Some(row) if row.state == ResourceState::Intended => Arc::clone(row),
                _ => {
                    // Somebody else has removed it, or is about to.
                    self.resumed.remove(&id);
                    self.rows.remove(&id);
                    self.fail(id, "removed by another operation".to_owned(), false, Retry::Never, None);
                    return;
                }
            }
        } else {
            if self.is_removed(step.unit) {
                self.fail(id, "removed by another operation".to_owned(), false, Retry::Never, None);
                return;
            }
            let spec = match self.fill_in(&spec) {
                Ok(spec) => spec,
                Err(why) => return self.fail(id, why, false, Retry::Never, None),
            };
            let attempt = self.graph.attempt(id);
            let operation = &self.run.job.operation;
            let key = Key::of(KeyParts {
                deployment: &self.run.inner.store.deployment().name,
                infra: &operation.infra,
                operation: &operation.id,
                step: StepId(id),
                index: 0,
                attempt,
            });
            Arc::new(Resource {
                key,
                infra: operation.infra.clone(),
                operation: operation.id.clone(),
                step: StepId(id),
                attempt,
                unit: step.unit,
                kind,
                name,
                cloud: Arc::clone(&cloud),
                account: account.clone(),
                frozen: spec,
                cloud_id: None,
                state: ResourceState::Intended,
            })
        };
        if self.reach(id, &cloud, &account).is_none() {
            return;
        }
        if !again {
            self.made.entry(step.unit).or_default().push((id, row.key.clone()));
            self.rows.insert(id, Arc::clone(&row));
        }
        self.started(id, Some(Arc::clone(&row)));
        batches
            .entry((cloud, account, kind, again))
            .or_default()
            .push((id, row));
    }

    /// While this operation was paused, another one removed the VM: it is not made any more.
    fn is_removed(&self, unit: Unit) -> bool {
        let Unit::Vm(vm) = unit else { return false };
        self.run
            .owner
            .with_state(|state| state.vms.get(&vm).is_some_and(|row| row.destroyed))
    }

    /// Puts the ids that earlier steps gave into a request, and freezes it.
    fn fill_in(&self, spec: &Value) -> Result<Frozen, String> {
        fn mentions(value: &Value) -> bool {
            match value {
                Value::String(text) => text.starts_with("@id:"),
                Value::Array(list) => list.iter().any(mentions),
                Value::Object(map) => map.values().any(mentions),
                _ => false,
            }
        }
        fn replace(value: &mut Value, id: &impl Fn(u32) -> Option<Value>) -> Result<(), String> {
            match value {
                Value::String(text) => {
                    if let Some(step) = text.strip_prefix("@id:").and_then(|n| n.parse().ok()) {
                        *value = id(step).ok_or_else(|| format!("internal error: step {step} gave no id"))?;
                    }
                    Ok(())
                }
                Value::Array(list) => list.iter_mut().try_for_each(|v| replace(v, id)),
                Value::Object(map) => map.values_mut().try_for_each(|v| replace(v, id)),
                _ => Ok(()),
            }
        }
        if !mentions(spec) {
            return Ok(Frozen::of(spec));
        }
        let mut spec = spec.clone();
        replace(&mut spec, &|step| self.graph.output(step).map(|v| Value::clone(v)))?;
        Ok(Frozen::of(&spec))
    }

    fn prepare_absent(&mut self, id: u32, key: &Key) -> Option<(Arc<Resource>, Reach)> {
        let row = self.run.owner.with_state(|state| state.resources.get(key).cloned());
        let Some(row) = row else {
            // A tombstone already.
            self.resumed.remove(&id);
            self.succeed(id, Value::Null, None, None);
            return None;
        };
        let reach = self.reach(id, &row.cloud, &row.account)?;
        let row = with_state(&row, ResourceState::Removing);
        self.started(id, Some(Arc::clone(&row)));
        Some((row, reach))
    }

    fn context(reach: &Reach, account: &Account) -> Cx {
        Cx {
            account: Some(account.clone()),
            ..reach.cx.clone()
        }
    }

    fn call_ensure(
        &mut self,
        cloud: &Arc<CloudRef>,
        account: &Account,
        kind: ResourceKind,
        again: bool,
        batch: &[(u32, Arc<Resource>)],
    ) {
        let Some(reach) = self.reaches.get(cloud).cloned() else {
            return;
        };
        let cx = Self::context(&reach, account);
        let capability = reach.connector.capability();
        // Where the cloud itself refuses or recognises a repetition, it can be made at once.
        let refuses = matches!(
            capability.creates.get(&kind),
            Some(
                Idempotence::ClientToken { .. }
                    | Idempotence::Put
                    | Idempotence::UniqueName
                    | Idempotence::NothingOutside
            )
        );
        let lag = Duration::from_millis(capability.listing_lag_ms);
        for chunk in batch.chunks(self.run.inner.options.ensure_chunk.max(1)) {
            let from = if again && !refuses {
                let inner = &self.run.inner;
                let infra = &self.run.owner.infra;
                chunk
                    .iter()
                    .filter_map(|(_, row)| inner.conclusive_from(infra, &row.key, lag))
                    .max()
            } else {
                None
            };
            let wanted = chunk
                .iter()
                .map(|(_, row)| Wanted {
                    key: row.key.clone(),
                    kind,
                    name: row.name.clone(),
                    vm: match row.unit {
                        Unit::Vm(vm) => Some(vm),
                        Unit::Infra => None,
                    },
                    frozen: row.frozen.clone(),
                })
                .collect();
            let first = if again {
                FirstOrResume::Resume
            } else {
                FirstOrResume::First
            };
            let steps = chunk.iter().map(|(id, _)| *id).collect();
            self.in_flight += 1;
            self.calls
                .ensure(Arc::clone(&reach.connector), cx.clone(), steps, wanted, first, from);
        }
    }

    pub(super) fn call_absent(&mut self, of: Of, row: Arc<Resource>, reach: &Reach) {
        let cx = Self::context(reach, &row.account);
        self.in_flight += 1;
        self.calls.absent(Arc::clone(&reach.connector), cx, of, row);
    }
}
