//! Every code has a page, and its examples are what they say.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic)]

use im_radl::{CODES, Diagnostic, Document, PAGES, check, explain, parse};

fn found(text: &str) -> Vec<Diagnostic> {
    let parsed = parse(text);
    let mut all = parsed.diagnostics;
    all.extend(check(&parsed.document));
    all.extend(
        parsed
            .document
            .groups(&std::collections::BTreeMap::new())
            .err()
            .map(|error| *error),
    );
    all.extend(
        parsed
            .document
            .completed(&Document::default())
            .err()
            .unwrap_or_default(),
    );
    all
}

#[test]
fn every_code_has_a_page() {
    let pages: Vec<_> = PAGES.iter().map(|page| page.code).collect();
    assert_eq!(pages, CODES);
    assert!(explain("r0001").unwrap().to_string().starts_with("R0001: "));
    assert!(explain("R9999").is_none());
}

#[test]
fn examples() {
    for page in PAGES {
        let wrong = found(page.wrong);
        assert!(wrong.iter().any(|d| d.code == page.code), "{}: {wrong:?}", page.code);
        let right = found(page.right);
        assert!(!right.iter().any(|d| d.code == page.code), "{}: {right:?}", page.code);
        // A reference stands for something that the example does not have.
        let bad: Vec<_> = right.iter().filter(|d| d.is_error() && d.code != "R0113").collect();
        assert!(bad.is_empty(), "{}: {bad:?}", page.code);
    }
}
