//! The parser of the plain form: recursive descent that goes on after an error and reports them all.

mod features;

use crate::{
    AnsibleHost, Configure, ContextItem, Contextualize, Deploy, Description, Diagnostic, Document, Feature, Features,
    Interval, Limits, MergeError, Network, Number, Origin, Recipe, Span, System,
    build::Builder,
    codes, hints,
    lex::{Lexer, Tok, Token, WORDS, Word, unescape},
    sink::Sink,
};

/// What was read, and what was found on the way.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// The document, as far as it could be read.
    pub document: Document,
    /// Findings, in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
}

impl Parsed {
    /// Whether the document can be used.
    pub fn is_ok(&self) -> bool {
        !self.diagnostics.iter().any(Diagnostic::is_error)
    }

    /// The document with its warnings, or everything that was found.
    pub fn into_result(self) -> Result<(Document, Vec<Diagnostic>), Vec<Diagnostic>> {
        if self.is_ok() {
            Ok((self.document, self.diagnostics))
        } else {
            Err(self.diagnostics)
        }
    }
}

/// Reads a document in either form: JSON if it begins with `[`.
pub fn parse(text: &str) -> Parsed {
    parse_with(text, &Limits::default())
}

/// Reads a document in either form, within bounds.
pub fn parse_with(text: &str, limits: &Limits) -> Parsed {
    if text.trim_start().starts_with('[') {
        crate::json::parse_json_with(text, limits)
    } else {
        parse_text_with(text, limits)
    }
}

/// Reads the plain form.
pub fn parse_text(text: &str) -> Parsed {
    parse_text_with(text, &Limits::default())
}

/// Reads the plain form, within bounds.
pub fn parse_text_with(text: &str, limits: &Limits) -> Parsed {
    if let Some(parsed) = too_large(text, limits) {
        return parsed;
    }
    let mut parser = Parser::new(text, limits);
    parser.document();
    let document = parser.builder.finish();
    if parser.sink.errors() == 0 && !text.trim().is_empty() {
        parser.sink.extend(relaxed_sentences(&document));
    }
    parser.sink.extend(document.too_many_vms(limits));
    Parsed {
        document,
        diagnostics: parser.sink.finish(),
    }
}

/// A document without a sentence but a description, which the original has no use for.
fn relaxed_sentences(document: &Document) -> Option<Diagnostic> {
    let described = Document {
        description: document.description.clone(),
        ..Document::default()
    };
    if *document != described {
        return None;
    }
    Some(match &document.description {
        None => Diagnostic::warning(codes::RELAXED, "The document holds nothing but comments"),
        Some(description) => {
            Diagnostic::warning(codes::RELAXED, "The document holds nothing but a description").at(description.at)
        }
    })
}

impl Document {
    /// The error of a document that asks for more VMs than it may.
    pub fn too_many_vms(&self, limits: &Limits) -> Option<Diagnostic> {
        let vms = self.vm_count();
        (vms > limits.vms).then(|| {
            let message = format!("Too many VMs: {vms}, {} are the most", limits.vms);
            let largest = self.deploys.iter().max_by_key(|deploy| deploy.count());
            let place = largest.map_or(Origin(None), |deploy| deploy.at);
            Diagnostic::error(codes::LIMIT, message).at(place)
        })
    }
}

/// The answer to a document that is larger than it may be.
pub(crate) fn too_large(text: &str, limits: &Limits) -> Option<Parsed> {
    let most = limits.bytes.min(u32::MAX as usize);
    (text.len() > most).then(|| {
        let message = format!("Document too large: {} bytes, {most} are the most", text.len());
        Parsed {
            document: Document::default(),
            diagnostics: vec![Diagnostic::error(codes::LIMIT, message)],
        }
    })
}

/// A syntax error that has been reported: whoever can goes on behind it.
struct Broken;

type Step<T> = Result<T, Broken>;

struct Parser<'a, 'l> {
    lexer: Lexer<'a>,
    ahead: Token<'a>,
    /// End of the last token taken.
    last: Span,
    /// Open parentheses that the parser knows of.
    open: Vec<Span>,
    limits: &'l Limits,
    sink: Sink,
    builder: Builder,
}

impl<'a, 'l> Parser<'a, 'l> {
    fn new(text: &'a str, limits: &'l Limits) -> Self {
        let mut lexer = Lexer::new(text);
        let mut sink = Sink::new(limits.diagnostics);
        let ahead = lexer.next(&mut sink);
        Self {
            lexer,
            ahead,
            last: Span::default(),
            open: Vec::new(),
            limits,
            sink,
            builder: Builder::default(),
        }
    }

    fn take(&mut self) -> Token<'a> {
        let next = self.lexer.next(&mut self.sink);
        let token = std::mem::replace(&mut self.ahead, next);
        self.last = token.span;
        token
    }

    fn is_word(&self, word: Word) -> bool {
        self.ahead.tok == Tok::Word(word)
    }

    fn accept_word(&mut self, word: Word) -> bool {
        let found = self.is_word(word);
        if found {
            self.take();
        }
        found
    }

    /// Reports that the next token does not belong here.
    fn unexpected(&mut self, expected: &str) -> Broken {
        self.unexpected_with(expected, None)
    }

    fn unexpected_with(&mut self, expected: &str, hint: Option<String>) -> Broken {
        let Token { tok, span } = self.ahead;
        // What broke off the text, or was not replaced in it, has been reported.
        if tok == Tok::Input || (tok == Tok::End && span.end > span.start) {
            return Broken;
        }
        let mut error = if tok == Tok::End {
            let message = format!("Syntax error: the document ends where {expected} was expected");
            let mut error = Diagnostic::error(codes::SYNTAX, message);
            match self.open.last() {
                Some(open) => error = error.note("this parenthesis is not closed", Origin::from(*open)),
                None => error = error.note("the last word is here", Origin::from(self.last)),
            }
            error
        } else {
            let written = shorten(self.lexer.text_of(span));
            let message = format!("Syntax error: unexpected `{written}`, expected {expected}");
            let error = Diagnostic::error(codes::SYNTAX, message).at(span);
            match self.open.last() {
                Some(open) if matches!(tok, Tok::Word(word) if word.begins()) => {
                    error.note("this parenthesis is not closed", Origin::from(*open))
                }
                _ => error,
            }
        };
        error.hint = hint.or_else(|| match tok {
            Tok::Word(_) => Some("it is a reserved word: it cannot be used as a name".to_owned())
                .filter(|_| expected.contains("name")),
            _ => None,
        });
        self.sink.push(error);
        Broken
    }

    fn open(&mut self) -> Step<()> {
        if self.ahead.tok == Tok::Open {
            self.open.push(self.ahead.span);
            self.take();
            Ok(())
        } else {
            Err(self.unexpected("`(`"))
        }
    }

    fn close(&mut self, expected: &str) -> Step<()> {
        if self.ahead.tok == Tok::Close {
            self.open.pop();
            self.take();
            Ok(())
        } else {
            Err(self.unexpected(expected))
        }
    }

    fn ident(&mut self, expected: &str) -> Step<(&'a str, Span)> {
        match self.ahead.tok {
            Tok::Ident(name) => Ok((name, self.take().span)),
            _ => Err(self.unexpected(expected)),
        }
    }

    fn number(&mut self, expected: &str) -> Step<(Number, Span)> {
        match self.ahead.tok {
            Tok::Number(number) => Ok((number, self.take().span)),
            Tok::Input => Ok((Number::Int(0), self.take().span)),
            _ => Err(self.unexpected(expected)),
        }
    }

    /// Skips to where a sentence may begin.
    fn next_sentence(&mut self) {
        while !matches!(self.ahead.tok, Tok::End) {
            if matches!(self.ahead.tok, Tok::Word(word) if word.begins()) {
                break;
            }
            self.take();
        }
        self.open.clear();
        self.lexer.depth = 0;
    }

    fn document(&mut self) {
        let mut sentences = 0_usize;
        while self.ahead.tok != Tok::End && !self.sink.is_full() {
            if self.sentence(sentences).is_err() {
                self.next_sentence();
            }
            sentences += 1;
        }
    }

    fn sentence(&mut self, before: usize) -> Step<()> {
        let Tok::Word(word) = self.ahead.tok else {
            return Err(self.no_sentence());
        };
        match word {
            Word::Description => self.description(before),
            Word::Network => self.network(),
            Word::Ansible => self.ansible(),
            Word::System => self.system(),
            Word::Configure => self.configure(),
            Word::Contextualize => self.contextualize(),
            Word::Deploy => self.deploy(),
            _ => Err(self.no_sentence()),
        }
    }

    fn no_sentence(&mut self) -> Broken {
        let hint = match self.ahead.tok {
            Tok::Close => Some("there is one `)` too many".to_owned()),
            Tok::Ident("tosca_definitions_version") => {
                Some("this is TOSCA: give the file a name that ends in `.yaml`, or send it as `text/yaml`".to_owned())
            }
            Tok::Ident(name) => {
                let begins = WORDS.iter().filter(|(_, word)| word.begins()).map(|(name, _)| *name);
                hints::nearest(name, begins).map(|near| format!("did you mean `{near}`?"))
            }
            _ => None,
        };
        let broken = self.unexpected_with("a sentence such as `network`, `system`, `configure` or `deploy`", hint);
        self.take();
        broken
    }

    fn description(&mut self, before: usize) -> Step<()> {
        let start = self.take().span;
        let (id, end) = self.ident("the name of the description")?;
        let at = start.to(end);
        let features = if self.ahead.tok == Tok::Open {
            self.body()?
        } else {
            Features::new()
        };
        let there = self.builder.document().description.as_ref().map(|first| first.at);
        if let Some(first) = there {
            let message = "Duplicate description: an aspect with the same id already exists";
            let error = Diagnostic::error(codes::DUPLICATE, message).at(at);
            self.sink.push(error.note("the first one is here", first));
        } else if before > 0 {
            let message = "Syntax error: a description must come before everything else";
            self.sink.push(Diagnostic::error(codes::SYNTAX, message).at(at));
        }
        self.builder.description(Description {
            id: id.to_owned(),
            features,
            at: at.into(),
        });
        Ok(())
    }

    fn network(&mut self) -> Step<()> {
        let start = self.take().span;
        let (id, end) = self.ident("the name of the network")?;
        let reference = self.ahead.tok != Tok::Open;
        let network = Network {
            id: id.to_owned(),
            reference,
            at: start.to(end).into(),
            features: if reference { Features::new() } else { self.body()? },
        };
        self.builder.network(network, &mut self.sink);
        Ok(())
    }

    fn system(&mut self) -> Step<()> {
        let start = self.take().span;
        let (name, end) = self.ident("the name of the system")?;
        let reference = self.ahead.tok != Tok::Open;
        let system = System {
            name: name.to_owned(),
            reference,
            at: start.to(end).into(),
            features: if reference { Features::new() } else { self.body()? },
        };
        self.builder.system(system, &mut self.sink);
        Ok(())
    }

    fn ansible(&mut self) -> Step<()> {
        let start = self.take().span;
        let (id, end) = self.ident("the name of the Ansible host")?;
        let host = AnsibleHost {
            id: id.to_owned(),
            at: start.to(end).into(),
            features: self.body()?,
        };
        self.builder.ansible(host, &mut self.sink);
        Ok(())
    }

    fn deploy(&mut self) -> Step<()> {
        let start = self.take().span;
        let (system, _) = self.ident("the name of the system to deploy")?;
        let (number, mut end) = self.number("the number of VMs to deploy")?;
        let cloud = match self.ahead.tok {
            Tok::Ident(cloud) => {
                end = self.take().span;
                Some(cloud.to_owned())
            }
            _ => None,
        };
        self.builder.deploy(Deploy {
            system: system.to_owned(),
            number,
            cloud,
            at: start.to(end).into(),
        });
        Ok(())
    }

    fn configure(&mut self) -> Step<()> {
        let start = self.take().span;
        let (name, end) = self.ident("the name of the configure")?;
        let mut recipe_at = Origin(None);
        let recipe = if self.ahead.tok == Tok::Open {
            self.open()?;
            let recipe = match self.ahead.tok {
                Tok::Recipe(raw) => {
                    let mut span = self.take().span;
                    let (text, skipped) = trim_recipe(raw);
                    span.start += skipped;
                    if skipped > 0 {
                        span.line += 1;
                        span.column = 1;
                    }
                    recipe_at = span.into();
                    if raw.contains("@input.") {
                        let message =
                            "The recipe holds an input parameter, `@input.NAME@`, that the client did not replace";
                        self.sink
                            .push(Diagnostic::warning(codes::INPUT_IN_TEXT, message).at(span));
                    }
                    Recipe::Text(text.into())
                }
                _ => Recipe::Disabled,
            };
            self.close("`@begin` or `)`")?;
            recipe
        } else {
            Recipe::Reference
        };
        let configure = Configure {
            name: name.to_owned(),
            recipe,
            at: start.to(end).into(),
            recipe_at,
        };
        self.builder.configure(configure, &mut self.sink);
        Ok(())
    }

    fn contextualize(&mut self) -> Step<()> {
        let at = self.take().span;
        let mut all = Contextualize {
            at: at.into(),
            ..Contextualize::default()
        };
        if let Tok::Number(_) | Tok::Input = self.ahead.tok {
            all.max_time = self.number("a number of seconds")?.0;
        }
        self.open()?;
        if self.context_items(&mut all).is_err() {
            self.end_of_items()?;
        }
        self.builder.contextualize(all);
        Ok(())
    }

    fn context_items(&mut self, all: &mut Contextualize) -> Step<()> {
        while self.is_word(Word::Option) {
            self.option(&mut all.options)?;
        }
        while self.is_word(Word::System) {
            let item = self.context_item()?;
            all.items.push(item);
        }
        if self.is_word(Word::Option) {
            return Err(self.unexpected("`system` or `)`: options come before the items"));
        }
        self.close("`option`, `system` or `)`")
    }

    /// Skips to the end of a contextualize: words that begin items begin sentences elsewhere.
    fn end_of_items(&mut self) -> Step<()> {
        loop {
            match self.ahead.tok {
                Tok::Close => {
                    self.open.pop();
                    self.take();
                    return Ok(());
                }
                Tok::End => return Err(Broken),
                Tok::Word(Word::System | Word::Configure) => {}
                Tok::Word(word) if word.begins() => return Err(Broken),
                _ => {}
            }
            self.take();
        }
    }

    fn option(&mut self, options: &mut Features) -> Step<()> {
        let start = self.take().span;
        let (name, end) = self.ident("the name of the option")?;
        let op = self.comparator()?;
        let feature = match self.ahead.tok {
            Tok::Text(raw, escaped) if random_length(raw).is_none() => {
                Feature::Text(op, unescape(raw, escaped).into_owned())
            }
            Tok::Number(number) => Feature::Number(Interval::new(op, number, "")),
            Tok::Input => Feature::Text(op, String::new()),
            _ => return Err(self.unexpected("a string or a number")),
        };
        self.take();
        options.set_at(name, feature, start.to(end).into());
        Ok(())
    }

    fn context_item(&mut self) -> Step<ContextItem> {
        let start = self.take().span;
        let (system, _) = self.ident("the name of a system")?;
        if !self.accept_word(Word::Configure) {
            return Err(self.unexpected("`configure`"));
        }
        let (configure, end) = self.ident("the name of a configure")?;
        let mut item = ContextItem {
            system: system.to_owned(),
            configure: configure.to_owned(),
            step: None,
            tool: None,
            at: start.to(end).into(),
        };
        if self.accept_word(Word::Step) {
            item.step = Some(self.number("the number of the step")?.0);
        } else if self.accept_word(Word::With) {
            item.tool = Some(self.ident("the name of the tool")?.0.to_owned());
        }
        if matches!(self.ahead.tok, Tok::Word(Word::Step | Word::With)) {
            return Err(self.unexpected("`system` or `)`: an item has a step or a tool, not both"));
        }
        Ok(item)
    }
}

/// The finding about a feature that does not go with one that is there.
pub(crate) fn conflict(error: &MergeError, at: Origin) -> Diagnostic {
    let finding = Diagnostic::error(codes::CONFLICT, error.to_string()).at(at);
    match error.old_at() {
        Origin(None) => finding,
        place => finding.note("it is set here", place),
    }
}

/// The length of the random value that a string asks for: exactly `random(D)`.
pub(crate) fn random_length(raw: &str) -> Option<usize> {
    let digits = raw.strip_prefix("random(")?.strip_suffix(')')?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse().unwrap_or(usize::MAX))
}

/// A recipe without the line ends next to `@begin` and `@end`, which printing writes again; and how much was cut off
/// at the front.
fn trim_recipe(raw: &str) -> (&str, u32) {
    let (text, skipped) = match (raw.strip_prefix('\n'), raw.strip_prefix("\r\n")) {
        (Some(text), _) => (text, 1),
        (_, Some(text)) => (text, 2),
        _ => (raw, 0),
    };
    (text.strip_suffix('\n').unwrap_or(text), skipped)
}

fn shorten(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() > 40 || line.len() < text.trim_end().len() {
        return line.chars().take(40).chain(['…']).collect();
    }
    line.to_owned()
}
