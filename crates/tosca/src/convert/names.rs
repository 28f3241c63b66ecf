//! Names of nodes as ids of RADL and groups of Ansible: what neither can write is replaced.

use super::Cx;
use crate::{codes, template::Template};
use im_radl::Diagnostic;
use std::collections::{BTreeSet, HashMap};

/// A name that RADL can write as an id.
pub(super) fn ident(name: &str) -> String {
    if im_radl::is_ident(name) {
        return name.to_owned();
    }
    let mut made: String = name
        .chars()
        .map(|c| {
            if c.is_alphanumeric() || matches!(c, '_' | '.' | '-') {
                c
            } else {
                '_'
            }
        })
        .collect();
    if !im_radl::is_ident(&made) {
        made.insert(0, '_');
    }
    made
}

/// Ids of the nodes of a template, each for one node.
pub(crate) struct Names(HashMap<String, String>);

impl Names {
    pub(super) fn of(template: &Template) -> Self {
        let mut taken: BTreeSet<String> = BTreeSet::new();
        let mut ids = HashMap::new();
        // Names that can stay as they are come first.
        let (good, bad): (Vec<&str>, Vec<&str>) =
            template.nodes.keys().map(|name| &**name).partition(|n| ident(n) == *n);
        for name in good.into_iter().chain(bad) {
            let wished = ident(name);
            let mut id = wished.clone();
            let mut n = 1;
            while !taken.insert(id.clone()) {
                n += 1;
                id = format!("{wished}_{n}");
            }
            ids.insert(name.to_owned(), id);
        }
        Self(ids)
    }

    /// The id of a node.
    pub(crate) fn id(&self, node: &str) -> String {
        self.0.get(node).cloned().unwrap_or_else(|| ident(node))
    }

    /// Tells which names were not kept.
    pub(super) fn warn(&self, cx: &Cx<'_>) {
        for node in cx.template.nodes.values() {
            let id = self.id(&node.name);
            if id != *node.name {
                let message = format!("node `{}` is called `{id}` in RADL and in recipes", node.name);
                let found = Diagnostic::warning(codes::SUSPICIOUS, message)
                    .hint("use letters, digits, `_`, `-` and `.`, and begin with a letter");
                cx.find(found, node.at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ident;

    #[test]
    fn what_radl_cannot_write_is_replaced() {
        for (name, id) in [
            ("front", "front"),
            ("a-b.c_d", "a-b.c_d"),
            ("1 n", "_1_n"),
            ("my node", "my_node"),
            ("system", "_system"),
            ("description", "_description"),
            ("System", "System"),
            ("ñu", "_ñu"),
            ("a'b", "a_b"),
            ("", "_"),
        ] {
            assert_eq!(ident(name), id, "{name}");
            assert!(im_radl::is_ident(&ident(name)), "{name}");
        }
    }
}
