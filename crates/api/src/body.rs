//! Request bodies: documents, within bounds.

use crate::{
    accept::{list_header, quoted, types},
    call::Call,
    failure::Failure,
};
use axum::{
    body::{Bytes, to_bytes},
    http::{StatusCode, header},
};
use http_body_util::LengthLimitError;
use im_radl::{Diagnostic, Document, first_error};
use std::error::Error as _;

/// How a document is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    Radl,
    RadlJson,
    Tosca,
}

impl Written {
    fn from_content_type(content_type: &str) -> Result<Self, Failure> {
        let mut any = false;
        for kind in types(content_type) {
            any = true;
            match kind {
                "application/json" => return Ok(Self::RadlJson),
                "text/yaml" => return Ok(Self::Tosca),
                "text/plain" | "*/*" | "text/*" => return Ok(Self::Radl),
                _ => {}
            }
        }
        if !any {
            return Ok(Self::Radl);
        }
        Err(Failure::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            format!("Unsupported Media Type {}", quoted(types(content_type))),
        ))
    }
}

/// A document as it was sent. RADL is read here; TOSCA can name files elsewhere, so the service reads it.
#[derive(Debug)]
pub(crate) enum Sent {
    Radl(Box<Document>),
    Tosca(String),
}

/// The document in the body. An empty body is an empty document, whatever its type says.
pub(crate) async fn document(call: &mut Call) -> Result<Sent, Failure> {
    parse(call).await.map(|(document, _)| document)
}

/// The same with its warnings, where the caller asks for them (`diagnostics=yes`). Those of TOSCA come from the service.
pub(crate) async fn document_and_warnings(call: &mut Call) -> Result<(Sent, Option<Vec<Diagnostic>>), Failure> {
    let (document, mut warnings) = parse(call).await?;
    if !call.flag("diagnostics", false)? {
        return Ok((document, None));
    }
    if let Sent::Radl(document) = &document {
        // Errors are for the service to tell: it knows what the infrastructure has.
        let found = im_radl::check_with(document, &call.options().documents);
        warnings.extend(found.into_iter().filter(|finding| !finding.is_error()));
    }
    Ok((document, Some(warnings)))
}

async fn parse(call: &mut Call) -> Result<(Sent, Vec<Diagnostic>), Failure> {
    let bytes = read(call).await?;
    if bytes.is_empty() {
        return Ok((Sent::Radl(Box::default()), Vec::new()));
    }
    let content_type = list_header(call.headers(), &header::CONTENT_TYPE);
    let written = Written::from_content_type(&content_type)?;
    let text = std::str::from_utf8(&bytes).map_err(|e| {
        Failure::bad(format!(
            "Error parsing request body: it is not UTF-8 (byte {})",
            e.valid_up_to()
        ))
    })?;
    let limits = &call.options().documents;
    let parsed = match written {
        Written::Tosca => return Ok((Sent::Tosca(text.to_owned()), Vec::new())),
        Written::RadlJson => im_radl::parse_json_with(text, limits),
        Written::Radl => im_radl::parse_text_with(text, limits),
    };
    let (document, warnings) = parsed.into_result().map_err(refuse)?;
    Ok((Sent::Radl(Box::new(document)), warnings))
}

fn refuse(diagnostics: Vec<Diagnostic>) -> Failure {
    let first = first_error(&diagnostics).unwrap_or_default();
    Failure::document(format!("Error parsing request body: {first}"), diagnostics)
}

async fn read(call: &mut Call) -> Result<Bytes, Failure> {
    let limit = call.options().max_body;
    to_bytes(call.take_body(), limit).await.map_err(|e| {
        let too_long = e.source().is_some_and(<dyn std::error::Error>::is::<LengthLimitError>);
        if too_long {
            Failure::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("The request body is larger than {limit} bytes"),
            )
        } else {
            Failure::bad("Error parsing request body: it did not arrive as a whole")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_documents() {
        for (content_type, written) in [
            ("", Written::Radl),
            ("text/plain; charset=utf-8", Written::Radl),
            ("*/*", Written::Radl),
            ("application/json", Written::RadlJson),
            ("text/x-yaml", Written::Tosca),
            ("application/yaml", Written::Tosca),
            ("image/png, text/*", Written::Radl),
        ] {
            assert_eq!(
                Written::from_content_type(content_type).ok(),
                Some(written),
                "{content_type}"
            );
        }
        assert!(Written::from_content_type("application/x-www-form-urlencoded").is_err());
    }
}
