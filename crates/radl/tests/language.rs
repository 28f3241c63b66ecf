//! What the language accepts, what it refuses, and what it makes of it.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic)]

use im_radl::{Document, Feature, Number, check, first_error, parse, parse_json, print, to_json};

fn accepted(text: &str) -> Document {
    let parsed = parse(text);
    let found: Vec<_> = parsed.diagnostics.into_iter().chain(check(&parsed.document)).collect();
    if let Some(error) = first_error(&found) {
        panic!("{text}\n{error}");
    }
    parsed.document
}

fn refused(text: &str) -> String {
    let parsed = parse(text);
    let found: Vec<_> = parsed.diagnostics.into_iter().chain(check(&parsed.document)).collect();
    first_error(&found).unwrap_or_else(|| panic!("accepted: {text}"))
}

fn system(features: &str) -> Document {
    accepted(&format!("system a ({features})"))
}

fn system_refused(features: &str) -> String {
    refused(&format!("system a ({features})"))
}

fn value<'d>(document: &'d Document, name: &str) -> &'d Feature {
    document.systems[0].features.get(name).unwrap()
}

fn text(document: &Document, name: &str) -> String {
    document.systems[0].features.text(name).unwrap().to_owned()
}

#[test]
fn documents_of_nothing() {
    for empty in ["", " \n\t\n", "# only a comment", "description d (name = 'x')", "[]"] {
        accepted(empty);
    }
    assert!(accepted("").is_empty());
}

#[test]
fn intervals() {
    let both = system("cpu.count >= 2 and cpu.count <= 4");
    assert_eq!(both.systems[0].features.number("cpu.count"), Some(Number::Int(2)));
    let json = to_json(&both).to_string();
    assert!(json.contains(r#""cpu.count_min":2,"cpu.count_max":4"#), "{json}");
    assert_eq!(parse_json(&json).document, both);
    let two = system("cpu.count <= 4 and cpu.count = 2");
    assert_eq!(to_json(&two)[0]["cpu.count"], 2);
    system("cpu.count > 2 and cpu.count = 2");
    system("memory.size >= 1G and memory.size <= 2048M");
    system("cpu.count >= 2 and cpu.count >= 4 and cpu.count <= 10 and cpu.count <= 6");
    for bad in ["cpu.count >= 4 and cpu.count <= 2", "cpu.count >= 2 and cpu.count = 1"] {
        assert!(system_refused(bad).contains("disjoint"), "{bad}");
    }
}

#[test]
fn repeated_features() {
    accepted("network n (outbound='yes' and outbound='yes') system a (net_interface.0.connection='n')");
    let message = refused("network n (outbound='yes'\nand outbound='no')");
    assert_eq!(
        message,
        "Line 2: Conflict adding `outbound = 'no'` because `outbound = 'yes'` is already set"
    );
    assert!(system_refused("cpu.count = 1 and cpu.count = 'x'").contains("one is a string, the other a number"));
    let groups = system(
        "disk.0.applications contains (name='a') and disk.0.applications contains (name='b')
         and disk.0.applications contains (name='a' and path='/x')",
    );
    let all: Vec<_> = groups.systems[0].applications().map(|a| (a.name, a.path)).collect();
    assert_eq!(all, [("a", Some("/x")), ("b", None)]);
}

#[test]
fn duplicates() {
    for text in [
        "system a system a ()",
        "network n network n",
        "configure c () configure c",
        "ansible h (host='x') ansible h (host='x')",
        "description a () description b ()",
    ] {
        assert!(
            refused(text).contains("an aspect with the same id already exists"),
            "{text}"
        );
    }
    accepted("system a () deploy a 1 deploy a 2");
}

#[test]
fn contextualize() {
    let document = accepted(
        "system a configure c configure d
         contextualize 10 (option ansible_version = '2' system a configure c step 1 system a configure d)
         contextualize 20 (option ansible_version = '3' system a configure c step 2)",
    );
    let all = document.contextualize.as_ref().unwrap();
    assert_eq!(all.max_time, Number::Int(20));
    let items: Vec<_> = all
        .items
        .iter()
        .map(|i| (i.configure.as_str(), i.step_number()))
        .collect();
    assert_eq!(items, [("c", 2), ("d", 0)]);
    assert_eq!(all.options.text("ansible_version"), Some("3"));
    for bad in [
        "system a configure c contextualize (system a configure c step 1 with x)",
        "system a configure c contextualize (system a configure c option x = 1)",
        "contextualize (system a configure c)",
        "contextualize 1.5 ()",
        "contextualize (option x = 'random(3)')",
    ] {
        refused(bad);
    }
}

#[test]
fn what_contextualization_runs() {
    use im_radl::ContextPlan::{Disabled, Items};
    let plan = |text: &str| match accepted(text).effective_items() {
        Disabled => None,
        Items(items) => Some(
            items
                .into_iter()
                .map(|i| (i.system, i.configure, i.step))
                .collect::<Vec<_>>(),
        ),
    };
    let a = || ("a".to_owned(), "a".to_owned(), 1);
    let base = "system a () system b () configure a (@begin\n- x\n@end\n) configure b ()";
    assert_eq!(plan(base), Some(vec![a()]));
    assert_eq!(plan(&format!("{base} contextualize ()")), None);
    assert_eq!(plan(&format!("{base} contextualize 10 ()")), None);
    assert_eq!(
        plan(&format!("{base} contextualize (option ansible_version = '1')")),
        Some(vec![a()])
    );
    let other = ("b".to_owned(), "a".to_owned(), 0);
    assert_eq!(
        plan(&format!("{base} contextualize (system b configure a)")),
        Some(vec![other])
    );
    assert!(accepted(base).is_context_disabled("b"));
    let cloud = format!("{base} contextualize (system b configure a with cloud_init)");
    assert_eq!(plan(&cloud), None);
    assert_eq!(accepted(&cloud).cloud_init_items("b").collect::<Vec<_>>(), ["a"]);
}

#[test]
fn skipped_characters() {
    let document = accepted("system a () deploy a = 1");
    assert_eq!(document.deploys[0].count(), 1);
    assert_eq!(value(&system("price = -5"), "price"), &Feature::number(5));
    accepted("network n ($outbound='yes'; %)");
    accepted("\"\nnetwork n (outbound = 'yes')\r\n");
    accepted("\u{feff}network n ()");
    let warnings = parse("network n ($outbound='yes'; %)").diagnostics;
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    assert!(refused("network n (net = \"x\")").contains("unexpected `\"x\"`"));
    let document = accepted("system a () deploy a 1\nfoo");
    assert_eq!(document.deploys[0].cloud.as_deref(), Some("foo"));
}

#[test]
fn syntax_errors() {
    for bad in [
        "system a (x = 1))",
        "system a (x = 1",
        "system a (x = 1 and)",
        "system a (x = 1 y = 2)",
        "system a (x 1)",
        "system 1a ()",
        "system network ()",
        "system a (and = 1)",
        "system a (x = ['a',])",
        "system a (x = [1])",
        "system a (x = ['random(3)'])",
        "system a (x = 'abc)",
        "system a (x = 'a\\\nb')",
        "ansible a",
        "deploy a",
        "deploy a 'x'",
        "network n () description d ()",
        "configure c (@begin@end)",
        "configure c (x)",
        "system a (x contains ())) ",
        ")",
        "foo",
        "soft 1 (x = 1)",
        "system a (x = 99999999999999999999)",
        "system a (x = @input.CPUs@)",
    ] {
        refused(bad);
    }
}

#[test]
fn many_errors_are_found_at_once() {
    let text = "network n (outbound = x and provider_id = 'y')\nsystem a (cpu.count = and memory.size == 1)\nsistem b ()\ndeploy a\n";
    let parsed = parse(text);
    let lines: Vec<_> = parsed
        .diagnostics
        .iter()
        .map(|d| d.span.map_or(0, |s| s.line))
        .collect();
    assert_eq!(lines, [1, 2, 2, 3, 0], "{:#?}", parsed.diagnostics);
    assert_eq!(parsed.document.networks[0].provider_id(), Some("y"));
}

#[test]
fn strings_and_names() {
    assert_eq!(text(&system(r"x = 'a\'b'"), "x"), "a'b");
    assert_eq!(text(&system(r"x = 'a\nb\\'"), "x"), r"a\nb\\");
    assert_eq!(text(&system("x = 'a\nb'"), "x"), "a\nb");
    assert_eq!(text(&system("x = ' # not a comment'"), "x"), " # not a comment");
    let lists = system("x = [] and y = ['','a'] and z = ['']");
    assert_eq!(lists.systems[0].features.list("x"), Some(&[][..]));
    assert_eq!(
        lists.systems[0].features.list("y"),
        Some(&[String::new(), "a".to_owned()][..])
    );
    assert_eq!(value(&lists, "z"), value(&lists, "x"));
    for name in ["a-b.c", ".x", "nñ", "_", "System", "network.x"] {
        assert_eq!(accepted(&format!("system {name} ()")).systems[0].name, name);
    }
    // A letter outside ASCII cannot come first.
    assert_eq!(accepted("system ña ()").systems[0].name, "a");
}

#[test]
fn numbers_and_units() {
    let document = system("a = 007 and b = 1. and c = 1.5 and d = 512 m and e = 1GiB and f = 1.5.2");
    let features = &document.systems[0].features;
    assert_eq!(features.number("a"), Some(Number::Int(7)));
    assert_eq!(features.number("b"), Some(Number::Float(1.0)));
    assert_eq!(features.bytes("d"), Some(512_000_000));
    assert_eq!(features.bytes("e"), Some(1 << 30));
    assert_eq!(features.number_in("e", "Mi"), Some(Number::Int(1024)));
    assert_eq!(features.number("f"), Some(Number::Float(1.5)));
    for good in ["512m", "4g", "1GB", "1TI", "1TIB", "100", "1kb"] {
        system(&format!("memory.size = {good}"));
    }
    for bad in [
        "memory.size = 1.5G",
        "memory.size = 1X",
        "memory.size = '1G'",
        "cpu.count = 1K",
        "cpu.performance = 1",
    ] {
        system_refused(bad);
    }
    system("cpu.performance = 1.5ECU and cpu.count = 0.5 and price = 0");
}

#[test]
fn random_values() {
    let mut document = system("x = 'random(8)' and y = 'random(12)' and z = 'random(x)'");
    let mut letters = |n: usize| "z".repeat(n);
    document.draw_randoms(&mut letters);
    assert_eq!(text(&document, "x"), "z".repeat(8));
    assert_eq!(text(&document, "y"), "z".repeat(12));
    assert_eq!(text(&document, "z"), "random(x)");
    assert!(system_refused("x = 'random(99999999999999999999)'").contains("4096"));
}

#[test]
fn recipes() {
    let document = accepted("configure c (\n@begin\n---\n- a: '@end # no comment'\n  # @end )\n@end\n)");
    assert_eq!(
        document.configures[0].text(),
        Some("---\n- a: '@end # no comment'\n  # @end )")
    );
    let printed = print(&document);
    assert_eq!(
        printed,
        "configure c (\n@begin\n---\n- a: '@end # no comment'\n  # @end )\n@end\n)\n"
    );
    assert_eq!(parse(&printed).document, document);
    let message = refused("configure c (\n@begin\n- a\n- b: c: d\n@end\n)");
    assert!(message.starts_with("Line 4: Error parsing YAML: "), "{message}");
    let message = refused("configure c (\n@begin\n- a: {{ b }}\n@end\n)");
    assert!(
        message.starts_with("Line 3: ") && message.contains("quotes"),
        "{message}"
    );
}

#[test]
fn lines_after_strings_of_many_lines() {
    let message = refused("system a (x = 'a\n\nb' and\ncpu.count = 'x')");
    assert!(message.starts_with("Line 4: "), "{message}");
}

#[test]
fn indices() {
    for bad in [
        "disk.foo.size = 1G",
        "net_interface.0.ip = '1.2.3.4'",
        "disk.0.size = 1G and disk.2.size = 1G",
    ] {
        system_refused(bad);
    }
    refused("network n () system a (net_interface.0.connection='n' and net_interface.2.connection='n')");
    refused("system a (net_interface.0.connection='nobody')");
    system("disk.0.size = 1G and disk.5.content = 'x' and disk.1.size = 2G");
    // Softs may speak of any disk.
    system("soft 10 (disk.3.size = 1G)");
    system_refused("soft 10 (disk.3.size = 'x')");
}

#[test]
fn checked_values() {
    for good in [
        "spot = 'Yes'",
        "cpu.arch = 'x86_64'",
        "cpu.arch = 'arm64'",
        "disk.0.os.name = 'linux'",
        "disk.0.os.version = '22.04'",
        "disk.0.os.version >= ''",
        "disk.0.image.url = ['a','b']",
        "disk.0.os.credentials.new.password = 'Abcdef1!'",
        "disk.0.applications contains (name = 'x' and version >= '1.2' and preinstalled = 'yes')",
        "whatever contains (x = 1)",
    ] {
        system(good);
    }
    for bad in [
        "spot = 'maybe'",
        "spot = 1",
        "cpu.arch = 'sparc'",
        "disk.0.os.name = 'beos'",
        "disk.0.os.version = '22.04 LTS'",
        "disk.0.os.flavour > 'x'",
        "disk.0.os.credentials.new.password = 'short1!'",
        "disk.0.os.credentials.new.password = 'nouppercase1!'",
        "disk.0.applications contains (name = '')",
        "disk.0.applications contains (name = 'x' and preinstalled = 'perhaps')",
        "disk.0.applications = 'x'",
        "ansible_host = 'nobody'",
    ] {
        system_refused(bad);
    }
    refused("ansible h (host = 'x' and credentials.username = 'y')");
    refused("ansible h (credentials.username = 'y' and credentials.password = 'z')");
    accepted(
        "ansible h (host = 'x' and credentials.username = 'y' and credentials.private_key = 'z') system a (ansible_host = 'h')",
    );
    refused("network n (outbound = 'perhaps')");
    refused("network n (outports = '')");
    accepted("network n (outports = '22,80-8080' and outbound = 'YES')");
    assert_eq!(refused("deploy a 1"), "Line 1: Invalid system id in the deploy.");
    accepted("system a deploy a 0");
}

#[test]
fn applied_softs() {
    let document = system(
        "cpu.count >= 1 and soft 10 (cpu.count >= 4) and soft 20 (cpu.count <= 2) and soft 5 (x = 'y' and cpu.count = 9)",
    );
    let (concrete, score) = document.systems[0].concrete();
    assert!((score - 20.0).abs() < f64::EPSILON);
    assert_eq!(concrete.features.number("cpu.count"), Some(Number::Int(1)));
    assert!(concrete.features.softs().is_empty() && !concrete.features.contains("x"));
}

#[test]
fn json_forms() {
    let good = r#"[
        {"class": "network", "id": "n", "outbound": "yes"},
        {"class": "network", "id": "m", "reference": true},
        {"class": "system", "id": "a", "cpu.count_min": 1, "cpu.count_max": 4, "memory.size": 1000000000,
         "net_interface.0.connection": "n", "net_interface.0.additional_dns_names": ["x.y"],
         "disk.0.image.url": ["one://x/1", "docker://y"], "tags": ["a", "b"], "reference": false,
         "disk.0.applications": [{"name": "x"}, {"name": "y", "version_min": "1.2"}],
         "softs": [{"weight": 10, "items": {"cpu.count": 2}}]},
        {"class": "configure", "id": "a", "recipes": null},
        {"class": "configure", "id": "c", "recipes": "- a: b\n"},
        {"class": "contextualize", "max_time": 5, "items": [{"system": "a", "configure": "c", "step": 2}]},
        {"class": "deploy", "system": "a", "vm_number": 2, "cloud": "here"},
        {"class": "description", "id": "d", "name": "x"}
    ]"#;
    let document = accepted(good);
    assert_eq!(document.systems[0].features.list("tags").unwrap().len(), 2);
    let version = document.systems[0].applications().nth(1).unwrap().version;
    assert_eq!(version, Some((im_radl::Op::Ge, "1.2")));
    assert_eq!(parse(&print(&document)).document, document);
    let json = to_json(&document).to_string();
    assert_eq!(to_json(&parse(&json).document).to_string(), json);
    assert!(
        json.ends_with(r#"{"class":"description","id":"d","name":"x"}]"#),
        "{json}"
    );
    let nothing = accepted(r#"[{"class": "contextualize"}]"#);
    assert!(nothing.contextualize.as_ref().unwrap().is_empty());
    for bad in [
        "[",
        "[{]",
        "[1]",
        r#"[{"class": "network"}]"#,
        r#"[{"id": "n"}]"#,
        r#"[{"class": "netwrok", "id": "n"}]"#,
        r#"[{"class": "network", "id": 1}]"#,
        r#"[{"class": "network", "id": "1 n"}]"#,
        r#"[{"class": "network", "id": "n", "outbound": null}]"#,
        r#"[{"class": "network", "id": "n", "x": [1]}]"#,
        r#"[{"class": "configure", "id": "c"}]"#,
        r#"[{"class": "configure", "id": "c", "recipes": 1}]"#,
        r#"[{"class": "configure", "id": "c", "recipes": "a: b: c"}]"#,
        r#"[{"class": "deploy", "system": "a", "vm_number": "1"}]"#,
        r#"[{"class": "deploy", "vm_number": 1}]"#,
        r#"[{"class": "system", "id": "a", "cpu.performance": 1}]"#,
        r#"[{"class": "system", "id": "a", "cpu.count": -1}]"#,
        r#"[{"class": "system", "id": "a", "disk.0.applications": {"name": "x"}, "disk.0.applications_x": {"y": null}}]"#,
        r#"[{"class": "system", "id": "a"}, {"class": "system", "id": "a", "reference": true}]"#,
    ] {
        refused(bad);
    }
    assert!(!parse_json(r#"{"class": "network"}"#).is_ok());
}

#[test]
fn limits() {
    let limits = im_radl::Limits {
        bytes: 1000,
        nesting: 4,
        list: 2,
        vms: 10,
        diagnostics: 3,
    };
    let bad = |text: &str| !im_radl::parse_with(text, &limits).is_ok();
    assert!(bad(&" ".repeat(1001)));
    assert!(bad(&format!("system a ({})", "soft 1 (".repeat(5) + &")".repeat(5))));
    assert!(!bad(&format!("system a ({})", "soft 1 (".repeat(3) + &")".repeat(3))));
    assert!(bad("system a (x = ['a','b','c'])"));
    assert!(bad(&format!("[{}", "[".repeat(500))));
    let many = im_radl::parse_with(&"deploy ".repeat(100), &limits);
    assert_eq!(many.diagnostics.len(), 4, "{:?}", many.diagnostics);
    for many in [
        "system a () deploy a 6 deploy a 5",
        r#"[{"class":"deploy","system":"a","vm_number":11}]"#,
    ] {
        let found = im_radl::parse_with(many, &limits).diagnostics;
        assert!(
            first_error(&found)
                .unwrap()
                .contains("Too many VMs: 11, 10 are the most"),
            "{many}"
        );
    }
    assert!(!bad("system a () deploy a 6 deploy a 4"));
    // What was stored is read whatever the bounds are now.
    let stored = im_radl::Limits::stored();
    let deep = format!(
        "system a ({}) deploy a 9999999",
        "soft 1 (".repeat(250) + &")".repeat(250)
    );
    let parsed = im_radl::parse_with(&deep, &stored);
    assert!(parsed.is_ok(), "{:?}", parsed.diagnostics);
    assert!(im_radl::parse_with(&print(&parsed.document), &stored).document == parsed.document);
    assert!(im_radl::parse_with(&to_json(&parsed.document).to_string(), &stored).is_ok());
    // Deep nesting, unbounded by the caller's limits, does not end the process.
    let parsed = parse(&format!("system a ({}", "x contains (".repeat(100_000)));
    assert!(!parsed.is_ok());
}

#[test]
fn secrets_are_not_in_messages() {
    let message =
        system_refused("disk.0.os.credentials.password = 'first' and disk.0.os.credentials.password = 'second'");
    assert!(!message.contains("first") && !message.contains("second"), "{message}");
    let message = system_refused("disk.0.os.credentials.new.password = 'weak'");
    assert!(!message.contains("weak"), "{message}");
}

#[test]
fn what_fuzzing_found() {
    // A form feed is no blank of the language.
    accepted("network n (\u{c}outbound = 'yes')\u{c}");
}
