//! One imported file, read once however many documents import it.

use crate::{
    FileId, Limits, Mapping, Node,
    types::{Layer, read_types},
    yaml,
};
use im_radl::Diagnostic;
use std::sync::{Arc, OnceLock};

/// What reading a file gave. Kept beside its text.
#[derive(Debug, Default)]
pub(crate) struct FileCache(OnceLock<Arc<TypeFile>>);

/// A file with types.
#[derive(Debug)]
pub(crate) struct TypeFile {
    /// The number its places have.
    pub(crate) file: FileId,
    /// The file as it is; nothing if it is no YAML.
    pub(crate) root: Option<Node>,
    /// Its types.
    pub(crate) layer: Arc<Layer>,
    /// What is wrong with it as a whole, with places but without its name.
    pub(crate) findings: Vec<Diagnostic>,
}

impl TypeFile {
    /// Its members.
    pub(crate) fn members(&self) -> Option<&Mapping> {
        self.root.as_ref().and_then(Node::as_map)
    }
}

impl FileCache {
    /// Reads the file, or gives what a former reading gave.
    pub(crate) fn read(&self, url: &str, text: &str, limits: &Limits) -> Arc<TypeFile> {
        let made = self.0.get_or_init(|| {
            let file = FileId::of(url);
            let (root, mut findings) = yaml::parse(text, file, limits);
            let (types, more) = root.as_ref().and_then(Node::as_map).map(read_types).unwrap_or_default();
            findings.extend(more);
            Arc::new(TypeFile {
                file,
                root,
                layer: Arc::new(Layer::of(types)),
                findings,
            })
        });
        Arc::clone(made)
    }
}
