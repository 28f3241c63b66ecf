//! Any document is loaded and converted without a panic; what comes out is RADL that can be read.
#![no_main]

#[allow(dead_code)] // Each target uses one of them.
#[path = "../properties.rs"]
mod properties;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    properties::converted(text);
});
