//! Which cloud gets which deploys: what clouds are offered, scores, ties. Pure.

use crate::options::ServiceOptions;
use im_radl::{DeployGroup, Document, Feature, Features, Interval, Number, Op, System};
use std::collections::HashMap;

/// The score of a system for which a cloud has nothing.
const NOTHING: f64 = -1e9;
const APPLICATIONS: &str = "disk.0.applications";

/// What a cloud would launch for a system, and how well that fits.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Offer {
    pub(crate) system: System,
    pub(crate) score: f64,
}

/// The best offer per cloud (by position) and system name.
pub(crate) type Offers = HashMap<(usize, String), Offer>;

/// What systems that say nothing get.
pub(crate) fn defaults(options: &ServiceOptions) -> Features {
    let at_least = |value: i64, unit: &str| Feature::Number(Interval::new(Op::Ge, Number::Int(value), unit));
    let mut features = Features::new();
    features.set("cpu.count", at_least(options.default_cpus, ""));
    features.set(
        "memory.size",
        at_least(options.default_memory, &options.default_memory_unit),
    );
    features.set_text("cpu.arch", options.default_arch.clone());
    features
}

/// The system as offered to clouds: defaults filled in, applications taken out (they come back afterwards).
pub(crate) fn offered(system: &System, options: &ServiceOptions) -> System {
    let mut system = system.clone();
    system.set_defaults(&defaults(options));
    system.features.remove(APPLICATIONS);
    system
}

/// The best of a cloud's candidates: softs applied and weighed. It gets the applications that were asked for back.
pub(crate) fn best(candidates: Vec<System>, asked: &System) -> Option<Offer> {
    let mut best: Option<Offer> = None;
    for candidate in candidates {
        let (system, weight) = candidate.concrete();
        let score = weight * 10_000.0;
        if best.as_ref().is_none_or(|b| score > b.score) {
            best = Some(Offer { system, score });
        }
    }
    let mut best = best?;
    if let Some(applications) = asked.features.get(APPLICATIONS) {
        best.system.features.set(APPLICATIONS, applications.clone());
    }
    Some(best)
}

/// The cloud of a group, by position in `clouds` (ids, in the order of the credentials).
pub(crate) fn choose(
    document: &Document,
    group: &DeployGroup,
    clouds: &[&str],
    offers: &Offers,
) -> Result<usize, String> {
    if let Some(id) = group.cloud.as_deref() {
        return clouds
            .iter()
            .position(|cloud| *cloud == id)
            .ok_or_else(|| format!("No auth data for cloud with ID: {id}"));
    }
    let mut chosen = None;
    for position in 0..clouds.len() {
        let mut score = 0.0;
        for (deploy, count) in &group.deploys {
            let Some(deploy) = document.deploys.get(*deploy) else {
                continue;
            };
            let offer = offers.get(&(position, deploy.system.clone()));
            #[allow(clippy::cast_precision_loss)] // Counts of VMs.
            let weight = (*count).max(1) as f64;
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
    use std::collections::BTreeMap;

    fn read(text: &str) -> Document {
        let parsed = im_radl::parse(text);
        assert!(parsed.is_ok(), "{:?}", parsed.diagnostics);
        parsed.document
    }

    fn group(document: &Document) -> DeployGroup {
        document.groups(&BTreeMap::new()).unwrap().remove(0)
    }

    #[test]
    fn the_best_score_wins_and_ties_go_to_the_first() {
        let document = read("system q () deploy q 1");
        let group = group(&document);
        let offer = |score| Offer {
            system: System::default(),
            score,
        };
        let mut offers = Offers::new();
        let cloud = |offers: &Offers| choose(&document, &group, &["one", "two"], offers).unwrap();
        assert_eq!(cloud(&offers), 0);
        offers.insert((1, "q".into()), offer(0.0));
        assert_eq!(cloud(&offers), 1);
        offers.insert((0, "q".into()), offer(0.0));
        assert_eq!(cloud(&offers), 0);
        offers.insert((1, "q".into()), offer(10.0));
        assert_eq!(cloud(&offers), 1);
    }

    #[test]
    fn a_named_cloud_decides() {
        let document = read("network a () system x (net_interface.0.connection='a') deploy x 1 two");
        let group = group(&document);
        let none = Offers::new();
        assert_eq!(choose(&document, &group, &["one", "two"], &none), Ok(1));
        assert_eq!(
            choose(&document, &group, &["one"], &none),
            Err("No auth data for cloud with ID: two".to_owned())
        );
    }

    #[test]
    fn softs_decide_between_candidates() {
        let document = read("system x (disk.0.applications contains (name='a') and soft 5 (cpu.count=4))");
        let asked = document.system("x").unwrap();
        let base = offered(asked, &ServiceOptions::default());
        assert!(!base.features.contains(APPLICATIONS));
        assert!(!base.features.contains("cpu.count"));
        assert_eq!(base.features.bytes("memory.size"), Some(512_000_000));
        let mut small = base.clone();
        small.features.set_number("cpu.count", 1, "");
        let offer = best(vec![small, base], asked).unwrap();
        assert_eq!(offer.system.features.integer("cpu.count"), Some(4));
        assert!(offer.system.features.contains(APPLICATIONS));
        assert!(best(Vec::new(), asked).is_none());
    }
}
