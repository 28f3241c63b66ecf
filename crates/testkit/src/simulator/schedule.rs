//! Schedules: operations, what befalls processes and clouds meanwhile, and how it ends. Made from a seed alone; pure.

use super::{database::Database, flow::Ask, world::WorldOptions};
use crate::{Dice, Fault, Mishap, SimCloudOptions};
use im_model::{Idempotence, OpKind, ResourceKind, Wish};
use std::time::Duration;

/// Everything that happens to a world.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// What it was made from.
    pub seed: u64,
    /// The world.
    pub world: WorldOptions,
    /// Three VMs were made before, and nothing went wrong.
    pub prelude: bool,
    /// Another infrastructure lives beside.
    pub bystander: bool,
    /// What is asked, and done to processes and clouds, in this order.
    pub acts: Vec<Act>,
    /// What befalls them meanwhile, counted from the first act.
    pub troubles: Vec<Trouble>,
    /// So many of a hundred calls fail, in one of these ways.
    pub rate: (u64, Vec<Fault>),
    /// How it ends.
    pub ending: Ending,
    /// How long to wait in the end for whatever is still on its way.
    pub patience: Duration,
}

/// Something done from outside.
#[derive(Clone, Debug)]
pub enum Act {
    /// Time passes.
    Wait(Duration),
    /// Callers turn to this process.
    SpeakTo(usize),
    /// An operation is asked for.
    Submit {
        /// Its id.
        id: String,
        /// What it does.
        kind: OpKind,
        /// With what.
        ask: Ask,
    },
    /// The same by a caller who goes away after so long.
    Leave {
        /// Its id.
        id: String,
        /// What it does.
        kind: OpKind,
        /// With what.
        ask: Ask,
        /// How long the caller waits for the answer.
        patience: Duration,
    },
    /// The same request again, as after a lost answer.
    Repeat,
    /// The process is killed.
    Kill,
    /// The process ends in good order.
    Stop,
    /// The process stands still for so long.
    Freeze(Duration),
    /// Whatever waits for credentials or a person is given those of this account.
    Resume(&'static str),
    /// Somebody wants something of the last operation.
    Wish(Wish),
    /// Somebody puts an object where one of ours would be.
    Plant {
        /// At which cloud.
        cloud: &'static str,
        /// Its kind.
        kind: ResourceKind,
        /// The intent whose name it bears: operation, step, attempt.
        intent: (String, u32, u32),
        /// What it bears for a mark.
        forgery: Forgery,
    },
}

/// The mark of an object that is not ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forgery {
    /// None.
    Bare,
    /// Ours, made with another secret.
    WrongSecret,
    /// That of another deployment.
    OtherDeployment,
    /// A true one, of another infrastructure.
    OtherInfra,
    /// A true one, of an intent that we have no record of.
    OtherKey,
}

/// One thing that goes wrong.
#[derive(Clone, Copy, Debug)]
pub enum Trouble {
    /// To a process or its database.
    Process(Mishap),
    /// To a call of a cloud.
    Call(&'static str, u64, Fault),
}

/// How a schedule ends. In the end everything is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Everything comes to rest, and what is on record is what is there; then the delete.
    AtRest,
    /// The delete comes in the middle of it.
    InTheMiddle,
}

/// All kinds of operations.
pub(super) const KINDS: [OpKind; 8] = [
    OpKind::Create,
    OpKind::Add,
    OpKind::Remove,
    OpKind::Destroy,
    OpKind::Configure,
    OpKind::Power,
    OpKind::Alter,
    OpKind::Snapshot,
];

/// VMs of the prelude.
pub(super) const FIRST_VMS: u32 = 3;

/// A request for so many VMs, or about these.
pub(super) fn ask(vms: u32, ids: Vec<u32>, account: &str) -> Ask {
    Ask {
        vms,
        clouds: vec!["a".to_owned(), "b".to_owned()],
        ids,
        account: account.to_owned(),
        boot_fails: Vec::new(),
    }
}

struct Maker {
    dice: Dice,
    /// The database serves one process.
    exclusive: bool,
    /// VMs that were asked for so far.
    made: u32,
    two_accounts: bool,
    acts: Vec<Act>,
    names: u32,
}

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

impl Maker {
    fn account(&mut self) -> &'static str {
        if self.two_accounts && self.dice.percent(30) {
            "y"
        } else {
            "x"
        }
    }

    fn number(&mut self, below: u64) -> u32 {
        u32::try_from(self.dice.below(below)).unwrap_or(0)
    }

    fn wait(&mut self, longest: u64) {
        let pause = millis(self.dice.below(longest));
        self.acts.push(Act::Wait(pause));
    }

    fn submit(&mut self, kind: OpKind) {
        self.names += 1;
        let id = format!("{}{}", kind.as_str(), self.names);
        let account = self.account();
        let mut wanted = ask(0, Vec::new(), account);
        match kind {
            OpKind::Create | OpKind::Add => {
                wanted.vms = 1 + self.number(3);
                if self.dice.percent(25) {
                    wanted.boot_fails = vec![self.made];
                }
                self.made += wanted.vms;
            }
            OpKind::Remove | OpKind::Power | OpKind::Alter | OpKind::Snapshot => {
                let most = u64::from(self.made.max(1));
                let first = self.number(most);
                wanted.ids = vec![first];
                if self.dice.percent(40) {
                    let second = self.number(most);
                    wanted.ids.retain(|id| *id != second);
                    wanted.ids.push(second);
                }
            }
            OpKind::Configure | OpKind::Destroy => {}
        }
        if self.dice.percent(12) {
            self.plant(&id);
        }
        if kind != OpKind::Create && self.dice.percent(10) {
            let patience = Duration::from_micros(self.dice.below(20_000));
            self.acts.push(Act::Leave {
                id,
                kind,
                ask: wanted,
                patience,
            });
        } else {
            self.acts.push(Act::Submit { id, kind, ask: wanted });
        }
        if self.dice.percent(5) {
            self.acts.push(Act::Repeat);
        }
    }

    fn plant(&mut self, operation: &str) {
        let forgeries = [
            Forgery::Bare,
            Forgery::WrongSecret,
            Forgery::OtherDeployment,
            Forgery::OtherInfra,
            Forgery::OtherKey,
        ];
        let kinds = [ResourceKind::Network, ResourceKind::Volume, ResourceKind::Vm];
        let forgery = forgeries[self.number(5) as usize];
        let cloud = if self.dice.percent(50) { "a" } else { "b" };
        for step in 0..4 {
            let kind = kinds[self.number(3) as usize];
            let attempt = u32::from(self.dice.percent(20));
            self.acts.push(Act::Plant {
                cloud,
                kind,
                intent: (operation.to_owned(), step, attempt),
                forgery,
            });
        }
    }

    /// Something befalls the process that is spoken to, or somebody comes with credentials.
    fn interlude(&mut self) {
        let act = match self.dice.below(8) {
            0 | 1 => Act::Kill,
            2 => Act::Stop,
            3 => Act::Freeze(self.pause()),
            4 => Act::Wish(match self.dice.below(5) {
                0 => Wish::Abandon,
                1 => Wish::Retry(None),
                _ => Wish::Cancel(None),
            }),
            _ => Act::Resume(self.account()),
        };
        self.acts.push(act);
    }

    /// A process that stands still for some seconds has its lease after it; after a minute it has lost it.
    fn pause(&mut self) -> Duration {
        if self.dice.percent(50) {
            millis(200 + self.dice.below(12_000))
        } else {
            millis(45_000 + self.dice.below(60_000))
        }
    }

    fn mishap(&mut self, among: u64) -> Mishap {
        let n = self.dice.below(among);
        match self.dice.below(10) {
            0 | 1 => Mishap::DieBefore(n),
            2 | 3 => Mishap::DieAfter(n),
            4 => Mishap::Unsure(n),
            5 => Mishap::UnsureNot(n),
            6 => Mishap::Fail(n),
            7 => Mishap::Stall(n, millis(1000 + self.dice.below(60_000))),
            8 if !self.exclusive => Mishap::Replaced(n, millis(30_000 + self.dice.below(60_000))),
            _ => Mishap::Freeze(n, self.pause()),
        }
    }

    fn faults(&mut self) -> Vec<Fault> {
        let late = millis(100 + self.dice.below(3900));
        // As long as the engine waits for an answer: its clock goes on in a simulated pause.
        let frozen = Fault::Frozen(millis(500 + self.dice.below(9000)));
        // The successor waits out the lease, the deadline of calls and the settle time.
        let replaced = Fault::Replaced(millis(10_000 + self.dice.below(15_000)));
        vec![
            Fault::Refused,
            Fault::Refused,
            Fault::RefusedForGood,
            Fault::Unauthorized,
            Fault::AnswerLost,
            Fault::NotDoneNoAnswer,
            Fault::Late(late),
            Fault::Late(millis(4000)),
            Fault::Hangs(late),
            if self.exclusive { frozen } else { replaced },
            Fault::Twice,
            Fault::Panic,
        ]
    }

    fn world(&mut self, seed: u64) -> WorldOptions {
        let kinds = [Idempotence::UniqueName, Idempotence::Put, Idempotence::MarkThenSearch];
        WorldOptions {
            exclusive: self.exclusive,
            seed,
            cloud: SimCloudOptions {
                idempotence: kinds[self.number(3) as usize],
                lag: Duration::from_secs(self.dice.below(3)),
                latency: millis(1 + self.dice.below(500)),
                transit: millis(1 + self.dice.below(3000)),
                without: None,
            },
            ..WorldOptions::default()
        }
    }

    fn schedule(mut self, seed: u64, prelude: bool, among: u64) -> Schedule {
        let world = self.world(seed);
        let mishaps = self.dice.below(4);
        let mut troubles: Vec<Trouble> = (0..mishaps).map(|_| Trouble::Process(self.mishap(among))).collect();
        let faults = self.faults();
        for _ in 0..self.dice.below(3) {
            let cloud = if self.dice.percent(50) { "a" } else { "b" };
            let number = self.dice.below(12);
            if let Some(fault) = self.dice.pick(&faults) {
                troubles.push(Trouble::Call(cloud, number, *fault));
            }
        }
        let rate = if self.dice.percent(50) { self.dice.below(25) } else { 0 };
        let ending = if self.dice.percent(60) {
            Ending::AtRest
        } else {
            Ending::InTheMiddle
        };
        Schedule {
            seed,
            world,
            prelude,
            bystander: self.dice.percent(10),
            acts: self.acts,
            troubles,
            rate: (rate, faults),
            ending,
            patience: Duration::from_mins(1),
        }
    }
}

impl Schedule {
    fn maker(seed: u64) -> Maker {
        let mut dice = Dice::new(seed);
        let (exclusive, two_accounts) = (dice.percent(50), dice.percent(25));
        Maker {
            dice,
            exclusive,
            made: 0,
            two_accounts,
            acts: Vec::new(),
            names: 0,
        }
    }

    /// The schedule of a seed: a pair of operations, every pair in turn, or a longer story.
    pub fn of_seed(seed: u64) -> Self {
        if seed.is_multiple_of(2) {
            Self::of_pair(seed)
        } else {
            Self::story(seed)
        }
    }

    /// One operation while another one is under way; which ones follows from the seed.
    fn of_pair(seed: u64) -> Self {
        let pair = usize::try_from(seed / 2 % 64).unwrap_or(0);
        let (first, second) = (KINDS[pair / 8], KINDS[pair % 8]);
        let mut maker = Self::maker(seed);
        let prelude = first != OpKind::Create;
        maker.made = if prelude { FIRST_VMS } else { 0 };
        maker.submit(first);
        maker.wait(3000);
        if maker.dice.percent(50) {
            maker.acts.push(Act::SpeakTo(1));
        }
        maker.submit(second);
        for _ in 0..maker.dice.below(3) {
            maker.wait(4000);
            maker.interlude();
        }
        maker.schedule(seed, prelude, 25)
    }

    /// Operations at any moment.
    fn story(seed: u64) -> Self {
        let mut maker = Self::maker(seed);
        maker.submit(OpKind::Create);
        for _ in 0..maker.dice.below(8) {
            maker.wait(4000);
            let slot = usize::from(maker.dice.percent(50));
            maker.acts.push(Act::SpeakTo(slot));
            if maker.dice.percent(70) {
                // A delete in the middle ends the story; the others come more often.
                let kind = match maker.dice.below(20) {
                    0 => OpKind::Destroy,
                    1..=5 => OpKind::Add,
                    6..=9 => OpKind::Remove,
                    10 | 11 => OpKind::Configure,
                    12..=14 => OpKind::Power,
                    15..=17 => OpKind::Alter,
                    _ => OpKind::Snapshot,
                };
                maker.submit(kind);
            } else {
                maker.interlude();
            }
        }
        maker.schedule(seed, false, 60)
    }

    /// The schedule of a seed with calls that land long after the settle time, though not after the time of a tombstone:
    /// what was removed meanwhile comes to be again. Where names are free nothing keeps such a call from making a second
    /// object, so they are not.
    pub fn very_late(seed: u64) -> Self {
        let mut schedule = Self::of_seed(seed);
        if schedule.world.cloud.idempotence == Idempotence::MarkThenSearch {
            schedule.world.cloud.idempotence = Idempotence::UniqueName;
        }
        // A search for tombstones needs credentials that are still there: those of the delete.
        for act in &mut schedule.acts {
            match act {
                Act::Submit { ask, .. } | Act::Leave { ask, .. } => "x".clone_into(&mut ask.account),
                Act::Resume(account) => *account = "x",
                _ => {}
            }
        }
        let late = |seconds| Fault::Late(Duration::from_secs(seconds));
        schedule.rate = (25, vec![late(8), late(15), late(25), Fault::AnswerLost]);
        schedule.ending = Ending::InTheMiddle;
        schedule.patience = Duration::from_mins(5);
        schedule
    }

    /// The same on the real store, which serves one process: none is replaced while it stands still.
    #[must_use]
    pub fn on_sqlite(mut self) -> Self {
        self.world.database = Database::Sqlite;
        self.world.exclusive = true;
        self.rate.1.retain(|fault| !matches!(fault, Fault::Replaced(_)));
        self.troubles.retain(|trouble| {
            !matches!(
                trouble,
                Trouble::Process(Mishap::Replaced(..)) | Trouble::Call(_, _, Fault::Replaced(_))
            )
        });
        self
    }

    /// One operation of a kind, and one thing that goes wrong.
    pub fn single(kind: OpKind, idempotence: Idempotence, lag: Duration, trouble: Option<Trouble>) -> Self {
        let mut maker = Self::maker(7);
        (maker.two_accounts, maker.made) = (false, FIRST_VMS);
        let ids = if kind == OpKind::Remove { vec![1] } else { vec![0, 1] };
        let vms = u32::from(matches!(kind, OpKind::Create | OpKind::Add)) * 2;
        let request = ask(vms, ids, "x");
        Self {
            seed: 7,
            world: WorldOptions {
                seed: 7,
                cloud: SimCloudOptions {
                    idempotence,
                    lag,
                    ..SimCloudOptions::default()
                },
                ..WorldOptions::default()
            },
            prelude: kind != OpKind::Create,
            bystander: false,
            acts: vec![Act::Submit {
                id: "it".to_owned(),
                kind,
                ask: request,
            }],
            troubles: trouble.into_iter().collect(),
            rate: (0, Vec::new()),
            ending: Ending::AtRest,
            patience: Duration::from_mins(1),
        }
    }
}
