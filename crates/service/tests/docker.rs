//! The whole service over SQLite and a real Docker daemon: machines, SSH, Ansible.

#![allow(clippy::unwrap_used, clippy::panic, clippy::missing_panics_doc, clippy::print_stdout)] // Helpers of tests.

use im_auth::{Caller, Policy};
use im_cloud::{
    Connector,
    net::{AllowedHosts, Guard},
};
use im_cloud_docker::{Docker, DockerOptions};
use im_model::{AuthLine, Credentials, InfraId, InstanceId, OpState, VmId, VmState};
use im_ops::EngineOptions;
use im_service::{Connectors, ContMsg, Context, Force, Manager, Reply, Service, ServiceOptions};
use im_store::{SqliteStore, Store};
use im_testkit::{NodeWatch, Sample, Search};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

struct Peer {
    docker: String,
    image: String,
}

fn peer() -> Option<Peer> {
    let docker = std::env::var("IM_TEST_DOCKER").ok().filter(|v| !v.is_empty());
    let image = std::env::var("IM_TEST_NODE_IMAGE").ok().filter(|v| !v.is_empty());
    if let (Some(docker), Some(image)) = (docker, image) {
        return Some(Peer { docker, image });
    }
    assert!(
        std::env::var("CI").as_deref() != Ok("true"),
        "IM_TEST_DOCKER and IM_TEST_NODE_IMAGE are not set; see scripts/README.md"
    );
    println!("not run: IM_TEST_DOCKER and IM_TEST_NODE_IMAGE are not set; see scripts/README.md");
    None
}

async fn started(store: Arc<dyn Store>, name: &str) -> Arc<Service> {
    let guard = Guard::new(AllowedHosts::parse("*").unwrap());
    let docker: Arc<dyn Connector> = Arc::new(Docker::new(guard.clone(), DockerOptions::default()));
    let engine = EngineOptions::new(InstanceId::from(name));
    let connectors = Connectors::new([docker]);
    Service::start(store, connectors, ServiceOptions::default(), engine, guard)
        .await
        .unwrap()
}

fn caller(peer: &Peer) -> Caller {
    let lines = [
        vec![("type", "InfrastructureManager"), ("username", "me"), ("password", "p")],
        vec![("type", "Docker"), ("id", "docker"), ("host", peer.docker.as_str())],
    ];
    let credentials = Credentials {
        lines: lines.into_iter().map(AuthLine::new).collect(),
    };
    Policy::default().check(credentials).unwrap()
}

fn cluster(peer: &Peer) -> String {
    let image = &peer.image;
    format!(
        "network public (outbound='yes')
         network private ()
         system front (cpu.count=1 and memory.size=256m and net_interface.0.connection='private' and
             net_interface.0.dns_name='front' and net_interface.1.connection='public' and
             disk.0.os.name='linux' and disk.0.image.url='docker://{image}')
         system worker (cpu.count=1 and memory.size=128m and net_interface.0.connection='private' and
             net_interface.0.dns_name='worker-#N#' and disk.0.os.name='linux' and
             disk.0.image.url='docker://{image}')
         configure worker (
@begin
- tasks:
    - copy:
        dest: /var/tmp/who
        content: \"{{{{ IM_NODE_HOSTNAME }}}}\"
@end
)
         configure front (
@begin
- tasks:
    - debug:
        msg: \"workers: {{{{ groups['worker'] | length }}}}\"
@end
)
         contextualize (
           system worker configure worker step 1
           system front configure front step 2
         )
         deploy front 1
         deploy worker 1"
    )
}

async fn until(service: &Service, caller: &Caller, id: &InfraId, wanted: VmState) {
    let begun = Instant::now();
    loop {
        let state = service.state(caller, id).await.unwrap();
        if state.state == wanted {
            println!("{wanted} after {:?}", begun.elapsed());
            return;
        }
        let log = service.contmsg(caller, id, ContMsg::Full).await.unwrap();
        assert!(
            begun.elapsed() < Duration::from_mins(3) && state.state != VmState::Unconfigured,
            "never {wanted}: {state:?}\n{log}"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_is_configured_grows_and_goes() {
    let Some(peer) = peer() else { return };
    let store: Arc<dyn Store> = Arc::new(SqliteStore::temporary().await.unwrap());
    let service = started(store, "one").await;
    let caller = caller(&peer);
    let document = im_radl::parse(&cluster(&peer)).into_result().unwrap().0;
    let begun = Instant::now();
    let id = service.create(&caller, document, Reply::WhenDone).await.unwrap().value;
    println!("created after {:?}", begun.elapsed());
    until(&service, &caller, &id, VmState::Configured).await;
    let log = service.contmsg(&caller, &id, ContMsg::Full).await.unwrap();
    for part in ["Select master VM", "VM 0:\n", "VM 1:\n", "workers: 1"] {
        assert!(log.contains(part), "{part}: {log}");
    }
    let view = service.vm(&caller, &id, VmId(0)).await.unwrap();
    let features = &view.document.system("front").unwrap().features;
    assert!(features.text("disk.0.os.credentials.password").is_some());
    assert!(!features.contains("disk.0.os.credentials.new.password"), "{features:?}");
    assert!(!log.contains(features.text("disk.0.os.credentials.password").unwrap()));

    let more = im_radl::parse("system worker\ndeploy worker 1")
        .into_result()
        .unwrap()
        .0;
    let added = service
        .add(&caller, &id, more, Context::Run, Reply::WhenDone)
        .await
        .unwrap();
    assert_eq!(added.value, [VmId(2)]);
    until(&service, &caller, &id, VmState::Configured).await;
    let log = service.contmsg(&caller, &id, ContMsg::Full).await.unwrap();
    assert!(log.contains("workers: 2"), "{log}");

    service.destroy(&caller, &id, Force::No, Reply::WhenDone).await.unwrap();
    assert!(service.list(&caller, None).await.unwrap().is_empty());
}

const SHARED: &str = "network private ()
    system node (cpu.count=1 and memory.size=128m and net_interface.0.connection='private' and
        disk.0.os.name='linux' and disk.0.image.url='docker://IMAGE')
    contextualize ()";

/// What a command of the daemon prints.
fn docker(peer: &Peer, words: &[&str]) -> String {
    let output = std::process::Command::new("docker")
        .env("DOCKER_HOST", &peer.docker)
        .args(words)
        .output()
        .unwrap();
    assert!(output.status.success(), "{words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Ids of what the daemon has of an infrastructure; `list` is `network ls` or `ps --all`.
fn at_the_daemon(peer: &Peer, list: &str, id: &InfraId) -> Vec<String> {
    let filter = format!("label=im.infra={id}");
    let mut words: Vec<&str> = list.split(' ').collect();
    words.extend(["--quiet", "--no-trunc", "--filter", &filter]);
    docker(peer, &words).lines().map(str::to_owned).collect()
}

/// An image of the test's, removed when dropped.
struct Image<'p> {
    peer: &'p Peer,
    name: String,
}

impl<'p> Image<'p> {
    /// The nodes' image after a script, with other settings: none that knows us.
    fn made(peer: &'p Peer, script: &str, settings: &[&str]) -> Self {
        let name = format!("im-test-{}", uuid::Uuid::new_v4().simple());
        let create = ["create", "--label=im.test=1", &peer.image, "sh", "-euc", script];
        let container = docker(peer, &create);
        docker(peer, &["start", "--attach", &container]);
        // The files without the settings.
        let import = format!("docker export {container} | docker import \"$@\" - {name}");
        let imported = std::process::Command::new("sh")
            .env("DOCKER_HOST", &peer.docker)
            .args(["-c", &import, "sh"])
            .args(settings)
            .output()
            .unwrap();
        docker(peer, &["rm", &container]);
        assert!(imported.status.success(), "{imported:?}");
        Self { peer, name }
    }
}

impl Drop for Image<'_> {
    fn drop(&mut self) {
        let _ = std::process::Command::new("docker")
            .env("DOCKER_HOST", &self.peer.docker)
            .args(["rmi", "--force", &self.name])
            .output();
    }
}

/// Images that do not know the service: its first password is set before sshd starts, and is in no process's
/// environment, even while sshd is being installed for some seconds.
#[tokio::test(flavor = "multi_thread")]
async fn images_of_others_are_logged_in_to() {
    let Some(peer) = peer() else { return };
    let own = Image::made(
        &peer,
        "true",
        &["--change=CMD [\"/usr/sbin/sshd\",\"-D\",\"-e\"]", "--change=EXPOSE 22"],
    );
    let none = Image::made(
        &peer,
        "mv /usr/sbin/sshd /usr/sbin/sshd.away
        printf '#!/bin/sh\\nsleep 5; [ ! -e /usr/sbin/sshd.away ] || mv /usr/sbin/sshd.away /usr/sbin/sshd\\n' >/usr/local/sbin/apt-get
        chmod 0755 /usr/local/sbin/apt-get",
        &[],
    );
    let service = started(Arc::new(SqliteStore::temporary().await.unwrap()), "images").await;
    let caller = caller(&peer);
    let mut search = Search::default();
    for image in [&own, &none] {
        let password = search.plant(&format!("first password of {}", image.name), "+/=%41 $x");
        let text = format!(
            "network public (outbound='yes')
             system node (cpu.count=1 and memory.size=256m and net_interface.0.connection='public' and
                 disk.0.os.name='linux' and disk.0.image.url='docker://{}' and
                 disk.0.os.credentials.password='{password}')
             deploy node 1",
            image.name
        );
        let document = im_radl::parse(&text).into_result().unwrap().0;
        let id = service.create(&caller, document, Reply::WhenDone).await.unwrap().value;
        let nodes = at_the_daemon(&peer, "ps", &id);
        let watch = NodeWatch::start_at_once(&nodes[0]).unwrap();
        until(&service, &caller, &id, VmState::Configured).await;
        let seen = watch.end();
        service.destroy(&caller, &id, Force::No, Reply::WhenDone).await.unwrap();
        let installs = |s: &Sample| {
            s.name.starts_with("cmdline") && String::from_utf8_lossy(&s.content).contains("/usr/local/sbin/apt-get")
        };
        let installed = seen.iter().any(installs);
        assert_eq!(installed, image.name == none.name, "what installs was seen at work");
        let leaks = search.in_samples(&nodes[0], &seen);
        assert!(leaks.is_empty(), "{leaks:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_goes_with_the_last_machine_on_it() {
    let Some(peer) = peer() else { return };
    let service = started(Arc::new(SqliteStore::temporary().await.unwrap()), "networks").await;
    let caller = caller(&peer);
    let text = format!("{}\ndeploy node 2", SHARED.replace("IMAGE", &peer.image));
    let document = im_radl::parse(&text).into_result().unwrap().0;
    let id = service.create(&caller, document, Reply::WhenDone).await.unwrap().value;
    let networks = || at_the_daemon(&peer, "network ls", &id);
    let containers = || at_the_daemon(&peer, "ps --all", &id).len();
    let first = networks();
    assert_eq!((first.len(), containers()), (1, 2));

    let remove = async |vm: u32, reply| {
        let removed = service.remove(&caller, &id, &[VmId(vm)], Context::Skip, reply).await;
        removed.unwrap().operation
    };
    let add = async |reply| {
        let more = im_radl::parse("system node\ndeploy node 1").into_result().unwrap().0;
        let added = service.add(&caller, &id, more, Context::Skip, reply).await;
        added.unwrap().operation
    };
    remove(0, Reply::WhenDone).await;
    assert_eq!((networks(), containers()), (first.clone(), 1));

    // A machine that is yet to be made holds it, though the last one there is goes.
    let adding = add(Reply::AtOnce).await.unwrap();
    let removing = remove(1, Reply::AtOnce).await.unwrap();
    for operation in [&adding, &removing] {
        assert_eq!(service.engine().wait(operation).await.unwrap().state, OpState::Done);
    }
    assert_eq!((networks(), containers()), (first, 1));
    // One that is asked for after the removal has the same, or one that is made anew.
    let removing = remove(2, Reply::AtOnce).await.unwrap();
    let adding = add(Reply::AtOnce).await.unwrap();
    for operation in [&removing, &adding] {
        assert_eq!(service.engine().wait(operation).await.unwrap().state, OpState::Done);
    }
    assert_eq!((networks().len(), containers()), (1, 1));
    let attached = at_the_daemon(&peer, &format!("ps --filter network={}", networks()[0]), &id);
    assert_eq!(attached.len(), 1);

    service.destroy(&caller, &id, Force::No, Reply::WhenDone).await.unwrap();
    assert_eq!((networks().len(), containers()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_goes_with_the_removal_of_the_last_machine() {
    let Some(peer) = peer() else { return };
    let service = started(Arc::new(SqliteStore::temporary().await.unwrap()), "network").await;
    let caller = caller(&peer);
    let text = format!("{}\ndeploy node 1", SHARED.replace("IMAGE", &peer.image));
    let document = im_radl::parse(&text).into_result().unwrap().0;
    let id = service.create(&caller, document, Reply::WhenDone).await.unwrap().value;
    let networks = || at_the_daemon(&peer, "network ls", &id);
    let first = networks();
    assert_eq!(first.len(), 1);
    service
        .remove(&caller, &id, &[VmId(0)], Context::Skip, Reply::WhenDone)
        .await
        .unwrap();
    assert!(networks().is_empty());
    // The next machine gets one again.
    let more = im_radl::parse("system node\ndeploy node 1").into_result().unwrap().0;
    let added = service.add(&caller, &id, more, Context::Skip, Reply::WhenDone).await;
    assert_eq!(added.unwrap().value, [VmId(1)]);
    let second = networks();
    assert!(second.len() == 1 && second != first, "{first:?} {second:?}");
    service.destroy(&caller, &id, Force::No, Reply::WhenDone).await.unwrap();
    assert!(networks().is_empty());
}
