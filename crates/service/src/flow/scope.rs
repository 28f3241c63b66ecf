//! Which VMs contextualization is about. Pure.

use crate::Connectors;
use im_model::Vm;
use im_radl::{ContextPlan, Document};
use std::{cell::RefCell, collections::HashMap};

/// Decides for each VM whether it takes part; remembers what connectors can do.
pub(crate) struct Scope<'a> {
    document: &'a Document,
    connectors: &'a Connectors,
    disabled: bool,
    kinds: RefCell<HashMap<String, bool>>,
    systems: RefCell<HashMap<String, bool>>,
}

impl<'a> Scope<'a> {
    pub(crate) fn new(document: &'a Document, connectors: &'a Connectors) -> Self {
        let disabled = match document.effective_items() {
            ContextPlan::Disabled => true,
            ContextPlan::Items(items) => !items.is_empty() && items.iter().all(|i| i.cloud_init),
        };
        Self {
            document,
            connectors,
            disabled,
            kinds: RefCell::default(),
            systems: RefCell::default(),
        }
    }

    /// Whether a VM of this system at a cloud of this kind is configured over SSH.
    pub(crate) fn includes(&self, system: &str, kind: &str) -> bool {
        if self.disabled {
            return false;
        }
        let configured = |system: &str| !self.document.is_context_disabled(system);
        let reachable = |kind: &str| {
            self.connectors.get(kind).is_some_and(|connector| {
                let capability = connector.capability();
                capability.contextualizes && capability.dialable
            })
        };
        remember(&self.systems, system, configured) && remember(&self.kinds, kind, reachable)
    }

    /// The same for a VM.
    pub(crate) fn takes(&self, vm: &Vm) -> bool {
        !vm.destroyed && self.includes(&vm.system, &vm.cloud.kind)
    }
}

fn remember(known: &RefCell<HashMap<String, bool>>, name: &str, find: impl Fn(&str) -> bool) -> bool {
    if let Some(answer) = known.borrow().get(name) {
        return *answer;
    }
    let answer = find(name);
    known.borrow_mut().insert(name.to_owned(), answer);
    answer
}
