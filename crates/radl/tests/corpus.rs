//! The corpora of the fuzz targets, and mutations of them, against the same properties, without a sanitizer.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../fuzz/properties.rs"]
mod properties;

use std::{fs, path::Path};

fn corpus(target: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let texts: Vec<_> = files
        .filter_map(|path| String::from_utf8(fs::read(path).unwrap()).ok())
        .collect();
    assert!(!texts.is_empty());
    texts
}

/// The texts, and each cut short, without a piece, and joined to the next: chosen by their content, so that a failure
/// comes again.
fn run(target: &str, property: fn(&str)) {
    let texts = corpus(target);
    for (n, text) in texts.iter().enumerate() {
        property(text);
        let seed = text
            .bytes()
            .fold(n, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
        let cut = |at: usize| {
            (0..=at % (text.len() + 1))
                .rev()
                .find(|at| text.is_char_boundary(*at))
                .unwrap_or_default()
        };
        let (a, b) = (cut(seed), cut(seed / 7));
        let (first, last) = (a.min(b), a.max(b));
        property(&text[..last]);
        property(&format!("{}{}", &text[..first], &text[last..]));
        let next = &texts[(n + 1) % texts.len()];
        property(&format!("{}{next}", &text[..first]));
    }
}

#[test]
fn texts() {
    run("text", properties::text);
}

#[test]
fn json() {
    run("json", properties::json);
}

#[test]
fn outports() {
    run("outports", properties::outports);
}
