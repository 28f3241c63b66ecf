//! Query values. The last of several counts; those of unknown names are ignored.

use crate::failure::Failure;
use std::borrow::Cow;
use url::form_urlencoded;

/// The value of a name, decoded.
pub(crate) fn value<'a>(query: Option<&'a str>, name: &str) -> Option<Cow<'a, str>> {
    form_urlencoded::parse(query?.as_bytes())
        .filter(|(key, _)| key == name)
        .last()
        .map(|(_, value)| value)
}

/// A flag.
pub(crate) fn flag(query: Option<&str>, name: &str, default: bool) -> Result<bool, Failure> {
    let Some(value) = value(query, name) else {
        return Ok(default);
    };
    match value.to_ascii_lowercase().as_str() {
        "yes" | "y" | "true" | "t" | "on" | "1" => Ok(true),
        "no" | "n" | "false" | "f" | "off" | "0" => Ok(false),
        _ => Err(Failure::value(
            "bool_parsing",
            "query",
            name,
            "Input should be a valid boolean, unable to interpret input",
            Some(&value),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags() {
        for (query, wanted) in [
            (None, Some(false)),
            (Some("async=YES"), Some(true)),
            (Some("async=0&async=t"), Some(true)),
            (Some("other=1"), Some(false)),
            (Some("async="), None),
            (Some("async"), None),
            (Some("async=2"), None),
        ] {
            assert_eq!(flag(query, "async", false).ok(), wanted, "{query:?}");
        }
    }
}
