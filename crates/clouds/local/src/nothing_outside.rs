//! What both connectors share, since neither has anything outside.

use im_cloud::{
    CloudError, Cx, ErrorKind, FirstOrResume, Gone, LaunchPlan, LaunchRequest, Observed, Seen, Target, VmPlan, Wanted,
    WantedResource,
};
use im_model::{Account, AuthLine, Key, ResourceKind, VmState};
use serde_json::{Map, Value};
use std::{collections::BTreeMap, sync::Arc};

/// The contract's answer of an operation that a connector was never given.
pub(crate) const NOT_WRITTEN: &str = "Should have implemented this";

pub(crate) fn check_auth(kind: &str, auth: &AuthLine) -> Result<(), CloudError> {
    if auth.kind() == kind {
        return Ok(());
    }
    Err(CloudError::not_applied(
        ErrorKind::Unauthorized,
        format!("No auth data has been specified to {kind}."),
    ))
}

/// There is one account, since there is nothing that could belong to another.
pub(crate) fn check_account(kind: &'static str, cx: &Cx) -> Result<Account, CloudError> {
    match &cx.account {
        Some(other) if other.as_str() != kind => Err(CloudError::not_applied(
            ErrorKind::WrongAccount,
            format!("this work was begun under account {other}, and this is account {kind}"),
        )),
        _ => Ok(Account::new(kind)),
    }
}

/// One resource per VM; all share one empty request.
pub(crate) fn plan(request: &LaunchRequest) -> LaunchPlan {
    let spec = Arc::new(Value::Object(Map::new()));
    let vms = request.vms.iter().map(|vm| VmPlan {
        vm: vm.vm,
        resources: vec![WantedResource {
            kind: ResourceKind::Vm,
            name: vm.vm.to_string(),
            spec: Arc::clone(&spec),
            after: Vec::new(),
        }],
        own: BTreeMap::new(),
    });
    LaunchPlan {
        shared: Vec::new(),
        vms: vms.collect(),
    }
}

/// A decimal number, as ids of these connectors always were; from the key, so that it is the same when the call is
/// repeated and no other VM has it.
fn cloud_id(key: &Key) -> String {
    let text = key.as_str();
    match text.get(..16).and_then(|digits| u64::from_str_radix(digits, 16).ok()) {
        Some(number) => number.to_string(),
        None => text.to_owned(),
    }
}

pub(crate) fn bare(cloud_id: &str, state: Option<VmState>) -> Observed {
    Observed {
        cloud_id: cloud_id.to_owned(),
        state,
        public_ips: Vec::new(),
        private_ips: Vec::new(),
        features: BTreeMap::new(),
    }
}

pub(crate) fn ensure(
    kind: &'static str,
    cx: &Cx,
    wanted: &[Wanted],
    _run: FirstOrResume,
) -> Vec<Result<Observed, CloudError>> {
    if let Err(error) = check_account(kind, cx) {
        return vec![Err(error); wanted.len()];
    }
    let one = |wanted: &Wanted| match wanted.kind {
        ResourceKind::Vm => Ok(bare(&cloud_id(&wanted.key), Some(VmState::Running))),
        other => Err(CloudError::not_applied(
            ErrorKind::Invalid,
            format!("{kind} has no resource of kind {other}"),
        )),
    };
    wanted.iter().map(one).collect()
}

/// They are there as long as the service's rows say so; and the rows know their states.
pub(crate) fn observe(kind: &'static str, cx: &Cx, ids: &[String]) -> Result<Vec<Seen>, CloudError> {
    check_account(kind, cx)?;
    Ok(ids.iter().map(|id| Seen::There(Box::new(bare(id, None)))).collect())
}

pub(crate) fn ensure_absent(kind: &'static str, cx: &Cx, target: &Target) -> Result<Gone, CloudError> {
    check_account(kind, cx)?;
    Ok(if target.cloud_id.is_some() {
        Gone::Removed
    } else {
        Gone::WasAbsent
    })
}
