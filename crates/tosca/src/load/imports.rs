//! `imports`: which files a document and its imports name, and the types that come of them.

use super::{
    Loader,
    address::{self, Address},
    document::IMPORTED,
    file::TypeFile,
};
use crate::{
    Fetched, Mapping, Node, Place, Source, Value, Wanted, Why, codes,
    types::{Layer, prefixed, unknown_field},
};
use im_radl::Diagnostic;
use indexmap::IndexMap;
use std::sync::Arc;

/// The file that an import stands in.
#[derive(Clone, Copy)]
pub(super) struct Importer<'a> {
    url: &'a str,
    /// The files above it and itself.
    chain: &'a [Arc<str>],
}

/// One file that is named.
struct Import {
    file: Arc<str>,
    repository: Option<Arc<str>>,
    prefix: Option<Arc<str>>,
    at: Place,
}

impl Loader<'_> {
    /// The types of all imports, what wins first.
    pub(super) fn imports(
        &mut self,
        node: Option<&Node>,
        importer: Option<Importer<'_>>,
        repositories: &IndexMap<Arc<str>, Arc<str>>,
    ) -> Vec<Arc<Layer>> {
        let mut layers = Vec::new();
        let Some(node) = node else { return layers };
        for import in self.entries(node) {
            let Some(url) = self.resolve(&import, importer, repositories) else {
                self.failed = true;
                continue;
            };
            // Of two imports that define a type, the later one wins.
            let found = self.import(&url, &import, importer);
            layers.splice(0..0, found);
        }
        layers
    }

    /// The entries of `imports`, in any of their forms.
    fn entries(&mut self, node: &Node) -> Vec<Import> {
        let mut imports = Vec::new();
        match &node.value {
            Value::Null => {}
            Value::Seq(items) => {
                for item in items {
                    match &item.value {
                        Value::Str(file) => imports.push(Import {
                            file: Arc::clone(file),
                            repository: None,
                            prefix: None,
                            at: item.at,
                        }),
                        Value::Map(map) => self.mapping(map, &mut imports),
                        other => {
                            let message = format!("an import is a URL or a mapping, and this is {}", other.kind());
                            self.error(Diagnostic::error(codes::IMPORT_FORM, message), item.at);
                        }
                    }
                }
            }
            Value::Map(map) => {
                let found = Diagnostic::warning(codes::RELAXED, "`imports` should be a list: begin each with `- `");
                self.error(found, node.at);
                self.mapping(map, &mut imports);
            }
            other => {
                let message = format!("`imports` must be a list, and this is {}", other.kind());
                self.error(Diagnostic::error(codes::IMPORT_FORM, message), node.at);
            }
        }
        imports
    }

    /// A mapping of names to files, or one file with its members.
    fn mapping(&mut self, map: &Mapping, imports: &mut Vec<Import>) {
        const MEMBERS: &[&str] = &["file", "repository", "namespace_uri", "namespace_prefix"];
        if map.get("file").is_some_and(|file| file.as_str().is_some())
            && map.len() > 1
            && map.keys().all(|key| MEMBERS.contains(&&**key))
        {
            imports.extend(long(map));
            return;
        }
        for (name, entry) in map.entries() {
            match &entry.value.value {
                Value::Str(file) => imports.push(Import {
                    file: Arc::clone(file),
                    repository: None,
                    prefix: None,
                    at: entry.value.at,
                }),
                Value::Map(members) => {
                    for (key, member) in members.entries() {
                        if !MEMBERS.contains(&&**key) {
                            self.error(unknown_field(key, member.key_at, "an import", MEMBERS), member.key_at);
                        }
                    }
                    if let Some(import) = long(members) {
                        imports.push(import);
                    } else {
                        let message = format!("the import `{name}` has no `file`");
                        self.error(Diagnostic::error(codes::IMPORT_FORM, message), entry.key_at);
                    }
                }
                other => {
                    let message = format!(
                        "the import `{name}` must be a URL or a mapping, and this is {}",
                        other.kind()
                    );
                    self.error(Diagnostic::error(codes::IMPORT_FORM, message), entry.value.at);
                }
            }
        }
    }

    /// The URL of an import.
    fn resolve(
        &mut self,
        import: &Import,
        importer: Option<Importer<'_>>,
        repositories: &IndexMap<Arc<str>, Arc<str>>,
    ) -> Option<Arc<str>> {
        let name = &*import.file;
        let full = match (&import.repository, importer) {
            (Some(repository), _) => {
                let Some(base) = repositories.get(repository) else {
                    let message = format!("there is no repository `{repository}`");
                    let known: Vec<&str> = repositories.keys().map(|name| &**name).collect();
                    let found = Diagnostic::error(codes::REPOSITORY, message)
                        .hint(format!("define it under `repositories`; there are: {}", list(&known)));
                    self.error(found, import.at);
                    return None;
                };
                format!("{}/{name}", base.trim_end_matches('/'))
            }
            (None, Some(importer)) if address::of(name) == Address::Relative => match address::join(importer.url, name)
            {
                Some(full) => full,
                None => return self.refuse(import, "it leads out of its server"),
            },
            _ => name.to_owned(),
        };
        match address::of(&full) {
            Address::Url => Some(Arc::from(full)),
            Address::Scheme(scheme) => self.refuse(
                import,
                &format!("`{scheme}:` is not fetched, only `http:`, `https:` and `ftp:` are"),
            ),
            Address::Absolute => self.refuse(import, "it is a file of some machine, and only URLs can be imported"),
            Address::Relative => self.refuse(import, "it is relative, and the document has no URL"),
        }
    }

    fn refuse(&mut self, import: &Import, why: &str) -> Option<Arc<str>> {
        let found = Diagnostic::error(
            codes::IMPORT_REFUSED,
            format!("`{}` cannot be imported: {why}", import.file),
        )
        .hint("give the whole URL, or a `repository` with one");
        self.error(found, import.at);
        None
    }

    /// The types of one file and of those it imports.
    fn import(&mut self, url: &Arc<str>, import: &Import, importer: Option<Importer<'_>>) -> Vec<Arc<Layer>> {
        let chain = importer.map(|importer| importer.chain).unwrap_or_default();
        if chain.iter().any(|above| above == url) {
            let message = format!("`{url}` imports itself, by way of others or not");
            self.error(Diagnostic::warning(codes::SUSPICIOUS, message), import.at);
            return Vec::new();
        }
        let limits = self.options.limits;
        if chain.len() >= limits.import_depth || self.fetched >= limits.imports {
            let message = format!(
                "more than {} imports, or a chain of them longer than {}",
                limits.imports, limits.import_depth
            );
            self.error(Diagnostic::error(codes::LIMIT, message), import.at);
            return Vec::new();
        }
        let file = match self.files.get(url) {
            Fetched::File(file) => file,
            Fetched::Missing => {
                self.want(url, Why::Import);
                return Vec::new();
            }
            Fetched::Failed(reason) => {
                self.failed = true;
                let message = format!("`{url}` could not be imported: {reason}");
                self.error(Diagnostic::error(codes::IMPORT_FAILED, message), import.at);
                return Vec::new();
            }
        };
        self.fetched += 1;
        self.bytes += file.text().len();
        if self.bytes > limits.import_bytes {
            let message = format!("the imports have more than {} bytes together", limits.import_bytes);
            self.error(Diagnostic::error(codes::LIMIT, message), import.at);
            return Vec::new();
        }
        let read = file.cache.read(url, file.text(), &limits);
        self.sources.add(
            read.file,
            Source {
                name: Arc::clone(url),
                text: Arc::clone(file.text()),
                asked: Some(import.at),
            },
        );
        self.add(read.file, read.findings.clone());
        let Some(root) = self.imported(&read, url, import) else {
            return Vec::new();
        };
        let repositories = self.repositories(root);
        let mut below = chain.to_vec();
        below.push(Arc::clone(url));
        let nested = Importer { url, chain: &below };
        // What a file imports wins over the file.
        let mut layers = self.imports(root.get("imports"), Some(nested), &repositories);
        if !read.layer.is_empty() {
            layers.push(Arc::clone(&read.layer));
        }
        match &import.prefix {
            Some(prefix) => prefixed(&layers, prefix),
            None => layers,
        }
    }

    /// The members of an imported file, with its keys checked.
    fn imported<'a>(&mut self, read: &'a TypeFile, url: &str, import: &Import) -> Option<&'a Mapping> {
        let Some(root) = read.members() else {
            self.failed = true;
            if read.root.is_some() {
                let message = format!("`{url}` is no mapping: is it a TOSCA file?");
                self.error(Diagnostic::error(codes::IMPORT_FAILED, message), import.at);
            }
            return None;
        };
        for (key, entry) in root.entries() {
            if !IMPORTED.contains(&&**key) {
                let found = unknown_field(key, entry.key_at, "an imported file", IMPORTED);
                self.error(found, entry.key_at);
            }
        }
        Some(root)
    }

    pub(super) fn want(&mut self, url: &Arc<str>, why: Why) {
        let wanted = Wanted {
            url: Arc::clone(url),
            why,
        };
        if !self.wanted.contains(&wanted) {
            self.wanted.push(wanted);
        }
    }
}

fn long(map: &Mapping) -> Option<Import> {
    let text = |key: &str| map.get(key).and_then(Node::as_arc).map(Arc::clone);
    Some(Import {
        file: text("file")?,
        repository: text("repository"),
        prefix: text("namespace_prefix"),
        at: map.get("file").map(|node| node.at).unwrap_or_default(),
    })
}

fn list(names: &[&str]) -> String {
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}
