//! Rows for tests.

use im_model::{
    Account, BlobId, CloudRef, Configured, Credentials, Frozen, InfraId, Infrastructure, Key, KeyParts, OperationId,
    Resource, ResourceKind, ResourceState, StepId, Unit, Vm, VmId, VmState,
};
use im_store::InfraState;
use std::{collections::BTreeMap, sync::Arc};

fn cloud() -> Arc<CloudRef> {
    Arc::new(CloudRef {
        id: "cloud0".into(),
        kind: "Dummy".into(),
        server: String::new(),
        port: None,
        protocol: String::new(),
        path: String::new(),
        extra: BTreeMap::new(),
    })
}

pub(crate) fn infrastructure() -> InfraState {
    InfraState {
        infra: Arc::new(Infrastructure::new(
            InfraId::from("infra"),
            Credentials::default(),
            "".into(),
            0,
        )),
        vms: BTreeMap::new(),
        resources: BTreeMap::new(),
        seq: 0,
    }
}

pub(crate) fn vm(id: u32) -> Vm {
    Vm {
        id: VmId(id),
        operation: Some(OperationId::from("op")),
        system: "s".into(),
        state: VmState::Running,
        destroyed: false,
        configured: Configured::Unfinished,
        cloud: cloud(),
        account: Some(Account::new("account")),
        cloud_id: Some(format!("i-{id}").into()),
        base: BlobId::from("base"),
        own: BTreeMap::new(),
        error: None,
        created: 0,
        updated: 0,
    }
}

pub(crate) fn resource(unit: Unit, kind: ResourceKind, name: &str) -> Resource {
    let operation = OperationId::from(name);
    let key = Key::of(KeyParts {
        deployment: "d",
        infra: &InfraId::from("infra"),
        operation: &operation,
        step: StepId(0),
        index: 0,
        attempt: 0,
    });
    Resource {
        key,
        infra: InfraId::from("infra"),
        operation,
        step: StepId(0),
        attempt: 0,
        unit,
        kind,
        name: name.to_owned(),
        cloud: cloud(),
        account: Account::new("account"),
        frozen: Frozen::from_stored("{}"),
        cloud_id: Some(name.to_owned()),
        state: ResourceState::Created,
    }
}
