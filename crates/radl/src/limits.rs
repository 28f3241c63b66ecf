//! Bounds on what is read, so that no document costs more than it may.

/// How large things may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a document.
    pub bytes: usize,
    /// How deep softs and groups may nest.
    pub nesting: usize,
    /// Strings of one list.
    pub list: usize,
    /// VMs of one document.
    pub vms: usize,
    /// Errors that are shown, and as many warnings.
    pub diagnostics: usize,
}

impl Default for Limits {
    /// 16 MiB, nesting 32, lists of 10,000, 100,000 VMs, 50 findings.
    fn default() -> Self {
        Self {
            bytes: 16 << 20,
            nesting: 32,
            list: 10_000,
            vms: 100_000,
            diagnostics: 50,
        }
    }
}

/// The longest value that may be left to chance.
pub(crate) const LONGEST_RANDOM: usize = 4096;
