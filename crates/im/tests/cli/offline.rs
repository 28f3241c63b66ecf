//! Commands that ask nobody: help, completion, check; and words that make no sense.

use crate::run::User;
use insta::assert_snapshot;

const BAD: &str = "\
network net ( outbound = 'perhaps' )
system front (
  cpu.count >= two and
  net_interface.0.connection = 'nowhere'
)
deploy frnt 1
";

#[test]
fn help() {
    let user = User::new();
    assert_snapshot!("help", user.run(&["--help"]));
    assert_snapshot!("help_create", user.run(&["create", "--help"]));
    assert_snapshot!("help_short", user.run(&["log", "-h"]));
}

#[test]
fn words_that_make_no_sense() {
    let user = User::new();
    let told: Vec<String> = [
        &["crate", "x"] as &[&str],
        &["create"],
        &["remove", "id", "one"],
        &["-q", "-v", "list"],
        &["--output", "xml", "list"],
    ]
    .iter()
    .map(|words| user.run(words))
    .collect();
    assert_snapshot!(told.join("\n"));
}

#[test]
fn check_tells_by_its_exit_code() {
    let user = User::new();
    user.file(
        "good.radl",
        "network n ()\nsystem s ( net_interface.0.connection = 'n' )\ndeploy s 1\n",
    );
    user.file("bad.radl", BAD);
    user.file(
        "refers.radl",
        "system s ( net_interface.0.connection = 'n' )\ndeploy t 1\n",
    );
    user.file("bad.json", "[{\"class\": \"network\"}]");
    let head = "tosca_definitions_version: tosca_simple_yaml_1_0\n";
    let types = "imports:\n  - https://raw.githubusercontent.com/grycap/tosca/main/custom_types.yaml\n";
    let node = "topology_template:\n  node_templates:\n    front:\n      type: tosca.nodes.indigo.Compute\n      capabilities:\n        host:\n          properties: {num_cpus: TWO, mem_size: 4 GB}\n";
    user.file("t.yaml", &format!("{head}{types}{}", node.replace("TWO", "2")));
    user.file("bad.yaml", &format!("{head}{types}{}", node.replace("TWO", "two")));
    user.file(
        "far.yaml",
        &format!("{head}imports:\n  - https://example.org/types.yaml\n{node}"),
    );
    let told: Vec<String> = [
        &["check", "good.radl"] as &[&str],
        &["check", "good.radl", "bad.radl", "refers.radl"],
        &["check", "bad.json"],
        &["check", "t.yaml"],
        &["check", "bad.yaml"],
        &["check", "far.yaml"],
        &["check", "missing.radl"],
    ]
    .iter()
    .map(|words| user.run(words))
    .collect();
    assert_snapshot!("check", told.join("\n"));
    assert_snapshot!("check_json", user.run(&["check", "--output", "json", "bad.radl"]));
    assert_snapshot!(
        "check_colours",
        user.run(&["check", "--color", "always", "refers.radl"])
            .replace('\u{1b}', "ESC")
    );
}

#[test]
fn check_reads_standard_input() {
    let user = User::new();
    let mut command = user.command(&["check", "-"]);
    let file = user.file("x", "network n (");
    command.stdin(std::fs::File::open(file).unwrap());
    let output = command.output().unwrap();
    assert_snapshot!(user.tell(&["check", "-"], &output));
}

#[test]
fn check_tells_as_much_as_is_wanted() {
    let user = User::new();
    user.file("many.radl", &"network 1\n".repeat(100));
    let errors = |words: &[&str]| user.run(words).matches("error[R0001]").count();
    assert_eq!(errors(&["check", "many.radl"]), 50);
    assert_eq!(errors(&["check", "--most", "3", "many.radl"]), 3);
    assert_eq!(errors(&["check", "--most", "1000", "many.radl"]), 100);
    assert!(
        user.run(&["check", "--most", "3", "many.radl"])
            .contains("More than 3 errors")
    );
}

#[test]
fn codes_are_explained() {
    let user = User::new();
    let told = [
        user.run(&["explain", "r0107"]),
        user.run(&["explain", "R9999"]),
        user.run(&["explain", "R0107", "-o", "json"]),
    ];
    assert_snapshot!(told.join("\n"));
    assert!(user.run(&["explain"]).contains("R0107"));
}

#[test]
fn other_forms() {
    let user = User::new();
    let file = user.file(
        "a.radl",
        "network n(outbound='yes') # open\nsystem s(cpu.count>=2 and memory.size>=512 M)\n",
    );
    user.file("bad.radl", "network n (");
    let told = [
        user.run(&["convert", "a.radl"]),
        user.run(&["fmt", "--check", "a.radl"]),
        user.run(&["fmt", "a.radl"]),
        user.run(&["fmt", "--check", "a.radl"]),
        std::fs::read_to_string(file).unwrap(),
        user.run(&["convert", "a.radl", "--to", "radl"]),
        user.run(&["fmt", "bad.radl"]),
    ];
    assert_snapshot!(told.join("\n"));
}

#[test]
fn files_are_read_from_folders_that_the_user_names() {
    let user = User::new();
    let map = format!("https://example.org/t/={}", user.home().display());
    user.file(
        "types.yaml",
        "tosca_definitions_version: tosca_simple_yaml_1_0\nnode_types:\n  my.Node:\n    derived_from: tosca.nodes.Compute\n",
    );
    let document = "tosca_definitions_version: tosca_simple_yaml_1_0\nimports:\n  - https://example.org/t/types.yaml\n\
                    topology_template:\n  node_templates:\n    front:\n      type: my.Node\n";
    user.file("a.yaml", document);
    user.file("out.yaml", &document.replace("t/types", "t/%2e%2e%2ftypes"));
    let told = user.run(&["check", "a.yaml"]);
    assert!(told.contains("--map"), "{told}");
    let told = user.run(&["check", "--map", &map, "a.yaml"]);
    assert!(told.contains("accepted"), "{told}");
    let told = user.run(&["plan", "--offline", "--map", &map, "a.yaml"]);
    assert!(told.contains("front"), "{told}");
    let told = user.run(&["convert", "--map", &map, "a.yaml"]);
    assert!(told.contains("system front"), "{told}");
    let told = user.run(&["check", "--map", &map, "out.yaml"]);
    assert!(told.contains("leaves the folder"), "{told}");
    let told = user.run(&["check", "--map", "nonsense", "a.yaml"]);
    assert!(told.contains("is no mirror"), "{told}");
}

#[test]
fn plans() {
    let user = User::new();
    user.file(
        "a.radl",
        "description d (name = 'it')\nnetwork n (outbound = 'yes')\nsystem s (cpu.count >= 2 and net_interface.0.connection = 'n')\n\
         configure s (\n@begin\n- tasks: []\n@end\n)\ndeploy s 2\n",
    );
    user.file("bad.radl", BAD);
    let told = [
        user.run(&["plan", "a.radl"]),
        user.run(&["plan", "a.radl", "-o", "json"]),
        user.run(&["plan", "a.radl", "--graph", "dot"]),
        user.run(&["plan", "bad.radl"]),
        user.run(&["plan", "a.radl", "--graph", "svg", "--against", "x"]),
    ];
    assert_snapshot!(told.join("\n"));
    assert!(user.run(&["plan", "a.radl", "--graph", "svg"]).contains("<svg"));
}

const TOSCA: &str = "tosca_definitions_version: tosca_simple_yaml_1_0
imports: [{t: https://raw.githubusercontent.com/grycap/tosca/main/custom_types.yaml}]
topology_template:
  node_templates:
    front:
      type: tosca.nodes.indigo.Compute
      capabilities:
        endpoint: {properties: {network_name: PUBLIC, ports: {ssh: {source: 22}}}}
        host: {properties: {num_cpus: 2, mem_size: 4 GB}}
    cluster:
      type: tosca.nodes.SoftwareComponent
      interfaces: {Standard: {configure: docker.yml}}
      requirements: [{host: front}]
";

#[test]
fn check_converts_tosca() {
    let user = User::new();
    user.file("t.yaml", TOSCA);
    user.file("ports.yaml", &TOSCA.replace("source: 22", "target_range: [1, 2]"));
    // Only what comes of it is wrong.
    let os = "        os: {properties: {type: bsd}}\n        host: ";
    user.file("os.yaml", &TOSCA.replace("        host: ", os));
    let told = [
        user.run(&["check", "t.yaml"]),
        user.run(&["check", "t.yaml", "-o", "json"]),
        user.run(&["check", "ports.yaml"]),
        user.run(&["check", "os.yaml"]),
        user.run(&["plan", "--offline", "os.yaml"]),
    ];
    assert_snapshot!(told.join("\n"));
}

#[test]
fn tosca_is_planned_without_the_network() {
    let user = User::new();
    user.file("t.yaml", TOSCA);
    user.file("bad.yaml", &TOSCA.replace("source: 22", "target_range: [1, 2]"));
    let told = [
        user.run(&["plan", "--offline", "t.yaml"]),
        user.run(&["plan", "--offline", "bad.yaml"]),
    ];
    assert_snapshot!(told.join("\n"));
}

#[test]
fn tosca_is_converted_with_what_it_fetches() {
    let server = crate::server::Server::start();
    let recipe = "- hosts: all\n  tasks: [{debug: {msg: '{{ who }}'}}]\n";
    server.on(
        "GET /recipe.yml",
        crate::server::Reply::Full(200, "text/plain", recipe.to_owned(), None),
    );
    let user = User::new();
    let document = format!(
        "tosca_definitions_version: tosca_simple_yaml_1_0\ntopology_template:\n  node_templates:\n    n: {{type: tosca.nodes.Compute}}\n    \
         a:\n      type: tosca.nodes.SoftwareComponent\n      interfaces: {{Standard: {{configure: {{implementation: '{}/recipe.yml', inputs: {{who: you}}}}}}}}\n      requirements: [{{host: n}}]\n",
        server.url
    );
    user.file("t.yaml", &document);
    user.file("none.yaml", &document.replace("recipe.yml", "none.yml"));
    let told = [
        user.run(&["convert", "--to", "radl", "t.yaml"]),
        user.run(&["convert", "none.yaml"]).replace(&server.url, "[URL]"),
    ];
    assert_snapshot!(told.join("\n"));
}

#[test]
fn completion_is_made_for_each_shell() {
    let user = User::new();
    for shell in ["bash", "zsh", "fish"] {
        let told = user.run(&["completion", shell]);
        assert!(told.contains("exit: 0") && told.contains("reconfigure"), "{told}");
    }
}

#[cfg(unix)]
#[test]
fn other_names() {
    let user = User::new();
    let link = user.home().join("im_client");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_im"), &link).unwrap();
    user.file("good.radl", "network n ()\n");
    let output = std::process::Command::new(&link)
        .args(["check", "good.radl"])
        .current_dir(user.home())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    let link = user.home().join("im_service");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_im"), &link).unwrap();
    let output = std::process::Command::new(&link).arg("--help").output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("Run the service"));
}
