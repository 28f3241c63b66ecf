//! What somebody is told who makes the usual mistakes: one document for each.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used)]

use im_radl::{Colours, check, parse};
use std::fmt::Write as _;

const DOCUMENTS: &[(&str, &str)] = &[
    (
        "double quotes",
        "system a (\n  disk.0.image.url = \"docker://debian:12\" and\n  instance_name = \"my front and more\"\n)\ndeploy a 1\n",
    ),
    ("no quotes", "network net (outbound = yes)\n"),
    ("a smart quote", "network net (outbound = ‘yes’)\n"),
    (
        "a missing and",
        "system a (\n  cpu.count >= 2 and\n  memory.size >= 2g\n  disk.0.os.name = 'linux'\n)\n",
    ),
    (
        "a missing and before the last line",
        "system a (\n  spot = 'no'\n  cpu.count = 1\n)\n",
    ),
    ("a trailing and", "system a (\n  cpu.count >= 2 and\n)\n"),
    (
        "commas instead of and",
        "system a (cpu.count >= 2, memory.size >= 2g)\n",
    ),
    (
        "a missing parenthesis at the end",
        "network net (\n  outbound = 'yes'\n\nsystem a ()\ndeploy a 1\n",
    ),
    ("a parenthesis too many", "system a (cpu.count = 1))\ndeploy a 1\n"),
    (
        "a string without end",
        "system a (\n  instance_name = 'front and\n  cpu.count = 1\n)\ndeploy a 1\n",
    ),
    ("a misspelt sentence", "netwrok net ()\nsystem a ()\ndepoly a 1\n"),
    (
        "a misspelt feature",
        "system a (\n  cpu.cuont >= 2 and\n  net_interface.0.dsn_name = 'x' and\n  disk.0.imge.url = 'docker://x'\n)\n",
    ),
    (
        "a wrong unit",
        "system a (memory.size >= 2 gigabytes and disk.0.size = 10P)\n",
    ),
    ("a percent", "system a (cpu.count >= 50%)\n"),
    ("a fraction of memory", "system a (memory.size >= 1.5g)\n"),
    ("a number in quotes", "system a (cpu.count >= '2')\n"),
    ("two equals signs", "system a (cpu.count == 2)\n"),
    ("a colon", "system a (\n  cpu.count: 2\n)\n"),
    (
        "an unknown network",
        "network public (outbound = 'yes')\nsystem a (net_interface.0.connection = 'pubic')\n",
    ),
    ("an unknown system", "system front ()\ndeploy fornt 1\n"),
    ("a deploy without a number", "system front ()\ndeploy front\n"),
    ("a deploy in words", "system front ()\ndeploy front two\n"),
    (
        "the same system twice",
        "system front (cpu.count = 1)\nnetwork n ()\nsystem front (cpu.count = 2)\n",
    ),
    (
        "a configure without a recipe's end",
        "configure front (\n@begin\n- tasks: []\n)\ndeploy front 1\n",
    ),
    (
        "a template without quotes",
        "configure front (\n@begin\n---\n- hosts: all\n  vars:\n    name: {{ x }}\n@end\n)\n",
    ),
    (
        "a tab in a recipe",
        "configure front (\n@begin\n- tasks:\n\t- debug:\n@end\n)\n",
    ),
    (
        "an item without a configure",
        "system a ()\nconfigure a (\n@begin\n- x\n@end\n)\ncontextualize (\n  system a step 1\n  system a confgure a step 2\n)\n",
    ),
    (
        "a range that is empty",
        "system a (cpu.count >= 8 and cpu.count <= 4)\n",
    ),
    (
        "ports with blanks",
        "network net (outbound = 'yes' and outports = '22, 80/tcp, 443')\n",
    ),
    (
        "an input that nobody replaced",
        "system a (\n  cpu.count >= @input.CPUs@ and\n  instance_name = '@input.Name@'\n)\ndeploy a @input.Nodes@\n",
    ),
    (
        "a disk that is left out",
        "system a (disk.0.size = 10g and disk.2.size = 20g and disk.2.mount_path = '/data')\n",
    ),
    (
        "an interface without a network",
        "network n ()\nsystem a (net_interface.0.dns_name = 'front')\n",
    ),
    (
        "an option after items",
        "system a configure c contextualize (\n  system a configure c\n  option ansible_version = '2'\n)\n",
    ),
    (
        "a weak password",
        "system a (disk.0.os.credentials.new.password = 'secret')\n",
    ),
    (
        "Windows line ends and a wrong value",
        "network net (\r\n  outbound = 'ja'\r\n)\r\n",
    ),
    (
        "another language",
        "tosca_definitions_version: tosca_simple_yaml_1_0\ntopology_template:\n  node_templates: {}\n",
    ),
    ("JSON in single quotes", "[{'class': 'network', 'id': 'n'}]\n"),
    (
        "JSON with a trailing comma",
        "[\n  {\"class\": \"network\", \"id\": \"n\",},\n  {\"class\": \"sytem\", \"id\": \"a\"}\n]\n",
    ),
    (
        "JSON with a wrong member",
        "[{\"class\": \"deploy\", \"system\": \"a\", \"vm_number\": \"1\"},\n {\"class\": \"configure\", \"id\": \"c\"}]\n",
    ),
    ("JSON that is no list", "{\"class\": \"network\", \"id\": \"n\"}\n"),
];

#[test]
fn what_is_told() {
    let mut told = String::new();
    for (mistake, text) in DOCUMENTS {
        let parsed = if text.starts_with('{') {
            im_radl::parse_json(text)
        } else {
            parse(text)
        };
        let mut found = parsed.diagnostics.clone();
        if parsed.is_ok() {
            found.extend(check(&parsed.document));
        }
        assert!(!found.is_empty(), "{mistake}");
        found.sort_by_key(|d| d.span.map_or(u32::MAX, |span| span.start));
        writeln!(told, "=== {mistake}\n").unwrap();
        for finding in found {
            writeln!(told, "{}", finding.render("x.radl", text, Colours::Off)).unwrap();
        }
    }
    insta::assert_snapshot!(told);
}
