//! The engine under every crash, every single fault and every pair of operations: what is demanded holds, always. And
//! with any one safeguard switched off, it does not.

#![allow(clippy::print_stdout, clippy::panic)] // a test says what it expects, and which schedule it runs

use im_model::{Idempotence, OpKind, OpState};
use im_testkit::{
    Fault, Mishap, Safeguard,
    simulator::{Database, Played, Schedule, Trouble, play},
};
use std::time::Duration;

const KINDS: [OpKind; 8] = [
    OpKind::Create,
    OpKind::Add,
    OpKind::Remove,
    OpKind::Destroy,
    OpKind::Configure,
    OpKind::Power,
    OpKind::Alter,
    OpKind::Snapshot,
];

/// Where names are unique, and where marks are searched for in lists that lag.
const CLOUDS: [(Idempotence, Duration); 2] = [
    (Idempotence::UniqueName, Duration::ZERO),
    (Idempotence::MarkThenSearch, Duration::from_secs(2)),
];

fn demand(played: &Played, schedule: &Schedule) {
    let seed = schedule.seed;
    assert!(
        played.violations.is_empty(),
        "seed {seed}: {:#?}\n{:#?}\n{schedule:#?}\nseed {seed}: {:#?}\nrun it alone: \
         cargo run -p im-testkit --bin simulate -- --seed {seed} --schedules 1 --repeat 20",
        played.violations,
        played.history,
        played.violations,
    );
}

/// Every kind of operation, with one thing that goes wrong. Returns how many schedules there were.
fn singles(troubles: impl Fn(&Played) -> Vec<Trouble>, ends_well: impl Fn(&Trouble) -> bool) -> u32 {
    let mut run = 0;
    for (idempotence, lag) in CLOUDS {
        for kind in KINDS {
            let quiet = Schedule::single(kind, idempotence, lag, None);
            let played = play(&quiet);
            demand(&played, &quiet);
            assert_eq!(played.it, Some(OpState::Done), "{kind:?}");
            assert!(played.transactions > 2, "{kind:?}: {played:?}");
            for trouble in troubles(&played) {
                let schedule = Schedule::single(kind, idempotence, lag, Some(trouble));
                let played = play(&schedule);
                demand(&played, &schedule);
                if ends_well(&trouble) {
                    assert_eq!(played.it, Some(OpState::Done), "{kind:?}, {idempotence:?}, {trouble:?}");
                }
                run += 1;
            }
        }
    }
    run
}

#[test]
fn what_befalls_the_process_at_any_commit_of_any_operation_changes_nothing() {
    let mishaps = |played: &Played| {
        let at = |n| {
            [
                Mishap::DieBefore(n),
                Mishap::DieAfter(n),
                Mishap::Unsure(n),
                Mishap::UnsureNot(n),
                Mishap::Fail(n),
                Mishap::Freeze(n, Duration::from_secs(8)),
                Mishap::Stall(n, Duration::from_secs(50)),
            ]
        };
        let all = (0..played.transactions + 2).flat_map(at);
        all.map(Trouble::Process).collect()
    };
    println!("{} schedules", singles(mishaps, |_| true));
}

#[test]
fn every_call_of_every_operation_fails_once_in_every_way() {
    let faults = |played: &Played| {
        let at = |cloud, n| {
            [
                Fault::Refused,
                Fault::RefusedForGood,
                Fault::Unauthorized,
                Fault::AnswerLost,
                Fault::NotDoneNoAnswer,
                Fault::Late(Duration::from_millis(500)),
                Fault::Late(Duration::from_secs(4)),
                Fault::Hangs(Duration::from_secs(3)),
                Fault::Frozen(Duration::from_secs(9)),
                Fault::Twice,
                Fault::Panic,
            ]
            .map(|fault| Trouble::Call(cloud, n, fault))
        };
        let of = |cloud, calls| (0..calls).flat_map(move |n| at(cloud, n));
        of("a", played.calls[0]).chain(of("b", played.calls[1])).collect()
    };
    let harmless = |trouble: &Trouble| {
        let Trouble::Call(.., fault) = trouble else {
            return false;
        };
        matches!(fault, Fault::Frozen(_) | Fault::Twice)
    };
    println!("{} schedules", singles(faults, harmless));
}

fn seeds(of: u64, shard: u64) -> impl Iterator<Item = u64> {
    (shard * of)..((shard + 1) * of)
}

fn whatever_happens(seeds: impl Iterator<Item = u64>, database: Database) {
    for seed in seeds {
        let mut schedule = Schedule::of_seed(seed);
        if database == Database::Sqlite {
            schedule = schedule.on_sqlite();
        }
        demand(&play(&schedule), &schedule);
    }
}

#[test]
fn whatever_happens_nothing_is_lost_or_leaked_1() {
    whatever_happens(seeds(600, 0), Database::Memory);
}

#[test]
fn whatever_happens_nothing_is_lost_or_leaked_2() {
    whatever_happens(seeds(600, 1), Database::Memory);
}

#[test]
fn whatever_happens_nothing_is_lost_or_leaked_3() {
    whatever_happens(seeds(600, 2), Database::Memory);
}

#[test]
fn whatever_happens_nothing_is_lost_or_leaked_on_sqlite() {
    whatever_happens(seeds(128, 3), Database::Sqlite);
}

#[test]
fn what_lands_long_after_it_was_removed_is_removed_again() {
    for seed in 0..150 {
        let schedule = Schedule::very_late(seed);
        demand(&play(&schedule), &schedule);
    }
}

/// Plays until the missing safeguard is missed.
fn missed(without: Safeguard, bound: u64) {
    missed_in(without, bound, Schedule::of_seed);
}

fn missed_in(without: Safeguard, bound: u64, schedules: impl Fn(u64) -> Schedule) {
    for seed in 0..bound {
        let mut schedule = schedules(seed);
        schedule.world.without = Some(without);
        let played = play(&schedule);
        if let Some(violation) = played.violations.first() {
            println!("without {without:?}, seed {seed}: {violation}");
            return;
        }
    }
    panic!("{bound} schedules do not miss {without:?}: it can be left out, or the simulator is blind");
}

#[test]
fn the_intent_is_missed() {
    missed(Safeguard::Intent, 200);
}

#[test]
fn the_fence_is_missed() {
    missed(Safeguard::Fence, 1000);
}

#[test]
fn the_settle_time_is_missed() {
    missed(Safeguard::Settle, 1000);
}

#[test]
fn the_mark_is_missed() {
    missed(Safeguard::Mark, 200);
}

#[test]
fn the_account_is_missed() {
    missed(Safeguard::Account, 500);
}

#[test]
fn the_tombstone_is_missed() {
    missed_in(Safeguard::Tombstone, 200, Schedule::very_late);
}
