//! The files that a document refers to, as far as the caller has fetched them. Nothing here fetches: what is missing is
//! listed as [`Wanted`], and the caller comes back with it.

use crate::{library, load::FileCache};
use std::{collections::HashMap, sync::Arc};

/// When the built-in copies of well-known type files are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Embedded {
    /// When the file could not be fetched.
    #[default]
    Fallback,
    /// Always: such a file is never asked for.
    Prefer,
    /// Never.
    Never,
}

/// Why a file is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    /// Types, by `imports`.
    Import,
    /// The whole template that the document extends, by `template_file`.
    Template,
    /// A recipe, a script or a file, by an operation or an artifact.
    Artifact,
}

/// A file that the caller should fetch and add to the [`Files`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Where it is: `http`, `https` or `ftp`, never a file of this machine.
    pub url: Arc<str>,
    /// What it is for.
    pub why: Why,
}

/// One fetched file. Reading it twice costs once, as long as the same [`Files`] or a clone of them is used.
#[derive(Clone, Debug)]
pub struct File {
    text: Arc<str>,
    pub(crate) cache: Arc<FileCache>,
}

impl File {
    /// A file with this text.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self {
            text: text.into(),
            cache: Arc::default(),
        }
    }

    /// Its text.
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }
}

/// What is known of a file.
#[derive(Clone, Debug)]
pub enum Fetched {
    /// It is there.
    File(File),
    /// It could not be fetched, for this reason.
    Failed(Arc<str>),
    /// Nobody has tried yet.
    Missing,
}

/// Files by URL, with the built-in ones.
#[derive(Clone, Debug, Default)]
pub struct Files {
    known: HashMap<Arc<str>, Result<File, Arc<str>>>,
    embedded: Embedded,
}

impl Files {
    /// None yet.
    pub fn new(embedded: Embedded) -> Self {
        Self {
            known: HashMap::new(),
            embedded,
        }
    }

    /// Adds a file, or the reason why it could not be fetched.
    pub fn insert(&mut self, url: impl Into<Arc<str>>, file: Result<File, Arc<str>>) {
        self.known.insert(url.into(), file);
    }

    /// Adds a text.
    pub fn insert_text(&mut self, url: impl Into<Arc<str>>, text: impl Into<Arc<str>>) {
        self.insert(url, Ok(File::new(text)));
    }

    /// What is known of a file.
    pub fn get(&self, url: &str) -> Fetched {
        let embedded = || library::embedded_file(url).map(Fetched::File);
        if self.embedded == Embedded::Prefer
            && let Some(file) = embedded()
        {
            return file;
        }
        match self.known.get(url) {
            Some(Ok(file)) => Fetched::File(file.clone()),
            Some(Err(reason)) => match self.embedded {
                Embedded::Never => Fetched::Failed(Arc::clone(reason)),
                Embedded::Fallback | Embedded::Prefer => {
                    embedded().unwrap_or_else(|| Fetched::Failed(Arc::clone(reason)))
                }
            },
            None => Fetched::Missing,
        }
    }
}
