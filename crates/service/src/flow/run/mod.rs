//! Steps that are no cloud resources: power, alter, and the five of contextualization. Each may be run twice.

mod deadline;
mod follow;
mod machines;
mod master;
mod spec;

pub(crate) use deadline::Ages;
pub(crate) use spec::Masters;

use super::{Flow, change, configure};
use crate::{logs::header, request::Request};
use futures::{FutureExt as _, future::BoxFuture};
use im_ctxt::{CtxtError, SshError};
use im_model::Unit;
use im_ops::{RunCall, Sink, StepError};
use im_store::StoreError;
use serde_json::Value;

/// What an error of the database means for a step.
pub(super) fn store_failure(error: &StoreError) -> StepError {
    match error {
        StoreError::Fenced { .. } => StepError::Interrupted,
        other => {
            tracing::error!(error = %other, "a step could not write");
            StepError::temporary("the database does not answer")
        }
    }
}

/// What an error of a master means for a step.
pub(super) fn ctxt_failure(error: &CtxtError) -> StepError {
    match error {
        CtxtError::Superseded { .. } => StepError::Interrupted,
        CtxtError::Ssh(ssh) => ssh_failure(ssh),
        CtxtError::Vanished { .. } => StepError::temporary(error.to_string()),
        other => StepError::failed(other.to_string()),
    }
}

/// The same for SSH. Waiting was part of the call: what is still not there will not be.
pub(super) fn ssh_failure(error: &SshError) -> StepError {
    match error {
        SshError::Broken { .. } => StepError::temporary(error.to_string()),
        other => StepError::failed(other.to_string()),
    }
}

/// Adds a message to the header log.
pub(super) async fn say(sink: &dyn Sink, message: &str) -> Result<(), StepError> {
    sink.write(vec![header(message)]).await.map_err(|e| store_failure(&e))
}

impl Flow {
    pub(super) async fn run_step(&self, call: RunCall, request: Request) -> Result<Value, StepError> {
        let sink = call.sink.clone();
        tokio::select! {
            biased;
            () = sink.cancelled() => Err(StepError::Interrupted),
            result = self.handle(&call, &request) => result,
        }
    }

    async fn handle(&self, call: &RunCall, request: &Request) -> Result<Value, StepError> {
        let step: BoxFuture<'_, _> = match (call.name.as_str(), call.unit) {
            (change::POWER, Unit::Vm(vm)) => return self.power(call, request, vm).await,
            (change::ALTER, Unit::Vm(vm)) => return self.alter(call, request, vm).await,
            (configure::WAIT_IPS, _) => self.wait_ips(call, request).boxed(),
            (configure::MASTER, _) => self.master(call).boxed(),
            (configure::ANSIBLE, _) => self.ansible(call).boxed(),
            (configure::PUSH, _) => self.push(call).boxed(),
            (configure::RUN, _) => self.follow_run(call).boxed(),
            (name, _) => {
                return Err(StepError::Stuck {
                    message: format!("this version has no step `{name}`"),
                });
            }
        };
        self.in_time(call, step).await
    }
}
