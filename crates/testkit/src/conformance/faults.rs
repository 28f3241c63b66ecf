//! What goes wrong between a connector and its cloud, and what must still hold: every fault on every call that each
//! operation of a connector makes, one at a time.
//!
//! The seed of a [`Subject`] decides how long delays are and in which order the faults come.

use super::{Made, Subject, World};
use im_cloud::{CloudError, Cx, Draw as _, FirstOrResume, Outcome, Seen, Wanted};
use im_model::{Idempotence, Power, ResourceKind, Supports, VmId, VmState};
use std::{collections::BTreeMap, future::Future, time::Duration};

/// What goes wrong with one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The request never arrives; the connection breaks.
    DropRequest,
    /// The request arrives and is carried out; the answer never comes back.
    DropAnswer,
    /// The request arrives so much later; its caller waits.
    Delay(Duration),
    /// The request arrives twice; the answer is the second one's.
    Repeat,
    /// The connection breaks; the request arrives [`LATE`] afterwards all the same.
    Late,
}

/// How late.
pub const LATE: Duration = Duration::from_millis(400);
/// The longest delay.
const LONGEST_DELAY: u32 = 300;
/// Calls that one operation of a connector may make; more is a circle.
const MOST_CALLS: u32 = 60;

/// Something that can make calls go wrong.
pub trait Faults: Send + Sync {
    /// Lets the call number `call` from now, counted from 0, go wrong. For [`Fault::Late`] only calls that change
    /// something count: what is read late is read by nobody.
    fn arm(&self, fault: Fault, call: u32);
    /// Lets nothing go wrong any more; names the call that went wrong, if one did.
    fn disarm(&self) -> Option<String>;
    /// Calls so far.
    fn calls(&self) -> u64;
}

impl Fault {
    /// One of each, in an order and with a delay that follow from the seed.
    pub fn all(seed: u64) -> Vec<Self> {
        let mut draw = super::Seeded(seed);
        let delay = Duration::from_millis(u64::from(1 + draw.below(LONGEST_DELAY)));
        let mut faults = vec![
            Self::DropRequest,
            Self::DropAnswer,
            Self::Delay(delay),
            Self::Repeat,
            Self::Late,
        ];
        let mut order = Vec::new();
        while !faults.is_empty() {
            let bound = u32::try_from(faults.len()).unwrap_or(1);
            order.push(faults.swap_remove(draw.below(bound) as usize));
        }
        order
    }

    /// Why this fault is not for creating things at the subject's cloud, if it is not.
    pub fn excluded(self, subject: &Subject) -> Option<&'static str> {
        let creates = subject.connector.capability().creates;
        let free = creates
            .values()
            .any(|how| matches!(how, Idempotence::MarkThenSearch | Idempotence::Unmarkable));
        (free && matches!(self, Self::Repeat | Self::Late)).then_some(
            "names are free there: of a request that arrives twice or late the engine's settle time takes care",
        )
    }
}

/// Promises 8 and 9: whatever single call goes wrong under a read, it answers the same or fails for now, and answers
/// the same afterwards.
pub async fn reads_survive_faults(subject: &Subject) {
    // What is read late is read by nobody: that is a request that never arrives.
    for fault in Fault::all(subject.seed).into_iter().filter(|f| *f != Fault::Late) {
        reads_survive(subject, fault).await;
    }
}

async fn reads_survive(subject: &Subject, fault: Fault) {
    let world = subject.world();
    let made = world.launch(subject, 1).await;
    let (connector, cx) = (&subject.connector, &world.cx);
    let vm = made.iter().find(|m| m.wanted.kind == ResourceKind::Vm).unwrap();
    let ids = [vm.observed.cloud_id.clone(), "0".repeat(64)];
    read(subject, fault, "account", || connector.account(cx)).await;
    let sorted = |mut found: Vec<im_cloud::Found>| {
        found.sort_by(|a, b| (a.kind, &a.cloud_id).cmp(&(b.kind, &b.cloud_id)));
        found
    };
    read(subject, fault, "find", || async {
        connector.find(cx).await.map(sorted)
    })
    .await;
    read(subject, fault, "find_all", || async {
        connector.find_all(cx).await.map(sorted)
    })
    .await;
    read(subject, fault, "observe", || connector.observe(cx, &ids)).await;
    let request = world.request(subject, 1);
    read(subject, fault, "resolve", || async {
        // What is free may be another the next time.
        connector.resolve(cx, &request).await.map(drop)
    })
    .await;
    let capability = connector.capability();
    if capability.images == Supports::Yes {
        let all = BTreeMap::new();
        // Others of a shared daemon have images, too.
        read(subject, fault, "images", || async {
            connector.images(cx, &all).await.map(|images| images.is_empty())
        })
        .await;
    }
    if capability.quotas == Supports::Yes {
        read(subject, fault, "quotas", || async {
            connector
                .quotas(cx)
                .await
                .map(|quotas| quotas.into_keys().collect::<Vec<_>>())
        })
        .await;
    }
    world.remove(subject, &made).await.unwrap();
}

async fn read<T: PartialEq + std::fmt::Debug, F: Future<Output = Result<T, CloudError>>>(
    subject: &Subject,
    fault: Fault,
    what: &str,
    ask: impl Fn() -> F,
) {
    let faults = subject.faults.as_ref().unwrap();
    let expected = ask().await.unwrap();
    for call in 0.. {
        assert!(call < MOST_CALLS, "{what} calls without end");
        faults.arm(fault, call);
        let answer = ask().await;
        let hit = faults.disarm();
        let place = format!("{what}, {fault:?} of call {call} ({hit:?}), seed {}", subject.seed);
        match answer {
            Ok(answer) => assert_eq!(answer, expected, "{place}"),
            Err(error) => assert!(error.is_temporary(), "{place}: {error:?}"),
        }
        assert_eq!(ask().await.unwrap(), expected, "after {place}");
        if hit.is_none() {
            break;
        }
    }
}

/// Promises 2, 4 and 5: whatever single call goes wrong while something is made, repeating under the same key where the
/// outcome is unknown, or under the next where nothing was applied, ends with exactly one.
#[allow(clippy::print_stdout, reason = "that is how a test says what it left out")]
pub async fn creates_survive_faults(subject: &Subject) {
    for fault in Fault::all(subject.seed) {
        if let Some(why) = fault.excluded(subject) {
            println!("excluded: creates_survive_faults, {fault:?}: {why}");
        } else {
            creates_survive(subject, fault).await;
        }
    }
}

/// [`creates_survive_faults`] for one fault.
pub async fn creates_survive(subject: &Subject, fault: Fault) {
    let faults = subject.faults.as_ref().unwrap();
    let world = subject.world();
    let plan = world.plan(subject, &world.request(subject, 1)).await.unwrap();
    let mut made: Vec<Made> = Vec::new();
    for (vm, resource) in World::in_order(&plan) {
        for call in 0.. {
            assert!(call < MOST_CALLS, "creating {} calls without end", resource.name);
            faults.arm(fault, call);
            let (one, keys) = create(subject, &world, vm, &resource, &made).await;
            let hit = faults.disarm();
            if fault == Fault::Late && hit.is_some() {
                tokio::time::sleep(LATE * 2).await;
            }
            let place = format!(
                "{} {}, {fault:?} of call {call} ({hit:?}), seed {}",
                resource.kind, resource.name, subject.seed
            );
            let found = subject.connector.find(&world.cx).await.unwrap();
            let same: Vec<_> = found.iter().filter(|f| keys.contains(&f.mark.key)).collect();
            assert_eq!(same.len(), 1, "{place}: {same:?}");
            assert_eq!(same[0].cloud_id, one.observed.cloud_id, "{place}");
            assert_eq!(same[0].mark.key, one.wanted.key, "{place}");
            assert_eq!(
                found.len(),
                made.len() + 1,
                "{place}: more than was asked for: {found:?}"
            );
            if resource.kind == ResourceKind::Vm {
                is_there(subject, &world, &one.observed.cloud_id, &place).await;
            }
            if hit.is_none() {
                made.push(one);
                break;
            }
            world.remove(subject, &[one]).await.unwrap();
        }
    }
    world.remove(subject, &made).await.unwrap();
    assert_eq!(subject.connector.find(&world.cx).await.unwrap(), []);
}

/// Makes one resource as the engine does. Also answers the keys under which it was tried.
async fn create(
    subject: &Subject,
    world: &World,
    vm: Option<VmId>,
    resource: &im_cloud::WantedResource,
    made: &[Made],
) -> (Made, Vec<im_model::Key>) {
    let mut wanted = world.wanted(vm, resource, made);
    let mut keys = vec![wanted.key.clone()];
    let mut run = FirstOrResume::First;
    for _ in 0..6 {
        match world.ensure(subject, &wanted, run).await {
            Ok(observed) => return (Made { wanted, observed }, keys),
            Err(error) if error.outcome == Outcome::Unknown => run = FirstOrResume::Resume,
            Err(error) => {
                let found = subject.connector.find(&world.cx).await.unwrap();
                let left = found.iter().any(|f| f.mark.key == wanted.key);
                assert!(!left, "failed as not applied, and left something: {error}");
                wanted = world.wanted(vm, resource, made);
                keys.push(wanted.key.clone());
                run = FirstOrResume::First;
            }
        }
    }
    panic!("{} {} does not come to exist", resource.kind, resource.name)
}

async fn is_there(subject: &Subject, world: &World, id: &str, place: &str) {
    let seen = subject.connector.observe(&world.cx, &[id.to_owned()]).await.unwrap();
    let up = matches!(&seen[..], [Seen::There(o)] if o.state.is_none_or(VmState::is_up));
    assert!(up, "{place}: {seen:?}");
}

/// Promise 6: whatever single call goes wrong while something is removed, asking again ends with it gone; what the
/// call said before was not untrue.
pub async fn removals_survive_faults(subject: &Subject) {
    for fault in Fault::all(subject.seed) {
        removals_survive(subject, fault).await;
    }
}

/// [`removals_survive_faults`] for one fault.
pub async fn removals_survive(subject: &Subject, fault: Fault) {
    let faults = subject.faults.as_ref().unwrap();
    let world = subject.world();
    let plan = world.plan(subject, &world.request(subject, 1)).await.unwrap();
    let mut made: Vec<Made> = Vec::new();
    for (vm, resource) in World::in_order(&plan) {
        // Once by its id, once by its mark alone.
        for by_id in [true, false] {
            for call in 0.. {
                assert!(call < MOST_CALLS, "removing {} calls without end", resource.name);
                let (one, _) = create(subject, &world, vm, &resource, &made).await;
                let id = by_id.then_some(one.observed.cloud_id.as_str());
                let target = World::target(&one.wanted, id);
                faults.arm(fault, call);
                let first = subject.connector.ensure_absent(&world.cx, &target).await;
                let hit = faults.disarm();
                let place = format!(
                    "{} {}, {fault:?} of call {call} ({hit:?}), seed {}",
                    resource.kind, resource.name, subject.seed
                );
                let left = |found: &[im_cloud::Found]| found.iter().any(|f| f.mark.key == one.wanted.key);
                match first {
                    Ok(_) => {
                        let found = subject.connector.find(&world.cx).await.unwrap();
                        assert!(!left(&found), "{place}: said to be gone, and found");
                    }
                    Err(error) => {
                        assert!(error.is_temporary(), "{place}: {error:?}");
                        subject.connector.ensure_absent(&world.cx, &target).await.unwrap();
                    }
                }
                if fault == Fault::Late && hit.is_some() {
                    tokio::time::sleep(LATE * 2).await;
                }
                let found = subject.connector.find(&world.cx).await.unwrap();
                assert!(!left(&found), "{place}: removed, and found");
                assert_eq!(found.len(), made.len(), "{place}: something else is gone: {found:?}");
                if hit.is_none() {
                    break;
                }
            }
        }
        made.push(create(subject, &world, vm, &resource, &made).await.0);
    }
    world.remove(subject, &made).await.unwrap();
}

/// Promise 13: whatever single call goes wrong while a VM is switched or changed, asking again ends as if nothing had.
pub async fn changes_survive_faults(subject: &Subject) {
    for fault in Fault::all(subject.seed) {
        changes_survive(subject, fault).await;
    }
}

/// [`changes_survive_faults`] for one fault.
pub async fn changes_survive(subject: &Subject, fault: Fault) {
    let world = subject.world();
    let made = world.launch(subject, 1).await;
    let (connector, cx) = (&subject.connector, &world.cx);
    let vm = made.iter().find(|m| m.wanted.kind == ResourceKind::Vm).unwrap();
    let id = vm.observed.cloud_id.as_str();
    let capability = connector.capability();
    if capability.power == Supports::Yes {
        change(subject, fault, "start", || connector.power(cx, id, Power::Start)).await;
        is_there(subject, &world, id, "started").await;
        change(subject, fault, "stop", || connector.power(cx, id, Power::Stop)).await;
        let seen = connector.observe(cx, &[id.to_owned()]).await.unwrap();
        let stopped = matches!(&seen[..], [Seen::There(o)] if o.state.is_none_or(|s| s == VmState::Stopped));
        assert!(stopped, "{fault:?}: {seen:?}");
        change(subject, fault, "start again", || connector.power(cx, id, Power::Start)).await;
        is_there(subject, &world, id, "started again").await;
    }
    if capability.alter == Supports::Yes {
        let current = subject.system();
        let mut wanted = (*current).clone();
        let memory = current.memory().unwrap_or(256_000_000) + 64_000_000;
        wanted.features.set_number("memory.size", memory, "");
        change(subject, fault, "alter", || connector.alter(cx, id, &current, &wanted)).await;
    }
    world.remove(subject, &made).await.unwrap();
}

async fn change<F: Future<Output = Result<im_cloud::Observed, CloudError>>>(
    subject: &Subject,
    fault: Fault,
    what: &str,
    ask: impl Fn() -> F,
) {
    let faults = subject.faults.as_ref().unwrap();
    for call in 0.. {
        assert!(call < MOST_CALLS, "{what} calls without end");
        faults.arm(fault, call);
        let first = ask().await;
        let hit = faults.disarm();
        let place = format!("{what}, {fault:?} of call {call} ({hit:?}), seed {}", subject.seed);
        if let Err(error) = first {
            assert!(error.is_temporary(), "{place}: {error:?}");
            ask().await.unwrap_or_else(|e| panic!("after {place}: {e:?}"));
        }
        if fault == Fault::Late && hit.is_some() {
            tokio::time::sleep(LATE * 2).await;
        }
        if hit.is_none() {
            break;
        }
    }
}

/// Promise 8: many VMs are observed in no more calls than one.
pub async fn observes_in_few_calls(subject: &Subject) {
    let faults = subject.faults.as_ref().unwrap();
    let world = subject.world();
    let made = world.launch(subject, 3).await;
    let vms = made.iter().filter(|m| m.wanted.kind == ResourceKind::Vm);
    let ids: Vec<String> = vms.map(|m| m.observed.cloud_id.clone()).collect();
    let count = async |cx: &Cx, ids: &[String]| {
        let before = faults.calls();
        subject.connector.observe(cx, ids).await.unwrap();
        faults.calls() - before
    };
    let one = count(&world.cx, &ids[..1]).await;
    let all = count(&world.cx, &ids).await;
    assert_eq!(one, all, "one VM: {one} calls; {}: {all}", ids.len());
    world.remove(subject, &made).await.unwrap();
}

/// Promise 4: where one of several creations goes wrong on its way, the others do not.
pub async fn one_lost_answer_stops_no_other(subject: &Subject) {
    let faults = subject.faults.as_ref().unwrap();
    let world = subject.world();
    let plan = world.plan(subject, &world.request(subject, 3)).await.unwrap();
    let (vms, shared): (Vec<_>, Vec<_>) = World::in_order(&plan)
        .into_iter()
        .partition(|(_, resource)| resource.kind == ResourceKind::Vm);
    let mut made = Vec::new();
    for (vm, resource) in &shared {
        made.push(create(subject, &world, *vm, resource, &made).await.0);
    }
    let wanted: Vec<Wanted> = vms.iter().map(|(vm, r)| world.wanted(*vm, r, &made)).collect();
    for call in 0.. {
        assert!(call < MOST_CALLS, "creating calls without end");
        faults.arm(Fault::DropAnswer, call);
        // Resumed each time: the same keys, whatever was made before.
        let answers = subject
            .connector
            .ensure(&world.cx, &wanted, FirstOrResume::Resume)
            .await;
        let Some(hit) = faults.disarm() else { break };
        assert_eq!(answers.len(), wanted.len(), "{hit}");
        let failed = answers.iter().filter(|a| a.is_err()).count();
        // A call made once for all, as who we are, stops all; one about a VM only that.
        assert!(failed <= 1 || failed == wanted.len(), "{hit}: {answers:?}");
        for (one, answer) in wanted.iter().zip(&answers) {
            if let Ok(observed) = answer {
                let found = subject.connector.find(&world.cx).await.unwrap();
                let same: Vec<_> = found.iter().filter(|f| f.mark.key == one.key).collect();
                assert_eq!(same.len(), 1, "{hit}");
                assert_eq!(same[0].cloud_id, observed.cloud_id, "{hit}");
            }
        }
    }
    let answers = subject
        .connector
        .ensure(&world.cx, &wanted, FirstOrResume::Resume)
        .await;
    for (wanted, answer) in wanted.into_iter().zip(answers) {
        let observed = answer.unwrap();
        made.push(Made { wanted, observed });
    }
    assert_eq!(subject.connector.find(&world.cx).await.unwrap().len(), made.len());
    world.remove(subject, &made).await.unwrap();
}
