//! Operations: what they do and how far they are; retry, cancel, abandon. And giving up a whole infrastructure. All of
//! it is ours; answers are JSON.

use super::infrastructures::reply;
use crate::{
    answer,
    call::Call,
    failure::{Answer, Failure, within},
};
use im_model::OperationId;
use im_service::Steer;

const PREFIX: &str = "Error Getting operation";

/// `GET /operations/<id>`.
pub(crate) async fn operation(call: Call) -> Answer {
    let credentials = call.credentials()?;
    call.json_only()?;
    let caller = call.login(credentials, PREFIX).await?;
    let id = OperationId::from(&*call.segment(1));
    let view = call.manager().operation(&caller, &id).await.map_err(within(PREFIX))?;
    answer::json(&view)
}

/// `GET /infrastructures/<id>/operations`.
pub(crate) async fn operations(call: Call) -> Answer {
    const PREFIX: &str = "Error Getting Inf. operations";
    let credentials = call.credentials()?;
    call.json_only()?;
    let caller = call.login(credentials, PREFIX).await?;
    let list = call
        .manager()
        .operations(&caller, &call.infra())
        .await
        .map_err(within(PREFIX))?;
    answer::member("operations", &list)
}

/// `POST /operations/<id>/<op>`.
pub(crate) async fn steer(call: Call) -> Answer {
    let word = call.segment(2).into_owned();
    let (steer, prefix) = match word.as_str() {
        "retry" => (Steer::Retry, "Error retrying operation"),
        "cancel" => (Steer::Cancel, "Error cancelling operation"),
        "abandon" => (Steer::Abandon, "Error abandoning operation"),
        _ => return Err(Failure::word("op", &word, &["retry", "cancel", "abandon"])),
    };
    let credentials = call.credentials()?;
    let reply = reply(call.flag("async", false)?);
    call.json_only()?;
    let caller = call.login(credentials, prefix).await?;
    let id = OperationId::from(&*call.segment(1));
    let view = call
        .manager()
        .steer(&caller, &id, steer, reply)
        .await
        .map_err(within(prefix))?;
    Ok(answer::operation(answer::json(&view)?, Some(&id)))
}

/// `POST /infrastructures/<id>/abandon`.
pub(crate) async fn abandon(call: Call) -> Answer {
    const PREFIX: &str = "Error Abandoning Inf";
    let credentials = call.credentials()?;
    let reply = reply(call.flag("async", false)?);
    call.json_only()?;
    let caller = call.login(credentials, PREFIX).await?;
    let accepted = call
        .manager()
        .abandon(&caller, &call.infra(), reply)
        .await
        .map_err(within(PREFIX))?;
    let response = answer::member("remaining", &accepted.value)?;
    Ok(answer::operation(response, accepted.operation.as_ref()))
}
