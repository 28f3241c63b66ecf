//! The end of an operation that somebody gives up: no cloud is asked any more. What it made for VMs that are complete
//! stays theirs; of everything else it is not known, or not wanted to be known, whether it exists: those rows are
//! released, which keeps them on record and takes them out of the infrastructure's hands. Of an operation that is being
//! unwound nothing is complete: what it made was to go, and may have gone in part.

use super::{
    End, StoreResult,
    record::Record,
    steps::{Steps, with_state},
};
use crate::workflow::{Cancelled, UnitOutcome};
use im_model::{Action, OpState, ResourceState, Unit};
use std::collections::BTreeSet;

impl Steps<'_> {
    /// Nothing is under way: releases, and ends.
    pub(super) async fn give_up(&mut self) -> StoreResult<End> {
        // The intents that a failure left must be in the rows before they are looked for there.
        self.flush().await?;
        self.skip_the_rest();
        let mut undoing = std::mem::take(&mut self.undoing);
        // A replay knows of an unwinding only from the operation's row: in the log its units have ended well.
        if self.unwinding || self.run.job.operation.state == OpState::Unwinding {
            let graph = &self.graph;
            self.outcomes
                .retain(|unit, outcome| *outcome != UnitOutcome::Done || !graph.makes(*unit));
        }
        let complete: BTreeSet<Unit> = self
            .outcomes
            .iter()
            .filter(|(unit, outcome)| matches!(unit, Unit::Vm(_)) && **outcome == UnitOutcome::Done)
            .map(|(unit, _)| *unit)
            .collect();
        let needed = self.graph.needed_by(&complete);
        let units: BTreeSet<Unit> = self.graph.units.keys().chain(self.made.keys()).copied().collect();
        let mut left = 0;
        for unit in units {
            if complete.contains(&unit) {
                continue;
            }
            for (step, key) in self.living(unit) {
                let row = self.run.owner.with_state(|state| state.resources.get(&key).cloned());
                let Some(row) = row else { continue };
                if row.state == ResourceState::Created && needed.contains(&step) {
                    continue;
                }
                left += 1;
                self.records
                    .push(Record::Row(with_state(&row, ResourceState::Released)));
            }
            if !self.outcomes.contains_key(&unit) {
                let outcome = undoing.remove(&unit).map_or(UnitOutcome::Cancelled, |u| u.outcome);
                self.records.push(Record::Unit(unit, outcome.clone()));
                self.outcomes.insert(unit, outcome);
            } else if self.last_words.contains(&unit) {
                let outcome = self.outcomes[&unit].clone();
                self.records.push(Record::Unit(unit, outcome));
            }
        }
        left += self.refused_removals();
        let more = match left {
            0 => String::new(),
            1 => ": 1 resource may remain at the cloud".to_owned(),
            n => format!(": {n} resources may remain at the cloud"),
        };
        let units = std::mem::take(&mut self.outcomes);
        let records = std::mem::take(&mut self.records);
        self.run.finish_early(Cancelled::Abandoned, more, units, records).await
    }

    /// How many resources that were to be removed may still be there. Their rows stay as they are: whoever removes
    /// them again takes them up.
    fn refused_removals(&self) -> usize {
        let steps = &self.graph.plan.steps;
        self.run.owner.with_state(|state| {
            let removing = |key| {
                state
                    .resources
                    .get(key)
                    .is_some_and(|row| row.state == ResourceState::Removing)
            };
            steps
                .iter()
                .filter(|step| matches!(&step.action, Action::Absent { key } if removing(key)))
                .count()
        })
    }
}
