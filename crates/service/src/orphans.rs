//! The reaper: what bears a mark of this deployment at a caller's clouds, and what the rows say of it.
//!
//! Marks are MACs, so that nobody else can make something look like ours. What has a mark and no row is told, never
//! removed: a database that was put back from an older copy does not know the machines made since. Removed is only what a
//! tombstone under its very key proves dead; what was given away has no tombstone and is nobody's business.
//!
//! Clouds are listed first and rows read afterwards: a row is older than anything that it stands for.

use crate::{
    ServiceError, ServiceResult,
    connectors::{Cloud, CloudsError},
    flow::Flow,
    service::database,
};
use futures::future::join_all;
use im_auth::{Caller, IM};
use im_cloud::{CloudError, Cx, ErrorKind, Found, Target};
use im_model::{Account, CloudRef, Credentials, InfraId, Key, Resource, ResourceKind, ResourceState};
use im_ops::{Engine, Reach, StepError};
use im_store::{Graves, Owned};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::{Instant, timeout};

/// Infrastructures that one call of a user has searched again for what is gone, at most.
const AT_ONCE: usize = 32;
/// Users of whom it is remembered when their clouds were last looked through.
const USERS: usize = 4096;

/// What is known of an object that bears our mark and should not be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OrphanStatus {
    /// A tombstone under its key says that it was removed: it may be removed again.
    Dead,
    /// No row knows it. The database may be older than the object: a person must decide.
    Unknown,
    /// A forced destroy left it behind, since the cloud refused or could not be reached.
    LeftBehind,
}

/// An object at a cloud that bears a mark of this deployment and belongs to no infrastructure that lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Orphan {
    /// Id of the caller's cloud.
    pub cloud: String,
    /// The account there.
    pub account: String,
    /// Kind.
    pub kind: ResourceKind,
    /// The cloud's id.
    pub id: String,
    /// Its name there.
    pub name: String,
    /// The infrastructure that its mark names.
    pub infrastructure: InfraId,
    /// Its key.
    pub key: Key,
    /// What is known of it.
    pub status: OrphanStatus,
}

/// A cloud or object of which nothing could be learned, or that could not be removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OrphanProblem {
    /// Id of the cloud.
    pub cloud: String,
    /// Why.
    pub message: String,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Orphans {
    /// What is still there.
    pub orphans: Vec<Orphan>,
    /// What was there and has been removed.
    pub removed: Vec<Orphan>,
    /// What could not be asked or removed.
    pub errors: Vec<OrphanProblem>,
}

/// An orphan with all that is needed to remove it.
struct Seen {
    orphan: Orphan,
    place: Arc<Place>,
    dead: Option<Resource>,
}

/// What tells an object from all others: kind of cloud, account, kind, the cloud's id.
type Identity = (String, Account, ResourceKind, String);

/// A cloud and who we are there.
struct Place {
    cloud: Cloud,
    account: Account,
}

/// Looks through callers' clouds. What it remembers can be lost.
pub(crate) struct Reaper {
    engine: Arc<Engine>,
    flow: Arc<Flow>,
    looked: Mutex<HashMap<String, Instant>>,
}

impl Reaper {
    pub(crate) fn new(engine: Arc<Engine>, flow: Arc<Flow>) -> Arc<Self> {
        Arc::new(Self {
            engine,
            flow,
            looked: Mutex::default(),
        })
    }

    /// A user has brought credentials with a call that changes something: what waited for such is done with them, while
    /// the call goes on. All of the user's clouds are looked through now and then.
    pub(crate) fn credentials_came(self: &Arc<Self>, caller: &Caller) {
        let credentials = caller.credentials();
        let outside = |cloud: &Cloud| self.flow.connectors.has_outside(&cloud.cloud.kind);
        if !self
            .flow
            .connectors
            .clouds(credentials)
            .is_ok_and(|clouds| clouds.iter().any(outside))
        {
            return;
        }
        let look = self.is_time(caller.username());
        let (this, caller) = (Arc::clone(self), caller.clone());
        tokio::spawn(async move {
            if let Err(error) = this.search_again(&caller).await {
                tracing::warn!("searching again for what was removed: {error}");
            }
            if look {
                this.look_through(&caller).await;
            }
        });
    }

    /// Whether this user's clouds are to be looked through again; notes that they are.
    fn is_time(&self, user: &str) -> bool {
        let every = self.flow.options.reap_every;
        if every.is_zero() {
            return false;
        }
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let fresh = |at: &Instant| now.duration_since(*at) < every;
        if looked.get(user).is_some_and(fresh) {
            return false;
        }
        if looked.len() >= USERS {
            looked.retain(|_, at| fresh(at));
        }
        looked.insert(user.to_owned(), now);
        true
    }

    /// Tombstones of the caller's infrastructures whose operation has no credentials any more.
    async fn search_again(&self, caller: &Caller) -> ServiceResult<()> {
        let mine = caller.credentials().of_kind(IM);
        let names = mine.map(|line| line.plain("username").to_owned()).collect();
        let store = self.engine.store();
        let graves = store.graves(&Graves::Of(Owned::By(names))).await;
        let mut tried = 0;
        for grave in graves.map_err(|e| database(&e))? {
            if tried >= AT_ONCE {
                break;
            }
            let state = self.engine.snapshot(&grave.infra).await.map_err(|e| database(&e))?;
            if !state.is_some_and(|s| caller.may_access(&s.infra.owners)) {
                continue;
            }
            tried += 1;
            let reach = |cloud: &CloudRef| self.reach(caller.credentials(), &grave.infra, cloud);
            let searched = self.engine.search_again(&grave.infra, reach).await;
            let searched = searched.map_err(|e| database(&e))?;
            for why in searched.refused.iter().chain(&searched.failed) {
                tracing::debug!(infra = %grave.infra, "what was removed could not be searched for again: {why}");
            }
        }
        Ok(())
    }

    fn reach(&self, credentials: &Credentials, infra: &InfraId, cloud: &CloudRef) -> Result<Reach, StepError> {
        let flow = &self.flow;
        let found = flow.connectors.reach(credentials, cloud).map_err(|e| match e {
            CloudsError::Credentials(message) => StepError::NeedsCredentials { message },
            other => StepError::failed(other.to_string()),
        })?;
        let cx = found.cx(infra, &flow.deployment, None, flow.options.call_deadline);
        Ok(Reach {
            connector: found.connector,
            cx,
        })
    }

    async fn look_through(&self, caller: &Caller) {
        match self.remove(caller).await {
            Ok(found) => {
                for orphan in &found.orphans {
                    tracing::warn!(infra = %orphan.infrastructure, cloud = %orphan.cloud, id = %orphan.id,
                        status = ?orphan.status, "bears our mark and belongs to nothing; `im orphans` tells more");
                }
            }
            Err(error) => tracing::debug!("clouds could not be looked through: {error}"),
        }
    }

    /// What the caller's clouds have of ours that belongs to nothing.
    pub(crate) async fn list(&self, caller: &Caller) -> ServiceResult<Orphans> {
        let (seen, errors) = self.survey(caller).await?;
        Ok(Orphans {
            orphans: seen.into_iter().map(|s| s.orphan).collect(),
            removed: Vec::new(),
            errors,
        })
    }

    /// The same, after the removal of what is proved to be dead.
    pub(crate) async fn remove(&self, caller: &Caller) -> ServiceResult<Orphans> {
        let (seen, errors) = self.survey(caller).await?;
        let mut all = Orphans {
            errors,
            ..Orphans::default()
        };
        for Seen { orphan, place, dead } in seen {
            let Some(row) = dead else {
                all.orphans.push(orphan);
                continue;
            };
            let target = Target {
                key: row.key.clone(),
                kind: row.kind,
                name: row.name.clone(),
                frozen: row.frozen.clone(),
                cloud_id: Some(orphan.id.clone()),
            };
            let cx = self.cx(&place.cloud, &orphan.infrastructure, Some(&place.account));
            match self.call(place.cloud.connector.ensure_absent(&cx, &target)).await {
                Ok(_) => {
                    tracing::info!(infra = %orphan.infrastructure, kind = %orphan.kind, id = %orphan.id,
                        "was removed before and is removed again");
                    all.removed.push(orphan);
                }
                Err(error) => {
                    all.errors.push(problem(&place.cloud, &error));
                    all.orphans.push(orphan);
                }
            }
        }
        Ok(all)
    }

    fn cx(&self, cloud: &Cloud, infra: &InfraId, account: Option<&Account>) -> Cx {
        let flow = &self.flow;
        cloud.cx(infra, &flow.deployment, account.cloned(), flow.options.call_deadline)
    }

    async fn call<T>(&self, call: impl Future<Output = Result<T, CloudError>>) -> Result<T, CloudError> {
        let late = || CloudError::unknown(ErrorKind::Unavailable, "the cloud did not answer in time");
        let limit = self.flow.options.call_deadline + Duration::from_secs(1);
        timeout(limit, call).await.unwrap_or_else(|_| Err(late()))
    }

    async fn survey(&self, caller: &Caller) -> ServiceResult<(Vec<Seen>, Vec<OrphanProblem>)> {
        let clouds = self.flow.connectors.clouds(caller.credentials());
        let mut clouds = clouds.map_err(|e| ServiceError::Refused(e.to_string()))?;
        clouds.retain(|cloud| self.flow.connectors.has_outside(&cloud.cloud.kind));
        let mut errors = Vec::new();
        // Several lines may name one account; each object is told once.
        let mut found: BTreeMap<Identity, (Arc<Place>, Found)> = BTreeMap::new();
        for (cloud, answer) in join_all(clouds.into_iter().map(|cloud| self.ask(cloud))).await {
            match answer {
                Ok((account, objects)) => {
                    let place = Arc::new(Place { cloud, account });
                    for object in objects {
                        let kind = place.cloud.cloud.kind.clone();
                        let id = (kind, place.account.clone(), object.kind, object.cloud_id.clone());
                        found.entry(id).or_insert_with(|| (Arc::clone(&place), object));
                    }
                }
                Err(error) => errors.push(problem(&cloud, &error)),
            }
        }
        let mut by_infra: BTreeMap<InfraId, Vec<(Arc<Place>, Found)>> = BTreeMap::new();
        for (place, object) in found.into_values() {
            by_infra
                .entry(object.mark.infra.clone())
                .or_default()
                .push((place, object));
        }
        let mut seen = Vec::new();
        for (infra, objects) in by_infra {
            self.judge(caller, &infra, objects, &mut seen).await?;
        }
        Ok((seen, errors))
    }

    async fn ask(&self, cloud: Cloud) -> (Cloud, Result<(Account, Vec<Found>), CloudError>) {
        let nowhere = InfraId::from("");
        let asked = async {
            let account = cloud.connector.account(&self.cx(&cloud, &nowhere, None)).await?;
            let cx = self.cx(&cloud, &nowhere, Some(&account));
            let found = self.call(cloud.connector.find_all(&cx)).await?;
            Ok((account, found))
        };
        let answer = asked.await;
        (cloud, answer)
    }

    /// What the rows say of the objects of one infrastructure. Of those that the caller may not touch nothing is told.
    async fn judge(
        &self,
        caller: &Caller,
        infra: &InfraId,
        objects: Vec<(Arc<Place>, Found)>,
        seen: &mut Vec<Seen>,
    ) -> ServiceResult<()> {
        let state = self.engine.snapshot(infra).await.map_err(|e| database(&e))?;
        if state.as_ref().is_some_and(|s| !caller.may_access(&s.infra.owners)) {
            return Ok(());
        }
        let living = |key: &Key| state.as_ref().is_some_and(|s| s.resources.contains_key(key));
        let deleted = state.as_ref().is_some_and(|s| s.infra.deleted);
        let tombstones = if state.is_some() {
            self.engine.store().tombstones(infra).await.map_err(|e| database(&e))?
        } else {
            Vec::new()
        };
        let released: BTreeSet<&Key> = tombstones
            .iter()
            .filter(|t| t.row.state == ResourceState::Released)
            .map(|t| &t.row.key)
            .collect();
        for (place, object) in objects {
            let key = &object.mark.key;
            if released.contains(key) || (living(key) && !deleted) {
                continue;
            }
            // A mark can be copied, but not onto something of another kind or at another account.
            let same = |row: &Resource| row.kind == object.kind && row.account == place.account;
            let dead = tombstones.iter().find(|t| t.row.key == *key && same(&t.row));
            let status = match dead {
                _ if living(key) => OrphanStatus::LeftBehind,
                Some(_) => OrphanStatus::Dead,
                None => OrphanStatus::Unknown,
            };
            seen.push(Seen {
                orphan: Orphan {
                    cloud: place.cloud.cloud.id.clone(),
                    account: place.account.to_string(),
                    kind: object.kind,
                    id: object.cloud_id,
                    name: object.name,
                    infrastructure: infra.clone(),
                    key: object.mark.key,
                    status,
                },
                dead: dead.filter(|_| status == OrphanStatus::Dead).map(|t| t.row.clone()),
                place,
            });
        }
        Ok(())
    }
}

fn problem(cloud: &Cloud, error: &CloudError) -> OrphanProblem {
    OrphanProblem {
        cloud: cloud.cloud.id.clone(),
        message: error.message.clone(),
    }
}
