//! The master: log-in, credentials, Ansible found and installed, runs started, followed and killed.

mod common;

use common::{Told, dial, document, guard, key, launch, spec};
use im_ctxt::{CredentialInUse, CtxtError, EventKind, InstallMethod, Master, Ssh, SshError, Started, bundle};
use im_model::Secret;
use im_testkit::{NodeImage, Nodes};
use std::time::{Duration, Instant};

const ONE: &str = "
network public (outbound = 'yes')
system front (net_interface.0.connection = 'public' and disk.0.os.name = 'linux')
configure front (
@begin
- tasks:
    - name: Trace
      ansible.builtin.shell: echo $$ >> /root/started; sleep {{ 'SECONDS' }}; echo done >> /root/ended
@end
)
deploy front 1
";

fn one(seconds: u32) -> String {
    ONE.replace("{{ 'SECONDS' }}", &seconds.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_changed_and_either_one_logs_in() {
    let Some(nodes) = Nodes::start(NodeImage::Ansible, 1, None) else {
        return;
    };
    let mut access = common::access(&nodes.nodes[0]);
    access.login.new_password = Some(Secret::new("n'ew$pw1"));
    let new_key = key();
    access.login.new_private_key = Some(new_key.private.clone());
    let infra = im_model::InfraId::from("credentials");
    let options = im_ctxt::CtxtOptions::default();
    let connect = async |access| Master::connect(&dial(), &infra, access, &options).await.unwrap();
    let mut master = connect(access.clone()).await;
    assert_eq!(master.credential(), CredentialInUse::Password);
    let changed = master.change_credentials().await.unwrap();
    assert!(changed.password && changed.key, "{changed:?}");
    // A crash before the change was noted: the log-in finds out.
    let mut again = connect(access.clone()).await;
    assert_eq!(again.credential(), CredentialInUse::NewPassword);
    let changed = again.change_credentials().await.unwrap();
    assert!(changed.password && changed.key, "{changed:?}");
    access.login.new_password = None;
    assert_eq!(
        connect(access.clone()).await.credential(),
        CredentialInUse::NewPrivateKey
    );
    let shown = nodes.exec(0, "cat /root/.ssh/authorized_keys");
    assert_eq!(shown.lines().count(), 1, "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_refused_and_a_missing_machine_is_waited_for() {
    let Some(nodes) = Nodes::start(NodeImage::Ansible, 1, None) else {
        return;
    };
    let mut access = common::access(&nodes.nodes[0]);
    Ssh::wait(&guard(), &access, Duration::from_secs(30)).await.unwrap();
    access.login.password = Some(Secret::new("wrong"));
    let error = Ssh::wait(&guard(), &access, Duration::from_secs(8)).await.unwrap_err();
    assert!(
        matches!(&error, SshError::Waited { last, .. } if matches!(**last, SshError::Refused { .. })),
        "{error}"
    );
    assert!(error.to_string().contains("its password"), "{error}");
    access.addresses = vec![(nodes.nodes[0].ip, 1)];
    let begun = Instant::now();
    let error = Ssh::wait(&guard(), &access, Duration::from_secs(2)).await.unwrap_err();
    assert!(
        matches!(&error, SshError::Waited { last, .. } if matches!(**last, SshError::Net(_))),
        "{error}"
    );
    let took = begun.elapsed();
    assert!(
        took >= Duration::from_secs(2) && took < Duration::from_secs(4),
        "{took:?}"
    );
    access.addresses = vec![("127.0.0.1".parse().unwrap(), 22)];
    let error = Ssh::wait(&guard(), &access, Duration::from_secs(30)).await.unwrap_err();
    assert!(error.to_string().contains("ALLOWED_LOCAL_HOSTS"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ansible_is_installed_where_the_image_has_none() {
    let Some(nodes) = Nodes::start(NodeImage::Bare, 1, None) else {
        return;
    };
    let spec = spec(&nodes, "bare", document(&one(0)), &key(), 1);
    let begun = Instant::now();
    let master = launch(&spec).await;
    println!("started after {:?}", begun.elapsed());
    let told = Told::all(&mut master.follow(1, 0)).await;
    assert_eq!(told.ends(), [(0, true)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_way_to_ansible_the_error_names_each() {
    let Some(nodes) = Nodes::start(NodeImage::Bare, 1, None) else {
        return;
    };
    let mut spec = spec(&nodes, "no-way", document(&one(0)), &key(), 1);
    spec.options.install = vec![InstallMethod::Image];
    let node = spec.node(spec.master).unwrap();
    let mut master = Master::connect(&dial(), &spec.infra, node.access(None), &spec.options)
        .await
        .unwrap();
    let error = master.prepare(&spec, &mut |_| {}).await.unwrap_err();
    assert!(error.to_string().contains("image: the image has none"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_run_kills_the_older_and_an_older_one_is_refused() {
    let Some(nodes) = Nodes::start(NodeImage::Ansible, 1, None) else {
        return;
    };
    let key = key();
    let first = spec(&nodes, "newer", document(&one(600)), &key, 4);
    let master = launch(&first).await;
    let mut follow = master.follow(4, 0);
    loop {
        let event = follow.next().await.unwrap().unwrap();
        if matches!(&event.kind, EventKind::Log { text, .. } if text.contains("TASK [Trace]")) {
            break;
        }
    }
    let waited = nodes.exec(
        0,
        "for i in 1 2 3 4 5 6 7 8 9; do pgrep -f '^sleep 600' && break; sleep 0.5; done",
    );
    assert!(!waited.is_empty());

    let second = spec(&nodes, "newer", document(&one(0)), &key, 5);
    let master = launch(&second).await;
    let told = Told::all(&mut master.follow(5, 0)).await;
    assert_eq!(told.ends(), [(0, true)]);
    assert_eq!(nodes.exec(0, "pgrep -f '^sleep 600' || echo none"), "none");
    assert_eq!(nodes.exec(0, "cat /root/ended"), "done");
    let error = loop {
        match follow.next().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("a run that was killed cannot finish"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, CtxtError::Vanished { number: 4, .. }), "{error}");

    let node = first.node(first.master).unwrap();
    let mut master = Master::connect(&dial(), &first.infra, node.access(None), &first.options)
        .await
        .unwrap();
    let ansible = master.prepare(&first, &mut |_| {}).await.unwrap();
    master.push(&bundle(&first).unwrap()).await.unwrap();
    let error = master.start(4, &ansible).await.unwrap_err();
    assert!(
        matches!(error, CtxtError::Superseded { number: 4, newer: 5 }),
        "{error}"
    );
    assert_eq!(master.start(5, &ansible).await.unwrap(), Started::Already);
    master.clean().await.unwrap();
    assert_eq!(nodes.exec(0, "ls -A /var/tmp/.im"), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_go_on_after_lost_connections_and_from_any_number() {
    let Some(nodes) = Nodes::start(NodeImage::Ansible, 1, None) else {
        return;
    };
    let spec = spec(&nodes, "resume", document(&one(3)), &key(), 1);
    let mut follow = launch(&spec).await.follow(1, 0);
    let mut all = Vec::new();
    while let Some(event) = follow.next().await.unwrap() {
        if all.len() == 3 || matches!(&event.kind, EventKind::Log { text, .. } if text.contains("TASK [Trace]")) {
            // The connection of the follower, not the runner.
            nodes.exec(
                0,
                "pkill -KILL -f '[r]unner.py follow'; pkill -KILL -f '[s]shd: root' || true",
            );
        }
        all.push(event);
    }
    assert!(all.iter().zip(1..).all(|(event, seq)| event.seq == seq), "{all:?}");
    assert!(matches!(all.last().unwrap().kind, EventKind::Finished { ok: true, .. }));
    let again = Told::all(&mut follow.into_master().follow(1, 5)).await;
    assert_eq!(again.events, all[5..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_runner_died_begins_again_under_its_number() {
    let Some(nodes) = Nodes::start(NodeImage::Ansible, 1, None) else {
        return;
    };
    let mut spec = spec(&nodes, "died", document(&one(600)), &key(), 1);
    let mut follow = launch(&spec).await.follow(1, 0);
    let mut last = 0;
    let error = loop {
        match follow.next().await {
            Ok(Some(event)) => {
                last = event.seq;
                if matches!(&event.kind, EventKind::Log { text, .. } if text.contains("TASK [Trace]")) {
                    nodes.exec(0, "pkill -KILL -f '[r]unner.py run'");
                }
            }
            Ok(None) => panic!("a run that was killed cannot finish"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, CtxtError::Vanished { number: 1, .. }), "{error}");
    // The files of a run that was started stay as they are.
    spec.document = std::sync::Arc::new(document(&one(0)));
    nodes.exec(
        0,
        "sed -i 's/sleep 600/sleep 0/' /var/tmp/.im/died/runs/1/files/front.yml",
    );
    let mut follow = launch(&spec).await.follow(1, last);
    let told = Told::all(&mut follow).await;
    assert_eq!(told.events[0].seq, last + 1);
    assert_eq!(told.ends(), [(0, true)]);
    assert_eq!(nodes.exec(0, "pgrep -f '^sleep 600' || echo none"), "none");
}
