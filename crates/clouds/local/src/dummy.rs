//! `Dummy`: VMs that exist in name only, for trying clients and the service without a cloud.

use crate::nothing_outside::{NOT_WRITTEN, bare, check_account, check_auth, ensure, ensure_absent, observe, plan};
use async_trait::async_trait;
use im_cloud::{
    CloudError, Connector, Cx, Draw, FirstOrResume, Found, Gone, LaunchPlan, LaunchRequest, Observed, Seen, Target,
    Wanted,
};
use im_model::{Account, AuthLine, Capability, CloudRef, Idempotence, Power, ResourceKind, Supports, VmState};
use im_radl::System;
use serde_json::Value;
use std::collections::BTreeMap;

const KIND: &str = "Dummy";

/// The connector.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dummy;

impl Dummy {
    /// The connector. It has no options and keeps nothing.
    pub fn new() -> Self {
        Self
    }
}

#[async_trait]
impl Connector for Dummy {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn capability(&self) -> Capability {
        Capability {
            creates: [(ResourceKind::Vm, Idempotence::NothingOutside)].into(),
            power: Supports::Yes,
            reboot: Supports::Yes,
            alter: Supports::Yes,
            // The original fakes one; the trait has no snapshots yet.
            snapshot: Supports::No(NOT_WRITTEN),
            images: Supports::Yes,
            quotas: Supports::Yes,
            contextualizes: true,
            dialable: false,
            listing_lag_ms: 0,
        }
    }

    fn check_auth(&self, _cloud: &CloudRef, auth: &AuthLine) -> Result<(), CloudError> {
        check_auth(KIND, auth)
    }

    fn candidates(&self, _cloud: &CloudRef, system: &System) -> Vec<System> {
        let mut system = system.clone();
        let features = &mut system.features;
        features.set_text("provider.type", KIND);
        features.set_text("net_interface.0.ip", "10.0.0.1");
        features.set_text("disk.0.os.credentials.username", "username");
        features.set_text("disk.0.os.credentials.password", "password");
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
        ensure_absent(KIND, cx, target)
    }

    async fn power(&self, cx: &Cx, cloud_id: &str, power: Power) -> Result<Observed, CloudError> {
        check_account(KIND, cx)?;
        let state = match power {
            Power::Start | Power::Reboot => VmState::Running,
            Power::Stop => VmState::Stopped,
        };
        Ok(bare(cloud_id, Some(state)))
    }

    async fn alter(&self, cx: &Cx, cloud_id: &str, _current: &System, wanted: &System) -> Result<Observed, CloudError> {
        check_account(KIND, cx)?;
        let mut observed = bare(cloud_id, None);
        let number = |name: &str| {
            let number = wanted.features.number_in(name, "")?;
            Some((name.to_owned(), serde_json::to_value(number).ok()?))
        };
        observed.features.extend(number("cpu.count"));
        observed.features.extend(number("memory.size"));
        Ok(observed)
    }

    async fn images(&self, _cx: &Cx, _filters: &BTreeMap<String, String>) -> Result<Vec<(String, String)>, CloudError> {
        // Always both, whatever the filters.
        let image = |n: u8| {
            let uri = format!("mock0://linux.for.ev.er/image{n}");
            (uri, format!("Image Name{n}"))
        };
        Ok(vec![image(1), image(2)])
    }

    async fn quotas(&self, _cx: &Cx) -> Result<BTreeMap<String, (f64, f64)>, CloudError> {
        let metrics = ["cores", "ram", "instances", "floating_ips", "security_groups"];
        Ok(metrics.map(|metric| (metric.to_owned(), (1.0, 10.0))).into())
    }
}
