//! TOSCA: parsing, validation and conversion to RADL. Pure: no IO, no clock, no randomness.
//!
//! [`yaml`] reads and writes values with their places. [`Files`] holds what a document refers to. A [`Template`] is a
//! document after validation. [`convert`] makes RADL of it, [`outputs`] tells what it promised, [`merge`] changes it.
//! [`load_with`] and [`convert_with`] do it in as many rounds as it takes, with somebody who fetches.

mod codes;
mod convert;
mod drive;
mod explain;
mod files;
pub mod functions;
pub mod library;
mod limits;
mod load;
mod mirror;
mod outputs;
mod source;
pub mod template;
pub mod types;
pub mod units;
mod update;
mod validate;
pub mod yaml;

pub use codes::{ALL as CODES, TEMPLATE_FILE_CODE};
pub use convert::{ConvertContext, Converted, ExistingVm, convert, draw_container_ids, image_site};
pub use drive::{Fetch, convert_with, load_with};
pub use explain::{explain, pages};
pub use files::{Embedded, Fetched, File, Files, Wanted, Why};
pub use limits::Limits;
pub use load::{LoadOptions, Loaded, load, read};
pub use mirror::{Mirror, MirrorError, MirrorRefusal, Mirrors, Redirected};
pub use outputs::{FunctionAccess, Live, LiveVm, OutputContext, OutputValue, ansible_output, outputs};
pub use source::{FileId, Place, Source, Sources};
pub use template::{NodeTemplate, Template};
pub use update::{merge, without_removals};
pub use yaml::{Entry, Mapping, Node, Value};
