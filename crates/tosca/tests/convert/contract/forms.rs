//! What may be left out or written otherwise, and what is told of what may not.

use super::{ONE, hold, hold_in};
use crate::rules::case;

/// What a user may leave out or write otherwise, and how wrong forms are told.
#[test]
fn forms() {
    let node = |members: &str| {
        format!(
            "node_templates:\n  n:\n    type: tosca.nodes.indigo.Compute\n{members}  v: {{type: tosca.nodes.BlockStorage, properties: {{size: 1 GB}}}}\n"
        )
    };
    let cases: Vec<(&str, String, &[&str])> = vec![
        ("nulls where maps may be", node("    properties:\n    capabilities:\n    requirements:\n    interfaces:\n    artifacts:\n    attributes:\n    metadata:\n    description:\n"), &["!refused", "!T0", "system n"]),
        ("null capabilities", node("    capabilities: {host: , os: {properties: }, scalable: {properties: {}}, endpoint: ~}\n"), &["!refused", "deploy n 1"]),
        ("null topology members", "inputs:\nnode_templates:\n  n: {type: Compute}\noutputs:\ngroups:\npolicies:\nrelationship_templates:\nsubstitution_mappings:\n".to_owned(), &["deploy n 1"]),
        ("requirements as a mapping", node("    requirements: {local_storage: v}\n"), &["refused", "Line 10", "begin each of them with `- `"]),
        ("capabilities as a list", node("    capabilities: [host: {properties: {num_cpus: 1}}]\n"), &["refused", "`capabilities` of `n` must be a mapping", "Line 10"]),
        ("artifacts as a list", node("    artifacts: [r: {file: x.y, type: tosca.artifacts.AnsibleGalaxy.role}]\n"), &["ansible.roles.x.y", "!refused"]),
        ("artifacts that are nothing", node("    artifacts: [x]\n"), &["refused", "each of `artifacts` must be a name with a value"]),
        ("an artifact in its short form", node("    artifacts: {r: x.yml}\n    interfaces: {Standard: {configure: {implementation: r}}}\n").replace("x.yml", "'http://files/one.yml'"), &["configure n_conf"]),
        ("an integer where text is meant", node("    properties: {instance_name: 5}\n"), &["instance_name = '5'"]),
        ("a tag that is no text", node("    properties: {tags: {a: 5}}\n"), &["refused", "must be text (put it between quotes)"]),
        ("booleans of YAML 1.1", node("    capabilities: {endpoint: {properties: {private_ip: Off, network_name: PUBLIC}}}\n"), &["!private_net"]),
        ("booleans as text", node("    capabilities: {endpoint: {properties: {private_ip: 'False', network_name: PUBLIC}}}\n"), &["!private_net"]),
        ("a boolean that is none", node("    capabilities: {endpoint: {properties: {private_ip: 'no way'}}}\n"), &["refused", "must be true or false"]),
        ("numbers between quotes", node("    capabilities: {host: {properties: {num_cpus: '4', num_gpus: '1'}}}\n"), &["cpu.count >= 4", "gpu.count >= 1"]),
        ("a number that is none", node("    capabilities: {host: {properties: {num_cpus: four}}}\n"), &["refused", "must be an integer"]),
        ("a node without a type", "node_templates: {n: {}}\n".to_owned(), &["refused", "has no `type`"]),
        ("a node that is nothing", "node_templates: {n: ~}\n".to_owned(), &["refused"]),
        ("a node that is text", "node_templates: {n: tosca.nodes.Compute}\n".to_owned(), &["refused", "must be a mapping"]),
        ("a property that is misspelt", node("    properties: {instance_nam: a}\n"), &["refused", "did you mean `instance_name`"]),
        ("a type that is misspelt", "node_templates: {n: {type: tosca.nodes.indigo.Computer}}\n".to_owned(), &["refused", "did you mean `tosca.nodes.indigo.Compute`"]),
        ("an input in its short form", "inputs: {a: 5}\nnode_templates: {n: {type: Compute}}\n".to_owned(), &["refused", "the input `a` must be a mapping with a `type`"]),
        ("an output in its short form", "node_templates: {n: {type: Compute}}\noutputs: {a: {get_attribute: [n, public_address]}}\n".to_owned(), &["refused"]),
        ("a property one level too high", node("    capabilities: {host: {num_cpus: 2}}\n    instance_name: a\n"), &["refused", "Line 10: unknown field `num_cpus` in a capability [it is a property: write it below `properties`]", "Line 11: unknown field `instance_name` in a node [it is a property: write it below `properties`]"]),
        ("a relationship that is misspelt", node("    requirements: [local_storage: {node: v, relationship: {type: AttachTo}}]\n"), &["refused", "did you mean `tosca.relationships.AttachesTo`"]),
        ("ports as a list", node("    capabilities: {endpoint: {properties: {ports: [{source: 22}]}}}\n"), &["refused", "must be a mapping: give each of them a name"]),
        ("an attribute that is not there", format!("{}outputs: {{o: {{value: {{get_attribute: [n, ip]}}}}}}\n", node("")), &["refused", "there are: ", "public_address"]),
        ("node names of all kinds", "node_templates:\n  1st: {type: Compute}\n  a b: {type: Compute}\n  ñ: {type: Compute}\n  2: {type: Compute}\n  yes: {type: Compute}\n".to_owned(), &["!refused", "system _1st", "system a_b", "system _ñ", "system _2"]),
    ];
    hold(&cases);
}

/// Whole documents that are written otherwise than most are.
#[test]
fn writings() {
    const HEAD: &str = "tosca_definitions_version: tosca_simple_yaml_1_0\n";
    const TYPES: &str = "https://raw.githubusercontent.com/grycap/tosca/main/custom_types.yaml";
    const BODY: &str = "topology_template:\n  node_templates:\n    n: {type: tosca.nodes.indigo.Compute}\n";
    let imports = |imports: &str| format!("{HEAD}{imports}\n{BODY}").replace("TYPES", TYPES);
    let cases: Vec<(&str, String, &[&str])> = vec![
        ("4.4 a text", imports("imports: [TYPES]"), &["deploy n 1"]),
        ("4.4 a name", imports("imports: [{a: TYPES}]"), &["deploy n 1"]),
        ("4.4 names in one mapping", imports("imports: [{a: TYPES, b: 'https://raw.githubusercontent.com/indigo-dc/tosca-types/master/custom_types.yaml'}]"), &["deploy n 1"]),
        ("4.4 a mapping", imports("imports: {a: TYPES}"), &["deploy n 1", "T0902"]),
        ("4.4 a file", imports("imports: [{file: TYPES}, {file: TYPES}]"), &["deploy n 1"]),
        ("4.4 a name with a file", imports("imports: [{a: {file: TYPES}}]"), &["deploy n 1"]),
        ("4.4 a repository", imports("repositories: {r: 'https://raw.githubusercontent.com/grycap/tosca/main/'}\nimports: [{a: {file: custom_types.yaml, repository: r}}]"), &["deploy n 1"]),
        ("4.4 a prefix", imports("imports: [{a: {file: TYPES, namespace_prefix: g}}]").replace("tosca.nodes.indigo", "g.tosca.nodes.indigo"), &["deploy n 1"]),
        ("4.4 a text instead of a list", imports("imports: TYPES"), &["refused", "`imports` must be a list"]),
        ("4.4 relative", imports("imports: [custom_types.yaml]"), &["refused", "it is relative"]),
        ("4.4 none", imports("imports: ~"), &["refused", "T0201"]),
        ("4.3 the version as it is often misspelt", imports("imports: [TYPES]").replace("yaml_1_0", "yaml_1_1"), &["refused", "T0101"]),
        ("4.1 a byte order mark", format!("\u{feff}{}", imports("imports: [TYPES]")), &["deploy n 1", "!refused"]),
        ("4.1 lines of Windows", imports("imports: [TYPES]").replace('\n', "\r\n"), &["deploy n 1", "!refused"]),
        ("4.1 a document mark and comments", format!("---\n# first\n{}# last\n...\n", imports("imports: [TYPES] # why")), &["deploy n 1"]),
        ("4.1 two documents", format!("{}---\na: b\n", imports("imports: [TYPES]")), &["refused"]),
        ("4.1 a tab", imports("imports: [TYPES]").replace("  node_templates", "\tnode_templates"), &["refused", "Line ", "T0001"]),
        ("4.1 a template without quotes", imports("imports: [TYPES]").replace("n: {type: tosca.nodes.indigo.Compute}", "n: {type: tosca.nodes.indigo.Compute, properties: {instance_name: {{ x }}}}"), &["refused", "T0001"]),
        ("4.1 anchors and merges", imports("imports: [TYPES]\ndsl_definitions:\n  a: &a {num_cpus: 2}\n  b: &b {<<: *a, mem_size: 1 GB}").replace("Compute}", "Compute, capabilities: {host: {properties: *b}}}"), &["cpu.count >= 2", "memory.size >= 1000000000B"]),
        ("4.1 a function in a flow list", imports("imports: [TYPES]").replace("Compute}", "Compute, properties: {instance_name: {concat: [ a, get_property: [ SELF, tags, x ], b ]}, tags: {x: y}}}"), &["instance_name = 'ayb'"]),
        ("4.1 the same key twice", imports("imports: [TYPES]").replace("Compute}", "Compute, properties: {instance_name: a, instance_name: b}}"), &["instance_name = 'b'", "T0901"]),
        ("4.3 two lines of description", imports("imports: [TYPES]\ndescription: >\n  one\n\n  two: three\nmetadata: {1: 2, a: [b], infra_name: ~}"), &["deploy n 1", "!description"]),
        ("4.3 what does not exist", imports("imports: [TYPES]\nworkflows: {}"), &["refused", "T0102"]),
        ("an empty file", String::new(), &["refused", "it is empty"]),
        ("only comments", "# nothing\n".to_owned(), &["refused", "it is empty"]),
        ("members of the topology at the top", format!("{HEAD}node_templates: {{}}\n"), &["refused", "[write it below `topology_template`]"]),
        ("no TOSCA at all", "hello".to_owned(), &["refused", "a TOSCA document is a mapping"]),
        ("RADL", "network n ()\nsystem s ()\n".to_owned(), &["refused"]),
    ];
    hold_in(&cases, &|text| text.to_owned());
    // The helper of the other tests takes members of a topology.
    assert!(case(ONE).is_ok());
}
