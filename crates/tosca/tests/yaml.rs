//! YAML as `PyYAML` reads it: a table, scalars and documents that are made up, and everything that is written. `PyYAML`
//! itself says what is right, where it is installed.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

use im_tosca::{
    FileId, Limits, Node, Value,
    yaml::{dump, parse, python_text, resolve},
};
use proptest::{prelude::*, strategy::ValueTree as _};
use std::{
    env,
    io::Write as _,
    process::{Command, Stdio},
};

/// Reads a list of texts as JSON, says for each how `PyYAML` reads it, with types.
const ORACLE: &str = r#"
import datetime, json, sys
import yaml
def show(v, text=False):
    if v is None: return ["null"]
    if isinstance(v, bool): return ["bool", v]
    if isinstance(v, int): return ["int", str(v)]
    if isinstance(v, float): return ["float", repr(v)]
    if isinstance(v, (datetime.date, datetime.datetime)): return ["time", str(v)]
    if isinstance(v, str): return ["str", v]
    if isinstance(v, list): return ["seq", [show(i) for i in v]]
    if isinstance(v, dict): return ["map", [[str(k), show(i)] for k, i in v.items()]]
    return ["other", str(type(v))]
out = []
for text in json.load(sys.stdin):
    try:
        v = yaml.safe_load(text)
        out.append([show(v), str(v)])
    except Exception as e:
        out.append(["error", str(e)])
json.dump(out, sys.stdout)
"#;

/// What `PyYAML` says: nothing if it is not installed.
fn oracle(texts: &[String]) -> Option<Vec<(serde_json::Value, String)>> {
    let found = Command::new("python3").args(["-c", "import yaml"]).output();
    if !found.is_ok_and(|out| out.status.success()) {
        assert!(env::var("CI").as_deref() != Ok("true"), "PyYAML is not installed");
        println!("not run: PyYAML is not installed");
        return None;
    }
    let mut child = Command::new("python3")
        .args(["-c", ORACLE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let asked = serde_json::to_vec(texts).unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(&asked).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// A value as the oracle writes it.
fn show(value: &Value) -> serde_json::Value {
    use serde_json::json;
    match value {
        Value::Null => json!(["null"]),
        Value::Bool(it) => json!(["bool", it]),
        Value::Int(it) => json!(["int", it.to_string()]),
        Value::Float(_) => json!(["float", python_text(value)]),
        Value::Timestamp(it) => json!(["time", &**it]),
        Value::Str(it) => json!(["str", &**it]),
        Value::Seq(items) => json!(["seq", items.iter().map(|item| show(&item.value)).collect::<Vec<_>>()]),
        Value::Map(map) => {
            let members = map.iter().map(|(key, value)| json!([&**key, show(&value.value)]));
            json!(["map", members.collect::<Vec<_>>()])
        }
    }
}

fn read(text: &str) -> Result<Node, String> {
    let (node, found) = parse(text, FileId::DOCUMENT, &Limits::default());
    node.ok_or_else(|| {
        found
            .iter()
            .map(im_radl::Diagnostic::line_message)
            .collect::<Vec<_>>()
            .join("; ")
    })
}

/// Compares with the oracle; the differences.
fn compare(texts: &[String]) -> Vec<String> {
    let Some(said) = oracle(texts) else { return Vec::new() };
    let mut wrong = Vec::new();
    for (text, (expected, as_text)) in texts.iter().zip(said) {
        if is_known(text) {
            continue;
        }
        match read(text) {
            Ok(node) if expected != "error" => {
                let got = show(&node.value);
                if got != expected {
                    wrong.push(format!("{text:?}: {got}, PyYAML {expected}"));
                } else if python_text(&node.value) != as_text {
                    wrong.push(format!(
                        "{text:?}: str() {:?}, Python {as_text:?}",
                        python_text(&node.value)
                    ));
                }
            }
            Err(_) if expected == "error" => {}
            Ok(node) => wrong.push(format!(
                "{text:?}: {}, PyYAML refuses: {}",
                show(&node.value),
                as_text.replace('\n', " ")
            )),
            Err(error) => wrong.push(format!("{text:?}: refused ({error}), PyYAML {expected}")),
        }
    }
    wrong
}

/// Where we differ from `PyYAML`, and why.
fn is_known(text: &str) -> bool {
    let scalar = text.trim_start_matches("k: ").trim_start_matches("- ").trim();
    // Python takes 1 and True for one key; sets are mappings here; these texts are no values of their own there.
    text.starts_with("1: a\ntrue: b") || text.contains("!!set") || scalar == "=" || scalar == "<<"
        // YAML 1.2: tabs may separate, and a byte order mark within a document is none.
        || scalar.starts_with("a: 1") && text.contains('\t') || text.find('\u{feff}').is_some_and(|at| at > 0)
        || more_in_yaml_1_2(scalar)
}

/// Texts that YAML 1.2 allows and 1.1 did not, or the other way round.
fn more_in_yaml_1_2(scalar: &str) -> bool {
    // Anchors have any characters; an empty key needs no `?`.
    scalar.starts_with('&') || scalar.starts_with(": ") || scalar == ":"
}

/// What plain scalars mean: the rows of the table, and their neighbours.
const SCALARS: &[&str] = &[
    "yes",
    "Yes",
    "YES",
    "yEs",
    "no",
    "No",
    "NO",
    "on",
    "On",
    "ON",
    "off",
    "Off",
    "OFF",
    "true",
    "True",
    "TRUE",
    "tRue",
    "false",
    "y",
    "n",
    "Y",
    "N",
    "null",
    "Null",
    "NULL",
    "nULL",
    "~",
    "22.04",
    "16.04",
    "1.0",
    "20.10",
    "20.11.9",
    "1.18.8",
    "0644",
    "0o644",
    "0x1F",
    "0x1f",
    "0b101",
    "1_000",
    "0_7",
    "08",
    "09.5",
    "1:30",
    "190:20:30",
    "1:60",
    "1:30.5",
    "-1:30",
    "01:30",
    "1e3",
    "1.0e+3",
    "1.0e3",
    "1e+3",
    "1.5E-3",
    ".5",
    "1.",
    "-.5",
    "+.5",
    "+1",
    "-1",
    "+12.5",
    ".inf",
    "-.inf",
    "+.INF",
    ".nan",
    ".NaN",
    "-.nan",
    "._5",
    ".5_",
    "1_0.5_0",
    "_1",
    "1__0",
    "0",
    "-0",
    "00",
    "0x",
    "0b",
    "0b2",
    "2020-09-08",
    "2020-9-8",
    "2020-09-08T10:00:00Z",
    "2020-09-08 10:00:00",
    "2020-09-08 10:00:00.123456789 +2",
    "2020-09-08 10:00:00.5 -02:30",
    "2020-9-8 1:00:00",
    "2020-09-08t1:02:03.",
    "2020-09-08  10:00:00 +00:00",
    "2020-02-29",
    "0xFFFFFFFFFFFF",
    "1e400",
    "1.7976931348623157e+308",
    "1.0e+400",
    "5e-324",
    "0.1",
    "100000000000000000000.0",
    "1.0e-5",
    "12345678901234567890",
    "a b",
    "a#b",
    "a #b",
    "a:b",
    "{a: 1}",
    "[a, b: c]",
    "'yes'",
    "\"1\"",
    "'it''s'",
    "\"a\\tb\\u00e9\\x41\"",
    "|\n  a\n  b\n",
    ">\n  a\n  b\n",
    "|-\n  a\n\n",
    "|+\n  a\n\n",
    ">-\n  a\n\n  b\n",
    "!!str 1",
    "!!int '5'",
    "!!float 1",
    "!!bool yes",
    "!!null ''",
    "!!int x",
    "!x y",
    "!!python/object:x {}",
    "! 1",
    "@a",
    "`a",
    "%a",
    "*none",
    "a: b: c",
    "a\n  b",
    "- - a\n  - b",
    "? a\n: b",
    "a: |\n  x",
    "a: |-\n  x",
    "a: >\n  x\n  y",
    "a: |+\n  x",
    "- |\n  x\n- y",
    "a: *x",
    "&x a",
    "12e03",
    "1.2.3",
    "1-2",
    "1,000",
    "0.0.0.0/0",
    "10.0.0.0/8",
    "8080/tcp",
    "{{ x }}",
    "'{{ x }}'",
    "a: {{ x }}",
    "-",
    "--- a",
    "--- a\n--- b",
    "",
    "# only",
    "a: 1\n# c\nb: 2",
    "key:    value",
    "\ta: 1",
    "a:\t1",
    "a: 'x",
    "[a",
    "{a",
    "a: |2\n    x",
    "a: >+\n x\n\nb: 1",
    "é: ü",
    "\u{feff}a: 1",
];

/// Documents with keys, anchors, merges.
const DOCUMENTS: &[&str] = &[
    "a: 1\na: 2\nb: 3\n",
    "1: a\ntrue: b\n1.5: c\nnull: d\n~: e\n2020-01-01: f\n",
    "base: &b {x: 1, y: 2}\nd:\n  <<: *b\n  y: 3\n  z: 4\n",
    "a: &a {x: 1}\nb: &b {x: 2, y: 3}\nc:\n  z: 0\n  <<: [*a, *b]\n",
    "a: &a {x: 1}\nc:\n  <<: *a\n  <<: {x: 2, y: 5}\n",
    "a: &a [1, 2]\nb: *a\n",
    "a: &a [1]\nc:\n  <<: *a\n",
    "a:\n  '<<': {x: 1}\n",
    "a: [get_input: x, {b: c}, d: {e: f}]\n",
    "concat: [ 'https://', get_attribute: [ n, public_address, 0 ] ]\n",
    "? [a, b]\n: c\n",
    "{a: b}: c\n",
    "a:\n- b\n- c\n",
    "a: {b: , c: }\n",
    "a: !!set {x, y}\n",
    "x: &x\n  y: *x\n",
];

#[test]
fn table() {
    let mut texts: Vec<String> = SCALARS.iter().map(|text| (*text).to_owned()).collect();
    texts.extend(SCALARS.iter().map(|text| format!("k: {text}")));
    texts.extend(
        SCALARS
            .iter()
            .filter(|text| !text.contains('\n'))
            .map(|text| format!("- {text}")),
    );
    texts.extend(DOCUMENTS.iter().map(|text| (*text).to_owned()));
    let wrong = compare(&texts);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn scalar() -> impl Strategy<Value = String> {
    prop_oneof![
        "[-+0-9._:eExXobaf]{1,10}",
        "[-+]?[0-9]{1,4}(:[0-9]{1,2}){0,2}(\\.[0-9_]{0,3})?([eE][-+]?[0-9]{1,2})?",
        "[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([ Tt][0-9]{1,2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{0,7})?( ?(Z|[-+][0-9]{1,2}(:[0-9]{2})?))?)?",
        "[yYnNtTfFoO][a-zA-Z]{0,4}",
        "[~.=<nN][a-zA-Z~.<=]{0,3}",
        "[ -~]{0,12}",
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        scalar(),
        "[a-z ]{0,8}",
        "[ -~\n\t\u{e9}\u{2028}\u{85}\u{1f600}\u{7f}\u{1}]{0,24}",
        "( {0,2}[a-z:#-]{0,6}\n){0,4}[a-z]{0,3}",
        Just("x".repeat(1100)),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(|int| Value::Int(int.into())),
        any::<f64>()
            .prop_filter("NaN equals nothing", |float| !float.is_nan())
            .prop_map(Value::Float),
        text.clone().prop_map(Value::text),
    ];
    leaf.prop_recursive(4, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5)
                .prop_map(|items| Value::Seq(items.into_iter().map(Node::from).collect())),
            prop::collection::vec((text.clone(), inner), 0..5).prop_map(|members| Value::Map(
                members
                    .into_iter()
                    .map(|(key, value)| (key.into(), Node::from(value)))
                    .collect()
            )),
        ]
    })
}

fn generated<S: Strategy>(strategy: &S, count: usize) -> Vec<S::Value> {
    // Always the same ones: a difference must not come and go.
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    (0..count)
        .map(|_| strategy.new_tree(&mut runner).unwrap().current())
        .collect()
}

#[test]
fn generated_scalars() {
    let texts = generated(&scalar(), 4000);
    let wrong = compare(&texts);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_written_is_read_by_both() {
    let values = generated(&value(), 800);
    let texts: Vec<String> = values.iter().map(|value| dump(&Node::from(value.clone()))).collect();
    for (value, text) in values.iter().zip(&texts) {
        let again = read(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_eq!(&again.value, value, "{text}");
        assert_eq!(show(&again.value), show(value), "order: {text}");
        assert_eq!(dump(&again), *text);
    }
    if let Some(said) = oracle(&texts) {
        for ((value, text), (expected, _)) in values.iter().zip(&texts).zip(said) {
            assert_eq!(show(value), expected, "{text}");
        }
    }
}

#[test]
fn places() {
    let text = "a: 1\nbé:\n  - ünder: x\n  - [1, 'two']\n";
    let node = read(text).unwrap();
    let list = node.get("bé").unwrap().as_seq().unwrap();
    let x = list[0].get("ünder").unwrap();
    assert_eq!((x.at.span.line, x.at.span.column), (3, 12));
    assert_eq!(&text[x.at.span.start as usize..x.at.span.end as usize], "x");
    let two = &list[1].as_seq().unwrap()[1];
    assert_eq!(&text[two.at.span.start as usize..two.at.span.end as usize], "'two'");
    let key = node.as_map().unwrap().entry("bé").unwrap().key_at;
    assert_eq!((key.span.line, key.span.column), (2, 1));
    let (_, found) = parse("a: 1\nb: 2\na: 3\n", FileId::DOCUMENT, &Limits::default());
    assert_eq!((found[0].code.as_ref(), found[0].span.unwrap().line), ("T0901", 3));
}

#[test]
fn bounds() {
    let limits = Limits::default();
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n\
                d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\n";
    let deep = format!("a: {}{}", "[".repeat(100), "]".repeat(100));
    let deeper = format!("a: {}{}", "[".repeat(100_000), "]".repeat(100_000));
    let blocks = (0..100)
        .map(|n| format!("{}a:\n", " ".repeat(n)))
        .collect::<Vec<_>>()
        .concat();
    let climbing = (0..70)
        .map(|n| {
            format!(
                "a{}: &a{} [{}]\n",
                n + 1,
                n + 1,
                if n == 0 { "x".to_owned() } else { format!("*a{n}") }
            )
        })
        .collect::<Vec<_>>()
        .concat();
    for text in [bomb, &deep, &deeper, &blocks, &climbing] {
        let (node, found) = parse(text, FileId::DOCUMENT, &limits);
        assert!(node.is_none());
        assert!(
            found.iter().any(|d| d.code == "T0003" || d.code == "T0001"),
            "{found:?}"
        );
    }
    let small = Limits { bytes: 10, ..limits };
    let (node, found) = parse("description: too long", FileId::DOCUMENT, &small);
    assert!(node.is_none() && found[0].code == "T0003");
}

#[test]
fn unknown_tags_are_refused() {
    for text in [
        "a: !vault |\n  x\n",
        "!x {a: 1}",
        "a: !!python/name:os.system ''",
        "a: !<tag:x,2000:y> z",
        "!!binary aGk=",
    ] {
        assert!(read(text).is_err(), "{text}");
    }
    assert!(read("a: \0b").unwrap_err().contains("U+0000"));
}

#[test]
fn plain_scalars_alone() {
    assert_eq!(resolve("22.04"), Ok(Value::Float(22.04)));
    assert_eq!(resolve("1:30"), Ok(Value::Int(90)));
    assert!(resolve("2020-13-01").is_err());
}
