//! Two accounts at one endpoint: what one does not see is not gone for the other, and whoever acts with the wrong one is
//! told which is needed.

#![allow(clippy::unwrap_used, clippy::panic)] // a test says what it expects

mod support;

use im_model::{InfraId, OpState, VmId, VmState};
use im_service::{Context, Force, Manager, Reply, Service, ServiceError};
use std::time::Duration;
use support::{Fake, caller_of, read, service};

const TWO: &str = "network net ()
    system s (net_interface.0.connection='net' and disk.0.image.url='fake://image')
    deploy s 2";

const NEEDED: &str = "these are credentials of operator, not of users. Needed are credentials for cloud fake of type Fake, \
                      account users.";

async fn created(service: &Service) -> InfraId {
    let mine = caller_of("me", "users");
    service.create(&mine, read(TWO), Reply::WhenDone).await.unwrap().value
}

#[tokio::test]
async fn an_operator_who_looks_with_another_account_makes_nothing_go() {
    let fake = Fake::new();
    let service = service(&fake).await;
    let id = created(&service).await;
    let operator = caller_of("root", "operator");
    for _ in 0..5 {
        let state = service.state(&operator, &id).await.unwrap();
        assert_eq!(state.vm_states.values().collect::<Vec<_>>(), [&VmState::Configured; 2]);
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    let view = service.vm(&operator, &id, VmId(0)).await.unwrap();
    assert!(view.text().contains("state = 'configured'"), "{}", view.text());
    assert_eq!(fake.things().len(), 5);
}

#[tokio::test]
async fn an_operator_s_delete_waits_for_the_account_that_is_needed() {
    let fake = Fake::new();
    let service = service(&fake).await;
    let id = created(&service).await;
    let operator = caller_of("root", "operator");
    let error = service
        .destroy(&operator, &id, Force::No, Reply::WhenDone)
        .await
        .unwrap_err();
    let ServiceError::Operation { id: operation, message } = error else {
        panic!("{error}")
    };
    assert_eq!(message, NEEDED);
    let view = service.operation(&operator, &operation).await.unwrap();
    assert_eq!(
        (view.operation.state, view.operation.error.as_deref()),
        (OpState::WaitingCredentials, Some(NEEDED))
    );
    assert_eq!(fake.things().len(), 5, "nothing went");
    assert_eq!(
        service.list(&caller_of("me", "users"), None).await.unwrap(),
        std::slice::from_ref(&id)
    );

    // Whoever has it deletes, and the one that waited is over.
    service
        .destroy(&caller_of("me", "users"), &id, Force::No, Reply::WhenDone)
        .await
        .unwrap();
    assert!(fake.things().is_empty(), "{:?}", fake.things());
    assert_eq!(
        service.operation(&operator, &operation).await.unwrap().operation.state,
        OpState::Undone
    );
}

#[tokio::test]
async fn a_removal_goes_on_with_the_next_call_of_the_right_account() {
    let fake = Fake::new();
    let service = service(&fake).await;
    let id = created(&service).await;
    let operator = caller_of("root", "operator");
    let error = service
        .remove(&operator, &id, &[VmId(1)], Context::Skip, Reply::WhenDone)
        .await
        .unwrap_err();
    let ServiceError::Operation { id: operation, message } = error else {
        panic!("{error}")
    };
    assert_eq!(message, NEEDED);
    // Again the wrong one: it waits on.
    service.reconfigure(&operator, &id, read(""), None).await.unwrap();
    assert_eq!(
        service.engine().wait(&operation).await.unwrap().state,
        OpState::WaitingCredentials
    );
    assert_eq!(fake.things().len(), 5);
    service
        .reconfigure(&caller_of("me", "users"), &id, read(""), None)
        .await
        .unwrap();
    assert_eq!(service.engine().wait(&operation).await.unwrap().state, OpState::Done);
    assert_eq!(fake.things(), ["network net", "vm 0", "volume 0"]);
}
