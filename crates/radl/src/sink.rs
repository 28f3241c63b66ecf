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

    /// Adds findings, in their order.
    pub fn extend(&mut self, diagnostics: impl IntoIterator<Item = Diagnostic>) {
        diagnostics.into_iter().for_each(|diagnostic| self.push(diagnostic));
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
        self.without_echoes();
        self.found.sort_by_key(|d| d.span.map_or(u32::MAX, |span| span.start));
        self.unsorted_rest();
        self.found
    }

    /// Everything found, in the order it was found.
    pub fn finish_unsorted(mut self) -> Vec<Diagnostic> {
        self.unsorted_rest();
        self.found
    }

    /// Leaves out warnings of skipped characters at or in what a syntax error shows anyway.
    fn without_echoes(&mut self) {
        let shown: Vec<_> = self
            .found
            .iter()
            .filter(|d| d.code == codes::SYNTAX)
            .filter_map(|d| d.span)
            .collect();
        self.found.retain(|d| {
            let echo = d.code == codes::SKIPPED
                && d.span
                    .is_some_and(|at| shown.iter().any(|error| at.end >= error.start && at.start <= error.end));
            if echo {
                self.warnings -= 1;
            }
            !echo
        });
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
