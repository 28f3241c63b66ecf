//! `DeployedNode`: machines that are already there. They are configured; nothing is started, stopped or removed.

use crate::nothing_outside::{NOT_WRITTEN, check_account, check_auth, ensure, ensure_absent, observe, plan};
use async_trait::async_trait;
use im_cloud::{
    CloudError, Connector, Cx, Draw, FirstOrResume, Found, Gone, LaunchPlan, LaunchRequest, Observed, Seen, Target,
    Wanted,
};
use im_model::{Account, AuthLine, Capability, CloudRef, Idempotence, Power, ResourceKind, Supports};
use im_radl::System;
use serde_json::Value;
use std::collections::BTreeMap;

const KIND: &str = "DeployedNode";
const NO_POWER: &str = "Operation not supported";
const NO_ALTER: &str = "Not supported";

/// The connector.
#[derive(Clone, Copy, Debug, Default)]
pub struct DeployedNode;

impl DeployedNode {
    /// The connector. It has no options and keeps nothing.
    pub fn new() -> Self {
        Self
    }
}

#[async_trait]
impl Connector for DeployedNode {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn capability(&self) -> Capability {
        Capability {
            creates: [(ResourceKind::Vm, Idempotence::NothingOutside)].into(),
            power: Supports::No(NO_POWER),
            reboot: Supports::No(NOT_WRITTEN),
            alter: Supports::No(NO_ALTER),
            snapshot: Supports::No(NOT_WRITTEN),
            images: Supports::No(NOT_WRITTEN),
            quotas: Supports::No(NOT_WRITTEN),
            contextualizes: true,
            dialable: true,
            listing_lag_ms: 0,
        }
    }

    fn check_auth(&self, _cloud: &CloudRef, auth: &AuthLine) -> Result<(), CloudError> {
        check_auth(KIND, auth)
    }

    fn candidates(&self, _cloud: &CloudRef, system: &System) -> Vec<System> {
        let has = |name: &str| system.features.text(name).is_some_and(|text| !text.is_empty());
        let credential = |name: &str| has(&format!("disk.0.os.credentials.{name}"));
        if !has("net_interface.0.ip")
            || !credential("username")
            || !(credential("password") || credential("private_key"))
        {
            return Vec::new();
        }
        let mut system = system.clone();
        system.features.set_text("provider.type", KIND);
        vec![system]
    }

    async fn account(&self, cx: &Cx) -> Result<Account, CloudError> {
        check_account(KIND, cx)
    }

    async fn resolve(&self, _cx: &Cx, _request: &LaunchRequest) -> Result<Value, CloudError> {
        Ok(Value::Null)
    }

    fn plan(
        &self,
        _cloud: &CloudRef,
        request: &LaunchRequest,
        _resolved: &Value,
        _draw: &mut dyn Draw,
    ) -> Result<LaunchPlan, CloudError> {
        Ok(plan(request))
    }

    async fn ensure(&self, cx: &Cx, wanted: &[Wanted], run: FirstOrResume) -> Vec<Result<Observed, CloudError>> {
        ensure(KIND, cx, wanted, run)
    }

    async fn find(&self, cx: &Cx) -> Result<Vec<Found>, CloudError> {
        check_account(KIND, cx).map(|_| Vec::new())
    }

    async fn find_all(&self, cx: &Cx) -> Result<Vec<Found>, CloudError> {
        check_account(KIND, cx).map(|_| Vec::new())
    }

    async fn observe(&self, cx: &Cx, ids: &[String]) -> Result<Vec<Seen>, CloudError> {
        observe(KIND, cx, ids)
    }

    async fn ensure_absent(&self, cx: &Cx, target: &Target) -> Result<Gone, CloudError> {
        // The machine is left as it is.
        ensure_absent(KIND, cx, target)
    }

    async fn power(&self, _cx: &Cx, _cloud_id: &str, power: Power) -> Result<Observed, CloudError> {
        Err(CloudError::unsupported(match power {
            Power::Start | Power::Stop => NO_POWER,
            Power::Reboot => NOT_WRITTEN,
        }))
    }

    async fn alter(
        &self,
        _cx: &Cx,
        _cloud_id: &str,
        _current: &System,
        _wanted: &System,
    ) -> Result<Observed, CloudError> {
        Err(CloudError::unsupported(NO_ALTER))
    }

    async fn images(&self, _cx: &Cx, _filters: &BTreeMap<String, String>) -> Result<Vec<(String, String)>, CloudError> {
        Err(CloudError::unsupported(NOT_WRITTEN))
    }

    async fn quotas(&self, _cx: &Cx) -> Result<BTreeMap<String, (f64, f64)>, CloudError> {
        Err(CloudError::unsupported(NOT_WRITTEN))
    }
}
