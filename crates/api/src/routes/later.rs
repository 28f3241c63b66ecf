//! What later versions answer. Each refusal is a plain sentence; nothing is done.

use crate::{
    call::Call,
    failure::{Answer, Failure},
};
use axum::http::StatusCode;

/// A property of an infrastructure.
pub(crate) fn property(name: &str) -> Failure {
    Failure::later(match name {
        "data" => "Exports come with a later version",
        _ => "Owners can be read and changed in a later version",
    })
}

/// The command by which VMs without a public address call home.
pub(crate) fn command() -> Failure {
    Failure::later("Reverse SSH connections come with a later version: the master needs an address that is reached")
}

/// `PUT /infrastructures`.
pub(crate) async fn import(call: Call) -> Answer {
    call.credentials()?;
    Err(Failure::later(
        "Imports come with a later version: nothing was imported",
    ))
}

/// `POST /infrastructures/<id>/authorization`.
pub(crate) async fn authorization(call: Call) -> Answer {
    call.credentials()?;
    Err(property("authorization"))
}

/// `PUT /infrastructures/<id>/vms/<vm>/disks/<n>/snapshot`.
pub(crate) async fn snapshot(call: Call) -> Answer {
    call.credentials()?;
    Err(Failure::later("Snapshots come with a later version: none was taken"))
}

/// `GET /clouds/<cloud>/<param>`.
pub(crate) async fn cloud(call: Call) -> Answer {
    call.credentials()?;
    let name = call.segment(2);
    if !matches!(&*name, "images" | "quotas") {
        return Err(Failure::word("param", &name, &["images", "quotas"]));
    }
    Err(Failure::later(
        "Images and quotas of clouds can be listed in a later version",
    ))
}

/// `GET /stats`.
pub(crate) async fn stats(call: Call) -> Answer {
    call.credentials()?;
    Err(Failure::later("Statistics come with a later version"))
}

/// `/oai`.
pub(crate) async fn oai(call: Call) -> Answer {
    if call.options().oai {
        Err(Failure::later("OAI-PMH comes with a later version"))
    } else {
        Err(Failure::bad("OAI-PMH not enabled."))
    }
}

/// `GET /static/<file>`.
pub(crate) async fn static_file(call: Call) -> Answer {
    if call.options().static_files {
        Err(Failure::later("Static files are served in a later version"))
    } else {
        Err(Failure::new(StatusCode::NOT_FOUND, "Static files not enabled."))
    }
}

/// Pages that describe the API.
pub(crate) async fn description(_: Call) -> Answer {
    Err(Failure::later("The description of this API comes with a later version"))
}
