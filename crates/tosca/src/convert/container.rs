//! Container applications as systems of Kubernetes.

use super::{
    Cx,
    compute::wrong,
    network, operations,
    ports::{self, Port},
    value::{bytes, filled, integer, number, text},
};
use crate::{Mapping, Node, NodeTemplate, Value, codes, template::Artifact};
use im_radl::{Diagnostic, Document, Features, Number, Origin, Recipe, System};
use std::collections::BTreeMap;

/// Containers.
pub(crate) const APPLICATION: &str = "tosca.nodes.Container.Application";
/// What containers run in.
pub(super) const RUNTIME: &str = "tosca.nodes.Container.Runtime";
const IMAGE: &str = "tosca.artifacts.Deployment.Image.Container.Docker";
const FILE: &str = "tosca.artifacts.File";

/// A node's name as Kubernetes takes it, without the id.
pub(crate) fn base_name(node: &str) -> String {
    const REPLACED: &str = " !\"#$%&'()*+,/:;<=>?@[\\]^`{|}~_";
    node.chars()
        .map(|c| if REPLACED.contains(c) { '-' } else { c })
        .collect()
}

/// Ids of the containers of a template: stored ones stay, others are drawn. `draw(n)` gives `n` letters and digits.
pub fn draw_container_ids(
    template: &crate::Template,
    already: &BTreeMap<String, String>,
    draw: &mut dyn FnMut(usize) -> String,
) -> BTreeMap<String, String> {
    let containers = template.nodes.values().filter(|node| node.is_a(APPLICATION));
    containers
        .map(|node| {
            let id = already.get(&*node.name).cloned();
            (node.name.to_string(), id.unwrap_or_else(|| draw(8).to_lowercase()))
        })
        .collect()
}

/// The system of a container.
pub(super) fn system_id(cx: &Cx<'_>, node: &NodeTemplate) -> String {
    let base = base_name(&node.name);
    let id = if let Some(id) = cx.context.container_ids.get(&*node.name) {
        format!("{base}-{id}")
    } else {
        let message = format!("container `{}` was given no id", node.name);
        cx.find(Diagnostic::error(codes::CONVERSION, message), node.at);
        base
    };

    super::names::ident(&id)
}

/// The node that a container runs in.
fn runtime<'a>(cx: &Cx<'a>, node: &NodeTemplate) -> Option<&'a NodeTemplate> {
    cx.template.next_host(node)
}

/// A property of the runtime's capability.
fn of_runtime(cx: &Cx<'_>, node: &NodeTemplate, property: &str) -> Option<Node> {
    let runtime = runtime(cx, node)?;
    let value = runtime.capabilities.get("host")?.properties.get(property)?;
    cx.value(runtime, value).filter(|value| !value.is_null())
}

/// One way in.
struct Opened {
    port: Port,
    /// The port outside, as it is written; 0 is for Kubernetes to choose.
    remote: i64,
    local: i64,
    endpoint: Option<String>,
}

/// Ports that everybody or only other containers reach.
fn opened(cx: &Cx<'_>, node: &NodeTemplate, property: &str) -> Vec<Opened> {
    let Some(list) = of_runtime(cx, node, property) else {
        return Vec::new();
    };
    let Some(items) = list.as_seq() else {
        cx.find(wrong(property, "a list of port specifications", &list), list.at);
        return Vec::new();
    };
    let published = property == "publish_ports";
    let mut all = Vec::new();
    for item in items {
        let Some(mut port) = ports::spec(cx, item) else {
            continue;
        };
        let number = |name: &str| item.get(name).and_then(integer);
        let (source, target) = (number("source"), number("target"));
        // Outside, a port that is not said is for Kubernetes to choose.
        let (remote, local) = if published {
            (source.unwrap_or(0), target.unwrap_or(0))
        } else {
            (source.or(target).unwrap_or(0), target.or(source).unwrap_or(0))
        };
        if let Some((protocol, _)) = port.key.clone() {
            let cidr = filled(item.get("remote_cidr").cloned()).map(|cidr| format!("{cidr}-"));
            let cidr = cidr.unwrap_or_default();
            port.text = format!("{cidr}{remote}/{protocol}-{local}/{protocol}");
        }
        all.push(Opened {
            port,
            remote,
            local,
            endpoint: filled(item.get("endpoint").cloned()),
        });
    }
    all
}

/// Where a container is reached: public ports first, the first of them by its name if it has one, then those inside.
/// Without a public address only names count.
pub(crate) fn endpoints(cx: &Cx<'_>, node: &NodeTemplate, address: Option<&str>) -> Vec<String> {
    let mut all = Vec::new();
    for (n, opened) in opened(cx, node, "publish_ports").into_iter().enumerate() {
        match (opened.endpoint.filter(|_| n == 0), address) {
            (Some(name), _) => all.push(name),
            (None, Some(address)) => all.push(format!("{address}:{}", opened.remote)),
            (None, None) => {}
        }
    }
    let system = system_id(cx, node);
    let inside = opened(cx, node, "expose_ports");
    all.extend(inside.into_iter().map(|opened| format!("{system}:{}", opened.local)));
    all
}

/// A container with its networks.
pub(super) fn convert(cx: &Cx<'_>, node: &NodeTemplate, level: i64, document: &mut Document) {
    let wanted = scalable(cx, node);
    let id = system_id(cx, node);
    let mut features = Features::new();
    let mut disk = files(cx, node, &mut features);
    if let Some(image) = image(cx, node) {
        features.set_text("disk.0.image.url", format!("docker://{image}"));
    } else {
        let message = format!("container `{}` has no image", node.name);
        let found = Diagnostic::error(codes::CONTAINER, message).hint(format!("give it an artifact of type `{IMAGE}`"));
        cx.find(found, node.at);
    }

    command_and_environment(cx, node, &mut features);
    let of = |property: &str, read: &dyn Fn(&Node) -> Option<Number>| {
        let value = of_runtime(cx, node, property)?;
        let number = read(&value);
        if number.is_none() {
            cx.find(wrong(property, "a number or a size", &value), value.at);
        }
        number
    };
    if let Some(cpus) = of("num_cpus", &number) {
        features.set_number("cpu.count", cpus, "");
    }
    if let Some(gpus) = of("num_gpus", &number) {
        features.set_number("gpu.count", gpus, "");
    }
    if let Some(memory) = of("mem_size", &|node| bytes(node).map(Number::Int)) {
        features.set_number("memory.size", memory, "B");
    }
    connect(cx, node, &id, &mut features, document);
    volumes(cx, node, &mut disk, &mut features);
    if let Some(zone) = cx.placement(node, "availability_zone") {
        features.set_text("availability_zone", zone);
    }
    document.systems.push(System {
        name: id.clone(),
        reference: false,
        features,
        at: Origin(None),
    });
    document.configures.push(operations::configure(&id, Recipe::Disabled));
    super::items(document).push(operations::item(&id, &id, level));
    cx.deploy(document, node, &id, wanted);
}

/// One, or none where the capability says so.
pub(super) fn scalable(cx: &Cx<'_>, node: &NodeTemplate) -> i64 {
    // Of containers, the runtime says how many.
    let own = node.capabilities.contains_key("scalable");
    let says = if own {
        node
    } else {
        cx.template.next_host(node).unwrap_or(node)
    };
    let wanted = cx.wanted(says);
    if wanted > 1 {
        let message = format!("there can be one `{}` or none, and it asks for {wanted}", node.name);
        let found =
            Diagnostic::error(codes::CONTAINER, message).hint("set `count` of its `scalable` capability to 0 or 1");
        cx.find(found, node.at);
    }
    wanted.min(1)
}

/// The artifacts of a container and of what it runs in; of the same name, its own. Those of other containers that it
/// needs are theirs.
fn artifacts<'a>(cx: &Cx<'a>, node: &'a NodeTemplate) -> Vec<(&'a NodeTemplate, &'a Artifact)> {
    let own = node.artifacts.values().map(|artifact| (node, artifact));
    let below = runtime(cx, node).into_iter().flat_map(|runtime| {
        let others = runtime.artifacts.iter();
        others
            .filter(|(name, _)| !node.artifacts.contains_key(*name))
            .map(move |(_, artifact)| (runtime, artifact))
    });
    own.chain(below).collect()
}

fn image(cx: &Cx<'_>, node: &NodeTemplate) -> Option<String> {
    let known = artifacts(cx, node);
    let (owner, artifact) = known.into_iter().find(|(_, artifact)| &*artifact.type_name == IMAGE)?;
    let file = filled(cx.value(owner, &artifact.file))?;
    let Some(name) = artifact.repository.as_deref() else {
        return Some(file);
    };
    let Some(url) = cx.template.repositories.get(name) else {
        let found = Diagnostic::error(codes::FILE, format!("there is no repository `{name}`"));
        cx.find(found, artifact.at);
        return None;
    };
    let host = url.split_once("://").map_or(&**url, |(_, rest)| rest);
    Some(format!("{}/{file}", host.trim_end_matches('/')))
}

/// Files that are put into the container, as disks from 1; answers the number of the last.
fn files(cx: &Cx<'_>, node: &NodeTemplate, features: &mut Features) -> usize {
    let mut disk = 0;
    for (owner, artifact) in artifacts(cx, node) {
        let Some(path) = artifact.deploy_path.as_ref().filter(|_| &*artifact.type_name == FILE) else {
            continue;
        };
        let Some(path) = filled(cx.value(owner, path)) else {
            continue;
        };
        let content = match artifact.properties.get("content") {
            Some(content) => cx.value(owner, content).map(|content| text(&content)),
            None => filled(cx.value(owner, &artifact.file))
                .and_then(|file| cx.url(&file, artifact.repository.as_deref(), artifact.file.at))
                .and_then(|url| cx.fetch(&url, artifact.file.at))
                .map(|text| text.to_string()),
        };
        let Some(content) = content else { continue };
        disk += 1;
        features.set_text(format!("disk.{disk}.content"), content);
        features.set_text(format!("disk.{disk}.mount_path"), path);
    }
    disk
}

fn command_and_environment(cx: &Cx<'_>, node: &NodeTemplate, features: &mut Features) {
    if let Some(command) = cx.property(node, "command") {
        let words = match &command.value {
            Value::Seq(items) => items.iter().map(text).collect(),
            _ => vec![text(&command)],
        };
        features.set_list("command", words);
    }
    let Some(environment) = cx.property(node, "environment") else {
        return;
    };
    let Value::Map(map) = &environment.value else {
        cx.find(wrong("environment", "a mapping", &environment), environment.at);
        return;
    };
    let pairs: Vec<String> = map.iter().map(|(key, value)| pair(key, &text(value))).collect();
    if !pairs.is_empty() {
        features.set_text("environment.variables", pairs.join(","));
    }
}

fn pair(key: &str, value: &str) -> String {
    if value.contains(',') {
        format!("{key}=\"{value}\"")
    } else {
        format!("{key}={value}")
    }
}

fn connect(cx: &Cx<'_>, node: &NodeTemplate, id: &str, features: &mut Features, document: &mut Document) {
    let mut interface = 0;
    for (property, end, public) in [("publish_ports", "pub", true), ("expose_ports", "priv", false)] {
        let opened = opened(cx, node, property);
        if opened.is_empty() {
            continue;
        }
        let network = format!("{id}_{end}");
        document.networks.push(network::plain(&network, public));
        let ports: Vec<Port> = opened.iter().map(|opened| opened.port.clone()).collect();
        network::open(document, &network, &ports);
        features.set_text(format!("net_interface.{interface}.connection"), network);
        if let Some(name) = opened
            .first()
            .and_then(|first| first.endpoint.clone())
            .filter(|_| public)
        {
            features.set_text(format!("net_interface.{interface}.dns_name"), name.clone());
            features.set_text(format!("net_interface.{interface}.dns.0.name"), name);
        }
        interface += 1;
    }
}

/// `NAME:PATH`: the volume of a block storage node.
fn volumes(cx: &Cx<'_>, node: &NodeTemplate, disk: &mut usize, features: &mut Features) {
    let Some(volumes) = of_runtime(cx, node, "volumes") else {
        return;
    };
    for volume in volumes.as_seq().unwrap_or_default() {
        let said = text(volume);
        let Some((name, path)) = said.split_once(':') else {
            let found = Diagnostic::error(
                codes::CONTAINER,
                format!("volume `{said}` must be of the form `NAME:PATH`"),
            );
            cx.find(found, volume.at);
            continue;
        };
        *disk += 1;
        let n = *disk;
        if let Some(storage) = cx.template.nodes.get(name) {
            if let Some(id) = filled(cx.property(storage, "volume_id")) {
                features.set_text(format!("disk.{n}.image.url"), id);
            }
            if let Some(size) = cx.property(storage, "size").as_ref().and_then(bytes) {
                features.set_number(format!("disk.{n}.size"), size, "B");
            }
        } else {
            let message = format!("volume `{name}` is no node of this document: nothing is kept at `{path}`");
            let found = Diagnostic::warning(codes::SUSPICIOUS, message)
                .hint("add a node of type `tosca.nodes.BlockStorage` with this name");
            cx.find(found, volume.at);
        }

        features.set_text(format!("disk.{n}.mount_path"), path);
    }
}

/// Members of a mapping in a property, for functions too.
pub(super) fn map_of(node: Option<Node>) -> Mapping {
    match node.map(|node| node.value) {
        Some(Value::Map(map)) => map,
        _ => Mapping::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::base_name;

    #[test]
    fn names_for_kubernetes() {
        assert_eq!(base_name("im_container"), "im-container");
        assert_eq!(base_name("a b/c.d"), "a-b-c.d");
    }
}
