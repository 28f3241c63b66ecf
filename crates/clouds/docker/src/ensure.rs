//! Containers: created under their names, put on their networks, started.

use crate::{
    container::{Container, bears},
    daemon::{Daemon, port_in_use, refusal},
    image::{self, Inspected, Start},
    resolve::image_path,
    shared::{foreign, network, unreadable, unsure, volume},
    spec::VmSpec,
};
use futures::{FutureExt as _, StreamExt as _, stream};
use im_cloud::{
    CloudError, Cx, ErrorKind, FirstOrResume, Observed, Outcome, Wanted,
    net::http::{Method, StatusCode, encode},
};
use im_model::ResourceKind;
use serde_json::{Value, json};
use std::collections::HashMap;
use tokio::sync::Mutex;

/// Calls to one daemon at a time.
const AT_ONCE: usize = 8;

/// Images that are there, for one call: how they start, or why they could not be had. Locked while one is pulled, so
/// that it is pulled once.
type Images = Mutex<HashMap<String, Result<Start, CloudError>>>;

pub(crate) async fn ensure(
    daemon: &Daemon,
    cx: &Cx,
    wanted: &[Wanted],
    run: FirstOrResume,
) -> Vec<Result<Observed, CloudError>> {
    if let Err(error) = daemon.account(cx).await {
        return vec![Err(unsure(run, error)); wanted.len()];
    }
    let images = Images::default();
    let all: Vec<_> = wanted
        .iter()
        .map(|wanted| one(daemon, cx, wanted, run, &images).boxed())
        .collect();
    stream::iter(all).buffered(AT_ONCE).collect().await
}

async fn one(
    daemon: &Daemon,
    cx: &Cx,
    wanted: &Wanted,
    run: FirstOrResume,
    images: &Images,
) -> Result<Observed, CloudError> {
    match wanted.kind {
        ResourceKind::Vm => vm(daemon, cx, wanted, run, images).await,
        ResourceKind::Network => network(daemon, cx, wanted, run).await,
        ResourceKind::Volume => volume(daemon, cx, wanted, run).await,
        other => Err(CloudError::not_applied(
            ErrorKind::Invalid,
            format!("Docker has no resource of kind {other}"),
        )),
    }
}

async fn vm(
    daemon: &Daemon,
    cx: &Cx,
    wanted: &Wanted,
    run: FirstOrResume,
    images: &Images,
) -> Result<Observed, CloudError> {
    let spec: VmSpec = wanted.frozen.decode().map_err(|e| unreadable(&e))?;
    let launch = Launch {
        daemon,
        cx,
        wanted,
        spec: &spec,
    };
    launch.run(run, images).await.map_err(|mut error| {
        for secret in spec.secrets() {
            if error.message.contains(secret) {
                error.message = error.message.replace(secret, "***");
            }
        }
        error
    })
}

struct Launch<'a> {
    daemon: &'a Daemon,
    cx: &'a Cx,
    wanted: &'a Wanted,
    spec: &'a VmSpec,
}

/// What came of starting a container.
enum Started {
    Yes(Box<Observed>),
    /// A port of the host is in use; the container was removed.
    PortInUse(CloudError),
}

impl Launch<'_> {
    async fn run(&self, run: FirstOrResume, images: &Images) -> Result<Observed, CloudError> {
        let mut tries = vec![0; self.spec.ports.len()];
        let mut there = match run {
            FirstOrResume::First => None,
            FirstOrResume::Resume => self.find().await?,
        };
        loop {
            let id = match there.take() {
                Some(id) => id,
                None => self.create(images, &tries).await?,
            };
            match self.start(&id, &tries).await? {
                Started::Yes(observed) => return Ok(*observed),
                Started::PortInUse(error) => self.next_ports(&mut tries, error)?,
            }
        }
    }

    /// Turns to other ports of the host: for the one that the daemon names, if it does.
    fn next_ports(&self, tries: &mut [usize], error: CloudError) -> Result<(), CloudError> {
        let named = |port: u16| error.message.contains(&format!(":{port} "));
        let any_named = self
            .spec
            .ports
            .iter()
            .zip(tries.iter())
            .any(|(p, n)| named(p.host_port(*n)));
        let mut turned = false;
        for (port, n) in self.spec.ports.iter().zip(tries.iter_mut()) {
            if (!any_named || named(port.host_port(*n))) && *n + 1 < port.host.len() {
                *n += 1;
                turned = true;
            }
        }
        if turned { Ok(()) } else { Err(error) }
    }

    /// The container that an earlier call made. While that is not known, its outcome is not either; but where
    /// something else has the name, nothing of ours is there.
    async fn find(&self) -> Result<Option<String>, CloudError> {
        let found = self.daemon.container(&self.spec.name).await;
        match found.map_err(|e| unsure(FirstOrResume::Resume, e))? {
            None => Ok(None),
            Some(container) => self.adopt(container).map(Some),
        }
    }

    fn adopt(&self, container: Container) -> Result<String, CloudError> {
        if bears(&container.labels, self.cx, &self.wanted.key) {
            Ok(container.id)
        } else {
            Err(foreign("Error creating the Container", &self.spec.name))
        }
    }

    async fn create(&self, images: &Images, tries: &[usize]) -> Result<String, CloudError> {
        const WHAT: &str = "Error creating the Container";
        let start = self.image(images).await?;
        let start = self.spec.start.as_ref().unwrap_or(&start);
        let body = self
            .spec
            .body(self.cx.infra.as_str(), &self.cx.mark(&self.wanted.key), start, tries);
        let path = format!("/containers/create?name={}", encode(&self.spec.name));
        let answer = self.daemon.call(WHAT, Method::POST, &path, Some(&body)).await?;
        if answer.status.is_success() {
            let id = answer
                .json::<Value>()
                .ok()
                .and_then(|v| Some(v.get("Id")?.as_str()?.to_owned()));
            return id.ok_or_else(|| {
                CloudError::unknown(
                    ErrorKind::Unavailable,
                    format!("{WHAT}: the daemon does not say its id"),
                )
            });
        }
        if answer.status != StatusCode::CONFLICT {
            return Err(refusal(WHAT, &answer));
        }
        // Taken: by this very request, if it reached the daemon twice.
        self.find().await?.ok_or_else(|| refusal(WHAT, &answer))
    }

    /// Pulls the image if it is not there.
    async fn image(&self, images: &Images) -> Result<Start, CloudError> {
        let mut images = images.lock().await;
        if let Some(known) = images.get(&self.spec.image) {
            return known.clone();
        }
        let found = self.have_image().await;
        images.insert(self.spec.image.clone(), found.clone());
        found
    }

    async fn have_image(&self) -> Result<Start, CloudError> {
        const WHAT: &str = "Error getting info about the image";
        let path = image_path(&self.spec.image);
        if let Some(there) = self.daemon.get::<Inspected>(WHAT, &path).await? {
            return Ok(there.start());
        }
        let (name, tag) = image::split(&self.spec.image);
        self.daemon.pull(name, tag).await?;
        Ok(self.daemon.must_get::<Inspected>(WHAT, &path).await?.start())
    }

    /// Puts a container that is there on its networks and starts it. Where the daemon refuses, the container is
    /// removed.
    async fn start(&self, id: &str, tries: &[usize]) -> Result<Started, CloudError> {
        const WHAT: &str = "Error starting the Container";
        const ATTACHING: &str = "Error attaching to networks the Container";
        // From here on the container exists, whatever was or was not sent.
        let unknown = |e| unsure(FirstOrResume::Resume, e);
        for network in self.spec.networks.iter().skip(1) {
            let path = format!("/networks/{}/connect", encode(&network.id));
            let body = json!({"Container": id, "EndpointConfig": network.endpoint()});
            let answer = self
                .daemon
                .call(ATTACHING, Method::POST, &path, Some(&body))
                .await
                .map_err(unknown)?;
            if !answer.status.is_success() {
                let error = refusal(ATTACHING, &answer);
                if !already_attached(&error.message) {
                    return Err(self.undo(id, error).await);
                }
            }
        }
        let path = format!("/containers/{}/start", encode(id));
        let answer = self
            .daemon
            .call(WHAT, Method::POST, &path, None)
            .await
            .map_err(unknown)?;
        if !answer.status.is_success() && answer.status != StatusCode::NOT_MODIFIED {
            let error = self.undo(id, refusal(WHAT, &answer)).await;
            if error.outcome == Outcome::NotApplied && port_in_use(&error.message) {
                return Ok(Started::PortInUse(error));
            }
            return Err(error);
        }
        let container = self.daemon.container(id).await.map_err(unknown)?;
        let container = container.ok_or_else(|| {
            CloudError::unknown(
                ErrorKind::Unavailable,
                format!("{WHAT}: it went away while it was started"),
            )
        })?;
        let host = if container.needs_host() {
            crate::access::host_address(self.daemon).await.map_err(unknown)?
        } else {
            None
        };
        let mut observed = container.observed(host);
        if tries.iter().any(|n| *n > 0) {
            observed.features.extend(self.spec.outports(tries));
        }
        Ok(Started::Yes(Box::new(observed)))
    }

    /// Removes the container; the answer says whether that is certain.
    async fn undo(&self, id: &str, error: CloudError) -> CloudError {
        let path = format!("/containers/{}?force=1&v=1", encode(id));
        let removed = self
            .daemon
            .call("Error deleting the Container", Method::DELETE, &path, None)
            .await;
        let gone = matches!(removed, Ok(r) if r.status.is_success() || r.status == StatusCode::NOT_FOUND);
        CloudError {
            outcome: if gone { Outcome::NotApplied } else { Outcome::Unknown },
            ..error
        }
    }
}

fn already_attached(message: &str) -> bool {
    message.contains("already exists in network") || message.contains("already attached to network")
}
