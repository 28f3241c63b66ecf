//! What may be linked in, by the rules of `deny.toml`: bans, licences, sources.
//!
//! The same questions that `cargo deny check bans licenses sources` answers, for machines on which it is not there:
//! building it takes minutes, this takes none. It knows only the settings that our `deny.toml` has, and says so when
//! there is one that it does not know. Advisories need a database from elsewhere: those are for `cargo deny` alone.

use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// The one registry that crates may come from.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Rules {
    graph: Graph,
    bans: Bans,
    licenses: Licenses,
    sources: Sources,
    #[serde(rename = "advisories")]
    _advisories: toml::Table,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Graph {
    targets: Vec<String>,
    #[serde(rename = "all-features")]
    _all_features: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Bans {
    deny: Vec<Ban>,
    #[serde(rename = "multiple-versions")]
    _multiple_versions: String,
    #[serde(rename = "wildcards")]
    _wildcards: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ban {
    #[serde(rename = "crate")]
    name: String,
    reason: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Licenses {
    allow: Vec<String>,
    #[serde(default)]
    exceptions: Vec<LicenceException>,
    #[serde(rename = "confidence-threshold")]
    _confidence_threshold: f64,
    #[serde(rename = "unused-allowed-license")]
    _unused: String,
    #[serde(rename = "private")]
    _private: toml::Table,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LicenceException {
    #[serde(rename = "crate")]
    name: String,
    allow: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Sources {
    unknown_registry: String,
    unknown_git: String,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
    license_file: Option<String>,
    source: Option<String>,
}

/// The targets that `deny.toml` names.
pub(crate) fn targets(rules: &str) -> Result<Vec<String>, String> {
    parse(rules).map(|rules| rules.graph.targets)
}

/// A finding for each package in `metadata` (what `cargo metadata` prints) that breaks a rule.
pub(crate) fn check(rules: &str, metadata: &str) -> Result<Vec<String>, String> {
    let rules = parse(rules)?;
    let metadata: Metadata = serde_json::from_str(metadata)
        .map_err(|error| format!("cargo metadata printed what cannot be read: {error}"))?;
    let allowed: BTreeSet<&str> = rules.licenses.allow.iter().map(String::as_str).collect();
    let banned: BTreeMap<&str, &str> = rules
        .bans
        .deny
        .iter()
        .map(|ban| (ban.name.as_str(), ban.reason.as_str()))
        .collect();
    let mut findings = Vec::new();
    for package in &metadata.packages {
        let name = format!("{} {}", package.name, package.version);
        if let Some(reason) = banned.get(package.name.as_str()) {
            findings.push(format!("{name}: is banned: {reason}"));
        }
        if package.source.as_deref().is_some_and(|source| source != REGISTRY) {
            let source = package.source.as_deref().unwrap_or_default();
            findings.push(format!("{name}: comes from {source}, which is not allowed"));
        }
        let exceptions = rules.licenses.exceptions.iter().filter(|e| e.name == package.name);
        let mut allowed = allowed.clone();
        allowed.extend(exceptions.flat_map(|e| e.allow.iter().map(String::as_str)));
        let Some(licence) = &package.license else {
            let file = package.license_file.as_deref().unwrap_or("none");
            findings.push(format!("{name}: names no licence (file: {file})"));
            continue;
        };
        match accepted(licence, &allowed) {
            Some(true) => {}
            Some(false) => findings.push(format!("{name}: its licence, {licence}, is not allowed")),
            None => findings.push(format!("{name}: its licence cannot be read: {licence}")),
        }
    }
    Ok(findings)
}

fn parse(rules: &str) -> Result<Rules, String> {
    let rules: Rules = toml::from_str(rules).map_err(|error| format!("deny.toml: {error}"))?;
    if rules.sources.unknown_registry != "deny" || rules.sources.unknown_git != "deny" {
        return Err("deny.toml: `cargo xtask deny` knows sources only as denied".to_owned());
    }
    Ok(rules)
}

/// Whether an SPDX expression can be satisfied with the licences in `allowed`; `None` if it is none.
fn accepted(expression: &str, allowed: &BTreeSet<&str>) -> Option<bool> {
    // Old manifests write `MIT/Apache-2.0`.
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let mut words = spaced.split_whitespace().peekable();
    let result = either(&mut words, allowed)?;
    words.next().is_none().then_some(result)
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn either(words: &mut Words<'_>, allowed: &BTreeSet<&str>) -> Option<bool> {
    let mut result = both(words, allowed)?;
    while words.next_if_eq(&"OR").is_some() {
        let next = both(words, allowed)?;
        result |= next;
    }
    Some(result)
}

fn both(words: &mut Words<'_>, allowed: &BTreeSet<&str>) -> Option<bool> {
    let mut result = one(words, allowed)?;
    while words.next_if_eq(&"AND").is_some() {
        let next = one(words, allowed)?;
        result &= next;
    }
    Some(result)
}

fn one(words: &mut Words<'_>, allowed: &BTreeSet<&str>) -> Option<bool> {
    match words.next()? {
        "(" => {
            let result = either(words, allowed)?;
            (words.next()? == ")").then_some(result)
        }
        ")" | "OR" | "AND" | "WITH" => None,
        licence => {
            if words.next_if_eq(&"WITH").is_none() {
                return Some(allowed.contains(licence));
            }
            let exception = words.next()?;
            Some(allowed.contains(format!("{licence} WITH {exception}").as_str()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = include_str!("../../deny.toml");

    fn findings(package: &str) -> Vec<String> {
        check(RULES, &format!(r#"{{"packages": [{package}]}}"#)).unwrap()
    }

    fn package(name: &str, licence: &str, source: &str) -> String {
        format!(
            r#"{{"name": "{name}", "version": "1.0.0", "license": "{licence}", "license_file": null, "source": {source}}}"#
        )
    }

    #[test]
    fn expressions() {
        let allowed = BTreeSet::from(["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "Zlib"]);
        for (text, result) in [
            ("MIT", Some(true)),
            ("MIT OR GPL-3.0-only", Some(true)),
            ("MIT AND GPL-3.0-only", Some(false)),
            ("GPL-3.0-only/Zlib", Some(true)),
            ("(MIT OR GPL-2.0-only) AND Zlib", Some(true)),
            ("GPL-2.0-only OR (MIT AND LGPL-3.0-only)", Some(false)),
            ("Apache-2.0 WITH LLVM-exception OR GPL-2.0-only", Some(true)),
            ("MIT WITH Odd-exception", Some(false)),
            ("", None),
            ("MIT OR", None),
            ("(MIT", None),
            ("MIT MIT", None),
        ] {
            assert_eq!(accepted(text, &allowed), result, "{text}");
        }
    }

    #[test]
    fn each_rule_finds_what_breaks_it() {
        let registry = format!("\"{REGISTRY}\"");
        assert!(findings(&package("serde", "MIT OR Apache-2.0", &registry)).is_empty());
        assert!(findings(&package("im", "Apache-2.0", "null")).is_empty());
        for (package, words) in [
            (package("openssl-sys", "MIT", &registry), "is banned"),
            (package("x", "GPL-3.0-only", &registry), "is not allowed"),
            (package("x", "MIT", "\"git+https://example.org/x\""), "comes from git"),
            (
                package("x", "MIT", "\"registry+https://example.org/index\""),
                "comes from registry",
            ),
            (package("x", "see file", &registry), "cannot be read"),
        ] {
            let found = findings(&package);
            assert!(found.len() == 1 && found[0].contains(words), "{found:?}");
        }
    }

    #[test]
    fn rules_that_are_not_known_are_no_rules_that_are_kept() {
        assert!(check(&format!("{RULES}\n[novel]\n"), r#"{"packages": []}"#).is_err());
        assert!(!targets(RULES).unwrap().is_empty());
    }
}
