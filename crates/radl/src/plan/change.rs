//! What a document changes in an infrastructure that exists, by the rules of adding one: networks and Ansible hosts
//! stay as they are, systems and recipes are replaced, machines are added or removed.

use crate::{Document, Features, print::feature_line};
use serde::{Deserialize, Serialize};

/// A machine that runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningVm {
    /// Its id.
    pub id: String,
    /// Its system.
    pub system: String,
}

/// What happens to something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// It comes to be.
    Added,
    /// It goes.
    Removed,
    /// It becomes another one.
    Changed,
    /// It stays.
    Kept,
}

/// What happens to machines of one system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineChange {
    /// Their system.
    pub system: String,
    /// What happens: [`What::Changed`] never.
    pub what: What,
    /// How many.
    pub count: usize,
    /// The cloud that was named for new ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud: Option<String>,
    /// Ids of those that exist.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vms: Vec<String>,
}

/// One feature before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeatureChange {
    /// As printed, without secrets; absent if it was not there.
    pub old: Option<String>,
    /// As printed, without secrets; absent if it goes.
    pub new: Option<String>,
}

/// What happens to a network, a system, a recipe or a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartChange {
    /// Its id.
    pub id: String,
    /// What happens. [`What::Kept`]: the document has another one, which does not count.
    pub what: What,
    /// What to know about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The features that differ.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<FeatureChange>,
}

/// What a document changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Machines, in the order of the systems.
    pub machines: Vec<MachineChange>,
    /// Networks.
    pub networks: Vec<PartChange>,
    /// Systems.
    pub systems: Vec<PartChange>,
    /// Recipes.
    pub recipes: Vec<PartChange>,
    /// What is run where and when.
    pub steps: Vec<PartChange>,
    /// Whether configuration runs again.
    pub reconfigure: bool,
}

impl Difference {
    /// Whether all stays as it is, except that configuration may run again.
    pub fn is_empty(&self) -> bool {
        let stays = |what: What| what == What::Kept;
        self.machines.iter().all(|m| stays(m.what))
            && [&self.networks, &self.systems, &self.recipes, &self.steps]
                .iter()
                .all(|parts| parts.is_empty())
    }
}

/// What `change` changes if it is added to an infrastructure of document `stored` with these machines, of which those
/// in `removals` are removed before.
pub fn difference(stored: &Document, running: &[RunningVm], change: &Document, removals: &[String]) -> Difference {
    let mut found = Difference {
        machines: machines(stored, running, change, removals),
        ..Difference::default()
    };
    for network in change.networks.iter().filter(|network| !network.reference) {
        match stored.network(&network.id) {
            None => found.networks.push(part(&network.id, What::Added)),
            Some(old) => {
                let features = features(&old.features, &network.features);
                if !features.is_empty() {
                    let note = "the one that exists stays as it is";
                    found.networks.push(with(&network.id, What::Kept, note, features));
                }
            }
        }
    }
    for system in change.systems.iter().filter(|system| !system.reference) {
        match stored.system(&system.name) {
            None => found.systems.push(part(&system.name, What::Added)),
            Some(old) => {
                let features = features(&old.features, &system.features);
                if !features.is_empty() {
                    let note = "for machines to come; those that run keep what they have";
                    found.systems.push(with(&system.name, What::Changed, note, features));
                }
            }
        }
    }
    for configure in &change.configures {
        use crate::Recipe;
        match (&configure.recipe, stored.configure(&configure.name)) {
            (Recipe::Reference, _) => {}
            (_, None) => found.recipes.push(part(&configure.name, What::Added)),
            (new, Some(old)) if !same_recipe(new, &old.recipe) => {
                found.recipes.push(part(&configure.name, What::Changed));
            }
            _ => {}
        }
    }
    steps(stored, change, &mut found.steps);
    let disabled = change
        .contextualize
        .as_ref()
        .is_some_and(crate::Contextualize::is_empty);
    found.reconfigure = !disabled;
    found
}

fn part(id: &str, what: What) -> PartChange {
    PartChange {
        id: id.to_owned(),
        what,
        note: None,
        features: Vec::new(),
    }
}

fn with(id: &str, what: What, note: &str, features: Vec<FeatureChange>) -> PartChange {
    PartChange {
        note: Some(note.to_owned()),
        features,
        ..part(id, what)
    }
}

/// Empty lines at either end do not count.
fn same_recipe(a: &crate::Recipe, b: &crate::Recipe) -> bool {
    match (a, b) {
        (crate::Recipe::Text(a), crate::Recipe::Text(b)) => a.trim() == b.trim(),
        _ => a == b,
    }
}

fn machines(stored: &Document, running: &[RunningVm], change: &Document, removals: &[String]) -> Vec<MachineChange> {
    let mut systems: Vec<&str> = Vec::new();
    let known = stored.systems.iter().chain(&change.systems).map(|s| s.name.as_str());
    for system in known.chain(running.iter().map(|vm| vm.system.as_str())) {
        if !systems.contains(&system) {
            systems.push(system);
        }
    }
    let mut all = Vec::new();
    for system in systems {
        let (gone, kept): (Vec<&RunningVm>, Vec<&RunningVm>) = running
            .iter()
            .filter(|vm| vm.system == system)
            .partition(|vm| removals.contains(&vm.id));
        for (what, vms) in [(What::Kept, kept), (What::Removed, gone)] {
            if !vms.is_empty() {
                all.push(MachineChange {
                    system: system.to_owned(),
                    what,
                    count: vms.len(),
                    cloud: None,
                    vms: vms.iter().map(|vm| vm.id.clone()).collect(),
                });
            }
        }
        for deploy in change.deploys.iter().filter(|d| d.system == system && d.count() > 0) {
            all.push(MachineChange {
                system: system.to_owned(),
                what: What::Added,
                count: deploy.count(),
                cloud: deploy.cloud.clone(),
                vms: Vec::new(),
            });
        }
    }
    all
}

fn features(old: &Features, new: &Features) -> Vec<FeatureChange> {
    let line = |features: &Features, name: &str| features.get(name).map(|f| feature_line(name, f));
    let mut changes = Vec::new();
    for (name, feature) in old.iter() {
        if new.get(name) != Some(feature) {
            changes.push(FeatureChange {
                old: line(old, name),
                new: line(new, name),
            });
        }
    }
    for (name, _) in new.iter().filter(|(name, _)| !old.contains(name)) {
        changes.push(FeatureChange {
            old: None,
            new: line(new, name),
        });
    }
    changes
}

fn steps(stored: &Document, change: &Document, found: &mut Vec<PartChange>) {
    let old = stored.contextualize.iter().flat_map(|all| &all.items);
    let old: Vec<_> = old.collect();
    for item in change.contextualize.iter().flat_map(|all| &all.items) {
        let id = format!("{}: {} on {}", item.step_number(), item.configure, item.system);
        let same = old
            .iter()
            .find(|o| o.system == item.system && o.configure == item.configure);
        match same {
            None => found.push(part(&id, What::Added)),
            Some(old) if old.step_number() != item.step_number() => {
                let note = format!("was step {}", old.step_number());
                found.push(with(&id, What::Changed, &note, Vec::new()));
            }
            Some(_) => {}
        }
    }
}
