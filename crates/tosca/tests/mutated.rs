//! Documents that are damaged in some place: read to the end, never a panic, never accepted with an error.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used)]

mod support;

use im_tosca::{FileId, Limits, yaml};
use proptest::prelude::*;

const DOCUMENT: &str = "tosca_definitions_version: tosca_simple_yaml_1_0\nimports:\n  - types: \
https://raw.githubusercontent.com/grycap/tosca/main/custom_types.yaml\nmetadata: {infra_name: x}\nrepositories: {r: https://h}\ntopology_template:\n  \
inputs:\n    cpus: {type: integer, default: 2}\n    name: {type: string, default: random(8)}\n  node_templates:\n    server:\n      type: \
tosca.nodes.indigo.Compute\n      properties: {instance_name: {get_input: name}}\n      capabilities:\n        endpoint:\n          properties:\n            \
network_name: PUBLIC\n            ports:\n              http: {protocol: tcp, source: 80, remote_cidr: 0.0.0.0/0}\n        host:\n          properties: \
{num_cpus: {get_input: cpus}, mem_size: 4 GB}\n        scalable: {properties: {count: 2}}\n      requirements:\n        - local_storage:\n            \
node: disk\n            relationship: {type: AttachesTo, properties: {location: /mnt}}\n    disk: {type: tosca.nodes.BlockStorage, properties: {size: \
10 GB}}\n    app:\n      type: tosca.nodes.SoftwareComponent\n      artifacts:\n        role: {file: a.b, type: tosca.artifacts.AnsibleGalaxy.role}\n      \
interfaces:\n        Standard:\n          configure:\n            implementation: app.yml\n            inputs:\n              ip: {get_attribute: [HOST, \
private_address, 0]}\n              all: {concat: [a, {token: ['b:c', ':', 1]}]}\n      requirements: [host: server]\n  groups: {g: {type: \
tosca.groups.Root, members: [server]}}\n  policies:\n    - p: {type: tosca.policies.Placement, properties: {cloud_id: c}, targets: [g]}\n  outputs:\n    \
ip: {value: {get_attribute: [server, public_address, 0]}}\n";

/// Pieces that mean something somewhere.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~\n]{0,8}",
        prop::sample::select(vec![
            "null",
            "[]",
            "{}",
            "- ",
            "\n",
            ": ",
            "server",
            "app",
            "disk",
            "{get_input: x}",
            "{get_property: [SELF, a, 0]}",
            "{concat: []}",
            "5",
            "yes",
            "&a ",
            "*a",
            "<<: ",
            "type",
            "properties",
            "[host: app]",
            "{node: app}",
            "tosca.nodes.Root",
            "random(9999999)",
            "  ",
        ])
        .prop_map(str::to_owned),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_documents_are_read_to_the_end(at in 0..DOCUMENT.len(), removed in 0..30usize, piece in piece()) {
        let end = (at + removed).min(DOCUMENT.len());
        let text = format!("{}{piece}{}", &DOCUMENT[..at], &DOCUMENT[end..]);
        let loaded = support::load_text(&text);
        let refused = loaded.diagnostics.iter().any(im_radl::Diagnostic::is_error);
        prop_assert_eq!(loaded.is_ok(), !refused);
        for found in &loaded.diagnostics {
            loaded.sources.render(found, im_radl::Colours::Off);
            prop_assert!(found.span.is_none_or(|span| span.end as usize <= text.len() || found.file.is_some()));
        }
        if let (Some(node), _) = yaml::parse(&text, FileId::DOCUMENT, &Limits::default()) {
            let (again, found) = yaml::parse(&yaml::dump(&node), FileId::DOCUMENT, &Limits::default());
            prop_assert_eq!(again, Some(node), "{:?}", found);
        }
    }
}

#[test]
fn whole_document_is_accepted() {
    let loaded = support::load_text(DOCUMENT);
    assert!(loaded.is_ok(), "{:?}", loaded.diagnostics);
    assert!(loaded.diagnostics.is_empty(), "{:?}", loaded.diagnostics);
}
