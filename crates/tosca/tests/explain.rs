//! Every code is explained, by examples that are tested.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used)]

mod support;

use im_radl::Diagnostic;
use im_tosca::{
    CODES, ConvertContext, Embedded, Files, Limits, convert, explain,
    functions::{AttributeQuery, Attributes, Eval, Inputs},
    pages,
};
use std::collections::BTreeMap;

struct NoAttributes;

impl Attributes for NoAttributes {
    fn attribute(&self, _: &AttributeQuery<'_>) -> Result<Option<im_tosca::Node>, Box<Diagnostic>> {
        Ok(None)
    }
}

/// What is found when it is read, and when its values are evaluated.
fn found(text: &str) -> Vec<Diagnostic> {
    let loaded = support::load_text(text);
    let mut all = loaded.diagnostics;
    if let Some(template) = &loaded.template {
        let inputs = Inputs::new();
        for node in template.nodes.values() {
            let eval = Eval::new(template, &inputs, &NoAttributes).of_node(node);
            all.extend(
                node.properties
                    .values()
                    .filter_map(|value| eval.value(value).err().map(|error| *error)),
            );
        }
        let mut files = Files::new(Embedded::Prefer);
        let ids = BTreeMap::from([("app".to_owned(), "12345678".to_owned())]);
        let context = ConvertContext {
            inputs: &inputs,
            container_ids: &ids,
            existing: None,
            limits: Limits::default(),
        };
        let mut converted = convert(template, &files, &context);
        for wanted in std::mem::take(&mut converted.wanted) {
            files.insert_text(wanted.url, "- tasks: []\n");
            converted = convert(template, &files, &context);
        }
        all.extend(converted.diagnostics);
    }
    all
}

#[test]
fn every_code_has_a_page() {
    for code in CODES {
        let page = explain(code).unwrap_or_else(|| panic!("{code} has no page"));
        assert!(page.to_string().starts_with(code));
    }
    for page in pages() {
        assert!(CODES.contains(&page.code), "{}", page.code);
    }
    assert_eq!(pages().count(), CODES.len());
    assert!(explain("t0001").is_some());
    assert!(explain("T9999").is_none());
}

#[test]
fn examples() {
    for page in pages() {
        // Only a running infrastructure has it.
        if page.code == "T0408" {
            continue;
        }
        let wrong = found(page.wrong);
        assert!(wrong.iter().any(|d| d.code == page.code), "{}: {wrong:?}", page.code);
        let right = found(page.right);
        assert!(!right.iter().any(|d| d.code == page.code), "{}: {right:?}", page.code);
        let bad: Vec<_> = right.iter().filter(|d| d.is_error()).collect();
        assert!(bad.is_empty(), "{}: {bad:?}", page.code);
    }
}
