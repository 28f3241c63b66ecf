//! What the simulator has found, each distilled to its essence.

#![allow(clippy::unwrap_used)] // a test says what it expects

mod common;

use common::{I, ask, block_on};
use im_model::{InfraId, OpKind, OpState, OperationId, Resource, ResourceState, Unit, VmId, Wish};
use im_store::InfraState;
use im_testkit::{
    Fault, Mishap, SimCloudOptions,
    simulator::{World, WorldOptions, demand},
};
use std::time::Duration;

async fn made(options: WorldOptions) -> World {
    let mut world = World::new(options);
    let row = world.perform("create", I, OpKind::Create, &ask(2, &[])).await.unwrap();
    assert_eq!(row.state, OpState::Done);
    assert!(world.quiet(I).await);
    world
}

async fn nothing_is_wrong(world: &mut World) {
    assert!(world.quiet(I).await, "never ends");
    tokio::time::sleep(Duration::from_mins(1)).await;
    demand(world, I).await;
}

/// Seed 1428: the request was stored and the infrastructure claimed, but the future that would have taken it up was
/// dropped with the caller's connection. The lease was renewed for ever, and nobody carried the operation out.
#[test]
fn a_caller_who_goes_away_stops_nothing() {
    block_on(async {
        let mut world = made(WorldOptions::default()).await;
        world.befall([Mishap::Stall(0, Duration::from_secs(5))]);
        let patience = Duration::from_millis(10);
        let more = ask(1, &[]);
        world.submit_and_leave("add", I, OpKind::Add, &more, patience).await;
        tokio::time::sleep(Duration::from_secs(10)).await;
        nothing_is_wrong(&mut world).await;
        let added = world.wait(&OperationId::from("add")).await.unwrap();
        assert_eq!(added.state, OpState::Done);
    });
}

/// Seed 153: an add that came after a delete ran while the delete waited for credentials; the delete went on with the
/// plan that it had, and the infrastructure was deleted with machines in it.
#[test]
fn what_comes_after_a_delete_does_not_begin() {
    block_on(async {
        let mut world = made(WorldOptions::default()).await;
        let mut other = ask(0, &[]);
        other.account = "y".into();
        let waits = world.perform("destroy", I, OpKind::Destroy, &other).await.unwrap();
        assert_eq!(waits.state, OpState::WaitingCredentials);
        let late = world.perform("add", I, OpKind::Add, &ask(1, &[])).await.unwrap();
        let why = Some("cancelled by a delete");
        assert_eq!((late.state, late.error.as_deref()), (OpState::Undone, why));
        world.resume_parked(I, "x").await;
        assert_eq!(world.wait(&waits.id).await.unwrap().state, OpState::Done);
        let late = world.perform("late", I, OpKind::Add, &ask(1, &[])).await.unwrap();
        assert_eq!((late.state, late.error.as_deref()), (OpState::Undone, why));
        nothing_is_wrong(&mut world).await;
        assert!(world.clouds.values().all(|c| c.objects().is_empty()));
    });
}

/// Seed 303: a request that was repeated after its operation had been closed was closed, and projected, once more.
#[test]
fn a_repeated_request_is_closed_once() {
    block_on(async {
        let mut world = made(WorldOptions {
            cloud: SimCloudOptions {
                latency: Duration::from_secs(3),
                ..SimCloudOptions::default()
            },
            ..WorldOptions::default()
        })
        .await;
        world.submit("destroy", I, OpKind::Destroy, &ask(0, &[])).await;
        for _ in 0..2 {
            let late = world.perform("add", I, OpKind::Add, &ask(1, &[])).await.unwrap();
            assert_eq!(late.state, OpState::Undone);
        }
        nothing_is_wrong(&mut world).await;
    });
}

/// Seed 1170: a create was repeated after a time-out, and went well. Once the infrastructure was at rest another process
/// deleted it at once, and then the first request arrived at the cloud, where its name was free again.
#[test]
fn an_infrastructure_is_not_given_up_while_a_call_may_still_arrive() {
    block_on(async {
        let mut world = made(WorldOptions {
            exclusive: false,
            ..WorldOptions::default()
        })
        .await;
        let cloud = &world.clouds["a"];
        cloud.fail_at(cloud.calls(), Fault::Late(Duration::from_secs(4)));
        let row = world.perform("add", I, OpKind::Add, &ask(1, &[])).await.unwrap();
        assert_eq!(row.state, OpState::Done);
        world.wait(&OperationId::from("add-configure")).await.unwrap();
        world.speak_to(1);
        let row = world
            .perform("destroy", I, OpKind::Destroy, &ask(0, &[]))
            .await
            .unwrap();
        assert_eq!(row.state, OpState::Done);
        nothing_is_wrong(&mut world).await;
        assert!(world.clouds.values().all(|c| c.objects().is_empty()));
    });
}

/// Seed 457: a delete through another process takes over at once, without waiting for the end of the former owner's
/// lease. That owner stood still between its permission to call and the call, which came when all was thought gone.
#[test]
fn a_delete_waits_for_calls_of_an_owner_that_does_not_know_that_it_is_replaced() {
    block_on(async {
        let mut world = made(WorldOptions {
            exclusive: false,
            ..WorldOptions::default()
        })
        .await;
        let cloud = &world.clouds["a"];
        cloud.fail_at(cloud.calls(), Fault::Replaced(Duration::from_secs(25)));
        world.submit("add", I, OpKind::Add, &ask(1, &[])).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.speak_to(1);
        let row = world
            .perform("destroy", I, OpKind::Destroy, &ask(0, &[]))
            .await
            .unwrap();
        assert_eq!(row.state, OpState::Done);
        nothing_is_wrong(&mut world).await;
        assert!(world.clouds.values().all(|c| c.objects().is_empty()));
    });
}

/// Seed 65805: a create was cancelled, and abandoned while it was being unwound by another process than the one that had
/// begun with it. A VM of which everything was gone, or about to go, stayed as a running one.
#[test]
fn what_is_given_up_while_it_is_unwound_is_not_complete() {
    for killed in [false, true] {
        for left in (0..5).rev() {
            block_on(async {
                let mut world = World::new(WorldOptions {
                    cloud: SimCloudOptions {
                        latency: Duration::from_secs(3),
                        ..SimCloudOptions::default()
                    },
                    ..WorldOptions::default()
                });
                let mut create = ask(2, &[]);
                create.clouds = vec!["a".into()];
                create.boot_fails = vec![1];
                let id = world.submit("create", I, OpKind::Create, &create).await;
                // VM 0 has ended well, and VM 1 is being removed.
                let removing = |row: &Resource| row.unit == Unit::Vm(VmId(1)) && row.state == ResourceState::Removing;
                until(&world, |state| state.resources.values().any(|row| removing(row))).await;
                let (_, engine) = world.engine().await;
                engine.wish(&id, Wish::Cancel(None)).await.unwrap();
                while world.store.operation(&id).await.unwrap().unwrap().state != OpState::Unwinding {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                let rows = world.store.load(&InfraId::from(I)).await.unwrap().unwrap().resources;
                assert!(rows.values().any(|row| row.unit == Unit::Vm(VmId(0))));
                until(&world, |state| state.resources.len() <= left).await;
                if killed {
                    world.kill();
                }
                let (_, engine) = world.engine().await;
                engine.wish(&id, Wish::Abandon).await.unwrap();
                assert_eq!(world.wait(&id).await.unwrap().state, OpState::Undone);
                let state = world.store.load(&InfraId::from(I)).await.unwrap().unwrap();
                assert!(state.resources.is_empty(), "{left}: {:?}", state.resources);
                assert!(state.vms[&VmId(0)].destroyed, "with {left} left, killed: {killed}");
                nothing_is_wrong(&mut world).await;
            });
        }
    }
}

async fn until(world: &World, holds: impl Fn(&InfraState) -> bool) {
    loop {
        let state = world.store.load(&InfraId::from(I)).await.unwrap();
        if state.is_some_and(|state| holds(&state)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
