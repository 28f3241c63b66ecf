//! Lays a document out for people: one feature a line, comments kept.
//!
//! Never changes what the document says: strings and recipes stay as they are written, letter by letter, and so does
//! the order. Characters that mean nothing are dropped.

use crate::{
    Diagnostic, Limits, Span,
    lex::{Lexer, Tok, Token, Word},
    parse::parse_text_with,
    sink::Sink,
};

/// Lines are broken that are longer.
const WIDEST: usize = 100;

/// Lays out the plain form. A document with errors is not touched: they are answered instead.
pub fn format_text(text: &str, limits: &Limits) -> Result<String, Vec<Diagnostic>> {
    let parsed = parse_text_with(text, limits);
    if !parsed.is_ok() {
        return Err(parsed.diagnostics);
    }
    let mut tree = Tree::read(text);
    let mut out = Out::default();
    tree.sentences(&mut out);
    Ok(out.text)
}

/// A word of the text with its comments.
struct Leaf<'a> {
    tok: Tok<'a>,
    text: &'a str,
    /// Comments on lines of their own before it.
    before: Vec<&'a str>,
    /// The comment behind it on its line.
    behind: Option<&'a str>,
    /// Whether the text has an empty line before it and its comments.
    apart: bool,
}

enum Node<'a> {
    Leaf(Leaf<'a>),
    /// What stands between parentheses: one clause a feature, an item or an option.
    Group(Group<'a>),
}

struct Group<'a> {
    nodes: Vec<Node<'a>>,
    /// Comments before the closing parenthesis, on lines of their own.
    last: Vec<&'a str>,
    /// Behind the opening and the closing parenthesis.
    behind_open: Option<&'a str>,
    behind_close: Option<&'a str>,
}

struct Tree<'a> {
    nodes: Vec<Node<'a>>,
    last: Vec<&'a str>,
}

impl<'a> Tree<'a> {
    fn read(text: &'a str) -> Self {
        let mut lexer = Lexer::new(text);
        lexer.comments = Some(Vec::new());
        let mut sink = Sink::new(1);
        let mut levels: Vec<Vec<Node<'a>>> = vec![Vec::new()];
        let mut opened: Vec<Option<&'a str>> = Vec::new();
        let mut token = lexer.next(&mut sink);
        let mut comments = lexer.comments.replace(Vec::new()).unwrap_or_default();
        let of = |span: &Span| {
            text.get(span.start as usize..span.end as usize)
                .unwrap_or_default()
                .trim_end()
        };
        // Comments before the first word.
        let mut before: Vec<&'a str> = comments.iter().map(of).collect();
        let mut apart = false;
        while token.tok != Tok::End {
            let next = lexer.next(&mut sink);
            comments = lexer.comments.replace(Vec::new()).unwrap_or_default();
            let behind = comments
                .first()
                .filter(|comment| !text[token_end(&token)..comment.start as usize].contains('\n'));
            let behind_text = behind.map(of);
            let own = &comments[usize::from(behind.is_some())..];
            let text_of = &text[token.span.start as usize..token.span.end as usize];
            match token.tok {
                Tok::Open => {
                    levels.push(Vec::new());
                    // A comment before the parenthesis goes to what is in it.
                    opened.push(behind_text);
                }
                Tok::Close => {
                    let nodes = levels.pop().unwrap_or_default();
                    let group = Group {
                        nodes,
                        last: std::mem::take(&mut before),
                        behind_open: opened.pop().flatten(),
                        behind_close: behind_text,
                    };
                    if levels.is_empty() {
                        levels.push(Vec::new());
                    }
                    if let Some(top) = levels.last_mut() {
                        top.push(Node::Group(group));
                    }
                }
                tok => {
                    let leaf = Leaf {
                        tok,
                        text: text_of,
                        before: std::mem::take(&mut before),
                        behind: behind_text,
                        apart,
                    };
                    if let Some(top) = levels.last_mut() {
                        top.push(Node::Leaf(leaf));
                    }
                }
            }
            before.extend(own.iter().map(of));
            let gap_from = behind.map_or(token_end(&token), |comment| comment.end as usize);
            let gap_to = own.first().map_or(next.span.start, |comment| comment.start) as usize;
            apart = text
                .get(gap_from..gap_to)
                .is_some_and(|gap| gap.matches('\n').count() > 1);
            token = next;
        }
        Self {
            nodes: levels.swap_remove(0),
            last: before,
        }
    }

    /// One sentence after the other, apart from each other where either takes several lines.
    fn sentences(&mut self, out: &mut Out) {
        let mut sentences: Vec<Vec<Node<'a>>> = Vec::new();
        for node in self.nodes.drain(..) {
            match &node {
                Node::Leaf(Leaf {
                    tok: Tok::Word(word), ..
                }) if word.begins() => sentences.push(vec![node]),
                _ => match sentences.last_mut() {
                    Some(sentence) => sentence.push(node),
                    None => sentences.push(vec![node]),
                },
            }
        }
        let mut last_was_long = false;
        for (n, sentence) in sentences.iter().enumerate() {
            let mut one = Out::default();
            clause(sentence, 0, "", &mut one);
            let long = one.text.trim_end().contains('\n');
            let apart = matches!(sentence.first(), Some(Node::Leaf(leaf)) if leaf.apart);
            if n > 0 && (apart || long || last_was_long) {
                out.text.push('\n');
            }
            out.text.push_str(&one.text);
            last_was_long = long;
        }
        for comment in &self.last {
            out.line(0, comment);
        }
    }
}

fn token_end(token: &Token<'_>) -> usize {
    let end = token.span.end as usize;
    // The span of a recipe ends before its `@end`.
    if let Tok::Recipe(_) = token.tok {
        end + "@end".len()
    } else {
        end
    }
}

#[derive(Default)]
struct Out {
    text: String,
}

impl Out {
    fn line(&mut self, indent: usize, text: &str) {
        self.text.extend(std::iter::repeat_n("  ", indent));
        self.text.push_str(text);
        self.text.push('\n');
    }
}

/// Comments within nodes, those of nested groups aside.
fn comments<'a>(nodes: &[Node<'a>], before: &mut Vec<&'a str>) -> Option<&'a str> {
    let mut last = None;
    for (n, node) in nodes.iter().enumerate() {
        let behind = match node {
            Node::Leaf(leaf) => {
                before.extend(&leaf.before);
                leaf.behind
            }
            Node::Group(group) => group.behind_close,
        };
        if n + 1 == nodes.len() {
            last = behind;
        } else {
            before.extend(behind);
        }
    }
    last
}

/// Writes a clause and what follows it (` and`), over several lines if it must.
fn clause(nodes: &[Node<'_>], indent: usize, follows: &str, out: &mut Out) {
    let mut before = Vec::new();
    let behind = comments(nodes, &mut before);
    for comment in before {
        out.line(indent, comment);
    }
    let mut line = String::new();
    let mut previous: Option<&Leaf<'_>> = None;
    // Whether the word before `previous` is an operator: then a unit may follow.
    let mut valued = false;
    for node in nodes {
        match node {
            Node::Leaf(leaf) => {
                if spaced(previous, leaf, valued) && !line.is_empty() {
                    line.push(' ');
                }
                line.push_str(leaf.text);
                valued = previous.is_some_and(|word| matches!(word.tok, Tok::Op(_)));
                previous = Some(leaf);
            }
            Node::Group(group) => {
                let room = WIDEST.saturating_sub(indent * 2 + line.len() + follows.len());
                line.push_str(" (");
                if let Some(text) = inline(group).filter(|text| text.len() + 3 <= room) {
                    line.push_str(&text);
                } else {
                    line.extend(group.behind_open.iter().flat_map(|comment| [" ", comment]));
                    out.line(indent, line.trim_start());
                    group_lines(group, indent + 1, out);
                    line.clear();
                }
                line.push(')');
                previous = None;
            }
        }
    }
    line.push_str(follows);
    line.extend(behind.iter().flat_map(|comment| [" ", comment]));
    if !line.is_empty() {
        out.line(indent, &line);
    }
}

/// Whether two words of a clause are apart. A unit stands at its number, unless it would become a part of it.
fn spaced(previous: Option<&Leaf<'_>>, leaf: &Leaf<'_>, valued: bool) -> bool {
    let Some(previous) = previous else { return true };
    match (previous.tok, leaf.tok) {
        (Tok::OpenList, _) | (_, Tok::CloseList | Tok::Comma) => false,
        (Tok::Number(_), Tok::Ident(_)) => !valued || leaf.text.starts_with('.'),
        _ => true,
    }
}

/// The features, items or options of a group.
fn clauses<'n, 'a>(group: &'n Group<'a>) -> Vec<(&'n [Node<'a>], Option<&'n Leaf<'a>>)> {
    let mut all = Vec::new();
    let mut start = 0;
    for (n, node) in group.nodes.iter().enumerate() {
        let Node::Leaf(leaf) = node else { continue };
        match leaf.tok {
            Tok::Word(Word::And) => {
                all.push((&group.nodes[start..n], Some(leaf)));
                start = n + 1;
            }
            Tok::Word(Word::System | Word::Option) if n > start => {
                all.push((&group.nodes[start..n], None));
                start = n;
            }
            _ => {}
        }
    }
    if start < group.nodes.len() {
        all.push((&group.nodes[start..], None));
    }
    all
}

/// The group on one line, if it has no comments and is short.
fn inline(group: &Group<'_>) -> Option<String> {
    if !group.last.is_empty() || group.behind_open.is_some() {
        return None;
    }
    let all = clauses(group);
    if all.len() > 3 {
        return None;
    }
    let mut text = String::new();
    for (nodes, and) in all {
        let mut found = Vec::new();
        let behind = comments(nodes, &mut found);
        let of_and = and.is_some_and(|leaf| leaf.behind.is_some() || !leaf.before.is_empty());
        let long = |node: &Node<'_>| matches!(node, Node::Leaf(leaf) if matches!(leaf.tok, Tok::Recipe(_)) || leaf.text.contains('\n'));
        let listed = |node: &Node<'_>| matches!(node, Node::Leaf(leaf) if matches!(leaf.tok, Tok::Word(Word::System | Word::Option)));
        if behind.is_some() || !found.is_empty() || of_and || nodes.iter().any(|node| long(node) || listed(node)) {
            return None;
        }
        let mut one = Out::default();
        clause(nodes, 0, if and.is_some() { " and" } else { "" }, &mut one);
        let line = one.text.trim_end();
        if line.contains('\n') {
            return None;
        }
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(line);
    }
    Some(text)
}

fn group_lines(group: &Group<'_>, indent: usize, out: &mut Out) {
    for (nodes, and) in clauses(group) {
        if let [
            Node::Leaf(Leaf {
                tok: Tok::Recipe(raw),
                before,
                behind,
                ..
            }),
        ] = nodes
        {
            for comment in before.iter().chain(behind) {
                out.line(indent, comment);
            }
            out.text.push_str("@begin");
            out.text.push_str(raw);
            out.text.push_str("@end\n");
            continue;
        }
        let mut follows = String::new();
        if let Some(and) = and {
            for comment in &and.before {
                out.line(indent, comment);
            }
            follows.push_str(if nodes.is_empty() { "and" } else { " and" });
            follows.extend(and.behind.iter().flat_map(|comment| [" ", comment]));
            // A comment behind the clause would swallow the `and`.
            let mut before = Vec::new();
            if let Some(comment) = comments(nodes, &mut before) {
                out.line(indent, comment);
                without_last_comment(nodes, indent, &follows, out);
                continue;
            }
        }
        clause(nodes, indent, &follows, out);
    }
    for comment in &group.last {
        out.line(indent, comment);
    }
}

/// A clause whose last comment has been written.
fn without_last_comment(nodes: &[Node<'_>], indent: usize, follows: &str, out: &mut Out) {
    let mut one = Out::default();
    clause(nodes, indent, "", &mut one);
    let mut before = Vec::new();
    let comment = comments(nodes, &mut before).unwrap_or_default();
    let written = one.text.trim_end();
    out.text
        .push_str(written.strip_suffix(comment).unwrap_or(written).trim_end());
    out.text.push_str(follows);
    out.text.push('\n');
}
