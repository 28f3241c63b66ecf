//! The built-in types say the same as the files that documents import, type by type, where those lie beside the
//! repository.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod support;

use im_tosca::{
    Embedded, Files, LoadOptions, Mapping, Node, Template,
    types::{Constraint, Definitions, Interfaces, PropertyDefinition, TypeDefinition, TypeKind},
    yaml,
};
use std::{fmt::Write as _, fs, sync::Arc};

fn value(node: &Node) -> String {
    format!("{:?}", yaml::dump(node))
}

fn inputs(map: &Mapping) -> String {
    let all: Vec<String> = map
        .iter()
        .map(|(name, node)| format!("{name}={}", value(node)))
        .collect();
    all.join(" ")
}

fn constraints(all: &[Constraint]) -> String {
    let all: Vec<String> = all
        .iter()
        .map(|one| format!("{:?} {}", one.kind, value(&one.operand)))
        .collect();
    all.join(" ")
}

fn property(one: &PropertyDefinition) -> String {
    let default = one.default.as_ref().map(value).unwrap_or_default();
    let entry = one.entry.as_deref().map(property).unwrap_or_default();
    format!(
        "{} required {} default {default} [{entry}] {}",
        one.type_name,
        one.required,
        constraints(&one.constraints)
    )
}

fn properties(out: &mut String, what: &str, all: &Definitions) {
    for (name, one) in all {
        let _ = writeln!(out, "  {what} {name}: {}", property(one));
    }
}

fn interfaces(out: &mut String, what: &str, all: &Interfaces) {
    for (name, interface) in all {
        let _ = writeln!(
            out,
            "  {what} {name}: {:?} {}",
            interface.type_name,
            inputs(&interface.inputs)
        );
        for (name, operation) in &interface.operations {
            let implementation = operation.implementation.as_ref().map(value).unwrap_or_default();
            let _ = writeln!(out, "    {name}: {implementation} {}", inputs(&operation.inputs));
        }
    }
}

/// What a type says, but for prose.
fn facts(of: &TypeDefinition) -> String {
    let mut out = format!("{:?} {} < {:?}\n", of.kind, of.name, of.derived_from);
    let _ = writeln!(out, "  base {:?} {}", of.base, constraints(&of.constraints));
    properties(&mut out, "property", &of.properties);
    properties(&mut out, "attribute", &of.attributes);
    for (name, capability) in &of.capabilities {
        let _ = writeln!(out, "  capability {name}: {}", capability.type_name);
        properties(&mut out, "  its", &capability.properties);
    }
    for one in &of.requirements {
        let _ = writeln!(
            out,
            "  requirement {}: {:?} {:?} {:?} {} {:?}",
            one.name, one.capability, one.node, one.relationship, one.least, one.most
        );
        interfaces(&mut out, "  its", &one.interfaces);
    }
    interfaces(&mut out, "interface", &of.interfaces);
    for (name, one) in &of.artifacts {
        let _ = writeln!(
            out,
            "  artifact {name}: {} {} {:?} {:?} {}",
            one.type_name,
            value(&one.file),
            one.repository,
            one.deploy_path.as_ref().map(value),
            inputs(&one.properties)
        );
    }
    let mut operations: Vec<&str> = of.operations.iter().map(|name| &**name).collect();
    operations.sort_unstable();
    let _ = writeln!(out, "  operations {operations:?}");
    out
}

/// A document that imports one file.
fn importing(url: &str, embedded: Embedded, text: Option<&str>) -> Template {
    let document = format!(
        "tosca_definitions_version: tosca_simple_yaml_1_0\nimports: ['{url}']\ntopology_template: {{node_templates: {{n: {{type: tosca.nodes.Compute}}}}}}\n"
    );
    let fetch = |_: &str| text.map(str::to_owned).ok_or_else(|| Arc::from("not here"));
    let loaded = support::load_with(&document, &mut Files::new(embedded), &LoadOptions::default(), &fetch);
    let found = format!("{:?}", loaded.diagnostics);
    loaded.template.unwrap_or_else(|| panic!("{url}: {found}"))
}

/// Types of which the built-in ones take more: credentials of connections, ports of `icmp`.
const MORE: [&str; 2] = ["tosca.relationships.ConnectsTo", "tosca.datatypes.network.PortSpec"];

fn differences(url: &str, published: &Template, built_in: &Template) -> Vec<String> {
    let mut all = Vec::new();
    for kind in TypeKind::ALL {
        let names: std::collections::BTreeSet<&Arc<str>> =
            published.types.names(kind).chain(built_in.types.names(kind)).collect();
        for name in names {
            let told = |template: &Template| template.types.get(kind, name).map(|made| facts(made));
            let (theirs, ours) = (told(published), told(built_in));
            if theirs != ours && !MORE.contains(&&**name) {
                all.push(format!(
                    "{url}: published\n{}built in\n{}",
                    theirs.unwrap_or_default(),
                    ours.unwrap_or_default()
                ));
            }
        }
    }
    all
}

#[test]
fn built_in_files_say_what_the_published_ones_say() {
    let Some(folder) = support::folder() else {
        println!("not run: the documents are not beside the repository");
        return;
    };
    let types = folder.join("tosca").join("types");
    let raw = "https://raw.githubusercontent.com/";
    let mut wrong = Vec::new();
    for (url, file) in [
        ("grycap/tosca/main/custom_types.yaml", "grycap-main.custom_types.yaml"),
        (
            "grycap/ec3/tosca/tosca/custom_types.yaml",
            "ec3-tosca-branch.custom_types.yaml",
        ),
        (
            "indigo-dc/tosca-types/master/custom_types.yaml",
            "indigo-master.custom_types.yaml",
        ),
        (
            "indigo-dc/tosca-types/devel/custom_types.yaml",
            "indigo-devel.custom_types.yaml",
        ),
        (
            "indigo-dc/tosca-types/v4.0.0/custom_types.yaml",
            "indigo-v4.0.0.custom_types.yaml",
        ),
    ] {
        let url = format!("{raw}{url}");
        let text = fs::read_to_string(types.join(file)).unwrap();
        let published = importing(&url, Embedded::Never, Some(&text));
        let built_in = importing(&url, Embedded::Prefer, None);
        wrong.extend(differences(&url, &published, &built_in));
    }
    for (text, file) in [
        (im_tosca::library::normative(), "normative-1.0.definition.yaml"),
        (im_tosca::library::mec(), "mec-1.0.definition.yaml"),
        (im_tosca::library::nfv(), "nfv-1.0.definition.yaml"),
    ] {
        let url = format!("https://example.org/{file}");
        let theirs = fs::read_to_string(types.join(file)).unwrap();
        let published = importing(&url, Embedded::Never, Some(&theirs));
        let built_in = importing(&url, Embedded::Never, Some(text));
        wrong.extend(differences(&url, &published, &built_in));
    }
    assert!(wrong.is_empty(), "{} differ\n{}", wrong.len(), wrong.join("\n"));
}
