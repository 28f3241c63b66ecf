//! Literals and speed of the connectors without a cloud.
#![allow(clippy::unwrap_used)]

use im_cloud::{Connector, Cx, Draw, FirstOrResume, LaunchRequest, Seen, VmRequest, Wanted};
use im_cloud_local::{DeployedNode, Dummy};
use im_model::{
    AuthLine, CloudRef, Deployment, Frozen, InfraId, Key, KeyParts, OperationId, Power, ResourceKind, StepId, VmId,
    VmState,
};
use im_radl::System;
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

struct Never;
impl Draw for Never {
    fn alphanumeric(&mut self, _len: usize) -> String {
        unreachable!("nothing is random here")
    }
    fn below(&mut self, _bound: u32) -> u32 {
        unreachable!("nothing is random here")
    }
}

fn cx(kind: &str) -> Cx {
    Cx {
        cloud: Arc::new(cloud(kind)),
        auth: Arc::new(AuthLine::new([("type", kind)])),
        infra: InfraId::from("inf"),
        deployment: Arc::new(Deployment {
            name: "test".into(),
            secret: "secret".into(),
        }),
        account: None,
        deadline: Duration::from_secs(5),
    }
}

fn cloud(kind: &str) -> CloudRef {
    CloudRef {
        id: kind.to_lowercase(),
        kind: kind.to_owned(),
        server: String::new(),
        port: None,
        protocol: String::new(),
        path: String::new(),
        extra: BTreeMap::new(),
    }
}

fn system(features: &[(&str, &str)]) -> System {
    let mut system = System {
        name: "node".to_owned(),
        ..System::default()
    };
    for (name, value) in features {
        system.features.set_text(*name, *value);
    }
    system
}

fn wanted(count: u32) -> Vec<Wanted> {
    let (infra, operation) = (InfraId::from("inf"), OperationId::from("op"));
    let frozen = Frozen::of(&json!({}));
    let one = |n| Wanted {
        key: Key::of(KeyParts {
            deployment: "test",
            infra: &infra,
            operation: &operation,
            step: StepId(n),
            index: 0,
            attempt: 0,
        }),
        kind: ResourceKind::Vm,
        name: n.to_string(),
        vm: Some(VmId(n)),
        frozen: frozen.clone(),
    };
    (0..count).map(one).collect()
}

#[test]
fn dummy_accepts_every_system_and_stamps_the_literals() {
    let candidates = Dummy.candidates(&cloud("Dummy"), &system(&[("disk.0.os.credentials.username", "me")]));
    let features = &candidates[0].features;
    for (name, value) in [
        ("provider.type", "Dummy"),
        ("net_interface.0.ip", "10.0.0.1"),
        ("disk.0.os.credentials.username", "username"),
        ("disk.0.os.credentials.password", "password"),
    ] {
        assert_eq!(features.text(name), Some(value), "{name}");
    }
}

#[tokio::test]
async fn ten_thousand_dummies_take_microseconds_each() {
    let cx = cx("Dummy");
    let system = Arc::new(system(&[]));
    let request = LaunchRequest {
        infra: cx.infra.clone(),
        document: Arc::default(),
        vms: (0..10_000)
            .map(|n| VmRequest {
                vm: VmId(n),
                system: Arc::clone(&system),
            })
            .collect(),
        tags: BTreeMap::new(),
        existing: Vec::new(),
    };
    let wanted = wanted(10_000);
    let start = Instant::now();
    let plan = Dummy.plan(&cx.cloud, &request, &json!(null), &mut Never).unwrap();
    let mut ids = BTreeSet::new();
    for chunk in wanted.chunks(500) {
        for answer in Dummy.ensure(&cx, chunk, FirstOrResume::First).await {
            ids.insert(answer.unwrap().cloud_id);
        }
    }
    let took = start.elapsed();
    assert_eq!((plan.vms.len(), ids.len()), (10_000, 10_000));
    assert!(ids.iter().all(|id| id.bytes().all(|b| b.is_ascii_digit())));
    assert!(took < Duration::from_millis(500), "{took:?}");
}

#[tokio::test]
async fn dummy_states_live_in_the_rows() {
    let cx = cx("Dummy");
    assert_eq!(
        Dummy.power(&cx, "1", Power::Stop).await.unwrap().state,
        Some(VmState::Stopped)
    );
    let seen = Dummy.observe(&cx, &["1".to_owned()]).await.unwrap();
    assert!(matches!(&seen[..], [Seen::There(o)] if o.state.is_none()));
    let mut more = system(&[]);
    more.features.set_number("cpu.count", 2, "");
    more.features.set_number("memory.size", 1024, "M");
    let altered = Dummy.alter(&cx, "1", &system(&[]), &more).await.unwrap();
    assert_eq!(
        altered.features,
        BTreeMap::from([
            ("cpu.count".to_owned(), json!(2)),
            ("memory.size".to_owned(), json!(1_024_000_000))
        ])
    );
    let images = Dummy.images(&cx, &BTreeMap::new()).await.unwrap();
    assert_eq!(
        images[1],
        ("mock0://linux.for.ev.er/image2".to_owned(), "Image Name2".to_owned())
    );
    assert_eq!(Dummy.quotas(&cx).await.unwrap()["ram"], (1.0, 10.0));
}

#[tokio::test]
async fn deployed_nodes_need_an_address_and_a_log_in() {
    let cloud = cloud("DeployedNode");
    let ip = ("net_interface.0.ip", "10.0.0.9");
    let user = ("disk.0.os.credentials.username", "root");
    let password = ("disk.0.os.credentials.password", "x");
    let key = ("disk.0.os.credentials.private_key", "k");
    for (features, accepted) in [
        (vec![ip, user, password], true),
        (vec![ip, user, key], true),
        (vec![ip, user], false),
        (vec![user, password], false),
        (vec![ip, password], false),
        (vec![("net_interface.0.ip", ""), user, password], false),
    ] {
        let candidates = DeployedNode.candidates(&cloud, &system(&features));
        assert_eq!(candidates.len(), usize::from(accepted), "{features:?}");
        assert!(
            candidates
                .iter()
                .all(|c| c.features.text("provider.type") == Some("DeployedNode"))
        );
    }
    let cx = cx("DeployedNode");
    let error = DeployedNode.power(&cx, "1", Power::Stop).await.unwrap_err();
    assert_eq!(error.message, "Operation not supported");
    let error = DeployedNode
        .alter(&cx, "1", &system(&[]), &system(&[]))
        .await
        .unwrap_err();
    assert_eq!(error.message, "Not supported");
    let error = DeployedNode.check_auth(&cloud, &AuthLine::default()).unwrap_err();
    assert_eq!(error.message, "No auth data has been specified to DeployedNode.");
}
