//! The properties `tosca` and `outputs` of an infrastructure.

use super::{Read, ToscaPart, live::Logs};
use crate::{ServiceError, ServiceResult, service::Service};
use im_auth::Caller;
use im_model::InfraId;
use im_store::InfraState;
use im_tosca::{OutputContext, OutputValue};
use indexmap::IndexMap;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// How many documents are kept in memory as they were read.
const KEPT: usize = 256;

/// Stored documents as they were read. A cache: may be dropped at any time.
#[derive(Default)]
pub(crate) struct ReadDocuments(Mutex<HashMap<Arc<str>, Read>>);

impl Service {
    fn tosca_of(state: &InfraState, property: &'static str) -> ServiceResult<ToscaPart> {
        ToscaPart::of(&state.infra).ok_or(ServiceError::NotTosca(property))
    }

    pub(crate) async fn read_tosca(&self, caller: &Caller, infra: &InfraId) -> ServiceResult<Arc<str>> {
        let state = self.access(caller, infra).await?;
        Ok(Self::tosca_of(&state, "tosca")?.text)
    }

    /// A stored document, read once as long as it stays the same.
    async fn stored_tosca(&self, part: &ToscaPart) -> ServiceResult<Read> {
        let kept = {
            let documents = self.read_documents.0.lock().unwrap_or_else(PoisonError::into_inner);
            documents.get(&part.text).cloned()
        };
        if let Some(read) = kept {
            return Ok(read);
        }
        let read = self
            .toscas
            .read_kept(&part.text, &part.kept, &**self.engine.store())
            .await?;
        let mut documents = self.read_documents.0.lock().unwrap_or_else(PoisonError::into_inner);
        if documents.len() >= KEPT {
            documents.clear();
        }
        documents.insert(part.text.clone(), read.clone());
        Ok(read)
    }

    /// All outputs, from the machines as they are now.
    pub(crate) async fn read_outputs(
        &self,
        caller: &Caller,
        infra: &InfraId,
    ) -> ServiceResult<IndexMap<String, OutputValue>> {
        let state = self.refreshed(caller, infra, None).await?;
        let part = Self::tosca_of(&state, "outputs")?;
        let read = self.stored_tosca(&part).await?;
        let mentions = |name: &str| part.text.contains(name);
        let logs = if mentions("ctxt_log") || mentions("ansible_output") {
            Logs::Needed
        } else {
            Logs::Unused
        };
        let live = self.live(&state, logs).await?;
        let inputs = part.kept.inputs();
        let context = OutputContext {
            inputs: &inputs,
            container_ids: &part.kept.containers,
        };
        Ok(im_tosca::outputs(&read.template, &context, &live))
    }
}
