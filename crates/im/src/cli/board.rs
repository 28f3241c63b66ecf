//! The progress of an infrastructure as rows: one per machine with its current step and times. Pure: events in, rows
//! and lines out; the clock is an argument.

use super::{
    api::StateView,
    ui::{Paint, Tone, count, elapsed, printable},
};
use im_model::{Event, EventBody, LogScope, Millis, OpState, VmState};
use std::{borrow::Cow, collections::BTreeMap};

/// A machine, or the infrastructure itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    /// Name of its system, once known.
    pub(crate) system: Option<String>,
    /// Its state, once known.
    pub(crate) state: Option<VmState>,
    /// Steps under way, with their beginning.
    pub(crate) steps: Vec<(String, Millis)>,
    /// Steps that failed, with the reason.
    pub(crate) errors: Vec<(String, Option<String>)>,
    /// When its state last became one in which nothing is under way.
    ended: Option<Millis>,
    /// When it was first heard of.
    since: Option<Millis>,
}

/// Rows of an infrastructure.
#[derive(Clone, Debug, Default)]
pub(crate) struct Board {
    /// The infrastructure.
    pub(crate) whole: Row,
    /// Its machines.
    pub(crate) vms: BTreeMap<u32, Row>,
    /// What operations said went wrong, latest last.
    pub(crate) operation_errors: Vec<String>,
    start: Option<Millis>,
}

/// Colour of a state.
pub(crate) fn tone(state: VmState) -> Tone {
    match state {
        VmState::Configured => Tone::Good,
        VmState::Unconfigured | VmState::Failed | VmState::Unknown => Tone::Bad,
        VmState::Pending | VmState::Running | VmState::Deleting => Tone::Busy,
        VmState::Stopped | VmState::Off => Tone::Faint,
    }
}

impl Row {
    fn set_state(&mut self, state: VmState, time: Millis) -> bool {
        self.since.get_or_insert(time);
        let changed = self.state != Some(state);
        self.state = Some(state);
        let busy = matches!(state, VmState::Pending | VmState::Running | VmState::Deleting);
        if busy {
            self.ended = None;
        } else if changed {
            self.ended = Some(time);
            self.steps.clear();
        }
        changed
    }

    fn step(&mut self, name: &str, outcome: &str, error: Option<&String>, time: Millis) -> Option<Millis> {
        self.since.get_or_insert(time);
        let began = self
            .steps
            .iter()
            .position(|(n, _)| n == name)
            .map(|i| self.steps.remove(i).1);
        match outcome {
            "started" => self.steps.push((name.to_owned(), time)),
            "failed" => self.errors.push((name.to_owned(), error.cloned())),
            _ => {}
        }
        began.map(|b| time - b)
    }

    /// The row as a line: state, step, time.
    pub(crate) fn show(&self, now: Millis, p: Paint) -> String {
        let state = self.state.map_or_else(
            || p.paint(Tone::Faint, format!("{:<12}", "accepted")),
            |s| p.paint(tone(s), format!("{:<12}", s.as_str())),
        );
        let (what, since) = match (self.steps.last(), self.ended) {
            (Some((name, since)), None) => (step_name(name).into_owned(), Some(*since)),
            (_, Some(_)) if self.state != Some(VmState::Configured) && !self.errors.is_empty() => (
                self.errors
                    .last()
                    .map(|(n, _)| format!("{} failed", step_name(n)))
                    .unwrap_or_default(),
                None,
            ),
            _ => (String::new(), self.since),
        };
        let time = match (since, self.ended, self.since) {
            (_, Some(ended), Some(since)) => elapsed(ended - since),
            (Some(since), _, _) => elapsed(now - since),
            _ => String::new(),
        };
        let what = if what.is_empty() { what } else { format!("{what}  ") };
        format!("{state}  {what}{}", p.paint(Tone::Faint, time))
    }
}

impl Board {
    /// Takes an event in and gives the line that tells it, if it is worth one.
    pub(crate) fn event(&mut self, event: &Event, p: Paint) -> Option<String> {
        let time = event.time;
        self.start.get_or_insert(time);
        let line = match &event.body {
            EventBody::State { state, vms } => {
                let mut changes = Vec::new();
                for (vm, state) in vms {
                    let row = self.vms.entry(vm.0).or_default();
                    if row.set_state(*state, time) {
                        changes.push((vm.0, *state));
                    }
                }
                let whole = self.whole.set_state(*state, time);
                self.states_line(whole.then_some(*state), &changes, p)
            }
            EventBody::Step {
                name,
                vms,
                outcome,
                error,
            } => {
                let mut took = None;
                if vms.is_empty() {
                    took = self.whole.step(name, outcome, error.as_ref(), time);
                }
                for vm in vms {
                    let row = self.vms.entry(vm.0).or_default();
                    took = row.step(name, outcome, error.as_ref(), time).or(took);
                }
                let who = self.who(&vms.iter().map(|v| v.0).collect::<Vec<_>>());
                Some(step_line(&who, name, outcome, took, error.as_deref(), p))
            }
            EventBody::Operation { kind, state, error, .. } => {
                if let Some(error) = error {
                    self.operation_errors.push(error.clone());
                }
                let word = match state {
                    OpState::WaitingCredentials => "waits for credentials",
                    OpState::Stuck => "is stuck",
                    OpState::Unwinding => "is being undone",
                    OpState::Undone => "was undone",
                    _ => return None,
                };
                let kind = kind.as_str();
                let why = error
                    .as_ref()
                    .map(|e| format!(": {}", first_line(e)))
                    .unwrap_or_default();
                Some(format!("{kind} {}{why}", p.paint(Tone::Bad, word)))
            }
            EventBody::Reset => Some(p.paint(Tone::Faint, "what was before is not kept any more")),
            EventBody::Log { .. } => None,
        }?;
        let at = elapsed(time - self.start.unwrap_or(time));
        Some(format!("{} {line}", p.paint(Tone::Faint, format!("[{at:>6}]"))))
    }

    /// Takes an answer to "state" in and gives the line that tells what is new.
    pub(crate) fn state(&mut self, view: &StateView, time: Millis, p: Paint) -> Option<String> {
        let mut changes = Vec::new();
        self.vms.retain(|vm, _| view.vm_states.contains_key(vm));
        for (vm, state) in &view.vm_states {
            if self.vms.entry(*vm).or_default().set_state(*state, time) {
                changes.push((*vm, *state));
            }
        }
        self.start.get_or_insert(time);
        let whole = self.whole.set_state(view.state, time);
        let line = self.states_line(whole.then_some(view.state), &changes, p)?;
        let at = elapsed(time - self.start.unwrap_or(time));
        Some(format!("{} {line}", p.paint(Tone::Faint, format!("[{at:>6}]"))))
    }

    /// What is watched begins now: times count from here, and what went wrong before is history.
    pub(crate) fn begin(&mut self, time: Millis) {
        self.start = Some(time);
        self.operation_errors.clear();
        for row in self.vms.values_mut().chain([&mut self.whole]) {
            row.errors.clear();
            row.since = row.since.map(|_| time);
            row.ended = row.ended.map(|_| time);
        }
    }

    /// What the events tell of the state.
    pub(crate) fn view(&self) -> Option<StateView> {
        Some(StateView {
            state: self.whole.state?,
            vm_states: self
                .vms
                .iter()
                .filter_map(|(vm, row)| Some((*vm, row.state?)))
                .collect(),
        })
    }

    /// `vm 0 (front)`, `vm 0, 1, 2`, `infrastructure`.
    pub(crate) fn who(&self, vms: &[u32]) -> String {
        match vms {
            [] => "infrastructure".to_owned(),
            [one] => match self.vms.get(one).and_then(|r| r.system.as_ref()) {
                Some(system) => format!("vm {one} ({})", printable(system)),
                None => format!("vm {one}"),
            },
            many if many.len() > 8 => count(many.len(), "VM"),
            many => format!("vm {}", many.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")),
        }
    }

    fn states_line(&self, whole: Option<VmState>, changes: &[(u32, VmState)], p: Paint) -> Option<String> {
        let mut parts = Vec::new();
        // Machines that changed alike are told together.
        let mut by_state: Vec<(VmState, Vec<u32>)> = Vec::new();
        for (vm, state) in changes {
            match by_state.iter_mut().find(|(s, _)| s == state) {
                Some((_, vms)) => vms.push(*vm),
                None => by_state.push((*state, vec![*vm])),
            }
        }
        for (state, vms) in by_state {
            parts.push(format!("{} {}", self.who(&vms), p.paint(tone(state), state.as_str())));
        }
        if let Some(state) = whole {
            parts.push(format!("infrastructure {}", p.paint(tone(state), state.as_str())));
        }
        (!parts.is_empty()).then(|| parts.join("; "))
    }

    /// How many machines are in which state, for what does not fit on the screen.
    pub(crate) fn tally<'a>(rows: impl Iterator<Item = &'a Row>) -> String {
        let mut counts: Vec<(&str, usize)> = Vec::new();
        for row in rows {
            let word = row.state.map_or("accepted", VmState::as_str);
            match counts.iter_mut().find(|(w, _)| *w == word) {
                Some((_, n)) => *n += 1,
                None => counts.push((word, 1)),
            }
        }
        counts
            .iter()
            .map(|(word, n)| format!("{n} {word}"))
            .collect::<Vec<_>>()
            .join(", ")
    }
}

fn step_line(who: &str, name: &str, outcome: &str, took: Option<Millis>, error: Option<&str>, p: Paint) -> String {
    let name = step_name(name);
    let took = took.map(|t| format!(" after {}", elapsed(t))).unwrap_or_default();
    match outcome {
        "started" => format!("{who}: {name}"),
        "succeeded" => format!("{who}: {name} {}{took}", p.paint(Tone::Good, "done")),
        "failed" => {
            let why = error.map(|e| format!(": {}", first_line(e))).unwrap_or_default();
            format!("{who}: {name} {}{took}{why}", p.paint(Tone::Bad, "failed"))
        }
        other => format!("{who}: {name} {}{took}", printable(other)),
    }
}

/// What a step is called here: those that have but a short name in the service are said in words.
pub(crate) fn step_name(name: &str) -> Cow<'_, str> {
    let words = match name {
        "wait_ips" => "wait for addresses",
        "master" => "wait for the master's log-in",
        "ansible" => "prepare Ansible on the master",
        "push" => "send recipes to the master",
        "run" => "configure",
        "wait_all_ssh" => "wait for log-in",
        "basic" => "credentials and names",
        _ => match name.split_once('_') {
            // The service's own play before the user's: `main_front`; then the recipe of a system: `recipe_system`.
            Some(("main", _)) => "hosts and applications",
            _ => return printable(name),
        },
    };
    Cow::Borrowed(words)
}

/// The first line that says something.
pub(crate) fn first_line(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|l| !l.is_empty()).unwrap_or_default();
    printable(line).into_owned()
}

/// Whose log a line is, as a prefix.
pub(crate) fn log_prefix(scope: LogScope) -> String {
    match scope {
        LogScope::Infra => "infra".to_owned(),
        LogScope::Vm(vm) => format!("vm {vm}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(time: Millis, body: serde_json::Value) -> Event {
        let mut body = body;
        body["seq"] = json!(time);
        body["time"] = json!(time);
        serde_json::from_value(body).unwrap()
    }

    #[test]
    fn lines_and_rows() {
        let mut board = Board::default();
        let p = Paint::Plain;
        let mut lines = Vec::new();
        for (time, body) in [
            (
                1_000,
                json!({"type": "operation", "id": "o", "kind": "create", "state": "running"}),
            ),
            (
                1_000,
                json!({"type": "state", "state": "pending", "vms": {"0": "pending", "1": "pending"}}),
            ),
            (
                1_100,
                json!({"type": "step", "name": "create network net", "vms": [], "outcome": "started"}),
            ),
            (
                1_400,
                json!({"type": "step", "name": "create network net", "vms": [], "outcome": "succeeded"}),
            ),
            (
                2_000,
                json!({"type": "state", "state": "running", "vms": {"0": "running", "1": "running"}}),
            ),
            (
                2_000,
                json!({"type": "state", "state": "running", "vms": {"1": "running"}}),
            ),
            (
                3_000,
                json!({"type": "step", "name": "basic", "vms": [0, 1], "outcome": "started"}),
            ),
            (
                4_500,
                json!({"type": "step", "name": "basic", "vms": [0], "outcome": "succeeded"}),
            ),
            (
                5_000,
                json!({"type": "step", "name": "basic", "vms": [1], "outcome": "failed", "error": "\n unreachable\nmore"}),
            ),
            (5_000, json!({"type": "log", "scope": "infra", "text": "x\n"})),
        ] {
            lines.extend(board.event(&event(time, body), p));
        }
        let row = |board: &Board, vm: u32, now| board.vms[&vm].show(now, p);
        assert_eq!(row(&board, 0, 6_000), "running       5.0s");
        lines.extend(board.event(
            &event(
                6_000,
                json!({"type": "state", "state": "unconfigured", "vms": {"0": "configured", "1": "unconfigured"}}),
            ),
            p,
        ));
        assert_eq!(row(&board, 0, 60_000), "configured    5.0s");
        assert_eq!(
            row(&board, 1, 60_000),
            "unconfigured  credentials and names failed  5.0s"
        );
        insta::assert_snapshot!(lines.join("\n"));
        assert!(board.view().unwrap().is_settled());
        assert_eq!(Board::tally(board.vms.values()), "1 configured, 1 unconfigured");
    }

    #[test]
    fn a_state_answer_drops_machines_that_are_gone() {
        let mut board = Board::default();
        let view = |vms: &[(u32, VmState)]| StateView {
            state: VmState::Running,
            vm_states: vms.iter().copied().collect(),
        };
        board.state(&view(&[(0, VmState::Running), (1, VmState::Running)]), 5, Paint::Plain);
        assert_eq!(board.state(&view(&[(0, VmState::Running)]), 9, Paint::Plain), None);
        assert_eq!(board.vms.len(), 1);
    }
}
