//! Bounds on what is read, so that no document costs more than it may.

/// How large things may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one file.
    pub bytes: usize,
    /// How deep lists and mappings may nest.
    pub nesting: usize,
    /// Values of one file, those that aliases repeat counted each time.
    pub values: usize,
    /// Files that one document may import, directly or not.
    pub imports: usize,
    /// How long a chain of imports may be.
    pub import_depth: usize,
    /// Bytes of all imported files together.
    pub import_bytes: usize,
    /// Files that one document may refer to: imports, recipes and other artifacts.
    pub files: usize,
    /// How often files are fetched for one document, each time all that are then known to be needed.
    pub rounds: usize,
    /// Nodes of a topology.
    pub nodes: usize,
    /// Bytes of a text that functions make.
    pub text: usize,
    /// Errors that are shown, and as many warnings.
    pub diagnostics: usize,
}

impl Default for Limits {
    /// 16 MiB, nesting 64, 400,000 values, 64 imports 16 deep of 16 MiB together, 512 files in 16
    /// rounds, 10,000 nodes, texts of 1 MiB, 50 findings.
    fn default() -> Self {
        Self {
            bytes: 16 << 20,
            nesting: 64,
            values: 400_000,
            imports: 64,
            import_depth: 16,
            import_bytes: 16 << 20,
            files: 512,
            rounds: 16,
            nodes: 10_000,
            text: 1 << 20,
            diagnostics: 50,
        }
    }
}
