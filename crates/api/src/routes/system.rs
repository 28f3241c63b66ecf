//! What is not about an infrastructure: the version.

use crate::{accept::Form, answer, answer::TEXT, call::Call, failure::Answer};
use axum::body::Bytes;
use std::borrow::Cow;

/// `GET /version`: needs no credentials; load balancers ask it all the time.
pub(crate) async fn version(call: Call) -> Answer {
    let version = &call.options().version;
    match call.form(TEXT)? {
        Form::Own => Ok(answer::text(match version {
            Cow::Borrowed(text) => Bytes::from_static(text.as_bytes()),
            Cow::Owned(text) => Bytes::from(text.clone()),
        })),
        Form::Json => answer::member("version", version),
    }
}
