//! The top of a document: its version, its keys, its repositories, its own types.

use super::{Loader, address};
use crate::{
    Mapping, Value, codes,
    types::{Layer, read_types, unknown_field},
};
use im_radl::Diagnostic;
use indexmap::IndexMap;
use std::sync::Arc;

/// What a document may have at its top.
const TOP: &[&str] = &[
    "tosca_definitions_version",
    "tosca_default_namespace",
    "template_name",
    "template_author",
    "template_version",
    "description",
    "imports",
    "dsl_definitions",
    "node_types",
    "relationship_types",
    "relationship_templates",
    "capability_types",
    "artifact_types",
    "data_types",
    "interface_types",
    "policy_types",
    "group_types",
    "repositories",
    "topology_template",
    "metadata",
];

/// What an imported file may have.
pub(super) const IMPORTED: &[&str] = &[
    "tosca_definitions_version",
    "description",
    "imports",
    "dsl_definitions",
    "node_types",
    "repositories",
    "data_types",
    "artifact_types",
    "group_types",
    "relationship_types",
    "capability_types",
    "interface_types",
    "policy_types",
    "topology_template",
    "metadata",
    "tosca_default_namespace",
    "template_name",
    "template_author",
    "template_version",
];

const VERSIONS: &[&str] = &[
    "tosca_simple_yaml_1_0",
    "tosca_simple_yaml_1_2",
    "tosca_simple_yaml_1_3",
    "tosca_simple_profile_for_mec_1_0_0",
    "tosca_simple_profile_for_nfv_1_0_0",
];

/// The original takes any piece of this word for the word.
pub(crate) const METADATA: &str = "metadata";

impl Loader<'_> {
    /// Checks the keys; gives the version.
    pub(super) fn top_level(&mut self, document: &Mapping) -> Arc<str> {
        for (key, entry) in document.entries() {
            if TOP.contains(&&**key) {
                continue;
            }
            if METADATA.contains(&**key) {
                let found = Diagnostic::warning(codes::RELAXED, format!("`{key}` is taken for `metadata`"));
                self.error(found, entry.key_at);
            } else {
                let mut found = unknown_field(key, entry.key_at, "a document", TOP);
                if crate::validate::TOPOLOGY.contains(&&**key) {
                    found.hint = Some("write it below `topology_template`".to_owned());
                }
                self.error(found, entry.key_at);
            }
        }
        self.version(document)
    }

    fn version(&mut self, document: &Mapping) -> Arc<str> {
        const KEY: &str = "tosca_definitions_version";
        let none = || Arc::from("");
        let Some(entry) = document.entry(KEY) else {
            let at = document
                .entries()
                .next()
                .map(|(_, entry)| entry.key_at)
                .unwrap_or_default();
            let found = Diagnostic::error(codes::VERSION, format!("the document has no `{KEY}`"))
                .hint(format!("begin it with `{KEY}: {}`", VERSIONS[0]));
            self.error(found, at);
            return none();
        };
        match entry.value.as_arc() {
            Some(version) if VERSIONS.contains(&&**version) => Arc::clone(version),
            _ => {
                let message = format!("this `{KEY}` is not supported");
                let found =
                    Diagnostic::error(codes::VERSION, message).hint(format!("use one of: {}", VERSIONS.join(", ")));
                self.error(found, entry.value.at);
                none()
            }
        }
    }

    /// `repositories`: names to URLs.
    pub(super) fn repositories(&mut self, document: &Mapping) -> IndexMap<Arc<str>, Arc<str>> {
        let mut known = IndexMap::new();
        let Some(node) = document.get("repositories") else {
            return known;
        };
        let Some(map) = node.as_map() else {
            if !node.is_null() {
                let message = format!("`repositories` must be a mapping, and this is {}", node.value.kind());
                self.error(Diagnostic::error(codes::SHAPE, message), node.at);
            }
            return known;
        };
        for (name, entry) in map.entries() {
            const FIELDS: &[&str] = &["description", "url", "credential"];
            let url = match &entry.value.value {
                Value::Str(url) => Some(Arc::clone(url)),
                Value::Map(map) => {
                    for (key, field) in map.entries() {
                        if !FIELDS.contains(&&**key) {
                            self.error(unknown_field(key, field.key_at, "a repository", FIELDS), field.key_at);
                        }
                    }
                    match map.get("url").and_then(crate::Node::as_arc) {
                        Some(url) if address::scheme(url).is_some() => Some(Arc::clone(url)),
                        _ => {
                            let message = format!("the repository `{name}` needs an absolute `url`");
                            self.error(Diagnostic::error(codes::REPOSITORY, message), entry.key_at);
                            None
                        }
                    }
                }
                other => {
                    let message = format!(
                        "the repository `{name}` must be a URL or a mapping, and this is {}",
                        other.kind()
                    );
                    self.error(Diagnostic::error(codes::REPOSITORY, message), entry.value.at);
                    None
                }
            };
            if let Some(url) = url {
                known.insert(Arc::clone(name), url);
            }
        }
        known
    }

    /// The types that the document itself defines. They are all looked at, used or not.
    pub(super) fn own_types(&mut self, document: &Mapping) -> Arc<Layer> {
        let (types, findings) = read_types(document);
        for found in findings {
            // Sections of a whole template that was extended may stand in its file.
            self.add(crate::FileId::DOCUMENT, vec![found]);
        }
        for made in &types {
            self.add(made.at.file, made.findings.clone());
        }
        Arc::new(Layer::of(types))
    }
}
