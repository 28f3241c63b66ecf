//! The steps of an operation: starts what is ready, takes in what comes back, and writes both down in groups.
//!
//! Everything here is made again from plan, log and resource rows; what is only in memory (timers, calls under way,
//! how often a call's outcome was unknown) may be lost at any time.

use super::{
    End, Record, Run, StoreResult,
    calls::{Answer, Calls, Of},
    graph::{Graph, Led, Status},
    record, stronger_cancel,
    undo::Undo,
};
use crate::{
    needed::needed,
    workflow::{Cancelled, Reach, StepError, UnitOutcome},
};
use im_cloud::{CloudError, ErrorKind, Gone, Observed, Outcome};
use im_model::{
    CloudRef, Key, OpKind, OpState, Resource, ResourceKind, ResourceState, StepEvent, StepEventKind, StepFailure, Unit,
};
use im_store::Release;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};
use tokio::{sync::mpsc, time::Instant};

/// What a timer is for.
#[derive(Clone, Copy)]
pub(super) enum Wake {
    Step(u32),
    Undo(Unit),
}

/// Whether another attempt may be made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Retry {
    IfAttemptsAreLeft,
    Never,
}

impl Retry {
    pub(super) fn when(sensible: bool) -> Self {
        if sensible { Self::IfAttemptsAreLeft } else { Self::Never }
    }
}

pub(super) struct Steps<'r> {
    pub(super) run: &'r mut Run,
    pub(super) graph: Graph,
    /// The intent of each `Ensure` whose outcome is not on record.
    pub(super) rows: HashMap<u32, Arc<Resource>>,
    /// Every intent of this operation, by unit; those that were removed since included.
    pub(super) made: BTreeMap<Unit, Vec<(u32, Key)>>,
    pub(super) outcomes: BTreeMap<Unit, UnitOutcome>,
    pub(super) undoing: BTreeMap<Unit, Undo>,
    /// Steps that started before, whose start is on record.
    pub(super) resumed: HashSet<u32>,
    /// Steps under whose present key a call was made whose effect may still arrive: no answer proves absence.
    uncertain: HashSet<u32>,
    /// How often the outcome of a step's call was unknown.
    unknown: HashMap<u32, u32>,
    timers: BTreeMap<(Instant, u64), Wake>,
    timer_number: u64,
    pub(super) in_flight: usize,
    pub(super) calls: Calls,
    answers: mpsc::UnboundedReceiver<Answer>,
    pub(super) reaches: BTreeMap<Arc<CloudRef>, Reach>,
    pub(super) needs: Vec<String>,
    pub(super) stuck: Vec<String>,
    pub(super) cancelling: Option<Cancelled>,
    pub(super) unwinding: bool,
    /// Units whose end is told in the operation's last commit.
    pub(super) last_words: BTreeSet<Unit>,
    pub(super) records: Vec<Record>,
}

impl<'r> Steps<'r> {
    /// Folds the log into the graph.
    pub(super) fn new(run: &'r mut Run, graph: Graph, events: &[StepEvent]) -> Self {
        let (calls, answers) = Calls::new(&run.inner, &run.owner, run.cancel.clone());
        let mut steps = Self {
            run,
            graph,
            rows: HashMap::new(),
            made: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            undoing: BTreeMap::new(),
            resumed: HashSet::new(),
            uncertain: HashSet::new(),
            unknown: HashMap::new(),
            timers: BTreeMap::new(),
            timer_number: 0,
            in_flight: 0,
            calls,
            answers,
            reaches: BTreeMap::new(),
            needs: Vec::new(),
            stuck: Vec::new(),
            cancelling: None,
            unwinding: false,
            last_words: BTreeSet::new(),
            records: Vec::new(),
        };
        if !events.is_empty() {
            steps.replay(events);
        }
        steps
    }

    fn replay(&mut self, events: &[StepEvent]) {
        let id = self.run.job.operation.id.clone();
        let mut living: HashMap<u32, Vec<Arc<Resource>>> = HashMap::new();
        self.run.owner.with_state(|state| {
            for row in state.resources.values().filter(|row| row.operation == id) {
                living.entry(row.step.0).or_default().push(Arc::clone(row));
            }
        });
        for row in living.values().flatten() {
            self.made
                .entry(row.unit)
                .or_default()
                .push((row.step.0, row.key.clone()));
        }
        let mut ended = BTreeSet::new();
        let mut started = BTreeSet::new();
        for event in events {
            let step = event.step.0;
            if step as usize >= self.graph.plan.steps.len() {
                continue;
            }
            let led = match &event.kind {
                StepEventKind::Started { attempt } => {
                    self.graph.set(step, Status::Running, *attempt);
                    started.insert(step);
                    continue;
                }
                StepEventKind::Succeeded { output } => self.graph.succeed(step, Arc::clone(output)),
                StepEventKind::Failed { failure, attempt, last } => {
                    self.graph.complain(step, failure.message.clone());
                    if *last {
                        self.graph.fail(step)
                    } else {
                        started.remove(&step);
                        self.graph.set(step, Status::Later, attempt + 1);
                        continue;
                    }
                }
                StepEventKind::Skipped => self.graph.skip(step),
                StepEventKind::Undone => continue,
            };
            ended.extend(led.units);
        }
        let unended: Vec<u32> = self.graph.unended().collect();
        for step in unended {
            match self.graph.status(step) {
                Status::Later => self.later(self.run.inner.options.retry_delay, Wake::Step(step)),
                Status::Running if started.contains(&step) => {
                    self.resumed.insert(step);
                    if let Some(row) = living.get(&step).and_then(|rows| rows.iter().max_by_key(|r| r.attempt)) {
                        self.rows.insert(step, Arc::clone(row));
                        self.uncertain.insert(step);
                    }
                    self.graph.make_ready(step);
                }
                _ => {}
            }
        }
        for unit in ended {
            // Its end was written with its last event, or will be with the last of what it made.
            self.unit_ended(unit, true);
        }
    }

    /// Until all has ended, or nothing can go on.
    pub(super) async fn run(mut self) -> StoreResult<End> {
        let inner = Arc::clone(&self.run.inner);
        let mut cancel = self.run.cancel.clone();
        loop {
            let stopping = inner.stopping.is_cancelled();
            self.cancelling = self.cancelling.max(self.run.cancelled());
            self.run.heeded = self.cancelling;
            if !stopping {
                if self.cancelling.is_none() {
                    self.start_ready().await?;
                }
                if self.cancelling < Some(Cancelled::Abandoned) {
                    self.start_undo().await?;
                }
            }
            if self.in_flight == 0 {
                if stopping {
                    self.flush().await?;
                    return Ok(End::Stopped);
                }
                if let Some(end) = self.at_rest().await? {
                    return Ok(end);
                }
                if self.has_work() || self.timers.is_empty() {
                    continue;
                }
            }
            let next = self.timers.first_key_value().map(|((at, _), _)| *at);
            let seen = self.cancelling;
            tokio::select! {
                biased;
                answer = self.answers.recv() => if let Some(answer) = answer {
                    self.gather(answer).await?;
                },
                _ = stronger_cancel(&mut cancel, seen) => {}
                () = inner.stopping.cancelled(), if !stopping => {}
                () = tokio::time::sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() && !stopping => {
                    self.wake();
                }
            }
        }
    }

    fn has_work(&self) -> bool {
        (self.cancelling.is_none() && self.graph.has_ready()) || self.undoing.values().any(Undo::can_go_on)
    }

    /// Nothing is under way: is this the end?
    async fn at_rest(&mut self) -> StoreResult<Option<End>> {
        match self.cancelling {
            Some(Cancelled::ByDelete) => return self.end().await.map(Some),
            Some(Cancelled::Abandoned) => return self.give_up().await.map(Some),
            Some(_) if !self.unwinding => {
                self.unwind().await?;
                return Ok(None);
            }
            _ => {}
        }
        if self.has_work() || !self.timers.is_empty() {
            return Ok(None);
        }
        if !self.needs.is_empty() || !self.stuck.is_empty() {
            return self.pause().await.map(Some);
        }
        if self.graph.is_over() && self.undoing.is_empty() && self.shared_ended() {
            return self.end().await.map(Some);
        }
        if !self.graph.is_over() {
            // Cannot be: every step is ready, under way, timed or paused, or waits for one that is.
            self.stuck
                .push("internal error: no step of the operation can go on".to_owned());
        }
        Ok(None)
    }

    fn paused_error(&self) -> (OpState, String) {
        let (state, list) = if self.needs.is_empty() {
            (OpState::Stuck, &self.stuck)
        } else {
            (OpState::WaitingCredentials, &self.needs)
        };
        let distinct: BTreeSet<&String> = list.iter().collect();
        let text: Vec<&str> = distinct.into_iter().take(10).map(String::as_str).collect();
        (state, text.join("\n"))
    }

    async fn pause(&mut self) -> StoreResult<End> {
        let (state, why) = self.paused_error();
        let records = std::mem::take(&mut self.records);
        let units = self.outcomes.clone();
        self.run.park(state, why, units, records).await
    }

    async fn end(&mut self) -> StoreResult<End> {
        let units = std::mem::take(&mut self.outcomes);
        let mut records = std::mem::take(&mut self.records);
        let last = self.last_words.iter().filter_map(|unit| units.get_key_value(unit));
        records.extend(last.map(|(unit, outcome)| Record::Unit(*unit, outcome.clone())));
        if let Some(why) = self.cancelling {
            return self.run.finish_early(why, String::new(), units, records).await;
        }
        let (state, error) = verdict(self.run.job.operation.kind, &units);
        self.run.finish(state, error, units, records).await
    }

    // ---- taking in

    /// Takes in an answer and those that follow soon, and writes them down together.
    async fn gather(&mut self, first: Answer) -> StoreResult<()> {
        let options = self.run.inner.options.clone();
        let until = Instant::now() + options.group_delay;
        self.take(first);
        while self.in_flight > 0 && self.records.len() < options.group_rows {
            match tokio::time::timeout_at(until, self.answers.recv()).await {
                Ok(Some(answer)) => self.take(answer),
                Ok(None) | Err(_) => break,
            }
        }
        self.flush().await
    }

    fn take(&mut self, answer: Answer) {
        self.in_flight -= 1;
        match answer {
            Answer::Ensured { steps, results } => {
                for (id, result) in steps.into_iter().zip(results) {
                    match result {
                        Ok(observed) => self.ensured(id, observed),
                        Err(error) => self.not_ensured(id, &error),
                    }
                }
            }
            Answer::NotCalled { of } => {
                for of in of {
                    match of {
                        // If the operation goes on, so does this.
                        Of::Step(id) => {
                            self.resumed.insert(id);
                            self.graph.make_ready(id);
                        }
                        Of::Undo(unit, _) => self.undo_not_called(unit),
                    }
                }
            }
            Answer::Absent { of, row, result } => match of {
                Of::Step(id) => self.absent(id, &row, result),
                Of::Undo(unit, id) => self.undone(unit, id, &row, result),
            },
            Answer::Ran { step, result } => match result {
                Ok(value) => self.succeed(step, value, None, None),
                Err(error) => self.step_error(step, error, None),
            },
        }
    }

    fn ensured(&mut self, id: u32, observed: Observed) {
        let Some(row) = self.rows.remove(&id) else { return };
        let mut row = Resource::clone(&row);
        row.state = ResourceState::Created;
        row.cloud_id = Some(observed.cloud_id.clone());
        let output = Value::String(observed.cloud_id.clone());
        self.succeed(id, output, Some(Arc::new(row)), Some(Box::new(observed)));
    }

    fn not_ensured(&mut self, id: u32, error: &CloudError) {
        let refused = matches!(error.kind, ErrorKind::Unauthorized | ErrorKind::WrongAccount);
        if refused {
            let why = self.rows.get(&id).map_or_else(
                || error.message.clone(),
                |row| needed(&error.message, &row.cloud, &row.account),
            );
            self.needs.push(why);
            self.graph.set(id, Status::Paused, self.graph.attempt(id));
            return;
        }
        match error.outcome {
            Outcome::NotApplied if !self.uncertain.contains(&id) => {
                // Nothing is there under this key, and that goes on record before the next attempt has another.
                let row = self.rows.remove(&id).map(|row| with_state(&row, ResourceState::Gone));
                if let Some(row) = &row
                    && let Some(made) = self.made.get_mut(&row.unit)
                {
                    made.retain(|(_, key)| *key != row.key);
                }
                let is_vm = row.as_ref().is_some_and(|row| row.kind == ResourceKind::Vm);
                let retry = Retry::when(is_vm || error.is_temporary());
                self.fail(id, error.message.clone(), error.is_temporary(), retry, row);
            }
            // Of an earlier call under this key, "not applied" says nothing.
            _ => self.not_known(id, error.message.clone()),
        }
    }

    /// Whether the resource exists is not known: the same key again, and in the end its removal.
    fn not_known(&mut self, id: u32, message: String) {
        self.uncertain.insert(id);
        let count = self.unknown.entry(id).or_default();
        *count += 1;
        if *count < self.run.inner.options.max_attempts && self.cancelling.is_none() {
            let pause = self.run.inner.options.retry_delay * *count;
            self.resumed.insert(id);
            self.graph.set(id, Status::Later, self.graph.attempt(id));
            self.later(pause, Wake::Step(id));
        } else {
            // Given up; the intent stays, and its unit is undone.
            self.fail(id, message, true, Retry::Never, None);
        }
    }

    fn absent(&mut self, id: u32, row: &Arc<Resource>, result: Result<Gone, CloudError>) {
        match result {
            Ok(_) => self.succeed(id, Value::Null, Some(with_state(row, ResourceState::Gone)), None),
            Err(error) if matches!(error.kind, ErrorKind::Unauthorized | ErrorKind::WrongAccount) => {
                self.needs.push(needed(&error.message, &row.cloud, &row.account));
                self.graph.set(id, Status::Paused, self.graph.attempt(id));
            }
            Err(error) => {
                let retry = error.is_temporary() || error.outcome == Outcome::Unknown;
                self.fail(id, error.message, retry, Retry::when(retry), None);
            }
        }
    }

    pub(super) fn succeed(
        &mut self,
        id: u32,
        output: Value,
        row: Option<Arc<Resource>>,
        observed: Option<Box<Observed>>,
    ) {
        let output = Arc::new(output);
        self.records.push(Record::Step {
            id,
            event: StepEventKind::Succeeded {
                output: Arc::clone(&output),
            },
            row,
            observed,
        });
        let led = self.graph.succeed(id, output);
        self.heed(led);
    }

    /// One attempt has failed; unless it was the last one, there will be another.
    pub(super) fn fail(&mut self, id: u32, message: String, temporary: bool, retry: Retry, row: Option<Arc<Resource>>) {
        let attempt = self.graph.attempt(id);
        let last =
            retry == Retry::Never || self.cancelling.is_some() || attempt + 1 >= self.run.inner.options.max_attempts;
        self.graph.complain(id, message.clone());
        self.records.push(Record::Step {
            id,
            event: StepEventKind::Failed {
                failure: StepFailure { message, temporary },
                attempt,
                last,
            },
            row,
            observed: None,
        });
        if last {
            let led = self.graph.fail(id);
            self.heed(led);
        } else {
            self.uncertain.remove(&id);
            self.unknown.remove(&id);
            self.graph.set(id, Status::Later, attempt + 1);
            self.later(self.run.inner.options.retry_delay, Wake::Step(id));
        }
    }

    pub(super) fn step_error(&mut self, id: u32, error: StepError, row: Option<Arc<Resource>>) {
        let attempt = self.graph.attempt(id);
        match error {
            StepError::Failed { message, .. } if self.rows.contains_key(&id) => self.not_known(id, message),
            StepError::Failed { message, temporary } => {
                self.resumed.remove(&id);
                self.fail(id, message, temporary, Retry::when(temporary), row);
            }
            StepError::NeedsCredentials { message } => {
                self.needs.push(message);
                self.graph.set(id, Status::Paused, attempt);
            }
            StepError::Stuck { message } => {
                self.stuck.push(message);
                self.graph.set(id, Status::Paused, attempt);
            }
            StepError::Interrupted => {
                // Nothing is recorded. Where nobody interrupts, it is run again.
                self.resumed.insert(id);
                self.graph.set(id, Status::Later, attempt);
                if self.run.cancelled().is_none() && !self.run.inner.stopping.is_cancelled() {
                    self.later(self.run.inner.options.retry_delay, Wake::Step(id));
                }
            }
        }
    }

    pub(super) fn heed(&mut self, led: Led) {
        for id in led.skipped {
            self.records.push(Record::Step {
                id,
                event: StepEventKind::Skipped,
                row: None,
                observed: None,
            });
        }
        for unit in led.units {
            self.unit_ended(unit, false);
        }
    }

    // ---- time

    pub(super) fn later(&mut self, pause: Duration, wake: Wake) {
        self.timer_number += 1;
        self.timers.insert((Instant::now() + pause, self.timer_number), wake);
    }

    fn wake(&mut self) {
        let now = Instant::now();
        while let Some(entry) = self.timers.first_entry() {
            if entry.key().0 > now {
                return;
            }
            match entry.remove() {
                Wake::Step(id) => self.graph.make_ready(id),
                Wake::Undo(unit) => self.undo_again(unit),
            }
        }
    }

    // ---- cancellation

    /// Nothing of the operation is under way any more: skips the rest, and undoes what was made.
    async fn unwind(&mut self) -> StoreResult<()> {
        self.unwinding = true;
        self.timers.clear();
        // What steps waited for is not needed any more; what undoing needs will show.
        self.needs.clear();
        self.stuck.clear();
        self.skip_the_rest();
        let units: Vec<Unit> = self.graph.units.keys().copied().collect();
        for unit in units {
            // What has ended well and makes nothing that could be removed (a removal, a change) has happened.
            let happened = self.outcomes.get(&unit) == Some(&UnitOutcome::Done) && !self.graph.makes(unit);
            if !happened {
                self.undo_unit(unit, UnitOutcome::Cancelled, false);
            }
        }
        self.flush().await?;
        if !self.undoing.is_empty() && self.run.job.operation.state != OpState::Unwinding {
            self.run.alter(|o| o.state = OpState::Unwinding);
            let operation = Arc::clone(&self.run.job.operation);
            self.run
                .owner
                .change(Release::Keep, move |draft| draft.operation(operation))
                .await?;
        }
        Ok(())
    }

    /// Nothing more of the plan is begun.
    pub(super) fn skip_the_rest(&mut self) {
        let rest: Vec<u32> = self.graph.unended().collect();
        for id in rest {
            self.records.push(Record::Step {
                id,
                event: StepEventKind::Skipped,
                row: None,
                observed: None,
            });
            self.graph.skip(id);
        }
    }

    // ---- writing

    /// Writes down what has happened since the last time.
    pub(super) async fn flush(&mut self) -> StoreResult<()> {
        if self.records.is_empty() {
            return Ok(());
        }
        let records = std::mem::take(&mut self.records);
        let (job, plan) = (self.run.job.clone(), Arc::clone(&self.graph.plan));
        let workflow = Arc::clone(&self.run.inner.workflow);
        self.run
            .owner
            .change(Release::Keep, move |draft| {
                record::write(draft, workflow.as_ref(), &job, &plan, records);
            })
            .await
    }
}

pub(super) fn with_state(row: &Arc<Resource>, state: ResourceState) -> Arc<Resource> {
    if row.state == state {
        return Arc::clone(row);
    }
    let mut row = Resource::clone(row);
    row.state = state;
    Arc::new(row)
}

/// How an operation went as a whole: it did something, or it did not.
fn verdict(kind: OpKind, units: &BTreeMap<Unit, UnitOutcome>) -> (OpState, Option<String>) {
    let vms = || units.iter().filter(|(unit, _)| matches!(unit, Unit::Vm(_)));
    let done = |outcome: &UnitOutcome| *outcome == UnitOutcome::Done;
    let failed = units.values().any(|outcome| !done(outcome));
    let well = if kind == OpKind::Destroy {
        !failed
    } else if vms().next().is_some() {
        vms().any(|(_, outcome)| done(outcome))
    } else {
        !failed
    };
    if well {
        return (OpState::Done, None);
    }
    let mut sentences: Vec<&str> = Vec::new();
    for outcome in units.values() {
        if let UnitOutcome::Failed { errors } = outcome {
            for error in errors {
                if sentences.len() < 10 && !sentences.contains(&error.as_str()) {
                    sentences.push(error);
                }
            }
        }
    }
    (OpState::Undone, Some(sentences.join("\n")))
}
