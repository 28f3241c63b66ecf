//! What holds for every text: the fuzz targets look for one for which it does not; the tests try what they kept.

use im_tosca::{
    ConvertContext, Embedded, File, FileId, Files, Limits, LoadOptions, convert, draw_container_ids,
    functions::{Inputs, draw_inputs},
    load, yaml,
};
use std::{collections::BTreeMap, sync::Arc};

/// What is read and written is read as the same value again.
pub(crate) fn yaml(text: &str) {
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
}

/// Documents are accepted or refused for a reason, and every finding can be shown.
pub(crate) fn document(text: &str) {
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
}

/// Any document is loaded and converted; what comes out is RADL that can be read.
pub(crate) fn converted(text: &str) {
    let mut files = Files::new(Embedded::Prefer);
    // Each pass may ask for more.
    for _ in 0..8 {
        let loaded = load(text, "document", &files, &LoadOptions::default());
        let mut wanted = loaded.wanted;
        if let Some(template) = &loaded.template {
            let inputs = draw_inputs(template, &Inputs::new(), &mut |n| "x".repeat(n), None);
            let container_ids = draw_container_ids(template, &BTreeMap::new(), &mut |n| "x".repeat(n));
            let context = ConvertContext {
                inputs: &inputs,
                container_ids: &container_ids,
                existing: None,
                limits: Limits::default(),
            };
            let converted = convert(template, &files, &context);
            if let Some(document) = converted.document {
                let printed = im_radl::print(&document);
                assert!(im_radl::parse_text(&printed).is_ok(), "{printed}");
                return;
            }
            wanted.extend(converted.wanted);
        }
        if wanted.is_empty() {
            return;
        }
        for one in wanted {
            let file = if one.url.len().is_multiple_of(3) {
                Err(Arc::from("404"))
            } else {
                Ok(File::new(text))
            };
            files.insert(one.url, file);
        }
    }
}
