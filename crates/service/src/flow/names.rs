//! Names of resources in a plan: what refers to what, and where the ids come from. Pure.

use im_cloud::WantedResource;
use im_model::{ResourceKind, StepId};
use serde_json::Value;
use std::{collections::HashMap, sync::Arc};

/// Resources so that what others depend on comes first; the order is otherwise kept. Circles are left as they are:
/// looking up what is not there yet then fails.
pub(super) fn ordered(mut wanted: Vec<WantedResource>) -> Vec<WantedResource> {
    if wanted.len() < 2 {
        return wanted;
    }
    let mut sorted: Vec<WantedResource> = Vec::with_capacity(wanted.len());
    while !wanted.is_empty() {
        let ready = wanted.iter().position(|one| {
            let mut needs: Vec<(String, String)> =
                one.after.iter().map(|d| (d.kind.to_string(), d.name.clone())).collect();
            references(&one.spec, &mut |kind, name| {
                needs.push((kind.to_owned(), name.to_owned()));
            });
            let waits = |other: &WantedResource| {
                let same = |(kind, name): &(String, String)| *kind == other.kind.as_str() && *name == other.name;
                !std::ptr::eq(other, one) && needs.iter().any(same)
            };
            !wanted.iter().any(waits)
        });
        sorted.push(wanted.remove(ready.unwrap_or(0)));
    }
    sorted
}

const REFERENCE: &str = "@id:";

/// Calls `found` with kind and name of each reference in a spec.
fn references(spec: &Value, found: &mut dyn FnMut(&str, &str)) {
    match spec {
        Value::String(text) => {
            if let Some((kind, name)) = text.strip_prefix(REFERENCE).and_then(|rest| rest.split_once('/')) {
                found(kind, name);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        Value::Object(members) => members.values().for_each(|item| references(item, found)),
        _ => {}
    }
}

/// Where the ids of named resources come from: a step of the plan, or a row.
#[derive(Default)]
pub(super) struct Names<'p> {
    parent: Option<&'p Names<'p>>,
    pub(super) steps: HashMap<(ResourceKind, String), StepId>,
    pub(super) ids: HashMap<(ResourceKind, String), String>,
}

impl<'p> Names<'p> {
    pub(super) fn child<'c>(&'c self) -> Names<'c>
    where
        'p: 'c,
    {
        Names {
            parent: Some(self),
            steps: HashMap::new(),
            ids: HashMap::new(),
        }
    }

    /// The step that makes it; none if it is there already.
    pub(super) fn step(&self, kind: ResourceKind, name: &str) -> Result<Option<StepId>, String> {
        let key = (kind, name.to_owned());
        if let Some(step) = self.steps.get(&key) {
            return Ok(Some(*step));
        }
        if self.ids.contains_key(&key) {
            return Ok(None);
        }
        match self.parent {
            Some(parent) => parent.step(kind, name),
            None => Err(format!("the plan names {kind} `{name}`, which nothing makes")),
        }
    }

    fn id(&self, kind: ResourceKind, name: &str) -> Option<&str> {
        let own = self.ids.get(&(kind, name.to_owned())).map(String::as_str);
        own.or_else(|| self.parent?.id(kind, name))
    }

    /// The spec with references turned into steps or ids. The steps go into `after`.
    pub(super) fn rewritten(&self, spec: &Arc<Value>, after: &mut Vec<StepId>) -> Result<Arc<Value>, String> {
        let mut any = false;
        references(spec, &mut |_, _| any = true);
        if !any {
            return Ok(spec.clone());
        }
        let mut rewritten = (**spec).clone();
        self.rewrite(&mut rewritten, after)?;
        Ok(Arc::new(rewritten))
    }

    fn rewrite(&self, spec: &mut Value, after: &mut Vec<StepId>) -> Result<(), String> {
        match spec {
            Value::String(text) => {
                let Some((kind, name)) = text.strip_prefix(REFERENCE).and_then(|rest| rest.split_once('/')) else {
                    return Ok(());
                };
                let kind = serde_json::from_value::<ResourceKind>(Value::from(kind))
                    .map_err(|_| format!("the plan names an unknown kind `{kind}`"))?;
                if let Some(step) = self.step(kind, name)? {
                    after.push(step);
                    *text = format!("{REFERENCE}{step}");
                } else if let Some(id) = self.id(kind, name) {
                    *text = id.to_owned();
                }
                Ok(())
            }
            Value::Array(items) => items.iter_mut().try_for_each(|item| self.rewrite(item, after)),
            Value::Object(members) => members.values_mut().try_for_each(|item| self.rewrite(item, after)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use im_cloud::Dependency;
    use serde_json::json;

    fn wanted(kind: ResourceKind, name: &str, spec: Value, after: &[&str]) -> WantedResource {
        WantedResource {
            kind,
            name: name.to_owned(),
            spec: Arc::new(spec),
            after: after
                .iter()
                .map(|name| Dependency {
                    kind: ResourceKind::Volume,
                    name: (*name).to_owned(),
                })
                .collect(),
        }
    }

    #[test]
    fn what_others_need_comes_first() {
        let vm = wanted(ResourceKind::Vm, "v", json!({"net": "@id:network/n"}), &["d"]);
        let network = wanted(ResourceKind::Network, "n", json!({}), &[]);
        let disk = wanted(ResourceKind::Volume, "d", json!({}), &[]);
        let names: Vec<_> = ordered(vec![vm, network, disk]).into_iter().map(|w| w.name).collect();
        assert_eq!(names, ["n", "d", "v"]);
    }

    #[test]
    fn references_become_steps_or_ids() {
        let mut shared = Names::default();
        shared.steps.insert((ResourceKind::Network, "new".into()), StepId(4));
        shared.ids.insert((ResourceKind::Network, "old".into()), "net-7".into());
        let names = shared.child();
        let mut after = Vec::new();
        let spec = Arc::new(json!({"nets": ["@id:network/new", "@id:network/old", "other"]}));
        let rewritten = names.rewritten(&spec, &mut after).unwrap();
        assert_eq!(*rewritten, json!({"nets": ["@id:4", "net-7", "other"]}));
        assert_eq!(after, [StepId(4)]);
        let unknown = Arc::new(json!("@id:network/none"));
        assert!(names.rewritten(&unknown, &mut after).is_err());
        let plain = Arc::new(json!({"a": 1}));
        assert!(Arc::ptr_eq(&plain, &names.rewritten(&plain, &mut after).unwrap()));
    }
}
