//! The JSON form of credentials: an array of objects.

use crate::AuthError;
use im_model::{AuthLine, Credentials, Secret};
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// Reads the JSON form. `None`: the text is not JSON, so it may be in line form.
///
/// Numbers and booleans become their text, nested values their compact JSON text (service accounts are given so), and
/// a `null` is as if the key were absent.
pub(crate) fn parse(text: &str) -> Result<Option<Credentials>, AuthError> {
    let trimmed = text.trim_start();
    if !trimmed.starts_with(['[', '{']) {
        return Ok(None);
    }
    if serde_json::from_str::<de::IgnoredAny>(trimmed).is_err() {
        return Ok(None);
    }
    match serde_json::from_str::<Lines>(trimmed) {
        Ok(Lines(lines)) => Ok(Some(Credentials { lines })),
        Err(_) => Err(AuthError::Unreadable(
            "the JSON form of credentials is an array of objects",
        )),
    }
}

struct Lines(Vec<AuthLine>);

impl<'de> Deserialize<'de> for Lines {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Array;
        impl<'de> Visitor<'de> for Array {
            type Value = Lines;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of objects")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Lines, A::Error> {
                let mut lines = Vec::new();
                while let Some(Line(line)) = seq.next_element()? {
                    lines.push(line);
                }
                Ok(Lines(lines))
            }
        }
        deserializer.deserialize_seq(Array)
    }
}

struct Line(AuthLine);

impl<'de> Deserialize<'de> for Line {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Line;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Line, A::Error> {
                let mut line = AuthLine::default();
                while let Some(key) = map.next_key::<String>()? {
                    match map.next_value::<serde_json::Value>()? {
                        serde_json::Value::Null => line.remove(&key),
                        serde_json::Value::String(text) => line.set(&key, Secret::new(text)),
                        other => line.set(&key, Secret::new(other.to_string())),
                    }
                }
                Ok(Line(line))
            }
        }
        deserializer.deserialize_map(Object)
    }
}
