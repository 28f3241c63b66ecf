//! What surrounds every connector: deadline, retry of safe reads, rate limit, tracing, and taking secrets out of errors.
//!
//! Never repeats a call that changes something: only the engine may, under the same key.

mod rate;
mod veil;

pub use rate::Rate;

use crate::{
    CloudError, Connector, Cx, Draw, ErrorKind, FirstOrResume, Found, Gone, LaunchPlan, LaunchRequest, Observed,
    Outcome, Seen, Target, Wanted,
};
use async_trait::async_trait;
use im_model::{Account, AuthLine, Capability, CloudRef, Power};
use im_radl::System;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};
use tracing::{Instrument, debug, info_span};
use veil::{Veil, veil};

/// How the layers behave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerOptions {
    /// How often a read that failed for a passing reason is repeated.
    pub retries: u32,
    /// The pause before the first repetition; it doubles with each.
    pub backoff: Duration,
    /// Calls per cloud, if bounded.
    pub rate: Option<Rate>,
}

impl Default for LayerOptions {
    /// Two repetitions after 0.2 and 0.4 s, no rate limit.
    fn default() -> Self {
        Self {
            retries: 2,
            backoff: Duration::from_millis(200),
            rate: None,
        }
    }
}

/// A connector in its layers.
pub struct Layered {
    inner: Arc<dyn Connector>,
    options: LayerOptions,
    limiter: rate::Limiter,
}

impl Layered {
    /// Puts the layers around a connector.
    pub fn new(inner: Arc<dyn Connector>, options: LayerOptions) -> Self {
        Self {
            inner,
            options,
            limiter: rate::Limiter::default(),
        }
    }

    async fn pass(&self, cx: &Cx) {
        if let Some(rate) = self.options.rate {
            self.limiter.pass(&cx.cloud, rate).await;
        }
    }

    /// A call that changes nothing: repeated while it fails for passing reasons and time is left.
    async fn read<T, F, Fut>(&self, cx: &Cx, operation: &'static str, call: F) -> Result<T, CloudError>
    where
        F: Fn() -> Fut,
        Fut: Future<Output = Result<T, CloudError>>,
    {
        self.read_under(cx, operation, || veil(cx), call).await
    }

    /// The same; `secrets` says which are in it, and is asked where the call failed.
    async fn read_under<T, F, Fut>(
        &self,
        cx: &Cx,
        operation: &'static str,
        secrets: impl Fn() -> Veil,
        call: F,
    ) -> Result<T, CloudError>
    where
        F: Fn() -> Fut,
        Fut: Future<Output = Result<T, CloudError>>,
    {
        let secrets = &secrets;
        let call = || {
            let answer = call();
            async move { answer.await.map_err(|e| secrets().over(e)) }
        };
        let attempts = async {
            let mut pause = self.options.backoff;
            for _ in 0..self.options.retries {
                self.pass(cx).await;
                match call().await {
                    // More of the same will not make room.
                    Err(e) if e.is_temporary() && e.kind != ErrorKind::Exhausted => {
                        debug!(error = %e, "will be repeated");
                    }
                    answer => return answer,
                }
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
            self.pass(cx).await;
            call().await
        };
        traced(cx, operation, async {
            tokio::time::timeout(cx.deadline, attempts)
                .await
                .unwrap_or_else(|_| Err(late(cx, operation, Outcome::NotApplied)))
        })
        .await
    }

    /// A call that may change something: made once.
    async fn effect<T>(
        &self,
        cx: &Cx,
        operation: &'static str,
        secrets: impl Fn() -> Veil,
        call: impl Future<Output = Result<T, CloudError>>,
    ) -> Result<T, CloudError> {
        traced(cx, operation, async {
            self.pass(cx).await;
            tokio::time::timeout(cx.deadline, call)
                .await
                .unwrap_or_else(|_| Err(late(cx, operation, Outcome::Unknown)))
                .map_err(|e| secrets().over(e))
        })
        .await
    }
}

fn late(cx: &Cx, operation: &str, outcome: Outcome) -> CloudError {
    CloudError {
        kind: ErrorKind::Unavailable,
        outcome,
        message: format!(
            "{operation}: cloud {} did not answer within {} s",
            cx.cloud.id,
            cx.deadline.as_secs_f32()
        ),
    }
}

fn span(cx: &Cx, operation: &'static str) -> tracing::Span {
    info_span!("cloud", operation, cloud = %cx.cloud.id, kind = %cx.cloud.kind, infra = %cx.infra)
}

async fn traced<T>(
    cx: &Cx,
    operation: &'static str,
    call: impl Future<Output = Result<T, CloudError>>,
) -> Result<T, CloudError> {
    async {
        let start = Instant::now();
        let answer = call.await;
        let took = start.elapsed();
        match &answer {
            Ok(_) => debug!(?took, "done"),
            Err(e) => debug!(?took, kind = ?e.kind, outcome = ?e.outcome, error = %e, "failed"),
        }
        answer
    }
    .instrument(span(cx, operation))
    .await
}

#[async_trait]
impl Connector for Layered {
    fn kind(&self) -> &'static str {
        self.inner.kind()
    }

    fn capability(&self) -> Capability {
        self.inner.capability()
    }

    fn check_auth(&self, cloud: &CloudRef, auth: &AuthLine) -> Result<(), CloudError> {
        self.inner.check_auth(cloud, auth).map_err(|e| Veil::of(auth).over(e))
    }

    fn candidates(&self, cloud: &CloudRef, system: &System) -> Vec<System> {
        self.inner.candidates(cloud, system)
    }

    async fn account(&self, cx: &Cx) -> Result<Account, CloudError> {
        self.read(cx, "account", || self.inner.account(cx)).await
    }

    async fn resolve(&self, cx: &Cx, request: &LaunchRequest) -> Result<Value, CloudError> {
        let secrets = || veil(cx).with_launch(request);
        self.read_under(cx, "resolve", secrets, || self.inner.resolve(cx, request))
            .await
    }

    fn plan(
        &self,
        cloud: &CloudRef,
        request: &LaunchRequest,
        resolved: &Value,
        draw: &mut dyn Draw,
    ) -> Result<LaunchPlan, CloudError> {
        self.inner
            .plan(cloud, request, resolved, draw)
            .map_err(|e| Veil::default().with_launch(request).over(e))
    }

    async fn ensure(&self, cx: &Cx, wanted: &[Wanted], run: FirstOrResume) -> Vec<Result<Observed, CloudError>> {
        async {
            let start = Instant::now();
            self.pass(cx).await;
            let answers = tokio::time::timeout(cx.deadline, self.inner.ensure(cx, wanted, run))
                .await
                .unwrap_or_else(|_| vec![Err(late(cx, "ensure", Outcome::Unknown)); wanted.len()]);
            let answers = if answers.iter().any(Result::is_err) {
                let secrets = veil(cx).with_wanted(wanted);
                answers.into_iter().map(|a| a.map_err(|e| secrets.over(e))).collect()
            } else {
                answers
            };
            let failed = answers.iter().filter(|a| a.is_err()).count();
            debug!(took = ?start.elapsed(), ?run, wanted = wanted.len(), failed, "done");
            for (wanted, error) in wanted
                .iter()
                .zip(&answers)
                .filter_map(|(w, a)| Some((w, a.as_ref().err()?)))
            {
                debug!(key = %wanted.key, resource = %wanted.kind, error = %error, outcome = ?error.outcome, "failed");
            }
            answers
        }
        .instrument(span(cx, "ensure"))
        .await
    }

    async fn find(&self, cx: &Cx) -> Result<Vec<Found>, CloudError> {
        self.read(cx, "find", || self.inner.find(cx)).await
    }

    async fn find_all(&self, cx: &Cx) -> Result<Vec<Found>, CloudError> {
        // What a cloud says of a whole account can speak of anybody's machines; nobody's secrets can be known here, so
        // that they could be taken out.
        let wordless = |error: CloudError| CloudError {
            message: format!(
                "the account cannot be listed ({:?}); what the cloud says to that is not repeated, since it may speak of \
                 anybody's",
                error.kind
            ),
            ..error
        };
        let list = || async { self.inner.find_all(cx).await.map_err(wordless) };
        self.read(cx, "find_all", list).await
    }

    async fn observe(&self, cx: &Cx, ids: &[String]) -> Result<Vec<Seen>, CloudError> {
        self.read(cx, "observe", || self.inner.observe(cx, ids)).await
    }

    async fn ensure_absent(&self, cx: &Cx, target: &Target) -> Result<Gone, CloudError> {
        let secrets = || veil(cx).with_frozen(&target.frozen);
        self.effect(cx, "ensure_absent", secrets, self.inner.ensure_absent(cx, target))
            .await
    }

    async fn power(&self, cx: &Cx, cloud_id: &str, power: Power) -> Result<Observed, CloudError> {
        let call = self.inner.power(cx, cloud_id, power);
        self.effect(cx, power.as_str(), || veil(cx), call).await
    }

    async fn alter(&self, cx: &Cx, cloud_id: &str, current: &System, wanted: &System) -> Result<Observed, CloudError> {
        let secrets = || veil(cx).with_systems(&[current, wanted]);
        self.effect(cx, "alter", secrets, self.inner.alter(cx, cloud_id, current, wanted))
            .await
    }

    async fn images(&self, cx: &Cx, filters: &BTreeMap<String, String>) -> Result<Vec<(String, String)>, CloudError> {
        self.read(cx, "images", || self.inner.images(cx, filters)).await
    }

    async fn quotas(&self, cx: &Cx) -> Result<BTreeMap<String, (f64, f64)>, CloudError> {
        self.read(cx, "quotas", || self.inner.quotas(cx)).await
    }
}
