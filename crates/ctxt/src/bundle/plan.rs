//! What the runner is told: nodes with their credentials, steps, roles and collections.

use super::{Parts, is_loopback};
use crate::{CtxtError, Node};
use im_radl::{ContextPlan, Document};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What `ansible-galaxy` is to install.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Galaxy {
    roles: Vec<BTreeMap<&'static str, String>>,
    collections: Vec<BTreeMap<&'static str, String>>,
}

impl Galaxy {
    /// Whether there are roles.
    pub(super) fn has_roles(&self) -> bool {
        !self.roles.is_empty()
    }

    /// Messages for the header log.
    pub(super) fn notes(&self) -> impl Iterator<Item = String> {
        let name = |entry: &BTreeMap<&'static str, String>| {
            entry.get("name").or(entry.get("src")).cloned().unwrap_or_default()
        };
        let roles = self
            .roles
            .iter()
            .map(move |r| format!("Galaxy role {} detected.", name(r)));
        let collections = self
            .collections
            .iter()
            .map(move |c| format!("Galaxy collection {} detected.", name(c)));
        roles.chain(collections)
    }
}

/// Roles and collections of all systems, each once.
pub(super) fn galaxy(document: &Document) -> Galaxy {
    let mut found = Galaxy::default();
    for system in &document.systems {
        for application in system.features.groups("disk.0.applications") {
            let Some(name) = application.text("name") else { continue };
            let version = application.text("version");
            let role = name
                .strip_prefix("ansible.roles.")
                .or_else(|| name.strip_prefix("ansible.modules."));
            if let Some(spec) = role {
                push(&mut found.roles, role_entry(spec, version));
            } else if let Some(spec) = name.strip_prefix("ansible.collections.") {
                push(&mut found.collections, collection_entry(spec, version));
            }
        }
    }
    found
}

fn push<T: PartialEq>(all: &mut Vec<T>, one: T) {
    if !all.contains(&one) {
        all.push(one);
    }
}

/// `source[,version][|name][,version]`, and the version said beside it.
fn role_entry(spec: &str, version: Option<&str>) -> BTreeMap<&'static str, String> {
    let (source, name) = match spec.split_once('|') {
        Some((source, name)) => (source, Some(name)),
        None => (spec, None),
    };
    let (source, first) = split_version(source);
    let (name, second) = match name.map(split_version) {
        Some((name, version)) => (Some(name), version),
        None => (None, None),
    };
    let mut entry = BTreeMap::from([("src", source.to_owned())]);
    if let Some(version) = first.or(second).or(version) {
        entry.insert("version", version.to_owned());
    }
    if let Some(name) = name.filter(|name| !name.is_empty()) {
        entry.insert("name", name.to_owned());
    }
    entry
}

fn collection_entry(spec: &str, version: Option<&str>) -> BTreeMap<&'static str, String> {
    let (name, own) = split_version(spec);
    let mut entry = BTreeMap::from([("name", name.to_owned())]);
    if name.starts_with("git+") {
        entry.insert("type", "git".to_owned());
        entry.insert("name", name.trim_start_matches("git+").to_owned());
    }
    if let Some(version) = own.or(version) {
        entry.insert("version", version.to_owned());
    }
    entry
}

fn split_version(text: &str) -> (&str, Option<&str>) {
    match text.split_once(',') {
        Some((name, version)) if !version.is_empty() => (name, Some(version)),
        Some((name, _)) => (name, None),
        None => (text, None),
    }
}

/// The plan.
pub(super) fn plan(parts: &Parts<'_>, galaxy: &Galaxy) -> Result<Value, CtxtError> {
    let spec = parts.spec;
    let nodes: Vec<Value> = parts.active.iter().map(|node| node_plan(parts, node)).collect();
    let left = spec.max_time().saturating_sub(spec.elapsed);
    let vaults: Map<String, Value> = parts
        .active
        .iter()
        .filter_map(|node| {
            let password = node.features.features.text("vault.password")?;
            Some((node.system.clone(), json!(password)))
        })
        .collect();
    let recipes: Vec<&str> = spec
        .document
        .configures
        .iter()
        .filter(|configure| configure.text().is_some())
        .map(|configure| configure.name.as_str())
        .collect();
    let referred: Vec<&str> = ["IM_INFRASTRUCTURE_AUTH"]
        .into_iter()
        .filter(|word| parts.mentions(word))
        .collect();
    let items = items(&spec.document);
    let bearers: Vec<u32> = parts
        .active
        .iter()
        .filter(|node| {
            let own = items.iter().filter(|item| item.system == node.system);
            let mut texts = own.filter_map(|item| spec.document.configure(&item.configure)?.text());
            texts.any(|text| text.contains("BEARER_TOKEN"))
        })
        .map(|node| node.id.0)
        .collect();
    Ok(json!({
        "infra": spec.infra.as_str(),
        "number": spec.number,
        "time_left": left.as_secs_f64(),
        "wait_nodes": spec.options.wait_nodes.as_secs_f64(),
        "retries": spec.options.retries.max(1),
        "master": spec.master.0,
        "only": spec.only.as_ref().map(|vms| vms.iter().map(|vm| vm.0).collect::<Vec<_>>()),
        "nodes": nodes,
        "steps": steps(&spec.document)?,
        "recipes": recipes,
        "vaults": vaults,
        "referred": referred,
        "bearers": bearers,
        "texts": {"auth": spec.owner_auth.expose()},
        "roles": galaxy.roles,
        "collections": galaxy.collections,
    }))
}

fn items(document: &Document) -> Vec<im_radl::PlannedItem> {
    match document.effective_items() {
        ContextPlan::Disabled => Vec::new(),
        ContextPlan::Items(items) => items.into_iter().filter(|item| !item.cloud_init).collect(),
    }
}

/// The steps of the user, in order; the items of one in the order of the document.
fn steps(document: &Document) -> Result<Vec<Value>, CtxtError> {
    let mut steps: BTreeMap<i64, Vec<Value>> = BTreeMap::new();
    for item in items(document) {
        let Some(configure) = document.configure(&item.configure) else {
            return Err(CtxtError::Unusable(format!(
                "contextualize names the configure {}, which the document does not have",
                item.configure
            )));
        };
        if configure.text().is_some() {
            let entry = json!({"system": item.system, "configure": item.configure});
            steps.entry(item.step).or_default().push(entry);
        }
    }
    Ok(steps
        .into_iter()
        .map(|(step, items)| json!({"step": step, "items": items}))
        .collect())
}

fn node_plan(parts: &Parts<'_>, node: &Node) -> Value {
    let options = &parts.spec.options;
    let mut addresses: Vec<(String, u16)> = Vec::new();
    for ip in [node.private_ip, node.public_ip].into_iter().flatten() {
        // To the master it would be the master itself.
        if is_loopback(ip) {
            continue;
        }
        for port in [node.ssh_port, 22] {
            push(&mut addresses, (ip.to_string(), port));
        }
    }
    let mut map = Map::new();
    let mut set = |name: &str, value: Value| {
        map.insert(name.to_owned(), value);
    };
    set("vm", json!(node.id.0));
    set("name", json!(node.inventory_name()));
    set("system", json!(node.system));
    set("master", json!(node.id == parts.master.id));
    set("windows", json!(node.is_windows()));
    set("contextualized", json!(node.contextualized));
    set("addresses", json!(addresses));
    set("user", json!(node.login.user));
    set(
        "fqdn",
        json!(node.name(&options.default_name, &options.default_domain).fqdn()),
    );
    set("nat", json!(node.features.features.is_yes("nat_instance")));
    let login = &node.login;
    for (name, secret) in [
        ("password", &login.password),
        ("private_key", &login.private_key),
        ("new_password", &login.new_password),
        ("new_private_key", &login.new_private_key),
    ] {
        if let Some(secret) = secret {
            set(name, json!(secret.expose()));
        }
    }
    if let Some(key) = &login.new_public_key {
        set("new_public_key", json!(key.trim()));
    }
    Value::Object(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(spec: &str, version: Option<&str>) -> String {
        let entry = role_entry(spec, version);
        let get = |key: &str| entry.get(key).map_or("-", String::as_str).to_owned();
        format!("{} {} {}", get("src"), get("version"), get("name"))
    }

    #[test]
    fn forms_of_roles() {
        assert_eq!(entry("grycap.nfs", None), "grycap.nfs - -");
        assert_eq!(entry("grycap.nfs,v1", None), "grycap.nfs v1 -");
        assert_eq!(entry("grycap.nfs", Some("v2")), "grycap.nfs v2 -");
        assert_eq!(entry("git+https://x/y,main", None), "git+https://x/y main -");
        assert_eq!(entry("https://x/y.tgz|name", None), "https://x/y.tgz - name");
        assert_eq!(entry("https://x/y,1|name", None), "https://x/y 1 name");
        assert_eq!(entry("https://x/y|name,1", None), "https://x/y 1 name");
        assert_eq!(entry("https://x/y|name", Some("1")), "https://x/y 1 name");
    }
}
