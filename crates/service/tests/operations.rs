//! Operations as their owners steer them: whose credentials do, what is given up, what is refused.

#![allow(clippy::unwrap_used, clippy::panic)] // a test says what it expects

mod support;

use im_model::{OpState, OperationId, Power, ResourceState, VmId};
use im_service::{Context, Force, Manager, Reply, Service, ServiceError, Steer};
use std::sync::Arc;
use support::{Fake, caller, caller_of_another_account, caller_without_cloud, read, service};

const THREE: &str =
    "network n ()\nsystem s (net_interface.0.connection = 'n' and disk.0.image.url = 'fake://image')\ndeploy s 3";

async fn three(service: &Arc<Service>) -> im_model::InfraId {
    let made = service.create(&caller(), read(THREE), Reply::WhenDone).await;
    made.unwrap().value
}

/// A removal of VM 2 that waits for credentials.
async fn waiting(service: &Arc<Service>, id: &im_model::InfraId) -> OperationId {
    let error = service
        .remove(&caller_without_cloud(), id, &[VmId(2)], Context::Skip, Reply::WhenDone)
        .await
        .unwrap_err();
    let ServiceError::Operation { id, .. } = error else {
        panic!("{error}")
    };
    id
}

async fn state(service: &Service, id: &OperationId) -> OpState {
    service.operation(&caller(), id).await.unwrap().operation.state
}

#[tokio::test]
async fn only_credentials_of_the_same_account_do() {
    let fake = Fake::new();
    let service = service(&fake).await;
    let infra = three(&service).await;
    let id = waiting(&service, &infra).await;
    let shown = service.operation(&caller(), &id).await.unwrap().operation;
    assert_eq!(shown.needs.len(), 1);
    assert_eq!(
        (shown.needs[0].cloud.id.as_str(), shown.needs[0].account.as_str()),
        ("fake", "fake account")
    );

    let other = caller_of_another_account();
    let refused = service
        .steer(&other, &id, Steer::Retry, Reply::WhenDone)
        .await
        .unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!(
            "These credentials are of account another account. Operation {id} needs credentials of account fake \
             account of cloud fake (type Fake)."
        )
    );
    let none = service
        .steer(&caller_without_cloud(), &id, Steer::Retry, Reply::WhenDone)
        .await
        .unwrap_err();
    assert!(
        none.to_string().contains("needs credentials of account fake account"),
        "{none}"
    );
    // A call of another kind with them does what it says, and the operation keeps waiting.
    service.reconfigure(&other, &infra, read(""), None).await.unwrap();
    assert_eq!(state(&service, &id).await, OpState::WaitingCredentials);
    assert_eq!(service.vms(&caller(), &infra).await.unwrap().len(), 3);

    // One of another kind with the right ones lets it go on.
    service.power_vm(&caller(), &infra, VmId(0), Power::Stop).await.unwrap();
    assert_eq!(service.engine().wait(&id).await.unwrap().state, OpState::Done);
    assert_eq!(service.vms(&caller(), &infra).await.unwrap(), [VmId(0), VmId(1)]);
}

#[tokio::test]
async fn a_retry_brings_credentials_and_may_be_repeated() {
    let fake = Fake::new();
    let service = service(&fake).await;
    let infra = three(&service).await;
    let id = waiting(&service, &infra).await;
    let done = service
        .steer(&caller(), &id, Steer::Retry, Reply::WhenDone)
        .await
        .unwrap();
    assert_eq!(done.operation.state, OpState::Done);
    let again = service
        .steer(&caller(), &id, Steer::Retry, Reply::WhenDone)
        .await
        .unwrap_err();
    assert!(matches!(again, ServiceError::Conflict(_)), "{again}");
    assert_eq!(
        again.to_string(),
        "The operation has ended (done): nothing is left to be done."
    );
    let taken_back = service.steer(&caller(), &id, Steer::Cancel, Reply::WhenDone).await;
    assert_eq!(
        taken_back.unwrap_err().to_string(),
        "The operation has ended (done): what it did stays."
    );
    let list = service.operations(&caller(), &infra).await.unwrap();
    assert!(
        list.iter()
            .any(|o| o.id == id && o.state == OpState::Done && o.ended == o.steps)
    );
    let unknown = OperationId::from("none");
    let none = service
        .steer(&caller(), &unknown, Steer::Cancel, Reply::AtOnce)
        .await
        .unwrap_err();
    assert!(matches!(none, ServiceError::NoOperation));
}

#[tokio::test]
async fn a_cancelled_removal_leaves_the_machine() {
    let fake = Fake::new();
    let service = service(&fake).await;
    let infra = three(&service).await;
    let id = waiting(&service, &infra).await;
    let ended = service
        .steer(&caller(), &id, Steer::Cancel, Reply::WhenDone)
        .await
        .unwrap();
    assert_eq!(
        (ended.operation.state, ended.operation.error.as_deref()),
        (OpState::Undone, Some("cancelled"))
    );
    // It is what was wanted, so asking again is no error.
    service
        .steer(&caller(), &id, Steer::Cancel, Reply::WhenDone)
        .await
        .unwrap();
    assert_eq!(service.vms(&caller(), &infra).await.unwrap().len(), 3);
    service
        .destroy(&caller(), &infra, Force::No, Reply::WhenDone)
        .await
        .unwrap();
    assert!(fake.things().is_empty(), "{:?}", fake.things());
}

#[tokio::test]
async fn an_infrastructure_is_given_up_without_a_cloud() {
    let fake = Fake::new();
    let service = service(&fake).await;
    let infra = three(&service).await;
    // Something waits there, and somebody's removal is refused.
    let waits = waiting(&service, &infra).await;
    let things = fake.things();
    let given_up = service
        .abandon(&caller_without_cloud(), &infra, Reply::WhenDone)
        .await
        .unwrap();
    assert_eq!(fake.things(), things, "nothing was asked of the cloud");
    assert_eq!(given_up.value.len(), things.len());
    for one in &given_up.value {
        assert_eq!(one.state, ResourceState::Released);
        assert_eq!((one.cloud.id.as_str(), one.account.as_str()), ("fake", "fake account"));
        assert!(one.id.is_some(), "{one:?}");
    }
    assert!(service.list(&caller(), None).await.unwrap().is_empty());
    let gone = service.vms(&caller(), &infra).await.unwrap_err();
    assert!(matches!(gone, ServiceError::NoInfrastructure));
    let engine = service.engine();
    let tombstones = engine.store().tombstones(&infra).await.unwrap();
    assert!(tombstones.iter().all(|row| row.row.state == ResourceState::Released));
    // The list can be had again, by those who owned it.
    let id = given_up.operation.unwrap();
    let shown = service.operation(&caller(), &id).await.unwrap();
    assert_eq!(shown.remaining, given_up.value);
    assert_eq!(state(&service, &waits).await, OpState::Undone);
    assert!(service.abandon(&caller(), &infra, Reply::WhenDone).await.is_err());
}

#[tokio::test]
async fn a_refused_removal_says_what_is_left() {
    let fake = Fake::new();
    let service = service(&fake).await;
    let infra = three(&service).await;
    fake.keep("volume 1", "it is locked");
    let error = service
        .remove(&caller(), &infra, &[VmId(1)], Context::Skip, Reply::WhenDone)
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "Error removing resources: [it is locked]");
    let ServiceError::Operation { id, .. } = error else {
        panic!("{error}")
    };
    // The machine is gone, its disk is not: it is off, and says why it is still listed.
    let states = service.state(&caller(), &infra).await.unwrap().vm_states;
    assert_eq!(states[&VmId(1)], im_model::VmState::Off);
    let log = service.vm_contmsg(&caller(), &infra, VmId(1)).await.unwrap();
    assert!(
        log.contains("volume 1 (id of volume 1)") && log.contains("it is locked"),
        "{log}"
    );
    let shown = service.operation(&caller(), &id).await.unwrap();
    assert_eq!(shown.remaining.len(), 1);
    assert_eq!(
        (shown.remaining[0].state, shown.remaining[0].id.as_deref()),
        (ResourceState::Removing, Some("id of volume 1"))
    );
    fake.release();
    service
        .remove(&caller(), &infra, &[VmId(1)], Context::Skip, Reply::WhenDone)
        .await
        .unwrap();
    assert_eq!(service.vms(&caller(), &infra).await.unwrap(), [VmId(0), VmId(2)]);
}
