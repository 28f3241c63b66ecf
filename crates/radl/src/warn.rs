//! What is legal, but surely does not mean what somebody wanted to say.

use crate::{
    Configure, Diagnostic, Document, Features, Number, Origin, OutPort, Recipe, codes, hints,
    rules::{NETWORK, SYSTEM, is_known, numberless},
    sink::Sink,
};
use std::collections::HashSet;

/// Looks for it.
pub(crate) fn look(document: &Document, sink: &mut Sink) {
    for network in &document.networks {
        unknown_features("network", NETWORK, &network.features, sink);
    }
    for system in &document.systems {
        unknown_features("system", SYSTEM, &system.features, sink);
        for soft in system.features.softs() {
            unknown_features("system", SYSTEM, &soft.features, sink);
        }
    }
    unused_networks(document, sink);
    unused_configures(document, sink);
    for item in document.contextualize.iter().flat_map(|all| &all.items) {
        if !item.is_ansible() && !item.is_cloud_init() {
            let tool = item.tool.as_deref().unwrap_or_default();
            let message = format!("Nobody runs configure `{}`: `{tool}` is no known tool", item.configure);
            let warning = Diagnostic::warning(codes::SUSPICIOUS, message).at(item.at);
            sink.push(warning.hint("the tools are `Ansible` and `cloud_init`"));
        }
    }
    for deploy in &document.deploys {
        if deploy.count() == 0 {
            let message = format!(
                "No VM of system `{}` is deployed: the number is {}",
                deploy.system, deploy.number
            );
            sink.push(Diagnostic::warning(codes::NO_VMS, message).at(deploy.at));
        } else if matches!(deploy.number, Number::Float(_)) {
            let message = format!("{} VMs are {} VMs", deploy.number, deploy.count());
            sink.push(Diagnostic::warning(codes::SUSPICIOUS, message).at(deploy.at));
        }
    }
}

/// Ports that do not exist.
pub(crate) fn ports(ports: &[OutPort], at: Origin, sink: &mut Sink) {
    for port in ports {
        let highest = port.remote.last.max(port.remote.first).max(port.local.last);
        if highest > 65_535 {
            let message = format!("There is no port {highest}: 65535 is the highest");
            sink.push(Diagnostic::warning(codes::SUSPICIOUS, message).at(at));
        }
        if port.remote.first > port.remote.last {
            let message = format!("The range {}:{} is empty", port.remote.first, port.remote.last);
            sink.push(Diagnostic::warning(codes::SUSPICIOUS, message).at(at));
        }
    }
}

fn unknown_features(class: &str, catalogue: &[&str], features: &Features, sink: &mut Sink) {
    for (name, entry) in features.entries() {
        if is_known(catalogue, name) {
            continue;
        }
        let message = format!("Nobody reads the feature `{name}` of a {class}");
        let mut warning = Diagnostic::warning(codes::UNKNOWN_FEATURE, message).at(entry.at);
        let near = hints::nearest(&numberless(name), catalogue.iter().copied());
        warning.hint = near.map(|near| format!("did you mean `{}`?", numbered(near, name)));
        sink.push(warning);
    }
}

/// A name of the catalogue with the numbers of another name in it.
fn numbered(pattern: &str, name: &str) -> String {
    let mut numbers = name.split('.').filter(|part| part.parse::<u64>().is_ok());
    let segment = |part| {
        if part == "N" {
            numbers.next().unwrap_or("0")
        } else {
            part
        }
    };
    pattern.split('.').map(segment).collect::<Vec<_>>().join(".")
}

fn unused_networks(document: &Document, sink: &mut Sink) {
    // Without systems a document brings networks for others.
    if document.systems.is_empty() {
        return;
    }
    let mut used = HashSet::new();
    for system in &document.systems {
        let softs = system.features.softs().iter().map(|soft| &soft.features);
        for features in softs.chain([&system.features]) {
            let texts = features.iter().filter(|(name, _)| name.ends_with(".connection"));
            used.extend(texts.filter_map(|(name, _)| features.text(name)));
        }
    }
    // A reference may stand for a system that uses it.
    if document.systems.iter().any(|system| system.reference) {
        return;
    }
    for network in &document.networks {
        if !used.contains(network.id.as_str()) {
            let message = format!("No system has an interface on network `{}`", network.id);
            sink.push(Diagnostic::warning(codes::UNUSED, message).at(network.at));
        }
    }
}

fn unused_configures(document: &Document, sink: &mut Sink) {
    let Some(all) = document.contextualize.as_ref().filter(|all| !all.items.is_empty()) else {
        return;
    };
    let used: HashSet<&str> = all.items.iter().map(|item| item.configure.as_str()).collect();
    let unused =
        |configure: &&Configure| configure.recipe != Recipe::Disabled && !used.contains(configure.name.as_str());
    for configure in document.configures.iter().filter(unused) {
        let message = format!("Nothing in contextualize runs configure `{}`", configure.name);
        sink.push(Diagnostic::warning(codes::UNUSED, message).at(configure.at));
    }
}
