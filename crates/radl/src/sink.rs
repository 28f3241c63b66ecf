//! Where findings are collected, up to a number: a document can hold millions of mistakes.

use crate::{Diagnostic, codes};

/// Findings, errors and warnings counted apart.
#[derive(Debug)]
pub struct Sink {
    found: Vec<Diagnostic>,
    most: usize,
    errors: usize,
    warnings: usize,
}

impl Sink {
    /// Takes `most` errors, and as many warnings; at least one.
    pub fn new(most: usize) -> Self {
        Self {
            found: Vec::new(),
            most: most.max(1),
            errors: 0,
            warnings: 0,
        }
    }

    /// Adds a finding, or only counts it.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        let count = if diagnostic.is_error() {
            &mut self.errors
        } else {
            &mut self.warnings
        };
        *count += 1;
        if *count <= self.most {
            self.found.push(diagnostic);
        }
    }

    /// How many errors were found.
    pub fn errors(&self) -> usize {
        self.errors
    }

    /// Whether more errors than are shown were found: looking for others is of no use.
    pub fn is_full(&self) -> bool {
        self.errors > self.most
    }

    /// Everything found, in the order of the text.
    pub fn finish(mut self) -> Vec<Diagnostic> {
        self.found.sort_by_key(|d| d.span.map_or(u32::MAX, |span| span.start));
        self.unsorted_rest();
        self.found
    }

    /// Everything found, in the order it was found.
    pub fn finish_unsorted(mut self) -> Vec<Diagnostic> {
        self.unsorted_rest();
        self.found
    }

    fn unsorted_rest(&mut self) {
        if self.errors > self.most {
            let message = format!("More than {} errors: the rest is not shown", self.most);
            self.found.push(Diagnostic::error(codes::TOO_MANY, message));
        }
        if self.warnings > self.most {
            let message = format!("{} more warnings are not shown", self.warnings - self.most);
            self.found.push(Diagnostic::warning(codes::TOO_MANY, message));
        }
    }
}
