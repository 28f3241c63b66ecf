//! Each rule of the conversion by itself: small documents and the RADL they become, as snapshots that were read.

use crate::support::{Case, told};
use im_tosca::{Embedded, ExistingVm, Files};
use std::{collections::HashMap, fmt::Write as _, sync::LazyLock};

static TYPES: LazyLock<Files> = LazyLock::new(|| Files::new(Embedded::Prefer));

/// Files that the documents here name.
fn files() -> HashMap<&'static str, &'static str> {
    HashMap::from([
        (
            "http://files/one.yml",
            "- hosts: all\n  tasks:\n  - debug: msg={{ x }}\n",
        ),
        (
            "http://files/two.yml",
            "- become: no\n  tasks: [{first: }]\n- tasks: [{second: }]\n",
        ),
        ("http://files/list.yml", "a: mapping\n"),
        ("http://files/broken.yml", "- a: [\n"),
        ("http://files/script.sh", "#!/bin/sh\necho \"$x\": 'y' {{ z }}\n"),
        ("http://files/file.txt", "the file\n"),
        (
            "https://raw.githubusercontent.com/grycap/tosca/main/artifacts/relative.yml",
            "- tasks: [{relative: }]\n",
        ),
        (
            "https://raw.githubusercontent.com/grycap/tosca/main/artifacts/lrms/x.yml",
            "- tasks: []\n",
        ),
    ])
}

pub(crate) fn fetch(url: &str) -> Result<String, String> {
    let known = files().get(url).map(|text| (*text).to_owned());
    // Recipes of the type library.
    let artifact = url.contains("/artifacts/") && !url.contains("missing");
    known
        .or_else(|| artifact.then(|| "- tasks: []\n".to_owned()))
        .ok_or_else(|| "404 Not Found".to_owned())
}

/// A document of these members of its topology.
pub(crate) fn whole(topology: &str) -> String {
    let mut text = String::from(
        "tosca_definitions_version: tosca_simple_yaml_1_0\nimports:\n\
         - t: https://raw.githubusercontent.com/grycap/tosca/main/custom_types.yaml\n\
         repositories: {hub: docker.io, files: 'http://files/'}\n\
         node_types: {my.BlockStorage: {derived_from: tosca.nodes.BlockStorage, properties: {type: {type: string, required: false}}}}\ntopology_template:\n",
    );
    for line in topology.lines() {
        let _ = writeln!(text, "  {line}");
    }
    text
}

pub(crate) fn case(topology: &str) -> Result<Case, String> {
    Case::load(&whole(topology), TYPES.clone(), &fetch)
}

/// What a topology becomes, or why it is refused.
fn becomes(topology: &str, existing: Option<&[ExistingVm]>) -> String {
    let mut case = match case(topology) {
        Ok(case) => case,
        Err(error) => return format!("refused: {error}\n"),
    };
    let converted = case.convert(existing, &fetch);
    let mut text = String::new();
    for found in &converted.diagnostics {
        let _ = writeln!(text, "{}: {}", found.severity, told(found));
    }
    if !converted.removals.is_empty() {
        let _ = writeln!(text, "remove {}", converted.removals.join(", "));
    }
    if let Some(document) = converted.document {
        text.push_str(&im_radl::print(&document));
        text.push('\n');
        if let Some(error) = im_radl::first_error(&im_radl::check(&document)) {
            let _ = writeln!(text, "check: {error}");
        }
    }
    text
}

/// Cases with what they become, one after the other.
pub(crate) fn gallery(cases: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (title, topology) in cases {
        let _ = writeln!(text, "##### {title}\n{}", becomes(topology, None));
    }
    text
}

fn compute(os: &str, host: &str, rest: &str) -> String {
    format!(
        "node_templates:\n  n:\n    type: tosca.nodes.indigo.Compute\n    properties: {{{rest}}}\n    capabilities:\n      os: {{properties: {{{os}}}}}\n      host: {{properties: {{{host}}}}}\n"
    )
}

/// The features of the only system, without what every system has.
fn features(topology: &str) -> String {
    let mut case = match case(topology) {
        Ok(case) => case,
        Err(error) => return format!("refused: {error}"),
    };
    let converted = case.convert(None, &fetch);
    let Some(document) = converted.document else {
        return converted.diagnostics.iter().map(told).collect::<Vec<_>>().join("\n");
    };
    if let Some(error) = im_radl::first_error(&im_radl::check(&document)) {
        return format!("check: {error}");
    }
    let system = document.system("n").unwrap();
    let text = system.features.to_string();
    let kept = text.split(" and\n").filter(|line| {
        !line.starts_with("net_interface") && *line != "instance_name = 'n'" && !line.starts_with("disk.0.applications")
    });
    kept.collect::<Vec<_>>().join(", ")
}

#[test]
fn properties_of_machines() {
    for (os, host, rest, expected) in [
        ("architecture: x86_64", "", "", "cpu.arch = 'x86_64'"),
        ("architecture: {equal: x86_64}", "", "", "cpu.arch = 'x86_64'"),
        (
            "type: linux, distribution: ubuntu, version: 20.10",
            "",
            "",
            "disk.0.os.name = 'linux', disk.0.os.flavour = 'ubuntu', disk.0.os.version = '20.1'",
        ),
        ("version: 22.04", "", "", "disk.0.os.version = '22.04'"),
        (
            "image: 'ubuntu:22.04'",
            "",
            "",
            "disk.0.image.url = 'docker://ubuntu:22.04'",
        ),
        ("image: 'ost://a/b'", "", "", "disk.0.image.url = 'ost://a/b'"),
        ("image: ''", "", "", ""),
        (
            "credential: {user: u, token: t}",
            "",
            "",
            "disk.0.os.credentials.password = 't', disk.0.os.credentials.username = 'u'",
        ),
        (
            "credential: {user: u, token: t, token_type: private_key}",
            "",
            "",
            "disk.0.os.credentials.private_key = 't', disk.0.os.credentials.username = 'u'",
        ),
        (
            "credential: {user: u, token: t, token_type: strange}",
            "",
            "",
            "disk.0.os.credentials.username = 'u'",
        ),
        ("", "num_cpus: 2", "", "cpu.count >= 2"),
        ("", "num_cpus: '2'", "", "cpu.count >= 2"),
        (
            "",
            "mem_size: 2 GB, disk_size: 20 GiB",
            "",
            "memory.size >= 2000000000B, disk.0.size >= 21474836480B",
        ),
        ("", "mem_size: 1.3333 GiB", "", "memory.size >= 1431619974B"),
        ("", "disk_type: ssd", "", "disk.0.type = 'ssd'"),
        ("", "cpu_frequency: 2.2 GHz", "", "cpu.performance >= 2200000000HRZ"),
        (
            "",
            "num_gpus: 1, gpu_vendor: NVIDIA, gpu_model: ''",
            "",
            "gpu.count >= 1, gpu.vendor = 'NVIDIA', gpu.model = ''",
        ),
        ("", "instance_type: ''", "", "instance_type = ''"),
        (
            "",
            "preemtible_instance: true, sgx: false",
            "",
            "spot = 'yes', cpu.sgx = 'no'",
        ),
        ("", "sgx_epc_size: 64 MB", "", "cpu.sgx.epc_size >= 64000000B"),
        (
            "",
            "",
            "tags: {a: '1', b: {concat: [x, y]}}",
            "instance_tags = 'a=1,b=xy'",
        ),
        ("gpu_driver: true, vo: x", "", "", ""),
    ] {
        assert_eq!(
            features(&compute(os, host, rest)),
            expected,
            "os {os} host {host} {rest}"
        );
    }
}

#[test]
fn names_and_inputs() {
    let text = format!(
        "inputs: {{x: {{type: string, default: from-input}}}}\n{}",
        compute("", "", "instance_name: {get_input: x}")
    );
    let mut case = case(&text).unwrap_or_else(|error| panic!("{error}"));
    let document = case.convert(None, &fetch).document.unwrap();
    assert_eq!(
        document.system("n").unwrap().features.text("instance_name"),
        Some("from-input")
    );
}

const DISK_TYPES: &str = "  small: {type: tosca.nodes.BlockStorage, properties: {size: 10 GB}}
  typed: {type: my.BlockStorage, properties: {size: 1 GiB, type: ssd}}
  none: {type: tosca.nodes.BlockStorage, properties: {size: {get_input: zero}}}
  volume: {type: tosca.nodes.BlockStorage, properties: {size: {get_input: zero}, volume_id: 'ost://a/v'}}
  snap: {type: tosca.nodes.BlockStorage, properties: {size: {get_input: zero}, snapshot_id: s}}
";

fn disks(requirements: &str) -> String {
    format!(
        "inputs: {{zero: {{type: scalar-unit.size, default: 0 GiB}}}}\nrelationship_templates: {{tpl: {{type: tosca.relationships.AttachesTo, properties: {{location: /tpl, device: hdb}}}}}}\n\
         node_templates:\n{DISK_TYPES}  n:\n    type: tosca.nodes.indigo.Compute\n    capabilities: {{os: {{properties: {{type: linux}}}}}}\n    requirements:\n{requirements}"
    )
}

fn attach(node: &str, properties: &str) -> String {
    format!("    - local_storage: {{node: {node}, relationship: {{type: AttachesTo, properties: {{{properties}}}}}}}\n")
}

#[test]
fn attached_volumes() {
    for (requirements, expected) in [
        (
            attach("small", "location: /a") + &attach("typed", "location: /b, device: vdc"),
            "disk.0.os.name = 'linux', disk.1.size = 10000000000B, disk.1.mount_path = '/a', disk.1.fstype = 'ext4', \
             disk.2.type = 'ssd', disk.2.size = 1073741824B, disk.2.device = 'vdc', disk.2.mount_path = '/b', disk.2.fstype = 'ext4'",
        ),
        // Attached twice, each place counts.
        (
            attach("small", "location: /a") + &attach("small", "location: /b"),
            "disk.0.os.name = 'linux', disk.1.size = 10000000000B, disk.1.mount_path = '/a', disk.1.fstype = 'ext4', \
             disk.2.size = 10000000000B, disk.2.mount_path = '/b', disk.2.fstype = 'ext4'",
        ),
        (
            attach("none", "location: /a") + &attach("volume", "location: /b"),
            "disk.0.os.name = 'linux', disk.1.image.url = 'ost://a/v', disk.1.mount_path = '/b', disk.1.fstype = 'ext4'",
        ),
        (attach("snap", "location: /a"), "disk.0.os.name = 'linux'"),
        (
            "    - local_storage: {node: small, relationship: tpl}\n".to_owned(),
            "disk.0.os.name = 'linux', disk.1.size = 10000000000B, disk.1.device = 'hdb', disk.1.mount_path = '/tpl', disk.1.fstype = 'ext4'",
        ),
    ] {
        assert_eq!(features(&disks(&requirements)), expected, "{requirements}");
    }
}

fn endpoint(properties: &str) -> String {
    format!(
        "node_templates:\n  n:\n    type: tosca.nodes.indigo.Compute\n    capabilities: {{endpoint: {{properties: {{{properties}}}}}}}\n"
    )
}

/// Networks and interfaces, in short.
fn connections(topology: &str) -> String {
    let mut case = match case(topology) {
        Ok(case) => case,
        Err(error) => return format!("refused: {error}"),
    };
    let converted = case.convert(None, &fetch);
    let mut text: Vec<String> = converted.diagnostics.iter().map(told).collect();
    if let Some(document) = converted.document {
        text.extend(document.networks.iter().map(|n| n.to_string().replace(" and\n", ", ")));
        for system in &document.systems {
            let all = system.features.to_string();
            let kept: Vec<&str> = all
                .split(" and\n")
                .filter(|line| line.starts_with("net_interface"))
                .collect();
            text.push(format!("{}: {}", system.name, kept.join(", ")));
        }
        if let Some(error) = im_radl::first_error(&im_radl::check(&document)) {
            text.push(format!("check: {error}"));
        }
    }
    text.join("\n")
}

#[test]
fn endpoints() {
    let mut text = String::new();
    for properties in [
        "",
        "network_name: PUBLIC",
        "network_name: PRIVATE",
        "network_name: net.PUBLIC",
        "network_name: net.PRIVATE",
        "network_name: net",
        "network_name: 'mynet, pool'",
        "network_name: 'net.PUBLIC,pool'",
        "network_name: PUBLIC, private_ip: false",
        "network_name: net.PUBLIC, private_ip: false",
        "private_ip: false",
        "dns_name: front",
        "network_name: PUBLIC, dns_name: front, tls: true, additional_dns_names: [a.example.com, b.example.com]",
        "network_name: PUBLIC, private_ip: false, dns_name: front, additional_dns_names: [a.example.com]",
        "additional_dns_names: [a.example.com]",
        "additional_ip: 10.0.0.5",
        "ports: {a: {source: 22}, b: {target: 80}, c: {source: 8080, target: 80, protocol: udp}}",
        "ports: {a: {source_range: [1, 4]}, b: {source: 22, remote_cidr: 10.0.0.0/8}}",
        "ports: {a: {source: 22, remote_cidr: ''}}",
        "network_name: PUBLIC, ports: {a: {source: 22}}",
        "ports: {a: {target_range: [1, 4]}}",
        "ports: {a: {source: 8, protocol: igmp}}",
        "port: 80, protocol: tcp, ports: {a: {source: 80}, b: {source: 81}}",
        "port: 53, protocol: udp",
    ] {
        let _ = writeln!(text, "##### {properties}\n{}\n", connections(&endpoint(properties)));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn networks_and_ports() {
    let nodes = "  pub: {type: tosca.nodes.network.Network, properties: {network_type: PUBLIC, network_name: ext}}
  made: {type: tosca.nodes.network.Network, properties: {network_type: private, cidr: 10.0.0.0/24, gateway_ip: '0.0.0.0/0,r'}}
  behind:
    type: tosca.nodes.indigo.network.Network
    properties: {proxy_host: 'proxy:22', proxy_credential: {user: u, token: t}}
";
    let compute = "  n:\n    type: tosca.nodes.indigo.Compute\n    capabilities: {endpoint: {properties: {dns_name: front, network_name: PUBLIC, ports: {a: {source: 22}}}}}\n";
    let port = |name: &str, properties: &str, network: &str| {
        format!(
            "  {name}:\n    type: tosca.nodes.indigo.network.Port\n    properties: {{{properties}}}\n    requirements: [{{binding: n}}, {{link: {network}}}]\n"
        )
    };
    let mut text = String::new();
    for (title, ports) in [
        ("no ports", String::new()),
        (
            "two ports",
            port(
                "p1",
                "order: 1, dns_name: ext.example.com, additional_dns_names: [b.example.com], additional_ip: 1.2.3.4",
                "pub",
            ) + &port("p0", "order: 0, ip_address: 10.0.0.7", "made"),
        ),
        (
            "names beside that of the endpoint",
            port("p0", "order: 0, additional_dns_names: [b.example.com]", "pub"),
        ),
        ("only private", port("p0", "", "behind")),
        ("the same order twice", port("p0", "", "pub") + &port("p1", "", "made")),
        ("a port to a machine", port("p0", "", "n")),
    ] {
        let topology = format!("node_templates:\n{nodes}{compute}{ports}");
        let _ = writeln!(text, "##### {title}\n{}\n", connections(&topology));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn machines_share_the_private_network_and_software_opens_ports() {
    insta::assert_snapshot!(connections(
        "node_templates:
  a: {type: tosca.nodes.indigo.Compute, capabilities: {endpoint: {properties: {network_name: one.PUBLIC}}}}
  b: {type: tosca.nodes.indigo.Compute, capabilities: {endpoint: {properties: {network_name: two.PUBLIC}}}}
  web:
    type: tosca.nodes.WebServer
    capabilities:
      data_endpoint: {properties: {port: 80, network_name: PUBLIC}}
      admin_endpoint: {properties: {port: 8080, protocol: tcp}}
    requirements: [{host: b}]
"
    ));
}

fn software(interfaces: &str) -> String {
    format!(
        "inputs: {{nothing: {{type: string, required: false}}, say: {{type: string, default: 'a \"b\"'}}}}\nnode_templates:\n  app:\n    type: tosca.nodes.SoftwareComponent\n    artifacts:\n      role: {{file: 'a.role,v1', type: tosca.artifacts.AnsibleGalaxy.role}}\n      script: {{file: script.sh, repository: files, type: tosca.artifacts.Implementation.Bash}}\n      data: {{file: 'http://files/file.txt', type: tosca.artifacts.File}}\n    interfaces: {interfaces}\n    requirements: [{{host: n}}]\n  n: {{type: tosca.nodes.Compute}}\n"
    )
}

#[test]
fn recipes() {
    let all: Vec<(&str, String)> = [
        ("none", "{}"),
        ("a URL", "{Standard: {configure: 'http://files/one.yml'}}"),
        ("a path", "{Standard: {configure: relative.yml}}"),
        (
            "inputs of all kinds",
            "{Standard: {configure: {implementation: 'http://files/one.yml', inputs: {x: {get_input: say}, n: 1, f: 1.5, b: no, l: [1, null, \"a\\nb\"], m: {k: null, 'q': '\"'}, esc: 'a\\nb', host: {get_attribute: [HOST, private_address]}, id: {get_attribute: [n, tosca_id]}}}}}",
        ),
        ("no value", "{Standard: {configure: {implementation: 'http://files/one.yml', inputs: {x: {get_input: nothing}}}}}"),
        ("two plays, then one", "{Standard: {create: 'http://files/two.yml', start: 'http://files/one.yml'}}"),
        ("one, then two plays", "{Standard: {create: 'http://files/one.yml', start: 'http://files/two.yml'}}"),
        ("no plays", "{Standard: {configure: 'http://files/list.yml'}}"),
        ("not YAML", "{Standard: {configure: 'http://files/broken.yml'}}"),
        ("a script", "{Standard: {configure: {implementation: script, inputs: {x: 'a \"b\"', l: [1]}}}}"),
        ("an artifact as input", "{Standard: {configure: {implementation: 'http://files/one.yml', inputs: {x: {get_artifact: [SELF, data]}}}}}"),
        ("missing", "{Standard: {configure: missing.yml}}"),
        ("this machine's disk", "{Standard: {configure: 'file:///etc/passwd'}}"),
        ("this machine's disk, as a path", "{Standard: {configure: /etc/passwd.yml}}"),
        ("stop and delete", "{Standard: {stop: 'http://files/one.yml', delete: 'http://files/one.yml'}}"),
    ]
    .iter()
    .map(|(title, interfaces)| (*title, software(interfaces)))
    .collect();
    let all: Vec<(&str, &str)> = all.iter().map(|(title, text)| (*title, text.as_str())).collect();
    insta::assert_snapshot!(gallery(&all));
}

#[test]
fn recipes_of_types_and_relationships() {
    let head = "tosca_definitions_version: tosca_simple_yaml_1_0
node_types:
  my.App:
    derived_from: tosca.nodes.SoftwareComponent
    properties: {port: {type: integer, default: 80}}
    interfaces:
      Standard:
        configure: {implementation: 'http://files/one.yml', inputs: {port: {get_property: [SELF, port]}, x: of-type}}
relationship_types:
  my.Uses:
    derived_from: tosca.relationships.ConnectsTo
    properties: {how: {type: string, default: well}}
    interfaces:
      Configure:
        pre_configure_source: {implementation: 'http://files/one.yml', inputs: {how: {get_property: [SELF, how]}, its: {get_property: [TARGET, port]}, mine: {get_property: [SOURCE, port]}}}
        post_configure_target: 'http://files/one.yml'
topology_template:
  node_templates:
";
    let mut text = String::new();
    for (title, nodes) in [
        ("of the type", "    a: {type: my.App, requirements: [{host: n}]}\n"),
        (
            "only inputs are said",
            "    a:\n      type: my.App\n      interfaces: {Standard: {configure: {inputs: {x: mine, y: 2}}}}\n      requirements: [{host: n}]\n",
        ),
        (
            "said whole",
            "    a:\n      type: my.App\n      interfaces: {Standard: {configure: {implementation: 'http://files/one.yml'}}}\n      requirements: [{host: n}]\n",
        ),
        (
            "a relationship",
            "    a:\n      type: my.App\n      requirements: [{host: n}, {dependency: {node: b, relationship: my.Uses}}]\n    b: {type: my.App, properties: {port: 81}, requirements: [{host: n}]}\n",
        ),
        (
            "a relationship whose type the requirement allows",
            "    a:\n      type: my.User\n      requirements: [{host: n}, {use: b}]\n    b: {type: my.App, properties: {port: 81}, requirements: [{host: n}]}\n",
        ),
    ] {
        let user = "  my.User:\n    derived_from: my.App\n    requirements: [{use: {capability: tosca.capabilities.Node, node: my.App, relationship: my.Uses}}]\n";
        let head = head.replace("relationship_types:", &format!("{user}relationship_types:"));
        let document = format!("{head}{nodes}    n: {{type: tosca.nodes.Compute}}\n");
        let result = Case::load(&document, TYPES.clone(), &fetch).map(|mut case| case.convert(None, &fetch));
        let _ = match result {
            Ok(converted) => {
                let found: Vec<String> = converted.diagnostics.iter().map(told).collect();
                let document = converted.document.map(|d| im_radl::print(&d)).unwrap_or_default();
                writeln!(text, "##### {title}\n{}\n{document}\n", found.join("\n"))
            }
            Err(error) => writeln!(text, "##### {title}\nrefused: {error}\n"),
        };
    }
    insta::assert_snapshot!(text);
}

#[test]
fn order_of_steps() {
    let node = |name: &str, requirements: &str| {
        format!(
            "  {name}:\n    type: tosca.nodes.SoftwareComponent\n    interfaces: {{Standard: {{configure: 'http://files/one.yml'}}}}\n    requirements: [{{host: n}}{requirements}]\n"
        )
    };
    let n = "  n: {type: tosca.nodes.indigo.Compute}\n";
    let chain = format!(
        "node_templates:\n{}{}{}{n}",
        node("c", ", {dependency: b}"),
        node("b", ", {dependency: a}"),
        node("a", "")
    );
    let circle = format!(
        "node_templates:\n{}{}{n}",
        node("a", ", {dependency: b}"),
        node("b", ", {dependency: a}")
    );
    let itself = format!("node_templates:\n{}{n}", node("a", ", {dependency: a}"));
    insta::assert_snapshot!(gallery(&[
        ("a chain", &chain),
        ("a circle", &circle),
        ("itself", &itself)
    ]));
}

/// As deep as documents may be: no stack is too small for it.
#[test]
fn a_long_chain_of_dependencies() {
    let mut topology = String::from("node_templates:\n  n: {type: tosca.nodes.Compute}\n");
    for n in 0..2000 {
        let before = if n == 0 {
            String::new()
        } else {
            format!(", {{dependency: s{}}}", n - 1)
        };
        let _ = writeln!(
            topology,
            "  s{n}: {{type: tosca.nodes.SoftwareComponent, requirements: [{{host: n}}{before}]}}"
        );
    }
    let mut case = case(&topology).unwrap_or_else(|error| panic!("{error}"));
    assert!(case.convert(None, &fetch).document.is_some());
}

/// Names of networks and recipes are found without looking at all of them for each.
#[test]
fn thousands_of_machines() {
    let mut topology = String::from("node_templates:\n");
    for n in 0..2000 {
        let _ = writeln!(
            topology,
            "  n{n}: {{type: tosca.nodes.indigo.Compute, interfaces: {{Standard: {{configure: relative.yml}}}}, capabilities: {{endpoint: {{properties: {{network_name: PUBLIC}}}}}}}}"
        );
    }
    let mut case = case(&topology).unwrap_or_else(|error| panic!("{error}"));
    let document = case.convert(None, &fetch).document.unwrap();
    assert!(document.network("public_net_1999").is_some());
    assert_eq!(document.configures.len(), 2000);
}

#[test]
fn strange_names() {
    insta::assert_snapshot!(gallery(&[(
        "names that RADL cannot write",
        "node_templates:
  my node: {type: tosca.nodes.indigo.Compute}
  system: {type: tosca.nodes.indigo.Compute}
  'my app''s':
    type: tosca.nodes.SoftwareComponent
    interfaces: {Standard: {configure: {implementation: 'http://files/one.yml', inputs: {x: {get_attribute: ['my node', private_address]}}}}}
    requirements: [{host: my node}]
"
    )]));
}

#[test]
fn the_rest() {
    insta::assert_snapshot!(gallery(&[
        (
            "an Ansible host",
            "node_templates:\n  h: {type: tosca.nodes.im.AnsibleHost, properties: {host: a.b, credential: {user: u, token: k, token_type: private_key}}}\n  n: {type: tosca.nodes.Compute}\n"
        ),
        (
            "software that runs nowhere, policies without effect, groups",
            "node_templates:\n  a: {type: tosca.nodes.SoftwareComponent}\n  n: {type: tosca.nodes.indigo.Compute}\n  m: {type: tosca.nodes.indigo.Compute}\ngroups: {g: {type: tosca.groups.Root, members: [n]}}\npolicies:\n- p: {type: tosca.policies.indigo.Placement, properties: {availability_zone: z}, targets: [g]}\n- q: {type: tosca.policies.indigo.Placement, properties: {cloud_id: {concat: [a, b]}}, targets: [g, m]}\n- s: {type: tosca.policies.Scaling, targets: [n]}\n"
        ),
        (
            "workers are deployed last",
            "node_templates:\n  wn1: {type: tosca.nodes.indigo.Compute, capabilities: {endpoint: {properties: {network_name: PUBLIC}}}}\n  inside: {type: tosca.nodes.indigo.Compute}\n  front: {type: tosca.nodes.indigo.Compute, capabilities: {endpoint: {properties: {network_name: PUBLIC}}}}\n"
        ),
        (
            "images of two clouds",
            "node_templates:\n  a: {type: tosca.nodes.indigo.Compute, capabilities: {os: {properties: {image: 'ost://one.com/1'}}, endpoint: {properties: {network_name: net, ports: {s: {source: 22}}}}}}\n  b: {type: tosca.nodes.indigo.Compute, capabilities: {os: {properties: {image: 'ost://two.com/1'}}}}\n  c: {type: tosca.nodes.indigo.Compute, capabilities: {os: {properties: {image: 'ost://two.com/2'}}}}\n  d: {type: tosca.nodes.indigo.Compute, capabilities: {os: {properties: {image: 'ost://one.com/2'}}}}\n"
        ),
        (
            "images of one registry each",
            "node_templates:\n  a: {type: tosca.nodes.indigo.Compute, capabilities: {os: {properties: {image: debian}}}}\n  b: {type: tosca.nodes.indigo.Compute, capabilities: {os: {properties: {image: ubuntu}}}}\n"
        ),
    ]));
}
