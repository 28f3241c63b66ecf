//! A plan as a graph in the DOT language.

use super::{Plan, count, lines};
use std::fmt::Write as _;

/// A string of the language.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Lines of a label.
fn label(lines: &[String]) -> String {
    quoted(&lines.join("\n"))
}

impl Plan {
    /// As a graph in the DOT language: networks, machines, and the steps of configuration in their order.
    pub fn to_dot(&self) -> String {
        let mut out = String::from(
            "graph infrastructure {\n  rankdir = TB;\n  node [fontname = \"sans-serif\", fontsize = 11];\n",
        );
        if let Some(name) = &self.name {
            let _ = writeln!(out, "  label = {};", quoted(name));
        }
        for network in &self.networks {
            let kind = if network.public { "public" } else { "private" };
            let mut text = vec![network.id.clone(), kind.to_owned()];
            text.extend(network.open_for_people());
            let colour = if network.public { "#cfe8ff" } else { "#e8e8e8" };
            let id = quoted(&format!("network {}", network.id));
            let text = label(&text);
            let _ = writeln!(
                out,
                "  {id} [shape = ellipse, style = filled, fillcolor = \"{colour}\", label = {text}];"
            );
        }
        for (n, machines) in self.machines.iter().enumerate() {
            let mut text = vec![format!("{} × {}", machines.system, machines.count)];
            text.extend(lines(machines));
            let id = quoted(&format!("machines {n}"));
            let style = if machines.count == 0 { ", style = dashed" } else { "" };
            let _ = writeln!(out, "  {id} [shape = box{style}, label = {}];", label(&text));
            for interface in &machines.interfaces {
                let to = quoted(&format!("network {}", interface.network));
                let text = match interface.names[..] {
                    [] => String::new(),
                    _ => format!(" [label = {}]", label(&interface.names)),
                };
                let _ = writeln!(out, "  {to} -- {id}{text};");
            }
        }
        let mut before: Option<String> = None;
        for step in &self.steps {
            let mut text = vec![format!("step {}: {}", step.number, count(step.items.len(), "recipe"))];
            text.extend(
                step.items
                    .iter()
                    .map(|item| format!("{} on {}", item.configure, item.system)),
            );
            let id = quoted(&format!("step {}", step.number));
            let _ = writeln!(out, "  {id} [shape = note, label = {}];", label(&text));
            if let Some(before) = before {
                let _ = writeln!(out, "  {before} -- {id} [dir = forward];");
            }
            before = Some(id);
        }
        out.push_str("}\n");
        out
    }
}
