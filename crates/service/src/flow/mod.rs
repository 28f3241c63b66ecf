//! What operations mean: the application, as the engine sees it.
//!
//! `resolve` reads the clouds and draws what is random, `plan` computes rows and steps from request, log and rows,
//! `run` carries out the steps that are not cloud resources, and `project` says what each change means for the rows
//! that users see. Nothing here decides when something runs; the engine does.

mod change;
mod configure;
mod launch;
mod names;
mod needs;
mod project;
mod remove;
mod run;
mod scope;
mod steps;

use crate::{
    Connectors, ServiceOptions,
    connectors::CloudsError,
    documents::Documents,
    request::{Request, What},
};
pub(crate) use needs::Needs;

use async_trait::async_trait;
use im_cloud::net::Guard;
use im_ctxt::Dial;
use im_model::{CloudRef, Deployment, OpKind};
use im_ops::{Change, Job, Planned, Reach, RunCall, StepError, Workflow};
use im_radl::Document;
use im_store::{InfraState, Store, Write};
use serde_json::Value;
use std::sync::Arc;

/// The application.
pub struct Flow {
    pub(crate) connectors: Connectors,
    pub(crate) options: Arc<ServiceOptions>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) documents: Arc<Documents>,
    pub(crate) deployment: Arc<Deployment>,
    pub(crate) dial: Arc<dyn Dial>,
    pub(crate) masters: run::Masters,
    pub(crate) ages: run::Ages,
}

impl Flow {
    /// The application over these connectors. `guard` opens the connections to nodes.
    pub fn new(connectors: Connectors, options: Arc<ServiceOptions>, store: Arc<dyn Store>, guard: Guard) -> Arc<Self> {
        let deployment = store.deployment();
        let dial = options.dial.clone().unwrap_or_else(|| Arc::new(guard));
        Arc::new(Self {
            connectors,
            options,
            store,
            documents: Arc::default(),
            deployment,
            dial,
            masters: run::Masters::default(),
            ages: run::Ages::default(),
        })
    }

    /// The infrastructure's document.
    pub(crate) fn document(&self, state: &InfraState) -> Result<Arc<Document>, StepError> {
        self.documents
            .read(&state.infra.radl)
            .map_err(|why| stuck(&format!("the stored document cannot be read: {why}")))
    }
}

/// The request of a job. One that cannot be read was written by a newer version or is damaged.
fn request_of(job: &Job) -> Result<Request, StepError> {
    Request::from_value(&job.operation.request).map_err(|e| stuck(&format!("the stored request cannot be read: {e}")))
}

fn stuck(message: &str) -> StepError {
    StepError::Stuck {
        message: message.to_owned(),
    }
}

#[async_trait]
impl Workflow for Flow {
    async fn resolve(&self, job: &Job, state: &InfraState) -> Result<Value, StepError> {
        let request = request_of(job)?;
        match &request.what {
            What::Launch(launch) => self.resolve_launch(job, &request, launch, state).await,
            _ => Ok(Value::Null),
        }
    }

    fn plan(&self, job: &Job, resolved: &Value, state: &InfraState) -> Result<Planned, StepError> {
        let request = request_of(job)?;
        match &request.what {
            What::Launch(launch) => self.plan_launch(job, launch, resolved, state),
            What::Remove { vms, .. } => Ok(remove::plan_remove(state, vms)),
            What::Destroy { .. } => Ok(remove::plan_destroy(state)),
            What::Abandon => Ok(remove::plan_abandon(state)),
            What::Configure { radl, only } => self.plan_configure(state, radl.as_ref(), only.as_deref()),
            What::Power { vm, power } => Ok(change::plan_power(state, *vm, *power)),
            What::Alter { vm, .. } => Ok(change::plan_alter(*vm)),
        }
    }

    fn reach(&self, job: &Job, cloud: &CloudRef) -> Result<Reach, StepError> {
        let request = request_of(job)?;
        let forced = matches!(request.what, What::Destroy { force: true });
        let found = self
            .connectors
            .reach(&request.credentials, cloud)
            .map_err(|e| match e {
                // Whoever forces a destroy has said that what cannot be reached may stay.
                CloudsError::Credentials(message) if !forced => StepError::NeedsCredentials { message },
                other => StepError::failed(other.to_string()),
            })?;
        let cx = found.cx(&job.operation.infra, &self.deployment, None, self.options.call_deadline);
        Ok(Reach {
            connector: found.connector,
            cx,
        })
    }

    async fn run(&self, call: RunCall) -> Result<Value, StepError> {
        let request = request_of(&call.job)?;
        self.run_step(call, request).await
    }

    fn project(&self, job: &Job, state: &InfraState, change: Change<'_>) -> Vec<Write> {
        let runs = matches!(job.operation.kind, OpKind::Configure | OpKind::Destroy);
        if runs && matches!(change, Change::Ended(_)) {
            self.forget_run(&job.operation.infra);
        }
        match job.operation.kind {
            OpKind::Create | OpKind::Add => self.project_launch(job, state, change),
            OpKind::Remove => self.project_remove(job, state, change),
            OpKind::Destroy => project::destroy(job, state, change),
            OpKind::Configure => project::configure(state, change),
            OpKind::Power | OpKind::Alter | OpKind::Snapshot => Vec::new(),
        }
    }
}
