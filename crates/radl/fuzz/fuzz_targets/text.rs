//! Any text is read without a panic; what is read without an error is printed so that it is read back the same, in
//! both forms, and its layout keeps its meaning.
#![no_main]

use im_radl::{Colours, Limits, check, format_text, parse_json, parse_text, print, to_json};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let parsed = parse_text(text);
    for finding in parsed.diagnostics.iter().chain(&check(&parsed.document)) {
        let _ = finding.render("fuzz", text, Colours::On);
    }
    if !parsed.is_ok() {
        return;
    }
    let printed = print(&parsed.document);
    let again = parse_text(&printed);
    assert!(again.is_ok(), "{printed}");
    assert_eq!(again.document, parsed.document);
    assert_eq!(print(&again.document), printed);
    let json = to_json(&parsed.document).to_string();
    let again = parse_json(&json);
    if again.is_ok() {
        assert_eq!(to_json(&again.document).to_string(), json);
    }
    let laid = format_text(text, &Limits::default()).expect("it has no errors");
    assert_eq!(parse_text(&laid).document, parsed.document);
    assert_eq!(format_text(&laid, &Limits::default()).expect("it has no errors"), laid);
});
