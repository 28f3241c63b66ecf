//! Feature sets: named values in the order of their first appearance, with the rules of adding one to another.
//!
//! Never checks what a feature means; that is the job of `check`.

use crate::{Interval, Number, Op, Origin};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The value of one feature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Feature {
    /// A string.
    Text(Op, String),
    /// A number or an interval of numbers.
    Number(Interval),
    /// A list of strings.
    List(Op, Vec<String>),
    /// That many random letters and digits, not drawn yet ([`crate::Document::draw_randoms`]).
    Random(Op, usize),
    /// Groups (`contains`), keyed by the `name` inside them; those without one share the empty key.
    Groups(IndexMap<String, Features>),
}

impl Feature {
    /// A string, with `=`.
    pub fn text(value: impl Into<String>) -> Self {
        Self::Text(Op::Eq, value.into())
    }

    /// A number, with `=` and no unit.
    pub fn number(value: impl Into<Number>) -> Self {
        Self::Number(Interval::new(Op::Eq, value.into(), ""))
    }

    /// One group.
    pub fn group(features: Features) -> Self {
        Self::Groups(IndexMap::from([(features.group_key(), features)]))
    }

    /// What kind of value it is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Text(..) | Self::Random(..) => "a string",
            Self::Number(_) => "a number",
            Self::List(..) => "a list of strings",
            Self::Groups(_) => "a group",
        }
    }
}

/// A feature and where it was written last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The value.
    pub feature: Feature,
    /// Its place.
    #[serde(skip)]
    pub at: Origin,
}

/// Features that are wished for, not required.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Soft {
    /// How much.
    pub weight: Number,
    /// What.
    pub features: Features,
    /// Its place.
    #[serde(skip)]
    pub at: Origin,
}

/// What to do when a feature is already there with another value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// Fail.
    Error,
    /// Keep the old one.
    Ignore,
    /// Keep the old one.
    Me,
    /// Take the new one.
    Other,
}

/// What to do when a feature is not there yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// Fail.
    Error,
    /// Skip it.
    Ignore,
    /// Keep the set as it is, as [`Missing::Ignore`] does.
    Me,
    /// Take it.
    Other,
}

/// Why a feature could not be added.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum MergeError {
    /// Another value is there.
    #[error("Conflict adding `{new}` because `{old}` is already set")]
    Different {
        /// The feature that was added, as printed.
        new: String,
        /// The one that is there.
        old: String,
        /// Where that was written.
        old_at: Origin,
    },
    /// No number satisfies both.
    #[error("Conflict adding `{new}` because no value satisfies it and `{old}`: the intervals are disjoint")]
    Disjoint {
        /// The feature that was added, as printed.
        new: String,
        /// The one that is there.
        old: String,
        /// Where that was written.
        old_at: Origin,
    },
    /// Values of different kinds.
    #[error("Conflict adding `{new}` because `{old}` is already set: one is {new_kind}, the other {old_kind}")]
    Kinds {
        /// The feature that was added, as printed.
        new: String,
        /// Its kind.
        new_kind: &'static str,
        /// The one that is there.
        old: String,
        /// Its kind.
        old_kind: &'static str,
        /// Where that was written.
        old_at: Origin,
    },
    /// The name must be there and is not.
    #[error("Feature `{0}` is not set")]
    Missing(String),
}

impl MergeError {
    /// Where the value that stood in the way was written.
    pub fn old_at(&self) -> Origin {
        match self {
            Self::Different { old_at, .. } | Self::Disjoint { old_at, .. } | Self::Kinds { old_at, .. } => *old_at,
            Self::Missing(_) => Origin(None),
        }
    }
}

/// A set of features.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Features {
    map: IndexMap<String, Entry>,
    softs: Vec<Soft>,
}

impl Features {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether there is neither a feature nor a soft.
    pub fn is_empty(&self) -> bool {
        self.map.is_empty() && self.softs.is_empty()
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Whether the feature is there.
    pub fn contains(&self, name: &str) -> bool {
        self.map.contains_key(name)
    }

    /// The feature.
    pub fn get(&self, name: &str) -> Option<&Feature> {
        self.map.get(name).map(|entry| &entry.feature)
    }

    /// The feature and its place.
    pub fn entry(&self, name: &str) -> Option<&Entry> {
        self.map.get(name)
    }

    /// A string feature's value. None for other kinds and for a random value that is not drawn yet.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.get(name)? {
            Feature::Text(_, value) => Some(value),
            _ => None,
        }
    }

    /// A number as written, without regard to its unit: the lower end of an interval if it has one.
    pub fn number(&self, name: &str) -> Option<Number> {
        Some(self.end(name)?.value)
    }

    /// A number in a unit.
    pub fn number_in(&self, name: &str, unit: &str) -> Option<Number> {
        Some(self.end(name)?.value_in(unit))
    }

    /// A size in bytes.
    pub fn bytes(&self, name: &str) -> Option<i64> {
        Some(self.number_in(name, "")?.as_i64())
    }

    /// A count: a number rounded to an integer.
    pub fn integer(&self, name: &str) -> Option<i64> {
        self.bytes(name)
    }

    /// Whether a string feature is `yes`, in any letter case.
    pub fn is_yes(&self, name: &str) -> bool {
        self.text(name).is_some_and(|value| value.eq_ignore_ascii_case("yes"))
    }

    fn end(&self, name: &str) -> Option<&crate::End> {
        match self.get(name)? {
            Feature::Number(interval) => interval.read(),
            _ => None,
        }
    }

    /// A list's strings.
    pub fn list(&self, name: &str) -> Option<&[String]> {
        match self.get(name)? {
            Feature::List(_, values) => Some(values),
            _ => None,
        }
    }

    /// The groups under a name.
    pub fn groups(&self, name: &str) -> impl Iterator<Item = &Features> {
        match self.get(name) {
            Some(Feature::Groups(groups)) => Some(groups.values()),
            _ => None,
        }
        .into_iter()
        .flatten()
    }

    /// Names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Feature)> {
        self.map.iter().map(|(name, entry)| (name.as_str(), &entry.feature))
    }

    /// Names, values and places, in order.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.map.iter().map(|(name, entry)| (name.as_str(), entry))
    }

    pub(crate) fn entries_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.map.values_mut()
    }

    pub(crate) fn softs_mut(&mut self) -> &mut Vec<Soft> {
        &mut self.softs
    }

    /// The softs, in order.
    pub fn softs(&self) -> &[Soft] {
        &self.softs
    }

    /// Adds a soft.
    pub fn push_soft(&mut self, soft: Soft) {
        self.softs.push(soft);
    }

    /// Removes the softs and answers them.
    pub fn take_softs(&mut self) -> Vec<Soft> {
        std::mem::take(&mut self.softs)
    }

    /// Says where the features were written of which that is not known.
    pub fn place(&mut self, at: Origin) {
        for entry in self.map.values_mut().filter(|entry| entry.at.0.is_none()) {
            entry.at = at;
        }
    }

    /// Sets a feature, whatever was there.
    pub fn set(&mut self, name: impl Into<String>, feature: Feature) {
        let at = Origin(None);
        self.map.insert(name.into(), Entry { feature, at });
    }

    /// Sets a string.
    pub fn set_text(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.set(name, Feature::text(value));
    }

    /// Sets a number: both ends and the unit.
    pub fn set_number(&mut self, name: impl Into<String>, value: impl Into<Number>, unit: &str) {
        self.set(name, Feature::Number(Interval::new(Op::Eq, value.into(), unit)));
    }

    /// Sets a list of strings.
    pub fn set_list(&mut self, name: impl Into<String>, values: Vec<String>) {
        self.set(name, Feature::List(Op::Eq, values));
    }

    /// Removes a feature and answers it.
    pub fn remove(&mut self, name: &str) -> Option<Feature> {
        self.map.shift_remove(name).map(|entry| entry.feature)
    }

    /// Keeps the features for which `keep` holds.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &Feature) -> bool) {
        self.map.retain(|name, entry| keep(name, &entry.feature));
    }

    /// The key of this set as a group: its `name`.
    pub fn group_key(&self) -> String {
        match self.get("name") {
            Some(Feature::Text(_, name)) => name.clone(),
            Some(Feature::Number(interval)) => interval.read().map(|end| end.value.to_string()).unwrap_or_default(),
            _ => String::new(),
        }
    }

    /// Adds one feature.
    pub fn add(
        &mut self,
        name: impl Into<String>,
        feature: Feature,
        at: Origin,
        conflict: Conflict,
        missing: Missing,
    ) -> Result<(), MergeError> {
        let name = name.into();
        match self.map.entry(name) {
            indexmap::map::Entry::Vacant(vacant) => match missing {
                Missing::Error => Err(MergeError::Missing(vacant.key().clone())),
                Missing::Ignore | Missing::Me => Ok(()),
                Missing::Other => {
                    vacant.insert(Entry { feature, at });
                    Ok(())
                }
            },
            indexmap::map::Entry::Occupied(mut occupied) => {
                let name = occupied.key().clone();
                add_to(occupied.get_mut(), &name, feature, at, conflict, missing)
            }
        }
    }

    /// Adds all features and softs of another set, or none of them.
    pub fn merge(&mut self, other: &Features, conflict: Conflict, missing: Missing) -> Result<(), MergeError> {
        let mut merged = self.clone();
        for (name, entry) in &other.map {
            merged.add(name.clone(), entry.feature.clone(), entry.at, conflict, missing)?;
        }
        merged.softs.extend(other.softs.iter().cloned());
        *self = merged;
        Ok(())
    }

    /// With the softs applied by weight, highest first, each as a whole or not at all; and the sum of the weights of
    /// those that were.
    pub fn concrete(&self) -> (Features, f64) {
        let mut concrete = self.clone();
        let mut softs = concrete.take_softs();
        softs.sort_by(|a, b| b.weight.as_f64().total_cmp(&a.weight.as_f64()));
        let mut score = 0.0;
        // A soft may hold softs in turn; they count only where their parent was applied.
        while !softs.is_empty() {
            let mut inner = Vec::new();
            for soft in softs {
                if concrete.merge(&soft.features, Conflict::Error, Missing::Other).is_ok() {
                    score += soft.weight.as_f64();
                }
                inner.extend(concrete.take_softs());
            }
            inner.sort_by(|a, b| b.weight.as_f64().total_cmp(&a.weight.as_f64()));
            softs = inner;
        }
        (concrete, score)
    }
}

fn add_to(
    old: &mut Entry,
    name: &str,
    new: Feature,
    at: Origin,
    conflict: Conflict,
    missing: Missing,
) -> Result<(), MergeError> {
    match (&mut old.feature, new) {
        (Feature::Number(there), Feature::Number(more)) => {
            match (there.intersect(&more), conflict) {
                (Some(met), _) => *there = met,
                (None, Conflict::Error) => {
                    let (new, was) = (Feature::Number(more), Feature::Number(there.clone()));
                    return Err(MergeError::Disjoint {
                        new: crate::print::feature_line(name, &new),
                        old: crate::print::feature_line(name, &was),
                        old_at: old.at,
                    });
                }
                (None, Conflict::Other) => *there = more,
                (None, Conflict::Ignore | Conflict::Me) => return Ok(()),
            }
            old.at = at;
            Ok(())
        }
        (Feature::Groups(there), Feature::Groups(more)) => {
            for (key, group) in more {
                match there.entry(key) {
                    indexmap::map::Entry::Occupied(mut same) => same.get_mut().merge(&group, conflict, missing)?,
                    indexmap::map::Entry::Vacant(vacant) => {
                        vacant.insert(group);
                    }
                }
            }
            Ok(())
        }
        (there, new) => {
            let same = match (&*there, &new) {
                // How versions are compared does not make another one of them.
                (Feature::Text(_, there), Feature::Text(_, new)) => there == new,
                (there, new) => there == new,
            };
            if same {
                return Ok(());
            }
            let same_kind = !matches!(
                (&*there, &new),
                (Feature::Number(_) | Feature::Groups(_), _) | (_, Feature::Number(_) | Feature::Groups(_))
            );
            match conflict {
                Conflict::Error if same_kind => Err(MergeError::Different {
                    new: crate::print::feature_line(name, &new),
                    old: crate::print::feature_line(name, there),
                    old_at: old.at,
                }),
                _ if !same_kind => Err(MergeError::Kinds {
                    new: crate::print::feature_line(name, &new),
                    new_kind: new.kind(),
                    old: crate::print::feature_line(name, there),
                    old_kind: there.kind(),
                    old_at: old.at,
                }),
                Conflict::Other => {
                    *old = Entry { feature: new, at };
                    Ok(())
                }
                _ => Ok(()),
            }
        }
    }
}

impl Features {
    /// Sets a feature with its place, whatever was there.
    pub(crate) fn set_at(&mut self, name: &str, feature: Feature, at: Origin) {
        self.map.insert(name.to_owned(), Entry { feature, at });
    }
}
