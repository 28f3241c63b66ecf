//! Canonical printing: what clients parse back, re-send whole and search with regular expressions.
//!
//! Never prints what cannot be read again, except for strings that the language has no way to write
//! ([`writable`] tells).

use crate::{
    AnsibleHost, Configure, Contextualize, Deploy, Description, Document, Feature, Features, Network, Op, Recipe,
    System,
};
use std::fmt::{self, Display, Formatter, Write as _};

/// The document in canonical form.
pub fn print(document: &Document) -> String {
    document.to_string()
}

/// Networks and one system, as a document of nothing else is printed: what is shown of a VM.
pub fn print_vm(networks: &[Network], system: &System) -> String {
    let mut out = String::new();
    for network in networks {
        let _ = writeln!(out, "{network}");
    }
    let _ = writeln!(out, "{system}");
    out
}

/// One feature, to print it alone.
struct Line<'a>(&'a str, &'a Feature);
impl Display for Line<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write_feature(f, self.0, self.1, &mut true)
    }
}

/// A single feature, as printed, for messages: without the values that nobody else should read.
pub(crate) fn feature_line(name: &str, feature: &Feature) -> String {
    const SECRET: [&str; 9] = [
        "password",
        "private_key",
        "token",
        "secret",
        "access_key",
        "proxy_",
        ".content",
        "environment.variables",
        "script",
    ];
    if SECRET.iter().any(|secret| name.contains(secret)) {
        return format!("{name} = ***");
    }
    Line(name, feature).to_string()
}

/// Whether the language can write this string: it cannot where a backslash that no other one escapes stands at the
/// end, before a quote or before a line end. Such a backslash is doubled in print.
pub fn writable(text: &str) -> bool {
    let mut odd = false;
    for c in text.chars() {
        match c {
            '\\' => odd = !odd,
            '\'' | '\n' if odd => return false,
            _ => odd = false,
        }
    }
    !odd
}

struct Quoted<'a>(&'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_char('\'')?;
        if self.0.contains(['\\', '\'']) {
            let mut odd = false;
            for c in self.0.chars() {
                match c {
                    '\\' => odd = !odd,
                    '\'' | '\n' => {
                        if odd {
                            f.write_char('\\')?;
                        }
                        if c == '\'' {
                            f.write_char('\\')?;
                        }
                        odd = false;
                    }
                    _ => odd = false,
                }
                f.write_char(c)?;
            }
            if odd {
                f.write_char('\\')?;
            }
        } else {
            f.write_str(self.0)?;
        }
        f.write_char('\'')
    }
}

fn write_feature(f: &mut Formatter<'_>, name: &str, feature: &Feature, first: &mut bool) -> fmt::Result {
    match feature {
        Feature::Text(op, value) => {
            and(f, first)?;
            write!(f, "{name} {op} {}", Quoted(value))
        }
        Feature::Random(op, length) => {
            and(f, first)?;
            write!(f, "{name} {op} 'random({length})'")
        }
        Feature::List(op, values) => {
            and(f, first)?;
            write!(f, "{name} {op} [")?;
            for (n, value) in values.iter().enumerate() {
                let comma = if n == 0 { "" } else { "," };
                write!(f, "{comma}{}", Quoted(value))?;
            }
            // The library cannot read brackets with nothing between them.
            f.write_str(if values.is_empty() { "'']" } else { "]" })
        }
        Feature::Number(interval) => {
            for end in interval.ends() {
                and(f, first)?;
                // `1 .5` is not `1.5`.
                let space = if end.unit.starts_with('.') { " " } else { "" };
                write!(f, "{name} {} {}{space}{}", end.op, end.value, end.unit)?;
            }
            Ok(())
        }
        Feature::Groups(groups) => {
            for group in groups.values() {
                and(f, first)?;
                write!(f, "{name} contains ({group})")?;
            }
            Ok(())
        }
    }
}

fn and(f: &mut Formatter<'_>, first: &mut bool) -> fmt::Result {
    if std::mem::take(first) {
        return Ok(());
    }
    f.write_str(" and\n")
}

impl Display for Features {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut first = true;
        for (name, feature) in self.iter() {
            write_feature(f, name, feature, &mut first)?;
        }
        for soft in self.softs() {
            and(f, &mut first)?;
            write!(f, "soft {} ( {} )", soft.weight, soft.features)?;
        }
        Ok(())
    }
}

impl Display for Description {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "description {} ({})", self.id, self.features)
    }
}

impl Display for AnsibleHost {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "ansible {} ({})", self.id, self.features)
    }
}

impl Display for Network {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.reference {
            write!(f, "network {} ", self.id)
        } else {
            write!(f, "network {} ( {} )", self.id, self.features)
        }
    }
}

impl Display for System {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.reference {
            write!(f, "system {} ", self.name)
        } else {
            write!(f, "system {} (\n{}\n)\n", self.name, self.features)
        }
    }
}

impl Display for Configure {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.recipe {
            Recipe::Reference => write!(f, "configure {}", self.name),
            Recipe::Disabled => write!(f, "configure {} ()", self.name),
            Recipe::Text(text) => write!(f, "configure {} (\n@begin\n{text}\n@end\n)", self.name),
        }
    }
}

impl Display for Contextualize {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("contextualize ")?;
        let timed = self.max_time.as_f64() != 0.0;
        if self.is_empty() && !timed {
            return f.write_str("()");
        }
        if timed {
            write!(f, "{}", self.max_time)?;
        }
        if self.is_empty() {
            return f.write_str(" ()");
        }
        f.write_str(" (\n")?;
        for (name, feature) in self.options.iter() {
            write!(f, "option ")?;
            write_feature(f, name, feature, &mut true)?;
            f.write_char('\n')?;
        }
        for (n, item) in self.items.iter().enumerate() {
            let line = if n == 0 { "" } else { "\n" };
            write!(f, "{line}system {} configure {} ", item.system, item.configure)?;
            // The grammar has one or the other; Ansible is what is meant where no tool is said.
            match (item.step, &item.tool) {
                (Some(step), tool) if tool.as_deref().is_none_or(|tool| tool == "Ansible") => {
                    write!(f, "step {step} ")?;
                }
                (_, Some(tool)) => write!(f, " with {tool}")?,
                _ => f.write_char(' ')?,
            }
        }
        f.write_str("\n)")
    }
}

impl Display for Deploy {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "deploy {} {}", self.system, self.number)?;
        match &self.cloud {
            Some(cloud) => write!(f, " {cloud}"),
            None => Ok(()),
        }
    }
}

impl Display for Document {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(description) = &self.description {
            writeln!(f, "{description}")?;
        }
        let mut line = "";
        let mut next = |f: &mut Formatter<'_>, aspect: &dyn Display| {
            f.write_str(std::mem::replace(&mut line, "\n"))?;
            aspect.fmt(f)
        };
        for aspect in &self.ansible {
            next(f, aspect)?;
        }
        for aspect in &self.networks {
            next(f, aspect)?;
        }
        for aspect in &self.systems {
            next(f, aspect)?;
        }
        for aspect in &self.configures {
            next(f, aspect)?;
        }
        match &self.contextualize {
            Some(aspect) => next(f, aspect)?,
            None => next(f, &"")?,
        }
        for aspect in &self.deploys {
            next(f, aspect)?;
        }
        Ok(())
    }
}

impl Op {
    /// Whether it is `=`.
    pub fn is_eq(self) -> bool {
        self == Op::Eq
    }
}
