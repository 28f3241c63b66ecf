//! Which operation meets which: every cell of the table in ARCHITECTURE.md, run on the engine.
//!
//! One operation of each kind is brought into each state that it can rest or run in; then one of each kind arrives.
//! What becomes of both is what the table says, and once all is quiet the world is clean. On rows in memory, and on the
//! real SQLite store.

#![allow(clippy::unwrap_used, clippy::panic)] // a test says what it expects

mod common;

use common::{I, ask, block_on};
use im_model::{InfraId, OpKind, OpState, Operation, OperationId};
use im_store::OperationFilter;
use im_testkit::{
    Fault, SimCloudOptions,
    simulator::{Ask, Database, World, WorldOptions, check},
};
use std::time::Duration;

const KINDS: [OpKind; 8] = [
    OpKind::Create,
    OpKind::Add,
    OpKind::Remove,
    OpKind::Power,
    OpKind::Alter,
    OpKind::Snapshot,
    OpKind::Configure,
    OpKind::Destroy,
];

/// Where the first one stands when the second arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stand {
    Pending,
    Running,
    Unwinding,
    Waiting,
    Stuck,
}

const STANDS: [Stand; 5] = [
    Stand::Pending,
    Stand::Running,
    Stand::Unwinding,
    Stand::Waiting,
    Stand::Stuck,
];

/// What the table says of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meeting {
    /// The second begins when the first has ended.
    Queues,
    /// Both run at once.
    Beside,
    /// The first gave up its lane: the second runs, and the first stays as it is.
    Passes,
    /// The first ends, superseded; the second runs.
    Supersedes,
    /// The first ends at once, cancelled by a delete, and the second takes over what it had.
    TakesOver,
    /// The second ends at once, cancelled by the delete that it meets.
    Refused,
}

/// The table.
fn meeting(first: OpKind, stand: Stand, second: OpKind) -> Meeting {
    let lanes_differ = (first == OpKind::Configure) != (second == OpKind::Configure);
    match (second, stand) {
        (OpKind::Destroy, _) => Meeting::TakesOver,
        (OpKind::Configure, _) if first == OpKind::Configure => Meeting::Supersedes,
        _ if first == OpKind::Destroy => Meeting::Refused,
        (_, Stand::Waiting | Stand::Stuck) => Meeting::Passes,
        _ if lanes_differ => Meeting::Beside,
        _ => Meeting::Queues,
    }
}

/// Whether an operation of this kind can be found there: what makes nothing has nothing to unwind, and what speaks to
/// no cloud by a connector is never told that credentials are missing.
fn can_be(kind: OpKind, stand: Stand) -> bool {
    match stand {
        Stand::Pending | Stand::Running => true,
        Stand::Unwinding | Stand::Stuck => matches!(kind, OpKind::Create | OpKind::Add),
        Stand::Waiting => matches!(kind, OpKind::Create | OpKind::Add | OpKind::Remove | OpKind::Destroy),
    }
}

fn request(kind: OpKind, failing: bool) -> Ask {
    match kind {
        OpKind::Create | OpKind::Add => {
            let mut ask = ask(2, &[]);
            if failing {
                ask.boot_fails = (0..8).collect();
            }
            ask
        }
        OpKind::Configure | OpKind::Destroy => ask(0, &[]),
        _ => ask(0, &[0]),
    }
}

async fn row(world: &World, id: &OperationId) -> Operation {
    world.store.operation(id).await.unwrap().unwrap()
}

/// How often a world is looked at; a look at a real database takes real time.
fn tick(world: &World) -> Duration {
    match world.options().database {
        Database::Memory => Duration::from_millis(1),
        Database::Sqlite => Duration::from_millis(20),
    }
}

async fn until(world: &mut World, id: &OperationId, state: OpState) {
    for _ in 0..200_000 {
        if row(world, id).await.state == state {
            return;
        }
        tokio::time::sleep(tick(world)).await;
    }
    panic!("{id} never is {state:?}: {:?}", row(world, id).await);
}

/// An infrastructure with an operation that stands where it should.
async fn bring(world: &mut World, kind: OpKind, stand: Stand) -> OperationId {
    if kind != OpKind::Create {
        // Its configuration has run, too.
        world.perform("base", I, OpKind::Create, &ask(2, &[])).await.unwrap();
        assert!(world.quiet(I).await);
    }
    if stand == Stand::Pending {
        if kind == OpKind::Create {
            // The first of an infrastructure never waits: it is looked at before the engine has begun with it.
            return world.submit("first", I, kind, &request(kind, false)).await;
        }
        // What it waits for runs in its own lane, or in both.
        let before = match kind {
            OpKind::Configure => {
                // A configure waits only for a delete; it is looked at before the engine has begun with it.
                return world.submit("first", I, kind, &request(kind, false)).await;
            }
            OpKind::Destroy => {
                let id = world.submit("busy", I, OpKind::Add, &ask(2, &[])).await;
                until(world, &id, OpState::Running).await;
                return world.submit("first", I, kind, &request(kind, false)).await;
            }
            _ => OpKind::Add,
        };
        let busy = world.submit("busy", I, before, &ask(2, &[])).await;
        until(world, &busy, OpState::Running).await;
        let id = world.submit("first", I, kind, &request(kind, false)).await;
        assert_eq!(row(world, &id).await.state, OpState::Pending);
        return id;
    }
    if stand == Stand::Waiting {
        for cloud in world.clouds.values() {
            cloud.fail_often(100, &[Fault::Unauthorized]);
        }
    }
    let id = world
        .submit("first", I, kind, &request(kind, stand == Stand::Stuck))
        .await;
    match stand {
        Stand::Pending => {}
        Stand::Running => until(world, &id, OpState::Running).await,
        Stand::Unwinding => {
            until(world, &id, OpState::Running).await;
            let before: u64 = world.clouds.values().map(|c| c.created()).sum();
            while world.clouds.values().map(|c| c.created()).sum::<u64>() < before + 2 {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            let (_, engine) = world.engine().await;
            engine.wish(&id, im_model::Wish::Cancel(None)).await.unwrap();
            until(world, &id, OpState::Unwinding).await;
        }
        Stand::Waiting => {
            until(world, &id, OpState::WaitingCredentials).await;
            world.heal();
        }
        Stand::Stuck => {
            // Its machines do not boot, and their removal is refused.
            let all = if kind == OpKind::Create { 6 } else { 6 + 4 };
            while world.clouds.values().map(|c| c.created()).sum::<u64>() < all {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            for cloud in world.clouds.values() {
                cloud.fail_often(100, &[Fault::Refused]);
            }
            until(world, &id, OpState::Stuck).await;
            world.heal();
        }
    }
    id
}

async fn cell(database: Database, first: OpKind, stand: Stand, second: OpKind) {
    let what = format!("{database:?}: {first:?} {stand:?} meets {second:?}");
    let opened = World::open(WorldOptions {
        database,
        cloud: SimCloudOptions {
            latency: Duration::from_millis(400),
            ..SimCloudOptions::default()
        },
        ..WorldOptions::default()
    });
    let mut world = opened.await.unwrap();
    let one = bring(&mut world, first, stand).await;
    let before = row(&world, &one).await;
    let two = world.submit("second", I, second, &request(second, false)).await;
    let meeting = meeting(first, stand, second);
    // Where both stand at the moment in which the second begins, or ends without having begun.
    let (mut seen_first, mut seen_second);
    loop {
        // In this order: the engine goes on between two looks, and what has ended stays so.
        seen_second = row(&world, &two).await.state;
        seen_first = row(&world, &one).await.state;
        if seen_second != OpState::Pending {
            break;
        }
        tokio::time::sleep(tick(&world) / 2).await;
    }
    match meeting {
        Meeting::Queues => assert!(
            seen_first.is_final(),
            "{what}: {seen_first:?} when the second is {seen_second:?}"
        ),
        Meeting::Passes => assert_eq!(seen_first, before.state, "{what}"),
        Meeting::Beside => {}
        Meeting::Refused => assert_eq!(seen_second, OpState::Undone, "{what}"),
        Meeting::Supersedes | Meeting::TakesOver => {
            assert!(
                seen_first.is_final(),
                "{what}: {seen_first:?} when the second is {seen_second:?}"
            );
        }
    }
    let ended = world.wait(&two).await.unwrap();
    assert!(ended.state.is_final(), "{what}: {:?} {:?}", ended.state, ended.error);
    let one_row = row(&world, &one).await;
    match meeting {
        Meeting::Supersedes if !before.state.is_final() && one_row.state == OpState::Undone => {
            assert_eq!(
                one_row.error.as_deref(),
                Some("superseded by a newer configuration"),
                "{what}"
            );
        }
        Meeting::TakesOver if one_row.state == OpState::Undone && stand != Stand::Unwinding => {
            assert_eq!(one_row.error.as_deref(), Some("cancelled by a delete"), "{what}");
        }
        Meeting::Refused => assert_eq!(ended.error.as_deref(), Some("cancelled by a delete"), "{what}"),
        _ => {}
    }
    if before.state.is_paused() && !one_row.state.is_final() {
        // Whoever lets it go on finds it as it was.
        world.resume_parked(I, "x").await;
    }
    assert!(world.quiet(I).await, "{what}");
    let left = world
        .store
        .operations(&InfraId::from(I), OperationFilter::Unfinished)
        .await
        .unwrap();
    assert!(left.is_empty(), "{what}: {left:?}");
    if second == OpKind::Destroy {
        assert_eq!(ended.state, OpState::Done, "{what}: {:?}", ended.error);
        tokio::time::sleep(Duration::from_mins(1)).await;
        assert!(world.clouds.values().all(|c| c.objects().is_empty()), "{what}");
    }
    let found = check(&world, I).await.unwrap();
    assert!(found.is_empty(), "{what}: {found:#?}");
}

fn row_of_the_table(database: Database, first: OpKind) {
    for stand in STANDS.into_iter().filter(|stand| can_be(first, *stand)) {
        // A create is of a new infrastructure: it meets nothing. It arrives as an add in every other respect.
        for second in KINDS.into_iter().filter(|kind| *kind != OpKind::Create) {
            block_on(cell(database, first, stand, second));
        }
    }
}

macro_rules! on {
    ($name:ident: $database:expr) => {
        mod $name {
            use super::*;
            #[test]
            fn create_meets_all() {
                row_of_the_table($database, OpKind::Create);
            }
            #[test]
            fn add_meets_all() {
                row_of_the_table($database, OpKind::Add);
            }
            #[test]
            fn remove_meets_all() {
                row_of_the_table($database, OpKind::Remove);
            }
            #[test]
            fn power_meets_all() {
                row_of_the_table($database, OpKind::Power);
            }
            #[test]
            fn alter_meets_all() {
                row_of_the_table($database, OpKind::Alter);
            }
            #[test]
            fn snapshot_meets_all() {
                row_of_the_table($database, OpKind::Snapshot);
            }
            #[test]
            fn configure_meets_all() {
                row_of_the_table($database, OpKind::Configure);
            }
            #[test]
            fn destroy_meets_all() {
                row_of_the_table($database, OpKind::Destroy);
            }
        }
    };
}
on!(in_memory: Database::Memory);
on!(on_sqlite: Database::Sqlite);
