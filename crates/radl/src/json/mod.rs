//! The JSON form, both ways.

mod read;
mod write;

pub use read::{parse_json, parse_json_with};
pub use write::{to_ansible_json, to_json, vm_to_json};
