//! The corpora of the fuzz targets against the same properties, without a sanitizer.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../fuzz/properties.rs"]
mod properties;

use std::{fs, path::Path};

fn run(target: &str, property: fn(&str)) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        if let Ok(text) = String::from_utf8(fs::read(entry.unwrap().path()).unwrap()) {
            property(&text);
            count += 1;
        }
    }
    assert!(count > 1, "{target}");
}

#[test]
fn values() {
    run("yaml", properties::yaml);
}

#[test]
fn documents() {
    run("document", properties::document);
}

#[test]
fn conversions() {
    run("convert", properties::converted);
}
