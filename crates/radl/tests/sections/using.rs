//! Using documents: what is derived from them.

use crate::read;
use im_radl::{DeployGroup, Features, print};
use std::collections::BTreeMap;

#[test]
fn addresses_and_credentials() {
    let document = read(
        "network pub (outbound = 'yes') network priv ()
         system a (net_interface.0.connection = 'priv' and net_interface.0.ip = '10.0.0.1' and
                   disk.0.os.credentials.username = 'u' and disk.0.os.credentials.password = 'p')
         system b (net_interface.0.connection = 'priv' and net_interface.1.connection = 'pub' and net_interface.1.ip = '1.2.3.4' and
                   disk.0.os.credentials.username = 'u' and disk.0.os.credentials.private_key = 'k')
         system c (disk.0.os.credentials.new.password = 'Abcdef1!')",
    );
    assert_eq!(
        (document.public_ip(), document.private_ip()),
        (Some("1.2.3.4"), Some("10.0.0.1"))
    );
    assert!(!document.systems[0].credentials().is_key() && document.systems[1].credentials().is_key());
    assert!(document.systems[2].credentials().is_empty());
    assert_eq!(document.systems[2].new_credentials().password, Some("Abcdef1!"));
    assert_eq!(document.systems[1].interface_on("pub"), Some(1));
}

#[test]
fn interfaces_end_where_a_connection_is_missing() {
    // Only in documents of the service's own making: the checks refuse it.
    let text = "network n () system a (net_interface.0.connection = 'n' and net_interface.2.connection = 'n')";
    assert_eq!(im_radl::parse(text).document.systems[0].interfaces().count(), 1);
}

#[test]
fn defaults() {
    let mut defaults = Features::new();
    defaults.set_number("cpu.count", 1, "");
    defaults.set_number("memory.size", 512, "M");
    let document = read(
        "system a () system b (cpu.count >= 2) system c (soft 1 (memory.size >= 1G)) system d () deploy a 1 deploy b 1 deploy c 1 deploy d 0",
    );
    let complete = document.with_defaults(&defaults);
    let seen: Vec<_> = complete.systems.iter().map(|s| s.features.to_string()).collect();
    assert_eq!(
        seen,
        [
            "cpu.count = 1 and\nmemory.size = 512M",
            "cpu.count >= 2 and\nmemory.size = 512M",
            "cpu.count = 1 and\nsoft 1 ( memory.size >= 1G )",
            "",
        ]
    );
}

#[test]
fn grouping() {
    let none = BTreeMap::new();
    let private = "network p () system wn (net_interface.0.connection = 'p') ";
    let groups = read(&format!("{private} deploy wn 3 deploy wn 2"))
        .groups(&none)
        .unwrap();
    assert_eq!(groups.len(), 1);
    assert_eq!(groups[0].deploys, [(0, 3), (1, 2)]);
    let singles = read("system a () deploy a 20").groups(&none).unwrap();
    assert_eq!(singles.len(), 20);
    assert!(singles.iter().all(|group: &DeployGroup| group.deploys == [(0, 1)]));
    let error = read(&format!("{private} deploy wn 1 cloud0 deploy wn 1 cloud1"))
        .groups(&none)
        .unwrap_err();
    assert_eq!(error.code, "R0114");
    let zero = read("system a () deploy a 0 cloud").groups(&none).unwrap();
    assert_eq!(
        (zero.len(), zero[0].deploys[0].1, zero[0].cloud.as_deref()),
        (1, 0, Some("cloud"))
    );
}

#[test]
fn adding() {
    let stored = read(
        "description old () network n (outbound = 'no') ansible h (host='x' and credentials.username='u' and credentials.password='p')
         system a (cpu.count = 1) configure a (\n@begin\n- a\n@end\n) contextualize 5 (system a configure a step 1) deploy a 1",
    );
    let add = |text: &str| im_radl::parse(text).document.merge_into(&stored);
    for (rule, text, present) in [
        (
            "a description replaces",
            "description new () network n",
            "description new ()",
        ),
        (
            "a network is not redefined",
            "network n (outbound = 'yes')",
            "network n ( outbound = 'no' )",
        ),
        (
            "a new one is added",
            "network m (outbound = 'yes')",
            "network m ( outbound = 'yes' )",
        ),
        (
            "a host is not redefined",
            "ansible h (host='y' and credentials.username='u' and credentials.password='p')",
            "host = 'x'",
        ),
        ("a system replaces", "system a (cpu.count = 2)", "cpu.count = 2"),
        ("a configure replaces", "configure a (\n@begin\n- b\n@end\n)", "- b"),
        (
            "contextualize merges",
            "system a configure a contextualize 9 (system a configure a step 2)",
            "contextualize 9 (\nsystem a configure a step 2 \n)",
        ),
        ("deploys replace", "system a deploy a 7", "deploy a 7"),
        ("without a deploy they stay", "network q ()", "deploy a 1"),
        (
            "references become what is there",
            "network n system a configure a",
            "cpu.count = 1",
        ),
    ] {
        let merged = print(&add(text).unwrap());
        assert!(merged.contains(present), "{rule}: {merged}");
    }
    assert!(!print(&add("system a deploy a 7").unwrap()).contains("deploy a 1"));
    for (text, code) in [
        ("network x", "R0113"),
        ("system x deploy x 1", "R0113"),
        ("configure x", "R0113"),
        ("system a (spot = 'x')", "R0105"),
    ] {
        assert_eq!(add(text).unwrap_err()[0].code, code, "{text}");
    }
}

#[test]
fn reconfiguring() {
    let stored = read(
        "system a (cpu.count = 1 and disk.0.applications contains (name = 'micafer.hadoop')) configure a (\n@begin\n- a\n@end\n)",
    );
    let with = |text: &str| print(&stored.reconfigure_with(&im_radl::parse(text).document).unwrap());
    let merged = with(
        "system a (cpu.count = 5 and disk.0.applications contains (name = 'micafer.hadoop,1.0') and disk.0.os.credentials.new.password = 'x')",
    );
    assert!(
        merged.contains("micafer.hadoop,1.0") && !merged.contains("'micafer.hadoop'"),
        "{merged}"
    );
    assert!(
        merged.contains("new.password = 'x'") && merged.contains("cpu.count = 1") && !merged.contains("cpu.count = 5")
    );
    assert!(with("configure a (\n@begin\n- b\n@end\n)").contains("- b"));
    assert!(with("contextualize (system a configure a step 3)").contains("step 3"));
    assert_eq!(with("network n () system other ()"), print(&stored), "nothing else");
}
