//! Plays a schedule and tells what was violated.

use super::{
    check::{check, released},
    flow::Ask,
    schedule::{Act, Ending, FIRST_VMS, Forgery, Schedule, Trouble, ask},
    world::World,
};
use crate::SimCloud;
use im_model::{Deployment, InfraId, Key, KeyParts, Mark, OpKind, OpState, OperationId, ResourceKind, StepId};
use im_store::{OperationFilter, StoreResult};
use std::time::Duration;

/// The infrastructure of a schedule.
const INFRA: &str = "infra";
/// Another one.
const OTHER: &str = "other";

/// What came of a schedule.
#[derive(Clone, Debug, Default)]
pub struct Played {
    /// What was violated; none is what is demanded.
    pub violations: Vec<String>,
    /// Operations with their steps, if something was violated.
    pub history: Vec<String>,
    /// Transactions from the first act until all came to rest.
    pub transactions: u64,
    /// Calls of the clouds `a` and `b` in that time.
    pub calls: [u64; 2],
    /// All transactions, and all calls of clouds.
    pub all: (u64, u64),
    /// How the operation named `it` ended.
    pub it: Option<OpState>,
}

/// Runs something on one thread and a paused clock.
pub fn on_paused_clock<T>(future: impl Future<Output = T>) -> std::io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()?;
    Ok(runtime.block_on(future))
}

/// Plays a schedule in a world of its own.
pub fn play(schedule: &Schedule) -> Played {
    let played = on_paused_clock(async {
        let mut world = match World::open(schedule.world.clone()).await {
            Ok(world) => world,
            Err(error) => return failed(&error.to_string()),
        };
        let mut player = Player {
            world: &mut world,
            played: Played::default(),
        };
        if let Err(why) = player.play(schedule).await {
            player.played.violations.push(why);
        }
        player.finish().await
    });
    played.unwrap_or_else(|error| failed(&error.to_string()))
}

fn failed(why: &str) -> Played {
    Played {
        violations: vec![why.to_owned()],
        ..Played::default()
    }
}

struct Player<'w> {
    world: &'w mut World,
    played: Played,
}

type Verdict = Result<(), String>;

impl Player<'_> {
    async fn play(&mut self, schedule: &Schedule) -> Verdict {
        if schedule.bystander {
            self.make(OTHER, 1).await?;
        }
        if schedule.prelude {
            self.make(INFRA, FIRST_VMS).await?;
        }
        let before = self.counts();
        for trouble in &schedule.troubles {
            match *trouble {
                Trouble::Process(mishap) => self.world.befall([mishap]),
                Trouble::Call(cloud, number, fault) => {
                    let cloud = &self.world.clouds[cloud];
                    cloud.fail_at(cloud.calls() + number, fault);
                }
            }
        }
        for cloud in self.world.clouds.values() {
            cloud.fail_often(schedule.rate.0, &schedule.rate.1);
        }
        let mut last = None;
        for act in &schedule.acts {
            self.act(act, schedule.prelude, &mut last).await?;
        }
        if schedule.ending == Ending::AtRest {
            self.rest(INFRA).await?;
            let after = self.counts();
            self.played.transactions = after.0 - before.0;
            self.played.calls = [after.1[0] - before.1[0], after.1[1] - before.1[1]];
            if let Ok(Some(it)) = self.world.store.operation(&OperationId::from("it")).await {
                self.played.it = Some(it.state);
            }
            self.world.heal();
            self.all_resumed(INFRA).await?;
            tokio::time::sleep(schedule.patience).await;
            // A request may have arrived whose sender was long dead.
            self.all_resumed(INFRA).await?;
            self.demand(INFRA).await?;
        }
        self.destroy(INFRA).await?;
        self.world.heal();
        self.rest(INFRA).await?;
        if schedule.bystander {
            self.all_resumed(OTHER).await?;
            self.demand(OTHER).await?;
            self.destroy(OTHER).await?;
            self.rest(OTHER).await?;
        }
        tokio::time::sleep(schedule.patience).await;
        self.rest(INFRA).await?;
        self.demand(INFRA).await?;
        let released = released(self.world, &InfraId::from(INFRA)).await;
        let released = released.map_err(|e| e.to_string())?;
        let left = self.world.clouds.values().flat_map(|cloud| cloud.ours());
        let left = left.filter(|o| !o.key().is_some_and(|key| released.contains(key)));
        let left = left.map(|o| format!("LEAK after the end: {} {} of {}", o.kind, o.id, o.account));
        self.played.violations.extend(left);
        Ok(())
    }

    fn counts(&self) -> (u64, [u64; 2]) {
        let calls = |cloud: &str| self.world.clouds[cloud].calls();
        (self.world.transactions(), [calls("a"), calls("b")])
    }

    async fn make(&mut self, infra: &str, vms: u32) -> Verdict {
        let id = format!("first-{infra}");
        let made = self
            .world
            .perform(&id, infra, OpKind::Create, &ask(vms, Vec::new(), "x"))
            .await;
        let state = made.map_err(|e| e.to_string())?.state;
        self.rest(infra).await?;
        if state != OpState::Done {
            return Err(format!("{infra} cannot be made though nothing goes wrong: {state:?}"));
        }
        Ok(())
    }

    async fn act(&mut self, act: &Act, prelude: bool, last: &mut Option<(String, OpKind, Ask)>) -> Verdict {
        let world = &mut *self.world;
        match act {
            Act::Wait(pause) => tokio::time::sleep(*pause).await,
            Act::SpeakTo(slot) => world.speak_to(*slot),
            Act::Submit { id, kind, ask } => {
                let new = *kind != OpKind::Create || (!prelude && last.is_none());
                let stored = world.submit_or_refuse(id, INFRA, *kind, ask).await;
                if stored != new {
                    return Err(format!("{id}: stored {stored}, which is wrong"));
                }
                if stored {
                    *last = Some((id.clone(), *kind, ask.clone()));
                }
            }
            Act::Leave {
                id,
                kind,
                ask,
                patience,
            } => world.submit_and_leave(id, INFRA, *kind, ask, *patience).await,
            Act::Repeat => {
                if let Some((id, kind, ask)) = last {
                    world.submit(id, INFRA, *kind, ask).await;
                }
            }
            Act::Kill => world.kill(),
            Act::Stop => world.stop().await,
            Act::Freeze(pause) => world.freeze(*pause),
            Act::Resume(account) => world.resume_parked(INFRA, account).await,
            Act::Wish(wish) => {
                if let Some((id, ..)) = last {
                    world.wish(&OperationId::from(id.as_str()), wish).await;
                }
            }
            Act::Plant {
                cloud,
                kind,
                intent,
                forgery,
            } => self.plant(cloud, *kind, intent, *forgery),
        }
        Ok(())
    }

    fn plant(&self, cloud: &str, kind: ResourceKind, intent: &(String, u32, u32), forgery: Forgery) {
        let ours = self.world.store.deployment();
        let infra = InfraId::from(INFRA);
        let key = Key::of(KeyParts {
            deployment: &ours.name,
            infra: &infra,
            operation: &OperationId::from(intent.0.as_str()),
            step: StepId(intent.1),
            index: 0,
            attempt: intent.2,
        });
        let mark = |infra: &str, key: &Key, by: &Deployment| {
            Mark {
                deployment: by.name.clone(),
                infra: InfraId::from(infra),
                key: key.clone(),
            }
            .seal(by)
        };
        let other = |name: &str| Deployment {
            name: name.to_owned(),
            secret: "guessed".into(),
        };
        let mark = match forgery {
            Forgery::Bare => String::new(),
            Forgery::WrongSecret => mark(INFRA, &key, &other(&ours.name)),
            Forgery::OtherDeployment => mark(INFRA, &key, &other("theirs")),
            Forgery::OtherInfra => mark("another", &key, &ours),
            Forgery::OtherKey => mark(INFRA, &Key::from_stored("0".repeat(32)), &ours),
        };
        self.world.clouds[cloud].plant(kind, &SimCloud::name_of(&key), &mark, "x");
    }

    /// Nothing is under way any more, and what waits says for what.
    async fn rest(&mut self, infra: &str) -> Verdict {
        if !self.world.quiet(infra).await {
            return Err(format!("{infra} never comes to rest"));
        }
        let unfinished = self.unfinished(infra).await?;
        match unfinished.iter().find(|(_, why)| why.is_empty()) {
            Some((id, _)) => Err(format!("{id} waits, and does not say for what")),
            None => Ok(()),
        }
    }

    async fn unfinished(&self, infra: &str) -> Result<Vec<(OperationId, String)>, String> {
        let store = &self.world.store;
        let rows = store
            .operations(&InfraId::from(infra), OperationFilter::Unfinished)
            .await;
        let rows = rows.map_err(|e| e.to_string())?;
        Ok(rows.into_iter().map(|o| (o.id, o.error.unwrap_or_default())).collect())
    }

    /// Whatever waits goes on once its reason is gone, and ends.
    async fn all_resumed(&mut self, infra: &str) -> Verdict {
        for _ in 0..10 {
            for account in ["x", "y"] {
                self.rest(infra).await?;
                if self.unfinished(infra).await?.is_empty() {
                    return Ok(());
                }
                self.world.resume_parked(infra, account).await;
                // Whoever stopped in good order keeps its lease for a while.
                tokio::time::sleep(Duration::from_secs(5)).await;
            }
        }
        self.rest(infra).await?;
        match self.unfinished(infra).await?.first() {
            None => Ok(()),
            Some((id, why)) => Err(format!("{id} does not go on: {why}")),
        }
    }

    /// Deletes, as often as it takes.
    async fn destroy(&mut self, infra: &str) -> Verdict {
        for attempt in 0..12 {
            if attempt > 2 {
                self.world.heal();
            }
            let id = OperationId::from(format!("end{attempt}-{infra}"));
            let account = if attempt % 2 == 0 { "x" } else { "y" };
            self.world
                .submit(id.as_str(), infra, OpKind::Destroy, &ask(0, Vec::new(), account))
                .await;
            for other in ["y", "x", "y", "x"] {
                let state = self.world.wait(&id).await.map_err(|e| e.to_string())?.state;
                match state {
                    OpState::Done => return Ok(()),
                    OpState::WaitingCredentials => self.world.resume_parked(infra, other).await,
                    _ => break,
                }
            }
        }
        Err(format!("a delete of {infra} never gets through"))
    }

    async fn demand(&mut self, infra: &str) -> Verdict {
        let found = check(self.world, infra).await.map_err(|e| e.to_string())?;
        self.played.violations.extend(found);
        Ok(())
    }

    async fn finish(mut self) -> Played {
        let (transactions, calls) = self.counts();
        self.played.all = (transactions, calls.iter().sum());
        if !self.played.violations.is_empty() {
            self.played.history = self.history().await.unwrap_or_else(|e| vec![e.to_string()]);
        }
        self.played
    }

    /// Operations with their steps and events.
    async fn history(&self) -> StoreResult<Vec<String>> {
        let mut lines = Vec::new();
        let store = &self.world.store;
        for operation in store.operations(&InfraId::from(INFRA), OperationFilter::All).await? {
            lines.push(format!(
                "{} {:?} {:?} {:?} cancel {:?}",
                operation.id, operation.kind, operation.state, operation.error, operation.cancel
            ));
            for (id, step) in operation.plan.iter().flat_map(|p| p.steps.iter().enumerate()) {
                let (unit, after, action) = (step.unit, &step.after, &step.action);
                lines.push(format!("  step {id} {unit:?} after {after:?}: {action:?}"));
            }
            for event in store.step_events(&operation.id).await? {
                lines.push(format!("  {} {:?}", event.step, event.kind));
            }
        }
        Ok(lines)
    }
}
