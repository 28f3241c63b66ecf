//! What must hold of any text. The fuzz targets look for one of which it does not; the tests try what they kept.

use im_radl::{
    Colours, Limits, check, format_text, parse_json, parse_outports, parse_text, print, print_outports, to_json,
};

/// Any text is read without a panic; what is read without an error is printed so that it is read back the same, in
/// both forms, and its layout keeps its meaning.
pub(crate) fn text(text: &str) {
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
    let laid = format_text(text, &Limits::default()).unwrap_or_else(|errors| panic!("{errors:?}"));
    assert_eq!(parse_text(&laid).document, parsed.document);
    assert_eq!(format_text(&laid, &Limits::default()).as_deref(), Ok(laid.as_str()));
}

/// Any JSON is read without a panic; what is read without a finding is written so that it is read back the same, in
/// both forms.
pub(crate) fn json(text: &str) {
    let parsed = parse_json(text);
    for finding in parsed.diagnostics.iter().chain(&check(&parsed.document)) {
        let _ = finding.render("fuzz", text, Colours::Off);
    }
    // What the plain form cannot write has a warning.
    if !parsed.is_ok() || !parsed.diagnostics.is_empty() {
        return;
    }
    let json = to_json(&parsed.document).to_string();
    let again = parse_json(&json);
    assert!(again.is_ok(), "{json}");
    assert_eq!(to_json(&again.document).to_string(), json);
    let printed = print(&parsed.document);
    let again = parse_text(&printed);
    assert!(again.is_ok(), "{printed}");
}

/// Any `outports` is read without a panic; what is read is written so that it is read back the same.
pub(crate) fn outports(text: &str) {
    if let Ok(ports) = parse_outports(text) {
        assert_eq!(parse_outports(&print_outports(&ports)).as_ref(), Ok(&ports));
    }
    // And whatever is said of it is shown.
    if !text.contains(['\'', '\\']) {
        let document = format!("network n (outports = '{text}')");
        let parsed = parse_text(&document);
        for finding in check(&parsed.document) {
            let _ = finding.render("fuzz", &document, Colours::Off);
        }
    }
}
