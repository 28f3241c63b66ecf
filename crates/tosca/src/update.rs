//! Changing a document that an infrastructure was made from: a new one is put over the stored one.
//!
//! Works on documents as values, before validation.

use crate::{Mapping, Node, Value, functions::is_function};

/// The stored document with the new one over it: mappings member by member; null keeps what is stored; everything else
/// is replaced, lists too, and so are functions and things whose `type` becomes another one.
pub fn merge(stored: &Node, new: &Node) -> Node {
    match (&stored.value, &new.value) {
        (_, Value::Null) => stored.clone(),
        (Value::Map(old), Value::Map(more)) if goes_on(stored, old, new, more) => {
            let mut merged = old.clone();
            for (key, entry) in more.entries() {
                let value = match old.get(key) {
                    Some(before) => merge(before, &entry.value),
                    None => entry.value.clone(),
                };
                let mut entry = entry.clone();
                entry.value = value;
                if let Some(before) = old.entry(key) {
                    entry.key.clone_from(&before.key);
                }
                merged.insert_entry(key.clone(), entry);
            }
            Node::new(Value::Map(merged), new.at)
        }
        _ => new.clone(),
    }
}

/// Whether two mappings say something of the same thing.
fn goes_on(stored: &Node, old: &Mapping, new: &Node, more: &Mapping) -> bool {
    let function = is_function(stored).is_some() || is_function(new).is_some();
    let types = (
        old.get("type").and_then(Node::as_str),
        more.get("type").and_then(Node::as_str),
    );
    let other_type = matches!(types, (Some(old), Some(new)) if old != new);
    !function && !other_type
}

/// The document without its removal lists: each is for one update only.
#[must_use]
pub fn without_removals(document: &Node) -> Node {
    let mut document = document.clone();
    let templates = member_mut(&mut document, "topology_template").and_then(|node| member_mut(node, "node_templates"));
    let Some(Value::Map(nodes)) = templates.map(|node| &mut node.value) else {
        return document;
    };
    for (_, node) in nodes.iter_mut() {
        let scalable = member_mut(node, "capabilities")
            .and_then(|node| member_mut(node, "scalable"))
            .and_then(|node| member_mut(node, "properties"));
        if let Some(Value::Map(properties)) = scalable.map(|node| &mut node.value) {
            properties.remove("removal_list");
        }
    }
    document
}

fn member_mut<'a>(node: &'a mut Node, key: &str) -> Option<&'a mut Node> {
    match &mut node.value {
        Value::Map(map) => map.get_mut(key),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FileId, Limits, yaml};

    fn node(text: &str) -> Node {
        let (node, found) = yaml::parse(text, FileId::DOCUMENT, &Limits::default());
        assert!(found.is_empty(), "{text}: {found:?}");
        node.unwrap_or_default()
    }

    #[test]
    fn merging() {
        for (stored, new, merged) in [
            // The case of the contract.
            (
                "{r: [{binding: a}, {link: n1}]}",
                "{r: [{binding: a}, {link: n2}, {other: v}]}",
                "{r: [{binding: a}, {link: n2}, {other: v}]}",
            ),
            ("{r: [1, 2, 3]}", "{r: [4]}", "{r: [4]}"),
            ("{a: {b: 1, c: 2}}", "{a: {c: 3, d: 4}}", "{a: {b: 1, c: 3, d: 4}}"),
            ("{a: 1, b: 2}", "{a: ~}", "{a: 1, b: 2}"),
            ("{a: {b: 1}}", "{a: 2}", "{a: 2}"),
            ("{a: 2}", "{a: {b: 1}}", "{a: {b: 1}}"),
            (
                "{a: {get_input: x}}",
                "{a: {get_attribute: [n, y]}}",
                "{a: {get_attribute: [n, y]}}",
            ),
            ("{a: {get_input: x}}", "{a: {get_input: y}}", "{a: {get_input: y}}"),
            (
                "{n: {type: A, properties: {of_a: 1}}}",
                "{n: {type: B, properties: {of_b: 1}}}",
                "{n: {type: B, properties: {of_b: 1}}}",
            ),
            (
                "{n: {type: A, properties: {x: 1}}}",
                "{n: {type: A, properties: {y: 1}}}",
                "{n: {type: A, properties: {x: 1, y: 1}}}",
            ),
            ("{80: a}", "{80: b, true: c}", "{80: b, true: c}"),
        ] {
            assert_eq!(merge(&node(stored), &node(new)), node(merged), "{stored} + {new}");
        }
    }

    #[test]
    fn order_is_kept() {
        let merged = merge(&node("{z: 1, a: 2}"), &node("{b: 3, a: 4, z: 5}"));
        assert_eq!(yaml::dump(&merged), "z: 5\na: 4\nb: 3\n");
    }

    #[test]
    fn removal_lists_are_used_once() {
        let text = "topology_template: {node_templates: {wn: {capabilities: {scalable: {properties: {count: 1, removal_list: ['2']}}}}, x: {}}}";
        let without =
            "topology_template: {node_templates: {wn: {capabilities: {scalable: {properties: {count: 1}}}}, x: {}}}";
        assert_eq!(without_removals(&node(text)), node(without));
        assert_eq!(without_removals(&node("a")), node("a"));
    }
}
