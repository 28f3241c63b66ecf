//! Measures the store: what the rows of 1,000 VMs cost, and how many small commits it takes per second.
//!
//! `cargo run --release -p im-store --example rows`
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::cast_precision_loss)] // a program for developers

use im_model::{
    Account, Action, BlobId, CloudRef, Configured, Credentials, EventBody, Frozen, InfraId, Infrastructure, InstanceId,
    Key, OpKind, OpState, Operation, OperationId, Plan, Resource, ResourceKind, ResourceState, Step, StepEvent,
    StepEventKind, StepId, Unit, Vm, VmId, VmState,
};
use im_store::{Fence, KeyRing, Release, SqliteOptions, SqliteStore, Store, Submission, Write};
use serde_json::json;
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

#[tokio::main]
async fn main() {
    let folder = std::env::temp_dir().join(format!("im-rows-{}", std::process::id()));
    let options = SqliteOptions::new(folder.join("im.db"), KeyRing::random().unwrap());
    let begin = Instant::now();
    let store = Arc::new(SqliteStore::open(options).await.unwrap());
    println!(
        "open                                     {:>9.2} ms",
        ms(begin.elapsed())
    );
    for vms in [1, 10, 100, 1_000, 10_000] {
        create(&store, vms).await;
    }
    small_commits(&store).await;
    store.close().await;
    std::fs::remove_dir_all(folder).unwrap();
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

async fn create(store: &SqliteStore, count: u32) {
    let id = format!("infra-{count}");
    let begin = Instant::now();
    let fence = submit(store, &id).await;
    let submitted = begin.elapsed();
    let planning = Instant::now();
    store.commit(&fence, planned(&id, count), Release::Keep).await.unwrap();
    let planned = planning.elapsed();
    let all: Vec<u32> = (0..count).collect();
    for some in all.chunks(500) {
        let intents = some
            .iter()
            .flat_map(|n| rows(&id, *n, ResourceState::Intended))
            .collect();
        store.commit(&fence, intents, Release::Keep).await.unwrap();
    }
    for some in all.chunks(500) {
        let results = some
            .iter()
            .flat_map(|n| rows(&id, *n, ResourceState::Created))
            .collect();
        store.commit(&fence, results, Release::Keep).await.unwrap();
    }
    let op = OperationId::from(format!("op-{id}"));
    let done = Write::OperationState {
        id: op,
        state: OpState::Done,
        error: None,
    };
    store.commit(&fence, vec![done], Release::IfIdle).await.unwrap();
    let written = begin.elapsed();
    let begin = Instant::now();
    let state = store.load(&InfraId::from(id.as_str())).await.unwrap().unwrap();
    assert_eq!(state.vms.len(), count as usize);
    println!(
        "{count:>6} VMs  submit {:>6.2}  plan {:>7.2}  all {:>8.2} ms  ({:>6.0} rows/s)  load {:>7.2} ms",
        ms(submitted),
        ms(planned),
        ms(written),
        f64::from(count) * 7.0 / written.as_secs_f64(),
        ms(begin.elapsed()),
    );
}

async fn submit(store: &SqliteStore, id: &str) -> Fence {
    let submission = Submission {
        operation: Arc::new(operation(id)),
        infrastructure: Some(Arc::new(infrastructure(id))),
        writes: vec![Write::Blob {
            id: BlobId::from("base"),
            text: "system node ()".repeat(20).into(),
        }],
        supersede_all: false,
        instance: InstanceId::from("me"),
        lease_ms: 30_000,
    };
    store.submit(submission).await.unwrap().claim.unwrap().fence
}

fn planned(id: &str, count: u32) -> Vec<Write> {
    let cloud = Arc::new(cloud());
    let step = |n: u32| Step {
        unit: Unit::Vm(VmId(n)),
        after: Vec::new(),
        always: false,
        action: Action::Ensure {
            kind: ResourceKind::Vm,
            name: format!("node-{n}"),
            cloud: Arc::clone(&cloud),
            account: Account::new("dummy"),
            spec: Arc::new(spec(n)),
        },
    };
    let plan = Arc::new(Plan {
        steps: (0..count).map(step).collect(),
    });
    let mut writes = vec![Write::Planned {
        id: OperationId::from(format!("op-{id}")),
        plan,
    }];
    writes.extend((0..count).map(|n| Write::Vm(Arc::new(vm(n, VmState::Pending, &cloud)))));
    writes
}

/// Rows of one VM: at the intent a resource and a step event; at the result also the VM.
fn rows(id: &str, n: u32, state: ResourceState) -> Vec<Write> {
    let cloud = Arc::new(cloud());
    let created = state == ResourceState::Created;
    let kind = if created {
        StepEventKind::Succeeded {
            output: Arc::new(json!(format!("cloud-id-{n}"))),
        }
    } else {
        StepEventKind::Started { attempt: 0 }
    };
    let mut rows = vec![
        Write::Resource(Arc::new(resource(id, n, state, &cloud))),
        Write::Step(StepEvent {
            operation: OperationId::from(format!("op-{id}")),
            step: StepId(n),
            kind,
        }),
    ];
    if created {
        rows.push(Write::Vm(Arc::new(vm(n, VmState::Running, &cloud))));
        rows.push(Write::Event(EventBody::State {
            state: VmState::Running,
            vms: BTreeMap::from([(VmId(n), VmState::Running)]),
        }));
    }
    rows
}

/// Many infrastructures at once, one small commit after another in each.
async fn small_commits(store: &Arc<SqliteStore>) {
    for infras in [1_u32, 16, 64] {
        let mut fences = Vec::new();
        for n in 0..infras {
            fences.push(submit(store, &format!("small-{infras}-{n}")).await);
        }
        let begin = Instant::now();
        let tasks: Vec<_> = fences
            .into_iter()
            .map(|fence| {
                let store = Arc::clone(store);
                tokio::spawn(async move {
                    let cloud = Arc::new(cloud());
                    for n in 0..50 {
                        let writes = vec![Write::Vm(Arc::new(vm(n, VmState::Running, &cloud)))];
                        store.commit(&fence, writes, Release::Keep).await.unwrap();
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let rate = f64::from(infras * 50) / begin.elapsed().as_secs_f64();
        println!("{infras:>6} infrastructures, small commits: {rate:>8.0} commits/s");
    }
}

fn spec(n: u32) -> serde_json::Value {
    json!({ "name": format!("node-{n}"), "image": "one://server/1", "cpu": 1, "memory": 536_870_912_u64,
        "networks": ["net"], "password": "a password of twenty" })
}

fn cloud() -> CloudRef {
    CloudRef {
        id: "dummy".into(),
        kind: "Dummy".into(),
        server: String::new(),
        port: None,
        protocol: String::new(),
        path: String::new(),
        extra: BTreeMap::new(),
    }
}

fn operation(id: &str) -> Operation {
    let id = InfraId::from(id);
    let request = Arc::new(json!({ "radl": "system node ()".repeat(20) }));
    Operation::pending(OperationId::from(format!("op-{id}")), id, OpKind::Create, request, 0)
}

fn infrastructure(id: &str) -> Infrastructure {
    let radl = "system node ()".repeat(20);
    Infrastructure::new(InfraId::from(id), Credentials::default(), radl.into(), 0)
}

fn vm(n: u32, state: VmState, cloud: &Arc<CloudRef>) -> Vm {
    Vm {
        id: VmId(n),
        operation: None,
        system: "node".into(),
        state,
        destroyed: false,
        configured: Configured::Unfinished,
        cloud: Arc::clone(cloud),
        account: Some(Account::new("dummy")),
        cloud_id: Some(format!("cloud-id-{n}").into()),
        base: BlobId::from("base"),
        own: BTreeMap::from([
            ("net_interface.0.ip".to_owned(), json!("10.0.0.1")),
            (
                "disk.0.os.credentials.password".to_owned(),
                json!("a password of twenty"),
            ),
        ]),
        error: None,
        created: 0,
        updated: 0,
    }
}

fn resource(id: &str, n: u32, state: ResourceState, cloud: &Arc<CloudRef>) -> Resource {
    Resource {
        key: Key::from_stored(format!(
            "{:016x}{n:016x}",
            u64::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        )),
        infra: InfraId::from(id),
        operation: OperationId::from(format!("op-{id}")),
        step: StepId(n),
        attempt: 0,
        unit: Unit::Vm(VmId(n)),
        kind: ResourceKind::Vm,
        name: format!("node-{n}"),
        cloud: Arc::clone(cloud),
        account: Account::new("dummy"),
        frozen: Frozen::of(&spec(n)),
        cloud_id: (state == ResourceState::Created).then(|| format!("cloud-id-{n}")),
        state,
    }
}
