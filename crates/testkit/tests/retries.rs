//! Attempts: how many, how far apart, under which keys, whatever happens in between. Time is the test's.

#![allow(clippy::unwrap_used)] // a test says what it expects

mod common;

use common::{I, ask, block_on};
use im_model::{InfraId, OpKind, OpState, OperationId, ResourceKind, StepEventKind, StepId, VmState};
use im_testkit::{
    Always, SimCloudOptions,
    simulator::{World, WorldOptions, demand},
};
use std::time::Duration;
use tokio::time::Instant;

/// Of the engines of these worlds.
const ATTEMPTS: u32 = 3;
const DELAY: Duration = Duration::from_secs(1);

fn instant() -> WorldOptions {
    WorldOptions {
        cloud: SimCloudOptions {
            latency: Duration::ZERO,
            transit: Duration::ZERO,
            ..SimCloudOptions::default()
        },
        ..WorldOptions::default()
    }
}

/// Attempts of each step that failed, in the order written, and which was the last.
async fn failures(world: &World, id: &OperationId) -> Vec<(StepId, u32, bool)> {
    let events = world.store.step_events(id).await.unwrap();
    let failed = events.into_iter().filter_map(|event| match event.kind {
        StepEventKind::Failed { attempt, last, .. } => Some((event.step, attempt, last)),
        _ => None,
    });
    failed.collect()
}

fn at_a(vms: u32) -> im_testkit::simulator::Ask {
    let mut ask = ask(vms, &[]);
    ask.clouds = vec!["a".into()];
    ask
}

#[test]
fn a_vm_is_tried_so_often_and_so_far_apart() {
    // A refusal that is for good is tried again, too: the contract counts attempts, not reasons.
    for fault in [Always::Refused, Always::RefusedForGood] {
        block_on(async {
            let mut world = World::new(instant());
            // Everything else of it exists.
            world.clouds["a"].fail_kind(ResourceKind::Vm, fault);
            let begun = Instant::now();
            let row = world.perform("create", I, OpKind::Create, &at_a(1)).await.unwrap();
            let took = begun.elapsed();
            assert_eq!(row.state, OpState::Undone);
            let failed: Vec<_> = failures(&world, &row.id)
                .await
                .into_iter()
                .map(|f| (f.1, f.2))
                .collect();
            assert_eq!(failed, [(0, false), (1, false), (2, true)], "{fault:?}");
            let pauses = DELAY * (ATTEMPTS - 1);
            assert!(took >= pauses && took < pauses + DELAY, "{fault:?}: {took:?}");
            // Each attempt had a key of its own, and its absence went on record before the next began.
            let tombstones = world.store.tombstones(&InfraId::from(I)).await.unwrap();
            let mut attempts: Vec<u32> = tombstones
                .iter()
                .filter(|r| r.row.kind == ResourceKind::Vm)
                .map(|r| r.row.attempt)
                .collect();
            attempts.sort_unstable();
            assert_eq!(attempts, [0, 1, 2]);
            world.heal();
            assert!(world.quiet(I).await);
            demand(&world, I).await;
            assert!(world.clouds["a"].objects().is_empty());
        });
    }
}

#[test]
fn the_error_of_a_vm_has_a_sentence_for_each_attempt() {
    block_on(async {
        let mut world = World::new(instant());
        world.clouds["a"].fail_kind(ResourceKind::Vm, Always::Refused);
        let mut two = ask(2, &[]);
        two.clouds = vec!["a".into(), "b".into()];
        let row = world.perform("create", I, OpKind::Create, &two).await.unwrap();
        assert_eq!(row.state, OpState::Done, "the other one is there");
        let state = world.store.load(&InfraId::from(I)).await.unwrap().unwrap();
        let failed: Vec<_> = state.vms.values().filter(|vm| vm.state == VmState::Failed).collect();
        assert_eq!(failed.len(), 1);
        assert_eq!(failed[0].error.as_deref().unwrap().lines().count(), 3);
    });
}

#[test]
fn attempts_are_counted_over_restarts() {
    // Killed at any time between the first attempt and the last.
    for millis in (100..2_200).step_by(150) {
        block_on(async {
            let mut world = World::new(instant());
            world.clouds["a"].fail_kind(ResourceKind::Vm, Always::Refused);
            let id = world.submit("create", I, OpKind::Create, &at_a(1)).await;
            tokio::time::sleep(Duration::from_millis(millis)).await;
            world.kill();
            let row = world.wait(&id).await.unwrap();
            assert_eq!(row.state, OpState::Undone);
            let failed = failures(&world, &id).await;
            let mut attempts: Vec<u32> = failed.iter().map(|f| f.1).collect();
            attempts.dedup();
            assert_eq!(attempts, [0, 1, 2], "killed after {millis} ms: {failed:?}");
            world.heal();
            assert!(world.quiet(I).await);
            demand(&world, I).await;
        });
    }
}

#[test]
fn an_attempt_that_succeeds_ends_it() {
    block_on(async {
        let mut world = World::new(instant());
        world.clouds["a"].fail_kind(ResourceKind::Vm, Always::Refused);
        let id = world.submit("create", I, OpKind::Create, &at_a(1)).await;
        tokio::time::sleep(DELAY + DELAY / 2).await;
        world.heal();
        let row = world.wait(&id).await.unwrap();
        assert_eq!(row.state, OpState::Done);
        let failed: Vec<_> = failures(&world, &id).await.into_iter().map(|f| (f.1, f.2)).collect();
        assert_eq!(failed, [(0, false), (1, false)]);
        let state = world.store.load(&InfraId::from(I)).await.unwrap().unwrap();
        let vm = state.resources.values().find(|r| r.kind == ResourceKind::Vm).unwrap();
        assert_eq!(vm.attempt, 2);
        demand_after(&mut world).await;
    });
}

async fn demand_after(world: &mut World) {
    assert!(world.quiet(I).await);
    demand(world, I).await;
}

#[test]
fn a_cloud_that_never_answers_holds_nobody_for_longer_than_its_deadline() {
    block_on(async {
        let mut world = World::new(instant());
        world.clouds["a"].fail_kind(ResourceKind::Vm, Always::Unanswered);
        let begun = Instant::now();
        let id = world.submit("create", I, OpKind::Create, &at_a(1)).await;
        let row = world.wait(&id).await.unwrap();
        assert_eq!(row.state, OpState::Undone);
        // Each call ends at its deadline, is resumed under the same key twice, and its absence is searched for after
        // the settle time.
        let options = world.engine_options("x".into());
        let most = (options.call_deadline + options.settle) * ATTEMPTS + DELAY * 6 + options.settle * 2;
        assert!(begun.elapsed() >= options.call_deadline, "{:?}", begun.elapsed());
        assert!(begun.elapsed() <= most, "{:?} is more than {most:?}", begun.elapsed());
        world.heal();
        demand_after(&mut world).await;
    });
}

#[test]
fn a_cancellation_does_not_wait_for_the_next_attempt() {
    block_on(async {
        let mut world = World::new(instant());
        world.clouds["a"].fail_kind(ResourceKind::Vm, Always::Refused);
        let id = world.submit("create", I, OpKind::Create, &at_a(1)).await;
        tokio::time::sleep(DELAY / 4).await;
        let (_, engine) = world.engine().await;
        let asked = Instant::now();
        engine.wish(&id, im_model::Wish::Cancel(None)).await.unwrap();
        assert_eq!(world.wait(&id).await.unwrap().state, OpState::Undone);
        assert!(asked.elapsed() < DELAY / 2, "{:?}", asked.elapsed());
        assert!(world.clouds["a"].objects().is_empty());
    });
}
