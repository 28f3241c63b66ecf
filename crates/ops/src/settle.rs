//! Tombstones are searched for once more.
//!
//! What was removed, or was found absent, may still come to be: by a call of an owner that was cut off, or one that a
//! cloud carries out late. After the lease, a call's deadline and the cloud's listing lag no such call is left; what bears
//! the key of a tombstone then is removed under that key. The operation has long been answered; its row keeps its
//! request, and the credentials in it, until this is done, and no longer than [`crate::EngineOptions::keep_requests`].
//! After that it is left to whoever brings credentials for the account ([`Engine::search_again`]).
//!
//! No fence is needed for the calls: a key that has a tombstone is never used again, so whoever removes what bears it, and
//! however often, does no harm. Only the note that it was done is written under one.

use crate::{
    engine::Engine,
    inner::Inner,
    workflow::{Job, Reach, StepError},
};
use futures::{FutureExt, StreamExt, stream};
use im_cloud::{CloudError, Cx, ErrorKind, Found, Target};
use im_model::{Account, CloudRef, EventBody, InfraId, Key, Millis, Resource, ResourceState, Unit};
use im_store::{Grave, Graves, StoreResult, Tombstone, Write};
use std::{
    collections::{BTreeMap, HashMap},
    panic::AssertUnwindSafe,
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::time::{Instant, timeout};

/// Infrastructures searched at once.
const AT_ONCE: usize = 8;
/// The longest pause between two looks where the database serves others too, and where it does not.
const LOOK: (Duration, Duration) = (Duration::from_mins(1), Duration::from_mins(10));
/// The first and the longest pause after a search that failed.
const PAUSES: (Duration, Duration) = (Duration::from_secs(10), Duration::from_mins(10));

/// What a search for tombstones of one infrastructure came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Searched {
    /// How many tombstones are settled now: nothing that bears their keys is there, and nothing will be.
    pub settled: usize,
    /// What was found after it had been gone, and was removed.
    pub removed: Vec<Key>,
    /// Places where the search failed, and why; it may be repeated.
    pub failed: Vec<String>,
    /// Places for which these credentials are of no use, and why.
    pub refused: Vec<String>,
    /// When the next tombstone will be due, on the database's clock.
    pub next: Option<Millis>,
}

/// Tombstones of one account at one cloud.
type Places = BTreeMap<(Arc<CloudRef>, Account), Vec<Tombstone>>;

impl Engine {
    /// Searches once more for whatever the tombstones of an infrastructure say is gone, as far as their settle time is
    /// over and `reach` gives a way to their clouds, and removes what is found under its own key.
    pub async fn search_again<F>(&self, infra: &InfraId, reach: F) -> StoreResult<Searched>
    where
        F: Fn(&CloudRef) -> Result<Reach, StepError> + Send + Sync,
    {
        let store = self.store();
        let mut places = Places::new();
        for tombstone in store.tombstones(infra).await? {
            if tombstone.row.state == ResourceState::Gone && tombstone.searched.is_none() {
                let place = (Arc::clone(&tombstone.row.cloud), tombstone.row.account.clone());
                places.entry(place).or_default().push(tombstone);
            }
        }
        let mut searched = Searched::default();
        let mut writes = Vec::new();
        for ((cloud, account), dead) in places {
            let reach = match reach(&cloud) {
                Ok(reach) => reach,
                Err(StepError::NeedsCredentials { message }) => {
                    searched.refused.push(message);
                    continue;
                }
                Err(error) => {
                    searched.failed.push(error.to_string());
                    continue;
                }
            };
            // Asked for each place, since a search may take long.
            let now = store.now().await?;
            let lag = Duration::from_millis(reach.connector.capability().listing_lag_ms);
            let wait = millis(self.inner.options.grave_time() + lag);
            let due = |t: &Tombstone| t.since.saturating_add(wait) <= now;
            if let Some(next) = dead.iter().filter(|t| !due(t)).map(|t| t.since + wait).min() {
                searched.next = Some(searched.next.map_or(next, |n| n.min(next)));
            }
            if !dead.iter().any(due) {
                continue;
            }
            let cx = Cx {
                infra: infra.clone(),
                account: Some(account),
                ..reach.cx.clone()
            };
            let left = match self.remove_dead(&reach, &cx, &dead, &mut searched, &mut writes).await {
                Ok(left) => left,
                Err(error) if matches!(error.kind, ErrorKind::Unauthorized | ErrorKind::WrongAccount) => {
                    searched.refused.push(error.message);
                    continue;
                }
                Err(error) => {
                    searched.failed.push(error.message);
                    continue;
                }
            };
            for tombstone in dead.iter().filter(|t| due(t) && !left.contains(&t.row.key)) {
                searched.settled += 1;
                writes.push(Write::Searched {
                    key: tombstone.row.key.clone(),
                });
            }
        }
        if !writes.is_empty() && !self.update(infra, move |_| writes).await? {
            // Another instance has it. What was done is done; it will do the same, and write it down.
            searched.settled = 0;
        }
        Ok(searched)
    }

    /// Removes what is there of these; answers the keys of what could not be removed.
    async fn remove_dead(
        &self,
        reach: &Reach,
        cx: &Cx,
        dead: &[Tombstone],
        searched: &mut Searched,
        writes: &mut Vec<Write>,
    ) -> Result<Vec<Key>, CloudError> {
        let found = self.call(reach.connector.find(cx)).await?;
        let dead: HashMap<&Key, &Resource> = dead.iter().map(|t| (&t.row.key, &t.row)).collect();
        let mut left = Vec::new();
        for (row, found) in found.iter().filter_map(|f| Some((*dead.get(&f.mark.key)?, f))) {
            tracing::warn!(infra = %row.infra, kind = %row.kind, name = %row.name, id = %found.cloud_id,
                "is there after it was gone; it is removed");
            let target = target(row, found);
            let (outcome, error) = match self.call(reach.connector.ensure_absent(cx, &target)).await {
                Ok(_) => {
                    searched.removed.push(row.key.clone());
                    ("succeeded", None)
                }
                Err(error) => {
                    left.push(row.key.clone());
                    searched.failed.push(error.message.clone());
                    ("failed", Some(error.message))
                }
            };
            writes.push(Write::Event(EventBody::Step {
                name: format!("remove {} {} that came late", row.kind, row.name),
                vms: match row.unit {
                    Unit::Vm(vm) => vec![vm],
                    Unit::Infra => Vec::new(),
                },
                outcome: outcome.to_owned(),
                error,
            }));
        }
        Ok(left)
    }

    /// A call of a connector: it ends in time, and takes nothing with it if it panics.
    async fn call<T>(&self, call: impl Future<Output = Result<T, CloudError>>) -> Result<T, CloudError> {
        let lost = |why: &str| CloudError::unknown(ErrorKind::Unavailable, why);
        match timeout(self.inner.options.call_deadline, AssertUnwindSafe(call).catch_unwind()).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(lost("internal error in the connector; the service's log says more")),
            Err(_) => Err(lost("the cloud did not answer in time")),
        }
    }
}

/// What was found, as something to make be gone.
fn target(row: &Resource, found: &Found) -> Target {
    Target {
        key: row.key.clone(),
        kind: row.kind,
        name: row.name.clone(),
        frozen: row.frozen.clone(),
        cloud_id: Some(found.cloud_id.clone()),
    }
}

fn millis(duration: Duration) -> Millis {
    Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX)
}

fn after(now: Millis, then: Millis) -> Duration {
    Duration::from_millis(u64::try_from(then.saturating_sub(now)).unwrap_or(0))
}

/// Looks after the graves for as long as the engine lives.
pub(crate) fn start(engine: &Arc<Engine>) {
    let (inner, engine) = (Arc::clone(&engine.inner), Arc::downgrade(engine));
    let spawner = Arc::clone(&inner);
    spawner.spawn(async move { Keeper::new(inner, engine).run().await });
}

struct Keeper {
    inner: Arc<Inner>,
    engine: Weak<Engine>,
    /// Searches that failed: how often, and when the next is made.
    failed: HashMap<InfraId, (u32, Instant)>,
}

/// What is to happen next with a grave.
enum Next {
    /// It needs no look of ours any more.
    Settled,
    At(Instant),
    /// After a pause that grows.
    Again,
}

impl Keeper {
    fn new(inner: Arc<Inner>, engine: Weak<Engine>) -> Self {
        Self {
            inner,
            engine,
            failed: HashMap::new(),
        }
    }

    async fn run(mut self) {
        let longest = if self.inner.store.exclusive() { LOOK.1 } else { LOOK.0 };
        let mut next = Instant::now();
        loop {
            tokio::select! {
                () = self.inner.stopping.cancelled() => return,
                () = self.inner.buried.notified() => {
                    next = next.min(Instant::now() + self.inner.options.grave_time());
                    continue;
                }
                () = tokio::time::sleep_until(next) => {}
            }
            let Some(engine) = self.engine.upgrade() else { return };
            let found = self.look(&engine).await;
            drop(engine);
            let latest = Instant::now() + longest;
            next = match found {
                Ok(soonest) => soonest.map_or(latest, |s| s.min(latest)),
                Err(error) => {
                    tracing::warn!("looking for what was removed: {error}");
                    Instant::now() + PAUSES.0
                }
            };
        }
    }

    /// Searches for what is due. Answers when to look again, as far as that is known.
    async fn look(&mut self, engine: &Engine) -> StoreResult<Option<Instant>> {
        let graves = engine.store().graves(&Graves::WithRequest).await?;
        let now = engine.store().now().await?;
        let wait = millis(self.inner.options.grave_time());
        self.failed.retain(|infra, _| graves.iter().any(|g| g.infra == *infra));
        let mut soonest: Option<Instant> = None;
        let mut due = Vec::new();
        for grave in graves {
            let from = Instant::now() + after(now, grave.since.saturating_add(wait));
            let from = self.failed.get(&grave.infra).map_or(from, |(_, at)| from.max(*at));
            if from <= Instant::now() {
                due.push(grave);
            } else {
                soonest = Some(soonest.map_or(from, |s| s.min(from)));
            }
        }
        let searches: Vec<(InfraId, Next)> = stream::iter(due)
            .map(|grave| async move {
                let next = search(engine, &grave, now).await;
                let next = next.unwrap_or_else(|error| {
                    tracing::warn!(infra = %grave.infra, "{error}");
                    Next::Again
                });
                (grave.infra, next)
            })
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        for (infra, next) in searches {
            let at = match next {
                Next::Settled => {
                    self.failed.remove(&infra);
                    continue;
                }
                Next::At(at) => {
                    self.failed.remove(&infra);
                    at
                }
                Next::Again => {
                    let (tries, at) = self.failed.entry(infra).or_insert((0, Instant::now()));
                    let pause = PAUSES.0 * 2u32.saturating_pow((*tries).min(10));
                    *tries += 1;
                    *at = Instant::now() + pause.min(PAUSES.1);
                    *at
                }
            };
            soonest = Some(soonest.map_or(at, |s| s.min(at)));
        }
        Ok(soonest)
    }
}

/// One infrastructure, with the requests that were kept for it, the newest first.
async fn search(engine: &Engine, grave: &Grave, now: Millis) -> StoreResult<Next> {
    let options = &engine.inner.options;
    let keep = millis(options.grave_time() + options.keep_requests);
    let too_old = grave.since.saturating_add(keep) < now;
    let kept = if options.keep_requests.is_zero() {
        Vec::new()
    } else {
        engine.store().kept_requests(&grave.infra).await?
    };
    for operation in kept {
        let job = Job {
            operation: Arc::new(operation),
            resumed: false,
        };
        let reach = |cloud: &CloudRef| engine.inner.workflow.reach(&job, cloud);
        let searched = engine.search_again(&grave.infra, reach).await?;
        let (infra, operation) = (&grave.infra, &job.operation.id);
        for why in &searched.refused {
            tracing::info!(%infra, %operation, "what was removed is not searched for with these credentials: {why}");
        }
        for why in &searched.failed {
            tracing::info!(%infra, %operation, "what was removed could not be searched for: {why}");
        }
        // Older credentials may open what newer ones do not.
        if !searched.refused.is_empty() && searched.next.is_none() && searched.failed.is_empty() {
            continue;
        }
        match searched.next {
            _ if !searched.failed.is_empty() && too_old => break,
            _ if !searched.failed.is_empty() => return Ok(Next::Again),
            Some(next) => return Ok(Next::At(Instant::now() + after(now, next))),
            None => return Ok(Next::Settled),
        }
    }
    tracing::info!(infra = %grave.infra, "what was removed is searched for when a caller brings credentials");
    engine.update(&grave.infra, |_| vec![Write::DropRequests]).await?;
    Ok(Next::Settled)
}
