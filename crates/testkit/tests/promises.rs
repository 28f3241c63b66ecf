//! The promises in the documentation of the connector trait and the cases of the conformance suite cover each other.

use im_testkit::conformance::CASES;
use std::collections::BTreeSet;

/// Numbers of the promises, as the documentation of the trait lists them.
fn promised(source: &str) -> Vec<u32> {
    let lines = source.lines().skip_while(|line| *line != "/// # Promises");
    let lines = lines.take_while(|line| line.starts_with("///"));
    lines
        .filter_map(|line| line.strip_prefix("/// ")?.split_once(". ")?.0.parse().ok())
        .collect()
}

#[test]
fn every_promise_has_a_case_and_every_case_a_promise() {
    let source = include_str!("../../cloud/src/connector.rs");
    let promised = promised(source);
    let counted: Vec<u32> = (1..).take(promised.len()).collect();
    assert!(promised.len() >= 15 && promised == counted, "{promised:?}");
    let checked: BTreeSet<u32> = CASES.iter().flat_map(|case| case.promises).copied().collect();
    assert_eq!(checked.into_iter().collect::<Vec<_>>(), promised);
    for case in CASES {
        assert!(!case.promises.is_empty(), "{} checks no promise", case.name);
    }
    let names: BTreeSet<_> = CASES.iter().map(|case| case.name).collect();
    assert_eq!(names.len(), CASES.len());
}

#[test]
fn promises_are_read_from_the_documentation() {
    let source = "/// A cloud.\n///\n/// # Promises\n///\n/// 1. One,\n///    and more. 7. Not this.\n/// 2. Two.\nfn x() {}\n/// 3. No.";
    assert_eq!(promised(source), [1, 2]);
}
