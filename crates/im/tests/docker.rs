//! The real program with real machines: containers, SSH, Ansible.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may fail")]

#[path = "service/support.rs"]
#[allow(dead_code, reason = "another test uses the rest")]
mod support;

use im_testkit::{Leak, NodeWatch, Sample, Search, required};
use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use support::{Home, Im, told};

/// Characters that forms write differently, as far as documents and shells take them.
const END: &str = "+/=&<%41";

fn docker(words: &[&str]) -> Command {
    let mut command = Command::new("docker");
    command
        .env("DOCKER_HOST", required("IM_TEST_DOCKER").unwrap())
        .args(words);
    command
}

/// What a shell prints in a container that is in nobody's way; its standard input is `input`.
fn apart(script: &str, input: &str) -> String {
    let image = required("IM_TEST_NODE_IMAGE").unwrap();
    let mut child = docker(&[
        "run",
        "--rm",
        "--interactive",
        "--label=im.test=1",
        "--entrypoint=sh",
        &image,
        "-euc",
        script,
    ])
    .stdin(Stdio::piped())
    .stdout(Stdio::piped())
    .spawn()
    .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Every node of an infrastructure, watched from its first second on.
struct Watches {
    events: Child,
    reader: Option<JoinHandle<()>>,
    nodes: Arc<Mutex<Vec<(String, NodeWatch)>>>,
}

impl Watches {
    fn of(infra: &str, since: Duration) -> Self {
        let mut events = docker(&["events", "--since", &since.as_secs().to_string()])
            .args(["--filter=type=container", "--filter=event=start", "--format={{.ID}}"])
            .arg(format!("--filter=label=im.infra={infra}"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(events.stdout.take().unwrap()).lines();
        let nodes: Arc<Mutex<Vec<(String, NodeWatch)>>> = Arc::default();
        let watched = Arc::clone(&nodes);
        let reader = std::thread::spawn(move || {
            for id in lines.map_while(Result::ok) {
                let watch = NodeWatch::start(&id).unwrap();
                watched.lock().unwrap().push((id, watch));
            }
        });
        Self {
            events,
            reader: Some(reader),
            nodes,
        }
    }

    /// What was to be seen in each node.
    fn end(mut self) -> BTreeMap<String, Vec<Sample>> {
        self.events.kill().unwrap();
        self.reader.take().unwrap().join().unwrap();
        let nodes = std::mem::take(&mut *self.nodes.lock().unwrap());
        nodes.into_iter().map(|(id, watch)| (id, watch.end())).collect()
    }
}

impl Drop for Watches {
    fn drop(&mut self) {
        let _ = self.events.kill();
        let _ = self.events.wait();
    }
}

async fn until_configured(im: &Im, who: &str, infra: &str, vms: usize) {
    let until = Instant::now() + Duration::from_mins(4);
    loop {
        let (_, text) = told(im.ask_as(who, "GET", &format!("{infra}/state"))).await;
        let state: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        let there = state["state"]["vm_states"].as_object().map_or(0, serde_json::Map::len);
        let word = &state["state"]["state"];
        if word == "configured" && there == vms {
            return;
        }
        if word == "unconfigured" || word == "failed" || Instant::now() > until {
            let (_, log) = told(im.ask_as(who, "GET", &format!("{infra}/contmsg"))).await;
            panic!("{text}\n{log}");
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn credentials(search: &mut Search) -> String {
    let host = required("IM_TEST_DOCKER").unwrap();
    let mut of = |place: &str| search.plant(place, END);
    [
        format!(
            "type = InfrastructureManager; username = bob; password = '{}'",
            of("password of the service")
        ),
        format!(
            "id = one; type = Docker; host = '{host}'; password = '{}'",
            of("password of Docker")
        ),
        format!(
            "id = ost; type = OpenStack; host = 'https://keystone.invalid:5000'; username = u; tenant = t; password = '{}'",
            of("password of OpenStack")
        ),
        format!(
            "id = ec2; type = EC2; username = '{}'; password = '{}'; token = '{}'",
            of("access key of EC2"),
            of("secret of EC2"),
            of("token of EC2")
        ),
        format!(
            "id = kube; type = Kubernetes; host = 'https://kube.invalid'; token = '{}'",
            of("token of Kubernetes")
        ),
    ]
    .join("\\n")
}

/// What the document does on purpose, so that it is known that it would be found.
const CONTROLS: [&str; 5] = [
    "shown: command line",
    "shown: command line in Base64",
    "shown: command line in percent",
    "shown: environment",
    "shown: file for all",
];

/// A master and a worker with secrets wherever a document may hold one.
fn document(search: &mut Search) -> String {
    let vault = search.plant("password of the vault", END);
    let made = apart(
        "umask 077; cat >/tmp/pw; ssh-keygen -q -t ed25519 -N '' -C '' -f /tmp/k; cat /tmp/k /tmp/k.pub; echo ====; \
         printf '%s\\n' '- tasks: [{copy: {dest: /etc/sealed, mode: \"0600\", content: x}}]' | \
         ansible-vault encrypt --vault-password-file /tmp/pw --output -",
        &vault,
    );
    let (keys, sealed) = made.split_once("====\n").unwrap();
    let (private, public) = keys.trim().rsplit_once('\n').unwrap();
    search.watch("private key of the worker", private);
    let image = required("IM_TEST_NODE_IMAGE").unwrap();
    let [first, second, worker, variable, hidden] = [
        "password of the front",
        "new password of the front",
        "new password of the worker",
        "variable of a recipe",
        "file in a folder of root's",
    ]
    .map(|place| search.plant(place, END));
    let [command, base64, percent, environment, file] = CONTROLS.map(|place| search.plant(place, "+/="));
    format!(
        "network public (outbound = 'yes')
network private ()
system front (
  cpu.count = 1 and memory.size = 256M and disk.0.os.name = 'linux' and disk.0.image.url = 'docker://{image}' and
  net_interface.0.connection = 'private' and net_interface.0.dns_name = 'front' and
  net_interface.1.connection = 'public' and vault.password = '{vault}' and
  disk.0.os.credentials.password = '{first}' and disk.0.os.credentials.new.password = '{second}'
)
system worker (
  cpu.count = 1 and memory.size = 256M and disk.0.os.name = 'linux' and disk.0.image.url = 'docker://{image}' and
  net_interface.0.connection = 'private' and net_interface.0.dns_name = 'worker-#N#' and
  disk.0.os.credentials.private_key = '{private}' and disk.0.os.credentials.public_key = '{public}' and
  disk.0.os.credentials.new.password = '{worker}'
)
configure worker (
@begin
- vars:
    secret: '{variable}'
  tasks:
    - name: Keep it
      copy: {{dest: /etc/app.conf, mode: '0600', content: '{{{{ secret }}}} {{{{ IM_INFRASTRUCTURE_AUTH }}}}'}}
    - name: Keep it as somebody else
      become: yes
      become_user: cloudadm
      copy: {{dest: /home/cloudadm/app.conf, mode: '0600', content: '{{{{ secret }}}}'}}
    - name: Hand it on
      command: {{argv: [sleep, '1'], stdin: '{{{{ secret }}}}'}}
      no_log: yes
    - name: A folder
      file: {{path: /var/tmp/mine, state: directory, mode: '0700'}}
    - name: Closed by its folder
      copy: {{dest: /var/tmp/mine/file, mode: '0644', content: '{hidden}'}}
@end
)
configure front (
@begin
- tasks:
    - name: As somebody else, on the master
      become: yes
      become_user: cloudadm
      copy: {{dest: /home/cloudadm/app.conf, mode: '0600', content: '{variable}'}}
    - shell: 'sleep 1; : {command}'
    - shell: \"sleep 1; : {{{{ '{base64}' | b64encode }}}}\"
    - shell: \"sleep 1; : {{{{ '{percent}' | urlencode | replace('/', '%2F') }}}}\"
    - command: sleep 1
      environment:
        SHOWN: '{environment}'
    - copy: {{dest: /var/tmp/for-all, mode: '0644', content: '{file}'}}
@end
)
configure sealed (
@begin
{sealed}
@end
)
contextualize (
  system worker configure worker step 1
  system front configure front step 2
  system front configure sealed step 3
)
deploy front 1
deploy worker 1
"
    )
}

/// What is found in nodes, but for what is shown on purpose.
fn leaks(search: &Search, seen: &BTreeMap<String, Vec<Sample>>) -> (BTreeSet<String>, Vec<Leak>) {
    let all: BTreeSet<Leak> = seen
        .iter()
        .flat_map(|(node, samples)| search.in_samples(node, samples))
        .collect();
    let (shown, leaked): (Vec<_>, Vec<_>) = all.into_iter().partition(|leak| CONTROLS.contains(&&*leak.place));
    (shown.into_iter().map(|leak| leak.place).collect(), leaked)
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_not_to_be_seen_in_nodes() {
    if required("IM_TEST_DOCKER").is_none() || required("IM_TEST_NODE_IMAGE").is_none() {
        return;
    }
    let mut search = Search::default();
    let bob = credentials(&mut search);
    let text = document(&mut search);
    let home = Home::new("");
    home.configure("ALLOWED_LOCAL_HOSTS = *");
    let im = home.start();
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let created = im
        .ask_as(&bob, "POST", "/infrastructures?async=1")
        .body(text)
        .send()
        .await
        .unwrap();
    assert_eq!(created.status(), 200, "{}", created.text().await.unwrap());
    let id = created.headers()["infid"].to_str().unwrap().to_owned();
    let infra = format!("/infrastructures/{id}");
    let watches = Watches::of(&id, since);
    until_configured(&im, &bob, &infra, 2).await;
    let (status, said) = told(
        im.ask_as(&bob, "POST", &infra)
            .body("system worker\ndeploy worker 1".to_owned()),
    )
    .await;
    assert_eq!(status, 200, "{said}");
    until_configured(&im, &bob, &infra, 3).await;
    let seen = tokio::task::spawn_blocking(|| watches.end()).await.unwrap();

    // What the service has drawn is known only now.
    for vm in 0..3 {
        let (_, radl) = told(im.ask_as(&bob, "GET", &format!("{infra}/vms/{vm}"))).await;
        let (_, rest) = radl.split_once("disk.0.os.credentials.password = '").unwrap();
        search.watch(&format!("password of VM {vm}"), rest.split_once('\'').unwrap().0);
    }
    let masters = docker(&["ps", "--quiet", "--filter", &format!("label=im.infra={id}")])
        .arg("--filter=label=im.vm=0")
        .output()
        .unwrap();
    let master = String::from_utf8(masters.stdout).unwrap();
    let key = docker(&["exec", master.trim(), "cat", &format!("/var/tmp/.im/{id}/ansible_key")])
        .output()
        .unwrap();
    search.watch("key of the infrastructure", &String::from_utf8(key.stdout).unwrap());

    let mut others = search.in_process(im.pid());
    others.extend(search.in_bytes("the service's log", home.log().as_bytes()));
    let (status, said) = told(im.ask_as(&bob, "DELETE", &infra)).await;
    assert_eq!(status, 200, "{said}");

    assert_eq!(seen.len(), 3, "every node was watched: {:?}", seen.keys());
    for (node, samples) in &seen {
        let begins = |what: &str| samples.iter().filter(|s| s.name.starts_with(what)).count();
        let counts = (begins("cmdline"), begins("environ"), begins("file"));
        assert!(counts.0 > 20 && counts.1 > 5 && counts.2 > 5, "{node}: {counts:?}");
        let ansible = |s: &Sample| String::from_utf8_lossy(&s.content).contains("/.ansible/tmp/");
        assert!(samples.iter().any(ansible), "{node}: Ansible was seen at work");
    }
    let (shown, leaked) = leaks(&search, &seen);
    let expected: BTreeSet<String> = CONTROLS.map(str::to_owned).into();
    assert_eq!(shown, expected, "what is shown is seen");
    assert!(leaked.is_empty(), "{} leaks: {leaked:#?}", leaked.len());
    assert!(others.is_empty(), "{others:#?}");
}
