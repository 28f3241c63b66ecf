//! Calls that change nothing. They answer from the engine's snapshot; clouds are asked within a small budget of time.

use crate::{
    ContMsg, ServiceError, ServiceResult, StateView, VmView,
    calls::bad,
    feed::Feed,
    logs,
    service::{Service, database},
    views::Views,
};
use futures::stream::{self, BoxStream, StreamExt as _};
use im_auth::{Caller, IM};
use im_model::{Credentials, Event, InfraId, LogScope, VmId};
use im_radl::{Difference, Document, Feature, RunningVm};
use im_store::{InfraState, Owned};
use regex::RegexBuilder;
use serde_json::{Map, Value};
use std::{collections::BTreeMap, sync::Arc};

/// The largest automaton that a `filter` may need, in bytes.
const LARGEST_FILTER: usize = 1 << 20;

#[derive(Debug, thiserror::Error)]
#[error("the stored document of {0} cannot be read: {1}")]
struct Unreadable(InfraId, String);

impl Service {
    pub(crate) fn stored_document(&self, state: &InfraState) -> ServiceResult<Arc<Document>> {
        self.flow
            .documents
            .read(&state.infra.radl)
            .map_err(|why| ServiceError::internal(&Unreadable(state.infra.id.clone(), why)))
    }

    pub(crate) async fn read_list(&self, caller: &Caller, filter: Option<&str>) -> ServiceResult<Vec<InfraId>> {
        let filter = filter
            .map(|text| RegexBuilder::new(text).size_limit(LARGEST_FILTER).build())
            .transpose()
            .map_err(|e| ServiceError::Refused(format!("Invalid regular expression in filter: {e}")))?;
        let owned = if caller.is_admin() {
            Owned::All
        } else {
            let mine = caller.credentials().of_kind(IM);
            Owned::By(mine.map(|line| line.plain("username").to_owned()).collect())
        };
        let rows = self.engine.store().list(&owned).await.map_err(|e| database(&e))?;
        let mut ids = Vec::with_capacity(rows.len());
        // Neighbours often have the same owners, and then share them: they are compared once.
        let mut last: Option<(&Arc<Credentials>, bool)> = None;
        for row in rows.iter().filter(|row| !row.deleted) {
            let mine = match last {
                Some((owners, mine)) if Arc::ptr_eq(owners, &row.owners) => mine,
                _ => caller.may_access(&row.owners),
            };
            last = Some((&row.owners, mine));
            if !mine {
                continue;
            }
            if let Some(filter) = &filter {
                let state = self.engine.snapshot(&row.id).await.map_err(|e| database(&e))?;
                let Some(state) = state else { continue };
                let tosca = state.infra.tosca.as_deref().unwrap_or_default();
                if !filter.is_match(&state.infra.radl) && !filter.is_match(tosca) {
                    continue;
                }
            }
            ids.push(row.id.clone());
        }
        Ok(ids)
    }

    /// The infrastructure after a refresh of all its VMs.
    pub(crate) async fn refreshed(
        &self,
        caller: &Caller,
        infra: &InfraId,
        vm: Option<VmId>,
    ) -> ServiceResult<Arc<InfraState>> {
        let state = self.access(caller, infra).await?;
        let wanted = if let Some(id) = vm {
            Self::living(&state, id)?;
            state.vms.range(id..=id)
        } else {
            state.vms.range(..)
        };
        let rows = wanted.map(|(_, row)| row);
        let asked = self
            .refresher
            .refresh(&self.flow, &self.engine, caller.credentials(), &state, rows)
            .await;
        if asked {
            self.access(caller, infra).await
        } else {
            Ok(state)
        }
    }

    pub(crate) async fn read_state(&self, caller: &Caller, infra: &InfraId) -> ServiceResult<StateView> {
        let state = self.refreshed(caller, infra, None).await?;
        Ok(Views::states(&self.flow, &self.refresher, &state))
    }

    pub(crate) async fn read_vm(&self, caller: &Caller, infra: &InfraId, vm: VmId) -> ServiceResult<Arc<VmView>> {
        let state = self.refreshed(caller, infra, Some(vm)).await?;
        let row = Self::living(&state, vm)?;
        self.views.vm(&self.flow, &self.refresher, &state, row).await
    }

    pub(crate) async fn read_property(
        &self,
        caller: &Caller,
        infra: &InfraId,
        vm: VmId,
        name: &str,
    ) -> ServiceResult<Option<Value>> {
        let view = self.read_vm(caller, infra, vm).await?;
        let Some(system) = view.document.system(&view.system) else {
            return Ok(None);
        };
        Ok(match system.features.get(name) {
            Some(Feature::Groups(groups)) => {
                let member = |(name, group): (&String, &im_radl::Features)| (name.clone(), group.to_json());
                Some(Value::Object(groups.iter().map(member).collect::<Map<_, _>>()))
            }
            Some(_) => system.features.to_json_value(name),
            None => None,
        })
    }

    pub(crate) async fn read_contmsg(
        &self,
        caller: &Caller,
        infra: &InfraId,
        how_much: ContMsg,
    ) -> ServiceResult<String> {
        let state = self.access(caller, infra).await?;
        let store = self.engine.store();
        if how_much == ContMsg::HeaderOnly {
            return store.log(infra, LogScope::Infra).await.map_err(|e| database(&e));
        }
        let mut texts = store.logs(infra).await.map_err(|e| database(&e))?;
        let header = texts.remove(&LogScope::Infra).unwrap_or_default();
        let living = state.vms.values().filter(|vm| !vm.destroyed);
        let of_vm = living.map(|vm| {
            let log = texts.remove(&LogScope::Vm(vm.id)).unwrap_or_default();
            (vm.id, logs::of_vm(vm.error.as_deref(), &log))
        });
        let of_vm: BTreeMap<VmId, String> = of_vm.collect();
        Ok(logs::contmsg(&header, &of_vm))
    }

    pub(crate) async fn read_difference(
        &self,
        caller: &Caller,
        infra: &InfraId,
        document: &Document,
        removals: &[VmId],
    ) -> ServiceResult<Difference> {
        let state = self.access(caller, infra).await?;
        let stored = self.stored_document(&state)?;
        // What cannot be merged would be refused.
        document.merge_into(&stored).map_err(bad)?;
        let living = state.vms.values().filter(|vm| !vm.destroyed);
        let running: Vec<RunningVm> = living
            .map(|vm| RunningVm {
                id: vm.id.to_string(),
                system: vm.system.clone(),
            })
            .collect();
        let removals: Vec<String> = removals.iter().map(ToString::to_string).collect();
        Ok(im_radl::difference(&stored, &running, document, &removals))
    }

    pub(crate) async fn read_vm_contmsg(&self, caller: &Caller, infra: &InfraId, vm: VmId) -> ServiceResult<String> {
        let state = self.access(caller, infra).await?;
        let row = Self::living(&state, vm)?;
        let log = self.engine.store().log(infra, LogScope::Vm(vm)).await;
        Ok(logs::of_vm(row.error.as_deref(), &log.map_err(|e| database(&e))?))
    }

    pub(crate) async fn read_events(
        &self,
        caller: &Caller,
        infra: &InfraId,
        after: u64,
    ) -> ServiceResult<BoxStream<'static, Event>> {
        self.access(caller, infra).await?;
        let feed = Feed::new(self.engine.clone(), infra.clone(), after);
        let events = stream::unfold(feed, |mut feed| async move {
            let event = feed.next().await?;
            Some((event, feed))
        });
        Ok(events.boxed())
    }
}
