//! RADL: one document model for its text and its JSON form, with checks, canonical printing and diagnostics.
//!
//! Everything here is pure. Nothing in this crate performs IO, reads a clock or draws a random number; values left to
//! chance are drawn by the caller's function.

mod diagnostic;
mod document;
mod feature;
mod number;
mod print;
mod reads;
mod span;

pub use diagnostic::{Colours, Diagnostic, Note, Severity, first_error};
pub use document::{
    AnsibleHost, Configure, ContextItem, Contextualize, Deploy, Description, Document, Network, Recipe, System,
};
pub use feature::{Conflict, Entry, Feature, Features, MergeError, Missing, Soft};
pub use number::{End, Interval, Number, Op, unit_factor};
pub use print::{print, print_vm, writable};
pub use reads::{ContextPlan, PlannedItem};
pub use span::{Origin, Span};
