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

/// Reads one JSON value.
pub(crate) fn read(text: &str, nesting: usize) -> Result<Node, Box<Diagnostic>> {
    let mut reader = Reader {
        text,
        at: 0,
        line: 1,
        column_at: 0,
        column: 1,
        left: nesting,
    };
    let node = reader.value()?;
    reader.blank();
    if reader.at < text.len() {
        return Err(reader.fail("text follows the end of the document"));
    }
    Ok(node)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    line: u32,
    column_at: usize,
    column: u32,
    left: usize,
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

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blank(&mut self) {
        while let Some(byte) = self.peek() {
            match byte {
                b' ' | b'\t' | b'\r' => self.at += 1,
                b'\n' => {
                    self.at += 1;
                    self.line += 1;
                    self.column_at = self.at;
                    self.column = 1;
                }
                _ => break,
            }
        }
    }

    fn value(&mut self) -> Read<Node> {
        self.blank();
        let start = self.at;
        let place = self.span(start, start);
        let value = match self.peek() {
            Some(b'{') => self.nested(Self::object)?,
            Some(b'[') => self.nested(Self::array)?,
            Some(b'"') => Json::Text(self.string()?),
            Some(b'-' | b'0'..=b'9') => Json::Number(self.number()?),
            Some(b'a'..=b'z') => self.literal()?,
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
        self.blank();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Json::Array(values));
        }
        loop {
            values.push(self.value()?);
            self.blank();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(Json::Array(values));
                }
                _ => return Err(self.fail("`,` or `]` was expected")),
            }
        }
    }

    fn object(&mut self) -> Read<Json> {
        let mut members = IndexMap::new();
        self.blank();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Json::Object(members));
        }
        loop {
            self.blank();
            if self.peek() != Some(b'"') {
                return Err(self.fail("the name of a member, in double quotes, was expected"));
            }
            let name = self.string()?;
            self.blank();
            if self.peek() != Some(b':') {
                return Err(self.fail("`:` was expected"));
            }
            self.at += 1;
            let value = self.value()?;
            members.insert(name, value);
            self.blank();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(Json::Object(members));
                }
                _ => return Err(self.fail("`,` or `}` was expected")),
            }
        }
    }

    fn string(&mut self) -> Read<String> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        let mut end = start + 1;
        loop {
            match bytes.get(end) {
                Some(b'"') => break,
                Some(b'\\') => end += 2,
                Some(0..0x20) => {
                    self.at = end;
                    return Err(self.fail("a line end or another control character stands in a string: write it `\\n`"));
                }
                Some(_) => end += 1,
                None => return Err(self.fail("the string that begins here has no end")),
            }
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
        Err(self.fail("a value was expected"))
    }
}
