//! Compute nodes as systems: size, image, credentials, disks, applications.

use super::{
    Cx,
    value::{boolean, bytes, comparison, filled, hertz, number, text, yes_no},
};
use crate::{
    Node, Value, codes,
    template::{Artifact, NodeTemplate},
};
use im_radl::{Diagnostic, Feature, Features, Interval, Number, Op, Origin, System};
use indexmap::IndexMap;

/// A system with all but its networks.
pub(super) fn system(cx: &Cx<'_>, node: &NodeTemplate) -> System {
    let mut features = Features::new();
    let name = filled(cx.property(node, "instance_name")).unwrap_or_else(|| node.name.to_string());
    features.set_text("instance_name", name);
    if let Some(tags) = tags(cx, node) {
        features.set_text("instance_tags", tags);
    }
    for capability in ["os", "host"] {
        let Some(found) = node.capabilities.get(capability) else {
            continue;
        };
        for (property, value) in &found.properties {
            if let Some(value) = cx.value(node, value).filter(|value| !value.is_null()) {
                set_property(cx, &mut features, capability, property, &value);
                features.place(value.at.origin());
            }
        }
    }
    disks(cx, node, &mut features);
    applications(cx, node, &mut features);
    if let Some(zone) = cx.placement(node, "availability_zone") {
        features.set_text("availability_zone", zone);
    }
    System {
        name: cx.names.id(&node.name),
        reference: false,
        features,
        at: Origin(None),
    }
}

fn tags(cx: &Cx<'_>, node: &NodeTemplate) -> Option<String> {
    let tags = cx.property(node, "tags")?;
    let Value::Map(map) = &tags.value else {
        cx.find(wrong("tags", "a mapping", &tags), tags.at);
        return None;
    };
    let pairs: Vec<String> = map
        .iter()
        .map(|(key, value)| format!("{key}={}", filled(Some(value.clone())).unwrap_or_default()))
        .collect();
    (!pairs.is_empty()).then(|| pairs.join(","))
}

/// A value that is not what its property takes.
pub(super) fn wrong(property: &str, expected: &str, value: &Node) -> Diagnostic {
    let shown = match &value.value {
        Value::Map(_) | Value::Seq(_) | Value::Null => value.value.kind().to_owned(),
        _ => format!("`{}`", text(value)),
    };
    Diagnostic::error(
        codes::CONVERSION,
        format!("`{property}` must be {expected}, and it is {shown}"),
    )
}

/// One property of the operating system or of the machine.
fn set_property(cx: &Cx<'_>, features: &mut Features, capability: &str, property: &str, value: &Node) {
    let as_text = |features: &mut Features, name: &str| {
        let (op, value) = comparison(value).unwrap_or((Op::Eq, value));
        match value.value {
            Value::Map(_) | Value::Seq(_) => cx.find(wrong(property, "text", value), value.at),
            _ => features.set(name, Feature::Text(op, text(value))),
        }
    };
    let mut as_number = |name: &str, expected: &str, read: &dyn Fn(&Node) -> Option<Number>, unit: &str| {
        let (op, value) = comparison(value).unwrap_or((Op::Ge, value));
        match read(value) {
            Some(number) => features.set(name, Feature::Number(Interval::new(op, number, unit))),
            None => cx.find(wrong(property, expected, value), value.at),
        }
    };
    let size = |node: &Node| bytes(node).map(Number::Int);
    match (capability, property) {
        ("os", "architecture") => as_text(features, "cpu.arch"),
        ("os", "type") => as_text(features, "disk.0.os.name"),
        ("os", "distribution") => as_text(features, "disk.0.os.flavour"),
        ("os", "version") => as_text(features, "disk.0.os.version"),
        ("os", "image") => {
            let image = text(value);
            if !image.is_empty() {
                features.set_text("disk.0.image.url", image_url(image));
            }
        }
        ("os", "credential") => credential(cx, features, "disk.0.os.credentials", value),
        ("host", "num_cpus") => as_number("cpu.count", "a number", &number, ""),
        ("host", "num_gpus") => as_number("gpu.count", "a number", &number, ""),
        ("host", "mem_size") => as_number("memory.size", "a size such as `2 GB`", &size, "B"),
        ("host", "disk_size") => as_number("disk.0.size", "a size such as `20 GB`", &size, "B"),
        ("host", "sgx_epc_size") => as_number("cpu.sgx.epc_size", "a size such as `64 MB`", &size, "B"),
        ("host", "cpu_frequency") => as_number(
            "cpu.performance",
            "a frequency such as `2.2 GHz`",
            &|node| hertz(node).map(Number::Int),
            "HRZ",
        ),
        ("host", "disk_type") => as_text(features, "disk.0.type"),
        ("host", "instance_type") => as_text(features, "instance_type"),
        ("host", "gpu_vendor") => as_text(features, "gpu.vendor"),
        ("host", "gpu_model") => as_text(features, "gpu.model"),
        ("host", "preemtible_instance" | "sgx") => {
            let name = if property == "sgx" { "cpu.sgx" } else { "spot" };
            match boolean(value) {
                Some(yes) => features.set_text(name, yes_no(yes)),
                None => cx.find(wrong(property, "true or false", value), value.at),
            }
        }
        // The others have no meaning for machines.
        _ => {}
    }
}

fn image_url(image: String) -> String {
    if image.contains("://") {
        image
    } else {
        format!("docker://{image}")
    }
}

/// User and secret, as features below `prefix`.
pub(super) fn credential(cx: &Cx<'_>, features: &mut Features, prefix: &str, value: &Node) {
    let member = |name: &str| filled(value.get(name).cloned());
    let Some(user) = member("user") else {
        let found = Diagnostic::error(codes::CONVERSION, "a `credential` of a machine needs a `user`");
        cx.find(found, value.at);
        return;
    };
    let kind = member("token_type").unwrap_or_else(|| "password".to_owned());
    if let (Some(token), "password" | "private_key" | "public_key") = (member("token"), kind.as_str()) {
        features.set_text(format!("{prefix}.{kind}"), token);
    }
    features.set_text(format!("{prefix}.username"), user);
}

/// Volumes that are attached, numbered from 1.
fn disks(cx: &Cx<'_>, node: &NodeTemplate, features: &mut Features) {
    let mut n = 0;
    for (requirement, link) in node.links() {
        let Some(volume) = cx.template.nodes.get(&requirement.target) else {
            continue;
        };
        if !link.type_name.ends_with("AttachesTo") || !volume.type_name.ends_with(".BlockStorage") {
            continue;
        }
        let size = cx.property(volume, "size").and_then(|size| {
            let bytes = bytes(&size);
            if bytes.is_none() {
                cx.find(wrong("size", "a size such as `10 GB`", &size), size.at);
            }
            bytes
        });
        let size = size.filter(|size| *size > 0);
        let volume_id = filled(cx.property(volume, "volume_id"));
        if size.is_none() && volume_id.is_none() {
            if filled(cx.property(volume, "snapshot_id")).is_some() {
                let found = Diagnostic::warning(codes::SUSPICIOUS, "`snapshot_id` alone makes no disk")
                    .hint("give a `size`, or the `volume_id` of a volume made from the snapshot");
                cx.find(found, volume.at);
            }
            continue;
        }
        n += 1;
        if let Some(id) = volume_id {
            features.set_text(format!("disk.{n}.image.url"), id);
        } else {
            if let Some(kind) = filled(cx.property(volume, "type")) {
                features.set_text(format!("disk.{n}.type"), kind);
            }
            if let Some(size) = size {
                features.set_number(format!("disk.{n}.size"), size, "B");
            }
        }
        let of_link = |name: &str| filled(cx.link_property(node, requirement, link, name));
        if let Some(device) = of_link("device") {
            features.set_text(format!("disk.{n}.device"), device);
        }
        if let Some(location) = of_link("location") {
            features.set_text(format!("disk.{n}.mount_path"), location);
            let kind = of_link("fs_type").unwrap_or_else(|| "ext4".to_owned());
            features.set_text(format!("disk.{n}.fstype"), kind);
        }
    }
}

/// A node's artifacts, and those of the nodes that it has requirements on: of the same name, theirs.
pub(super) fn artifacts<'a>(
    cx: &Cx<'a>,
    node: &'a NodeTemplate,
) -> IndexMap<&'a str, (&'a NodeTemplate, &'a Artifact)> {
    let own = node
        .artifacts
        .iter()
        .map(|(name, artifact)| (&**name, (node, artifact)));
    let mut all: IndexMap<&str, (&NodeTemplate, &Artifact)> = own.collect();
    for (requirement, _) in node.links() {
        if let Some(target) = cx.template.nodes.get(&requirement.target) {
            all.extend(
                target
                    .artifacts
                    .iter()
                    .map(|(name, artifact)| (&**name, (target, artifact))),
            );
        }
    }
    all
}

/// Ansible collections and roles of the node and of all that runs on it.
fn applications(cx: &Cx<'_>, node: &NodeTemplate, features: &mut Features) {
    let mut found: [Vec<String>; 2] = [Vec::new(), Vec::new()];
    for other in cx.graph.hosted_on(node) {
        for (owner, artifact) in artifacts(cx, other).into_values() {
            let (kind, prefix) = match &*artifact.type_name {
                "tosca.artifacts.AnsibleGalaxy.collection" => (0, "ansible.collections."),
                "tosca.artifacts.AnsibleGalaxy.role" => (1, "ansible.roles."),
                _ => continue,
            };
            let Some(file) = filled(cx.value(owner, &artifact.file)) else {
                continue;
            };
            let name = format!("{prefix}{file}");
            if !found[kind].contains(&name) {
                found[kind].push(name);
            }
        }
    }
    let groups: IndexMap<String, Features> = found
        .into_iter()
        .flatten()
        .map(|name| {
            let mut group = Features::new();
            group.set_text("name", name.clone());
            (name, group)
        })
        .collect();
    if !groups.is_empty() {
        features.set("disk.0.applications", Feature::Groups(groups));
    }
}
