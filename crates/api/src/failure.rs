//! Errors as answers: status, prefix and sentence of the contract, in the form that the caller can read.

use crate::accept::types;
use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};
use im_model::OperationId;
use im_radl::Diagnostic;
use im_service::ServiceError;
use serde::Serialize;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Names the operation that an answer is about.
pub(crate) const OPERATION_ID: HeaderName = HeaderName::from_static("operation-id");

/// What a handler gives.
pub(crate) type Answer = Result<Response, Failure>;

/// Why a request was not done.
#[derive(Debug)]
pub(crate) struct Failure(Box<Kind>);

#[derive(Debug)]
enum Kind {
    /// A sentence, in the form that the caller asked for.
    Said {
        status: StatusCode,
        message: String,
        diagnostics: Vec<Diagnostic>,
        operation: Option<OperationId>,
    },
    /// Always JSON: what is wrong with the shape of the request.
    Detail {
        status: StatusCode,
        detail: Value,
        allow: Option<String>,
    },
}

#[derive(Serialize)]
struct Envelope<'a> {
    message: &'a str,
    code: u16,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    diagnostics: &'a [Diagnostic],
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<&'a OperationId>,
}

impl Failure {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self(Box::new(Kind::Said {
            status,
            message: message.into(),
            diagnostics: Vec::new(),
            operation: None,
        }))
    }

    /// 400.
    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 501: promised for a later version. The sentence says what to do until then.
    pub(crate) fn later(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, message)
    }

    /// A document that is not acceptable, with all that was found.
    pub(crate) fn document(message: String, diagnostics: Vec<Diagnostic>) -> Self {
        Self(Box::new(Kind::Said {
            status: StatusCode::BAD_REQUEST,
            message,
            diagnostics,
            operation: None,
        }))
    }

    /// 404 for a path that does not exist.
    pub(crate) fn no_such_path() -> Self {
        Self::detail(StatusCode::NOT_FOUND, Value::from("Not Found"), None)
    }

    /// 405, with the methods that the path has.
    pub(crate) fn method_not_allowed(allow: String) -> Self {
        let detail = Value::from("Method Not Allowed");
        Self::detail(StatusCode::METHOD_NOT_ALLOWED, detail, Some(allow))
    }

    /// 422 for a value in path or query.
    pub(crate) fn value(kind: &str, place: &str, name: &str, message: &str, input: Option<&str>) -> Self {
        let detail = json!([{"type": kind, "loc": [place, name], "msg": message, "input": input}]);
        Self::detail(StatusCode::UNPROCESSABLE_ENTITY, detail, None)
    }

    /// 422 for a path segment that is none of the words it may be.
    pub(crate) fn word(name: &str, input: &str, words: &[&str]) -> Self {
        let mut expected = String::new();
        for (i, word) in words.iter().enumerate() {
            let between = match i {
                0 => "",
                _ if i + 1 == words.len() => " or ",
                _ => ", ",
            };
            let _ = write!(expected, "{between}'{word}'");
        }
        let detail = json!([{"type": "enum", "loc": ["path", name], "msg": format!("Input should be {expected}"),
            "input": input, "ctx": {"expected": expected}}]);
        Self::detail(StatusCode::UNPROCESSABLE_ENTITY, detail, None)
    }

    fn detail(status: StatusCode, detail: Value, allow: Option<String>) -> Self {
        Self(Box::new(Kind::Detail { status, detail, allow }))
    }

    /// The answer.
    pub(crate) fn respond(self, accept: &str) -> Response {
        match *self.0 {
            Kind::Detail { status, detail, allow } => {
                let mut response = response(status, "application/json", json!({"detail": detail}).to_string());
                if let Some(allow) = allow.and_then(|a| HeaderValue::from_str(&a).ok()) {
                    response.headers_mut().insert(header::ALLOW, allow);
                }
                response
            }
            Kind::Said {
                status,
                message,
                diagnostics,
                operation,
            } => {
                let mut response = if types(accept).any(|t| t == "application/json") {
                    let envelope = Envelope {
                        message: &message,
                        code: status.as_u16(),
                        diagnostics: &diagnostics,
                        operation: operation.as_ref(),
                    };
                    let body = serde_json::to_string(&envelope).unwrap_or_default();
                    response(status, "application/json", body)
                } else if types(accept).any(|t| t == "text/html") {
                    response(status, "text/html; charset=utf-8", html(status, &message))
                } else {
                    response(status, "text/plain; charset=utf-8", message)
                };
                if let Some(id) = operation.and_then(|id| HeaderValue::from_str(id.as_str()).ok()) {
                    response.headers_mut().insert(OPERATION_ID, id);
                }
                response
            }
        }
    }
}

fn response(status: StatusCode, kind: &'static str, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

fn html(status: StatusCode, message: &str) -> String {
    let code = status.as_u16();
    let mut escaped = String::with_capacity(message.len());
    for c in message.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    format!(
        "<!DOCTYPE HTML PUBLIC \"-//IETF//DTD HTML 2.0//EN\">\n<html>\n<head>\n<title>Error {code}.</title>\n</head>\n\
         <body>\n<h1>Code: {code}.</h1>\n<h1>Message: {escaped}</h1>\n</body>\n</html>\n"
    )
}

/// The contract's status of an error of the service.
fn status(error: &ServiceError) -> StatusCode {
    use ServiceError as E;
    match error {
        E::NoInfrastructure
        | E::DeletedInfrastructure
        | E::NoVm
        | E::DeletedVm
        | E::NoOperation
        | E::NotRemoved { .. } => StatusCode::NOT_FOUND,
        E::NotGranted | E::Disabled | E::NotTosca(_) => StatusCode::FORBIDDEN,
        E::Conflict(_) => StatusCode::CONFLICT,
        E::Unauthorized(_) => StatusCode::UNAUTHORIZED,
        E::BadDocument { .. } | E::Refused(_) | E::Operation { .. } => StatusCode::BAD_REQUEST,
        E::Internal { .. } => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Turns errors of the service into answers: the route's prefix, then their sentence.
pub(crate) fn within(prefix: &str) -> impl Fn(ServiceError) -> Failure {
    within_or(prefix, prefix)
}

/// As [`within`], with another prefix for what is answered with 400.
pub(crate) fn within_or(prefix: &str, generic: &str) -> impl Fn(ServiceError) -> Failure {
    move |error| {
        let status = status(&error);
        let prefix = if status == StatusCode::BAD_REQUEST {
            generic
        } else {
            prefix
        };
        let message = match &error {
            // The contract's sentence stands alone.
            ServiceError::NotTosca(_) => error.to_string(),
            error => format!("{prefix}: {error}"),
        };
        let (diagnostics, operation) = match error {
            ServiceError::BadDocument { diagnostics, .. } => (diagnostics, None),
            ServiceError::Operation { id, .. } => (Vec::new(), Some(id)),
            _ => (Vec::new(), None),
        };
        Failure(Box::new(Kind::Said {
            status,
            message,
            diagnostics,
            operation,
        }))
    }
}
