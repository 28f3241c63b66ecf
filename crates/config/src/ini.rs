//! The INI form of the configuration files.
//!
//! As Python's `ConfigParser` reads it, because files exist that rely on that: keys in any case, `=` or `:`, comments
//! on lines of their own, indented lines that continue a value, `%%` and `%(key)s`. The crate `configparser` knows
//! neither interpolation nor lines, and takes a repeated key for the last word where it must be an error.

use crate::ConfigError;
use std::collections::BTreeMap;

/// Section whose values stand in for those that others do not have.
pub(crate) const DEFAULT: &str = "DEFAULT";

/// How deep `%(key)s` may refer to values that refer on.
const DEPTH: usize = 10;

/// A value as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Raw {
    pub(crate) text: String,
    pub(crate) file: String,
    pub(crate) line: usize,
}

/// Sections, and their keys in lower case.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ini {
    pub(crate) sections: BTreeMap<String, BTreeMap<String, Raw>>,
}

/// Where the reader stands in a file.
struct Reader<'a> {
    file: &'a str,
    section: Option<String>,
    /// The key whose value the next indented line continues, with its lines so far.
    open: Option<Open>,
    indent: usize,
    seen: BTreeMap<String, BTreeMap<String, usize>>,
    errors: Vec<ConfigError>,
}

struct Open {
    key: String,
    line: usize,
    lines: Vec<String>,
}

impl Ini {
    /// Adds a file; its values win over those that are there.
    pub(crate) fn add(&mut self, file: &str, text: &str) -> Vec<ConfigError> {
        let mut reader = Reader {
            file,
            section: None,
            open: None,
            indent: 0,
            seen: BTreeMap::new(),
            errors: Vec::new(),
        };
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (number, line) in text.lines().enumerate() {
            reader.line(self, number + 1, line);
        }
        reader.close(self);
        reader.errors
    }

    /// A value with its references replaced.
    pub(crate) fn value(&self, section: &str, raw: &Raw) -> Result<String, ConfigError> {
        self.expand(section, &raw.text, DEPTH).map_err(|message| ConfigError {
            file: raw.file.clone(),
            line: raw.line,
            message,
            hint: "write `%%` for a percent sign, `%(key)s` for the value of another key of the section".to_owned(),
        })
    }

    fn expand(&self, section: &str, text: &str, depth: usize) -> Result<String, String> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('%') {
            out.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix('%') {
                out.push('%');
                rest = after;
                continue;
            }
            let (name, after) = rest
                .strip_prefix('(')
                .and_then(|rest| rest.split_once(")s"))
                .filter(|(name, _)| !name.contains(')'))
                .ok_or("a `%` is followed neither by `%` nor by `(key)s`")?;
            let found = [section, DEFAULT]
                .iter()
                .find_map(|s| self.sections.get(*s)?.get(&name.to_lowercase()));
            let found = found.ok_or_else(|| format!("`%({name})s` refers to a key that is not there"))?;
            let depth = depth
                .checked_sub(1)
                .ok_or_else(|| format!("`%({name})s` refers to itself or too far"))?;
            out.push_str(&self.expand(section, &found.text, depth)?);
            rest = after;
            // References that repeat each other could fill the memory.
            if out.len() > 1 << 20 {
                return Err(format!("`%({name})s` makes a value of more than a megabyte"));
            }
        }
        out.push_str(rest);
        Ok(out)
    }
}

impl Reader<'_> {
    fn line(&mut self, ini: &mut Ini, number: usize, line: &str) {
        let text = line.trim();
        if text.starts_with(['#', ';']) {
            return;
        }
        if text.is_empty() {
            if let Some(open) = &mut self.open {
                open.lines.push(String::new());
            }
            return;
        }
        let indent = line.len() - line.trim_start().len();
        if let Some(open) = &mut self.open
            && indent > self.indent
        {
            open.lines.push(text.to_owned());
            return;
        }
        self.indent = indent;
        self.close(ini);
        if let Some(name) = text.strip_prefix('[').and_then(|rest| Some(&rest[..rest.rfind(']')?])) {
            self.begin(number, name);
        } else {
            self.key(number, text);
        }
    }

    fn begin(&mut self, number: usize, name: &str) {
        if name != DEFAULT && self.seen.contains_key(name) {
            self.error(
                number,
                format!("the section [{name}] is there twice"),
                "put its keys into one",
            );
        }
        self.seen.entry(name.to_owned()).or_default();
        self.section = Some(name.to_owned());
    }

    fn key(&mut self, number: usize, text: &str) {
        let Some((key, value)) = text.split_once(['=', ':']) else {
            let hint = "write `KEY = value`; a value that goes on in another line is indented there";
            self.error(number, format!("`{}` is no key with a value", short(text)), hint);
            return;
        };
        let key = key.trim();
        if key.is_empty() {
            self.error(number, "a value without a key".to_owned(), "write `KEY = value`");
            return;
        }
        let Some(section) = self.section.clone() else {
            let hint = "begin the file with the line `[im]`";
            self.error(number, format!("`{}` stands before any section", short(key)), hint);
            // One such line is enough to be told.
            self.section = Some(String::new());
            return;
        };
        let seen = self.seen.entry(section).or_default();
        if let Some(first) = seen.insert(key.to_lowercase(), number) {
            let message = format!("{} is there already, in line {first}", short(&key.to_uppercase()));
            self.error(number, message, "remove one of them");
        }
        self.open = Some(Open {
            key: key.to_lowercase(),
            line: number,
            lines: vec![value.trim().to_owned()],
        });
    }

    /// Ends the value that is open.
    fn close(&mut self, ini: &mut Ini) {
        let (Some(open), Some(section)) = (self.open.take(), &self.section) else {
            return;
        };
        let raw = Raw {
            text: open.lines.join("\n").trim_end().to_owned(),
            file: self.file.to_owned(),
            line: open.line,
        };
        ini.sections.entry(section.clone()).or_default().insert(open.key, raw);
    }

    fn error(&mut self, line: usize, message: String, hint: &str) {
        self.errors.push(ConfigError {
            file: self.file.to_owned(),
            line,
            message,
            hint: hint.to_owned(),
        });
    }
}

/// A text cut to what fits in a message. Only names are shown: values may be secret.
fn short(text: &str) -> String {
    let name = text.split(['=', ':']).next().unwrap_or_default();
    name.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Ini {
        let mut ini = Ini::default();
        assert_eq!(ini.add("f", text), []);
        ini
    }

    fn value(ini: &Ini, key: &str) -> String {
        let raw = &ini.sections["im"][key];
        ini.value("im", raw).unwrap()
    }

    #[test]
    fn forms() {
        let ini = read(
            "\u{feff}# comment\n; another\n[im]\r\nA = 1\nb: two\nC_d=x = y : z\n  # inside\nE = a # b ; c\nF =\nG = one\n   two\n\n   three\n\n[other]\nA = 3\n",
        );
        for (key, wanted) in [
            ("a", "1"),
            ("b", "two"),
            ("c_d", "x = y : z"),
            ("e", "a # b ; c"),
            ("f", ""),
            ("g", "one\ntwo\n\nthree"),
        ] {
            assert_eq!(value(&ini, key), wanted, "{key}");
        }
        assert_eq!(ini.sections["other"]["a"].line, 16);
    }

    #[test]
    fn percent() {
        let ini = read("[DEFAULT]\nroot = /r\n[im]\na = 50%%\nb = %(ROOT)s/%(a)s\nc = %(c)s\nd = %x\ne = %(none)s\n");
        assert_eq!(value(&ini, "a"), "50%");
        assert_eq!(value(&ini, "b"), "/r/50%");
        for (key, wanted) in [("c", "itself"), ("d", "neither"), ("e", "not there")] {
            let error = ini.value("im", &ini.sections["im"][key]).unwrap_err();
            assert!(error.message.contains(wanted), "{error}");
        }
    }

    #[test]
    fn errors_name_the_line() {
        for (text, line, part) in [
            ("A = 1\n", 1, "before any section"),
            ("[im]\nA = 1\na = 2\n", 3, "in line 2"),
            ("[im]\n[im]\n", 2, "twice"),
            ("[im]\nnothing\n", 2, "no key"),
            ("[im]\n = 1\n", 2, "without a key"),
        ] {
            let errors = Ini::default().add("im.cfg", text);
            assert_eq!(errors.len(), 1, "{text}: {errors:?}");
            assert_eq!(errors[0].line, line);
            assert!(errors[0].message.contains(part), "{}", errors[0]);
        }
    }

    #[test]
    fn later_files_win() {
        let mut ini = read("[im]\nA = 1\nB = 1\n");
        assert_eq!(ini.add("g", "[im]\nB = 2\n"), []);
        assert_eq!((value(&ini, "a"), value(&ini, "b")), ("1".to_owned(), "2".to_owned()));
    }
}
