//! The engine under every crash and every single fault: what is demanded holds, always.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // a test says what it expects, and which schedule it runs

use im_model::{Idempotence, OpKind, OpState};
use im_testkit::{
    Fault, Mishap, SimCloudOptions,
    simulator::{Ask, World, WorldOptions, check},
};
use std::time::Duration;

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(future)
}

fn ask(vms: u32, ids: &[u32]) -> Ask {
    Ask {
        vms,
        clouds: vec!["a".into(), "b".into()],
        ids: ids.to_vec(),
        account: "x".into(),
        boot_fails: Vec::new(),
    }
}

const I: &str = "infra";

/// Create, add, remove, stop, configure, delete; whether each went well is told.
async fn story(world: &mut World) -> Vec<OpState> {
    let mut states = Vec::new();
    let chapters = [
        ("create", OpKind::Create, ask(3, &[])),
        ("add", OpKind::Add, ask(1, &[])),
        ("remove", OpKind::Remove, ask(0, &[1])),
        ("power", OpKind::Power, ask(0, &[0, 2])),
        ("configure", OpKind::Configure, ask(0, &[])),
    ];
    for (id, kind, ask) in chapters {
        states.push(world.perform(id, I, kind, &ask).await.unwrap().state);
        assert!(world.quiet(I).await, "{id} never ends");
        demand(world, id).await;
    }
    for attempt in 0.. {
        let id = format!("destroy{attempt}");
        let state = world
            .perform(&id, I, OpKind::Destroy, &ask(0, &[]))
            .await
            .unwrap()
            .state;
        assert!(world.quiet(I).await, "{id} never ends");
        if state == OpState::Done {
            states.push(state);
            break;
        }
        demand_no_leak(world, &id).await;
        assert!(attempt < 10, "a delete never gets through");
    }
    late_arrivals().await;
    demand(world, "the end").await;
    states
}

async fn late_arrivals() {
    tokio::time::sleep(Duration::from_mins(1)).await;
}

async fn demand(world: &World, when: &str) {
    let found = check(world, I).await.unwrap();
    assert!(found.is_empty(), "after {when}: {found:#?}");
}

/// Where a fault may have left an operation that did not go well.
async fn demand_no_leak(world: &World, when: &str) {
    let mut found = check(world, I).await.unwrap();
    found.retain(|f| f.contains("LEAK") || f.contains("two living"));
    assert!(found.is_empty(), "after {when}: {found:#?}");
}

#[test]
fn all_goes_well_when_nothing_happens() {
    block_on(async {
        let mut world = World::new(WorldOptions::default());
        let states = story(&mut world).await;
        assert_eq!(states, [OpState::Done; 6]);
        assert_eq!(world.starts(), 1);
        assert!(world.clouds["a"].objects().is_empty() && world.clouds["b"].objects().is_empty());
        println!("{} transactions", world.transactions());
    });
}

fn transactions() -> u64 {
    block_on(async {
        let mut world = World::new(WorldOptions::default());
        story(&mut world).await;
        world.transactions()
    })
}

fn crashes(idempotence: Idempotence, lag: Duration) {
    let mut run = 0;
    for n in 0..transactions() + 10 {
        for mishap in [
            Mishap::DieBefore(n),
            Mishap::DieAfter(n),
            Mishap::Unsure(n),
            Mishap::Fail(n),
        ] {
            let options = WorldOptions {
                seed: n,
                mishaps: vec![mishap],
                cloud: SimCloudOptions {
                    idempotence,
                    lag,
                    ..SimCloudOptions::default()
                },
                ..WorldOptions::default()
            };
            println!("{mishap:?}");
            block_on(async {
                let mut world = World::new(options);
                let states = story(&mut world).await;
                assert_eq!(states, [OpState::Done; 6], "{mishap:?}");
            });
            run += 1;
        }
    }
    println!("{run} schedules");
}

#[test]
fn a_crash_before_and_after_every_commit_changes_nothing() {
    crashes(Idempotence::UniqueName, Duration::ZERO);
}

#[test]
fn the_same_where_marks_are_searched_for_in_lists_that_lag() {
    crashes(Idempotence::MarkThenSearch, Duration::from_secs(2));
}

#[test]
fn every_call_fails_once_in_every_way() {
    let calls = block_on(async {
        let mut world = World::new(WorldOptions::default());
        story(&mut world).await;
        world.clouds["a"].calls().max(world.clouds["b"].calls())
    });
    for idempotence in [Idempotence::UniqueName, Idempotence::MarkThenSearch] {
        for n in 0..calls {
            for fault in [
                Fault::Refused,
                Fault::RefusedForGood,
                Fault::AnswerLost,
                Fault::NotDoneNoAnswer,
                Fault::Late(Duration::from_millis(500)),
                Fault::Late(Duration::from_secs(4)),
                Fault::Panic,
            ] {
                println!("call {n}: {fault:?}, {idempotence:?}");
                block_on(async {
                    let mut world = World::new(WorldOptions {
                        seed: n,
                        cloud: SimCloudOptions {
                            idempotence,
                            ..SimCloudOptions::default()
                        },
                        ..WorldOptions::default()
                    });
                    world.clouds["a"].fail_at(n, fault);
                    story(&mut world).await;
                });
            }
        }
    }
}
