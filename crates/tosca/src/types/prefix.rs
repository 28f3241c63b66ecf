//! Imports with a `namespace_prefix`: the types of the file get longer names, and what refers to them follows.

use super::{Layer, PropertyDefinition, TypeDefinition, TypeKind};
use std::sync::Arc;

/// The types of a file and of those that it imports, each named `PREFIX.name`.
pub(crate) fn prefixed(layers: &[Arc<Layer>], prefix: &str) -> Vec<Arc<Layer>> {
    let all = All(layers);
    layers
        .iter()
        .map(|layer| Arc::new(Layer::of(layer.iter().map(|made| Arc::new(all.rename(made, prefix))))))
        .collect()
}

/// What is renamed.
struct All<'a>(&'a [Arc<Layer>]);

impl All<'_> {
    fn name(&self, kind: TypeKind, name: &Arc<str>, prefix: &str) -> Arc<str> {
        if self.0.iter().any(|layer| layer.get(kind, name).is_some()) {
            Arc::from(format!("{prefix}.{name}"))
        } else {
            Arc::clone(name)
        }
    }

    fn rename(&self, made: &TypeDefinition, prefix: &str) -> TypeDefinition {
        let mut made = made.clone();
        let kind = made.kind;
        made.name = self.name(kind, &made.name, prefix);
        made.derived_from = made.derived_from.map(|parent| self.name(kind, &parent, prefix));
        for definition in made.properties.values_mut().chain(made.attributes.values_mut()) {
            *definition = Arc::new(self.property(definition, prefix));
        }
        for capability in made.capabilities.values_mut() {
            capability.type_name = self.name(TypeKind::Capability, &capability.type_name, prefix);
            for definition in capability.properties.values_mut() {
                *definition = Arc::new(self.property(definition, prefix));
            }
        }
        for requirement in &mut made.requirements {
            let rename = |kind, name: &mut Option<Arc<str>>| {
                if let Some(name) = name {
                    *name = self.name(kind, name, prefix);
                }
            };
            rename(TypeKind::Capability, &mut requirement.capability);
            rename(TypeKind::Node, &mut requirement.node);
            rename(TypeKind::Relationship, &mut requirement.relationship);
        }
        if made.interfaces.values().any(|interface| interface.type_name.is_some()) {
            let mut interfaces = (*made.interfaces).clone();
            for interface in interfaces.values_mut() {
                interface.type_name = interface
                    .type_name
                    .take()
                    .map(|name| self.name(TypeKind::Interface, &name, prefix));
            }
            made.interfaces = Arc::new(interfaces);
        }
        for artifact in made.artifacts.values_mut() {
            artifact.type_name = self.name(TypeKind::Artifact, &artifact.type_name, prefix);
        }
        made
    }

    fn property(&self, definition: &PropertyDefinition, prefix: &str) -> PropertyDefinition {
        let mut definition = definition.clone();
        definition.type_name = self.name(TypeKind::Data, &definition.type_name, prefix);
        definition.entry = definition.entry.map(|entry| Box::new(self.property(&entry, prefix)));
        definition
    }
}
