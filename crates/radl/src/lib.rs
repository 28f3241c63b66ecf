//! RADL: one document model for its text and its JSON form, with checks, canonical printing and diagnostics.
//!
//! Everything here is pure. Nothing in this crate performs IO, reads a clock or draws a random number; values left to
//! chance are drawn by the caller's function.

mod build;
mod check;
mod codes;
mod context;
mod diagnostic;
mod document;
mod explain;
mod feature;
mod format;
mod grouping;
mod hints;
mod json;
mod json_syntax;
mod lex;
mod limits;
mod merge;
mod number;
mod outports;
mod parse;
mod plan;
mod print;
mod rules;
mod sink;
mod span;
mod system;
mod warn;
mod yaml;

pub use check::{check, check_with};
pub use codes::ALL as CODES;
pub use context::{ContextPlan, PlannedItem};
pub use diagnostic::{Colours, Diagnostic, Note, Severity, first_error};
pub use document::{
    AnsibleHost, Configure, ContextItem, Contextualize, Deploy, Description, Document, Network, Recipe, System,
};
pub use explain::{PAGES, Page, explain};
pub use feature::{Conflict, Entry, Feature, Features, MergeError, Missing, Soft};
pub use format::format_text;
pub use grouping::DeployGroup;
pub use hints::nearest;
pub use json::{parse_json, parse_json_with, to_ansible_json, to_json, vm_to_json};
pub use lex::is_ident;
pub use limits::Limits;
pub use number::{End, Interval, Number, Op, unit_factor};
pub use outports::{ANYWHERE, OutPort, OutPortsError, PortRange, Protocol, parse_outports, print_outports};
pub use parse::{Parsed, parse, parse_text, parse_text_with, parse_with};
pub use plan::{
    CloudShare, Difference, FeatureChange, MachineChange, Machines, PartChange, Plan, PlannedDisk, PlannedInterface,
    PlannedNetwork, RunningVm, Step, StepItem, What, difference,
};
pub use print::{print, print_vm, writable};
pub use sink::Sink;
pub use span::{Origin, Span};
pub use system::{Application, Applications, DataDisk, Interface, Login, NameDefaults, RequestedName};
