//! Calls under way: to clouds and to the application's handlers. Each sends exactly one answer, unless everything of
//! the infrastructure is dropped.
//!
//! No call starts without a fresh lease, none outlives its deadline, and absence is not reported before it is
//! conclusive.

use super::stronger_cancel;
use crate::{
    inner::Inner,
    owner::Owner,
    workflow::{Cancelled, RowChange, RunCall, Sink, StepError},
};
use async_trait::async_trait;
use futures::FutureExt;
use im_cloud::{CloudError, Connector, Cx, ErrorKind, FirstOrResume, Gone, Observed, Target, Wanted};
use im_model::{Resource, Unit};
use im_store::{InfraState, Release, StoreResult, Write};
use serde_json::Value;
use std::{collections::HashMap, future::Future, panic::AssertUnwindSafe, sync::Arc};
use tokio::{
    sync::{Semaphore, SemaphorePermit, mpsc, watch},
    time::{Instant, sleep_until, timeout},
};

/// What a call is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    /// A step of the plan.
    Step(u32),
    /// The undoing of what a step made.
    Undo(Unit, u32),
}

pub(super) enum Answer {
    Ensured {
        steps: Vec<u32>,
        results: Vec<Result<Observed, CloudError>>,
    },
    /// Cancelled or stopped before the call was made.
    NotCalled { of: Vec<Of> },
    Absent {
        of: Of,
        row: Arc<Resource>,
        result: Result<Gone, CloudError>,
    },
    Ran {
        step: u32,
        result: Result<Value, StepError>,
    },
}

pub(super) struct Calls {
    inner: Arc<Inner>,
    owner: Arc<Owner>,
    cancel: watch::Receiver<Option<Cancelled>>,
    clouds: HashMap<String, Arc<Semaphore>>,
    handlers: Arc<Semaphore>,
    answers: mpsc::UnboundedSender<Answer>,
}

/// What a call needs to know of its surroundings.
#[derive(Clone)]
struct Around {
    inner: Arc<Inner>,
    cancel: watch::Receiver<Option<Cancelled>>,
    room: Arc<Semaphore>,
}

/// Only a delete, giving up, or the end of the process cuts short the removal of something.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Yields {
    ToAnyCancel,
    ToWhoeverNeedsNoRemoval,
}

impl Around {
    async fn interrupted(&self, yields: Yields) {
        let mut cancel = self.cancel.clone();
        let below = match yields {
            Yields::ToAnyCancel => None,
            Yields::ToWhoeverNeedsNoRemoval => Some(Cancelled::ByCaller),
        };
        let cancelled = async {
            stronger_cancel(&mut cancel, below).await;
        };
        tokio::select! {
            biased;
            () = cancelled => {}
            () = self.inner.stopping.cancelled() => {}
        }
    }

    /// Waits for its time, for room, and for a fresh lease. `None`: interrupted, the call must not be made.
    async fn enter(&self, from: Option<Instant>, yields: Yields) -> Option<SemaphorePermit<'_>> {
        let entry = async {
            if let Some(from) = from {
                sleep_until(from).await;
            }
            let permit = self.room.acquire().await.ok();
            self.inner.may_call().await;
            permit
        };
        tokio::select! {
            biased;
            () = self.interrupted(yields) => None,
            permit = entry => permit,
        }
    }
}

fn panicked() -> CloudError {
    CloudError::unknown(
        ErrorKind::Unavailable,
        "internal error in the connector; the service's log says more",
    )
}

fn late(what: &str, cx: &Cx) -> CloudError {
    CloudError::unknown(
        ErrorKind::Unavailable,
        format!("{what}: cloud {} did not answer in time", cx.cloud.id),
    )
}

impl Calls {
    pub(super) fn new(
        inner: &Arc<Inner>,
        owner: &Arc<Owner>,
        cancel: watch::Receiver<Option<Cancelled>>,
    ) -> (Self, mpsc::UnboundedReceiver<Answer>) {
        let (answers, inbox) = mpsc::unbounded_channel();
        let calls = Self {
            handlers: Arc::new(Semaphore::new(inner.options.max_parallel_runs)),
            inner: Arc::clone(inner),
            owner: Arc::clone(owner),
            cancel,
            clouds: HashMap::new(),
            answers,
        };
        (calls, inbox)
    }

    fn around(&mut self, cloud: Option<&str>) -> Around {
        let room = cloud.map_or_else(
            || Arc::clone(&self.handlers),
            |cloud| {
                let most = self.inner.options.max_parallel_calls;
                Arc::clone(
                    self.clouds
                        .entry(cloud.to_owned())
                        .or_insert_with(|| Arc::new(Semaphore::new(most))),
                )
            },
        );
        Around {
            inner: Arc::clone(&self.inner),
            cancel: self.cancel.clone(),
            room,
        }
    }

    fn spawn(&self, call: impl Future<Output = Answer> + Send + 'static) {
        let (dead, answers) = (self.owner.dead.clone(), self.answers.clone());
        self.inner.spawn(async move {
            if let Some(answer) = dead.run_until_cancelled_owned(call).await {
                let _ = answers.send(answer);
            }
        });
    }

    /// Makes resources exist.
    pub(super) fn ensure(
        &mut self,
        connector: Arc<dyn Connector>,
        cx: Cx,
        steps: Vec<u32>,
        wanted: Vec<Wanted>,
        first: FirstOrResume,
        from: Option<Instant>,
    ) {
        let around = self.around(Some(&cx.cloud.id));
        let infra = self.owner.infra.clone();
        self.spawn(async move {
            let Some(_permit) = around.enter(from, Yields::ToAnyCancel).await else {
                return Answer::NotCalled {
                    of: steps.into_iter().map(Of::Step).collect(),
                };
            };
            let call = AssertUnwindSafe(connector.ensure(&cx, &wanted, first)).catch_unwind();
            let mut results = match timeout(around.inner.options.call_deadline, call).await {
                Ok(Ok(results)) => results,
                Ok(Err(_)) => vec![Err(panicked()); steps.len()],
                Err(_) => vec![Err(late("ensure", &cx)); steps.len()],
            };
            results.resize(
                steps.len(),
                Err(CloudError::unknown(
                    ErrorKind::Unavailable,
                    "the connector did not answer for every resource",
                )),
            );
            // Noted before anybody can act on it.
            for (wanted, result) in wanted.iter().zip(&results) {
                if result.as_ref().is_err_and(|e| e.outcome == im_cloud::Outcome::Unknown) {
                    around.inner.suspect(&infra, &wanted.key);
                }
            }
            Answer::Ensured { steps, results }
        });
    }

    /// Makes a resource be gone.
    pub(super) fn absent(&mut self, connector: Arc<dyn Connector>, cx: Cx, of: Of, row: Arc<Resource>) {
        let around = self.around(Some(&cx.cloud.id));
        let lag = std::time::Duration::from_millis(connector.capability().listing_lag_ms);
        // An undo goes on while its own operation is cancelled; it is part of that.
        let yields = match of {
            Of::Step(_) => Yields::ToAnyCancel,
            Of::Undo(..) => Yields::ToWhoeverNeedsNoRemoval,
        };
        self.spawn(async move {
            let mut target = Target {
                key: row.key.clone(),
                kind: row.kind,
                name: row.name.clone(),
                frozen: row.frozen.clone(),
                cloud_id: row.cloud_id.clone(),
            };
            let mut from = None;
            loop {
                let result = {
                    let Some(_permit) = around.enter(from, yields).await else {
                        return Answer::NotCalled { of: vec![of] };
                    };
                    // Judged before the search: only what was looked for after that moment counts.
                    from = around.inner.conclusive_from(&row.infra, &row.key, lag);
                    let call = AssertUnwindSafe(connector.ensure_absent(&cx, &target)).catch_unwind();
                    match timeout(around.inner.options.call_deadline, call).await {
                        Ok(Ok(result)) => result,
                        Ok(Err(_)) => Err(panicked()),
                        Err(_) => Err(late("delete", &cx)),
                    }
                };
                // What we knew by its id is not there. An earlier removal may have got so far, and a late call may have
                // made another object since: only a search by the mark tells.
                let by_mark = target.cloud_id.is_some() && matches!(result, Ok(Gone::WasAbsent));
                if result.is_err() || (from.is_none() && !by_mark) {
                    return Answer::Absent { of, row, result };
                }
                // A call that was cut off may still land, and would make another object: it is gone now, and whatever
                // bears its mark must be so after that.
                target.cloud_id = None;
            }
        });
    }

    /// Runs a handler of the application.
    pub(super) fn run(&mut self, id: u32, call: impl FnOnce(Arc<dyn Sink>) -> RunCall + Send + 'static) {
        let around = self.around(None);
        let owner = Arc::clone(&self.owner);
        self.spawn(async move {
            let interrupted = Answer::Ran {
                step: id,
                result: Err(StepError::Interrupted),
            };
            let Some(_permit) = around.enter(None, Yields::ToAnyCancel).await else {
                return interrupted;
            };
            let workflow = Arc::clone(&around.inner.workflow);
            let call = call(Arc::new(RunSink {
                owner,
                around: around.clone(),
            }));
            let step = call.name.clone();
            let patience = async {
                around.interrupted(Yields::ToAnyCancel).await;
                tokio::time::sleep(around.inner.options.call_deadline).await;
            };
            tokio::select! {
                biased;
                result = AssertUnwindSafe(workflow.run(call)).catch_unwind() => Answer::Ran {
                    step: id,
                    result: result.unwrap_or_else(|_| {
                        tracing::error!(step, "the handler panicked");
                        Err(StepError::failed(format!("internal error in step {step}; the service's log says more")))
                    }),
                },
                () = patience => interrupted,
            }
        });
    }
}

struct RunSink {
    owner: Arc<Owner>,
    around: Around,
}

#[async_trait]
impl Sink for RunSink {
    async fn state(&self) -> StoreResult<Arc<InfraState>> {
        Ok(self.owner.state())
    }
    async fn write(&self, writes: Vec<Write>) -> StoreResult<()> {
        self.owner
            .change(Release::Keep, move |draft| draft.extend(writes))
            .await
    }
    async fn update(&self, change: RowChange) -> StoreResult<()> {
        self.owner
            .change(Release::Keep, move |draft| {
                let writes = change(draft.state());
                draft.extend(writes);
            })
            .await
    }
    async fn cancelled(&self) {
        self.around.interrupted(Yields::ToAnyCancel).await;
    }
}
