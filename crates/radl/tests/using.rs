//! Using documents: adding, reconfiguring, grouping, names.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic, clippy::format_push_string)]

use im_radl::{Conflict, Document, Feature, Features, Missing, RequestedName, parse, print};
use std::collections::BTreeMap;

fn read(text: &str) -> Document {
    let parsed = parse(text);
    assert!(parsed.is_ok(), "{text}: {:?}", parsed.diagnostics);
    parsed.document
}

#[test]
fn adding_a_document() {
    let stored = read(
        "description d (name = 'old') network n (outbound = 'yes')
         system a (net_interface.0.connection = 'n' and cpu.count = 1) configure a (@begin\n- x\n@end\n) deploy a 1",
    );
    let merged = read("network n system a deploy a 3").merge_into(&stored).unwrap();
    assert_eq!(merged.deploys.len(), 1);
    assert_eq!(merged.deploys[0].count(), 3);
    assert!(!merged.systems[0].reference);
    let merged = read("description e (name = 'new') network n (outbound = 'no') system a (cpu.count = 2)")
        .merge_into(&stored)
        .unwrap();
    assert!(merged.network("n").unwrap().is_public());
    assert_eq!(merged.system("a").unwrap().cpu_count(), Some(2.into()));
    assert_eq!(merged.name(), Some("new"));
    assert_eq!(merged.deploys.len(), 1);
    let errors = read("network other").merge_into(&stored).unwrap_err();
    assert_eq!(
        errors[0].line_message(),
        "Line 1: Unknown reference in RADL to network `other`"
    );
    assert!(read("system a (spot = 1)").merge_into(&stored).is_err());
    assert!(read("").merge_into(&stored).unwrap() == stored);
}

#[test]
fn reconfiguring() {
    let stored = read(
        "system a (cpu.count = 1 and disk.0.applications contains (name = 'ansible.roles.hadoop'))
         configure a (@begin\n- x\n@end\n) deploy a 1",
    );
    let new = read(
        "system a (cpu.count = 9 and disk.0.os.credentials.new.password = 'x' and
           disk.0.applications contains (name = 'ansible.roles.hadoop,1.2') and disk.0.applications contains (name = 'y'))
         configure a (@begin\n- z\n@end\n) contextualize (system a configure a step 3)",
    );
    let merged = stored.reconfigure_with(&new).unwrap();
    let a = merged.system("a").unwrap();
    let applications: Vec<_> = a.applications().map(|a| a.name).collect();
    assert_eq!(applications, ["ansible.roles.hadoop,1.2", "y"]);
    assert_eq!(a.new_credentials().password, Some("x"));
    assert_eq!(a.cpu_count(), Some(1.into()));
    assert_eq!(merged.configure("a").unwrap().text(), Some("- z"));
    assert_eq!(merged.contextualize.as_ref().unwrap().items.len(), 1);
    assert_eq!(merged.deploys, stored.deploys);
    assert!(
        stored
            .reconfigure_with(&read("configure a (@begin\na: b: c\n@end\n)"))
            .is_err()
    );
}

#[test]
fn groups() {
    let none = BTreeMap::new();
    let document = read(
        "network pub (outbound = 'yes') network p () network q ()
         system a (net_interface.0.connection = 'p') system b (net_interface.0.connection = 'pub')
         system c (net_interface.0.connection = 'q' and net_interface.1.connection = 'p')
         system d (net_interface.0.connection = 'q')
         deploy a 3 deploy a 2 deploy b 20 deploy d 1 deploy c 1",
    );
    let groups = document.groups(&none).unwrap();
    assert_eq!(groups.len(), 21);
    assert_eq!(groups[0].deploys, [(0, 3), (1, 2), (3, 1), (4, 1)]);
    assert_eq!(groups[1].deploys, [(2, 1)]);
    let two = read("network p () system a (net_interface.0.connection = 'p') deploy a 1 cloud0 deploy a 1 cloud1");
    assert!(two.groups(&none).unwrap_err().message.contains("cloud1"));
    let home = BTreeMap::from([("p".to_owned(), "cloud0".to_owned())]);
    let one = read("network p () system a (net_interface.0.connection = 'p') deploy a 1");
    assert_eq!(one.groups(&home).unwrap()[0].cloud.as_deref(), Some("cloud0"));
    let elsewhere = read("network p () system a (net_interface.0.connection = 'p') deploy a 1 cloud1");
    assert!(elsewhere.groups(&home).is_err());
}

#[test]
fn names() {
    let document = read(
        "system a (net_interface.0.connection = 'n' and net_interface.1.connection = 'n' and
           net_interface.1.dns_name = 'wn-#N#.example.org' and net_interface.1.additional_dns_names = ['x@y.z'])
         system b (net_interface.0.dns_name = 'front')
         system c (net_interface.0.dns.0.name = 'dydns:s@host.domain' and net_interface.0.dns.1.name = 'b.c')",
    );
    let name = |system: &str, interface| document.system(system).unwrap().requested_name(7, interface);
    let pair = |host: &str, domain: &str| {
        Some(RequestedName {
            host: host.to_owned(),
            domain: domain.to_owned(),
        })
    };
    assert_eq!(name("a", 0), pair("vnode-7", "localdomain"));
    assert_eq!(name("a", 1), pair("wn-7", "example.org"));
    assert_eq!(name("b", 0), pair("front", "localdomain"));
    assert_eq!(name("b", 1), None);
    assert_eq!(name("c", 0), pair("dydns:s", "host.domain"));
    let more = document.system("a").unwrap().additional_names(7, 1);
    assert_eq!(more, [pair("x", "y.z").unwrap()]);
    assert_eq!(
        document.system("c").unwrap().additional_names(7, 0),
        [pair("b", "c").unwrap()]
    );
    assert_eq!(document.system("a").unwrap().interfaces().count(), 2);
}

#[test]
fn disks_and_defaults() {
    let document = read(
        "system a (disk.0.image.url = ['x','y'] and disk.1.size = 1G and disk.1.mount_path = '/m' and
           disk.2.image.url = 'z' and disk.4.size = 1G and soft 1 (cpu.count = 2)) deploy a 1 system b () deploy b 0",
    );
    let a = document.system("a").unwrap();
    assert_eq!(a.image_urls(), ["x", "y"]);
    let disks: Vec<_> = a.data_disks().map(|d| (d.n, d.size, d.mount_path)).collect();
    assert_eq!(disks, [(1, Some(1_000_000_000), Some("/m")), (2, None, None)]);
    let mut defaults = Features::new();
    defaults.set_text("cpu.arch", "x86_64");
    defaults.set_number("cpu.count", 1, "");
    let complete = document.with_defaults(&defaults);
    let a = complete.system("a").unwrap();
    assert!(a.features.contains("cpu.arch") && !a.features.contains("cpu.count"));
    assert!(!complete.system("b").unwrap().features.contains("cpu.arch"));
}

#[test]
fn policies_of_adding() {
    let at = im_radl::Origin(None);
    let mut features = Features::new();
    features.set_text("x", "old");
    for conflict in [Conflict::Me, Conflict::Ignore] {
        features
            .add("x", Feature::text("new"), at, conflict, Missing::Other)
            .unwrap();
        assert_eq!(features.text("x"), Some("old"));
    }
    features
        .add("x", Feature::text("new"), at, Conflict::Other, Missing::Other)
        .unwrap();
    assert_eq!(features.text("x"), Some("new"));
    assert!(
        features
            .add("y", Feature::number(1), at, Conflict::Error, Missing::Error)
            .is_err()
    );
    features
        .add("y", Feature::number(1), at, Conflict::Error, Missing::Ignore)
        .unwrap();
    assert!(!features.contains("y"));
    let mut more = Features::new();
    more.set_text("new", "value");
    more.set_text("x", "other");
    let before = features.clone();
    assert!(features.merge(&more, Conflict::Error, Missing::Other).is_err());
    assert_eq!(features, before);
}

#[test]
fn values_of_rows() {
    let mut features = Features::new();
    for (name, value) in [
        ("a", serde_json::json!("x")),
        ("b", serde_json::json!(5)),
        ("c", serde_json::json!(["x", "y"])),
        ("d", serde_json::json!([{"name": "x"}, {"name": "y", "version": "1"}])),
        ("e", serde_json::json!(1.5)),
    ] {
        features.set_json(name, &value).unwrap();
        assert_eq!(features.to_json_value(name), Some(value));
    }
    features.set_json("a", &serde_json::Value::Null).unwrap();
    assert!(!features.contains("a"));
    assert!(features.set_json("b", &serde_json::json!([1])).is_err());
}

#[test]
fn documents_are_serialised_whole() {
    let document =
        read("system a (x >= 1G and x < 3.5T and y contains (name = 'z') and soft 1.5 (v >= '1')) deploy a 1 c");
    let text = serde_json::to_string(&document).unwrap();
    let again: Document = serde_json::from_str(&text).unwrap();
    assert_eq!(print(&again), print(&document));
    assert_eq!(again, document);
}

#[test]
fn a_vm_is_printed_as_a_document() {
    let mut document = read("network n (outbound = 'yes') network m () system a (cpu.count = 1)");
    let vm = im_radl::print_vm(&document.networks, &document.systems[0]);
    assert_eq!(vm, print(&document));
    assert_eq!(
        vm,
        "network n ( outbound = 'yes' )\nnetwork m (  )\nsystem a (\ncpu.count = 1\n)\n\n"
    );
    let json = im_radl::vm_to_json(&document.networks, &document.systems[0]);
    assert_eq!(json, im_radl::to_json(&document));
    document.set_name("x");
    assert_eq!(document.name(), Some("x"));
    let ansible = im_radl::to_ansible_json(&document).to_string();
    assert!(ansible.contains(r#""cpu_count":1"#), "{ansible}");
}

#[test]
fn many_groups_at_once() {
    // Each system shares a network with the next: one group, found in no time.
    let mut text = String::new();
    let count = 5000;
    for n in 0..count {
        let next = n + 1;
        text += &format!(
            "network n{n} () system s{n} (net_interface.0.connection = 'n{n}' and net_interface.1.connection = 'n{next}') deploy s{n} 1\n"
        );
    }
    text += &format!("network n{count} ()");
    let groups = read(&text).groups(&BTreeMap::new()).unwrap();
    assert_eq!(groups.len(), 1);
    assert_eq!(groups[0].deploys.len(), count);
}
