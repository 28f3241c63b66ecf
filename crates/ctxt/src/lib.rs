//! Contextualization: SSH, Ansible on the master, the detached runner, its events.
//!
//! One run goes through these calls, each of which may be repeated after a crash:
//!
//! 1. [`contextualization`] says which VMs take part; [`choose_master`] picks the one that runs Ansible.
//! 2. [`generate_key`] and [`generate_password`] draw what the caller stores *before* it is used.
//! 3. [`Master::connect`] waits for SSH; [`Master::change_credentials`] applies pending credentials.
//! 4. [`Master::prepare`] finds or installs Ansible.
//! 5. [`bundle`] makes all files, without IO; [`Master::push`] puts them on the master in one stream.
//! 6. [`Master::start`] starts the detached runner under a run number; [`Master::follow`] reads its events from any
//!    sequence number on, and connects again when the connection is lost.
//!
//! Recipes run on the master only, never on the host of the service. Nothing here stores anything, knows a cloud, or
//! opens a socket: a [`Dial`] does, which is [`im_cloud::net::Guard`]. Secrets travel in files of mode 0600 and on standard input,
//! never in arguments.

mod bundle;
mod error;
mod event;
mod keys;
mod master;
mod node;
mod plan;
mod spec;
mod ssh;

pub use bundle::{Bundle, BundleFile, bundle};
pub use error::{CtxtError, SshError};
pub use event::{CredentialInUse, EventKind, RunnerEvent, StepOutcome};
pub use keys::{KeyPair, generate_key, generate_password};
pub use master::{Ansible, Changed, Follow, Master, Started};
pub use node::{DnsName, Interface, Login, Node, NodeParts};
pub use plan::{Contextualization, DISABLED, DISABLED_VM, choose_master, contextualization};
pub use spec::{CtxtOptions, InstallMethod, RunSpec, max_time};
pub use ssh::{Access, Dial, Output, Ssh, Wire};
