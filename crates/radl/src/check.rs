//! What a document must satisfy beyond its syntax, before anything is launched.
//!
//! Never stops at the first finding; they come in the order in which the original looks for them.

use crate::{
    AnsibleHost, Configure, Contextualize, Deploy, Diagnostic, Document, Entry, Feature, Features, Interval, Limits,
    Network, Number, Origin, Span, System, codes, hints, outports,
    rules::{self, Kind, Rule},
    sink::Sink,
    warn, yaml,
};
use std::collections::{BTreeSet, HashMap, HashSet};

/// Checks a document: errors and warnings.
pub fn check(document: &Document) -> Vec<Diagnostic> {
    check_with(document, &Limits::default())
}

/// Checks a document, telling at most as many findings as the bounds say. What it may ask for was looked at when it
/// was read ([`Document::too_many_vms`]).
pub fn check_with(document: &Document, limits: &Limits) -> Vec<Diagnostic> {
    let ids = |ids: &mut dyn Iterator<Item = &str>| ids.map(str::to_owned).collect::<HashSet<_>>();
    let mut checker = Checker {
        networks: ids(&mut document.networks.iter().map(|n| n.id.as_str())),
        systems: ids(&mut document.systems.iter().map(|s| s.name.as_str())),
        configures: ids(&mut document.configures.iter().map(|c| c.name.as_str())),
        ansible: ids(&mut document.ansible.iter().map(|a| a.id.as_str())),
        sink: Sink::new(limits.diagnostics),
    };
    document.networks.iter().for_each(|n| checker.network(n));
    document.ansible.iter().for_each(|a| checker.ansible(a));
    document.systems.iter().for_each(|s| checker.system(s));
    document.deploys.iter().for_each(|d| checker.deploy(d));
    document.configures.iter().for_each(|c| checker.configure(c));
    if let Some(contextualize) = &document.contextualize {
        checker.contextualize(contextualize);
    }
    checker.duplicates("system", document.systems.iter().map(|s| (s.name.as_str(), s.at)));
    checker.duplicates("network", document.networks.iter().map(|n| (n.id.as_str(), n.at)));
    warn::look(document, &mut checker.sink);
    checker.sink.finish_unsorted()
}

struct Checker {
    networks: HashSet<String>,
    systems: HashSet<String>,
    configures: HashSet<String>,
    ansible: HashSet<String>,
    sink: Sink,
}

impl Checker {
    fn error(&mut self, code: &'static str, message: String, at: Origin) {
        self.sink.push(Diagnostic::error(code, message).at(at));
    }

    fn network(&mut self, network: &Network) {
        for (name, entry) in network.features.entries() {
            if let Some(rule) = rules::of_network(name) {
                self.feature(name, entry, &rule);
            }
            if name == "outports"
                && let Feature::Text(_, text) = &entry.feature
            {
                match outports::parse_outports(text) {
                    Ok(ports) => warn::ports(text, &ports, entry.at, &mut self.sink),
                    Err(error) => {
                        let error = Diagnostic::error(codes::OUTPORTS, format!("Invalid value of `outports`: {error}"));
                        self.sink.push(
                            error
                                .at(entry.at)
                                .hint("for example `22/tcp,8080-80,10.0.0.0/8-5000:5010/udp`, without spaces"),
                        );
                    }
                }
            }
        }
    }

    fn ansible(&mut self, host: &AnsibleHost) {
        for (name, entry) in host.features.entries() {
            if let Some(rule) = rules::of_ansible(name) {
                self.feature(name, entry, &rule);
            }
        }
        let id = &host.id;
        let has = |name: &str| host.features.contains(name);
        let (address, user) = (has("host"), has("credentials.username"));
        let secret = has("credentials.password") || has("credentials.private_key");
        if !address {
            self.error(codes::REQUIRED, format!("Ansible host `{id}` has no `host`"), host.at);
        }
        if !user {
            let message = format!("Ansible host `{id}` has no `credentials.username`");
            self.error(codes::REQUIRED, message, host.at);
        }
        if !secret {
            let message =
                format!("Ansible host `{id}` has neither `credentials.password` nor `credentials.private_key`");
            self.error(codes::REQUIRED, message, host.at);
        }
    }

    fn system(&mut self, system: &System) {
        if !system.reference {
            self.system_features(&system.features, system.at, true);
        }
    }

    /// Features of a system, or of one of its softs, where numbers may begin anywhere.
    fn system_features(&mut self, features: &Features, at: Origin, whole: bool) {
        let mut disks = BTreeSet::new();
        let mut interfaces = BTreeSet::new();
        for (name, entry) in features.entries() {
            let numbered = [("disk.", &mut disks), ("net_interface.", &mut interfaces)]
                .into_iter()
                .find_map(|(prefix, seen)| Some((name.strip_prefix(prefix)?, prefix, seen)));
            let rule = match numbered {
                None => rules::of_system(name),
                Some((rest, prefix, seen)) => {
                    let (number, suffix) = rest.split_once('.').unwrap_or((rest, ""));
                    let Ok(number) = number.parse::<u64>() else {
                        let message = format!("Invalid feature `{name}`: an integer is expected after `{prefix}`");
                        let error = Diagnostic::error(codes::INDEX, message).at(entry.at);
                        self.sink.push(error.hint(format!("the first one is `{prefix}0`")));
                        continue;
                    };
                    let rule = if prefix == "disk." {
                        rules::of_disk(number, suffix)
                    } else {
                        rules::of_interface(suffix)
                    };
                    if rule.is_some() {
                        seen.insert(number);
                    }
                    rule
                }
            };
            if let Some(rule) = rule {
                self.feature(name, entry, &rule);
                self.target(name, entry);
            }
        }
        if whole {
            self.dense("disk.", &disks, features, at);
            self.dense("net_interface.", &interfaces, features, at);
            for number in interfaces {
                let name = format!("net_interface.{number}.connection");
                if !features.contains(&name) {
                    let message = format!("Interface {number} has no network: `{name}` is missing");
                    let place = first_of(features, &format!("net_interface.{number}.")).unwrap_or(at);
                    self.error(codes::REQUIRED, message, place);
                }
            }
        }
        for soft in features.softs() {
            self.system_features(&soft.features, soft.at, false);
        }
    }

    /// Features that name something else.
    fn target(&mut self, name: &str, entry: &Entry) {
        let Feature::Text(_, id) = &entry.feature else { return };
        let (known, what) = if name == "ansible_host" {
            (&self.ansible, "ansible")
        } else if name.starts_with("net_interface.") && name.ends_with(".connection") {
            (&self.networks, "network")
        } else {
            return;
        };
        if !known.contains(id) {
            let message = format!("Invalid value `{id}` of `{name}`: there is no {what} with this id");
            let error = Diagnostic::error(codes::REFERENCE, message).at(entry.at);
            let near =
                hints::nearest(id, known.iter().map(String::as_str)).map(|near| format!("did you mean `{near}`?"));
            let missing = format!("define it, or refer to one that the infrastructure has: `{what} {id}`");
            let hint = near.unwrap_or(missing);
            self.sink.push(error.hint(hint));
        }
    }

    fn dense(&mut self, prefix: &str, seen: &BTreeSet<u64>, features: &Features, at: Origin) {
        if prefix == "disk." && seen.first() == Some(&1) && seen.last() == Some(&(seen.len() as u64)) {
            let place = first_of(features, "disk.1.").unwrap_or(at);
            let message = "The data disks are described, but not the boot disk, disk 0";
            let warning = Diagnostic::warning(codes::RELAXED, message).at(place);
            self.sink
                .push(warning.hint("say something of `disk.0.`, its image for example"));
            return;
        }
        let missing = seen.iter().enumerate().find(|(n, number)| *n as u64 != **number);
        if let Some((n, number)) = missing {
            let place = first_of(features, &format!("{prefix}{number}.")).unwrap_or(at);
            let message = format!(
                "Invalid numbers after `{prefix}`: {number} is there and {n} is not; they go up from 0 without gaps"
            );
            self.error(codes::INDEX, message, place);
        }
    }

    fn feature(&mut self, name: &str, entry: &Entry, rule: &Rule) {
        let at = entry.at;
        match (&entry.feature, rule.kind) {
            (Feature::Text(op, text), Kind::Text | Kind::TextOrList) => {
                if !op.is_eq() && !name.contains("version") {
                    self.operator(name, op.as_str(), at);
                }
                self.text_value(name, text, at, rule);
            }
            (Feature::Random(..), Kind::Text | Kind::TextOrList) => {}
            (Feature::List(op, _), Kind::TextOrList) => {
                if !op.is_eq() {
                    self.operator(name, op.as_str(), at);
                }
            }
            (Feature::Number(interval), Kind::Number | Kind::Integer) => self.number_value(name, interval, at, rule),
            (Feature::Groups(groups), Kind::Group) => {
                for (inner, entry) in groups.values().flat_map(Features::entries) {
                    if let Some(rule) = rules::of_application(inner) {
                        self.feature(inner, entry, &rule);
                    }
                }
            }
            (found, _) => {
                let message = format!(
                    "Invalid type of `{name}`: expected {}, found {}",
                    rule.kind.name(),
                    found.kind()
                );
                let mut error = Diagnostic::error(codes::TYPE, message).at(at);
                error.hint = type_hint(name, found, rule.kind);
                self.sink.push(error);
            }
        }
    }

    fn operator(&mut self, name: &str, op: &str, at: Origin) {
        let message = format!("Invalid operator `{op}` of `{name}`: expected `=`");
        let error = Diagnostic::error(codes::OPERATOR, message).at(at);
        self.sink
            .push(error.hint("only numbers and versions are compared otherwise"));
    }

    fn text_value(&mut self, name: &str, text: &str, at: Origin, rule: &Rule) {
        let upper = text.to_uppercase();
        if let Some(values) = rule.values
            && !values.contains(&upper.as_str())
        {
            if rule.relaxed.contains(&upper.as_str()) {
                let message = format!("`{text}` is no value of `{name}` that every implementation takes");
                self.sink.push(Diagnostic::warning(codes::RELAXED, message).at(at));
                return;
            }
            let message = format!(
                "Invalid value `{text}` of `{name}`: expected one of {}",
                values.join(", ")
            );
            let mut error = Diagnostic::error(codes::VALUE, message).at(at);
            error.hint = hints::nearest(text, values.iter().copied()).map(|near| format!("did you mean `{near}`?"));
            self.sink.push(error);
        }
        if let Some((holds, property)) = rule.text
            && !holds(text)
        {
            // The value may be a secret.
            let code = if name.contains("password") {
                codes::PASSWORD
            } else {
                codes::VALUE
            };
            self.error(code, format!("Invalid value of `{name}`: expected {property}"), at);
        }
    }

    fn number_value(&mut self, name: &str, interval: &Interval, at: Origin, rule: &Rule) {
        for end in interval.ends() {
            if rule.kind == Kind::Integer && matches!(end.value, Number::Float(_)) {
                let message = format!(
                    "Invalid type of `{name}`: expected an integer, found the float {}",
                    end.value
                );
                let error = Diagnostic::error(codes::TYPE, message).at(at);
                self.sink.push(error.hint("take a smaller unit: `1536M` for `1.5G`"));
            }
            if end.value.as_f64() < 0.0 {
                self.error(
                    codes::VALUE,
                    format!("Invalid value {} of `{name}`: expected 0 or more", end.value),
                    at,
                );
            }
            let unit = end.unit.to_uppercase();
            match rule.units {
                None if !unit.is_empty() => {
                    let message = format!("Invalid unit `{}` of `{name}`: expected none", end.unit);
                    self.error(codes::UNIT, message, at);
                }
                Some(units) if !units.contains(&unit.as_str()) => {
                    let listed: Vec<_> = units.iter().filter(|unit| !unit.is_empty()).copied().collect();
                    let or_none = if units.contains(&"") { "none or " } else { "" };
                    let written = if unit.is_empty() {
                        "Missing unit".to_owned()
                    } else {
                        format!("Invalid unit `{}`", end.unit)
                    };
                    let message = format!("{written} of `{name}`: expected {or_none}one of {}", listed.join(", "));
                    self.error(codes::UNIT, message, at);
                }
                _ => {}
            }
        }
    }

    fn deploy(&mut self, deploy: &Deploy) {
        if !self.systems.contains(&deploy.system) {
            let error = Diagnostic::error(codes::REFERENCE, "Invalid system id in the deploy.").at(deploy.at);
            let near = hints::nearest(&deploy.system, self.systems.iter().map(String::as_str));
            let hint = match near {
                Some(near) => format!("there is no system `{}`; did you mean `{near}`?", deploy.system),
                None => format!(
                    "there is no system `{0}`: define it, or refer to one that the infrastructure has: `system {0}`",
                    deploy.system
                ),
            };
            self.sink.push(error.hint(hint));
        }
        if deploy.number.as_f64() < 0.0 {
            let message = format!("Invalid number {} in the deploy: expected 0 or more", deploy.number);
            self.error(codes::VALUE, message, deploy.at);
        }
    }

    fn configure(&mut self, configure: &Configure) {
        let Some(text) = configure.text() else { return };
        let Err(error) = yaml::check(text) else { return };
        let place = place_in(text, configure.recipe_at, &error);
        let message = format!("Error parsing YAML: {}", error.message);
        let mut found = Diagnostic::error(codes::YAML, message).at(place);
        if text.lines().any(|line| line.trim() == "@end") {
            found = found.hint("the recipe holds an indented `@end`: to end it, write `@end` at the first column");
        }
        if configure.recipe_at.0.is_none() {
            found.message = format!(
                "{} (line {} of recipe `{}`)",
                found.message,
                error.line + 1,
                configure.name
            );
        }
        self.sink.push(found);
    }

    fn contextualize(&mut self, all: &Contextualize) {
        if !matches!(all.max_time, Number::Int(0..)) {
            let message = format!(
                "Invalid time {} of contextualize: expected an integer, 0 or more",
                all.max_time
            );
            self.error(codes::VALUE, message, all.at);
        }
        for item in &all.items {
            for (id, known, what) in [
                (&item.system, &self.systems, "system"),
                (&item.configure, &self.configures, "configure"),
            ] {
                if !known.contains(id) {
                    let message = format!("Invalid {what} id `{id}` in contextualize");
                    let error = Diagnostic::error(codes::REFERENCE, message).at(item.at);
                    let near = hints::nearest(id, known.iter().map(String::as_str));
                    self.sink.push(error.hint(match near {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => format!("define it, or refer to one that the infrastructure has: `{what} {id}`"),
                    }));
                }
            }
        }
    }

    /// The parsers refuse these already; a document can come from elsewhere.
    fn duplicates<'d>(&mut self, class: &str, ids: impl Iterator<Item = (&'d str, Origin)>) {
        let mut seen = HashMap::new();
        for (id, at) in ids {
            if let Some(first) = seen.insert(id, at) {
                let message = format!("Duplicate {class} `{id}`: an aspect with the same id already exists");
                let error = Diagnostic::error(codes::DUPLICATE, message).at(at);
                self.sink.push(error.note("the first one is here", first));
            }
        }
    }
}

fn first_of(features: &Features, prefix: &str) -> Option<Origin> {
    features
        .entries()
        .find(|(name, _)| name.starts_with(prefix))
        .map(|(_, entry)| entry.at)
}

fn type_hint(name: &str, found: &Feature, kind: Kind) -> Option<String> {
    match (found, kind) {
        (Feature::Number(interval), Kind::Text | Kind::TextOrList) => {
            let end = interval.read()?;
            Some(format!("write `{name} = '{}{}'`", end.value, end.unit))
        }
        (Feature::Text(op, text), Kind::Number | Kind::Integer) if text.starts_with(|c: char| c.is_ascii_digit()) => {
            Some(format!("write it without quotes: `{name} {op} {text}`"))
        }
        (_, Kind::Group) => Some(format!("write `{name} contains (name = '...')`")),
        _ => None,
    }
}

/// The place in the document of a place in a recipe.
fn place_in(text: &str, recipe: Origin, error: &yaml::YamlError) -> Origin {
    let Some(recipe) = recipe.0 else { return recipe };
    let at = text.char_indices().nth(error.index).map_or(text.len(), |(at, _)| at);
    let at = recipe.start.saturating_add(crate::lex::small(at));
    let line = crate::lex::small(error.line);
    let column = crate::lex::small(error.column);
    Origin(Some(Span {
        start: at,
        end: at + 1,
        line: recipe.line + line,
        column: if line == 0 { recipe.column + column } else { column + 1 },
    }))
}
