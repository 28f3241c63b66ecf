//! The lexer: tokens with their places, in time proportional to the text.
//!
//! Never fails: a character that the language has no use for is skipped with a warning, as it always was.

use crate::{Diagnostic, Number, Op, Span, codes, sink::Sink};
use std::borrow::Cow;

/// Reserved words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    Network,
    Ansible,
    System,
    Soft,
    And,
    Contains,
    Deploy,
    Configure,
    Contextualize,
    Step,
    With,
    Option,
    Description,
}

/// All reserved words.
pub(crate) const WORDS: &[(&str, Word)] = &[
    ("network", Word::Network),
    ("ansible", Word::Ansible),
    ("system", Word::System),
    ("soft", Word::Soft),
    ("and", Word::And),
    ("contains", Word::Contains),
    ("deploy", Word::Deploy),
    ("configure", Word::Configure),
    ("contextualize", Word::Contextualize),
    ("step", Word::Step),
    ("with", Word::With),
    ("option", Word::Option),
    ("description", Word::Description),
];

impl Word {
    /// Whether a sentence may begin with it.
    pub(crate) fn begins(self) -> bool {
        matches!(
            self,
            Self::Network
                | Self::Ansible
                | Self::System
                | Self::Deploy
                | Self::Configure
                | Self::Contextualize
                | Self::Description
        )
    }
}

/// The reserved word spelled like this.
pub(crate) fn word(text: &str) -> Option<Word> {
    // No reserved word is shorter or longer.
    if !(3..=13).contains(&text.len()) {
        return None;
    }
    WORDS.iter().find(|(name, _)| *name == text).map(|(_, word)| *word)
}

/// Whether the text is an identifier of the language, and not a reserved word.
pub fn is_ident(text: &str) -> bool {
    text.bytes().next().is_some_and(begins_ident)
        && ident_end(text.as_bytes(), text, 0) == text.len()
        && word(text).is_none()
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Tok<'a> {
    Open,
    Close,
    OpenList,
    CloseList,
    Comma,
    Op(Op),
    Number(Number),
    /// What stands between the quotes, and whether it holds `\'`.
    Text(&'a str, bool),
    Ident(&'a str),
    Word(Word),
    /// Everything between `@begin` and `@end`.
    Recipe(&'a str),
    /// An `@input.NAME@` that nobody replaced; reported already.
    Input,
    End,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Token<'a> {
    pub(crate) tok: Tok<'a>,
    pub(crate) span: Span,
}

pub(crate) struct Lexer<'a> {
    text: &'a str,
    at: usize,
    line: u32,
    /// A byte of the current line and its column, from which columns are counted on.
    column_at: usize,
    column: u32,
    /// Open parentheses: within them operators and lists are known.
    pub(crate) depth: u32,
    /// Comments met, if they are wanted.
    pub(crate) comments: Option<Vec<Span>>,
    /// Where the next `@end` and the next `@begin` at a first column stand, found out once for all recipes before them.
    next_end: Landmark,
    next_begin: Landmark,
}

/// The next occurrence of a text: sought anew only once it has been passed, so that many seekers cost one search.
#[derive(Default)]
struct Landmark {
    sought: bool,
    at: Option<usize>,
}

impl Landmark {
    fn after(&mut self, from: usize, what: &str, text: &str) -> Option<usize> {
        let passed = self.at.is_some_and(|at| at < from);
        if !self.sought || passed {
            self.sought = true;
            self.at = text[from..].find(what).map(|at| from + at);
        }
        self.at
    }
}

/// The first line that begins with blanks and `@end`: where the line begins, and where the `@` stands.
fn indented_end(region: &str) -> Option<(usize, usize)> {
    region.match_indices('\n').find_map(|(line_end, _)| {
        let line = &region[line_end + 1..];
        let rest = line.trim_start_matches([' ', '\t']);
        let blanks = line.len() - rest.len();
        let after = rest.strip_prefix("@end")?;
        let ends = blanks > 0 && !after.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        ends.then_some((line_end + 1, line_end + 1 + blanks))
    })
}

fn begins_ident(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte == b'.'
}

fn ident_end(bytes: &[u8], text: &str, mut at: usize) -> usize {
    loop {
        match bytes.get(at) {
            Some(b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' | b'-') => at += 1,
            Some(128..) => match text[at..].chars().next() {
                Some(c) if c.is_alphanumeric() => at += c.len_utf8(),
                _ => return at,
            },
            _ => return at,
        }
    }
}

fn digits_end(bytes: &[u8], mut at: usize) -> usize {
    while bytes.get(at).is_some_and(u8::is_ascii_digit) {
        at += 1;
    }
    at
}

/// A place in a text: documents are bounded far below 4 GiB.
pub(crate) fn small(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            line: 1,
            column_at: 0,
            column: 1,
            depth: 0,
            comments: None,
            next_end: Landmark::default(),
            next_begin: Landmark::default(),
        }
    }

    pub(crate) fn text_of(&self, span: Span) -> &'a str {
        self.text
            .get(span.start as usize..span.end as usize)
            .unwrap_or_default()
    }

    /// The text in double quotes, on one line, whose first word is at `word`.
    pub(crate) fn double_quoted(&self, word: Span) -> Option<Span> {
        let start = (word.start as usize).checked_sub(1)?;
        let inner = self.text.get(start..)?.strip_prefix('"')?;
        let len = inner.find(['"', '\n'])?;
        inner[len..].starts_with('"').then(|| Span {
            start: small(start),
            end: small(start + len + 2),
            line: word.line,
            column: word.column.saturating_sub(1),
        })
    }

    fn span(&mut self, start: usize, end: usize) -> Span {
        let newer = self.text.as_bytes().get(self.column_at..start).unwrap_or_default();
        // Bytes that continue a character have no column of their own.
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

    fn new_line(&mut self, begins: usize) {
        self.line += 1;
        self.column_at = begins;
        self.column = 1;
    }

    /// Moves on to `end` through text that may hold line ends.
    fn pass(&mut self, end: usize) {
        let passed = &self.text.as_bytes()[self.at..end];
        #[allow(clippy::naive_bytecount)] // The compiler makes vector instructions of it.
        let lines = passed.iter().filter(|byte| **byte == b'\n').count();
        if lines > 0 {
            self.line += small(lines);
            self.column = 1;
            let last = passed.iter().rposition(|byte| *byte == b'\n').unwrap_or_default();
            self.column_at = self.at + last + 1;
        }
        self.at = end;
    }

    fn take(&mut self, tok: Tok<'a>, len: usize) -> Token<'a> {
        let span = self.span(self.at, self.at + len);
        self.at += len;
        Token { tok, span }
    }

    /// The next token.
    pub(crate) fn next(&mut self, sink: &mut Sink) -> Token<'a> {
        let bytes = self.text.as_bytes();
        loop {
            let Some(&byte) = bytes.get(self.at) else {
                let span = self.span(bytes.len(), bytes.len());
                return Token { tok: Tok::End, span };
            };
            let body = self.depth > 0;
            match byte {
                b' ' | b'\t' | b'\r' => self.at += 1,
                b'\n' => {
                    self.at += 1;
                    self.new_line(self.at);
                }
                b'#' => {
                    let rest = &self.text[self.at..];
                    let end = self.at + rest.find('\n').unwrap_or(rest.len());
                    if self.comments.is_some() {
                        let span = self.span(self.at, end);
                        self.comments.get_or_insert_default().push(span);
                    }
                    self.at = end;
                }
                b'(' => {
                    self.depth += 1;
                    return self.take(Tok::Open, 1);
                }
                b')' => {
                    self.depth = self.depth.saturating_sub(1);
                    return self.take(Tok::Close, 1);
                }
                b'<' if body && bytes.get(self.at + 1) == Some(&b'=') => return self.take(Tok::Op(Op::Le), 2),
                b'>' if body && bytes.get(self.at + 1) == Some(&b'=') => return self.take(Tok::Op(Op::Ge), 2),
                b'<' if body => return self.take(Tok::Op(Op::Lt), 1),
                b'>' if body => return self.take(Tok::Op(Op::Gt), 1),
                b'=' if body => return self.take(Tok::Op(Op::Eq), 1),
                b'[' if body => return self.take(Tok::OpenList, 1),
                b']' if body => return self.take(Tok::CloseList, 1),
                b',' if body => return self.take(Tok::Comma, 1),
                b'0'..=b'9' => return self.number(sink),
                b'\'' => return self.string(sink),
                _ if begins_ident(byte) => {
                    let end = ident_end(bytes, self.text, self.at + 1);
                    let name = &self.text[self.at..end];
                    let tok = word(name).map_or(Tok::Ident(name), Tok::Word);
                    return self.take(tok, name.len());
                }
                b'@' if self.text[self.at..].starts_with("@begin") => return self.recipe(sink),
                b'@' if self.text[self.at..].starts_with("@input.") => return self.input(sink),
                _ => self.skip(sink),
            }
        }
    }

    fn number(&mut self, sink: &mut Sink) -> Token<'a> {
        let bytes = self.text.as_bytes();
        let mut end = digits_end(bytes, self.at);
        let float = bytes.get(end) == Some(&b'.');
        if float {
            end = digits_end(bytes, end + 1);
        }
        let written = &self.text[self.at..end];
        let number = if float {
            written.parse().ok().filter(|n: &f64| n.is_finite()).map(Number::Float)
        } else {
            written.parse().ok().map(Number::Int)
        };
        let token = self.take(Tok::Number(number.unwrap_or_default()), written.len());
        if number.is_none() {
            sink.push(Diagnostic::error(codes::BIG_NUMBER, "Number too large").at(token.span));
        }
        token
    }

    fn string(&mut self, sink: &mut Sink) -> Token<'a> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        let mut end = start + 1;
        let mut escaped = false;
        let mut broken = None;
        loop {
            match bytes.get(end) {
                Some(b'\'') => break,
                Some(b'\\') => {
                    match bytes.get(end + 1) {
                        Some(b'\'') => escaped = true,
                        Some(b'\n') => broken = broken.or(Some(end)),
                        _ => {}
                    }
                    // A character of several bytes may follow; its other bytes are none of those looked for.
                    end += 2;
                }
                Some(_) => end += 1,
                None => {
                    let span = self.span(start, start + 1);
                    let message = "Syntax error: the string that begins here has no end";
                    sink.push(Diagnostic::error(codes::OPEN_STRING, message).at(span));
                    self.pass(bytes.len());
                    return Token { tok: Tok::End, span };
                }
            }
        }
        let span = self.span(start, end + 1);
        if let Some(at) = broken {
            self.pass(at);
            let place = self.span(at, at + 1);
            let message = "Syntax error: a backslash right before a line end is not allowed in a string";
            sink.push(Diagnostic::error(codes::BACKSLASH_LINE, message).at(place));
        }
        self.pass(end + 1);
        let raw = &self.text[start + 1..end];
        if raw.contains("@input.") {
            let message = "The string holds an input parameter, `@input.NAME@`, that the client did not replace";
            sink.push(Diagnostic::warning(codes::INPUT_IN_TEXT, message).at(span));
        }
        Token {
            tok: Tok::Text(raw, escaped),
            span,
        }
    }

    fn recipe(&mut self, sink: &mut Sink) -> Token<'a> {
        let start = self.at;
        let begins = start + "@begin".len();
        let begin = self.span(start, begins);
        let rest = &self.text[begins..];
        if rest.starts_with("@end") {
            let message = "Syntax error: a recipe needs at least one line between `@begin` and `@end`";
            sink.push(Diagnostic::error(codes::EMPTY_RECIPE, message).at(begin));
            self.at = begins + "@end".len();
            return Token {
                tok: Tok::Recipe(""),
                span: begin,
            };
        }
        let proper = self.next_end.after(begins, "\n@end", self.text);
        let next = self.next_begin.after(begins, "\n@begin", self.text);
        // A line that begins with `@begin` is in no YAML: before it an indented `@end` can only be meant as an end, and
        // so it can where no other one follows. Anywhere else it is text, as it always was.
        let indented = match (proper, next) {
            (Some(end), None) => (end, false),
            (Some(end), Some(next)) => (end.min(next), next < end),
            (None, Some(next)) => (next, true),
            (None, None) => (self.text.len(), true),
        };
        let indented = match indented {
            (to, true) => indented_end(&self.text[begins..to]).map(|(line, at)| (begins + line, begins + at)),
            _ => None,
        };
        let (end, at) = match (indented, proper) {
            (Some(found), _) => found,
            (None, Some(found)) => (found + 1, found + 1),
            (None, None) => {
                let missing = Diagnostic::error(codes::OPEN_RECIPE, "Syntax error: `@begin` without `@end`").at(begin);
                sink.push(missing.hint("end the recipe with a line that begins with `@end`"));
                self.pass(self.text.len());
                return Token {
                    tok: Tok::End,
                    span: begin,
                };
            }
        };
        self.pass(begins);
        let span = Span {
            end: small(at),
            ..self.span(begins, begins)
        };
        self.pass(at);
        if indented.is_some() {
            let place = self.span(at, at + "@end".len());
            let message = "An indented `@end` ends the recipe here; elsewhere it is a line of the recipe";
            let warning = Diagnostic::warning(codes::RELAXED, message).at(place);
            sink.push(warning.hint("begin the line with `@end`"));
        }
        self.at = at + "@end".len();
        Token {
            tok: Tok::Recipe(&self.text[begins..end]),
            span,
        }
    }

    fn input(&mut self, sink: &mut Sink) -> Token<'a> {
        let bytes = self.text.as_bytes();
        let mut end = ident_end(bytes, self.text, self.at + 1);
        if bytes.get(end) == Some(&b'@') {
            end += 1;
        }
        let written = &self.text[self.at..end];
        let token = self.take(Tok::Input, written.len());
        let message = format!("Input parameter `{written}` has not been replaced by a value");
        sink.push(
            Diagnostic::error(codes::INPUT, message)
                .at(token.span)
                .hint("the service does not know input parameters: the client asks for them and replaces them"),
        );
        token
    }

    fn skip(&mut self, sink: &mut Sink) {
        let start = self.at;
        let run = self.text[start..].chars();
        let mut first = None;
        for c in run {
            // Up to the next character that means something, or may. The first means nothing: that is why we are here.
            let body = self.depth > 0 && matches!(c, '<' | '>' | '=' | '[' | ']' | ',');
            let means = c.is_ascii_alphanumeric()
                || matches!(c, ' ' | '\t' | '\r' | '\n' | '(' | ')' | '\'' | '#' | '_' | '.' | '@');
            if first.is_some() && (means || body) {
                break;
            }
            first = first.or(Some(c));
            self.at += c.len_utf8();
        }
        // A byte order mark is no character of the document.
        if start == 0 && first == Some('\u{feff}') {
            return;
        }
        let span = self.span(start, self.at);
        let skipped = self.text_of(span);
        let mut warning =
            Diagnostic::warning(codes::SKIPPED, format!("`{skipped}` means nothing here and is skipped")).at(span);
        warning = match first {
            Some('"') => warning.hint("strings are written between single quotes"),
            Some('-') => warning.hint("numbers have no sign: `-5` is read as 5"),
            Some(':') => warning.hint("between a name and its value stands an operator, `=` for example"),
            Some('=' | '<' | '>' | '[' | ']' | ',') => warning.hint("it is known only between parentheses"),
            _ => warning,
        };
        sink.push(warning);
    }
}

/// A string's value: only `\'` is unescaped.
pub(crate) fn unescape(raw: &str, escaped: bool) -> Cow<'_, str> {
    if !escaped {
        return Cow::Borrowed(raw);
    }
    let mut out = String::with_capacity(raw.len());
    let mut characters = raw.chars();
    while let Some(c) = characters.next() {
        if c == '\\' {
            match characters.next() {
                Some('\'') => out.push('\''),
                Some(other) => out.extend(['\\', other]),
                None => out.push('\\'),
            }
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}
