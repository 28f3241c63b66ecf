//! Rows for the tests of the store.
#![allow(dead_code, clippy::unwrap_used, missing_docs, clippy::missing_panics_doc)] // each test uses some of it

use im_model::{
    Account, AuthLine, BlobId, CloudRef, Configured, Credentials, Frozen, InfraId, Infrastructure, InstanceId, Key,
    OpKind, OpState, Operation, OperationId, Resource, ResourceKind, ResourceState, StepId, Unit, Vm, VmId, VmState,
};
use im_store::{Claim, Fence, SqliteStore, Store, Submission, Write};
use serde_json::json;
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

pub(crate) const LEASE: u64 = 30_000;

pub(crate) fn me() -> InstanceId {
    InstanceId::from("me")
}
pub(crate) fn other() -> InstanceId {
    InstanceId::from("other")
}

pub(crate) fn infrastructure(id: &str, user: &str, secret: &str) -> Infrastructure {
    let owners = Credentials {
        lines: vec![AuthLine::new([
            ("type", "InfrastructureManager"),
            ("username", user),
            ("password", secret),
        ])],
    };
    let mut row = Infrastructure::new(InfraId::from(id), owners, "network net ()".into(), 1);
    row.context.private_key = format!("private {secret}").into();
    row
}

pub(crate) fn operation(id: &str, infra: &str, kind: OpKind) -> Operation {
    let request = Arc::new(json!({ "kind": kind.as_str() }));
    Operation::pending(OperationId::from(id), InfraId::from(infra), kind, request, 5)
}

pub(crate) fn cloud() -> CloudRef {
    CloudRef {
        id: "dummy".into(),
        kind: "Dummy".into(),
        server: String::new(),
        port: None,
        protocol: String::new(),
        path: String::new(),
        extra: BTreeMap::new(),
    }
}

pub(crate) fn vm(id: u32, state: VmState) -> Vm {
    Vm {
        id: VmId(id),
        system: "node".into(),
        state,
        destroyed: false,
        configured: Configured::Unfinished,
        cloud: Arc::new(cloud()),
        account: Some(Account::new("dummy")),
        operation: Some(OperationId::from("op")),
        cloud_id: None,
        base: BlobId::from("blob"),
        own: BTreeMap::from([("net_interface.0.ip".to_owned(), json!("10.0.0.1"))]),
        error: None,
        created: 1,
        updated: 0,
    }
}

pub(crate) fn resource(infra: &str, key: &str, state: ResourceState) -> Resource {
    Resource {
        key: Key::from_stored(key),
        infra: InfraId::from(infra),
        operation: OperationId::from("op"),
        step: StepId(1),
        attempt: 0,
        unit: Unit::Vm(VmId(0)),
        kind: ResourceKind::Vm,
        name: "vm".into(),
        cloud: Arc::new(cloud()),
        account: Account::new("dummy"),
        frozen: Frozen::of(&json!({ "image": "x" })),
        cloud_id: None,
        state,
    }
}

pub(crate) fn submission(infra: &str, op: &str, kind: OpKind) -> Submission {
    Submission {
        operation: Arc::new(operation(op, infra, kind)),
        infrastructure: (kind == OpKind::Create).then(|| Arc::new(infrastructure(infra, "user", "pass"))),
        writes: Vec::new(),
        supersede_all: kind == OpKind::Destroy,
        instance: me(),
        lease_ms: LEASE,
    }
}

/// A new infrastructure, owned by [`me`], with the unfinished operation `<infra>-op`.
pub(crate) async fn created(store: &SqliteStore, infra: &str) -> Fence {
    let done = store
        .submit(submission(infra, &format!("{infra}-op"), OpKind::Create))
        .await
        .unwrap();
    done.claim.unwrap().fence
}

pub(crate) fn finish(op: &str) -> Write {
    Write::OperationState {
        id: OperationId::from(op),
        state: OpState::Done,
        error: None,
    }
}

pub(crate) fn epoch(claim: Option<&Claim>) -> u64 {
    claim.unwrap().fence.epoch
}

/// A clock that stands still until it is told.
pub(crate) struct Hand(Arc<AtomicI64>);

impl Hand {
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicI64::new(1_000_000)))
    }
    pub(crate) fn clock(&self) -> im_store::Clock {
        let time = Arc::clone(&self.0);
        Arc::new(move || time.load(Ordering::SeqCst))
    }
    pub(crate) fn advance(&self, ms: u64) {
        self.0.fetch_add(i64::try_from(ms).unwrap(), Ordering::SeqCst);
    }
}
