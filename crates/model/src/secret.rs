//! A text that must not be seen: prints as `***`, is wiped when dropped, and is not serialisable by accident.

use std::fmt;
use zeroize::Zeroizing;

/// A secret text. `Debug` and `Display` print `***`.
///
/// It has no `Serialize`: a field that goes into a *sealed* database column says so with
/// `#[serde(with = "im_model::Secret")]`-style helpers, i.e. `#[serde(serialize_with = "Secret::expose_to", …)]`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }
    /// The text itself. Every call is a place to review.
    pub fn expose(&self) -> &str {
        &self.0
    }
    /// Whether the text is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// Serialises the bare text; only for values that go into a sealed column.
    pub fn serialize<S: serde::Serializer>(value: &Self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(value.expose())
    }
    /// The counterpart of [`Secret::serialize`], so that `#[serde(with = "Secret")]` works on a field.
    pub fn deserialize<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <String as serde::Deserialize>::deserialize(deserializer).map(Self::new)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}
impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_prints() {
        let s = Secret::new("hunter2");
        assert_eq!(format!("{s} {s:?} {:?}", Some(&s)), "*** *** Some(***)");
        assert_eq!(s.expose(), "hunter2");
    }
}
