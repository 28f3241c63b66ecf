//! Cross-origin requests: one origin, or any. Pure.

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::Response,
};

const METHODS: &str = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT";
const HEADERS: &str = "Accept, Accept-Language, Authorization, Content-Language, Content-Type, Last-Event-ID, Origin";
const EXPOSED: &str = "InfID, Operation-Id";
const MAX_AGE: &str = "600";

/// The answer to the question that browsers ask first; `None`: the request is not that question.
pub(crate) fn preflight(allowed: &str, method: &Method, headers: &HeaderMap) -> Option<Response> {
    let origin = headers.get(header::ORIGIN)?;
    let wanted = headers.get(header::ACCESS_CONTROL_REQUEST_METHOD)?;
    if method != Method::OPTIONS {
        return None;
    }
    let mut refused = Vec::new();
    if !fits(allowed, origin) {
        refused.push("origin");
    }
    if !METHODS.split(", ").any(|m| m.as_bytes() == wanted.as_bytes()) {
        refused.push("method");
    }
    let asked = headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS);
    let asked = asked.and_then(|h| h.to_str().ok()).unwrap_or_default();
    let known = |name: &str| HEADERS.split(", ").any(|h| h.eq_ignore_ascii_case(name));
    if !asked.split(',').map(str::trim).filter(|n| !n.is_empty()).all(known) {
        refused.push("headers");
    }
    let (status, body) = if refused.is_empty() {
        (StatusCode::OK, "OK".to_owned())
    } else {
        (
            StatusCode::BAD_REQUEST,
            format!("Disallowed CORS {}", refused.join(", ")),
        )
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let out = response.headers_mut();
    set(out, header::CONTENT_TYPE, "text/plain; charset=utf-8");
    set(out, header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    set(out, header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
    set(out, header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    allow(allowed, Some(origin), out);
    Some(response)
}

/// Adds to an answer what lets a script of that origin read it.
pub(crate) fn allow(allowed: &str, origin: Option<&HeaderValue>, out: &mut HeaderMap) {
    let Some(origin) = origin else { return };
    out.append(header::VARY, HeaderValue::from_static("Origin"));
    if fits(allowed, origin) {
        out.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        set(out, header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
        set(out, header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
}

fn fits(allowed: &str, origin: &HeaderValue) -> bool {
    allowed == "*" || allowed.as_bytes() == origin.as_bytes()
}

fn set(out: &mut HeaderMap, name: HeaderName, value: &'static str) {
    out.insert(name, HeaderValue::from_static(value));
}
