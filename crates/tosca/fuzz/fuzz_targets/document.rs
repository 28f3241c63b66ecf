//! Documents are accepted or refused for a reason, and every finding can be shown.
#![no_main]

#[allow(dead_code)] // Each target uses one of them.
#[path = "../properties.rs"]
mod properties;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    properties::document(text);
});
