//! What is not about one infrastructure: the version, and what clouds have that belongs to none.

use crate::{
    accept::Form,
    answer,
    answer::TEXT,
    call::Call,
    failure::{Answer, within},
};
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

/// `GET /orphans`: what bears our mark at the caller's clouds and belongs to nothing that lives.
pub(crate) async fn orphans(call: Call) -> Answer {
    const PREFIX: &str = "Error Getting orphans";
    let credentials = call.credentials()?;
    call.json_only()?;
    let caller = call.login(credentials, PREFIX).await?;
    let found = call.manager().orphans(&caller).await.map_err(within(PREFIX))?;
    answer::json(&found)
}

/// `DELETE /orphans`: removes of these what a tombstone proves dead.
pub(crate) async fn remove_orphans(call: Call) -> Answer {
    const PREFIX: &str = "Error Removing orphans";
    let credentials = call.credentials()?;
    call.json_only()?;
    let caller = call.login(credentials, PREFIX).await?;
    let found = call.manager().remove_orphans(&caller).await.map_err(within(PREFIX))?;
    answer::json(&found)
}
