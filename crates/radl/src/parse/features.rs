//! Features: what stands between the parentheses of networks, systems, softs and groups.

use super::{Broken, Parser, Step, conflict, random_length, shorten};
use crate::{
    Conflict, Diagnostic, Feature, Features, Interval, Missing, Op, Soft, codes,
    lex::{Tok, Word, unescape},
    limits::LONGEST_RANDOM,
};

impl Parser<'_, '_> {
    /// Features between parentheses.
    pub(super) fn body(&mut self) -> Step<Features> {
        if self.open.len() >= self.limits.nesting {
            let message = format!("Nested too deep: {} levels are the most", self.limits.nesting);
            self.sink
                .push(Diagnostic::error(codes::LIMIT, message).at(self.ahead.span));
            return Err(Broken);
        }
        self.open()?;
        let depth = self.open.len();
        let mut features = Features::new();
        let mut needed = self.accept_word(Word::And);
        loop {
            if self.ahead.tok == Tok::Close && !needed {
                break;
            }
            if self.feature(&mut features).is_err() {
                self.next_feature(depth)?;
            }
            if self.accept_word(Word::And) {
                needed = true;
                continue;
            }
            if self.ahead.tok == Tok::Close {
                break;
            }
            let _ = self.unexpected_with("`and` or `)`", self.missing_and());
            self.next_feature(depth)?;
            needed = self.accept_word(Word::And);
            if !needed && self.ahead.tok == Tok::Close {
                break;
            }
        }
        self.close("`and` or `)`")?;
        Ok(features)
    }

    fn missing_and(&self) -> Option<String> {
        if let Tok::Op(_) = self.ahead.tok {
            // `a = 1 b = 2`: the second name was read as a unit.
            let name = self.lexer.text_of(self.last);
            return Some(format!("is `and` missing before `{name}`?"));
        }
        matches!(self.ahead.tok, Tok::Ident(_) | Tok::Comma | Tok::Word(Word::Soft))
            .then(|| "features are joined by `and`".to_owned())
    }

    /// Skips to the next `and` or `)` of this depth; gives up where a sentence begins.
    fn next_feature(&mut self, depth: usize) -> Step<()> {
        self.open.truncate(depth);
        let mut inner = 0_usize;
        loop {
            match self.ahead.tok {
                Tok::End => return Err(Broken),
                Tok::Word(word) if word.begins() => return Err(Broken),
                Tok::Word(Word::And) | Tok::Close if inner == 0 => return Ok(()),
                Tok::Open => inner += 1,
                Tok::Close => inner -= 1,
                _ => {}
            }
            self.take();
        }
    }

    fn feature(&mut self, features: &mut Features) -> Step<()> {
        if self.is_word(Word::Soft) {
            let start = self.take().span;
            let (weight, end) = self.number("the weight of the soft features")?;
            let at = start.to(end).into();
            let inner = self.body()?;
            features.push_soft(Soft {
                weight,
                features: inner,
                at,
            });
            return Ok(());
        }
        let (name, start) = match self.ahead.tok {
            Tok::Close => {
                let hint = "an `and` stands between two features: remove the one before this".to_owned();
                return Err(self.unexpected_with("the name of a feature", Some(hint)));
            }
            _ => self.ident("the name of a feature")?,
        };
        let feature = if self.accept_word(Word::Contains) {
            Feature::group(self.body()?)
        } else {
            let op = self.comparator()?;
            self.value(op)?
        };
        let at = start.to(self.last);
        if let Err(error) = features.add(name, feature, at.into(), Conflict::Error, Missing::Other) {
            self.sink.push(conflict(&error, at.into()));
        }
        Ok(())
    }

    pub(super) fn comparator(&mut self) -> Step<Op> {
        match self.ahead.tok {
            Tok::Op(op) => {
                self.take();
                Ok(op)
            }
            _ => Err(self.unexpected("`=`, `<`, `>`, `<=`, `>=` or `contains`")),
        }
    }

    fn value(&mut self, op: Op) -> Step<Feature> {
        match self.ahead.tok {
            Tok::Number(number) => {
                self.take();
                let unit = match self.ahead.tok {
                    Tok::Ident(unit) => {
                        self.take();
                        unit
                    }
                    _ => "",
                };
                Ok(Feature::Number(Interval::new(op, number, unit)))
            }
            Tok::Text(raw, escaped) => {
                let span = self.take().span;
                match random_length(raw) {
                    Some(length) if length > LONGEST_RANDOM => {
                        let message = format!("Random value too long: {LONGEST_RANDOM} characters are the most");
                        self.sink.push(Diagnostic::error(codes::RANDOM, message).at(span));
                        Ok(Feature::Random(op, LONGEST_RANDOM))
                    }
                    Some(length) => Ok(Feature::Random(op, length)),
                    None => Ok(Feature::Text(op, unescape(raw, escaped).into_owned())),
                }
            }
            Tok::OpenList => self.list(op),
            Tok::Input => {
                self.take();
                Ok(Feature::Text(op, String::new()))
            }
            Tok::Ident(_) | Tok::Word(_) => self.unquoted(op),
            Tok::Op(_) => {
                let hint = "the operators are `=`, `<`, `>`, `<=` and `>=`".to_owned();
                Err(self.unexpected_with("a value: a number, a string or a list", Some(hint)))
            }
            _ => Err(self.unexpected("a value: a number, a string or a list")),
        }
    }

    /// A value that is a word: in double quotes, which are read over, or in none.
    fn unquoted(&mut self, op: Op) -> Step<Feature> {
        let span = self.ahead.span;
        let quoted = self.lexer.double_quoted(span);
        self.ahead.span = quoted.unwrap_or(span);
        let written = self.lexer.text_of(self.ahead.span).trim_matches('"');
        let hint = format!("strings are written between single quotes: `'{}'`", shorten(written));
        let broken = self.unexpected_with("a value: a number, a string or a list", Some(hint));
        self.ahead.span = span;
        let Some(quoted) = quoted else { return Err(broken) };
        while self.ahead.span.start < quoted.end && self.ahead.tok != Tok::End {
            self.take();
        }
        Ok(Feature::Text(op, written.to_owned()))
    }

    fn list(&mut self, op: Op) -> Step<Feature> {
        let start = self.take().span;
        let mut values = Vec::new();
        let mut full = false;
        while self.ahead.tok != Tok::CloseList {
            match self.ahead.tok {
                Tok::Text(raw, escaped) if random_length(raw).is_none() => {
                    self.take();
                    if values.len() < self.limits.list {
                        values.push(unescape(raw, escaped).into_owned());
                    } else {
                        full = true;
                    }
                }
                Tok::Input => {
                    self.take();
                }
                _ => return Err(self.unexpected("a string: lists hold nothing else")),
            }
            match self.ahead.tok {
                Tok::Comma => {
                    self.take();
                    if self.ahead.tok == Tok::CloseList {
                        return Err(self.unexpected("a string after the comma"));
                    }
                }
                Tok::CloseList => {}
                _ => return Err(self.unexpected("`,` or `]`")),
            }
        }
        self.take();
        if full {
            let message = format!("List too long: {} strings are the most", self.limits.list);
            self.sink.push(Diagnostic::error(codes::LIMIT, message).at(start));
        }
        // The canonical form of an empty list, since the original cannot read brackets with nothing in them.
        if values == [""] {
            values.clear();
        }
        Ok(Feature::List(op, values))
    }
}
