//! Which VMs must go to one cloud: those that share a private network, directly or through others.

use crate::{Deploy, Diagnostic, Document, Origin, codes};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// VMs that go to one cloud together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeployGroup {
    /// Which deploys of the document, and how many VMs of each.
    pub deploys: Vec<(usize, usize)>,
    /// The cloud that was named for any of them, or where a network of theirs already is.
    pub cloud: Option<String>,
    /// Their private networks.
    pub networks: BTreeSet<String>,
}

impl Document {
    /// The deploys in groups; VMs without a private network are groups of their own. `homes` tells at which cloud
    /// private networks already are.
    pub fn groups(&self, homes: &BTreeMap<String, String>) -> Result<Vec<DeployGroup>, Diagnostic> {
        let networks: HashMap<&str, bool> = self.networks.iter().map(|n| (n.id.as_str(), n.is_public())).collect();
        let private_of: HashMap<&str, BTreeSet<&str>> = self
            .systems
            .iter()
            .map(|system| {
                let all = system.interfaces().map(|i| i.connection);
                let private = all.filter(|id| !networks.get(id).copied().unwrap_or(false));
                (system.name.as_str(), private.collect())
            })
            .collect();
        let mut groups: Vec<Building<'_>> = Vec::new();
        for (index, deploy) in self.deploys.iter().enumerate() {
            let private = private_of.get(deploy.system.as_str()).cloned().unwrap_or_default();
            let mut joined = Building {
                deploys: vec![index],
                networks: private,
            };
            if joined.networks.is_empty() {
                groups.push(joined);
            } else {
                // Whatever shares a network with it becomes one with it, at the place of the first.
                let meets = |group: &Building<'_>| !group.networks.is_disjoint(&joined.networks);
                let place = groups.iter().position(meets);
                let (mut met, rest): (Vec<_>, Vec<_>) = groups.into_iter().partition(meets);
                groups = rest;
                for group in &mut met {
                    joined.networks.append(&mut group.networks);
                }
                let earlier = met.into_iter().flat_map(|group| group.deploys);
                joined.deploys = earlier.chain([index]).collect();
                joined.deploys.sort_unstable();
                let place = place.unwrap_or(groups.len()).min(groups.len());
                groups.insert(place, joined);
            }
        }
        let mut finished = Vec::new();
        for group in groups {
            self.finish(group, homes, &mut finished)?;
        }
        Ok(finished)
    }

    fn finish(
        &self,
        group: Building<'_>,
        homes: &BTreeMap<String, String>,
        finished: &mut Vec<DeployGroup>,
    ) -> Result<(), Diagnostic> {
        let members: Vec<(usize, &Deploy)> = group
            .deploys
            .iter()
            .filter_map(|index| Some((*index, self.deploys.get(*index)?)))
            .collect();
        if group.networks.is_empty() {
            for (index, deploy) in members {
                let one = DeployGroup {
                    deploys: vec![(index, deploy.count().min(1))],
                    cloud: deploy.cloud.clone(),
                    networks: BTreeSet::new(),
                };
                let singles = deploy.count().max(1);
                finished.extend(std::iter::repeat_n(one, singles));
            }
            return Ok(());
        }
        let mut cloud: Option<(String, String, Origin)> = None;
        let at_home = group.networks.iter().filter_map(|network| {
            let home = homes.get(*network)?;
            Some((
                home.clone(),
                format!("network `{network}` is already at cloud `{home}`"),
                Origin(None),
            ))
        });
        let named = members.iter().filter_map(|(_, deploy)| {
            let cloud = deploy.cloud.clone()?;
            let says = format!("`{deploy}` names cloud `{cloud}`");
            Some((cloud, says, deploy.at))
        });
        for (wanted, says, at) in at_home.chain(named) {
            match &cloud {
                Some((there, because, before)) if *there != wanted => {
                    let message = "Two deployments in the same private network cannot go to different clouds";
                    let error = Diagnostic::error(codes::SAME_CLOUD, format!("{message}: {because}, {says}"));
                    let error = error.at(if at.0.is_some() { at } else { *before });
                    return Err(error.hint("name one cloud, or give the systems different private networks"));
                }
                Some(_) => {}
                None => cloud = Some((wanted, says, at)),
            }
        }
        finished.push(DeployGroup {
            deploys: members.iter().map(|(index, deploy)| (*index, deploy.count())).collect(),
            cloud: cloud.map(|(cloud, _, _)| cloud),
            networks: group.networks.into_iter().map(str::to_owned).collect(),
        });
        Ok(())
    }
}

struct Building<'a> {
    deploys: Vec<usize>,
    networks: BTreeSet<&'a str>,
}
