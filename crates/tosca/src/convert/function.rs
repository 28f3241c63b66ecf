//! Functions (OSCAR, Lambda): on an OSCAR node a recipe that registers them, without a host a system of their own.

use super::{
    Cx,
    compute::wrong,
    container::{map_of, scalable},
    json::json,
    operations, recipe,
    value::{boolean, bytes, filled, number, text},
};
use crate::{Mapping, Node, NodeTemplate, Template, Value, codes, yaml};
use im_radl::{Diagnostic, Document, Features, Number, Origin, Recipe, System};
use serde_json::{Map, json};
use std::sync::Arc;

/// Functions.
pub(crate) const FUNCTION: &str = "tosca.nodes.aisprint.FaaS.Function";

/// The node that a function is hosted on.
pub(crate) fn oscar_of<'a>(template: &'a Template, node: &'a NodeTemplate) -> Option<&'a NodeTemplate> {
    template.next_host(node)
}

/// The DNS name of an OSCAR node. Its type's default is two quotes.
pub(crate) fn dns_host(cx: &Cx<'_>, oscar: &NodeTemplate) -> Option<String> {
    filled(cx.property(oscar, "dns_host")).filter(|name| !name.chars().all(|c| c == '\'' || c == '"'))
}

/// A function.
pub(super) fn convert(cx: &Cx<'_>, node: &NodeTemplate, level: i64, document: &mut Document) {
    let wanted = scalable(cx, node);
    let oscar = oscar_of(cx.template, node);
    let host = oscar.and_then(|oscar| cx.host_of(oscar));
    if let (Some(oscar), Some(host)) = (oscar, host) {
        hosted(cx, node, oscar, host, level, wanted, document);
        return;
    }
    let id = cx.names.id(&node.name);
    document.systems.push(system(cx, node, &id));
    document.configures.push(operations::configure(&id, Recipe::Disabled));
    super::items(document).push(operations::item(&id, &id, level));
    cx.deploy(document, node, &id, wanted);
}

/// Memory in bytes. A unit may lack its `B`.
fn memory(cx: &Cx<'_>, node: &NodeTemplate) -> Option<i64> {
    let value = cx.property(node, "memory")?;
    let said = text(&value);
    let said = said.trim();
    let whole = if said.ends_with(['b', 'B']) {
        said.to_owned()
    } else {
        format!("{said}B")
    };
    let size = bytes(&Node::text(whole, value.at));
    if size.is_none() {
        cx.find(wrong("memory", "a size such as `512 MB`", &value), value.at);
    }
    size
}

fn flag(cx: &Cx<'_>, node: &NodeTemplate, name: &str) -> bool {
    cx.property(node, name).as_ref().and_then(boolean).unwrap_or(false)
}

/// A number in as few characters as it takes.
fn shortest(number: Number) -> String {
    match number {
        Number::Float(float) => format!("{float}"),
        Number::Int(int) => int.to_string(),
    }
}

/// The image as OSCAR wants it: without scheme, and without the server of `oscar://`.
fn bare_image(image: &str) -> String {
    if let Some(rest) = image.strip_prefix("oscar://") {
        return rest.split_once('/').map_or(rest, |(_, path)| path).to_owned();
    }
    image.strip_prefix("docker://").unwrap_or(image).to_owned()
}

fn service(cx: &Cx<'_>, node: &NodeTemplate) -> serde_json::Value {
    let mut service = Map::new();
    for (name, value) in &node.properties {
        let Some(value) = cx.value(node, value).filter(|value| !value.is_null()) else {
            continue;
        };
        match &**name {
            "name" | "script" | "alpine" | "input" | "output" | "storage_providers" | "enable_gpu" => {
                service.insert(name.to_string(), json(&value));
            }
            "memory" => {
                if let Some(bytes) = memory(cx, node) {
                    service.insert("memory".to_owned(), json!(format!("{}Mi", bytes >> 20)));
                }
            }
            "cpu" => match number(&value) {
                Some(number) => {
                    service.insert("cpu".to_owned(), json!(shortest(number)));
                }
                None => cx.find(wrong("cpu", "a number", &value), value.at),
            },
            "image" => {
                service.insert("image".to_owned(), json!(bare_image(&text(&value))));
            }
            "env_variables" if !value.value.is_falsy() => {
                service.insert("environment".to_owned(), json!({"Variables": json(&value)}));
            }
            "image_pull_secrets" if !value.value.is_falsy() => {
                service.insert("image_pull_secrets".to_owned(), json(&value));
            }
            _ => {}
        }
    }
    serde_json::Value::Object(service)
}

fn hosted(
    cx: &Cx<'_>,
    node: &NodeTemplate,
    oscar: &NodeTemplate,
    host: &NodeTemplate,
    level: i64,
    wanted: i64,
    document: &mut Document,
) {
    let endpoint = match dns_host(cx, oscar) {
        Some(name) => format!("https://{name}"),
        None => "http://{{ IM_NODE_PUBLIC_IP }}".to_owned(),
    };
    let mut vars = Mapping::new();
    let mut set = |name: &str, value: String| {
        vars.insert(name, Value::text(value).into());
    };
    set("oscar_endpoint", endpoint);
    set("oscar_username", "oscar".to_owned());
    set(
        "oscar_password",
        filled(cx.property(oscar, "password")).unwrap_or_default(),
    );
    let service = service(cx, node);
    let tasks = if wanted > 0 {
        set("oscar_service_json", recipe::literal(&service.to_string()));
        "utils/tasks/oscar_function.yml"
    } else {
        let name = service.get("name").and_then(serde_json::Value::as_str);
        set("oscar_service_name", name.unwrap_or(&node.name).to_owned());
        "utils/tasks/del_oscar_function.yml"
    };
    let play = recipe::include(tasks, vars);
    let text = format!("---\n{}", yaml::dump(&play).trim_end());
    let name = format!("oscar_{}", cx.names.id(&node.name));
    document
        .configures
        .push(operations::configure(&name, Recipe::Text(Arc::from(text))));
    let system = cx.names.id(&host.name);
    super::items(document).push(operations::item(&system, &name, level));
}

fn system(cx: &Cx<'_>, node: &NodeTemplate, id: &str) -> System {
    let mut features = Features::new();
    if let Some(name) = cx.property(node, "name") {
        features.set_text("name", text(&name));
    }
    if let Some(memory) = memory(cx, node) {
        features.set_number("memory.size", memory, "B");
    }
    if let Some(script) = filled(cx.property(node, "script")) {
        features.set_text("script", script);
    }
    if let Some(cpu) = cx.property(node, "cpu") {
        match number(&cpu) {
            Some(number) => features.set_number("cpu.count", number, ""),
            None => cx.find(wrong("cpu", "a number", &cpu), cpu.at),
        }
    }
    for (property, feature) in [("enable_gpu", "gpu.count"), ("enable_sgx", "cpu.sgx")] {
        if flag(cx, node, property) {
            features.set_number(feature, 1, "");
        }
    }
    if let Some(image) = filled(cx.property(node, "image")) {
        features.set_text("disk.0.image.url", image);
    } else {
        let message = format!("function `{}` has no `image`", node.name);
        cx.find(Diagnostic::error(codes::CONTAINER, message), node.at);
    }

    for way in ["input", "output"] {
        storage(cx, node, way, &mut features);
    }
    providers(cx, node, &mut features);
    features.set_number("alpine", i64::from(flag(cx, node, "alpine")), "");
    let environment = map_of(cx.property(node, "env_variables"));
    if !environment.is_empty() {
        let pairs = environment.iter().map(|(key, value)| format!("{key}:{}", text(value)));
        features.set_list("environment.variables", pairs.collect());
    }
    if let Some(secrets) = cx.property(node, "image_pull_secrets") {
        let secrets: Vec<String> = secrets.as_seq().unwrap_or_default().iter().map(text).collect();
        if !secrets.is_empty() {
            features.set_list("image_pull_secrets", secrets);
        }
    }
    let exposed = map_of(cx.property(node, "exposed"));
    for name in ["min_scale", "max_scale", "port", "cpu_threshold"] {
        let Some(value) = exposed.get(name).filter(|value| !value.is_null()) else {
            continue;
        };
        match number(value) {
            Some(number) => features.set_number(format!("expose.{name}"), number, ""),
            None => cx.find(wrong(name, "a number", value), value.at),
        }
    }
    let dependencies = dependencies(cx, node);
    if !dependencies.is_empty() {
        features.set_list("dependencies", dependencies);
    }
    System {
        name: id.to_owned(),
        reference: false,
        features,
        at: Origin(None),
    }
}

fn storage(cx: &Cx<'_>, node: &NodeTemplate, way: &str, features: &mut Features) {
    let Some(list) = cx.property(node, way) else { return };
    for (n, one) in list.as_seq().unwrap_or_default().iter().enumerate() {
        for (member, feature) in [
            ("storage_provider", "provider"),
            ("path", "path"),
            ("suffix", "suffix"),
            ("prefix", "prefix"),
        ] {
            if let Some(value) = filled(one.get(member).cloned()) {
                features.set_text(format!("{way}.{n}.{feature}"), value);
            }
        }
    }
}

fn providers(cx: &Cx<'_>, node: &NodeTemplate, features: &mut Features) {
    let all = map_of(cx.property(node, "storage_providers"));
    for kind in ["minio", "s3", "onedata"] {
        let of_kind = map_of(all.get(kind).cloned());
        for (n, (id, provider)) in of_kind.iter().enumerate() {
            features.set_text(format!("{kind}.{n}.id"), id.to_string());
            for member in [
                "access_key",
                "secret_key",
                "region",
                "endpoint",
                "verify",
                "oneprovider_host",
                "token",
                "space",
            ] {
                if let Some(value) = filled(provider.get(member).cloned()) {
                    features.set_text(format!("{kind}.{n}.{member}"), value);
                }
            }
        }
    }
}

/// Systems that must be ready before the function is made.
fn dependencies(cx: &Cx<'_>, node: &NodeTemplate) -> Vec<String> {
    let links = node
        .links()
        .filter(|(_, link)| link.is_a("tosca.relationships.DependsOn"));
    let mut all = Vec::new();
    for (requirement, _) in links {
        let target = cx.template.nodes.get(&requirement.target);
        let host = target.map(|target| cx.host_of(target).unwrap_or(target));
        if let Some(host) = host {
            let id = cx.names.id(&host.name);
            if !all.contains(&id) {
                all.push(id);
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::{bare_image, shortest};
    use im_radl::Number;

    #[test]
    fn images_and_numbers() {
        assert_eq!(bare_image("docker://a/b"), "a/b");
        assert_eq!(bare_image("oscar://host/a/b"), "a/b");
        assert_eq!(bare_image("a/b"), "a/b");
        assert_eq!(shortest(Number::Float(1.0)), "1");
        assert_eq!(shortest(Number::Float(0.5)), "0.5");
    }
}
