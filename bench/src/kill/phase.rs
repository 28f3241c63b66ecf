//! The phases, the moments drawn in each, and how one tells from the database which phase was hit.

use super::trap::{Bait, Counted, Stop};
use crate::rows::Standing;
use clap::ValueEnum;
use rand::{Rng, rngs::StdRng};
use std::{fmt, time::Duration};

/// The latest, in milliseconds after the service is dead, that a call on its way arrives. The service is back within ten.
const LATEST: u64 = 300;

/// A phase of an infrastructure's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Phase {
    /// The intent is stored, and its call has not reached the daemon.
    Intent,
    /// A call is on its way: the daemon gets it when the service is dead, or already at work again.
    InFlight,
    /// The daemon has answered, and the result is not stored.
    Uncommitted,
    /// Ansible runs.
    Contextualization,
    /// Everything is being removed.
    Deletion,
}

/// How much an undisturbed infrastructure takes.
pub(super) struct Sizes {
    /// Calls that make an object.
    pub(super) creates: usize,
    /// Calls that change something, until all VMs are up.
    pub(super) changes: usize,
    /// Events from then until all is configured.
    pub(super) events: u64,
    /// Calls that change something while it is deleted.
    pub(super) removals: usize,
}

/// Where the service is killed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    Call(Bait),
    /// When so many events have come since all VMs were up.
    Event(u64),
}

/// A moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) phase: Phase,
    pub(super) place: Place,
    /// So long after it.
    pub(super) pause: Duration,
    /// The machines are configured with Ansible. Every second time, where that is not what the phase is about.
    pub(super) configured: bool,
}

impl Phase {
    pub(super) const ALL: [Self; 5] = [
        Self::Intent,
        Self::InFlight,
        Self::Uncommitted,
        Self::Contextualization,
        Self::Deletion,
    ];

    /// Draws a moment. The `n`th of a phase is drawn from the `n`th part of its calls or events, so that a few cover
    /// it all.
    pub(super) fn draw(self, n: usize, sizes: &Sizes, random: &mut StdRng) -> Moment {
        const PARTS: usize = 8;
        let on_its_way = Stop::OnItsWay(Duration::from_millis(random.random_range(0..LATEST)));
        let mut within = |all: usize| {
            let (from, to) = (n % PARTS * all / PARTS, ((n % PARTS + 1) * all).div_ceil(PARTS));
            random.random_range(from..to.max(from + 1)).min(all.saturating_sub(1))
        };
        let call = |counted, nth, stop| Place::Call(Bait { counted, nth, stop });
        let place = match self {
            Self::Intent => call(Counted::Creates, within(sizes.creates), Stop::Before),
            Self::InFlight => call(Counted::Changes, within(sizes.changes), on_its_way),
            Self::Uncommitted => call(Counted::Changes, within(sizes.changes), Stop::After),
            // The last ones tell the end.
            Self::Contextualization => {
                let events = usize::try_from(sizes.events.saturating_sub(3)).unwrap_or(0);
                Place::Event(within(events) as u64)
            }
            Self::Deletion => {
                let stop = [Stop::Before, on_its_way, Stop::After][n % 3];
                call(Counted::Changes, within(sizes.removals), stop)
            }
        };
        // The world stands still at a call; between events it goes on.
        let longest = if self == Self::Contextualization { 300 } else { 50 };
        let pause = Duration::from_millis(random.random_range(0..longest));
        Moment {
            phase: self,
            place,
            pause,
            configured: self == Self::Contextualization || n.is_multiple_of(2),
        }
    }
}

impl Moment {
    /// Whether it was what it was meant to be, by what the database said when the service was dead, and by whether the
    /// daemon had answered the call.
    pub(super) fn hit(&self, standing: &Standing, answered: bool) -> bool {
        let runs = |kind: &str| standing.running.iter().any(|(k, _)| k == kind);
        let intended = standing.resources.get("intended").is_some_and(|n| *n > 0);
        match self.phase {
            // What is held before the daemon cannot have been answered.
            Phase::Intent | Phase::InFlight => runs("create") && intended && !answered,
            Phase::Uncommitted => runs("create") && intended && answered,
            Phase::Contextualization => runs("configure") && !runs("create") && standing.open_steps > 0,
            Phase::Deletion => runs("destroy"),
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Intent => "intent written",
            Self::InFlight => "call in flight",
            Self::Uncommitted => "result not committed",
            Self::Contextualization => "contextualization",
            Self::Deletion => "deletion",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    const SIZES: Sizes = Sizes {
        creates: 6,
        changes: 12,
        events: 40,
        removals: 9,
    };

    #[test]
    fn moments_follow_from_the_seed_and_cover_the_phase() {
        let all = |seed| {
            let mut random = StdRng::seed_from_u64(seed);
            let moments = (0..8).flat_map(|n| Phase::ALL.map(|phase| phase.draw(n, &SIZES, &mut random)));
            moments.map(|m| format!("{m:?}")).collect::<Vec<_>>()
        };
        assert_eq!(all(1), all(1));
        assert_ne!(all(1), all(2));
        let mut random = StdRng::seed_from_u64(3);
        let nth = |n, random: &mut StdRng| match Phase::InFlight.draw(n, &SIZES, random).place {
            Place::Call(bait) => bait.nth,
            Place::Event(_) => usize::MAX,
        };
        assert!(nth(0, &mut random) < 2 && nth(7, &mut random) >= 10);
    }

    #[test]
    fn a_phase_is_hit_by_what_was_stored() {
        let moment = |phase| Moment {
            phase,
            place: Place::Event(0),
            pause: Duration::ZERO,
            configured: true,
        };
        let mut standing = Standing {
            resources: [("intended".to_owned(), 2)].into(),
            running: vec![("create".to_owned(), "running".to_owned())],
            open_steps: 2,
        };
        assert!(moment(Phase::InFlight).hit(&standing, false));
        assert!(!moment(Phase::InFlight).hit(&standing, true));
        assert!(moment(Phase::Uncommitted).hit(&standing, true));
        assert!(!moment(Phase::Contextualization).hit(&standing, false));
        standing.resources = [("created".to_owned(), 2)].into();
        assert!(!moment(Phase::Uncommitted).hit(&standing, true));
        standing.running = vec![("configure".to_owned(), "running".to_owned())];
        assert!(moment(Phase::Contextualization).hit(&standing, false));
        assert!(!moment(Phase::Deletion).hit(&standing, false));
    }
}
