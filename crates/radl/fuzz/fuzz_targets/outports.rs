//! Any `outports` is read without a panic; what is read is written so that it is read back the same.
#![no_main]

use im_radl::{parse_outports, print_outports};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(ports) = parse_outports(text) {
        assert_eq!(parse_outports(&print_outports(&ports)).as_ref(), Ok(&ports));
    }
});
