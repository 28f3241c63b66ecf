//! The feed of an infrastructure for one watcher: what is stored, then what happens, without gap or repetition.

use im_model::{Event, EventBody, InfraId};
use im_ops::Engine;
use im_store::StoreResult;
use std::{collections::VecDeque, sync::Arc, time::Duration};
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::timeout,
};

/// Events per look into the database.
const PAGE: usize = 500;
/// How long without news before the database is looked at again: another instance may be at work.
const QUIET: Duration = Duration::from_secs(5);

/// A watcher's place in a feed.
pub(crate) struct Feed {
    engine: Arc<Engine>,
    infra: InfraId,
    live: Receiver<Arc<Event>>,
    /// The number of the last event given out.
    last: u64,
    waiting: VecDeque<Event>,
    /// The database may hold events that were not given out.
    behind: bool,
    /// The infrastructure is gone.
    over: bool,
}

impl Feed {
    /// From the event after `after` on.
    pub(crate) fn new(engine: Arc<Engine>, infra: InfraId, after: u64) -> Self {
        // Subscribing before reading: what is written in between comes twice, and the second time is left out.
        let live = engine.subscribe(&infra);
        Self {
            engine,
            infra,
            live,
            last: after,
            waiting: VecDeque::new(),
            behind: true,
            over: false,
        }
    }

    /// The next event; none after the infrastructure is gone or the database has failed.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        match self.try_next().await {
            Ok(event) => event,
            Err(error) => {
                tracing::error!(infra = %self.infra, %error, "a feed ends early");
                None
            }
        }
    }

    async fn try_next(&mut self) -> StoreResult<Option<Event>> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                self.last = event.seq;
                return Ok(Some(event));
            }
            if self.behind {
                let page = self.engine.store().events(&self.infra, self.last, PAGE).await?;
                self.behind = page.len() >= PAGE;
                if let Some(first) = page.first() {
                    // Numbers have no gap: what is missing was pruned.
                    if first.seq > self.last + 1 {
                        self.waiting.push_back(Event {
                            infra: self.infra.clone(),
                            seq: first.seq - 1,
                            time: first.time,
                            body: EventBody::Reset,
                        });
                    }
                    self.waiting.extend(page);
                    continue;
                }
            }
            if self.over || self.is_gone().await? {
                // What was written up to now is still given out.
                if self.over {
                    return Ok(None);
                }
                self.over = true;
                self.behind = true;
                continue;
            }
            match timeout(QUIET, self.live.recv()).await {
                Ok(Ok(event)) if event.seq == self.last + 1 => {
                    self.last = event.seq;
                    return Ok(Some((*event).clone()));
                }
                Ok(Ok(event)) if event.seq <= self.last => {}
                Ok(Err(RecvError::Closed)) => return Ok(None),
                // A gap, silence, or too slow a watcher: the database knows.
                Ok(Ok(_) | Err(RecvError::Lagged(_))) | Err(_) => self.behind = true,
            }
        }
    }

    async fn is_gone(&self) -> StoreResult<bool> {
        let state = self.engine.snapshot(&self.infra).await?;
        Ok(state.is_none_or(|s| s.infra.deleted))
    }
}
