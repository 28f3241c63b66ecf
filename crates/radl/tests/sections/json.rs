//! The JSON form.

use crate::{codes, findings, read, round_trips, table};
use im_radl::{Recipe, parse, parse_json, print, to_ansible_json, to_json};

#[test]
fn aspects() {
    table(&[
        ("no aspects", "[]", ""),
        ("a network", r#"[{"class":"network","id":"n"}]"#, ""),
        ("a reference", r#"[{"class":"network","id":"n","reference":true}]"#, ""),
        (
            "no reference",
            r#"[{"class":"network","id":"n","reference":false}]"#,
            "",
        ),
        ("a configure", r#"[{"class":"configure","id":"c","recipes":"- a"}]"#, ""),
        ("an empty one", r#"[{"class":"configure","id":"c","recipes":null}]"#, ""),
        (
            "a reference to one",
            r#"[{"class":"configure","id":"c","reference":true}]"#,
            "",
        ),
        ("without its recipe", r#"[{"class":"configure","id":"c"}]"#, "R0202"),
        (
            "its YAML is looked at",
            r#"[{"class":"configure","id":"c","recipes":"a: b: c"}]"#,
            "R0112",
        ),
        (
            "deploy",
            r#"[{"class":"system","id":"a"},{"class":"deploy","system":"a","vm_number":1,"cloud":"c"}]"#,
            "",
        ),
        (
            "deploy without a number",
            r#"[{"class":"system","id":"a"},{"class":"deploy","system":"a"}]"#,
            "R0202",
        ),
        ("contextualize", r#"[{"class":"contextualize"}]"#, ""),
        ("a description", r#"[{"class":"description","id":"d","name":"x"}]"#, ""),
        ("an unknown class", r#"[{"class":"netwrok","id":"n"}]"#, "R0202"),
        ("no class", r#"[{"id":"n"}]"#, "R0202"),
        ("no id", r#"[{"class":"network"}]"#, "R0202"),
        ("no object", "[5]", "R0202"),
        (
            "duplicates",
            r#"[{"class":"system","id":"a"},{"class":"system","id":"a","reference":true}]"#,
            "R0101",
        ),
        (
            "checks",
            r#"[{"class":"network","id":"n","outbound":"maybe"}]"#,
            "R0105",
        ),
        (
            "names are those of the plain form",
            r#"[{"class":"network","id":"1 n"}]"#,
            "R0203",
        ),
        (
            "names of features as well",
            r#"[{"class":"network","id":"n","a b":1}]"#,
            "R0203",
        ),
    ]);
    let document = read(
        r#"[{"class":"configure","id":"a","recipes":null},{"class":"configure","id":"b","reference":true},{"class":"configure","id":"c","recipes":"x"}]"#,
    );
    let recipes: Vec<_> = document.configures.into_iter().map(|c| c.recipe).collect();
    assert_eq!(recipes, [Recipe::Disabled, Recipe::Reference, Recipe::Text("x".into())]);
    assert!(
        read(r#"[{"class":"contextualize","max_time":5}]"#)
            .contextualize
            .unwrap()
            .is_empty()
    );
    assert_eq!(parse_json(r#"{"class":"network"}"#).diagnostics[0].code, "R0202");
}

/// Rows of members of a system and how they are printed, or the code of what is wrong.
#[test]
fn members() {
    for (rule, members, expected) in [
        ("a number", r#""x":5"#, "x = 5"),
        ("a negative number", r#""x":-5"#, "x = -5"),
        ("a float", r#""x":1.5"#, "x = 1.5"),
        ("a float as an integer", r#""x":2.0"#, "x = 2.0"),
        ("a string", r#""x":"y""#, "x = 'y'"),
        ("escapes", r#""x":"a'b\u00e9\n\"""#, "x = 'a\\'bé\n\"'"),
        ("a random value", r#""x":"random(3)""#, "x = 'random(3)'"),
        ("a lower end", r#""x_min":5"#, "x >= 5"),
        ("an upper end", r#""x_max":5"#, "x <= 5"),
        ("both", r#""x_min":2,"x_max":4"#, "x >= 2 and\nx <= 4"),
        ("a string that is no end", r#""x_min":"5""#, "x_min = '5'"),
        (
            "a version that is one",
            r#""disk.0.os.version_min":"5""#,
            "disk.0.os.version >= '5'",
        ),
        (
            "images",
            r#""disk.0.image.url":["a","b"]"#,
            "disk.0.image.url = ['a','b']",
        ),
        (
            "names",
            r#""net_interface.0.additional_dns_names":["a"]"#,
            "net_interface.0.additional_dns_names = ['a']",
        ),
        ("any strings", r#""tags":["a","b"]"#, "tags = ['a','b']"),
        (
            "groups",
            r#""x":[{"name":"a"},{"name":"b","p":1}]"#,
            "x contains (name = 'a') and\nx contains (name = 'b' and\np = 1)",
        ),
        ("no applications", r#""disk.0.applications":[]"#, ""),
        ("one object", r#""x":{"name":"a"}"#, "x contains (name = 'a')"),
        (
            "an aspect within",
            r#""x":{"class":"system","id":"q","p":1}"#,
            "x contains (p = 1)",
        ),
        (
            "softs",
            r#""softs":[{"weight":3,"items":{"p":1}},{"items":{"q":2}}]"#,
            "soft 3 ( p = 1 ) and\nsoft 0 ( q = 2 )",
        ),
        ("a boolean", r#""x":true"#, "x = 1"),
    ] {
        let text = format!(r#"[{{"class":"system","id":"a",{members}}}]"#);
        let parsed = parse(&text);
        assert!(parsed.is_ok(), "{rule}: {:?}", parsed.diagnostics);
        assert_eq!(parsed.document.systems[0].features.to_string(), expected, "{rule}");
    }
    for (rule, members, code) in [
        ("null", r#""x":null"#, "R0202"),
        ("mixed arrays", r#""x":["a",{"name":"b"}]"#, "R0202"),
        ("arrays of numbers", r#""x":[1]"#, "R0202"),
        ("images that are none", r#""disk.0.image.url":["a",1]"#, "R0202"),
        ("ends that exclude each other", r#""x_min":4,"x_max":2"#, "R0102"),
        ("one application", r#""disk.0.applications":{"name":"x"}"#, "R0104"),
        ("performance has no unit", r#""cpu.performance":1"#, "R0106"),
        ("negative sizes", r#""memory.size":-1"#, "R0105"),
        ("a boolean, warned of", r#""x":true"#, "R0908"),
        ("a backslash at the end, warned of", r#""x":"a\\""#, "R0906"),
        ("softs that are none", r#""softs":[1]"#, "R0202"),
        ("too large", r#""x":123456789012345678901234"#, "R0201"),
    ] {
        let text = format!(r#"[{{"class":"system","id":"a",{members}}}]"#);
        assert_eq!(codes(&text), code, "{rule}");
    }
}

/// What cannot be mistaken is read over, so that all of it is told.
#[test]
fn syntax() {
    let seen = |text: &str| -> Vec<String> {
        parse_json(text)
            .diagnostics
            .into_iter()
            .map(|d| d.line_message())
            .collect()
    };
    let found = seen(
        "[\n{\"class\": \"network\" \"id\": \"n\",},\n{'class': 'network', \"id\": \"m\", \"x\": True},\n// no\n{\"class\": \"netwrok\", \"id\": \"o\"},\n]",
    );
    let lines: Vec<_> = found.iter().map(|m| m.split(':').next().unwrap()).collect();
    assert_eq!(
        lines,
        [
            "Line 2", "Line 2", "Line 3", "Line 3", "Line 3", "Line 4", "Line 5", "Line 5"
        ],
        "{found:#?}"
    );
    for (text, message) in [
        ("[{\"class\" = \"network\"}]", "`:` was expected"),
        ("[{class: \"network\"}]", "in double quotes"),
        ("[{\"x\": \"a\nb\"}]", "write it `\\n`"),
        ("[{\"x\": \"a}]", "has no end"),
        ("[{\"x\": 01}]", "no number"),
        ("[{\"x\": \"\\q\"}]", "escape"),
        ("[", "was expected"),
        ("[] []", "follows the end"),
        ("[{\"x\": tru}]", "a value was expected"),
    ] {
        let found = seen(text);
        assert!(found.iter().any(|m| m.contains(message)), "{text}: {found:?}");
    }
    let twice = parse_json(r#"[{"class":"network","id":"n","outbound":"no","outbound":"yes"}]"#);
    assert!(twice.is_ok() && twice.document.networks[0].is_public());
    assert_eq!(twice.diagnostics[0].code, "R0908");
    assert_eq!(seen(&"[,".repeat(100)).len(), 1);
    assert!(seen(&format!("[{}]", "'a' ".repeat(1000))).len() < 120, "bounded");
}

#[test]
fn writing() {
    let document = read(
        "description d (name = 'x')
         ansible h (host = 'x' and credentials.username = 'u' and credentials.password = 'p')
         system a (cpu.count >= 2 and memory.size >= 1G and memory.size <= 2048M and disk.0.size = 10 GB and price > 1 and
                   spot = 'no' and disk.0.applications contains (name = 'y' and version >= '1') and soft 5 (cpu.count = 4) and t = ['u'])
         network n network m (outports = '22')
         configure a (\n@begin\n- x\n@end\n) configure b () configure c
         contextualize 10 (option ansible_version = '2' system a configure a step 2 system a configure b with cloud_init system a configure c)
         deploy a 1 here deploy a 2",
    );
    let json = to_json(&document).to_string();
    assert_eq!(
        json,
        concat!(
            r#"[{"class":"ansible","id":"h","host":"x","credentials.username":"u","credentials.password":"p"},"#,
            r#"{"class":"network","id":"n","reference":true},{"class":"network","id":"m","outports":"22"},"#,
            r#"{"class":"system","id":"a","cpu.count_min":2,"memory.size_min":1000000000,"memory.size_max":2048000000,"#,
            r#""disk.0.size":10000000000,"price_min":1,"spot":"no","disk.0.applications":[{"name":"y","version_min":"1"}],"#,
            r#""t":["u"],"softs":[{"weight":5,"items":{"cpu.count":4}}]},"#,
            r#"{"class":"configure","id":"a","recipes":"- x"},{"class":"configure","id":"b","recipes":null},"#,
            r#"{"class":"configure","id":"c","reference":true},"#,
            r#"{"class":"deploy","system":"a","vm_number":1,"cloud":"here"},{"class":"deploy","system":"a","vm_number":2},"#,
            r#"{"class":"contextualize","max_time":10,"items":[{"system":"a","configure":"a","step":2},"#,
            r#"{"system":"a","configure":"b","ctxt_tool":"cloud_init"},{"system":"a","configure":"c"}],"#,
            r#""options":{"ansible_version":"2"}},"#,
            r#"{"class":"description","id":"d","name":"x"}]"#,
        )
    );
    assert_eq!(to_json(&parse(&json).document).to_string(), json);
    let ansible = to_ansible_json(&document).to_string();
    assert!(
        ansible.starts_with(r#"[{"class":"system","id":"a","cpu_count_min":2"#),
        "{ansible}"
    );
    assert!(!ansible.contains("configure") && !ansible.contains("disk."));
    assert_eq!(
        to_json(&read("contextualize ()")).to_string(),
        r#"[{"class":"contextualize"}]"#
    );
    assert_eq!(to_json(&read("")).to_string(), "[]");
}

/// Names that JSON could mistake for something else, and operators of strings, come back as they were.
#[test]
fn ambiguous_names() {
    for (features, members) in [
        (
            "id = 'x' and class = 1 and reference = ['y']",
            r#""=id":"x","=class":1,"=reference":["y"]"#,
        ),
        (
            "softs contains (name = 'x') and soft 1 (y = 1)",
            r#""=softs":[{"name":"x"}],"softs":[{"weight":1,"items":{"y":1}}]"#,
        ),
        ("x_min = 'a' and x >= 3", r#""=x_min":"a","x_min":3"#),
        ("x_min = 'a'", r#""x_min":"a""#),
        ("x_min = 5", r#""=x_min":5"#),
        ("my.version_min = '5'", r#""=my.version_min":"5""#),
        ("version <= '5'", r#""version_max":"5""#),
        ("x >= 'a' and y < ['b']", r#"">=x":"a","<y":["b"]"#),
        (
            "g contains (id = 'x' and class = 'y')",
            r#""g":[{"id":"x","class":"y"}]"#,
        ),
    ] {
        let document = parse(&format!("system a ({features})")).document;
        let json = to_json(&document).to_string();
        assert_eq!(json, format!(r#"[{{"class":"system","id":"a",{members}}}]"#));
        let again = parse(&json);
        assert!(again.is_ok(), "{:?}", again.diagnostics);
        assert_eq!(again.document, document, "{json}");
    }
}

#[test]
fn both_ways() {
    for text in [
        "system a (x = '' and y = [] and z = ['','a'] and n = 1.0 and m = 0 and g contains ())",
        "system a (x_min = 5 and y_max = 2 and v_version > '1')",
        "system a (soft 1 (a = 1 and soft 2 (b = 'c')))",
        "configure c (\n@begin\n\n\n - 'a'\n\n@end\n)",
        "configure c (\n@begin\r\n- 'ñ'\r\n@end\n)",
        "contextualize 5 ()",
        "system a (x = 'a\\'b' and y = 'c\\\\' and z = 'l\nm')",
        "description d (x = 'random(4)') network n",
    ] {
        round_trips(text);
    }
    // From JSON, through the plain form.
    let json =
        r#"[{"class":"configure","id":"c","recipes":"\n\n- a: \"b'c\"\r\n\n"},{"class":"system","id":"a","x":"it's"}]"#;
    let document = parse(json).document;
    assert_eq!(parse(&print(&document)).document, document);
    assert_eq!(findings(json).len(), 1);
}
