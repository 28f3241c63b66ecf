//! The whole service over SQLite and clouds without an outside.

#![allow(clippy::unwrap_used, clippy::panic, clippy::missing_panics_doc)] // Helpers of tests.

use futures::StreamExt as _;
use im_auth::{Caller, Policy};
use im_cloud::{
    Connector,
    net::{AllowedHosts, Guard},
};
use im_cloud_local::{DeployedNode, Dummy};
use im_model::{AuthLine, Credentials, EventBody, InfraId, InstanceId, OpKind, OpState, Power, VmId, VmState};
use im_ops::EngineOptions;
use im_radl::Document;
use im_service::{
    BootMode, Connectors, ContMsg, Context, Force, Manager, Reply, Service, ServiceError, ServiceOptions,
};
use im_store::SqliteStore;
use std::{sync::Arc, time::Duration};

fn options() -> ServiceOptions {
    ServiceOptions::default()
}

async fn service_with(options: ServiceOptions) -> Arc<Service> {
    let store = Arc::new(SqliteStore::temporary().await.unwrap());
    let connectors: [Arc<dyn Connector>; 2] = [Arc::new(Dummy::new()), Arc::new(DeployedNode::new())];
    let mut engine = EngineOptions::new(InstanceId::from("test"));
    engine.retry_delay = Duration::from_millis(10);
    let guard = Guard::new(AllowedHosts::default());
    Service::start(store, Connectors::new(connectors), options, engine, guard)
        .await
        .unwrap()
}

async fn service() -> Arc<Service> {
    service_with(options()).await
}

fn credentials(lines: &[&[(&str, &str)]]) -> Credentials {
    Credentials {
        lines: lines.iter().map(|line| AuthLine::new(line.iter().copied())).collect(),
    }
}

fn caller_of(name: &str, clouds: &[&[(&str, &str)]]) -> Caller {
    let mut all = credentials(&[&[("type", "InfrastructureManager"), ("username", name), ("password", "p")]]);
    all.lines.extend(credentials(clouds).lines);
    Policy::default().check(all).unwrap()
}

fn caller() -> Caller {
    caller_of("me", &[&[("type", "Dummy"), ("id", "dummy")]])
}

fn read(text: &str) -> Document {
    let parsed = im_radl::parse(text);
    assert!(parsed.is_ok(), "{:?}", parsed.diagnostics);
    parsed.document
}

const TWO: &str = "network net (outbound='yes')
    system front (cpu.count>=2 and net_interface.0.connection='net' and net_interface.0.dns_name='front-#N#')
    system worker (memory.size>=1g)
    deploy front 1
    deploy worker 2";

async fn created(service: &Service, text: &str) -> InfraId {
    let accepted = service.create(&caller(), read(text), Reply::WhenDone).await.unwrap();
    assert!(accepted.operation.is_some());
    accepted.value
}

#[tokio::test]
async fn an_infrastructure_lives_and_dies() {
    let service = service().await;
    let caller = caller();
    let id = created(&service, TWO).await;
    assert_eq!(service.list(&caller, None).await.unwrap(), std::slice::from_ref(&id));
    assert_eq!(service.vms(&caller, &id).await.unwrap(), [VmId(0), VmId(1), VmId(2)]);
    let state = service.state(&caller, &id).await.unwrap();
    assert_eq!(state.state, VmState::Configured);
    assert!(state.vm_states.values().all(|s| *s == VmState::Configured));

    let view = service.vm(&caller, &id, VmId(0)).await.unwrap();
    let system = view.document.system(&view.system).unwrap();
    for (name, value) in [
        ("state", "configured"),
        ("provider.type", "Dummy"),
        ("net_interface.0.dns_name", "front-0"),
        ("net_interface.0.ip", "10.0.0.1"),
        ("disk.0.os.credentials.username", "username"),
        ("cpu.arch", "x86_64"),
    ] {
        assert_eq!(system.features.text(name), Some(value), "{name}");
    }
    let fresh = system.features.text("disk.0.os.credentials.new.password").unwrap();
    assert_eq!(fresh.len(), 8);
    assert_eq!(system.features.integer("cpu.count"), Some(2));
    assert!(view.document.network("net").is_some());
    let memory = service.vm_property(&caller, &id, VmId(1), "memory.size").await.unwrap();
    assert_eq!(memory, Some(1_000_000_000.into()));
    assert_eq!(
        service.vm_property(&caller, &id, VmId(1), "nothing").await.unwrap(),
        None
    );

    let text = service.contmsg(&caller, &id, ContMsg::Full).await.unwrap();
    assert_eq!(text, "Contextualization disabled by the RADL/TOSCA template.\n\n");
    let radl = service.radl(&caller, &id).await.unwrap();
    assert_eq!(radl.vm_count(), 3);
    assert!(!radl.system("front").unwrap().features.contains("cpu.arch"));

    service.destroy(&caller, &id, Force::No, Reply::WhenDone).await.unwrap();
    assert!(service.list(&caller, None).await.unwrap().is_empty());
    let gone = service.state(&caller, &id).await.unwrap_err();
    assert!(matches!(gone, ServiceError::NoInfrastructure), "{gone}");
}

#[tokio::test]
async fn vms_come_and_go() {
    let service = service().await;
    let caller = caller();
    let id = created(&service, TWO).await;
    let more = read("system worker\ndeploy worker 2");
    let added = service
        .add(&caller, &id, more, Context::Run, Reply::WhenDone)
        .await
        .unwrap();
    assert_eq!(added.value, [VmId(3), VmId(4)]);
    let removed = service
        .remove(&caller, &id, &[VmId(1), VmId(3)], Context::Run, Reply::WhenDone)
        .await
        .unwrap();
    assert_eq!(removed.value, 2);
    assert_eq!(service.vms(&caller, &id).await.unwrap(), [VmId(0), VmId(2), VmId(4)]);
    assert_eq!(service.radl(&caller, &id).await.unwrap().vm_count(), 2);
    let state = service.state(&caller, &id).await.unwrap();
    assert_eq!(state.state, VmState::Configured);

    let gone = service.vm(&caller, &id, VmId(1)).await.unwrap_err();
    assert_eq!(gone.to_string(), "Deleted VM.");
    let never = service.vm(&caller, &id, VmId(9)).await.unwrap_err();
    assert_eq!(never.to_string(), "Invalid VM ID");
    let both = [VmId(0), VmId(9)];
    let refused = service.remove(&caller, &id, &both, Context::Run, Reply::WhenDone).await;
    assert_eq!(refused.unwrap_err().to_string(), "Invalid VM ID");
    assert_eq!(service.vms(&caller, &id).await.unwrap().len(), 3);

    // Definitions only.
    let definitions = read("system other (cpu.count=1)");
    let added = service
        .add(&caller, &id, definitions, Context::Skip, Reply::WhenDone)
        .await
        .unwrap();
    assert!(added.value.is_empty());
    assert!(service.radl(&caller, &id).await.unwrap().system("other").is_some());
    // Ids are not used again.
    let added = service
        .add(
            &caller,
            &id,
            read("system other\ndeploy other 1"),
            Context::Skip,
            Reply::WhenDone,
        )
        .await
        .unwrap();
    assert_eq!(added.value, [VmId(5)]);
    let state = service.state(&caller, &id).await.unwrap();
    assert_eq!(state.vm_states[&VmId(5)], VmState::Running);
    assert_eq!(state.state, VmState::Running);
    service
        .reconfigure(&caller, &id, Document::default(), None)
        .await
        .unwrap();
    eventually(&service, &id, VmState::Configured).await;
}

async fn eventually(service: &Service, id: &InfraId, wanted: VmState) {
    for _ in 0..200 {
        if service.state(&caller(), id).await.unwrap().state == wanted {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("never {wanted}: {:?}", service.state(&caller(), id).await);
}

#[tokio::test]
async fn power_and_alter() {
    let service = service().await;
    let caller = caller();
    let id = created(&service, TWO).await;
    service.power(&caller, &id, Power::Stop).await.unwrap();
    let state = service.state(&caller, &id).await.unwrap();
    assert_eq!(state.state, VmState::Stopped);
    service.power_vm(&caller, &id, VmId(0), Power::Start).await.unwrap();
    let state = service.state(&caller, &id).await.unwrap();
    assert_eq!(state.vm_states[&VmId(0)], VmState::Configured);
    service.power_vm(&caller, &id, VmId(0), Power::Reboot).await.unwrap();

    let wanted = read("system front (cpu.count=4 and memory.size=2g)");
    let altered = service.alter(&caller, &id, VmId(0), wanted).await.unwrap();
    let system = altered.value.document.system("front").unwrap();
    assert_eq!(system.features.integer("cpu.count"), Some(4));
    let refused = service
        .alter(&caller, &id, VmId(1), read("system front (cpu.count=4)"))
        .await;
    assert_eq!(
        refused.unwrap_err().to_string(),
        "Incorrect RADL no system with name worker provided."
    );
}

#[tokio::test]
async fn the_feed_has_neither_gap_nor_repetition() {
    let service = service().await;
    let caller = caller();
    let accepted = service.create(&caller, read(TWO), Reply::AtOnce).await.unwrap();
    let id = accepted.value;
    let early = service.events(&caller, &id, 0).await.unwrap();
    let collect = tokio::spawn(early.collect::<Vec<_>>());
    eventually(&service, &id, VmState::Configured).await;
    let middle = service.events(&caller, &id, 3).await.unwrap();
    service.destroy(&caller, &id, Force::No, Reply::WhenDone).await.unwrap();
    let all = collect.await.unwrap();
    let numbers: Vec<u64> = all.iter().map(|e| e.seq).collect();
    assert_eq!(numbers, (1..=all.len() as u64).collect::<Vec<_>>());
    let rest: Vec<_> = middle.collect().await;
    assert_eq!(rest, all[3..]);
    let done = |kind| {
        all.iter()
            .any(|e| matches!(&e.body, EventBody::Operation { kind: k, state: OpState::Done, .. } if *k == kind))
    };
    assert!(done(OpKind::Create) && done(OpKind::Destroy), "{all:#?}");
    let configured = |e: &im_model::Event| matches!(&e.body, EventBody::State { vms, .. } if vms.get(&VmId(2)) == Some(&VmState::Configured));
    assert!(all.iter().any(configured));
    let text = serde_json::to_string(&all).unwrap();
    assert!(!text.contains("credentials"), "{text}");
}

#[tokio::test]
async fn nothing_is_left_of_what_could_not_be_created() {
    let service = service().await;
    let nobody = caller_of("me", &[]);
    let error = service.create(&nobody, read(TWO), Reply::WhenDone).await.unwrap_err();
    assert_eq!(error.to_string(), "No cloud provider available");
    assert!(service.list(&nobody, None).await.unwrap().is_empty());

    let unknown = caller_of("me", &[&[("type", "Nebula")]]);
    let error = service.create(&unknown, read(TWO), Reply::WhenDone).await.unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("Cloud provider not supported: Nebula (error: "),
        "{error}"
    );

    assert!(service.list(&nobody, None).await.unwrap().is_empty());

    let elsewhere = read("system s (cpu.count=1) deploy s 1 other");
    let error = service.create(&caller(), elsewhere, Reply::WhenDone).await.unwrap_err();
    assert_eq!(error.to_string(), "No auth data for cloud with ID: other");
    assert!(service.list(&nobody, None).await.unwrap().is_empty());

    // Deployed nodes must say how to log in.
    let nodes = caller_of("me", &[&[("type", "DeployedNode"), ("id", "nodes")]]);
    let bare =
        "network n (outbound='yes') system s (net_interface.0.connection='n' and disk.0.image.url='x') deploy s 2";
    let error = service.create(&nodes, read(bare), Reply::WhenDone).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "Error adding VMs: Error, no concrete system to deploy: s in cloud: nodes. \
         Check if a correct image is being used"
    );
    assert!(service.list(&nodes, None).await.unwrap().is_empty());

    // Nobody waits: the record stays and says why.
    let accepted = service.create(&nodes, read(bare), Reply::AtOnce).await.unwrap();
    service.engine().wait(&accepted.operation.unwrap()).await.unwrap();
    assert_eq!(
        service.state(&nodes, &accepted.value).await.unwrap().state,
        VmState::Failed
    );
    let text = service
        .contmsg(&nodes, &accepted.value, ContMsg::HeaderOnly)
        .await
        .unwrap();
    assert!(
        text.contains("All VMs failed. No contextualize.\nError, no concrete system"),
        "{text}"
    );
    service
        .destroy(&nodes, &accepted.value, Force::No, Reply::WhenDone)
        .await
        .unwrap();
}

#[tokio::test]
async fn an_infrastructure_without_vms_has_failed() {
    let service = service().await;
    let id = created(&service, "network n ()").await;
    let state = service.state(&caller(), &id).await.unwrap();
    assert_eq!((state.state, state.vm_states.len()), (VmState::Failed, 0));
    let added = service
        .add(
            &caller(),
            &id,
            read("system s (cpu.count=1) deploy s 1"),
            Context::Run,
            Reply::WhenDone,
        )
        .await
        .unwrap();
    assert_eq!(added.value, [VmId(0)]);
    assert_eq!(service.state(&caller(), &id).await.unwrap().state, VmState::Configured);
}

#[tokio::test]
async fn others_are_kept_out() {
    let service = service().await;
    let id = created(&service, TWO).await;
    let other = caller_of("other", &[&[("type", "Dummy")]]);
    let refused = service.state(&other, &id).await.unwrap_err();
    assert!(matches!(refused, ServiceError::NotGranted));
    assert!(service.list(&other, None).await.unwrap().is_empty());
    let none = service.state(&other, &InfraId::from("nothing")).await.unwrap_err();
    assert!(matches!(none, ServiceError::NoInfrastructure));
    let filtered = service.list(&caller(), Some("system wor.er")).await.unwrap();
    assert_eq!(filtered, std::slice::from_ref(&id));
    assert!(service.list(&caller(), Some("nothing")).await.unwrap().is_empty());
    assert!(service.list(&caller(), Some("(")).await.is_err());
}

#[tokio::test]
async fn bad_documents_are_refused_with_their_line() {
    let service = service().await;
    let bad = read("network n ()\nsystem s (\ncpu.count='x' and net_interface.0.connection='n')\ndeploy s 1");
    let error = service.create(&caller(), bad, Reply::WhenDone).await.unwrap_err();
    let ServiceError::BadDocument { message, diagnostics } = error else {
        panic!("{error}")
    };
    assert!(message.starts_with("Line 3: "), "{message}");
    assert!(!diagnostics.is_empty());
    let id = created(&service, TWO).await;
    let unknown = read("system nobody\ndeploy nobody 1");
    let error = service
        .add(&caller(), &id, unknown, Context::Run, Reply::WhenDone)
        .await;
    let message = error.unwrap_err().to_string();
    assert!(message.contains("Unknown reference in RADL to system"), "{message}");
}

#[tokio::test]
async fn boot_modes() {
    let mut read_only = options();
    read_only.boot_mode = BootMode::ReadOnly;
    let service = service_with(read_only).await;
    let refused = service.create(&caller(), read(TWO), Reply::WhenDone).await.unwrap_err();
    assert_eq!(refused.to_string(), "Function currently disabled.");
    let refused = service
        .destroy(&caller(), &InfraId::from("x"), Force::No, Reply::WhenDone)
        .await;
    assert!(matches!(refused.unwrap_err(), ServiceError::Disabled));
    assert!(service.list(&caller(), None).await.unwrap().is_empty());
}

#[tokio::test]
async fn operations_can_be_looked_at() {
    let service = service().await;
    let accepted = service.create(&caller(), read(TWO), Reply::WhenDone).await.unwrap();
    let view = service
        .operation(&caller(), &accepted.operation.unwrap())
        .await
        .unwrap()
        .operation;
    assert_eq!(
        (view.kind, view.state, view.error),
        (OpKind::Create, OpState::Done, None)
    );
    assert_eq!((view.steps, view.ended), (3, 3));
}

#[tokio::test]
async fn a_destroy_overtakes_a_create() {
    let service = service().await;
    let many = read("system s (cpu.count=1) deploy s 2000");
    let id = service.create(&caller(), many, Reply::AtOnce).await.unwrap().value;
    service
        .destroy(&caller(), &id, Force::No, Reply::WhenDone)
        .await
        .unwrap();
    assert!(service.list(&caller(), None).await.unwrap().is_empty());
    let gone = service.vms(&caller(), &id).await.unwrap_err();
    assert!(matches!(gone, ServiceError::NoInfrastructure));
}
