//! Documents that were damaged at random: the conversion says so, or makes RADL that can be read; it never panics.

use crate::support::{Case, folder};
use im_tosca::{Embedded, Files, FunctionAccess, Live, LiveVm, OutputContext, outputs};
use proptest::{prelude::*, sample::Index};
use std::{fs, path::Path, sync::LazyLock};

const OWN: &str = "tosca_definitions_version: tosca_simple_yaml_1_0
imports:
- t: https://raw.githubusercontent.com/grycap/tosca/main/custom_types.yaml
topology_template:
  inputs:
    count: {type: integer, default: 2}
    secret: {type: string, default: random(8)}
  node_templates:
    fe:
      type: tosca.nodes.indigo.LRMS.FrontEnd.Slurm
      properties:
        wn_ips: { get_attribute: [ wn, private_address ] }
      capabilities:
        endpoint:
          properties:
            ports:
              http: {protocol: tcp, source: 80, remote_cidr: 10.0.0.0/8}
              range: {source_range: [1, 4]}
      requirements:
      - host: front
    front:
      type: tosca.nodes.indigo.Compute
      properties:
        tags: {a: b}
      capabilities:
        endpoint:
          properties:
            dns_name: front
            network_name: net.PUBLIC,pool
            additional_dns_names: [a.b, c.d]
        host:
          properties:
            num_cpus: 2
            mem_size: 4 GB
        os:
          properties:
            image: ost://a/b
            credential: {user: u, token: t}
      requirements:
      - local_storage:
          node: disk
          relationship:
            type: AttachesTo
            properties: {location: /data, device: hdb}
    disk:
      type: tosca.nodes.BlockStorage
      properties:
        size: 10 GB
    wn:
      type: tosca.nodes.indigo.Compute
      capabilities:
        scalable:
          properties:
            count: {get_input: count}
            removal_list: ['1']
    net:
      type: tosca.nodes.network.Network
      properties: {network_type: private, cidr: 10.0.0.0/8}
    port:
      type: tosca.nodes.network.Port
      properties: {order: 0}
      requirements: [{binding: wn}, {link: net}]
    app:
      type: tosca.nodes.Container.Application.Docker
      properties: {command: [a], environment: {A: b}}
      artifacts:
        i: {file: x, type: tosca.artifacts.Deployment.Image.Container.Docker}
      requirements: [{host: run}]
    run:
      type: tosca.nodes.Container.Runtime.Docker
      capabilities: {host: {properties: {publish_ports: [{source: 1, target: 2}], volumes: ['disk:/x']}}}
    f:
      type: tosca.nodes.aisprint.FaaS.Function
      properties: {name: n, memory: 1 GB, image: i, script: s, input: [{storage_provider: a, path: b}]}
  outputs:
    ip: {value: {concat: ['http://', {get_attribute: [front, public_address, 0]}]}}
    cred: {value: {get_attribute: [front, endpoint, credential, 0, token]}}
  policies:
  - p: {type: tosca.policies.indigo.Placement, properties: {cloud_id: c}, targets: [front]}
";

static TYPES: LazyLock<Files> = LazyLock::new(|| Files::new(Embedded::Prefer));

/// Our documents and, where they are, the real ones.
static SEEDS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut seeds = vec![OWN.to_owned()];
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/convert/documents");
    seeds.extend(
        fs::read_dir(own)
            .unwrap()
            .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap()),
    );
    if let Some(folder) = folder() {
        for name in [
            "tosca_long.yml",
            "tosca_nets.yml",
            "tosca_k8s.yml",
            "tosca_oscar_host.yml",
        ] {
            seeds.push(fs::read_to_string(folder.join("tosca").join("im-tests").join(name)).unwrap());
        }
    }
    seeds
});

/// Pieces that mean something somewhere.
const PIECES: [&str; 16] = [
    "{get_attribute: [front, public_address, 0]}",
    "{get_property: [SELF, x]}",
    "{get_input: count}",
    "{concat: [a, ~]}",
    "{token: [a.b, '.', 9]}",
    "~",
    "[]",
    "{}",
    "-1",
    "99999999999999999999",
    "1.5",
    "'{{ x }}'",
    "\"a\\u0000b\"",
    "1 TiB",
    "&a [*a]",
    "é: ñ",
];

#[derive(Clone, Debug)]
enum Damage {
    DropLine(Index),
    DoubleLine(Index),
    MoveLine(Index, Index),
    Value(Index, usize),
    Cut(Index),
    Indent(Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        1 => any::<Index>().prop_map(Damage::DropLine),
        1 => any::<Index>().prop_map(Damage::DoubleLine),
        1 => (any::<Index>(), any::<Index>()).prop_map(|(a, b)| Damage::MoveLine(a, b)),
        4 => (any::<Index>(), 0..PIECES.len()).prop_map(|(a, b)| Damage::Value(a, b)),
        1 => any::<Index>().prop_map(Damage::Cut),
        1 => any::<Index>().prop_map(Damage::Indent),
    ]
}

fn damaged(seed: &str, all: &[Damage]) -> String {
    let mut lines: Vec<String> = seed.lines().map(str::to_owned).collect();
    for damage in all {
        if lines.is_empty() {
            break;
        }
        let count = lines.len();
        match damage {
            Damage::DropLine(at) => {
                lines.remove(at.index(count));
            }
            Damage::DoubleLine(at) => {
                let line = lines[at.index(count)].clone();
                lines.insert(at.index(count), line);
            }
            Damage::MoveLine(from, to) => {
                let line = lines.remove(from.index(count));
                lines.insert(to.index(count), line);
            }
            Damage::Value(at, piece) => {
                let line = &mut lines[at.index(count)];
                if let Some((key, _)) = line.split_once(": ") {
                    *line = format!("{key}: {}", PIECES[*piece]);
                }
            }
            Damage::Cut(at) => {
                let line = &mut lines[at.index(count)];
                let half = line.chars().count() / 2;
                *line = line.chars().take(half).collect();
            }
            Damage::Indent(at) => lines[at.index(count)].insert_str(0, "  "),
        }
    }
    lines.join("\n")
}

struct OneVm(Vec<LiveVm>);

impl Live for OneVm {
    fn vms(&self) -> &[LiveVm] {
        &self.0
    }

    fn log(&self, _: usize) -> Option<String> {
        None
    }

    fn function(&self, _: usize) -> Option<FunctionAccess> {
        None
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn never_a_panic(seed in any::<Index>(), all in prop::collection::vec(damage(), 1..6)) {
        let text = damaged(&SEEDS[seed.index(SEEDS.len())], &all);
        let fetch = |url: &str| {
            if url.len().is_multiple_of(5) { Err("404".to_owned()) } else { Ok("- tasks: [{debug: }]\n".to_owned()) }
        };
        let Ok(mut case) = Case::load(&text, TYPES.clone(), &fetch) else { return Ok(()) };
        let converted = case.convert(None, &fetch);
        if let Some(document) = converted.document {
            let again = im_radl::parse(&im_radl::print(&document));
            prop_assert!(again.is_ok(), "{:?}\n{}", again.diagnostics, text);
            let _ = im_radl::Plan::of(&document);
        } else {
            prop_assert!(converted.diagnostics.iter().any(im_radl::Diagnostic::is_error), "{}", text);
        }
        let context = OutputContext { inputs: &case.inputs, container_ids: &case.container_ids };
        let vm = LiveVm {
            system: "front".to_owned(),
            cloud_id: None,
            public_ip: None,
            private_ip: None,
            info: std::sync::Arc::default(),
        };
        let _ = outputs(&case.template, &context, &OneVm(vec![vm]));
    }
}
