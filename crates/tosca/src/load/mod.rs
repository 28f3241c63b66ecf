//! From the text of a document to a [`Template`](crate::Template): reads it, follows its imports, validates it.
//!
//! Never fetches: what is missing is listed, and the caller comes back with it.

mod file;

pub(crate) use file::{FileCache, TypeFile};
