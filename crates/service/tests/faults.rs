//! The service over a cloud that fails on demand: what callers are told, and that nothing is left behind.

#![allow(clippy::unwrap_used, clippy::panic, clippy::missing_panics_doc)] // Helpers of tests.

mod support;

use im_model::{OpState, Power, VmId, VmState};
use im_service::{ContMsg, Context, Force, Manager, Reply, ServiceError};
use std::time::Duration;
use support::{Fake, caller, caller_without_cloud, eventually, read, service};

const THREE: &str = "network net ()
    system s (net_interface.0.connection='net' and disk.0.image.url='fake://image')
    deploy s 3";

#[tokio::test]
async fn a_vm_fails_alone() {
    let fake = Fake::new();
    fake.refuse_vm(1, "no room");
    let service = service(&fake).await;
    let id = service
        .create(&caller(), read(THREE), Reply::WhenDone)
        .await
        .unwrap()
        .value;
    let state = service.state(&caller(), &id).await.unwrap();
    assert_eq!(state.state, VmState::Failed);
    let states: Vec<_> = state.vm_states.values().copied().collect();
    assert_eq!(states, [VmState::Configured, VmState::Failed, VmState::Configured]);
    let log = service.vm_contmsg(&caller(), &id, VmId(1)).await.unwrap();
    assert_eq!(
        log.trim_end(),
        "Error launching the VMs of type s to cloud ID fake of type Fake. \
         Attempt 1: no room\nAttempt 2: no room\nAttempt 3: no room"
    );
    assert_eq!(fake.things(), ["network net", "vm 0", "vm 2", "volume 0", "volume 2"]);
    let whole = service.contmsg(&caller(), &id, ContMsg::Full).await.unwrap();
    assert!(whole.contains("VM 1:\nError launching"), "{whole}");
    service
        .destroy(&caller(), &id, Force::No, Reply::WhenDone)
        .await
        .unwrap();
    assert!(fake.things().is_empty(), "{:?}", fake.things());
}

#[tokio::test]
async fn nothing_is_left_when_all_fail() {
    let fake = Fake::new();
    for vm in 0..3 {
        fake.refuse_vm(vm, "no room");
    }
    let service = service(&fake).await;
    let error = service
        .create(&caller(), read(THREE), Reply::WhenDone)
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with(
            "Error adding VMs: Error launching the VMs of type s to cloud ID fake of type Fake. Attempt 1: no room\n"
        ),
        "{text}"
    );
    assert!(fake.things().is_empty(), "{:?}", fake.things());
    assert!(service.list(&caller(), None).await.unwrap().is_empty());

    // The same with nobody waiting: the record stays and says why.
    let accepted = service.create(&caller(), read(THREE), Reply::AtOnce).await.unwrap();
    service.engine().wait(&accepted.operation.unwrap()).await.unwrap();
    let state = service.state(&caller(), &accepted.value).await.unwrap();
    assert_eq!((state.state, state.vm_states.len()), (VmState::Failed, 0));
    let header = service
        .contmsg(&caller(), &accepted.value, ContMsg::HeaderOnly)
        .await
        .unwrap();
    assert!(header.contains("All VMs failed. No contextualize."), "{header}");
    assert!(fake.things().is_empty(), "{:?}", fake.things());
}

#[tokio::test]
async fn an_add_that_fails_leaves_the_rest() {
    let fake = Fake::new();
    let service = service(&fake).await;
    let id = service
        .create(&caller(), read(THREE), Reply::WhenDone)
        .await
        .unwrap()
        .value;
    fake.refuse_vm(3, "no room");
    let more = read("system s\ndeploy s 1");
    let error = service
        .add(&caller(), &id, more, Context::Run, Reply::WhenDone)
        .await
        .unwrap_err();
    assert!(
        error.to_string().starts_with("Error adding VMs: Error launching"),
        "{error}"
    );
    assert_eq!(service.vms(&caller(), &id).await.unwrap().len(), 3);
    assert_eq!(service.state(&caller(), &id).await.unwrap().state, VmState::Configured);
    assert_eq!(fake.things().len(), 7);
    // The network is there already and is used, not made again.
    let more = read("system s\ndeploy s 1");
    let added = service
        .add(&caller(), &id, more, Context::Run, Reply::WhenDone)
        .await
        .unwrap();
    assert_eq!(added.value, [VmId(4)]);
    assert_eq!(fake.things().iter().filter(|t| t.starts_with("network")).count(), 1);
    assert_eq!(fake.spec_of("vm 4")["network"], fake.id_of("network net"));
}

#[tokio::test]
async fn what_cannot_be_removed_is_said() {
    let fake = Fake::new();
    let service = service(&fake).await;
    let id = service
        .create(&caller(), read(THREE), Reply::WhenDone)
        .await
        .unwrap()
        .value;
    fake.keep("vm 1", "it is locked");
    let both = [VmId(0), VmId(1)];
    let error = service
        .remove(&caller(), &id, &both, Context::Skip, Reply::WhenDone)
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "Error removing resources: [it is locked]");
    assert_eq!(service.vms(&caller(), &id).await.unwrap(), [VmId(1), VmId(2)]);

    let error = service
        .destroy(&caller(), &id, Force::No, Reply::WhenDone)
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "Error destroying the infrastructure: \nit is locked");
    let state = service.state(&caller(), &id).await.unwrap();
    assert_eq!(state.vm_states.keys().copied().collect::<Vec<_>>(), [VmId(1)]);
    assert_ne!(state.state, VmState::Deleting);

    fake.release();
    service
        .destroy(&caller(), &id, Force::No, Reply::WhenDone)
        .await
        .unwrap();
    assert!(fake.things().is_empty(), "{:?}", fake.things());
}

#[tokio::test]
async fn a_forced_destroy_gets_through() {
    let fake = Fake::new();
    let service = service(&fake).await;
    let id = service
        .create(&caller(), read(THREE), Reply::WhenDone)
        .await
        .unwrap()
        .value;
    fake.keep("vm 1", "it is locked");
    service
        .destroy(&caller(), &id, Force::Yes, Reply::WhenDone)
        .await
        .unwrap();
    assert!(service.list(&caller(), None).await.unwrap().is_empty());
    fake.clear();
    let id = service
        .create(&caller(), read(THREE), Reply::WhenDone)
        .await
        .unwrap()
        .value;
    service
        .destroy(&caller_without_cloud(), &id, Force::Yes, Reply::WhenDone)
        .await
        .unwrap();
    assert!(service.list(&caller(), None).await.unwrap().is_empty());
}

#[tokio::test]
async fn missing_credentials_are_waited_for() {
    let fake = Fake::new();
    let service = service(&fake).await;
    let id = service
        .create(&caller(), read(THREE), Reply::WhenDone)
        .await
        .unwrap()
        .value;
    let vms = [VmId(2)];
    let error = service
        .remove(&caller_without_cloud(), &id, &vms, Context::Skip, Reply::WhenDone)
        .await
        .unwrap_err();
    let ServiceError::Operation { id: operation, message } = error else {
        panic!("{error}")
    };
    assert_eq!(
        message,
        "No auth data has been specified to Fake. Needed are credentials for cloud fake of type Fake, account fake \
         account."
    );
    let view = service.operation(&caller(), &operation).await.unwrap().operation;
    assert_eq!(view.state, OpState::WaitingCredentials);
    // The next call that changes something brings them along.
    service.reconfigure(&caller(), &id, read(""), None).await.unwrap();
    let row = service.engine().wait(&operation).await.unwrap();
    assert_eq!(row.state, OpState::Done);
    assert_eq!(service.vms(&caller(), &id).await.unwrap(), [VmId(0), VmId(1)]);
}

#[tokio::test]
async fn power_says_what_went_wrong() {
    let fake = Fake::new();
    let service = service(&fake).await;
    let id = service
        .create(&caller(), read(THREE), Reply::WhenDone)
        .await
        .unwrap()
        .value;
    fake.keep("vm 1", "it is locked");
    let error = service.power(&caller(), &id, Power::Stop).await.unwrap_err();
    assert_eq!(error.to_string(), "Error stopping the infrastructure: it is locked");
    let state = service.state(&caller(), &id).await.unwrap();
    assert_eq!(state.vm_states[&VmId(0)], VmState::Stopped);
    let error = service
        .power_vm(&caller(), &id, VmId(1), Power::Reboot)
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "Error rebooting the VM: it is locked");
}

#[tokio::test]
async fn readers_see_what_the_cloud_says_and_do_not_wait_for_a_slow_one() {
    let fake = Fake::new();
    let service = service(&fake).await;
    let id = service
        .create(&caller(), read(THREE), Reply::WhenDone)
        .await
        .unwrap()
        .value;
    assert_eq!(service.state(&caller(), &id).await.unwrap().state, VmState::Configured);
    fake.set_state("vm 2", VmState::Stopped);
    eventually(&service, &id, VmState::Stopped, VmId(2)).await;
    fake.lose("vm 1");
    eventually(&service, &id, VmState::Off, VmId(1)).await;
    fake.be_slow(Duration::from_secs(30));
    tokio::time::sleep(Duration::from_millis(60)).await;
    let begun = std::time::Instant::now();
    let state = service.state(&caller(), &id).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(state.vm_states[&VmId(2)], VmState::Stopped);
}
