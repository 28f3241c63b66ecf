//! Attributes of machines that run.

use super::{FunctionAccess, Live, LiveVm, OutputContext, log::ansible_output};
use crate::{
    Files, Limits, Mapping, Node, Template, Value, codes,
    convert::{
        APPLICATION, ConvertContext, Cx, FUNCTION, INDIGO_COMPUTE, PORT, base_name, declared_default, dns_host,
        endpoints, filled, from_json, index, member, oscar_of,
    },
    functions::{AttributeQuery, Attributes},
};
use im_radl::{Diagnostic, Features, Login};
use std::sync::Arc;

/// Attributes from live data.
pub(super) struct LiveAttributes<'a> {
    cx: Cx<'a>,
    live: &'a dyn Live,
}

static NO_FILES: std::sync::LazyLock<Files> = std::sync::LazyLock::new(Files::default);

/// One machine of a group and its place among all.
#[derive(Clone, Copy)]
struct Member<'a> {
    at: usize,
    vm: &'a LiveVm,
}

/// Why there is no value.
type Reason = String;

impl<'a> LiveAttributes<'a> {
    pub(super) fn new(template: &'a Template, context: &OutputContext<'a>, live: &'a dyn Live) -> Self {
        let context = ConvertContext {
            inputs: context.inputs,
            container_ids: context.container_ids,
            existing: None,
            limits: Limits::default(),
        };
        Self {
            cx: Cx::new(template, &NO_FILES, context),
            live,
        }
    }

    /// The machines of a node or of what it runs on.
    fn group(&self, query: &AttributeQuery<'_>) -> Vec<Member<'a>> {
        let all = self.live.vms().iter().enumerate();
        if query.node.is_a(APPLICATION) {
            let name = &*query.node.name;
            let exact = self.cx.context.container_ids.get(name);
            let base = format!("{}-", base_name(name));
            let system = exact.map(|id| format!("{base}{id}"));
            let first = all.clone().find(|(_, vm)| match &system {
                Some(system) => vm.system == *system,
                None => vm.system.starts_with(&base),
            });
            let Some((_, first)) = first else { return Vec::new() };
            return all
                .filter(|(_, vm)| vm.system == first.system)
                .map(|(at, vm)| Member { at, vm })
                .collect();
        }
        let host = self.cx.host_of(query.node).unwrap_or(query.node);
        let system = self.cx.names.id(&host.name);
        all.filter(|(_, vm)| vm.system == system)
            .map(|(at, vm)| Member { at, vm })
            .collect()
    }

    fn attribute_of(&self, query: &AttributeQuery<'_>) -> Result<Value, Reason> {
        let node = query.node;
        if query.name == "tosca_name" {
            return Ok(Value::Str(Arc::clone(&node.name)));
        }
        if node.is_a(FUNCTION) && matches!(query.name, "endpoint" | "credential") {
            return self.of_function(query);
        }
        let group = self.group(query);
        let Some(first) = group.first().copied() else {
            return match declared_default(query) {
                Some(default) => Ok(default),
                None => Err(format!("there is no machine of `{}` yet", node.name)),
            };
        };
        // The first element says which machine, if it is a number.
        let at = query.path.first().and_then(index);
        let (vm, rest) = match at {
            Some(at) => (group[at.min(group.len() - 1)], query.path.get(1..).unwrap_or_default()),
            None => (first, query.path),
        };
        let missing = |what: &str| format!("the machine of `{}` has no {what} yet", node.name);
        let is_list = node.is_a(INDIGO_COMPUTE);
        let over = |of: &dyn Fn(&LiveVm) -> Option<String>, what: &str| -> Result<Value, Reason> {
            if is_list && at.is_none() {
                let all = group
                    .iter()
                    .map(|member| of(member.vm).map_or(Value::Null, Value::text).into());
                return Ok(Value::Seq(all.collect()));
            }
            of(vm.vm).map(Value::text).ok_or_else(|| missing(what))
        };
        match query.name {
            "tosca_id" => vm.vm.cloud_id.clone().map(Value::text).ok_or_else(|| missing("id")),
            "private_address" => over(&|vm| vm.private_ip.clone(), "private address"),
            "public_address" => over(&|vm| vm.public_ip.clone(), "public address"),
            "ip_address" if &*node.root_type == PORT => {
                let order = self.cx.property(node, "order").as_ref().and_then(index).unwrap_or(0);
                let ip = vm.vm.info.features.text(&format!("net_interface.{order}.ip"));
                ip.map(Value::text).ok_or_else(|| missing("address on this network"))
            }
            "ip_address" => {
                let ip = vm.vm.public_ip.as_ref().or(vm.vm.private_ip.as_ref());
                ip.map(|ip| Value::text(ip.as_str())).ok_or_else(|| missing("address"))
            }
            "ctxt_log" => self.live.log(vm.at).map(Value::text).ok_or_else(|| missing("log")),
            "ansible_output" => {
                let log = self.live.log(vm.at).ok_or_else(|| missing("log"))?;
                self.deep(&from_json(&ansible_output(&log)), rest, query)
            }
            "credential" => self.credentials(query, &group, at.map(|_| vm), rest),
            "tls_certificates" => {
                let all = certificates(&vm.vm.info.features);
                if all.is_empty() {
                    return Err(missing("certificates"));
                }
                self.deep(&Value::Map(all), rest, query)
            }
            "endpoints" if node.is_a(APPLICATION) => {
                let all = endpoints(&self.cx, node, vm.vm.public_ip.as_deref());
                let all = Value::Seq(all.into_iter().map(|text| Value::text(text).into()).collect());
                self.deep(&all, query.path, query)
            }
            name => {
                declared_default(query).ok_or_else(|| format!("attribute `{name}` of `{}` has no value", node.name))
            }
        }
    }

    /// A part of a value.
    #[allow(clippy::unused_self)] // Reads as the others.
    fn deep(&self, value: &Value, path: &[Node], query: &AttributeQuery<'_>) -> Result<Value, Reason> {
        member(value, path).ok_or_else(|| {
            let path: Vec<String> = path.iter().map(|key| crate::yaml::python_text(&key.value)).collect();
            format!(
                "`{}` of `{}` has no `{}` (yet)",
                query.name,
                query.node.name,
                path.join("/")
            )
        })
    }

    fn credentials(
        &self,
        query: &AttributeQuery<'_>,
        group: &[Member<'_>],
        one: Option<Member<'_>>,
        rest: &[Node],
    ) -> Result<Value, Reason> {
        let missing = || format!("no credentials of `{}` are known yet", query.node.name);
        if let Some(one) = one {
            let credential = credential(one.vm.info.credentials()).ok_or_else(missing)?;
            return self.deep(&credential, rest, query);
        }
        let all: Vec<Node> = group
            .iter()
            .map(|member| credential(member.vm.info.credentials()).unwrap_or(Value::Null).into())
            .collect();
        self.deep(&Value::Seq(all), rest, query)
    }

    fn of_function(&self, query: &AttributeQuery<'_>) -> Result<Value, Reason> {
        let node = query.node;
        if let Some(oscar) = oscar_of(self.cx.template, node) {
            if query.name == "credential" {
                let token = filled(self.cx.property(oscar, "password")).unwrap_or_default();
                return self.deep(&login("oscar", "password", &token), query.path, query);
            }
            if let Some(name) = dns_host(&self.cx, oscar) {
                return Ok(Value::text(format!("https://{name}")));
            }
            let vm = self.group(query).into_iter().next();
            let ip = vm.and_then(|member| member.vm.public_ip.clone().or_else(|| member.vm.private_ip.clone()));
            let ip = ip.ok_or_else(|| format!("the machine of `{}` has no address yet", node.name))?;
            return Ok(Value::text(format!("http://{ip}")));
        }
        let first = self.group(query).into_iter().next();
        let first = first.ok_or_else(|| format!("function `{}` is not there yet", node.name))?;
        let access = self
            .live
            .function(first.at)
            .ok_or_else(|| format!("the cloud of function `{}` does not tell how it is called", node.name))?;
        let FunctionAccess { endpoint, user, token } = access;
        if query.name == "endpoint" {
            return endpoint
                .map(Value::text)
                .ok_or_else(|| format!("the URL of function `{}` is not known yet", node.name));
        }
        let token = token.ok_or_else(|| format!("the credentials of function `{}` are not known", node.name))?;
        let value = match user {
            Some(user) => login(&user, "password", &token),
            None => login("", "bearer", &token),
        };
        self.deep(&value, query.path, query)
    }
}

fn login(user: &str, kind: &str, token: &str) -> Value {
    let mut map = Mapping::new();
    for (key, value) in [("user", user), ("token_type", kind), ("token", token)] {
        map.insert(key, Value::text(value).into());
    }
    Value::Map(map)
}

/// User and secret; a key is preferred to a password.
fn credential(known: Login<'_>) -> Option<Value> {
    let user = known.username?;
    match (known.private_key, known.password) {
        (Some(key), _) => Some(login(user, "private_key", key)),
        (None, Some(password)) => Some(login(user, "password", password)),
        (None, None) => None,
    }
}

/// Certificates by DNS name.
fn certificates(features: &Features) -> Mapping {
    let mut all = Mapping::new();
    for (name, _) in features.iter() {
        let Some(stem) = name.strip_suffix(".tls.certificate") else {
            continue;
        };
        let text = |name: String| features.text(&name).unwrap_or_default().to_owned();
        let dns = text(format!("{stem}.name"));
        if !stem.starts_with("net_interface.") || dns.is_empty() {
            continue;
        }
        let mut one = Mapping::new();
        one.insert("cert", Value::text(text(name.to_owned())).into());
        one.insert("key", Value::text(text(format!("{stem}.tls.private_key"))).into());
        all.insert(dns, Value::Map(one).into());
    }
    all
}

impl Attributes for LiveAttributes<'_> {
    fn attribute(&self, query: &AttributeQuery<'_>) -> Result<Option<Node>, Box<Diagnostic>> {
        match self.attribute_of(query) {
            Ok(Value::Null) => Ok(None),
            Ok(value) => Ok(Some(Node::new(value, query.at))),
            // An error, so that what is made of it is null too: `https://None/` helps nobody.
            Err(reason) => Err(Box::new(Diagnostic::error(codes::NOT_KNOWN, reason))),
        }
    }
}
