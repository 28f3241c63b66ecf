//! Real documents, where they lie beside the repository: what the original accepts is accepted and comes back the
//! same.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

use im_radl::{Document, Severity, check, parse, print, to_json};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

fn folder() -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors()
        .map(|above| above.join("..").join("shared").join("documents"))
        .find(|path| path.join("OUTCOMES.tsv").is_file())
}

fn round_trips(name: &str, document: &Document) {
    let text = print(document);
    let again = parse(&text);
    assert!(again.is_ok(), "{name}: {:?}\n{text}", again.diagnostics);
    assert_eq!(&again.document, document, "{name}");
    assert_eq!(print(&again.document), text, "{name}");
    let json = to_json(document).to_string();
    let again = parse(&json);
    assert!(again.is_ok(), "{name}: {:?}", again.diagnostics);
    assert_eq!(to_json(&again.document).to_string(), json, "{name}");
}

#[test]
fn outcomes_agree() {
    let Some(folder) = folder() else {
        println!("not run: the documents are not beside the repository");
        return;
    };
    let outcomes = fs::read_to_string(folder.join("OUTCOMES.tsv")).unwrap();
    let outcomes: BTreeMap<&str, &str> = outcomes
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .map(|(path, rest)| (path, rest.split('\t').next().unwrap_or_default()))
        .filter(|(path, _)| path.starts_with("radl/"))
        .collect();
    assert!(!outcomes.is_empty());
    for (path, outcome) in outcomes {
        let text = fs::read_to_string(folder.join(path)).unwrap();
        let parsed = parse(&text);
        let findings = check(&parsed.document);
        let bad = |d: &im_radl::Diagnostic| d.severity == Severity::Error;
        let seen = match (
            parsed.diagnostics.iter().find(|d| bad(d)),
            findings.iter().find(|d| bad(d)),
        ) {
            (Some(error), _) => format!("parse-error {error}"),
            (None, Some(error)) => format!("check-error {error}"),
            (None, None) => "accept".to_owned(),
        };
        assert!(seen.starts_with(outcome), "{path}: expected {outcome}, got {seen}");
        if parsed.is_ok() {
            round_trips(path, &parsed.document);
        }
    }
}

/// What the original printed is read back, and printed the same but for the spaces of recipes.
#[test]
fn prints_of_the_original() {
    let Some(folder) = folder() else {
        println!("not run: the documents are not beside the repository");
        return;
    };
    let mut count = 0;
    let mut folders = vec![folder.join("tosca").join("upstream-radl")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let name = path.display().to_string();
            let parsed = parse(&text);
            if parsed.is_ok() {
                count += 1;
                round_trips(&name, &parsed.document);
                let found = check(&parsed.document);
                assert_eq!(im_radl::first_error(&found), None, "{name}");
            } else {
                // Some of its prints even the original cannot read.
                println!("{name}: {:?}", im_radl::first_error(&parsed.diagnostics));
            }
        }
    }
    println!("{count} read");
    assert!(count > 0);
}

/// The examples of the repository have nothing to remark on.
#[test]
fn examples_are_clean() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join("..")
        .join("examples");
    let mut count = 0;
    for entry in fs::read_dir(examples).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "radl") {
            let text = fs::read_to_string(&path).unwrap();
            let parsed = parse(&text);
            let found: Vec<_> = parsed
                .diagnostics
                .iter()
                .cloned()
                .chain(check(&parsed.document))
                .collect();
            assert!(found.is_empty(), "{}: {found:?}", path.display());
            round_trips(&path.display().to_string(), &parsed.document);
            count += 1;
        }
    }
    assert!(count > 0);
}
