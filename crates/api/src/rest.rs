//! The service as a whole: prefix, preflight, route, time limit, and the answer to whatever went wrong.

use crate::{
    Options,
    accept::list_header,
    base,
    call::Call,
    cors,
    failure::{Answer, Failure},
    routes,
};
use axum::{
    BoxError,
    body::{Body, Bytes, HttpBody},
    http::{HeaderValue, Request, StatusCode, header, request::Parts},
    response::Response,
};
use futures::{FutureExt as _, future::BoxFuture};
use im_service::Manager;
use std::{
    convert::Infallible,
    net::IpAddr,
    panic::AssertUnwindSafe,
    sync::Arc,
    task::{Context, Poll},
};
use tokio_util::sync::CancellationToken;
use tower::Service;

/// What all requests share.
pub(crate) struct Shared {
    pub(crate) manager: Arc<dyn Manager>,
    pub(crate) options: Options,
    pub(crate) stop: CancellationToken,
}

/// The REST API over a manager: a `tower` service. Cheap to clone.
#[derive(Clone)]
pub struct Rest {
    shared: Arc<Shared>,
    peer: Option<IpAddr>,
}

impl Rest {
    /// The API over `manager`. When `stop` is cancelled, streams of events end.
    pub fn new(manager: Arc<dyn Manager>, options: Options, stop: CancellationToken) -> Self {
        let shared = Shared { manager, options, stop };
        Self {
            shared: Arc::new(shared),
            peer: None,
        }
    }

    /// The same, for the requests of one connection.
    #[must_use]
    pub fn for_peer(&self, peer: IpAddr) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            peer: Some(peer.to_canonical()),
        }
    }

    async fn answer(self, request: Request<Body>) -> Response {
        let (parts, body) = request.into_parts();
        let shared = Arc::clone(&self.shared);
        let cors = shared.options.cors.as_deref();
        if let Some(response) = cors.and_then(|allowed| cors::preflight(allowed, &parts.method, &parts.headers)) {
            return response;
        }
        let origin = cors.and_then(|_| parts.headers.get(header::ORIGIN)).cloned();
        let accept = list_header(&parts.headers, &header::ACCEPT).into_owned();
        let answer = AssertUnwindSafe(self.dispatch(parts, body)).catch_unwind().await;
        let mut response = answer
            .unwrap_or_else(|_| {
                // The panic hook has told where.
                Err(Failure::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "internal error; the service's log says more",
                ))
            })
            .unwrap_or_else(|failure| failure.respond(&accept));
        if let Some(allowed) = cors {
            cors::allow(allowed, origin.as_ref(), response.headers_mut());
        }
        response
    }

    async fn dispatch(self, parts: Parts, body: Body) -> Answer {
        let options = &self.shared.options;
        let path = parts.uri.path();
        let skip = prefix(path, base::root(options));
        let known = path.get(skip..).unwrap_or_default();
        let Some(methods) = routes::find(known) else {
            return match known.strip_suffix('/') {
                Some(bare) if routes::find(bare).is_some() => Ok(self.redirect(&parts)),
                _ => Err(Failure::no_such_path()),
            };
        };
        let Some((_, handler)) = methods.iter().find(|(method, _)| *method == parts.method.as_str()) else {
            let allow: Vec<_> = methods.iter().map(|(method, _)| *method).collect();
            return Err(Failure::method_not_allowed(allow.join(", ")));
        };
        let limit = options.call_timeout;
        let answer = handler(Call::new(Arc::clone(&self.shared), parts, body, self.peer, skip));
        match limit {
            None => answer.await,
            Some(limit) => tokio::time::timeout(limit, answer)
                .await
                .unwrap_or_else(|_| Err(Failure::new(StatusCode::GATEWAY_TIMEOUT, "Operation timed out"))),
        }
    }

    /// To the same place without the slash at the end.
    fn redirect(&self, parts: &Parts) -> Response {
        let mut location = base::host(&parts.uri, &parts.headers, self.peer, &self.shared.options);
        location.push_str(parts.uri.path().trim_end_matches('/'));
        if let Some(query) = parts.uri.query() {
            location.push('?');
            location.push_str(query);
        }
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
        if let Ok(location) = HeaderValue::from_str(&location) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        response
    }
}

/// Length of the prefix in front of a path: requests may or may not have it.
fn prefix(path: &str, root: &str) -> usize {
    match path.strip_prefix(root) {
        Some(rest) if rest.starts_with('/') => root.len(),
        _ => 0,
    }
}

impl<B> Service<Request<B>> for Rest
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        self.clone().answer(request.map(Body::new)).map(Ok).boxed()
    }
}
