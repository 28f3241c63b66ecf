//! The inventory: groups, variables of all, variables of each host. JSON, which is YAML.

use super::{Parts, file_name, is_loopback, radl_json};
use crate::{CtxtError, Node};
use im_radl::Features;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The whole inventory.
pub(super) fn inventory(parts: &Parts<'_>) -> Result<Value, CtxtError> {
    let mut children = Map::new();
    let mut systems: Vec<&str> = parts.spec.document.systems.iter().map(|s| s.name.as_str()).collect();
    for node in &parts.spec.nodes {
        if !systems.contains(&node.system.as_str()) {
            systems.push(&node.system);
        }
    }
    for system in systems {
        file_name(system)?;
        let mut hosts = Map::new();
        for node in parts.active.iter().filter(|node| node.system == system) {
            if let Some(name) = node.inventory_name() {
                hosts.insert(name, host(parts, node));
            }
        }
        let mut group = Map::new();
        group.insert("hosts".to_owned(), Value::Object(hosts));
        if parts
            .active
            .iter()
            .any(|node| node.system == system && node.is_windows())
        {
            group.insert(
                "vars".to_owned(),
                json!({"ansible_connection": "winrm", "ansible_winrm_server_cert_validation": "ignore"}),
            );
        }
        children.insert(system.to_owned(), Value::Object(group));
    }
    for (group, windows) in [("windows", true), ("allnowindows", false)] {
        let members: Map<String, Value> = parts
            .active
            .iter()
            .filter(|node| node.is_windows() == windows)
            .filter_map(|node| Some((node.inventory_name()?, Value::Null)))
            .collect();
        if !members.is_empty() {
            children.insert(group.to_owned(), json!({"hosts": members}));
        }
    }
    Ok(json!({"all": {"vars": all_vars(parts), "children": children}}))
}

/// Variables of all hosts. The owner's credentials are added by the runner, where a recipe or a role refers to them.
fn all_vars(parts: &Parts<'_>) -> Map<String, Value> {
    let spec = parts.spec;
    let mut vars = Map::new();
    let mut counts: BTreeMap<String, usize> = spec
        .document
        .systems
        .iter()
        .map(|system| (system.name.to_uppercase(), 0))
        .collect();
    for node in &spec.nodes {
        *counts.entry(node.system.to_uppercase()).or_default() += 1;
    }
    for (system, count) in counts {
        vars.insert(format!("IM_{system}_NUM_VMS"), json!(count.to_string()));
    }
    let name = parts
        .master
        .name(&spec.options.default_name, &spec.options.default_domain);
    vars.insert("IM_MASTER_HOSTNAME".to_owned(), json!(name.host));
    vars.insert("IM_MASTER_DOMAIN".to_owned(), json!(name.domain));
    vars.insert("IM_MASTER_FQDN".to_owned(), json!(name.fqdn()));
    vars.insert("IM_INFRASTRUCTURE_ID".to_owned(), json!(spec.infra.as_str()));
    let radl = radl_json::radl(&spec.document, parts.mentions("IM_INFRASTRUCTURE_RADL"));
    vars.insert("IM_INFRASTRUCTURE_RADL".to_owned(), unsafe_values(radl));
    vars
}

/// Variables of a host.
fn host(parts: &Parts<'_>, node: &Node) -> Value {
    let options = &parts.spec.options;
    let mut vars = Map::new();
    let mut set = |name: String, value: Value| {
        vars.insert(name, unsafe_values(value));
    };
    // An address that means another machine to each machine is of no use to any recipe.
    let usable = [node.public_ip, node.private_ip]
        .into_iter()
        .flatten()
        .find(|ip| !is_loopback(*ip));
    let ip = usable.or(node.ip()).map(|ip| ip.to_string()).unwrap_or_default();
    let port = if node.is_windows() { 5986 } else { node.ssh_port };
    for name in ["ansible_host", "ansible_ssh_host"] {
        set(name.to_owned(), json!(ip));
    }
    for name in ["ansible_port", "ansible_ssh_port"] {
        set(name.to_owned(), json!(port));
    }
    for name in ["ansible_user", "ansible_ssh_user"] {
        set(name.to_owned(), json!(node.login.user));
    }
    if node.id == parts.master.id {
        set("ansible_connection".to_owned(), json!("local"));
    }
    if node.is_windows()
        && let Some(password) = node.login.new_password.as_ref().or(node.login.password.as_ref())
    {
        set("ansible_password".to_owned(), json!(password.expose()));
    }
    let name = node.name(&options.default_name, &options.default_domain);
    set("IM_NODE_HOSTNAME".to_owned(), json!(name.host));
    set("IM_NODE_DOMAIN".to_owned(), json!(name.domain));
    set("IM_NODE_FQDN".to_owned(), json!(name.fqdn()));
    set("IM_NODE_NUM".to_owned(), json!(node.id.to_string()));
    set(
        "IM_NODE_VMID".to_owned(),
        json!(node.cloud_id.as_deref().unwrap_or_default()),
    );
    if let Some(public) = node.public_ip {
        set("IM_NODE_PUBLIC_IP".to_owned(), json!(public.to_string()));
    }
    if let Some(private) = node.private_ip.or(node.public_ip) {
        set("IM_NODE_PRIVATE_IP".to_owned(), json!(private.to_string()));
    }
    for interface in &node.interfaces {
        let Some(ip) = interface.ip else { continue };
        let key = |what: &str| format!("IM_NODE_NET_{}_{what}", interface.index);
        set(key("IP"), json!(ip.to_string()));
        if let Some(name) = &interface.name {
            set(key("HOSTNAME"), json!(name.host));
            set(key("DOMAIN"), json!(name.domain));
            set(key("FQDN"), json!(name.fqdn()));
        }
    }
    set("IM_NODE_CLOUD_TYPE".to_owned(), json!(node.cloud_kind));
    if let Some(server) = &node.cloud_server {
        set("IM_NODE_CLOUD_SERVER".to_owned(), json!(server));
    }
    let certificates = certificates(&node.features.features);
    if !certificates.is_empty() {
        set("IM_NODE_TLS_CERTIFICATES".to_owned(), Value::Object(certificates));
    }
    for (name, value) in application_vars(&node.features.features) {
        set(name, json!(value));
    }
    Value::Object(vars)
}

/// DNS name → certificate and key.
fn certificates(features: &Features) -> Map<String, Value> {
    let mut found = Map::new();
    for (feature, _) in features.iter() {
        let Some(stem) = feature.strip_suffix(".tls.certificate") else {
            continue;
        };
        let text = |name: String| features.text(&name).unwrap_or_default().to_owned();
        let name = text(format!("{stem}.name"));
        if stem.starts_with("net_interface.") && !name.is_empty() {
            let cert = text(feature.to_owned());
            let key = text(format!("{stem}.tls.private_key"));
            found.insert(name, json!({"cert": cert, "key": key}));
        }
    }
    found
}

/// Path and version of the applications that the image has.
fn application_vars(features: &Features) -> Vec<(String, String)> {
    let mut vars = Vec::new();
    for application in features.groups("disk.0.applications") {
        let Some(name) = application.text("name").filter(|name| !name.starts_with("ansible.")) else {
            continue;
        };
        let name = name.to_uppercase();
        for what in ["path", "version"] {
            if let Some(value) = application.text(what) {
                let what = what.to_uppercase();
                vars.push((format!("IM_APP_{name}_{what}"), value.to_owned()));
                vars.push((format!("IM_{name}_{what}"), value.to_owned()));
            }
        }
    }
    vars
}

/// Values that Ansible would take for templates are marked as plain text: they come from clouds and from users.
pub(super) fn unsafe_values(value: Value) -> Value {
    match value {
        Value::String(text) if text.contains("{{") || text.contains("{%") || text.contains("{#") => {
            json!({"__ansible_unsafe": text})
        }
        Value::Array(values) => Value::Array(values.into_iter().map(unsafe_values).collect()),
        Value::Object(map) => Value::Object(map.into_iter().map(|(k, v)| (k, unsafe_values(v))).collect()),
        other => other,
    }
}
