//! Watches an infrastructure until it reaches a goal, the user leaves, or something stops it.
//!
//! An event that looks like the end is confirmed by asking for the state, so that a replay of old events never ends a
//! watch early.

use super::{
    api::{self, StateView},
    board::Board,
    client::Client,
    error::{CliError, Exit},
    feed::{self, Signal},
};
use im_model::{Event, EventBody, Millis, OpState};
use std::{
    future::Future,
    pin::Pin,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// When to stop watching.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    /// Nothing is under way any more, and this operation, if any, has ended.
    Settled {
        /// The operation.
        operation: Option<String>,
    },
    /// The infrastructure is gone.
    Gone {
        /// The operation.
        operation: Option<String>,
    },
}

/// How it ended.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// Nothing is under way any more.
    Settled(StateView),
    /// The infrastructure is gone.
    Gone,
    /// The operation cannot go on by itself.
    Halted {
        /// Its id.
        operation: String,
        /// Where it stands.
        state: OpState,
        /// Why.
        error: Option<String>,
    },
    /// The user left.
    Detached,
    /// The time given is over.
    TimedOut,
}

/// Shows what happens.
pub(crate) trait View {
    /// Something happened; the board knows it already. `line` tells it.
    fn event(&mut self, event: &Event, board: &Board, line: Option<&str>) -> Result<(), CliError>;
    /// The state was asked for. `line` tells what is new.
    fn state(&mut self, board: &Board, line: Option<&str>);
    /// Something about the connection.
    fn notice(&mut self, text: &str);
    /// Time passes.
    fn tick(&mut self, board: &Board, now: Millis);
    /// Nothing more will come.
    fn finish(&mut self, board: &Board, now: Millis);
    /// How often time passes; none: it does not matter.
    fn every(&self) -> Option<Duration>;
    /// Whether the names of the machines are worth asking for.
    fn wants_names(&self) -> bool;
}

/// A watch in progress.
pub(crate) struct Watch<'a> {
    client: &'a Client,
    id: &'a str,
    goal: Goal,
    /// What is known.
    pub(crate) board: Board,
    clock: Clock,
    operation: Option<OpState>,
    operation_error: Option<String>,
    named: usize,
}

/// Tells the service's time from this machine's and the events'.
#[derive(Default)]
struct Clock {
    /// Smallest difference seen between the time of an event and its arrival.
    lag: Option<Millis>,
}

impl Clock {
    fn local() -> Millis {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .ok()
            .and_then(|d| Millis::try_from(d.as_millis()).ok())
            .unwrap_or_default()
    }
    fn heard(&mut self, time: Millis) {
        let lag = Self::local() - time;
        self.lag = Some(self.lag.map_or(lag, |l| l.min(lag)));
    }
    fn now(&self) -> Millis {
        Self::local() - self.lag.unwrap_or_default()
    }
}

/// Waits for the user to leave. Dropped: Ctrl-C ends the program again only if nobody waits, so it lives long.
pub(crate) async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        // No handler could be set: Ctrl-C then simply ends the program.
        std::future::pending::<()>().await;
    }
}

/// Does something unless the user leaves first.
pub(crate) async fn or_interrupted<T>(work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        result = work => Some(result),
        () = interrupted() => None,
    }
}

impl<'a> Watch<'a> {
    /// Prepares to watch.
    pub(crate) fn new(client: &'a Client, id: &'a str, goal: Goal) -> Self {
        Self {
            client,
            id,
            goal,
            board: Board::default(),
            clock: Clock::default(),
            operation: None,
            operation_error: None,
            named: 0,
        }
    }

    /// Watches to the end.
    pub(crate) async fn run(&mut self, view: &mut dyn View, timeout: Option<Duration>) -> Result<Outcome, CliError> {
        let result = self.follow(view, timeout).await;
        view.finish(&self.board, self.clock.now());
        result
    }

    async fn follow(&mut self, view: &mut dyn View, timeout: Option<Duration>) -> Result<Outcome, CliError> {
        let mut signals = feed::open(self.client, self.id, 0);
        let mut tick = tokio::time::interval(view.every().unwrap_or(Duration::from_hours(1)));
        let left = interrupted();
        tokio::pin!(left);
        let over: Pin<Box<dyn Future<Output = ()>>> = match timeout {
            Some(timeout) => Box::pin(tokio::time::sleep(timeout)),
            None => Box::pin(std::future::pending()),
        };
        tokio::pin!(over);
        loop {
            tokio::select! {
                () = &mut left => return Ok(Outcome::Detached),
                () = &mut over => return Ok(Outcome::TimedOut),
                _ = tick.tick() => view.tick(&self.board, self.clock.now()),
                signal = signals.recv() => {
                    let Some(signal) = signal else {
                        return Err(CliError::new(Exit::Failed, "the event stream ended without a reason"));
                    };
                    if let Some(outcome) = self.signal(signal, view).await? {
                        return Ok(outcome);
                    }
                }
            }
        }
    }

    async fn signal(&mut self, signal: Signal, view: &mut dyn View) -> Result<Option<Outcome>, CliError> {
        match signal {
            Signal::Event(event) => {
                self.clock.heard(event.time);
                if self.note_operation(&event) {
                    self.board.begin(event.time);
                }
                self.learn_names(&event, view).await;
                let line = self.board.event(&event, self.client.ui().err);
                let line = line.filter(|_| !self.is_history());
                view.event(&event, &self.board, line.as_deref())?;
                if let Some(outcome) = self.halted() {
                    return Ok(Some(outcome));
                }
                if event.body == EventBody::Reset {
                    return self.ask(view).await;
                }
                let may_be_over = match &self.goal {
                    Goal::Settled { .. } => !self.is_history() && self.board.view().is_some_and(|v| v.is_settled()),
                    Goal::Gone { .. } => self.operation == Some(OpState::Done),
                };
                if may_be_over && matches!(event.body, EventBody::State { .. } | EventBody::Operation { .. }) {
                    return self.ask(view).await;
                }
                Ok(None)
            }
            Signal::Quiet | Signal::Ended => self.ask(view).await,
            Signal::Broken(why) => {
                view.notice(&format!("the connection broke ({why}); trying again"));
                Ok(None)
            }
            Signal::Back => {
                view.notice("connected again");
                Ok(None)
            }
            Signal::Failed(error) => Err(error),
        }
    }

    fn wanted(&self) -> Option<&str> {
        match &self.goal {
            Goal::Settled { operation } | Goal::Gone { operation } => operation.as_deref(),
        }
    }

    /// What comes before the operation that is watched was told to somebody else.
    fn is_history(&self) -> bool {
        self.wanted().is_some() && self.operation.is_none()
    }

    /// Keeps the state of the operation that is watched; true when it is heard of for the first time.
    fn note_operation(&mut self, event: &Event) -> bool {
        let EventBody::Operation { id, state, error, .. } = &event.body else {
            return false;
        };
        if self.wanted() != Some(id.as_str()) {
            return false;
        }
        self.operation_error.clone_from(error);
        self.operation.replace(*state).is_none()
    }

    fn halted(&self) -> Option<Outcome> {
        let state = self.operation?;
        let halted = match state {
            OpState::Stuck | OpState::WaitingCredentials => true,
            // A create that was undone still leaves an infrastructure to look at; a destroy that was, is a failure.
            OpState::Undone => matches!(self.goal, Goal::Gone { .. }),
            _ => false,
        };
        halted.then(|| Outcome::Halted {
            operation: self.wanted().unwrap_or_default().to_owned(),
            state,
            error: self.operation_error.clone(),
        })
    }

    /// Asks for the state and judges it.
    async fn ask(&mut self, view: &mut dyn View) -> Result<Option<Outcome>, CliError> {
        let state = match api::state(self.client, self.id).await {
            Ok(state) => state,
            Err(error) if error.status == Some(404) => return Ok(Some(Outcome::Gone)),
            // The feed counts failures to connect and gives up in time.
            Err(error) if error.exit == Exit::Unreachable || error.status.is_some_and(|s| s >= 500) => return Ok(None),
            Err(error) => return Err(error),
        };
        let line = self.board.state(&state, self.clock.now(), self.client.ui().err);
        let line = line.filter(|_| !self.is_history());
        view.state(&self.board, line.as_deref());
        let over = match &self.goal {
            Goal::Gone { .. } => false,
            Goal::Settled { operation } => {
                state.is_settled() && (operation.is_none() || self.operation.is_some_and(OpState::is_final))
            }
        };
        Ok(over.then_some(Outcome::Settled(state)))
    }

    /// Asks once for the names of new machines, unless they are very many.
    async fn learn_names(&mut self, event: &Event, view: &dyn View) {
        let EventBody::State { vms, .. } = &event.body else {
            return;
        };
        let unknown: Vec<u32> = vms
            .keys()
            .map(|v| v.0)
            .filter(|v| !self.board.vms.contains_key(v))
            .collect();
        if !view.wants_names() || unknown.is_empty() || self.named + unknown.len() > 64 {
            return;
        }
        self.named += unknown.len();
        for (number, answer) in api::vm_infos(self.client, self.id, &unknown).await {
            if let Ok(radl) = answer {
                let machine = super::machine::Machine::read(number, &radl);
                if !machine.system.is_empty() {
                    self.board.vms.entry(number).or_default().system = Some(machine.system);
                }
            }
        }
    }
}
