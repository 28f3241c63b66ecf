//! The conformance suite: what the [`Connector`] trait promises, as cases that run against any connector.
//!
//! A [`Subject`] says how to reach a cloud and what to launch there. [`conformance!`](crate::conformance!) turns the
//! cases into tests; each works in an infrastructure of its own and removes whatever it made, even when it fails.
//! [`CASES`] says which promise each checks. Cases that are not for a subject are named by its test, with the reason:
//! a list that is not exactly that of [`exclusions`] fails.
//!
//! `IM_TEST_SEED` draws other delays and orders of faults; every failure names the seed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a case says that a promise is broken by panicking"
)]

mod capture;
mod cases;
mod changes;
mod faults;
mod table;
mod world;

pub use cases::{
    absence_is_final, accounts_are_not_confused, answers_in_order, asks_nobody_before_it_must, contains_no_secrets,
    finds_everything, finds_the_whole_account, foreign_objects_stay, never_makes_a_second, observes_everything,
    passing_faults_are_errors, plans_are_pure, plans_are_sound, shared_ones_are_not_planned_again,
};
pub use changes::{alters, powers, refuses_what_it_cannot};
pub use faults::{
    Fault, Faults, LATE, changes_survive, changes_survive_faults, creates_survive, creates_survive_faults,
    observes_in_few_calls, one_lost_answer_stops_no_other, reads_survive_faults, removals_survive,
    removals_survive_faults,
};
pub use table::{CASES, Case, exclusions};
pub use world::{Made, Seeded, World};

use futures::FutureExt as _;
use im_cloud::Connector;
use im_model::{AuthLine, CloudRef};
use im_radl::{Document, System};
use std::{
    panic::{AssertUnwindSafe, resume_unwind},
    sync::{Arc, Mutex},
    time::Duration,
};

/// A connector under test.
pub struct Subject {
    /// It.
    pub connector: Arc<dyn Connector>,
    /// Its cloud.
    pub cloud: Arc<CloudRef>,
    /// Credentials.
    pub auth: Arc<AuthLine>,
    /// A document whose first system can be launched.
    pub document: Arc<Document>,
    /// The same kind of cloud where nobody answers, if that can be had.
    pub unreachable: Option<Arc<CloudRef>>,
    /// Something between the connector and the cloud that goes wrong when told to.
    pub faults: Option<Arc<dyn Faults>>,
    /// Texts that no error may hold, beside the values of the auth line that are secret.
    pub secrets: Vec<String>,
    /// What delays and the order of faults are drawn from.
    pub seed: u64,
    worlds: Mutex<Vec<World>>,
}

impl Subject {
    /// A subject with the least: a connector, its cloud, and what to launch.
    pub fn new(connector: Arc<dyn Connector>, cloud: CloudRef, auth: AuthLine, document: Document) -> Self {
        Self {
            connector,
            cloud: Arc::new(cloud),
            auth: Arc::new(auth),
            document: Arc::new(document),
            unreachable: None,
            faults: None,
            secrets: Vec::new(),
            seed: std::env::var("IM_TEST_SEED").map_or(1, |seed| seed.parse().expect("IM_TEST_SEED is a number")),
            worlds: Mutex::default(),
        }
    }

    /// A fresh infrastructure there.
    pub fn world(&self) -> World {
        let world = World::new(self);
        self.worlds.lock().unwrap().push(world.clone());
        world
    }

    /// The system that is launched, as the connector wants it.
    pub fn system(&self) -> Arc<System> {
        let asked = self.document.systems.first().expect("the document has a system");
        let mut candidates = self.connector.candidates(&self.cloud, asked);
        assert!(!candidates.is_empty(), "the connector accepts the system");
        Arc::new(candidates.swap_remove(0))
    }

    /// Runs a case, then removes what it made.
    pub async fn run(self, case: impl AsyncFnOnce(&Subject)) {
        // Nothing may wait for ever: not even a broken connector.
        let limit = Duration::from_mins(5);
        let outcome = AssertUnwindSafe(tokio::time::timeout(limit, case(&self)))
            .catch_unwind()
            .await;
        if let Some(faults) = &self.faults {
            faults.disarm();
        }
        let worlds = std::mem::take(&mut *self.worlds.lock().unwrap());
        let mut left = Vec::new();
        for world in worlds {
            left.extend(world.sweep(&*self.connector).await);
        }
        match outcome {
            Err(panic) => resume_unwind(panic),
            Ok(Err(_)) => panic!("the case did not end within {} s", limit.as_secs()),
            Ok(Ok(())) => assert!(left.is_empty(), "could not be removed afterwards: {left:?}"),
        }
    }
}

/// Makes a test of each case. The first argument is a function that answers a `Subject`, or an `Option` of one; `None`:
/// what it needs is not there, and it has said so. Then the cases that are not for the subject, as [`exclusions`] names
/// them.
#[macro_export]
macro_rules! conformance {
    ($subject:path, excluded: $excluded:expr) => {
        $crate::conformance!(@cases $subject, $excluded;
            plans_are_pure, plans_are_sound, shared_ones_are_not_planned_again, never_makes_a_second,
            foreign_objects_stay, answers_in_order, absence_is_final, finds_everything, finds_the_whole_account,
            observes_everything, accounts_are_not_confused, contains_no_secrets, passing_faults_are_errors, powers, alters,
            refuses_what_it_cannot, asks_nobody_before_it_must, reads_survive_faults, creates_survive_faults,
            removals_survive_faults, changes_survive_faults, observes_in_few_calls, one_lost_answer_stops_no_other);
    };
    (@cases $subject:path, $excluded:expr; $($case:ident),*) => {
        #[tokio::test]
        async fn what_is_excluded_is_known() {
            let all: Vec<&str> = $crate::conformance::CASES.iter().map(|case| case.name).collect();
            assert_eq!(all, [$(stringify!($case)),*], "every case is a test");
            let subject: Option<$crate::conformance::Subject> = $subject().into();
            if let Some(subject) = subject {
                assert_eq!($crate::conformance::exclusions(&subject), $excluded);
            }
        }
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let subject: Option<$crate::conformance::Subject> = $subject().into();
                if let Some(subject) = subject {
                    if let Some(why) = $crate::conformance::Case::named(stringify!($case)).excluded(&subject) {
                        println!("excluded: {}: {why}", stringify!($case));
                        return;
                    }
                    subject.run($crate::conformance::$case).await;
                }
            }
        )*
    };
}
