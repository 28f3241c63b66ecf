//! The document: its aspects and how they are found.

use crate::{Feature, Features, Number, Origin};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A RADL document.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Document {
    /// Name and other facts for people.
    pub description: Option<Description>,
    /// Hosts that run Ansible, brought by the user.
    pub ansible: Vec<AnsibleHost>,
    /// Networks.
    pub networks: Vec<Network>,
    /// Kinds of VM.
    pub systems: Vec<System>,
    /// Recipes.
    pub configures: Vec<Configure>,
    /// What to run where; absent is not the same as empty.
    pub contextualize: Option<Contextualize>,
    /// How many VMs of which system.
    pub deploys: Vec<Deploy>,
}

/// A `description`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// Its id.
    pub id: String,
    /// Its features.
    pub features: Features,
    /// Its place.
    #[serde(skip)]
    pub at: Origin,
}

/// An `ansible`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AnsibleHost {
    /// Its id.
    pub id: String,
    /// Its features.
    pub features: Features,
    /// Its place.
    #[serde(skip)]
    pub at: Origin,
}

/// A `network`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Network {
    /// Its id.
    pub id: String,
    /// Whether it stands for one that the infrastructure already has.
    #[serde(default)]
    pub reference: bool,
    /// Its features.
    pub features: Features,
    /// Its place.
    #[serde(skip)]
    pub at: Origin,
}

/// A `system`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct System {
    /// Its id.
    pub name: String,
    /// Whether it stands for one that the infrastructure already has.
    #[serde(default)]
    pub reference: bool,
    /// Its features.
    pub features: Features,
    /// Its place.
    #[serde(skip)]
    pub at: Origin,
}

/// A `configure`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Configure {
    /// Its id.
    pub name: String,
    /// What it runs.
    pub recipe: Recipe,
    /// Its place.
    #[serde(skip)]
    pub at: Origin,
    /// The place of the recipe's first character.
    #[serde(skip)]
    pub recipe_at: Origin,
}

/// What a `configure` holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recipe {
    /// It stands for one that the infrastructure already has.
    Reference,
    /// Nothing: the system of that name is not contextualized.
    Disabled,
    /// Ansible YAML, without the line ends next to `@begin` and `@end`.
    Text(Arc<str>),
}

impl Configure {
    /// The recipe's text, if it has one.
    pub fn text(&self) -> Option<&str> {
        match &self.recipe {
            Recipe::Text(text) => Some(text),
            Recipe::Reference | Recipe::Disabled => None,
        }
    }
}

/// All `contextualize` of a document together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Contextualize {
    /// The longest it may take, in seconds; 0 is the service's default.
    pub max_time: Number,
    /// What to run where.
    pub items: Vec<ContextItem>,
    /// Options.
    pub options: Features,
    /// Its place.
    #[serde(skip)]
    pub at: Origin,
}

impl Default for Number {
    fn default() -> Self {
        Self::Int(0)
    }
}

/// Which recipe for which system.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContextItem {
    /// The system.
    pub system: String,
    /// The configure.
    pub configure: String,
    /// Its step, if said; without one it is 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<Number>,
    /// Its tool, if said; without one it is Ansible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// Its place.
    #[serde(skip)]
    pub at: Origin,
}

impl ContextItem {
    /// The step it runs at.
    pub fn step_number(&self) -> i64 {
        self.step.map_or(0, Number::as_i64)
    }

    /// Whether Ansible runs it.
    pub fn is_ansible(&self) -> bool {
        self.tool.as_deref().is_none_or(|tool| tool == "Ansible")
    }

    /// Whether cloud-init runs it.
    pub fn is_cloud_init(&self) -> bool {
        self.tool.as_deref() == Some("cloud_init")
    }
}

/// A `deploy`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deploy {
    /// The system.
    pub system: String,
    /// How many, as written.
    pub number: Number,
    /// The cloud, if said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud: Option<String>,
    /// Its place.
    #[serde(skip)]
    pub at: Origin,
}

impl Deploy {
    /// How many VMs.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Saturates.
    pub fn count(&self) -> usize {
        match self.number {
            Number::Int(count) => usize::try_from(count).unwrap_or(0),
            Number::Float(count) => count as usize,
        }
    }
}

impl Document {
    /// The network with this id.
    pub fn network(&self, id: &str) -> Option<&Network> {
        self.networks.iter().find(|network| network.id == id)
    }

    /// The network with this id, to change it.
    pub fn network_mut(&mut self, id: &str) -> Option<&mut Network> {
        self.networks.iter_mut().find(|network| network.id == id)
    }

    /// The system with this name.
    pub fn system(&self, name: &str) -> Option<&System> {
        self.systems.iter().find(|system| system.name == name)
    }

    /// The system with this name, to change it.
    pub fn system_mut(&mut self, name: &str) -> Option<&mut System> {
        self.systems.iter_mut().find(|system| system.name == name)
    }

    /// The configure with this name.
    pub fn configure(&self, name: &str) -> Option<&Configure> {
        self.configures.iter().find(|configure| configure.name == name)
    }

    /// The configure with this name, to change it.
    pub fn configure_mut(&mut self, name: &str) -> Option<&mut Configure> {
        self.configures.iter_mut().find(|configure| configure.name == name)
    }

    /// The Ansible host with this id.
    pub fn ansible_host(&self, id: &str) -> Option<&AnsibleHost> {
        self.ansible.iter().find(|host| host.id == id)
    }

    /// The infrastructure's name: the description's `name`.
    pub fn name(&self) -> Option<&str> {
        self.description.as_ref()?.features.text("name")
    }

    /// How many VMs its deploys ask for.
    pub fn vm_count(&self) -> usize {
        self.deploys
            .iter()
            .fold(0, |sum, deploy| sum.saturating_add(deploy.count()))
    }

    /// Draws the values that were left to chance: `draw(n)` answers `n` letters and digits.
    pub fn draw_randoms(&mut self, draw: &mut dyn FnMut(usize) -> String) {
        let description = self.description.iter_mut().map(|d| &mut d.features);
        let ansible = self.ansible.iter_mut().map(|a| &mut a.features);
        let networks = self.networks.iter_mut().map(|n| &mut n.features);
        let systems = self.systems.iter_mut().map(|s| &mut s.features);
        let all = description.chain(ansible).chain(networks).chain(systems);
        all.for_each(|features| draw_in(features, draw));
    }
}

fn draw_in(features: &mut Features, draw: &mut dyn FnMut(usize) -> String) {
    for entry in features.entries_mut() {
        match &mut entry.feature {
            Feature::Random(op, length) => entry.feature = Feature::Text(*op, draw(*length)),
            Feature::Groups(groups) => groups.values_mut().for_each(|group| draw_in(group, draw)),
            _ => {}
        }
    }
    for soft in features.softs_mut() {
        draw_in(&mut soft.features, draw);
    }
}
