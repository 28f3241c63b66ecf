//! Reading the events of a run.

use super::{Master, quote, tail};
use crate::{
    CtxtError, EventKind, RunnerEvent, SshError,
    ssh::{Exec, Piece},
};
use std::{collections::VecDeque, time::Duration};

/// Exit code of the reader when the run has died without a last event.
const VANISHED: u32 = 4;
/// After so many deaths of the reader in a row its answer counts.
const DEATHS: u32 = 3;
/// Pause before connecting again after a connection that brought nothing.
const PAUSE: Duration = Duration::from_secs(1);

/// The events of a run, from a sequence number on.
#[derive(Debug)]
pub struct Follow {
    master: Master,
    number: u64,
    /// The sequence number of the last event handed out.
    after: u64,
    reader: Option<Exec>,
    /// What has come and is not a whole line yet.
    pending: Vec<u8>,
    ready: VecDeque<RunnerEvent>,
    said: String,
    /// Whether the present connection has brought anything.
    alive: bool,
    /// How often the reader has died without having brought anything.
    deaths: u32,
    finished: bool,
}

impl Follow {
    pub(super) fn new(master: Master, number: u64, after: u64) -> Self {
        Self {
            master,
            number,
            after,
            reader: None,
            pending: Vec::new(),
            ready: VecDeque::new(),
            said: String::new(),
            alive: true,
            deaths: 0,
            finished: false,
        }
    }

    /// The next event; waits for it as long as the run is under way, across lost connections. None after
    /// [`EventKind::Finished`]. Nothing is lost when the call is dropped and made again.
    pub async fn next(&mut self) -> Result<Option<RunnerEvent>, CtxtError> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                self.after = event.seq;
                self.finished |= matches!(event.kind, EventKind::Finished { .. });
                return Ok(Some(event));
            }
            if self.finished {
                return Ok(None);
            }
            if let Err(error) = self.read().await {
                match error {
                    CtxtError::Ssh(lost @ (SshError::Broken { .. } | SshError::TimedOut { .. })) => {
                        tracing::debug!(run = self.number, after = self.after, "following again: {lost}");
                        self.reader = None;
                        self.pending.clear();
                        if !std::mem::take(&mut self.alive) {
                            tokio::time::sleep(PAUSE).await;
                        }
                    }
                    other => return Err(other),
                }
            }
        }
    }

    /// The master, for what comes after.
    pub fn into_master(self) -> Master {
        self.master
    }

    async fn read(&mut self) -> Result<(), CtxtError> {
        if self.reader.is_none() {
            self.master.connected().await?;
            let command = format!(
                "exec python3 {} follow {} {}",
                quote(&self.master.runner(self.number)),
                self.number,
                self.after
            );
            self.pending.clear();
            self.said.clear();
            self.reader = Some(self.master.ssh.start(&command, Vec::new()).await?);
        }
        let Some(reader) = &mut self.reader else { return Ok(()) };
        match reader.next().await? {
            Some(Piece::Out(bytes)) => {
                self.alive = true;
                self.deaths = 0;
                self.take(&bytes);
                Ok(())
            }
            Some(Piece::Err(bytes)) => {
                self.said.push_str(&String::from_utf8_lossy(&bytes));
                self.said = tail(&self.said);
                Ok(())
            }
            None => {
                let code = reader.code();
                self.reader = None;
                // What came with the last piece is handed out first.
                if !self.ready.is_empty() {
                    return Ok(());
                }
                self.deaths += 1;
                let reason = match code {
                    VANISHED | 0 => "it ended without a last event".to_owned(),
                    // Not the run, but its reader died.
                    _ if self.deaths < DEATHS => return Ok(()),
                    _ => format!("its events cannot be read (exit code {code}): {}", self.said),
                };
                Err(CtxtError::Vanished {
                    number: self.number,
                    reason,
                })
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
        let Some(end) = self.pending.iter().rposition(|b| *b == b'\n') else {
            return;
        };
        let whole: Vec<u8> = self.pending.drain(..=end).collect();
        for line in whole.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
            match serde_json::from_slice::<RunnerEvent>(line) {
                Ok(event) => self.ready.push_back(event),
                Err(error) => tracing::warn!(run = self.number, "an event of the runner cannot be read: {error}"),
            }
        }
    }
}
