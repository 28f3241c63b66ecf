//! What contextualization runs, defaults and disabled states included.

use crate::{ContextItem, Contextualize, Document, Recipe, System};

/// What contextualization runs.
#[derive(Clone, Debug, PartialEq)]
pub enum ContextPlan {
    /// Nothing, in the whole infrastructure.
    Disabled,
    /// These.
    Items(Vec<PlannedItem>),
}

/// A recipe for a system, defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedItem {
    /// The system.
    pub system: String,
    /// The configure.
    pub configure: String,
    /// The step.
    pub step: i64,
    /// Whether cloud-init runs it, not Ansible.
    pub cloud_init: bool,
}

impl From<&ContextItem> for PlannedItem {
    fn from(item: &ContextItem) -> Self {
        Self {
            system: item.system.clone(),
            configure: item.configure.clone(),
            step: item.step_number(),
            cloud_init: item.is_cloud_init(),
        }
    }
}

impl Contextualize {
    /// Whether it says nothing, which disables contextualization.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty() && self.options.is_empty()
    }
}

impl Document {
    /// What contextualization runs; nothing if no item is for Ansible, though those for cloud-init still take part in
    /// launching ([`Document::cloud_init_items`]). Without `contextualize`, or with one that holds options only: for every system
    /// that has a configure of its name, that one, at step 1.
    pub fn effective_items(&self) -> ContextPlan {
        match &self.contextualize {
            Some(all) if all.is_empty() => ContextPlan::Disabled,
            Some(all) if !all.items.is_empty() => {
                if !all.items.iter().any(ContextItem::is_ansible) {
                    return ContextPlan::Disabled;
                }
                // What another tool would run, nobody runs.
                let known = all
                    .items
                    .iter()
                    .filter(|item| item.is_ansible() || item.is_cloud_init());
                ContextPlan::Items(known.map(Into::into).collect())
            }
            _ => ContextPlan::Items(self.default_items()),
        }
    }

    /// The configures that cloud-init runs on VMs of a system, in order.
    pub fn cloud_init_items(&self, system: &str) -> impl Iterator<Item = &str> {
        let items = self.contextualize.iter().flat_map(|all| &all.items);
        items
            .filter(move |item| item.system == system && item.is_cloud_init())
            .map(|item| item.configure.as_str())
    }

    fn default_items(&self) -> Vec<PlannedItem> {
        let named = |system: &&System| {
            self.configure(&system.name)
                .is_some_and(|c| c.recipe != Recipe::Disabled)
        };
        let item = |system: &System| PlannedItem {
            system: system.name.clone(),
            configure: system.name.clone(),
            step: 1,
            cloud_init: false,
        };
        self.systems.iter().filter(named).map(item).collect()
    }

    /// Whether an empty configure of its name takes this system out of contextualization.
    pub fn is_context_disabled(&self, system: &str) -> bool {
        self.configure(system).is_some_and(|c| c.recipe == Recipe::Disabled)
    }
}
