//! Calls of a daemon's API, and what its refusals mean.

use crate::Docker;
use im_cloud::{
    CloudError, Cx, ErrorKind, Outcome,
    net::{
        ClientIdentity, Guard, Purpose, TlsOptions,
        http::{Client, Limits, Method, Origin, Request, Response, StatusCode, encode},
    },
};
use im_model::{Account, AuthLine, CloudRef};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use std::{path::PathBuf, time::Duration};

/// A pull shows progress all the time, but layers are unpacked in silence.
const PULL: Limits = Limits {
    total: Duration::from_mins(10),
    idle: Duration::from_mins(10),
    body: 64 << 20,
};
/// Lists of a busy daemon are long.
const BODY: usize = 64 << 20;

/// A daemon, as one caller reaches it.
#[derive(Clone)]
pub(crate) struct Daemon {
    client: Client,
    guard: Guard,
    origin: Origin,
    prefix: String,
}

/// What a daemon says of itself.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Info {
    #[serde(rename = "ID", default)]
    pub(crate) id: String,
    #[serde(rename = "NCPU", default)]
    pub(crate) cpus: i64,
    #[serde(rename = "OSType", default)]
    pub(crate) os: String,
}

/// Where a cloud's daemon listens.
pub(crate) fn origin(cloud: &CloudRef, auth: &AuthLine) -> Option<Origin> {
    let is = |protocol: &str| cloud.protocol.eq_ignore_ascii_case(protocol);
    if is("unix") {
        return (!cloud.path.is_empty()).then(|| Origin::Unix(PathBuf::from(&cloud.path)));
    }
    if cloud.server.is_empty() {
        return None;
    }
    let host = cloud.server.clone();
    let port = |default| cloud.port.unwrap_or(default);
    if is("https") || (!is("http") && auth.get("public_key").is_some()) {
        Some(Origin::Https { host, port: port(2376) })
    } else {
        Some(Origin::Http { host, port: port(2375) })
    }
}

impl Daemon {
    pub(crate) fn new(docker: &Docker, cx: &Cx) -> Result<Self, CloudError> {
        let auth = &cx.auth;
        let origin = origin(&cx.cloud, auth).ok_or_else(no_host)?;
        let identity = match (auth.get("public_key"), auth.get("private_key")) {
            (Some(certificate), Some(private_key)) => Some(ClientIdentity {
                certificate: certificate.clone(),
                private_key: private_key.clone(),
            }),
            _ => None,
        };
        let tls = TlsOptions {
            verification: docker.options.verification,
            identity,
            authorities: auth.get("ca_cert").or(docker.options.authorities.as_ref()).cloned(),
        };
        let client = Client::new(docker.guard.clone(), Purpose::Cloud, tls).with_limits(Limits {
            total: cx.deadline,
            idle: cx.deadline,
            body: BODY,
        });
        let prefix = match origin {
            Origin::Unix(_) => String::new(),
            _ => cx.cloud.path.trim_end_matches('/').to_owned(),
        };
        Ok(Self {
            client,
            guard: docker.guard.clone(),
            origin,
            prefix,
        })
    }

    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }

    pub(crate) fn guard(&self) -> &Guard {
        &self.guard
    }

    /// A call; an answer of any status is an answer. `what` says what failed.
    pub(crate) async fn call(
        &self,
        what: &str,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Response, CloudError> {
        let mut request = Request::new(method, self.origin.clone(), format!("{}{path}", self.prefix));
        if let Some(body) = body {
            request = request.json(body);
        }
        self.client.send(request).await.map_err(|e| e.into_cloud_error(what))
    }

    /// A read; `None` where the daemon knows no such object. Errors are `NotApplied`: reads change nothing.
    pub(crate) async fn get<T: DeserializeOwned>(&self, what: &str, path: &str) -> Result<Option<T>, CloudError> {
        let read = async {
            let response = self.call(what, Method::GET, path, None).await?;
            match response.status {
                StatusCode::OK => response.json().map(Some).map_err(|e| {
                    let message = format!("{what}: the daemon's answer is not understood: {e}");
                    CloudError::not_applied(ErrorKind::Unavailable, message)
                }),
                StatusCode::NOT_FOUND if is_docker_error(&response) => Ok(None),
                _ => Err(refusal(what, &response)),
            }
        };
        read.await.map_err(|e| CloudError {
            outcome: Outcome::NotApplied,
            ..e
        })
    }

    /// A read of something that must be there.
    pub(crate) async fn must_get<T: DeserializeOwned>(&self, what: &str, path: &str) -> Result<T, CloudError> {
        self.get(what, path).await?.ok_or_else(|| {
            let message = format!(
                "{what}: the daemon does not know {}",
                path.split('?').next().unwrap_or_default()
            );
            CloudError::not_applied(ErrorKind::NotFound, message)
        })
    }

    /// What the daemon says of itself.
    pub(crate) async fn info(&self) -> Result<Info, CloudError> {
        let info: Info = self
            .must_get("Error getting info about the Docker daemon", "/info")
            .await?;
        if info.id.is_empty() {
            let message = "Error getting info about the Docker daemon: it does not say its id";
            return Err(CloudError::not_applied(ErrorKind::Unavailable, message));
        }
        Ok(info)
    }

    /// Who we are there; refuses where the work was begun elsewhere.
    pub(crate) async fn account(&self, cx: &Cx) -> Result<Account, CloudError> {
        let account = Account::new(format!("docker:{}", self.info().await?.id));
        match &cx.account {
            Some(begun) if *begun != account => Err(CloudError::not_applied(
                ErrorKind::WrongAccount,
                format!(
                    "this work was begun at daemon {begun}, but {} is daemon {account}",
                    self.origin
                ),
            )),
            _ => Ok(account),
        }
    }

    /// Pulls an image. Goes on even when nobody waits any more, so that the next call finds it further on.
    pub(crate) async fn pull(&self, name: &str, tag: &str) -> Result<(), CloudError> {
        let daemon = self.clone();
        let path = format!("/images/create?fromImage={}&tag={}", encode(name), encode(tag));
        let pull = tokio::spawn(async move { daemon.pull_path(&path).await });
        pull.await.unwrap_or_else(|e| {
            let message = format!("Error pulling the image: {e}");
            Err(CloudError::not_applied(ErrorKind::Unavailable, message))
        })
    }

    async fn pull_path(&self, path: &str) -> Result<(), CloudError> {
        const WHAT: &str = "Error pulling the image";
        // An image is nobody's resource: whatever happens, nothing is left that would have to be undone.
        let failed = |e: im_cloud::net::NetError| CloudError {
            outcome: Outcome::NotApplied,
            ..e.into_cloud_error(WHAT)
        };
        let request = Request::new(Method::POST, self.origin.clone(), format!("{}{path}", self.prefix));
        let mut answer = self.client.with_limits(PULL).stream(request).await.map_err(failed)?;
        if !answer.status.is_success() {
            let response = answer.collect().await.map_err(failed)?;
            return Err(CloudError {
                outcome: Outcome::NotApplied,
                ..refusal(WHAT, &response)
            });
        }
        let mut progress = Progress::default();
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            progress.push(&chunk);
        }
        match progress.end() {
            None => Ok(()),
            Some(error) => Err(CloudError::not_applied(
                ErrorKind::Unavailable,
                format!("{WHAT}: {error}"),
            )),
        }
    }
}

/// Reads the lines of a pull and keeps its error.
#[derive(Default)]
struct Progress {
    line: Vec<u8>,
    error: Option<String>,
}

impl Progress {
    fn push(&mut self, chunk: &[u8]) {
        for byte in chunk {
            if *byte == b'\n' {
                self.read();
            } else {
                self.line.push(*byte);
            }
        }
    }
    fn read(&mut self) {
        let line = std::mem::take(&mut self.line);
        let Ok(value) = serde_json::from_slice::<Value>(&line) else {
            return;
        };
        let error = value.get("error").and_then(Value::as_str);
        let error = error.or_else(|| value.get("errorDetail")?.get("message")?.as_str());
        if let Some(error) = error {
            self.error = Some(error.to_owned());
        }
    }
    fn end(mut self) -> Option<String> {
        self.read();
        self.error
    }
}

pub(crate) fn no_host() -> CloudError {
    CloudError::not_applied(
        ErrorKind::Unauthorized,
        "No correct auth data has been specified to Docker: host",
    )
}

/// Whether an error was written by a daemon, not by something before it.
fn is_docker_error(response: &Response) -> bool {
    response.json::<Value>().is_ok_and(|v| v.get("message").is_some())
}

/// The daemon's own words.
pub(crate) fn words(response: &Response) -> String {
    let message = response
        .json::<Value>()
        .ok()
        .and_then(|v| Some(v.get("message")?.as_str()?.to_owned()));
    let mut words = message.unwrap_or_else(|| response.text());
    if words.trim().is_empty() {
        words = format!("status {}", response.status);
    }
    let end = words.char_indices().nth(2000).map_or(words.len(), |(at, _)| at);
    words.truncate(end);
    words.trim_end().to_owned()
}

/// Whether the daemon says that a port of its host is in use.
pub(crate) fn port_in_use(words: &str) -> bool {
    words.contains("port is already allocated") || words.contains("address already in use")
}

/// What an answer means that is no success.
pub(crate) fn refusal(what: &str, response: &Response) -> CloudError {
    let words = words(response);
    let says = |text: &str| words.contains(text);
    let kind = match response.status.as_u16() {
        _ if says("non-overlapping") || says("no space left") || port_in_use(&words) => ErrorKind::Exhausted,
        401 => ErrorKind::Unauthorized,
        404 => ErrorKind::NotFound,
        403 | 409 => ErrorKind::Conflict,
        429 => ErrorKind::RateLimited,
        400..=499 => ErrorKind::Invalid,
        _ => ErrorKind::Unavailable,
    };
    let outcome = if response.status.is_client_error() || kind == ErrorKind::Exhausted {
        Outcome::NotApplied
    } else {
        Outcome::Unknown
    };
    CloudError {
        kind,
        outcome,
        message: format!("{what}: {words}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_in_a_pull_is_found_wherever_it_is_cut() {
        let text = b"{\"status\":\"Pulling\"}\r\n{\"errorDetail\":{\"message\":\"no\"},\"error\":\"not there\"}";
        for cut in 0..text.len() {
            let mut progress = Progress::default();
            progress.push(&text[..cut]);
            progress.push(&text[cut..]);
            assert_eq!(progress.end().as_deref(), Some("not there"));
        }
        let mut fine = Progress::default();
        fine.push(b"{\"status\":\"Downloaded\"}\n");
        assert_eq!(fine.end(), None);
    }
}
