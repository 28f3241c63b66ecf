//! What a document may have, and what its imports may be.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use im_tosca::{Embedded, Files, LoadOptions, Loaded, Node};
use std::sync::Arc;
use support::{load_text, load_with};

fn codes(loaded: &Loaded) -> Vec<&str> {
    loaded.diagnostics.iter().map(|found| found.code.as_ref()).collect()
}

/// A document with a head, and with what the table has after it.
fn document(body: &str) -> String {
    format!("tosca_definitions_version: tosca_simple_yaml_1_0\n{body}")
}

const NODE: &str = "topology_template:\n  node_templates:\n    server: {type: tosca.nodes.Compute}\n";

#[test]
fn top_and_topology() {
    let table: &[(&str, &[&str])] = &[
        ("", &["T0902"]),
        ("topology_template:\n", &["T0902"]),
        (NODE, &[]),
        ("metadata: {infra_name: x}\ntopology_template: {inputs: }\n", &[]),
        ("meta: {a: b}\ntopology_template: {outputs: {}}\n", &["T0902"]),
        ("metadatas: {a: b}\ntopology_template: {outputs: {}}\n", &["T0102"]),
        ("topology_template: {node_template: {}}\n", &["T0102"]),
        ("topology_template: {node_templates: []}\n", &["T0103"]),
        ("topology_template: {policies: {a: b}}\n", &["T0103"]),
        ("topology_template: {policies: [a]}\n", &["T0103"]),
        ("topology_template: {inputs: {a: 5}}\n", &["T0103"]),
        ("topology_template: {inputs: {a: {default: 5}}}\n", &["T0203"]),
        (
            "topology_template: {inputs: {a: {type: integer, defualt: 5}}}\n",
            &["T0102"],
        ),
        (
            "topology_template: {inputs: {a: {type: integer, default: x}}}\n",
            &["T0206"],
        ),
        ("topology_template: {inputs: {a: {type: integer, default: 0}}}\n", &[]),
        (
            "topology_template: {inputs: {a: {type: list, entry_schema: {type: integer}, default: [x]}}}\n",
            &[],
        ),
        ("topology_template: {inputs: {a: {type: map, default: []}}}\n", &[]),
        ("topology_template: {inputs: {a: {type: strin}}}\n", &["T0201"]),
        (
            "topology_template: {inputs: {a: {type: string, constraints: [sense: none]}}}\n",
            &["T0203"],
        ),
        (
            "topology_template: {inputs: {a: {type: string, default: 22.04}}}\n",
            &["T0902"],
        ),
        (
            "topology_template: {inputs: {a: {type: tosca.datatypes.Credential}}}\n",
            &["T0902"],
        ),
        ("topology_template: {outputs: {a: {description: x}}}\n", &["T0104"]),
        (
            "topology_template: {outputs: {a: {value: x, type: string}}}\n",
            &["T0102"],
        ),
        (
            "repositories: {a: https://h, b: {url: https://h}}\ntopology_template: {outputs: {}}\n",
            &[],
        ),
        (
            "repositories: {b: {url: h}}\ntopology_template: {outputs: {o: {value: 1}}}\n",
            &["T0108"],
        ),
        (
            "topology_template: {substitution_mappings: {node_type: tosca.nodes.Compute}}\n",
            &[],
        ),
        (
            "topology_template: {substitution_mappings: {node_typ: tosca.nodes.Compute}}\n",
            &["T0218", "T0102"],
        ),
    ];
    for (body, expected) in table {
        let loaded = load_text(&document(body));
        let mut found: Vec<&str> = codes(&loaded);
        // An empty topology is remarked wherever the table has one.
        if !expected.contains(&"T0902") {
            found.retain(|code| *code != "T0902");
        }
        assert_eq!(found, *expected, "{body}: {:?}", loaded.diagnostics);
        let refused = loaded.diagnostics.iter().any(im_radl::Diagnostic::is_error);
        assert_eq!(loaded.is_ok(), !refused, "{body}");
    }
}

#[test]
fn versions() {
    for good in [
        "yaml_1_0",
        "yaml_1_2",
        "yaml_1_3",
        "profile_for_mec_1_0_0",
        "profile_for_nfv_1_0_0",
    ] {
        assert!(
            load_text(&format!("tosca_definitions_version: tosca_simple_{good}\n{NODE}")).is_ok(),
            "{good}"
        );
    }
    for bad in ["tosca_simple_yaml_1_1", "tosca_2_0", "1.0", ""] {
        let loaded = load_text(&format!("tosca_definitions_version: {bad}\n{NODE}"));
        assert_eq!(codes(&loaded), ["T0101"], "{bad}");
    }
    assert_eq!(codes(&load_text(NODE)), ["T0101"]);
    // What one profile adds is not there for others.
    let vdu = "topology_template:\n  node_templates:\n    a: {type: tosca.nodes.nfv.VDU}\n";
    assert!(
        load_text(&format!(
            "tosca_definitions_version: tosca_simple_profile_for_nfv_1_0_0\n{vdu}"
        ))
        .is_ok()
    );
    assert_eq!(codes(&load_text(&document(vdu))), ["T0201"]);
    for bad in ["[a]", "text", "", "- a: b"] {
        assert_eq!(codes(&load_text(bad)), ["T0103"], "{bad}");
    }
}

#[test]
fn every_error_at_once_with_its_place() {
    let text = document(
        "topology_template:\n  node_templates:\n    a:\n      type: tosca.nodes.Compte\n    b:\n      type: tosca.nodes.Compute\n      \
         capabilities: {host: {properties: {num_cpus: two, memsize: 1 GB}}}\n      requirements:\n        - local_storage: disk\n",
    );
    let loaded = load_text(&text);
    let said: Vec<(&str, u32, Option<&str>)> = loaded
        .diagnostics
        .iter()
        .map(|found| (found.code.as_ref(), found.span.unwrap().line, found.hint.as_deref()))
        .collect();
    assert_eq!(said.len(), 4, "{said:?}");
    assert_eq!(said[0], ("T0201", 5, Some("did you mean `tosca.nodes.Compute`?")));
    assert_eq!((said[1].0, said[1].1), ("T0206", 8));
    assert_eq!(said[2], ("T0204", 8, Some("did you mean `mem_size`?")));
    assert_eq!((said[3].0, said[3].1), ("T0212", 10));
}

/// A web of three files.
fn files(url: &str) -> Result<String, Arc<str>> {
    let text = match url {
        "https://h/t/main.yaml" => "imports: [sub/more.yaml]\nnode_types:\n  my.A: {derived_from: my.Base}\n",
        "https://h/t/sub/more.yaml" => {
            "imports:\n  - ../main.yaml\nnode_types:\n  my.Base:\n    derived_from: tosca.nodes.Root\n    properties: {size: {type: integer}}\n"
        }
        "https://h/t/broken.yaml" => "node_types: [\n",
        "https://h/t/key.yaml" => "node_typs: {}\n",
        "https://h/t/text.yaml" => "just text\n",
        "https://h/t/later.yaml" => {
            "node_types:\n  my.Base:\n    derived_from: tosca.nodes.Root\n    properties: {other: {type: integer}}\n"
        }
        "https://h/t/absolute.yaml" => "imports: [/etc/passwd]\n",
        "https://h/t/root.yaml" => "imports: [../../../etc/passwd]\n",
        "https://h/t/required.yaml" => {
            "node_types:\n  my.Bad:\n    derived_from: tosca.nodes.Root\n    properties: {x: {type: string, required: perhaps}}\n"
        }
        _ => return Err(Arc::from("404 Not Found")),
    };
    Ok(text.to_owned())
}

fn imported(imports: &str, node: &str) -> Loaded {
    let text = document(&format!(
        "{imports}topology_template:\n  node_templates:\n    n: {node}\n"
    ));
    load_with(&text, &mut Files::new(Embedded::Never), &LoadOptions::default(), &files)
}

#[test]
fn imports() {
    let good = [
        "imports: [https://h/t/main.yaml]\n",
        "imports:\n  - types: https://h/t/main.yaml\n",
        "imports:\n  - file: https://h/t/main.yaml\n  - file: https://h/t/sub/more.yaml\n",
        "imports:\n  - {file: https://h/t/main.yaml, namespace_uri: x}\n",
        "imports:\n  - types: {file: https://h/t/main.yaml}\n",
        "imports:\n  - {a: https://h/t/main.yaml, b: https://h/t/sub/more.yaml}\n",
        "repositories: {r: https://h/t/}\nimports:\n  - types: {file: main.yaml, repository: r}\n",
    ];
    for imports in good {
        let loaded = imported(imports, "{type: my.A, properties: {size: 5}}");
        assert!(loaded.is_ok(), "{imports}: {:?}", loaded.diagnostics);
    }
    let prefixed = "imports:\n  - types: {file: https://h/t/main.yaml, namespace_prefix: p}\n";
    assert!(imported(prefixed, "{type: p.my.A, properties: {size: 5}}").is_ok());
    assert!(codes(&imported(prefixed, "{type: my.A, properties: {size: 5}}")).contains(&"T0201"));
    // Of two imports the later one wins.
    let both = "imports: [https://h/t/sub/more.yaml, https://h/t/later.yaml]\n";
    assert!(imported(both, "{type: my.Base, properties: {other: 5}}").is_ok());
    // The document's own type wins over an imported one.
    let own = "imports: [https://h/t/main.yaml]\nnode_types:\n  my.Base: {derived_from: tosca.nodes.Root, properties: {mine: {type: integer}}}\n";
    assert!(imported(own, "{type: my.A, properties: {mine: 5}}").is_ok());
    // Types of the document count though the imports define none.
    let own_only = "imports: [https://h/t/key.yaml]\nnode_types:\n  my.Own: {derived_from: tosca.nodes.Root}\n";
    assert_eq!(codes(&imported(own_only, "{type: my.Own}")), ["T0102"]);
}

#[test]
fn imports_that_are_refused() {
    let table: &[(&str, &[&str])] = &[
        ("file:///etc/types.yaml", &["T0107"]),
        ("/etc/types.yaml", &["T0107"]),
        ("C:\\types.yaml", &["T0107"]),
        ("types.yaml", &["T0107"]),
        ("gopher://h/types.yaml", &["T0107"]),
        ("https://h/t/missing.yaml", &["T0106"]),
        ("https://h/t/broken.yaml", &["T0001"]),
        ("https://h/t/text.yaml", &["T0106"]),
        ("https://h/t/absolute.yaml", &["T0107"]),
        ("https://h/t/root.yaml", &["T0107"]),
        ("{a: {repository: r}}", &["T0105"]),
        ("{a: {file: x, repository: r}}", &["T0108"]),
        ("5", &["T0105"]),
        ("{a: [b]}", &["T0105"]),
    ];
    for (import, expected) in table {
        let loaded = imported(&format!("imports:\n  - {import}\n"), "{type: my.A}");
        let mut found = codes(&loaded);
        // Types that were not imported are only news where the import itself could be read.
        if *import == "5" || import.starts_with("{a: [") || import.starts_with("{a: {rep") {
            found.retain(|code| *code != "T0201");
        }
        assert_eq!(found, *expected, "{import}: {:?}", loaded.diagnostics);
        assert!(!loaded.is_ok());
    }
}

#[test]
fn findings_in_imported_files_say_how_one_comes_there() {
    let loaded = imported(
        "imports: [https://h/t/required.yaml]\n",
        "{type: my.Bad, properties: {x: y}}",
    );
    let found = &loaded.diagnostics[0];
    assert_eq!(found.code, "T0203");
    assert_eq!(found.file.as_deref(), Some("https://h/t/required.yaml"));
    assert_eq!(
        (found.span.unwrap().line, found.notes[0].message.as_str()),
        (4, "imported here")
    );
    assert_eq!(
        (found.notes[0].file.as_deref(), found.notes[0].span.unwrap().line),
        (None, 2)
    );
    let shown = loaded.sources.render(found, im_radl::Colours::Off);
    assert!(shown.contains("--> https://h/t/required.yaml:4:"), "{shown}");
    assert!(
        shown.contains("required: perhaps") && shown.contains("--> document.yaml:2:11"),
        "{shown}"
    );
    // A type that is not used is not looked at.
    assert!(imported("imports: [https://h/t/required.yaml]\n", "{type: tosca.nodes.Compute}").is_ok());
}

#[test]
fn imports_are_bounded() {
    let endless = |url: &str| -> Result<String, Arc<str>> {
        let number: usize = url.rsplit('/').next().unwrap().parse().unwrap();
        Ok(format!("imports: [\"{}\", \"{}\"]\n", number * 2 + 1, number * 2 + 2))
    };
    let text = document(&format!("imports: [https://h/0]\n{NODE}"));
    let loaded = load_with(
        &text,
        &mut Files::new(Embedded::Never),
        &LoadOptions::default(),
        &endless,
    );
    assert!(codes(&loaded).contains(&"T0003"), "{:?}", codes(&loaded));
    assert!(!loaded.is_ok());
}

fn whole(text: &str, repository: Option<&str>) -> Loaded {
    let fetch = |url: &str| -> Result<String, Arc<str>> {
        match url {
            "https://h/r/t.yaml" => Ok(document(
                "metadata: {infra_name: theirs}\nimports: [https://h/r/types.yaml]\ntopology_template:\n  inputs:\n    cpus: {type: integer, \
                 default: 2}\n    name: {type: string, default: x}\n    flag: {type: boolean, default: true}\n  node_templates:\n    server:\n      \
                 type: my.Server\n      capabilities: {host: {properties: {num_cpus: {get_input: cpus}}}}\n  groups:\n    g: {type: tosca.groups.Root, \
                 members: [server]}\n  policies:\n    - p: {type: tosca.policies.Placement, properties: {cloud_id: c}, targets: [g]}\n  \
                 outputs:\n    ip: {value: {get_attribute: [server, public_address]}}\n",
            )),
            "https://h/r/types.yaml" => {
                Ok("node_types:\n  my.Server: {derived_from: tosca.nodes.Compute}\n".to_owned())
            }
            _ => Err(Arc::from("404 Not Found")),
        }
    };
    let options = LoadOptions {
        repository: repository.map(Arc::from),
        ..LoadOptions::default()
    };
    load_with(&document(text), &mut Files::new(Embedded::Never), &options, &fetch)
}

#[test]
fn whole_templates() {
    let overrides = "imports:\n  - template_file: t.yaml\ntopology_template:\n  inputs:\n    cpus: 0\n    name: {default: ''}\n    flag: false\n    \
                     more: {type: integer, default: 1}\n  outputs:\n    new: {value: {get_input: more}}\n  policies:\n    - q: {type: \
                     tosca.policies.Placement, properties: {cloud_id: d}, targets: [server]}\n";
    let loaded = whole(overrides, Some("https://h/r/"));
    let template = loaded.template.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics));
    let default = |name: &str| template.inputs[name].default.clone().unwrap().value;
    assert_eq!(default("cpus"), im_tosca::Value::Int(0));
    assert_eq!(default("name"), im_tosca::Value::text(""));
    assert_eq!(default("flag"), im_tosca::Value::Bool(false));
    assert_eq!(default("more"), im_tosca::Value::Int(1));
    assert!(template.nodes["server"].is_a("tosca.nodes.Compute"));
    assert_eq!(
        template.outputs.keys().map(|name| &**name).collect::<Vec<_>>(),
        ["ip", "new"]
    );
    assert_eq!(
        template.policies.iter().map(|p| &*p.name).collect::<Vec<_>>(),
        ["q", "p"]
    );
    assert_eq!(template.groups["g"].members, [Arc::from("server")]);
    assert!(template.metadata.is_empty());
    // What is stored is the document that was sent.
    assert_eq!(template.raw.get("imports").and_then(Node::as_seq).unwrap().len(), 1);
    let url = "imports:\n  - template_file: https://h/r/t.yaml\n";
    assert!(whole(url, None).is_ok());
    assert!(whole(url, Some("https://h/r")).is_ok());
    for (text, repository) in [
        (url, Some("https://h/other")),
        ("imports:\n  - template_file: t.yaml\n", None),
        ("imports:\n  - template_file: ../r/t.yaml\n", Some("https://h/r")),
        ("imports:\n  - template_file: none.yaml\n", Some("https://h/r")),
        ("imports:\n  - template_file: file:///etc/t.yaml\n", None),
        ("imports:\n  - template_file: /etc/t.yaml\n", Some("https://h/r")),
    ] {
        assert_eq!(codes(&whole(text, repository)), ["T0109"], "{text}");
    }
}
