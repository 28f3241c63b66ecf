//! Tables, aims, and what machine it was.

use std::{fmt::Write as _, fs, time::Duration};

/// Rows of a table in Markdown, its columns as wide as they need to be.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(head: &[&str]) -> Self {
        Self {
            rows: vec![head.iter().map(|&cell| cell.to_owned()).collect()],
        }
    }
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }
    pub(crate) fn print(&self) {
        print!("{}", self.text());
    }
    fn text(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |n: usize| {
            self.rows
                .iter()
                .filter_map(|r| r.get(n))
                .map(|c| c.chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<_> = (0..columns).map(width).collect();
        let mut text = String::new();
        for (n, row) in self.rows.iter().enumerate() {
            let cells: Vec<_> = widths
                .iter()
                .enumerate()
                .map(|(c, width)| {
                    let cell = row.get(c).map_or("", String::as_str);
                    if c == 0 {
                        format!("{cell:<width$}")
                    } else {
                        format!("{cell:>width$}")
                    }
                })
                .collect();
            let _ = writeln!(text, "| {} |", cells.join(" | "));
            if n == 0 {
                let rules: Vec<_> = widths
                    .iter()
                    .enumerate()
                    .map(|(c, w)| {
                        if c == 0 {
                            "-".repeat(*w)
                        } else {
                            format!("{}:", "-".repeat(w.saturating_sub(1)))
                        }
                    })
                    .collect();
                let _ = writeln!(text, "| {} |", rules.join(" | "));
            }
        }
        text
    }
}

/// Figures that were aimed at.
#[derive(Debug, Default)]
pub(crate) struct Aims(Vec<(String, bool)>);

impl Aims {
    /// A figure that must not be above its aim.
    pub(crate) fn at_most(&mut self, what: &str, value: f64, aim: f64) {
        self.0
            .push((format!("{what}: {value:.3} (aim: at most {aim})"), value <= aim));
    }
    /// A figure that must not be below its aim.
    pub(crate) fn at_least(&mut self, what: &str, value: f64, aim: f64) {
        self.0
            .push((format!("{what}: {value:.3} (aim: at least {aim})"), value >= aim));
    }
    /// Prints them; whether all were met.
    pub(crate) fn print(&self) -> bool {
        for (text, met) in &self.0 {
            println!("{} {text}", if *met { "met    " } else { "MISSED " });
        }
        self.0.iter().all(|(_, met)| *met)
    }
}

/// What ran it: processor, cores, memory, system.
pub(crate) fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|l| l.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let model = field(&cpu, "model name").unwrap_or_else(|| "unknown processor".to_owned());
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let memory = field(&read("/proc/meminfo"), "MemTotal").unwrap_or_default();
    let gib = memory
        .split(' ')
        .next()
        .and_then(|kb| kb.parse::<u64>().ok())
        .unwrap_or(0)
        .div_ceil(1 << 20);
    let system = read("/etc/os-release");
    let name = system
        .lines()
        .find_map(|l| l.strip_prefix("PRETTY_NAME="))
        .unwrap_or("Linux")
        .trim_matches('"')
        .to_owned();
    let kernel = read("/proc/sys/kernel/osrelease");
    let load = read("/proc/loadavg");
    format!(
        "{model}, {cores} cores, {gib} GiB, {name}, kernel {}; load before: {}",
        kernel.trim(),
        load.split(' ').next().unwrap_or("unknown")
    )
}

/// A quantile, in hundredths, of sorted times.
pub(crate) fn quantile(sorted: &[Duration], hundredths: usize) -> Duration {
    let at = (sorted.len() * hundredths / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_line_up() {
        let mut table = Table::new(&["what", "n"]);
        table.row(vec!["x".into(), "1000".into()]);
        assert_eq!(table.text(), "| what |    n |\n| ---- | ---: |\n| x    | 1000 |\n");
    }

    #[test]
    fn one_missed_aim_is_enough() {
        let mut aims = Aims::default();
        aims.at_most("a", 1.0, 1.0);
        aims.at_least("b", 1.0, 1.0);
        assert!(aims.print());
        aims.at_most("c", 1.1, 1.0);
        assert!(!aims.print());
    }

    #[test]
    fn quantiles() {
        let times: Vec<_> = (1..=200).map(Duration::from_millis).collect();
        assert_eq!(quantile(&times, 99), Duration::from_millis(199));
        assert_eq!(quantile(&times, 50), Duration::from_millis(101));
        assert_eq!(quantile(&times[..1], 99), Duration::from_millis(1));
        assert_eq!(quantile(&[], 99), Duration::ZERO);
    }
}
