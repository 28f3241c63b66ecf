//! What the tests with real nodes share.

#![allow(dead_code)] // Each test binary uses its part.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)] // A failed test shows what the run said.

use im_cloud::net::{AllowedHosts, Guard};
use im_ctxt::{
    Access, CtxtOptions, Dial, EventKind, Follow, KeyPair, Login, Master, Node, NodeParts, RunSpec, RunnerEvent,
    bundle, generate_key,
};
use im_model::{InfraId, LogScope, Secret, VmId};
use im_radl::{Document, Feature, System};
use im_testkit::Nodes;
use rand::{RngCore, SeedableRng, rngs::StdRng};
use std::{sync::Arc, time::Duration};

pub(crate) fn guard() -> Guard {
    Guard::new(AllowedHosts::none())
}

pub(crate) fn dial() -> Arc<dyn Dial> {
    Arc::new(guard())
}

pub(crate) fn key() -> KeyPair {
    generate_key(&mut StdRng::seed_from_u64(rand::rng().next_u64())).unwrap()
}

pub(crate) fn document(text: &str) -> Document {
    im_radl::parse_text(text)
        .into_result()
        .expect("the document is right")
        .0
}

/// A run over nodes: the document's systems are dealt out in the order of its deploys.
pub(crate) fn spec(nodes: &Nodes, infra: &str, document: Document, key: &KeyPair, number: u64) -> RunSpec {
    let mut systems: Vec<&System> = Vec::new();
    for deploy in &document.deploys {
        let system = document.system(&deploy.system).unwrap();
        systems.extend(std::iter::repeat_n(system, deploy.count()));
    }
    assert_eq!(systems.len(), nodes.nodes.len());
    let made = systems.iter().zip(&nodes.nodes).zip(0..).map(|((system, node), id)| {
        let mut system = (*system).clone();
        let mut set = |name: &str, value: &str| system.features.set(name, Feature::text(value));
        set("net_interface.0.ip", &node.ip.to_string());
        set("disk.0.os.credentials.username", "root");
        set("disk.0.os.credentials.password", &node.password);
        Node::new(NodeParts {
            id: VmId(id),
            system: Arc::new(system),
            networks: &document.networks,
            cloud_kind: "Docker",
            cloud_server: None,
            cloud_id: Some(&node.id),
            up: true,
            contextualized: false,
            default_domain: "localdomain",
        })
    });
    let nodes: Vec<Node> = made.collect();
    let master = im_ctxt::choose_master(&document, &nodes, None).unwrap();
    RunSpec {
        infra: InfraId::from(infra),
        number,
        document: Arc::new(document),
        nodes,
        master,
        key: key.clone(),
        only: None,
        owner_auth: Secret::new("user:owner-password"),
        elapsed: Duration::ZERO,
        options: CtxtOptions::default(),
    }
}

/// Everything up to a running runner.
pub(crate) async fn launch(spec: &RunSpec) -> Master {
    let node = spec.node(spec.master).unwrap();
    let mut master = Master::connect(&dial(), &spec.infra, node.access(Some(&spec.key)), &spec.options)
        .await
        .unwrap();
    master.change_credentials().await.unwrap();
    let ansible = master
        .prepare(spec, &mut |line| println!("header: {line}"))
        .await
        .unwrap();
    master.push(&bundle(spec).unwrap()).await.unwrap();
    master.start(spec.number, &ansible).await.unwrap();
    master
}

/// What a run has said.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) events: Vec<RunnerEvent>,
}

impl Told {
    pub(crate) async fn all(follow: &mut Follow) -> Self {
        let mut told = Self::default();
        while let Some(event) = follow.next().await.unwrap() {
            if let EventKind::Log { scope, text } = &event.kind {
                print!("{scope:?} {text}");
            } else {
                println!("{event:?}");
            }
            told.events.push(event);
        }
        for (event, seq) in told.events.iter().zip(told.events.first().map_or(1, |e| e.seq)..) {
            assert_eq!(event.seq, seq, "no gaps");
        }
        told
    }

    pub(crate) fn log(&self, vm: u32) -> String {
        let texts = self.events.iter().filter_map(|event| match &event.kind {
            EventKind::Log { scope, text } if *scope == LogScope::Vm(VmId(vm)) => Some(text.as_str()),
            _ => None,
        });
        texts.collect()
    }

    /// Whether each VM ended well, in the order of the ids.
    pub(crate) fn ends(&self) -> Vec<(u32, bool)> {
        let ends = self.events.iter().filter_map(|event| match &event.kind {
            EventKind::VmDone { vm, ok, .. } => Some((vm.0, *ok)),
            _ => None,
        });
        let mut ends: Vec<_> = ends.collect();
        ends.sort_unstable();
        ends
    }
}

pub(crate) fn access(node: &im_testkit::TestNode) -> Access {
    Access {
        addresses: vec![(node.ip, 22)],
        login: Login {
            user: "root".to_owned(),
            password: Some(Secret::new(node.password.as_str())),
            ..Login::default()
        },
        infrastructure_key: None,
    }
}
