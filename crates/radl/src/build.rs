//! Builds a document out of its aspects, whichever form they come from: ids are unique, contextualizations merge.

use crate::{
    AnsibleHost, Configure, ContextItem, Contextualize, Deploy, Description, Diagnostic, Document, Network, Origin,
    System, codes, sink::Sink,
};
use std::collections::HashMap;

#[derive(Default)]
pub(crate) struct Builder {
    document: Document,
    seen: HashMap<(Class, String), Origin>,
    items: HashMap<(String, String), usize>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Class {
    Ansible,
    Network,
    System,
    Configure,
}

impl Class {
    fn name(self) -> &'static str {
        match self {
            Self::Ansible => "ansible",
            Self::Network => "network",
            Self::System => "system",
            Self::Configure => "configure",
        }
    }
}

impl Builder {
    pub(crate) fn document(&self) -> &Document {
        &self.document
    }

    pub(crate) fn finish(self) -> Document {
        self.document
    }

    /// Whether the id is new; reports it if it is not.
    fn is_new(&mut self, class: Class, id: &str, at: Origin, sink: &mut Sink) -> bool {
        match self.seen.entry((class, id.to_owned())) {
            std::collections::hash_map::Entry::Vacant(vacant) => {
                vacant.insert(at);
                true
            }
            std::collections::hash_map::Entry::Occupied(first) => {
                let class = class.name();
                let message = format!("Duplicate {class} `{id}`: an aspect with the same id already exists");
                let mut error = Diagnostic::error(codes::DUPLICATE, message).at(at);
                if first.get().0.is_some() {
                    error = error.note("the first one is here", *first.get());
                }
                sink.push(error.hint("references count: an aspect is either defined or referred to, once"));
                false
            }
        }
    }

    pub(crate) fn description(&mut self, description: Description) {
        self.document.description.get_or_insert(description);
    }

    pub(crate) fn network(&mut self, network: Network, sink: &mut Sink) {
        if self.is_new(Class::Network, &network.id, network.at, sink) {
            self.document.networks.push(network);
        }
    }

    pub(crate) fn ansible(&mut self, host: AnsibleHost, sink: &mut Sink) {
        if self.is_new(Class::Ansible, &host.id, host.at, sink) {
            self.document.ansible.push(host);
        }
    }

    pub(crate) fn system(&mut self, system: System, sink: &mut Sink) {
        if self.is_new(Class::System, &system.name, system.at, sink) {
            self.document.systems.push(system);
        }
    }

    pub(crate) fn configure(&mut self, configure: Configure, sink: &mut Sink) {
        if self.is_new(Class::Configure, &configure.name, configure.at, sink) {
            self.document.configures.push(configure);
        }
    }

    pub(crate) fn deploy(&mut self, deploy: Deploy) {
        self.document.deploys.push(deploy);
    }

    pub(crate) fn contextualize(&mut self, more: Contextualize) {
        let all = self.document.contextualize.get_or_insert_with(|| Contextualize {
            at: more.at,
            ..Contextualize::default()
        });
        merge_head(all, &more);
        for item in more.items {
            let key = (item.system.clone(), item.configure.clone());
            match self.items.entry(key) {
                std::collections::hash_map::Entry::Occupied(there) => replace(&mut all.items, *there.get(), item),
                std::collections::hash_map::Entry::Vacant(vacant) => {
                    vacant.insert(all.items.len());
                    all.items.push(item);
                }
            }
        }
    }
}

fn replace(items: &mut [ContextItem], at: usize, item: ContextItem) {
    if let Some(there) = items.get_mut(at) {
        *there = item;
    }
}

fn merge_head(all: &mut Contextualize, more: &Contextualize) {
    if more.max_time.as_f64() > all.max_time.as_f64() {
        all.max_time = more.max_time;
    }
    for (name, entry) in more.options.entries() {
        all.options.set_at(name, entry.feature.clone(), entry.at);
    }
}

impl Contextualize {
    /// Adds another: the larger time, items replaced in place by system and configure, options by name.
    pub fn merge(&mut self, more: &Contextualize) {
        merge_head(self, more);
        for item in &more.items {
            let same = |there: &ContextItem| there.system == item.system && there.configure == item.configure;
            match self.items.iter().position(same) {
                Some(at) => replace(&mut self.items, at, item.clone()),
                None => self.items.push(item.clone()),
            }
        }
    }
}
