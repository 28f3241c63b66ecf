//! What readers see when clouds answer, answer late, wrongly or not at all; and that reading changes nothing there.

#![allow(clippy::unwrap_used, clippy::panic)] // a test says what it expects

mod support;

use im_model::{InfraId, VmId, VmState};
use im_service::{Manager, Reply, Service, ServiceOptions};
use std::{sync::Arc, time::Duration};
use support::{Fake, caller, engine_options, eventually, options, read, service, service_with};

const TWO: &str = "network net ()
    system s (net_interface.0.connection='net' and disk.0.image.url='fake://image')
    deploy s 2";

async fn created(service: &Service) -> InfraId {
    service
        .create(&caller(), read(TWO), Reply::WhenDone)
        .await
        .unwrap()
        .value
}

async fn states(service: &Service, id: &InfraId) -> Vec<VmState> {
    let state = service.state(&caller(), id).await.unwrap();
    state.vm_states.into_values().collect()
}

#[tokio::test]
async fn after_the_grace_period_without_an_answer_a_vm_is_unknown() {
    let fake = Fake::new();
    let options = ServiceOptions {
        grace: Duration::from_millis(1500),
        ..options()
    };
    let service = service_with(&fake, options, engine_options()).await;
    let id = created(&service).await;
    assert_eq!(states(&service, &id).await, [VmState::Configured; 2]);
    fake.be_silent(true);
    tokio::time::sleep(Duration::from_millis(60)).await;
    // Its silence is no error for the reader: what was last known is shown for a while.
    assert_eq!(states(&service, &id).await, [VmState::Configured; 2]);
    tokio::time::sleep(Duration::from_millis(1600)).await;
    assert_eq!(states(&service, &id).await, [VmState::Unknown; 2]);
    assert_eq!(service.state(&caller(), &id).await.unwrap().state, VmState::Unknown);
    let view = service.vm(&caller(), &id, VmId(0)).await.unwrap();
    assert!(view.text().contains("state = 'unknown'"), "{}", view.text());
    // The rows say nothing of it: as soon as the cloud speaks, all is as it was.
    fake.be_silent(false);
    eventually(&service, &id, VmState::Configured, VmId(0)).await;
    eventually(&service, &id, VmState::Configured, VmId(1)).await;
}

#[tokio::test]
async fn that_a_vm_is_gone_is_believed_when_it_was_said_twice() {
    let fake = Fake::new();
    let service = service(&fake).await;
    let id = created(&service).await;
    fake.be_blind(1);
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert_eq!(states(&service, &id).await, [VmState::Configured; 2]);
    fake.lose("vm 1");
    eventually(&service, &id, VmState::Off, VmId(1)).await;
    assert_eq!(states(&service, &id).await, [VmState::Configured, VmState::Off]);
}

#[tokio::test]
async fn reading_changes_nothing_at_the_cloud() {
    let fake = Fake::new();
    let service = service(&fake).await;
    let id = created(&service).await;
    let before = fake.changes();
    fake.lose("volume 0");
    fake.lose("network net");
    fake.lose("vm 1");
    eventually(&service, &id, VmState::Off, VmId(1)).await;
    for _ in 0..3 {
        states(&service, &id).await;
        service.vm(&caller(), &id, VmId(0)).await.unwrap();
        service.orphans(&caller()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    assert_eq!(fake.changes(), before, "what is missing is an operation's work");
    assert_eq!(fake.things(), ["vm 0", "volume 1"]);
}

#[tokio::test]
async fn an_account_is_asked_one_thing_at_a_time() {
    let fake = Fake::new();
    let options = ServiceOptions {
        refresh_after: Duration::from_mins(1),
        refresh_budget: Duration::from_secs(20),
        ..options()
    };
    fake.be_roomy();
    let service = service_with(&fake, options, engine_options()).await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(created(&service).await);
    }
    fake.looks();
    fake.be_slow(Duration::from_millis(300));
    // Many readers of four infrastructures, at once.
    let readers = ids.iter().cycle().take(40).map(|id| {
        let (service, id) = (Arc::clone(&service), id.clone());
        tokio::spawn(async move { states(&service, &id).await })
    });
    for reader in readers.collect::<Vec<_>>() {
        assert_eq!(reader.await.unwrap(), [VmState::Configured; 2]);
    }
    let looks = fake.looks();
    assert_eq!(looks.iter().sum::<usize>(), 8, "each machine once: {looks:?}");
    assert!(looks.len() <= 2, "what waited went together: {looks:?}");
}
