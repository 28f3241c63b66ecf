//! Stands between the service and the daemon, and stops the service's world at one call: before the daemon sees it,
//! while it is on its way, or when the daemon's answer is here and the service has not seen it.
//!
//! Whoever waits for the trap kills the service then. What was held back before is dropped; what was on its way takes
//! effect when the service is dead, or already at work again.

use async_trait::async_trait;
use im_testkit::{
    conformance::Fault,
    proxy::{Between, Call},
};
use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::watch;

/// Where a call is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// It never reaches the daemon.
    Before,
    /// It reaches the daemon so long after the service is dead.
    OnItsWay(Duration),
    /// The daemon has answered, and the service does not see it.
    After,
}

/// Which calls of the service are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counted {
    /// Those that make an object.
    Creates,
    /// All that change something.
    Changes,
}

impl Counted {
    fn counts(self, call: &Call) -> bool {
        match self {
            Self::Creates => call.method == "POST" && call.path.split('?').next().unwrap_or("").ends_with("/create"),
            Self::Changes => call.changes(),
        }
    }
}

/// What to stop at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bait {
    pub(super) counted: Counted,
    /// Number among those counted, from 0.
    pub(super) nth: usize,
    pub(super) stop: Stop,
}

/// The call at which the trap sprang.
#[derive(Clone, Debug)]
pub(super) struct Sprung(pub(super) String);

#[derive(Default)]
struct State {
    bait: Option<Bait>,
    /// Counted calls seen since the trap was set.
    seen: usize,
    /// Number of the call that is stopped.
    chosen: Option<u64>,
    sprung: Option<Sprung>,
    /// The daemon has answered the call.
    answered: bool,
    /// Calls seen since the trap was set or released.
    creates: usize,
    changes: usize,
}

/// The trap.
pub(super) struct Trap {
    state: Mutex<State>,
    /// Raised when it springs, and when everything held back is let go.
    changed: watch::Sender<u64>,
}

impl Trap {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::default(),
            changed: watch::channel(0).0,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set(&self, bait: Bait) {
        *self.lock() = State {
            bait: Some(bait),
            ..State::default()
        };
    }

    /// Waits until the service is at the call.
    pub(super) async fn sprung(&self) -> Sprung {
        let mut changed = self.changed.subscribe();
        loop {
            if let Some(sprung) = self.lock().sprung.clone() {
                return sprung;
            }
            // The sender lives as long as this.
            let _ = changed.changed().await;
        }
    }

    /// Lets everything go that was held back; answers whether the daemon had answered the call by then.
    pub(super) fn release(&self) -> bool {
        let answered = {
            let mut state = self.lock();
            let answered = state.answered;
            *state = State::default();
            answered
        };
        self.changed.send_modify(|n| *n += 1);
        answered
    }

    /// How many calls made something and how many changed something since it was set or released.
    pub(super) fn counts(&self) -> (usize, usize) {
        let state = self.lock();
        (state.creates, state.changes)
    }

    /// This is the call, and the place to stop at.
    fn spring(&self, call: &Call) {
        self.lock().sprung = Some(Sprung(call.to_string()));
        self.changed.send_modify(|n| *n += 1);
    }

    /// Holds a call back until [`Trap::release`].
    async fn hold(&self) {
        let mut changed = self.changed.subscribe();
        while self.lock().bait.is_some() {
            let _ = changed.changed().await;
        }
    }
}

#[async_trait]
impl Between for Trap {
    async fn asked(&self, call: &Call) -> Option<Fault> {
        let stop = {
            let mut state = self.lock();
            state.creates += usize::from(Counted::Creates.counts(call));
            state.changes += usize::from(Counted::Changes.counts(call));
            let bait = state.bait?;
            if state.chosen.is_some() || !bait.counted.counts(call) {
                return None;
            }
            state.seen += 1;
            if state.seen <= bait.nth {
                return None;
            }
            state.chosen = Some(call.number);
            bait.stop
        };
        if stop == Stop::After {
            return None;
        }
        self.spring(call);
        self.hold().await;
        match stop {
            Stop::OnItsWay(late) => {
                tokio::time::sleep(late).await;
                None
            }
            Stop::Before | Stop::After => Some(Fault::DropRequest),
        }
    }

    async fn answered(&self, call: &Call) {
        let held = {
            let mut state = self.lock();
            let chosen = state.chosen == Some(call.number);
            state.answered |= chosen;
            chosen
        };
        if held {
            self.spring(call);
            self.hold().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;
    use std::sync::Arc;

    fn call(number: u64, method: &str, path: &str) -> Call {
        Call {
            number,
            method: method.to_owned(),
            path: path.to_owned(),
        }
    }

    fn bait(counted: Counted, nth: usize, stop: Stop) -> Bait {
        Bait { counted, nth, stop }
    }

    #[tokio::test]
    async fn the_call_is_held_until_it_is_released() {
        let trap = Arc::new(Trap::new());
        trap.set(bait(Counted::Creates, 1, Stop::Before));
        assert_eq!(trap.asked(&call(0, "GET", "/info")).await, None);
        assert_eq!(trap.asked(&call(1, "POST", "/networks/create")).await, None);
        assert_eq!(trap.asked(&call(2, "POST", "/containers/x/start")).await, None);
        let held = tokio::spawn({
            let trap = trap.clone();
            async move { trap.asked(&call(3, "POST", "/containers/create?name=x")).await }
        });
        assert_eq!(trap.sprung().await.0, "POST /containers/create?name=x");
        assert!(!held.is_finished());
        assert_eq!(trap.counts(), (2, 3));
        assert!(!trap.release());
        assert_eq!(held.await.unwrap(), Some(Fault::DropRequest));
    }

    #[tokio::test]
    async fn what_is_on_its_way_arrives_after_the_release() {
        let trap = Arc::new(Trap::new());
        trap.set(bait(Counted::Changes, 0, Stop::OnItsWay(Duration::from_millis(1))));
        let held = tokio::spawn({
            let trap = trap.clone();
            async move { trap.asked(&call(0, "DELETE", "/volumes/x")).await }
        });
        trap.sprung().await;
        assert!(!held.is_finished());
        assert!(!trap.release());
        assert_eq!(held.await.unwrap(), None);
    }

    #[tokio::test]
    async fn an_answer_is_held_and_known() {
        let trap = Arc::new(Trap::new());
        trap.set(bait(Counted::Changes, 0, Stop::After));
        assert_eq!(trap.asked(&call(7, "DELETE", "/networks/x")).await, None);
        assert!(trap.sprung().now_or_never().is_none());
        // Others pass.
        trap.answered(&call(8, "GET", "/info")).await;
        let held = tokio::spawn({
            let trap = trap.clone();
            async move { trap.answered(&call(7, "DELETE", "/networks/x")).await }
        });
        trap.sprung().await;
        assert!(!held.is_finished());
        assert!(trap.release());
        held.await.unwrap();
    }
}
