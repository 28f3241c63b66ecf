//! The line form of credentials: `key = value; key = 'value';`.
//!
//! A line is never refused: at the first piece that is not `key = value` its reading stops and the pairs before it are
//! kept, as clients have come to rely on. What was left out is noted, without its text.

use im_model::{AuthLine, Credentials, Secret};
use zeroize::Zeroizing;

/// Credentials as read, and what could not be read of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    /// The lines.
    pub credentials: Credentials,
    /// Sentences about what was left out. They name lines and pairs by number and never repeat a value.
    pub notes: Vec<String>,
}

impl Parsed {
    /// Reads one line in line form; `number` is what notes call it.
    pub(crate) fn take(&mut self, raw: &str, number: usize) {
        let raw = raw.trim();
        if raw.is_empty() || raw.starts_with('#') {
            return;
        }
        let (line, stop) = parse(raw);
        if let Some(Stop { pair, parts }) = stop {
            let why = match parts {
                0 | 1 => "it is not of the form `key = value`; an empty value is written `''`",
                _ => "it has more than one `=`: put the value in quotes",
            };
            self.notes.push(format!(
                "credentials, line {number}: pair {pair} and all after it were left out: {why}"
            ));
        }
        self.credentials.lines.push(line);
    }
}

/// Where the reading of a line ended early.
struct Stop {
    /// Which pair, from 1.
    pair: usize,
    /// Into how many parts `=` divides it.
    parts: usize,
}

fn parse(raw: &str) -> (AuthLine, Option<Stop>) {
    let mut line = AuthLine::default();
    let mut pieces = split(raw, ';', Quotes::Keep);
    // A `;` at the end closes the last pair; it does not open another.
    if pieces.last().is_some_and(|p| p.trim().is_empty()) {
        pieces.pop();
    }
    for (index, piece) in pieces.iter().enumerate() {
        let mut parts = split(piece, '=', Quotes::Drop);
        // `k = abc=` gives `abc`; `k =` gives nothing, unless quotes say that the nothing is meant.
        let quoted = piece.trim_end().ends_with(['\'', '"']);
        if !quoted && parts.last().is_some_and(|p| p.trim().is_empty()) {
            parts.pop();
        }
        let [key, value] = parts.as_slice() else {
            let stop = Stop {
                pair: index + 1,
                parts: parts.len(),
            };
            return (line, Some(stop));
        };
        line.set(key.trim(), Secret::new(value.trim().replace("\\n", "\n")));
    }
    (line, None)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Quotes {
    Keep,
    Drop,
}

/// Splits outside quotes. Quotes open and close anywhere; there is no escape; an open one runs to the end.
fn split(text: &str, separator: char, quotes: Quotes) -> Vec<Zeroizing<String>> {
    let mut parts = vec![Zeroizing::new(String::with_capacity(text.len()))];
    let mut open = None;
    for c in text.chars() {
        let is_quote = matches!(c, '\'' | '"');
        let toggles = is_quote && open.is_none_or(|o| o == c);
        if toggles {
            open = if open.is_some() { None } else { Some(c) };
        }
        if c == separator && open.is_none() {
            parts.push(Zeroizing::new(String::with_capacity(text.len())));
        } else if let Some(part) = parts.last_mut()
            && !(toggles && quotes == Quotes::Drop)
        {
            part.push(c);
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(raw: &str) -> Vec<(String, String)> {
        parse(raw)
            .0
            .iter()
            .map(|(k, v)| (k.to_owned(), v.expose().to_owned()))
            .collect()
    }
    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn consequences_listed_in_the_contract() {
        for (raw, wanted) in [
            ("type=a;k=b", pairs(&[("type", "a"), ("k", "b")])),
            ("type = a; k = b; ", pairs(&[("type", "a"), ("k", "b")])),
            ("type = a; k = abc=", pairs(&[("type", "a"), ("k", "abc")])),
            ("type = a; k = abc==; z = 1", pairs(&[("type", "a")])),
            ("type = a; k = x=y; z = 1", pairs(&[("type", "a")])),
            ("type = a; k =; z = 1", pairs(&[("type", "a")])),
            ("type = a; k = ; z = 1", pairs(&[("type", "a")])),
            (
                "type = a; k = ''; z = 1",
                pairs(&[("type", "a"), ("k", ""), ("z", "1")]),
            ),
            ("type = a;; z = 1", pairs(&[("type", "a")])),
            ("type = a; z = 1;", pairs(&[("type", "a"), ("z", "1")])),
            ("k = 'a;b=c'", pairs(&[("k", "a;b=c")])),
            ("k = 'say \"hi\"'", pairs(&[("k", "say \"hi\"")])),
            ("k = a'b;'c", pairs(&[("k", "ab;c")])),
            ("k = 'open; z = 1", pairs(&[("k", "open; z = 1")])),
            ("k = '  blanks  '", pairs(&[("k", "blanks")])),
            ("k = a; k = b", pairs(&[("k", "b")])),
            ("k = one\\ntwo", pairs(&[("k", "one\ntwo")])),
            ("k = file(/etc/passwd)", pairs(&[("k", "file(/etc/passwd)")])),
            ("nothing", pairs(&[])),
        ] {
            assert_eq!(read(raw), wanted, "{raw}");
        }
    }

    #[test]
    fn notes_name_the_pair_and_never_its_text() {
        let mut parsed = Parsed::default();
        parsed.take(
            "type = InfrastructureManager; username = me; password = hun=ter2; id = x",
            3,
        );
        assert_eq!(parsed.notes.len(), 1);
        assert!(
            parsed.notes[0].contains("line 3") && parsed.notes[0].contains("pair 3"),
            "{:?}",
            parsed.notes
        );
        assert!(!parsed.notes[0].contains("ter2"));
        assert_eq!(parsed.credentials.lines.len(), 1);
    }
}
