//! Snapshots of what a run's files hold.

use super::*;
use crate::{CtxtOptions, NodeParts, generate_key};
use im_model::{InfraId, Secret, VmId};
use im_radl::{Document, Feature};
use rand::{SeedableRng, rngs::StdRng};
use std::{sync::Arc, time::Duration};

const CLUSTER: &str = "
network public (outbound = 'yes' and outports = '8080/tcp-80/tcp')
network private ()
system front (
  cpu.count >= 1 and memory.size >= 1024m and
  net_interface.0.connection = 'private' and net_interface.0.dns_name = 'front' and
  net_interface.1.connection = 'public' and net_interface.1.dns_name = 'www.example.org' and
  disk.0.os.name = 'linux' and disk.1.size = 10g and disk.1.device = 'hdb' and disk.1.fstype = 'ext4' and
  disk.1.mount_path = '/data' and
  disk.0.applications contains (name = 'ansible.roles.grycap.nfs' and version = 'v1') and
  disk.0.applications contains (name = 'org.nginx')
)
system wn (net_interface.0.connection = 'private' and disk.0.os.name = 'linux')
configure front (
@begin
- tasks:
    - debug: var=IM_INFRASTRUCTURE_RADL
@end
)
configure wn (
@begin
- tasks: []
@end
)
contextualize 600 (
  system wn configure wn step 2
  system front configure front step 1
)
deploy front 1
deploy wn 2
";

pub(crate) fn spec(text: &str, addresses: &[(&str, &[&str])]) -> RunSpec {
    let document: Document = im_radl::parse_text(text).into_result().unwrap().0;
    let nodes = addresses.iter().zip(0..).map(|((system, addresses), id)| {
        let mut system = document.system(system).unwrap().clone();
        for (n, ip) in addresses.iter().enumerate() {
            system.features.set(format!("net_interface.{n}.ip"), Feature::text(*ip));
        }
        system.features.set_text("disk.0.os.credentials.username", "cloudadm");
        system
            .features
            .set_text("disk.0.os.credentials.password", "pw{{ never }}");
        crate::Node::new(NodeParts {
            id: VmId(id),
            system: Arc::new(system),
            networks: &document.networks,
            cloud_kind: "Docker",
            cloud_server: Some("docker.example.org"),
            cloud_id: Some("{{ 7*7 }}"),
            up: id != 2,
            contextualized: false,
            default_domain: "localdomain",
        })
    });
    let nodes = nodes.collect();
    RunSpec {
        infra: InfraId::from("inf"),
        number: 3,
        document: Arc::new(document),
        nodes,
        master: VmId(0),
        key: generate_key(&mut StdRng::seed_from_u64(1)).unwrap(),
        only: Some(vec![VmId(1)]),
        owner_auth: Secret::new("the-token"),
        elapsed: Duration::from_secs(100),
        options: CtxtOptions::default(),
    }
}

fn cluster() -> RunSpec {
    spec(
        CLUSTER,
        &[
            ("front", &["10.0.0.2", "127.0.0.1"]),
            ("wn", &["10.0.0.3"]),
            ("wn", &["10.0.0.4"]),
        ],
    )
}

fn text(bundle: &Bundle, path: &str) -> String {
    let file = bundle.files.iter().find(|file| file.path == path);
    let file = file.unwrap_or_else(|| panic!("{path} is not in {:?}", bundle.files));
    String::from_utf8(file.content.to_vec()).unwrap()
}

#[test]
fn inventory() {
    insta::assert_snapshot!(text(&bundle(&cluster()).unwrap(), "files/hosts"));
}

#[test]
fn plan_without_secrets() {
    let plan = text(&bundle(&cluster()).unwrap(), "plan.json");
    assert!(plan.contains("the-token") && plan.contains("pw{{ never }}"));
    insta::assert_snapshot!(plan);
}

#[test]
fn main_playbook() {
    insta::assert_snapshot!(text(&bundle(&cluster()).unwrap(), "main.yml"));
}

#[test]
fn hosts_file_has_no_loopback_address_and_knows_stopped_vms() {
    insta::assert_snapshot!(text(&bundle(&cluster()).unwrap(), "files/etc_hosts"), @r"
    10.0.0.2 front.localdomain front
    10.0.0.2 www.example.org www
    10.0.0.3 vnode-1.localdomain vnode-1
    10.0.0.4 vnode-2.localdomain vnode-2
    ");
}

#[test]
fn secrets_are_for_the_owner_only() {
    let bundle = bundle(&cluster()).unwrap();
    for file in &bundle.files {
        let text = String::from_utf8_lossy(&file.content);
        if text.contains("pw{{") || text.contains("the-token") || text.contains("PRIVATE KEY") {
            assert_eq!(file.mode & 0o077, 0, "{file:?}");
        }
    }
    // The master is asked for credentials of nobody: those of the document are not queried.
    let hosts = text(&bundle, "files/hosts");
    assert!(!hosts.contains("the-token"), "{hosts}");
    assert!(!format!("{bundle:?}").contains("PRIVATE"));
}

#[test]
fn vms_that_are_left_out_are_named() {
    let bundle = bundle(&cluster()).unwrap();
    insta::assert_debug_snapshot!(bundle.notes, @r#"
    [
        "WARNING: VM 2 is not running: it is left out.",
        "Galaxy role grycap.nfs detected.",
    ]
    "#);
}

#[test]
fn bad_names_and_references_are_refused() {
    let mut spec = cluster();
    let mut document = (*spec.document).clone();
    document.configures[0].name = "../front".to_owned();
    spec.document = Arc::new(document);
    assert!(matches!(bundle(&spec), Err(CtxtError::Unusable(_))));
    let mut spec = cluster();
    spec.master = VmId(2);
    assert!(matches!(bundle(&spec), Err(CtxtError::NoMaster(VmId(2)))));
}
