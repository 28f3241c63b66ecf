//! YAML 1.1 as `PyYAML`'s safe loader reads it, with positions; and block style as its safe dumper writes it, with the
//! order of keys kept.
//!
//! Never builds more than [`Limits`](crate::Limits) allow, however often an alias repeats a value, and never runs or
//! fetches anything: unknown tags are refused.

mod dump;
mod mapping;
mod parse;
mod python;
mod scalar;

pub use dump::dump;
pub use mapping::{Entry, Mapping};
pub use parse::parse;
pub use python::{python_repr, python_text};
pub use scalar::resolve;

use crate::Place;
use std::sync::Arc;

/// A value and where it was written. Two that differ only in their place are equal.
#[derive(Clone, Debug, Default)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Where it was written.
    pub at: Place,
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

/// What YAML can say.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// `null`, `~` or nothing at all.
    #[default]
    Null,
    /// `true`, `yes`, `on` and their opposites.
    Bool(bool),
    /// A whole number.
    Int(i128),
    /// A number with a point.
    Float(f64),
    /// A date or a time, as Python writes it: `2020-09-08`, `2020-09-08 10:00:00+00:00`.
    Timestamp(Arc<str>),
    /// Text.
    Str(Arc<str>),
    /// A list.
    Seq(Vec<Node>),
    /// A mapping, in the order it was written.
    Map(Mapping),
}

impl Value {
    /// Text.
    pub fn text(text: impl Into<Arc<str>>) -> Self {
        Self::Str(text.into())
    }

    /// What kind of value it is, for messages: `a list`, `text`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing (null)",
            Self::Bool(_) => "a boolean",
            Self::Int(_) => "an integer",
            Self::Float(_) => "a float",
            Self::Timestamp(_) => "a date",
            Self::Str(_) => "text",
            Self::Seq(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }

    /// Whether Python takes it for false: null, false, zero, and what is empty.
    pub fn is_falsy(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Bool(it) => !it,
            Self::Int(it) => *it == 0,
            Self::Float(it) => *it == 0.0,
            Self::Timestamp(_) => false,
            Self::Str(it) => it.is_empty(),
            Self::Seq(it) => it.is_empty(),
            Self::Map(it) => it.is_empty(),
        }
    }
}

impl Node {
    /// A value written somewhere.
    pub fn new(value: Value, at: Place) -> Self {
        Self { value, at }
    }

    /// Text written somewhere.
    pub fn text(text: impl Into<Arc<str>>, at: Place) -> Self {
        Self::new(Value::text(text), at)
    }

    /// Its text, if it is text.
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::Str(text) => Some(text),
            _ => None,
        }
    }

    /// Its text as it is kept, if it is text.
    pub fn as_arc(&self) -> Option<&Arc<str>> {
        match &self.value {
            Value::Str(text) => Some(text),
            _ => None,
        }
    }

    /// Its members, if it is a mapping.
    pub fn as_map(&self) -> Option<&Mapping> {
        match &self.value {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    /// Its items, if it is a list.
    pub fn as_seq(&self) -> Option<&[Node]> {
        match &self.value {
            Value::Seq(items) => Some(items),
            _ => None,
        }
    }

    /// Its number, if it is a whole one.
    pub fn as_int(&self) -> Option<i128> {
        match self.value {
            Value::Int(int) => Some(int),
            _ => None,
        }
    }

    /// Whether it is true or false.
    pub fn as_bool(&self) -> Option<bool> {
        match self.value {
            Value::Bool(bool) => Some(bool),
            _ => None,
        }
    }

    /// Whether it is nothing.
    pub fn is_null(&self) -> bool {
        self.value == Value::Null
    }

    /// A member, if it is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.as_map()?.get(key)
    }

    /// Its only member, if it is a mapping of one.
    pub fn single(&self) -> Option<(&Arc<str>, &Entry)> {
        let map = self.as_map()?;
        if map.len() == 1 { map.entries().next() } else { None }
    }
}

impl From<Value> for Node {
    fn from(value: Value) -> Self {
        Self::new(value, Place::default())
    }
}
