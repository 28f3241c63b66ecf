//! All files of a run. Pure: same run, same files.

mod hosts;
mod inventory;
mod plan;
mod playbooks;
mod radl_json;

use crate::{Contextualization, CtxtError, Node, RunSpec, contextualization, keys::tidy};
use std::net::IpAddr;
use zeroize::Zeroizing;

/// The runner: its programs, put into the folder of the run.
const RUNNER: &[(&str, u32, &str)] = &[
    ("runner.py", 0o700, include_str!("../runner/runner.py")),
    ("steps.py", 0o600, include_str!("../runner/steps.py")),
    ("nodes.py", 0o600, include_str!("../runner/nodes.py")),
    ("playbooks.py", 0o600, include_str!("../runner/playbooks.py")),
    ("warm.py", 0o600, include_str!("../runner/warm.py")),
    ("root.sh", 0o600, include_str!("../runner/root.sh")),
    ("basic.sh", 0o600, include_str!("../runner/basic.sh")),
    ("askpass.sh", 0o700, include_str!("../runner/askpass.sh")),
    ("plugins/im_events.py", 0o600, include_str!("../runner/im_events.py")),
];

/// Files that recipes may include.
const HELPERS: &[(&str, &str)] = &[
    ("utils/tasks/main.yml", include_str!("../helpers/main.yml")),
    ("utils/tasks/hosts.yml", include_str!("../helpers/hosts.yml")),
    ("utils/tasks/token.yml", include_str!("../helpers/token.yml")),
    (
        "utils/tasks/disk_format_mount.yml",
        include_str!("../helpers/disk_format_mount.yml"),
    ),
    (
        "utils/tasks/oscar_function.yml",
        include_str!("../helpers/oscar_function.yml"),
    ),
    (
        "utils/tasks/del_oscar_function.yml",
        include_str!("../helpers/del_oscar_function.yml"),
    ),
    (
        "utils/templates/ssh_known_hosts.conf",
        include_str!("../helpers/ssh_known_hosts.conf"),
    ),
    ("utils/templates/hosts.conf", include_str!("../helpers/hosts.conf")),
    (
        "utils/templates/vpn-hosts.conf",
        include_str!("../helpers/vpn-hosts.conf"),
    ),
    (
        "utils/templates/etc-vpn-hosts.conf",
        include_str!("../helpers/etc-vpn-hosts.conf"),
    ),
    ("utils/templates/epel.repo", include_str!("../helpers/epel.repo")),
    ("utils/templates/epel-es.repo", include_str!("../helpers/epel-es.repo")),
];

/// A file to put on the master.
#[derive(Clone, PartialEq, Eq)]
pub struct BundleFile {
    /// Its path below the folder of the run. What is below `files/` goes to the infrastructure's folder when the run
    /// starts.
    pub path: String,
    /// Its permissions.
    pub mode: u32,
    /// What is in it. It may hold secrets.
    pub content: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for BundleFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({:o}, {} bytes)", self.path, self.mode, self.content.len())
    }
}

/// The files of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// The infrastructure's folder on the master, absolute.
    pub dir: String,
    /// Number of the run.
    pub number: u64,
    /// The files.
    pub files: Vec<BundleFile>,
    /// Messages for the header log: VMs left out, roles and collections found.
    pub notes: Vec<String>,
}

/// What the makers of the single files share.
struct Parts<'a> {
    spec: &'a RunSpec,
    /// The VMs that the run configures: up, with an address, not disabled.
    active: Vec<&'a Node>,
    /// The VMs in the hosts file: those that are stopped, too.
    known: Vec<&'a Node>,
    master: &'a Node,
}

impl Parts<'_> {
    /// Whether any recipe mentions a word.
    fn mentions(&self, word: &str) -> bool {
        self.spec
            .document
            .configures
            .iter()
            .filter_map(|configure| configure.text())
            .any(|text| text.contains(word))
    }
}

/// Makes all files of a run: inventory, hosts file, recipes, helper files, settings of Ansible, the runner and its
/// plan.
pub fn bundle(spec: &RunSpec) -> Result<Bundle, CtxtError> {
    let master = spec.node(spec.master).ok_or(CtxtError::NoMaster(spec.master))?;
    let taking_part = match contextualization(&spec.document, &spec.nodes) {
        Contextualization::Disabled => Vec::new(),
        Contextualization::Enabled { vms, .. } => vms,
    };
    let mut notes = Vec::new();
    let takes_part = |node: &&Node| taking_part.contains(&node.id);
    let known: Vec<&Node> = spec
        .nodes
        .iter()
        .filter(takes_part)
        .filter(|n| n.ip().is_some())
        .collect();
    let active: Vec<&Node> = known.iter().copied().filter(|node| node.up).collect();
    for node in spec.nodes.iter().filter(takes_part) {
        if !node.up {
            notes.push(format!("WARNING: VM {} is not running: it is left out.", node.id));
        } else if node.ip().is_none() {
            notes.push(format!("WARNING: VM {} has no address: it is left out.", node.id));
        }
    }
    if !active.iter().any(|node| node.id == master.id) {
        return Err(CtxtError::NoMaster(spec.master));
    }
    let parts = Parts {
        spec,
        active,
        known,
        master,
    };

    let mut files = Files::default();
    for (name, mode, text) in RUNNER {
        files.add(format!("runner/{name}"), *mode, text.as_bytes());
    }
    for (name, text) in HELPERS {
        files.add(format!("files/{name}"), 0o600, text.as_bytes());
    }
    for configure in &spec.document.configures {
        if let Some(text) = configure.text() {
            let name = file_name(&configure.name)?;
            files.add(format!("files/{name}.yml"), 0o600, text.as_bytes());
        }
    }
    files.add("files/ansible_key", 0o600, tidy(&spec.key.private).as_bytes());
    files.add(
        "files/ansible_key.pub",
        0o644,
        format!("{}\n", spec.key.public.trim()).as_bytes(),
    );
    files.add("files/ansible.cfg", 0o600, ansible_cfg(spec).as_bytes());
    files.add("files/etc_hosts", 0o644, hosts::etc_hosts(&parts).as_bytes());
    files.json("files/hosts", &inventory::inventory(&parts)?)?;
    files.json("main.yml", &playbooks::main(&parts)?)?;
    let galaxy = plan::galaxy(&spec.document);
    notes.extend(galaxy.notes());
    files.json("plan.json", &plan::plan(&parts, &galaxy)?)?;
    Ok(Bundle {
        dir: spec.dir(),
        number: spec.number,
        files: files.0,
        notes,
    })
}

#[derive(Default)]
struct Files(Vec<BundleFile>);

impl Files {
    fn add(&mut self, path: impl Into<String>, mode: u32, content: &[u8]) {
        self.0.push(BundleFile {
            path: path.into(),
            mode,
            content: Zeroizing::new(content.to_vec()),
        });
    }

    fn json(&mut self, path: &str, value: &serde_json::Value) -> Result<(), CtxtError> {
        let text = serde_json::to_vec_pretty(value).map(Zeroizing::new);
        let text = text.map_err(|e| CtxtError::Unusable(format!("{path} cannot be written: {e}")))?;
        self.add(path, 0o600, &text);
        Ok(())
    }
}

/// A name that becomes one of a file.
fn file_name(name: &str) -> Result<&str, CtxtError> {
    let bad = name.is_empty() || name.starts_with('.') || name.contains(['/', '\0', '\n']) || name.len() > 200;
    if bad {
        return Err(CtxtError::Unusable(format!(
            "the name {name:?} cannot be that of a file on the master: choose one without slashes and leading dots"
        )));
    }
    Ok(name)
}

/// Whether an address means another machine to each machine.
fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback() || ip.is_unspecified()
}

/// The settings of Ansible.
fn ansible_cfg(spec: &RunSpec) -> String {
    let (dir, number) = (spec.dir(), spec.number);
    let community = crate::master::collections_dir(&spec.options, spec.ansible_version());
    format!(
        "[defaults]
transport = ssh
timeout = 30
host_key_checking = False
nocolor = 1
become_user = root
become_method = sudo
fact_caching = jsonfile
fact_caching_connection = {dir}/runs/{number}/facts
fact_caching_timeout = 86400
interpreter_python = /usr/bin/python3
gathering = smart
roles_path = {dir}/roles:/var/tmp/ansible/roles:/etc/ansible/roles
collections_path = {dir}/collections:{community}:/var/tmp/ansible:~/.ansible/collections:/usr/share/ansible/collections
jinja2_extensions = jinja2.ext.do
allow_world_readable_tmpfiles = True
callback_plugins = {dir}/runs/{number}/runner/plugins
stdout_callback = im_events
retry_files_enabled = False
localhost_warning = False

[inventory]
inventory_unparsed_warning = False

[paramiko_connection]
record_host_keys = False

[ssh_connection]
pipelining = True
ssh_args = -o ControlMaster=auto -o ControlPersist=60s -o UserKnownHostsFile=/dev/null -o ServerAliveInterval=15 -o \
ServerAliveCountMax=4 -o LogLevel=ERROR

[galaxy]
server_list = galaxy, oldgalaxy

[galaxy_server.galaxy]
url = https://galaxy.ansible.com/api/

[galaxy_server.oldgalaxy]
url = https://old-galaxy.ansible.com/api/
"
    )
}

#[cfg(test)]
pub(crate) mod tests;
