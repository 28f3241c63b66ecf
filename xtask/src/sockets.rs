//! Who may open sockets: in the service, only the guarded network module. A request that reaches a socket some other way
//! has passed no policy.
//!
//! Looks at what code names, not at what it does: comments, texts and tests do not count. New ways to connect that this
//! list does not know are found in review; crates that are clients by themselves are refused as dependencies.

use crate::edges::Package;
use std::path::Path;

/// Names that stand for a connection, a look-up, or a client that makes them.
const NAMES: &[&str] = &[
    "TcpStream",
    "TcpSocket",
    "TcpListener",
    "UdpSocket",
    "UnixStream",
    "UnixDatagram",
    "UnixListener",
    "UnixSocket",
    "lookup_host",
    "ToSocketAddrs",
    "to_socket_addrs",
    "reqwest",
    "ureq",
    "socket2",
    "HttpConnector",
    "GaiResolver",
];

/// Modules whose every name is asked for at once.
const GLOBS: &[&str] = &["std::net::*", "tokio::net::*", "std::os::unix::net::*"];

/// Crates that connect by themselves.
const CLIENTS: &[&str] = &[
    "reqwest",
    "ureq",
    "isahc",
    "curl",
    "attohttpc",
    "surf",
    "awc",
    "socket2",
    "hickory-resolver",
    "trust-dns-resolver",
    "bollard",
    "kube",
    "vaultrs",
    "lettre",
    "ssh2",
    "openssh",
    "tungstenite",
    "tokio-tungstenite",
];

/// Where sockets may be named, and why.
const ALLOWED: &[(&str, &[&str], &str)] = &[
    (
        "crates/cloud/src/net/",
        &["TcpStream", "UnixStream", "UdpSocket", "lookup_host"],
        "the guarded network module",
    ),
    (
        "crates/im/src/cli/",
        &["reqwest"],
        "the command line: it runs as the user, on the user's machine, and asks the service that the user named",
    ),
    ("crates/im/src/serve/mod.rs", &["TcpListener"], "the socket of the API"),
    ("crates/api/src/server.rs", &["TcpListener"], "the socket of the API"),
];

/// Where programs may be started, and why: a program can open sockets, and its arguments are seen by everybody.
const PROGRAMS: &[(&str, &str)] = &[(
    "crates/im/src/cli/",
    "the command line: `ssh`, and commands in the user's own settings",
)];

/// Packages that may depend on a client. Which of their files may use it is above.
const DEPENDENTS: &[(&str, &str)] = &[("im", "reqwest")];

/// Crates of the workspace that are no part of the service.
const DEVELOPMENT: &[&str] = &["im-testkit", "im-bench", "xtask"];

/// Findings about the files in `listed`, NUL-separated paths below `root`.
pub(crate) fn check(root: &Path, listed: &str) -> Result<Vec<String>, String> {
    let mut findings = Vec::new();
    for name in listed.split('\0').filter(|name| is_of_the_service(name)) {
        let path = root.join(name);
        if !path.is_file() {
            continue;
        }
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{name} cannot be read: {error}"))?;
        check_text(name, &text, &mut findings);
    }
    Ok(findings)
}

/// Findings about what crates of the service depend on.
pub(crate) fn check_dependencies(packages: &[Package]) -> Vec<String> {
    let mut findings = Vec::new();
    for (package, dependency) in packages.iter().flat_map(Package::linked) {
        if CLIENTS.contains(&dependency)
            && !DEVELOPMENT.contains(&package)
            && !DEPENDENTS.contains(&(package, dependency))
        {
            findings.push(format!(
                "{package} -> {dependency}: opens sockets by itself: use `im_cloud::net`, or say in \
                 xtask/src/sockets.rs why not"
            ));
        }
    }
    findings
}

fn is_of_the_service(name: &str) -> bool {
    name.starts_with("crates/")
        && !name.starts_with("crates/testkit/")
        && name.contains("/src/")
        && Path::new(name).extension().is_some_and(|end| end == "rs")
        && !name.ends_with("/tests.rs")
        && !name.contains("/tests/")
}

fn check_text(name: &str, text: &str, findings: &mut Vec<String>) {
    let code = without_tests(&bare(text));
    for (number, line) in code.lines().enumerate() {
        for word in words(line) {
            if NAMES.contains(&word) && !is_allowed(name, word) {
                findings.push(format!(
                    "{name}:{}: {word}: sockets are opened by `im_cloud::net`, which checks where they lead",
                    number + 1
                ));
            }
        }
        let dense: String = line.chars().filter(|c| !c.is_whitespace()).collect();
        for glob in GLOBS.iter().filter(|glob| dense.contains(*glob)) {
            findings.push(format!("{name}:{}: {glob}: name what is used", number + 1));
        }
    }
    if starts_programs(&code) && !PROGRAMS.iter().any(|(at, _)| name.starts_with(at)) {
        findings.push(format!(
            "{name}: process::Command: the service starts no programs: they open sockets of their own, and everybody \
             sees their arguments"
        ));
    }
}

fn is_allowed(name: &str, word: &str) -> bool {
    ALLOWED
        .iter()
        .any(|(at, words, _)| name.starts_with(at) && words.contains(&word))
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
}

/// Whether `process::Command` is named, alone or in a list.
fn starts_programs(code: &str) -> bool {
    let dense: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    dense.match_indices("process::").any(|(at, found)| {
        let rest = &dense[at + found.len()..];
        let named = match rest.strip_prefix('{') {
            Some(list) => list.split('}').next().unwrap_or_default(),
            None => rest.split([';', ',', '(', ')']).next().unwrap_or_default(),
        };
        words(named).any(|word| word == "Command" || word == "*") || named.starts_with('*')
    })
}

/// Code without comments and without what stands in texts. Line feeds stay.
fn bare(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut i = 0;
    let keep_lines = |out: &mut String, part: &[char]| out.extend(part.iter().filter(|c| **c == '\n'));
    while i < chars.len() {
        let rest = &chars[i..];
        let length = match rest {
            ['/', '/', ..] => rest.iter().position(|c| *c == '\n').unwrap_or(rest.len()),
            ['/', '*', ..] => comment(rest),
            ['"', ..] => 1 + quoted(&rest[1..]),
            ['r', '"' | '#', ..] if !out.ends_with(|c: char| c.is_alphanumeric() || c == '_') => raw(rest),
            ['\'', '\\', ..] => 2 + rest[2..].iter().skip(1).position(|c| *c == '\'').map_or(0, |n| n + 2),
            ['\'', _, '\'', ..] => 3,
            _ => 0,
        };
        if length == 0 {
            out.push(chars[i]);
            i += 1;
        } else {
            keep_lines(&mut out, &rest[..length]);
            out.push(' ');
            i += length;
        }
    }
    out
}

/// Length of a comment, which may hold others.
fn comment(rest: &[char]) -> usize {
    let (mut depth, mut i) = (0, 0);
    while i < rest.len() {
        match rest[i..] {
            ['/', '*', ..] => (depth, i) = (depth + 1, i + 2),
            ['*', '/', ..] => (depth, i) = (depth - 1, i + 2),
            _ => i += 1,
        }
        if depth == 0 {
            break;
        }
    }
    i
}

/// Length of a text after its opening quote, closing quote included.
fn quoted(rest: &[char]) -> usize {
    let mut i = 0;
    while i < rest.len() {
        match rest[i] {
            '\\' => i += 2,
            '"' => return i + 1,
            _ => i += 1,
        }
    }
    rest.len()
}

/// Length of a raw text; 0 where it is none (a raw name).
fn raw(rest: &[char]) -> usize {
    let hashes = rest[1..].iter().take_while(|c| **c == '#').count();
    if rest.get(1 + hashes) != Some(&'"') {
        return 0;
    }
    let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    let body = &rest[hashes + 2..];
    body.windows(end.len())
        .position(|w| w == end)
        .map_or(rest.len(), |at| hashes + 2 + at + end.len())
}

/// Code without its modules for tests. Line feeds stay.
fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut out = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(at) = rest.find(MARK) {
        out.push_str(&rest[..at]);
        let tail = &rest[at..];
        let open = tail.find('{').unwrap_or(tail.len());
        let end = tail.find(';').filter(|semicolon| *semicolon < open).map_or_else(
            || {
                let mut depth = 0_usize;
                tail.char_indices()
                    .skip_while(|(i, _)| *i < open)
                    .find_map(|(i, c)| {
                        match c {
                            '{' => depth += 1,
                            '}' => depth -= 1,
                            _ => {}
                        }
                        (depth == 0).then_some(i + 1)
                    })
                    .unwrap_or(tail.len())
            },
            |semicolon| semicolon + 1,
        );
        out.extend(tail[..end].chars().filter(|c| *c == '\n'));
        rest = &tail[end..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str, text: &str) -> Vec<String> {
        let mut findings = Vec::new();
        if is_of_the_service(name) {
            check_text(name, text, &mut findings);
        }
        findings
    }

    #[test]
    fn each_way_to_connect_is_found_with_its_line() {
        for (number, code) in [
            "let s = TcpStream::connect(address).await?;",
            "use tokio::net::{TcpListener as L};",
            "use std::os::unix::net::UnixStream;",
            "let found = tokio::net::lookup_host((name, 0)).await?;",
            "reqwest::Client::new()",
            "let a = (host, 80).to_socket_addrs();",
            "let s = std::net::UdpSocket::bind(any)?;",
            "use hyper_util::client::legacy::connect::HttpConnector;",
            "use std::net::*;",
        ]
        .iter()
        .enumerate()
        {
            for name in [
                "crates/service/src/a.rs",
                "crates/clouds/x/src/b.rs",
                "crates/im/src/serve/mod.rs",
            ] {
                if name.ends_with("mod.rs") && code.contains("TcpListener") {
                    continue;
                }
                let findings = found(name, &format!("{}{code}\n", "fine();\n".repeat(number)));
                assert_eq!(findings.len(), 1, "{name}: {code}: {findings:?}");
                assert!(
                    findings[0].starts_with(&format!("{name}:{}:", number + 1)),
                    "{findings:?}"
                );
            }
        }
    }

    #[test]
    fn programs_are_found() {
        for code in [
            "use std::process::Command;",
            "use std::process::{Child,\n    Command};",
            "tokio::process::Command::new(\"curl\")",
            "use std::process::*;",
        ] {
            assert_eq!(found("crates/ctxt/src/a.rs", code).len(), 1, "{code}");
            assert!(found("crates/im/src/cli/ssh.rs", code).is_empty(), "{code}");
        }
        for code in [
            "use std::process::ExitCode;",
            "use clap::Command;",
            "std::process::id()",
        ] {
            assert!(found("crates/ctxt/src/a.rs", code).is_empty(), "{code}");
        }
    }

    #[test]
    fn comments_texts_and_tests_do_not_count() {
        let code = "//! TcpStream\n/* UnixStream /* nested */ reqwest */\nlet a = \"a \\\" TcpStream\";\nlet b = r#\"\"reqwest\"#;\n\
                    let q = '\"'; let c = '\\''; fn f<'a>(x: &'a str) {}\n\
                    #[cfg(test)]\nmod tests { fn g() { TcpStream::connect(1) } }\n#[cfg(test)]\nuse tokio::net::UdpSocket;\n";
        assert_eq!(found("crates/x/src/a.rs", code), Vec::<String>::new());
        // What comes after them does.
        let after = format!("{code}TcpStream::connect(1);\n");
        let findings = found("crates/x/src/a.rs", &after);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].starts_with("crates/x/src/a.rs:10:"), "{findings:?}");
    }

    #[test]
    fn the_exceptions_are_narrow() {
        let connect = "TcpStream::connect(1);";
        assert!(found("crates/cloud/src/net/guard.rs", connect).is_empty());
        assert!(!found("crates/cloud/src/layers/mod.rs", connect).is_empty());
        assert!(!found("crates/cloud/src/net/guard.rs", "reqwest::get(1);").is_empty());
        assert!(found("crates/im/src/cli/client.rs", "reqwest::get(1);").is_empty());
        assert!(!found("crates/im/src/cli/client.rs", connect).is_empty());
        assert!(!found("crates/im/src/serve/mod.rs", "reqwest::get(1);").is_empty());
        for name in [
            "crates/api/tests/a.rs",
            "crates/testkit/src/a.rs",
            "bench/src/a.rs",
            "crates/keys/src/tests.rs",
        ] {
            assert!(found(name, connect).is_empty(), "{name}");
        }
    }

    #[test]
    fn every_exception_is_still_one() {
        // An exception that nothing needs any more is taken away.
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        for (at, words, _) in ALLOWED {
            let mut text = String::new();
            collect(&root.join(at), &mut text);
            for word in *words {
                assert!(text.contains(word), "{at} does not name {word} any more");
            }
        }
    }

    fn collect(path: &Path, text: &mut String) {
        if path.is_dir() {
            for entry in std::fs::read_dir(path).unwrap() {
                collect(&entry.unwrap().path(), text);
            }
        } else if let Ok(more) = std::fs::read_to_string(path) {
            text.push_str(&without_tests(&bare(&more)));
        }
    }

    #[test]
    fn clients_are_no_dependencies_of_the_service() {
        let package = |name: &str, dependency: &str, kind: &str| {
            crate::edges::parse(&format!(
                r#"{{"packages":[{{"name":"{name}","dependencies":[{{"name":"{dependency}","kind":{kind}}}]}}]}}"#
            ))
            .unwrap()
        };
        assert_eq!(check_dependencies(&package("im-service", "reqwest", "null")).len(), 1);
        assert_eq!(check_dependencies(&package("im-cloud-kube", "kube", "null")).len(), 1);
        assert!(check_dependencies(&package("im", "reqwest", "null")).is_empty());
        assert!(check_dependencies(&package("im-api", "reqwest", "\"dev\"")).is_empty());
        assert!(check_dependencies(&package("im-bench", "reqwest", "null")).is_empty());
    }
}
