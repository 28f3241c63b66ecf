//! How a document changes what an infrastructure already has: adding, completing references, reconfiguring.
//!
//! Never changes the stored document in place: the caller gets a new one, or the reasons against it.

use crate::{
    Applications, Conflict, Contextualize, Description, Diagnostic, Document, Feature, Features, Missing, Origin,
    Recipe, System, check, codes,
};

impl Document {
    /// With the references to networks, systems and configures replaced by what the infrastructure has.
    pub fn completed(&self, stored: &Document) -> Result<Document, Vec<Diagnostic>> {
        let mut complete = self.clone();
        let mut unknown = Vec::new();
        let mut miss = |class: &str, id: &str, at: Origin| {
            let message = format!("Unknown reference in RADL to {class} `{id}`");
            let error = Diagnostic::error(codes::UNKNOWN_REFERENCE, message).at(at);
            unknown.push(error.hint(format!("the infrastructure has no {class} of this name")));
        };
        for network in complete.networks.iter_mut().filter(|n| n.reference) {
            match stored.network(&network.id).filter(|n| !n.reference) {
                Some(there) => *network = there.clone(),
                None => miss("network", &network.id, network.at),
            }
        }
        for system in complete.systems.iter_mut().filter(|s| s.reference) {
            match stored.system(&system.name).filter(|s| !s.reference) {
                Some(there) => *system = there.clone(),
                None => miss("system", &system.name, system.at),
            }
        }
        for configure in complete.configures.iter_mut().filter(|c| c.recipe == Recipe::Reference) {
            match stored
                .configure(&configure.name)
                .filter(|c| c.recipe != Recipe::Reference)
            {
                Some(there) => *configure = there.clone(),
                None => miss("configure", &configure.name, configure.at),
            }
        }
        if unknown.is_empty() { Ok(complete) } else { Err(unknown) }
    }

    /// What an infrastructure's document becomes when this one, completed, is added to it. Errors of the checks on the
    /// result leave the old one standing.
    pub fn merge_into(&self, stored: &Document) -> Result<Document, Vec<Diagnostic>> {
        let new = self.completed(stored)?;
        let mut merged = stored.clone();
        if new.description.is_some() {
            merged.description = new.description;
        }
        for network in new.networks {
            if merged.network(&network.id).is_none() {
                merged.networks.push(network);
            }
        }
        for host in new.ansible {
            if merged.ansible_host(&host.id).is_none() {
                merged.ansible.push(host);
            }
        }
        for system in new.systems {
            match merged.system_mut(&system.name) {
                Some(there) => *there = system,
                None => merged.systems.push(system),
            }
        }
        merged.take_configures(new.configures);
        merged.take_contextualize(new.contextualize.as_ref());
        if !new.deploys.is_empty() {
            merged.deploys = new.deploys;
        }
        let errors: Vec<_> = check(&merged).into_iter().filter(Diagnostic::is_error).collect();
        if errors.is_empty() { Ok(merged) } else { Err(errors) }
    }

    /// What an infrastructure's document becomes when it is reconfigured with another: configures, contextualize, new
    /// credentials and applications of systems of the same name; nothing else.
    pub fn reconfigure_with(&self, new: &Document) -> Result<Document, Vec<Diagnostic>> {
        let errors: Vec<_> = new.yaml_errors();
        if !errors.is_empty() {
            return Err(errors);
        }
        let mut merged = self.clone();
        let defined = new.configures.iter().filter(|c| c.recipe != Recipe::Reference);
        merged.take_configures(defined.cloned().collect());
        merged.take_contextualize(new.contextualize.as_ref());
        for system in &new.systems {
            if let Some(there) = merged.system_mut(&system.name) {
                there.reconfigure_with(system);
            }
        }
        Ok(merged)
    }

    fn yaml_errors(&self) -> Vec<Diagnostic> {
        let only = Document {
            configures: self.configures.clone(),
            ..Document::default()
        };
        check(&only).into_iter().filter(Diagnostic::is_error).collect()
    }

    fn take_configures(&mut self, configures: Vec<crate::Configure>) {
        for configure in configures {
            match self.configure_mut(&configure.name) {
                Some(there) => *there = configure,
                None => self.configures.push(configure),
            }
        }
    }

    fn take_contextualize(&mut self, new: Option<&Contextualize>) {
        if let Some(new) = new {
            self.contextualize.get_or_insert_default().merge(new);
        }
    }

    /// Sets the infrastructure's name.
    pub fn set_name(&mut self, name: &str) {
        let description = self.description.get_or_insert_with(|| Description {
            id: "desc".to_owned(),
            ..Description::default()
        });
        description.features.set_text("name", name);
    }

    /// Sets what systems that are deployed do not say, not even among their softs.
    #[must_use]
    pub fn with_defaults(&self, defaults: &Features) -> Document {
        let mut complete = self.clone();
        let deployed: Vec<&str> = self
            .deploys
            .iter()
            .filter(|d| d.count() > 0)
            .map(|d| d.system.as_str())
            .collect();
        for system in &mut complete.systems {
            if deployed.contains(&system.name.as_str()) {
                system.set_defaults(defaults);
            }
        }
        complete
    }
}

impl System {
    /// Sets what it does not say, not even among its softs.
    pub fn set_defaults(&mut self, defaults: &Features) {
        for (name, entry) in defaults.entries() {
            let soft = self.features.softs().iter().any(|soft| soft.features.contains(name));
            if !soft && !self.features.contains(name) {
                self.features.set(name, entry.feature.clone());
            }
        }
    }

    /// Takes new credentials and applications of another system.
    pub fn reconfigure_with(&mut self, new: &System) {
        for (name, feature) in new.features.iter() {
            if name.contains(".credentials.new.") {
                self.features.set(name, feature.clone());
            }
        }
        let mut applications: Vec<Features> = self.features.groups(APPLICATIONS).cloned().collect();
        let before = applications.len();
        for application in new.features.groups(APPLICATIONS) {
            let name = Applications::bare_name(application);
            match applications
                .iter_mut()
                .find(|there| Applications::bare_name(there) == name)
            {
                Some(there) => *there = application.clone(),
                None => applications.push(application.clone()),
            }
        }
        if before > 0 || !applications.is_empty() {
            let groups = applications.into_iter().map(|group| (group.group_key(), group));
            self.features.set(APPLICATIONS, Feature::Groups(groups.collect()));
        }
    }

    /// With its softs applied as far as they go, and the sum of the weights of those that were.
    pub fn concrete(&self) -> (System, f64) {
        let (features, score) = self.features.concrete();
        let system = System {
            features,
            ..self.clone()
        };
        (system, score)
    }

    /// Adds the features of another, whose values win.
    pub fn apply(&mut self, other: &Features) {
        for (name, entry) in other.entries() {
            let feature = entry.feature.clone();
            let added = self
                .features
                .add(name, feature.clone(), entry.at, Conflict::Other, Missing::Other);
            if added.is_err() {
                self.features.set(name, feature);
            }
        }
    }
}

/// What the boot disk holds and must hold.
pub(crate) const APPLICATIONS: &str = "disk.0.applications";

impl Default for crate::Configure {
    fn default() -> Self {
        Self {
            name: String::new(),
            recipe: Recipe::Disabled,
            at: Origin(None),
            recipe_at: Origin(None),
        }
    }
}
