//! Waits end when their settings say so. Time is the test's: nothing here waits for real.

#![allow(clippy::unwrap_used)] // a test says what it expects

mod support;

use im_model::{InfraId, OpKind, OpState, VmId, VmState};
use im_service::{ContMsg, Manager, Reply, Service};
use im_testkit::MemoryStore;
use std::{sync::Arc, time::Duration};
use support::{Fake, caller, read, service_over};
use tokio::time::{Instant, sleep};

const ONE: &str = "network n (outbound = 'yes')\nsystem s (net_interface.0.connection = 'n' and disk.0.image.url = 'fake://image')\ndeploy s 1";

async fn one(fake: &Arc<Fake>) -> (Arc<Service>, InfraId) {
    let service = service_over(fake, MemoryStore::new(true)).await;
    let made = service.create(&caller(), read(ONE), Reply::WhenDone).await;
    (service, made.unwrap().value)
}

/// How long until the log says so.
async fn said(service: &Service, infra: &InfraId, what: &str) -> Duration {
    let begun = Instant::now();
    loop {
        let log = service.contmsg(&caller(), infra, ContMsg::HeaderOnly).await.unwrap();
        if log.contains(what) {
            return begun.elapsed();
        }
        assert!(begun.elapsed() < Duration::from_hours(3), "never: {log}");
        sleep(Duration::from_secs(1)).await;
    }
}

fn about(took: Duration, setting: Duration) {
    let most = setting + Duration::from_secs(30);
    assert!(took >= setting && took < most, "{took:?} is not about {setting:?}");
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_never_runs_is_waited_for_that_long() {
    let fake = Fake::new();
    fake.be_real(VmState::Pending, &[]);
    let (service, infra) = one(&fake).await;
    let took = said(&service, &infra, "VM 0 is not running with an address in time").await;
    // WAIT_RUNNING_VM_TIMEOUT
    about(took, Duration::from_mins(30));
    // Nobody is left who could be configured, and the operation says so instead of waiting on.
    loop {
        let list = service.operations(&caller(), &infra).await.unwrap();
        let configure = list.iter().find(|o| o.kind == OpKind::Configure).unwrap();
        if configure.state.is_final() {
            assert_eq!(configure.state, OpState::Undone);
            assert!(configure.error.as_deref().unwrap().contains("no VM can be the master"));
            break;
        }
        sleep(Duration::from_secs(1)).await;
    }
    let state = service.state(&caller(), &infra).await.unwrap();
    assert_eq!(state.vm_states[&VmId(0)], VmState::Pending);
}

#[tokio::test(start_paused = true)]
async fn a_machine_without_an_address_is_waited_for_that_long() {
    let fake = Fake::new();
    fake.be_real(VmState::Running, &[]);
    let (service, infra) = one(&fake).await;
    let took = said(&service, &infra, "VM 0 is not running with an address in time").await;
    about(took, Duration::from_mins(30));
}

#[tokio::test(start_paused = true)]
async fn a_public_address_is_waited_for_that_long() {
    let fake = Fake::new();
    // One that nobody can reach.
    fake.be_real(VmState::Running, &["10.255.255.254"]);
    let (service, infra) = one(&fake).await;
    let took = said(&service, &infra, "VM 0 has no public address in time").await;
    // WAIT_PUBLIC_IP_TIMEOUT
    about(took, Duration::from_secs(90));
}
