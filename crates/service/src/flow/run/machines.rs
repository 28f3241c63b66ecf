//! Power, alter, and waiting until machines run and have addresses.

use super::{say, store_failure};
use crate::{
    connectors::Cloud,
    flow::{Flow, scope::Scope},
    logs::now,
    materialize,
    refresh::{self, Answer},
    request::{Request, What},
    states::Next,
};
use im_cloud::{CloudError, Cx, Observed};
use im_model::{Power, Vm, VmId, VmState};
use im_ops::{RunCall, StepError};
use im_store::InfraState;
use serde::Deserialize;
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};

/// The first and the longest pause between two looks at a cloud.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

#[derive(Deserialize)]
struct PowerArgs {
    power: Power,
}

/// A refusal of a cloud. Nobody is asked for better credentials here: the call fails and may be made again.
fn refused(error: &CloudError) -> StepError {
    StepError::Failed {
        message: error.message.clone(),
        temporary: error.is_temporary(),
    }
}

impl Flow {
    /// The VM as it stands and the way to it.
    async fn machine(
        &self,
        call: &RunCall,
        request: &Request,
        vm: VmId,
    ) -> Result<(Arc<Vm>, String, Cloud, Cx), StepError> {
        let state = call.sink.state().await.map_err(|e| store_failure(&e))?;
        let row = state.vms.get(&vm).cloned();
        let row = row
            .filter(|row| !row.destroyed)
            .ok_or_else(|| StepError::failed("Deleted VM."))?;
        let Some(id) = row.cloud_id.as_deref().map(str::to_owned) else {
            return Err(StepError::failed(format!("VM {vm} was never created.")));
        };
        let cloud = self
            .connectors
            .reach(&request.credentials, &row.cloud)
            .map_err(|e| StepError::failed(e.to_string()))?;
        let cx = cloud.cx(
            &state.infra.id,
            &self.deployment,
            row.account.clone(),
            self.options.call_deadline,
        );
        Ok((row, id, cloud, cx))
    }

    /// Writes what a cloud said of a VM.
    async fn told(&self, call: &RunCall, vm: VmId, observed: Observed) -> Result<(), StepError> {
        let change = move |state: &InfraState| {
            let mut next = Next::new(state);
            if let Some(row) = state.vms.get(&vm) {
                let mut row = (**row).clone();
                materialize::take(&mut row.own, &observed);
                row.state = observed.state.unwrap_or(row.state);
                row.updated = now();
                next.vms.insert(vm, Arc::new(row));
            }
            next.writes()
        };
        call.sink.update(Box::new(change)).await.map_err(|e| store_failure(&e))
    }

    pub(super) async fn power(&self, call: &RunCall, request: &Request, vm: VmId) -> Result<Value, StepError> {
        let args = PowerArgs::deserialize(&*call.args).map_err(|e| StepError::failed(e.to_string()))?;
        let (_, id, cloud, cx) = self.machine(call, request, vm).await?;
        let observed = cloud.connector.power(&cx, &id, args.power).await;
        self.told(call, vm, observed.map_err(|e| refused(&e))?).await?;
        Ok(Value::Null)
    }

    pub(super) async fn alter(&self, call: &RunCall, request: &Request, vm: VmId) -> Result<Value, StepError> {
        let What::Alter { radl, .. } = &request.what else {
            return Err(StepError::failed("the request is none of a change"));
        };
        let (row, id, cloud, cx) = self.machine(call, request, vm).await?;
        let sent = self.documents.read(radl).map_err(StepError::failed)?;
        let wanted = sent
            .system(&row.system)
            .ok_or_else(|| StepError::failed(format!("Incorrect RADL no system with name {} provided.", row.system)))?;
        let document = self.vm_document(&row).await?;
        let current = document.system(&row.system).cloned().unwrap_or_default();
        let observed = cloud.connector.alter(&cx, &id, &current, wanted).await;
        self.told(call, vm, observed.map_err(|e| refused(&e))?).await?;
        Ok(Value::Null)
    }

    /// Waits until all VMs that take part run and have addresses, or their time is over: those are then left out.
    pub(super) async fn wait_ips(&self, call: &RunCall, request: &Request) -> Result<Value, StepError> {
        let begun = Instant::now();
        let mut pause = PAUSES.0;
        let mut said = false;
        loop {
            let state = call.sink.state().await.map_err(|e| store_failure(&e))?;
            let waiting = self.without_address(&state).await?;
            if waiting.is_empty() {
                return Ok(Value::Null);
            }
            if !said {
                said = true;
                say(&*call.sink, "Wait master VM to boot").await?;
            }
            let (missing_public, missing_all): (Vec<_>, Vec<_>) = waiting.iter().partition(|w| w.1);
            let late = begun.elapsed() > self.options.wait_running;
            let late_public = missing_all.is_empty() && begun.elapsed() > self.options.wait_public_ip;
            if late || late_public {
                for (vm, _) in if late { missing_all } else { missing_public } {
                    let what = if late {
                        "is not running with an address"
                    } else {
                        "has no public address"
                    };
                    let message = format!("WARNING: VM {vm} {what} in time: it is configured without if at all.");
                    say(&*call.sink, &message).await?;
                }
                return Ok(Value::Null);
            }
            let wanted: Vec<VmId> = waiting.iter().map(|w| w.0).collect();
            let answers = refresh::ask(self, &state, &request.credentials, &wanted).await;
            self.heard(call, answers).await?;
            sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    /// VMs that take part and do not run with an address yet; `true`: all that is missing is a public address.
    async fn without_address(&self, state: &InfraState) -> Result<Vec<(VmId, bool)>, StepError> {
        let document = self.document(state)?;
        let mut missing = Vec::new();
        let rows: Vec<Arc<Vm>> = {
            let scope = Scope::new(&document, &self.connectors);
            let takes = |vm: &&Arc<Vm>| scope.takes(vm) && vm.cloud_id.is_some();
            state.vms.values().filter(takes).cloned().collect()
        };
        for row in rows {
            match row.state {
                VmState::Pending | VmState::Unknown => missing.push((row.id, false)),
                state_now if state_now.is_up() => {
                    let Some(node) = self.node(&row).await? else { continue };
                    if node.ip().is_none() {
                        missing.push((row.id, false));
                    } else if node.public_ip.is_none() && node.interfaces.iter().any(|i| i.public) && self.lags(&row) {
                        missing.push((row.id, true));
                    }
                }
                _ => {}
            }
        }
        Ok(missing)
    }

    /// Whether the cloud may still have something to say. One that never lags has said all that it knows.
    fn lags(&self, vm: &Vm) -> bool {
        let connector = self.connectors.get(&vm.cloud.kind);
        connector.is_some_and(|c| c.capability().listing_lag_ms > 0)
    }

    async fn heard(&self, call: &RunCall, answers: BTreeMap<VmId, Answer>) -> Result<(), StepError> {
        if answers.is_empty() {
            return Ok(());
        }
        let change = move |state: &InfraState| refresh::writes(state, &answers);
        call.sink.update(Box::new(change)).await.map_err(|e| store_failure(&e))
    }
}
