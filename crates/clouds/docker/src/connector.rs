//! The connector's face.

use crate::{
    Docker, absent, candidates,
    container::Container,
    daemon::{Daemon, no_host, origin, refusal},
    ensure, observe, plan, resolve,
};
use async_trait::async_trait;
use im_cloud::{
    CloudError, Connector, Cx, Draw, ErrorKind, FirstOrResume, Found, Gone, LaunchPlan, LaunchRequest, Observed,
    Outcome, Seen, Target, Wanted,
    net::http::{Method, StatusCode, encode},
};
use im_model::{Account, AuthLine, Capability, CloudRef, Idempotence, Power, ResourceKind, Supports};
use im_radl::System;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const KIND: &str = "Docker";
/// The contract's answer of an operation that the connector was never given.
const NOT_WRITTEN: &str = "Should have implemented this";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Image {
    repo_tags: Option<Vec<String>>,
}

impl Docker {
    async fn there(daemon: &Daemon, cx: &Cx, cloud_id: &str) -> Result<Container, CloudError> {
        if let Some(container) = daemon.container(cloud_id).await? {
            return Ok(container);
        }
        daemon.account(cx).await?;
        Err(CloudError::not_applied(
            ErrorKind::NotFound,
            format!("Error getting info about the Container: the daemon knows no container {cloud_id}"),
        ))
    }

    /// The container after a change, of which a failed look takes nothing back.
    async fn after(daemon: &Daemon, cx: &Cx, cloud_id: &str) -> Result<Observed, CloudError> {
        let look = async {
            let container = Self::there(daemon, cx, cloud_id).await?;
            observe::one(daemon, &container).await
        };
        look.await.map_err(|e| CloudError {
            outcome: Outcome::Unknown,
            ..e
        })
    }
}

#[async_trait]
impl Connector for Docker {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn capability(&self) -> Capability {
        let kinds = [ResourceKind::Vm, ResourceKind::Network, ResourceKind::Volume];
        Capability {
            creates: kinds.map(|kind| (kind, Idempotence::UniqueName)).into(),
            power: Supports::Yes,
            reboot: Supports::Yes,
            alter: Supports::Yes,
            snapshot: Supports::No(NOT_WRITTEN),
            images: Supports::Yes,
            quotas: Supports::No(NOT_WRITTEN),
            contextualizes: true,
            dialable: true,
            listing_lag_ms: 0,
        }
    }

    fn check_auth(&self, cloud: &CloudRef, auth: &AuthLine) -> Result<(), CloudError> {
        let unauthorized = |message: &str| Err(CloudError::not_applied(ErrorKind::Unauthorized, message));
        if auth.kind() != KIND {
            return unauthorized("No auth data has been specified to Docker.");
        }
        if origin(cloud, auth).is_none() {
            return Err(no_host());
        }
        match (auth.get("public_key"), auth.get("private_key")) {
            (Some(_), None) => unauthorized("No correct auth data has been specified to Docker: private_key"),
            (None, Some(_)) => unauthorized("No correct auth data has been specified to Docker: public_key"),
            _ => Ok(()),
        }
    }

    fn candidates(&self, cloud: &CloudRef, system: &System) -> Vec<System> {
        candidates::candidates(cloud, system)
    }

    async fn account(&self, cx: &Cx) -> Result<Account, CloudError> {
        Daemon::new(self, cx)?.account(cx).await
    }

    async fn resolve(&self, cx: &Cx, request: &LaunchRequest) -> Result<Value, CloudError> {
        let resolved = resolve::resolve(self, cx, request).await?;
        serde_json::to_value(resolved).map_err(|e| {
            CloudError::not_applied(ErrorKind::Invalid, format!("the daemon's answers cannot be kept: {e}"))
        })
    }

    fn plan(
        &self,
        _cloud: &CloudRef,
        request: &LaunchRequest,
        resolved: &Value,
        draw: &mut dyn Draw,
    ) -> Result<LaunchPlan, CloudError> {
        plan::plan(request, resolved, draw)
    }

    async fn ensure(&self, cx: &Cx, wanted: &[Wanted], run: FirstOrResume) -> Vec<Result<Observed, CloudError>> {
        match Daemon::new(self, cx) {
            Ok(daemon) => ensure::ensure(&daemon, cx, wanted, run).await,
            Err(error) => vec![Err(error); wanted.len()],
        }
    }

    async fn find(&self, cx: &Cx) -> Result<Vec<Found>, CloudError> {
        absent::find(&Daemon::new(self, cx)?, cx).await
    }

    async fn find_all(&self, cx: &Cx) -> Result<Vec<Found>, CloudError> {
        absent::find_all(&Daemon::new(self, cx)?, cx).await
    }

    async fn observe(&self, cx: &Cx, ids: &[String]) -> Result<Vec<Seen>, CloudError> {
        observe::observe(&Daemon::new(self, cx)?, cx, ids).await
    }

    async fn ensure_absent(&self, cx: &Cx, target: &Target) -> Result<Gone, CloudError> {
        absent::ensure_absent(&Daemon::new(self, cx)?, cx, target).await
    }

    async fn power(&self, cx: &Cx, cloud_id: &str, power: Power) -> Result<Observed, CloudError> {
        let daemon = Daemon::new(self, cx)?;
        let container = Self::there(&daemon, cx, cloud_id).await?;
        let paused = container.status == "paused";
        let (action, what) = match power {
            Power::Start if paused => ("unpause", "Error starting the Container"),
            Power::Start => ("start", "Error starting the Container"),
            Power::Stop => ("stop?t=10", "Error stopping the Container"),
            Power::Reboot => ("restart?t=10", "Error restarting the Container"),
        };
        let path = format!("/containers/{}/{action}", encode(cloud_id));
        let answer = daemon.call(what, Method::POST, &path, None).await?;
        if !answer.status.is_success() && answer.status != StatusCode::NOT_MODIFIED {
            return Err(refusal(what, &answer));
        }
        Self::after(&daemon, cx, cloud_id).await
    }

    async fn alter(&self, cx: &Cx, cloud_id: &str, current: &System, wanted: &System) -> Result<Observed, CloudError> {
        const WHAT: &str = "Error altering the Container";
        let daemon = Daemon::new(self, cx)?;
        Self::there(&daemon, cx, cloud_id).await?;
        let cpus = daemon.info().await?.cpus;
        let changed = |name: &str| {
            let number = wanted.features.number_in(name, "")?;
            (current.features.number_in(name, "") != Some(number) && number.as_f64() > 0.0).then_some(number)
        };
        let mut body = Map::new();
        let mut features = BTreeMap::new();
        if let Some(count) = changed("cpu.count") {
            // No daemon accepts more than it has, and 0 means no change.
            let most = cpus.max(1).saturating_mul(1_000_000_000);
            let nano = count.scaled(1_000_000_000, 1).as_i64().clamp(10_000_000, most);
            body.insert("NanoCpus".to_owned(), json!(nano));
            features.insert("cpu.count".to_owned(), json!(count));
        }
        if let Some(memory) = changed("memory.size") {
            let bytes = memory.as_i64();
            body.insert("Memory".to_owned(), json!(bytes));
            // Swap may not stay below memory; twice as much is what daemons give.
            body.insert("MemorySwap".to_owned(), json!(bytes.saturating_mul(2)));
            features.insert("memory.size".to_owned(), json!(bytes));
        }
        if !body.is_empty() {
            let path = format!("/containers/{}/update", encode(cloud_id));
            let answer = daemon
                .call(WHAT, Method::POST, &path, Some(&Value::Object(body)))
                .await?;
            if !answer.status.is_success() {
                return Err(refusal(WHAT, &answer));
            }
        }
        let mut observed = Self::after(&daemon, cx, cloud_id).await?;
        observed.features.extend(features);
        Ok(observed)
    }

    async fn images(&self, cx: &Cx, filters: &BTreeMap<String, String>) -> Result<Vec<(String, String)>, CloudError> {
        let daemon = Daemon::new(self, cx)?;
        let images: Vec<Image> = daemon.must_get("Error getting the images", "/images/json").await?;
        let wanted = |name: &str| {
            let name = name.to_lowercase();
            let filter = |key: &str| filters.get(key).is_none_or(|part| name.contains(&part.to_lowercase()));
            filter("distribution") && filter("version")
        };
        let tags = images.into_iter().flat_map(|image| image.repo_tags.unwrap_or_default());
        let mut found: Vec<_> = tags
            .filter(|tag| !tag.contains("<none>") && wanted(tag))
            .map(|tag| (format!("docker://{tag}"), tag))
            .collect();
        found.sort();
        Ok(found)
    }

    async fn quotas(&self, _cx: &Cx) -> Result<BTreeMap<String, (f64, f64)>, CloudError> {
        Err(CloudError::unsupported(NOT_WRITTEN))
    }
}
