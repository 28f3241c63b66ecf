//! The engine under every crash and every single fault: what is demanded holds, always.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // a test says what it expects, and which schedule it runs

mod common;

use common::{I, ask, block_on};
use im_model::{Idempotence, InfraId, OpKind, OpState};
use im_store::{OperationFilter, Store};
use im_testkit::{
    Dice, Fault, Mishap, SimCloudOptions,
    simulator::{World, WorldOptions, check},
};
use std::time::Duration;

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

const FAULTS: [Fault; 9] = [
    Fault::Refused,
    Fault::Refused,
    Fault::RefusedForGood,
    Fault::Unauthorized,
    Fault::AnswerLost,
    Fault::NotDoneNoAnswer,
    Fault::Late(Duration::from_millis(300)),
    Fault::Late(Duration::from_secs(4)),
    Fault::Panic,
];

fn some_mishap(dice: &mut Dice) -> Mishap {
    let n = dice.below(60);
    match dice.below(6) {
        0 | 1 => Mishap::DieBefore(n),
        2 => Mishap::DieAfter(n),
        3 => Mishap::Unsure(n),
        4 => Mishap::Fail(n),
        _ => Mishap::Stall(n, Duration::from_secs(1 + dice.below(60))),
    }
}

fn some_world(seed: u64, settle: Duration, dice: &mut Dice) -> World {
    let kinds = [Idempotence::UniqueName, Idempotence::Put, Idempotence::MarkThenSearch];
    let options = WorldOptions {
        exclusive: dice.percent(60),
        seed,
        settle,
        cloud: SimCloudOptions {
            idempotence: *dice.pick(&kinds).unwrap(),
            lag: Duration::from_secs(dice.below(3)),
            latency: Duration::from_millis(1 + dice.below(500)),
            transit: Duration::from_millis(1 + dice.below(3000)),
        },
        mishaps: (0..dice.below(5)).map(|_| some_mishap(dice)).collect(),
    };
    let world = World::new(options);
    for cloud in world.clouds.values() {
        cloud.fail_often(dice.below(25), &FAULTS);
    }
    world
}

/// What is violated, and what had happened.
async fn with_history(world: &World, mut found: Vec<String>) -> Vec<String> {
    if found.is_empty() {
        return found;
    }
    let infra = InfraId::from(I);
    let operations = world.store.operations(&infra, OperationFilter::All);
    for operation in operations.await.unwrap() {
        found.push(format!(
            "{} {:?} {:?} {:?} cancel {:?}",
            operation.id, operation.kind, operation.state, operation.error, operation.cancel
        ));
        for (id, step) in operation.plan.iter().flat_map(|p| p.steps.iter().enumerate()) {
            found.push(format!(
                "  step {id} {:?} after {:?}: {:?}",
                step.unit, step.after, step.action
            ));
        }
        for event in world.store.step_events(&operation.id).await.unwrap() {
            found.push(format!("  {} {:?}", event.step, event.kind));
        }
    }
    found
}

/// Operations at any moment, crashes, cut-off processes, faults; then a delete. Answers what was violated.
async fn adventure(seed: u64, settle: Duration) -> Vec<String> {
    let mut dice = Dice::new(seed);
    let mut world = some_world(seed, settle, &mut dice);
    println!("{:?}", world.options());
    let mut made = u32::try_from(1 + dice.below(4)).unwrap();
    world.submit("create", I, OpKind::Create, &ask(made, &[])).await;
    for n in 0..dice.below(8) {
        tokio::time::sleep(Duration::from_millis(dice.below(4000))).await;
        world.speak_to(usize::try_from(dice.below(2)).unwrap());
        let some = [u32::try_from(dice.below(u64::from(made))).unwrap()];
        let id = format!("op{n}");
        match dice.below(8) {
            0 | 1 => {
                let mut more = ask(u32::try_from(1 + dice.below(2)).unwrap(), &[]);
                if dice.percent(30) {
                    more.boot_fails = vec![made];
                }
                made += more.vms;
                world.submit(&id, I, OpKind::Add, &more).await;
            }
            2 => {
                world.submit(&id, I, OpKind::Remove, &ask(0, &some)).await;
            }
            3 => {
                world.submit(&id, I, OpKind::Power, &ask(0, &some)).await;
            }
            4 => {
                world.submit(&id, I, OpKind::Configure, &ask(0, &[])).await;
            }
            5 => world.kill(),
            6 => world.stop().await,
            _ => world.resume_parked(I, "x").await,
        }
    }
    let in_the_middle = dice.percent(40);
    if !in_the_middle {
        world.heal();
        for _ in 0..20 {
            if !world.quiet(I).await {
                return with_history(&world, vec!["never ends".to_owned()]).await;
            }
            world.resume_parked(I, "x").await;
        }
        late_arrivals().await;
        let found = check(&world, I).await.unwrap();
        if !found.is_empty() {
            return with_history(&world, found).await;
        }
    }
    for attempt in 0.. {
        world.speak_to(usize::try_from(dice.below(2)).unwrap());
        let id = format!("destroy{attempt}");
        let state = match world.perform(&id, I, OpKind::Destroy, &ask(0, &[])).await {
            Ok(row) => row.state,
            Err(error) => return with_history(&world, vec![error.to_string()]).await,
        };
        if state == OpState::Done {
            break;
        }
        if attempt > 2 {
            world.heal();
        }
        if attempt > 10 {
            return vec!["a delete never gets through".to_owned()];
        }
    }
    world.heal();
    if !world.quiet(I).await {
        return with_history(&world, vec!["never ends".to_owned()]).await;
    }
    late_arrivals().await;
    let mut found = check(&world, I).await.unwrap();
    for cloud in world.clouds.values() {
        let left = cloud.objects();
        found.extend(left.iter().map(|o| format!("LEAK after the end: {} {}", o.kind, o.id)));
    }
    with_history(&world, found).await
}

fn seeds() -> std::ops::Range<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|n| n.parse::<u64>().ok());
    let first = number("IM_SIM_SEED").unwrap_or(0);
    first..first + number("IM_SIM_SEEDS").unwrap_or(150)
}

#[test]
fn whatever_happens_nothing_is_lost_or_leaked() {
    for seed in seeds() {
        println!("seed {seed} (IM_SIM_SEED={seed} IM_SIM_SEEDS=1 runs it alone)");
        let found = block_on(adventure(seed, Duration::from_secs(5)));
        assert!(found.is_empty(), "seed {seed}: {found:#?}");
    }
}

#[test]
fn without_the_settle_time_the_simulator_finds_a_leak() {
    let violated = (0..400).any(|seed| !block_on(adventure(seed, Duration::ZERO)).is_empty());
    assert!(violated, "the settle time can be left out, or the simulator is blind");
}
