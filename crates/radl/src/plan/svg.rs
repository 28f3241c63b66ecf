//! A plan as a picture: networks in the first row, machines in the second, the steps of configuration in the third.
//!
//! The layout is our own and simple: each box is as wide as its longest line, machines stand below their networks.

use super::{Plan, count, lines};
use std::fmt::Write as _;

const FONT: i32 = 13;
/// Width of a character; the font has one width for all.
const CHAR: i32 = 8;
const LINE: i32 = 18;
const PAD: i32 = 10;
const GAP: i32 = 28;
const ROW: i32 = 70;
/// A longer line is cut.
const MOST_CHARS: usize = 60;

struct Drawn {
    x: i32,
    y: i32,
    width: i32,
    height: i32,
    class: &'static str,
    lines: Vec<String>,
}

impl Drawn {
    fn new(class: &'static str, lines: Vec<String>) -> Self {
        let lines: Vec<String> = lines.into_iter().map(|line| cut(&line)).collect();
        let widest = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
        let chars = i32::try_from(widest).unwrap_or(0);
        let rows = i32::try_from(lines.len()).unwrap_or(0);
        Self {
            x: 0,
            y: 0,
            width: (chars * CHAR + 2 * PAD).max(80),
            height: rows * LINE + 2 * PAD,
            class,
            lines,
        }
    }

    fn middle(&self) -> i32 {
        self.x + self.width / 2
    }

    fn write(&self, out: &mut String) {
        let Self {
            x,
            y,
            width,
            height,
            class,
            ..
        } = self;
        let round = if *class == "network" || *class == "public" {
            14
        } else {
            3
        };
        let _ = writeln!(
            out,
            "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"{round}\"/>"
        );
        let mut line_y = y + PAD + FONT;
        for (n, line) in self.lines.iter().enumerate() {
            let head = if n == 0 { " class=\"head\"" } else { "" };
            let _ = writeln!(
                out,
                "<text{head} x=\"{}\" y=\"{line_y}\">{}</text>",
                x + PAD,
                escaped(line)
            );
            line_y += LINE;
        }
    }
}

fn cut(line: &str) -> String {
    if line.chars().count() <= MOST_CHARS {
        return line.to_owned();
    }
    let mut short: String = line.chars().take(MOST_CHARS - 1).collect();
    short.push('…');
    short
}

/// As text of XML. Characters that XML has no way to write become blanks.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() || c == '\u{fffe}' || c == '\u{ffff}' => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// Puts boxes side by side and answers the width of all.
fn place(row: &mut [Drawn], y: i32) -> i32 {
    let mut x = GAP;
    for drawn in row.iter_mut() {
        drawn.x = x;
        drawn.y = y;
        x += drawn.width + GAP;
    }
    x
}

fn centre(row: &mut [Drawn], width: i32, own: i32) {
    let shift = (width - own) / 2;
    for drawn in row {
        drawn.x += shift;
    }
}

fn bottom(row: &[Drawn], otherwise: i32) -> i32 {
    row.iter()
        .map(|drawn| drawn.y + drawn.height)
        .max()
        .unwrap_or(otherwise)
}

const STYLE: &str = "svg{background:#fff}text{font:13px ui-monospace,monospace;fill:#1b1f24}.head{font-weight:bold}\
    rect{stroke:#57606a;fill:#fff}.public{fill:#d7ebff;stroke:#0a61b8}.network{fill:#ececec}.none{stroke-dasharray:5 4}\
    .step{fill:#fff6d6;stroke:#9a7300}path{fill:none;stroke:#57606a;stroke-width:1.5}\
    @media(prefers-color-scheme:dark){svg{background:#15181c}text{fill:#e6e9ec}rect{fill:#1f242a;stroke:#9aa4ae}\
    .public{fill:#10304f}.network{fill:#2c3238}.step{fill:#3a3212}path{stroke:#9aa4ae}}";

impl Plan {
    /// As a picture in SVG, with text that can be selected and searched.
    pub fn to_svg(&self) -> String {
        let mut networks: Vec<Drawn> = self
            .networks
            .iter()
            .map(|network| {
                let class = if network.public { "public" } else { "network" };
                let kind = if network.public { "public" } else { "private" };
                let mut text = vec![format!("{} ({kind})", network.id)];
                text.extend(network.open_for_people());
                Drawn::new(class, text)
            })
            .collect();
        let top = if self.name.is_some() { GAP + LINE } else { GAP };
        let networks_width = place(&mut networks, top);
        // Below the middle of their networks, as far as that goes.
        let mut order: Vec<usize> = (0..self.machines.len()).collect();
        let weight = |n: &usize| {
            let of = self.networks_of(*n);
            let sum: usize = of.iter().map(|(at, _)| *at).sum();
            if of.is_empty() {
                usize::MAX
            } else {
                sum * 1000 / of.len()
            }
        };
        order.sort_by_key(weight);
        let mut machines: Vec<Drawn> = order
            .iter()
            .map(|n| {
                let machines = &self.machines[*n];
                let mut text = vec![format!("{} × {}", machines.system, machines.count)];
                text.extend(lines(machines));
                text.extend(machines.interfaces.iter().flat_map(|i| i.names.iter().cloned()));
                Drawn::new(if machines.count == 0 { "none" } else { "machine" }, text)
            })
            .collect();
        let machines_top = bottom(&networks, top) + ROW;
        let machines_width = place(&mut machines, machines_top);
        let mut steps: Vec<Drawn> = self
            .steps
            .iter()
            .map(|step| {
                let mut text = vec![format!("step {}: {}", step.number, count(step.items.len(), "recipe"))];
                text.extend(step.items.iter().map(|i| format!("{} on {}", i.configure, i.system)));
                Drawn::new("step", text)
            })
            .collect();
        let steps_top = bottom(&machines, machines_top) + ROW;
        let steps_width = place(&mut steps, steps_top);
        let width = networks_width.max(machines_width).max(steps_width).max(200);
        centre(&mut networks, width, networks_width);
        centre(&mut machines, width, machines_width);
        centre(&mut steps, width, steps_width);
        let height = bottom(&steps, bottom(&machines, bottom(&networks, top))) + GAP;
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" role=\"img\">\n"
        );
        let title = self.name.as_deref().unwrap_or("infrastructure");
        let _ = writeln!(out, "<title>{}</title>\n<style>{STYLE}</style>", escaped(title));
        if let Some(name) = &self.name {
            let _ = writeln!(
                out,
                "<text class=\"head\" x=\"{GAP}\" y=\"{GAP}\">{}</text>",
                escaped(&cut(name))
            );
        }
        for (place, n) in order.iter().enumerate() {
            for (at, _) in self.networks_of(*n) {
                edge(&mut out, &networks[at], &machines[place]);
            }
        }
        for pair in steps.windows(2) {
            let (from, to) = (pair[0].x + pair[0].width, pair[1].x);
            let y = pair[0].y + PAD + FONT;
            let _ = writeln!(out, "<path d=\"M{from} {y}H{to}m-7 -5l7 5l-7 5\"/>");
        }
        for drawn in networks.iter().chain(&machines).chain(&steps) {
            drawn.write(&mut out);
        }
        out.push_str("</svg>\n");
        out
    }

    /// The networks of machines: which, and on which interface.
    fn networks_of(&self, machines: usize) -> Vec<(usize, usize)> {
        let interfaces = self.machines[machines].interfaces.iter().enumerate();
        interfaces
            .filter_map(|(n, i)| Some((self.networks.iter().position(|w| w.id == i.network)?, n)))
            .collect()
    }
}

fn edge(out: &mut String, network: &Drawn, machines: &Drawn) {
    let (x1, y1) = (network.middle(), network.y + network.height);
    let (x2, y2) = (machines.middle(), machines.y);
    let half = i32::midpoint(y1, y2);
    let _ = writeln!(out, "<path d=\"M{x1} {y1}C{x1} {half} {x2} {half} {x2} {y2}\"/>");
}
