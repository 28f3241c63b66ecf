//! Who runs where and who refers to whom, worked out once: documents may have thousands of nodes.

use crate::{
    NodeTemplate, Template,
    template::{COMPUTE, Relationship},
};
use std::collections::{HashMap, HashSet};

/// A relationship, from the node that it leads to.
#[derive(Clone, Copy)]
pub(super) struct Incoming<'a> {
    pub(super) source: &'a NodeTemplate,
    pub(super) relationship: &'a Relationship,
}

/// The links between the nodes of a template.
pub(crate) struct Graph<'a> {
    hosts: HashMap<&'a str, &'a NodeTemplate>,
    hosted: HashMap<&'a str, Vec<&'a NodeTemplate>>,
    incoming: HashMap<&'a str, Vec<Incoming<'a>>>,
}

impl<'a> Graph<'a> {
    pub(super) fn of(template: &'a Template) -> Self {
        let mut hosts: HashMap<&str, Option<&NodeTemplate>> = HashMap::new();
        for node in template.nodes.values() {
            let mut way = Vec::new();
            let mut met = HashSet::new();
            let mut at = Some(node);
            let found = loop {
                let Some(node) = at.filter(|node| met.insert(&*node.name)) else {
                    break None;
                };
                if &*node.root_type == COMPUTE {
                    break Some(node);
                }
                if let Some(known) = hosts.get(&*node.name) {
                    break *known;
                }
                way.push(node);
                at = template.next_host(node);
            };
            hosts.extend(way.into_iter().chain([node]).map(|node| (&*node.name, found)));
        }
        let mut graph = Self {
            hosts: hosts
                .into_iter()
                .filter_map(|(name, host)| Some((name, host?)))
                .collect(),
            hosted: HashMap::new(),
            incoming: HashMap::new(),
        };
        for node in template.nodes.values() {
            if let Some(host) = graph.host_of(node) {
                graph.hosted.entry(&host.name).or_default().push(node);
            }
            for (requirement, relationship) in node.links() {
                let all = graph.incoming.entry(&requirement.target).or_default();
                all.push(Incoming {
                    source: node,
                    relationship,
                });
            }
        }
        graph
    }

    /// The compute node that a node is or runs on.
    pub(super) fn host_of(&self, node: &NodeTemplate) -> Option<&'a NodeTemplate> {
        self.hosts.get(&*node.name).copied()
    }

    /// A compute node and all that runs on it, in the order of the document.
    pub(super) fn hosted_on(&self, compute: &NodeTemplate) -> &[&'a NodeTemplate] {
        self.hosted.get(&*compute.name).map_or(&[], Vec::as_slice)
    }

    /// The relationships that lead to a node, in the order of the document.
    pub(super) fn incoming(&self, node: &NodeTemplate) -> &[Incoming<'a>] {
        self.incoming.get(&*node.name).map_or(&[], Vec::as_slice)
    }
}
