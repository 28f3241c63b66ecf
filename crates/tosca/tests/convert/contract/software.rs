//! Recipes, containers, policies, counts, attributes.

use super::{hold, hold_in};
use crate::{
    rules::{fetch, whole},
    support::Case,
};
use im_tosca::{Embedded, Files};

fn software(interfaces: &str) -> String {
    format!(
        "inputs: {{none: {{type: string, required: false}}, list: {{type: list, default: [1, {{a: b}}]}}}}\nnode_templates:\n  app:\n    type: tosca.nodes.SoftwareComponent\n    artifacts:\n      play: {{file: one.yml, repository: files}}\n      data: {{file: 'http://files/file.txt', type: tosca.artifacts.File}}\n    interfaces: {interfaces}\n    requirements: [{{host: n}}]\n  n: {{type: tosca.nodes.indigo.Compute}}\n"
    )
}

#[test]
fn s4_12_recipes() {
    let configure = |inputs: &str| {
        software(&format!(
            "{{Standard: {{configure: {{implementation: 'http://files/one.yml', inputs: {{{inputs}}}}}}}}}"
        ))
    };
    let cases: Vec<(&str, String, &[&str])> = vec![
        ("4.12 create, configure, start; never stop and delete", software("{Standard: {start: 'http://files/one.yml', create: relative.yml, stop: missing.yml, delete: missing.yml}}"), &["relative:", "debug: msg={{ x }}", "configure app_n_conf", "!missing"]),
        ("4.12 an artifact in a repository", software("{Standard: {configure: play}}"), &["msg={{ x }}"]),
        ("4.12 an inline artifact", software("{Standard: {configure: {implementation: {file: one.yml, repository: files}}}}"), &["msg={{ x }}"]),
        ("4.12 the form with `primary`", software("{Standard: {configure: {implementation: {primary: play, dependencies: [data]}}}}"), &["msg={{ x }}"]),
        ("4.12 an unknown repository", software("{Standard: {configure: {implementation: {file: one.yml, repository: nowhere}}}}"), &["refused", "there is no repository `nowhere`"]),
        ("4.12 TOSCA 1.3", software("{Standard: {operations: {configure: {implementation: play, inputs: {x: 1}}}, notifications: {}}}"), &["x: 1"]),
        ("4.12 the full name of the interface", software("{tosca.interfaces.node.lifecycle.Standard: {configure: play}}"), &["configure app_n_conf"]),
        ("4.12 hosts and connection go", configure("x: 1"), &["!hosts:", "!connection:"]),
        ("4.12 null refuses, and says which", configure("x: {get_input: none}"), &["refused", "input `x` of operation `configure` of node `app` has no value"]),
        (
            "4.8 an input whose default is made of others",
            configure("x: {get_input: url}").replacen("inputs: {none", "inputs: {url: {type: string, default: {concat: ['http://', {get_input: host}]}}, host: {type: string, default: h}, none", 1),
            &["x: http://h"],
        ),
        (
            "4.8 inputs that need each other",
            configure("x: {get_input: a}").replacen("inputs: {none", "inputs: {a: {type: string, default: {concat: [{get_input: b}]}}, b: {type: string, default: {concat: [{get_input: a}]}}, none", 1),
            &["refused", "T0003"],
        ),
        ("4.12 null within lists survives", configure("x: [~, {a: ~}]"), &["- null", "a: null"]),
        ("4.12 false, zero and empty are values", configure("a: no, b: 0, c: '', d: [], e: {}"), &["a: false", "b: 0", "c: ''", "d: []", "e: {}"]),
        ("4.12 typed values of inputs", configure("x: {get_input: list}"), &["- 1\n", "a: b"]),
        ("4.12 a text that looks like something else stays text", configure("a: '5', b: 'true', c: 'null', d: '1.0', e: '0644', f: '2020-01-01', g: 'no', h: '1:30'"), &["a: '5'", "b: 'true'", "c: 'null'", "d: '1.0'", "e: '0644'", "f: '2020-01-01'", "g: 'no'", "h: '1:30'"]),
        ("4.12 escapes in a text", configure("x: 'a\\tb\\nc'"), &["      a\tb\n      c"]),
        ("4.12 a text with quotes is taken as it stands", configure("x: 'say \"a\\n\"'"), &["x: say \"a\\n\""]),
        ("4.12 files are fetched to the machine first", configure("x: {get_artifact: [SELF, data]}"), &["x: /tmp/file.txt", "get_url:", "url: http://files/file.txt"]),
        ("4.12 a file by its URL", configure("x: {get_artifact: [SELF, 'https://h/d/e.tgz']}"), &["x: /tmp/e.tgz", "url: https://h/d/e.tgz"]),
        ("4.12 not 200", software("{Standard: {configure: 'http://files/missing.yml'}}"), &["refused", "cannot be fetched: 404 Not Found", "Line "]),
        ("4.12 ftp", software("{Standard: {configure: 'ftp://files/missing.yml'}}"), &["refused", "404"]),
        ("4.12 no other scheme", software("{Standard: {configure: 'gopher://files/one.yml'}}"), &["refused", "use an `https`"]),
        ("4.12 no way up", software("{Standard: {configure: '../../etc/x.yml'}}"), &["refused", "path of the service's machine"]),
        ("4.12 an operation of a custom interface needs its type", software("{Mine: {go: play}}"), &["refused", "T0214"]),
        (
            "4.12 two machines, two recipes of one type",
            "node_templates:\n  a: {type: tosca.nodes.SoftwareComponent, interfaces: {Standard: {configure: relative.yml}}, requirements: [{host: n}]}\n  b: {type: tosca.nodes.SoftwareComponent, interfaces: {Standard: {configure: relative.yml}}, requirements: [{host: m}]}\n  n: {type: tosca.nodes.indigo.Compute}\n  m: {type: tosca.nodes.indigo.Compute}\n".to_owned(),
            &["configure a_n_conf", "configure b_m_conf", "system n configure a_n_conf step 2", "system m configure b_m_conf step 2"],
        ),
        (
            "4.12 links of other kinds do not count for steps",
            "node_templates:\n  a: {type: tosca.nodes.SoftwareComponent, interfaces: {Standard: {configure: relative.yml}}, requirements: [{host: n}]}\n  n: {type: tosca.nodes.indigo.Compute, interfaces: {Standard: {configure: relative.yml}}, requirements: [{local_storage: v}]}\n  v: {type: tosca.nodes.BlockStorage, properties: {size: 1 GB}}\n".to_owned(),
            &["system n configure n_conf step 1", "system n configure a_n_conf step 2"],
        ),
    ];
    hold(&cases);
}

#[test]
fn s4_13_containers() {
    let app = |artifacts: &str, properties: &str, host: &str, rest: &str| {
        format!(
            "node_templates:\n  my_app: {{type: tosca.nodes.Container.Application.Docker, properties: {{{properties}}}, artifacts: {{{artifacts}}}, requirements: [{{host: run}}]}}\n  run: {{type: tosca.nodes.Container.Runtime.Docker, capabilities: {{host: {{properties: {{{host}}}}}}}}}\n{rest}"
        )
    };
    let image = "image: {file: a/b, type: tosca.artifacts.Deployment.Image.Container.Docker}";
    let other = "  db: {type: tosca.nodes.Container.Application.Docker, artifacts: {image: {file: 'sql', type: tosca.artifacts.Deployment.Image.Container.Docker}, f: {file: x, deploy_path: /f, properties: {content: c}, type: tosca.artifacts.File}}, requirements: [{host: run2}]}\n  run2: {type: tosca.nodes.Container.Runtime.Docker}\n";
    let cases: Vec<(&str, String, &[&str])> = vec![
        (
            "4.13 name with the id, and an empty recipe",
            app(image, "", "", ""),
            &[
                "system my-app-abcdefgh",
                "configure my-app-abcdefgh ()",
                "deploy my-app-abcdefgh 1",
                "disk.0.image.url = 'docker://a/b'",
            ],
        ),
        (
            "4.13 the image of what it needs is not its own",
            app(image, "", "", other).replace("[{host: run}]", "[{host: run}, {dependency: db}]"),
            &[
                "system my-app-abcdefgh (\ndisk.0.image.url = 'docker://a/b'",
                "system db-abcdefgh (\ndisk.1.content = 'c'",
            ],
        ),
        (
            "4.13 the image of the runtime",
            app("", "", "", "").replace(
                "run: {type: tosca.nodes.Container.Runtime.Docker,",
                &format!("run: {{type: tosca.nodes.Container.Runtime.Docker, artifacts: {{{image}}},"),
            ),
            &["disk.0.image.url = 'docker://a/b'"],
        ),
        (
            "4.13 a repository of the image",
            app(
                "image: {file: a/b, repository: hub, type: tosca.artifacts.Deployment.Image.Container.Docker}",
                "",
                "",
                "",
            ),
            &["docker://docker.io/a/b"],
        ),
        (
            "4.13 sizes",
            app(image, "", "num_cpus: 1.5, mem_size: 1 GiB", ""),
            &["cpu.count = 1.5", "memory.size = 1073741824B"],
        ),
        (
            "4.13 variables with commas",
            app(image, "environment: {A: 'x,y', B: '', C: 'd=e'}", "", ""),
            &["environment.variables = 'A=\"x,y\",B=,C=d=e'"],
        ),
        (
            "4.13 a published port without a port outside",
            app(image, "", "publish_ports: [{target: 80}]", ""),
            &["outports = '0/tcp-80/tcp'"],
        ),
        (
            "4.13 both kinds of ports on interfaces of their own",
            app(
                image,
                "",
                "publish_ports: [{source: 30080, target: 80}], expose_ports: [{source: 5}]",
                "",
            ),
            &[
                "net_interface.0.connection = 'my-app-abcdefgh_pub'",
                "net_interface.1.connection = 'my-app-abcdefgh_priv'",
                "outports = '5/tcp-5/tcp'",
            ],
        ),
        (
            "4.13 no ports: the usual network",
            app(image, "", "", ""),
            &["network public ", "net_interface.0.connection = 'public'"],
        ),
        (
            "4.13 volumes",
            app(
                image,
                "",
                "volumes: ['v:/a:b']",
                "  v: {type: tosca.nodes.BlockStorage, properties: {size: 1 GB}}\n",
            ),
            &["disk.1.size = 1000000000B", "disk.1.mount_path = '/a:b'"],
        ),
    ];
    hold(&cases);
}

#[test]
fn s4_16_policies_and_counts() {
    let policies = |policies: &str| {
        format!(
            "inputs: {{cloud: {{type: string, default: c0}}}}\nnode_templates:\n  a: {{type: tosca.nodes.indigo.Compute}}\n  b: {{type: tosca.nodes.indigo.Compute}}\n  c: {{type: tosca.nodes.indigo.Compute}}\ngroups: {{g: {{type: tosca.groups.Root, members: [a, b]}}}}\npolicies: [{policies}]\n"
        )
    };
    let scaled = |kind: &str, properties: &str| {
        format!(
            "inputs: {{n: {{type: integer, default: 2}}, z: {{type: integer, default: 0}}, s: {{type: string, default: '3'}}}}\nnode_templates:\n  a: {{type: {kind}, capabilities: {{scalable: {{properties: {{{properties}}}}}}}}}\n"
        )
    };
    let indigo = "tosca.nodes.indigo.Compute";
    let plain = "tosca.nodes.Compute";
    let cases: Vec<(&str, String, &[&str])> = vec![
        (
            "4.16 a group",
            policies("p: {type: tosca.policies.Placement, properties: {cloud_id: x}, targets: [g]}"),
            &["deploy a 1 x", "deploy b 1 x", "deploy c 1", "!deploy c 1 "],
        ),
        (
            "4.16 groups and nodes together",
            policies("p: {type: tosca.policies.Placement, properties: {cloud_id: x}, targets: [g, c]}"),
            &["deploy a 1 x", "deploy c 1 x"],
        ),
        (
            "4.16 the first that says it wins",
            policies(
                "p: {type: tosca.policies.indigo.Placement, properties: {availability_zone: z}, targets: [a]}, q: {type: tosca.policies.Placement, properties: {cloud_id: one}, targets: [a]}, r: {type: tosca.policies.Placement, properties: {cloud_id: two}, targets: [a]}",
            ),
            &["deploy a 1 one", "availability_zone = 'z'"],
        ),
        (
            "4.16 a function",
            policies("p: {type: tosca.policies.Placement, properties: {cloud_id: {get_input: cloud}}, targets: [a]}"),
            &["deploy a 1 c0"],
        ),
        (
            "4.16 an empty cloud is none",
            policies("p: {type: tosca.policies.Placement, properties: {cloud_id: ''}, targets: [a]}"),
            &["deploy a 1", "!deploy a 1 "],
        ),
        (
            "4.16 targets that are not there",
            policies("p: {type: tosca.policies.Placement, properties: {cloud_id: x}, targets: [d]}"),
            &["refused", "there is no node or group `d`"],
        ),
        (
            "4.16 others have no effect",
            policies("p: {type: tosca.policies.Scaling, targets: [a]}"),
            &["T0905", "!refused"],
        ),
        (
            "4.16 count from an input",
            scaled(indigo, "count: {get_input: n}"),
            &["deploy a 2"],
        ),
        (
            "4.16 no machine",
            scaled(indigo, "count: {get_input: z}"),
            &["system a", "!deploy"],
        ),
        (
            "4.16 a count that is text",
            scaled(indigo, "count: {get_input: s}"),
            &["deploy a 3"],
        ),
        (
            "4.16 less than none is none",
            scaled(indigo, "count: -1"),
            &["!deploy", "!refused"],
        ),
        (
            "4.16 a count that is no whole number",
            scaled(indigo, "count: {token: ['a:b', ':', 1]}"),
            &["refused", "`count` must be a whole number"],
        ),
        (
            "4.16 min_instances",
            scaled(plain, "min_instances: 3, max_instances: 5"),
            &["deploy a 3"],
        ),
        (
            "4.16 default_instances",
            scaled(plain, "min_instances: 1, max_instances: 5, default_instances: 4"),
            &["deploy a 4"],
        ),
        (
            "4.16 on an indigo Compute the count's default wins",
            scaled(indigo, "min_instances: 3, max_instances: 5"),
            &["deploy a 1"],
        ),
        (
            "4.5 default_instances out of bounds",
            scaled(plain, "min_instances: 1, max_instances: 2, default_instances: 4"),
            &["refused", "T0217"],
        ),
    ];
    hold(&cases);
}

/// Attributes where there are no machines yet, as Ansible will evaluate them.
#[test]
fn s4_8_attributes_at_conversion() {
    let nodes = "inputs: {i: {type: integer, default: 1}}
node_templates:
  n: {type: tosca.nodes.indigo.Compute}
  sub: {type: my.Sub}
  plain: {type: tosca.nodes.Compute}
  port: {type: tosca.nodes.network.Port, properties: {order: 2}, requirements: [{binding: plain}, {link: net}]}
  net: {type: tosca.nodes.network.Network}
  base: {type: tosca.nodes.SoftwareComponent, requirements: [{host: plain}]}
  app:
    type: tosca.nodes.SoftwareComponent
    interfaces: {Standard: {configure: {implementation: 'http://files/one.yml', inputs: {x: VALUE}}}}
    requirements: [{host: n}]
";
    let typed = |topology: &str| {
        whole(topology).replace(
            "node_types: {",
            "node_types: {my.Sub: {derived_from: tosca.nodes.indigo.Compute}, ",
        )
    };
    for (value, expected) in [
        ("{get_attribute: [SELF, tosca_id]}", "{{ IM_NODE_VMID }}"),
        ("{get_attribute: [HOST, tosca_id]}", "{{ IM_NODE_VMID }}"),
        (
            "{get_attribute: [n, tosca_id]}",
            "{{ hostvars[groups['n'][0]]['IM_NODE_VMID'] }}",
        ),
        ("{get_attribute: [SELF, tosca_name]}", "app"),
        ("{get_attribute: [HOST, tosca_name]}", "n"),
        ("{get_attribute: [plain, tosca_name]}", "plain"),
        (
            "{get_attribute: [HOST, private_address, 0]}",
            "{{ hostvars[groups['n'][0]]['IM_NODE_PRIVATE_IP'] }}",
        ),
        (
            "{get_attribute: [HOST, public_address, {get_input: i}]}",
            "{{ hostvars[groups['n'][1]]['IM_NODE_PUBLIC_IP'] }}",
        ),
        (
            "{get_attribute: [n, public_address]}",
            "{{ groups['n']|map('extract', hostvars,'IM_NODE_PUBLIC_IP')|list if 'n' in groups else []}}",
        ),
        (
            "{get_attribute: [sub, private_address, 0]}",
            "{{ hostvars[groups['sub'][0]]['IM_NODE_PRIVATE_IP'] }}",
        ),
        (
            "{get_attribute: [plain, private_address]}",
            "{{ hostvars[groups['plain'][0]]['IM_NODE_PRIVATE_IP'] }}",
        ),
        (
            "{get_attribute: [HOST, endpoint, ip_address]}",
            "{{ IM_NODE_PUBLIC_IP }}",
        ),
        (
            "{get_attribute: [plain, endpoint, ip_address]}",
            "{{ hostvars[groups['plain'][0]]['IM_NODE_PUBLIC_IP'] if 'IM_NODE_PUBLIC_IP' in hostvars[groups['plain'][0]] else hostvars[groups['plain'][0]]['IM_NODE_PRIVATE_IP']}}",
        ),
        (
            "{get_attribute: [port, ip_address]}",
            "{{ hostvars[groups['plain'][0]]['IM_NODE_NET_2_IP'] }}",
        ),
        (
            "{get_attribute: [HOST, endpoint, tls_certificates, a.b, cert]}",
            "{{ IM_NODE_TLS_CERTIFICATES['a.b']['cert'] }}",
        ),
        (
            "{get_attribute: [n, endpoint, tls_certificates, a.b]}",
            "{{ hostvars[groups['n'][0]]['IM_NODE_TLS_CERTIFICATES']['a.b'] }}",
        ),
        (
            "{concat: ['http://', {get_attribute: [base, tosca_name]}, ':', 80]}",
            "http://base:80",
        ),
    ] {
        let text = typed(&nodes.replace("VALUE", value));
        let mut case =
            Case::load(&text, Files::new(Embedded::Prefer), &fetch).unwrap_or_else(|error| panic!("{value}: {error}"));
        let converted = case.convert(None, &fetch);
        let document = crate::support::document(converted);
        let recipe = document.configure("app_n_conf").and_then(|c| c.text()).unwrap();
        let (node, _) = im_tosca::yaml::parse(recipe, im_tosca::FileId::DOCUMENT, &im_tosca::Limits::default());
        let play = node.unwrap().as_seq().unwrap()[0].clone();
        let got = play
            .get("vars")
            .and_then(|vars| vars.get("x"))
            .and_then(|x| x.as_str().map(str::to_owned));
        assert_eq!(got.as_deref(), Some(expected), "{value}");
    }
    hold_in(
        &[
            (
                "4.8 an attribute without a value refuses the input",
                &nodes.replace("VALUE", "{get_attribute: [n, ctxt_log]}"),
                &["refused", "has no value"],
            ),
            (
                "4.8 get_operation_output is refused clearly",
                &nodes.replace("VALUE", "{get_operation_output: [SELF, Standard, create, x]}"),
                &["refused", "T0307"],
            ),
            (
                "4.8 an index on a plain Compute is refused",
                &nodes.replace("VALUE", "{get_attribute: [plain, public_address, 0]}"),
                &["refused", "T0305"],
            ),
        ],
        &typed,
    );
}
