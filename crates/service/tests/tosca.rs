//! TOSCA documents through the whole service, over SQLite and a cloud without an outside.

#![allow(clippy::unwrap_used, clippy::panic, clippy::missing_panics_doc)] // Helpers of tests.

use im_auth::{Caller, Policy};
use im_cloud::net::{AllowedHosts, Guard};
use im_cloud_local::Dummy;
use im_model::{AuthLine, Credentials, InfraId, InstanceId, VmId};
use im_ops::EngineOptions;
use im_service::{
    Connectors, Context, Fetch, Manager, Reply, Service, ServiceError, ServiceOptions, ToscaOptions, Updated,
};
use im_store::{KeyRing, SqliteOptions, SqliteStore};
use im_tosca::{Mirror, Mirrors};
use serde_json::json;
use std::{fs, path::Path, sync::Arc, time::Duration};

/// Types and recipes as a site without the network has them: below a folder.
struct Site {
    folder: tempfile::TempDir,
}

const TYPES: &str = "
tosca_definitions_version: tosca_simple_yaml_1_0
capability_types:
  my.Scalable:
    derived_from: tosca.capabilities.Scalable
    properties:
      count: { type: integer, required: false, default: 1 }
      removal_list: { type: list, required: false, entry_schema: { type: string } }
node_types:
  tosca.nodes.indigo.Compute:
    derived_from: tosca.nodes.Compute
    attributes:
      private_address: { type: list, entry_schema: { type: string } }
  my.Node:
    derived_from: tosca.nodes.indigo.Compute
    capabilities:
      scalable: { type: my.Scalable }
  my.Software:
    derived_from: tosca.nodes.SoftwareComponent
    properties:
      greeting: { type: string, required: false, default: hello }
    interfaces:
      Standard:
        configure:
          implementation: https://types.example.org/hello.yml
          inputs:
            greeting: { get_property: [ SELF, greeting ] }
";

const RECIPE: &str = "
- hosts: all
  tasks:
    - name: greet
      debug: msg={{ greeting }}
";

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("types.yaml"), TYPES).unwrap();
        fs::write(folder.path().join("hello.yml"), RECIPE).unwrap();
        Self { folder }
    }

    fn options(&self) -> ServiceOptions {
        let mirror: Mirror = format!("https://types.example.org/={}", self.folder.path().display())
            .parse()
            .unwrap();
        ServiceOptions {
            tosca: ToscaOptions {
                mirrors: Mirrors::from_iter([mirror]),
                fetch: Fetch::No,
                ..ToscaOptions::default()
            },
            ..ServiceOptions::default()
        }
    }
}

async fn start(database: &Path, keys: &KeyRing, options: ServiceOptions) -> Arc<Service> {
    let store = SqliteOptions {
        durable: false,
        lock_wait: Duration::from_secs(10),
        ..SqliteOptions::new(database, keys.clone())
    };
    let store = SqliteStore::open(store).await.unwrap();
    let engine = EngineOptions::new(InstanceId::from("test"));
    let guard = Guard::new(AllowedHosts::default());
    let connectors = Connectors::new([Arc::new(Dummy::new()) as Arc<dyn im_cloud::Connector>]);
    Service::start(Arc::new(store), connectors, options, engine, guard)
        .await
        .unwrap()
}

fn caller() -> Caller {
    let lines = [
        AuthLine::new([("type", "InfrastructureManager"), ("username", "me"), ("password", "p")]),
        AuthLine::new([("type", "Dummy"), ("id", "dummy")]),
    ];
    Policy::default().check(Credentials { lines: lines.into() }).unwrap()
}

fn document(nodes: u32, greeting: &str) -> String {
    format!(
        "tosca_definitions_version: tosca_simple_yaml_1_0
imports:
  - types: https://types.example.org/types.yaml
topology_template:
  inputs:
    secret: {{ type: string, default: random(12) }}
  node_templates:
    software:
      type: my.Software
      properties: {{ greeting: {greeting} }}
      requirements: [ host: worker ]
    worker:
      type: my.Node
      capabilities:
        scalable: {{ properties: {{ count: {nodes} }} }}
        host: {{ properties: {{ num_cpus: 1, mem_size: 1 GB }} }}
  outputs:
    addresses: {{ value: {{ get_attribute: [ worker, private_address ] }} }}
    secret: {{ value: {{ get_input: secret }} }}
"
    )
}

async fn create(service: &Service, text: &str) -> InfraId {
    service
        .create_tosca(&caller(), text, Reply::WhenDone)
        .await
        .unwrap()
        .value
}

async fn secret(service: &Service, id: &InfraId) -> String {
    let outputs = service.outputs(&caller(), id).await.unwrap();
    outputs["secret"].value.as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_document_becomes_machines_and_stays_with_them() {
    let (site, place) = (Site::new(), tempfile::tempdir().unwrap());
    let (database, keys) = (place.path().join("im.db"), KeyRing::random().unwrap());
    let service = start(&database, &keys, site.options()).await;
    let id = create(&service, &document(2, "hola")).await;
    assert_eq!(service.vms(&caller(), &id).await.unwrap().len(), 2);
    let radl = service.radl(&caller(), &id).await.unwrap();
    let recipe = radl.configures[0].text().unwrap();
    assert!(recipe.contains("greeting: hola"), "{recipe}");
    let stored = service.tosca(&caller(), &id).await.unwrap();
    // In the order it was written.
    assert!(
        stored.find("software:").unwrap() < stored.find("worker:").unwrap(),
        "{stored}"
    );
    let first = secret(&service, &id).await;
    assert!(
        first.len() == 12 && first.chars().all(|c| c.is_ascii_alphanumeric()),
        "{first}"
    );
    let outputs = service.outputs(&caller(), &id).await.unwrap();
    assert_eq!(outputs["addresses"].value.as_array().unwrap().len(), 2, "{outputs:?}");

    // A new process that cannot even read the types says the same.
    service.stop().await;
    drop(service);
    drop(site);
    let elsewhere = ServiceOptions {
        tosca: ToscaOptions {
            fetch: Fetch::No,
            ..ToscaOptions::default()
        },
        ..ServiceOptions::default()
    };
    let service = start(&database, &keys, elsewhere).await;
    assert_eq!(service.tosca(&caller(), &id).await.unwrap(), stored);
    assert_eq!(service.outputs(&caller(), &id).await.unwrap(), outputs);
}

#[tokio::test]
async fn an_update_adds_and_removes_exactly_what_differs() {
    let (site, place) = (Site::new(), tempfile::tempdir().unwrap());
    let service = start(&place.path().join("im.db"), &KeyRing::random().unwrap(), site.options()).await;
    let id = create(&service, &document(1, "one")).await;
    let drawn = secret(&service, &id).await;
    let update = async |text: &str| {
        let answer = service
            .update_tosca(&caller(), &id, text, Context::Run, Reply::WhenDone)
            .await;
        answer.unwrap().value
    };
    let did = |added: &[u32], removed: &[u32], kept: usize| Updated {
        added: added.iter().copied().map(VmId).collect(),
        removed: removed.iter().copied().map(VmId).collect(),
        kept,
    };
    assert_eq!(update(&document(3, "two")).await, did(&[1, 2], &[], 1));
    let radl = service.radl(&caller(), &id).await.unwrap();
    assert!(radl.configures[0].text().unwrap().contains("greeting: two"));
    // The oldest ones go.
    assert_eq!(update(&document(2, "two")).await, did(&[], &[0], 2));
    assert_eq!(service.vms(&caller(), &id).await.unwrap(), [VmId(1), VmId(2)]);
    // Those that are named go; the list counts once.
    let named = document(1, "two").replace("{ count: 1 }", "{ count: 1, removal_list: [ '2' ] }");
    assert_eq!(update(&named).await, did(&[], &[2], 1));
    assert_eq!(service.vms(&caller(), &id).await.unwrap(), [VmId(1)]);
    assert!(!service.tosca(&caller(), &id).await.unwrap().contains("removal_list"));
    // Nothing comes or goes: only the recipes change.
    assert_eq!(update(&document(1, "three")).await, did(&[], &[], 1));
    let radl = service.radl(&caller(), &id).await.unwrap();
    assert!(radl.configures[0].text().unwrap().contains("greeting: three"));
    assert_eq!(service.vms(&caller(), &id).await.unwrap(), [VmId(1)]);
    assert_eq!(secret(&service, &id).await, drawn, "what is random stays");
}

#[tokio::test]
async fn a_document_that_is_wrong_says_where_and_creates_nothing() {
    let (site, place) = (Site::new(), tempfile::tempdir().unwrap());
    let service = start(&place.path().join("im.db"), &KeyRing::random().unwrap(), site.options()).await;
    let wrong = document(1, "x").replace("type: my.Software", "type: my.Softwear");
    let error = service
        .create_tosca(&caller(), &wrong, Reply::WhenDone)
        .await
        .unwrap_err();
    let ServiceError::BadDocument { diagnostics, message } = error else {
        panic!("{error}");
    };
    let found = diagnostics.iter().find(|d| d.is_error()).unwrap();
    assert_eq!(found.span.unwrap().line, 9, "{message}");
    assert!(
        format!("{found:?}").contains("my.Software"),
        "a near name is told: {found:?}"
    );
    assert_eq!(service.list(&caller(), None).await.unwrap(), []);

    let id = create(&service, &document(1, "x")).await;
    let error = service
        .update_tosca(&caller(), &id, &wrong, Context::Run, Reply::WhenDone)
        .await
        .unwrap_err();
    assert!(matches!(error, ServiceError::BadDocument { .. }), "{error}");
    assert_eq!(service.vms(&caller(), &id).await.unwrap(), [VmId(0)]);
}

#[tokio::test]
async fn an_import_that_cannot_be_had_is_told_with_its_reason() {
    let place = tempfile::tempdir().unwrap();
    let options = Site::new().options();
    let service = start(&place.path().join("im.db"), &KeyRing::random().unwrap(), options).await;
    let error = service
        .create_tosca(&caller(), &document(1, "x"), Reply::WhenDone)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("https://types.example.org/types.yaml"), "{error}");
    assert!(error.contains("mirror"), "{error}");
}

#[tokio::test]
async fn infrastructures_from_radl_have_neither_document_nor_outputs() {
    let (site, place) = (Site::new(), tempfile::tempdir().unwrap());
    let service = start(&place.path().join("im.db"), &KeyRing::random().unwrap(), site.options()).await;
    let radl = im_radl::parse("system a (cpu.count=1) deploy a 1").document;
    let id = service.create(&caller(), radl, Reply::WhenDone).await.unwrap().value;
    let error = service.tosca(&caller(), &id).await.unwrap_err();
    assert!(matches!(error, ServiceError::NotTosca("tosca")), "{error}");
    let error = service.outputs(&caller(), &id).await.unwrap_err();
    assert!(matches!(error, ServiceError::NotTosca("outputs")), "{error}");
    // A TOSCA document can still be put over it.
    let added = service
        .update_tosca(&caller(), &id, &document(1, "x"), Context::Skip, Reply::WhenDone)
        .await
        .unwrap();
    assert_eq!(added.value.added, [VmId(1)]);
    assert!(service.tosca(&caller(), &id).await.is_ok());
}

#[tokio::test]
async fn what_a_change_means_can_be_asked_before() {
    let (site, place) = (Site::new(), tempfile::tempdir().unwrap());
    let service = start(&place.path().join("im.db"), &KeyRing::random().unwrap(), site.options()).await;
    let id = create(&service, &document(2, "x")).await;
    let more = service.translate(&caller(), &id, &document(5, "x")).await.unwrap();
    assert_eq!((more.document.vm_count(), more.removals), (3, vec![]));
    let fewer = service.translate(&caller(), &id, &document(1, "x")).await.unwrap();
    assert_eq!((fewer.document.vm_count(), fewer.removals.clone()), (0, vec![VmId(0)]));
    let change = service
        .difference(&caller(), &id, &fewer.document, &fewer.removals)
        .await
        .unwrap();
    let machines: Vec<_> = change
        .machines
        .iter()
        .map(|m| (m.system.as_str(), m.what, m.count))
        .collect();
    assert_eq!(
        machines,
        [
            ("worker", im_radl::What::Kept, 1),
            ("worker", im_radl::What::Removed, 1)
        ]
    );
    assert_eq!(service.vms(&caller(), &id).await.unwrap().len(), 2);
    let outputs = service.outputs(&caller(), &id).await.unwrap();
    assert_ne!(outputs["addresses"].value, json!(null));
}

#[tokio::test]
async fn an_update_tells_each_warning_once_at_its_place() {
    let (site, place) = (Site::new(), tempfile::tempdir().unwrap());
    let service = start(&place.path().join("im.db"), &KeyRing::random().unwrap(), site.options()).await;
    let with = |policies: &str| format!("# moved\n# down\n{}  policies: [{policies}]\n", document(1, "x"));
    let scaling = |name: &str| format!("{name}: {{ type: tosca.policies.Scaling, targets: [ worker ] }}");
    let id = create(&service, &with(&scaling("before"))).await;
    let update = async |text: &str| {
        service
            .update_tosca(&caller(), &id, text, Context::Run, Reply::WhenDone)
            .await
    };
    let text = with(&scaling("now"));
    let found = update(&text).await.unwrap().warnings;
    let lines: Vec<_> = found.iter().map(|d| (d.span.map(|s| s.line), d.file.clone())).collect();
    let line = u32::try_from(text.lines().position(|line| line.contains("policies")).unwrap() + 1).unwrap();
    assert_eq!(lines, [(Some(line), None)], "{found:?}");
    // Only what is stored is odd.
    let found = update(&document(1, "x")).await.unwrap().warnings;
    let told: Vec<_> = found.iter().map(|d| (d.span, d.file.is_some())).collect();
    assert_eq!(told, [(None, true)], "{found:?}");
    assert!(found[0].line_message().contains("the stored document"), "{found:?}");
    // What cannot be of the machines is told at its place, too.
    let text = document(1, "x").replace(
        "        host:",
        "        os: { properties: { type: bsd } }\n        host:",
    );
    let error = update(&text).await.unwrap_err();
    let ServiceError::BadDocument { diagnostics, message } = error else {
        panic!("{error}");
    };
    let line = u32::try_from(text.lines().position(|line| line.contains("bsd")).unwrap() + 1).unwrap();
    let found = diagnostics.iter().find(|d| d.is_error()).unwrap();
    assert_eq!(found.span.map(|span| span.line), Some(line), "{message}");
    // A change that makes sense by itself, but not with what is stored: its outputs.
    let alone = "tosca_definitions_version: tosca_simple_yaml_1_0\ntopology_template: { node_templates: { worker: { type: tosca.nodes.BlockStorage, properties: { size: 1 GB } } } }\n";
    let error = update(alone).await.unwrap_err();
    let ServiceError::BadDocument { diagnostics, message } = error else {
        panic!("{error}");
    };
    let found = diagnostics.iter().find(|d| d.is_error()).unwrap();
    assert_eq!((found.span, found.file.is_some()), (None, true), "{message}");
}
