//! The feed of an infrastructure: its event stream, taken up again where it broke off.
//!
//! A service without events (an older one) is noticed at the first request; its feed is then only a clock that says
//! when to ask for the state. Reads only.

use super::{
    client::Client,
    error::{CliError, Exit},
    sse::Decoder,
};
use futures::StreamExt as _;
use im_model::Event;
use reqwest::{Method, StatusCode};
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};
use tokio::sync::mpsc;

/// What the feed tells.
#[derive(Debug)]
pub(crate) enum Signal {
    /// Something happened.
    Event(Event),
    /// Nothing came for a while: ask for the state.
    Quiet,
    /// The connection broke; it is being opened again.
    Broken(String),
    /// The connection is back.
    Back,
    /// The stream ended or the service knows the infrastructure no more.
    Ended,
    /// It cannot go on.
    Failed(CliError),
}

/// Without an event for so long, the state is asked for.
const QUIET: Duration = Duration::from_secs(15);
/// How often a service without events is asked.
const POLL: Duration = Duration::from_secs(2);
/// Attempts to come back before giving up; the pauses between them grow to ten seconds, about four minutes in all.
const ATTEMPTS: u32 = 30;

/// Opens the feed in the background, with the events after `after`.
pub(crate) fn open(client: &Client, id: &str, after: u64) -> mpsc::Receiver<Signal> {
    let (tx, rx) = mpsc::channel(256);
    let feed = Feed {
        client: client.clone(),
        id: id.to_owned(),
        last: after,
        tx,
    };
    tokio::spawn(feed.run());
    rx
}

struct Feed {
    client: Client,
    id: String,
    last: u64,
    tx: mpsc::Sender<Signal>,
}

/// How one connection ended.
enum End {
    /// The receiver has gone.
    Deaf,
    /// The service has no events.
    Unsupported,
    /// The service closed it in order, or says that the infrastructure has gone.
    Ended,
    /// It broke.
    Broken(String),
    /// The service says no.
    Refused(CliError),
}

impl Feed {
    async fn run(mut self) {
        let mut failures = 0;
        loop {
            let before = self.last;
            let end = self.connect(&mut failures).await;
            if self.last > before {
                failures = 0;
            }
            match end {
                End::Deaf => return,
                End::Unsupported => return self.clock().await,
                End::Ended => {
                    // An orderly end means "gone" or a service that stops; the watcher finds out by asking.
                    if self.tx.send(Signal::Ended).await.is_err() {
                        return;
                    }
                    failures += 1;
                }
                End::Refused(error) => {
                    let _ = self.tx.send(Signal::Failed(error)).await;
                    return;
                }
                End::Broken(why) => {
                    failures += 1;
                    if failures == 1 && self.tx.send(Signal::Broken(why.clone())).await.is_err() {
                        return;
                    }
                    if failures > ATTEMPTS {
                        let base = self.client.base();
                        let error = CliError::new(Exit::Unreachable, format!("lost the service at {base}")).cause(why);
                        let _ = self.tx.send(Signal::Failed(error)).await;
                        return;
                    }
                }
            }
            let pause = Duration::from_millis((100 << failures.min(7)).min(10_000));
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.tx.closed() => return,
            }
        }
    }

    async fn clock(self) {
        while self.tx.send(Signal::Quiet).await.is_ok() {
            tokio::select! {
                () = tokio::time::sleep(POLL) => {}
                () = self.tx.closed() => return,
            }
        }
    }

    async fn connect(&mut self, failures: &mut u32) -> End {
        let path = ["infrastructures".to_owned(), self.id.clone(), "events".to_owned()];
        let request = self
            .client
            .request(Method::GET, &path, &[], "text/event-stream, application/json");
        let request = match request {
            Ok(request) => request.header("Last-Event-ID", self.last.to_string()),
            Err(error) => return End::Refused(error),
        };
        let answer = match self.client.send(request).await {
            Ok(answer) => answer,
            Err(error) => return End::Broken(error.causes.first().cloned().unwrap_or(error.message)),
        };
        let status = answer.status();
        if !status.is_success() {
            return refused(answer, status).await;
        }
        let is_events = answer
            .headers()
            .get(reqwest::header::CONTENT_TYPE)
            .and_then(|v| v.to_str().ok())
            .is_some_and(|v| v.starts_with("text/event-stream"));
        if !is_events {
            return End::Unsupported;
        }
        if *failures > 0 && self.tx.send(Signal::Back).await.is_err() {
            return End::Deaf;
        }
        let mut decoder = Decoder::default();
        let mut bytes = answer.bytes_stream();
        let (mut silent, mut told) = (0, Instant::now());
        loop {
            let chunk = tokio::select! {
                chunk = tokio::time::timeout(QUIET, bytes.next()) => chunk,
                () = self.tx.closed() => return End::Deaf,
            };
            let chunk = match chunk {
                // Not even a comment for a minute: the connection is dead and nobody told us.
                Err(_) if silent >= 3 => return End::Broken("the service fell silent".to_owned()),
                Err(_) => {
                    silent += 1;
                    if self.tx.send(Signal::Quiet).await.is_err() {
                        return End::Deaf;
                    }
                    continue;
                }
                Ok(None) => return End::Ended,
                Ok(Some(Err(error))) => return End::Broken(error.to_string()),
                Ok(Some(Ok(chunk))) => chunk,
            };
            silent = 0;
            let mut messages = Vec::new();
            if decoder.feed(&chunk, &mut messages).is_err() {
                return End::Broken("the service sends something that is no stream of events".to_owned());
            }
            let mut signals: VecDeque<Signal> = VecDeque::new();
            if !messages.is_empty() {
                told = Instant::now();
            } else if told.elapsed() >= QUIET {
                // Comments only: alive, but nothing to tell.
                told = Instant::now();
                signals.push_back(Signal::Quiet);
            }
            for message in messages {
                match serde_json::from_str::<Event>(&message.data) {
                    // A stream taken up again may repeat what was seen.
                    Ok(event) if event.seq > self.last || event.seq == 0 => {
                        self.last = self.last.max(event.seq);
                        signals.push_back(Signal::Event(event));
                    }
                    Ok(_) => {}
                    // A newer service may tell things that this program does not know.
                    Err(error) => self.client.ui().debug(format!("event not understood: {error}")),
                }
            }
            for signal in signals {
                if self.tx.send(signal).await.is_err() {
                    return End::Deaf;
                }
            }
        }
    }
}

async fn refused(answer: reqwest::Response, status: StatusCode) -> End {
    let text = answer.text().await.unwrap_or_default();
    match status.as_u16() {
        // The contract's answers for a deleted or unknown infrastructure; any other 404 means the route is unknown.
        404 if text.contains("Invalid infrastructure ID") || text.contains("Deleted infrastructure") => End::Ended,
        404 | 405 | 406 | 415 | 422 | 501 => End::Unsupported,
        429 | 500..=599 => End::Broken(format!("HTTP {status}")),
        _ => End::Refused(super::client::refusal(status, None, &text, "tell what happens")),
    }
}
