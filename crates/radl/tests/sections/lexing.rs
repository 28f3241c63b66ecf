//! Characters and words.

use crate::{codes, findings, of_system, printed, read, table};
use im_radl::{Number, parse};

#[test]
fn blank_and_comments() {
    table(&[
        ("nothing is the empty document", "", ""),
        ("blank is the empty document", " \t\r\n\n ", ""),
        ("comments alone are taken, with a warning", "# x\n# y", "R0907"),
        ("a comment ends with the line", "network n # (\n()", ""),
        ("a comment in a body", "network n ( # )\noutbound = 'yes')", ""),
        ("no comment in a string", "network n (provider_id = '#x')", ""),
        ("line ends separate nothing", "deploy\na\n1\ncloud\nsystem\na", ""),
        ("CR LF", "network n (\r\noutbound = 'yes'\r\n)\r\n", ""),
    ]);
    assert!(read("# x").is_empty());
    assert_eq!(
        read("system a deploy a 1\nfoo").deploys[0].cloud.as_deref(),
        Some("foo")
    );
}

#[test]
fn parentheses() {
    table(&[
        ("a `)` too many", "network n ())", "R0001"),
        ("only a `)`", ")", "R0001"),
        ("a `(` without end", "network n (", "R0001"),
        ("a `(` within without end", "system a (soft 1 (cpu.count = 1)", "R0001"),
        ("a `(` where none belongs", "(", "R0001"),
    ]);
}

#[test]
fn operators_outside_of_bodies_are_skipped() {
    table(&[
        ("`=` outside", "system a deploy a = 1", "R0901"),
        ("all of them outside", "system a deploy < a > 1 [ ] , <=", "R0901"),
        (
            "within an option they are known",
            "contextualize (option ansible_version >= '2')",
            "",
        ),
        ("within they are no filler", "network n (outbound == 'yes')", "R0001"),
        ("brackets within are lists", "network n ([ outbound = 'yes')", "R0001"),
    ]);
    assert_eq!(read("system a deploy a = 3").deploys[0].count(), 3);
}

#[test]
fn numbers() {
    printed(&[
        ("leading zeros", "x = 007", "x = 7"),
        ("a point at the end makes a float", "x = 1.", "x = 1.0"),
        ("a point within", "x = 1.50", "x = 1.5"),
        ("no sign", "x = -5", "x = 5"),
        ("no exponent: a unit follows", "x = 1e5", "x = 1e5"),
        ("a second point begins a unit", "x = 1.5.2", "x = 1.5 .2"),
        ("a name may follow at once", "x = 1a", "x = 1a"),
    ]);
    let document = read("system a (x = 1e5 and y = 1.5.2)");
    assert_eq!(document.systems[0].features.number("x"), Some(Number::Int(1)));
    assert_eq!(document.systems[0].features.number("y"), Some(Number::Float(1.5)));
    table(&[
        ("no leading point", "system a (cpu.count = .5)", "R0001"),
        (
            "a checked feature has no such unit",
            "system a (cpu.count = 1.5.2)",
            "R0106",
        ),
        ("too large", "system a (price = 9223372036854775808)", "R0006"),
        ("the largest", "system a (price = 9223372036854775807)", ""),
    ]);
}

#[test]
fn strings() {
    for (rule, written, value) in [
        ("a quote is escaped", r"'a\'b'", "a'b"),
        ("other pairs stay", r"'a\nb\tc\\d\xe'", r"a\nb\tc\\d\xe"),
        ("lines stay", "'a\n b'", "a\n b"),
        ("no double quote is special", "'\"'", "\""),
        ("letters of other scripts", "'ñ漢'", "ñ漢"),
        ("a pair of backslashes, then the end", r"'a\\'", r"a\\"),
        ("CR LF in it", "'a\r\nb'", "a\r\nb"),
    ] {
        let document = read(&format!("system a (x = {written})"));
        assert_eq!(document.systems[0].features.text("x"), Some(value), "{rule}");
    }
    table(&[
        ("no backslash before a line end", "system a (x = 'a\\\nb')", "R0003"),
        ("no end", "system a (x = 'a", "R0002"),
        ("an escaped end is none", "system a (x = 'a\\'", "R0002"),
        ("double quotes are none", "network n (provider_id = \"x\")", "R0001"),
    ]);
}

#[test]
fn random_values() {
    for (written, length) in [
        ("random(1)", 1),
        ("random(12)", 12),
        ("random(007)", 7),
        ("random(4096)", 4096),
    ] {
        let mut document = read(&format!("system a (x = '{written}')"));
        document.draw_randoms(&mut |n| "r".repeat(n));
        assert_eq!(
            document.systems[0].features.text("x").map(str::len),
            Some(length),
            "{written}"
        );
    }
    for text in [
        "random()",
        " random(1)",
        "random(1) ",
        "Random(1)",
        "random(-1)",
        "random(1.5)",
    ] {
        let document = read(&format!("system a (x = '{text}')"));
        assert_eq!(document.systems[0].features.text("x"), Some(text));
    }
    table(&[
        ("not in lists", "system a (x = ['random(3)'])", "R0001"),
        ("not in options", "contextualize (option x = 'random(3)')", "R0001"),
        ("not without end", "system a (x = 'random(5000)')", "R0008"),
        (
            "anywhere among features",
            "description d (x = 'random(3)') network n (y = 'random(3)')",
            "",
        ),
    ]);
    // In softs and groups as well, each drawn by itself.
    let mut document = read("system a (soft 1 (x = 'random(2)') and y contains (name = 'z' and v = 'random(3)'))");
    let mut drawn = 0;
    document.draw_randoms(&mut |n| {
        drawn += n;
        "r".repeat(n)
    });
    assert_eq!(drawn, 5);
}

#[test]
fn names() {
    for name in [
        "a-b.c",
        ".x",
        "_",
        "nñ",
        "System",
        "network.x",
        "a1",
        "x漢-",
        "andy",
        "softly",
    ] {
        assert_eq!(read(&format!("system {name} ()")).systems[0].name, name);
    }
    table(&[
        ("a digit first is a number", "system 1a ()", "R0001"),
        ("a hyphen first is skipped", "system -a ()", "R0901"),
        ("a letter of another script first is skipped", "system ña ()", "R0901"),
    ]);
    for word in [
        "network",
        "ansible",
        "system",
        "soft",
        "and",
        "contains",
        "deploy",
        "configure",
        "contextualize",
        "step",
        "with",
        "option",
        "description",
    ] {
        assert_ne!(codes(&format!("system {word} ()")), "", "{word}");
        assert_ne!(codes(&format!("system a ({word} = 1)")), "", "{word}");
        assert_eq!(codes(&format!("system {}x ()", word.to_uppercase())), "");
    }
}

#[test]
fn recipes() {
    let recipe = |text: &str| read(text).configures[0].text().map(str::to_owned);
    for (rule, text, expected) in [
        ("lines between", "configure c (\n@begin\n- a\n@end\n)", "- a"),
        (
            "the first line may begin at once",
            "configure c (@begin - a\n@end)",
            " - a",
        ),
        (
            "a comment is text",
            "configure c (\n@begin\n- a # b\n@end\n)",
            "- a # b",
        ),
        (
            "quotes are text",
            "configure c (\n@begin\n- \"it's\"\n@end\n)",
            "- \"it's\"",
        ),
        ("parentheses are text", "configure c (\n@begin\n- a)(\n@end\n)", "- a)("),
        (
            "blank lines stay",
            "configure c (\n@begin\n\n\n- a\n\n@end\n)",
            "\n\n- a\n",
        ),
        (
            "CR LF stays within",
            "configure c (\r\n@begin\r\n- a\r\n- b\r\n@end\r\n)",
            "- a\r\n- b\r",
        ),
        ("one line", "configure c (@begin\n@end)", ""),
        (
            "an indented end among the lines",
            "configure c (\n@begin\n- a: |\n   @end\n@end\n)",
            "- a: |\n   @end",
        ),
        (
            "other text on the line of the end",
            "configure c (\n@begin\n- a\n@end) # x",
            "- a",
        ),
    ] {
        assert_eq!(recipe(text).as_deref(), Some(expected), "{rule}");
        assert_eq!(codes(text), "", "{rule}");
    }
    table(&[
        ("right after the beginning", "configure c (@begin@end)", "R0005"),
        ("no end", "configure c (\n@begin\n- a", "R0004"),
        ("a sign alone is skipped", "network n (@ outbound = 'yes')", "R0901"),
        ("begun elsewhere", "network n (outbound = @begin\nx\n@end)", "R0001"),
    ]);
}

/// Taken where nothing else can have been meant.
#[test]
fn indented_ends() {
    let lone = "configure a (\n  @begin\n  - x: 1\n  @end\n)\nnetwork n ()";
    assert_eq!(codes(lone), "R0907");
    assert_eq!(read(lone).configures[0].text(), Some("  - x: 1"));
    assert_eq!(read(lone).networks.len(), 1);
    // Two of them, and one of them before a proper one.
    for text in [
        "configure a (\n  @begin\n  - x\n  @end\n)\nconfigure b (\n\t@begin\n\t@end\n)",
        "configure a (\n@begin\n- x\n  @end\n)\nconfigure b (\n@begin\n- y\n@end\n)",
    ] {
        assert_eq!(codes(text), "R0907", "{text}");
        assert_eq!(read(text).configures.len(), 2);
        assert_eq!(
            im_radl::format_text(text, &im_radl::Limits::default())
                .unwrap()
                .matches("\n@end\n")
                .count(),
            2
        );
    }
    // What follows is no YAML, so that this is refused: with a hint.
    let swallowed = "configure a (\n@begin\n- x: 'a'\n  @end\n)\nconfigure b (\n @begin\n- y\n@end\n)";
    let found = findings(swallowed);
    assert!(found[0].hint.as_ref().unwrap().contains("first column"), "{found:?}");
    assert_eq!(codes("configure a (\n@begin\n- x\n  @ending\n"), "R0004");
}

/// Many recipes without a proper end are read in linear time.
#[test]
fn many_indented_ends() {
    let one = |n: usize| format!("configure c{n} (\n  @begin\n  - x\n  @end\n)\n");
    let text: String = (0..20_000).map(one).collect();
    let begin = std::time::Instant::now();
    let parsed = parse(&(text + "configure z (\n@begin\n@end\n)"));
    assert!(begin.elapsed() < std::time::Duration::from_secs(20));
    assert_eq!(parsed.document.configures.len(), 20_001);
}

#[test]
fn skipped_characters() {
    for (text, skipped) in [
        ("\"network n ()", "`\"` means nothing here and is skipped"),
        ("network n (;$%)", "`;$%` means nothing here and is skipped"),
        ("network n () \u{a0}", "`\u{a0}` means nothing here and is skipped"),
    ] {
        let found = findings(text);
        let warning = found.iter().find(|d| d.code == "R0901").unwrap();
        assert_eq!(warning.message, skipped);
        assert!(warning.span.is_some());
    }
    assert_eq!(codes("\u{feff}network n ()"), "");
    assert_eq!(of_system("price = -5"), "price = 5");
}

#[test]
fn input_parameters() {
    table(&[
        ("as a value", "system a (cpu.count = @input.CPU@)", "R0007"),
        ("as a number of VMs", "system a deploy a @input.Number@", "R0007"),
        ("in a list", "system a (disk.0.image.url = [@input.Image@])", "R0007"),
        (
            "in a string it may be meant",
            "system a (instance_name = '@input.Name@')",
            "R0902",
        ),
        (
            "in a recipe as well",
            "configure c (\n@begin\n- '@input.x@'\n@end\n)",
            "R0902",
        ),
    ]);
    let found = findings("system a (cpu.count = @input.CPU@ and price = 'x')");
    assert!(found[0].message.contains("`@input.CPU@`") && found[0].hint.is_some());
}

#[test]
fn lines_are_counted_everywhere() {
    for (text, line) in [
        ("\n\nnetwork 1", 3),
        ("network n (provider_id = 'a\nb\nc')\nnetwork 1", 4),
        ("configure c (\n@begin\n- a\n\n@end\n)\nnetwork 1", 7),
        ("# x\r\n\r\nnetwork 1", 3),
    ] {
        let error = parse(text)
            .diagnostics
            .into_iter()
            .find(im_radl::Diagnostic::is_error)
            .unwrap();
        assert_eq!(error.span.unwrap().line, line, "{text}");
        assert!(error.line_message().starts_with(&format!("Line {line}: ")));
    }
    let end = parse("network").diagnostics.remove(0);
    assert_eq!((end.span, end.line_message().starts_with("Line")), (None, false));
}
