//! Finds planted secrets, in whatever form something wrote them down.
//!
//! Never here: looking for text that nobody planted; what resembles a secret is none.

// A fixture that fails is a test that fails.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::{
    collections::{BTreeSet, HashMap},
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

/// A form in which a secret that was planted somewhere may come back.
struct Needle {
    place: String,
    form: &'static str,
    bytes: Vec<u8>,
}

/// Secrets to look for.
#[derive(Default)]
pub struct Search {
    planted: usize,
    /// By their first two bytes: each text is gone through once, however many there are.
    needles: HashMap<[u8; 2], Vec<Needle>>,
}

/// A secret that was found where it should not be.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Leak {
    /// Where it had been planted.
    pub place: String,
    /// In which form it came back.
    pub form: &'static str,
    /// Where.
    pub found: String,
    /// What stands around it.
    around: String,
}

impl Search {
    /// Makes a secret for a place and remembers it. `end` holds characters that some forms write differently.
    pub fn plant(&mut self, place: &str, end: &str) -> String {
        // Long, and like nothing else; different for each place in its first bytes.
        let n = self.planted;
        self.planted += 1;
        let secret = format!(
            "{n:02}Zq7planted{}Xk9{end}",
            place.replace(|c: char| !c.is_alphanumeric(), "")
        );
        self.watch(place, &secret);
        secret
    }

    /// Remembers a secret that somebody else made. Of several lines, each one that is long enough is a secret.
    pub fn watch(&mut self, place: &str, secret: &str) {
        let lines = secret
            .lines()
            .map(str::trim)
            .filter(|l| l.len() >= 12 && !l.starts_with("-----"));
        for line in lines {
            for (form, bytes) in forms(line) {
                let needle = Needle {
                    place: place.to_owned(),
                    form,
                    bytes,
                };
                self.needles
                    .entry([needle.bytes[0], needle.bytes[1]])
                    .or_default()
                    .push(needle);
            }
        }
    }

    /// Every secret in these bytes.
    pub fn in_bytes(&self, found: &str, bytes: &[u8]) -> BTreeSet<Leak> {
        let mut begins = vec![false; 1 << 16];
        let index = |a: u8, b: u8| (usize::from(a) << 8) | usize::from(b);
        for [a, b] in self.needles.keys() {
            begins[index(*a, *b)] = true;
        }
        let mut leaks = BTreeSet::new();
        for at in 0..bytes.len().saturating_sub(1) {
            let (a, b) = (bytes[at], bytes[at + 1]);
            if !begins[index(a, b)] {
                continue;
            }
            let known = self.needles.get(&[a, b]).into_iter().flatten();
            for needle in known.filter(|needle| bytes[at..].starts_with(&needle.bytes)) {
                let around = &bytes[at.saturating_sub(80)..bytes.len().min(at + needle.bytes.len() + 40)];
                leaks.insert(Leak {
                    place: needle.place.clone(),
                    form: needle.form,
                    found: found.to_owned(),
                    around: String::from_utf8_lossy(around).into_owned(),
                });
            }
        }
        leaks
    }

    /// Every secret in a file; none where it is gone by now.
    pub fn in_file(&self, path: &Path) -> BTreeSet<Leak> {
        let bytes = fs::read(path).unwrap_or_default();
        self.in_bytes(&path.display().to_string(), &bytes)
    }

    /// Every secret in what was seen in a node, names of files included.
    pub fn in_samples(&self, node: &str, samples: &[crate::Sample]) -> BTreeSet<Leak> {
        let see = |sample: &crate::Sample| {
            let found = format!("{} of {node}", sample.name);
            let mut leaks = self.in_bytes(&found, &sample.content);
            leaks.extend(self.in_bytes(&found, sample.name.as_bytes()));
            leaks
        };
        samples.iter().flat_map(see).collect()
    }

    /// Every secret in what everybody, or the user of the process, sees of it.
    pub fn in_process(&self, pid: u32) -> BTreeSet<Leak> {
        ["cmdline", "environ", "comm", "status"]
            .iter()
            .flat_map(|name| self.in_file(&PathBuf::from(format!("/proc/{pid}/{name}"))))
            .collect()
    }
}

/// Files below a folder, with their modes.
pub fn files(folder: &Path) -> Vec<(PathBuf, u32)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(meta) = fs::symlink_metadata(&path) else {
            continue;
        };
        if meta.is_dir() {
            found.extend(files(&path));
        } else if meta.is_file() {
            found.push((path, meta.permissions().mode()));
        }
    }
    found
}

/// The forms of a secret.
fn forms(secret: &str) -> Vec<(&'static str, Vec<u8>)> {
    const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bytes = secret.as_bytes();
    let mut forms = vec![
        ("raw", bytes.to_vec()),
        ("hex", hex(bytes, false)),
        ("HEX", hex(bytes, true)),
        (
            "percent",
            percent(bytes, |b| !b.is_ascii_alphanumeric() && !b"-._~".contains(&b)),
        ),
        ("every byte in percent", percent(bytes, |_| true)),
        (
            "form",
            percent(bytes, |b| !b.is_ascii_alphanumeric() && b != b' ')
                .iter()
                .map(|b| if *b == b' ' { b'+' } else { *b })
                .collect(),
        ),
        ("JSON", json(secret, char::is_control)),
        ("ASCII JSON", json(secret, |c| !c.is_ascii() || c.is_control())),
        (
            "JSON in JSON",
            json(
                &String::from_utf8(json(secret, char::is_control)).unwrap(),
                char::is_control,
            ),
        ),
        ("HTML", html(secret).into_bytes()),
        ("UTF-16", secret.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("backwards", bytes.iter().rev().copied().collect()),
    ];
    for (names, alphabet) in [
        (["Base64", "Base64 + 1", "Base64 + 2"], STANDARD),
        (["Base64 for URLs", "Base64 for URLs + 1", "Base64 for URLs + 2"], URL),
    ] {
        for (offset, name) in names.into_iter().enumerate() {
            forms.push((name, base64(bytes, offset, alphabet)));
        }
    }
    forms
}

fn hex(bytes: &[u8], upper: bool) -> Vec<u8> {
    let digits = if upper {
        b"0123456789ABCDEF"
    } else {
        b"0123456789abcdef"
    };
    bytes
        .iter()
        .flat_map(|b| [digits[usize::from(b >> 4)], digits[usize::from(b & 15)]])
        .collect()
}

fn percent(bytes: &[u8], written: impl Fn(u8) -> bool) -> Vec<u8> {
    bytes
        .iter()
        .flat_map(|b| {
            if written(*b) {
                format!("%{b:02X}").into_bytes()
            } else {
                vec![*b]
            }
        })
        .collect()
}

fn json(text: &str, escaped: impl Fn(char) -> bool) -> Vec<u8> {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            c if escaped(c) => out.extend(c.encode_utf16(&mut [0; 2]).iter().map(|u| format!("\\u{u:04x}"))),
            c => out.push(c),
        }
    }
    out.into_bytes()
}

fn html(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// What stays the same of a text in Base64 whatever is before it (`offset` bytes, modulo 3) and after it.
fn base64(bytes: &[u8], offset: usize, alphabet: &[u8; 64]) -> Vec<u8> {
    let mut bits: Vec<u8> = vec![0; offset];
    bits.extend(bytes);
    let whole = bits.len() / 3 * 3;
    let mut out = Vec::new();
    for three in bits[..whole].chunks(3) {
        let word = (u32::from(three[0]) << 16) | (u32::from(three[1]) << 8) | u32::from(three[2]);
        out.extend((0..4).map(|i| alphabet[(word >> (18 - 6 * i)) as usize & 63]));
    }
    // The first letters hold bits of what is before.
    out.drain(..if offset == 0 { 0 } else { 4 });
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_is_found_and_nothing_else() {
        use std::fmt::Write as _;
        let mut search = Search::default();
        let secret = search.plant("the place", " \"q\\ü&<é+/=~");
        let other = Search::default().plant("another", "");
        let quoted = serde_json::to_string(&secret).unwrap();
        let url = url_of(&secret);
        let digits = |write: &dyn Fn(&mut String, u8) -> std::fmt::Result| {
            let mut text = String::new();
            secret.bytes().for_each(|b| write(&mut text, b).unwrap());
            text.into_bytes()
        };
        let leaks = [
            ("raw", secret.clone().into_bytes()),
            ("JSON", quoted.clone().into_bytes()),
            ("JSON in JSON", serde_json::to_string(&quoted).unwrap().into_bytes()),
            ("percent", url.into_bytes()),
            ("hex", digits(&|text, b| write!(text, "{b:02x}"))),
            ("HEX", digits(&|text, b| write!(text, "{b:02X}"))),
        ];
        for (form, text) in leaks {
            let log = [b"2026 DEBUG ".as_slice(), &text, b" more\n"].concat();
            let found = search.in_bytes("log", &log);
            assert!(
                found.iter().any(|l| l.form == form && l.place == "the place"),
                "{form}: {found:?}"
            );
        }
        // Every form, as it is.
        for (form, text) in forms(&secret) {
            let found = search.in_bytes("log", &[b"<".as_slice(), &text, b">"].concat());
            assert!(found.iter().any(|l| l.form == form), "{form}");
        }
        // In Base64 with anything around it, as another program writes it.
        for before in ["", "a", "ab", "abc", "user:"] {
            for after in ["", "x", "yz", "\n"] {
                let text = format!("{before}{secret}{after}");
                for flags in [[].as_slice(), &["-w0"]] {
                    let coded = coreutils_base64(&text, flags);
                    let url: String = coded.replace('+', "-").replace('/', "_").replace('=', "");
                    if flags.is_empty() && coded.contains('\n') {
                        continue; // Broken into lines: found by whoever joins them.
                    }
                    assert!(
                        !search.in_bytes("x", coded.as_bytes()).is_empty(),
                        "{before:?} {after:?}"
                    );
                    assert!(!search.in_bytes("x", url.as_bytes()).is_empty(), "{before:?} {after:?}");
                }
            }
        }
        assert!(search.in_bytes("log", other.as_bytes()).is_empty());
        assert!(search.in_bytes("log", b"Zq7planted").is_empty());
        // A file, a process.
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sub/f");
        fs::create_dir(folder.path().join("sub")).unwrap();
        fs::write(&path, &secret).unwrap();
        assert_eq!(files(folder.path()).len(), 1);
        assert_eq!(search.in_file(&path).len(), 1);
        let mut sleeper = std::process::Command::new("sleep")
            .arg("60")
            .env("LEAK", &secret)
            .spawn()
            .unwrap();
        // The system fills in arguments and environment a moment after the program has begun.
        let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
        let mut seen = search.in_process(sleeper.id());
        while seen.is_empty() && std::time::Instant::now() < until {
            std::thread::yield_now();
            seen = search.in_process(sleeper.id());
        }
        sleeper.kill().unwrap();
        sleeper.wait().unwrap();
        assert!(seen.iter().any(|l| l.found.ends_with("/environ")), "{seen:?}");
    }

    fn coreutils_base64(text: &str, flags: &[&str]) -> String {
        use std::io::Write as _;
        let mut child = std::process::Command::new("base64")
            .args(flags)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        String::from_utf8(child.wait_with_output().unwrap().stdout)
            .unwrap()
            .trim_end()
            .to_owned()
    }

    fn url_of(text: &str) -> String {
        im_cloud::net::http::encode(text)
    }
}
