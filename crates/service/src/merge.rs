//! What adding one document to another means: references, defaults, add and reconfigure. Pure.

use crate::options::ServiceOptions;
use im_model::Secret;
use im_radl::{Document, Feature, Features, Interval, Number, Op, Recipe, System};

const APPLICATIONS: &str = "disk.0.applications";
const NEW_CREDENTIALS: &str = "disk.0.os.credentials.new.";

/// Replaces references by what the infrastructure has.
pub(crate) fn complete(document: &mut Document, stored: &Document) -> Result<(), String> {
    let unknown = |what: &str, name: &str| format!("Unknown reference in RADL to {what} '{name}'");
    for network in document.networks.iter_mut().filter(|n| n.reference) {
        *network = stored
            .network(&network.id)
            .ok_or_else(|| unknown("network", &network.id))?
            .clone();
    }
    for system in document.systems.iter_mut().filter(|s| s.reference) {
        *system = stored
            .system(&system.name)
            .ok_or_else(|| unknown("system", &system.name))?
            .clone();
    }
    for configure in document
        .configures
        .iter_mut()
        .filter(|c| c.recipe == Recipe::Reference)
    {
        *configure = stored
            .configure(&configure.name)
            .ok_or_else(|| unknown("configure", &configure.name))?
            .clone();
    }
    Ok(())
}

/// Adds a completed document to the infrastructure's: networks and Ansible hosts only if they are new, systems and
/// configures replace, contextualize merges, deploys replace if there are any.
pub(crate) fn add(stored: &mut Document, incoming: &Document) {
    if incoming.description.is_some() {
        stored.description.clone_from(&incoming.description);
    }
    for host in &incoming.ansible {
        if stored.ansible_host(&host.id).is_none() {
            stored.ansible.push(host.clone());
        }
    }
    for network in &incoming.networks {
        if stored.network(&network.id).is_none() {
            stored.networks.push(network.clone());
        }
    }
    for system in &incoming.systems {
        match stored.system_mut(&system.name) {
            Some(old) => *old = system.clone(),
            None => stored.systems.push(system.clone()),
        }
    }
    add_configures(stored, incoming);
    if !incoming.deploys.is_empty() {
        stored.deploys.clone_from(&incoming.deploys);
    }
}

fn add_configures(stored: &mut Document, incoming: &Document) {
    for configure in &incoming.configures {
        if configure.recipe == Recipe::Reference {
            continue;
        }
        match stored.configure_mut(&configure.name) {
            Some(old) => *old = configure.clone(),
            None => stored.configures.push(configure.clone()),
        }
    }
    if let Some(more) = &incoming.contextualize {
        match &mut stored.contextualize {
            Some(there) => there.merge(more),
            None => stored.contextualize = Some(more.clone()),
        }
    }
}

/// What a reconfigure takes: configures, contextualize, new credentials and applications of systems.
pub(crate) fn reconfigure(stored: &mut Document, incoming: &Document) {
    add_configures(stored, incoming);
    for system in &incoming.systems {
        if let Some(there) = stored.system_mut(&system.name) {
            renew(&mut there.features, &system.features);
        }
    }
}

/// Takes new credentials and applications from the features of a document that came with a reconfigure.
pub(crate) fn renew(there: &mut Features, sent: &Features) {
    for (name, feature) in sent.iter().filter(|(name, _)| name.starts_with(NEW_CREDENTIALS)) {
        there.set(name, feature.clone());
    }
    if let Some(Feature::Groups(sent)) = sent.get(APPLICATIONS) {
        let mut all = match there.get(APPLICATIONS) {
            Some(Feature::Groups(groups)) => groups.clone(),
            _ => indexmap::IndexMap::new(),
        };
        for (name, application) in sent {
            all.retain(|old, _| bare(old) != bare(name));
            all.insert(name.clone(), application.clone());
        }
        there.set(APPLICATIONS, Feature::Groups(all));
    }
}

/// Whether [`renew`] would take anything.
pub(crate) fn renews(sent: &Features) -> bool {
    sent.contains(APPLICATIONS) || sent.iter().any(|(name, _)| name.starts_with(NEW_CREDENTIALS))
}

/// Name of an application without its version.
fn bare(name: &str) -> &str {
    name.split(',').next().unwrap_or(name)
}

/// The system as offered to clouds: defaults filled in, applications taken out (they come back afterwards).
pub(crate) fn requested(system: &System, options: &ServiceOptions) -> System {
    let mut system = system.clone();
    let softly = |features: &Features, name: &str| features.softs().iter().any(|s| s.features.contains(name));
    let missing = |system: &System, name: &str| !system.features.contains(name) && !softly(&system.features, name);
    let at_least = |value: i64, unit: &str| Feature::Number(Interval::new(Op::Ge, Number::Int(value), unit));
    if missing(&system, "cpu.count") {
        system.features.set("cpu.count", at_least(options.default_cpus, ""));
    }
    if missing(&system, "memory.size") {
        let memory = at_least(options.default_memory, &options.default_memory_unit);
        system.features.set("memory.size", memory);
    }
    if missing(&system, "cpu.arch") {
        system.features.set_text("cpu.arch", options.default_arch.clone());
    }
    system.features.remove(APPLICATIONS);
    system
}

/// Gives a chosen system the applications that were asked for.
pub(crate) fn with_applications(mut chosen: System, asked: &System) -> System {
    if let Some(applications) = asked.features.get(APPLICATIONS) {
        chosen.features.set(APPLICATIONS, applications.clone());
    }
    chosen
}

/// Text of `disk.0.os.credentials.<name>`, if it is not empty.
pub(crate) fn credential(features: &Features, name: &str) -> Option<Secret> {
    let text = features.text(&format!("disk.0.os.credentials.{name}"))?;
    (!text.is_empty()).then(|| Secret::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Document {
        let parsed = im_radl::parse(text);
        assert!(parsed.is_ok(), "{:?}", parsed.diagnostics);
        parsed.document
    }

    #[test]
    fn references_come_from_the_infrastructure() {
        let stored = read("network n (outbound='yes')\nsystem s (cpu.count=1)");
        let mut sent = read("network n\nsystem s\ndeploy s 1");
        complete(&mut sent, &stored).unwrap();
        assert_eq!(sent.network("n"), stored.network("n"));
        assert!(!sent.system("s").unwrap().reference);
        let mut sent = read("system other\ndeploy other 1");
        assert_eq!(
            complete(&mut sent, &stored).unwrap_err(),
            "Unknown reference in RADL to system 'other'"
        );
    }

    #[test]
    fn an_added_document_follows_the_rules_of_its_parts() {
        let mut stored = read("network n ()\nsystem s (cpu.count=1)\ndeploy s 3");
        let more = read("network n (outbound='yes')\nnetwork m ()\nsystem s (cpu.count=2)\ndeploy s 1");
        add(&mut stored, &more);
        assert!(!stored.network("n").unwrap().is_public());
        assert!(stored.network("m").is_some());
        assert_eq!(stored.system("s").unwrap().features.integer("cpu.count"), Some(2));
        assert_eq!(stored.vm_count(), 1);
        add(&mut stored, &read("network o ()"));
        assert_eq!(stored.vm_count(), 1);
    }

    #[test]
    fn a_reconfigure_takes_credentials_and_applications_only() {
        let mut stored = read(
            "system s (cpu.count=1 and disk.0.applications contains (name='a,1') and disk.0.applications contains (name='b'))",
        );
        let sent = read(
            "system s (cpu.count=9 and disk.0.os.credentials.new.password='Abcdef-1' and disk.0.applications contains (name='a,2'))",
        );
        reconfigure(&mut stored, &sent);
        let features = &stored.system("s").unwrap().features;
        assert_eq!(features.integer("cpu.count"), Some(1));
        assert_eq!(
            features.text("disk.0.os.credentials.new.password"),
            Some("Abcdef-1")
        );
        let names: Vec<_> = features.groups(APPLICATIONS).map(Features::group_key).collect();
        assert_eq!(names, ["b", "a,2"]);
    }

    #[test]
    fn defaults_are_set_where_nothing_is_said() {
        let document = read("system s (memory.size=1g and disk.0.applications contains (name='a'))");
        let asked = document.system("s").unwrap();
        let offered = requested(asked, &ServiceOptions::default());
        assert_eq!(offered.features.integer("cpu.count"), Some(1));
        assert_eq!(offered.features.bytes("memory.size"), Some(1_000_000_000));
        assert_eq!(offered.features.text("cpu.arch"), Some("x86_64"));
        assert!(!offered.features.contains(APPLICATIONS));
        assert!(with_applications(offered, asked).features.contains(APPLICATIONS));
    }
}
