//! From the text of a document to a [`Template`]: reads it, follows its imports, validates it.
//!
//! Never fetches: what is missing is listed, and the caller comes back with it.

mod address;
mod document;
mod file;
mod imports;
mod whole;

pub(crate) use document::METADATA;
pub(crate) use file::FileCache;

use crate::{
    FileId, Files, Limits, Mapping, Node, Sources, Template, Value, Wanted, codes, types::TypeLibrary, validate, yaml,
};
use im_radl::{Diagnostic, Sink};
use std::sync::Arc;

/// How a document is read.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// Bounds.
    pub limits: Limits,
    /// The URL of the repository of whole templates: `template_file` names are relative to it, and its URLs must be in
    /// it. Without one, only URLs can be given.
    pub repository: Option<Arc<str>>,
}

/// What reading a document gave.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The document; none if it is refused, or if files are still wanted.
    pub template: Option<Template>,
    /// Files to fetch before coming again. While there are some, nothing is said about the rest of the document.
    pub wanted: Vec<Wanted>,
    /// What was found, errors and warnings, in the order of the document, then those of imported files.
    pub diagnostics: Vec<Diagnostic>,
    /// The files that places and findings speak of.
    pub sources: Arc<Sources>,
}

impl Loaded {
    /// Whether the document is accepted.
    pub fn is_ok(&self) -> bool {
        self.template.is_some()
    }

    /// Whether files must be fetched first.
    pub fn is_waiting(&self) -> bool {
        !self.wanted.is_empty()
    }
}

/// Reads a document. `name` is what findings call it.
pub fn load(text: &str, name: &str, files: &Files, options: &LoadOptions) -> Loaded {
    let mut loader = Loader {
        files,
        options,
        sources: Sources::of(name, Arc::from(text)),
        wanted: Vec::new(),
        sink: Sink::new(options.limits.diagnostics),
        fetched: 0,
        bytes: 0,
        failed: false,
    };
    let template = loader.run(text);
    let Loader {
        sources, wanted, sink, ..
    } = loader;
    let mut diagnostics = sink.finish_unsorted();
    // The document first, then the files in the order of their imports.
    let rank = |found: &Diagnostic| {
        found.file.as_deref().map_or(0, |name| {
            sources
                .iter()
                .position(|(_, source)| &*source.name == name)
                .unwrap_or(usize::MAX)
        })
    };
    diagnostics.sort_by_cached_key(|found| (rank(found), found.span.map_or(u32::MAX, |span| span.start)));
    let sources = Arc::new(sources);
    let refused = diagnostics.iter().any(Diagnostic::is_error);
    Loaded {
        template: template
            .filter(|_| !refused && wanted.is_empty())
            .map(|template| Template {
                sources: Arc::clone(&sources),
                ..template
            }),
        wanted,
        diagnostics,
        sources,
    }
}

/// A document that was accepted before, read again without its types: for merging, storing and showing.
pub fn read(text: &str, limits: &Limits) -> Result<Node, Vec<Diagnostic>> {
    let (root, found) = yaml::parse(text, FileId::DOCUMENT, limits);
    root.ok_or(found)
}

struct Loader<'a> {
    files: &'a Files,
    options: &'a LoadOptions,
    sources: Sources,
    wanted: Vec<Wanted>,
    sink: Sink,
    /// Files that were imported.
    fetched: usize,
    /// Their bytes.
    bytes: usize,
    /// Whether an import could not be had: types of it are then unknown, which is no news.
    failed: bool,
}

impl Loader<'_> {
    fn run(&mut self, text: &str) -> Option<Template> {
        let (root, findings) = yaml::parse(text, FileId::DOCUMENT, &self.options.limits);
        self.add(FileId::DOCUMENT, findings);
        let raw = root?;
        let Value::Map(map) = &raw.value else {
            let what = if raw.is_null() { "it is empty" } else { raw.value.kind() };
            let message =
                format!("a TOSCA document is a mapping, and this is {what}").replace("this is it is", "it is");
            self.error(Diagnostic::error(codes::SHAPE, message), raw.at);
            return None;
        };
        let merged = self.whole_template(map)?;
        let document: &Mapping = merged.as_ref().unwrap_or(map);
        let version = self.top_level(document);
        let repositories = self.repositories(document);
        let imported = self.imports(document.get("imports"), None, &repositories);
        if !self.wanted.is_empty() {
            return None;
        }
        let own = self.own_types(document);
        let mut layers = vec![own];
        layers.extend(imported);
        let types = TypeLibrary::new(&version, layers);
        let input = validate::Document {
            root: document,
            raw: &raw,
            version,
            repositories,
            types,
            incomplete: self.failed,
        };
        let sink = std::mem::replace(&mut self.sink, Sink::new(1));
        let (template, sink) = validate::validate(&input, &self.sources, &self.options.limits, sink);
        self.sink = sink;
        Some(template)
    }

    fn add(&mut self, file: FileId, findings: Vec<Diagnostic>) {
        for found in findings {
            self.sink.push(self.sources.locate_in(found, file));
        }
    }

    fn error(&mut self, found: Diagnostic, at: crate::Place) {
        self.sink.push(self.sources.locate(found, at));
    }
}
