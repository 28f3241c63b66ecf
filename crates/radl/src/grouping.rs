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
    pub fn groups(&self, homes: &BTreeMap<String, String>) -> Result<Vec<DeployGroup>, Box<Diagnostic>> {
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
        let groups = joined(
            self.deploys
                .iter()
                .map(|deploy| private_of.get(deploy.system.as_str()).cloned().unwrap_or_default()),
        );
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
    ) -> Result<(), Box<Diagnostic>> {
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
                    return Err(Box::new(
                        error.hint("name one cloud, or give the systems different private networks"),
                    ));
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

/// What shares a network becomes one, at the place of its first member.
fn joined<'a>(networks_of: impl Iterator<Item = BTreeSet<&'a str>>) -> Vec<Building<'a>> {
    let mut groups: Vec<Building<'a>> = Vec::new();
    // Which group a group has become a part of; and which group a network was seen in.
    let mut part_of: Vec<usize> = Vec::new();
    let mut group_of: HashMap<&str, usize> = HashMap::new();
    for (index, networks) in networks_of.enumerate() {
        let mut place = groups.len();
        part_of.push(place);
        for network in &networks {
            let there = *group_of.entry(network).or_insert(place);
            let (a, b) = (whole(&mut part_of, there), whole(&mut part_of, place));
            place = a.min(b);
            part_of[a.max(b)] = place;
        }
        groups.push(Building {
            deploys: vec![index],
            networks,
        });
    }
    // A group comes after the one that it is a part of.
    for at in (0..groups.len()).rev() {
        let into = whole(&mut part_of, at);
        if into != at {
            let deploys = std::mem::take(&mut groups[at].deploys);
            let networks = std::mem::take(&mut groups[at].networks);
            groups[into].deploys.extend(deploys);
            groups[into].networks.extend(networks);
        }
    }
    groups.retain(|group| !group.deploys.is_empty());
    for group in &mut groups {
        group.deploys.sort_unstable();
    }
    groups
}

/// The group that a group has become a part of in the end.
fn whole(part_of: &mut [usize], mut at: usize) -> usize {
    while part_of[at] != at {
        part_of[at] = part_of[part_of[at]];
        at = part_of[at];
    }
    at
}
