//! What the engine promises beside surviving: few commits, linear cost, lanes, waiting for credentials, events, reads.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // a test says what it expects

mod common;

use common::{I, ask, block_on};
use im_model::{EventBody, InfraId, OpKind, OpState, OperationId, ResourceKind, VmState};
use im_ops::Engine;
use im_store::OperationFilter;
use im_testkit::{
    Fault, SimCloud, SimCloudOptions,
    simulator::{World, WorldOptions, demand},
};
use std::{sync::Arc, time::Duration};

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

async fn engine(world: &mut World) -> Arc<Engine> {
    world.engine().await.1
}

async fn states(world: &World) -> Vec<(String, OpState)> {
    let rows = world.store.operations(&InfraId::from(I), OperationFilter::All).await;
    rows.unwrap().iter().map(|o| (o.id.to_string(), o.state)).collect()
}

/// What this thread has computed so far: other tests of a busy machine do not count.
fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

/// Makes so many VMs; answers how many commits that took, and how long.
fn make(vms: u32) -> (u64, Duration) {
    block_on(async {
        let mut world = World::new(instant());
        engine(&mut world).await;
        let start = cpu_time();
        let row = world
            .perform("create", I, OpKind::Create, &ask(vms, &[]))
            .await
            .unwrap();
        let took = cpu_time().saturating_sub(start);
        assert_eq!(row.state, OpState::Done);
        let commits = world.commits();
        assert!(world.quiet(I).await);
        demand(&world, I).await;
        (commits, took)
    })
}

#[test]
fn commits_are_made_in_groups() {
    let (commits, took) = make(1000);
    println!("1,000 VMs with a volume each: {commits} commits, {took:?}");
    assert!(commits <= 40, "{commits} commits");
}

#[test]
fn the_cost_of_a_vm_does_not_grow() {
    let (_, few) = make(500);
    let (_, many) = make(4000);
    println!("500 VMs: {few:?}; 4,000 VMs: {many:?}");
    assert!(many < few * 8 * 3, "500 VMs: {few:?}; 4,000 VMs: {many:?}");
}

#[test]
fn operations_of_a_lane_queue_and_a_newer_configure_supersedes() {
    block_on(async {
        let mut world = World::new(WorldOptions::default());
        world.submit("create", I, OpKind::Create, &ask(1, &[])).await;
        world.submit("add", I, OpKind::Add, &ask(1, &[])).await;
        world.submit("remove", I, OpKind::Remove, &ask(0, &[1])).await;
        world.submit("conf1", I, OpKind::Configure, &ask(0, &[])).await;
        world.submit("conf2", I, OpKind::Configure, &ask(0, &[])).await;
        let first = world.wait(&OperationId::from("conf1")).await.unwrap();
        assert_eq!(first.state, OpState::Undone);
        assert_eq!(first.error.as_deref(), Some("superseded by a newer configuration"));
        let removed = world.wait(&OperationId::from("remove")).await.unwrap();
        assert_eq!(removed.state, OpState::Done);
        let state = engine(&mut world)
            .await
            .snapshot(&InfraId::from(I))
            .await
            .unwrap()
            .unwrap();
        assert!(state.vms[&im_model::VmId(1)].destroyed, "the remove ran after the add");
        assert!(world.quiet(I).await);
        let last = states(&world).await;
        let of = |id: &str| last.iter().find(|(i, _)| i == id).unwrap().1;
        assert_eq!(of("remove-configure"), OpState::Done);
        demand(&world, I).await;
    });
}

#[test]
fn a_delete_cancels_what_runs_and_takes_over_its_intents() {
    block_on(async {
        let mut world = World::new(WorldOptions {
            cloud: SimCloudOptions {
                latency: Duration::from_secs(3),
                ..SimCloudOptions::default()
            },
            ..WorldOptions::default()
        });
        let create = world.submit("create", I, OpKind::Create, &ask(4, &[])).await;
        let add = world.submit("add", I, OpKind::Add, &ask(1, &[])).await;
        tokio::time::sleep(Duration::from_millis(1500)).await;
        let gone = world
            .perform("destroy", I, OpKind::Destroy, &ask(0, &[]))
            .await
            .unwrap();
        assert_eq!(gone.state, OpState::Done, "{:?}", gone.error);
        for id in [create, add] {
            let row = world.wait(&id).await.unwrap();
            assert_eq!(
                (row.state, row.error.as_deref()),
                (OpState::Undone, Some("cancelled by a delete"))
            );
        }
        tokio::time::sleep(Duration::from_mins(1)).await;
        demand(&world, I).await;
        assert!(world.clouds.values().all(|c| c.objects().is_empty()));
    });
}

#[test]
fn missing_credentials_pause_an_operation_until_better_ones_come() {
    block_on(async {
        let mut world = World::new(WorldOptions::default());
        world.clouds["a"].fail_at(0, Fault::Unauthorized);
        let id = world.submit("create", I, OpKind::Create, &ask(3, &[])).await;
        let row = world.wait(&id).await.unwrap();
        let needed = "token expired. Needed are credentials for cloud a of type Sim at a.example, account x.";
        assert_eq!(
            (row.state, row.error.as_deref()),
            (OpState::WaitingCredentials, Some(needed))
        );
        // The rest went on, and a restart does not change what it waits for.
        assert!(world.clouds["b"].created() > 0);
        world.kill();
        assert_eq!(world.wait(&id).await.unwrap().state, OpState::WaitingCredentials);
        world.resume_parked(I, "x").await;
        assert_eq!(world.wait(&id).await.unwrap().state, OpState::Done);
        assert!(world.quiet(I).await);
        demand(&world, I).await;
    });
}

#[test]
fn credentials_of_another_account_prove_nothing() {
    block_on(async {
        let mut world = World::new(WorldOptions::default());
        world.perform("create", I, OpKind::Create, &ask(2, &[])).await.unwrap();
        assert!(world.quiet(I).await);
        let before: usize = world.clouds.values().map(|c| c.objects().len()).sum();
        let mut other = ask(0, &[]);
        other.account = "y".into();
        let row = world.perform("destroy", I, OpKind::Destroy, &other).await.unwrap();
        assert_eq!(row.state, OpState::WaitingCredentials);
        assert!(row.error.unwrap().contains("not of x"));
        let after: usize = world.clouds.values().map(|c| c.objects().len()).sum();
        assert_eq!(before, after);
        world.resume_parked(I, "x").await;
        assert_eq!(world.wait(&row.id).await.unwrap().state, OpState::Done);
        assert!(world.clouds.values().all(|c| c.objects().is_empty()));
    });
}

#[test]
fn foreign_objects_are_left_alone() {
    block_on(async {
        let mut world = World::new(WorldOptions::default());
        let ours = world.clouds["a"].plant(ResourceKind::Vm, "im-something", "sim.infra.something.forged", "x");
        world.perform("create", I, OpKind::Create, &ask(2, &[])).await.unwrap();
        world
            .perform("destroy", I, OpKind::Destroy, &ask(0, &[]))
            .await
            .unwrap();
        let left: Vec<_> = world.clouds["a"].objects().into_iter().map(|o| o.id).collect();
        assert_eq!(left, [ours]);
    });
}

#[test]
fn a_vm_fails_alone_with_the_sentences_of_all_attempts() {
    block_on(async {
        let mut world = World::new(instant());
        let mut failing = ask(4, &[]);
        failing.boot_fails = vec![2];
        let row = world.perform("create", I, OpKind::Create, &failing).await.unwrap();
        assert_eq!(row.state, OpState::Done);
        assert!(world.quiet(I).await);
        let state = world.store.load(&InfraId::from(I)).await.unwrap().unwrap();
        let vm = &state.vms[&im_model::VmId(2)];
        assert_eq!(
            (vm.state, vm.error.as_deref()),
            (VmState::Failed, Some("does not boot"))
        );
        assert_eq!(state.vms.values().filter(|vm| vm.state == VmState::Running).count(), 3);
        demand(&world, I).await;

        // One of whose attempts each fails: the sentences of all.
        let mut world = World::new(instant());
        world.clouds["a"].fail_often(100, &[Fault::RefusedForGood]);
        let mut one = ask(2, &[]);
        one.clouds = vec!["a".into()];
        let row = world.perform("create", I, OpKind::Create, &one).await.unwrap();
        assert_eq!(row.state, OpState::Undone);
        assert_eq!(row.error.as_deref(), Some("never"));
        world.heal();
        assert!(world.quiet(I).await);
        demand(&world, I).await;
        assert!(world.clouds["a"].objects().is_empty());
    });
}

#[test]
fn an_orderly_stop_loses_nothing() {
    block_on(async {
        let mut world = World::new(WorldOptions::default());
        let id = world.submit("create", I, OpKind::Create, &ask(5, &[])).await;
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_millis(15)).await;
            world.stop().await;
            let _ = world.engine().await;
        }
        assert_eq!(world.wait(&id).await.unwrap().state, OpState::Done);
        assert!(world.quiet(I).await);
        demand(&world, I).await;
    });
}

#[test]
fn events_name_many_vms_at_once_and_have_no_gap() {
    block_on(async {
        let mut world = World::new(instant());
        let engine = engine(&mut world).await;
        let mut feed = engine.subscribe(&InfraId::from(I));
        world
            .perform("create", I, OpKind::Create, &ask(300, &[]))
            .await
            .unwrap();
        assert!(world.quiet(I).await);
        let stored = world.store.events(&InfraId::from(I), 0, 10_000).await.unwrap();
        assert!(stored.len() < 100, "{} events", stored.len());
        let numbers: Vec<u64> = stored.iter().map(|e| e.seq).collect();
        assert_eq!(numbers, (1..=stored.len() as u64).collect::<Vec<_>>());
        let mut heard = Vec::new();
        while let Ok(event) = feed.try_recv() {
            heard.push((*event).clone());
        }
        assert_eq!(heard, stored, "what is told live is what is stored");
        let biggest = stored.iter().filter_map(|e| match &e.body {
            EventBody::Step { vms, .. } => Some(vms.len()),
            _ => None,
        });
        assert_eq!(biggest.max(), Some(300));
    });
}

#[test]
fn readers_see_commits_at_once_and_idle_rows_from_memory() {
    block_on(async {
        let mut world = World::new(instant());
        let engine = engine(&mut world).await;
        let infra = InfraId::from(I);
        assert!(engine.snapshot(&infra).await.unwrap().is_none());
        world.perform("create", I, OpKind::Create, &ask(2, &[])).await.unwrap();
        assert!(world.quiet(I).await);
        let idle = engine.snapshot(&infra).await.unwrap().unwrap();
        assert_eq!(*idle, world.store.load(&infra).await.unwrap().unwrap());
        let again = engine.snapshot(&infra).await.unwrap().unwrap();
        assert!(Arc::ptr_eq(&idle, &again), "the same rows, not read again");
        let changed = engine
            .update(&infra, |state| {
                let mut row = (*state.infra).clone();
                row.radl = "changed".into();
                vec![im_store::Write::Infrastructure(Arc::new(row))]
            })
            .await
            .unwrap();
        assert!(changed);
        let after = engine.snapshot(&infra).await.unwrap().unwrap();
        assert_eq!(&*after.infra.radl, "changed");
        assert_eq!(*after, world.store.load(&infra).await.unwrap().unwrap());
        assert!(!engine.update(&InfraId::from("nowhere"), |_| Vec::new()).await.unwrap());
    });
}

#[test]
fn a_submission_may_be_repeated_at_any_time() {
    block_on(async {
        let mut world = World::new(WorldOptions::default());
        for _ in 0..3 {
            world.submit("create", I, OpKind::Create, &ask(1, &[])).await;
        }
        world.wait(&OperationId::from("create")).await.unwrap();
        assert!(world.quiet(I).await);
        world.submit("create", I, OpKind::Create, &ask(1, &[])).await;
        world.submit("add", I, OpKind::Add, &ask(1, &[])).await;
        world.submit("add", I, OpKind::Add, &ask(1, &[])).await;
        world.wait(&OperationId::from("add")).await.unwrap();
        assert!(world.quiet(I).await);
        demand(&world, I).await;
        let state = world.store.load(&InfraId::from(I)).await.unwrap().unwrap();
        assert_eq!(state.vms.len(), 2);
        assert_eq!(SimCloud::name_of(state.resources.keys().next().unwrap()).len(), 35);
    });
}
