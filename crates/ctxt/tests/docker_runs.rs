//! Runs on real nodes: containers with sshd, real Ansible.

mod common;

use common::{Told, document, key, launch, spec};
use im_testkit::{NodeImage, NodeWatch, Nodes, Search};
use std::time::Instant;

const CLUSTER: &str = "
network public (outbound = 'yes')
network private ()
system front (
  net_interface.0.connection = 'private' and net_interface.0.dns_name = 'front' and
  net_interface.1.connection = 'public' and disk.0.os.name = 'linux'
)
system worker (
  net_interface.0.connection = 'private' and net_interface.0.dns_name = 'worker-#N#' and disk.0.os.name = 'linux'
)
configure worker (
@begin
- tasks:
    - debug:
        msg: \"writes in {{ lookup('config', 'DEFAULT_LOCAL_TMP') }}\"
    - name: Fail on one of them
      ansible.builtin.fail:
        msg: on purpose
      when: IM_NODE_NUM == '2'
    - name: Leave a trace
      ansible.builtin.copy:
        dest: /root/trace
        content: \"{{ IM_NODE_FQDN }} {{ IM_INFRASTRUCTURE_ID }} {{ hostvars[groups['front'][0]].ansible_os_family }}\"
@end
)
configure front (
@begin
- tasks:
    - debug:
        msg: \"{{ groups['worker'] | map('extract', hostvars, 'IM_NODE_HOSTNAME') | list }}\"
    - shell: getent hosts worker-1
      register: found
    - assert:
        that: found.stdout.endswith('worker-1') or 'worker-1' in found.stdout
@end
)
contextualize (
  system worker configure worker step 1
  system front configure front step 2
)
deploy front 1
deploy worker 2
";

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_vm_fails_alone() {
    let Some(nodes) = Nodes::start(NodeImage::Ansible, 3, None) else {
        return;
    };
    let spec = spec(&nodes, "fails-alone", document(CLUSTER), &key(), 1);
    let begun = Instant::now();
    let master = launch(&spec).await;
    println!("started after {:?}", begun.elapsed());
    let told = Told::all(&mut master.follow(1, 0)).await;
    println!("ended after {:?}", begun.elapsed());
    assert_eq!(told.ends(), [(0, true), (1, true), (2, false)]);
    let worker = told.log(1);
    assert!(worker.contains("Launch task: worker_worker\n"), "{worker}");
    assert!(worker.contains("\nTASK [Leave a trace] ***"), "{worker}");
    assert!(told.log(2).contains("fatal: ["), "{}", told.log(2));
    assert!(
        told.log(2).contains("ERROR executing task worker_worker"),
        "{}",
        told.log(2)
    );
    assert!(told.log(0).contains("worker-1"), "{}", told.log(0));
    assert_eq!(
        nodes.exec(1, "cat /root/trace"),
        "worker-1.localdomain fails-alone Debian"
    );
    // Runs of Ansible at once have a folder each for what they write on the way; afterwards there is none.
    let writes_in = |vm: u32| {
        let log = told.log(vm);
        let (_, rest) = log.split_once("writes in ").unwrap();
        rest.split_once('"').unwrap().0.to_owned()
    };
    let run = "/var/tmp/.im/fails-alone/runs/1";
    assert!(writes_in(1).starts_with(&format!("{run}/tmp/")), "{}", writes_in(1));
    assert_ne!(writes_in(1), writes_in(2));
    let left = format!("ls -d {run}/tmp /root/.ansible/tmp/ansible-local* 2>/dev/null || echo none");
    assert_eq!(nodes.exec(0, &left), "none");
}

/// The front balances over its workers; the log-in is a user with a key who becomes root with sudo.
#[tokio::test(flavor = "multi_thread")]
async fn the_example_cluster_answers() {
    let key = key();
    let own = common::key();
    let Some(nodes) = Nodes::start(NodeImage::Ansible, 3, Some(&own.public)) else {
        return;
    };
    let text = include_str!("../../../examples/cluster.radl");
    let mut spec = spec(&nodes, "example", document(text), &key, 1);
    for node in &mut spec.nodes {
        node.login.user = "cloudadm".to_owned();
        node.login.password = None;
        node.login.private_key = Some(own.private.clone());
    }
    let begun = Instant::now();
    let master = launch(&spec).await;
    println!("started after {:?}", begun.elapsed());
    let mut follow = master.follow(1, 0);
    let told = Told::all(&mut follow).await;
    println!("configured after {:?}", begun.elapsed());
    assert_eq!(told.ends(), [(0, true), (1, true), (2, true)]);
    let ask = "import urllib.request as r\nprint(*sorted({r.urlopen('http://localhost/').read().decode().strip() \
               for _ in range(4)}))";
    let names = nodes.exec(0, &format!("python3 -c \"{ask}\""));
    assert_eq!(names.split(' ').count(), 2, "{names}");
    let hosts = nodes.exec(2, "cat /etc/hosts");
    assert!(
        hosts.contains(&format!("{} worker-1.localdomain worker-1", nodes.nodes[1].ip)),
        "{hosts}"
    );

    // The second run finds everything done.
    spec.number = 2;
    for node in &mut spec.nodes {
        node.contextualized = true;
    }
    let begun = Instant::now();
    let told = Told::all(&mut launch(&spec).await.follow(2, 0)).await;
    println!("again after {:?}", begun.elapsed());
    assert_eq!(told.ends(), [(0, true), (1, true), (2, true)]);
    assert_eq!(nodes.exec(2, "grep -c front.localdomain /etc/hosts"), "1");

    // Docker writes the hosts file anew; the node's own start adds the lines again.
    nodes.control(2, "restart");
    let hosts = nodes.exec(2, "cat /etc/hosts");
    assert!(hosts.contains("front.localdomain"), "{hosts}");
    assert_eq!(nodes.exec(2, "grep -c front.localdomain /etc/hosts"), "1");
}

const FORMS: &str = "
network public (outbound = 'yes')
system front (net_interface.0.connection = 'public' and disk.0.os.name = 'linux' and vault.password = 'va{{ult')
configure front (
@begin
- name: First play
  become: yes
  gather_facts: no
  vars:
    plain: !unsafe \"{{ not_a_variable }}\"
  tasks:
    - include: tasks.yml
    - debug: var=plain
    - block:
        - include_tasks: tasks.yml
- hosts: localhost
  connection: local
  tasks:
    - debug: msg='auth {{ IM_INFRASTRUCTURE_AUTH }} on {{ inventory_hostname }}'
    - shell: exit 3
      ignore_errors: true
    - debug: msg={{ item }}
      loop: [one, two]
@end
)
configure tasks (
@begin
- name: Included
  shell: id -un
@end
)
configure secret (
@begin
SECRET
@end
)
configure broken (
@begin
- tasks:
    - no_such_module_at_all: {}
@end
)
contextualize (
  system front configure front step 1
  system front configure secret step 1
  system front configure broken step 2
)
deploy front 1
";

#[tokio::test(flavor = "multi_thread")]
async fn recipes_of_every_form() {
    let Some(nodes) = Nodes::start(NodeImage::Ansible, 1, None) else {
        return;
    };
    let vault = "printf %s 'va{{ult' >/tmp/pw; printf '%s\\n' '- tasks: [{debug: {msg: from the vault}}]' | \
                 ansible-vault encrypt --vault-password-file /tmp/pw --output -";
    let text = FORMS.replace("SECRET", &nodes.exec(0, vault));
    let spec = spec(&nodes, "forms", document(&text), &key(), 1);
    let told = Told::all(&mut launch(&spec).await.follow(1, 0)).await;
    let log = told.log(0);
    assert_eq!(told.ends(), [(0, false)]);
    for text in [
        "TASK [Included] ***",
        "included: /var/tmp/.im/forms/tasks.yml for",
        "\"plain\": \"{{ not_a_variable }}\"",
        "\"msg\": \"auth user:owner-password on localhost\"",
        "fatal: [localhost]: FAILED! => {",
        "...ignoring\n",
        "=> (item=two) => {",
        "\"msg\": \"from the vault\"",
        "Launch task: secret_front\n",
        "no_such_module_at_all",
        "ERROR executing task broken_front",
    ] {
        assert!(log.contains(text), "{text}\n{log}");
    }
    assert!(
        nodes
            .exec(0, "head -c 14 /var/tmp/.im/forms/secret_front_task.yml")
            .starts_with("$ANSIBLE_VAULT")
    );
    let open = "find /var/tmp/.im/forms -perm /077 ! -type l ! -name ansible_key.pub ! -name etc_hosts ! -path '*/facts*' ! -path '*__pycache__*'";
    assert_eq!(nodes.exec(0, open), "");
}

/// sudo asks for the password, which is changed before it is needed.
#[tokio::test(flavor = "multi_thread")]
async fn a_user_whose_sudo_asks_for_a_password() {
    let Some(nodes) = Nodes::start(NodeImage::Ansible, 2, None) else {
        return;
    };
    let text = "
network public (outbound = 'yes')
system front (net_interface.0.connection = 'public' and disk.0.os.name = 'linux')
configure front (
@begin
- tasks:
    - shell: id -un
    - shell: id -un
      become: false
@end
)
deploy front 2
";
    let mut search = Search::default();
    let key = key();
    let mut spec = spec(&nodes, "sudo", document(text), &key, 1);
    let old = search.plant("password at first", " pw");
    let new = [
        search.plant("new password", "$pw'0"),
        search.plant("another one", "{{pw1"),
    ];
    search.watch("key of the infrastructure", key.private.expose());
    for (n, node) in spec.nodes.iter_mut().enumerate() {
        let user = format!(
            "useradd -m -s /bin/bash ops && echo 'ops:{old}' | chpasswd && echo 'ops ALL=(ALL) ALL' >/etc/sudoers.d/ops"
        );
        nodes.exec(n, &user);
        node.login.user = "ops".to_owned();
        node.login.password = Some(old.as_str().into());
        node.login.new_password = Some(new[n].as_str().into());
    }
    let watches: Vec<_> = nodes.nodes.iter().map(|n| NodeWatch::start(&n.id).unwrap()).collect();
    // The service stores that the master's is changed; the runner changes the other one's.
    let master = launch(&spec).await;
    let told = Told::all(&mut master.follow(1, 0)).await;
    assert_eq!(told.ends(), [(0, true), (1, true)]);
    let changed = |event: &im_ctxt::RunnerEvent| matches!(event.kind, im_ctxt::EventKind::Credentials { vm, password: true, .. } if vm.0 == 1);
    assert!(told.events.iter().any(changed));
    for (watch, node) in watches.into_iter().zip(&nodes.nodes) {
        let seen = watch.end();
        let sudo = |s: &im_testkit::Sample| String::from_utf8_lossy(&s.content).contains("BECOME-SUCCESS");
        assert!(seen.iter().any(sudo), "Ansible was seen to become root");
        let leaks = search.in_samples(&node.id, &seen);
        assert!(leaks.is_empty(), "{leaks:#?}");
    }
    for (n, password) in new.iter().enumerate() {
        let mut access = spec.nodes[n].access(None);
        access.login.new_password = None;
        access.login.password = Some(password.as_str().into());
        im_ctxt::Ssh::connect(&common::guard(), &access).await.unwrap();
    }
}

const STUBBORN: &str = "
network public (outbound = 'yes')
system front (
  net_interface.0.connection = 'public' and disk.0.os.name = 'linux' and
  disk.0.applications contains (name = 'ansible.roles./root/role.tar.gz|traced')
)
configure front (
@begin
- roles: [traced]
  tasks:
    - name: Work at the second attempt
      shell: test -e /root/tried || { touch /root/tried; exit 1; }
@end
)
deploy front 2
";
const SLOW: &str = "
network public (outbound = 'yes')
system front (net_interface.0.connection = 'public' and disk.0.os.name = 'linux')
configure front (
@begin
- tasks:
    - shell: sleep 600
@end
)
contextualize 15 (system front configure front step 1)
deploy front 1
";

#[tokio::test(flavor = "multi_thread")]
async fn attempts_roles_and_chosen_vms() {
    let Some(nodes) = Nodes::start(NodeImage::Ansible, 2, None) else {
        return;
    };
    nodes.exec(
        0,
        "mkdir -p /root/role/tasks /root/role/meta && cd /root && echo 'galaxy_info: {author: me}' >role/meta/main.yml && \
         echo '- shell: touch /root/traced' >role/tasks/main.yml && tar czf role.tar.gz role",
    );
    let mut spec = spec(&nodes, "stubborn", document(STUBBORN), &key(), 1);
    spec.only = Some(vec![im_model::VmId(0)]);
    spec.options.retries = 2;
    let begun = Instant::now();
    let told = Told::all(&mut launch(&spec).await.follow(1, 0)).await;
    assert!(begun.elapsed().as_secs() >= 5, "the pause before the second attempt");
    assert_eq!(told.ends(), [(0, true), (1, true)]);
    assert!(told.log(0).contains("ERROR executing task front_front: (1/2)"));
    assert!(told.log(0).contains("Task front_front finished successfully"));
    assert!(!told.log(1).contains("front_front"));
    assert_eq!(nodes.exec(0, "ls /root/traced"), "/root/traced");
    assert_eq!(
        nodes.exec(0, "ls /var/tmp/.im/stubborn/runs/1 | grep -c 'keys\\|plan' || true"),
        "0"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_deadline_ends_a_run() {
    let Some(nodes) = Nodes::start(NodeImage::Ansible, 1, None) else {
        return;
    };
    let spec = spec(&nodes, "deadline", document(SLOW), &key(), 1);
    let told = Told::all(&mut launch(&spec).await.follow(1, 0)).await;
    assert_eq!(told.ends(), [(0, false)]);
    let last = told.events.last().unwrap();
    assert!(
        matches!(&last.kind, im_ctxt::EventKind::Finished { ok: false, error: Some(why) }
            if why == "ERROR: Max contextualization time passed."),
        "{last:?}"
    );
    assert_eq!(nodes.exec(0, "pgrep -f '^sleep 600' || echo none"), "none");
}
