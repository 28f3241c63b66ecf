//! What the checks require.

use crate::{findings, read, system_table, table};
use im_radl::{Document, check, first_error};

#[test]
fn networks() {
    table(&[
        (
            "outbound, any case",
            "network n (outbound = 'yes') network m (outbound = 'NO')",
            "",
        ),
        ("outbound, nothing else", "network n (outbound = 'true')", "R0105"),
        ("outbound is a string", "network n (outbound = 1)", "R0103"),
        ("outbound takes one operator", "network n (outbound > 'yes')", "R0104"),
        ("outports is a string", "network n (outports = 22)", "R0103"),
        ("provider_id is a string", "network n (provider_id = 5)", "R0103"),
        ("others are free", "network n (create = 5 and cidr = ['x'])", ""),
        ("references pass", "network n", ""),
    ]);
    // In capitals it is public, too.
    assert!(read("network n (outbound = 'YES')").networks[0].is_public());
    assert!(!read("network n ()").networks[0].is_public());
    let hint = &findings("network n (outbound = 'yess')")[0];
    assert!(hint.message.contains("YES, NO") && hint.hint.as_ref().unwrap().contains("YES"));
}

#[test]
fn systems() {
    system_table(&[
        ("spot", "spot = 'Yes'", ""),
        ("spot", "spot = 'maybe'", "R0105"),
        ("image_type", "image_type = 'qcow2'", ""),
        ("image_type", "image_type = 'iso'", "R0105"),
        ("virtual_system_type", "virtual_system_type = 1", "R0103"),
        ("price", "price >= 0.5", ""),
        ("price", "price = '1'", "R0103"),
        ("cpu.count", "cpu.count >= 0", ""),
        ("cpu.count, a float", "cpu.count >= 0.5", ""),
        ("cpu.count, a list", "cpu.count = ['1']", "R0103"),
        ("cpu.count, a group", "cpu.count contains ()", "R0103"),
        ("cpu.arch", "cpu.arch = 'i386'", ""),
        ("cpu.arch", "cpu.arch = 'X86_64'", ""),
        ("cpu.arch of others", "cpu.arch = 'i686'", "R0907"),
        ("cpu.arch of others", "cpu.arch = 'arm64'", "R0907"),
        ("cpu.arch of others", "cpu.arch = 'AArch64'", "R0907"),
        ("cpu.arch, unknown", "cpu.arch = 'sparc'", "R0105"),
        ("cpu.arch takes one operator", "cpu.arch >= 'x86_64'", "R0104"),
        ("memory.size", "memory.size >= 512", ""),
        ("memory.size, a float", "memory.size >= 1.5G", "R0103"),
        ("memory.size, a string", "memory.size = '1G'", "R0103"),
        (
            "a password, strong",
            "disk.0.os.credentials.new.password = 'Abcde1!'",
            "",
        ),
        (
            "a password, short",
            "disk.0.os.credentials.new.password = 'Abcd1!'",
            "R0111",
        ),
        (
            "a password, no capital",
            "disk.0.os.credentials.new.password = 'abcdef1!'",
            "R0111",
        ),
        (
            "a password, no digit",
            "disk.0.os.credentials.new.password = 'Abcdefg!'",
            "R0111",
        ),
        (
            "a password, nothing else",
            "disk.0.os.credentials.new.password = 'Abcdefg1'",
            "R0111",
        ),
        (
            "of the boot disk only",
            "disk.0.size = 1G and disk.1.os.credentials.new.password = 'x'",
            "",
        ),
        ("ansible_host", "ansible_host = 'nobody'", "R0107"),
        (
            "anything else is free",
            "whatever = 1 and other = ['x'] and more contains (y = 1)",
            "",
        ),
        ("softs are looked at", "soft 1 (cpu.arch = 'sparc')", "R0105"),
        (
            "softs in softs, too",
            "soft 1 (cpu.count = 1 and soft 2 (spot = 1))",
            "R0103",
        ),
        (
            "indices of softs are free",
            "soft 1 (disk.3.size = 1G and net_interface.7.ip = '1.2.3.4')",
            "",
        ),
        ("but they are indices", "soft 1 (disk.x.size = 1G)", "R0108"),
    ]);
    table(&[
        (
            "ansible_host",
            "ansible h (host = 'x' and credentials.username = 'u' and credentials.password = 'p') system a (ansible_host = 'h')",
            "",
        ),
        ("an empty list of features", "system a ()", ""),
        ("references pass", "system a", ""),
    ]);
}

#[test]
fn interfaces() {
    let network = "network n () ";
    let rows = [
        ("a connection", "net_interface.0.connection = 'n'", ""),
        (
            "to a network of the document",
            "net_interface.0.connection = 'm'",
            "R0107",
        ),
        ("is a string", "net_interface.0.connection = 5", "R0103"),
        ("from 0", "net_interface.1.connection = 'n'", "R0108"),
        (
            "without gaps",
            "net_interface.0.connection = 'n' and net_interface.2.connection = 'n'",
            "R0108",
        ),
        ("an address needs one", "net_interface.0.ip = '1.2.3.4'", "R0109"),
        (
            "a name needs one",
            "net_interface.0.connection = 'n' and net_interface.1.dns_name = 'x'",
            "R0109",
        ),
        (
            "an address is a string",
            "net_interface.0.connection = 'n' and net_interface.0.ip = 5",
            "R0103",
        ),
        (
            "what else there is does not count",
            "net_interface.3.additional_ip = 'x' and net_interface.4.ipv6 = 'y' and net_interface.5.dns.0.name = 'z'",
            "",
        ),
        ("an index is a number", "net_interface.eth0.connection = 'n'", "R0108"),
        ("and not negative", "net_interface.-1.connection = 'n'", "R0108"),
        ("even where nobody looks", "net_interface.eth0.whatever = 'n'", "R0108"),
    ];
    for (rule, features, expected) in rows {
        let text = format!("{network}system a ({features})");
        assert_eq!(crate::codes(&text), expected, "{rule}");
    }
    table(&[(
        "to a reference",
        "network m system a (net_interface.0.connection = 'm')",
        "",
    )]);
}

#[test]
fn disks() {
    system_table(&[
        ("an image", "disk.0.image.url = 'one://x/1'", ""),
        ("images", "disk.0.image.url = ['one://x/1','docker://x']", ""),
        ("no number", "disk.0.image.url = 5", "R0103"),
        ("a size", "disk.0.size >= 1.5GB and disk.0.free_size = 1G", ""),
        ("no string", "disk.0.size = '1G'", "R0103"),
        (
            "strings",
            "disk.0.image.name = 'a' and disk.0.type = 'b' and disk.0.device = 'c' and disk.0.mount_path = 'd' and disk.0.fstype = 'e' and disk.0.os.flavour = 'f'",
            "",
        ),
        (
            "credentials",
            "disk.0.os.credentials.username = 'a' and disk.0.os.credentials.password = 'b' and disk.0.os.credentials.private_key = 'c' and disk.0.os.credentials.public_key = 'd'",
            "",
        ),
        ("no numbers", "disk.0.device = 1", "R0103"),
        ("a system", "disk.0.os.name = 'Mac OS X'", ""),
        ("a system, unknown", "disk.0.os.name = 'beos'", "R0105"),
        ("a version", "disk.0.os.version = '22.04'", ""),
        ("a version, empty", "disk.0.os.version = ''", ""),
        (
            "a version, compared",
            "disk.0.os.version >= '22' and disk.0.os.flavour = 'x'",
            "",
        ),
        ("no version", "disk.0.os.version = '22.04 LTS'", "R0105"),
        ("no version", "disk.0.os.version = '22..04'", "R0105"),
        ("no number", "disk.0.os.version = 22.04", "R0103"),
        ("an index is a number", "disk.foo.size = 1G", "R0108"),
        ("without gaps", "disk.0.size = 1G and disk.2.size = 1G", "R0108"),
        ("data disks alone, with a warning", "disk.1.size = 1G", "R0907"),
        (
            "several of them",
            "disk.1.size = 1G and disk.2.image.url = 'x'",
            "R0907",
        ),
        ("but without gaps", "disk.1.size = 1G and disk.3.size = 1G", "R0108"),
        ("and from 1", "disk.2.size = 1G", "R0108"),
        (
            "what else there is does not count",
            "disk.0.size = 1G and disk.5.content = 'x'",
            "",
        ),
        (
            "applications",
            "disk.0.applications contains (name = 'a' and path = '/b' and version >= '1.2' and preinstalled = 'NO')",
            "",
        ),
        ("applications are groups", "disk.0.applications = 'a'", "R0103"),
        (
            "their names are not empty",
            "disk.0.applications contains (name = '')",
            "R0105",
        ),
        ("nor their paths", "disk.0.applications contains (path = '')", "R0105"),
        (
            "their versions are versions",
            "disk.0.applications contains (name = 'a' and version = 'new')",
            "R0105",
        ),
        (
            "and they are installed or not",
            "disk.0.applications contains (name = 'a' and preinstalled = 'maybe')",
            "R0105",
        ),
    ]);
}

#[test]
fn ansible_hosts() {
    let all = "host = 'x' and credentials.username = 'u'";
    for (rule, features, expected) in [
        ("a password", format!("{all} and credentials.password = 'p'"), ""),
        ("a key", format!("{all} and credentials.private_key = 'k'"), ""),
        ("neither", all.to_owned(), "R0109"),
        (
            "no user",
            "host = 'x' and credentials.password = 'p'".to_owned(),
            "R0109",
        ),
        (
            "no host",
            "credentials.username = 'u' and credentials.password = 'p'".to_owned(),
            "R0109",
        ),
        (
            "a number",
            "host = 5 and credentials.username = 'u' and credentials.password = 'p'".to_owned(),
            "R0103",
        ),
    ] {
        assert_eq!(crate::codes(&format!("ansible h ({features})")), expected, "{rule}");
    }
    assert_eq!(findings("ansible h ()").len(), 3, "all that is missing is told at once");
}

#[test]
fn deploys_and_contextualize() {
    table(&[
        ("a system", "system a () deploy a 1", ""),
        ("a reference", "system a deploy a 1", ""),
        ("of this document", "deploy a 1", "R0107"),
        ("a fraction", "system a deploy a 1.5", "R0908"),
        (
            "items name a system",
            "configure c contextualize (system a configure c)",
            "R0107",
        ),
        (
            "and a configure",
            "system a contextualize (system a configure c)",
            "R0107",
        ),
        ("a time is an integer", "contextualize 1.5 ()", "R0105"),
    ]);
    assert_eq!(
        findings("system a deploy a 0")
            .iter()
            .filter(|d| d.code == "R0905")
            .count(),
        1,
        "0 is allowed"
    );
    assert_eq!(
        first_error(&findings("deploy a 1")).unwrap(),
        "Line 1: Invalid system id in the deploy."
    );
}

#[test]
fn recipes() {
    let recipe = |text: &str| crate::codes(&format!("configure c (\n@begin\n{text}\n@end\n)"));
    for good in [
        "",
        "- tasks: []",
        "---\n- a: b",
        "a",
        "$ANSIBLE_VAULT;1.1;AES256\n6162",
        "x: !vault |\n  61",
        "a: &b 1\nc: *b",
        "- \"{{ x }}\"",
    ] {
        assert_eq!(recipe(good), "", "{good}");
    }
    for bad in [
        "a: b: c",
        "x: {{ y }}",
        "- a\n---\n- b",
        "a: 'b",
        "\ta: b\n b",
        "a: *b",
        "a: !python/object x",
        "[a",
        "a: @b",
    ] {
        assert_eq!(recipe(bad), "R0112", "{bad}");
    }
    assert_eq!(crate::codes("configure c ()"), "");
}

#[test]
fn the_first_error_is_that_of_the_original() {
    // All of them wrong: networks first, then Ansible hosts, systems, deploys, configures, contextualize.
    let mut parts = [
        ("network n (outbound = 'x')", "outbound"),
        ("ansible h ()", "host"),
        ("system a (spot = 'x')", "spot"),
        ("deploy nobody 1", "deploy"),
        ("configure c (\n@begin\na: b: c\n@end\n)", "YAML"),
        ("contextualize (system nobody configure c)", "contextualize"),
    ]
    .to_vec();
    while !parts.is_empty() {
        // Whatever their order in the text.
        let text: Vec<_> = parts.iter().rev().map(|(text, _)| *text).collect();
        let first = first_error(&findings(&text.join("\n"))).unwrap();
        assert!(first.contains(parts[0].1), "{first}");
        parts.remove(0);
    }
}

#[test]
fn documents_from_elsewhere_have_no_duplicates_either() {
    let mut document = read("system a () network n ()");
    document.systems.push(document.systems[0].clone());
    document.networks.push(document.networks[0].clone());
    let found: Vec<_> = check(&document)
        .into_iter()
        .filter(im_radl::Diagnostic::is_error)
        .collect();
    assert!(
        found[0].message.contains("system `a`") && found[1].message.contains("network `n`"),
        "{found:?}"
    );
    assert_eq!(check(&Document::default()), []);
}

#[test]
fn warnings() {
    let seen = |text: &str| {
        findings(text)
            .into_iter()
            .map(|d| d.message)
            .collect::<Vec<_>>()
            .join("\n")
    };
    for (text, message) in [
        (
            "network n (outbuond = 'yes')",
            "Nobody reads the feature `outbuond` of a network",
        ),
        (
            "system a (cpu.cuont = 1)",
            "Nobody reads the feature `cpu.cuont` of a system",
        ),
        ("system a (soft 1 (x = 1))", "Nobody reads the feature `x` of a system"),
        (
            "system a (disk.0.applications contains (name = 'x' and verison = '1'))",
            "Nobody reads the feature `verison` of an application",
        ),
        (
            "ansible h (host = 'x' and credentials.user = 'y')",
            "Nobody reads the feature `credentials.user` of an Ansible host",
        ),
        (
            "contextualize (option ansible_versoin = '2')",
            "Nobody reads the option `ansible_versoin`",
        ),
        ("network n () system a ()", "No system has an interface on network `n`"),
        (
            "system a configure c () configure d contextualize (system a configure c)",
            "Nothing in contextualize runs configure `d`",
        ),
        ("system a deploy a 0", "No VM of system `a` is deployed"),
        ("system a deploy a 1.5", "1.5 VMs are 1 VMs"),
    ] {
        let seen = seen(text);
        assert!(seen.contains(message), "{text}: {seen}");
    }
    // What is used, or may be, has none.
    for text in [
        "network n () system a (net_interface.0.connection = 'n')",
        "network n () system a (soft 1 (net_interface.0.connection = 'n'))",
        "network n ()",
        "network n () system a",
        "description d (anything = 'x') network n ()",
        "system a (minio.0.whatever = 'x' and input.12.path = 'y' and expose.x.y = 'z')",
    ] {
        assert_eq!(seen(text), "", "{text}");
    }
    let hints = |text: &str| findings(text).remove(0).hint.unwrap();
    assert_eq!(
        hints("system a (disk.7.mount_paht = 'x')"),
        "did you mean `disk.7.mount_path`?"
    );
    assert_eq!(
        hints("contextualize (option ansible_versoin = '2')"),
        "did you mean `ansible_version`?"
    );
}
