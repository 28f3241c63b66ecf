//! Any document is loaded and converted without a panic; what comes out is RADL that can be read.
#![no_main]

use im_tosca::{
    ConvertContext, Embedded, File, Files, Limits, LoadOptions, convert, draw_container_ids,
    functions::{Inputs, draw_inputs},
    load,
};
use libfuzzer_sys::fuzz_target;
use std::{collections::BTreeMap, sync::Arc};

fuzz_target!(|text: &str| {
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
});
