//! What the tests against a real daemon share.
#![allow(dead_code, clippy::unwrap_used, reason = "each test uses a part; tests may unwrap")]

use im_cloud::net::{AllowedHosts, Guard};
use im_cloud_docker::{Docker, DockerOptions};
use im_model::{AuthLine, CloudRef};
use im_testkit::{conformance::Subject, proxy::Upstream};
use std::{collections::BTreeMap, env, path::PathBuf, sync::Arc};

/// A network that others reach, one that they do not, a volume, ports; and nothing heavy.
const DOCUMENT: &str = "
network public ( outbound = 'yes' and outports = '18080/tcp-80/tcp' )
network private ( )
system node (
  cpu.count >= 1 and memory.size >= 128m and
  net_interface.0.connection = 'private' and net_interface.0.dns_name = 'node-#N#' and
  net_interface.1.connection = 'public' and
  disk.0.os.name = 'linux' and disk.0.image.url = 'docker://IMAGE' and
  disk.1.mount_path = '/data' and disk.1.size = 1g
)
deploy node 1
";

/// The daemon and the node image of the tests.
pub(crate) struct Peer {
    pub(crate) upstream: Upstream,
    pub(crate) image: String,
}

/// `None`, and a line that says so, where there is none. In CI that is a failure.
#[allow(clippy::print_stdout, reason = "that is how a test says that it did not run")]
pub(crate) fn peer() -> Option<Peer> {
    let found = env::var("IM_TEST_DOCKER").ok().zip(env::var("IM_TEST_NODE_IMAGE").ok());
    let Some((url, image)) = found else {
        assert_ne!(
            env::var("CI").as_deref(),
            Ok("true"),
            "IM_TEST_DOCKER and IM_TEST_NODE_IMAGE must be set in CI"
        );
        println!("not run: IM_TEST_DOCKER and IM_TEST_NODE_IMAGE are not set (eval \"$(scripts/peers env)\")");
        return None;
    };
    let upstream = match url.split_once("://").unwrap() {
        ("unix", path) => Upstream::Unix(PathBuf::from(path)),
        (_, address) => Upstream::Tcp(address.trim_end_matches('/').to_owned()),
    };
    Some(Peer { upstream, image })
}

pub(crate) fn cloud(protocol: &str, server: &str, port: Option<u16>, path: &str) -> CloudRef {
    CloudRef {
        id: "docker".to_owned(),
        kind: "Docker".to_owned(),
        server: server.to_owned(),
        port,
        protocol: protocol.to_owned(),
        path: path.to_owned(),
        extra: BTreeMap::new(),
    }
}

/// The cloud of a daemon, without anything in between.
pub(crate) fn direct(upstream: &Upstream) -> CloudRef {
    match upstream {
        Upstream::Unix(path) => cloud("unix", "", None, path.to_str().unwrap()),
        Upstream::Tcp(address) => {
            let (host, port) = address.rsplit_once(':').unwrap();
            cloud("http", host, port.parse().ok(), "")
        }
    }
}

pub(crate) fn docker(options: DockerOptions) -> Docker {
    Docker::new(Guard::new(AllowedHosts::parse("*").unwrap()), options)
}

pub(crate) fn document(image: &str) -> im_radl::Document {
    im_radl::parse(&DOCUMENT.replace("IMAGE", image)).document
}

pub(crate) fn auth(more: &[(&str, &str)]) -> AuthLine {
    let mut auth = AuthLine::new([("type", "Docker"), ("id", "docker")]);
    for (key, value) in more {
        auth.set(key, *value);
    }
    auth
}

pub(crate) fn subject(image: &str, cloud: CloudRef, auth: AuthLine, options: DockerOptions) -> Subject {
    let mut subject = Subject::new(Arc::new(docker(options)), cloud, auth, document(image));
    subject.unreachable = Some(Arc::new(crate::common::cloud("unix", "", None, "/nowhere/docker.sock")));
    subject
}
