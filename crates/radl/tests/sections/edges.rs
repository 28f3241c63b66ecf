//! Documents that were tried on the original, and defects of it that are mended.

use crate::{codes, findings, of_system, read, round_trips, system_table, table};
use im_radl::{Number, parse, parse_json, print, to_json};

#[test]
fn accepted() {
    table(&[
        ("a stray quote first", "\"\nnetwork n (outbound = 'yes')", "R0901"),
        (
            "a reference for a dry run",
            "network privada\nsystem a (net_interface.0.connection = 'privada')",
            "",
        ),
        ("a cloud on the next line", "system a deploy a 1\nfoo", ""),
        ("characters without meaning", "network n ($outbound='yes'; %)", "R0901"),
        ("the same twice", "network n (outbound='yes' and outbound='yes')", ""),
    ]);
    system_table(&[
        ("units", "memory.size >= 512m", ""),
        ("units", "memory.size >= 4g and disk.0.size = 1GB", ""),
        ("an exact value at an open end", "cpu.count > 2 and cpu.count = 2", ""),
        (
            "an interval across units",
            "memory.size >= 1G and memory.size <= 2048M",
            "",
        ),
        ("a sign", "price = -5", "R0901"),
        ("a random value", "instance_name = 'random(12)'", ""),
    ]);
    assert_eq!(of_system("cpu.count <= 4 and cpu.count = 2"), "cpu.count = 2");
    let interval = read("system a (cpu.count >= 2 and cpu.count <= 4)");
    assert_eq!(interval.systems[0].cpu_count(), Some(Number::Int(2)));
    let json = to_json(&interval).to_string();
    assert!(json.contains(r#""cpu.count_min":2,"cpu.count_max":4"#), "{json}");
}

#[test]
fn refused() {
    table(&[
        ("a string in double quotes", "network n (net = \"x\")", "R0001"),
        ("two values", "network n (outbound='yes' and outbound='no')", "R0102"),
        ("a system twice", "system a\nsystem a ()", "R0101"),
        ("a `)` too many", "system a (cpu.count = 1))", "R0001"),
        ("a `(` without end", "system a (cpu.count = 1", "R0001"),
        (
            "a step and a tool",
            "system a configure c contextualize (system a configure c step 1 with x)",
            "R0001",
        ),
    ]);
    system_table(&[
        ("disjoint", "cpu.count >= 4 and cpu.count <= 2", "R0102"),
        ("disjoint", "cpu.count >= 2 and cpu.count = 1", "R0102"),
        (
            "interfaces 0 and 2",
            "net_interface.0.ip = 'x' and net_interface.2.ip = 'y'",
            "R0108 R0109",
        ),
        ("no connection", "net_interface.0.ip = '10.0.0.1'", "R0109"),
        ("no index", "disk.foo.size = 1G", "R0108"),
    ]);
}

#[test]
fn quotes_survive() {
    round_trips(r"system a (x = 'a\'b' and y = '\'' and z = '\\\'')");
    assert_eq!(
        read(r"system a (x = 'a\'b')").systems[0].features.text("x"),
        Some("a'b")
    );
}

/// Each defect of the original that concerns this language, by its number in the description.
#[test]
fn defects_are_mended() {
    // 1: what is skipped is told, with its place.
    let warning = findings("network n (\n  % outbound = 'yes')").remove(0);
    assert_eq!((warning.span.unwrap().line, warning.span.unwrap().column), (2, 3));
    // 2: random values of any length.
    assert_eq!(codes("system a (x = 'random(10)' and y = 'random(999)')"), "");
    // 3: quotes are escaped.
    round_trips(r"system a (x = 'it\'s')");
    // 4: recipes do not grow.
    let text = "configure c (\n@begin\n- a\n@end\n)\n";
    assert_eq!(print(&parse(text).document), text);
    // 5: JSON keeps both ends, compares with units, reads arrays of strings, writes numbers and the id.
    let json = to_json(&read(
        "description d (x = 'y') system a (m >= 1G and m <= 1000M and n >= 1K and n <= 1M and t = ['u'])",
    ));
    let json = json.to_string();
    for part in [
        r#""m":1000000000"#,
        r#""n_min":1000,"n_max":1000000"#,
        r#""t":["u"]"#,
        r#""id":"d""#,
    ] {
        assert!(json.contains(part), "{part}: {json}");
    }
    assert_eq!(codes(&json), "");
    let boolean = parse_json(r#"[{"class":"system","id":"a","x":true}]"#).document;
    assert!(print(&boolean).contains("x = 1\n"));
    // 6: messages, not internal errors.
    for text in [
        "system a (x = 1 and x = 'y')",
        ")",
        r#"[{"class":"system","id":"a","x":null}]"#,
        r#"[{"class":"what","id":"a"}]"#,
        r#"[{"class":"system"}]"#,
        r#"[{"class":"deploy"}]"#,
    ] {
        let message = im_radl::first_error(&findings(text)).unwrap();
        assert!(message.len() > 20, "{message}");
    }
    // 7: a document is a text, even where it looks like a file's name.
    assert_eq!(codes("/etc/passwd"), "R0001");
    // 8: `YES` means yes.
    assert!(read("network n (outbound = 'YES')").networks[0].is_public());
    // 9: the unit `TI`.
    assert_eq!(codes("system a (memory.size >= 1TI and disk.0.size = 1ti)"), "");
    // 10: lines after strings of several lines.
    assert_eq!(
        findings("network n (provider_id = 'a\n\n')\nnetwork 1")
            .last()
            .unwrap()
            .span
            .unwrap()
            .line,
        4
    );
    // 11: empty strings at the head of lists.
    assert_eq!(
        read("system a (x = ['','','a'])").systems[0]
            .features
            .list("x")
            .unwrap()
            .len(),
        3
    );
    // 12: softs may speak of any disk.
    assert_eq!(codes("system a (soft 1 (disk.2.size = 1G))"), "");
    // 13: the textual form of an entry is that of what it opens.
    assert_eq!(
        im_radl::print_outports(&im_radl::parse_outports("22-80,1:2/udp").unwrap()),
        "22/tcp-80/tcp,1:2/udp"
    );
    // 14: the time of an empty contextualize, and steps with a tool.
    round_trips("contextualize 10 ()");
    let both =
        r#"[{"class":"contextualize","items":[{"system":"a","configure":"c","step":1,"ctxt_tool":"cloud_init"}]}]"#;
    assert!(parse(&print(&parse(both).document)).is_ok());
    assert_eq!(to_json(&parse(both).document).to_string(), both);
}

/// What the original refuses for no good reason is taken with a warning, which says so.
#[test]
fn relaxed() {
    for text in [
        "# nothing",
        "description d (name = 'x')",
        "system a (cpu.arch = 'arm64')",
        "system a (cpu.arch = 'aarch64')",
        "system a (cpu.arch = 'i686')",
        "system a (disk.1.size = 1G)",
        "configure c (\n@begin\n- a\n @end\n)",
    ] {
        assert_eq!(codes(text), "R0907", "{text}");
    }
}

/// What stays refused.
#[test]
fn strict() {
    for text in [
        "network n () description d ()",
        "network n (outports = '')",
        "system a (memory.size = 1.5G)",
        "contextualize 1.5 ()",
        r#"[{"class":"system","id":"a","cpu.performance":1}]"#,
    ] {
        assert!(findings(text).iter().any(im_radl::Diagnostic::is_error), "{text}");
    }
}
