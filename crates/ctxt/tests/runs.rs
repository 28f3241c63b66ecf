//! Runs on real nodes: containers with sshd, real Ansible.

mod common;

use common::{Told, document, key, launch, spec};
use im_testkit::{NodeImage, Nodes};
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
}
