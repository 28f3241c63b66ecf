//! Where the files of operations and artifacts are, and their texts as far as the caller has fetched them.

use super::Cx;
use crate::{
    Place, codes,
    files::{Fetched, Wanted, Why},
};
use im_radl::Diagnostic;
use std::sync::Arc;

/// Where implementations without a URL are.
const ARTIFACTS: &str = "https://raw.githubusercontent.com/grycap/tosca/main/artifacts/";

impl Cx<'_> {
    /// The URL of a file: in a repository, or by itself. Files of the service's own machine are refused.
    pub(super) fn url(&self, file: &str, repository: Option<&str>, at: Place) -> Option<String> {
        let scheme = |url: &str| url.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
        match scheme(file).as_deref() {
            Some("http" | "https" | "ftp") => return Some(file.to_owned()),
            Some(_) => {
                let found = Diagnostic::error(codes::FILE, format!("`{file}` cannot be fetched"))
                    .hint("use an `https`, `http` or `ftp` URL");
                self.find(found, at);
                return None;
            }
            None => {}
        }
        if file.starts_with('/') || file.starts_with("file:") || file.split('/').any(|part| part == "..") {
            let found = Diagnostic::error(codes::FILE, format!("`{file}` is a path of the service's machine"))
                .hint("put the file where it can be fetched, and give its URL");
            self.find(found, at);
            return None;
        }
        let Some(repository) = repository else {
            return Some(format!("{ARTIFACTS}{file}"));
        };
        let Some(url) = self.template.repositories.get(repository) else {
            let found = Diagnostic::error(codes::FILE, format!("there is no repository `{repository}`"));
            self.find(found, at);
            return None;
        };
        Some(format!("{}/{file}", url.trim_end_matches('/')))
    }

    /// The text at a URL. What is not there yet is asked for.
    pub(super) fn fetch(&self, url: &str, at: Place) -> Option<Arc<str>> {
        match self.files.get(url) {
            Fetched::File(file) => Some(Arc::clone(file.text())),
            Fetched::Failed(reason) => {
                let found = Diagnostic::error(codes::FILE, format!("`{url}` cannot be fetched: {reason}"))
                    .hint("is the URL right, and can the service reach it?");
                self.find(found, at);
                None
            }
            Fetched::Missing => {
                let wanted = Wanted {
                    url: Arc::from(url),
                    why: Why::Artifact,
                };
                let mut all = self.wanted.borrow_mut();
                if !all.contains(&wanted) {
                    all.push(wanted);
                }
                None
            }
        }
    }
}

/// The name of a file, without what leads to it.
pub(super) fn basename(url: &str) -> &str {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    path.rsplit('/').find(|part| !part.is_empty()).unwrap_or("file")
}

#[cfg(test)]
mod tests {
    use super::basename;

    #[test]
    fn names_of_files() {
        assert_eq!(basename("http://a/b/c.tar.gz?x=/y#z"), "c.tar.gz");
        assert_eq!(basename("a.sh"), "a.sh");
        assert_eq!(basename("http://a/b/"), "b");
        assert_eq!(basename(""), "file");
    }
}
