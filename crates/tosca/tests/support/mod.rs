//! Helpers of several tests.

// Not every test uses all of them; helpers fail as tests do.
#![allow(dead_code, clippy::unwrap_used, clippy::panic)]

use im_tosca::{Embedded, Files, LoadOptions, Loaded, load};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The documents beside the repository, if they are there.
pub(crate) fn folder() -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors()
        .map(|above| above.join("..").join("shared").join("documents"))
        .find(|path| path.join("OUTCOMES.tsv").is_file())
}

/// Where the files that documents name lie, by the beginnings of their URLs.
const COPIES: &[(&str, &str)] = &[
    (
        "https://raw.githubusercontent.com/grycap/tosca/main/custom_types.yaml",
        "tosca/types/grycap-main.custom_types.yaml",
    ),
    (
        "https://raw.githubusercontent.com/indigo-dc/tosca-types/master/custom_types.yaml",
        "tosca/types/indigo-master.custom_types.yaml",
    ),
    (
        "https://raw.githubusercontent.com/indigo-dc/tosca-types/devel/custom_types.yaml",
        "tosca/types/indigo-devel.custom_types.yaml",
    ),
    (
        "https://raw.githubusercontent.com/indigo-dc/tosca-types/v4.0.0/custom_types.yaml",
        "tosca/types/indigo-v4.0.0.custom_types.yaml",
    ),
    (
        "https://raw.githubusercontent.com/grycap/ec3/tosca/tosca/custom_types.yaml",
        "tosca/types/ec3-tosca-branch.custom_types.yaml",
    ),
    (
        "https://raw.githubusercontent.com/grycap/tosca/main/artifacts/",
        "tosca/grycap-artifacts/",
    ),
    (
        "https://raw.githubusercontent.com/grycap/tosca/main/templates/",
        "tosca/grycap-templates/",
    ),
];

/// The repository of templates.
pub(crate) const REPOSITORY: &str = "https://raw.githubusercontent.com/grycap/tosca/main/templates";

fn fetch(folder: &Path, url: &str) -> Result<String, Arc<str>> {
    let copy = COPIES.iter().find_map(|(prefix, copy)| {
        let rest = url.strip_prefix(prefix)?;
        Some(folder.join(format!("{copy}{rest}")))
    });
    let path = copy.ok_or_else(|| Arc::from("404 Not Found"))?;
    fs::read_to_string(path).map_err(|_| Arc::from("404 Not Found"))
}

/// Reads a document as the service does: fetches what is missing and reads again.
pub(crate) fn load_with(
    text: &str,
    files: &mut Files,
    options: &LoadOptions,
    fetch: &dyn Fn(&str) -> Result<String, Arc<str>>,
) -> Loaded {
    for _ in 0..20 {
        let loaded = load(text, "document.yaml", files, options);
        if !loaded.is_waiting() {
            return loaded;
        }
        for wanted in loaded.wanted {
            let file = fetch(&wanted.url).map(im_tosca::File::new);
            files.insert(wanted.url, file);
        }
    }
    panic!("asks for files without end");
}

/// Reads a document with the copies of its types, or with the built-in ones.
pub(crate) fn load_document(folder: &Path, text: &str, embedded: Embedded) -> Loaded {
    let options = LoadOptions {
        repository: Some(Arc::from(REPOSITORY)),
        ..LoadOptions::default()
    };
    load_with(text, &mut Files::new(embedded), &options, &|url| fetch(folder, url))
}

/// Reads a text that imports nothing but built-in files.
pub(crate) fn load_text(text: &str) -> Loaded {
    let refuse = |_: &str| -> Result<String, Arc<str>> { Err(Arc::from("not here")) };
    load_with(
        text,
        &mut Files::new(Embedded::Prefer),
        &LoadOptions::default(),
        &refuse,
    )
}
