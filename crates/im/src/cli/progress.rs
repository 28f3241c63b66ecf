//! The views of a watch: lines redrawn on a terminal, one line per change elsewhere, the log.

use super::{
    board::{Board, Row, log_prefix},
    error::CliError,
    ui::{Format, Motion, Talk, Tone, Ui, printable},
    watch::View,
};
use im_model::{Event, EventBody, LogScope, Millis, VmId};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Duration;

/// The view that fits where standard error goes.
pub(crate) fn view(ui: Ui) -> Box<dyn View> {
    match ui.motion {
        Motion::Live => Box::new(Live::new(ui)),
        Motion::Plain => Box::new(Plain { ui }),
    }
}

/// One line per change.
struct Plain {
    ui: Ui,
}

impl View for Plain {
    fn event(&mut self, _: &Event, _: &Board, line: Option<&str>) -> Result<(), CliError> {
        if let Some(line) = line {
            self.ui.note(line);
        }
        Ok(())
    }
    fn state(&mut self, _: &Board, line: Option<&str>) {
        if let Some(line) = line {
            self.ui.note(line);
        }
    }
    fn notice(&mut self, text: &str) {
        self.ui.warn(text);
    }
    fn tick(&mut self, _: &Board, _: Millis) {}
    fn finish(&mut self, _: &Board, _: Millis) {}
    fn every(&self) -> Option<Duration> {
        None
    }
    fn wants_names(&self) -> bool {
        self.ui.talk > Talk::Quiet
    }
}

/// One row per machine, redrawn in place.
struct Live {
    ui: Ui,
    area: MultiProgress,
    height: Box<dyn Fn() -> usize>,
    bars: Vec<ProgressBar>,
    frame: usize,
}

const FRAMES: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];

impl Live {
    fn new(ui: Ui) -> Self {
        let height = || usize::from(console::Term::stderr().size().0);
        Self::on(ui, ProgressDrawTarget::stderr(), Box::new(height))
    }

    fn on(ui: Ui, target: ProgressDrawTarget, height: Box<dyn Fn() -> usize>) -> Self {
        Self {
            ui,
            area: MultiProgress::with_draw_target(target),
            height,
            bars: Vec::new(),
            frame: 0,
        }
    }

    fn draw(&mut self, board: &Board, now: Millis) {
        // Rows that would scroll the screen are told as a sum.
        let height = (self.height)().saturating_sub(4).max(3);
        let p = self.ui.err;
        let spinner = FRAMES[self.frame % FRAMES.len()];
        let row = |name: String, row: &Row| {
            let busy = !row.steps.is_empty() || row.state.is_none_or(|s| super::board::tone(s) == Tone::Busy);
            let sign = if busy { spinner } else { " " };
            format!("{sign} {name}  {}", row.show(now, p))
        };
        let names: Vec<String> = board.vms.keys().map(|vm| board.who(&[*vm])).collect();
        let width = names.iter().map(|n| n.chars().count()).max().unwrap_or(0).max(14);
        let mut lines = vec![row(format!("{:<width$}", "infrastructure"), &board.whole)];
        for (name, vm) in names.iter().zip(board.vms.values()).take(height) {
            lines.push(row(format!("{name:<width$}"), vm));
        }
        if board.vms.len() > height {
            let rest = Board::tally(board.vms.values().skip(height));
            lines.push(format!("  … and {}: {rest}", board.vms.len() - height));
        }
        while self.bars.len() < lines.len() {
            let bar = self.area.add(ProgressBar::new_spinner());
            if let Ok(style) = ProgressStyle::with_template("{wide_msg}") {
                bar.set_style(style);
            }
            self.bars.push(bar);
        }
        while self.bars.len() > lines.len() {
            if let Some(bar) = self.bars.pop() {
                bar.finish_and_clear();
                self.area.remove(&bar);
            }
        }
        for (bar, line) in self.bars.iter().zip(lines) {
            bar.set_message(line);
        }
    }

    fn say(&self, text: &str) {
        // A closed terminal is nobody's loss.
        let _ = self.area.println(text);
    }
}

impl View for Live {
    fn event(&mut self, event: &Event, _: &Board, line: Option<&str>) -> Result<(), CliError> {
        // What went wrong stays on the screen above the rows.
        if let EventBody::Step { outcome, .. } = &event.body
            && outcome == "failed"
            && let Some(line) = line
        {
            self.say(line);
        }
        Ok(())
    }
    fn state(&mut self, _: &Board, _: Option<&str>) {}
    fn notice(&mut self, text: &str) {
        self.say(&format!(
            "{} {}",
            self.ui.err.paint(Tone::Busy, "warning:"),
            printable(text)
        ));
    }
    fn tick(&mut self, board: &Board, now: Millis) {
        self.frame += 1;
        self.draw(board, now);
    }
    fn finish(&mut self, _: &Board, _: Millis) {
        for bar in self.bars.drain(..) {
            bar.finish_and_clear();
        }
        let _ = self.area.clear();
    }
    fn every(&self) -> Option<Duration> {
        Some(Duration::from_millis(120))
    }
    fn wants_names(&self) -> bool {
        true
    }
}

/// The log as it grows, on standard output.
pub(crate) struct LogView {
    /// The interface.
    pub(crate) ui: Ui,
    /// Only this machine's.
    pub(crate) only: Option<u32>,
}

impl View for LogView {
    fn event(&mut self, event: &Event, _: &Board, _: Option<&str>) -> Result<(), CliError> {
        let EventBody::Log { scope, text } = &event.body else {
            return Ok(());
        };
        if self.ui.format == Format::Json {
            let wanted = self.only.is_none_or(|vm| *scope == LogScope::Vm(VmId(vm)));
            // One document per line, so that a reader need not wait for the end.
            return if wanted { self.ui.json_line(event) } else { Ok(()) };
        }
        match (self.only, scope) {
            (Some(only), LogScope::Vm(vm)) if vm.0 == only => self.ui.text(&printable(text)),
            (Some(_), _) => Ok(()),
            (None, scope) => {
                let prefix = self.ui.out.paint(Tone::Name, format!("{:<5} |", log_prefix(*scope)));
                for line in text.lines() {
                    self.ui.line(format!("{prefix} {}", printable(line)))?;
                }
                Ok(())
            }
        }
    }
    fn state(&mut self, _: &Board, _: Option<&str>) {}
    fn notice(&mut self, text: &str) {
        self.ui.warn(text);
    }
    fn tick(&mut self, _: &Board, _: Millis) {}
    fn finish(&mut self, _: &Board, _: Millis) {}
    fn every(&self) -> Option<Duration> {
        None
    }
    fn wants_names(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::ui::{ColorChoice, Format};
    use im_model::Event;
    use indicatif::InMemoryTerm;
    use serde_json::json;

    fn event(time: Millis, mut body: serde_json::Value) -> Event {
        body["seq"] = json!(time);
        body["time"] = json!(time);
        serde_json::from_value(body).unwrap()
    }

    /// What stands on the screen after some events, at a given time.
    fn screen(height: u16, events: &[(Millis, serde_json::Value)], now: Millis) -> (String, String) {
        let term = InMemoryTerm::new(height, 72);
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(term.clone()), 255);
        let ui = Ui::new(Format::Text, ColorChoice::Never, Talk::Normal);
        let mut view = Live::on(ui, target, Box::new(move || usize::from(height)));
        let mut board = Board::default();
        for (time, body) in events {
            let event = event(*time, body.clone());
            let line = board.event(&event, ui.err);
            view.event(&event, &board, line.as_deref()).unwrap();
            view.tick(&board, *time);
        }
        // What is drawn too soon after something else is left out until the next time.
        for _ in 0..2 {
            std::thread::sleep(Duration::from_millis(50));
            view.tick(&board, now);
        }
        let before = term.contents();
        view.finish(&board, now);
        (before, term.contents())
    }

    #[test]
    fn one_row_per_machine() {
        let events = [
            (
                1_000,
                json!({"type": "state", "state": "running", "vms": {"0": "running", "1": "running", "2": "pending"}}),
            ),
            (
                2_000,
                json!({"type": "step", "name": "basic", "vms": [0, 1], "outcome": "started"}),
            ),
            (
                3_500,
                json!({"type": "step", "name": "basic", "vms": [0], "outcome": "succeeded"}),
            ),
            (
                4_000,
                json!({"type": "step", "name": "basic", "vms": [1], "outcome": "failed", "error": "no room"}),
            ),
            (
                5_000,
                json!({"type": "state", "state": "running", "vms": {"0": "configured", "1": "unconfigured"}}),
            ),
            (
                6_000,
                json!({"type": "step", "name": "create vm 2", "vms": [2], "outcome": "started"}),
            ),
        ];
        let (during, after) = screen(20, &events, 7_300);
        insta::assert_snapshot!(format!("{during}\n=== at the end\n{after}"));
    }

    #[test]
    fn what_does_not_fit_is_summed_up() {
        let vms: serde_json::Map<_, _> = (0..1000).map(|n| (n.to_string(), json!("running"))).collect();
        let events = [(1_000, json!({"type": "state", "state": "running", "vms": vms}))];
        let (during, after) = screen(10, &events, 2_000);
        insta::assert_snapshot!(format!("{during}\n=== at the end\n{after}"));
    }
}
