//! One infrastructure: its VMs, its properties, and what is done to it as a whole.

use super::{infrastructures::reply, later};
use crate::{
    answer,
    answer::{TEXT, URI_LIST},
    body::{self, Sent},
    call::Call,
    failure::{Answer, Failure, within},
};
use im_auth::Caller;
use im_model::{Power, VmId};
use im_radl::Document;
use im_service::{ContMsg, Context, Force, Reply, Updated};

/// The properties of an infrastructure.
const PROPERTIES: [&str; 7] = ["contmsg", "radl", "tosca", "state", "outputs", "data", "authorization"];

/// `GET /infrastructures/<id>`.
pub(crate) async fn vms(call: Call) -> Answer {
    const PREFIX: &str = "Error Getting Inf. info";
    let credentials = call.credentials()?;
    let form = call.form(URI_LIST)?;
    let caller = call.login(credentials, PREFIX).await?;
    let infra = call.infra();
    let vms = call.manager().vms(&caller, &infra).await.map_err(within(PREFIX))?;
    Ok(answer::uris(form, &call.vms_uri(&infra), &vms))
}

/// `POST /infrastructures/<id>`.
pub(crate) async fn add(mut call: Call) -> Answer {
    const PREFIX: &str = "Error Adding resources";
    let (document, found) = body::document_and_warnings(&mut call).await?;
    let credentials = call.credentials()?;
    let context = context(call.flag("context", true)?);
    let form = call.form(URI_LIST)?;
    let caller = call.login(credentials, PREFIX).await?;
    let infra = call.infra();
    let (manager, reply) = (call.manager(), Reply::WhenDone);
    let (vms, besides, operation, warnings) = match document {
        Sent::Radl(document) => {
            let accepted = manager.add(&caller, &infra, *document, context, reply).await;
            let accepted = accepted.map_err(within(PREFIX))?;
            (accepted.value, None, accepted.operation, accepted.warnings)
        }
        Sent::Tosca(text) => {
            let accepted = manager.update_tosca(&caller, &infra, &text, context, reply).await;
            let accepted = accepted.map_err(within(PREFIX))?;
            let Updated { added, removed, kept } = accepted.value;
            let removed = removed.iter().map(|vm| vm.0).collect();
            let besides = Some(answer::Besides { removed, kept });
            (added, besides, accepted.operation, accepted.warnings)
        }
    };
    let found = answer::all_found(found, &warnings);
    let mut response = answer::added(form, &call.vms_uri(&infra), &vms, found.as_deref(), besides)?;
    if context == Context::Run {
        response = answer::inf_id(response, &infra);
    }
    Ok(answer::operation(response, operation.as_ref()))
}

/// `DELETE /infrastructures/<id>`.
pub(crate) async fn destroy(call: Call) -> Answer {
    const PREFIX: &str = "Error Destroying Inf";
    let credentials = call.credentials()?;
    let force = if call.flag("force", false)? {
        Force::Yes
    } else {
        Force::No
    };
    let reply = reply(call.flag("async", false)?);
    let caller = call.login(credentials, PREFIX).await?;
    let accepted = call
        .manager()
        .destroy(&caller, &call.infra(), force, reply)
        .await
        .map_err(within(PREFIX))?;
    Ok(answer::operation(answer::empty(), accepted.operation.as_ref()))
}

/// `GET /infrastructures/<id>/<property>`.
pub(crate) async fn property(call: Call) -> Answer {
    const PREFIX: &str = "Error Getting Inf. prop";
    let name = call.segment(2).into_owned();
    let credentials = call.credentials()?;
    let infra = call.infra();
    match name.as_str() {
        "state" => {
            call.json_only()?;
            let caller = call.login(credentials, PREFIX).await?;
            let state = call.manager().state(&caller, &infra).await.map_err(within(PREFIX))?;
            answer::member("state", &state)
        }
        "contmsg" => {
            let how_much = if call.flag("headeronly", false)? {
                ContMsg::HeaderOnly
            } else {
                ContMsg::Full
            };
            let form = call.form(TEXT)?;
            let caller = call.login(credentials, PREFIX).await?;
            let text = call
                .manager()
                .contmsg(&caller, &infra, how_much)
                .await
                .map_err(within(PREFIX))?;
            answer::property(form, "contmsg", text)
        }
        "radl" => {
            let form = call.form(TEXT)?;
            let caller = call.login(credentials, PREFIX).await?;
            let document = call.manager().radl(&caller, &infra).await.map_err(within(PREFIX))?;
            answer::property(form, "radl", im_radl::print(&document))
        }
        "tosca" => {
            let form = call.form(TEXT)?;
            let caller = call.login(credentials, PREFIX).await?;
            let text = call.manager().tosca(&caller, &infra).await.map_err(within(PREFIX))?;
            answer::property(form, "tosca", text.to_string())
        }
        "outputs" => {
            call.json_only()?;
            let caller = call.login(credentials, PREFIX).await?;
            let outputs = call.manager().outputs(&caller, &infra).await.map_err(within(PREFIX))?;
            answer::outputs(outputs)
        }
        "data" | "authorization" => Err(later::property(&name)),
        _ => Err(Failure::word("prop", &name, &PROPERTIES)),
    }
}

/// `PUT /infrastructures/<id>/<op>`.
pub(crate) async fn power(call: Call) -> Answer {
    let credentials = call.credentials()?;
    let word = call.segment(2).into_owned();
    let power = match word.as_str() {
        "start" => Power::Start,
        "stop" => Power::Stop,
        _ => return Err(Failure::word("op", &word, &["start", "stop"])),
    };
    let prefix = format!("Error in {} operation", power.as_str());
    let caller = call.login(credentials, &prefix).await?;
    let accepted = call
        .manager()
        .power(&caller, &call.infra(), power)
        .await
        .map_err(within(&prefix))?;
    Ok(answer::operation(answer::empty(), accepted.operation.as_ref()))
}

/// `PUT /infrastructures/<id>/reconfigure`.
pub(crate) async fn reconfigure(mut call: Call) -> Answer {
    const PREFIX: &str = "Error reconfiguring infrastructure";
    let document = body::document(&mut call).await?;
    let credentials = call.credentials()?;
    let only = match call.query("vm_list") {
        Some(list) if !list.is_empty() => Some(vm_list(&list)?),
        _ => None,
    };
    let caller = call.login(credentials, PREFIX).await?;
    let infra = call.infra();
    let document = as_radl(&call, &caller, document, PREFIX).await?;
    let accepted = call
        .manager()
        .reconfigure(&caller, &infra, document, only.as_deref())
        .await
        .map_err(within(PREFIX))?;
    let response = answer::inf_id(answer::empty(), &infra);
    Ok(answer::operation(response, accepted.operation.as_ref()))
}

/// `POST /infrastructures/<id>/plan`: what a document would change, were it added. Nothing is done.
pub(crate) async fn plan(mut call: Call) -> Answer {
    const PREFIX: &str = "Error planning";
    let document = body::document(&mut call).await?;
    let credentials = call.credentials()?;
    call.json_only()?;
    let caller = call.login(credentials, PREFIX).await?;
    let infra = call.infra();
    let (document, removals) = match document {
        Sent::Radl(document) => (*document, Vec::new()),
        Sent::Tosca(text) => {
            let translation = call.manager().translate(&caller, &infra, &text).await;
            let translation = translation.map_err(within(PREFIX))?;
            (translation.document, translation.removals)
        }
    };
    let difference = call.manager().difference(&caller, &infra, &document, &removals).await;
    answer::json(&difference.map_err(within(PREFIX))?)
}

/// A document as RADL, whatever it was written in. What it means for the infrastructure's VMs is not asked.
pub(crate) async fn as_radl(call: &Call, caller: &Caller, sent: Sent, prefix: &str) -> Result<Document, Failure> {
    match sent {
        Sent::Radl(document) => Ok(*document),
        Sent::Tosca(text) => {
            let translation = call.manager().translate(caller, &call.infra(), &text).await;
            Ok(translation.map_err(within(prefix))?.document)
        }
    }
}

/// Integers, separated by commas. Those that can be no id are left out: unknown ones are ignored.
fn vm_list(list: &str) -> Result<Vec<VmId>, Failure> {
    let mut ids = Vec::new();
    for item in list.split(',') {
        let number: i64 = item
            .trim()
            .parse()
            .map_err(|_| Failure::bad("Incorrect vm_list format."))?;
        ids.extend(u32::try_from(number).map(VmId));
    }
    Ok(ids)
}

/// `context` as the service names it.
pub(crate) fn context(run: bool) -> Context {
    if run { Context::Run } else { Context::Skip }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_vms() {
        assert_eq!(vm_list("1, 2,-3").unwrap(), [VmId(1), VmId(2)]);
        for bad in ["a", "1,", "1;2", "99999999999999999999"] {
            assert!(vm_list(bad).is_err(), "{bad}");
        }
    }
}
