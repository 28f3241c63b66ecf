//! Types, values, requirements and functions: tables of what is taken, what it becomes, and what is refused.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use im_radl::Diagnostic;
use im_tosca::{
    Loaded, Node, Template,
    functions::{AttributeQuery, Attributes, Eval, Inputs, NullPart, draw_inputs},
    yaml::python_repr,
};
use std::fmt::Write as _;
use support::load_text;

fn codes(loaded: &Loaded) -> Vec<&str> {
    loaded.diagnostics.iter().map(|found| found.code.as_ref()).collect()
}

fn document(body: &str) -> String {
    format!("tosca_definitions_version: tosca_simple_yaml_1_0\n{body}")
}

/// A node with one property of a type.
fn property(definition: &str, value: &str) -> Loaded {
    load_text(&document(&format!(
        "data_types:\n  my.Point:\n    derived_from: tosca.datatypes.Root\n    properties:\n      x: {{type: integer}}\n      name: {{type: string, \
         required: false}}\n      unit: {{type: string, default: m, required: false}}\n  my.Far: {{derived_from: my.Point, properties: {{far: {{type: \
         boolean, required: false}}}}}}\nnode_types:\n  my.T:\n    derived_from: tosca.nodes.Root\n    properties:\n      p: {definition}\n\
         topology_template:\n  node_templates:\n    n:\n      type: my.T\n      properties: {{p: {value}}}\n"
    )))
}

#[test]
fn coercion() {
    // A type, a value, and what it becomes as Python writes it; or the code of the refusal.
    let table: &[(&str, &str, Result<&str, &str>)] = &[
        ("string", "5", Ok("'5'")),
        ("string", "yes", Ok("'True'")),
        ("string", "20.10", Ok("'20.1'")),
        ("string", "[a, 1]", Ok("\"['a', 1]\"")),
        ("integer", "'5'", Ok("5")),
        ("integer", "5.7", Ok("5")),
        ("integer", "true", Ok("True")),
        ("integer", "five", Err("T0206")),
        ("integer", "[5]", Err("T0206")),
        ("float", "1.5", Ok("1.5")),
        ("float", "1", Ok("1.0")),
        ("float", "'1.5'", Err("T0206")),
        ("number", "1", Ok("1")),
        ("number", "1.5", Ok("1.5")),
        ("number", "'1'", Err("T0206")),
        ("boolean", "'TRUE'", Ok("True")),
        ("boolean", "no", Ok("False")),
        ("boolean", "'yes'", Err("T0206")),
        ("boolean", "1", Err("T0206")),
        ("version", "22.04", Ok("'22.04'")),
        ("version", "20.10", Ok("'20.1'")),
        ("version", "18", Ok("'18.0'")),
        ("version", "1.2.3.rc1-4", Ok("'1.2.3.rc1-4'")),
        ("version", "1.a", Err("T0206")),
        ("version", "bionic", Err("T0206")),
        ("timestamp", "'yesterday'", Ok("'yesterday'")),
        ("timestamp", "5", Err("T0206")),
        ("range", "[1, 4]", Ok("[1, 4]")),
        ("range", "[1, UNBOUNDED]", Ok("[1, 'UNBOUNDED']")),
        ("range", "[4, 1]", Err("T0206")),
        ("range", "[1]", Err("T0206")),
        ("scalar-unit.size", "2 gb", Ok("'2 GB'")),
        ("scalar-unit.size", "2", Err("T0208")),
        ("scalar-unit.time", "5 M", Ok("'5 m'")),
        ("scalar-unit.frequency", "2.4 GHz", Ok("'2.4 GHz'")),
        ("list", "[a, 1]", Ok("['a', 1]")),
        ("list", "a", Err("T0206")),
        ("map", "{a: 1}", Ok("{'a': 1}")),
        ("map", "[a]", Err("T0206")),
        ("my.Point", "{x: '1'}", Ok("{'x': 1, 'unit': 'm'}")),
        ("my.Point", "{x: 1, y: 2}", Err("T0204")),
        ("my.Point", "{name: a}", Err("T0205")),
        ("my.Point", "{x: 1, name: 5}", Err("T0206")),
        ("my.Point", "5", Err("T0206")),
        ("my.Far", "{x: 1, far: true}", Ok("{'x': 1, 'far': True, 'unit': 'm'}")),
        ("PortDef", "80", Ok("80")),
        ("PortDef", "70000", Err("T0207")),
        ("PortSpec", "{protocol: tcp}", Err("T0206")),
        (
            "PortSpec",
            "{protocol: udp, source: 53}",
            Ok("{'protocol': 'udp', 'source': 53}"),
        ),
        ("tosca.datatypes.network.PortSpec", "{protocol: sctp}", Err("T0207")),
        (
            "tosca.datatypes.Credential",
            "{token: secret}",
            Ok("{'token': 'secret', 'token_type': 'password'}"),
        ),
        ("tosca.datatypes.Unknown", "5", Err("T0201")),
        ("integer", "{get_input: missing}", Err("T0302")),
    ];
    for (type_name, value, expected) in table {
        let loaded = property(&format!("{{type: {type_name}}}"), value);
        let errors: Vec<&str> = loaded
            .diagnostics
            .iter()
            .filter(|found| found.is_error())
            .map(|found| found.code.as_ref())
            .collect();
        match (expected, &loaded.template) {
            (Ok(expected), Some(template)) => {
                let got = python_repr(&template.nodes["n"].properties["p"].value);
                assert_eq!(got, *expected, "{type_name} {value}");
            }
            (Err(code), None) => assert_eq!(errors, [*code], "{type_name} {value}"),
            _ => panic!("{type_name} {value}: {:?}", loaded.diagnostics),
        }
    }
}

#[test]
fn entries_and_constraints() {
    let table: &[(&str, &str, bool)] = &[
        ("{type: list, entry_schema: {type: string}}", "[a, b]", true),
        ("{type: list, entry_schema: string}", "[a, 5]", false),
        ("{type: map, entry_schema: {type: integer}}", "{a: '5'}", true),
        (
            "{type: map, entry_schema: {type: my.Point}}",
            "{a: {x: 1}, b: {y: 1}}",
            false,
        ),
        ("{type: integer, constraints: [{in_range: [1, 4]}]}", "4", true),
        ("{type: integer, constraints: [{in_range: [1, 4]}]}", "5", false),
        (
            "{type: integer, constraints: [{in_range: [1, UNBOUNDED]}]}",
            "5000",
            true,
        ),
        ("{type: integer, constraints: [{valid_values: [4, 6]}]}", "'6'", true),
        ("{type: integer, constraints: [{valid_values: [4, 6]}]}", "5", false),
        (
            "{type: integer, constraints: [{greater_than: 1}, {less_than: 3}]}",
            "2",
            true,
        ),
        (
            "{type: integer, constraints: [{greater_than: 1}, {less_than: 3}]}",
            "3",
            false,
        ),
        ("{type: string, constraints: [{equal: a}]}", "b", false),
        ("{type: string, constraints: [{length: 2}]}", "é1", true),
        (
            "{type: string, constraints: [{min_length: 2}, {max_length: 3}]}",
            "abcd",
            false,
        ),
        ("{type: string, constraints: [{pattern: '[a-z]+'}]}", "abc", true),
        ("{type: string, constraints: [{pattern: '[a-z]+'}]}", "abc1", false),
        ("{type: list, constraints: [{max_length: 1}]}", "[a, b]", false),
        (
            "{type: scalar-unit.size, constraints: [{greater_or_equal: 1 GiB}]}",
            "1024 MiB",
            true,
        ),
        (
            "{type: scalar-unit.size, constraints: [{greater_or_equal: 1 GiB}]}",
            "1 GB",
            false,
        ),
        (
            "{type: range, constraints: [{in_range: [1, 65535]}]}",
            "[1, 70000]",
            false,
        ),
        ("{type: integer, default: 3}", "{get_property: [SELF, q]}", false),
    ];
    for (definition, value, accepted) in table {
        let loaded = property(definition, value);
        assert_eq!(
            loaded.is_ok(),
            *accepted,
            "{definition} {value}: {:?}",
            loaded.diagnostics
        );
    }
}

#[test]
fn properties_and_capabilities() {
    let table: &[(&str, &[&str])] = &[
        ("{type: tosca.nodes.BlockStorage}", &["T0205"]),
        ("{type: tosca.nodes.BlockStorage, properties: {size: 1 GB}}", &[]),
        ("{type: tosca:BlockStorage, properties: {size: 1 GB}}", &[]),
        ("{type: BlockStorage, properties: {size: 1 GB}}", &[]),
        ("{type: BlockStorage, properties: {size: 1 kB}}", &["T0207"]),
        (
            "{type: Compute, capabilities: {host: {properties: {num_cpus: '2'}}}}",
            &[],
        ),
        ("{type: Compute, capabilities: {host: }}", &[]),
        ("{type: Compute, capabilities: {host: {}}}", &["T0902"]),
        (
            "{type: Compute, capabilities: {os: {properties: {architecture: {equal: x86_64}}}}}",
            &[],
        ),
        (
            "{type: Compute, capabilities: {host: {properties: {num_cpus: {get_input: x}}}}}",
            &["T0302"],
        ),
        (
            "{type: Compute, interfaces: {Standard: {create: a.yml, start: {implementation: b.yml, inputs: {x: 1}}}}}",
            &[],
        ),
        (
            "{type: Compute, interfaces: {Standard: {operations: {create: a.yml}}}}",
            &[],
        ),
        (
            "{type: Compute, interfaces: {Standard: {create: {inputs: {x: 1}}}}}",
            &[],
        ),
        ("{type: Compute, interfaces: {Configure: {add_target: a.yml}}}", &[]),
        ("{type: Compute, interfaces: {Mine: {create: a.yml}}}", &["T0214"]),
        (
            "{type: Compute, interfaces: {Standard: {create: {implementaton: a.yml}}}}",
            &["T0102"],
        ),
        (
            "{type: Compute, metadata: {a: b}, directives: [x], copy: y, node_filter: {}, attributes: {}}",
            &[],
        ),
        ("{type: tosca.policies.Placement}", &["T0201"]),
        ("{type: 5}", &["T0103"]),
        ("{type: Compute, properties: [a]}", &["T0204"]),
    ];
    for (node, expected) in table {
        let loaded = load_text(&document(&format!(
            "topology_template:\n  node_templates:\n    n: {node}\n"
        )));
        let expected: &[&str] = if node.contains("properties: [a]") {
            &["T0103"]
        } else {
            expected
        };
        assert_eq!(codes(&loaded), expected, "{node}: {:?}", loaded.diagnostics);
    }
    let loaded = load_text(&document(
        "topology_template:\n  node_templates:\n    n: {type: Compute, capabilities: {host: {properties: {num_cpus: '2'}}}}\n",
    ));
    let template = loaded.template.unwrap();
    let node = &template.nodes["n"];
    assert_eq!(
        node.capabilities["host"].properties["num_cpus"].value,
        im_tosca::Value::Int(2)
    );
    // Defaults of a capability's ancestors do not count; those of its own type do.
    assert!(!node.capabilities["endpoint"].properties.contains_key("network_name"));
    assert_eq!(
        node.capabilities["endpoint"].properties["secure"].value,
        im_tosca::Value::Bool(true)
    );
    assert_eq!(&*node.root_type, "tosca.nodes.Compute");
}

const THREE: &str =
    "    server: {type: tosca.nodes.Compute}\n    disk: {type: tosca.nodes.BlockStorage, properties: {size: 1 GB}}\n";

#[test]
fn requirements() {
    // The requirements of a piece of software; the findings; the relationship types in effect.
    let table: &[(&str, &[&str], &[&str])] = &[
        ("[host: server]", &[], &["tosca.relationships.HostedOn"]),
        ("[host: {node: server}]", &[], &["tosca.relationships.HostedOn"]),
        ("[]", &["T0902"], &[]),
        ("[hst: server]", &["T0902", "T0210"], &[]),
        ("[host: serve]", &["T0212"], &[]),
        ("[host: tosca.nodes.Compute]", &["T0212"], &[]),
        (
            "[host: {node: server, nod: x}]",
            &["T0102"],
            &["tosca.relationships.HostedOn"],
        ),
        (
            "[host: server, dependency: disk]",
            &[],
            &["tosca.relationships.HostedOn", "tosca.relationships.DependsOn"],
        ),
        (
            "[host: server, other: {node: disk, relationship: DependsOn}]",
            &[],
            &["tosca.relationships.HostedOn", "tosca.relationships.DependsOn"],
        ),
        (
            "[host: server, other: {node: disk, relationship: {type: tosca.relationships.AttachesTo}}]",
            &["T0902", "T0903"],
            &["tosca.relationships.HostedOn"],
        ),
        (
            "[host: server, other: {node: disk, relationship: mine}]",
            &[],
            &["tosca.relationships.HostedOn", "tosca.relationships.DependsOn"],
        ),
        (
            "[host: server, other: {node: disk, relationship: none}]",
            &["T0903"],
            &["tosca.relationships.HostedOn"],
        ),
        (
            "[host: server, other: {node: disk, relationship: {type: none}}]",
            &["T0201"],
            &["tosca.relationships.HostedOn"],
        ),
        (
            "[host: server, other: {relationship: DependsOn}]",
            &["T0903"],
            &["tosca.relationships.HostedOn"],
        ),
        ("[host: 5]", &["T0103"], &[]),
        ("{host: server}", &["T0103", "T0902"], &[]),
    ];
    for (written, expected, links) in table {
        let loaded = load_text(&document(&format!(
            "topology_template:\n  relationship_templates:\n    mine: {{type: tosca.relationships.DependsOn}}\n  node_templates:\n{THREE}    app:\n      \
             type: tosca.nodes.SoftwareComponent\n      requirements: {written}\n"
        )));
        let mut found = codes(&loaded);
        let mut expected = expected.to_vec();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{written}: {:?}", loaded.diagnostics);
        if let Some(template) = &loaded.template {
            let app = &template.nodes["app"];
            let seen: Vec<&str> = app.links().map(|(_, link)| &*link.type_name).collect();
            assert_eq!(seen, *links, "{written}");
            let hosted = template.hosted_on(&template.nodes["server"]);
            assert_eq!(
                hosted.len(),
                usize::from(links.contains(&"tosca.relationships.HostedOn")),
                "{written}"
            );
        }
    }
}

/// Every attribute is its name, but `state`, which is not known.
struct Named;

impl Attributes for Named {
    fn attribute(&self, query: &AttributeQuery<'_>) -> Result<Option<Node>, Box<Diagnostic>> {
        let path: String = query.path.iter().map(|step| python_repr(&step.value)).collect();
        let capability = query.capability.map(|name| format!("{name}.")).unwrap_or_default();
        let name = format!("{}:{capability}{}{path}", query.node.name, query.name);
        Ok((query.name != "state").then(|| Node::from(im_tosca::Value::text(name))))
    }
}

fn functions(value: &str) -> Loaded {
    load_text(&document(&format!(
        "imports:\n  - https://raw.githubusercontent.com/grycap/tosca/main/custom_types.yaml\nnode_types:\n  my.App:\n    derived_from: \
         tosca.nodes.SoftwareComponent\n    properties:\n      p: {{type: map, required: false}}\n      l: {{type: list, required: false}}\n      unset: {{type: \
         string, required: false}}\n      value: {{type: map, required: false}}\ntopology_template:\n  inputs:\n    size: {{type: integer, default: \
         2}}\n    none: {{type: string}}\n    index: {{type: integer, default: 1}}\n  node_templates:\n    server:\n      type: \
         tosca.nodes.indigo.Compute\n      properties: {{instance_name: front}}\n      capabilities: {{host: {{properties: {{num_cpus: {{get_input: \
         size}}}}}}}}\n    app:\n      type: my.App\n      properties:\n        l: [a, {{get_input: size}}]\n        p: {{token: secret, deep: {{get_property: \
         [SELF, l]}}}}\n        value: {{v: {value}}}\n      requirements: [host: server]\n"
    )))
}

fn evaluated(template: &Template, null: NullPart) -> Result<String, Box<Diagnostic>> {
    let inputs = Inputs::new();
    let app = &template.nodes["app"];
    let eval = Eval::new(template, &inputs, &Named).of_node(app).null_part(null);
    let value = eval.value(app.properties["value"].get("v").unwrap())?;
    Ok(python_repr(&value.value))
}

#[test]
fn functions_give_values() {
    let table: &[(&str, &str)] = &[
        ("{get_input: size}", "2"),
        ("{get_input: [size]}", "2"),
        ("{get_input: none}", "None"),
        ("{get_property: [server, instance_name]}", "'front'"),
        ("{get_property: [HOST, instance_name]}", "'front'"),
        ("{get_property: [server, host, num_cpus]}", "2"),
        ("{get_property: [HOST, host, num_cpus]}", "2"),
        ("{get_property: [SELF, host, num_cpus]}", "2"),
        ("{get_property: [SELF, l, 1]}", "2"),
        ("{get_property: [SELF, l, {get_input: index}]}", "2"),
        ("{get_property: [SELF, l, 7]}", "None"),
        ("{get_property: [SELF, p, deep, 0]}", "'a'"),
        ("{get_property: [SELF, p, token]}", "'secret'"),
        ("{get_property: [app, unset]}", "None"),
        ("{get_attribute: [SELF, tosca_id]}", "'app:tosca_id'"),
        ("{get_attribute: [SELF, unset]}", "None"),
        ("{get_attribute: [HOST, public_address, 0]}", "'server:public_address0'"),
        (
            "{get_attribute: [server, public_address, {get_input: index}]}",
            "'server:public_address1'",
        ),
        (
            "{get_attribute: [server, endpoint, credential, 0]}",
            "'server:endpoint.credential0'",
        ),
        (
            "{get_attribute: [HOST, endpoint, ip_address]}",
            "'server:endpoint.ip_address'",
        ),
        ("{get_attribute: [SELF, state]}", "None"),
        ("{concat: [a, {get_input: size}, true, 1.5]}", "'a2True1.5'"),
        ("{concat: [a, {get_input: none}]}", "'aNone'"),
        ("{concat: [{get_property: [SELF, l]}]}", "\"['a', 2]\""),
        ("{token: ['a:b:c', ':', 1]}", "'b'"),
        ("{token: ['a:b:c', ':', 5]}", "None"),
        ("{token: [{concat: ['a', ':b']}, ':', {get_input: index}]}", "'b'"),
        ("{token: secret}", "{'token': 'secret'}"),
        ("[x, {get_input: size}, {y: {get_input: size}}]", "['x', 2, {'y': 2}]"),
        ("{get_nodes_of_type: x}", "{'get_nodes_of_type': 'x'}"),
        ("{get_input: size, other: 1}", "{'get_input': 'size', 'other': 1}"),
    ];
    for (value, expected) in table {
        let loaded = functions(value);
        let template = loaded
            .template
            .as_ref()
            .unwrap_or_else(|| panic!("{value}: {:?}", loaded.diagnostics));
        let got = evaluated(template, NullPart::Text).unwrap_or_else(|error| panic!("{value}: {error}"));
        assert_eq!(got, *expected, "{value}");
    }
    let loaded = functions("{concat: [a, {get_input: none}]}");
    assert_eq!(evaluated(&loaded.template.unwrap(), NullPart::Null).unwrap(), "None");
}

#[test]
fn functions_that_are_refused() {
    let table: &[(&str, &str)] = &[
        ("{get_input: sise}", "T0302"),
        ("{get_input: [size, 0]}", "T0301"),
        ("{get_property: server}", "T0301"),
        ("{get_property: [serve, x]}", "T0303"),
        ("{get_property: [server, x]}", "T0304"),
        ("{get_property: [server, host, x]}", "T0304"),
        ("{get_property: [SOURCE, x]}", "T0303"),
        ("{get_attribute: [server, x]}", "T0305"),
        ("{get_attribute: [HOST, endpoint, x]}", "T0305"),
        ("{get_attribute: [app, tosca_id, 0]}", "T0305"),
        ("{get_attribute: [server, public_address, first]}", "T0305"),
        ("{concat: []}", "T0301"),
        ("{token: [a, '::', 0]}", "T0301"),
        ("{token: [a, ':']}", "T0301"),
        ("{get_operation_output: [SELF, Standard, create, x]}", "T0307"),
        ("[{a: {concat: [{get_input: sise}]}}]", "T0302"),
    ];
    for (value, expected) in table {
        let loaded = functions(value);
        assert_eq!(codes(&loaded), [*expected], "{value}: {:?}", loaded.diagnostics);
    }
    let output = |value: &str| {
        load_text(&document(&format!(
            "topology_template:\n  node_templates:\n    server: {{type: Compute}}\n  outputs:\n    o: {{value: {value}}}\n"
        )))
    };
    assert!(output("{get_attribute: [server, public_address]}").is_ok());
    for value in ["{get_attribute: [HOST, public_address]}", "{get_property: [SELF, x]}"] {
        assert_eq!(codes(&output(value)), ["T0303"], "{value}");
    }
}

#[test]
fn circles_and_explosions_end() {
    let loaded = functions("{get_property: [SELF, value, v]}");
    let error = evaluated(&loaded.template.unwrap(), NullPart::Text).unwrap_err();
    assert_eq!(error.code, "T0306");
    let mut text = document("topology_template:\n  node_templates:\n");
    for n in 0..60 {
        let next = format!("{{get_property: [n{}, name]}}", n + 1);
        let _ = writeln!(
            text,
            "    n{n}: {{type: tosca.nodes.ObjectStorage, properties: {{name: {{concat: [{next}, {next}]}}}}}}"
        );
    }
    text.push_str("    n60: {type: tosca.nodes.ObjectStorage, properties: {name: bucket}}\n");
    let template = load_text(&text).template.unwrap();
    let inputs = Inputs::new();
    let eval = Eval::new(&template, &inputs, &Named);
    let error = eval.value(&template.nodes["n0"].properties["name"]).unwrap_err();
    assert_eq!(error.code, "T0003");
}

#[test]
fn inputs_are_drawn_once() {
    let template = load_text(&document(
        "topology_template:\n  inputs:\n    a: {type: string, default: random(12)}\n    b: {type: string, default: access_token()}\n    c: {type: \
         string, default: plain}\n",
    ))
    .template
    .unwrap();
    let count = std::cell::Cell::new(0);
    let mut draw = |length: usize| {
        count.set(count.get() + 1);
        "r".repeat(length)
    };
    let drawn = draw_inputs(&template, &Inputs::new(), &mut draw, Some("secret"));
    assert_eq!(drawn.len(), 2);
    assert_eq!(drawn["a"], im_tosca::Value::text("r".repeat(12)));
    assert_eq!(drawn["b"], im_tosca::Value::text("secret"));
    assert_eq!(draw_inputs(&template, &drawn, &mut draw, None), drawn);
    assert_eq!(count.get(), 1);
    assert!(!draw_inputs(&template, &Inputs::new(), &mut draw, None).contains_key("b"));
}
