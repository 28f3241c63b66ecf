//! Which steps of a plan may run: a fold over what happened to them. Pure, and linear in the number of edges.

use im_model::{Action, Plan, StepId, Unit};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::Arc,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// Waits for others.
    Waiting,
    /// May start.
    Ready,
    /// Under way, or to be resumed.
    Running,
    /// The next attempt waits for its time.
    Later,
    /// Waits for credentials or for a person.
    Paused,
    Succeeded,
    Failed,
    Skipped,
}

impl Status {
    fn ended(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Skipped)
    }
}

/// What the end of a step led to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Led {
    /// Steps that will not run.
    pub(crate) skipped: Vec<u32>,
    /// Units all of whose steps have ended.
    pub(crate) units: Vec<Unit>,
}

#[derive(Debug, Default)]
pub(crate) struct UnitProgress {
    left: usize,
    pub(crate) failed: bool,
    makes: bool,
    /// Steps whose failure is the reason, in order.
    causes: Vec<u32>,
}

pub(crate) struct Graph {
    pub(crate) plan: Arc<Plan>,
    status: Vec<Status>,
    attempts: Vec<u32>,
    /// Steps before it that have not ended.
    open: Vec<u32>,
    /// The step whose failure reaches this one, if any.
    cause: Vec<Option<u32>>,
    dependents: Vec<Vec<u32>>,
    outputs: HashMap<u32, Arc<Value>>,
    errors: HashMap<u32, Vec<String>>,
    pub(crate) units: BTreeMap<Unit, UnitProgress>,
    ready: VecDeque<u32>,
    left: usize,
}

impl Graph {
    /// The graph of a plan of which nothing has happened; an error if it refers to steps that are not there, or goes
    /// in a circle.
    pub(crate) fn new(plan: Arc<Plan>) -> Result<Self, String> {
        let count = u32::try_from(plan.steps.len()).map_err(|_| "a plan has too many steps".to_owned())?;
        let mut graph = Self {
            status: vec![Status::Waiting; plan.steps.len()],
            attempts: vec![0; plan.steps.len()],
            open: vec![0; plan.steps.len()],
            cause: vec![None; plan.steps.len()],
            dependents: vec![Vec::new(); plan.steps.len()],
            outputs: HashMap::new(),
            errors: HashMap::new(),
            units: BTreeMap::new(),
            ready: VecDeque::new(),
            left: plan.steps.len(),
            plan,
        };
        let plan = Arc::clone(&graph.plan);
        for (id, step) in (0..count).zip(&plan.steps) {
            let unit = graph.units.entry(step.unit).or_default();
            unit.left += 1;
            unit.makes |= matches!(step.action, Action::Ensure { .. });
            for before in &step.after {
                let list = graph
                    .dependents
                    .get_mut(before.0 as usize)
                    .ok_or_else(|| format!("step {id} of a plan waits for step {before}, which is not there"))?;
                list.push(id);
                graph.open[id as usize] += 1;
            }
        }
        graph.check_order(count)?;
        for id in 0..count {
            if graph.open[id as usize] == 0 {
                graph.make_ready(id);
            }
        }
        Ok(graph)
    }

    fn check_order(&self, count: u32) -> Result<(), String> {
        let mut open = self.open.clone();
        let mut free: Vec<u32> = (0..count).filter(|id| open[*id as usize] == 0).collect();
        let mut reached = 0;
        while let Some(id) = free.pop() {
            reached += 1;
            for dependent in &self.dependents[id as usize] {
                open[*dependent as usize] -= 1;
                if open[*dependent as usize] == 0 {
                    free.push(*dependent);
                }
            }
        }
        if reached == count {
            Ok(())
        } else {
            Err("the steps of a plan wait for each other in a circle".to_owned())
        }
    }

    pub(crate) fn status(&self, id: u32) -> Status {
        self.status[id as usize]
    }

    pub(crate) fn attempt(&self, id: u32) -> u32 {
        self.attempts[id as usize]
    }

    pub(crate) fn set(&mut self, id: u32, status: Status, attempt: u32) {
        if !self.status(id).ended() {
            self.status[id as usize] = status;
            self.attempts[id as usize] = attempt;
        }
    }

    pub(crate) fn make_ready(&mut self, id: u32) {
        if !self.status(id).ended() {
            self.status[id as usize] = Status::Ready;
            self.ready.push_back(id);
        }
    }

    /// The next step that may start.
    pub(crate) fn next_ready(&mut self) -> Option<u32> {
        while let Some(id) = self.ready.pop_front() {
            if self.status(id) == Status::Ready {
                return Some(id);
            }
        }
        None
    }

    pub(crate) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// All steps have ended.
    pub(crate) fn is_over(&self) -> bool {
        self.left == 0
    }

    pub(crate) fn unended(&self) -> impl Iterator<Item = u32> {
        (0u32..).zip(&self.status).filter(|(_, s)| !s.ended()).map(|(id, _)| id)
    }

    pub(crate) fn output(&self, id: u32) -> Option<&Arc<Value>> {
        self.outputs.get(&id)
    }

    /// Results of the steps that a step waits for.
    pub(crate) fn inputs(&self, id: u32) -> BTreeMap<StepId, Arc<Value>> {
        self.plan.steps[id as usize]
            .after
            .iter()
            .filter_map(|before| Some((*before, Arc::clone(self.outputs.get(&before.0)?))))
            .collect()
    }

    /// One more sentence about a step.
    pub(crate) fn complain(&mut self, id: u32, message: String) {
        self.errors.entry(id).or_default().push(message);
    }

    pub(crate) fn succeed(&mut self, id: u32, output: Arc<Value>) -> Led {
        self.outputs.insert(id, output);
        self.end(id, Status::Succeeded)
    }

    pub(crate) fn fail(&mut self, id: u32) -> Led {
        self.end(id, Status::Failed)
    }

    /// A step will not run though nothing before it failed.
    pub(crate) fn skip(&mut self, id: u32) -> Led {
        self.end(id, Status::Skipped)
    }

    fn end(&mut self, id: u32, status: Status) -> Led {
        let mut led = Led::default();
        let mut work = vec![(id, status)];
        while let Some((id, status)) = work.pop() {
            let i = id as usize;
            if self.status[i].ended() {
                continue;
            }
            self.status[i] = status;
            self.left -= 1;
            let cause = match status {
                Status::Failed => Some(id),
                Status::Skipped => self.cause[i].or(Some(id)),
                _ => None,
            };
            let unit = self.plan.steps[i].unit;
            if let Some(progress) = self.units.get_mut(&unit) {
                progress.left -= 1;
                if let Some(cause) = cause {
                    progress.failed = true;
                    if !progress.causes.contains(&cause) {
                        progress.causes.push(cause);
                    }
                }
                if progress.left == 0 {
                    led.units.push(unit);
                }
            }
            for k in 0..self.dependents[i].len() {
                let dependent = self.dependents[i][k];
                let d = dependent as usize;
                self.open[d] -= 1;
                if self.cause[d].is_none() {
                    self.cause[d] = cause;
                }
                if self.open[d] > 0 || self.status[d] != Status::Waiting {
                    continue;
                }
                if self.cause[d].is_some() && !self.plan.steps[d].always {
                    led.skipped.push(dependent);
                    work.push((dependent, Status::Skipped));
                } else {
                    self.make_ready(dependent);
                }
            }
        }
        led
    }

    /// The sentences that say why a unit failed.
    pub(crate) fn unit_errors(&self, unit: Unit) -> Vec<String> {
        let causes = self.units.get(&unit).map(|p| p.causes.as_slice()).unwrap_or_default();
        causes
            .iter()
            .filter_map(|id| self.errors.get(id))
            .flatten()
            .cloned()
            .collect()
    }

    /// Whether a unit's steps make anything.
    pub(crate) fn makes(&self, unit: Unit) -> bool {
        self.units.get(&unit).is_some_and(|progress| progress.makes)
    }

    /// Steps that some step of these units waits for, directly or not.
    pub(crate) fn needed_by(&self, units: &BTreeSet<Unit>) -> BTreeSet<u32> {
        let mut needed = BTreeSet::new();
        let mut work: Vec<u32> = (0u32..)
            .zip(&self.plan.steps)
            .filter(|(_, step)| units.contains(&step.unit))
            .map(|(id, _)| id)
            .collect();
        while let Some(id) = work.pop() {
            for before in &self.plan.steps[id as usize].after {
                if needed.insert(before.0) {
                    work.push(before.0);
                }
            }
        }
        needed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use im_model::{Step, VmId};

    fn step(unit: Unit, after: &[u32], always: bool) -> Step {
        Step {
            unit,
            after: after.iter().map(|n| StepId(*n)).collect(),
            always,
            action: Action::Run {
                name: "x".into(),
                args: Arc::new(Value::Null),
            },
        }
    }
    fn graph(steps: Vec<Step>) -> Graph {
        Graph::new(Arc::new(Plan { steps })).unwrap()
    }
    const A: Unit = Unit::Vm(VmId(0));
    const B: Unit = Unit::Vm(VmId(1));

    #[test]
    fn a_failure_skips_what_waits_for_it_and_spares_siblings() {
        let mut g = graph(vec![
            step(Unit::Infra, &[], false),
            step(A, &[0], false),
            step(A, &[1], false),
            step(B, &[0], false),
            step(Unit::Infra, &[2, 3], true),
        ]);
        assert_eq!(g.next_ready(), Some(0));
        assert_eq!(g.next_ready(), None);
        g.succeed(0, Arc::new(Value::Null));
        assert_eq!((g.next_ready(), g.next_ready()), (Some(1), Some(3)));
        g.complain(1, "no room".into());
        let led = g.fail(1);
        assert_eq!((led.skipped, led.units), (vec![2], vec![A]));
        assert_eq!(g.unit_errors(A), ["no room"]);
        assert!(!g.units[&B].failed);
        assert_eq!(g.next_ready(), None);
        let led = g.succeed(3, Arc::new(Value::Null));
        assert_eq!(led.units, vec![B]);
        assert_eq!(g.next_ready(), Some(4), "runs always");
        g.succeed(4, Arc::new(Value::Null));
        assert!(g.is_over() && !g.units[&Unit::Infra].failed);
    }

    #[test]
    fn what_a_unit_needs() {
        let g = graph(vec![
            step(Unit::Infra, &[], false),
            step(Unit::Infra, &[], false),
            step(A, &[1], false),
        ]);
        assert_eq!(g.needed_by(&[A].into()), [1].into());
    }

    #[test]
    fn plans_that_cannot_run_are_refused() {
        let circle = vec![step(A, &[1], false), step(A, &[0], false)];
        assert!(Graph::new(Arc::new(Plan { steps: circle })).is_err());
        let nowhere = vec![step(A, &[7], false)];
        assert!(Graph::new(Arc::new(Plan { steps: nowhere })).is_err());
    }
}
