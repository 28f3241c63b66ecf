//! `im outputs`: what the TOSCA document of an infrastructure tells about it.

use crate::cli::{
    api::{self, path},
    client::Client,
    error::{CliError, Exit},
    ui::{Format, Tone, printable},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The service's answer. `errors` is ours; other services do not have it.
#[derive(Deserialize)]
struct Answer {
    outputs: Map<String, Value>,
    #[serde(default)]
    errors: Map<String, Value>,
}

/// A text as it is, anything else as JSON.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => printable(text).into_owned(),
        other => other.to_string(),
    }
}

/// All outputs, or one.
pub(crate) async fn outputs(client: &Client, typed: &str, name: Option<&str>) -> Result<Exit, CliError> {
    let ui = client.ui();
    let id = api::resolve(client, typed).await?;
    let answer: Answer = client.get_json(&path([&id, "outputs"]), "show the outputs").await?;
    let why = |name: &str| answer.errors.get(name).and_then(Value::as_str);
    if let Some(name) = name {
        let value = answer.outputs.get(name).ok_or_else(|| {
            let known: Vec<&str> = answer.outputs.keys().map(String::as_str).collect();
            CliError::usage(format!("there is no output `{name}`")).hint(format!("there are: {}", known.join(", ")))
        })?;
        match ui.format {
            Format::Json => ui.json(value)?,
            Format::Text => ui.line(shown(value))?,
        }
        if value.is_null() {
            ui.warn(why(name).unwrap_or("it has no value yet"));
        }
        return Ok(if value.is_null() { Exit::Failed } else { Exit::Ok });
    }
    match ui.format {
        Format::Json => ui.json(&json!({"outputs": answer.outputs, "errors": answer.errors}))?,
        Format::Text => {
            let width = answer
                .outputs
                .keys()
                .map(|name| name.chars().count())
                .max()
                .unwrap_or(0);
            for (name, value) in &answer.outputs {
                let pad = " ".repeat(width - name.chars().count());
                let name = ui.out.paint(Tone::Strong, printable(name));
                ui.line(format!("{name}{pad}  {}", shown(value)))?;
            }
            for (name, reason) in &answer.errors {
                ui.warn(format!("{}: {}", printable(name), shown(reason)));
            }
        }
    }
    Ok(if answer.errors.is_empty() {
        Exit::Ok
    } else {
        Exit::Failed
    })
}
