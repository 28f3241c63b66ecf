//! Reads the JSON form.

use crate::{
    AnsibleHost, Configure, Conflict, ContextItem, Contextualize, Deploy, Description, Diagnostic, Document, Feature,
    Features, Interval, Limits, Missing, Network, Number, Op, Origin, Parsed, Recipe, Soft, System,
    build::Builder,
    codes, hints,
    json_syntax::{self, Json, Node},
    lex::is_ident,
    limits::LONGEST_RANDOM,
    parse::{conflict, random_length, too_large},
    print::writable,
    sink::Sink,
};
use indexmap::IndexMap;
use serde_json::Value;

/// Reads the JSON form.
pub fn parse_json(text: &str) -> Parsed {
    parse_json_with(text, &Limits::default())
}

/// Reads the JSON form, within bounds.
pub fn parse_json_with(text: &str, limits: &Limits) -> Parsed {
    if let Some(parsed) = too_large(text, limits) {
        return parsed;
    }
    let mut reader = Reader {
        limits,
        sink: Sink::new(limits.diagnostics),
        builder: Builder::default(),
    };
    if !text.trim().is_empty() {
        // An aspect, its softs and their items are levels of their own.
        let (node, found) = json_syntax::read(text, 2 + 3 * limits.nesting, limits.diagnostics);
        reader.sink.extend(found);
        if let Some(node) = node {
            reader.document(node);
        }
    }
    let document = reader.builder.finish();
    reader.sink.extend(document.too_many_vms(limits));
    Parsed {
        document,
        diagnostics: reader.sink.finish(),
    }
}

type Members = IndexMap<String, Node>;

const CLASSES: &[&str] = &[
    "network",
    "ansible",
    "system",
    "configure",
    "contextualize",
    "deploy",
    "description",
];

struct Reader<'l> {
    limits: &'l Limits,
    sink: Sink,
    builder: Builder,
}

impl Reader<'_> {
    fn error(&mut self, message: impl Into<String>, at: Origin) {
        self.sink.push(Diagnostic::error(codes::JSON_SHAPE, message).at(at));
    }

    fn document(&mut self, node: Node) {
        let Json::Array(aspects) = node.value else {
            let message = format!(
                "A RADL document in JSON is an array of objects, not {}",
                node.value.kind()
            );
            return self.error(message, Origin(node.span));
        };
        for aspect in aspects {
            if self.sink.is_full() {
                break;
            }
            let at = Origin(aspect.span);
            match aspect.value {
                Json::Object(members) => self.aspect(members, at),
                other => self.error(format!("An aspect is an object, not {}", other.kind()), at),
            }
        }
    }

    fn aspect(&mut self, mut members: Members, at: Origin) {
        let Some(class) = self.text(&mut members, "class", at) else {
            return;
        };
        match class.as_str() {
            "deploy" => return self.deploy(members, at),
            "contextualize" => return self.contextualize(members, at),
            "network" | "ansible" | "system" | "configure" | "description" => {}
            _ => {
                let message = format!("Unknown class `{class}`: the classes are {}", CLASSES.join(", "));
                let mut error = Diagnostic::error(codes::JSON_SHAPE, message).at(at);
                error.hint =
                    hints::nearest(&class, CLASSES.iter().copied()).map(|near| format!("did you mean `{near}`?"));
                return self.sink.push(error);
            }
        }
        let Some(id) = self.name(&mut members, "id", at) else {
            return;
        };
        let reference = match members.get("reference").map(|node| &node.value) {
            Some(Json::Bool(reference)) => {
                let reference = *reference;
                members.shift_remove("reference");
                reference
            }
            _ => false,
        };
        if class == "configure" {
            return self.configure(id, reference, members, at);
        }
        let features = if reference {
            Features::new()
        } else {
            self.features(members)
        };
        match class.as_str() {
            "network" => {
                let network = Network {
                    id,
                    reference,
                    features,
                    at,
                };
                self.builder.network(network, &mut self.sink);
            }
            "system" => {
                let system = System {
                    name: id,
                    reference,
                    features,
                    at,
                };
                self.builder.system(system, &mut self.sink);
            }
            "ansible" => self.builder.ansible(AnsibleHost { id, features, at }, &mut self.sink),
            _ => {
                if let Some(first) = self.builder.document().description.as_ref().map(|first| first.at) {
                    let message = "Duplicate description: an aspect with the same id already exists";
                    let error = Diagnostic::error(codes::DUPLICATE, message).at(at);
                    self.sink.push(error.note("the first one is here", first));
                }
                self.builder.description(Description { id, features, at });
            }
        }
    }

    fn configure(&mut self, name: String, reference: bool, mut members: Members, at: Origin) {
        let mut recipe_at = Origin(None);
        let recipe = if reference {
            Recipe::Reference
        } else {
            match members.shift_remove("recipes") {
                None => return self.error(format!("Configure `{name}` has no member `recipes`"), at),
                Some(node) => match node.value {
                    Json::Null => Recipe::Disabled,
                    Json::Text(text) => {
                        recipe_at = Origin(node.span);
                        Recipe::Text(text.into())
                    }
                    other => {
                        let message = format!("`recipes` is a string or null, not {}", other.kind());
                        return self.error(message, Origin(node.span));
                    }
                },
            }
        };
        if let Recipe::Text(text) = &recipe {
            if text.starts_with("@end") || text.contains("\n@end") {
                let message = "The recipe has a line that begins with `@end`, which the plain form cannot hold";
                self.sink
                    .push(Diagnostic::error(codes::UNWRITABLE, message).at(recipe_at));
            }
            if let Err(error) = crate::yaml::check(text) {
                let message = format!(
                    "Error parsing YAML: {} (line {} of the recipe)",
                    error.message,
                    error.line + 1
                );
                self.sink.push(Diagnostic::error(codes::YAML, message).at(recipe_at));
            }
        }
        let configure = Configure {
            name,
            recipe,
            at,
            recipe_at,
        };
        self.builder.configure(configure, &mut self.sink);
    }

    fn deploy(&mut self, mut members: Members, at: Origin) {
        let system = self.name(&mut members, "system", at);
        let number = self.number(&mut members, "vm_number", at);
        let cloud = match members.get("cloud").map(|node| &node.value) {
            None | Some(Json::Null) => None,
            Some(_) => match self.name(&mut members, "cloud", at) {
                Some(cloud) => Some(cloud),
                None => return,
            },
        };
        if let (Some(system), Some(number)) = (system, number) {
            self.builder.deploy(Deploy {
                system,
                number,
                cloud,
                at,
            });
        }
    }

    fn contextualize(&mut self, mut members: Members, at: Origin) {
        let mut all = Contextualize {
            at,
            ..Contextualize::default()
        };
        if members.contains_key("max_time") {
            all.max_time = self.number(&mut members, "max_time", at).unwrap_or_default();
        }
        match members
            .shift_remove("items")
            .map(|node| (node.value, Origin(node.span)))
        {
            None | Some((Json::Null, _)) => {}
            Some((Json::Array(items), _)) => {
                for item in items {
                    let at = Origin(item.span);
                    match item.value {
                        Json::Object(item) => all.items.extend(self.context_item(item, at)),
                        other => self.error(format!("An item is an object, not {}", other.kind()), at),
                    }
                }
            }
            Some((other, at)) => self.error(format!("`items` is an array, not {}", other.kind()), at),
        }
        match members
            .shift_remove("options")
            .map(|node| (node.value, Origin(node.span)))
        {
            None | Some((Json::Null, _)) => {}
            Some((Json::Object(options), _)) => all.options = self.features(options),
            Some((other, at)) => self.error(format!("`options` is an object, not {}", other.kind()), at),
        }
        self.builder.contextualize(all);
    }

    fn context_item(&mut self, mut members: Members, at: Origin) -> Option<ContextItem> {
        let system = self.name(&mut members, "system", at)?;
        let configure = self.name(&mut members, "configure", at)?;
        let present = |name: &str| members.get(name).is_some_and(|node| !matches!(node.value, Json::Null));
        let (has_step, has_tool) = (present("step"), present("ctxt_tool"));
        let step = if has_step {
            Some(self.number(&mut members, "step", at)?)
        } else {
            None
        };
        let tool = if has_tool {
            Some(self.name(&mut members, "ctxt_tool", at)?)
        } else {
            None
        };
        Some(ContextItem {
            system,
            configure,
            step,
            tool,
            at,
        })
    }

    fn member(&mut self, members: &mut Members, name: &str, at: Origin) -> Option<Node> {
        let found = members.shift_remove(name);
        if found.is_none() {
            self.error(format!("Member `{name}` is missing"), at);
        }
        found
    }

    fn text(&mut self, members: &mut Members, name: &str, at: Origin) -> Option<String> {
        let node = self.member(members, name, at)?;
        match node.value {
            Json::Text(text) => Some(text),
            other => {
                self.error(
                    format!("Member `{name}` is a string, not {}", other.kind()),
                    Origin(node.span),
                );
                None
            }
        }
    }

    /// A member that the plain form writes as an identifier.
    fn name(&mut self, members: &mut Members, name: &str, at: Origin) -> Option<String> {
        let place = members.get(name).map_or(at, |node| Origin(node.span));
        let text = self.text(members, name, at)?;
        self.is_name(&text, place).then_some(text)
    }

    fn is_name(&mut self, text: &str, at: Origin) -> bool {
        let good = is_ident(text);
        if !good {
            let message = format!("`{text}` is not a name of the language");
            self.sink.push(Diagnostic::error(codes::JSON_NAME, message).at(at).hint(
                "a name begins with a letter, `_` or `.`, goes on with letters, digits, `_`, `.` and `-`, and is no reserved word",
            ));
        }
        good
    }

    fn number(&mut self, members: &mut Members, name: &str, at: Origin) -> Option<Number> {
        let node = self.member(members, name, at)?;
        match node.value {
            Json::Number(number) => Some(number),
            Json::Bool(value) => Some(Number::Int(value.into())),
            other => {
                self.error(
                    format!("Member `{name}` is a number, not {}", other.kind()),
                    Origin(node.span),
                );
                None
            }
        }
    }

    fn features(&mut self, members: Members) -> Features {
        let mut features = Features::new();
        for (name, node) in members {
            if name == "softs" && matches!(node.value, Json::Array(_)) {
                self.softs(node, &mut features);
            } else {
                self.feature(&mut features, &name, node);
            }
        }
        features
    }

    fn softs(&mut self, node: Node, features: &mut Features) {
        let Json::Array(softs) = node.value else { return };
        for soft in softs {
            let at = Origin(soft.span);
            let Json::Object(mut members) = soft.value else {
                self.error(format!("A soft is an object, not {}", soft.value.kind()), at);
                continue;
            };
            let weight = if members.contains_key("weight") {
                self.number(&mut members, "weight", at).unwrap_or_default()
            } else {
                Number::Int(0)
            };
            let mut inner = Features::new();
            match members
                .shift_remove("items")
                .map(|node| (node.value, Origin(node.span)))
            {
                None | Some((Json::Null, _)) => {}
                Some((Json::Object(items), _)) => inner = self.features(items),
                Some((Json::Array(parts), at)) => {
                    for part in parts {
                        match part.value {
                            Json::Object(items) => {
                                let part = self.features(items);
                                if let Err(error) = inner.merge(&part, Conflict::Error, Missing::Other) {
                                    self.sink.push(conflict(&error, at));
                                }
                            }
                            other => self.error(format!("A feature is an object, not {}", other.kind()), at),
                        }
                    }
                }
                Some((other, at)) => self.error(format!("`items` is an object, not {}", other.kind()), at),
            }
            features.push_soft(Soft {
                weight,
                features: inner,
                at,
            });
        }
    }

    fn feature(&mut self, features: &mut Features, name: &str, node: Node) {
        let at = Origin(node.span);
        let (name, op) = literal(name).unwrap_or_else(|| end_of(name, &node.value));
        if !self.is_name(name, at) {
            return;
        }
        let Some(feature) = self.value(name, op, node) else {
            return;
        };
        if let Err(error) = features.add(name, feature, at, Conflict::Error, Missing::Other) {
            self.sink.push(conflict(&error, at));
        }
    }

    fn value(&mut self, name: &str, op: Op, node: Node) -> Option<Feature> {
        let at = Origin(node.span);
        match node.value {
            Json::Number(number) => Some(Feature::Number(Interval::new(op, number, ""))),
            Json::Bool(value) => {
                let message = format!("`{name}` is a boolean, which is read as the number {}", u8::from(value));
                let warning = Diagnostic::warning(codes::SUSPICIOUS, message).at(at);
                self.sink.push(warning.hint("write \"yes\" or \"no\""));
                Some(Feature::number(i64::from(value)))
            }
            Json::Text(text) => Some(self.string(op, text, at)),
            Json::Array(values) => self.array(name, op, values, at),
            Json::Object(members) if !members.contains_key("class") && name.ends_with(".applications") => {
                let message =
                    format!("Invalid operator of `{name}`: it is one object where an array of them is expected");
                let error = Diagnostic::error(codes::OPERATOR, message).at(at);
                self.sink.push(error.hint("put `[` and `]` around it"));
                Some(Feature::group(self.features(members)))
            }
            Json::Object(mut members) => {
                // A nested aspect is no more than its features.
                if matches!(members.get("class").map(|node| &node.value), Some(Json::Text(_))) {
                    members.shift_remove("class");
                    members.shift_remove("id");
                }
                Some(Feature::group(self.features(members)))
            }
            Json::Null => {
                self.error(format!("`{name}` is null: leave it out"), at);
                None
            }
        }
    }

    fn string(&mut self, op: Op, text: String, at: Origin) -> Feature {
        self.check_writable(&text, at);
        match random_length(&text) {
            Some(length) if length > LONGEST_RANDOM => {
                let message = format!("Random value too long: {LONGEST_RANDOM} characters are the most");
                self.sink.push(Diagnostic::error(codes::RANDOM, message).at(at));
                Feature::Random(op, LONGEST_RANDOM)
            }
            Some(length) => Feature::Random(op, length),
            None => Feature::Text(op, text),
        }
    }

    fn check_writable(&mut self, text: &str, at: Origin) {
        if !writable(text) {
            let message = "The plain form cannot write this string: a backslash stands at its end, before a quote or before a line end";
            let warning = Diagnostic::warning(codes::UNWRITABLE, message).at(at);
            self.sink.push(warning.hint("it will be doubled there"));
        }
    }

    fn array(&mut self, name: &str, op: Op, values: Vec<Node>, at: Origin) -> Option<Feature> {
        if values.len() > self.limits.list {
            let message = format!("List too long: {} elements are the most", self.limits.list);
            self.sink.push(Diagnostic::error(codes::LIMIT, message).at(at));
            return None;
        }
        let strings = (name.starts_with("disk") && name.ends_with("image.url"))
            || (name.starts_with("net_interface") && name.ends_with("additional_dns_names"));
        let all_text = values.iter().all(|node| matches!(node.value, Json::Text(_)));
        if strings || all_text {
            // No value of an application, but not an empty list of strings either.
            if values.is_empty() && name.ends_with(".applications") {
                return None;
            }
            let mut texts = Vec::with_capacity(values.len());
            for node in values {
                match node.value {
                    Json::Text(text) => {
                        self.check_writable(&text, Origin(node.span));
                        texts.push(text);
                    }
                    other => {
                        let message = format!("`{name}` is a list of strings and holds {}", other.kind());
                        self.error(message, Origin(node.span));
                        return None;
                    }
                }
            }
            if texts == [""] {
                texts.clear();
            }
            return Some(Feature::List(op, texts));
        }
        let mut groups = Features::new();
        for node in values {
            let at = Origin(node.span);
            match node.value {
                Json::Object(members) => {
                    let group = Feature::group(self.features(members));
                    if let Err(error) = groups.add(name, group, at, Conflict::Error, Missing::Other) {
                        self.sink.push(conflict(&error, at));
                    }
                }
                other => {
                    let message = format!(
                        "`{name}` is an array of objects or of strings and holds {}",
                        other.kind()
                    );
                    self.error(message, at);
                    return None;
                }
            }
        }
        groups.remove(name)
    }
}

/// Name and operator of a member whose name begins with its operator: the name is that of the feature, whatever it
/// looks like.
fn literal(name: &str) -> Option<(&str, Op)> {
    [Op::Le, Op::Ge, Op::Lt, Op::Gt, Op::Eq]
        .into_iter()
        .find_map(|op| Some((name.strip_prefix(op.as_str())?, op)))
}

/// Name and operator of a member: `X_min` and `X_max` are the ends of `X`. Of strings only versions have ends.
fn end_of<'n>(name: &'n str, value: &Json) -> (&'n str, Op) {
    let ends = |base: &str| match value {
        Json::Number(_) => true,
        Json::Text(_) => base.contains("version"),
        _ => false,
    };
    for (suffix, op) in [("_min", Op::Ge), ("_max", Op::Le)] {
        if let Some(base) = name.strip_suffix(suffix).filter(|base| ends(base)) {
            return (base, op);
        }
    }
    (name, Op::Eq)
}

impl Features {
    /// Sets a feature from its JSON form, whatever was there; null removes it. `X_min` and `X_max` set the ends of
    /// `X`.
    pub fn set_json(&mut self, name: &str, value: &Value) -> Result<(), Vec<Diagnostic>> {
        if value.is_null() {
            self.remove(name);
            return Ok(());
        }
        let limits = Limits::default();
        let mut reader = Reader {
            limits: &limits,
            sink: Sink::new(limits.diagnostics),
            builder: Builder::default(),
        };
        let node = Node::from(value);
        let (base, op) = end_of(name, &node.value);
        let feature = reader.value(base, op, node);
        if reader.sink.errors() > 0 {
            return Err(reader.sink.finish());
        }
        match (feature, op) {
            (Some(feature), Op::Eq) => self.set(base, feature),
            (Some(feature), _) => {
                let merged = self.add(base, feature.clone(), Origin(None), Conflict::Other, Missing::Other);
                if merged.is_err() {
                    self.set(base, feature);
                }
            }
            (None, _) => {
                self.remove(base);
            }
        }
        Ok(())
    }
}

/// Whether a document has nothing in it.
impl Document {
    /// Whether the document says nothing at all.
    pub fn is_empty(&self) -> bool {
        *self == Document::default()
    }
}
