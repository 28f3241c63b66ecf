//! What is legal, but surely does not mean what somebody wanted to say.

use crate::{
    Configure, Diagnostic, Document, Features, Number, Origin, OutPort, Recipe, codes, hints,
    merge::APPLICATIONS,
    rules::{ANSIBLE, APPLICATION, NETWORK, OPTION, SYSTEM, is_known, numberless},
    sink::Sink,
};
use std::collections::HashSet;

/// Looks for it.
pub(crate) fn look(document: &Document, sink: &mut Sink) {
    for network in &document.networks {
        unknown_features("feature", " of a network", NETWORK, &network.features, sink);
    }
    for host in &document.ansible {
        unknown_features("feature", " of an Ansible host", ANSIBLE, &host.features, sink);
    }
    for system in &document.systems {
        of_system(&system.features, sink);
    }
    if let Some(all) = &document.contextualize {
        unknown_features("option", "", OPTION, &all.options, sink);
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

fn of_system(features: &Features, sink: &mut Sink) {
    unknown_features("feature", " of a system", SYSTEM, features, sink);
    for application in features.groups(APPLICATIONS) {
        unknown_features("feature", " of an application", APPLICATION, application, sink);
    }
    for soft in features.softs() {
        of_system(&soft.features, sink);
    }
}

/// Ports and addresses that do not exist, and what is written for nothing. The entries of the text are those read.
pub(crate) fn ports(text: &str, ports: &[OutPort], at: Origin, sink: &mut Sink) {
    for (entry, port) in text.split(',').zip(ports) {
        if let Some(message) = ignored_side(entry, port) {
            let warning = Diagnostic::warning(codes::SUSPICIOUS, message).at(at);
            sink.push(
                warning.hint("a range is opened as it is, the same outside and in the VM; leave the other side out"),
            );
        }
        if !is_range_of_addresses(&port.cidr) {
            let message = format!("`{}` is no range of addresses", port.cidr);
            let warning = Diagnostic::warning(codes::SUSPICIOUS, message).at(at);
            sink.push(
                warning.hint("four numbers up to 255, joined by `.`, and the length of their common part, up to 32"),
            );
        }
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

/// Of an entry with a range the other side is not read, and of a range behind a port only its first one.
fn ignored_side(entry: &str, port: &OutPort) -> Option<String> {
    let sides = entry
        .strip_prefix(&port.cidr)
        .and_then(|rest| rest.strip_prefix('-'))
        .unwrap_or(entry);
    let (_, local) = sides.split_once('-')?;
    if port.range {
        return Some(format!("In `{entry}` nobody reads `{local}`, which follows a range"));
    }
    let first = port.local.first;
    local
        .contains(':')
        .then(|| format!("In `{entry}` only port {first} of the range `{local}` is used"))
}

fn is_range_of_addresses(cidr: &str) -> bool {
    cidr.split_once('/').is_some_and(|(address, length)| {
        let octets: Vec<_> = address.split('.').map(str::parse::<u8>).collect();
        octets.len() == 4 && octets.iter().all(Result::is_ok) && length.parse::<u8>().is_ok_and(|bits| bits <= 32)
    })
}

fn unknown_features(noun: &str, of: &str, catalogue: &[&str], features: &Features, sink: &mut Sink) {
    for (name, entry) in features.entries() {
        if is_known(catalogue, name) {
            continue;
        }
        let message = format!("Nobody reads the {noun} `{name}`{of}");
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
    // A name that is misspelt is an error, and what it stands for is used.
    if used.iter().any(|id| document.network(id).is_none()) {
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
