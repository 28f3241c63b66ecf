//! JSON with the place of every value, which `serde_json` does not keep.
//!
//! Never nests deeper than it is told, and takes time proportional to the text.

use crate::{Diagnostic, Number, Span, codes, lex::small};
use indexmap::IndexMap;
use serde_json::Value;

/// A value and its place.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) value: Json,
    pub(crate) span: Option<Span>,
}

#[derive(Clone, Debug)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    Array(Vec<Node>),
    /// Of members with the same name the last.
    Object(IndexMap<String, Node>),
}

impl Json {
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "a string",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }
}

impl From<&Value> for Node {
    fn from(value: &Value) -> Self {
        let value = match value {
            Value::Null => Json::Null,
            Value::Bool(value) => Json::Bool(*value),
            Value::Number(number) => Json::Number(
                number
                    .as_i64()
                    .map_or_else(|| Number::Float(number.as_f64().unwrap_or_default()), Number::Int),
            ),
            Value::String(text) => Json::Text(text.clone()),
            Value::Array(values) => Json::Array(values.iter().map(Into::into).collect()),
            Value::Object(members) => Json::Object(members.iter().map(|(k, v)| (k.clone(), v.into())).collect()),
        };
        Self { value, span: None }
    }
}

/// Reads one JSON value. Errors that leave no doubt about what was meant are told, at most so many, and read over;
/// after another one there is no value.
pub(crate) fn read(text: &str, nesting: usize, most: usize) -> (Option<Node>, Vec<Diagnostic>) {
    let mut reader = Reader {
        text,
        at: 0,
        line: 1,
        column_at: 0,
        column: 1,
        left: nesting,
        found: Vec::new(),
        most: most.max(1),
        told_quotes: false,
    };
    let node = reader.whole();
    let mut found = reader.found;
    match node {
        Ok(node) => (Some(node), found),
        Err(last) => {
            found.push(*last);
            (None, found)
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    line: u32,
    column_at: usize,
    column: u32,
    left: usize,
    found: Vec<Diagnostic>,
    most: usize,
    /// Whether quotes were complained of: where one is wrong, all are.
    told_quotes: bool,
}

type Read<T> = Result<T, Box<Diagnostic>>;

impl Reader<'_> {
    fn span(&mut self, start: usize, end: usize) -> Span {
        let newer = self.text.as_bytes().get(self.column_at..start).unwrap_or_default();
        let characters = newer.iter().filter(|byte| **byte & 0xc0 != 0x80).count();
        self.column = self.column.saturating_add(small(characters));
        self.column_at = start;
        Span {
            start: small(start),
            end: small(end),
            line: self.line,
            column: self.column,
        }
    }

    #[allow(clippy::unnecessary_box_returns)] // It is what fails, and failures are boxed.
    fn fail(&mut self, what: &str) -> Box<Diagnostic> {
        let len = self.text[self.at..].chars().next().map_or(0, char::len_utf8);
        let span = self.span(self.at, self.at + len);
        Box::new(Diagnostic::error(codes::JSON, format!("Syntax error in JSON: {what}")).at(span))
    }

    fn whole(&mut self) -> Read<Node> {
        let node = self.value()?;
        self.blank()?;
        if self.at < self.text.len() {
            return Err(self.fail("text follows the end of the document"));
        }
        Ok(node)
    }

    /// Tells an error and goes on, unless there were too many.
    fn over(&mut self, what: &str) -> Read<()> {
        let error = self.fail(what);
        self.tell(error)
    }

    fn tell(&mut self, error: Box<Diagnostic>) -> Read<()> {
        if self.found.iter().filter(|d| d.is_error()).count() >= self.most {
            return Err(error);
        }
        self.found.push(*error);
        Ok(())
    }

    fn begins_value(&self) -> bool {
        matches!(
            self.peek(),
            Some(b'{' | b'[' | b'"' | b'\'' | b'-' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z')
        )
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blank(&mut self) -> Read<()> {
        while let Some(byte) = self.peek() {
            match byte {
                b' ' | b'\t' | b'\r' => self.at += 1,
                b'\n' => {
                    self.at += 1;
                    self.line += 1;
                    self.column_at = self.at;
                    self.column = 1;
                }
                b'#' => self.comment()?,
                b'/' if self.text[self.at..].starts_with("//") => self.comment()?,
                _ => break,
            }
        }
        Ok(())
    }

    fn comment(&mut self) -> Read<()> {
        self.over("JSON has no comments")?;
        let rest = &self.text[self.at..];
        self.at += rest.find('\n').unwrap_or(rest.len());
        Ok(())
    }

    fn value(&mut self) -> Read<Node> {
        self.blank()?;
        let start = self.at;
        let place = self.span(start, start);
        let value = match self.peek() {
            Some(b'{') => self.nested(Self::object)?,
            Some(b'[') => self.nested(Self::array)?,
            Some(b'"' | b'\'') => Json::Text(self.string()?),
            Some(b'-' | b'0'..=b'9') => Json::Number(self.number()?),
            Some(b'a'..=b'z' | b'A'..=b'Z') => self.literal()?,
            None => return Err(self.fail("the document ends where a value was expected")),
            _ => return Err(self.fail("a value was expected")),
        };
        // The whole of an array or object is no place to show; its beginning is.
        let end = match value {
            Json::Array(_) | Json::Object(_) => start + 1,
            _ => self.at,
        };
        let span = Some(Span {
            end: small(end),
            ..place
        });
        Ok(Node { value, span })
    }

    fn nested(&mut self, read: fn(&mut Self) -> Read<Json>) -> Read<Json> {
        if self.left == 0 {
            let mut error = self.fail("nested too deep");
            error.code = codes::LIMIT.into();
            return Err(error);
        }
        self.left -= 1;
        self.at += 1;
        let value = read(self);
        self.left += 1;
        value
    }

    fn array(&mut self) -> Read<Json> {
        let mut values = Vec::new();
        self.blank()?;
        while self.peek() != Some(b']') {
            values.push(self.value()?);
            self.separator(b']', "`,` or `]` was expected")?;
        }
        self.at += 1;
        Ok(Json::Array(values))
    }

    /// What stands behind a value: a comma, or the end.
    fn separator(&mut self, end: u8, expected: &str) -> Read<()> {
        self.blank()?;
        match self.peek() {
            Some(b',') => {
                let comma = self.span(self.at, self.at + 1);
                self.at += 1;
                self.blank()?;
                if self.peek() == Some(end) {
                    let message = format!("Syntax error in JSON: a comma before `{}`", char::from(end));
                    self.tell(Box::new(Diagnostic::error(codes::JSON, message).at(comma)))?;
                }
                Ok(())
            }
            Some(byte) if byte == end => Ok(()),
            // What follows is clearly the next one.
            _ if self.begins_value() => self.over(&format!("{expected}: is a comma missing before this?")),
            _ => Err(self.fail(expected)),
        }
    }

    fn object(&mut self) -> Read<Json> {
        let mut members = IndexMap::new();
        self.blank()?;
        while self.peek() != Some(b'}') {
            let start = self.at;
            let place = self.span(start, start);
            let name = match self.peek() {
                Some(b'"' | b'\'') => self.string()?,
                _ => return Err(self.fail("the name of a member, in double quotes, was expected")),
            };
            let place = Span {
                end: small(self.at),
                ..place
            };
            self.blank()?;
            match self.peek() {
                Some(b':') => self.at += 1,
                Some(b'=') => {
                    self.over("`:` was expected")?;
                    self.at += 1;
                }
                _ => return Err(self.fail("`:` was expected")),
            }
            let value = self.value()?;
            if members.contains_key(&name) && self.found.len() < 2 * self.most {
                let message = format!("Member `{name}` stands here twice: the last one counts");
                self.found
                    .push(Diagnostic::warning(codes::SUSPICIOUS, message).at(place));
            }
            members.insert(name, value);
            self.separator(b'}', "`,` or `}` was expected")?;
        }
        self.at += 1;
        Ok(Json::Object(members))
    }

    fn string(&mut self) -> Read<String> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        let quote = bytes.get(start).copied().unwrap_or(b'"');
        if quote == b'\'' && !std::mem::replace(&mut self.told_quotes, true) {
            self.over("strings stand between double quotes")?;
        }
        let mut end = start + 1;
        let mut raw = None;
        loop {
            match bytes.get(end) {
                Some(byte) if *byte == quote => break,
                Some(b'\\') => end += 2,
                Some(0..0x20) => {
                    raw = raw.or(Some(end));
                    end += 1;
                }
                Some(_) => end += 1,
                None => return Err(self.fail("the string that begins here has no end")),
            }
        }
        if let Some(at) = raw {
            return self.raw_string(at, start + 1, end);
        }
        if quote == b'\'' {
            let text = self.text.get(start + 1..end).unwrap_or_default().replace("\\'", "'");
            self.at = end + 1;
            return Ok(text);
        }
        let Some(literal) = self.text.get(start..=end) else {
            return Err(self.fail("the string that begins here has no end"));
        };
        match serde_json::from_str(literal) {
            Ok(text) => {
                self.at = end + 1;
                Ok(text)
            }
            Err(_) => Err(self.fail("the string that begins here holds an escape that does not exist")),
        }
    }

    /// A string with line ends in it, as they are.
    fn raw_string(&mut self, control: usize, from: usize, to: usize) -> Read<String> {
        self.at = control;
        let line_end = self.peek() == Some(b'\n');
        self.over("a line end or another control character stands in a string: write it `\\n`")?;
        let text = self.text.get(from..to).unwrap_or_default();
        if line_end || text.contains('\n') {
            self.line += small(text.matches('\n').count());
            self.column = 1;
            self.column_at = from + text.rfind('\n').map_or(0, |at| at + 1);
        }
        self.at = to + 1;
        Ok(text.to_owned())
    }

    fn number(&mut self) -> Read<Number> {
        let rest = &self.text[self.at..];
        let len = rest
            .bytes()
            .take_while(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'))
            .count();
        let written = &rest[..len];
        match serde_json::from_str::<serde_json::Number>(written) {
            Ok(number) if written.contains(['.', 'e', 'E']) => {
                self.at += len;
                // Nearer than what `serde_json` makes of it.
                Ok(Number::Float(
                    written.parse().ok().or(number.as_f64()).unwrap_or_default(),
                ))
            }
            Ok(number) if number.is_i64() => {
                self.at += len;
                Ok(Number::Int(number.as_i64().unwrap_or_default()))
            }
            Ok(_) => Err(self.fail("the number is too large")),
            Err(_) => Err(self.fail("this is no number, or one too large")),
        }
    }

    fn literal(&mut self) -> Read<Json> {
        let rest = &self.text[self.at..];
        for (name, value) in [
            ("true", Json::Bool(true)),
            ("false", Json::Bool(false)),
            ("null", Json::Null),
        ] {
            if rest.starts_with(name) {
                self.at += name.len();
                return Ok(value);
            }
        }
        for (name, value, right) in [
            ("True", Json::Bool(true), "true"),
            ("False", Json::Bool(false), "false"),
            ("None", Json::Null, "null"),
        ] {
            if rest.starts_with(name) {
                self.over(&format!("`{name}` is written `{right}`"))?;
                self.at += name.len();
                return Ok(value);
            }
        }
        Err(self.fail("a value was expected"))
    }
}
