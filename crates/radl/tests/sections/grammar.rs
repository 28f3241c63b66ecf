//! Sentences, and the document that they make.

use crate::{codes, printed, read, table};
use im_radl::{ContextPlan, Number, Recipe, print};

#[test]
fn sentences() {
    table(&[
        ("a description comes first", "description d () network n ()", ""),
        ("and not later", "network n () description d ()", "R0001"),
        ("there is one", "description d () description e ()", "R0101"),
        (
            "alone it is taken, with a warning",
            "description d (name = 'x')",
            "R0907",
        ),
        ("without parentheses too", "description d network n ()", ""),
        ("a network", "network n ()", ""),
        ("a reference to one", "network n", ""),
        ("a system", "system a ()", ""),
        ("a reference to one", "system a", ""),
        ("no reference to an Ansible host", "ansible h", "R0001"),
        ("a configure without a recipe", "configure c ()", ""),
        ("a reference to one", "configure c", ""),
        ("nothing else in a configure", "configure c (x = 1)", "R0001"),
        ("one recipe", "configure c (@begin\n@end @begin\n@end)", "R0001"),
        ("deploy names a system", "deploy 1", "R0001"),
        ("and a number", "system a deploy a", "R0001"),
        ("which is no string", "system a deploy a '1'", "R0001"),
        ("and a cloud", "system a deploy a 1 cloud", ""),
        ("nothing else begins a sentence", "foo", "R0001"),
        ("nor does a soft", "soft 1 ()", "R0001"),
        ("nor an option", "option x", "R0001"),
    ]);
    assert_eq!(
        print(&read("description d network n")),
        "description d ()\nnetwork n \n"
    );
}

#[test]
fn features() {
    table(&[
        ("none", "system a ()", ""),
        ("a leading and", "system a (and cpu.count = 1)", ""),
        ("no and alone", "system a (and)", "R0001"),
        ("no trailing and", "system a (cpu.count = 1 and)", "R0001"),
        ("no two of them", "system a (cpu.count = 1 and and price = 1)", "R0001"),
        ("each is joined", "system a (spot = 'no' price = 1)", "R0001"),
        ("an operator is needed", "system a (cpu.count 1)", "R0001"),
        ("and a value", "system a (cpu.count =)", "R0001"),
        (
            "softs nest",
            "system a (soft 1 (cpu.count = 2 and soft 2 (price = 1)))",
            "",
        ),
        ("a soft has a weight", "system a (soft (cpu.count = 2))", "R0001"),
        ("which is a number", "system a (soft '1' (cpu.count = 2))", "R0001"),
        ("groups nest", "system a (x contains (y contains (name = 'z')))", ""),
        ("a group has parentheses", "system a (x contains 'y')", "R0001"),
        ("lists hold strings", "system a (x = [1])", "R0001"),
        ("no trailing comma", "system a (x = ['a',])", "R0001"),
        ("no leading comma", "system a (x = [,'a'])", "R0001"),
        ("commas between", "system a (x = ['a' 'b'])", "R0001"),
        ("lists do not nest", "system a (x = [['a']])", "R0001"),
    ]);
    printed(&[
        ("a unit at the number", "x = 512M", "x = 512M"),
        ("a unit apart", "x = 512 M", "x = 512M"),
        (
            "all operators",
            "a = 1 and b < 1 and c > 1 and d <= 1 and e >= 1",
            "a = 1 and\nb < 1 and\nc > 1 and\nd <= 1 and\ne >= 1",
        ),
        ("operators of strings", "v >= '1' and w < '2'", "v >= '1' and\nw < '2'"),
        ("an empty list", "x = []", "x = ['']"),
        (
            "empty strings at the head",
            "x = ['','a','','b']",
            "x = ['','a','','b']",
        ),
    ]);
}

#[test]
fn contextualize() {
    let base = "system a configure c configure d ";
    let rows = [
        ("nothing", "contextualize ()", ""),
        ("a time", "contextualize 10 ()", ""),
        ("an item", "contextualize (system a configure c)", ""),
        ("a step", "contextualize (system a configure c step 1)", ""),
        ("a tool", "contextualize (system a configure c with cloud_init)", ""),
        (
            "not both",
            "contextualize (system a configure c step 1 with cloud_init)",
            "R0001",
        ),
        (
            "nor the other way round",
            "contextualize (system a configure c with cloud_init step 1)",
            "R0001",
        ),
        (
            "an unknown tool does nothing",
            "contextualize (system a configure c with chef)",
            "R0908",
        ),
        (
            "options first",
            "contextualize (option x = 'y' option z >= 1 system a configure c)",
            "",
        ),
        (
            "not later",
            "contextualize (system a configure c option x = 'y')",
            "R0001",
        ),
        (
            "an option is a string or a number",
            "contextualize (option x = ['y'])",
            "R0001",
        ),
        (
            "items are not joined",
            "contextualize (system a configure c and system a configure d)",
            "R0001",
        ),
        ("an item names a configure", "contextualize (system a)", "R0001"),
        ("parentheses are needed", "contextualize", "R0001"),
        ("no reference", "contextualize 5", "R0001"),
    ];
    for (rule, text, expected) in rows {
        assert_eq!(codes(&format!("{base}{text}")), expected, "{rule}: {text}");
    }
    let all = |text: &str| read(&format!("{base}{text}")).contextualize;
    assert_eq!(all(""), None);
    let merged = all(
        "contextualize 20 (option ansible_version = '1' option y = 1 system a configure c step 1 system a configure d)
         contextualize 10 (option ansible_version = '2' system a configure c with cloud_init)",
    )
    .unwrap();
    assert_eq!(merged.max_time, Number::Int(20), "the larger time");
    assert_eq!(
        merged.options.to_string(),
        "ansible_version = '2' and\ny = 1",
        "the later option, in its place"
    );
    let items: Vec<_> = merged
        .items
        .iter()
        .map(|i| (i.configure.as_str(), i.step, i.tool.as_deref()))
        .collect();
    assert_eq!(
        items,
        [("c", None, Some("cloud_init")), ("d", None, None)],
        "the later item, in its place"
    );
    assert_eq!(merged.items[1].step_number(), 0);
    assert!(merged.items[1].is_ansible());
}

#[test]
fn absent_and_empty_contextualize_differ() {
    let base = "system a () configure a (@begin\n- x\n@end\n)";
    assert!(matches!(read(base).effective_items(), ContextPlan::Items(items) if items[0].step == 1));
    for empty in ["contextualize ()", "contextualize 10 ()"] {
        assert_eq!(
            read(&format!("{base} {empty}")).effective_items(),
            ContextPlan::Disabled
        );
    }
    assert_eq!(read("configure a ()").configures[0].recipe, Recipe::Disabled);
    assert_eq!(read("configure a").configures[0].recipe, Recipe::Reference);
}

#[test]
fn ids() {
    table(&[
        ("networks", "network n () network n ()", "R0101"),
        ("references count", "network n network n ()", "R0101"),
        ("systems", "system a system a ()", "R0101"),
        ("configures", "configure c configure c ()", "R0101"),
        ("Ansible hosts", "ansible h (host='x') ansible h (host='x')", "R0101"),
        ("classes are apart", "network x () system x () configure x ()", ""),
        ("deploys are many", "system a deploy a 1 deploy a 2", ""),
    ]);
}

/// Parsing goes on behind each error, and what is right is kept.
#[test]
fn all_errors_are_told() {
    let text = "network a (outbound = yes and provider_id = 'p')\nnetwork 5 ()\nsystem b (cpu.count = 1 and = 2 and price = 3)\n\
                configure c (x)\ncontextualize (system b)\ndeploy b one\nnetwork z ()\n";
    let parsed = im_radl::parse(text);
    let lines: Vec<_> = parsed
        .diagnostics
        .iter()
        .filter_map(|d| d.span)
        .map(|s| s.line)
        .collect();
    assert_eq!(lines, [1, 2, 3, 4, 5, 6]);
    let ids: Vec<_> = parsed.document.networks.iter().map(|n| n.id.as_str()).collect();
    assert_eq!(ids, ["a", "z"]);
    assert_eq!(
        parsed.document.systems[0].features.to_string(),
        "cpu.count = 1 and\nprice = 3"
    );
}
