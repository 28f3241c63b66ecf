//! The longest that a contextualization may take (`contextualize N (…)`, `MAX_CONTEXTUALIZATION_TIME`), whatever step it
//! is at: counted from when the service began with it.
//!
//! After a restart it is counted anew: what stood still with the service, for however long, goes on. A runner on its
//! master did not stand still, and watches its own time.

use super::{say, spec::args, store_failure};
use crate::{flow::Flow, flow::configure};
use futures::future::BoxFuture;
use im_ctxt::max_time;
use im_model::InfraId;
use im_ops::{RunCall, StepError};
use serde_json::Value;
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::{Instant, timeout};

/// The contract's words; clients look for them.
const TOO_LATE: &str = "ERROR: Max contextualization time passed.";
/// The runner watches the time itself, and ends with its logs in order; this much later nobody waits for it any more.
const GRACE: Duration = Duration::from_secs(30);
/// How long stopping the runner may take.
const STOPPING: Duration = Duration::from_secs(30);

/// Since when runs are under way here.
#[derive(Default)]
pub(crate) struct Ages(Mutex<HashMap<InfraId, (u64, Instant)>>);

impl Ages {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<InfraId, (u64, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long ago the run was begun with.
    pub(super) fn of(&self, infra: &InfraId, number: u64) -> Duration {
        let mut ages = self.lock();
        let age = ages.entry(infra.clone()).or_insert((number, Instant::now()));
        if age.0 != number {
            *age = (number, Instant::now());
        }
        age.1.elapsed()
    }

    /// Forgets an infrastructure whose run is over.
    fn forget(&self, infra: &InfraId) {
        self.lock().remove(infra);
    }
}

impl Flow {
    /// A step of a contextualization, ended when the run has taken too long.
    pub(super) async fn in_time(
        &self,
        call: &RunCall,
        step: BoxFuture<'_, Result<Value, StepError>>,
    ) -> Result<Value, StepError> {
        let infra = &call.job.operation.infra;
        let state = call.sink.state().await.map_err(|e| store_failure(&e))?;
        let longest = max_time(&*self.document(&state)?, &self.options.ctxt);
        let age = self.ages.of(infra, args(call)?.number);
        let runs = call.name == configure::RUN;
        let left = longest.saturating_sub(age) + if runs { GRACE } else { Duration::ZERO };
        let ended = timeout(left, step).await;
        if let Ok(result) = ended {
            return result;
        }
        if runs {
            self.stop_run(call).await?;
        }
        Err(StepError::failed(TOO_LATE))
    }

    /// Forgets what is kept for the steps of a run: they would find it out again.
    pub(in crate::flow) fn forget_run(&self, infra: &InfraId) {
        self.masters.drop_of(infra);
        self.ages.forget(infra);
    }

    /// Stops the runner, if its master can be reached in time.
    async fn stop_run(&self, call: &RunCall) -> Result<(), StepError> {
        let stop = async {
            let spec = self.spec(call).await?;
            let mut master = self.connected(&spec).await?;
            let killed = master.kill(spec.number).await;
            killed.map_err(|e| super::ctxt_failure(&e))
        };
        let stopped = timeout(STOPPING, stop).await;
        self.masters.drop_of(&call.job.operation.infra);
        let why = match stopped {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the master does not answer".to_owned(),
        };
        say(&*call.sink, &format!("The run could not be stopped: {why}")).await
    }
}
