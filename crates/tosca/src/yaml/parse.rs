//! From text to values: events of the YAML scanner are put together, plain scalars resolved, aliases and merge keys
//! replaced by what they stand for.

use super::{Entry, Mapping, Node, Value, python_text, scalar};
use crate::{FileId, Limits, Place, codes};
use im_radl::{Diagnostic, Span};
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span as Range, Tag};
use std::collections::HashMap;

/// Reads a text of one document. Gives nothing if it cannot be read, and then there is an error among the findings;
/// an empty text is null. The findings have places in this file, but not its name:
/// [`Sources::locate`](crate::Sources::locate) adds that.
pub fn parse(text: &str, file: FileId, limits: &Limits) -> (Option<Node>, Vec<Diagnostic>) {
    let mut builder = Builder::new(text, file, limits);
    let root = match builder.run() {
        Ok(root) => Some(root),
        Err(error) => {
            builder.found.push(*error);
            None
        }
    };
    (root, builder.found)
}

type Refused = Box<Diagnostic>;

/// How many characters lie between two entries of the table of byte positions.
const STEP: usize = 64;

struct Builder<'a> {
    text: &'a str,
    file: FileId,
    limits: &'a Limits,
    /// Byte positions of every 64th character; empty where characters are bytes.
    bytes: Vec<u32>,
    anchors: HashMap<usize, Anchored>,
    open: Vec<Frame>,
    /// Values so far, those that aliases repeat counted each time.
    values: usize,
    root: Option<Node>,
    found: Vec<Diagnostic>,
}

/// What an anchor marks, with its size.
struct Anchored {
    node: Node,
    values: usize,
    height: usize,
}

struct Frame {
    kind: Kind,
    at: Place,
    anchor: usize,
    /// How many values there were before it.
    before: usize,
    /// Of its highest member.
    height: usize,
}

enum Kind {
    Seq(Vec<Node>),
    Map(Members),
}

#[derive(Default)]
struct Members {
    own: Mapping,
    merged: Vec<Node>,
    key: Option<Key>,
}

enum Key {
    Plain(Node),
    Merge,
}

impl<'a> Builder<'a> {
    fn new(text: &'a str, file: FileId, limits: &'a Limits) -> Self {
        let bytes = if text.is_ascii() || text.len() > limits.bytes {
            Vec::new()
        } else {
            let positions = text.char_indices().step_by(STEP);
            positions.map(|(at, _)| u32::try_from(at).unwrap_or(u32::MAX)).collect()
        };
        Self {
            text,
            file,
            limits,
            bytes,
            anchors: HashMap::new(),
            open: Vec::new(),
            values: 0,
            root: None,
            found: Vec::new(),
        }
    }

    fn run(&mut self) -> Result<Node, Refused> {
        if self.text.len() > self.limits.bytes {
            let message = format!(
                "the file has {} bytes, and {} are allowed",
                self.text.len(),
                self.limits.bytes
            );
            return Err(Box::new(Diagnostic::error(codes::LIMIT, message)));
        }
        self.characters()?;
        let skipped = self.text.len() - self.text.trim_start_matches('\u{feff}').len();
        let mut documents = 0;
        for next in Parser::new_from_str(&self.text[skipped..]) {
            let (event, range) = next.map_err(|error| self.syntax(&error))?;
            match event {
                Event::DocumentStart(_) => {
                    documents += 1;
                    if documents > 1 {
                        let message = "a second document begins here, and a file holds one";
                        return Err(self.refuse(codes::SYNTAX, message, range));
                    }
                }
                Event::Scalar(text, style, anchor, tag) => {
                    self.scalar(&text, style, anchor, tag.as_deref(), range)?;
                }
                Event::Alias(anchor) => self.alias(anchor, range)?,
                Event::SequenceStart(anchor, tag) => {
                    self.collection_tag(tag.as_deref(), &["seq", "omap", "pairs"], range)?;
                    self.begin(Kind::Seq(Vec::new()), anchor, range)?;
                }
                Event::MappingStart(anchor, tag) => {
                    self.collection_tag(tag.as_deref(), &["map", "set"], range)?;
                    self.begin(Kind::Map(Members::default()), anchor, range)?;
                }
                Event::SequenceEnd | Event::MappingEnd => self.end()?,
                _ => {}
            }
        }
        Ok(self.root.take().unwrap_or_default())
    }

    /// The scanner takes a zero byte for the end of the text; YAML allows no control characters at all.
    fn characters(&self) -> Result<(), Refused> {
        let allowed = |c: char| match c {
            '\t' | '\n' | '\r' | '\u{85}' => true,
            c => c >= ' ' && !('\u{7f}'..'\u{a0}').contains(&c) && !matches!(c, '\u{fffe}' | '\u{ffff}'),
        };
        let Some((at, c)) = self.text.char_indices().find(|(_, c)| !allowed(*c)) else {
            return Ok(());
        };
        let before = &self.text[..at];
        let first = before.rfind('\n').map_or(0, |line| line + 1);
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let span = Span {
            start: count(at),
            end: count(at + c.len_utf8()),
            line: count(before.matches('\n').count() + 1),
            column: count(before[first..].chars().count() + 1),
        };
        let message = format!("YAML does not allow the character U+{:04X}", u32::from(c));
        Err(Box::new(Diagnostic::error(codes::SYNTAX, message).at(span)))
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        range: Range,
    ) -> Result<(), Refused> {
        let at = self.place(range);
        let plain = style == ScalarStyle::Plain;
        // Lines of a block have the line ends they are written with, and the last line of a text may have none.
        let block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
        let ends_here = block && !self.text.ends_with(['\n', '\r']) && at.span.end as usize >= self.text.len();
        let text = if ends_here {
            text.strip_suffix('\n').unwrap_or(text)
        } else {
            text
        };
        let value = match tag {
            Some(tag) if is_unspecific(tag) => scalar::resolve(text),
            Some(tag) => match schema_tag(tag) {
                Some("binary") => Err("binary data cannot be used here"),
                Some(name) if SCALARS.contains(&name) => scalar::tagged(name, text),
                _ => return Err(self.unknown_tag(tag, range)),
            },
            None if plain => scalar::resolve(text),
            None => Ok(Value::text(text)),
        };
        let value = match value {
            Ok(value) => value,
            Err(why) => {
                let message = format!("`{text}` cannot be read: {why}");
                return Err(Box::new(
                    Diagnostic::error(codes::SCALAR, message)
                        .at(at.span)
                        .hint("write it between quotes if it is text"),
                ));
            }
        };
        let merge = plain && tag.is_none() && text == "<<";
        if merge
            && let Some(Frame {
                kind: Kind::Map(members),
                ..
            }) = self.open.last_mut()
            && members.key.is_none()
        {
            members.key = Some(Key::Merge);
            return Ok(());
        }
        let node = Node::new(value, at);
        self.count(1, range)?;
        if anchor > 0 {
            let anchored = Anchored {
                node: node.clone(),
                values: 1,
                height: 0,
            };
            self.anchors.insert(anchor, anchored);
        }
        self.put(node, 0)
    }

    fn alias(&mut self, anchor: usize, range: Range) -> Result<(), Refused> {
        let Some(anchored) = self.anchors.get(&anchor) else {
            return Err(self.refuse(codes::SYNTAX, "the alias stands within what it repeats", range));
        };
        let (values, height) = (anchored.values, anchored.height);
        if self.open.len() + height > self.limits.nesting {
            return Err(self.too_deep(range));
        }
        let mut node = anchored.node.clone();
        node.at = self.place(range);
        self.count(values, range)?;
        self.put(node, height)
    }

    fn begin(&mut self, kind: Kind, anchor: usize, range: Range) -> Result<(), Refused> {
        if self.open.len() >= self.limits.nesting {
            return Err(self.too_deep(range));
        }
        let before = self.values;
        self.count(1, range)?;
        let at = self.place(range);
        self.open.push(Frame {
            kind,
            at,
            anchor,
            before,
            height: 0,
        });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Refused> {
        let Some(frame) = self.open.pop() else { return Ok(()) };
        let height = frame.height + 1;
        let value = match frame.kind {
            Kind::Seq(items) => Value::Seq(items),
            Kind::Map(members) => Value::Map(merged(members)?),
        };
        let node = Node::new(value, frame.at);
        if frame.anchor > 0 {
            let anchored = Anchored {
                node: node.clone(),
                values: self.values - frame.before,
                height,
            };
            // The copy that is kept is built as well.
            self.values += anchored.values;
            self.anchors.insert(frame.anchor, anchored);
        }
        self.put(node, height)
    }

    /// Takes a value into the collection it stands in.
    fn put(&mut self, node: Node, height: usize) -> Result<(), Refused> {
        let Some(frame) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        frame.height = frame.height.max(height);
        match &mut frame.kind {
            Kind::Seq(items) => items.push(node),
            Kind::Map(members) => match members.key.take() {
                None => {
                    if matches!(node.value, Value::Seq(_) | Value::Map(_)) {
                        let message = format!("{} cannot be a key", node.value.kind());
                        return Err(Box::new(
                            Diagnostic::error(codes::SYNTAX, message)
                                .at(node.at.span)
                                .hint("a text that begins with `{` or `[`, such as a template, stands between quotes"),
                        ));
                    }
                    members.key = Some(Key::Plain(node));
                }
                Some(Key::Merge) => members.merged.push(node),
                Some(Key::Plain(key)) => {
                    let at = key.at;
                    let text = python_text(&key.value);
                    if let Some(former) = members.own.insert_key(key, node) {
                        self.found.push(duplicate(&text, at, &former));
                    }
                }
            },
        }
        Ok(())
    }

    fn count(&mut self, values: usize, range: Range) -> Result<(), Refused> {
        self.values = self.values.saturating_add(values);
        if self.values <= self.limits.values {
            return Ok(());
        }
        let message = format!(
            "the file holds more than {} values, those that aliases repeat counted each time",
            self.limits.values
        );
        Err(self.refuse(codes::LIMIT, message, range))
    }

    fn too_deep(&self, range: Range) -> Refused {
        let message = format!("lists and mappings nest more than {} deep", self.limits.nesting);
        self.refuse(codes::LIMIT, message, range)
    }

    fn collection_tag(&self, tag: Option<&Tag>, known: &[&str], range: Range) -> Result<(), Refused> {
        match tag {
            None => Ok(()),
            Some(tag) if is_unspecific(tag) => Ok(()),
            Some(tag) if schema_tag(tag).is_some_and(|name| known.contains(&name)) => Ok(()),
            Some(tag) => Err(self.unknown_tag(tag, range)),
        }
    }

    fn unknown_tag(&self, tag: &Tag, range: Range) -> Refused {
        let message = format!("unknown tag `{}{}`", tag.handle, tag.suffix);
        Box::new(
            Diagnostic::error(codes::TAG, message)
                .at(self.place(range).span)
                .hint("leave it out, or put the text between quotes if the `!` belongs to it"),
        )
    }

    fn refuse(&self, code: &'static str, message: impl Into<String>, range: Range) -> Refused {
        Box::new(Diagnostic::error(code, message).at(self.place(range).span))
    }

    fn syntax(&self, error: &ScanError) -> Refused {
        let at = *error.marker();
        let mut found = Diagnostic::error(codes::SYNTAX, format!("this is not YAML: {}", error.info()));
        found.span = Some(self.place(Range::empty(at)).span);
        Box::new(found)
    }

    fn place(&self, range: Range) -> Place {
        let start = self.byte(range.start);
        Place {
            file: self.file,
            span: Span {
                start,
                end: self.byte(range.end).max(start),
                line: u32::try_from(range.start.line()).unwrap_or(u32::MAX),
                column: u32::try_from(range.start.col() + 1).unwrap_or(u32::MAX),
            },
        }
    }

    fn byte(&self, mark: Marker) -> u32 {
        let index = mark.index();
        if self.bytes.is_empty() {
            return u32::try_from(index).unwrap_or(u32::MAX);
        }
        let index = index + usize::from(self.text.starts_with('\u{feff}'));
        let Some(base) = self.bytes.get(index / STEP).or(self.bytes.last()).copied() else {
            return 0;
        };
        let rest = self.text.get(base as usize..).unwrap_or_default();
        let within = rest.char_indices().nth(index % STEP).map_or(rest.len(), |(at, _)| at);
        base + u32::try_from(within).unwrap_or(0)
    }
}

/// Members that a merge key brings come first, and lose against own ones.
fn merged(members: Members) -> Result<Mapping, Refused> {
    if members.merged.is_empty() {
        return Ok(members.own);
    }
    let mut all = Mapping::new();
    for merged in members.merged {
        let maps = match merged.value {
            // The first of a list wins.
            Value::Seq(items) => items.into_iter().rev().collect(),
            _ => vec![merged],
        };
        for map in maps {
            let Value::Map(map) = map.value else {
                let message = format!(
                    "`<<` takes a mapping or a list of mappings, and this is {}",
                    map.value.kind()
                );
                return Err(Box::new(Diagnostic::error(codes::SYNTAX, message).at(map.at.span)));
            };
            for (key, entry) in map {
                all.insert_entry(key, entry);
            }
        }
    }
    for (key, entry) in members.own {
        all.insert_entry(key, entry);
    }
    Ok(all)
}

const SCALARS: &[&str] = &["str", "null", "bool", "int", "float", "timestamp"];

fn is_unspecific(tag: &Tag) -> bool {
    (tag.handle == "!" && tag.suffix.is_empty()) || (tag.handle.is_empty() && tag.suffix == "!")
}

/// The name of a tag of the YAML schema.
fn schema_tag(tag: &Tag) -> Option<&str> {
    match tag.handle.as_str() {
        "tag:yaml.org,2002:" | "!!" => Some(&tag.suffix),
        "" => tag.suffix.strip_prefix("tag:yaml.org,2002:"),
        _ => None,
    }
}

fn duplicate(key: &str, at: Place, former: &Entry) -> Diagnostic {
    Diagnostic::warning(
        codes::DUPLICATE_KEY,
        format!("`{key}` is written twice: the last one counts"),
    )
    .at(at.span)
    .note("the one before it", former.key_at.span.into())
}
