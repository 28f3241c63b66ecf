//! The type library: what the types that documents import are called, take and give.
//!
//! Written for this project from what those types do (names, properties, defaults, constraints, operation inputs), as
//! YAML that the same parser reads as any imported file. Prose and recipes are not here: recipes are artifacts, fetched
//! or mirrored like any other. Each text stands for one address, because the same type name means different things in
//! different files; an address that is pinned to another version is not answered from here.
//!
//! Never fetches anything.

use std::sync::LazyLock;

const NORMATIVE: &str = include_str!("../types/normative.yaml");
const MEC: &str = include_str!("../types/mec.yaml");
const NFV: &str = include_str!("../types/nfv.yaml");
const GRYCAP: &str = include_str!("../types/grycap.yaml");
const EC3: &str = include_str!("../types/ec3.yaml");
const INDIGO_MASTER: &str = include_str!("../types/indigo_master.yaml");
const INDIGO_DEVEL: &str = include_str!("../types/indigo_devel.yaml");
const INDIGO_V4: &str = include_str!("../types/indigo_v4.yaml");

/// A text of the library and the address that it answers: repository, version and path at GitHub.
struct Shelf {
    owner: &'static str,
    repository: &'static str,
    version: &'static str,
    path: &'static str,
    text: &'static str,
}

/// Every address that the library answers.
const SHELVES: &[Shelf] = &[
    shelf("grycap", "tosca", "main", "custom_types.yaml", GRYCAP),
    shelf("grycap", "ec3", "tosca", "tosca/custom_types.yaml", EC3),
    shelf("indigo-dc", "tosca-types", "master", "custom_types.yaml", INDIGO_MASTER),
    shelf("indigo-dc", "tosca-types", "devel", "custom_types.yaml", INDIGO_DEVEL),
    shelf("indigo-dc", "tosca-types", "v4.0.0", "custom_types.yaml", INDIGO_V4),
];

const fn shelf(
    owner: &'static str,
    repository: &'static str,
    version: &'static str,
    path: &'static str,
    text: &'static str,
) -> Shelf {
    Shelf {
        owner,
        repository,
        version,
        path,
        text,
    }
}

/// The types that every document may use without an import (TOSCA Simple Profile 1.0).
pub fn normative() -> &'static str {
    NORMATIVE
}

/// What `tosca_simple_profile_for_mec_1_0_0` adds to the normative types.
pub fn mec() -> &'static str {
    MEC
}

/// What `tosca_simple_profile_for_nfv_1_0_0` adds to the normative types.
pub fn nfv() -> &'static str {
    NFV
}

/// The text that stands for an import's address, if the library has that very version. Understands the three ways in
/// which GitHub serves a file: its raw host (with and without `refs/heads`), `raw` and `blob` below the repository.
pub fn embedded(url: &str) -> Option<&'static str> {
    Some(SHELVES[shelf_of(url)?].text)
}

fn shelf_of(url: &str) -> Option<usize> {
    let (owner, repository, rest) = repository_path(url)?;
    let rest = rest
        .strip_prefix("refs/heads/")
        .or_else(|| rest.strip_prefix("refs/tags/"))
        .unwrap_or(rest);
    SHELVES.iter().position(|shelf| {
        shelf.owner == owner
            && shelf.repository == repository
            && rest
                .strip_prefix(shelf.version)
                .and_then(|path| path.strip_prefix('/'))
                .is_some_and(|path| path == shelf.path)
    })
}

/// The same, read once for all documents.
pub(crate) fn embedded_file(url: &str) -> Option<crate::File> {
    static FILES: LazyLock<Vec<crate::File>> =
        LazyLock::new(|| SHELVES.iter().map(|shelf| crate::File::new(shelf.text)).collect());
    FILES.get(shelf_of(url)?).cloned()
}

/// The addresses that [`embedded`] answers, in the form that most documents use.
pub fn addresses() -> impl Iterator<Item = String> {
    SHELVES.iter().map(|shelf| {
        format!(
            "https://raw.githubusercontent.com/{}/{}/{}/{}",
            shelf.owner, shelf.repository, shelf.version, shelf.path
        )
    })
}

/// Owner, repository and the rest (version and path).
fn repository_path(url: &str) -> Option<(&str, &str, &str)> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
    let (host, path) = rest.split_once('/')?;
    let mut parts = path.splitn(3, '/');
    let (owner, repository, rest) = (parts.next()?, parts.next()?, parts.next()?);
    match host {
        "raw.githubusercontent.com" => Some((owner, repository, rest)),
        "github.com" => Some((
            owner,
            repository,
            rest.strip_prefix("raw/").or_else(|| rest.strip_prefix("blob/"))?,
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_is_answered_in_all_its_forms() {
        for address in addresses() {
            assert!(embedded(&address).is_some(), "{address}");
        }
        for url in [
            "http://raw.githubusercontent.com/grycap/tosca/main/custom_types.yaml",
            "https://raw.githubusercontent.com/grycap/tosca/refs/heads/main/custom_types.yaml",
            "https://github.com/grycap/tosca/raw/main/custom_types.yaml",
            "https://github.com/grycap/tosca/blob/main/custom_types.yaml",
        ] {
            assert_eq!(embedded(url), Some(GRYCAP), "{url}");
        }
    }

    #[test]
    fn another_version_path_or_host_is_not() {
        for url in [
            "https://raw.githubusercontent.com/grycap/tosca/v1/custom_types.yaml",
            "https://raw.githubusercontent.com/grycap/tosca/main/other.yaml",
            "https://raw.githubusercontent.com/grycap/tosca/mainly/custom_types.yaml",
            "https://raw.githubusercontent.com/indigo-dc/tosca-types/v4.0.1/custom_types.yaml",
            "https://example.org/grycap/tosca/main/custom_types.yaml",
            "ftp://raw.githubusercontent.com/grycap/tosca/main/custom_types.yaml",
            "https://github.com/grycap/tosca/main/custom_types.yaml",
            "grycap/tosca/main/custom_types.yaml",
            "",
        ] {
            assert_eq!(embedded(url), None, "{url}");
        }
    }
}
