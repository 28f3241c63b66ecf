//! `template_file`: a document that extends a whole template. What the template has is there unless the document says
//! otherwise.

use super::{
    Loader,
    address::{self, Address},
};
use crate::{Entry, Fetched, Mapping, Node, Place, Source, Value, Why, codes, types::TypeKind};
use im_radl::Diagnostic;
use std::sync::Arc;

/// How many templates may extend each other.
const DEEPEST: usize = 4;

impl Loader<'_> {
    /// The document with the template that it extends. `Some(None)` if it extends none; nothing if that failed.
    // The two ways to have nothing to merge are different things.
    #[allow(clippy::option_option)]
    pub(super) fn whole_template(&mut self, document: &Mapping) -> Option<Option<Mapping>> {
        let mut merged: Option<Mapping> = None;
        let mut base: Option<Arc<str>> = None;
        for _ in 0..DEEPEST {
            let current = merged.as_ref().unwrap_or(document);
            let Some((name, at)) = template_file(current) else {
                return Some(merged);
            };
            let url = self.template_url(&name, at, base.as_deref())?;
            let template = self.fetch_template(&url, at)?;
            merged = Some(merge(template, current));
            base = Some(url);
        }
        let message = format!("more than {DEEPEST} templates extend each other");
        let at = merged
            .as_ref()
            .and_then(template_file)
            .map(|(_, at)| at)
            .unwrap_or_default();
        self.error(Diagnostic::error(codes::LIMIT, message), at);
        None
    }

    fn template_url(&mut self, name: &str, at: Place, base: Option<&str>) -> Option<Arc<str>> {
        let refuse = |why: &str| {
            Diagnostic::error(
                codes::TEMPLATE_FILE,
                format!("the template `{name}` cannot be used: {why}"),
            )
        };
        let repository = self.options.repository.clone();
        let found = match (address::of(name), repository) {
            (Address::Url, None) => return Some(Arc::from(name)),
            (Address::Url, Some(repository)) if address::is_below(&repository, name) => return Some(Arc::from(name)),
            (Address::Url, Some(repository)) => refuse(&format!("it is outside of the repository {repository}")),
            (Address::Relative, Some(repository)) => {
                let url = format!("{}/{name}", repository.trim_end_matches('/'));
                if address::is_below(&repository, &url) {
                    return Some(Arc::from(url));
                }
                refuse("it leads out of the repository")
            }
            (Address::Relative, None) => match base.and_then(|base| address::join(base, name)) {
                Some(url) => return Some(Arc::from(url)),
                None => refuse("the service has no repository of templates").hint("give its whole URL"),
            },
            (Address::Scheme(scheme), _) => refuse(&format!("`{scheme}:` is not fetched")),
            (Address::Absolute, _) => refuse("it is a file of some machine"),
        };
        self.error(found, at);
        None
    }

    fn fetch_template(&mut self, url: &Arc<str>, at: Place) -> Option<Mapping> {
        let file = match self.files.get(url) {
            Fetched::File(file) => file,
            Fetched::Missing => {
                self.want(url, Why::Template);
                return None;
            }
            Fetched::Failed(reason) => {
                let message = format!("the template `{url}` could not be fetched: {reason}");
                self.error(Diagnostic::error(codes::TEMPLATE_FILE, message), at);
                return None;
            }
        };
        let read = file.cache.read(url, file.text(), &self.options.limits);
        self.sources.add(
            read.file,
            Source {
                name: Arc::clone(url),
                text: Arc::clone(file.text()),
                asked: Some(at),
            },
        );
        self.add(read.file, read.findings.clone());
        let members = read.members().cloned();
        if members.is_none() && read.root.is_some() {
            let message = format!("`{url}` is no mapping: is it a TOSCA template?");
            self.error(Diagnostic::error(codes::TEMPLATE_FILE, message), at);
        }
        members
    }
}

/// The template's members under those of the document.
fn merge(template: Mapping, document: &Mapping) -> Mapping {
    let mut merged = Mapping::new();
    let mut of_template = template;
    for (key, entry) in document.entries() {
        match &**key {
            "imports" => {}
            "topology_template" => {
                let below = of_template.remove(key);
                let value = merge_topology(below, &entry.value);
                put(&mut merged, key, entry, value);
            }
            "repositories" | "dsl_definitions" | "relationship_templates" => {
                let value = under(of_template.remove(key), &entry.value);
                put(&mut merged, key, entry, value);
            }
            section if TypeKind::ALL.iter().any(|kind| kind.section() == section) => {
                let value = under(of_template.remove(key), &entry.value);
                put(&mut merged, key, entry, value);
            }
            _ => {
                put(&mut merged, key, entry, entry.value.clone());
            }
        }
    }
    for (key, entry) in of_template {
        // What describes the template does not describe the document.
        if !merged.contains(&key) && !matches!(&*key, "metadata" | "description") {
            merged.insert_entry(key, entry);
        }
    }
    merged
}

fn merge_topology(template: Option<Node>, document: &Node) -> Node {
    let (Some(Value::Map(mut below)), Some(map)) = (template.map(|node| node.value), document.as_map()) else {
        return document.clone();
    };
    for (key, entry) in map.entries() {
        let former = below.remove(key);
        let value = match &**key {
            "inputs" => merge_inputs(former, &entry.value),
            "node_templates" | "outputs" | "relationship_templates" | "groups" => under(former, &entry.value),
            "policies" => match (former.map(|node| node.value), &entry.value.value) {
                (Some(Value::Seq(mut all)), Value::Seq(own)) => {
                    // The first policy for a node wins, so the document's come first.
                    all.splice(0..0, own.iter().cloned());
                    Node::new(Value::Seq(all), entry.value.at)
                }
                (Some(all @ Value::Seq(_)), Value::Null) => Node::new(all, entry.value.at),
                _ => entry.value.clone(),
            },
            _ => entry.value.clone(),
        };
        below.insert_entry(Arc::clone(key), Entry { value, ..entry.clone() });
    }
    Node::new(Value::Map(below), document.at)
}

/// An input of the document is a value for the template's input, or `{default: value}`, or a definition.
fn merge_inputs(template: Option<Node>, document: &Node) -> Node {
    let (Some(Value::Map(mut all)), Some(map)) = (template.map(|node| node.value), document.as_map()) else {
        return document.clone();
    };
    for (name, entry) in map.entries() {
        let value = &entry.value;
        let Some(Value::Map(definition)) = all.get_mut(name).map(|node| &mut node.value) else {
            all.insert_entry(Arc::clone(name), entry.clone());
            continue;
        };
        let takes_map = matches!(definition.get("type").and_then(Node::as_str), Some("map"));
        match &value.value {
            Value::Null => {}
            Value::Map(own) if own.contains("type") => {
                all.insert_entry(Arc::clone(name), entry.clone());
            }
            Value::Map(own) if own.contains("default") || !takes_map => {
                for (key, member) in own.entries() {
                    definition.insert_entry(Arc::clone(key), member.clone());
                }
            }
            _ => {
                definition.insert("default", value.clone());
            }
        }
    }
    Node::new(Value::Map(all), document.at)
}
/// The only import, if it names a whole template.
fn template_file(document: &Mapping) -> Option<(Arc<str>, Place)> {
    let [only] = document.get("imports")?.as_seq()? else {
        return None;
    };
    let (name, entry) = only.single()?;
    if &**name != "template_file" {
        return None;
    }
    Some((Arc::clone(entry.value.as_arc()?), entry.value.at))
}

fn put(map: &mut Mapping, key: &Arc<str>, entry: &Entry, value: Node) {
    map.insert_entry(Arc::clone(key), Entry { value, ..entry.clone() });
}

/// Members of both; those of the document replace others of their name.
fn under(template: Option<Node>, document: &Node) -> Node {
    match (template.map(|node| node.value), &document.value) {
        (Some(Value::Map(mut all)), Value::Map(own)) => {
            for (key, entry) in own.entries() {
                all.insert_entry(Arc::clone(key), entry.clone());
            }
            Node::new(Value::Map(all), document.at)
        }
        (Some(all), Value::Null) => Node::new(all, document.at),
        _ => document.clone(),
    }
}
