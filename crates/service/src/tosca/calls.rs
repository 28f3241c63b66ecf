//! Calls that bring a TOSCA document: create, update, and what reconfigure and alter need of it.

use super::{Kept, Read, ToscaPart, Translated};
use crate::{
    Accepted, Context, Reply, ServiceError, ServiceResult, Updated,
    calls::bad,
    options::Deed,
    request::{Launch, Then, What},
    service::Service,
};
use im_auth::{Caller, IM};
use im_model::{InfraId, OpKind, OpState, OperationId, VmId};
use im_radl::{Diagnostic, Document};
use im_store::InfraState;
use im_tosca::{ExistingVm, image_site};
use uuid::Uuid;

/// A stored document that can be read no more.
#[derive(Debug, thiserror::Error)]
#[error("a VM id that the document removes is no number: {0}")]
struct NoId(String);

/// What a TOSCA document means, as RADL.
#[derive(Clone, Debug, PartialEq)]
pub struct Translation {
    /// As RADL. Its deploys are what is missing.
    pub document: Document,
    /// The VMs that go first.
    pub removals: Vec<VmId>,
    /// Warnings.
    pub warnings: Vec<Diagnostic>,
}

/// What an update stores.
struct Update {
    translated: Translated,
    part: ToscaPart,
    removals: Vec<VmId>,
    read: Read,
}

/// What is found where a document lies over the stored one has no place in what the user sent.
fn of_merged(found: Diagnostic) -> Diagnostic {
    if found.file.is_some() {
        return found;
    }
    Diagnostic {
        file: Some("the stored document with this one over it".into()),
        ..placeless(found)
    }
}

fn placeless(found: Diagnostic) -> Diagnostic {
    Diagnostic {
        span: None,
        notes: Vec::new(),
        ..found
    }
}

fn in_merged(error: ServiceError) -> ServiceError {
    match error {
        ServiceError::BadDocument { diagnostics, .. } => {
            super::refused(diagnostics.into_iter().map(of_merged).collect())
        }
        other => other,
    }
}

fn token(caller: &Caller) -> Option<String> {
    let mut lines = caller.credentials().of_kind(IM);
    lines.find_map(|line| line.get("token").map(|token| token.expose().to_owned()))
}

impl Service {
    pub(crate) async fn do_create_tosca(
        &self,
        caller: &Caller,
        text: &str,
        reply: Reply,
    ) -> ServiceResult<Accepted<InfraId>> {
        self.options.boot_mode.allow(Deed::Change)?;
        let store = &**self.engine.store();
        let mut kept = Kept::default();
        let mut read = self.toscas.read(text, &kept, store).await?;
        kept.draw(&read.template, token(caller).as_deref())?;
        let translated = self.toscas.translate(&mut read, &kept, None, store).await?;
        let writes = kept.keep_files(&read);
        let part = ToscaPart {
            text: im_tosca::yaml::dump(&read.template.raw).into(),
            kept,
        };
        let mut accepted = self
            .create_with(caller, translated.document, Some(part), writes, reply)
            .await?;
        accepted.warnings = translated.warnings;
        Ok(accepted)
    }

    /// The machines of an infrastructure as the conversion wants to know them.
    async fn existing(&self, state: &InfraState) -> ServiceResult<Vec<ExistingVm>> {
        let store = self.engine.store();
        let mut existing = Vec::new();
        for vm in state.vms.values().filter(|vm| !vm.destroyed) {
            let base = self.flow.documents.base(&**store, &vm.base).await?;
            let system = base.system(&vm.system);
            let networks = system.into_iter().flat_map(im_radl::System::interfaces);
            existing.push(ExistingVm {
                id: vm.id.to_string(),
                system: vm.system.clone(),
                created: vm.created,
                image_site: system
                    .and_then(|s| s.features.text("disk.0.image.url"))
                    .and_then(image_site),
                private_networks: networks
                    .map(|interface| interface.connection)
                    .filter(|id| !base.is_public_network(id))
                    .map(str::to_owned)
                    .collect(),
            });
        }
        Ok(existing)
    }

    /// What a document changes in an infrastructure: valid by itself, merged over the stored one, compared with the VMs.
    async fn update(&self, caller: &Caller, state: &InfraState, text: &str) -> ServiceResult<Update> {
        let store = &**self.engine.store();
        let before = ToscaPart::of(&state.infra);
        let mut kept = before.as_ref().map(|part| part.kept.clone()).unwrap_or_default();
        let token = token(caller);
        // By itself first: an error is in what the user wrote, at its place there.
        let mut alone = self.toscas.read(text, &kept, store).await?;
        // What was found in it, once another one is read.
        let mut told = None;
        let existing = self.existing(state).await?;
        let mut read = match before {
            None => alone,
            Some(before) => {
                let mut fresh = kept.clone();
                fresh.draw(&alone.template, token.as_deref())?;
                let by_itself = self.toscas.translate(&mut alone, &fresh, None, store).await?;
                by_itself.document.merge_into(&Document::default()).map_err(bad)?;
                told = Some(by_itself.warnings);
                let stored = self.toscas.stored(&before.text)?;
                let merged = im_tosca::merge(&stored, &alone.template.raw);
                let merged = im_tosca::yaml::dump(&merged);
                self.toscas.read(&merged, &kept, store).await.map_err(in_merged)?
            }
        };
        kept.draw(&read.template, token.as_deref())?;
        let translated = self.toscas.translate(&mut read, &kept, Some(&existing), store).await;
        let mut translated = match &told {
            Some(_) => translated.map_err(in_merged)?,
            None => translated?,
        };
        if let Some(mut told) = told {
            for found in translated.warnings {
                if !told
                    .iter()
                    .any(|t| (&t.code, &t.message) == (&found.code, &found.message))
                {
                    told.push(of_merged(found));
                }
            }
            translated.warnings = told;
        }
        let mut removals = Vec::with_capacity(translated.removals.len());
        for id in &translated.removals {
            let id: u32 = id
                .parse()
                .map_err(|_| ServiceError::Refused(NoId(id.clone()).to_string()))?;
            removals.push(VmId(id));
        }
        let part = ToscaPart {
            // What a list asked to remove was for this once.
            text: im_tosca::yaml::dump(&im_tosca::without_removals(&read.template.raw)).into(),
            kept,
        };
        Ok(Update {
            translated,
            part,
            removals,
            read,
        })
    }

    pub(crate) async fn do_update_tosca(
        &self,
        caller: &Caller,
        infra: &InfraId,
        text: &str,
        context: Context,
        reply: Reply,
    ) -> ServiceResult<Accepted<Updated>> {
        let state = self.changeable_for_add(caller, infra).await?;
        let Update {
            translated,
            mut part,
            removals,
            read,
        } = self.update(caller, &state, text).await?;
        for vm in &removals {
            Self::living(&state, *vm)?;
        }
        let document = crate::calls::drawn(translated.document)?;
        let whole = document.merge_into(&*self.stored_document(&state)?);
        whole.map_err(|found| bad(found.into_iter().map(placeless).collect()))?;
        let writes = part.kept.keep_files(&read);
        let launch = Launch {
            radl: im_radl::print(&document).into(),
            context: context == Context::Run,
            waited_for: reply == Reply::WhenDone,
            tosca: Some(part),
        };
        let added = document.vm_count();
        let (first, launch_id) = if removals.is_empty() {
            let launch = Self::operation_of(infra, OpKind::Add, caller, What::Launch(launch))?;
            let id = launch.id.clone();
            (launch, id)
        } else {
            let id = OperationId::from(Uuid::new_v4().to_string());
            let what = What::Remove {
                vms: removals.clone(),
                context: false,
                then: Some(Box::new(Then {
                    operation: id.clone(),
                    launch,
                })),
            };
            (Self::operation_of(infra, OpKind::Remove, caller, what)?, id)
        };
        let first_id = first.id.clone();
        self.submit_with(first, writes).await?;
        let mut value = Updated::default();
        if reply == Reply::WhenDone {
            let before = state.vms.values().filter(|vm| !vm.destroyed).count();
            value = self.updated(&first_id, &launch_id, &removals, added).await?;
            value.kept = before.saturating_sub(value.removed.len());
        }
        Ok(Accepted {
            operation: Some(launch_id),
            value,
            warnings: translated.warnings,
        })
    }

    /// Waits for the end of an update. Removals that fail are an error only where nothing was added.
    async fn updated(
        &self,
        first: &OperationId,
        launch: &OperationId,
        removals: &[VmId],
        added: usize,
    ) -> ServiceResult<Updated> {
        let mut updated = Updated::default();
        if first != launch {
            let outcome = self.outcome(first).await?;
            if outcome.row.state != OpState::Done {
                let message = outcome
                    .row
                    .error
                    .unwrap_or_else(|| "The operation was cancelled.".to_owned());
                return Err(ServiceError::Operation {
                    id: first.clone(),
                    message,
                });
            }
            let gone = |vm: &&VmId| outcome.state.vms.get(vm).is_none_or(|row| row.destroyed);
            updated.removed = removals.iter().filter(gone).copied().collect();
            let removed = updated.removed.len();
            if removed < removals.len() && added == 0 {
                let ids: Vec<String> = removals.iter().map(ToString::to_string).collect();
                return Err(ServiceError::NotRemoved {
                    message: format!("Error deleting resources {} (removed {removed})", ids.join(",")),
                });
            }
        }
        updated.added = crate::calls::launched(&self.outcome(launch).await?)?;
        Ok(updated)
    }

    /// What a document means for an infrastructure, or by itself; changes nothing.
    pub(crate) async fn read_translation(
        &self,
        caller: &Caller,
        infra: &InfraId,
        text: &str,
    ) -> ServiceResult<Translation> {
        let state = self.access(caller, infra).await?;
        let update = self.update(caller, &state, text).await?;
        Ok(Translation {
            document: update.translated.document,
            removals: update.removals,
            warnings: update.translated.warnings,
        })
    }
}
