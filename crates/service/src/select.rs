//! Which cloud gets which deploys: groups, scores, ties. Pure.

use im_radl::{Document, System};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The score of a system for which a cloud has nothing.
const NOTHING: f64 = -1e9;

/// Deploys that must go to one cloud, by their positions in the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) deploys: Vec<usize>,
    /// The private networks that hold them together.
    pub(crate) networks: BTreeSet<String>,
}

/// What a cloud would launch for a system, and how well that fits.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Offer {
    pub(crate) system: System,
    pub(crate) score: f64,
}

/// The best offer per cloud (by position) and system name.
pub(crate) type Offers = HashMap<(usize, String), Offer>;

/// Private networks of a system: those of its interfaces that the document does not declare public.
pub(crate) fn private_networks<'a>(document: &'a Document, system: &'a System) -> impl Iterator<Item = &'a str> {
    (0..)
        .map_while(|n| system.features.text(&format!("net_interface.{n}.connection")))
        .filter(|id| document.network(id).is_none_or(|network| !network.is_public()))
}

/// The groups. A deploy whose VMs share no private network with anybody is a group of its own: its VMs are alike, so
/// that one choice serves them all.
pub(crate) fn groups(document: &Document) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (position, deploy) in document.deploys.iter().enumerate() {
        let Some(system) = document.system(&deploy.system) else {
            continue;
        };
        let mut merged = Group {
            deploys: vec![position],
            networks: private_networks(document, system).map(str::to_owned).collect(),
        };
        let mut rest = Vec::with_capacity(groups.len() + 1);
        for group in groups {
            if group.networks.is_disjoint(&merged.networks) {
                rest.push(group);
            } else {
                merged.deploys.extend(group.deploys);
                merged.networks.extend(group.networks);
            }
        }
        merged.deploys.sort_unstable();
        rest.push(merged);
        groups = rest;
    }
    groups.sort_by_key(|g| g.deploys.first().copied());
    groups
}

/// The best of a cloud's candidates: softs applied and weighed.
pub(crate) fn best(candidates: Vec<System>) -> Option<Offer> {
    let mut best: Option<Offer> = None;
    for candidate in candidates {
        let (features, weight) = candidate.features.concrete();
        let score = weight * 10_000.0;
        if best.as_ref().is_none_or(|b| score > b.score) {
            let system = System { features, ..candidate };
            best = Some(Offer { system, score });
        }
    }
    best
}

/// The cloud of a group, by position in `clouds` (ids, in the order of the credentials). `pinned` says where private
/// networks already live.
pub(crate) fn choose(
    document: &Document,
    group: &Group,
    clouds: &[&str],
    pinned: &BTreeMap<String, String>,
    offers: &Offers,
) -> Result<usize, String> {
    let mut wanted: Vec<&str> = Vec::new();
    let hints = group.deploys.iter().filter_map(|d| document.deploys[*d].cloud.as_deref());
    let pins = group.networks.iter().filter_map(|n| pinned.get(n)).map(String::as_str);
    for id in hints.chain(pins) {
        if !wanted.contains(&id) {
            wanted.push(id);
        }
    }
    match wanted.as_slice() {
        [] => {}
        [id] => {
            return clouds
                .iter()
                .position(|cloud| cloud == id)
                .ok_or_else(|| format!("No auth data for cloud with ID: {id}"));
        }
        several => {
            return Err(format!(
                "Two deployments that have to be launched in the same cloud provider are asked to be deployed in \
                 different cloud providers: {}",
                several.join(", ")
            ));
        }
    }
    let mut chosen = None;
    for position in 0..clouds.len() {
        let mut score = 0.0;
        for deploy in group.deploys.iter().map(|d| &document.deploys[*d]) {
            let offer = offers.get(&(position, deploy.system.clone()));
            #[allow(clippy::cast_precision_loss)] // Counts of VMs.
            let weight = deploy.count().max(1) as f64;
            score += weight * offer.map_or(NOTHING, |o| o.score);
        }
        if chosen.is_none_or(|(best, _)| score > best) {
            chosen = Some((score, position));
        }
    }
    chosen
        .map(|(_, position)| position)
        .ok_or_else(|| "No cloud provider available".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Document {
        let parsed = im_radl::parse(text);
        assert!(parsed.is_ok(), "{:?}", parsed.diagnostics);
        parsed.document
    }

    const DOCUMENT: &str = "network a () network b () network p (outbound='yes')
        system x (net_interface.0.connection='a')
        system y (net_interface.0.connection='a' and net_interface.1.connection='b')
        system z (net_interface.0.connection='b')
        system q (net_interface.0.connection='p')
        system r (net_interface.0.connection='p')
        deploy x 1 deploy z 2 deploy q 3 deploy y 1 deploy r 1";

    #[test]
    fn shared_private_networks_hold_deploys_together() {
        let groups = groups(&read(DOCUMENT));
        let members: Vec<_> = groups.iter().map(|g| g.deploys.clone()).collect();
        assert_eq!(members, [vec![0, 1, 3], vec![2], vec![4]]);
    }

    #[test]
    fn the_best_score_wins_and_ties_go_to_the_first() {
        let document = read(DOCUMENT);
        let group = &groups(&document)[1];
        let offer = |score| Offer {
            system: System::default(),
            score,
        };
        let mut offers = Offers::new();
        let nowhere = BTreeMap::new();
        let cloud = |offers: &Offers| choose(&document, group, &["one", "two"], &nowhere, offers).unwrap();
        assert_eq!(cloud(&offers), 0);
        offers.insert((1, "q".into()), offer(0.0));
        assert_eq!(cloud(&offers), 1);
        offers.insert((0, "q".into()), offer(0.0));
        assert_eq!(cloud(&offers), 0);
        offers.insert((1, "q".into()), offer(10.0));
        assert_eq!(cloud(&offers), 1);
    }

    #[test]
    fn a_named_cloud_and_a_pinned_network_decide() {
        let document = read("network a () system x (net_interface.0.connection='a') deploy x 1 two");
        let group = &groups(&document)[0];
        let none = Offers::new();
        let nowhere = BTreeMap::new();
        assert_eq!(choose(&document, group, &["one", "two"], &nowhere, &none), Ok(1));
        assert_eq!(
            choose(&document, group, &["one"], &nowhere, &none),
            Err("No auth data for cloud with ID: two".to_owned())
        );
        let pinned = BTreeMap::from([("a".to_owned(), "one".to_owned())]);
        let conflict = choose(&document, group, &["one", "two"], &pinned, &none).unwrap_err();
        assert!(conflict.ends_with("different cloud providers: two, one"), "{conflict}");
    }

    #[test]
    fn softs_decide_between_candidates() {
        let document = read("system x (soft 5 (cpu.count=4))");
        let base = document.system("x").unwrap();
        let mut small = base.clone();
        small.features.set_number("cpu.count", 1, "");
        let mut large = base.clone();
        large.features.set_number("cpu.count", 4, "");
        let offer = best(vec![small, large]).unwrap();
        assert_eq!(offer.system.features.integer("cpu.count"), Some(4));
        assert!(offer.score >= 50_000.0 - 1e-9);
        assert!(best(Vec::new()).is_none());
    }
}
