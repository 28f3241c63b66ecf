//! What a run is asked to do.

use crate::{KeyPair, Node};
use im_model::{InfraId, Secret, VmId};
use im_radl::Document;
use std::{sync::Arc, time::Duration};

/// A way to get Ansible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InstallMethod {
    /// Take what the image has.
    Image,
    /// A virtual environment of our own, filled by pip.
    Pip,
    /// The packages of the distribution.
    Packages,
}

/// Settings of the service that reach the master.
#[derive(Clone, Debug)]
pub struct CtxtOptions {
    /// `REMOTE_CONF_DIR`: the files of an infrastructure go below it, in a folder of its id.
    pub conf_dir: String,
    /// Version of the community package `ansible` (`ANSIBLE_VERSION`); an option of the document wins over it.
    pub ansible_version: Option<String>,
    /// Ways to get Ansible, in the order they are tried.
    pub install: Vec<InstallMethod>,
    /// `ANSIBLE_INSTALL_TIMEOUT`.
    pub install_timeout: Duration,
    /// `PLAYBOOK_RETRIES`: attempts of each step.
    pub retries: u32,
    /// `MAX_CONTEXTUALIZATION_TIME`, used where the document says nothing.
    pub max_time: Duration,
    /// `WAIT_SSH_ACCCESS_TIMEOUT` (sic): how long the master is waited for.
    pub wait_master: Duration,
    /// How long the runner waits for each of the other VMs.
    pub wait_nodes: Duration,
    /// `DEFAULT_VM_NAME`.
    pub default_name: String,
    /// `DEFAULT_DOMAIN`.
    pub default_domain: String,
}

impl Default for CtxtOptions {
    fn default() -> Self {
        Self {
            conf_dir: "/var/tmp/.im".to_owned(),
            ansible_version: None,
            install: vec![InstallMethod::Image, InstallMethod::Pip, InstallMethod::Packages],
            install_timeout: Duration::from_secs(500),
            retries: 1,
            max_time: Duration::from_hours(2),
            wait_master: Duration::from_mins(5),
            wait_nodes: Duration::from_mins(10),
            default_name: "vnode-#N#".to_owned(),
            default_domain: "localdomain".to_owned(),
        }
    }
}

/// A run of contextualization.
#[derive(Clone, Debug)]
pub struct RunSpec {
    /// The infrastructure.
    pub infra: InfraId,
    /// Number of the run: greater than that of every run before.
    pub number: u64,
    /// The infrastructure's document.
    pub document: Arc<Document>,
    /// All VMs that are not destroyed, in the order of their ids; those that are not up, too.
    pub nodes: Vec<Node>,
    /// The one that runs Ansible.
    pub master: VmId,
    /// The infrastructure's key pair.
    pub key: KeyPair,
    /// The VMs to which the user's steps are restricted (`vm_list`).
    pub only: Option<Vec<VmId>>,
    /// `IM_INFRASTRUCTURE_AUTH`: the token, or `user:password`, of the owner. Reaches the VMs only where a recipe
    /// refers to it.
    pub owner_auth: Secret,
    /// How long ago the service began with the run: what it waited for since is time of the run, too.
    pub elapsed: Duration,
    /// Settings.
    pub options: CtxtOptions,
}

impl RunSpec {
    /// The folder of the infrastructure on the master.
    pub fn dir(&self) -> String {
        dir(&self.options, &self.infra)
    }

    /// The longest the run may take, from its beginning.
    pub fn max_time(&self) -> Duration {
        max_time(&self.document, &self.options)
    }

    /// The version of the community package `ansible` that is wanted, if one is named anywhere.
    pub fn ansible_version(&self) -> Option<&str> {
        let context = self.document.contextualize.as_ref();
        context
            .and_then(|c| c.options.text("ansible_version"))
            .or(self.options.ansible_version.as_deref())
    }

    /// The node of this id.
    pub fn node(&self, id: VmId) -> Option<&Node> {
        self.nodes.iter().find(|node| node.id == id)
    }
}

/// The longest a contextualization of this document may take, from its beginning.
pub fn max_time(document: &Document, options: &CtxtOptions) -> Duration {
    let said = document.contextualize.as_ref().map_or(0.0, |c| c.max_time.as_f64());
    if said >= 1.0 {
        Duration::try_from_secs_f64(said).unwrap_or(options.max_time)
    } else {
        options.max_time
    }
}

/// The folder of an infrastructure on its master.
pub(crate) fn dir(options: &CtxtOptions, infra: &InfraId) -> String {
    format!("{}/{infra}", options.conf_dir.trim_end_matches('/'))
}
