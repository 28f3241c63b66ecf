//! See `properties::json`.
#![no_main]

#[allow(dead_code)] // Each target uses one of them.
#[path = "../properties.rs"]
mod properties;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| properties::json(text));
