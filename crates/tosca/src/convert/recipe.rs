//! Scripts of one node put together as one recipe: a list of plays, assembled as values, never as text.
//!
//! Scripts of one play each become one play, as recipes expect: variables together, tasks in the order of the
//! operations. A script of several plays keeps them, and so does a play with settings of its own (`become: no`).

use super::escapes::unescaped;
use crate::{Mapping, Node, Value, yaml::python_text};

/// What an operation runs.
#[derive(Clone, Debug, Default)]
pub(super) struct Script {
    /// Its inputs, evaluated.
    pub(super) inputs: Mapping,
    /// Tasks that fetch what it needs.
    pub(super) downloads: Vec<Node>,
    /// Its plays.
    pub(super) plays: Vec<Mapping>,
}

/// Lists that are joined where plays become one.
const LISTS: [&str; 6] = ["pre_tasks", "roles", "tasks", "post_tasks", "handlers", "vars_files"];

#[derive(Clone, Debug, Default)]
struct Play {
    inputs: Mapping,
    vars: Mapping,
    rest: Mapping,
}

/// An input as a variable of Ansible. Backslash escapes in a text count.
fn variable(node: &Node) -> Node {
    match &node.value {
        Value::Str(text) => Node::new(Value::text(unescaped(text)), node.at),
        _ => node.clone(),
    }
}

/// The recipe of all scripts; none if they do nothing.
pub(super) fn assemble(scripts: Vec<Script>) -> Option<Node> {
    let mut plays: Vec<Play> = Vec::new();
    let mut shared = Mapping::new();
    for script in scripts {
        let inputs: Mapping = script
            .inputs
            .iter()
            .map(|(name, value)| (name.clone(), variable(value)))
            .collect();
        let mut new: Vec<Play> = script
            .plays
            .into_iter()
            .map(|play| Play::of(play, inputs.clone()))
            .collect();
        if !script.downloads.is_empty() {
            if new.is_empty() {
                new.push(Play::default());
            }
            new[0].prepend("tasks", script.downloads);
        }
        update(&mut shared, &inputs);
        match (&mut plays[..], &mut new[..]) {
            ([one], [other]) if one.fits(other) => one.join(std::mem::take(other)),
            _ => plays.append(&mut new),
        }
    }
    let plays: Vec<Node> = plays
        .into_iter()
        .map(|play| Value::Map(play.finish(&shared)).into())
        .collect();
    (!plays.is_empty()).then(|| Value::Seq(plays).into())
}

/// Adds members to a mapping; the new ones win.
fn update(map: &mut Mapping, more: &Mapping) {
    for (name, value) in more.iter() {
        map.insert(name.clone(), value.clone());
    }
}

impl Play {
    fn of(mut rest: Mapping, inputs: Mapping) -> Self {
        // Where it runs is for the service to say.
        rest.remove("hosts");
        rest.remove("connection");
        let mut vars = Mapping::new();
        match rest.remove("vars").map(|vars| vars.value) {
            Some(Value::Map(map)) => vars = map,
            // The old form: a list of mappings.
            Some(Value::Seq(items)) => {
                for item in items {
                    if let Value::Map(map) = item.value {
                        update(&mut vars, &map);
                    }
                }
            }
            _ => {}
        }
        Self { inputs, vars, rest }
    }

    fn prepend(&mut self, list: &str, mut items: Vec<Node>) {
        if let Some(Value::Seq(there)) = self.rest.remove(list).map(|node| node.value) {
            items.extend(there);
        }
        self.rest.insert(list, Value::Seq(items).into());
    }

    /// Whether both mean the same as one play: no setting and no variable differs.
    fn fits(&self, other: &Play) -> bool {
        let settings = |play: &Play| -> Vec<(String, Value)> {
            let all = play.rest.iter().filter(|(key, value)| {
                let usual = match &***key {
                    "name" => true,
                    // As recipes run anyway.
                    "become" => value.as_bool() == Some(true),
                    // Facts that one asks for do not hurt the other.
                    "gather_facts" => value.as_bool().is_some(),
                    key => LISTS.contains(&key) && matches!(value.value, Value::Seq(_) | Value::Null),
                };
                !usual
            });
            let mut all: Vec<(String, Value)> =
                all.map(|(key, value)| (key.to_string(), value.value.clone())).collect();
            all.sort_by(|a, b| a.0.cmp(&b.0));
            all
        };
        let differ = |a: &Mapping, b: &Mapping| {
            a.iter()
                .any(|(key, value)| b.get(key).is_some_and(|other| other != value))
        };
        settings(self) == settings(other)
            && !differ(&self.inputs, &other.inputs)
            && !differ(&self.inputs, &other.vars)
            && !differ(&self.vars, &other.inputs)
            && !differ(&self.vars, &other.vars)
    }

    /// Takes another one in, after itself.
    fn join(&mut self, other: Play) {
        update(&mut self.inputs, &other.inputs);
        update(&mut self.vars, &other.vars);
        for (key, entry) in other.rest {
            match (self.rest.get_mut(&key), entry.value) {
                (
                    Some(Node {
                        value: Value::Seq(there),
                        ..
                    }),
                    Node {
                        value: Value::Seq(more),
                        ..
                    },
                ) => there.extend(more),
                (Some(there), value) if there.is_null() || is_asked(&key, &value) => *there = value,
                (Some(_), _) => {}
                (None, value) => {
                    self.rest.insert(key, value);
                }
            }
        }
    }

    /// The play with all variables: those of all scripts, over them its script's, over them its own.
    fn finish(self, shared: &Mapping) -> Mapping {
        let mut vars = shared.clone();
        update(&mut vars, &self.inputs);
        update(&mut vars, &self.vars);
        let mut play = Mapping::new();
        if let Some(name) = self.rest.get("name") {
            play.insert("name", name.clone());
        }
        if !vars.is_empty() {
            play.insert("vars", Value::Map(vars).into());
        }
        update(&mut play, &self.rest);
        play
    }
}

/// Whether a setting asks for facts.
fn is_asked(key: &str, value: &Node) -> bool {
    key == "gather_facts" && value.as_bool() == Some(true)
}

fn map<const N: usize>(members: [(&str, Node); N]) -> Node {
    let mut map = Mapping::new();
    for (key, value) in members {
        map.insert(key, value);
    }
    Value::Map(map).into()
}

fn words(text: impl AsRef<str>) -> Node {
    Value::text(text.as_ref()).into()
}

/// The task that fetches a file to a path.
pub(super) fn download(url: &str, path: &str) -> Node {
    map([
        ("name", words(format!("Download artifact {url}"))),
        ("get_url", map([("url", words(url)), ("dest", words(path))])),
    ])
}

/// The play that copies a script and runs it with the inputs as its environment.
pub(super) fn shell(name: &str, text: &str, inputs: &Mapping) -> Mapping {
    let path = format!("/tmp/{name}");
    let content = literal(text);
    let environment: Mapping = inputs
        .iter()
        .map(|(name, value)| (name.clone(), words(environment(value))))
        .collect();
    let copy = map([
        ("name", words(format!("Copy {name}"))),
        (
            "copy",
            map([
                ("dest", words(&path)),
                ("content", words(content)),
                ("mode", words("0755")),
            ]),
        ),
    ]);
    let run = map([
        ("name", words(format!("Run {name}"))),
        ("shell", words(&path)),
        ("environment", Value::Map(environment).into()),
    ]);
    let mut play = Mapping::new();
    play.insert("tasks", Value::Seq(vec![copy, run]).into());
    play
}

/// A text that Ansible shall not take for a template.
pub(super) fn literal(text: &str) -> String {
    if !["{{", "{%", "{#"].iter().any(|mark| text.contains(mark)) {
        return text.to_owned();
    }
    if text.contains("endraw") {
        return format!("{{{{ '{}' | b64decode }}}}", base64(text.as_bytes()));
    }
    format!("{{% raw %}}{text}{{% endraw %}}")
}

/// A recipe of one task that runs a file of tasks with variables.
pub(super) fn include(file: &str, vars: Mapping) -> Node {
    let task = map([("include_tasks", words(file)), ("vars", Value::Map(vars).into())]);
    let play = map([("tasks", Value::Seq(vec![task]).into())]);
    Value::Seq(vec![play]).into()
}

/// A value of an environment variable: texts as they are, lists and mappings as JSON.
fn environment(node: &Node) -> String {
    match &node.value {
        Value::Seq(_) | Value::Map(_) => super::json(node).to_string(),
        other => python_text(other),
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn base64(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let part = |n: usize| u32::from(chunk.get(n).copied().unwrap_or(0));
        let number = part(0) << 16 | part(1) << 8 | part(2);
        for n in 0..4 {
            if n <= chunk.len() {
                let six = number >> (18 - 6 * n) & 63;
                out.push(char::from(ALPHABET[six as usize]));
            } else {
                out.push('=');
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FileId, Limits, yaml};

    fn plays(text: &str) -> Vec<Mapping> {
        let (node, found) = yaml::parse(text, FileId::DOCUMENT, &Limits::default());
        assert!(found.is_empty(), "{found:?}");
        let Some(Value::Seq(items)) = node.map(|node| node.value) else {
            return Vec::new();
        };
        items
            .into_iter()
            .map(|item| match item.value {
                Value::Map(map) => map,
                other => unreachable!("{other:?}"),
            })
            .collect()
    }

    fn script(inputs: &str, text: &str) -> Script {
        Script {
            inputs: plays(&format!("[{inputs}]")).pop().unwrap_or_default(),
            downloads: Vec::new(),
            plays: plays(text),
        }
    }

    fn recipe(scripts: Vec<Script>) -> String {
        assemble(scripts).map(|node| yaml::dump(&node)).unwrap_or_default()
    }

    fn same(scripts: Vec<Script>, expected: &str) {
        assert_eq!(plays(&recipe(scripts)), plays(expected));
    }

    #[test]
    fn scripts_of_one_play_become_one() {
        same(
            vec![
                script(
                    "{a: 1}",
                    "- hosts: all\n  connection: local\n  vars: {own: x}\n  tasks: [{debug: }]\n",
                ),
                script("{b: 2}", "- become: yes\n  roles: [{role: r}]\n  tasks: [{ping: }]\n"),
            ],
            "- vars: {a: 1, b: 2, own: x}\n  become: yes\n  tasks: [{debug: }, {ping: }]\n  roles: [{role: r}]\n",
        );
    }

    #[test]
    fn a_script_of_two_plays_keeps_both_and_earlier_tasks_run_once() {
        same(
            vec![
                script("{a: 1}", "- tasks: [{first: }]\n"),
                script(
                    "{b: 2}",
                    "- tasks: [{second: }]\n- gather_facts: yes\n  tasks: [{third: }]\n",
                ),
                script("{}", "- tasks: [{fourth: }]\n"),
            ],
            "- vars: {a: 1, b: 2}\n  tasks: [{first: }]\n- vars: {a: 1, b: 2}\n  tasks: [{second: }]\n\
             - vars: {a: 1, b: 2}\n  gather_facts: yes\n  tasks: [{third: }]\n- vars: {a: 1, b: 2}\n  tasks: [{fourth: }]\n",
        );
    }

    #[test]
    fn false_settings_stay_and_keep_plays_apart() {
        same(
            vec![
                script("{}", "- become: no\n  tasks: [{first: }]\n"),
                script("{}", "- tasks: [{second: }]\n"),
            ],
            "- become: no\n  tasks: [{first: }]\n- tasks: [{second: }]\n",
        );
    }

    #[test]
    fn facts_are_gathered_if_one_asks() {
        for (first, second) in [("no", "yes"), ("yes", "no"), ("yes", "yes")] {
            let play =
                |facts: &str, task: &str| script("{}", &format!("- gather_facts: {facts}\n  tasks: [{{{task}: }}]\n"));
            same(
                vec![play(first, "first"), play(second, "second")],
                "- gather_facts: yes\n  tasks: [{first: }, {second: }]\n",
            );
        }
        same(
            vec![
                script("{}", "- tasks: [{first: }]\n"),
                script("{}", "- gather_facts: yes\n  tasks: [{second: }]\n"),
            ],
            "- gather_facts: yes\n  tasks: [{first: }, {second: }]\n",
        );
    }

    #[test]
    fn variables_that_differ_keep_plays_apart() {
        same(
            vec![
                script("{version: 1}", "- tasks: [{first: }]\n"),
                script("{version: 2}", "- tasks: [{second: }]\n"),
            ],
            "- vars: {version: 1}\n  tasks: [{first: }]\n- vars: {version: 2}\n  tasks: [{second: }]\n",
        );
    }

    #[test]
    fn values_survive() {
        same(
            vec![script(
                "{q: 'say \"hi\"', lines: \"a\\nb\", n: ~, nested: {l: [~, \"x\\ny\", true, '1'], s: 'a\\nb'}, esc: 'a\\nb'}",
                "- tasks: []\n",
            )],
            "- vars: {q: 'say \"hi\"', lines: \"a\\nb\", n: ~, nested: {l: [~, \"x\\ny\", true, '1'], s: 'a\\nb'}, esc: \"a\\nb\"}\n  tasks: []\n",
        );
    }

    #[test]
    fn downloads_come_first() {
        let mut one = script("{}", "- tasks: [{first: }]\n");
        one.downloads.push(download("http://a/b", "/tmp/b"));
        same(
            vec![one],
            "- tasks:\n  - {name: Download artifact http://a/b, get_url: {url: http://a/b, dest: /tmp/b}}\n  - {first: }\n",
        );
        let mut lone = Script::default();
        lone.downloads.push(download("http://a/b", "/tmp/b"));
        assert!(recipe(vec![lone]).contains("get_url"));
        assert_eq!(recipe(vec![Script::default()]), "");
    }

    #[test]
    fn scripts_are_copied_and_run() {
        let inputs = plays("[{a: 'x y', n: 1, l: [1, b]}]").remove(0);
        let run = Script {
            plays: vec![shell("x.sh", "#!/bin/sh\necho \"$a\": 'b' \\n\n", &inputs)],
            ..Script::default()
        };
        same(
            vec![run],
            "- tasks:\n  - name: Copy x.sh\n    copy: {dest: /tmp/x.sh, mode: '0755', content: \"#!/bin/sh\\necho \\\"$a\\\": 'b' \\\\n\\n\"}\n  \
             - name: Run x.sh\n    shell: /tmp/x.sh\n    environment: {a: 'x y', n: '1', l: '[1,\"b\"]'}\n",
        );
        assert_eq!(literal("${{#a[@]}}"), "{% raw %}${{#a[@]}}{% endraw %}");
        assert_eq!(literal("{{ endraw"), "{{ 'e3sgZW5kcmF3' | b64decode }}");
    }

    #[test]
    fn base64_of_all_lengths() {
        for (text, code) in [
            ("", ""),
            ("a", "YQ=="),
            ("ab", "YWI="),
            ("abc", "YWJj"),
            ("abcd", "YWJjZA=="),
        ] {
            assert_eq!(base64(text.as_bytes()), code);
        }
    }
}
