//! The language, rule by rule: one module for each section of its description, tables of documents and what becomes of
//! them.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic)]

mod checks;
mod edges;
mod features;
mod grammar;
mod json;
mod lexing;
mod outports;
mod printing;
mod units;
mod using;

use im_radl::{Diagnostic, Document, check, parse, print};

/// Everything found in a document, in either form; only what reading it finds where it cannot be read.
pub(crate) fn findings(text: &str) -> Vec<Diagnostic> {
    let parsed = parse(text);
    if !parsed.is_ok() {
        return parsed.diagnostics;
    }
    parsed.diagnostics.into_iter().chain(check(&parsed.document)).collect()
}

/// The codes of what was found, each once, in order; without warnings of features nobody reads and of what is not
/// used, which small examples are full of.
pub(crate) fn codes(text: &str) -> String {
    let mut codes: Vec<String> = findings(text).into_iter().map(|d| d.code.into_owned()).collect();
    codes.retain(|code| !["R0903", "R0904", "R0905"].contains(&code.as_str()));
    codes.sort();
    codes.dedup();
    codes.join(" ")
}

/// Rows of a rule, a document and the codes that are found in it.
pub(crate) fn table(rows: &[(&str, &str, &str)]) {
    let wrong: Vec<String> = rows
        .iter()
        .filter_map(|(rule, text, expected)| {
            let seen = codes(text);
            (seen != *expected).then(|| format!("{rule}\n  {text}\n  expected `{expected}`, found `{seen}`"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Rows of a rule, features of a system, and the codes.
pub(crate) fn system_table(rows: &[(&str, &str, &str)]) {
    let rows: Vec<_> = rows
        .iter()
        .map(|(rule, features, codes)| (*rule, format!("system a ({features})"), *codes))
        .collect();
    let rows: Vec<_> = rows
        .iter()
        .map(|(rule, text, codes)| (*rule, text.as_str(), *codes))
        .collect();
    table(&rows);
}

/// The document, which must be acceptable.
pub(crate) fn read(text: &str) -> Document {
    let error = im_radl::first_error(&findings(text));
    assert_eq!(error, None, "{text}");
    parse(text).document
}

/// The features of system `a`, as printed.
pub(crate) fn of_system(features: &str) -> String {
    let document = read(&format!("system a ({features})"));
    document.systems[0].features.to_string()
}

/// Rows of a rule, features of a system and how they are printed.
pub(crate) fn printed(rows: &[(&str, &str, &str)]) {
    for (rule, features, expected) in rows {
        assert_eq!(of_system(features), *expected, "{rule}");
    }
}

/// That a document comes back from both forms as it is.
pub(crate) fn round_trips(text: &str) {
    let document = read(text);
    let once = print(&document);
    assert_eq!(parse(&once).document, document, "{once}");
    assert_eq!(print(&parse(&once).document), once);
    let json = im_radl::to_json(&document).to_string();
    assert_eq!(im_radl::to_json(&parse(&json).document).to_string(), json);
}
