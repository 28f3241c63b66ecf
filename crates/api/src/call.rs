//! One request, as handlers see it.

use crate::{
    Options,
    accept::{self, Form, list_header},
    base,
    failure::{Failure, within},
    query,
    rest::Shared,
};
use axum::{
    body::Body,
    http::{HeaderMap, StatusCode, header, request::Parts},
};
use im_auth::{AuthError, Caller, header_text, parse_header};
use im_model::{Credentials, InfraId, VmId};
use im_service::{Manager, ServiceError};
use percent_encoding::percent_decode_str;
use std::{
    borrow::Cow,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};
use tokio_util::sync::CancellationToken;

/// A request on its way through a handler.
pub(crate) struct Call {
    shared: Arc<Shared>,
    parts: Parts,
    /// Never locked: bodies cannot be shared between threads, and a call in a handler is.
    body: Mutex<Body>,
    peer: Option<IpAddr>,
    /// Length of the prefix before the path that routes know.
    skip: usize,
}

impl Call {
    pub(crate) fn new(shared: Arc<Shared>, parts: Parts, body: Body, peer: Option<IpAddr>, skip: usize) -> Self {
        Self {
            shared,
            parts,
            body: Mutex::new(body),
            peer,
            skip,
        }
    }

    pub(crate) fn manager(&self) -> &dyn Manager {
        &*self.shared.manager
    }

    pub(crate) fn options(&self) -> &Options {
        &self.shared.options
    }

    /// Told when the service stops: answers without an end must end then.
    pub(crate) fn stop(&self) -> CancellationToken {
        self.shared.stop.clone()
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.parts.headers
    }

    pub(crate) fn take_body(&mut self) -> Body {
        let body = self.body.get_mut().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(body, Body::empty())
    }

    /// A segment of the path, decoded.
    pub(crate) fn segment(&self, position: usize) -> Cow<'_, str> {
        let path = self.parts.uri.path();
        let segment = path
            .get(self.skip..)
            .and_then(|path| path.split('/').nth(position + 1))
            .unwrap_or_default();
        percent_decode_str(segment).decode_utf8_lossy()
    }

    /// The infrastructure that the path names.
    pub(crate) fn infra(&self) -> InfraId {
        InfraId::from(&*self.segment(1))
    }

    /// The VM that the path names.
    pub(crate) fn vm(&self, prefix: &str) -> Result<VmId, Failure> {
        let parsed = self.segment(3).parse();
        parsed.map_err(|_| within(prefix)(ServiceError::NoVm))
    }

    pub(crate) fn flag(&self, name: &str, default: bool) -> Result<bool, Failure> {
        query::flag(self.parts.uri.query(), name, default)
    }

    pub(crate) fn query(&self, name: &str) -> Option<Cow<'_, str>> {
        query::value(self.parts.uri.query(), name)
    }

    /// The form of the answer; `own` is the route's own type.
    pub(crate) fn form(&self, own: &str) -> Result<Form, Failure> {
        accept::negotiate(&list_header(self.headers(), &header::ACCEPT), own)
    }

    /// For answers that are JSON whatever is asked.
    pub(crate) fn json_only(&self) -> Result<(), Failure> {
        accept::json_only(&list_header(self.headers(), &header::ACCEPT))
    }

    /// For answers of one type with several names.
    pub(crate) fn accepts(&self, names: &[&str]) -> Result<(), Failure> {
        accept::one_of(&list_header(self.headers(), &header::ACCEPT), names)
    }

    /// What the `Authorization` header holds; nobody has been let in yet.
    pub(crate) fn credentials(&self) -> Result<Credentials, Failure> {
        let unauthorized = |e: AuthError| Failure::new(StatusCode::UNAUTHORIZED, e.to_string());
        let header = self
            .headers()
            .get(header::AUTHORIZATION)
            .ok_or_else(|| unauthorized(AuthError::Missing))?;
        let text = header_text(header.as_bytes());
        let parsed = parse_header(text.expose()).map_err(unauthorized)?;
        for note in &parsed.notes {
            tracing::debug!("Authorization header: {note}");
        }
        Ok(parsed.credentials)
    }

    /// Lets the caller in.
    pub(crate) async fn login(&self, credentials: Credentials, prefix: &str) -> Result<Caller, Failure> {
        self.manager().login(credentials).await.map_err(within(prefix))
    }

    fn base(&self) -> String {
        base::base(&self.parts.uri, &self.parts.headers, self.peer, self.options())
    }

    /// Parent of the URIs of infrastructures.
    pub(crate) fn infrastructures_uri(&self) -> String {
        self.base() + "/infrastructures"
    }

    /// Parent of the URIs of an infrastructure's VMs.
    pub(crate) fn vms_uri(&self, infra: &InfraId) -> String {
        format!("{}/infrastructures/{infra}/vms", self.base())
    }
}
