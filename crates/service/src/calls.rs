//! Calls that change something: checked, stored as an operation, and waited for where the caller waits.

use crate::{
    Accepted, Context, Force, Reply, ServiceError, ServiceResult, VmView,
    draw::{self, Seeded},
    logs::now,
    options::Deed,
    request::{Launch, Request, What},
    service::{Service, database},
    tosca::ToscaPart,
};
use im_auth::Caller;
use im_cloud::Draw as _;
use im_model::{InfraId, Infrastructure, OpKind, OpState, Operation, OperationId, Power, StepEventKind, VmId};
use im_radl::{Diagnostic, Document};
use im_store::{InfraState, OperationFilter, Write};
use std::sync::Arc;
use uuid::Uuid;

/// What the caller of an operation learns of its end.
pub(crate) struct Outcome {
    pub(crate) row: Operation,
    pub(crate) state: Arc<InfraState>,
}

pub(crate) fn bad(diagnostics: Vec<Diagnostic>) -> ServiceError {
    let message = im_radl::first_error(&diagnostics).unwrap_or_else(|| "The document is not acceptable.".to_owned());
    ServiceError::BadDocument { message, diagnostics }
}

fn internal(error: &(dyn std::error::Error + 'static)) -> ServiceError {
    ServiceError::internal(error)
}

/// Draws what the document leaves to chance, once and for all.
pub(crate) fn drawn(mut document: Document) -> ServiceResult<Document> {
    let seed = draw::seed().ok_or_else(|| ServiceError::Refused("The system gives no random numbers.".to_owned()))?;
    let mut random = Seeded::new(&seed, "document");
    document.draw_randoms(&mut |len| random.alphanumeric(len));
    Ok(document)
}

impl Service {
    pub(crate) fn operation_of(infra: &InfraId, kind: OpKind, caller: &Caller, what: What) -> ServiceResult<Operation> {
        let request = Request {
            user: caller.username().to_owned(),
            credentials: (**caller.credentials()).clone(),
            what,
        };
        let id = OperationId::from(Uuid::new_v4().to_string());
        let request = request.to_value().map_err(|e| internal(&e))?;
        Ok(Operation::pending(id, infra.clone(), kind, request, now()))
    }

    /// The infrastructure for a change: not one that is being destroyed.
    pub(crate) async fn changeable(&self, caller: &Caller, infra: &InfraId) -> ServiceResult<Arc<InfraState>> {
        self.options.boot_mode.allow(Deed::Change)?;
        let state = self.access(caller, infra).await?;
        if state.infra.deleting {
            return Err(ServiceError::DeletedInfrastructure);
        }
        self.hand_over(caller, &state).await?;
        self.reaper.credentials_came(caller);
        Ok(state)
    }

    /// The infrastructure for an add, which has its own words for one that is being destroyed.
    pub(crate) async fn changeable_for_add(&self, caller: &Caller, infra: &InfraId) -> ServiceResult<Arc<InfraState>> {
        self.changeable(caller, infra).await.map_err(|e| match e {
            ServiceError::DeletedInfrastructure => {
                ServiceError::Refused("Infrastructure deleted. Do not add resources.".to_owned())
            }
            other => other,
        })
    }

    async fn submit(&self, operation: Operation) -> ServiceResult<OperationId> {
        let id = operation.id.clone();
        self.submit_with(operation, Vec::new()).await?;
        Ok(id)
    }

    /// Stores an operation, and more in the same transaction.
    pub(crate) async fn submit_with(&self, operation: Operation, writes: Vec<Write>) -> ServiceResult<()> {
        let stored = self.engine.submit(operation, None, writes, false).await;
        stored.map_err(|e| database(&e))
    }

    /// Waits for the end. An operation that cannot go on by itself is an error that names it.
    pub(crate) async fn outcome(&self, id: &OperationId) -> ServiceResult<Outcome> {
        let row = self.engine.wait(id).await.map_err(|e| database(&e))?;
        let state = self.engine.snapshot(&row.infra).await.map_err(|e| database(&e))?;
        let state = state.ok_or(ServiceError::NoInfrastructure)?;
        if row.state.is_paused() {
            let message = row.error.unwrap_or_else(|| match row.state {
                OpState::Stuck => "The operation cannot go on by itself.".to_owned(),
                _ => "The operation waits for credentials.".to_owned(),
            });
            return Err(ServiceError::Operation { id: row.id, message });
        }
        Ok(Outcome { row, state })
    }

    /// Sentences of the steps that failed for good, in order, each once; else that of the operation.
    async fn failures(&self, row: &Operation) -> ServiceResult<Vec<String>> {
        let events = self
            .engine
            .store()
            .step_events(&row.id)
            .await
            .map_err(|e| database(&e))?;
        let mut failures: Vec<String> = Vec::new();
        let of_steps = events.into_iter().filter_map(|event| match event.kind {
            StepEventKind::Failed {
                failure, last: true, ..
            } => Some(failure.message),
            _ => None,
        });
        for message in of_steps {
            if !failures.contains(&message) {
                failures.push(message);
            }
        }
        if failures.is_empty() {
            failures.extend(row.error.clone());
        }
        Ok(failures)
    }

    pub(crate) async fn do_create(
        &self,
        caller: &Caller,
        document: Document,
        reply: Reply,
    ) -> ServiceResult<Accepted<InfraId>> {
        self.options.boot_mode.allow(Deed::Change)?;
        self.create_with(caller, document, None, Vec::new(), reply).await
    }

    /// Creates an infrastructure; one that comes from TOSCA keeps that.
    pub(crate) async fn create_with(
        &self,
        caller: &Caller,
        document: Document,
        tosca: Option<ToscaPart>,
        writes: Vec<Write>,
        reply: Reply,
    ) -> ServiceResult<Accepted<InfraId>> {
        let document = drawn(document)?;
        let whole = document.merge_into(&Document::default()).map_err(bad)?;
        let radl: Arc<str> = im_radl::print(&whole).into();
        // Version 1, as clients expect; the node part is drawn, since it tells nobody's business.
        let mut node = [0u8; 6];
        node.copy_from_slice(&Uuid::new_v4().as_bytes()[..6]);
        // The bit of addresses that no network card has.
        node[0] |= 1;
        let id = InfraId::from(Uuid::now_v1(&node).to_string());
        let mut infrastructure = Infrastructure::new(id.clone(), caller.owners(), radl.clone(), now());
        if let Some(tosca) = &tosca {
            tosca.keep(&mut infrastructure);
        }
        let launch = Launch {
            radl,
            context: true,
            waited_for: reply == Reply::WhenDone,
            tosca,
        };
        let operation = Self::operation_of(&id, OpKind::Create, caller, What::Launch(launch))?;
        let operation_id = operation.id.clone();
        self.reaper.credentials_came(caller);
        let stored = self.engine.submit(operation, Some(infrastructure), writes, false).await;
        stored.map_err(|e| database(&e))?;
        if reply == Reply::WhenDone {
            let outcome = self.outcome(&operation_id).await?;
            launched(&outcome)?;
        }
        Ok(Accepted {
            operation: Some(operation_id),
            value: id,
            warnings: Vec::new(),
        })
    }

    pub(crate) async fn do_add(
        &self,
        caller: &Caller,
        infra: &InfraId,
        document: Document,
        context: Context,
        reply: Reply,
    ) -> ServiceResult<Accepted<Vec<VmId>>> {
        let state = self.changeable_for_add(caller, infra).await?;
        let document = drawn(document)?;
        document.merge_into(&*self.stored_document(&state)?).map_err(bad)?;
        let launch = Launch {
            radl: im_radl::print(&document).into(),
            context: context == Context::Run,
            waited_for: reply == Reply::WhenDone,
            tosca: None,
        };
        let operation = Self::operation_of(infra, OpKind::Add, caller, What::Launch(launch))?;
        let id = self.submit(operation).await?;
        let value = if reply == Reply::WhenDone {
            launched(&self.outcome(&id).await?)?
        } else {
            Vec::new()
        };
        Ok(Accepted {
            operation: Some(id),
            value,
            warnings: Vec::new(),
        })
    }

    pub(crate) async fn do_remove(
        &self,
        caller: &Caller,
        infra: &InfraId,
        vms: &[VmId],
        context: Context,
        reply: Reply,
    ) -> ServiceResult<Accepted<usize>> {
        let state = self.changeable(caller, infra).await?;
        let mut wanted: Vec<VmId> = Vec::with_capacity(vms.len());
        for vm in vms {
            Self::living(&state, *vm)?;
            if !wanted.contains(vm) {
                wanted.push(*vm);
            }
        }
        let what = What::Remove {
            vms: wanted.clone(),
            context: context == Context::Run,
            then: None,
        };
        let id = self
            .submit(Self::operation_of(infra, OpKind::Remove, caller, what)?)
            .await?;
        let mut value = wanted.len();
        if reply == Reply::WhenDone {
            let outcome = self.outcome(&id).await?;
            let gone = |vm: &&VmId| outcome.state.vms.get(vm).is_none_or(|row| row.destroyed);
            value = wanted.iter().filter(gone).count();
            if value < wanted.len() {
                let failures = self.failures(&outcome.row).await?.join(", ");
                let message = format!("Error removing resources: [{failures}]");
                return Err(ServiceError::Operation { id, message });
            }
        }
        Ok(Accepted {
            operation: Some(id),
            value,
            warnings: Vec::new(),
        })
    }

    pub(crate) async fn do_reconfigure(
        &self,
        caller: &Caller,
        infra: &InfraId,
        document: &Document,
        only: Option<&[VmId]>,
    ) -> ServiceResult<Accepted<()>> {
        let state = self.changeable(caller, infra).await?;
        let document = drawn(document.clone())?;
        self.stored_document(&state)?.reconfigure_with(&document).map_err(bad)?;
        let what = What::Configure {
            radl: (!document.is_empty()).then(|| im_radl::print(&document).into()),
            only: only.map(<[VmId]>::to_vec),
        };
        let id = self
            .submit(Self::operation_of(infra, OpKind::Configure, caller, what)?)
            .await?;
        Ok(Accepted {
            operation: Some(id),
            value: (),
            warnings: Vec::new(),
        })
    }

    pub(crate) async fn do_power(
        &self,
        caller: &Caller,
        infra: &InfraId,
        vm: Option<VmId>,
        power: Power,
    ) -> ServiceResult<Accepted<()>> {
        let state = self.changeable(caller, infra).await?;
        if let Some(vm) = vm {
            Self::living(&state, vm)?;
        }
        let what = What::Power { vm, power };
        let id = self
            .submit(Self::operation_of(infra, OpKind::Power, caller, what)?)
            .await?;
        let outcome = self.outcome(&id).await?;
        self.refresher.forget(infra);
        let failures = self.failures(&outcome.row).await?;
        if failures.is_empty() {
            return Ok(Accepted {
                operation: Some(id),
                value: (),
                warnings: Vec::new(),
            });
        }
        let doing = match power {
            Power::Start => "starting",
            Power::Stop => "stopping",
            Power::Reboot => "rebooting",
        };
        let what = if vm.is_some() { "VM" } else { "infrastructure" };
        let message = format!("Error {doing} the {what}: {}", failures.join("\n"));
        Err(ServiceError::Operation { id, message })
    }

    pub(crate) async fn do_alter(
        &self,
        caller: &Caller,
        infra: &InfraId,
        vm: VmId,
        document: &Document,
    ) -> ServiceResult<Accepted<VmView>> {
        let state = self.changeable(caller, infra).await?;
        let row = Self::living(&state, vm)?;
        if document.system(&row.system).is_none() {
            return Err(ServiceError::Refused(format!(
                "Incorrect RADL no system with name {} provided.",
                row.system
            )));
        }
        let what = What::Alter {
            vm,
            radl: im_radl::print(document).into(),
        };
        let id = self
            .submit(Self::operation_of(infra, OpKind::Alter, caller, what)?)
            .await?;
        let outcome = self.outcome(&id).await?;
        let failures = self.failures(&outcome.row).await?;
        if !failures.is_empty() {
            let why = failures.join("\n");
            let message = format!("Error modifying the information about the VM {vm}: {why}");
            return Err(ServiceError::Operation { id, message });
        }
        self.refresher.forget(infra);
        let row = Self::living(&outcome.state, vm)?;
        let value = (*self.views.vm(&self.flow, &self.refresher, &outcome.state, row).await?).clone();
        Ok(Accepted {
            operation: Some(id),
            value,
            warnings: Vec::new(),
        })
    }

    pub(crate) async fn do_destroy(
        &self,
        caller: &Caller,
        infra: &InfraId,
        force: Force,
        reply: Reply,
    ) -> ServiceResult<Accepted<()>> {
        self.options.boot_mode.allow(Deed::Destroy)?;
        self.access(caller, infra).await?;
        self.reaper.credentials_came(caller);
        let id = if let Some(id) = self.destroy_under_way(infra, force).await? {
            id
        } else {
            let what = What::Destroy {
                force: force == Force::Yes,
            };
            let operation = Self::operation_of(infra, OpKind::Destroy, caller, what)?;
            let id = operation.id.clone();
            // A delete always gets through: it cancels what runs and takes over what that has made.
            let stored = self.engine.submit(operation, None, Vec::new(), true).await;
            stored.map_err(|e| database(&e))?;
            id
        };
        if reply == Reply::WhenDone {
            let outcome = self.outcome(&id).await?;
            if !outcome.state.infra.deleted {
                let failures = self.failures(&outcome.row).await?.join("\n");
                let message = format!("Error destroying the infrastructure: \n{failures}");
                return Err(ServiceError::Operation { id, message });
            }
        }
        Ok(Accepted {
            operation: Some(id),
            value: (),
            warnings: Vec::new(),
        })
    }

    /// A destroy that goes on by itself and does not ask for less than this one: it is joined.
    async fn destroy_under_way(&self, infra: &InfraId, force: Force) -> ServiceResult<Option<OperationId>> {
        let store = self.engine.store();
        let unfinished = store.operations(infra, OperationFilter::Unfinished).await;
        let unfinished = unfinished.map_err(|e| database(&e))?;
        let wanted = |row: &&Operation| {
            let goes_on = !row.state.is_paused() && row.cancel.is_none();
            let what = Request::from_value(&row.request).map(|r| r.what);
            let enough = match what {
                Ok(What::Destroy { force: forced }) => forced || force == Force::No,
                _ => false,
            };
            row.kind == OpKind::Destroy && goes_on && enough
        };
        Ok(unfinished.iter().find(wanted).map(|row| row.id.clone()))
    }
}

/// The VMs of a launch, or why there are none.
pub(crate) fn launched(outcome: &Outcome) -> ServiceResult<Vec<VmId>> {
    let row = &outcome.row;
    let error = |message: String| ServiceError::Operation {
        id: row.id.clone(),
        message,
    };
    let vms = outcome.state.vms.values();
    let new: Vec<_> = vms.filter(|vm| vm.operation.as_ref() == Some(&row.id)).collect();
    if !new.is_empty() && new.iter().all(|vm| vm.error.is_some()) {
        let mut why: Vec<&str> = new.iter().filter_map(|vm| vm.error.as_deref()).collect();
        why.dedup();
        return Err(error(format!("Error adding VMs: {}", why.join("\n"))));
    }
    if row.state == OpState::Undone {
        let message = row.error.clone();
        return Err(error(
            message.unwrap_or_else(|| "The operation was cancelled.".to_owned()),
        ));
    }
    Ok(new.into_iter().map(|vm| vm.id).collect())
}
