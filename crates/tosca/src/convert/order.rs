//! The step of each node: after all that it runs on, depends on or connects to.

use super::Cx;
use crate::{codes, template::NodeTemplate};
use im_radl::Diagnostic;
use std::collections::HashMap;

/// Links that say that one comes after the other.
const LINKS: [&str; 3] = [
    "tosca.relationships.HostedOn",
    "tosca.relationships.DependsOn",
    "tosca.relationships.ConnectsTo",
];

/// Steps by node, from 1.
pub(super) struct Levels(HashMap<String, i64>);

enum Mark {
    /// On the way from the first node to this one.
    Open,
    Done(i64),
}

impl Levels {
    /// Of all nodes. A circle is an error, told once.
    pub(super) fn of(cx: &Cx<'_>) -> Self {
        let mut marks: HashMap<&str, Mark> = HashMap::new();
        for node in cx.template.nodes.values() {
            walk(cx, node, &mut marks);
        }
        let levels = marks.into_iter().map(|(name, mark)| match mark {
            Mark::Done(level) => (name.to_owned(), level),
            Mark::Open => (name.to_owned(), 1),
        });
        Self(levels.collect())
    }

    /// The step of a node.
    pub(super) fn get(&self, node: &NodeTemplate) -> i64 {
        self.0.get(&*node.name).copied().unwrap_or(1)
    }
}

fn before<'a>(cx: &Cx<'a>, node: &'a NodeTemplate) -> Vec<&'a NodeTemplate> {
    let links = node
        .links()
        .filter(|(_, link)| LINKS.iter().any(|kind| link.is_a(kind)));
    links
        .filter_map(|(requirement, _)| cx.template.nodes.get(&requirement.target))
        .collect()
}

/// Without recursion: chains may be as long as the document.
fn walk<'a>(cx: &Cx<'a>, first: &'a NodeTemplate, marks: &mut HashMap<&'a str, Mark>) {
    let mut stack = vec![(first, before(cx, first), 0_usize)];
    if marks.contains_key(&*first.name) {
        return;
    }
    marks.insert(&first.name, Mark::Open);
    while let Some((node, targets, next)) = stack.last_mut() {
        let Some(target) = targets.get(*next).copied() else {
            let highest = targets.iter().filter_map(|target| match marks.get(&*target.name) {
                Some(Mark::Done(level)) => Some(*level),
                _ => None,
            });
            // A node with nothing before it is in the first step.
            let level = highest.max().map_or(1, |level| level + 1);
            marks.insert(&node.name, Mark::Done(level));
            stack.pop();
            continue;
        };
        *next += 1;
        let from = *node;
        match marks.get(&*target.name) {
            Some(Mark::Done(_)) => {}
            Some(Mark::Open) => {
                let begin = stack
                    .iter()
                    .position(|(node, ..)| node.name == target.name)
                    .unwrap_or(0);
                let circle: Vec<String> = stack[begin..]
                    .iter()
                    .map(|(node, ..)| format!("`{}`", node.name))
                    .collect();
                let message = format!(
                    "nodes depend on each other in a circle: {} and again the first",
                    circle.join(", ")
                );
                let found = Diagnostic::error(codes::CIRCLE, message)
                    .hint("nothing can come first in a circle: remove one of these requirements");
                cx.find(found, from.at);
            }
            None => {
                marks.insert(&target.name, Mark::Open);
                stack.push((target, before(cx, target), 0));
            }
        }
    }
}
