//! How many machines there shall be, and what changes in an infrastructure that exists.

use crate::{
    rules::{case, fetch},
    support::{Case, fetch_shared, folder},
};
use im_tosca::{Embedded, ExistingVm, Files};
use std::fs;

fn vms(all: &[(&str, &str, i64)]) -> Vec<ExistingVm> {
    all.iter()
        .map(|(id, system, created)| ExistingVm {
            id: (*id).to_owned(),
            system: (*system).to_owned(),
            created: *created,
            image_site: None,
            private_networks: Vec::new(),
        })
        .collect()
}

const INDIGO: &str = "tosca.nodes.indigo.Compute";
const PLAIN: &str = "tosca.nodes.Compute";

#[test]
fn counts_and_updates() {
    let with = |scalable: &str, kind: &str| {
        format!(
            "node_templates:\n  n: {{type: {kind}, capabilities: {{scalable: {{properties: {{{scalable}}}}}}}}}\n  m: {{type: tosca.nodes.indigo.Compute}}\n"
        )
    };
    let three = [("5", "n", 30), ("6", "n", 10), ("7", "n", 20), ("8", "m", 1)];
    for (scalable, kind, running, add, remove) in [
        ("", INDIGO, None, 1, vec![]),
        ("count: 3", INDIGO, None, 3, vec![]),
        ("count: 0", INDIGO, None, 0, vec![]),
        ("count: '2'", INDIGO, None, 2, vec![]),
        ("min_instances: 2, max_instances: 4", PLAIN, None, 2, vec![]),
        (
            "min_instances: 1, max_instances: 4, default_instances: 3",
            PLAIN,
            None,
            3,
            vec![],
        ),
        ("count: 5", INDIGO, Some(&three[..]), 2, vec![]),
        ("count: 3", INDIGO, Some(&three[..]), 0, vec![]),
        // The oldest go first.
        ("count: 1", INDIGO, Some(&three[..]), 0, vec!["6", "7"]),
        ("count: 1, removal_list: ['5']", INDIGO, Some(&three[..]), 0, vec!["5"]),
        ("count: 1, removal_list: [5]", INDIGO, Some(&three[..]), 0, vec!["5"]),
        (
            "count: 2, removal_list: ['5', '6']",
            INDIGO,
            Some(&three[..]),
            0,
            vec!["5"],
        ),
        // Another system's machine is not touched.
        (
            "count: 1, removal_list: ['8', '5']",
            INDIGO,
            Some(&three[..]),
            0,
            vec!["5"],
        ),
        ("count: 3, removal_list: ['5']", INDIGO, Some(&three[..]), 0, vec![]),
        ("count: 0", INDIGO, Some(&three[..]), 0, vec!["6", "7", "5"]),
    ] {
        let running = running.map(vms);
        let mut case = case(&with(scalable, kind)).unwrap_or_else(|error| panic!("{scalable}: {error}"));
        let converted = case.convert(running.as_deref(), &fetch);
        let document = converted
            .document
            .unwrap_or_else(|| panic!("{:?}", converted.diagnostics));
        let deployed: usize = document
            .deploys
            .iter()
            .filter(|d| d.system == "n")
            .map(im_radl::Deploy::count)
            .sum();
        assert_eq!(
            (deployed, converted.removals),
            (add, remove.iter().map(|id| (*id).to_owned()).collect()),
            "{scalable}"
        );
    }
}

#[test]
fn a_machine_of_another_cloud_joins_the_network_of_its_own() {
    let topology = "node_templates:\n  wn: {type: tosca.nodes.indigo.Compute, capabilities: {os: {properties: {image: 'ost://two.com/1'}}, scalable: {properties: {count: 2}}}}\n  a: {type: tosca.nodes.network.Network, properties: {network_type: private}}\n  b: {type: tosca.nodes.network.Network, properties: {network_type: private}}\n";
    let at = |id: &str, site: &str, network: &str| ExistingVm {
        image_site: Some(site.to_owned()),
        private_networks: vec![network.to_owned()],
        ..vms(&[(id, "x", 0)]).remove(0)
    };
    let existing = [at("0", "ost://one.com", "a"), at("1", "ost://two.com", "b")];
    let mut case = case(topology).unwrap_or_else(|error| panic!("{error}"));
    let document = case.convert(Some(&existing), &fetch).document.unwrap();
    let wn = document.system("wn").unwrap();
    assert_eq!(wn.features.text("net_interface.0.connection"), Some("b"));
}

/// Section 6: which of two machines goes.
#[test]
fn samples_that_remove() {
    let Some(folder) = folder() else {
        println!("not run: the documents are not beside the repository");
        return;
    };
    let fetch = |url: &str| {
        fetch_shared(&folder, url)
            .or_else(|| url.contains("artifacts/").then(|| "- tasks: []\n".to_owned()))
            .ok_or_else(|| "404".to_owned())
    };
    let running = vms(&[("0", "web_server", 1), ("1", "db_server", 5), ("2", "db_server", 10)]);
    for (name, removed) in [("tosca_remove_no_list", "1"), ("tosca_remove", "2")] {
        let path = folder.join("tosca").join("im-tests").join(format!("{name}.yml"));
        let text = fs::read_to_string(path).unwrap();
        let mut case =
            Case::load(&text, Files::new(Embedded::Prefer), &fetch).unwrap_or_else(|e| panic!("{name}: {e}"));
        let converted = case.convert(Some(&running), &fetch);
        assert_eq!(converted.removals, [removed], "{name}: {:?}", converted.diagnostics);
        assert!(converted.document.unwrap().deploys.is_empty(), "{name}");
    }
}
