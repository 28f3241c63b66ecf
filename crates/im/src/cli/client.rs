//! The service's REST API as the commands need it (contract, api 1 and 2). One method per kind of request.
//!
//! Never prints, never retries a call that changes something. May connect wherever the user says: it is the user's
//! own program.

use super::{
    error::{CliError, Exit},
    settings::{Settings, Trust},
    ui::Ui,
};
use im_model::Secret;
use reqwest::{
    Method, StatusCode, Url,
    header::{self, HeaderMap, HeaderValue},
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::{fs, time::Duration, time::Instant};

/// How long a connection may take to open.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a question may take. Calls that change something have no limit: they may take many minutes.
const READ: Duration = Duration::from_mins(2);

/// The header in which the service tells the id of an operation.
const OPERATION_HEADER: &str = "operation-id";

/// Body of a request.
#[derive(Clone, Debug)]
pub(crate) struct Body {
    /// `Content-Type`.
    pub(crate) content_type: &'static str,
    /// The text.
    pub(crate) text: String,
}

/// A good answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// Id of the operation, if the service told it.
    pub(crate) operation: Option<String>,
    /// The body.
    pub(crate) text: String,
}

/// A request that changes something.
#[derive(Clone, Debug)]
pub(crate) struct Change<'a> {
    /// Method.
    pub(crate) method: Method,
    /// Path segments below the base.
    pub(crate) path: Vec<String>,
    /// Query.
    pub(crate) query: Vec<(&'static str, String)>,
    /// Body.
    pub(crate) body: Option<Body>,
    /// `Accept`.
    pub(crate) accept: &'static str,
    /// What it is for, to complete `the service refused to …`.
    pub(crate) doing: &'a str,
}

/// A client of one service.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
    authorization: Option<HeaderValue>,
    ui: Ui,
}

impl Client {
    /// A client with the user's credentials.
    pub(crate) fn new(settings: &Settings, ui: Ui) -> Result<Self, CliError> {
        let secret = settings.authorization()?;
        warn_if_readable(settings, &ui);
        Self::build(settings, ui, Some(&secret))
    }

    /// A client that says nothing of the user.
    pub(crate) fn anonymous(settings: &Settings, ui: Ui) -> Result<Self, CliError> {
        Self::build(settings, ui, None)
    }

    fn build(settings: &Settings, ui: Ui, secret: Option<&Secret>) -> Result<Self, CliError> {
        let base = base_url(&settings.url)?;
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("im/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT);
        if is_loopback(&base) {
            // A proxy for the outside world has nothing to do with this machine.
            builder = builder.no_proxy();
        }
        match &settings.trust {
            Trust::System => {}
            Trust::Anyone => builder = builder.tls_danger_accept_invalid_certs(true),
            Trust::Also(path) => {
                let bad = || CliError::usage(format!("cannot use the certificates in `{}`", path.display()));
                let pem = fs::read(path).map_err(|e| bad().cause(e))?;
                let certificates = reqwest::Certificate::from_pem_bundle(&pem).map_err(|e| bad().chain(&e))?;
                if certificates.is_empty() {
                    return Err(bad().cause("it holds no PEM certificate"));
                }
                builder = builder.tls_certs_merge(certificates);
            }
        }
        let authorization = match secret {
            None => None,
            Some(secret) => {
                let mut value = HeaderValue::from_str(secret.expose())
                    .map_err(|_| CliError::usage("the credentials hold characters that no header can carry"))?;
                value.set_sensitive(true);
                Some(value)
            }
        };
        let http = builder
            .build()
            .map_err(|e| CliError::new(Exit::Failed, "cannot prepare connections").chain(&e))?;
        Ok(Self {
            http,
            base,
            authorization,
            ui,
        })
    }

    /// The service's address, for messages.
    pub(crate) fn base(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// The interface it was made with.
    pub(crate) fn ui(&self) -> &Ui {
        &self.ui
    }

    fn url(&self, path: &[String], query: &[(&'static str, String)]) -> Result<Url, CliError> {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| CliError::usage(format!("`{}` is no address of a service", self.base)))?
            .pop_if_empty()
            .extend(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }

    /// A request with the headers every one has. The events use it directly.
    pub(crate) fn request(
        &self,
        method: Method,
        path: &[String],
        query: &[(&'static str, String)],
        accept: &'static str,
    ) -> Result<reqwest::RequestBuilder, CliError> {
        let mut request = self
            .http
            .request(method, self.url(path, query)?)
            .header(header::ACCEPT, accept);
        if let Some(authorization) = &self.authorization {
            request = request.header(header::AUTHORIZATION, authorization.clone());
        }
        Ok(request)
    }

    /// Sends a request. Any status is a good answer here.
    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Result<reqwest::Response, CliError> {
        let request = request
            .build()
            .map_err(|e| CliError::new(Exit::Failed, "cannot build the request").chain(&e))?;
        let (method, url, start) = (request.method().clone(), request.url().clone(), Instant::now());
        let answer = self.http.execute(request).await.map_err(|e| self.unreachable(&e))?;
        self.ui.debug(format!(
            "{method} {url} -> {} in {} ms",
            answer.status().as_u16(),
            start.elapsed().as_millis()
        ));
        Ok(answer)
    }

    async fn finish(&self, answer: reqwest::Response, doing: &str) -> Result<Answer, CliError> {
        let status = answer.status();
        let operation = operation(answer.headers());
        let text = answer.text().await.map_err(|e| self.unreachable(&e))?;
        if status.is_success() {
            return Ok(Answer { operation, text });
        }
        Err(refusal(status, operation, &text, doing))
    }

    /// Asks for text.
    pub(crate) async fn get_text(&self, path: &[String], doing: &str) -> Result<String, CliError> {
        self.get(path, &[], "text/plain", doing).await
    }

    /// Asks for JSON.
    pub(crate) async fn get_json<T: DeserializeOwned>(&self, path: &[String], doing: &str) -> Result<T, CliError> {
        self.get_json_with(path, &[], doing).await
    }

    /// Asks for JSON, with a query.
    pub(crate) async fn get_json_with<T: DeserializeOwned>(
        &self,
        path: &[String],
        query: &[(&'static str, String)],
        doing: &str,
    ) -> Result<T, CliError> {
        let text = self.get(path, query, "application/json", doing).await?;
        serde_json::from_str(&text).map_err(|e| {
            CliError::new(
                Exit::Failed,
                format!("the answer to the request to {doing} makes no sense"),
            )
            .cause(e)
            .hint(format!("is `{}` an infrastructure manager?", self.base()))
        })
    }

    /// Asks for something.
    pub(crate) async fn get(
        &self,
        path: &[String],
        query: &[(&'static str, String)],
        accept: &'static str,
        doing: &str,
    ) -> Result<String, CliError> {
        let request = self.request(Method::GET, path, query, accept)?.timeout(READ);
        let answer = self.send(request).await?;
        self.finish(answer, doing).await.map(|a| a.text)
    }

    /// Changes something.
    pub(crate) async fn change(&self, change: Change<'_>) -> Result<Answer, CliError> {
        let mut request = self.request(change.method, &change.path, &change.query, change.accept)?;
        if let Some(body) = change.body {
            request = request.header(header::CONTENT_TYPE, body.content_type).body(body.text);
        }
        let answer = self.send(request).await?;
        self.finish(answer, change.doing).await
    }

    /// The error for a connection that failed.
    pub(crate) fn unreachable(&self, error: &reqwest::Error) -> CliError {
        let base = self.base();
        if error.is_timeout() && !error.is_connect() {
            return CliError::new(
                Exit::Unreachable,
                format!("the service at {base} does not answer in time"),
            )
            .hint("ask again later; what it has accepted goes on");
        }
        // reqwest names the URL first, which the message already does.
        let mut answer = CliError::new(Exit::Unreachable, format!("cannot reach the service at {base}"));
        match std::error::Error::source(error) {
            Some(source) => answer = answer.chain(source),
            None => answer = answer.cause(error),
        }
        // What a layer calls itself tells nobody anything, as long as the layer below says more.
        if answer.causes.len() > 1 {
            answer.causes.retain(|c| !c.starts_with("client error ("));
        }
        let tls = answer
            .causes
            .iter()
            .any(|c| c.contains("certificate") || c.contains("UnknownIssuer"));
        answer.hint(if tls {
            "name its certificate authority with `--cacert FILE`, or trust anything with `--insecure`"
        } else {
            "start it with `im serve`, or name another with `--url` or `IM_URL`"
        })
    }
}

/// Reads an operation's id from an answer.
pub(crate) fn operation(headers: &HeaderMap) -> Option<String> {
    headers.get(OPERATION_HEADER)?.to_str().ok().map(str::to_owned)
}

/// The error for an answer that says no.
pub(crate) fn refusal(status: StatusCode, operation: Option<String>, body: &str, doing: &str) -> CliError {
    let mut error = CliError::new(Exit::Failed, format!("the service refused to {doing}"));
    if status.is_server_error() {
        error.message = format!("the service failed to {doing}");
    }
    error.status = Some(status.as_u16());
    error.operation = operation;
    match serde_json::from_str::<Value>(body) {
        Ok(Value::Object(answer)) => {
            let message = answer.get("message").or_else(|| answer.get("detail"));
            match message {
                Some(Value::String(text)) => error.causes.push(text.clone()),
                Some(other) => error.causes.push(other.to_string()),
                None => {}
            }
            if let Some(Value::Array(diagnostics)) = answer.get("diagnostics") {
                error.diagnostics.clone_from(diagnostics);
            }
            if error.operation.is_none() {
                error.operation = answer.get("operation").and_then(Value::as_str).map(str::to_owned);
            }
            if let Some(hint) = answer.get("hint").and_then(Value::as_str) {
                error.hints.push(hint.to_owned());
            }
        }
        _ if !body.trim().is_empty() => {
            let short: String = body.trim().chars().take(2000).collect();
            error.causes.push(short);
        }
        _ => {}
    }
    let text = error.causes.concat();
    let hint = match status.as_u16() {
        401 => Some("look at the `type = InfrastructureManager` line of your credentials (`--auth`, `IM_AUTH`)"),
        400 if text.contains("No credentials provided for the InfrastructureManager") => {
            Some("add a line `type = InfrastructureManager; username = ME; password = SECRET` to your credentials")
        }
        403 if !text.contains("disabled") => Some("it belongs to somebody else; `im list` shows yours"),
        404 if text.contains("infrastructure") => Some("`im list` shows your infrastructures"),
        404 if text.contains("VM") => Some("`im state ID` shows the machines"),
        409 if text.contains("operation has ended") => {
            Some("`im operations show OP` tells how; `im operations list ID` shows what is under way")
        }
        409 => Some("machines are being added; try again when that is done, `im wait ID` tells when"),
        413 | 431 => Some("the document or the credentials are larger than the service takes"),
        501 => Some("this service does not do that yet"),
        502..=504 => Some("a proxy before the service may have given up; `im list` shows what was accepted"),
        _ => None,
    };
    error.hints.extend(hint.map(str::to_owned));
    error
}

fn base_url(text: &str) -> Result<Url, CliError> {
    let text = text.trim();
    let bad = |why: String| CliError::usage(format!("`{text}` is no address of a service")).cause(why);
    if !text.contains("://") {
        return Err(bad("it has no scheme".to_owned()).hint(format!(
            "write `https://{text}`, or `http://{text}` where nobody listens on the way"
        )));
    }
    let url = Url::parse(text).map_err(|e| bad(e.to_string()))?;
    match url.scheme() {
        "http" | "https" if url.has_host() => Ok(url),
        other => Err(bad(format!("`{other}` is neither http nor https"))),
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(unix)]
fn warn_if_readable(settings: &Settings, ui: &Ui) {
    use std::os::unix::fs::PermissionsExt;
    if let Some(path) = settings.auth_path()
        && let Ok(meta) = fs::metadata(path)
        && meta.is_file()
        && meta.permissions().mode() & 0o004 != 0
    {
        ui.warn(format!(
            "everybody on this machine can read your credentials; run `chmod 600 {}`",
            path.display()
        ));
    }
}

#[cfg(not(unix))]
fn warn_if_readable(_settings: &Settings, _ui: &Ui) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for good in [
            "http://localhost:8800",
            "https://im.example.org/im/",
            " http://[::1]:1 ",
        ] {
            assert!(base_url(good).is_ok(), "{good}");
        }
        for bad in ["localhost:8800", "ftp://x", "unix:///run/x", "http://", ""] {
            assert!(base_url(bad).is_err(), "{bad}");
        }
        let loopback = |u: &str| is_loopback(&Url::parse(u).unwrap());
        assert!(loopback("http://127.0.0.9:1") && loopback("http://[::1]") && loopback("http://localhost"));
        assert!(!loopback("http://localhost.example.org") && !loopback("http://10.0.0.1"));
    }

    #[test]
    fn refusals_say_what_the_service_said() {
        let error = refusal(
            StatusCode::BAD_REQUEST,
            Some("op1".into()),
            r#"{"message":"Error Creating Inf.: x","code":400,"diagnostics":[{"code":"R1"}]}"#,
            "create",
        );
        assert_eq!(error.causes, ["Error Creating Inf.: x"]);
        assert_eq!((error.status, error.operation.as_deref()), (Some(400), Some("op1")));
        assert_eq!(error.diagnostics.len(), 1);
        let error = refusal(StatusCode::NOT_FOUND, None, r#"{"detail":"Not Found"}"#, "x");
        assert_eq!(error.causes, ["Not Found"]);
        let error = refusal(StatusCode::BAD_GATEWAY, None, "<html>", "x");
        assert!(error.message.contains("failed") && error.hints[0].contains("proxy"));
    }
}
