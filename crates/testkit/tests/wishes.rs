//! Retry, cancel, abandon: durable, heeded by whoever owns the infrastructure, and safe to repeat.

#![allow(clippy::unwrap_used)] // a test says what it expects

mod common;

use common::{I, ask, block_on};
use im_model::{Cancel, InfraId, OpKind, OpState, Operation, OperationId, ResourceState, Unit, VmId, Wish};
use im_ops::{StepStanding, remaining};
use im_store::{Heeded, OperationFilter};
use im_testkit::{
    Fault, Mishap, SimCloudOptions,
    simulator::{World, WorldOptions, demand},
};
use serde_json::json;
use std::{sync::Arc, time::Duration};

fn slow(latency: Duration) -> WorldOptions {
    WorldOptions {
        cloud: SimCloudOptions {
            latency,
            ..SimCloudOptions::default()
        },
        ..WorldOptions::default()
    }
}

async fn row(world: &World, id: &OperationId) -> Operation {
    world.store.operation(id).await.unwrap().unwrap()
}

/// A create whose machines the cloud refuses to remove, and that is stuck because of it.
async fn stuck(world: &mut World) -> OperationId {
    let mut failing = ask(3, &[]);
    failing.clouds = vec!["a".into()];
    failing.boot_fails = vec![1];
    let id = world.submit("create", I, OpKind::Create, &failing).await;
    // Everything exists; the removal of what failed is refused from now on.
    while world.clouds["a"].created() < 7 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    world.clouds["a"].fail_often(100, &[Fault::Refused]);
    let stuck = world.wait(&id).await.unwrap();
    assert_eq!(stuck.state, OpState::Stuck, "{:?}", stuck.error);
    assert!(stuck.error.is_some());
    id
}

#[test]
fn a_stuck_operation_is_tried_again_once_asked() {
    block_on(async {
        let mut world = World::new(WorldOptions::default());
        let id = stuck(&mut world).await;
        let (_, engine) = world.engine().await;
        // Asked in vain: it is stuck again, with its reason.
        let wished = engine.wish(&id, Wish::Retry(None)).await.unwrap().unwrap();
        assert_eq!(
            (wished.heeded, wished.operation.state),
            (Heeded::LetOn, OpState::Running)
        );
        let again = world.wait(&id).await.unwrap();
        assert_eq!(again.state, OpState::Stuck);
        world.heal();
        engine.wish(&id, Wish::Retry(None)).await.unwrap();
        // Twice is as good as once.
        let twice = engine.wish(&id, Wish::Retry(None)).await.unwrap().unwrap();
        assert_eq!(twice.heeded, Heeded::Nothing);
        assert_eq!(world.wait(&id).await.unwrap().state, OpState::Done);
        assert!(world.quiet(I).await);
        demand(&world, I).await;
        let ended = engine.wish(&id, Wish::Retry(None)).await.unwrap().unwrap();
        assert_eq!((ended.heeded, ended.operation.state), (Heeded::Nothing, OpState::Done));
        let none = engine.wish(&OperationId::from("none"), Wish::Abandon).await.unwrap();
        assert!(none.is_none());
    });
}

#[test]
fn a_cancelled_operation_removes_what_it_made() {
    block_on(async {
        let mut world = World::new(slow(Duration::from_secs(3)));
        let id = world.submit("create", I, OpKind::Create, &ask(4, &[])).await;
        let next = world.submit("add", I, OpKind::Add, &ask(1, &[])).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        let (_, engine) = world.engine().await;
        // One that waits for its lane ends at once; one that runs unwinds.
        engine.wish(&next, Wish::Cancel(None)).await.unwrap();
        let off = world.wait(&next).await.unwrap();
        assert_eq!((off.state, off.error.as_deref()), (OpState::Undone, Some("cancelled")));
        assert!(!row(&world, &id).await.state.is_final());
        let wished = engine.wish(&id, Wish::Cancel(None)).await.unwrap().unwrap();
        assert_eq!(wished.heeded, Heeded::Marked);
        let undone = world.wait(&id).await.unwrap();
        assert_eq!(
            (undone.state, undone.error.as_deref()),
            (OpState::Undone, Some("cancelled"))
        );
        assert!(world.quiet(I).await);
        demand(&world, I).await;
        assert!(world.clouds.values().all(|c| c.objects().is_empty()));
    });
}

#[test]
fn a_removal_that_is_cancelled_does_not_bring_back_what_is_gone() {
    block_on(async {
        let mut world = World::new(slow(Duration::from_secs(2)));
        world.perform("create", I, OpKind::Create, &ask(4, &[])).await.unwrap();
        assert!(world.quiet(I).await);
        let id = world.submit("remove", I, OpKind::Remove, &ask(0, &[0, 1, 2, 3])).await;
        let (_, engine) = world.engine().await;
        loop {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let state = world.store.load(&InfraId::from(I)).await.unwrap().unwrap();
            if state.vms.values().any(|vm| vm.destroyed) {
                break;
            }
        }
        engine.wish(&id, Wish::Cancel(None)).await.unwrap();
        assert_eq!(world.wait(&id).await.unwrap().state, OpState::Undone);
        let state = world.store.load(&InfraId::from(I)).await.unwrap().unwrap();
        for vm in state.vms.values().filter(|vm| vm.destroyed) {
            let has = state.resources.values().any(|r| r.unit == Unit::Vm(vm.id));
            assert!(!has, "VM {} is gone", vm.id);
        }
        // What is left can be removed as ever.
        let all = ask(0, &[0, 1, 2, 3]);
        let rest = world.perform("rest", I, OpKind::Destroy, &all).await.unwrap();
        assert_eq!(rest.state, OpState::Done);
        demand(&world, I).await;
        assert!(world.clouds.values().all(|c| c.objects().is_empty()));
    });
}

#[test]
fn what_is_given_up_stays_on_record() {
    block_on(async {
        let mut world = World::new(WorldOptions::default());
        let id = stuck(&mut world).await;
        let before = world.clouds["a"].objects().len();
        let (_, engine) = world.engine().await;
        let wished = engine.wish(&id, Wish::Abandon).await.unwrap().unwrap();
        assert_eq!(wished.operation.cancel, Some(Cancel::Abandon));
        let ended = world.wait(&id).await.unwrap();
        assert_eq!(ended.state, OpState::Undone);
        assert!(ended.error.unwrap().starts_with("abandoned: "));
        // No cloud was asked, and what may be there is named with all that is needed to find it.
        assert_eq!(world.clouds["a"].objects().len(), before);
        let rows = engine.operation(&id).await.unwrap().unwrap();
        assert!(!rows.remaining.is_empty());
        for left in &rows.remaining {
            assert_eq!((left.state, left.unit), (ResourceState::Released, Unit::Vm(VmId(1))));
            assert_eq!((left.cloud.id.as_str(), left.account.as_str()), ("a", "x"));
            assert!(left.cloud_id.is_some());
        }
        // The others are as they were, and everything goes but what was given up.
        let state = world.store.load(&InfraId::from(I)).await.unwrap().unwrap();
        assert_eq!(state.resources.len(), 5, "network, two volumes, two VMs");
        world.heal();
        let left: Vec<_> = rows.remaining.iter().filter_map(|r| r.cloud_id.clone()).collect();
        let gone = world
            .perform("destroy", I, OpKind::Destroy, &ask(0, &[]))
            .await
            .unwrap();
        assert_eq!(gone.state, OpState::Done);
        let mut there: Vec<_> = world.clouds["a"].objects().into_iter().map(|o| o.id).collect();
        let mut left = left;
        there.sort_unstable();
        left.sort_unstable();
        assert_eq!(there, left);
    });
}

#[test]
fn a_wish_of_another_instance_is_heeded_by_the_owner() {
    block_on(async {
        let mut world = World::new(WorldOptions {
            exclusive: false,
            ..slow(Duration::from_secs(2))
        });
        let id = world.submit("create", I, OpKind::Create, &ask(3, &[])).await;
        world.speak_to(1);
        let (_, other) = world.engine().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let wished = other.wish(&id, Wish::Cancel(None)).await.unwrap().unwrap();
        assert_eq!(wished.heeded, Heeded::Marked);
        assert_eq!(other.wait(&id).await.unwrap().state, OpState::Undone);

        // One that waits for credentials at the first instance gets them through the second.
        world.speak_to(0);
        world.clouds["a"].fail_often(100, &[Fault::Unauthorized]);
        let id = world.submit("add", I, OpKind::Add, &ask(2, &[])).await;
        assert_eq!(world.wait(&id).await.unwrap().state, OpState::WaitingCredentials);
        world.heal();
        let mut request = serde_json::to_value(ask(2, &[])).unwrap();
        request["account"] = json!("x");
        assert!(other.resume(&id, request).await.unwrap());
        assert_eq!(other.wait(&id).await.unwrap().state, OpState::Done);
        assert!(world.quiet(I).await);
        demand(&world, I).await;
    });
}

#[test]
fn a_wish_that_is_stored_survives_any_crash() {
    // The process dies before and after each transaction that follows the wish.
    for wish in [Wish::Cancel(None), Wish::Abandon, Wish::Retry(None)] {
        for after in 0..12 {
            for before in [true, false] {
                block_on(async {
                    let mut world = World::new(WorldOptions::default());
                    let id = stuck(&mut world).await;
                    world.heal();
                    let n = world.transactions() + after;
                    world.mishap(if before {
                        Mishap::DieBefore(n)
                    } else {
                        Mishap::DieAfter(n)
                    });
                    // Whoever asks and gets no answer asks again.
                    loop {
                        let (life, engine) = world.engine().await;
                        tokio::select! {
                            biased;
                            () = life.over() => {}
                            wished = engine.wish(&id, wish.clone()) => {
                                wished.unwrap();
                                break;
                            }
                        }
                    }
                    let ended = world.wait(&id).await.unwrap();
                    let expected = match wish {
                        Wish::Retry(_) => OpState::Done,
                        _ => OpState::Undone,
                    };
                    assert_eq!(ended.state, expected, "{wish:?} {after} {before}: {:?}", ended.error);
                    assert!(world.quiet(I).await);
                    if wish == Wish::Abandon {
                        let tombstones = world.store.tombstones(&InfraId::from(I)).await.unwrap();
                        let tombstones: Vec<_> = tombstones.into_iter().map(|t| t.row).collect();
                        let released = tombstones.iter().filter(|r| r.state == ResourceState::Released);
                        assert_eq!(released.count(), remaining(&ended, tombstones.clone()).len());
                    } else {
                        demand(&world, I).await;
                    }
                });
            }
        }
    }
}

#[test]
fn a_cancellation_that_meets_a_pause_is_not_lost() {
    // At every moment around the one in which the operation parks.
    for millis in 0..60 {
        block_on(async {
            let mut world = World::new(WorldOptions::default());
            world.clouds["a"].fail_often(100, &[Fault::Unauthorized]);
            let id = world.submit("create", I, OpKind::Create, &ask(2, &[])).await;
            let (_, engine) = world.engine().await;
            tokio::time::sleep(Duration::from_millis(millis)).await;
            world.heal();
            engine.wish(&id, Wish::Cancel(None)).await.unwrap();
            assert_eq!(
                world.wait(&id).await.unwrap().state,
                OpState::Undone,
                "after {millis} ms"
            );
            assert!(world.quiet(I).await);
            demand(&world, I).await;
            assert!(world.clouds.values().all(|c| c.objects().is_empty()));
        });
    }
}

#[test]
fn a_retry_that_overtakes_the_news_of_the_pause_is_not_lost() {
    block_on(async {
        let mut world = World::new(WorldOptions::default());
        world.clouds["a"].fail_often(100, &[Fault::Unauthorized]);
        let id = world.submit("create", I, OpKind::Create, &ask(2, &[])).await;
        let (_, engine) = world.engine().await;
        // As soon as the row says so, which is before the run has told its actor.
        loop {
            if row(&world, &id).await.state == OpState::WaitingCredentials {
                break;
            }
            tokio::task::yield_now().await;
            tokio::time::advance(Duration::from_micros(100)).await;
        }
        world.heal();
        engine.wish(&id, Wish::Retry(None)).await.unwrap();
        assert_eq!(world.wait(&id).await.unwrap().state, OpState::Done);
        assert!(world.quiet(I).await);
        demand(&world, I).await;
    });
}

#[test]
fn plans_are_shown_without_their_requests() {
    block_on(async {
        let mut world = World::new(WorldOptions::default());
        let id = stuck(&mut world).await;
        let (_, engine) = world.engine().await;
        let shown = engine.operation(&id).await.unwrap().unwrap();
        let of = |title: &str, unit| {
            shown
                .steps
                .iter()
                .find(|s| s.title == title && s.unit == Some(unit))
                .unwrap()
        };
        assert_eq!(
            of("create network net-a", Unit::Infra).standing,
            StepStanding::Succeeded
        );
        let boot = of("boot", Unit::Vm(VmId(1)));
        assert_eq!(boot.standing, StepStanding::Failed);
        assert_eq!(
            (boot.errors.as_slice(), boot.attempts),
            (&["does not boot".to_owned()][..], 1)
        );
        assert_eq!(of("create vm", Unit::Vm(VmId(1))).standing, StepStanding::Succeeded);
        world.heal();
        engine.wish(&id, Wish::Retry(None)).await.unwrap();
        world.wait(&id).await.unwrap();
        // The plan is dropped; what was made still has its name, and what was not its number.
        let after = engine.operation(&id).await.unwrap().unwrap();
        assert_eq!((after.count, after.steps.len()), (shown.count, shown.steps.len()));
        assert_eq!(after.steps[0].title, "create network net-a");
        let undone = |s: &&im_ops::StepView| s.standing == StepStanding::Undone;
        assert_eq!(after.steps.iter().filter(undone).count(), 2);
        let list = engine.operations(&InfraId::from(I)).await.unwrap();
        let unfinished = world
            .store
            .operations(&InfraId::from(I), OperationFilter::Unfinished)
            .await;
        assert!(list.len() >= unfinished.unwrap().len());
        assert_eq!(list[0].0.id, id);
    });
}

#[test]
fn an_operation_of_a_newer_format_is_left_alone_and_goes_first() {
    block_on(async {
        for exclusive in [true, false] {
            let mut world = World::new(WorldOptions {
                exclusive,
                ..WorldOptions::default()
            });
            world.perform("create", I, OpKind::Create, &ask(2, &[])).await.unwrap();
            assert!(world.quiet(I).await);
            world.kill();
            let newer = Operation {
                plan_format: im_model::PLAN_FORMAT + 1,
                ..Operation::pending("newer".into(), I.into(), OpKind::Remove, Arc::new(json!({})), 0)
            };
            world.insert(newer).await;
            let objects: usize = world.clouds.values().map(|c| c.objects().len()).sum();
            let add = world.submit("add", I, OpKind::Add, &ask(1, &[])).await;
            tokio::time::sleep(Duration::from_mins(2)).await;
            assert_eq!(row(&world, &"newer".into()).await.state, OpState::Pending);
            assert_eq!(
                row(&world, &add).await.state,
                OpState::Pending,
                "it waits behind the other"
            );
            let now: usize = world.clouds.values().map(|c| c.objects().len()).sum();
            assert_eq!(now, objects);
            // Whoever knows the format can have the infrastructure.
            let infra = InfraId::from(I);
            let claim = world.store.claim(&infra, &"newer instance".into(), 1).await.unwrap();
            assert!(claim.is_some(), "nobody holds it");
            tokio::time::sleep(Duration::from_secs(1)).await;
            // A delete gets through all the same: what to remove is in the rows.
            let gone = world
                .perform("destroy", I, OpKind::Destroy, &ask(0, &[]))
                .await
                .unwrap();
            assert_eq!(gone.state, OpState::Done);
            assert_eq!(row(&world, &"newer".into()).await.state, OpState::Undone);
            assert!(world.clouds.values().all(|c| c.objects().is_empty()));
        }
    });
}
