//! What only a real daemon can show.
#![allow(clippy::unwrap_used)]

mod common;

use common::{auth, direct, docker, peer};
use im_cloud::{
    ErrorKind, FirstOrResume, Outcome, Seen,
    net::{
        AllowedHosts, Guard, Purpose, TlsOptions,
        http::{Client, Method, Origin, Request},
    },
};
use im_cloud_docker::DockerOptions;
use im_model::ResourceKind;
use im_testkit::{
    conformance::{Made, Subject, World},
    proxy::Upstream,
};
use serde_json::{Value, json};
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::{io::AsyncReadExt as _, net::TcpStream};

/// Calls of the daemon beside the connector.
struct Api {
    client: Client,
    origin: Origin,
}

impl Api {
    fn new(upstream: &Upstream) -> Self {
        let guard = Guard::new(AllowedHosts::parse("*").unwrap());
        Self {
            client: Client::new(guard, Purpose::Cloud, TlsOptions::default()),
            origin: match upstream {
                Upstream::Unix(path) => Origin::Unix(path.clone()),
                Upstream::Tcp(address) => {
                    let (host, port) = address.rsplit_once(':').unwrap();
                    Origin::Http {
                        host: host.to_owned(),
                        port: port.parse().unwrap(),
                    }
                }
            },
        }
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let mut request = Request::new(method, self.origin.clone(), path);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = self.client.send(request).await.unwrap();
        (answer.status.as_u16(), answer.json().unwrap_or(Value::Null))
    }
}

fn subject(document: &str) -> Option<(Subject, Api)> {
    let peer = peer()?;
    let document = im_radl::parse(&document.replace("IMAGE", &peer.image));
    assert!(document.is_ok(), "{:?}", document.diagnostics);
    let api = Api::new(&peer.upstream);
    let connector = Arc::new(docker(DockerOptions::default()));
    let subject = Subject::new(connector, direct(&peer.upstream), auth(&[]), document.document);
    Some((subject, api))
}

fn vm(made: &[Made]) -> &Made {
    made.iter().find(|m| m.wanted.kind == ResourceKind::Vm).unwrap()
}

/// The first bytes of whoever listens there, within some seconds.
async fn banner(address: SocketAddr) -> String {
    for _ in 0..100 {
        if let Ok(mut stream) = TcpStream::connect(address).await {
            let mut buffer = [0; 8];
            if let Ok(Ok(_)) = tokio::time::timeout(Duration::from_secs(5), stream.read_exact(&mut buffer)).await {
                return String::from_utf8_lossy(&buffer).into_owned();
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    String::new()
}

#[tokio::test]
async fn sshd_answers_at_the_container_s_own_address() {
    let text = "
        network public (outbound = 'yes')
        system node (net_interface.0.connection = 'public' and disk.0.image.url = 'docker://IMAGE')";
    let Some((subject, _)) = subject(text) else { return };
    subject
        .run(async |subject: &Subject| {
            let world = subject.world();
            let made = world.launch(subject, 1).await;
            let ip = vm(&made).observed.public_ips[0];
            assert_eq!(banner(SocketAddr::new(ip, 22)).await, "SSH-2.0-");
        })
        .await;
}

#[tokio::test]
async fn neighbours_share_the_private_network() {
    let text = "
        network public (outbound = 'yes')
        network private ()
        system node (net_interface.0.connection = 'private' and net_interface.0.dns_name = 'node-#N#' and
          net_interface.1.connection = 'public' and disk.0.image.url = 'docker://IMAGE')";
    let Some((subject, api)) = subject(text) else { return };
    subject
        .run(async |subject: &Subject| {
            let world = subject.world();
            let made = world.launch(subject, 2).await;
            let vms: Vec<_> = made.iter().filter(|m| m.wanted.kind == ResourceKind::Vm).collect();
            let private = |n: usize| -> IpAddr {
                let (network, ip) = &vms[n].observed.private_ips[0];
                assert_eq!(network.as_deref(), Some("private"));
                *ip
            };
            assert_ne!(private(0), private(1));
            // What the service is told is what the other node finds by name.
            let exec = json!({"AttachStdout": true, "Tty": true, "Cmd": ["getent", "ahostsv4", "node-1.localdomain"]});
            let path = format!("/containers/{}/exec", vms[0].observed.cloud_id);
            let (_, exec) = api.call(Method::POST, &path, Some(exec)).await;
            let path = format!("/exec/{}/start", exec["Id"].as_str().unwrap());
            let start = json!({"Detach": false, "Tty": true});
            let request = Request::new(Method::POST, api.origin.clone(), path).json(&start);
            let said = api.client.send(request).await.unwrap().text();
            assert!(said.contains(&private(1).to_string()), "{said}");
        })
        .await;
}

#[tokio::test]
async fn a_network_and_a_volume_of_the_user_s_are_used_and_stay() {
    let name = format!("im-test-{}", uuid::Uuid::new_v4().simple());
    let text = format!(
        "network office (provider_id = '{name}')
        system node (net_interface.0.connection = 'office' and disk.0.image.url = 'docker://IMAGE' and
          disk.1.mount_path = '/data' and disk.1.device = '{name}')"
    );
    let Some((subject, api)) = subject(&text) else { return };
    let (status, network) = api
        .call(Method::POST, "/networks/create", Some(json!({"Name": name})))
        .await;
    assert_eq!(status, 201);
    let (status, _) = api
        .call(Method::POST, "/volumes/create", Some(json!({"Name": name})))
        .await;
    assert_eq!(status, 201);
    subject
        .run(async |subject: &Subject| {
            let world = subject.world();
            let made = world.launch(subject, 1).await;
            assert_eq!(made.len(), 1, "only the container is made: {made:?}");
            assert_eq!(vm(&made).observed.private_ips[0].0.as_deref(), Some("office"));
            world.remove(subject, &made).await.unwrap();
        })
        .await;
    let network = format!("/networks/{}", network["Id"].as_str().unwrap());
    let volume = format!("/volumes/{name}");
    for path in [network, volume] {
        assert_eq!(api.call(Method::GET, &path, None).await.0, 200, "{path} is still there");
        assert_eq!(api.call(Method::DELETE, &path, None).await.0, 204);
    }
}

#[tokio::test]
async fn an_image_that_cannot_be_pulled_fails_alone() {
    let text = "
        system node (disk.0.image.url = 'docker://IMAGE')
        system lost (disk.0.image.url = 'docker://127.0.0.1:1/im-test/none:1')";
    let Some((subject, _)) = subject(text) else { return };
    subject
        .run(async |subject: &Subject| {
            let world = subject.world();
            let mut request = world.request(subject, 3);
            let lost = &subject.document.systems[1];
            let lost = subject.connector.candidates(&subject.cloud, lost).remove(0);
            request.vms[1].system = Arc::new(lost);
            let plan = world.plan(subject, &request).await.unwrap();
            let wanted: Vec<_> = World::in_order(&plan)
                .iter()
                .map(|(vm, resource)| world.wanted(*vm, resource, &[]))
                .collect();
            let answers = subject.connector.ensure(&world.cx, &wanted, FirstOrResume::First).await;
            let error = answers[1].as_ref().unwrap_err();
            assert!(error.message.starts_with("Error pulling the image: "), "{error}");
            assert_eq!(error.outcome, Outcome::NotApplied);
            assert!(answers[0].is_ok() && answers[2].is_ok(), "{answers:?}");
            assert_eq!(subject.connector.find(&world.cx).await.unwrap().len(), 2);
        })
        .await;
}

#[tokio::test]
async fn a_port_in_use_is_replaced_by_a_free_one() {
    // Something of this machine that the daemon's lists do not show.
    let squatter = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = squatter.local_addr().unwrap().port();
    let text = format!(
        "network public (outbound = 'yes' and outports = '{port}/tcp-2222/tcp')
        system node (net_interface.0.connection = 'public' and disk.0.image.url = 'docker://IMAGE')"
    );
    let Some((subject, _)) = subject(&text) else { return };
    subject
        .run(async |subject: &Subject| {
            let world = subject.world();
            let made = world.launch(subject, 1).await;
            let observed = &vm(&made).observed;
            let outports = observed.features["network.public.outports"].as_str().unwrap();
            assert!(outports.ends_with("/tcp-2222/tcp"), "{outports}");
            assert!(!outports.starts_with(&format!("{port}/")), "{outports}");
            assert_eq!(
                subject.connector.find(&world.cx).await.unwrap().len(),
                1,
                "one container"
            );
        })
        .await;
    drop(squatter);
}

#[tokio::test]
async fn a_created_container_is_started_when_resumed_and_a_dead_network_is_an_error() {
    let text = "
        network private ()
        system node (net_interface.0.connection = 'private' and disk.0.image.url = 'docker://IMAGE')";
    let Some((subject, api)) = subject(text) else { return };
    subject
        .run(async |subject: &Subject| {
            let world = subject.world();
            let made = world.launch(subject, 1).await;
            let one = vm(&made);
            let id = &one.observed.cloud_id;
            assert_eq!(api.call(Method::POST, &format!("/containers/{id}/kill"), None).await.0, 204);
            let seen = subject.connector.observe(&world.cx, std::slice::from_ref(id)).await.unwrap();
            assert!(matches!(&seen[0], Seen::There(o) if o.state == Some(im_model::VmState::Stopped) && o.public_ips.is_empty()));
            let again = world.ensure(subject, &one.wanted, FirstOrResume::Resume).await.unwrap();
            assert_eq!((again.cloud_id.as_str(), again.state), (id.as_str(), Some(im_model::VmState::Running)));

            // A container whose network went away: refused, and nothing left.
            let mut other = one.wanted.clone();
            other.key = world.key();
            let text = other.frozen.as_str();
            let network = &made.iter().find(|m| m.wanted.kind == ResourceKind::Network).unwrap().observed.cloud_id;
            let text = text.replace(network.as_str(), &"0".repeat(64)).replace("node-0\"", "node-9\"");
            other.frozen = im_model::Frozen::from_stored(text);
            let error = world.ensure(subject, &other, FirstOrResume::First).await.unwrap_err();
            assert_eq!(error.outcome, Outcome::NotApplied, "{error:?}");
            assert_ne!(error.kind, ErrorKind::Conflict, "{error}");
            let found = subject.connector.find(&world.cx).await.unwrap();
            assert!(!found.iter().any(|f| f.mark.key == other.key), "{found:?}");
        })
        .await;
}

#[tokio::test]
async fn what_others_put_on_a_network_does_not_keep_it() {
    let text = "
        network private ()
        system node (net_interface.0.connection = 'private' and disk.0.image.url = 'docker://IMAGE')";
    let Some((subject, api)) = subject(text) else { return };
    let image = peer().unwrap().image;
    subject
        .run(async |subject: &Subject| {
            let world = subject.world();
            let made = world.launch(subject, 1).await;
            let network = made.iter().find(|m| m.wanted.kind == ResourceKind::Network).unwrap();
            // Somebody's own container, and then one of another infrastructure of this service.
            let guest = json!({"Image": image, "HostConfig": {"NetworkMode": network.observed.cloud_id}});
            let (status, guest) = api.call(Method::POST, "/containers/create", Some(guest)).await;
            assert_eq!(status, 201);
            let guest = format!("/containers/{}", guest["Id"].as_str().unwrap());
            api.call(Method::POST, &format!("{guest}/start"), None).await;
            let neighbour = world.neighbour(subject);
            let theirs = neighbour.launch(subject, 1).await;
            let connect = json!({"Container": vm(&theirs).observed.cloud_id});
            let path = format!("/networks/{}/connect", network.observed.cloud_id);
            assert_eq!(api.call(Method::POST, &path, Some(connect)).await.0, 200);

            let refused = world.remove(subject, &made).await.unwrap_err();
            assert_eq!(
                (refused.kind, refused.outcome),
                (ErrorKind::Conflict, Outcome::NotApplied),
                "{refused}"
            );
            assert!(refused.message.contains(neighbour.cx.infra.as_str()), "{refused}");
            neighbour.remove(subject, &theirs).await.unwrap();
            world.remove(subject, &made).await.unwrap();
            assert_eq!(
                api.call(Method::DELETE, &format!("{guest}?force=1"), None).await.0,
                204,
                "the guest is left alone"
            );
        })
        .await;
}
