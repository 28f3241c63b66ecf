//! Mappings that keep their order. Keys are looked up by their text; what they were before is kept for writing.

use super::{Node, Value, python_text};
use crate::Place;
use indexmap::IndexMap;
use std::sync::Arc;

/// A member of a mapping. Its place is not part of what it says.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key as it was written, if that is not text: `80`, `true`.
    pub key: Option<Box<Value>>,
    /// Where the key was written.
    pub key_at: Place,
    /// The value.
    pub value: Node,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

/// Members in the order they were written. Two with the same members in another order are equal.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mapping(IndexMap<Arc<str>, Entry>);

impl Mapping {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many members it has.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A member's value.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.0.get(key).map(|entry| &entry.value)
    }

    /// A member's value, to change it.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        self.0.get_mut(key).map(|entry| &mut entry.value)
    }

    /// A member with the place of its key.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.0.get(key)
    }

    /// Whether it has a member.
    pub fn contains(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// Adds or replaces a member; one that was there keeps its position. Gives the former one.
    pub fn insert(&mut self, key: impl Into<Arc<str>>, value: Node) -> Option<Entry> {
        let entry = Entry {
            key: None,
            key_at: value.at,
            value,
        };
        self.0.insert(key.into(), entry)
    }

    /// The same with a key that may not be text, and its place.
    pub fn insert_entry(&mut self, key: impl Into<Arc<str>>, entry: Entry) -> Option<Entry> {
        self.0.insert(key.into(), entry)
    }

    /// Adds or replaces the member of a key that was read.
    pub(crate) fn insert_key(&mut self, key: Node, value: Node) -> Option<Entry> {
        let (text, original) = match key.value {
            Value::Str(text) => (text, None),
            other => (Arc::from(python_text(&other)), Some(Box::new(other))),
        };
        let entry = Entry {
            key: original,
            key_at: key.at,
            value,
        };
        self.0.insert(text, entry)
    }

    /// Removes a member; the others keep their order.
    pub fn remove(&mut self, key: &str) -> Option<Node> {
        self.0.shift_remove(key).map(|entry| entry.value)
    }

    /// Keys and values.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Arc<str>, &Node)> + DoubleEndedIterator {
        self.0.iter().map(|(key, entry)| (key, &entry.value))
    }

    /// Keys and values, the values to be changed.
    pub fn iter_mut(&mut self) -> impl ExactSizeIterator<Item = (&Arc<str>, &mut Node)> {
        self.0.iter_mut().map(|(key, entry)| (key, &mut entry.value))
    }

    /// Keys, with their places and values.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = (&Arc<str>, &Entry)> {
        self.0.iter()
    }

    /// Keys.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &Arc<str>> {
        self.0.keys()
    }

    /// Values.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &Node> {
        self.0.values().map(|entry| &entry.value)
    }
}

impl IntoIterator for Mapping {
    type Item = (Arc<str>, Entry);
    type IntoIter = indexmap::map::IntoIter<Arc<str>, Entry>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl FromIterator<(Arc<str>, Node)> for Mapping {
    fn from_iter<T: IntoIterator<Item = (Arc<str>, Node)>>(members: T) -> Self {
        let mut map = Self::new();
        for (key, value) in members {
            map.insert(key, value);
        }
        map
    }
}
