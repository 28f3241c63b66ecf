//! What VMs share goes with the last of them, and never before.

#![allow(clippy::unwrap_used, clippy::panic)] // a test says what it expects

mod support;

use im_model::{InfraId, OpState, VmId};
use im_service::{Context, Manager, Reply, Service};
use support::{Fake, caller, read, service};

const NET: &str = "network net ()
    system s (net_interface.0.connection='net' and disk.0.image.url='fake://image')";

async fn created(service: &Service, vms: u32) -> InfraId {
    let text = format!("{NET}\ndeploy s {vms}");
    let accepted = service.create(&caller(), read(&text), Reply::WhenDone).await.unwrap();
    accepted.value
}

async fn add(service: &Service, id: &InfraId) -> im_model::OperationId {
    let more = read("system s\ndeploy s 1");
    let accepted = service.add(&caller(), id, more, Context::Skip, Reply::AtOnce).await;
    accepted.unwrap().operation.unwrap()
}

async fn remove(service: &Service, id: &InfraId, vm: u32) -> im_model::OperationId {
    let vms = [VmId(vm)];
    let accepted = service.remove(&caller(), id, &vms, Context::Skip, Reply::AtOnce).await;
    accepted.unwrap().operation.unwrap()
}

#[tokio::test]
async fn it_goes_with_the_last_vm() {
    let fake = Fake::new();
    let service = service(&fake).await;
    let id = created(&service, 2).await;
    let one = remove(&service, &id, 0).await;
    service.engine().wait(&one).await.unwrap();
    assert_eq!(fake.things(), ["network net", "vm 1", "volume 1"]);
    let other = remove(&service, &id, 1).await;
    service.engine().wait(&other).await.unwrap();
    assert!(fake.things().is_empty(), "{:?}", fake.things());
    assert!(fake.wrong().is_empty(), "{:?}", fake.wrong());
}

#[tokio::test]
async fn an_add_and_the_removal_of_the_last_vm_meet() {
    for add_first in [true, false] {
        let fake = Fake::new();
        let service = service(&fake).await;
        let id = created(&service, 1).await;
        let (adding, removing) = if add_first {
            let adding = add(&service, &id).await;
            (adding, remove(&service, &id, 0).await)
        } else {
            let removing = remove(&service, &id, 0).await;
            (add(&service, &id).await, removing)
        };
        for operation in [&adding, &removing] {
            assert_eq!(service.engine().wait(operation).await.unwrap().state, OpState::Done);
        }
        assert_eq!(fake.things(), ["network net", "vm 1", "volume 1"]);
        assert!(fake.wrong().is_empty(), "{:?}", fake.wrong());
        assert_eq!(fake.spec_of("vm 1")["network"], fake.id_of("network net"));
    }
}

#[tokio::test]
async fn a_vm_that_failed_keeps_nothing() {
    let fake = Fake::new();
    fake.refuse_vm(1, "no room");
    let service = service(&fake).await;
    let id = created(&service, 2).await;
    assert_eq!(fake.things(), ["network net", "vm 0", "volume 0"]);
    let last = remove(&service, &id, 0).await;
    service.engine().wait(&last).await.unwrap();
    assert!(fake.things().is_empty(), "{:?}", fake.things());
    assert_eq!(service.vms(&caller(), &id).await.unwrap(), [VmId(1)]);
    assert!(fake.wrong().is_empty(), "{:?}", fake.wrong());
}

#[tokio::test]
async fn an_add_that_fails_takes_nothing_from_the_others() {
    let fake = Fake::new();
    let service = service(&fake).await;
    let id = created(&service, 1).await;
    fake.refuse_vm(1, "no room");
    let failing = add(&service, &id).await;
    assert_eq!(service.engine().wait(&failing).await.unwrap().state, OpState::Undone);
    assert_eq!(fake.things(), ["network net", "vm 0", "volume 0"]);
    // A network that could not go with the last VM goes with the next removal.
    fake.keep("network net", "it is in use");
    let last = remove(&service, &id, 0).await;
    service.engine().wait(&last).await.unwrap();
    assert_eq!(fake.things(), ["network net"]);
    fake.release();
    let again = add(&service, &id).await;
    service.engine().wait(&again).await.unwrap();
    service
        .destroy(&caller(), &id, im_service::Force::No, Reply::WhenDone)
        .await
        .unwrap();
    assert!(fake.things().is_empty(), "{:?}", fake.things());
    assert!(fake.wrong().is_empty(), "{:?}", fake.wrong());
}
