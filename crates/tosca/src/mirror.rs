//! Mirrors: where files are read instead of the URLs that documents name, for sites without the network.
//!
//! The longest prefix wins. URLs are normalised first, so that `..` and `%2e` cannot reach what the prefix does not
//! cover; a path that would leave its folder is refused. Nothing here reads anything.

use std::{
    fmt,
    path::{Component, Path, PathBuf},
    str::FromStr,
    sync::Arc,
};
use thiserror::Error;

/// Where a prefix leads.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Target {
    Folder(PathBuf),
    Url(Arc<str>),
}

/// One mirror: everything below a URL is read elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    prefix: Arc<str>,
    target: Target,
}

/// A text is no mirror.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{text}` is no mirror: {why}; write URL_PREFIX=FOLDER or URL_PREFIX=URL")]
pub struct MirrorError {
    text: String,
    why: &'static str,
}

/// Why a URL that a mirror covers is not read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MirrorRefusal {
    /// It would leave the mirror's folder.
    #[error("`{0}` leaves the folder of its mirror")]
    Leaves(String),
    /// The mirror itself, not a file in it.
    #[error("`{0}` names the folder of a mirror, not a file in it")]
    Folder(String),
}

/// Where a covered URL is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redirected {
    /// A file, inside a folder that the operator named.
    File(PathBuf),
    /// Another URL.
    Url(String),
}

impl FromStr for Mirror {
    type Err = MirrorError;

    fn from_str(text: &str) -> Result<Self, MirrorError> {
        let wrong = |why| MirrorError {
            text: text.to_owned(),
            why,
        };
        // A URL can hold `=` in its query; a prefix has no use for one.
        let (prefix, target) = text.split_once('=').ok_or_else(|| wrong("there is no `=`"))?;
        let prefix = normalised(prefix.trim()).ok_or_else(|| wrong("the prefix is not an http or https URL"))?;
        let target = target.trim();
        if target.is_empty() {
            return Err(wrong("nothing follows the `=`"));
        }
        let target = if target.contains("://") {
            let url =
                normalised(target).ok_or_else(|| wrong("the target is neither a folder nor an http or https URL"))?;
            Target::Url(url.into())
        } else {
            Target::Folder(PathBuf::from(target))
        };
        Ok(Self {
            prefix: prefix.into(),
            target,
        })
    }
}

impl fmt::Display for Mirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.target {
            Target::Folder(folder) => write!(f, "{}={}", self.prefix, folder.display()),
            Target::Url(url) => write!(f, "{}={url}", self.prefix),
        }
    }
}

impl Mirror {
    /// What follows the prefix, if the mirror covers the URL: a whole name, or from a `/` on.
    fn rest<'u>(&self, url: &'u str) -> Option<&'u str> {
        let rest = url.strip_prefix(&*self.prefix)?;
        let whole = self.prefix.ends_with('/') || rest.is_empty() || rest.starts_with(['/', '?', '#']);
        whole.then_some(rest)
    }
}

/// All mirrors of a service or of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mirrors(Vec<Mirror>);

impl FromIterator<Mirror> for Mirrors {
    fn from_iter<T: IntoIterator<Item = Mirror>>(mirrors: T) -> Self {
        let mut mirrors: Vec<Mirror> = mirrors.into_iter().collect();
        // The longest prefix first; of equal ones the last that was given.
        mirrors.reverse();
        mirrors.sort_by_key(|mirror| std::cmp::Reverse(mirror.prefix.len()));
        Self(mirrors)
    }
}

impl Mirrors {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Where a URL is read; none: where it says itself.
    pub fn redirect(&self, url: &str) -> Option<Result<Redirected, MirrorRefusal>> {
        let url = normalised(url)?;
        let (mirror, rest) = self.0.iter().find_map(|mirror| Some((mirror, mirror.rest(&url)?)))?;
        Some(match &mirror.target {
            Target::Url(target) => Ok(Redirected::Url(format!("{target}{rest}"))),
            Target::Folder(folder) => in_folder(folder, rest).map(Redirected::File),
        })
    }
}

/// A file in a folder. Queries and fragments name no file.
fn in_folder(folder: &Path, rest: &str) -> Result<PathBuf, MirrorRefusal> {
    let path = rest
        .split(['?', '#'])
        .next()
        .unwrap_or_default()
        .trim_start_matches('/');
    let leaves = || MirrorRefusal::Leaves(rest.to_owned());
    let path = unescaped(path).ok_or_else(leaves)?;
    if path.contains(['\0', '\\']) {
        return Err(leaves());
    }
    let mut file = folder.to_owned();
    let mut names = 0;
    for part in Path::new(&path).components() {
        match part {
            Component::Normal(name) => {
                names += 1;
                file.push(name);
            }
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return Err(leaves()),
        }
    }
    // A prefix may name a single file, whose mirror is then a file too.
    if names == 0 && (rest.is_empty() || rest.starts_with(['?', '#'])) {
        return Ok(file);
    }
    if names == 0 {
        return Err(MirrorRefusal::Folder(rest.to_owned()));
    }
    Ok(file)
}

/// Scheme and host in lower case, default ports and `.` and `..` resolved (also where written as `%2e`). None: it is
/// no URL that is fetched.
fn normalised(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let port = match scheme.as_str() {
        "http" => ":80",
        "https" => ":443",
        _ => return None,
    };
    let at = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (host, rest) = rest.split_at(at);
    let host = host.to_ascii_lowercase();
    let host = host.strip_suffix(port).unwrap_or(&host);
    if host.is_empty() {
        return None;
    }
    let end = rest.find(['?', '#']).unwrap_or(rest.len());
    let (path, tail) = rest.split_at(end);
    let mut parts: Vec<&str> = Vec::new();
    let mut folder = path.is_empty();
    for part in path.split('/').skip(1) {
        let dots = part.to_ascii_lowercase().replace("%2e", ".");
        folder = matches!(dots.as_str(), "." | "..");
        match dots.as_str() {
            "." => {}
            ".." => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    let mut path = parts.join("/");
    if folder && !path.is_empty() {
        path.push('/');
    }
    Some(format!("{scheme}://{host}/{path}{tail}"))
}

/// `%xx` decoded; none if it is not text then.
fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (hex, after) = rest.split_at_checked(2)?;
        let hex = std::str::from_utf8(hex)
            .ok()
            .filter(|hex| hex.chars().all(|c| c.is_ascii_hexdigit()))?;
        bytes.push(u8::from_str_radix(hex, 16).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mirrors(texts: &[&str]) -> Mirrors {
        texts.iter().map(|text| text.parse::<Mirror>().unwrap()).collect()
    }

    fn file(mirrors: &Mirrors, url: &str) -> PathBuf {
        match mirrors.redirect(url) {
            Some(Ok(Redirected::File(path))) => path,
            other => panic!("{url}: {other:?}"),
        }
    }

    #[test]
    fn the_longest_prefix_wins() {
        let all = mirrors(&[
            "https://example.org/=/srv/all",
            "https://example.org/tosca/main/=/srv/main",
            "https://example.org/tosca/=https://mirror.example/t/",
        ]);
        assert_eq!(
            file(&all, "https://example.org/x/y.yaml"),
            Path::new("/srv/all/x/y.yaml")
        );
        assert_eq!(
            file(&all, "https://example.org/tosca/main/a/b.yml"),
            Path::new("/srv/main/a/b.yml")
        );
        assert_eq!(
            all.redirect("https://example.org/tosca/dev/a.yml?x=1"),
            Some(Ok(Redirected::Url("https://mirror.example/t/dev/a.yml?x=1".to_owned())))
        );
        assert_eq!(all.redirect("https://example.com/a"), None);
        assert_eq!(all.redirect("http://example.org/a"), None);
    }

    #[test]
    fn a_prefix_ends_where_a_name_ends() {
        let all = mirrors(&["https://example.org/tosca=/srv/t"]);
        assert_eq!(file(&all, "https://example.org/tosca/a.yml"), Path::new("/srv/t/a.yml"));
        assert_eq!(all.redirect("https://example.org/tosca2/a.yml"), None);
        let one = mirrors(&["https://example.org/custom_types.yaml=/srv/types.yaml"]);
        assert_eq!(
            file(&one, "https://example.org/custom_types.yaml"),
            Path::new("/srv/types.yaml")
        );
        assert_eq!(
            file(&one, "https://example.org/custom_types.yaml?v=1"),
            Path::new("/srv/types.yaml")
        );
    }

    #[test]
    fn urls_are_normalised_before_they_are_matched() {
        let all = mirrors(&["HTTPS://Example.org:443/a/=/srv/a"]);
        for url in [
            "https://example.org/a/x.yml",
            "https://EXAMPLE.org:443/a/x.yml",
            "https://example.org/b/../a/./x.yml",
            "https://example.org/b/%2E%2e/a/x.yml#top",
            "https://example.org/../../a/x.yml",
        ] {
            assert_eq!(file(&all, url), Path::new("/srv/a/x.yml"), "{url}");
        }
        assert_eq!(
            file(&all, "https://example.org/a/sp%20ace.yml"),
            Path::new("/srv/a/sp ace.yml")
        );
        // It leaves the prefix, so it is not covered.
        assert_eq!(all.redirect("https://example.org/a/../b/x.yml"), None);
    }

    #[test]
    fn a_path_that_leaves_the_folder_is_refused() {
        let all = mirrors(&["https://example.org/a/=/srv/a"]);
        for url in [
            "https://example.org/a/..%2f..%2fetc%2fpasswd",
            "https://example.org/a/x/%2e%2e%2f%2e%2e%2f%2e%2e/etc/passwd",
            "https://example.org/a/x%00.yml",
            "https://example.org/a/..%5cx",
            "https://example.org/a/%zz",
            "https://example.org/a/%2fetc/passwd/%2e%2e%2f..",
            "https://example.org/a/%ff",
            "https://example.org/a/%",
        ] {
            match all.redirect(url) {
                None | Some(Err(MirrorRefusal::Leaves(_))) => {}
                Some(Ok(Redirected::File(path))) => {
                    panic!("{url}: {}", path.display());
                }
                other => panic!("{url}: {other:?}"),
            }
        }
    }

    #[test]
    fn what_is_no_mirror_says_why() {
        for (text, why) in [
            ("https://example.org/", "there is no `=`"),
            ("ftp://example.org/=/srv", "the prefix is not"),
            ("example.org=/srv", "the prefix is not"),
            ("https://example.org/=", "nothing follows"),
            ("https://example.org/=file:///etc", "neither a folder"),
        ] {
            let error = text.parse::<Mirror>().unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
        let mirror: Mirror = "https://Example.org/x=/srv/a=b".parse().unwrap();
        assert_eq!(mirror.to_string(), "https://example.org/x=/srv/a=b");
    }
}
