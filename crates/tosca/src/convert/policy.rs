//! Policies, and how many machines there shall be.

use super::{
    Cx,
    compute::wrong,
    value::{filled, integer, text},
};
use crate::{
    Value, codes,
    template::{NodeTemplate, Policy},
};
use im_radl::Diagnostic;

/// Policies that say where machines go.
const PLACEMENT: [&str; 2] = ["tosca.policies.Placement", "tosca.policies.indigo.Placement"];

fn is_placement(policy: &Policy) -> bool {
    PLACEMENT.contains(&&*policy.type_name)
}

impl Cx<'_> {
    /// What the first placement policy for a node says: `cloud_id`, `availability_zone`.
    pub(super) fn placement(&self, node: &NodeTemplate, property: &str) -> Option<String> {
        let policies = self.template.policies.iter();
        policies
            .filter(|policy| is_placement(policy) && self.is_for(policy, node))
            .find_map(|policy| filled(self.value(node, policy.properties.get(property)?)))
    }

    /// Whether a policy is for a node: by its name or by a group.
    fn is_for(&self, policy: &Policy, node: &NodeTemplate) -> bool {
        policy.targets.iter().any(|target| {
            let group = self.template.groups.get(target);
            *target == node.name || group.is_some_and(|group| group.members.contains(&node.name))
        })
    }

    /// Tells which policies have no effect.
    pub(super) fn warn_policies(&self) {
        for policy in self.template.policies.iter().filter(|policy| !is_placement(policy)) {
            let message = format!("policy `{}` of type `{}` has no effect", policy.name, policy.type_name);
            let found = Diagnostic::warning(codes::SUSPICIOUS, message)
                .hint(format!("policies that count are {} and {}", PLACEMENT[0], PLACEMENT[1]));
            self.find(found, policy.at);
        }
    }

    /// How many machines of a node there shall be, by its capability `scalable`.
    pub(super) fn wanted(&self, node: &NodeTemplate) -> i64 {
        let Some(scalable) = node.capabilities.get("scalable") else {
            return 1;
        };
        for property in ["count", "default_instances", "min_instances"] {
            let value = scalable
                .properties
                .get(property)
                .and_then(|value| self.value(node, value));
            let Some(value) = value.filter(|value| !value.is_null()) else {
                continue;
            };
            if let Some(count) = integer(&value) {
                return count.max(0);
            }
            self.find(wrong(property, "a whole number", &value), value.at);
            return 0;
        }
        1
    }

    /// The machines that the document names to be removed first.
    fn removal_list(&self, node: &NodeTemplate) -> Vec<String> {
        let scalable = node.capabilities.get("scalable");
        let value = scalable.and_then(|scalable| self.value(node, scalable.properties.get("removal_list")?));
        match value.map(|value| value.value) {
            Some(Value::Seq(items)) => items.iter().map(text).filter(|id| !id.is_empty()).collect(),
            Some(Value::Str(one)) if !one.is_empty() => vec![one.to_string()],
            Some(Value::Int(one)) => vec![one.to_string()],
            _ => Vec::new(),
        }
    }

    /// How many machines of a system to add, and which to remove.
    pub(super) fn change(&self, node: &NodeTemplate, system: &str, wanted: i64) -> (i64, Vec<String>) {
        let Some(existing) = self.context.existing else {
            return (wanted.max(0), Vec::new());
        };
        let mut running: Vec<_> = existing.iter().filter(|vm| vm.system == system).collect();
        let have = i64::try_from(running.len()).unwrap_or(i64::MAX);
        let surplus = usize::try_from(have - wanted).unwrap_or(0);
        if surplus == 0 {
            return ((wanted - have).max(0), Vec::new());
        }
        let named = self.removal_list(node);
        if !named.is_empty() {
            let elsewhere = |id: &String| existing.iter().any(|vm| vm.id == *id && vm.system != system);
            let (others, own): (Vec<String>, Vec<String>) = named.into_iter().partition(elsewhere);
            for id in others {
                let message = format!(
                    "machine {id} in the `removal_list` of `{}` is not one of its machines",
                    node.name
                );
                self.find(Diagnostic::warning(codes::SUSPICIOUS, message), node.at);
            }
            return (0, own.into_iter().take(surplus).collect());
        }
        // The oldest ones; of the same age, in the order they are told.
        running.sort_by_key(|vm| vm.created);
        (0, running.iter().take(surplus).map(|vm| vm.id.clone()).collect())
    }
}
