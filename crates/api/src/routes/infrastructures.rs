//! All infrastructures of a caller: list them, create one.

use crate::{
    answer,
    answer::URI_LIST,
    body::{self, Sent},
    call::Call,
    failure::{Answer, Failure, within},
};
use im_service::Reply;

/// `GET /infrastructures`.
pub(crate) async fn list(call: Call) -> Answer {
    const PREFIX: &str = "Error Getting Inf. List";
    let credentials = call.credentials()?;
    let form = call.form(URI_LIST)?;
    let caller = call.login(credentials, PREFIX).await?;
    let filter = call.query("filter").filter(|f| !f.is_empty());
    let ids = call
        .manager()
        .list(&caller, filter.as_deref())
        .await
        .map_err(within(PREFIX))?;
    Ok(answer::uris(form, &call.infrastructures_uri(), &ids))
}

/// `POST /infrastructures`.
pub(crate) async fn create(mut call: Call) -> Answer {
    const PREFIX: &str = "Error Creating Inf.";
    let (document, found) = body::document_and_warnings(&mut call).await?;
    let credentials = call.credentials()?;
    let at_once = call.flag("async", false)?;
    if call.flag("dry_run", false)? {
        return Err(Failure::later(
            "Estimates (dry_run) come with a later version: nothing was created",
        ));
    }
    let form = call.form(URI_LIST)?;
    let caller = call.login(credentials, PREFIX).await?;
    let manager = call.manager();
    let accepted = match document {
        Sent::Radl(document) => manager.create(&caller, *document, reply(at_once)).await,
        Sent::Tosca(text) => manager.create_tosca(&caller, &text, reply(at_once)).await,
    }
    .map_err(within(PREFIX))?;
    let uri = format!("{}/{}", call.infrastructures_uri(), accepted.value);
    let found = answer::all_found(found, &accepted.warnings);
    let response = answer::inf_id(answer::uri_with(form, uri, found.as_deref())?, &accepted.value);
    Ok(answer::operation(response, accepted.operation.as_ref()))
}

/// `async` as the service names it.
pub(crate) fn reply(at_once: bool) -> Reply {
    if at_once { Reply::AtOnce } else { Reply::WhenDone }
}
