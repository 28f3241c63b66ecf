//! The other names of the program: a link called `im_service` starts the service, one called `im_client` the client.
//!
//! Only words are changed here; what they mean is decided by `args`.

use std::{ffi::OsString, path::Path};

/// The words as `im` understands them.
pub(crate) fn translate(mut words: Vec<OsString>) -> Vec<OsString> {
    let name = words
        .first()
        .and_then(|w| Path::new(w).file_stem())
        .and_then(|n| n.to_str())
        .unwrap_or_default()
        .to_owned();
    match name.as_str() {
        "im_service" => {
            // `im_service --version` speaks of the program, everything else of `serve`.
            let about = words.get(1).is_some_and(|w| w == "--version" || w == "-V");
            words[0] = "im".into();
            if !about {
                words.insert(1, "serve".into());
            }
        }
        "im_client" => words[0] = "im".into(),
        _ => {}
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translated(words: &[&str]) -> String {
        let words = translate(words.iter().map(OsString::from).collect());
        words.iter().map(|w| w.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn links() {
        assert_eq!(translated(&["/usr/bin/im_service"]), "im serve");
        assert_eq!(translated(&["im_service", "--config", "x"]), "im serve --config x");
        assert_eq!(translated(&["im_service.py", "--version"]), "im --version");
        assert_eq!(translated(&["./im_client", "list"]), "im list");
        assert_eq!(translated(&["im", "list"]), "im list");
        assert_eq!(translated(&[]), "");
    }
}
