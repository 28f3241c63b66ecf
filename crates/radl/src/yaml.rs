//! Whether a recipe is YAML that Ansible's loader takes: one document, known tags, keys that are scalars.
//!
//! Never builds the values: an alias costs nothing here, however much it stands for.

use saphyr_parser::{Event, Parser, ScanError, Span as Place};

/// What is wrong with a recipe, and where in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct YamlError {
    pub(crate) message: String,
    /// Characters before it.
    pub(crate) index: usize,
    /// Line, from 0.
    pub(crate) line: usize,
    /// Column, from 0.
    pub(crate) column: usize,
}

/// Tags of the YAML schema that `PyYAML`'s safe loader has constructors for.
const KNOWN: &[&str] = &[
    "null",
    "bool",
    "int",
    "float",
    "binary",
    "timestamp",
    "omap",
    "pairs",
    "set",
    "str",
    "seq",
    "map",
    "merge",
    "value",
];

/// Tags that Ansible adds.
const ANSIBLE: &[&str] = &["vault", "vault-encrypted", "unsafe"];

enum Level {
    Sequence,
    /// Whether the next node is a key.
    Mapping(bool),
}

/// Checks a recipe.
pub(crate) fn check(text: &str) -> Result<(), YamlError> {
    let mut levels: Vec<Level> = Vec::new();
    let mut documents = 0;
    for next in Parser::new_from_str(text) {
        let (event, place) = next.map_err(|error| scan_error(&error))?;
        let fail = |message: String| Err(error_at(place, message));
        match event {
            Event::DocumentStart(_) => {
                documents += 1;
                if documents > 1 {
                    return fail("a recipe is one document, and here a second one begins".to_owned());
                }
            }
            Event::Scalar(_, _, _, tag) => {
                if let Some(tag) = tag {
                    check_tag(&tag.handle, &tag.suffix, place)?;
                }
                node(&mut levels);
            }
            Event::Alias(_) => {
                node(&mut levels);
            }
            Event::SequenceStart(_, tag) => {
                if let Some(tag) = tag {
                    check_tag(&tag.handle, &tag.suffix, place)?;
                }
                if node(&mut levels) {
                    return fail("a list cannot be a key".to_owned());
                }
                levels.push(Level::Sequence);
            }
            Event::MappingStart(_, tag) => {
                if let Some(tag) = tag {
                    check_tag(&tag.handle, &tag.suffix, place)?;
                }
                if node(&mut levels) {
                    let message = "a mapping cannot be a key: is it a template, `{{ ... }}`, without quotes around it?";
                    return fail(message.to_owned());
                }
                levels.push(Level::Mapping(true));
            }
            Event::SequenceEnd | Event::MappingEnd => {
                levels.pop();
            }
            _ => {}
        }
    }
    Ok(())
}

/// Takes a node into the collection it stands in; tells whether it is a key.
fn node(levels: &mut [Level]) -> bool {
    match levels.last_mut() {
        Some(Level::Mapping(key)) => {
            *key = !*key;
            !*key
        }
        _ => false,
    }
}

fn check_tag(handle: &str, suffix: &str, place: Place) -> Result<(), YamlError> {
    let full = format!("{handle}{suffix}");
    let known = match full
        .strip_prefix("tag:yaml.org,2002:")
        .or_else(|| full.strip_prefix("!!"))
    {
        Some(name) => KNOWN.contains(&name),
        None => full
            .strip_prefix('!')
            .is_some_and(|name| name.is_empty() || ANSIBLE.contains(&name)),
    };
    if known {
        return Ok(());
    }
    Err(error_at(place, format!("unknown tag `{full}`")))
}

fn error_at(place: Place, message: String) -> YamlError {
    YamlError {
        message,
        index: place.start.index(),
        line: place.start.line().saturating_sub(1),
        column: place.start.col(),
    }
}

fn scan_error(error: &ScanError) -> YamlError {
    let at = error.marker();
    YamlError {
        message: error.info().to_owned(),
        index: at.index(),
        line: at.line().saturating_sub(1),
        column: at.col(),
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn recipes() {
        for good in [
            "",
            "- tasks:\n  - name: a\n    shell: echo {{ x }}\n",
            "$ANSIBLE_VAULT;1.1;AES256\n61626364\n65666768\n",
            "a: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  6162\n",
            "a: &x 1\nb: *x\n<<: {c: 1}\n",
            "---\n- a\n...\n",
            "- a\n- a: 1\n  a: 2\n",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in [
            "a: b: c\n",
            "a: {{ x }}\n",
            "- a\n---\n- b\n",
            "a: *nothing\n",
            "a: !python/object x\n",
            "[a, b]: c\n",
            "a: 'x\n",
            "- [a\n",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
        let error = check("a: 1\nb: c: d\n").unwrap_err();
        assert_eq!(error.line, 1);
    }
}
