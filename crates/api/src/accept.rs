//! Content negotiation: which form of an answer a caller can read. Pure.

use crate::failure::Failure;
use axum::http::{HeaderMap, StatusCode, header};
use std::{borrow::Cow, fmt::Write as _};

/// The forms that most answers have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// JSON in the route's envelope.
    Json,
    /// The route's own type.
    Own,
}

/// Text of a header that may be given several times. Bytes that are not UTF-8 count as Latin-1.
pub(crate) fn list_header<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Cow<'a, str> {
    let text = |value: &'a header::HeaderValue| match std::str::from_utf8(value.as_bytes()) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(value.as_bytes().iter().map(|b| char::from(*b)).collect()),
    };
    let mut values = headers.get_all(name).iter();
    let Some(first) = values.next() else {
        return Cow::Borrowed("");
    };
    let mut all = text(first);
    for value in values {
        let all = all.to_mut();
        all.push(',');
        all.push_str(&text(value));
    }
    all
}

/// The types of a list, without parameters, in order. The three names of YAML count as one.
pub(crate) fn types(list: &str) -> impl Iterator<Item = &str> {
    list.split(',')
        .map(|item| item.split_once(';').map_or(item, |(kind, _)| kind).trim())
        .filter(|kind| !kind.is_empty())
        .map(|kind| match kind {
            "text/x-yaml" | "application/yaml" => "text/yaml",
            other => other,
        })
}

/// Chooses the form of an answer: the first item that fits one decides.
pub(crate) fn negotiate(accept: &str, own: &str) -> Result<Form, Failure> {
    let mut any = false;
    for kind in types(accept) {
        any = true;
        match kind {
            "application/json" | "application/*" => return Ok(Form::Json),
            "*/*" | "text/*" => return Ok(Form::Own),
            other if other == own => return Ok(Form::Own),
            _ => {}
        }
    }
    if any {
        let asked: Vec<_> = types(accept).collect();
        Err(unsupported(&asked.join(",")))
    } else {
        Ok(Form::Own)
    }
}

/// For answers that exist as JSON alone.
pub(crate) fn json_only(accept: &str) -> Result<(), Failure> {
    one_of(accept, &["application/json", "*/*", "application/*"])
}

/// For answers that exist in one form alone: the list must hold one of its names.
pub(crate) fn one_of(accept: &str, names: &[&str]) -> Result<(), Failure> {
    if types(accept).next().is_none() || types(accept).any(|kind| names.contains(&kind)) {
        return Ok(());
    }
    Err(unsupported(&quoted(types(accept))))
}

/// A list as the contract shows it: `['a', 'b']`.
pub(crate) fn quoted<'a>(items: impl Iterator<Item = &'a str>) -> String {
    let mut out = String::from("[");
    for (i, item) in items.enumerate() {
        let comma = if i == 0 { "" } else { ", " };
        let _ = write!(out, "{comma}'{item}'");
    }
    out.push(']');
    out
}

fn unsupported(asked: &str) -> Failure {
    Failure::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        format!("Unsupported Accept Media Types: {asked}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_match_wins() {
        for (accept, form) in [
            ("", Form::Own),
            (" , ;q=1", Form::Own),
            ("application/json", Form::Json),
            ("text/uri-list;q=0.1, application/json", Form::Own),
            ("image/png, application/*", Form::Json),
            ("text/*", Form::Own),
            ("*/*,application/json", Form::Own),
        ] {
            assert_eq!(negotiate(accept, "text/uri-list").ok(), Some(form), "{accept}");
        }
        assert!(negotiate("text/plain", "text/uri-list").is_err());
        // Types are compared as written.
        assert!(negotiate("Application/JSON", "text/uri-list").is_err());
    }

    #[test]
    fn yaml_has_one_name() {
        assert_eq!(
            types("application/yaml, text/x-yaml;v=1").collect::<Vec<_>>(),
            ["text/yaml", "text/yaml"]
        );
    }

    #[test]
    fn json_alone() {
        assert!(json_only("").is_ok());
        assert!(json_only("text/html, */*").is_ok());
        assert!(json_only("text/plain").is_err());
    }
}
