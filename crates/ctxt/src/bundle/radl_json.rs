//! `IM_INFRASTRUCTURE_RADL`: the document as recipes query it.

use im_radl::{Document, Feature, Features, Number, Op};
use serde_json::{Map, Value, json};

/// Networks, systems and deploys, with `_` for `.` in the names of features. Credentials only where they are asked
/// for.
pub(super) fn radl(document: &Document, with_credentials: bool) -> Value {
    let mut all = Vec::new();
    for network in &document.networks {
        all.push(aspect("network", &network.id, &network.features, with_credentials));
    }
    for system in &document.systems {
        all.push(aspect("system", &system.name, &system.features, with_credentials));
    }
    for deploy in &document.deploys {
        let mut map = Map::new();
        map.insert("class".to_owned(), json!("deploy"));
        map.insert("system".to_owned(), json!(deploy.system));
        map.insert("vm_number".to_owned(), json!(deploy.count()));
        if let Some(cloud) = &deploy.cloud {
            map.insert("cloud".to_owned(), json!(cloud));
        }
        all.push(Value::Object(map));
    }
    Value::Array(all)
}

fn aspect(class: &str, id: &str, features: &Features, with_credentials: bool) -> Value {
    let mut map = Map::new();
    map.insert("class".to_owned(), json!(class));
    map.insert("id".to_owned(), json!(id));
    for (name, feature) in features.iter() {
        let secret = name.contains("credentials.") && !name.ends_with(".username");
        let secret = secret || name == "vault.password" || name.ends_with("private_key") || name == "proxy_key";
        if with_credentials || !secret {
            add(&mut map, &name.replace('.', "_"), feature);
        }
    }
    Value::Object(map)
}

fn add(map: &mut Map<String, Value>, name: &str, feature: &Feature) {
    match feature {
        Feature::Text(_, text) => {
            map.insert(name.to_owned(), json!(text));
        }
        Feature::List(_, values) => {
            map.insert(name.to_owned(), json!(values));
        }
        Feature::Random(..) => {}
        Feature::Number(interval) => {
            for end in interval.ends() {
                let suffix = match end.op {
                    Op::Eq => "",
                    Op::Gt | Op::Ge => "_min",
                    Op::Lt | Op::Le => "_max",
                };
                let value = match end.value_in("") {
                    Number::Int(value) => json!(value),
                    Number::Float(value) => json!(value),
                };
                map.insert(format!("{name}{suffix}"), value);
            }
        }
        Feature::Groups(groups) => {
            let list: Vec<Value> = groups
                .values()
                .map(|group| {
                    let mut inner = Map::new();
                    group.iter().for_each(|(name, feature)| add(&mut inner, name, feature));
                    Value::Object(inner)
                })
                .collect();
            map.insert(name.to_owned(), Value::Array(list));
        }
    }
}
