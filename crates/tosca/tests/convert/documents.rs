//! Documents as people write them, many features together: each becomes RADL that passes the checks; what it becomes is
//! kept as snapshots that were read.

use crate::support::{Case, told};
use im_tosca::{Embedded, Files};
use std::{collections::BTreeSet, fmt::Write as _, fs, path::Path};

/// Recipes that do nothing; scripts that say little.
fn stand_in(url: &str) -> String {
    let name = url.rsplit('/').next().unwrap_or_default();
    match name.rsplit('.').next() {
        Some("yml" | "yaml") => "---\n- hosts: localhost\n  connection: local\n  tasks:\n  - debug:\n",
        _ => "#!/bin/sh\necho done\n",
    }
    .to_owned()
}

fn becomes(text: &str) -> String {
    let mut said = String::new();
    let mut case = match Case::load(text, Files::new(Embedded::Prefer), &|url| Ok(stand_in(url))) {
        Ok(case) => case,
        Err(error) => return format!("refused: {error}\n"),
    };
    for found in &case.warnings {
        let _ = writeln!(said, "warning: {}", told(found));
    }
    let converted = case.convert(None, &|url| Ok(stand_in(url)));
    for found in &converted.diagnostics {
        let _ = writeln!(said, "{}: {}", found.severity, told(found));
    }
    if let Some(document) = converted.document {
        if let Some(error) = im_radl::first_error(&im_radl::check(&document)) {
            let _ = writeln!(said, "error: check: {error}");
        }
        let printed = im_radl::print(&document);
        let again = im_radl::parse(&printed);
        assert!(again.is_ok(), "{:?}", again.diagnostics);
        assert!(im_radl::Plan::of(&document).is_ok());
        said.push_str(&printed);
        said.push('\n');
    }
    said
}

#[test]
fn each_becomes_what_it_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/convert/documents");
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        names.insert(entry.unwrap().path());
    }
    assert!(names.len() >= 29, "{}", names.len());
    let mut refused = Vec::new();
    for path in names {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let said = becomes(&fs::read_to_string(&path).unwrap());
        let error = said
            .lines()
            .find(|line| line.starts_with("error") || line.starts_with("refused"));
        refused.extend(error.map(|line| format!("{name}: {line}")));
        insta::assert_snapshot!(name, said);
    }
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}
