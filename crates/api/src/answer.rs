//! Answers that went well: URIs, text, JSON, nothing.

use crate::{
    accept::Form,
    failure::{Answer, Failure, OPERATION_ID},
};
use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};
use im_model::{InfraId, OperationId, VmId};
use im_radl::Diagnostic;
use im_tosca::OutputValue;
use indexmap::IndexMap;
use serde::Serialize;
use serde_json::{Map, Value};
use std::fmt::Write as _;

/// Type of lists of URIs.
pub(crate) const URI_LIST: &str = "text/uri-list";
/// Type of most else.
pub(crate) const TEXT: &str = "text/plain";

const INF_ID: HeaderName = HeaderName::from_static("infid");
const URI_LIST_UTF8: HeaderValue = HeaderValue::from_static("text/uri-list; charset=utf-8");
const TEXT_UTF8: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

fn with(kind: HeaderValue, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// Plain text.
pub(crate) fn text(body: impl Into<Body>) -> Response {
    with(TEXT_UTF8, body)
}

/// Nothing, as plain text.
pub(crate) fn empty() -> Response {
    text(Body::empty())
}

/// JSON, compact.
pub(crate) fn json<T: Serialize>(value: &T) -> Answer {
    let body = serde_json::to_vec(value).map_err(|e| {
        tracing::error!("an answer cannot be written as JSON: {e}");
        Failure::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the answer cannot be written as JSON",
        )
    })?;
    Ok(with(JSON, body))
}

/// `{"name":value}`.
pub(crate) fn member<T: Serialize>(name: &str, value: &T) -> Answer {
    struct Member<'a, T>(&'a str, &'a T);
    impl<T: Serialize> Serialize for Member<'_, T> {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_map([(self.0, self.1)])
        }
    }
    json(&Member(name, value))
}

/// `{"outputs":{…}}`; where some have no value, `"errors"` beside it says why.
pub(crate) fn outputs(outputs: IndexMap<String, OutputValue>) -> Answer {
    let mut values = Map::new();
    let mut errors = Map::new();
    for (name, output) in outputs {
        if let Some(why) = output.error {
            errors.insert(name.clone(), why.into());
        }
        values.insert(name, output.value);
    }
    let mut body = Map::from_iter([("outputs".to_owned(), Value::Object(values))]);
    if !errors.is_empty() {
        body.insert("errors".to_owned(), Value::Object(errors));
    }
    json(&body)
}

/// `{"name":…}` around what is JSON already; `name` needs no escape.
pub(crate) fn written(name: &str, value: &str) -> Response {
    with(JSON, format!("{{\"{name}\":{value}}}"))
}

/// A text, bare or as `{"name":"text"}`.
pub(crate) fn property(form: Form, name: &str, value: String) -> Answer {
    match form {
        Form::Own => Ok(text(value)),
        Form::Json => member(name, &value),
    }
}

/// One URI.
pub(crate) fn uri(form: Form, uri: String) -> Answer {
    match form {
        Form::Own => Ok(with(URI_LIST_UTF8, uri)),
        Form::Json => member("uri", &uri),
    }
}

/// What was found by whoever read the document, if it was asked for.
pub(crate) fn all_found(found: Option<Vec<Diagnostic>>, by_service: &[Diagnostic]) -> Option<Vec<Diagnostic>> {
    let mut found = found?;
    found.extend_from_slice(by_service);
    Some(found)
}

/// In the JSON form, what was found in the document beside: a member `diagnostics`. Other forms have no place for it.
pub(crate) fn uri_with(form: Form, uri: String, found: Option<&[Diagnostic]>) -> Answer {
    #[derive(Serialize)]
    struct Created<'a> {
        uri: String,
        diagnostics: &'a [Diagnostic],
    }
    match (form, found) {
        (Form::Json, Some(diagnostics)) => json(&Created { uri, diagnostics }),
        _ => self::uri(form, uri),
    }
}

/// What an update did besides adding, for clients that ask for all that is known.
#[derive(Serialize)]
pub(crate) struct Besides {
    /// VMs that are gone.
    pub(crate) removed: Vec<u32>,
    /// How many of those before are still there.
    pub(crate) kept: usize,
}

/// As [`uri_with`], for VMs that were added.
pub(crate) fn added(
    form: Form,
    parent: &str,
    last: &[VmId],
    found: Option<&[Diagnostic]>,
    besides: Option<Besides>,
) -> Answer {
    #[derive(Serialize)]
    struct Uri {
        uri: String,
    }
    #[derive(Serialize)]
    struct Added<'a> {
        #[serde(rename = "uri-list")]
        uris: Vec<Uri>,
        diagnostics: &'a [Diagnostic],
        #[serde(flatten)]
        besides: Option<Besides>,
    }
    match (form, found) {
        (Form::Json, Some(diagnostics)) => {
            let uri = |last: &VmId| Uri {
                uri: format!("{parent}/{last}"),
            };
            let uris = last.iter().map(uri).collect();
            json(&Added {
                uris,
                diagnostics,
                besides,
            })
        }
        _ => Ok(uris(form, parent, last)),
    }
}

/// URIs that differ in their last segment: joined by line feeds, or `{"uri-list":[{"uri":U},…]}`.
pub(crate) fn uris<T: std::fmt::Display>(form: Form, parent: &str, last: &[T]) -> Response {
    let mut out = String::with_capacity(32 + last.len() * (parent.len() + 52));
    match form {
        Form::Own => {
            for (i, last) in last.iter().enumerate() {
                let line = if i == 0 { "" } else { "\n" };
                let _ = write!(out, "{line}{parent}/{last}");
            }
            with(URI_LIST_UTF8, out)
        }
        Form::Json => {
            // Neither a base URL nor an id can hold a character that JSON escapes.
            out.push_str(r#"{"uri-list":["#);
            for (i, last) in last.iter().enumerate() {
                let comma = if i == 0 { "" } else { "," };
                let _ = write!(out, r#"{comma}{{"uri":"{parent}/{last}"}}"#);
            }
            out.push_str("]}");
            with(JSON, out)
        }
    }
}

/// With the id of the infrastructure, by which load balancers find the instance again.
pub(crate) fn inf_id(mut response: Response, id: &InfraId) -> Response {
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(INF_ID, value);
    }
    response
}

/// With the id of the operation that does it.
pub(crate) fn operation(mut response: Response, id: Option<&OperationId>) -> Response {
    if let Some(value) = id.and_then(|id| HeaderValue::from_str(id.as_str()).ok()) {
        response.headers_mut().insert(OPERATION_ID, value);
    }
    response
}
