//! One VM (or, to remove, several).

use super::{
    infrastructure::{as_radl, context},
    later,
};
use crate::{
    accept::Form,
    answer,
    answer::TEXT,
    body,
    call::Call,
    failure::{Answer, Failure, within, within_or},
};
use axum::http::StatusCode;
use im_model::{Power, VmId};
use im_radl::{Feature, Features, Number};
use im_service::{Reply, ServiceError};
use serde_json::{Map, Value};

/// `GET /infrastructures/<id>/vms/<vm>`.
pub(crate) async fn info(call: Call) -> Answer {
    const PREFIX: &str = "Error Getting VM. info";
    let credentials = call.credentials()?;
    let form = call.form(TEXT)?;
    let caller = call.login(credentials, PREFIX).await?;
    let vm = call.vm(PREFIX)?;
    let view = call
        .manager()
        .vm(&caller, &call.infra(), vm)
        .await
        .map_err(within_or(PREFIX, "Error Getting VM info"))?;
    Ok(match form {
        Form::Own => answer::text(view.text().to_owned()),
        Form::Json => answer::written("radl", view.json()),
    })
}

/// `PUT /infrastructures/<id>/vms/<vm>`.
pub(crate) async fn alter(mut call: Call) -> Answer {
    const PREFIX: &str = "Error modifying resources";
    let document = body::document(&mut call).await?;
    let credentials = call.credentials()?;
    let form = call.form(TEXT)?;
    let caller = call.login(credentials, PREFIX).await?;
    let vm = call.vm(PREFIX)?;
    let document = as_radl(&call, &caller, document, PREFIX).await?;
    let accepted = call
        .manager()
        .alter(&caller, &call.infra(), vm, document)
        .await
        .map_err(within(PREFIX))?;
    let response = match form {
        Form::Own => answer::text(im_radl::print(&accepted.value.document)),
        Form::Json => answer::member("radl", &im_radl::to_json(&accepted.value.document))?,
    };
    Ok(answer::operation(response, accepted.operation.as_ref()))
}

/// `DELETE /infrastructures/<id>/vms/<vm>[,<vm>…]`.
pub(crate) async fn remove(call: Call) -> Answer {
    const PREFIX: &str = "Error Removing resources";
    let credentials = call.credentials()?;
    let context = context(call.flag("context", true)?);
    let caller = call.login(credentials, PREFIX).await?;
    let mut vms = Vec::new();
    for id in call.segment(3).split(',') {
        let id: VmId = id.parse().map_err(|_| within(PREFIX)(ServiceError::NoVm))?;
        if !vms.contains(&id) {
            vms.push(id);
        }
    }
    let accepted = call
        .manager()
        .remove(&caller, &call.infra(), &vms, context, Reply::WhenDone)
        .await
        .map_err(within(PREFIX))?;
    Ok(answer::operation(answer::empty(), accepted.operation.as_ref()))
}

/// `GET /infrastructures/<id>/vms/<vm>/<property>`.
pub(crate) async fn property(call: Call) -> Answer {
    const PREFIX: &str = "Error Getting VM. property";
    const GENERIC: &str = "Error Getting VM property";
    let credentials = call.credentials()?;
    let name = call.segment(4).into_owned();
    if name == "command" {
        return Err(later::command());
    }
    let form = call.form(TEXT)?;
    let caller = call.login(credentials, PREFIX).await?;
    let (infra, vm) = (call.infra(), call.vm(PREFIX)?);
    if name == "contmsg" {
        let text = call
            .manager()
            .vm_contmsg(&caller, &infra, vm)
            .await
            .map_err(within_or(PREFIX, GENERIC))?;
        return answer::property(form, &name, text);
    }
    let value = call
        .manager()
        .vm_property(&caller, &infra, vm, &name)
        .await
        .map_err(within_or(PREFIX, GENERIC))?;
    match (form, value) {
        (_, None | Some(Value::Null)) => Err(Failure::new(
            StatusCode::NOT_FOUND,
            format!("Incorrect property {name} for VM ID {vm}"),
        )),
        (Form::Own, Some(value)) => Ok(answer::text(value_as_text(&name, value))),
        (Form::Json, Some(value)) => answer::member(&name, &value_as_json(value)),
    }
}

/// `PUT /infrastructures/<id>/vms/<vm>/<op>`.
pub(crate) async fn power(call: Call) -> Answer {
    let credentials = call.credentials()?;
    let word = call.segment(4).into_owned();
    let power = match word.as_str() {
        "start" => Power::Start,
        "stop" => Power::Stop,
        "reboot" => Power::Reboot,
        _ => return Err(Failure::word("op", &word, &["start", "stop", "reboot"])),
    };
    let prefix = format!("Error in {} op in VM", power.as_str());
    let caller = call.login(credentials, &prefix).await?;
    let vm = call.vm(&prefix)?;
    let accepted = call
        .manager()
        .power_vm(&caller, &call.infra(), vm, power)
        .await
        .map_err(within(&prefix))?;
    Ok(answer::operation(answer::empty(), accepted.operation.as_ref()))
}

/// Groups become an object, keyed by their names; everything else is as it is.
fn value_as_json(value: Value) -> Value {
    match value {
        Value::Array(items) if !items.is_empty() && items.iter().all(Value::is_object) => {
            let mut named = Map::with_capacity(items.len());
            for item in items {
                let name = item.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
                named.insert(name, item);
            }
            Value::Object(named)
        }
        other => other,
    }
}

/// Scalars bare, lists by line, groups as RADL text.
fn value_as_text(name: &str, value: Value) -> String {
    match value {
        Value::String(text) => text,
        Value::Array(items) if items.iter().any(Value::is_object) => {
            let mut groups = Vec::with_capacity(items.len());
            for item in &items {
                let mut one = Features::new();
                one.set(name, Feature::group(features(item)));
                groups.push(one.to_string());
            }
            groups.join(" and\n")
        }
        Value::Array(items) => {
            let items: Vec<_> = items.into_iter().map(|item| value_as_text(name, item)).collect();
            items.join("\n")
        }
        other => other.to_string(),
    }
}

fn features(group: &Value) -> Features {
    let mut out = Features::new();
    for (name, value) in group.as_object().into_iter().flatten() {
        match value {
            Value::String(text) => out.set_text(name, text.as_str()),
            Value::Number(number) => match number.as_i64() {
                Some(whole) => out.set_number(name, Number::from(whole), ""),
                None => out.set_number(name, Number::from(number.as_f64().unwrap_or_default()), ""),
            },
            Value::Bool(flag) => out.set_text(name, if *flag { "yes" } else { "no" }),
            Value::Array(items) if items.iter().all(Value::is_string) => {
                let items = items.iter().filter_map(Value::as_str).map(str::to_owned).collect();
                out.set_list(name, items);
            }
            Value::Array(items) => {
                for item in items {
                    out.set(name, Feature::group(features(item)));
                }
            }
            Value::Object(_) => out.set(name, Feature::group(features(value))),
            Value::Null => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn properties() {
        let apps = json!([{"name": "a.b", "version": "1", "n": 2}, {"name": "c"}]);
        for (value, text, json) in [
            (json!("running"), "running", json!("running")),
            (json!(4_294_967_296_u64), "4294967296", json!(4_294_967_296_u64)),
            (json!(1.5), "1.5", json!(1.5)),
            (json!(["a", "b"]), "a\nb", json!(["a", "b"])),
            (
                apps,
                "p contains (name = 'a.b' and\nversion = '1' and\nn = 2) and\np contains (name = 'c')",
                json!({"a.b": {"name": "a.b", "version": "1", "n": 2}, "c": {"name": "c"}}),
            ),
        ] {
            assert_eq!(value_as_text("p", value.clone()), text);
            assert_eq!(value_as_json(value), json);
        }
    }
}
