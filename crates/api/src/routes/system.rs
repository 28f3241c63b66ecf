//! What is not about an infrastructure: the version, and operations by their id.

use crate::{
    accept::Form,
    answer,
    answer::TEXT,
    call::Call,
    failure::{Answer, within},
};
use axum::body::Bytes;
use im_model::OperationId;
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

/// `GET /operations/<id>`.
pub(crate) async fn operation(call: Call) -> Answer {
    const PREFIX: &str = "Error Getting operation";
    let credentials = call.credentials()?;
    call.json_only()?;
    let caller = call.login(credentials, PREFIX).await?;
    let id = OperationId::from(&*call.segment(1));
    let view = call.manager().operation(&caller, &id).await.map_err(within(PREFIX))?;
    answer::json(&view)
}
