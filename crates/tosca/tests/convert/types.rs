//! Every node type of the built-in files by itself: a node of it, with a value for each of its properties and nodes for
//! each of its requirements, is converted.

use crate::support::{Case, told};
use im_tosca::{
    Embedded, Files,
    types::{ConstraintKind, PropertyDefinition, TypeKind, TypeLibrary},
    yaml,
};
use std::fmt::Write as _;

/// A value of a type, as YAML writes it in one line. None where nothing defines the type.
fn value(types: &TypeLibrary, of: &PropertyDefinition) -> Option<String> {
    let operand = |kind: ConstraintKind| {
        of.constraints
            .iter()
            .find(|one| one.kind == kind)
            .map(|one| &one.operand)
    };
    if let Some(first) = operand(ConstraintKind::ValidValues).and_then(|values| values.as_seq()?.first()) {
        return Some(yaml::dump(first).trim().to_owned());
    }
    if let Some(equal) = operand(ConstraintKind::Equal) {
        return Some(yaml::dump(equal).trim().to_owned());
    }
    Some(
        match &*of.type_name {
            "string" | "timestamp" => "'some text'",
            "integer" | "number" => "1",
            "float" => "1.5",
            "boolean" => "true",
            "version" => "'1.0'",
            "range" => "[1, 2]",
            "list" => "[]",
            "map" => "{}",
            "scalar-unit.size" => "1 GB",
            "scalar-unit.frequency" => "1 GHz",
            "scalar-unit.time" => "1 m",
            name => {
                let flat = types.flat(TypeKind::Data, name)?;
                if flat.properties.is_empty() {
                    return Some(if flat.base.is_some() { "1" } else { "{}" }.to_owned());
                }
                if name.ends_with("Credential") {
                    return Some("{user: u, token: t}".to_owned());
                }
                let mut members = String::new();
                for (name, member) in flat
                    .properties
                    .iter()
                    .filter(|(_, member)| member.required && member.default.is_none())
                {
                    let _ = write!(members, "{name}: {}, ", value(types, member)?);
                }
                return Some(format!("{{{members}}}"));
            }
        }
        .to_owned(),
    )
}

struct Nodes<'a> {
    types: &'a TypeLibrary,
    text: String,
    count: usize,
}

impl Nodes<'_> {
    /// Batch systems in general say nothing of themselves: one of them.
    fn concrete(&self, kind: &str) -> String {
        let below = format!("{kind}.");
        let mut known = self.types.names(TypeKind::Node).filter(|name| name.starts_with(&below));
        if !kind.ends_with(".LRMS.FrontEnd") {
            return kind.to_owned();
        }
        known
            .find(|name| !name.ends_with("Slurm"))
            .map_or(kind.to_owned(), ToString::to_string)
    }

    /// Adds a node with all it needs; answers its name.
    fn add(&mut self, kind: &str, depth: usize) -> Option<String> {
        self.count += 1;
        let name = format!("n{}", self.count);
        if depth > 6 {
            return None;
        }
        let flat = self.types.flat(TypeKind::Node, kind)?;
        let mut properties = String::new();
        for (name, property) in flat
            .properties
            .iter()
            .filter(|(_, property)| property.default.is_none())
        {
            if name.as_ref() == "memory" {
                properties.push_str("memory: 512 MB, ");
                continue;
            }
            match value(self.types, property) {
                Some(value) => {
                    let _ = write!(properties, "'{name}': {value}, ");
                }
                None if property.required => {
                    let _ = write!(properties, "'{name}': {{get_input: none}}, ");
                }
                None => {}
            }
        }
        let mut requirements = String::new();
        let mut met: Vec<&str> = Vec::new();
        for requirement in flat.requirements.iter().filter(|one| one.least > 0) {
            if met.contains(&&*requirement.name) {
                continue;
            }
            met.push(&requirement.name);
            let target = match requirement.node.as_deref() {
                None | Some("tosca.nodes.Compute" | "tosca.nodes.Root") => "tosca.nodes.indigo.Compute",
                Some(other) => other,
            };
            let target = self.concrete(target);
            let target = self.add(&target, depth + 1)?;
            let _ = write!(requirements, "{{{}: {target}}}, ", requirement.name);
        }
        let is_a = |ancestor: &str| self.types.is_a(TypeKind::Node, kind, ancestor);
        let more = if is_a("tosca.nodes.Container.Application") {
            ", artifacts: {i: {file: x, type: tosca.artifacts.Deployment.Image.Container.Docker}}"
        } else if is_a("tosca.nodes.StorageSystem") {
            ", capabilities: {remote_storage: {properties: {endpoint: e, credentials: {token: t}, path: p, type: s3}}}"
        } else {
            ""
        };
        let _ = writeln!(
            self.text,
            "    {name}: {{type: {kind}, properties: {{{properties}}}, requirements: [{requirements}]{more}}}"
        );
        Some(name)
    }
}

/// Types that cannot stand like this, and why.
const KNOWN: [(&str, &str); 2] = [
    ("tosca.nodes.eosc.dts.Dataset", "its relationship needs a property"),
    (
        "tosca.nodes.indigo.AnsibleRecipe",
        "in one file nothing defines what it derives from",
    ),
];

#[test]
fn each_by_itself() {
    // Recipes that do nothing.
    let stand_in = |_: &str| Ok("- tasks: []\n".to_owned());
    let mut wrong = Vec::new();
    let mut seen = 0;
    for url in im_tosca::library::addresses() {
        let head = format!(
            "tosca_definitions_version: tosca_simple_yaml_1_0\nimports: ['{url}']\ntopology_template:\n  inputs: {{none: {{type: string, default: some text}}}}\n  node_templates:\n    wn_node: {{type: tosca.nodes.indigo.LRMS.WorkerNode, properties: {{front_end_ip: x}}, requirements: [host: wn]}}\n    wn: {{type: tosca.nodes.indigo.Compute}}\n"
        );
        let files = Files::new(Embedded::Prefer);
        let empty = format!("{head}    n: {{type: tosca.nodes.Compute}}\n");
        let types = Case::load(&empty, files.clone(), &stand_in)
            .unwrap_or_else(|e| panic!("{url}: {e}"))
            .template
            .types;
        let names: Vec<String> = types.names(TypeKind::Node).map(ToString::to_string).collect();
        for name in names
            .iter()
            .filter(|name| KNOWN.iter().all(|(known, _)| known != *name))
        {
            let mut nodes = Nodes {
                types: &types,
                text: String::new(),
                count: 0,
            };
            if nodes.add(name, 0).is_none() {
                wrong.push(format!("{url}: {name} needs what nothing defines"));
                continue;
            }
            let text = format!("{head}{}", nodes.text);
            seen += 1;
            let mut case = match Case::load(&text, files.clone(), &stand_in) {
                Ok(case) => case,
                Err(error) => {
                    wrong.push(format!("{name}: {error}\n{}", nodes.text));
                    continue;
                }
            };
            let converted = case.convert(None, &stand_in);
            let errors: Vec<String> = converted
                .diagnostics
                .iter()
                .filter(|d| d.is_error())
                .map(told)
                .collect();
            match converted.document {
                Some(document) => {
                    if let Some(error) = im_radl::first_error(&im_radl::check(&document)) {
                        wrong.push(format!("{name}: check: {error}\n{}", nodes.text));
                    }
                }
                None => wrong.push(format!("{name}: {}\n{}", errors.join("\n"), nodes.text)),
            }
        }
    }
    assert!(seen > 300, "{seen}");
    assert!(wrong.is_empty(), "{} of {seen}\n{}", wrong.len(), wrong.join("\n"));
}
