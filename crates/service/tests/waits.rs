//! Waits end when their settings say so. Time is the test's: nothing here waits for real.

#![allow(clippy::unwrap_used)] // a test says what it expects

#[path = "support/machine.rs"]
mod machine;
mod support;

use im_model::{InfraId, OpKind, OpState, VmId, VmState};
use im_service::{ContMsg, Manager, Reply, Service};
use im_testkit::MemoryStore;
use machine::{Machines, Until};
use std::{sync::Arc, time::Duration};
use support::{Fake, caller, engine_options, options, read, service_on, service_over};
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

/// The contract's words.
const TOO_LATE: &str = "ERROR: Max contextualization time passed.";
/// The runner may take so much longer than it should before nobody waits for it any more.
const GRACE: Duration = Duration::from_secs(30);

/// A machine that runs, with an address, that comes so far.
async fn machine(until: Until, text: &str) -> (Arc<Machines>, Arc<Service>, InfraId) {
    let fake = Fake::new();
    fake.be_real(VmState::Running, &["10.0.0.9"]);
    let machines = Machines::new(until);
    let mut options = options();
    options.dial = Some(machines.clone());
    let service = service_on(&fake, MemoryStore::new(true), options, engine_options()).await;
    let made = service.create(&caller(), read(text), Reply::WhenDone).await;
    (machines, service, made.unwrap().value)
}

/// It took that long: a second is how often somebody looks.
fn exactly(took: Duration, setting: Duration) {
    let second = Duration::from_secs(1);
    assert!(
        took + second >= setting && took <= setting + second * 2,
        "{took:?} is not {setting:?}"
    );
}

/// Waits until its configuration has ended; gives the operation's state and error, and how the VM is then.
async fn ended(service: &Service, infra: &InfraId) -> (OpState, Option<String>, VmState) {
    let begun = Instant::now();
    loop {
        let list = service.operations(&caller(), infra).await.unwrap();
        if let Some(run) = list.iter().find(|o| o.kind == OpKind::Configure && o.state.is_final()) {
            let state = service.state(&caller(), infra).await.unwrap();
            return (run.state, run.error.clone(), state.vm_states[&VmId(0)]);
        }
        assert!(begun.elapsed() < Duration::from_hours(3), "{list:?}");
        sleep(Duration::from_millis(100)).await;
    }
}

async fn failed(service: &Service, infra: &InfraId, why: &str) {
    let (state, error, vm) = ended(service, infra).await;
    assert_eq!((state, vm), (OpState::Undone, VmState::Unconfigured), "{error:?}");
    assert!(error.as_deref().is_some_and(|e| e.contains(why)), "{error:?}");
    let log = service.contmsg(&caller(), infra, ContMsg::HeaderOnly).await.unwrap();
    assert_eq!(log.matches(why).count(), 1, "{log}");
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_does_all_is_configured() {
    let (machines, service, infra) = machine(Until::End, ONE).await;
    let begun = Instant::now();
    let (state, error, vm) = ended(&service, &infra).await;
    assert_eq!((state, vm), (OpState::Done, VmState::Configured), "{error:?}");
    // All but the wait for a public address that it never gets takes no time.
    assert!(begun.elapsed() < Duration::from_secs(100), "{:?}", begun.elapsed());
    assert_eq!((machines.dials(), machines.ran(" follow ")), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_log_in_is_waited_for_that_long_and_once() {
    for until in [Until::Silence, Until::HangUp] {
        let (machines, service, infra) = machine(until, ONE).await;
        said(&service, &infra, "Wait master VM to have the SSH active.").await;
        // WAIT_SSH_ACCCESS_TIMEOUT
        let took = said(&service, &infra, "no log-in over SSH within 300 s").await;
        exactly(took, Duration::from_mins(5));
        failed(&service, &infra, "no log-in over SSH within 300 s").await;
        assert!(machines.dials() > 10, "{until:?}: {}", machines.dials());
    }
}

#[tokio::test(start_paused = true)]
async fn ansible_is_waited_for_that_long() {
    let (_, service, infra) = machine(Until::LogIn, ONE).await;
    said(&service, &infra, "Performing preliminary steps").await;
    let took = said(&service, &infra, "it took longer than 500 s (ANSIBLE_INSTALL_TIMEOUT)").await;
    exactly(took, Duration::from_secs(500));
    failed(&service, &infra, "it took longer than 500 s (ANSIBLE_INSTALL_TIMEOUT)").await;
}

#[tokio::test(start_paused = true)]
async fn files_are_waited_for_that_long() {
    let (_, service, infra) = machine(Until::Ansible, ONE).await;
    said(&service, &infra, "Copying YAML, hosts and inventory files.").await;
    let took = said(&service, &infra, "no answer over SSH from 10.0.0.9:22 within 300 s").await;
    exactly(took, Duration::from_mins(5));
    failed(&service, &infra, "no answer over SSH from 10.0.0.9:22 within 300 s").await;
}

#[tokio::test(start_paused = true)]
async fn a_run_takes_so_long_from_its_beginning() {
    // MAX_CONTEXTUALIZATION_TIME, and what the document says instead.
    for (text, longest) in [
        (ONE, Duration::from_hours(2)),
        (&with_time(900), Duration::from_mins(15)),
    ] {
        let (machines, service, infra) = machine(Until::Run, text).await;
        let took = said(&service, &infra, TOO_LATE).await;
        exactly(took, longest + GRACE);
        failed(&service, &infra, TOO_LATE).await;
        assert_eq!(machines.ran(" kill "), 1);
    }
}

/// A document that says how long its contextualization may take.
fn with_time(seconds: u32) -> String {
    format!(
        "network n (outbound = 'yes')\nsystem s (net_interface.0.connection = 'n' and disk.0.image.url = \
         'fake://image')\nconfigure c (\n@begin\n- tasks: []\n@end\n)\ncontextualize {seconds} (system s configure \
         c)\ndeploy s 1"
    )
}

#[tokio::test(start_paused = true)]
async fn no_wait_of_a_run_is_longer_than_the_run_may_take() {
    // For a log-in, for Ansible, for files.
    for until in [Until::Silence, Until::LogIn, Until::Ansible] {
        let (machines, service, infra) = machine(until, &with_time(200)).await;
        let took = said(&service, &infra, TOO_LATE).await;
        exactly(took, Duration::from_secs(200));
        failed(&service, &infra, TOO_LATE).await;
        assert_eq!(machines.ran(" start "), 0);
    }
    // For a machine that never runs.
    let fake = Fake::new();
    fake.be_real(VmState::Pending, &[]);
    let service = service_over(&fake, MemoryStore::new(true)).await;
    let made = service.create(&caller(), read(&with_time(200)), Reply::WhenDone).await;
    let infra = made.unwrap().value;
    let took = said(&service, &infra, TOO_LATE).await;
    exactly(took, Duration::from_secs(200));
    let (state, _, vm) = ended(&service, &infra).await;
    assert_eq!((state, vm), (OpState::Undone, VmState::Pending));
}
