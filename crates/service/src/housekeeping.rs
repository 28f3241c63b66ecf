//! Prunes the database now and then: feeds that grow, operations that ended long ago, tombstones that were searched for
//! again. What is unfinished or lives is never touched.

use im_store::{Bounds, Pruned, Store};
use std::{sync::Arc, time::Duration};
use tokio::{
    task::AbortHandle,
    time::{Instant, MissedTickBehavior, interval_at, sleep},
};

/// Rows of a kind per transaction: others wait meanwhile.
const AT_ONCE: u32 = 2_000;
/// Between two transactions, so that others get their turn.
const BREATH: Duration = Duration::from_millis(20);
/// The first time is soon after the start, not with it.
const SOON: Duration = Duration::from_mins(1);

/// What is kept, and how often it is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Housekeeping {
    /// How often; zero: never.
    pub every: Duration,
    /// Events per infrastructure.
    pub events: u64,
    /// How long operations that ended, and what is gone, are remembered.
    pub history: Duration,
}

impl Default for Housekeeping {
    /// Hourly; 10,000 events; 30 days.
    fn default() -> Self {
        Self {
            every: Duration::from_hours(1),
            events: 10_000,
            history: Duration::from_hours(30 * 24),
        }
    }
}

/// Keeps house until it is dropped.
pub(crate) struct Housekeeper(AbortHandle);

impl Drop for Housekeeper {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Housekeeper {
    pub(crate) fn start(store: Arc<dyn Store>, options: Housekeeping) -> Option<Self> {
        if options.every.is_zero() {
            return None;
        }
        let task = tokio::spawn(async move {
            let mut ticks = interval_at(Instant::now() + options.every.min(SOON), options.every);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                prune(&*store, &options).await;
            }
        });
        Some(Self(task.abort_handle()))
    }
}

async fn prune(store: &dyn Store, options: &Housekeeping) {
    let bounds = Bounds {
        events: options.events,
        history: i64::try_from(options.history.as_millis()).unwrap_or(i64::MAX),
        at_once: AT_ONCE,
    };
    let mut all = Pruned::default();
    loop {
        match store.prune(&bounds).await {
            Ok(some) => {
                all.events += some.events;
                all.operations += some.operations;
                all.tombstones += some.tombstones;
                all.logs += some.logs;
                if !some.more {
                    break;
                }
            }
            Err(error) => {
                tracing::warn!("the database could not be pruned: {error}");
                break;
            }
        }
        sleep(BREATH).await;
    }
    if all != Pruned::default() {
        tracing::info!(
            "pruned {} events, {} operations, {} tombstones, {} pieces of logs",
            all.events,
            all.operations,
            all.tombstones,
            all.logs
        );
    }
}
