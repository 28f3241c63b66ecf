//! The feed of an infrastructure as server-sent events.

use crate::{
    call::Call,
    failure::{Answer, Failure, within},
};
use axum::{
    http::{HeaderName, HeaderValue},
    response::{
        IntoResponse as _,
        sse::{self, KeepAlive, Sse},
    },
};
use futures::StreamExt as _;
use im_model::{Event, EventBody};
use std::convert::Infallible;

const PREFIX: &str = "Error Getting Inf. events";
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Tells nginx and its kin to pass events on as they come.
const UNBUFFERED: (HeaderName, HeaderValue) = (
    HeaderName::from_static("x-accel-buffering"),
    HeaderValue::from_static("no"),
);

/// `GET /infrastructures/<id>/events`: what happened after `Last-Event-ID`, then what happens, until the
/// infrastructure is gone or the service stops.
pub(crate) async fn events(call: Call) -> Answer {
    let credentials = call.credentials()?;
    let after = match call.headers().get(LAST_EVENT_ID) {
        None => 0,
        Some(id) => id
            .to_str()
            .ok()
            .map(str::trim)
            .and_then(|id| if id.is_empty() { Some(0) } else { id.parse().ok() })
            .ok_or_else(|| Failure::bad(format!("{PREFIX}: Last-Event-ID is not the number of an event")))?,
    };
    call.accepts(&["text/event-stream", "text/*", "*/*"])?;
    let caller = call.login(credentials, PREFIX).await?;
    let events = call
        .manager()
        .events(&caller, &call.infra(), after)
        .await
        .map_err(within(PREFIX))?;
    let stop = call.stop();
    let messages = events
        .take_until(async move { stop.cancelled().await })
        .map(|event| Ok::<_, Infallible>(message(&event)));
    let alive = KeepAlive::new().interval(call.options().heartbeat).text("alive");
    let mut response = Sse::new(messages).keep_alive(alive).into_response();
    response.headers_mut().insert(UNBUFFERED.0, UNBUFFERED.1);
    Ok(response)
}

fn message(event: &Event) -> sse::Event {
    let message = sse::Event::default().id(event.seq.to_string()).event(name(&event.body));
    match serde_json::to_string(event) {
        Ok(data) => message.data(data),
        Err(e) => {
            tracing::error!("event {} cannot be written as JSON: {e}", event.seq);
            message.data("{}")
        }
    }
}

/// The `type` in the data.
fn name(body: &EventBody) -> &'static str {
    match body {
        EventBody::Operation { .. } => "operation",
        EventBody::Step { .. } => "step",
        EventBody::State { .. } => "state",
        EventBody::Reset => "reset",
        EventBody::Log { .. } => "log",
    }
}
