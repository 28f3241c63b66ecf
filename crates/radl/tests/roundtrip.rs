//! What is printed is read back the same, in both forms, whatever it holds; and nothing that is read stops the reader.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic)]

use im_radl::{
    AnsibleHost, Configure, ContextItem, Contextualize, Deploy, Description, Diagnostic, Document, Feature, Features,
    Interval, Limits, Network, Number, Op, Origin, Parsed, Recipe, Soft, System, check, is_ident, parse,
    parse_json_with, parse_with, print, to_json, writable,
};
use proptest::{collection::vec, option, prelude::*, sample::select};

const NOWHERE: Origin = Origin(None);

fn ident() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => "[a-zA-Z_.][a-zA-Z0-9_.ñ-]{0,8}",
        // Members of aspects, ends of intervals: what JSON could mistake for something else.
        1 => select(vec!["class", "id", "reference", "softs", "weight", "items", "x", "x_min", "x_max", "x_min_max", "version", "version_min"])
            .prop_map(str::to_owned),
    ]
    .prop_filter("reserved", |name| is_ident(name))
}

fn number() -> impl Strategy<Value = Number> {
    prop_oneof![
        (0..=i64::MAX).prop_map(Number::Int),
        (0_i64..100).prop_map(Number::Int),
        (0.0_f64..1e18).prop_map(Number::Float),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    select(vec![Op::Eq, Op::Lt, Op::Le, Op::Gt, Op::Ge])
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        r"[ -~\n\tñé漢]{0,20}",
        r"[a'\\\n#@()]{0,8}",
        Just("random(8)".to_owned()),
    ]
    .prop_filter("cannot be written", |text| {
        writable(text) && !text.starts_with("random(")
    })
}

fn value(deeper: BoxedStrategy<Features>) -> impl Strategy<Value = Feature> {
    let unit = select(vec!["", "M", "GiB", "k", "ECU", ".5"]);
    let list = vec(text(), 0..4).prop_filter("is the empty list", |list| list != &[String::new()]);
    prop_oneof![
        3 => text().prop_map(Feature::text),
        1 => (op(), text()).prop_map(|(op, text)| Feature::Text(op, text)),
        4 => (op(), number(), unit).prop_map(|(op, number, unit)| Feature::Number(Interval::new(op, number, unit))),
        1 => (number(), number()).prop_filter_map("disjoint", |(low, high)| {
            let interval = Interval::new(Op::Ge, low, "").intersect(&Interval::new(Op::Lt, high, "G"))?;
            Some(Feature::Number(interval))
        }),
        1 => (op(), list).prop_map(|(op, list)| Feature::List(op, list)),
        1 => (op(), 1..99_usize).prop_map(|(op, length)| Feature::Random(op, length)),
        1 => vec(deeper, 1..3).prop_map(|groups| {
            Feature::Groups(groups.into_iter().map(|group| (group.group_key(), group)).collect())
        }),
    ]
}

fn features_of(deeper: BoxedStrategy<Features>) -> BoxedStrategy<Features> {
    let soft = (number(), deeper.clone());
    (vec((ident(), value(deeper)), 0..5), vec(soft, 0..2))
        .prop_map(|(named, softs)| {
            let mut features = Features::new();
            for (name, value) in named {
                features.set(name, value);
            }
            for (weight, inner) in softs {
                features.push_soft(Soft {
                    weight,
                    features: inner,
                    at: NOWHERE,
                });
            }
            features
        })
        .boxed()
}

fn features() -> BoxedStrategy<Features> {
    let none = Just(Features::new()).boxed();
    features_of(features_of(features_of(none)))
}

fn recipe() -> impl Strategy<Value = Recipe> {
    prop_oneof![
        Just(Recipe::Reference),
        Just(Recipe::Disabled),
        r"[ -~ñ\r\n\t]{0,30}"
            .prop_filter("holds @end", |text| !text.contains("@end"))
            .prop_map(|text| Recipe::Text(text.into())),
        Just(Recipe::Text("\n\n- a: 'b'\n\n".into())),
    ]
}

prop_compose! {
    fn contextualize()(
        max_time in number(),
        items in vec((ident(), ident(), option::of(number()), option::of(select(vec!["cloud_init", "Ansible"]))), 0..3),
        options in vec((ident(), text()), 0..2),
    ) -> Contextualize {
        let mut all = Contextualize { max_time, ..Contextualize::default() };
        for (system, configure, step, tool) in items {
            let tool = if step.is_some() { None } else { tool.map(str::to_owned) };
            let item = ContextItem { system, configure, step, tool, at: NOWHERE };
            all.merge(&Contextualize { items: vec![item], ..Contextualize::default() });
        }
        for (name, value) in options {
            all.options.set_text(name, value);
        }
        all
    }
}

prop_compose! {
    fn document()(
        description in option::of((ident(), features())),
        ansible in vec(features(), 0..2),
        networks in vec((any::<bool>(), features()), 0..3),
        systems in vec((any::<bool>(), features()), 0..3),
        recipes in vec(recipe(), 0..3),
        contextualize in option::of(contextualize()),
        deploys in vec((ident(), number(), option::of(ident())), 0..3),
    ) -> Document {
        let id = |n: usize| format!("id{n}");
        Document {
            description: description.map(|(id, features)| Description { id, features, at: NOWHERE }),
            ansible: ansible.into_iter().enumerate().map(|(n, features)| AnsibleHost { id: id(n), features, at: NOWHERE }).collect(),
            networks: networks.into_iter().enumerate().map(|(n, (reference, features))| {
                Network { id: id(n), reference, features: if reference { Features::new() } else { features }, at: NOWHERE }
            }).collect(),
            systems: systems.into_iter().enumerate().map(|(n, (reference, features))| {
                System { name: id(n), reference, features: if reference { Features::new() } else { features }, at: NOWHERE }
            }).collect(),
            configures: recipes.into_iter().enumerate().map(|(n, recipe)| {
                Configure { name: id(n), recipe, at: NOWHERE, recipe_at: NOWHERE }
            }).collect(),
            contextualize,
            deploys: deploys.into_iter().map(|(system, number, cloud)| Deploy { system, number, cloud, at: NOWHERE }).collect(),
        }
    }
}

/// Reads what was printed: as many VMs as anybody likes.
fn read(text: &str) -> Parsed {
    parse_with(text, &Limits::stored())
}

fn parse_json(text: &str) -> Parsed {
    parse_json_with(text, &Limits::stored())
}

fn errors(found: &[Diagnostic]) -> Vec<&Diagnostic> {
    found.iter().filter(|d| d.is_error()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn text_is_read_back(document in document()) {
        let text = print(&document);
        let parsed = read(&text);
        prop_assert!(errors(&parsed.diagnostics).is_empty(), "{text}\n{:?}", parsed.diagnostics);
        prop_assert_eq!(&parsed.document, &document, "{}", text);
        prop_assert_eq!(print(&parsed.document), text);
    }

    #[test]
    fn json_is_read_back(document in document()) {
        let json = to_json(&document).to_string();
        let parsed = parse_json(&json);
        let found: Vec<_> = errors(&parsed.diagnostics).into_iter().filter(|d| d.code != "R0112").collect();
        prop_assert!(found.is_empty(), "{json}\n{found:?}");
        prop_assert_eq!(to_json(&parsed.document).to_string(), json);
        // And from there through text.
        let text = print(&parsed.document);
        prop_assert_eq!(&read(&text).document, &parsed.document, "{}", text);
    }

    #[test]
    fn anything_is_read(text in r"[a-z0-9 ='\\\n(),\[\]<>.@#ñ-]{0,200}") {
        let parsed = parse(&text);
        let _ = check(&parsed.document);
        for finding in &parsed.diagnostics {
            let _ = finding.render("x", &text, im_radl::Colours::Off);
        }
    }

    #[test]
    fn anything_of_words_is_read(words in vec(select(vec![
        "network", "system", "a", "(", ")", "and", "=", "'x'", "5", "M", "contains", "soft", "[", "]", ",", "\n",
        "configure", "@begin", "\n@end", "contextualize", "step", "with", "option", "deploy", "description", "ansible",
        ">=", "x", "'", "\\", "@input.x@", "#", "disk.0.size", "'random(9)'", ".5",
    ]), 0..60)) {
        let text = words.join(" ");
        let parsed = parse(&text);
        let _ = check(&parsed.document);
        if parsed.is_ok() {
            let printed = print(&parsed.document);
            let again = parse(&printed);
            prop_assert!(again.is_ok(), "{text}\n{printed}");
            prop_assert_eq!(print(&again.document), printed);
        }
    }

    #[test]
    fn any_characters_are_read(text in r"[\x00-\x7f\u{80}-\u{10ffff}]{0,60}") {
        let _ = parse(&text);
        let _ = parse_json(&text);
        let _ = im_radl::parse_outports(&text);
        let _ = parse(&format!("system a ({text})"));
        let _ = parse(&format!("configure a (\n@begin\n{text}\n@end\n)"));
        let _ = check(&parse(&format!("configure a (\n@begin\n{text}\n@end\n)")).document);
    }

    #[test]
    fn any_json_is_read(text in r#"[a-z0-9{}\[\]:,"\\ .-]{0,80}"#) {
        let _ = parse_json(&text);
    }
}
