//! Asking clouds what their VMs do: only observes. An account at a cloud is asked one thing at a time, and what others
//! want to know of it meanwhile goes into one call; a reader waits a bounded time for its answer; what was heard is written
//! only if nobody changed the VM meanwhile. What is missing at the cloud is never made here: that is an operation's work.

use crate::{connectors::Cloud, flow::Flow, logs::now, materialize, states::Next};
use futures::FutureExt as _;
use im_cloud::Seen;
use im_model::{Account, CloudRef, Credentials, InfraId, Millis, Vm, VmId, VmState};
use im_ops::Engine;
use im_store::{InfraState, Write};
use std::{
    collections::{BTreeMap, HashMap},
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::watch;

/// Between the first and the second word that a machine is gone.
const CONFIRM: Duration = Duration::from_millis(300);
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
    let seen = observe(flow, place, &cloud, &rows).await?;
    Some(answers(rows, seen))
}

fn answers(rows: Vec<Arc<Vm>>, seen: Vec<Seen>) -> BTreeMap<VmId, Answer> {
    let pairs = rows.into_iter().zip(seen);
    pairs.map(|(row, seen)| (row.id, Answer { seen, row })).collect()
}

/// What a cloud says of these VMs, all of one account, in their order. `None`: it does not answer.
async fn observe(flow: &Flow, place: &Place, cloud: &Cloud, rows: &[Arc<Vm>]) -> Option<Vec<Seen>> {
    let cx = cloud.cx(
        &place.infra,
        &flow.deployment,
        place.account.clone(),
        flow.options.call_deadline,
    );
    let id = |vm: &Arc<Vm>| vm.cloud_id.as_deref().unwrap_or_default().to_owned();
    let ids: Vec<String> = rows.iter().map(id).collect();
    let asked = async {
        let mut seen = cloud.connector.observe(&cx, &ids).await?;
        // A list may have a gap: that a machine is gone is believed when it has been said twice.
        let gone = |(n, seen): (usize, &Seen)| (*seen == Seen::NotThere && rows[n].state != VmState::Off).then_some(n);
        let missing: Vec<usize> = seen.iter().take(rows.len()).enumerate().filter_map(gone).collect();
        if !missing.is_empty() {
            tokio::time::sleep(CONFIRM).await;
            let again: Vec<String> = missing.iter().map(|n| ids[*n].clone()).collect();
            let second = cloud.connector.observe(&cx, &again).await?;
            for (n, answer) in missing.into_iter().zip(second) {
                seen[n] = answer;
            }
        }
        Ok::<_, im_cloud::CloudError>(seen)
    };
    match asked.await {
        Ok(seen) => Some(seen),
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

/// A cloud as one account sees it, whatever infrastructure: it is asked one thing at a time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Door {
    cloud: Arc<CloudRef>,
    account: Option<Account>,
}

/// What is to be asked about one infrastructure.
struct Question {
    place: Place,
    credentials: Arc<Credentials>,
    rows: Vec<Arc<Vm>>,
    /// Dropped when it has been answered, or cannot be.
    done: watch::Sender<bool>,
}

/// When a cloud last said something of the VMs of an infrastructure.
#[derive(Clone)]
struct Heard {
    cloud: Arc<CloudRef>,
    account: Option<Account>,
    at: Millis,
}

#[derive(Default)]
struct Known {
    /// When a question was last put.
    tried: HashMap<Place, Millis>,
    heard: HashMap<InfraId, Vec<Heard>>,
    flights: HashMap<Place, watch::Receiver<bool>>,
    /// Questions that wait until the account is asked again. The entry is there while it is being asked.
    queues: HashMap<Door, Vec<Question>>,
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
        let asked = |vm: &&Arc<Vm>| can_be_asked(vm) && vm.cloud == place.cloud && vm.account == place.account;
        let rows = state.vms.values().filter(asked).cloned().collect();
        let door = Door {
            cloud: place.cloud.clone(),
            account: place.account.clone(),
        };
        let question = Question {
            place,
            credentials: credentials.clone(),
            rows,
            done,
        };
        if let Some(queue) = known.queues.get_mut(&door) {
            queue.push(question);
            return Some(flight);
        }
        known.queues.insert(door.clone(), vec![question]);
        drop(known);
        let (this, flow, engine) = (self.clone(), flow.clone(), engine.clone());
        tokio::spawn(async move {
            while let Some(questions) = this.next(&flow, &door) {
                let places: Vec<Place> = questions.iter().map(|q| q.place.clone()).collect();
                let put = AssertUnwindSafe(this.put(&flow, &engine, questions)).catch_unwind();
                if put.await.is_err() {
                    tracing::error!(cloud = %door.cloud.id, "internal error while VMs were observed");
                    this.lock().flights.retain(|place, _| !places.contains(place));
                }
            }
        });
        Some(flight)
    }

    /// Questions that can be put in one call: those with the same credentials, where the account is known. `None`:
    /// nobody waits, and the next to come asks by itself.
    fn next(&self, flow: &Flow, door: &Door) -> Option<Vec<Question>> {
        let mut known = self.lock();
        let mut waiting = known.queues.remove(door).filter(|queue| !queue.is_empty())?.into_iter();
        let first = waiting.next()?;
        let line = |q: &Question| flow.connectors.reach(&q.credentials, &door.cloud).ok().map(|c| c.auth);
        let (mut together, mut rest) = (Vec::new(), Vec::new());
        let own = line(&first).filter(|_| door.account.is_some());
        for question in waiting {
            if own.is_some() && line(&question) == own {
                together.push(question);
            } else {
                rest.push(question);
            }
        }
        known.queues.insert(door.clone(), rest);
        together.insert(0, first);
        Some(together)
    }

    /// One call for all of them; what was heard is written where the rows are still those of the question.
    async fn put(&self, flow: &Flow, engine: &Engine, questions: Vec<Question>) {
        let mut seen = Vec::new();
        if let Some(first) = questions.first()
            && let Ok(cloud) = flow.connectors.reach(&first.credentials, &first.place.cloud)
        {
            let rows: Vec<Arc<Vm>> = questions.iter().flat_map(|q| q.rows.iter().cloned()).collect();
            seen = observe(flow, &first.place, &cloud, &rows).await.unwrap_or_default();
        }
        let mut seen = seen.into_iter();
        for Question { place, rows, done, .. } in questions {
            let own: Vec<Seen> = seen.by_ref().take(rows.len()).collect();
            if own.len() == rows.len() {
                self.heard(flow, engine, &place, answers(rows, own)).await;
            }
            self.lock().flights.remove(&place);
            let _ = done.send(true);
        }
    }

    async fn heard(&self, flow: &Flow, engine: &Engine, place: &Place, answers: BTreeMap<VmId, Answer>) {
        let infra = &place.infra;
        let changed = answers.values().any(is_news);
        if changed && let Err(error) = engine.update(infra, move |state| writes(state, &answers)).await {
            tracing::debug!(%infra, %error, "what a cloud said could not be written");
        }
        let mut known = self.lock();
        if known.heard.len() >= KEPT {
            let grace = millis(flow.options.grace);
            known.heard.retain(|_, all| all.iter().any(|h| now() - h.at <= grace));
        }
        let all = known.heard.entry(infra.clone()).or_default();
        all.retain(|h| h.cloud != place.cloud || h.account != place.account);
        all.push(Heard {
            cloud: place.cloud.clone(),
            account: place.account.clone(),
            at: now(),
        });
    }

    /// What can be believed of an infrastructure at this moment.
    pub(crate) fn belief<'f>(&self, flow: &'f Flow, infra: &InfraId) -> Belief<'f> {
        Belief {
            flow,
            heard: self.lock().heard.get(infra).cloned().unwrap_or_default(),
            oldest: now() - millis(flow.options.grace),
        }
    }

    /// Forgets when the VMs of an infrastructure were asked about: the next reader asks again.
    pub(crate) fn forget(&self, infra: &InfraId) {
        self.lock().tried.retain(|place, _| place.infra != *infra);
    }
}

/// How far the last word of each cloud can still be believed.
pub(crate) struct Belief<'f> {
    flow: &'f Flow,
    /// One per cloud and account; there are few.
    heard: Vec<Heard>,
    /// What was said before is not believed any more.
    oldest: Millis,
}

impl Belief<'_> {
    /// The state of a VM: `unknown` when its cloud has not answered for too long.
    pub(crate) fn of(&self, vm: &Vm, shown: VmState) -> VmState {
        let judged = can_be_asked(vm) && vm.state != VmState::Pending && shown != VmState::Deleting;
        if !judged || vm.updated >= self.oldest || !self.flow.connectors.has_outside(&vm.cloud.kind) {
            return shown;
        }
        let here = |h: &&Heard| (Arc::ptr_eq(&h.cloud, &vm.cloud) || h.cloud == vm.cloud) && h.account == vm.account;
        match self.heard.iter().find(here) {
            Some(heard) if heard.at >= self.oldest => shown,
            _ => VmState::Unknown,
        }
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
