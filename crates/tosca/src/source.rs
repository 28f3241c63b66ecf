//! Which file and which piece of it something was written in. Never part of what it says.

use im_radl::{Colours, Diagnostic, Note, Origin, Span};
use indexmap::IndexMap;
use std::sync::Arc;

/// A file among the [`Sources`] of one document. The number follows from the file's URL alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(u32);

impl FileId {
    /// The submitted document.
    pub const DOCUMENT: Self = Self(0);

    /// The file of a URL.
    pub fn of(url: &str) -> Self {
        // FNV-1a. Two files that share a number would only show a finding in the wrong one.
        let hash = url.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        });
        Self(hash.max(1))
    }
}

/// A piece of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: FileId,
    /// The piece of it.
    pub span: Span,
}

impl Place {
    /// The place as RADL knows it: a line of the submitted document.
    pub(crate) fn origin(self) -> Origin {
        Origin((self.file == FileId::DOCUMENT).then_some(self.span))
    }
}

/// One file that was read.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its URL, or the name of the submitted document.
    pub name: Arc<str>,
    /// Its text.
    pub text: Arc<str>,
    /// Where it was asked for; none for the submitted document and for the built-in types.
    pub asked: Option<Place>,
}

/// The files that were read for one document, the document first.
#[derive(Clone, Debug, Default)]
pub struct Sources(IndexMap<FileId, Source>);

impl Sources {
    /// Only the submitted document.
    pub fn of(name: &str, text: Arc<str>) -> Self {
        let mut sources = Self::default();
        sources.0.insert(
            FileId::DOCUMENT,
            Source {
                name: Arc::from(name),
                text,
                asked: None,
            },
        );
        sources
    }

    /// Adds a file; the first place that asked for it counts.
    pub fn add(&mut self, file: FileId, source: Source) {
        self.0.entry(file).or_insert(source);
    }

    /// A file.
    pub fn get(&self, file: FileId) -> Option<&Source> {
        self.0.get(&file)
    }

    /// All of them, the submitted document first.
    pub fn iter(&self) -> impl Iterator<Item = (FileId, &Source)> {
        self.0.iter().map(|(file, source)| (*file, source))
    }

    /// Puts a finding at a place, and says by which imports one comes there.
    #[must_use]
    pub fn locate(&self, mut finding: Diagnostic, place: Place) -> Diagnostic {
        finding.file = self.name_of(place.file);
        finding.span = Some(place.span);
        let mut file = place.file;
        // Each file once: a bound for chains that should not be circular.
        for _ in 0..self.0.len() {
            let Some(asked) = self.get(file).and_then(|source| source.asked) else {
                break;
            };
            finding.notes.push(Note {
                message: "imported here".to_owned(),
                file: self.name_of(asked.file),
                span: Some(asked.span),
            });
            file = asked.file;
        }
        finding
    }

    /// Says which file a finding is in that knows its place there, and how one comes to that file.
    #[must_use]
    pub fn locate_in(&self, finding: Diagnostic, file: FileId) -> Diagnostic {
        match finding.span {
            Some(span) => {
                let mut notes = finding.notes.clone();
                for note in &mut notes {
                    note.file = note.file.take().or_else(|| self.name_of(file));
                }
                self.locate(Diagnostic { notes, ..finding }, Place { file, span })
            }
            None => finding.in_file(self.name_of(file)),
        }
    }

    /// A remark at a place.
    pub fn note(&self, message: impl Into<String>, place: Place) -> Note {
        Note {
            message: message.into(),
            file: self.name_of(place.file),
            span: Some(place.span),
        }
    }

    /// The URL of a file, none for the submitted document.
    pub fn name_of(&self, file: FileId) -> Option<Arc<str>> {
        if file == FileId::DOCUMENT {
            None
        } else {
            self.get(file).map(|source| Arc::clone(&source.name))
        }
    }

    /// A finding as text for people, with the lines of whichever file it speaks of.
    pub fn render(&self, finding: &Diagnostic, colours: Colours) -> String {
        finding.render_with(
            |name| {
                let found = match name {
                    None => self.0.values().next(),
                    Some(name) => self.0.values().skip(1).find(|source| &*source.name == name),
                };
                match (found, name) {
                    (Some(source), _) => (&*source.name, &*source.text),
                    (None, name) => (name.unwrap_or_default(), ""),
                }
            },
            colours,
        )
    }
}
