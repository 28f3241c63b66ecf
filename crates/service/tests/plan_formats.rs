//! Plans of every released format, as they were stored, are carried out by this version.
//!
//! `tests/plans/FORMAT/KIND.json` holds the rows of an infrastructure in which an operation was interrupted: its
//! request, what was resolved, its plan, the log of its steps. Each is put into a database and the service started over
//! it. `IM_PLAN_FIXTURES=write` writes those of the present format; what was released is never written again.

#![allow(clippy::unwrap_used, clippy::panic)] // a test says what it expects

mod support;

use im_cloud::net::{AllowedHosts, Guard};
use im_model::{
    Action, Infrastructure, InstanceId, Key, OpKind, OpState, Operation, PLAN_FORMAT, Resource, ResourceState,
    StepEvent, StepEventKind, StepId, Vm,
};
use im_ops::{EngineOptions, Job, Workflow as _};
use im_service::{Connectors, Flow, Force, Manager, Reply, Service, ServiceOptions};
use im_store::{InfraState, Release, SqliteStore, Store, Submission, Write};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use support::{Fake, caller, read, service};

/// Formats that were released, and the present one.
const FORMATS: [u32; 1] = [1];
/// Every kind of operation that the service makes, with the requests that differ in their steps.
const NAMES: [&str; 8] = [
    "create",
    "add",
    "remove",
    "destroy",
    "abandon",
    "configure",
    "power",
    "alter",
];
const TWO: &str =
    "network n ()\nsystem s (net_interface.0.connection = 'n' and disk.0.image.url = 'fake://image')\ndeploy s 2";

/// An interrupted operation.
#[derive(Serialize, Deserialize)]
struct Interrupted {
    infrastructure: Infrastructure,
    vms: Vec<Vm>,
    resources: Vec<Resource>,
    blobs: BTreeMap<String, String>,
    operation: Operation,
    events: Vec<StepEvent>,
    /// What exists at the cloud.
    there: Vec<String>,
    /// How it ends.
    ends: OpState,
    /// What its error holds.
    error: Option<String>,
    /// What exists at the cloud afterwards.
    left: Vec<String>,
}

fn folder(format: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/plans/{format}"))
}

fn connectors(fake: &Arc<Fake>) -> Connectors {
    let connectors: [Arc<dyn im_cloud::Connector>; 1] = [fake.clone()];
    Connectors::new(connectors)
}

/// Starts the service over what the fixture holds, and waits.
async fn replay(fixture: Interrupted) {
    let what = format!(
        "{} of format {}",
        fixture.operation.kind.as_str(),
        fixture.operation.plan_format
    );
    let fake = Fake::new();
    for name in &fixture.there {
        fake.put(name, "fixture");
    }
    let store = Arc::new(SqliteStore::temporary().await.unwrap());
    let id = fixture.operation.id.clone();
    let mut writes: Vec<Write> = fixture.vms.into_iter().map(|row| Write::Vm(Arc::new(row))).collect();
    writes.extend(fixture.resources.into_iter().map(|row| Write::Resource(Arc::new(row))));
    writes.extend(fixture.blobs.into_iter().map(|(id, text)| Write::Blob {
        id: id.as_str().into(),
        text: text.into(),
    }));
    let submitted = store
        .submit(Submission {
            operation: Arc::new(fixture.operation),
            infrastructure: Some(Arc::new(fixture.infrastructure)),
            writes,
            supersede_all: false,
            instance: InstanceId::from("the one before"),
            lease_ms: 1000,
        })
        .await
        .unwrap();
    let events = fixture.events.into_iter().map(Write::Step).collect();
    let fence = submitted.claim.unwrap().fence;
    store.commit(&fence, events, Release::Now).await.unwrap();
    let mut engine = EngineOptions::new(InstanceId::from("test"));
    engine.retry_delay = Duration::from_millis(10);
    engine.settle = Duration::ZERO;
    let guard = Guard::new(AllowedHosts::default());
    let service = Service::start(store, connectors(&fake), ServiceOptions::default(), engine, guard)
        .await
        .unwrap();
    let ended = service.engine().wait(&id).await.unwrap();
    assert_eq!(ended.state, fixture.ends, "{what}: {:?}", ended.error);
    match (&fixture.error, &ended.error) {
        (None, None) => {}
        (Some(part), Some(error)) => assert!(error.contains(part.as_str()), "{what}: {error}"),
        (wanted, found) => panic!("{what}: {wanted:?}, {found:?}"),
    }
    assert_eq!(fake.things(), fixture.left, "{what}");
}

#[tokio::test]
async fn plans_of_every_released_format_are_carried_out() {
    if std::env::var_os("IM_PLAN_FIXTURES").is_some_and(|word| word == "write") {
        write().await;
    }
    assert!(FORMATS.contains(&PLAN_FORMAT), "the present format has fixtures");
    for format in FORMATS {
        for name in NAMES {
            let path = folder(format).join(format!("{name}.json"));
            let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            let fixture: Interrupted = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!(fixture.operation.plan_format, format);
            replay(fixture).await;
        }
    }
}

/// The request as it is stored, the kind of the operation, how it ends, and what it leaves of two VMs.
#[allow(clippy::type_complexity)] // A table.
fn requests() -> Vec<(
    &'static str,
    OpKind,
    Value,
    OpState,
    Option<&'static str>,
    Vec<&'static str>,
)> {
    let all = || vec!["network net", "vm 0", "vm 1", "volume 0", "volume 1"];
    let four = vec![
        "network net",
        "vm 0",
        "vm 1",
        "vm 2",
        "vm 3",
        "volume 0",
        "volume 1",
        "volume 2",
        "volume 3",
    ];
    let launch = json!({"what": "launch", "radl": TWO, "context": false, "waited_for": true});
    let alter = "system s (memory.size = 2G)";
    let none = "no VM can be the master";
    vec![
        ("create", OpKind::Create, launch.clone(), OpState::Done, None, all()),
        ("add", OpKind::Add, launch, OpState::Done, None, four),
        (
            "remove",
            OpKind::Remove,
            json!({"what": "remove", "vms": [1], "context": false}),
            OpState::Done,
            None,
            vec!["network net", "vm 0", "volume 0"],
        ),
        (
            "destroy",
            OpKind::Destroy,
            json!({"what": "destroy", "force": false}),
            OpState::Done,
            None,
            vec![],
        ),
        (
            "abandon",
            OpKind::Destroy,
            json!({"what": "abandon"}),
            OpState::Done,
            None,
            all(),
        ),
        (
            "configure",
            OpKind::Configure,
            json!({"what": "configure", "radl": null, "only": null}),
            OpState::Undone,
            Some(none),
            all(),
        ),
        (
            "power",
            OpKind::Power,
            json!({"what": "power", "vm": null, "power": "stop"}),
            OpState::Done,
            None,
            all(),
        ),
        (
            "alter",
            OpKind::Alter,
            json!({"what": "alter", "vm": 0, "radl": alter}),
            OpState::Undone,
            Some("Not supported"),
            all(),
        ),
    ]
}

/// Writes the fixtures of the present format.
#[allow(clippy::too_many_lines)] // One after the other.
async fn write() {
    let fake = Fake::new();
    let service = service(&fake).await;
    let made = service.create(&caller(), read(TWO), Reply::WhenDone).await.unwrap();
    let store = service.engine().store().clone();
    let flow = Flow::new(
        connectors(&fake),
        Arc::new(ServiceOptions::default()),
        store.clone(),
        Guard::new(AllowedHosts::default()),
    );
    let present = service.engine().snapshot(&made.value).await.unwrap().unwrap();
    for (name, kind, mut request, ends, error, left) in requests() {
        request["user"] = json!("me");
        request["credentials"] = json!([{"type": "Fake", "id": "fake"}]);
        let mut state = InfraState::clone(&present);
        if name == "create" {
            state.vms.clear();
            state.resources.clear();
            let infra = Arc::make_mut(&mut state.infra);
            infra.next_vm = 0;
            infra.radl = "".into();
            infra.private_networks.clear();
        }
        let there = state
            .resources
            .values()
            .map(|r| format!("{} {}", r.kind, r.name))
            .collect();
        let id = format!("00000000-0000-4000-8000-{:012}", name.len());
        let mut operation = Operation::pending(id.as_str().into(), made.value.clone(), kind, Arc::new(request), 0);
        operation.state = OpState::Running;
        let job = |operation: &Operation| Job {
            operation: Arc::new(operation.clone()),
            resumed: false,
        };
        let resolved = flow.resolve(&job(&operation), &state).await.unwrap();
        let mut planned = flow.plan(&job(&operation), &resolved, &state).unwrap();
        if kind == OpKind::Configure {
            // The cloud of tests does not configure; the steps are those of any other.
            let names = ["wait_ips", "master", "ansible", "push", "run"];
            planned.plan.steps = (0u32..)
                .zip(names)
                .map(|(n, name)| im_model::Step {
                    unit: im_model::Unit::Infra,
                    after: n.checked_sub(1).map(StepId).into_iter().collect(),
                    always: false,
                    action: Action::Run {
                        name: name.to_owned(),
                        args: Arc::new(json!({"number": 1, "only": null})),
                    },
                })
                .collect();
        }
        operation.resolved = Some(Arc::new(resolved));
        let mut blobs = BTreeMap::new();
        for vm in state.vms.values() {
            let text = store.blob(&vm.base).await.unwrap().unwrap();
            blobs.insert(vm.base.as_str().to_owned(), text.to_string());
        }
        for write in planned.writes {
            match write {
                Write::Infrastructure(row) => state.infra = row,
                Write::Vm(row) => drop(state.vms.insert(row.id, row)),
                Write::Resource(row) => drop(state.resources.insert(row.key.clone(), row)),
                Write::Blob { id, text } => drop(blobs.insert(id.as_str().to_owned(), text.to_string())),
                _ => {}
            }
        }
        // Its first step had begun.
        let mut events = Vec::new();
        if let Some(step) = planned.plan.steps.first() {
            events.push(StepEvent {
                operation: operation.id.clone(),
                step: StepId(0),
                kind: StepEventKind::Started { attempt: 0 },
            });
            if let Action::Ensure {
                kind,
                name,
                cloud,
                account,
                spec,
            } = &step.action
            {
                let row = Resource {
                    key: Key::from_stored(format!("fixture.{name}")),
                    infra: operation.infra.clone(),
                    operation: operation.id.clone(),
                    step: StepId(0),
                    attempt: 0,
                    unit: step.unit,
                    kind: *kind,
                    name: name.clone(),
                    cloud: cloud.clone(),
                    account: account.clone(),
                    frozen: im_model::Frozen::of(spec),
                    cloud_id: None,
                    state: ResourceState::Intended,
                };
                state.resources.insert(row.key.clone(), Arc::new(row));
            }
        }
        operation.plan = Some(Arc::new(planned.plan));
        let fixture = Interrupted {
            infrastructure: Infrastructure::clone(&state.infra),
            vms: state.vms.values().map(|row| Vm::clone(row)).collect(),
            resources: state.resources.values().map(|row| Resource::clone(row)).collect(),
            blobs,
            operation,
            events,
            there,
            ends,
            error: error.map(str::to_owned),
            left: left.into_iter().map(str::to_owned).collect(),
        };
        fs::create_dir_all(folder(PLAN_FORMAT)).unwrap();
        let text = serde_json::to_string_pretty(&fixture).unwrap();
        fs::write(folder(PLAN_FORMAT).join(format!("{name}.json")), text + "\n").unwrap();
    }
    let end = service
        .destroy(&caller(), &made.value, Force::No, Reply::WhenDone)
        .await;
    assert!(end.is_ok());
}
