//! Real documents: what the original made of them is what comes out here, but for its defects.

use crate::support::{Case, document, fetch_shared, folder};
use im_radl::{Document, check, parse, print, to_json};
use im_tosca::{Embedded, FileId, Files, Limits, Mapping, Node, Value, yaml};
use serde_json::Value as Json;
use std::{cell::RefCell, fs, path::Path};

/// The document of a TOSCA sample, and whether a recipe of it had to be made up.
fn converted(folder: &Path, text: &str, files: &mut Files) -> Result<(Document, bool), String> {
    let made_up = RefCell::new(false);
    let fetch = |url: &str| {
        Ok(fetch_shared(folder, url).unwrap_or_else(|| {
            *made_up.borrow_mut() = true;
            "- tasks: []\n".to_owned()
        }))
    };
    let mut case = Case::load(text, files.clone(), &fetch)?;
    // Types that were read once are not read again.
    *files = case.files.clone();
    let document = document(case.convert(None, &fetch));
    let made_up = *made_up.borrow();
    Ok((document, made_up))
}

fn recipe(text: &str) -> Node {
    let (node, found) = yaml::parse(text, FileId::DOCUMENT, &Limits::default());
    node.unwrap_or_else(|| panic!("{found:?}\n{text}"))
}

/// `get_url: dest=X url='Y'` as a mapping.
fn structured(node: &Node) -> Node {
    let value = match &node.value {
        Value::Seq(items) => Value::Seq(items.iter().map(structured).collect()),
        Value::Map(map) => {
            let mut made = Mapping::new();
            for (key, value) in map.iter() {
                let value = match value.as_str() {
                    Some(text) if &**key == "get_url" && text.starts_with("dest=/tmp/") => {
                        let mut args = Mapping::new();
                        for word in text.split(' ') {
                            let (name, value) = word.split_once('=').unwrap();
                            args.insert(name, Value::text(value.trim_matches('\'')).into());
                        }
                        Value::Map(args).into()
                    }
                    _ => structured(value),
                };
                made.insert(key.clone(), value);
            }
            Value::Map(made)
        }
        other => other.clone(),
    };
    Node::from(value)
}

/// Everything but the recipes.
fn frame(document: &Document) -> Json {
    let mut json = to_json(document);
    for part in json.as_array_mut().unwrap() {
        if part["class"] == "configure" && !part["recipes"].is_null() {
            part["recipes"] = Json::from("...");
        }
        if part["class"] == "description" {
            part["id"] = Json::from("desc");
        }
    }
    json
}

/// The random ids of containers, made the same.
fn with_one_id(text: &str, document: &Document) -> String {
    let mut text = text.to_owned();
    for system in &document.systems {
        if let Some((base, id)) = system.name.rsplit_once('-')
            && id.len() == 8
            && system
                .features
                .text("disk.0.image.url")
                .is_some_and(|url| url.starts_with("docker://"))
        {
            text = text.replace(&system.name, &format!("{base}-abcdefgh"));
        }
    }
    text
}

fn tasks_of(node: &Node) -> usize {
    node.as_seq().unwrap_or_default().len()
}

fn compare(name: &str, ours: &Document, theirs: &Document, made_up: bool) -> Vec<String> {
    let mut differences = Vec::new();
    let (a, b) = (frame(ours), frame(theirs));
    let (a, b) = (a.as_array().unwrap().clone(), b.as_array().unwrap().clone());
    for part in &a {
        if !b.contains(part) {
            differences.push(format!("{name}: only ours: {part}"));
        }
    }
    for part in &b {
        if !a.contains(part) {
            differences.push(format!("{name}: only theirs: {part}"));
        }
    }
    if differences.is_empty() && a != b {
        differences.push(format!("{name}: order differs"));
    }
    for theirs in &theirs.configures {
        let Some(ours) = ours.configure(&theirs.name) else {
            continue;
        };
        let (Some(ours), Some(text)) = (ours.text(), theirs.text()) else {
            continue;
        };
        let (ours, expected) = (structured(&recipe(ours)), structured(&recipe(text)));
        if made_up {
            // Only what does not come from the file: the variables.
            for play in ours.as_seq().unwrap() {
                let vars = |node: &Node| node.get("vars").and_then(Node::as_map).cloned().unwrap_or_default();
                let known = vars(&expected.as_seq().unwrap()[0]);
                for (key, value) in vars(play).iter() {
                    if known.get(key) != Some(value) {
                        differences.push(format!(
                            "{name}: {} `{key}`: {} instead of {}",
                            theirs.name,
                            yaml::dump(value),
                            known.get(key).map(yaml::dump).unwrap_or_default()
                        ));
                    }
                }
            }
        } else if ours != expected {
            assert!(tasks_of(&ours) > 0);
            differences.push(format!(
                "{name}: recipe {}:\n{}\n--- instead of\n{}",
                theirs.name,
                yaml::dump(&ours),
                yaml::dump(&expected)
            ));
        }
    }
    differences
}

#[test]
fn as_the_original() {
    let Some(folder) = folder() else {
        println!("not run: the documents are not beside the repository");
        return;
    };
    let mut count = 0;
    let mut differences = Vec::new();
    // The types as their authors publish them, and the built-in ones.
    let mut libraries = [Embedded::Never, Embedded::Prefer].map(|embedded| (embedded, Files::new(embedded)));
    for kind in ["im-tests", "im-examples", "grycap-templates", "dashboard-merged"] {
        let results = folder.join("tosca").join("upstream-radl").join(kind);
        for entry in fs::read_dir(results).unwrap() {
            let path = entry.unwrap().path();
            let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let source = ["yaml", "yml"]
                .iter()
                .map(|end| folder.join("tosca").join(kind).join(format!("{stem}.{end}")))
                .find(|path| path.is_file());
            // Some results come without their document.
            let Some(source) = source else { continue };
            let text = fs::read_to_string(source).unwrap();
            let theirs = fs::read_to_string(&path).unwrap();
            let theirs = with_one_id(&theirs, &parse(&theirs).document);
            let parsed = parse(&theirs);
            assert!(parsed.is_ok(), "{stem}: {:?}", parsed.diagnostics);
            for (embedded, files) in &mut libraries {
                let name = format!("{kind}/{stem} ({embedded:?})");
                match converted(&folder, &text, files) {
                    Ok((ours, made_up)) => {
                        count += 1;
                        differences.extend(compare(&name, &ours, &parsed.document, made_up));
                        // What comes out is RADL: it passes the checks and survives printing.
                        let again = parse(&print(&ours));
                        assert!(again.is_ok(), "{name}: {:?}", again.diagnostics);
                        assert_eq!(to_json(&again.document), to_json(&ours), "{name}");
                        assert_eq!(im_radl::first_error(&check(&ours)), None, "{name}");
                    }
                    Err(error) => differences.push(format!("{name}: refused: {error}")),
                }
            }
        }
    }
    assert!(count > 0);
    println!("{count} compared");
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
