//! Ends of units, and the removal of what a failed or cancelled one had made: one resource after the other, the last
//! made first. It hangs on the intents, so it runs whatever the create calls answered.

use super::{
    Record, StoreResult,
    calls::Of,
    steps::{Steps, Wake, with_state},
};
use crate::{
    needed::needed,
    workflow::{Cancelled, StepError, UnitOutcome},
};
use im_cloud::{CloudError, ErrorKind, Gone};
use im_model::{Key, Resource, ResourceState, StepEventKind, Unit, VmId};
use std::{collections::BTreeSet, sync::Arc, time::Duration};

/// What a unit that is being undone waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The next removal may start.
    Ready,
    /// One is under way.
    Calling,
    /// One failed, and will be repeated.
    Later,
    /// Nothing more can be done by itself.
    Paused,
}

/// The undoing of a unit.
pub(super) struct Undo {
    /// What is left, the next at the end.
    queue: Vec<(u32, Key)>,
    phase: Phase,
    tries: u32,
    pub(super) outcome: UnitOutcome,
}

impl Undo {
    pub(super) fn can_go_on(&self) -> bool {
        self.phase == Phase::Ready
    }
}

impl Steps<'_> {
    /// All steps of a unit have ended. With `replayed`, what follows from it is on record unless something is left.
    pub(super) fn unit_ended(&mut self, unit: Unit, replayed: bool) {
        // What is shared ends last: whether it is still needed depends on the VMs.
        if unit == Unit::Infra || self.cancelling.is_some() {
            return;
        }
        if self.graph.units.get(&unit).is_some_and(|u| u.failed) {
            let errors = self.graph.unit_errors(unit);
            self.undo_unit(unit, UnitOutcome::Failed { errors }, replayed);
        } else {
            self.unit_over(unit, UnitOutcome::Done, replayed);
        }
    }

    fn unit_over(&mut self, unit: Unit, outcome: UnitOutcome, replayed: bool) {
        if unit == Unit::Infra || self.unwinding {
            // Nothing else on record tells that it has been said: it is said in the last commit.
            self.last_words.insert(unit);
        } else if !replayed {
            self.records.push(Record::Unit(unit, outcome.clone()));
        }
        self.outcomes.insert(unit, outcome);
    }

    pub(super) fn living(&self, unit: Unit) -> Vec<(u32, Key)> {
        let Some(made) = self.made.get(&unit) else {
            return Vec::new();
        };
        let mut living: Vec<_> = self.run.owner.with_state(|state| {
            // Intents that are still to be written down are not in the rows; those of a unit that has ended are.
            made.iter()
                .filter(|(_, key)| state.resources.contains_key(key))
                .cloned()
                .collect()
        });
        living.sort_unstable();
        living.dedup();
        living
    }

    /// Removes what a unit has made, if anything, and ends it.
    pub(super) fn undo_unit(&mut self, unit: Unit, outcome: UnitOutcome, replayed: bool) {
        let queue = self.living(unit);
        if queue.is_empty() {
            self.unit_over(unit, outcome, replayed);
            return;
        }
        self.undoing.insert(
            unit,
            Undo {
                queue,
                phase: Phase::Ready,
                tries: 0,
                outcome,
            },
        );
    }

    /// All else has ended: removes what is shared and nobody needs, if something went wrong, and ends that unit.
    /// Answers whether it has ended.
    pub(super) fn shared_ended(&mut self) -> bool {
        if !self.graph.units.contains_key(&Unit::Infra) || self.outcomes.contains_key(&Unit::Infra) {
            return true;
        }
        let is_vm = |unit: &Unit| matches!(unit, Unit::Vm(VmId(_)));
        let done: BTreeSet<Unit> = self
            .outcomes
            .iter()
            .filter(|(unit, outcome)| is_vm(unit) && **outcome == UnitOutcome::Done)
            .map(|(unit, _)| *unit)
            .collect();
        let nobody = done.is_empty() && self.outcomes.keys().any(is_vm);
        let failed = self.graph.units.get(&Unit::Infra).is_some_and(|u| u.failed);
        if !failed && !nobody {
            self.unit_over(Unit::Infra, UnitOutcome::Done, false);
            return true;
        }
        let outcome = if failed {
            let errors = self.graph.unit_errors(Unit::Infra);
            UnitOutcome::Failed { errors }
        } else {
            UnitOutcome::Done
        };
        let needed = self.graph.needed_by(&done);
        if let Some(made) = self.made.get_mut(&Unit::Infra) {
            made.retain(|(step, _)| !needed.contains(step));
        }
        self.undo_unit(Unit::Infra, outcome, false);
        self.outcomes.contains_key(&Unit::Infra)
    }

    /// Starts the next removal of every unit that can go on.
    pub(super) async fn start_undo(&mut self) -> StoreResult<()> {
        let ready: Vec<Unit> = self
            .undoing
            .iter()
            .filter(|(_, undo)| undo.can_go_on())
            .map(|(unit, _)| *unit)
            .collect();
        if ready.is_empty() {
            return Ok(());
        }
        // The intents that a failure left must be in the rows before they are looked for there.
        self.flush().await?;
        let mut calls = Vec::new();
        for unit in ready {
            loop {
                let Some((id, key)) = self.undoing.get(&unit).and_then(|u| u.queue.last().cloned()) else {
                    self.undo_over(unit);
                    break;
                };
                let row = self.run.owner.with_state(|state| state.resources.get(&key).cloned());
                let Some(row) = row else {
                    if let Some(undo) = self.undoing.get_mut(&unit) {
                        undo.queue.pop();
                    }
                    continue;
                };
                match self.run.inner.workflow.reach(&self.run.job, &row.cloud) {
                    Ok(reach) => {
                        if row.state != ResourceState::Removing {
                            self.records
                                .push(Record::Row(with_state(&row, ResourceState::Removing)));
                        }
                        self.set_phase(unit, Phase::Calling);
                        calls.push((unit, id, with_state(&row, ResourceState::Removing), reach));
                    }
                    Err(StepError::NeedsCredentials { message }) => {
                        self.needs.push(needed(&message, &row.cloud, &row.account));
                        self.set_phase(unit, Phase::Paused);
                    }
                    Err(error) => self.undo_failed(unit, error.to_string()),
                }
                break;
            }
        }
        self.flush().await?;
        for (unit, id, row, reach) in calls {
            self.call_absent(Of::Undo(unit, id), row, &reach);
        }
        Ok(())
    }

    fn set_phase(&mut self, unit: Unit, phase: Phase) {
        if let Some(undo) = self.undoing.get_mut(&unit) {
            undo.phase = phase;
        }
    }

    fn undo_over(&mut self, unit: Unit) {
        if let Some(undo) = self.undoing.remove(&unit) {
            self.unit_over(unit, undo.outcome, false);
        }
    }

    fn undo_failed(&mut self, unit: Unit, message: String) {
        let options = &self.run.inner.options;
        let (most, delay) = (options.undo_attempts, options.retry_delay);
        let Some(undo) = self.undoing.get_mut(&unit) else {
            return;
        };
        undo.tries += 1;
        if undo.tries < most {
            undo.phase = Phase::Later;
            let pause = (delay * 2u32.saturating_pow(undo.tries - 1)).min(Duration::from_mins(1));
            self.later(pause, Wake::Undo(unit));
        } else {
            undo.phase = Phase::Paused;
            self.stuck.push(message);
        }
    }

    /// It is time to try again.
    pub(super) fn undo_again(&mut self, unit: Unit) {
        self.set_phase(unit, Phase::Ready);
    }

    /// A removal was not even begun: the engine stops, or a delete takes over.
    pub(super) fn undo_not_called(&mut self, unit: Unit) {
        self.set_phase(unit, Phase::Ready);
    }

    /// A removal has been answered.
    pub(super) fn undone(&mut self, unit: Unit, id: u32, row: &Arc<Resource>, result: Result<Gone, CloudError>) {
        match result {
            Ok(_) => {
                self.records.push(Record::Step {
                    id,
                    event: StepEventKind::Undone,
                    row: Some(with_state(row, ResourceState::Gone)),
                    observed: None,
                });
                let Some(undo) = self.undoing.get_mut(&unit) else {
                    return;
                };
                undo.queue.pop();
                undo.tries = 0;
                undo.phase = Phase::Ready;
                if undo.queue.is_empty() {
                    // In the same commit as the tombstone.
                    self.undo_over(unit);
                }
            }
            Err(_) if self.cancelling >= Some(Cancelled::Abandoned) => self.set_phase(unit, Phase::Ready),
            Err(error) if matches!(error.kind, ErrorKind::Unauthorized | ErrorKind::WrongAccount) => {
                self.needs.push(needed(&error.message, &row.cloud, &row.account));
                self.set_phase(unit, Phase::Paused);
            }
            Err(error) => self.undo_failed(unit, error.message),
        }
    }
}
