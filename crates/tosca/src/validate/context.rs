//! What all parts of the validation share: types, findings, words for messages.

use crate::{
    FileId, Limits, Mapping, Node, Place, Sources, Value, codes,
    load::METADATA,
    types::{Flat, TypeKind, TypeLibrary, unknown_field},
};
use im_radl::{Diagnostic, Sink, nearest};
use std::{cell::RefCell, collections::HashMap, fmt, sync::Arc};

/// Shared by all parts.
pub(super) struct Context<'a> {
    pub(super) types: &'a TypeLibrary,
    pub(super) limits: &'a Limits,
    sources: &'a Sources,
    sink: RefCell<Sink>,
    /// Whether an import is missing, so that unknown types are no news.
    incomplete: bool,
    flats: RefCell<Known>,
}

/// Types by the names that they were asked for by.
type Known = HashMap<(TypeKind, Arc<str>), Option<Arc<Flat>>>;

/// A finding and where it is.
pub(super) type Found = (Diagnostic, Place);

impl<'a> Context<'a> {
    pub(super) fn new(
        types: &'a TypeLibrary,
        limits: &'a Limits,
        sources: &'a Sources,
        sink: Sink,
        incomplete: bool,
    ) -> Self {
        Self {
            types,
            limits,
            sources,
            sink: RefCell::new(sink),
            incomplete,
            flats: RefCell::default(),
        }
    }

    pub(super) fn finish(self) -> Sink {
        self.sink.into_inner()
    }

    pub(super) fn push(&self, found: Diagnostic, at: Place) {
        self.sink.borrow_mut().push(self.sources.locate(found, at));
    }

    pub(super) fn push_all(&self, found: Vec<Found>) {
        for (found, at) in found {
            self.push(found, at);
        }
    }

    pub(super) fn push_in(&self, file: FileId, found: Vec<Diagnostic>) {
        for found in found {
            self.sink.borrow_mut().push(self.sources.locate_in(found, file));
        }
    }

    pub(super) fn error(&self, code: &'static str, message: impl Into<String>, at: Place) {
        self.push(Diagnostic::error(code, message), at);
    }

    pub(super) fn warning(&self, code: &'static str, message: impl Into<String>, at: Place) {
        self.push(Diagnostic::warning(code, message), at);
    }

    /// The members of what must be a mapping or nothing.
    pub(super) fn members<'n>(&self, node: &'n Node, what: &dyn fmt::Display) -> Option<&'n Mapping> {
        match &node.value {
            Value::Map(map) => Some(map),
            Value::Null => None,
            other => {
                let message = format!("{what} must be a mapping, and this is {}", other.kind());
                self.error(codes::SHAPE, message, node.at);
                None
            }
        }
    }

    /// As [`Self::fields`], where a property may have been written one level too high.
    pub(super) fn fields_or_properties(
        &self,
        map: &Mapping,
        what: &str,
        known: &[&str],
        properties: &crate::types::Definitions,
    ) {
        self.each_field(map, what, known, |key| {
            properties
                .contains_key(key)
                .then_some("it is a property: write it below `properties`")
        });
    }

    /// Refuses keys that are not known. Where `metadata` is, a piece of that word is taken for it, as the original does.
    pub(super) fn fields(&self, map: &Mapping, what: &str, known: &[&str]) {
        self.each_field(map, what, known, |_| None);
    }

    fn each_field(&self, map: &Mapping, what: &str, known: &[&str], hint: impl Fn(&str) -> Option<&'static str>) {
        let metadata = known.contains(&METADATA);
        for (key, entry) in map.entries() {
            if known.contains(&&**key) {
                continue;
            }
            if metadata && METADATA.contains(&**key) {
                self.warning(
                    codes::RELAXED,
                    format!("`{key}` is taken for `{METADATA}`"),
                    entry.key_at,
                );
            } else {
                let mut found = unknown_field(key, entry.key_at, what, known);
                if let Some(hint) = hint(key) {
                    found.hint = Some(hint.to_owned());
                }
                self.push(found, entry.key_at);
            }
        }
    }

    /// Text of a field, if it is there and text.
    pub(super) fn text(&self, map: &Mapping, key: &str, what: &dyn fmt::Display) -> Option<Arc<str>> {
        let node = map.get(key)?;
        match &node.value {
            Value::Str(text) => Some(Arc::clone(text)),
            Value::Null => None,
            other => {
                let message = format!("`{key}` of {what} must be text, and this is {}", other.kind());
                self.error(codes::SHAPE, message, node.at);
                None
            }
        }
    }

    /// A type by the name in a document; says so if it is unknown, and what is wrong with it the first time.
    pub(super) fn flat(&self, kind: TypeKind, name: &str, at: Place) -> Option<Arc<Flat>> {
        let found = self.find(kind, name);
        if found.is_none() {
            self.unknown_type(kind, name, at);
        }
        found
    }

    /// The same, silent if it is unknown.
    pub(super) fn find(&self, kind: TypeKind, name: &str) -> Option<Arc<Flat>> {
        let key = (kind, Arc::from(name));
        if let Some(known) = self.flats.borrow().get(&key) {
            return known.clone();
        }
        let flat = self.types.flat(kind, name).map(Arc::new);
        let first = flat.as_ref().is_some_and(|flat| {
            let full = (kind, Arc::clone(&flat.definition.name));
            key == full || !self.flats.borrow().contains_key(&full)
        });
        if let Some(flat) = &flat {
            let full = (kind, Arc::clone(&flat.definition.name));
            self.flats.borrow_mut().insert(full, Some(Arc::clone(flat)));
        }
        self.flats.borrow_mut().insert(key, flat.clone());
        if first && let Some(flat) = &flat {
            self.inspect(kind, flat);
        }
        flat
    }

    /// What is wrong with a type that is used.
    fn inspect(&self, kind: TypeKind, flat: &Flat) {
        for (file, found) in &flat.findings {
            // Those of the document itself are reported whether the type is used or not.
            if *file != FileId::DOCUMENT {
                self.push_in(*file, vec![found.clone()]);
            }
        }
        let Some(last) = flat.chain.last().and_then(|name| self.types.get(kind, name)) else {
            return;
        };
        let Some(parent) = &last.derived_from else { return };
        if kind == TypeKind::Data && is_simple(parent) {
            return;
        }
        if self.types.get(kind, parent).is_some() {
            let message = format!("the {} `{}` derives from itself", kind.words(), last.name);
            self.error(codes::DERIVATION, message, last.at);
        } else if !self.incomplete {
            let message = format!(
                "the {} `{}` derives from `{parent}`, which nothing defines",
                kind.words(),
                last.name
            );
            self.error(codes::DERIVATION, message, last.at);
        }
    }

    /// The type whose name without what leads to it is near to one without.
    fn short_name(&self, kind: TypeKind, name: &str) -> Option<&'a str> {
        if name.contains('.') {
            return None;
        }
        let short = |full: &'a str| kind.prefixes().iter().find_map(|prefix| full.strip_prefix(prefix));
        let near = nearest(name, self.types.names(kind).filter_map(|full| short(full)))?;
        self.types
            .names(kind)
            .map(|full| &**full)
            .find(|full| short(full) == Some(near))
    }

    pub(super) fn unknown_type(&self, kind: TypeKind, name: &str, at: Place) {
        if self.incomplete {
            return;
        }
        let found = Diagnostic::error(codes::UNKNOWN_TYPE, format!("there is no {} `{name}`", kind.words()));
        let near = nearest(name, self.types.names(kind).map(|name| &**name)).or_else(|| self.short_name(kind, name));
        self.push(
            match near {
                Some(near) => found.hint(format!("did you mean `{near}`?")),
                None => found.hint("import the file that defines it, or define it here"),
            },
            at,
        );
    }
}

/// Types of values that need no definition.
pub(super) const SIMPLE: &[&str] = &[
    "string",
    "integer",
    "float",
    "number",
    "boolean",
    "version",
    "timestamp",
    "range",
    "list",
    "map",
    "scalar-unit.size",
    "scalar-unit.frequency",
    "scalar-unit.time",
];

pub(super) fn is_simple(name: &str) -> bool {
    SIMPLE.contains(&name)
}

/// Words for what a value belongs to: `` `port` of `endpoint` of `server` ``.
#[derive(Clone, Copy)]
pub(super) struct What<'a> {
    name: &'a dyn fmt::Display,
    of: Option<&'a What<'a>>,
}

impl<'a> What<'a> {
    pub(super) fn new(name: &'a dyn fmt::Display) -> Self {
        Self { name, of: None }
    }

    pub(super) fn member(&'a self, name: &'a dyn fmt::Display) -> Self {
        Self { name, of: Some(self) }
    }
}

impl fmt::Display for What<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.name)?;
        match self.of {
            Some(of) => write!(f, " of {of}"),
            None => Ok(()),
        }
    }
}

/// A hint with the nearest name, or with all of them if they are few.
pub(super) fn suggest<'n>(found: Diagnostic, name: &str, known: impl IntoIterator<Item = &'n str>) -> Diagnostic {
    let known: Vec<&str> = known.into_iter().collect();
    match nearest(name, known.iter().copied()) {
        Some(near) => found.hint(format!("did you mean `{near}`?")),
        None if known.is_empty() => found,
        None if known.len() <= 20 => found.hint(format!("there are: {}", known.join(", "))),
        None => found,
    }
}
