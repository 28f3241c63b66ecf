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

impl Limits {
    /// The deepest nesting that may be allowed: reading and printing take a bit of the stack for each level.
    pub const DEEPEST: usize = 256;

    /// For what was read within bounds before and stored: none, so that a bound that was lowered since, or had been
    /// raised, does not lose it.
    pub fn stored() -> Self {
        Self {
            bytes: usize::MAX,
            nesting: Self::DEEPEST,
            list: usize::MAX,
            vms: usize::MAX,
            diagnostics: 50,
        }
    }
}

/// The longest value that may be left to chance.
pub(crate) const LONGEST_RANDOM: usize = 4096;
