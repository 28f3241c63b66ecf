//! The files of the repository: none too long, none that names the machine it
//! was written on.

use std::path::Path;

/// A file longer than this does more than one job.
const MOST_LINES: usize = 700;

/// Files whose length nobody reads: made by programs, or fixed by others.
const ANY_LENGTH: &[&str] = &["Cargo.lock", "LICENSE", "CHANGELOG.md"];

/// Folders of data: one file stands for one thing outside, however long.
const DATA: &[&str] = &["/fixtures/", "/tosca/types/"];

/// Text that is of one machine or one place and means nothing elsewhere. Written
/// in two parts, so that this file does not hold them.
const FORBIDDEN: &[(&str, &str, &str)] = &[
    ("/work", "/", "a path of one machine"),
    ("../", "shared", "a folder outside the repository"),
    ("deb.debian", ".org", "the host of a package mirror: ask apt for it"),
    (
        "security.debian",
        ".org",
        "the host of a package mirror: ask apt for it",
    ),
    ("pypi", ".org/", "the host of a package index: ask pip for it"),
    (
        "files.pythonhosted",
        ".org",
        "the host of a package index: ask pip for it",
    ),
    ("static.crates", ".io", "the host of a package index: ask cargo for it"),
    ("index.crates", ".io", "the host of a package index: ask cargo for it"),
    ("registry.npmjs", ".org", "the host of a package index: ask npm for it"),
];

/// Checks each of the files in `listed`, NUL-separated paths below `root`.
pub(crate) fn check(root: &Path, listed: &str) -> Result<Vec<String>, String> {
    let mut findings = Vec::new();
    for name in listed.split('\0').filter(|name| !name.is_empty()) {
        let path = root.join(name);
        // Deleted but not committed yet, a link, or a submodule.
        if !path.is_file() || path.is_symlink() {
            continue;
        }
        let bytes = std::fs::read(&path).map_err(|error| format!("{name} cannot be read: {error}"))?;
        // Pictures and archives have no lines.
        let Ok(text) = String::from_utf8(bytes) else {
            continue;
        };
        check_text(name, &text, &mut findings);
    }
    Ok(findings)
}

fn check_text(name: &str, text: &str, findings: &mut Vec<String>) {
    let lines = text.lines().count();
    let snapshot = Path::new(name).extension().is_some_and(|end| end == "snap");
    let long_by_nature = snapshot || ANY_LENGTH.contains(&name) || DATA.iter().any(|folder| name.contains(folder));
    if lines > MOST_LINES && !long_by_nature {
        findings.push(format!(
            "{name}: {lines} lines, {MOST_LINES} are the most: split it by job"
        ));
    }
    if name == "Cargo.lock" {
        return;
    }
    for (number, line) in text.lines().enumerate() {
        for (first, second, reason) in FORBIDDEN {
            if line.contains(&format!("{first}{second}")) && !reads_where_present(name, first) {
                findings.push(format!("{name}:{}: {first}{second}: {reason}", number + 1));
            }
        }
    }
}

/// Tests may use documents beside the repository, where they are present.
fn reads_where_present(name: &str, first: &str) -> bool {
    first == "../" && name.contains("tests")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str, text: &str) -> Vec<String> {
        let mut findings = Vec::new();
        check_text(name, text, &mut findings);
        findings
    }

    #[test]
    fn long_files_are_found() {
        assert!(found("a.rs", &"x\n".repeat(MOST_LINES)).is_empty());
        assert_eq!(found("a.rs", &"x\n".repeat(MOST_LINES + 1)).len(), 1);
        assert!(found("Cargo.lock", &"x\n".repeat(MOST_LINES + 1)).is_empty());
        assert!(found("crates/tosca/types/x.yaml", &"x\n".repeat(MOST_LINES + 1)).is_empty());
        assert!(found("a/tests/x.snap", &"x\n".repeat(MOST_LINES + 1)).is_empty());
    }

    #[test]
    fn each_forbidden_text_is_found_with_its_line() {
        for (first, second, _) in FORBIDDEN {
            let findings = found("src/a.rs", &format!("fine\nsee {first}{second} for it\n"));
            assert_eq!(findings.len(), 1, "{first}{second}");
            assert!(findings[0].starts_with("src/a.rs:2:"), "{findings:?}");
        }
    }

    #[test]
    fn tests_may_read_documents_beside_the_repository() {
        let (first, second, _) = FORBIDDEN[1];
        assert!(found("crates/x/tests/a.rs", &format!("{first}{second}")).is_empty());
    }

    #[test]
    fn only_listed_files_that_exist_are_read() {
        let root = tempfile::tempdir().unwrap();
        let (first, second, _) = FORBIDDEN[0];
        let bad = format!("{first}{second}x");
        std::fs::write(root.path().join("listed.md"), &bad).unwrap();
        std::fs::write(root.path().join("other.md"), &bad).unwrap();
        std::fs::write(root.path().join("picture"), [0xff, 0xfe, 0]).unwrap();
        let findings = check(root.path(), "listed.md\0picture\0gone\0").unwrap();
        assert_eq!(findings.len(), 1, "{findings:?}");
    }
}
