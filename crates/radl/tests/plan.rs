//! Plans: what a document means, and what it changes.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic)]

use im_radl::{Document, Plan, RunningVm, What, difference, parse};

const CLUSTER: &str = "
description cluster (name = 'my <cluster>')
network public (outbound = 'yes' and outports = '22/tcp-22/tcp,443/tcp-443/tcp')
network inside (create = 'yes' and cidr = '10.0.*.0/24')
system front (
  cpu.count >= 2 and memory.size >= 4GB and disk.0.os.name = 'linux' and disk.0.size >= 20GB and
  disk.0.image.url = 'ost://cloud.example.com/image' and availability_zone = 'b' and
  disk.1.size = 10GiB and disk.1.mount_path = '/pv' and disk.1.fstype = 'ext4' and
  disk.0.os.credentials.password = 'hidden' and
  disk.0.applications contains (name = 'ansible.roles.grycap.kubernetes') and
  net_interface.0.connection = 'inside' and net_interface.0.dns_name = 'front' and
  net_interface.1.connection = 'public' and net_interface.1.dns.0.name = 'dydns:hidden@front.example.com'
)
system wn (
  cpu.count >= 1.5 and memory.size >= 512M and gpu.count >= 1 and instance_type = 'g1' and spot = 'yes' and
  net_interface.0.connection = 'inside' and net_interface.0.dns_name = 'wn-#N#'
)
system lone (net_interface.0.connection = 'public')
system spare (net_interface.0.connection = 'public')
configure front_conf (
@begin
- tasks: []
@end
)
configure wn_conf (
@begin
- tasks: []
@end
)
contextualize (
  system front configure front_conf step 1
  system wn configure wn_conf step 2
  system lone configure wn_conf with cloud_init
)
deploy front 1
deploy wn 3 mycloud
deploy lone 2
";

fn document(text: &str) -> Document {
    let parsed = parse(text);
    assert!(parsed.is_ok(), "{:?}", parsed.diagnostics);
    parsed.document
}

#[test]
fn as_a_table() {
    insta::assert_snapshot!(Plan::of(&document(CLUSTER)).unwrap().to_string());
}

#[test]
fn as_a_graph() {
    insta::assert_snapshot!(Plan::of(&document(CLUSTER)).unwrap().to_dot());
}

#[test]
fn as_a_picture() {
    let svg = Plan::of(&document(CLUSTER)).unwrap().to_svg();
    assert!(svg.contains("my &lt;cluster&gt;"), "{svg}");
    assert!(!svg.contains("hidden"));
    insta::assert_snapshot!(svg);
}

#[test]
fn as_json_and_back() {
    let plan = Plan::of(&document(CLUSTER)).unwrap();
    let json = serde_json::to_string_pretty(&plan).unwrap();
    assert!(!json.contains("hidden"), "{json}");
    let back: Plan = serde_json::from_str(&json).unwrap();
    assert_eq!(back, plan);
}

#[test]
fn what_goes_to_one_cloud_counts_together() {
    let plan = Plan::of(&document(CLUSTER)).unwrap();
    let named = plan
        .clouds
        .iter()
        .find(|c| c.cloud.as_deref() == Some("mycloud"))
        .unwrap();
    // The front end shares the network, so it goes there too.
    assert_eq!(
        (named.machines, named.gpus, named.volumes, named.public_addresses),
        (4, 3, 1, 1)
    );
    assert!((named.cpus - 6.5).abs() < 1e-9);
    assert_eq!(named.together, [["front", "wn"]]);
    let chosen = plan.clouds.iter().find(|c| c.cloud.is_none()).unwrap();
    assert_eq!((chosen.machines, chosen.public_addresses), (2, 2));
}

#[test]
fn two_clouds_on_one_private_network_are_refused() {
    let text = "network n () system a (net_interface.0.connection = 'n') deploy a 1 x deploy a 1 y";
    assert!(Plan::of(&document(text)).is_err());
}

#[test]
fn nothing_at_all() {
    let empty = Plan::of(&Document::default()).unwrap();
    assert_eq!(
        empty.to_string(),
        "0 machines, 0 networks, no recipes\n\nNothing is configured\n"
    );
    assert!(empty.to_svg().ends_with("</svg>\n"));
    assert!(empty.to_dot().ends_with("}\n"));
}

#[test]
fn what_a_document_changes() {
    let stored = document(CLUSTER);
    let running: Vec<RunningVm> = [("0", "front"), ("1", "wn"), ("2", "wn"), ("3", "wn")]
        .iter()
        .map(|(id, system)| RunningVm {
            id: (*id).to_owned(),
            system: (*system).to_owned(),
        })
        .collect();
    let change = CLUSTER
        .replace("memory.size >= 512M", "memory.size >= 1G")
        .replace("password = 'hidden'", "password = 'other'")
        .replace("443/tcp-443/tcp", "80/tcp-80/tcp")
        .replace(
            "system wn configure wn_conf step 2",
            "system wn configure wn_conf step 3",
        )
        .replace("deploy front 1\n", "")
        .replace("deploy wn 3 mycloud\n", "")
        .replacen("- tasks: []", "- tasks: [{debug: {msg: hello}}]", 1);
    let changes = difference(&stored, &running, &document(&change), &["2".to_owned()]);
    let text = changes.to_string();
    assert!(!text.contains("hidden") && !text.contains("other"), "{text}");
    insta::assert_snapshot!(text);
    let json = serde_json::to_string(&changes).unwrap();
    assert_eq!(serde_json::from_str::<im_radl::Difference>(&json).unwrap(), changes);

    let mut same = stored.clone();
    same.deploys.clear();
    let none = difference(&stored, &running, &same, &[]);
    assert!(none.is_empty() && none.reconfigure);
    assert!(none.machines.iter().all(|m| m.what == What::Kept));
    assert_eq!(none.to_string(), "nothing changes\n");
}

#[test]
fn ports_are_told_as_people_say_them() {
    for (outports, told) in [
        ("22/tcp", "22/tcp"),
        ("22/tcp-22/tcp", "22/tcp"),
        ("8080-80", "8080->80/tcp"),
        ("0/tcp-80/tcp", "any->80/tcp"),
        ("1000:1010/udp", "1000-1010/udp"),
        ("0.0.0.0/0-443/tcp-443/tcp", "443/tcp"),
        ("10.0.0.0/8-80/tcp-8080/tcp", "80->8080/tcp from 10.0.0.0/8"),
        ("nonsense", "nonsense"),
    ] {
        let text = format!("network n (outbound = 'yes' and outports = '{outports}')");
        let document = im_radl::parse(&text).document;
        let table = Plan::of(&document).unwrap().to_string();
        let row = table.lines().find(|line| line.trim_start().starts_with("n ")).unwrap();
        assert!(row.ends_with(&format!("public  {told}")), "{outports}: {row}");
    }
}
