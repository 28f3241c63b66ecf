//! The contract, rule by rule: a small document for each, and what must be in what it becomes. The ids say which section
//! a rule is of; what begins with `!` must not be there.

// Tables are as long as what they list.
#![allow(clippy::too_many_lines)]

mod forms;
mod software;

use crate::{
    rules::{fetch, whole},
    support::{Case, told_with_hint},
};
use im_tosca::{Embedded, Files};

/// Findings and RADL of a whole document, in short.
fn becomes(text: &str) -> String {
    let mut case = match Case::load(text, Files::new(Embedded::Prefer), &fetch) {
        Ok(case) => case,
        Err(error) => return format!("refused {error}"),
    };
    let mut said: Vec<String> = case.warnings.iter().map(told_with_hint).collect();
    let converted = case.convert(None, &fetch);
    said.extend(converted.diagnostics.iter().map(told_with_hint));
    match converted.document {
        None => said.insert(0, "refused".to_owned()),
        Some(document) => {
            if let Some(error) = im_radl::first_error(&im_radl::check(&document)) {
                said.push(format!("check: {error}"));
            }
            said.push(im_radl::print(&document).replace(" and\n", ", "));
        }
    }
    said.join("\n")
}

/// A rule: its id, the members of a topology, and what must be there.
pub(crate) type Rule<'a, T> = (&'a str, T, &'a [&'a str]);

pub(crate) fn hold_in<T: AsRef<str>>(rules: &[Rule<'_, T>], document: &dyn Fn(&str) -> String) {
    let mut wrong = Vec::new();
    for (id, topology, expected) in rules {
        let text = becomes(&document(topology.as_ref()));
        for one in *expected {
            let (absent, piece) = match one.strip_prefix('!') {
                Some(piece) => (true, piece),
                None => (false, *one),
            };
            if text.contains(piece) == absent {
                wrong.push(format!("{id}: {one:?}\n{text}\n"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

pub(crate) fn hold<T: AsRef<str>>(rules: &[Rule<'_, T>]) {
    hold_in(rules, &whole);
}

pub(crate) const ONE: &str =
    "node_templates:\n  n: {type: tosca.nodes.indigo.Compute, capabilities: {scalable: {properties: {count: 1}}}}\n";

#[test]
fn s4_9_walk() {
    hold(&[
        (
            "4.9.1 networks come first, wherever they stand",
            "node_templates:\n  a: {type: tosca.nodes.indigo.Compute}\n  net: {type: tosca.nodes.network.Network, properties: {network_type: private}}\n",
            &["network net ", "net_interface.0.connection = 'net'", "!private_net"],
        ),
        (
            "4.9.2 volumes and ports are nothing by themselves",
            "node_templates:\n  v: {type: tosca.nodes.BlockStorage, properties: {size: 1 GB}}\n  n: {type: tosca.nodes.indigo.Compute}\n",
            &["!system v", "!T0905", "system n"],
        ),
        (
            "4.9.3 the last Ansible host wins",
            "node_templates:\n  h: {type: tosca.nodes.im.AnsibleHost, properties: {host: one, credential: {user: u, token: t}}}\n  i: {type: tosca.nodes.im.AnsibleHost, properties: {host: two, credential: {user: v, token: w}}}\n  n: {type: tosca.nodes.indigo.Compute}\n",
            &[
                "ansible ansible_host",
                "host = 'two'",
                "!host = 'one'",
                "credentials.username = 'v'",
                "credentials.password = 'w'",
            ],
        ),
        (
            "4.9.6 software without a host is ignored with a warning",
            "node_templates:\n  a: {type: tosca.nodes.SoftwareComponent, interfaces: {Standard: {configure: 'http://files/one.yml'}}}\n  n: {type: tosca.nodes.indigo.Compute}\n",
            &["T0905", "`a` runs nowhere", "!configure a"],
        ),
        (
            "4.9.6 what is only read by others needs no host",
            "node_templates:\n  d: {type: tosca.nodes.Root}\n  a: {type: tosca.nodes.SoftwareComponent, requirements: [{host: n}, {dependency: d}]}\n  n: {type: tosca.nodes.indigo.Compute}\n",
            &["!T0905"],
        ),
        (
            "4.9.7 a machine with scripts of its own",
            "node_templates:\n  n: {type: tosca.nodes.indigo.Compute, interfaces: {Standard: {configure: {implementation: 'http://files/one.yml', inputs: {x: 1}}}}}\n",
            &["configure n_conf", "system n configure n_conf step 1"],
        ),
        (
            "4.9 without any recipe nothing is configured",
            ONE,
            &["contextualize ()", "!step"],
        ),
        ("4.9 the description", "node_templates: {}\n", &["!description"]),
        (
            "4.9 no network at all: one that is public",
            "node_templates:\n  f: {type: tosca.nodes.aisprint.FaaS.Function, properties: {name: a, memory: 1GB, image: b, script: c}}\n",
            &[
                "network public ( outbound = 'yes' )",
                "net_interface.0.connection = 'public'",
            ],
        ),
    ]);
    let described = |topology: &str| {
        whole(topology).replace(
            "topology_template:",
            "metadata: {infra_name: it, namespace: ns, icon: x}\ntopology_template:",
        )
    };
    hold_in(
        &[(
            "4.3 metadata",
            ONE,
            &["description desc (name = 'it', namespace = 'ns')"],
        )],
        &described,
    );
}

fn compute(os: &str, host: &str) -> String {
    format!(
        "node_templates:\n  n: {{type: tosca.nodes.indigo.Compute, capabilities: {{os: {{properties: {{{os}}}}}, host: {{properties: {{{host}}}}}}}}}\n"
    )
}

#[test]
fn s4_10_machines() {
    let cases: Vec<(&str, String, &[&str])> = vec![
        ("4.10 a version that is one number stays one", compute("version: 12", ""), &["disk.0.os.version = '12'"]),
        ("4.10 a version with three parts", compute("version: 7.9.2009", ""), &["disk.0.os.version = '7.9.2009'"]),
        ("4.10 a version that is text", compute("version: '9'", ""), &["disk.0.os.version = '9'"]),
        ("4.10 image of a registry with a port", compute("image: 'reg.example.org:5000/a/b:1'", ""), &["disk.0.image.url = 'docker://reg.example.org:5000/a/b:1'"]),
        ("4.10 image of EGI", compute("image: 'appdb://SITE/img?vo'", ""), &["disk.0.image.url = 'appdb://SITE/img?vo'"]),
        ("4.10 public key", compute("credential: {user: u, token: k, token_type: public_key}", ""), &["disk.0.os.credentials.public_key = 'k'"]),
        ("4.10 a user alone", compute("credential: {user: u, token: ''}", ""), &["credentials.username = 'u'", "!credentials.password"]),
        ("4.10 no user", compute("credential: {token: t}", ""), &["refused", "T0401", "Line "]),
        ("4.10 text is no mapping", compute("distribution: {}", ""), &["refused", "`distribution` must be text"]),
        ("4.10 none of a comparison of text", compute("architecture: {equal: x86_64}", ""), &["cpu.arch = 'x86_64'"]),
        ("4.10 no GPU", compute("", "num_gpus: 0"), &["gpu.count >= 0"]),
        ("4.10 spot", compute("", "preemtible_instance: yes"), &["spot = 'yes'"]),
        ("4.10 sgx", compute("", "sgx: 'true'"), &["cpu.sgx = 'yes'"]),
        ("4.6 sizes without a space", compute("", "mem_size: 4GB"), &["memory.size >= 4000000000B"]),
        ("4.6 sizes in another case", compute("", "mem_size: 4 gb"), &["memory.size >= 4000000000B", "T0904"]),
        ("4.6 a bare number is no size", compute("", "mem_size: 4"), &["refused", "T0208"]),
        ("4.10 null is nothing", compute("image: ~, type: ~", "num_cpus: ~"), &["!image.url", "!os.name", "!cpu.count"]),
        (
            "4.10 functions everywhere",
            format!(
                "inputs: {{c: {{type: integer, default: 4}}, i: {{type: string, default: ''}}, a: {{type: boolean, default: false}}}}\n{}",
                compute("image: {get_input: i}", "num_cpus: {get_input: c}, preemtible_instance: {get_input: a}, instance_type: {get_input: i}")
            ),
            &["cpu.count >= 4", "!image.url", "spot = 'no'", "instance_type = ''"],
        ),
        (
            "4.10 an image from an empty input makes no boot disk",
            format!("inputs: {{i: {{type: string, required: no}}}}\n{}", compute("image: {get_input: i}", "")),
            &["!image.url", "!refused"],
        ),
        (
            "4.10 roles: collections first, each once, of the node and what it needs",
            "node_templates:
  a: {type: tosca.nodes.SoftwareComponent, artifacts: {r: {file: r.one, type: tosca.artifacts.AnsibleGalaxy.role}, c: {file: c.one, type: tosca.artifacts.AnsibleGalaxy.collection}}, requirements: [{host: n}, {dependency: b}]}
  b: {type: tosca.nodes.SoftwareComponent, artifacts: {r: {file: r.two, type: tosca.artifacts.AnsibleGalaxy.role}}, requirements: [{host: n}]}
  n: {type: tosca.nodes.indigo.Compute}
".to_owned(),
            &["disk.0.applications contains (name = 'ansible.collections.c.one'), disk.0.applications contains (name = 'ansible.roles.r.two')", "!r.one"],
        ),
        (
            "4.10 tags that are no mapping",
            "inputs: {t: {type: list, default: [a]}}\nnode_templates:\n  n: {type: tosca.nodes.indigo.Compute, properties: {tags: {get_input: t}}}\n".to_owned(),
            &["refused", "`tags` must be a mapping"],
        ),
    ];
    hold(&cases);
}

#[test]
fn s4_10_disks() {
    let with = |requirement: &str| {
        format!(
            "inputs: {{size: {{type: scalar-unit.size, default: 20 GiB}}}}\nnode_templates:\n  v: {{type: tosca.nodes.BlockStorage, properties: {{size: {{get_input: size}}}}}}\n  n:\n    type: tosca.nodes.indigo.Compute\n    requirements: [{requirement}]\n"
        )
    };
    let cases: Vec<(&str, String, &[&str])> = vec![
        (
            "4.10 the short form has no place",
            with("local_storage: v"),
            &["disk.1.size = 21474836480B", "!mount_path", "!fstype"],
        ),
        (
            "4.10 without a location there is no file system",
            with("local_storage: {node: v, relationship: {type: AttachesTo, properties: {device: vdb}}}"),
            &["disk.1.device = 'vdb'", "!mount_path"],
        ),
        (
            "4.10 the file system of the relationship",
            with(
                "local_storage: {node: v, relationship: {type: tosca.relationships.indigo.AttachesTo, properties: {location: /d, fs_type: xfs}}}",
            ),
            &["disk.1.mount_path = '/d', disk.1.fstype = 'xfs'"],
        ),
        (
            "4.10 a location from a function",
            with(
                "local_storage: {node: v, relationship: {type: AttachesTo, properties: {location: {concat: [/, mnt]}}}}",
            ),
            &["disk.1.mount_path = '/mnt'"],
        ),
        (
            "4.10 another requirement's name does as well",
            with("disk: {node: v, relationship: {type: AttachesTo, properties: {location: /d}}}"),
            &["disk.1.mount_path = '/d'"],
        ),
    ];
    hold(&cases);
}

fn endpoint(properties: &str) -> String {
    format!(
        "inputs: {{open: {{type: map, entry_schema: {{type: PortSpec}}, default: {{a: {{protocol: tcp, source: 80}}}}}}, name: {{type: string, default: 'a.b.PUBLIC'}}}}\nnode_templates:\n  n: {{type: tosca.nodes.indigo.Compute, capabilities: {{endpoint: {{properties: {{{properties}}}}}}}}}\n"
    )
}

#[test]
fn s4_11_endpoints() {
    let cases: Vec<(&str, String, &[&str])> = vec![
        ("4.11 provider id with dots", endpoint("network_name: {get_input: name}"), &["network private_net ( outbound = 'no', provider_id = 'a.b' )", "network public_net ( outbound = 'yes' )"]),
        ("4.11 ports of an input", endpoint("ports: {get_input: open}"), &["outports = '80/tcp-80/tcp'"]),
        ("4.11 members that are functions", endpoint("ports: {a: {source: {token: ['1:22', ':', 1]}}}"), &["outports = '22/tcp-22/tcp'"]),
        ("4.11 ports that are text", endpoint("ports: {a: {source: '22', target: '2222'}}"), &["outports = '22/tcp-2222/tcp'"]),
        ("4.11 a range with a protocol and a CIDR", endpoint("ports: {a: {protocol: udp, source_range: [1000, 1010], remote_cidr: 10.0.0.0/8}}"), &["outports = '10.0.0.0/8-1000:1010/udp'"]),
        ("4.11 a range wins over a port", endpoint("ports: {a: {source: 5, source_range: [1, 2]}}"), &["outports = '1:2/tcp'"]),
        ("4.11 a range of text", endpoint("ports: {a: {source_range: ['1', '2']}}"), &["refused"]),
        ("4.11 no port at all", endpoint("ports: {a: {protocol: tcp}}"), &["refused", "T0405"]),
        ("4.11 icmp", endpoint("port: 8, protocol: icmp"), &["outports = '8/icmp-8/icmp'"]),
        ("4.11 igmp", endpoint("port: 8, protocol: igmp"), &["refused", "T0405", "use `tcp`, `udp` or `icmp`"]),
        ("4.11 what is spoken over tcp", endpoint("port: 443, protocol: https"), &["outports = '443/tcp-443/tcp'", "T0905"]),
        ("4.11 an address of one's own without a private one", endpoint("network_name: PUBLIC, private_ip: false, additional_ip: 1.2.3.4, dns_name: a"), &["net_interface.0.connection = 'public_net'", "net_interface.0.additional_ip = '1.2.3.4'", "!private_net", "net_interface.0.dns.0.name = 'a'"]),
        ("4.11 empty names are none", endpoint("dns_name: '', additional_ip: ''"), &["!dns", "!additional_ip"]),
        ("4.11 private_ip alone is ignored", endpoint("private_ip: no"), &["net_interface.0.connection = 'private_net'"]),
        (
            "4.11 a public address by a property of the machine",
            "node_templates:\n  n: {type: my.Machine, properties: {public_ip: yes}}\n".to_owned(),
            &["network public_net", "net_interface.1.connection = 'public_net'"],
        ),
        (
            "4.11 public networks are counted",
            "node_templates:\n  a: {type: tosca.nodes.indigo.Compute, capabilities: {endpoint: {properties: {network_name: PUBLIC}}}}\n  b: {type: tosca.nodes.indigo.Compute, capabilities: {endpoint: {properties: {network_name: PUBLIC}}}}\n".to_owned(),
            &["network public_net ", "network public_net_1 "],
        ),
        (
            "4.11 the first network that is not public is used",
            "node_templates:\n  p: {type: tosca.nodes.network.Network, properties: {network_type: Public}}\n  q: {type: tosca.nodes.network.Network}\n  n: {type: tosca.nodes.indigo.Compute}\n".to_owned(),
            &["network p ( outbound = 'yes' )", "net_interface.0.connection = 'q'", "!private_net"],
        ),
    ];
    let typed = |topology: &str| {
        whole(topology).replace(
            "node_types: {",
            "node_types: {my.Machine: {derived_from: tosca.nodes.indigo.Compute, properties: {public_ip: {type: boolean, default: false}}}, ",
        )
    };
    hold_in(&cases, &typed);
}

#[test]
fn s4_11_networks() {
    let ports = |more: &str| {
        format!(
            "node_templates:\n  pub: {{type: tosca.nodes.network.Network, properties: {{network_type: public}}}}\n  net: {{type: tosca.nodes.network.Network, properties: {{network_type: private}}}}\n  n: {{type: tosca.nodes.indigo.Compute, capabilities: {{endpoint: {{properties: {{dns_name: front, additional_ip: 9.9.9.9, network_name: PUBLIC, ports: {{a: {{source: 22}}}}}}}}}}}}\n{more}"
        )
    };
    let port = |name: &str, order: &str, network: &str| {
        format!(
            "  {name}: {{type: my.Port, properties: {{order: {order}, tls: true, dns_name: '{name}.example.org'}}, requirements: [{{binding: n}}, {{link: {network}}}]}}\n"
        )
    };
    let proxy = |credential: &str| {
        format!(
            "node_templates:\n  net: {{type: tosca.nodes.indigo.network.Network, properties: {{proxy_host: h, proxy_credential: {credential}}}}}\n"
        )
    };
    let cases: Vec<(&str, String, &[&str])> = vec![
        (
            "4.11 with ports only these networks are used, and names of the endpoint stay at interface 0",
            ports(&(port("a", "0", "net") + &port("b", "1", "pub"))),
            &["net_interface.0.connection = 'net'", "net_interface.1.connection = 'pub'", "!public_net", "!private_net", "network pub ( outbound = 'yes', outports = '22/tcp-22/tcp' )", "net_interface.0.dns_name = 'front'", "net_interface.0.additional_ip = '9.9.9.9'", "net_interface.1.dns.0.name = 'b.example.org'", "net_interface.1.dns.0.tls = 'true'"],
        ),
        ("4.11 without a public one, the first opens the ports", ports(&port("a", "0", "net")), &["network net ( outports = '22/tcp-22/tcp' )"]),
        ("4.11 proxy with a password", proxy("{user: u, token: t}"), &["proxy_host = 'u:t@h'"]),
        ("4.11 proxy with a key", proxy("{user: u, token: k, token_type: private_key}"), &["proxy_host = 'u@h'", "proxy_key = 'k'"]),
        ("4.11 proxy without a user", proxy("{token: t}"), &["refused", "T0406"]),
        ("4.11 proxy without credentials", proxy("~"), &["refused", "T0406"]),
        ("4.11 created with a router", "node_templates:\n  net: {type: tosca.nodes.network.Network, properties: {cidr: 10.0.0.0/8, gateway_ip: 10.0.0.1, network_name: n, dhcp_enabled: no}}\n".to_owned(), &["network net ( provider_id = 'n', cidr = '10.0.0.0/8', create = 'yes', router = '10.0.0.1' )"]),
        ("4.11 the cloud's own name of the two", "node_templates:\n  a: {type: tosca.nodes.indigo.Compute, capabilities: {endpoint: {properties: {network_name: 'one,pool'}}}}\n".to_owned(), &["network private_net ( outbound = 'no', provider_id = 'one' )", "network public_net ( outbound = 'yes', provider_id = 'pool' )"]),
    ];
    let typed = |topology: &str| {
        whole(topology).replace(
            "node_types: {",
            "node_types: {my.Port: {derived_from: tosca.nodes.indigo.network.Port, properties: {tls: {type: boolean, required: false}}}, ",
        )
    };
    hold_in(&cases, &typed);
}
