//! From a valid TOSCA document to RADL: machines, networks, recipes, and how many of each.
//!
//! Pure: files that recipes need are asked for with [`Converted::wanted`]; the caller fetches them and comes back.
//! Never decides a random value, and never asks a cloud.

mod attributes;
mod compute;
mod container;
mod escapes;
mod fetch;
mod function;
mod graph;
mod hybrid;
mod json;
mod names;
mod network;
mod operations;
mod order;
mod policy;
mod ports;
mod recipe;
mod value;

pub use container::draw_container_ids;
pub use hybrid::image_site;

pub(crate) use attributes::{INDIGO_COMPUTE, declared_default, index, member};
pub(crate) use container::{APPLICATION, base_name, endpoints};
pub(crate) use function::{FUNCTION, dns_host, oscar_of};
pub(crate) use json::{from_json, json};
pub(crate) use network::PORT;
pub(crate) use value::filled;

use crate::{
    Limits, Node, NodeTemplate, Place, Template, codes,
    files::{Files, Wanted},
    functions::{Eval, Inputs, Link},
    template::{COMPUTE, Relationship, Requirement},
};
use im_radl::{
    AnsibleHost, ContextItem, Contextualize, Deploy, Description, Diagnostic, Document, Features, Number, Origin,
};
use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap, HashSet},
};

/// A machine that the infrastructure has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExistingVm {
    /// Its id.
    pub id: String,
    /// The system it was made from.
    pub system: String,
    /// When it was made, in seconds or any other unit that grows.
    pub created: i64,
    /// `scheme://host` of its image ([`image_site`]).
    pub image_site: Option<String>,
    /// The private networks it is on.
    pub private_networks: Vec<String>,
}

/// What the conversion has to know besides the document.
#[derive(Clone, Copy, Debug)]
pub struct ConvertContext<'a> {
    /// The values of inputs that were drawn ([`crate::functions::draw_inputs`]).
    pub inputs: &'a Inputs,
    /// Ids of containers ([`draw_container_ids`]).
    pub container_ids: &'a BTreeMap<String, String>,
    /// The machines of the infrastructure that is changed, in their order; none for a new one.
    pub existing: Option<&'a [ExistingVm]>,
    /// Bounds on what is read and made.
    pub limits: Limits,
}

/// The result of a conversion.
#[derive(Clone, Debug, Default)]
pub struct Converted {
    /// The document; none if there is an error or something is missing.
    pub document: Option<Document>,
    /// Ids of the machines to remove before anything is added.
    pub removals: Vec<String>,
    /// Files to fetch before converting again.
    pub wanted: Vec<Wanted>,
    /// What was found.
    pub diagnostics: Vec<Diagnostic>,
}

/// Converts a document.
pub fn convert(template: &Template, files: &Files, context: &ConvertContext<'_>) -> Converted {
    let cx = Cx::new(template, files, *context);
    let mut document = Document::default();
    let levels = order::Levels::of(&cx);
    cx.names.warn(&cx);
    cx.warn_policies();
    for node in template
        .nodes
        .values()
        .filter(|node| &*node.root_type == network::NETWORK)
    {
        let mut network = network::network(&cx, node);
        network.at = node.at.origin();
        network.features.place(network.at);
        document.networks.push(network);
    }
    for node in template.nodes.values() {
        let before = Parts::of(&document);
        node_to_radl(&cx, node, levels.get(node), &mut document);
        before.place_rest(&mut document, node.at.origin());
    }
    // Without any recipe there is nothing to run, and the empty form says so.
    items(&mut document);
    order_deploys(&mut document);
    hybrid::split(&cx, &mut document);
    document.description = describe(template);
    network::complete(&mut document);
    let wanted = cx.wanted.into_inner();
    let diagnostics = cx.findings.into_inner();
    let complete = wanted.is_empty() && !diagnostics.iter().any(Diagnostic::is_error);
    Converted {
        document: complete.then_some(document),
        removals: cx.removals.into_inner(),
        wanted,
        diagnostics,
    }
}

/// Nodes that are made into something where others refer to them.
const ELSEWHERE: [&str; 3] = ["tosca.nodes.BlockStorage", network::PORT, network::NETWORK];

fn node_to_radl(cx: &Cx<'_>, node: &NodeTemplate, level: i64, document: &mut Document) {
    if ELSEWHERE.contains(&&*node.root_type) {
        return;
    }
    if node.is_a("tosca.nodes.im.AnsibleHost") {
        document.ansible = vec![ansible_host(cx, node)];
        return;
    }
    if node.is_a(function::FUNCTION) {
        function::convert(cx, node, level, document);
        return;
    }
    if node.is_a(container::APPLICATION) {
        container::convert(cx, node, level, document);
        return;
    }
    let Some(host) = cx.host_of(node) else {
        // What others refer to may only be there for what it says.
        let serves = node.is_a(container::RUNTIME) || !cx.graph.incoming(node).is_empty();
        if operations::has_operations(cx, node) || !serves {
            let message = format!("node `{}` runs nowhere, so it has no effect", node.name);
            let found = Diagnostic::warning(codes::SUSPICIOUS, message)
                .hint("give it a `host` requirement that leads to a Compute node");
            cx.find(found, node.at);
        }
        return;
    };
    if &*node.root_type == COMPUTE {
        let mut system = compute::system(cx, node);
        network::connect(cx, node, &mut system.features, document);
        let name = system.name.clone();
        document.systems.push(system);
        cx.deploy(document, node, &name, cx.wanted(node));
    }
    if let Some((configure, item)) = operations::recipe(cx, node, host, level) {
        let id = free_configure(cx, document, &configure.name);
        items(document).push(ContextItem {
            configure: id.clone(),
            ..item
        });
        document.configures.push(im_radl::Configure { name: id, ..configure });
    }
}

/// How many of each kind a document has.
struct Parts {
    networks: usize,
    systems: usize,
    deploys: usize,
    configures: usize,
}

impl Parts {
    fn of(document: &Document) -> Self {
        Self {
            networks: document.networks.len(),
            systems: document.systems.len(),
            deploys: document.deploys.len(),
            configures: document.configures.len(),
        }
    }

    /// Says of what came after these where it was written, so that what is found in it later is found there.
    fn place_rest(&self, document: &mut Document, at: Origin) {
        for network in document.networks.iter_mut().skip(self.networks) {
            network.at = at;
            network.features.place(at);
        }
        for system in document.systems.iter_mut().skip(self.systems) {
            system.at = at;
            system.features.place(at);
        }
        document
            .deploys
            .iter_mut()
            .skip(self.deploys)
            .for_each(|deploy| deploy.at = at);
        for configure in document.configures.iter_mut().skip(self.configures) {
            configure.at = at;
        }
    }
}

/// A name for a configure that is not taken.
fn free_configure(cx: &Cx<'_>, document: &Document, wished: &str) -> String {
    let mut taken = cx.configures.borrow_mut();
    // Those of containers and functions have come since.
    let known = taken.len();
    taken.extend(document.configures.iter().skip(known).map(|made| made.name.clone()));
    let mut id = wished.to_owned();
    let mut n = 1;
    while taken.contains(&id) {
        n += 1;
        id = format!("{wished}_{n}");
    }
    id
}

/// The items of the document, which has some from now on, or the empty form.
fn items(document: &mut Document) -> &mut Vec<ContextItem> {
    &mut document.contextualize.get_or_insert_with(Contextualize::default).items
}

fn ansible_host(cx: &Cx<'_>, node: &NodeTemplate) -> AnsibleHost {
    let mut features = Features::new();
    if let Some(host) = value::filled(cx.property(node, "host")) {
        features.set_text("host", host);
    }
    if let Some(credential) = cx.property(node, "credential") {
        compute::credential(cx, &mut features, "credentials", &credential);
    }
    AnsibleHost {
        id: "ansible_host".to_owned(),
        features,
        at: Origin(None),
    }
}

/// Machines with a public network first, of those workers last; else as the document has them.
fn order_deploys(document: &mut Document) {
    let networks: HashSet<&str> = document
        .networks
        .iter()
        .filter(|network| network.is_public())
        .map(|network| &*network.id)
        .collect();
    let public: HashSet<&str> = document
        .systems
        .iter()
        .filter(|system| system.interfaces().any(|i| networks.contains(i.connection)))
        .map(|system| &*system.name)
        .collect();
    let rank = |deploy: &Deploy| match (public.contains(&*deploy.system), deploy.system.contains("wn")) {
        (true, false) => 0,
        (true, true) => 1,
        (false, _) => 2,
    };
    let mut deploys = document.deploys.clone();
    deploys.sort_by_key(rank);
    document.deploys = deploys;
}

/// Name and Kubernetes namespace.
fn describe(template: &Template) -> Option<Description> {
    let mut features = Features::new();
    for (key, feature) in [("infra_name", "name"), ("namespace", "namespace")] {
        if let Some(text) = value::filled(template.metadata.get(key).cloned()) {
            features.set_text(feature, text);
        }
    }
    (!features.is_empty()).then(|| Description {
        id: "desc".to_owned(),
        features,
        at: Origin(None),
    })
}

/// What every part of the conversion needs.
pub(crate) struct Cx<'a> {
    pub(crate) template: &'a Template,
    files: &'a Files,
    pub(crate) context: ConvertContext<'a>,
    limits: Limits,
    pub(crate) names: names::Names,
    graph: graph::Graph<'a>,
    findings: RefCell<Vec<Diagnostic>>,
    wanted: RefCell<Vec<Wanted>>,
    removals: RefCell<Vec<String>>,
    /// The number that the next network of a name will have.
    next_networks: RefCell<HashMap<&'static str, usize>>,
    /// Names of recipes, as many as the document had when one was last asked for.
    configures: RefCell<HashSet<String>>,
}

impl<'a> Cx<'a> {
    pub(crate) fn new(template: &'a Template, files: &'a Files, context: ConvertContext<'a>) -> Self {
        Self {
            template,
            files,
            context,
            limits: context.limits,
            names: names::Names::of(template),
            graph: graph::Graph::of(template),
            findings: RefCell::default(),
            wanted: RefCell::default(),
            removals: RefCell::default(),
            next_networks: RefCell::default(),
            configures: RefCell::default(),
        }
    }

    /// The compute node that a node is or runs on.
    pub(crate) fn host_of(&self, node: &NodeTemplate) -> Option<&'a NodeTemplate> {
        self.graph.host_of(node)
    }

    /// Keeps a finding, once.
    fn find(&self, finding: Diagnostic, at: Place) {
        self.keep(self.template.sources.locate(finding, at));
    }

    fn keep(&self, finding: Diagnostic) {
        let mut findings = self.findings.borrow_mut();
        if findings.len() < self.limits.diagnostics && !findings.contains(&finding) {
            findings.push(finding);
        }
    }

    /// A value with its functions evaluated; none if that fails.
    fn value(&self, using: &NodeTemplate, value: &Node) -> Option<Node> {
        self.linked_value(using, None, value)
    }

    /// The same, of a relationship.
    fn linked_value(&self, using: &NodeTemplate, link: Option<Link<'_>>, value: &Node) -> Option<Node> {
        let attributes = attributes::Expressions(self);
        let mut eval = Eval::new(self.template, self.context.inputs, &attributes).of_node(using);
        if let Some(link) = link {
            eval = eval.of_link(link);
        }
        match eval.value(value) {
            Ok(value) => Some(value),
            Err(finding) => {
                self.keep(*finding);
                None
            }
        }
    }

    /// A property of a node, evaluated; none if it has no value.
    pub(crate) fn property(&self, node: &NodeTemplate, name: &str) -> Option<Node> {
        self.value(node, node.properties.get(name)?)
            .filter(|value| !value.is_null())
    }

    /// A property of a relationship, evaluated.
    fn link_property(
        &self,
        node: &NodeTemplate,
        requirement: &Requirement,
        relationship: &Relationship,
        name: &str,
    ) -> Option<Node> {
        let target = self.template.nodes.get(&requirement.target)?;
        let link = Link {
            source: node,
            target,
            relationship,
        };
        let value = self.linked_value(node, Some(link), relationship.properties.get(name)?)?;
        Some(value).filter(|value| !value.is_null())
    }

    /// Deploys a system as often as it takes, or takes machines away.
    fn deploy(&self, document: &mut Document, node: &NodeTemplate, system: &str, wanted: i64) {
        let (add, removals) = self.change(node, system, wanted);
        self.removals.borrow_mut().extend(removals);
        if add > 0 {
            document.deploys.push(Deploy {
                system: system.to_owned(),
                number: Number::Int(add),
                cloud: self.placement(node, "cloud_id"),
                at: Origin(None),
            });
        }
    }
}
