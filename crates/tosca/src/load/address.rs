//! URLs of imports: which are allowed, and what relative ones stand for. Never a file of this machine.

/// Schemes that the service fetches from.
const ALLOWED: &[&str] = &["http", "https", "ftp"];

/// What an import's name is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Address<'a> {
    /// A URL that may be fetched.
    Url,
    /// A URL with a scheme that is not fetched.
    Scheme(&'a str),
    /// A path from the root of a machine.
    Absolute,
    /// Relative to something.
    Relative,
}

/// The scheme of a URL, in the letter case it is written in.
pub(super) fn scheme(name: &str) -> Option<&str> {
    let (scheme, rest) = name.split_once(':')?;
    let named = scheme.len() > 1
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    (named && (rest.starts_with("//") || scheme.eq_ignore_ascii_case("file"))).then_some(scheme)
}

pub(super) fn of(name: &str) -> Address<'_> {
    match scheme(name) {
        Some(scheme) if ALLOWED.iter().any(|allowed| scheme.eq_ignore_ascii_case(allowed)) => Address::Url,
        Some(scheme) => Address::Scheme(scheme),
        // `C:\x` is one as well.
        None if name.starts_with(['/', '\\']) || name.as_bytes().get(1) == Some(&b':') => Address::Absolute,
        None => Address::Relative,
    }
}

/// What a relative name means in a file of this URL. Nothing if it leads out of the server's root.
pub(super) fn join(base: &str, name: &str) -> Option<String> {
    let base = base.split(['?', '#']).next().unwrap_or(base);
    let (scheme, rest) = base.split_once("://")?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    for part in name.split('/') {
        match part {
            "." | "" => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(format!("{scheme}://{host}/{}", parts.join("/")))
}

/// Whether a URL is below another one, whatever dots it has.
pub(super) fn is_below(base: &str, url: &str) -> bool {
    let base = base.trim_end_matches('/');
    url.strip_prefix(base)
        .is_some_and(|rest| rest.starts_with('/') && !rest.split(['/', '\\']).any(|part| matches!(part, ".." | ".")))
        && !url.contains('%')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds() {
        for (name, kind) in [
            ("https://h/a.yaml", Address::Url),
            ("HTTP://h/a.yaml", Address::Url),
            ("ftp://h/a.yaml", Address::Url),
            ("file:///etc/passwd", Address::Scheme("file")),
            ("file:/etc/passwd", Address::Scheme("file")),
            ("FILE:etc", Address::Scheme("FILE")),
            ("gopher://h/a", Address::Scheme("gopher")),
            ("/etc/passwd", Address::Absolute),
            ("C:\\x", Address::Absolute),
            ("types.yaml", Address::Relative),
            ("../types.yaml", Address::Relative),
        ] {
            assert_eq!(of(name), kind, "{name}");
        }
    }

    #[test]
    fn joining() {
        let base = "https://h/a/b/main.yaml?x=1";
        assert_eq!(join(base, "c.yaml").unwrap(), "https://h/a/b/c.yaml");
        assert_eq!(join(base, "./c/d.yaml").unwrap(), "https://h/a/b/c/d.yaml");
        assert_eq!(join(base, "../c.yaml").unwrap(), "https://h/a/c.yaml");
        assert_eq!(join(base, "../../../c.yaml"), None);
    }

    #[test]
    fn below() {
        assert!(is_below("https://h/repo/", "https://h/repo/a.yaml"));
        assert!(is_below("https://h/repo", "https://h/repo/x/a.yaml"));
        for bad in [
            "https://h/repository/a.yaml",
            "https://h/repo/../a.yaml",
            "https://h/repo/%2e%2e/a.yaml",
            "https://other/repo/a.yaml",
            "https://h/repo",
        ] {
            assert!(!is_below("https://h/repo/", bad), "{bad}");
        }
    }
}
