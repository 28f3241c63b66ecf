//! Writes the JSON form. Sizes become bytes; nothing else of what the plain form says is lost.

use crate::{Contextualize, Document, Feature, Features, Interval, Network, Number, Op, Recipe, System};
use serde_json::{Map, Value, json};

/// The document as JSON; `to_string` of it is the compact form of the API.
pub fn to_json(document: &Document) -> Value {
    let mut all = Vec::new();
    for host in &document.ansible {
        all.push(aspect("ansible", &host.id, false, &host.features));
    }
    all.extend(document.networks.iter().map(network));
    all.extend(document.systems.iter().map(system));
    for configure in &document.configures {
        let name = &configure.name;
        all.push(match &configure.recipe {
            Recipe::Reference => json!({"class": "configure", "id": name, "reference": true}),
            Recipe::Disabled => json!({"class": "configure", "id": name, "recipes": null}),
            Recipe::Text(text) => json!({"class": "configure", "id": name, "recipes": &**text}),
        });
    }
    all.extend(deploys(document));
    all.extend(document.contextualize.as_ref().map(contextualize));
    if let Some(description) = &document.description {
        all.push(aspect("description", &description.id, false, &description.features));
    }
    Value::Array(all)
}

/// Networks and one system: what is shown of a VM.
pub fn vm_to_json(networks: &[Network], vm: &System) -> Value {
    networks.iter().map(network).chain([system(vm)]).collect()
}

/// Systems, networks and deploys with `.` in names of members replaced by `_`, as Ansible variables need it.
pub fn to_ansible_json(document: &Document) -> Value {
    let aspects = document
        .systems
        .iter()
        .map(system)
        .chain(document.networks.iter().map(network));
    let mut all: Vec<Value> = aspects.chain(deploys(document)).collect();
    all.iter_mut().for_each(underscores);
    Value::Array(all)
}

fn underscores(value: &mut Value) {
    match value {
        Value::Object(members) => {
            *members = std::mem::take(members)
                .into_iter()
                .map(|(name, mut value)| {
                    underscores(&mut value);
                    (name.replace('.', "_"), value)
                })
                .collect();
        }
        Value::Array(values) => values.iter_mut().for_each(underscores),
        _ => {}
    }
}

fn network(network: &Network) -> Value {
    aspect("network", &network.id, network.reference, &network.features)
}

fn system(system: &System) -> Value {
    aspect("system", &system.name, system.reference, &system.features)
}

fn deploys(document: &Document) -> impl Iterator<Item = Value> {
    document.deploys.iter().map(|deploy| {
        let mut value = json!({"class": "deploy", "system": deploy.system, "vm_number": number(deploy.number)});
        if let Some(cloud) = &deploy.cloud {
            value["cloud"] = json!(cloud);
        }
        value
    })
}

fn aspect(class: &str, id: &str, reference: bool, features: &Features) -> Value {
    let mut members = Map::new();
    members.insert("class".into(), json!(class));
    members.insert("id".into(), json!(id));
    if reference {
        members.insert("reference".into(), json!(true));
    }
    write_features(&mut members, features, OF_ASPECTS);
    Value::Object(members)
}

/// Members that aspects have beside their features.
const OF_ASPECTS: &[&str] = &["class", "id", "reference"];

fn contextualize(all: &Contextualize) -> Value {
    let mut members = Map::new();
    members.insert("class".into(), json!("contextualize"));
    if all.max_time.as_f64() != 0.0 {
        members.insert("max_time".into(), number(all.max_time));
    }
    let items = all.items.iter().map(|item| {
        let mut value = json!({"system": item.system, "configure": item.configure});
        if let Some(step) = item.step {
            value["step"] = number(step);
        }
        if let Some(tool) = &item.tool {
            value["ctxt_tool"] = json!(tool);
        }
        value
    });
    if !all.items.is_empty() {
        members.insert("items".into(), items.collect());
    }
    if !all.options.is_empty() {
        members.insert("options".into(), object(&all.options));
    }
    Value::Object(members)
}

fn object(features: &Features) -> Value {
    let mut members = Map::new();
    write_features(&mut members, features, &[]);
    Value::Object(members)
}

fn write_features(members: &mut Map<String, Value>, features: &Features, taken: &[&str]) {
    for (name, feature) in features.iter() {
        let reserved = name == "softs" || taken.contains(&name);
        // As an end of an interval it would be read, or written over by one.
        let end = name
            .strip_suffix("_min")
            .or_else(|| name.strip_suffix("_max"))
            .is_some_and(|base| base.contains("version") || features.contains(base));
        let literal = reserved || (end && !matches!(feature, Feature::Number(_)));
        write_feature(members, name, feature, literal);
    }
    if !features.softs().is_empty() {
        let soft = |soft: &crate::Soft| json!({"weight": number(soft.weight), "items": object(&soft.features)});
        members.insert("softs".into(), features.softs().iter().map(soft).collect());
    }
}

/// One feature. A name that would be read as something else is written with its operator before it.
fn write_feature(members: &mut Map<String, Value>, name: &str, feature: &Feature, literal: bool) {
    let op = match feature {
        Feature::Number(interval) => return write_interval(members, name, interval, literal),
        // Of versions the ends have names.
        Feature::Text(op, text) if !op.is_eq() && name.contains("version") && !literal => {
            let end = if matches!(op, Op::Lt | Op::Le) { "max" } else { "min" };
            members.insert(format!("{name}_{end}"), json!(text));
            return;
        }
        Feature::Text(op, _) | Feature::List(op, _) | Feature::Random(op, _) => *op,
        Feature::Groups(_) => Op::Eq,
    };
    let name = if literal || !op.is_eq() {
        format!("{op}{name}")
    } else {
        name.to_owned()
    };
    members.insert(name, value(feature));
}

fn write_interval(members: &mut Map<String, Value>, name: &str, interval: &Interval, literal: bool) {
    let lower = interval.lower.as_ref().map(|end| number(end.value_in("")));
    let upper = interval.upper.as_ref().map(|end| number(end.value_in("")));
    // A name that ends like an end of an interval would be read as one.
    let ambiguous = name.ends_with("_min") || name.ends_with("_max");
    match (lower, upper) {
        (Some(lower), Some(upper)) if lower == upper => {
            let equals = if literal || ambiguous { "=" } else { "" };
            members.insert(format!("{equals}{name}"), lower);
        }
        (lower, upper) => {
            members.extend(lower.map(|value| (format!("{name}_min"), value)));
            members.extend(upper.map(|value| (format!("{name}_max"), value)));
        }
    }
}

fn number(number: Number) -> Value {
    match number {
        Number::Int(value) => json!(value),
        Number::Float(value) => json!(value),
    }
}

/// One value. Of an interval the end that reading takes.
fn value(feature: &Feature) -> Value {
    match feature {
        Feature::Text(_, text) => json!(text),
        Feature::Random(_, length) => json!(format!("random({length})")),
        Feature::List(_, values) => json!(values),
        Feature::Number(interval) => interval.read().map_or(Value::Null, |end| number(end.value_in(""))),
        Feature::Groups(groups) => groups.values().map(object).collect(),
    }
}

impl Features {
    /// One value in JSON form: a number in base units, a string, an array of strings or of groups.
    pub fn to_json_value(&self, name: &str) -> Option<Value> {
        self.get(name).map(value)
    }

    /// All features in JSON form.
    pub fn to_json(&self) -> Value {
        object(self)
    }
}
