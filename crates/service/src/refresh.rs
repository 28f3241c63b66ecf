//! Asking clouds what their VMs do: only observes. One question per cloud and infrastructure at a time, a reader waits
//! a bounded time for its answer, and what was heard is written only if nobody changed the VM meanwhile.

use crate::{flow::Flow, logs::now, materialize, states::Next};
use im_cloud::Seen;
use im_model::{Account, CloudRef, Credentials, InfraId, Millis, Vm, VmId, VmState};
use im_ops::Engine;
use im_store::{InfraState, Write};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::watch;

/// How many places are remembered before those that say nothing any more are forgotten.
const KEPT: usize = 4096;

/// What a cloud said of a VM, and the row as it was when it was asked.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    seen: Seen,
    row: Arc<Vm>,
}

/// A cloud as one account sees it: what is asked in one call.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Place {
    infra: InfraId,
    cloud: Arc<CloudRef>,
    account: Option<Account>,
}

impl Place {
    fn of(infra: &InfraId, vm: &Vm) -> Self {
        Self {
            infra: infra.clone(),
            cloud: vm.cloud.clone(),
            account: vm.account.clone(),
        }
    }
}

fn can_be_asked(vm: &Vm) -> bool {
    !vm.destroyed && vm.cloud_id.is_some() && vm.state != VmState::Deleting
}

/// Asks the clouds of these VMs, one call per cloud. VMs of clouds that do not answer are missing from the result.
pub(crate) async fn ask(
    flow: &Flow,
    state: &InfraState,
    credentials: &Credentials,
    vms: &[VmId],
) -> BTreeMap<VmId, Answer> {
    let mut places: HashMap<Place, Vec<Arc<Vm>>> = HashMap::new();
    let rows = vms
        .iter()
        .filter_map(|id| state.vms.get(id))
        .filter(|vm| can_be_asked(vm));
    for row in rows {
        places
            .entry(Place::of(&state.infra.id, row))
            .or_default()
            .push(row.clone());
    }
    let asked = places
        .into_iter()
        .map(|(place, rows)| async move { ask_place(flow, &place, credentials, rows).await.unwrap_or_default() });
    futures::future::join_all(asked).await.into_iter().flatten().collect()
}

async fn ask_place(
    flow: &Flow,
    place: &Place,
    credentials: &Credentials,
    rows: Vec<Arc<Vm>>,
) -> Option<BTreeMap<VmId, Answer>> {
    let cloud = flow.connectors.reach(credentials, &place.cloud).ok()?;
    let cx = cloud.cx(
        &place.infra,
        &flow.deployment,
        place.account.clone(),
        flow.options.call_deadline,
    );
    let ids: Vec<String> = rows
        .iter()
        .filter_map(|vm| vm.cloud_id.as_deref().map(str::to_owned))
        .collect();
    match cloud.connector.observe(&cx, &ids).await {
        Ok(seen) => {
            let answers = rows.into_iter().zip(seen);
            Some(answers.map(|(row, seen)| (row.id, Answer { seen, row })).collect())
        }
        Err(error) => {
            tracing::debug!(infra = %place.infra, cloud = %place.cloud.id, %error, "VMs could not be observed");
            None
        }
    }
}

/// What answers mean for the rows. Rows that changed since the question are left alone.
pub(crate) fn writes(state: &InfraState, answers: &BTreeMap<VmId, Answer>) -> Vec<Write> {
    let mut next = Next::new(state);
    for (id, answer) in answers {
        let Some(row) = state.vms.get(id) else { continue };
        if **row != *answer.row {
            continue;
        }
        let mut new = (**row).clone();
        match &answer.seen {
            Seen::There(observed) => {
                materialize::take(&mut new.own, observed);
                new.state = observed.state.unwrap_or(row.state);
            }
            // A machine that is being created may be missing from the cloud's lists for a while.
            Seen::NotThere if row.state == VmState::Pending => continue,
            Seen::NotThere => new.state = VmState::Off,
        }
        if new != **row {
            new.updated = now();
            next.vms.insert(*id, Arc::new(new));
        }
    }
    if next.vms.is_empty() { Vec::new() } else { next.writes() }
}

#[derive(Default)]
struct Known {
    /// When a question was last put, and when it was last answered.
    tried: HashMap<Place, Millis>,
    answered: HashMap<Place, Millis>,
    flights: HashMap<Place, watch::Receiver<bool>>,
}

/// Remembers when clouds were asked. A cache: may be dropped at any time.
#[derive(Default)]
pub(crate) struct Refresher {
    known: Mutex<Known>,
}

fn millis(duration: Duration) -> Millis {
    Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX)
}

impl Refresher {
    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings what is known of these VMs up to date where it is too old, within the reader's budget of time. Answers
    /// whether anybody was asked.
    pub(crate) async fn refresh<'v>(
        self: &Arc<Self>,
        flow: &Arc<Flow>,
        engine: &Arc<Engine>,
        credentials: &Arc<Credentials>,
        state: &Arc<InfraState>,
        vms: impl Iterator<Item = &'v Arc<Vm>>,
    ) -> bool {
        let mut places: Vec<Place> = Vec::new();
        for vm in vms.filter(|vm| can_be_asked(vm) && flow.connectors.has_outside(&vm.cloud.kind)) {
            let same = |p: &Place| p.cloud == vm.cloud && p.account == vm.account;
            if !places.iter().any(same) {
                places.push(Place::of(&state.infra.id, vm));
            }
        }
        let flights: Vec<_> = places
            .into_iter()
            .filter_map(|place| self.flight(flow, engine, credentials, state, place))
            .collect();
        if flights.is_empty() {
            return false;
        }
        let landed = flights.into_iter().map(|mut flight| async move {
            // An error means that the flight is over.
            let _ = flight.wait_for(|done| *done).await;
        });
        let _ = tokio::time::timeout(flow.options.refresh_budget, futures::future::join_all(landed)).await;
        true
    }

    /// The question under way, or a new one if it is time.
    fn flight(
        self: &Arc<Self>,
        flow: &Arc<Flow>,
        engine: &Arc<Engine>,
        credentials: &Arc<Credentials>,
        state: &Arc<InfraState>,
        place: Place,
    ) -> Option<watch::Receiver<bool>> {
        let mut known = self.lock();
        if let Some(flight) = known.flights.get(&place) {
            return Some(flight.clone());
        }
        let time = now();
        let fresh = |at: &Millis| time - at < millis(flow.options.refresh_after);
        if known.tried.get(&place).is_some_and(fresh) {
            return None;
        }
        if known.tried.len() >= KEPT {
            known.tried.retain(|_, at| fresh(at));
        }
        known.tried.insert(place.clone(), time);
        let (done, flight) = watch::channel(false);
        known.flights.insert(place.clone(), flight.clone());
        drop(known);
        let rows: Vec<Arc<Vm>> = state
            .vms
            .values()
            .filter(|vm| can_be_asked(vm) && vm.cloud == place.cloud && vm.account == place.account)
            .cloned()
            .collect();
        let (this, flow, engine, credentials) = (self.clone(), flow.clone(), engine.clone(), credentials.clone());
        tokio::spawn(async move {
            if let Some(answers) = ask_place(&flow, &place, &credentials, rows).await {
                let infra = place.infra.clone();
                let changed = answers.values().any(is_news);
                if changed && let Err(error) = engine.update(&infra, move |state| writes(state, &answers)).await {
                    tracing::debug!(%infra, %error, "what a cloud said could not be written");
                }
                let mut known = this.lock();
                if known.answered.len() >= KEPT {
                    let grace = millis(flow.options.grace);
                    known.answered.retain(|_, at| now() - *at <= grace);
                }
                known.answered.insert(place.clone(), now());
            }
            this.lock().flights.remove(&place);
            let _ = done.send(true);
        });
        Some(flight)
    }

    /// The state of a VM as far as it can still be believed: `unknown` when its cloud has not answered for too long.
    pub(crate) fn believed(&self, flow: &Flow, infra: &InfraId, vm: &Vm, shown: VmState) -> VmState {
        let judged = can_be_asked(vm) && vm.state != VmState::Pending && shown != VmState::Deleting;
        if !judged || !flow.connectors.has_outside(&vm.cloud.kind) {
            return shown;
        }
        let answered = self.lock().answered.get(&Place::of(infra, vm)).copied().unwrap_or(0);
        if now() - vm.updated.max(answered) > millis(flow.options.grace) {
            VmState::Unknown
        } else {
            shown
        }
    }

    /// Forgets when the VMs of an infrastructure were asked about: the next reader asks again.
    pub(crate) fn forget(&self, infra: &InfraId) {
        self.lock().tried.retain(|place, _| place.infra != *infra);
    }
}

/// Whether an answer says anything that the row does not.
fn is_news(answer: &Answer) -> bool {
    match &answer.seen {
        Seen::There(observed) => {
            let mut own = answer.row.own.clone();
            materialize::take(&mut own, observed);
            own != answer.row.own || observed.state.is_some_and(|s| s != answer.row.state)
        }
        Seen::NotThere => answer.row.state != VmState::Off,
    }
}
