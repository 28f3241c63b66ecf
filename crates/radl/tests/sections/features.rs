//! Sets of features: adding, merging, applying softs.

use crate::{printed, read, system_table};
use im_radl::{Conflict, Feature, Features, Interval, MergeError, Missing, Number, Op, Origin};

const NOWHERE: Origin = Origin(None);

#[test]
fn adding_while_reading() {
    system_table(&[
        ("equal strings", "x = 'a' and x = 'a'", ""),
        ("equal strings compared otherwise", "v >= '1' and v = '1'", ""),
        ("other strings", "x = 'a' and x = 'b'", "R0102"),
        ("equal lists", "x = ['a'] and x = ['a']", ""),
        ("other lists", "x = ['a'] and x = ['b']", "R0102"),
        ("a string and a list", "x = 'a' and x = ['a']", "R0102"),
        ("a number and a string", "x = 1 and x = 'a'", "R0102"),
        ("a string and a number", "x = 'a' and x = 1", "R0102"),
        ("a group and a string", "x contains () and x = 'a'", "R0102"),
        ("a number and a group", "x = 1 and x contains ()", "R0102"),
        ("disjoint", "x <= 1 and x >= 2", "R0102"),
        ("disjoint and exact", "x >= 2 and x = 1", "R0102"),
        ("two exact", "x = 1 and x = 2", "R0102"),
        ("all ends count as closed", "x > 2 and x = 2", ""),
        ("and among themselves", "x > 2 and x < 2", ""),
        ("across units", "x >= 1G and x <= 999M", "R0102"),
        ("across kinds of number", "x >= 1 and x <= 1.5", ""),
    ]);
    printed(&[
        (
            "chained",
            "x >= 1 and x >= 3 and x <= 9 and x <= 7",
            "x >= 3 and\nx <= 7",
        ),
        ("nested", "x >= 1 and x <= 9 and x = 5", "x = 5"),
        ("equal", "x = 1 and x = 1", "x = 1"),
        ("equal in other units", "x = 1G and x = 1000M", "x = 1G"),
        ("exact within", "x <= 4 and x = 2", "x = 2"),
        ("strictness is kept", "x > 1 and x < 3", "x > 1 and\nx < 3"),
        ("units are kept", "x >= 1G and x <= 2048M", "x >= 1G and\nx <= 2048M"),
        (
            "groups of one name",
            "x contains (name = 'a' and p = 1) and x contains (name = 'b') and x contains (name = 'a' and q = 2)",
            "x contains (name = 'a' and\np = 1 and\nq = 2) and\nx contains (name = 'b')",
        ),
        (
            "groups without a name",
            "x contains (p = 1) and x contains (q = 2)",
            "x contains (p = 1 and\nq = 2)",
        ),
        (
            "softs go last",
            "soft 1 (p = 1) and q = 2 and soft 2 (r = 3)",
            "q = 2 and\nsoft 1 ( p = 1 ) and\nsoft 2 ( r = 3 )",
        ),
        (
            "first appearance orders",
            "b = 1 and a = 2 and b <= 3",
            "b = 1 and\na = 2",
        ),
    ]);
    system_table(&[(
        "groups of one name that differ",
        "x contains (name = 'a' and p = 1) and x contains (name = 'a' and p = 2)",
        "R0102",
    )]);
}

#[test]
fn policies() {
    let number = |op, value: i64| Feature::Number(Interval::new(op, Number::Int(value), ""));
    let with = |feature: Feature| {
        let mut features = Features::new();
        features.set("x", feature);
        features
    };
    for (there, more, conflict, result) in [
        (Feature::text("a"), Feature::text("b"), Conflict::Me, "x = 'a'"),
        (Feature::text("a"), Feature::text("b"), Conflict::Ignore, "x = 'a'"),
        (Feature::text("a"), Feature::text("b"), Conflict::Other, "x = 'b'"),
        (number(Op::Le, 1), number(Op::Ge, 2), Conflict::Me, "x <= 1"),
        (number(Op::Le, 1), number(Op::Ge, 2), Conflict::Ignore, "x <= 1"),
        (number(Op::Le, 1), number(Op::Ge, 2), Conflict::Other, "x >= 2"),
        (
            number(Op::Le, 3),
            number(Op::Ge, 2),
            Conflict::Other,
            "x >= 2 and\nx <= 3",
        ),
        (
            Feature::text("a"),
            Feature::List(Op::Eq, vec!["b".to_owned()]),
            Conflict::Other,
            "x = ['b']",
        ),
    ] {
        let mut features = with(there);
        features.add("x", more, NOWHERE, conflict, Missing::Other).unwrap();
        assert_eq!(features.to_string(), result, "{conflict:?}");
    }
    let mut features = with(Feature::text("a"));
    let error = features.add("x", number(Op::Eq, 1), NOWHERE, Conflict::Other, Missing::Other);
    assert!(matches!(error, Err(MergeError::Kinds { .. })));
    for (missing, result) in [(Missing::Other, "y = 1"), (Missing::Ignore, ""), (Missing::Me, "")] {
        let mut features = Features::new();
        features
            .add("y", Feature::number(1), NOWHERE, Conflict::Error, missing)
            .unwrap();
        assert_eq!(features.to_string(), result, "{missing:?}");
    }
    let error = Features::new().add("y", Feature::number(1), NOWHERE, Conflict::Error, Missing::Error);
    assert_eq!(error, Err(MergeError::Missing("y".to_owned())));
}

#[test]
fn a_set_is_applied_whole_or_not_at_all() {
    let features = |text: &str| read(&format!("system a ({text})")).systems[0].features.clone();
    let mut all = features("a = 1 and x contains (name = 'n' and p = 1)");
    let before = all.clone();
    for bad in [
        "b = 2 and a = 2",
        "x contains (name = 'm') and x contains (name = 'n' and p = 2)",
    ] {
        assert!(all.merge(&features(bad), Conflict::Error, Missing::Other).is_err());
        assert_eq!(all, before);
    }
    all.merge(
        &features("b = 2 and a <= 5 and soft 1 (c = 3)"),
        Conflict::Error,
        Missing::Other,
    )
    .unwrap();
    assert_eq!(
        all.to_string(),
        "a = 1 and\nx contains (name = 'n' and\np = 1) and\nb = 2 and\nsoft 1 ( c = 3 )"
    );
}

#[test]
fn concrete() {
    for (rule, features, expected, score) in [
        ("none", "a = 1", "a = 1", 0.0),
        (
            "all",
            "a = 1 and soft 1 (b = 2) and soft 2 (c = 3)",
            "a = 1 and\nc = 3 and\nb = 2",
            3.0,
        ),
        ("the heaviest first", "soft 1 (a = 1) and soft 2 (a = 2)", "a = 2", 2.0),
        (
            "of equal ones the first",
            "soft 1 (a = 1) and soft 1 (a = 2)",
            "a = 1",
            1.0,
        ),
        (
            "each whole or not",
            "a = 1 and soft 5 (b = 2 and a = 2) and soft 1 (c = 3)",
            "a = 1 and\nc = 3",
            1.0,
        ),
        ("fractions", "soft 0.5 (a = 1)", "a = 1", 0.5),
        (
            "softs within count where their parent does",
            "a = 1 and soft 2 (b = 1 and soft 3 (c = 1)) and soft 4 (a = 2 and soft 9 (d = 1))",
            "a = 1 and\nb = 1 and\nc = 1",
            5.0,
        ),
    ] {
        let document = read(&format!("system s ({features})"));
        let (concrete, sum) = document.systems[0].concrete();
        assert_eq!(concrete.features.to_string(), expected, "{rule}");
        assert!((sum - score).abs() < f64::EPSILON, "{rule}");
        assert!(concrete.features.softs().is_empty());
    }
}

#[test]
fn reading_numbers() {
    let document = read("system a (a >= 2 and a <= 4 and b <= 4 and c = 1500 and d = 2500 and e = 1.5G and f = 1G)");
    let features = &document.systems[0].features;
    assert_eq!(features.number("a"), Some(Number::Int(2)), "the lower end");
    assert_eq!(features.number("b"), Some(Number::Int(4)), "else the upper one");
    assert_eq!(features.number_in("c", "K"), Some(Number::Int(2)), "half to even");
    assert_eq!(features.number_in("d", "K"), Some(Number::Int(2)), "half to even");
    assert_eq!(
        features.number_in("e", "M"),
        Some(Number::Float(1500.0)),
        "a float stays one"
    );
    assert_eq!(features.number_in("f", "Mi"), Some(Number::Int(954)));
    let mut features = features.clone();
    features.set_number("a", 7, "M");
    assert_eq!(features.number_in("a", ""), Some(Number::Int(7_000_000)));
    assert!(
        features.to_string().starts_with("a = 7M and\n"),
        "both ends and the unit"
    );
}
