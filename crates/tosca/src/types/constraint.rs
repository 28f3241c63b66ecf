//! Constraints: what narrows the values of a type.

use crate::{Node, Place};

/// What a value must be like.
#[derive(Clone, Debug, PartialEq)]
pub struct Constraint {
    /// In which way.
    pub kind: ConstraintKind,
    /// Compared with what.
    pub operand: Node,
    /// Where it is written.
    pub at: Place,
}

/// In which way a value is narrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConstraintKind {
    /// `equal`
    Equal,
    /// `greater_than`
    GreaterThan,
    /// `greater_or_equal`
    GreaterOrEqual,
    /// `less_than`
    LessThan,
    /// `less_or_equal`
    LessOrEqual,
    /// `in_range`: two bounds, both included.
    InRange,
    /// `valid_values`
    ValidValues,
    /// `length`
    Length,
    /// `min_length`
    MinLength,
    /// `max_length`
    MaxLength,
    /// `pattern`: a regular expression that the whole text matches.
    Pattern,
}

impl ConstraintKind {
    /// All of them, by the names they are written with.
    pub const ALL: [(&'static str, Self); 11] = [
        ("equal", Self::Equal),
        ("greater_than", Self::GreaterThan),
        ("greater_or_equal", Self::GreaterOrEqual),
        ("less_than", Self::LessThan),
        ("less_or_equal", Self::LessOrEqual),
        ("in_range", Self::InRange),
        ("valid_values", Self::ValidValues),
        ("length", Self::Length),
        ("min_length", Self::MinLength),
        ("max_length", Self::MaxLength),
        ("pattern", Self::Pattern),
    ];

    /// By name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, kind)| *kind)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(_, kind)| *kind == self)
            .map_or("", |(name, _)| name)
    }
}
