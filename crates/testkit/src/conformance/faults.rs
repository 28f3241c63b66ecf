//! What goes wrong between a connector and its cloud, and what must still hold.

use super::{Made, Subject, World};
use im_cloud::{CloudError, FirstOrResume, Outcome, Seen};
use im_model::ResourceKind;
use std::time::Duration;

/// What goes wrong with one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The request never arrives; the connection breaks.
    DropRequest,
    /// The request arrives and is carried out; the answer never comes back.
    DropAnswer,
    /// The request arrives twice; the answer is the second one's.
    Repeat,
    /// The connection breaks; the request arrives [`LATE`] afterwards all the same.
    Late,
}

/// How late.
pub const LATE: Duration = Duration::from_millis(400);

/// Something that can make calls go wrong.
pub trait Faults: Send + Sync {
    /// Lets the call number `call` from now, counted from 0, go wrong; only calls that change something count.
    fn arm(&self, fault: Fault, call: u32);
    /// Lets nothing go wrong any more; answers whether the armed fault happened.
    fn disarm(&self) -> bool;
}

/// [`survives`] for every kind of fault.
pub async fn survives_faults(subject: &Subject) {
    for fault in [Fault::DropRequest, Fault::DropAnswer, Fault::Repeat, Fault::Late] {
        survives(subject, fault).await;
    }
}

/// Promises 2 and 5: whatever single call goes wrong while one VM is launched or removed, repeating under the same key
/// ends with exactly one of each, and then with none.
pub async fn survives(subject: &Subject, fault: Fault) {
    let Some(faults) = subject.faults.clone() else { return };
    let mut call = 0;
    loop {
        let world = subject.world();
        faults.arm(fault, call);
        let made = launch(subject, &world).await;
        let in_launch = faults.disarm();
        if fault == Fault::Late && in_launch {
            tokio::time::sleep(LATE * 2).await;
        }
        one_of_each(subject, &world, &made, &format!("{fault:?} of call {call}")).await;

        if in_launch {
            world.remove(subject, &made).await.unwrap();
        } else {
            // No more calls in a launch: on with those of a removal.
            remove(subject, &world, &made, fault).await;
        }
        let left = subject.connector.find(&world.cx).await.unwrap();
        assert_eq!(left, [], "{fault:?} of call {call}: removed, and still found");
        if !in_launch {
            break;
        }
        call += 1;
    }
}

/// Launches one VM as the engine does: an unknown outcome is resumed under the same key; one that was not applied is
/// tried again under the next.
async fn launch(subject: &Subject, world: &World) -> Vec<Made> {
    let request = world.request(subject, 1);
    let plan = retried(async || world.plan(subject, &request).await).await;
    let mut made: Vec<Made> = Vec::new();
    for (vm, resource) in World::in_order(&plan) {
        let mut wanted = world.wanted(vm, &resource, &made);
        let mut run = FirstOrResume::First;
        let mut tries = 0;
        let observed = loop {
            tries += 1;
            assert!(tries < 6, "{} {} does not come to exist", resource.kind, resource.name);
            match world.ensure(subject, &wanted, run).await {
                Ok(observed) => break observed,
                Err(error) if error.outcome == Outcome::Unknown => run = FirstOrResume::Resume,
                Err(error) => {
                    let found = subject.connector.find(&world.cx).await.unwrap();
                    let left = found.iter().any(|f| f.mark.key == wanted.key);
                    assert!(!left, "failed as not applied, and left something: {error}");
                    wanted = world.wanted(vm, &resource, &made);
                    run = FirstOrResume::First;
                }
            }
        };
        made.push(Made { wanted, observed });
    }
    made
}

async fn remove(subject: &Subject, world: &World, made: &[Made], fault: Fault) {
    let faults = subject.faults.as_ref().unwrap();
    for one in made.iter().rev() {
        let target = World::target(&one.wanted, Some(&one.observed.cloud_id));
        faults.arm(fault, 0);
        let first = subject.connector.ensure_absent(&world.cx, &target).await;
        let happened = faults.disarm();
        if first.is_err() {
            subject.connector.ensure_absent(&world.cx, &target).await.unwrap();
        }
        if fault == Fault::Late && happened {
            tokio::time::sleep(LATE * 2).await;
        }
    }
}

async fn one_of_each(subject: &Subject, world: &World, made: &[Made], what: &str) {
    let found = subject.connector.find(&world.cx).await.unwrap();
    for one in made {
        let same: Vec<_> = found.iter().filter(|f| f.mark.key == one.wanted.key).collect();
        assert_eq!(same.len(), 1, "{what}: {} {}", one.wanted.kind, one.wanted.name);
        assert_eq!(same[0].cloud_id, one.observed.cloud_id, "{what}");
    }
    assert_eq!(found.len(), made.len(), "{what}: more than was asked for: {found:?}");
    let vms = made.iter().filter(|m| m.wanted.kind == ResourceKind::Vm);
    for vm in vms {
        let id = vm.observed.cloud_id.clone();
        let seen = subject.connector.observe(&world.cx, &[id]).await.unwrap();
        assert!(
            matches!(&seen[..], [Seen::There(o)] if o.state.is_none_or(im_model::VmState::is_up)),
            "{what}: {seen:?}"
        );
    }
}

/// Reads may be repeated at will.
async fn retried<T>(read: impl AsyncFn() -> Result<T, CloudError>) -> T {
    for _ in 0..3 {
        if let Ok(answer) = read().await {
            return answer;
        }
    }
    read().await.unwrap()
}
