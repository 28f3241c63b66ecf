//! From the YAML of a file to the definitions of its types.

use super::{
    CapabilityDefinition, Constraint, ConstraintKind, Definitions, InterfaceDefinition, Interfaces, Operation,
    PropertyDefinition, RequirementDefinition, TypeDefinition, TypeKind,
};
use crate::{Mapping, Node, Place, Value, codes, template::Artifact, yaml::python_text};
use im_radl::{Diagnostic, nearest};
use indexmap::IndexMap;
use std::sync::Arc;

/// Every type that a file defines. What is wrong with a type goes to its findings; what is wrong with a whole section
/// is returned.
pub(crate) fn read_types(root: &Mapping) -> (Vec<Arc<TypeDefinition>>, Vec<Diagnostic>) {
    let mut types = Vec::new();
    let mut findings = Vec::new();
    for kind in TypeKind::ALL {
        let Some(section) = root.get(kind.section()) else {
            continue;
        };
        let Some(map) = members(section, kind.section(), &mut findings) else {
            continue;
        };
        for (name, entry) in map.entries() {
            types.push(Arc::new(read_type(kind, name, entry.key_at, &entry.value)));
        }
    }
    (types, findings)
}

/// The members of what must be a mapping or nothing.
fn members<'a>(node: &'a Node, what: &str, findings: &mut Vec<Diagnostic>) -> Option<&'a Mapping> {
    match &node.value {
        Value::Map(map) => Some(map),
        Value::Null => None,
        other => {
            let message = format!("`{what}` must be a mapping, and this is {}", other.kind());
            findings.push(Diagnostic::error(codes::SHAPE, message).at(node.at.span));
            None
        }
    }
}

/// What has names, each with its place: the members of a mapping, or of mappings in a list.
fn named_entries<'a>(node: &'a Node, what: &str, findings: &mut Vec<Diagnostic>) -> Vec<(Arc<str>, Place, &'a Node)> {
    let of = |map: &'a Mapping| {
        map.entries()
            .map(|(name, entry)| (Arc::clone(name), entry.key_at, &entry.value))
    };
    let mut wrong = |what: String, node: &Node| {
        let message = format!("{what}, and this is {}", node.value.kind());
        findings.push(Diagnostic::error(codes::SHAPE, message).at(node.at.span));
    };
    match &node.value {
        Value::Map(map) => of(map).collect(),
        Value::Null => Vec::new(),
        Value::Seq(items) => {
            let mut all = Vec::new();
            for item in items {
                match &item.value {
                    Value::Map(map) => all.extend(of(map)),
                    _ => wrong(format!("each of `{what}` must be a name with a value"), item),
                }
            }
            all
        }
        _ => {
            wrong(
                format!("`{what}` must be a list of names with values, or a mapping"),
                node,
            );
            Vec::new()
        }
    }
}

fn fields(kind: TypeKind) -> &'static [&'static str] {
    match kind {
        TypeKind::Node => &[
            "derived_from",
            "metadata",
            "properties",
            "version",
            "description",
            "attributes",
            "requirements",
            "capabilities",
            "interfaces",
            "artifacts",
        ],
        TypeKind::Relationship => &[
            "derived_from",
            "metadata",
            "properties",
            "version",
            "description",
            "attributes",
            "interfaces",
            "valid_target_types",
            "valid_source_types",
        ],
        TypeKind::Capability => &[
            "derived_from",
            "metadata",
            "properties",
            "version",
            "description",
            "attributes",
            "valid_source_types",
        ],
        TypeKind::Artifact => &[
            "derived_from",
            "metadata",
            "properties",
            "version",
            "description",
            "mime_type",
            "file_ext",
        ],
        TypeKind::Data => &[
            "derived_from",
            "metadata",
            "properties",
            "version",
            "description",
            "type",
            "constraints",
            "key_schema",
            "entry_schema",
        ],
        // Operations stand beside these.
        TypeKind::Interface => &[],
        TypeKind::Policy => &[
            "derived_from",
            "metadata",
            "properties",
            "version",
            "description",
            "targets",
            "triggers",
        ],
        TypeKind::Group => &[
            "derived_from",
            "metadata",
            "properties",
            "version",
            "description",
            "attributes",
            "members",
            "interfaces",
            "targets",
            "capabilities",
            "requirements",
        ],
    }
}

fn read_type(kind: TypeKind, name: &Arc<str>, at: Place, node: &Node) -> TypeDefinition {
    let mut made = TypeDefinition {
        kind,
        name: Arc::clone(name),
        derived_from: None,
        properties: IndexMap::new(),
        attributes: IndexMap::new(),
        capabilities: IndexMap::new(),
        requirements: Vec::new(),
        interfaces: Arc::default(),
        artifacts: IndexMap::new(),
        operations: Vec::new(),
        base: None,
        constraints: Vec::new(),
        at,
        findings: Vec::new(),
    };
    let mut findings = Vec::new();
    if let Some(map) = members(node, name, &mut findings) {
        let known = fields(kind);
        if !known.is_empty() {
            for (key, entry) in map.entries() {
                if !known.contains(&&**key) {
                    findings.push(unknown_field(key, entry.key_at, &format!("a {}", kind.words()), known));
                }
            }
        }
        made.derived_from = text_field(map, "derived_from", &mut findings);
        made.properties = definitions(map, "properties", &mut findings);
        made.attributes = definitions(map, "attributes", &mut findings);
        made.capabilities = capabilities(map, &mut findings);
        made.requirements = requirements(map, &mut findings);
        if let Some(interfaces) = map.get("interfaces") {
            made.interfaces = Arc::new(read_interfaces(interfaces, &mut findings));
        }
        if let Some(artifacts) = map.get("artifacts") {
            made.artifacts = read_artifacts(artifacts, &mut findings);
        }
        match kind {
            TypeKind::Interface => made.operations = operation_names(map),
            TypeKind::Data => {
                made.base = text_field(map, "type", &mut findings);
                if let Some(constraints) = map.get("constraints") {
                    made.constraints = read_constraints(constraints, &mut findings);
                }
            }
            _ => {}
        }
    }
    made.findings = findings;
    made
}

/// A field that nothing of this kind has.
pub(crate) fn unknown_field(key: &str, at: Place, what: &str, known: &[&str]) -> Diagnostic {
    let found = Diagnostic::error(codes::FIELD, format!("unknown field `{key}` in {what}")).at(at.span);
    match nearest(key, known.iter().copied()) {
        Some(near) => found.hint(format!("did you mean `{near}`?")),
        None => found.hint(format!("{what} has: {}", known.join(", "))),
    }
}

fn text_field(map: &Mapping, key: &str, findings: &mut Vec<Diagnostic>) -> Option<Arc<str>> {
    let node = map.get(key)?;
    match &node.value {
        Value::Str(text) => Some(Arc::clone(text)),
        Value::Null => None,
        other => {
            let message = format!("`{key}` must be text, and this is {}", other.kind());
            findings.push(Diagnostic::error(codes::SHAPE, message).at(node.at.span));
            None
        }
    }
}

fn definitions(map: &Mapping, key: &str, findings: &mut Vec<Diagnostic>) -> Definitions {
    let Some(map) = map.get(key).and_then(|node| members(node, key, findings)) else {
        return IndexMap::new();
    };
    map.entries()
        .filter_map(|(name, entry)| {
            let definition = read_property(name, &entry.value, entry.key_at, findings)?;
            Some((Arc::clone(name), Arc::new(definition)))
        })
        .collect()
}

/// What a property, an attribute or an input can be. Nothing if it is no definition at all.
pub(crate) fn read_property(
    name: &str,
    node: &Node,
    at: Place,
    findings: &mut Vec<Diagnostic>,
) -> Option<PropertyDefinition> {
    let map = match &node.value {
        Value::Map(map) => map,
        other => {
            let message = format!("`{name}` must be a mapping with a `type`, and this is {}", other.kind());
            findings.push(Diagnostic::error(codes::SCHEMA, message).at(node.at.span));
            return None;
        }
    };
    let Some(type_name) = text_field(map, "type", findings) else {
        if !map.contains("type") {
            let message = format!("the definition of `{name}` has no `type`");
            findings.push(Diagnostic::error(codes::SCHEMA, message).at(at.span));
        }
        return None;
    };
    let required = match map.get("required") {
        None => true,
        Some(node) => match &node.value {
            Value::Bool(required) => *required,
            Value::Null => true,
            other => {
                let message = format!(
                    "`required` of `{name}` must be true or false, and this is {}",
                    other.kind()
                );
                findings.push(Diagnostic::error(codes::SCHEMA, message).at(node.at.span));
                true
            }
        },
    };
    let default = map.get("default").filter(|node| !node.is_null()).cloned();
    let constraints = map
        .get("constraints")
        .map(|node| read_constraints(node, findings))
        .unwrap_or_default();
    let entry = map
        .get("entry_schema")
        .and_then(|node| read_entry(node, findings))
        .map(Box::new);
    Some(PropertyDefinition {
        type_name,
        entry,
        required,
        default,
        constraints,
        at,
    })
}

/// `entry_schema`: a type's name, or a definition.
fn read_entry(node: &Node, findings: &mut Vec<Diagnostic>) -> Option<PropertyDefinition> {
    match &node.value {
        Value::Str(type_name) => Some(PropertyDefinition {
            type_name: Arc::clone(type_name),
            entry: None,
            required: true,
            default: None,
            constraints: Vec::new(),
            at: node.at,
        }),
        Value::Map(map) if map.contains("type") => read_property("entry_schema", node, node.at, findings),
        _ => None,
    }
}

/// Constraints: a list of one-key mappings, or one mapping.
fn read_constraints(node: &Node, findings: &mut Vec<Diagnostic>) -> Vec<Constraint> {
    let mut made = Vec::new();
    let mut take = |map: &Mapping, findings: &mut Vec<Diagnostic>| {
        for (key, entry) in map.entries() {
            match ConstraintKind::named(key) {
                Some(kind) => made.push(Constraint {
                    kind,
                    operand: entry.value.clone(),
                    at: entry.key_at,
                }),
                None if &**key == "schema" => {}
                None => {
                    let known = ConstraintKind::ALL.map(|(name, _)| name);
                    findings.push(unknown_constraint(key, entry.key_at, &known));
                }
            }
        }
    };
    match &node.value {
        Value::Map(map) => take(map, findings),
        Value::Seq(items) => {
            for item in items {
                match &item.value {
                    Value::Map(map) => take(map, findings),
                    other => {
                        let message = format!("a constraint is a mapping, and this is {}", other.kind());
                        findings.push(Diagnostic::error(codes::SCHEMA, message).at(item.at.span));
                    }
                }
            }
        }
        Value::Null => {}
        other => {
            let message = format!("`constraints` must be a list, and this is {}", other.kind());
            findings.push(Diagnostic::error(codes::SCHEMA, message).at(node.at.span));
        }
    }
    made
}

fn unknown_constraint(key: &str, at: Place, known: &[&str]) -> Diagnostic {
    let found = Diagnostic::error(codes::SCHEMA, format!("there is no constraint `{key}`")).at(at.span);
    match nearest(key, known.iter().copied()) {
        Some(near) => found.hint(format!("did you mean `{near}`?")),
        None => found.hint(format!("constraints are: {}", known.join(", "))),
    }
}

fn capabilities(map: &Mapping, findings: &mut Vec<Diagnostic>) -> IndexMap<Arc<str>, CapabilityDefinition> {
    let mut made = IndexMap::new();
    let Some(map) = map
        .get("capabilities")
        .and_then(|node| members(node, "capabilities", findings))
    else {
        return made;
    };
    for (name, entry) in map.entries() {
        let (type_name, properties) = match &entry.value.value {
            Value::Str(type_name) => (Some(Arc::clone(type_name)), IndexMap::new()),
            Value::Map(map) => (
                text_field(map, "type", findings),
                definitions(map, "properties", findings),
            ),
            other => {
                let message = format!(
                    "the capability `{name}` must have a `type`, and this is {}",
                    other.kind()
                );
                findings.push(Diagnostic::error(codes::SHAPE, message).at(entry.value.at.span));
                continue;
            }
        };
        let Some(type_name) = type_name else {
            let message = format!("the capability `{name}` has no `type`");
            findings.push(Diagnostic::error(codes::REQUIRED, message).at(entry.key_at.span));
            continue;
        };
        let definition = CapabilityDefinition {
            type_name,
            properties,
            at: entry.key_at,
        };
        made.insert(Arc::clone(name), definition);
    }
    made
}

fn requirements(map: &Mapping, findings: &mut Vec<Diagnostic>) -> Vec<RequirementDefinition> {
    let mut made = Vec::new();
    let Some(node) = map.get("requirements") else {
        return made;
    };
    // The INDIGO files have some as a mapping.
    for (name, at, value) in named_entries(node, "requirements", findings) {
        let mut definition = RequirementDefinition {
            name,
            capability: None,
            node: None,
            relationship: None,
            interfaces: Arc::default(),
            least: 1,
            most: None,
            whole: value.clone(),
            at,
        };
        match &value.value {
            Value::Str(capability) => definition.capability = Some(Arc::clone(capability)),
            Value::Map(map) => {
                definition.capability = text_field(map, "capability", findings);
                definition.node = text_field(map, "node", findings);
                match map.get("relationship").map(|node| &node.value) {
                    Some(Value::Str(name)) => definition.relationship = Some(Arc::clone(name)),
                    Some(Value::Map(relationship)) => {
                        definition.relationship = text_field(relationship, "type", findings);
                        if let Some(interfaces) = relationship.get("interfaces") {
                            definition.interfaces = Arc::new(read_interfaces(interfaces, findings));
                        }
                    }
                    _ => {}
                }
                if let Some(node) = map.get("occurrences") {
                    (definition.least, definition.most) = occurrences(node, findings);
                }
            }
            _ => {}
        }
        made.push(definition);
    }
    made
}

/// `[least, most]`, where `UNBOUNDED` is without bound.
fn occurrences(node: &Node, findings: &mut Vec<Diagnostic>) -> (u32, Option<u32>) {
    let number = |node: &Node| node.as_int().and_then(|int| u32::try_from(int).ok());
    if let Some([least, most]) = node.as_seq()
        && let Some(least) = number(least)
    {
        if most.as_str() == Some("UNBOUNDED") {
            return (least, None);
        }
        if let Some(most) = number(most)
            && most >= least
        {
            return (least, Some(most));
        }
    }
    let message = "`occurrences` must be two numbers, the second not below the first; it may be UNBOUNDED";
    findings.push(Diagnostic::error(codes::SCHEMA, message).at(node.at.span));
    (0, None)
}

/// Members of an interface that are no operations.
pub(crate) const INTERFACE_FIELDS: &[&str] = &[
    "type",
    "inputs",
    "description",
    "operations",
    "notifications",
    "derived_from",
    "version",
    "metadata",
];

fn operation_names(map: &Mapping) -> Vec<Arc<str>> {
    let nested = ["operations", "notifications"]
        .iter()
        .filter_map(|key| map.get(key)?.as_map())
        .flat_map(Mapping::keys);
    map.keys()
        .filter(|key| !INTERFACE_FIELDS.contains(&&***key))
        .chain(nested)
        .cloned()
        .collect()
}

/// Interfaces with their operations.
pub(crate) fn read_interfaces(node: &Node, findings: &mut Vec<Diagnostic>) -> Interfaces {
    let mut made = IndexMap::new();
    let Some(map) = members(node, "interfaces", findings) else {
        return made;
    };
    for (name, entry) in map.entries() {
        let mut interface = InterfaceDefinition {
            type_name: None,
            inputs: Mapping::new(),
            operations: IndexMap::new(),
            at: entry.key_at,
        };
        if let Some(map) = members(&entry.value, name, findings) {
            interface.type_name = text_field(map, "type", findings);
            if let Some(inputs) = map.get("inputs").and_then(|node| members(node, "inputs", findings)) {
                interface.inputs = inputs.clone();
            }
            for (key, entry) in map.entries() {
                match &**key {
                    "operations" | "notifications" => {
                        if let Some(nested) = members(&entry.value, key, findings) {
                            for (key, entry) in nested.entries() {
                                let operation = read_operation(key, &entry.value, entry.key_at, findings);
                                interface.operations.insert(Arc::clone(key), operation);
                            }
                        }
                    }
                    other if INTERFACE_FIELDS.contains(&other) => {}
                    _ => {
                        let operation = read_operation(key, &entry.value, entry.key_at, findings);
                        interface.operations.insert(Arc::clone(key), operation);
                    }
                }
            }
        }
        made.insert(Arc::clone(name), interface);
    }
    made
}

fn read_operation(name: &str, node: &Node, at: Place, findings: &mut Vec<Diagnostic>) -> Operation {
    let mut operation = Operation {
        implementation: None,
        inputs: Mapping::new(),
        at,
    };
    match &node.value {
        Value::Str(_) => operation.implementation = Some(node.clone()),
        Value::Map(map) => {
            const KNOWN: &[&str] = &["implementation", "inputs", "outputs", "description"];
            for (key, entry) in map.entries() {
                if !KNOWN.contains(&&**key) {
                    findings.push(unknown_field(key, entry.key_at, "an operation", KNOWN));
                }
            }
            operation.implementation = map.get("implementation").filter(|node| !node.is_null()).cloned();
            if let Some(inputs) = map.get("inputs").and_then(|node| members(node, "inputs", findings)) {
                operation.inputs = inputs.clone();
            }
        }
        Value::Null => {}
        other => {
            let message = format!(
                "the operation `{name}` must be a script's name or a mapping, and this is {}",
                other.kind()
            );
            findings.push(Diagnostic::error(codes::SHAPE, message).at(node.at.span));
        }
    }
    operation
}

/// Artifacts by name: a file, or a mapping with one.
pub(crate) fn read_artifacts(node: &Node, findings: &mut Vec<Diagnostic>) -> IndexMap<Arc<str>, Artifact> {
    let mut made = IndexMap::new();
    for (name, at, value) in named_entries(node, "artifacts", findings) {
        if let Some(artifact) = read_artifact(&name, value, at, findings) {
            made.insert(name, artifact);
        }
    }
    made
}

fn read_artifact(name: &str, node: &Node, at: Place, findings: &mut Vec<Diagnostic>) -> Option<Artifact> {
    let mut artifact = Artifact {
        type_name: Arc::from(""),
        file: Node::default(),
        repository: None,
        deploy_path: None,
        properties: Mapping::new(),
        at,
    };
    match &node.value {
        Value::Str(_) => artifact.file = node.clone(),
        Value::Map(map) => {
            if let Some(file) = map.get("file") {
                artifact.file = file.clone();
            }
            artifact.type_name = text_field(map, "type", findings).unwrap_or_else(|| Arc::from(""));
            artifact.repository = map
                .get("repository")
                .filter(|node| !node.is_null())
                .map(|node| Arc::from(python_text(&node.value)));
            artifact.deploy_path = map.get("deploy_path").filter(|node| !node.is_null()).cloned();
            if let Some(properties) = map
                .get("properties")
                .and_then(|node| members(node, "properties", findings))
            {
                artifact.properties = properties.clone();
            }
        }
        other => {
            let message = format!(
                "the artifact `{name}` must be a file or a mapping, and this is {}",
                other.kind()
            );
            findings.push(Diagnostic::error(codes::SHAPE, message).at(node.at.span));
            return None;
        }
    }
    Some(artifact)
}
