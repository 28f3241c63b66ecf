//! What is read and written is read as the same value again.
#![no_main]

use im_tosca::{FileId, Limits, yaml};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let limits = Limits::default();
    let (node, found) = yaml::parse(text, FileId::DOCUMENT, &limits);
    assert_eq!(node.is_none(), found.iter().any(im_radl::Diagnostic::is_error));
    if let Some(node) = node {
        let written = yaml::dump(&node);
        let (again, _) = yaml::parse(&written, FileId::DOCUMENT, &limits);
        // A number that is none equals nothing, itself included.
        if !written.contains(".nan") {
            assert_eq!(again, Some(node), "{written}");
        }
    }
});
