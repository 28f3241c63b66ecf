//! Any JSON is read without a panic; what is read without an error is written so that it is read back the same, in
//! both forms.
#![no_main]

use im_radl::{check, parse_json, parse_text, print, to_json};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let parsed = parse_json(text);
    let _ = check(&parsed.document);
    // What the plain form cannot write has a warning.
    if !parsed.is_ok() || !parsed.diagnostics.is_empty() {
        return;
    }
    let json = to_json(&parsed.document).to_string();
    let again = parse_json(&json);
    assert!(again.is_ok(), "{json}");
    assert_eq!(to_json(&again.document).to_string(), json);
    let printed = print(&parsed.document);
    assert!(parse_text(&printed).diagnostics.iter().all(|d| !d.is_error()), "{printed}");
});
