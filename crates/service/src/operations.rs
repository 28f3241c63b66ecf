//! Operations for their owners: lists, plans, what may remain at the clouds; retry, cancel, abandon; and giving up a
//! whole infrastructure.
//!
//! Nothing secret leaves here: requests, results and specifications stay where they are sealed.

use crate::{
    Accepted, OperationDetails, OperationView, PlannedStep, RemainingResource, Reply, ServiceError, ServiceResult,
    Steer,
    flow::Needs,
    options::Deed,
    request::{Request, What},
    service::{Service, database},
};
use im_auth::Caller;
use im_model::{InfraId, OpKind, OpState, Operation, OperationId, Unit, Wish};
use im_ops::{OperationRows, StepStanding};
use im_store::{Heeded, InfraState, OperationFilter};
use std::{sync::Arc, time::Duration};

/// How long a cloud may take to say whose credentials these are.
const ACCOUNT_PATIENCE: Duration = Duration::from_secs(15);

/// Whether credentials are those that an operation needs.
enum Suit {
    /// They are, as far as can be told.
    Yes,
    /// They are not; the sentence names what is needed.
    No(String),
}

fn view(row: &Operation, (steps, ended): (usize, usize), needs: Vec<Needs>) -> OperationView {
    OperationView {
        id: row.id.clone(),
        infrastructure: row.infra.clone(),
        kind: row.kind,
        state: row.state,
        cancel: row.cancel.map(im_model::Cancel::as_str),
        error: row.error.clone(),
        created: row.created,
        steps,
        ended,
        needs: needs.into_iter().map(Into::into).collect(),
    }
}

fn remaining(rows: Vec<im_model::Resource>) -> Vec<RemainingResource> {
    rows.into_iter().map(Into::into).collect()
}

impl Service {
    /// The row of an operation that the caller may see, with the infrastructure. Of a deleted infrastructure the
    /// operations can still be looked at: one of them says how it went.
    async fn own_operation(
        &self,
        caller: &Caller,
        id: &OperationId,
    ) -> ServiceResult<(OperationRows, Arc<InfraState>)> {
        let rows = self.engine.operation(id).await.map_err(|e| database(&e))?;
        let rows = rows.ok_or(ServiceError::NoOperation)?;
        let infra = &rows.operation.infra;
        let state = self.engine.snapshot(infra).await.map_err(|e| database(&e))?;
        let state = state.ok_or(ServiceError::NoOperation)?;
        if caller.may_access(&state.infra.owners) {
            Ok((rows, state))
        } else {
            Err(ServiceError::NotGranted)
        }
    }

    pub(crate) async fn read_operation(&self, caller: &Caller, id: &OperationId) -> ServiceResult<OperationDetails> {
        let (rows, state) = self.own_operation(caller, id).await?;
        Ok(self.details(rows, &state))
    }

    fn details(&self, rows: OperationRows, state: &InfraState) -> OperationDetails {
        let over = |s: StepStanding| {
            matches!(
                s,
                StepStanding::Succeeded | StepStanding::Failed | StepStanding::Skipped | StepStanding::Undone
            )
        };
        let ended = rows.steps.iter().filter(|step| over(step.standing)).count();
        let needs = self.flow.needs_of_waiting(&rows.operation, state);
        OperationDetails {
            operation: view(&rows.operation, (rows.count, ended), needs),
            plan: rows.steps.into_iter().map(PlannedStep::from).collect(),
            remaining: remaining(rows.remaining),
        }
    }

    pub(crate) async fn read_operations(&self, caller: &Caller, infra: &InfraId) -> ServiceResult<Vec<OperationView>> {
        let state = self.engine.snapshot(infra).await.map_err(|e| database(&e))?;
        let state = state.ok_or(ServiceError::NoInfrastructure)?;
        if !caller.may_access(&state.infra.owners) {
            return Err(ServiceError::NotGranted);
        }
        let list = self.engine.operations(infra).await.map_err(|e| database(&e))?;
        let one = |(row, counts): &(Operation, _)| view(row, *counts, self.flow.needs_of_waiting(row, &state));
        Ok(list.iter().map(one).collect())
    }

    pub(crate) async fn do_steer(
        &self,
        caller: &Caller,
        id: &OperationId,
        steer: Steer,
        reply: Reply,
    ) -> ServiceResult<OperationDetails> {
        self.options.boot_mode.allow(Deed::Destroy)?;
        let (rows, state) = self.own_operation(caller, id).await?;
        let row = &rows.operation;
        if row.kind != OpKind::Destroy {
            self.options.boot_mode.allow(Deed::Change)?;
        }
        if row.state.is_final() {
            // To end what has come to nothing is done already.
            if row.state == OpState::Undone && steer != Steer::Retry {
                return Ok(self.details(rows, &state));
            }
            return Err(ServiceError::Conflict(ended(row, steer)));
        }
        let wish = match steer {
            Steer::Abandon => Wish::Abandon,
            Steer::Retry | Steer::Cancel if !row.state.is_paused() => match steer {
                Steer::Cancel => Wish::Cancel(None),
                _ => Wish::Retry(None),
            },
            Steer::Retry | Steer::Cancel => {
                let request = match self.suits(caller, row, &state).await {
                    Suit::Yes => Self::with_credentials(caller, row)?,
                    Suit::No(message) if row.state == OpState::WaitingCredentials && steer == Steer::Retry => {
                        return Err(ServiceError::Operation {
                            id: id.clone(),
                            message,
                        });
                    }
                    // Those that are stored may do.
                    Suit::No(_) => None,
                };
                match steer {
                    Steer::Cancel => Wish::Cancel(request),
                    _ => Wish::Retry(request),
                }
            }
        };
        let wished = self.engine.wish(id, wish).await.map_err(|e| database(&e))?;
        let wished = wished.ok_or(ServiceError::NoOperation)?;
        if steer == Steer::Retry && wished.heeded == Heeded::Nothing && wished.operation.state.is_final() {
            // It ended between the look and the wish.
            return Err(ServiceError::Conflict(ended(&wished.operation, steer)));
        }
        if reply == Reply::WhenDone {
            self.engine.wait(id).await.map_err(|e| database(&e))?;
        }
        self.read_operation(caller, id).await
    }

    /// The stored request with the caller's credentials. `None`: what is stored cannot be read by this version.
    fn with_credentials(caller: &Caller, row: &Operation) -> ServiceResult<Option<Arc<serde_json::Value>>> {
        let Ok(request) = Request::from_value(&row.request) else {
            return Ok(None);
        };
        let request = Request {
            credentials: (**caller.credentials()).clone(),
            ..request
        };
        request.to_value().map(Some).map_err(|e| ServiceError::internal(&e))
    }

    /// Asks the clouds whether the caller's credentials are of the accounts that an operation is about.
    async fn suits(&self, caller: &Caller, row: &Operation, state: &InfraState) -> Suit {
        for need in self.flow.needs(row, state) {
            let Needs { cloud, account } = &need;
            let found = match self.flow.connectors.reach(caller.credentials(), cloud) {
                Ok(found) => found,
                Err(error) => return Suit::No(format!("{error} {}", need.sentence(&row.id))),
            };
            let cx = found.cx(&row.infra, &self.flow.deployment, None, ACCOUNT_PATIENCE);
            let asked = tokio::time::timeout(ACCOUNT_PATIENCE, found.connector.account(&cx)).await;
            match asked {
                Ok(Ok(theirs)) if theirs == *account => {}
                Ok(Ok(theirs)) => {
                    let sentence = need.sentence(&row.id);
                    return Suit::No(format!("These credentials are of account {theirs}. {sentence}"));
                }
                Ok(Err(error)) if !error.is_temporary() => {
                    return Suit::No(format!("{} {}", error.message, need.sentence(&row.id)));
                }
                // It cannot be told now; the operation itself will find out.
                Ok(Err(_)) | Err(_) => {}
            }
        }
        Suit::Yes
    }

    /// Operations that wait for credentials get those of this call, if they are of the same account, and go on.
    pub(crate) async fn hand_over(&self, caller: &Caller, state: &InfraState) -> ServiceResult<()> {
        let infra = &state.infra.id;
        let unfinished = self.engine.store().operations(infra, OperationFilter::Unfinished).await;
        for row in unfinished.map_err(|e| database(&e))? {
            if row.state != OpState::WaitingCredentials {
                continue;
            }
            match self.suits(caller, &row, state).await {
                Suit::Yes => {
                    if let Some(request) = Self::with_credentials(caller, &row)? {
                        let wished = self.engine.wish(&row.id, Wish::Retry(Some(request))).await;
                        wished.map_err(|e| database(&e))?;
                    }
                }
                Suit::No(why) => tracing::info!(operation = %row.id, "keeps waiting: {why}"),
            }
        }
        Ok(())
    }

    pub(crate) async fn do_abandon(
        &self,
        caller: &Caller,
        infra: &InfraId,
        reply: Reply,
    ) -> ServiceResult<Accepted<Vec<RemainingResource>>> {
        self.options.boot_mode.allow(Deed::Destroy)?;
        self.access(caller, infra).await?;
        let store = self.engine.store();
        let unfinished = store.operations(infra, OperationFilter::Unfinished).await;
        let unfinished = unfinished.map_err(|e| database(&e))?;
        let abandons = |row: &&Operation| {
            let same = Request::from_value(&row.request).is_ok_and(|r| r.what == What::Abandon);
            row.kind == OpKind::Destroy && same && !row.state.is_paused() && row.cancel.is_none()
        };
        let id = if let Some(row) = unfinished.iter().find(abandons) {
            row.id.clone()
        } else {
            let operation = Self::operation_of(infra, OpKind::Destroy, caller, What::Abandon)?;
            let id = operation.id.clone();
            // It takes everything over, as a delete does, and lets go of it.
            let stored = self.engine.submit(operation, None, Vec::new(), true).await;
            stored.map_err(|e| database(&e))?;
            id
        };
        let mut value = Vec::new();
        if reply == Reply::WhenDone {
            let row = self.engine.wait(&id).await.map_err(|e| database(&e))?;
            if row.state != OpState::Done {
                let message = row.error.unwrap_or_else(|| "The operation was cancelled.".to_owned());
                return Err(ServiceError::Operation { id, message });
            }
            let rows = self.engine.operation(&id).await.map_err(|e| database(&e))?;
            value = rows.map(|rows| remaining(rows.remaining)).unwrap_or_default();
        }
        Ok(Accepted {
            operation: Some(id),
            value,
            warnings: Vec::new(),
        })
    }
}

/// Why nothing can be done about an operation any more, and what to do instead.
fn ended(row: &Operation, steer: Steer) -> String {
    let word = row.state.as_str();
    let instead = match (row.state, steer) {
        (OpState::Done, Steer::Retry) => "nothing is left to be done",
        (OpState::Done, _) => "what it did stays",
        _ if row.kind == OpKind::Configure => "reconfigure the infrastructure",
        _ => "make the call again",
    };
    format!("The operation has ended ({word}): {instead}.")
}

impl From<im_ops::StepView> for PlannedStep {
    fn from(step: im_ops::StepView) -> Self {
        Self {
            step: step.id,
            vm: match step.unit {
                Some(Unit::Vm(vm)) => Some(vm),
                Some(Unit::Infra) | None => None,
            },
            what: step.title,
            after: step.after,
            state: step.standing,
            attempts: step.attempts,
            errors: step.errors,
        }
    }
}

impl From<im_model::Resource> for RemainingResource {
    fn from(row: im_model::Resource) -> Self {
        Self {
            kind: row.kind,
            name: row.name,
            vm: match row.unit {
                Unit::Vm(vm) => Some(vm),
                Unit::Infra => None,
            },
            cloud: (&*row.cloud).into(),
            account: row.account,
            id: row.cloud_id,
            key: row.key,
            state: row.state,
        }
    }
}

impl From<Needs> for crate::NeededAccount {
    fn from(need: Needs) -> Self {
        Self {
            cloud: (&*need.cloud).into(),
            account: need.account,
        }
    }
}
