//! What is read and written is read as the same value again.
#![no_main]

#[allow(dead_code)] // Each target uses one of them.
#[path = "../properties.rs"]
mod properties;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    properties::yaml(text);
});
