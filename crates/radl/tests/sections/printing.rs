//! The canonical form.

use crate::{read, round_trips};
use im_radl::{AnsibleHost, Document, parse, print, to_json};

#[test]
fn forms() {
    for (text, expected) in [
        ("", ""),
        (
            "description d (a = 1 and b = 'c')",
            "description d (a = 1 and\nb = 'c')\n",
        ),
        ("description d", "description d ()\n"),
        ("network n", "network n \n"),
        ("network n (outbound = 'yes')", "network n ( outbound = 'yes' )\n"),
        ("network n ()", "network n (  )\n"),
        ("system a", "system a \n"),
        ("system a (cpu.count = 1)", "system a (\ncpu.count = 1\n)\n\n"),
        ("configure c", "configure c\n"),
        ("configure c ()", "configure c ()\n"),
        (
            "configure c (\n@begin\n- a\n@end\n)",
            "configure c (\n@begin\n- a\n@end\n)\n",
        ),
        ("contextualize ()", "contextualize ()"),
        ("contextualize 5 ()", "contextualize 5 ()"),
        ("system a deploy a 1", "system a \n\ndeploy a 1"),
        ("system a deploy a 1 cloud", "system a \n\ndeploy a 1 cloud"),
    ] {
        assert_eq!(print(&read(text)), expected, "{text}");
        round_trips(text);
    }
    let items = "system a configure c contextualize 7 (option x = 'y' option z >= 2 system a configure c step 1) \
                 contextualize (system a configure a)";
    let document = parse(items).document;
    assert_eq!(
        document.contextualize.unwrap().to_string(),
        "contextualize 7 (\noption x = 'y'\noption z >= 2\nsystem a configure c step 1 \nsystem a configure a  \n)"
    );
    let tool = parse("contextualize (system a configure c with cloud_init)")
        .document
        .contextualize
        .unwrap();
    assert_eq!(
        tool.to_string(),
        "contextualize  (\nsystem a configure c  with cloud_init\n)"
    );
}

#[test]
fn values() {
    crate::printed(&[
        ("strings", "x = 'y'", "x = 'y'"),
        ("quotes", r"x = 'a\'b'", r"x = 'a\'b'"),
        ("backslashes", r"x = 'a\nb\\'", r"x = 'a\nb\\'"),
        ("floats have a point", "x = 3.0", "x = 3.0"),
        (
            "no exponents",
            "x = 100000000000000000000000.0",
            "x = 100000000000000000000000.0",
        ),
        ("small ones neither", "x = 0.0000000001", "x = 0.0000000001"),
        ("units", "x = 5 GB", "x = 5GB"),
        ("lists", "x = ['a' , 'b']", "x = ['a','b']"),
        ("one end", "x < 5", "x < 5"),
        ("an interval, lower end first", "x < 5 and x > 3", "x > 3 and\nx < 5"),
        ("groups", "x contains (a = 1)", "x contains (a = 1)"),
        ("softs", "soft 5 (a = 1)", "soft 5 ( a = 1 )"),
    ]);
}

#[test]
fn the_order() {
    let document = read(
        "description d () deploy s 1 contextualize () configure c () system s () network n ()
         ansible h (host='x' and credentials.username='u' and credentials.password='p')",
    );
    let text = print(&document);
    let at = |what: &str| text.find(what).unwrap();
    let places = [
        "description d",
        "ansible h",
        "network n",
        "system s",
        "configure c",
        "contextualize",
        "deploy s",
    ]
    .map(at);
    assert!(places.is_sorted(), "{text}");
    round_trips("description d () system s () deploy s 1");
}

/// Clients search for a name with a regular expression.
#[test]
fn names_are_found() {
    let text = print(&read("description d (name = 'My cluster') network n"));
    assert!(text.starts_with("description d (name = 'My cluster')\n"));
}

#[test]
fn printing_does_not_grow() {
    let mut text = "configure c (\n@begin\n\n- a\n\n\n@end\n)\nsystem a (x = 'q\\'\n')".to_owned();
    let first = print(&parse(&text).document);
    for _ in 0..5 {
        text = print(&parse(&text).document);
        assert_eq!(text, first);
    }
}

/// What the language has no way to write: a tool and a step, strings that end in a backslash.
#[test]
fn documents_from_elsewhere_are_printed_readably() {
    let json = r#"[{"class":"system","id":"a","x":"back\\","y":"a\\'b","z":"l\\\nm"},
        {"class":"configure","id":"c","recipes":"- a"},
        {"class":"contextualize","max_time":9,"items":[
            {"system":"a","configure":"c","step":2,"ctxt_tool":"Ansible"},
            {"system":"a","configure":"d","step":2,"ctxt_tool":"cloud_init"}]}]"#;
    let parsed = parse(json);
    assert!(parsed.is_ok());
    assert_eq!(parsed.diagnostics.iter().filter(|d| d.code == "R0906").count(), 3);
    let text = print(&parsed.document);
    let again = parse(&text);
    assert!(again.is_ok(), "{text}: {:?}", again.diagnostics);
    assert_eq!(print(&again.document), text);
    assert!(text.contains("x = 'back\\\\'"), "{text}");
    assert!(
        text.contains("configure c step 2 \n") && text.contains("configure d  with cloud_init\n"),
        "{text}"
    );
    assert_eq!(to_json(&again.document)[2]["max_time"], 9);
    let mut document = Document::default();
    document.ansible.push(AnsibleHost {
        id: "h".to_owned(),
        ..AnsibleHost::default()
    });
    assert_eq!(print(&document), "ansible h ()\n");
}
