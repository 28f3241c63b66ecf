//! Documents are accepted or refused for a reason, and every finding can be shown.
#![no_main]

use im_tosca::{Embedded, Files, LoadOptions, load};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut files = Files::new(Embedded::Prefer);
    let options = LoadOptions::default();
    for wanted in load(text, "document.yaml", &files, &options).wanted {
        files.insert(wanted.url, Err("not here".into()));
    }
    let loaded = load(text, "document.yaml", &files, &options);
    if !loaded.is_waiting() {
        let refused = loaded.diagnostics.iter().any(im_radl::Diagnostic::is_error);
        assert_eq!(loaded.is_ok(), !refused);
    }
    for found in &loaded.diagnostics {
        loaded.sources.render(found, im_radl::Colours::Off);
    }
});
