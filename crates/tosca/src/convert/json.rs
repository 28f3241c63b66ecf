//! Values of YAML as JSON.

use crate::{Node, Value};
use serde_json::{Map, Number};

/// Dates become text; numbers that JSON has no way to write become null.
pub(crate) fn json(node: &Node) -> serde_json::Value {
    match &node.value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(bool) => serde_json::Value::Bool(*bool),
        Value::Int(int) => match (i64::try_from(*int), u64::try_from(*int)) {
            (Ok(int), _) => int.into(),
            (_, Ok(int)) => int.into(),
            _ => serde_json::Value::String(int.to_string()),
        },
        Value::Float(float) => Number::from_f64(*float).map_or(serde_json::Value::Null, serde_json::Value::Number),
        Value::Timestamp(text) | Value::Str(text) => serde_json::Value::String(text.to_string()),
        Value::Seq(items) => items.iter().map(json).collect(),
        Value::Map(map) => {
            let members: Map<String, serde_json::Value> =
                map.iter().map(|(key, value)| (key.to_string(), json(value))).collect();
            serde_json::Value::Object(members)
        }
    }
}

/// The other way.
pub(crate) fn from_json(value: &serde_json::Value) -> Value {
    match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(bool) => Value::Bool(*bool),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(int), _, _) => Value::Int(int.into()),
            (_, Some(int), _) => Value::Int(int.into()),
            (_, _, Some(float)) => Value::Float(float),
            _ => Value::Null,
        },
        serde_json::Value::String(text) => Value::text(text.as_str()),
        serde_json::Value::Array(items) => Value::Seq(items.iter().map(|item| from_json(item).into()).collect()),
        serde_json::Value::Object(map) => Value::Map(
            map.iter()
                .map(|(key, value)| (key.as_str().into(), from_json(value).into()))
                .collect(),
        ),
    }
}
