//! Plays schedules of the engine's simulator, one seed after the other, and stops at a violation.
//!
//! `cargo run --release -p im-testkit --bin simulate -- --schedules 100000`

#![allow(clippy::print_stdout, clippy::print_stderr)] // its output is what it is for

use im_testkit::{
    Safeguard,
    simulator::{Database, Schedule, play},
};
use std::{
    process::ExitCode,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

const USAGE: &str = "\
usage: simulate [--seed N] [--schedules N] [--jobs N] [--sqlite] [--late] [--without SAFEGUARD] [--repeat N]
                [--violations N]

  --seed N            the first seed (0)
  --schedules N       how many (1,000)
  --jobs N            threads (one per processor)
  --sqlite            on the real store, not on rows in memory
  --late              with calls that land long after the settle time
  --without WHAT      intent, fence, settle, mark, account or tombstone: a violation is then what is wanted
  --repeat N          plays each so often (1): which of two tasks that wake at one instant runs first is left to chance
  --violations N      goes on until so many schedules are violated (1, which is told at length)
";

struct Asked {
    seed: u64,
    schedules: u64,
    jobs: usize,
    database: Database,
    without: Option<Safeguard>,
    violations: u64,
    late: bool,
    repeat: u64,
}

fn asked() -> Option<Asked> {
    let mut asked = Asked {
        seed: 0,
        schedules: 1000,
        jobs: thread::available_parallelism().map_or(1, usize::from),
        database: Database::Memory,
        without: None,
        violations: 1,
        late: false,
        repeat: 1,
    };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--seed" => asked.seed = args.next()?.parse().ok()?,
            "--schedules" => asked.schedules = args.next()?.parse().ok()?,
            "--jobs" => asked.jobs = args.next()?.parse().ok().filter(|n| *n > 0)?,
            "--violations" => asked.violations = args.next()?.parse().ok()?,
            "--repeat" => asked.repeat = args.next()?.parse().ok().filter(|n| *n > 0)?,
            "--late" => asked.late = true,
            "--sqlite" => asked.database = Database::Sqlite,
            "--without" => {
                let name = args.next()?;
                let known = |s: &Safeguard| format!("{s:?}").eq_ignore_ascii_case(&name);
                asked.without = Some(Safeguard::ALL.into_iter().find(known)?);
            }
            _ => return None,
        }
    }
    Some(asked)
}

/// What all threads share.
#[derive(Default)]
struct Run {
    next: AtomicU64,
    played: AtomicU64,
    /// Transactions and calls of clouds.
    work: [AtomicU64; 2],
    violated: AtomicU64,
}

fn work(asked: &Asked, run: &Run) {
    while run.violated.load(Ordering::Relaxed) < asked.violations {
        let number = run.next.fetch_add(1, Ordering::Relaxed);
        if number >= asked.schedules * asked.repeat {
            return;
        }
        let seed = asked.seed + number / asked.repeat;
        let mut schedule = if asked.late {
            Schedule::very_late(seed)
        } else {
            Schedule::of_seed(seed)
        };
        if asked.database == Database::Sqlite {
            schedule = schedule.on_sqlite();
        }
        schedule.world.without = asked.without;
        let played = play(&schedule);
        run.played.fetch_add(1, Ordering::Relaxed);
        run.work[0].fetch_add(played.all.0, Ordering::Relaxed);
        run.work[1].fetch_add(played.all.1, Ordering::Relaxed);
        if !played.violations.is_empty() {
            run.violated.fetch_add(1, Ordering::Relaxed);
            if asked.violations == 1 {
                println!("{schedule:#?}\n{:#?}", played.history);
            }
            println!("seed {seed}: {:#?}", played.violations);
            println!("run it alone: cargo run -p im-testkit --bin simulate -- --seed {seed} --schedules 1 --repeat 20");
        }
    }
}

fn main() -> ExitCode {
    let Some(asked) = asked() else {
        eprint!("{USAGE}");
        return ExitCode::from(2);
    };
    if let Ok(filter) = std::env::var("IM_SIM_TRACE") {
        let _ = tracing_subscriber::fmt().with_env_filter(filter).try_init();
    }
    // A connector that panics is one of the faults.
    std::panic::set_hook(Box::new(|_| {}));
    let run = Run::default();
    let began = Instant::now();
    thread::scope(|scope| {
        let workers: Vec<_> = (0..asked.jobs).map(|_| scope.spawn(|| work(&asked, &run))).collect();
        let mut told = Instant::now();
        while !workers.iter().all(thread::ScopedJoinHandle::is_finished) {
            thread::sleep(Duration::from_millis(50));
            if told.elapsed() >= Duration::from_secs(10) {
                told = Instant::now();
                tell(&asked, &run, began);
            }
        }
    });
    tell(&asked, &run, began);
    if run.violated.load(Ordering::Relaxed) > 0 {
        return ExitCode::FAILURE;
    }
    println!("nothing was lost or leaked");
    ExitCode::SUCCESS
}

fn tell(asked: &Asked, run: &Run, began: Instant) {
    let played = run.played.load(Ordering::Relaxed);
    let seconds = began.elapsed().as_secs_f64();
    #[allow(clippy::cast_precision_loss)] // a rate for people
    let rate = played as f64 / seconds.max(0.001);
    println!(
        "{played} of {} schedules in {seconds:.0} s, {rate:.0} a second; {} transactions, {} calls of clouds",
        asked.schedules * asked.repeat,
        run.work[0].load(Ordering::Relaxed),
        run.work[1].load(Ordering::Relaxed),
    );
}
