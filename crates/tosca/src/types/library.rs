//! Looks types up and puts together what they inherit.

use super::{
    CapabilityDefinition, Constraint, Definitions, Interfaces, RequirementDefinition, TypeDefinition, TypeKind,
    read_types,
};
use crate::{FileId, Limits, template::Artifact, yaml};
use im_radl::Diagnostic;
use indexmap::IndexMap;
use std::sync::{Arc, LazyLock};

/// The types of one file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layer {
    kinds: [IndexMap<Arc<str>, Arc<TypeDefinition>>; TypeKind::ALL.len()],
}

impl Layer {
    pub(crate) fn of(types: impl IntoIterator<Item = Arc<TypeDefinition>>) -> Self {
        let mut layer = Self::default();
        for made in types {
            layer.kinds[made.kind as usize].insert(Arc::clone(&made.name), made);
        }
        layer
    }

    /// What stands in a type file of our own.
    pub(crate) fn built_in(url: &str, text: &str) -> Self {
        let (root, _) = yaml::parse(text, FileId::of(url), &Limits::default());
        let (types, _) = root
            .as_ref()
            .and_then(yaml::Node::as_map)
            .map(read_types)
            .unwrap_or_default();
        Self::of(types)
    }

    pub(crate) fn get(&self, kind: TypeKind, name: &str) -> Option<&Arc<TypeDefinition>> {
        self.kinds[kind as usize].get(name)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<TypeDefinition>> {
        self.kinds.iter().flat_map(IndexMap::values)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.kinds.iter().all(IndexMap::is_empty)
    }
}

/// The names of the built-in files, as findings show them.
pub(crate) const NORMATIVE_URL: &str = "built-in:normative";
pub(crate) const MEC_URL: &str = "built-in:mec";
pub(crate) const NFV_URL: &str = "built-in:nfv";

static NORMATIVE: LazyLock<Arc<Layer>> =
    LazyLock::new(|| Arc::new(Layer::built_in(NORMATIVE_URL, crate::library::normative())));
static MEC: LazyLock<Arc<Layer>> = LazyLock::new(|| Arc::new(Layer::built_in(MEC_URL, crate::library::mec())));
static NFV: LazyLock<Arc<Layer>> = LazyLock::new(|| Arc::new(Layer::built_in(NFV_URL, crate::library::nfv())));

/// Every type that a document can use: its own, imported ones, and those that every document has.
#[derive(Clone, Debug)]
pub struct TypeLibrary {
    /// The first that has a type wins.
    layers: Vec<Arc<Layer>>,
}

impl Default for TypeLibrary {
    /// Only the normative types.
    fn default() -> Self {
        Self {
            layers: vec![Arc::clone(&NORMATIVE)],
        }
    }
}

impl TypeLibrary {
    /// Layers over those that a version of the language brings; the first wins.
    pub(crate) fn new(version: &str, mut layers: Vec<Arc<Layer>>) -> Self {
        match version {
            "tosca_simple_profile_for_mec_1_0_0" => layers.push(Arc::clone(&MEC)),
            "tosca_simple_profile_for_nfv_1_0_0" => layers.push(Arc::clone(&NFV)),
            _ => {}
        }
        layers.push(Arc::clone(&NORMATIVE));
        Self { layers }
    }

    fn exact(&self, kind: TypeKind, name: &str) -> Option<&Arc<TypeDefinition>> {
        self.layers.iter().find_map(|layer| layer.get(kind, name))
    }

    /// A type by its full name or by its short one: `Compute` and `tosca:Compute` are `tosca.nodes.Compute`.
    pub fn get(&self, kind: TypeKind, name: &str) -> Option<&Arc<TypeDefinition>> {
        if let Some(found) = self.exact(kind, name) {
            return Some(found);
        }
        let short = name.strip_prefix("tosca:").unwrap_or(name);
        kind.prefixes()
            .iter()
            .find_map(|prefix| self.exact(kind, &format!("{prefix}{short}")))
    }

    /// The names of all types of a kind.
    pub fn names(&self, kind: TypeKind) -> impl Iterator<Item = &Arc<str>> {
        self.layers
            .iter()
            .flat_map(move |layer| layer.kinds[kind as usize].keys())
    }

    /// A type, its parent and so on. Ends where a parent is unknown or has been met before.
    pub fn chain(&self, kind: TypeKind, name: &str) -> Vec<&Arc<TypeDefinition>> {
        let mut chain: Vec<&Arc<TypeDefinition>> = Vec::new();
        let mut next = self.get(kind, name);
        while let Some(found) = next {
            if chain.iter().any(|seen| Arc::ptr_eq(seen, found)) {
                break;
            }
            chain.push(found);
            next = found.derived_from.as_deref().and_then(|parent| self.get(kind, parent));
        }
        chain
    }

    /// Whether a type is another one or derives from it.
    pub fn is_a(&self, kind: TypeKind, name: &str, ancestor: &str) -> bool {
        let ancestor = self.get(kind, ancestor).map_or(ancestor, |found| &*found.name);
        self.chain(kind, name).iter().any(|found| &*found.name == ancestor)
    }

    /// A type with all that it inherits.
    pub fn flat(&self, kind: TypeKind, name: &str) -> Option<Flat> {
        let chain = self.chain(kind, name);
        let first = Arc::clone(chain.first()?);
        let mut flat = Flat {
            chain: chain.iter().map(|made| Arc::clone(&made.name)).collect(),
            root_type: root_of(&chain),
            definition: first,
            properties: IndexMap::new(),
            attributes: IndexMap::new(),
            capabilities: IndexMap::new(),
            requirements: Vec::new(),
            interfaces: Vec::new(),
            artifacts: IndexMap::new(),
            base: None,
            constraints: Vec::new(),
            findings: Vec::new(),
        };
        for made in chain {
            inherit(&mut flat.properties, &made.properties);
            inherit(&mut flat.attributes, &made.attributes);
            inherit(&mut flat.capabilities, &made.capabilities);
            inherit(&mut flat.artifacts, &made.artifacts);
            for requirement in &made.requirements {
                let same =
                    |known: &RequirementDefinition| known.name == requirement.name && known.whole == requirement.whole;
                if !flat.requirements.iter().any(same) {
                    flat.requirements.push(requirement.clone());
                }
            }
            if !made.interfaces.is_empty() {
                flat.interfaces.push(Arc::clone(&made.interfaces));
            }
            if flat.base.is_none() {
                flat.base.clone_from(&made.base);
            }
            flat.constraints.extend(made.constraints.iter().cloned());
            flat.findings
                .extend(made.findings.iter().map(|found| (made.at.file, found.clone())));
        }
        Some(flat)
    }
}

/// What a nearer type has not said.
fn inherit<V: Clone>(into: &mut IndexMap<Arc<str>, V>, from: &IndexMap<Arc<str>, V>) {
    for (name, value) in from {
        if !into.contains_key(name) {
            into.insert(Arc::clone(name), value.clone());
        }
    }
}

/// The ancestor just below one whose name ends in `.Root`; the last of the chain if there is none.
fn root_of(chain: &[&Arc<TypeDefinition>]) -> Arc<str> {
    let below = chain
        .iter()
        .position(|made| made.name.ends_with(".Root"))
        .map_or(chain.len().saturating_sub(1), |root| root.saturating_sub(1));
    chain
        .get(below)
        .map_or_else(|| Arc::from(""), |made| Arc::clone(&made.name))
}

/// A type with all that it inherits.
#[derive(Clone, Debug)]
pub struct Flat {
    /// The type itself.
    pub definition: Arc<TypeDefinition>,
    /// Its name, its parent's and so on.
    pub chain: Vec<Arc<str>>,
    /// The ancestor just below the root of all.
    pub root_type: Arc<str>,
    /// Properties: own ones over the parents'.
    pub properties: Definitions,
    /// Attributes.
    pub attributes: Definitions,
    /// Capabilities.
    pub capabilities: IndexMap<Arc<str>, CapabilityDefinition>,
    /// Requirements: entries that are not equal stand beside each other.
    pub requirements: Vec<RequirementDefinition>,
    /// Interfaces of each type of the chain that has some, the nearest first.
    pub interfaces: Vec<Arc<Interfaces>>,
    /// Artifacts.
    pub artifacts: IndexMap<Arc<str>, Artifact>,
    /// Of a data type: the simple type that it narrows.
    pub base: Option<Arc<str>>,
    /// Of a data type: what narrows it.
    pub constraints: Vec<Constraint>,
    /// What is wrong with the definitions, with the file of each.
    pub findings: Vec<(FileId, Diagnostic)>,
}

impl Flat {
    /// Whether it is a type or derives from it, by the full name.
    pub fn is_a(&self, name: &str) -> bool {
        self.chain.iter().any(|known| &**known == name)
    }
}
