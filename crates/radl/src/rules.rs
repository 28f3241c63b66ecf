//! Which features are checked, and for what; and which features anybody reads at all.

/// A type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    TextOrList,
    /// An integer or a float.
    Number,
    Integer,
    Group,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::TextOrList => "a string or a list of strings",
            Self::Number => "a number",
            Self::Integer => "an integer",
            Self::Group => "a group (`contains`)",
        }
    }
}

/// A predicate and how it is called.
pub(crate) type Property = (fn(&str) -> bool, &'static str);

/// What a feature must satisfy.
#[derive(Clone, Copy)]
pub(crate) struct Rule {
    pub(crate) kind: Kind,
    /// Allowed values, in upper case.
    pub(crate) values: Option<&'static [&'static str]>,
    /// Values that the original refuses for no reason.
    pub(crate) relaxed: &'static [&'static str],
    /// What a string must be.
    pub(crate) text: Option<Property>,
    /// Allowed units, in upper case; none when absent.
    pub(crate) units: Option<&'static [&'static str]>,
}

const ANY: Rule = Rule {
    kind: Kind::Text,
    values: None,
    relaxed: &[],
    text: None,
    units: None,
};

const fn of_kind(kind: Kind) -> Rule {
    Rule { kind, ..ANY }
}

const fn one_of(values: &'static [&'static str]) -> Rule {
    Rule {
        values: Some(values),
        ..ANY
    }
}

const fn that(text: Property) -> Rule {
    Rule {
        text: Some(text),
        ..ANY
    }
}

const fn in_units(kind: Kind, units: &'static [&'static str]) -> Rule {
    Rule {
        units: Some(units),
        ..of_kind(kind)
    }
}

const YES_NO: Rule = one_of(&["YES", "NO"]);
const VERSION: Rule = that((is_version, "nothing, or numbers separated by dots"));
const NOT_EMPTY: Rule = that((not_empty, "a string that is not empty"));
const SIZES: &[&str] = &[
    "", "B", "K", "M", "G", "T", "KB", "MB", "GB", "TB", "KI", "MI", "GI", "TI", "KIB", "MIB", "GIB", "TIB",
];
const SIZE: Rule = in_units(Kind::Number, SIZES);

fn is_version(text: &str) -> bool {
    text.is_empty()
        || text
            .split('.')
            .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
}

fn not_empty(text: &str) -> bool {
    !text.is_empty()
}

fn is_strong(text: &str) -> bool {
    text.chars().count() >= 7
        && text.chars().any(char::is_uppercase)
        && text.chars().any(char::is_numeric)
        && text.chars().any(|c| !c.is_alphanumeric())
}

pub(crate) fn of_network(name: &str) -> Option<Rule> {
    Some(match name {
        "outbound" => YES_NO,
        "outports" | "provider_id" => ANY,
        _ => return None,
    })
}

pub(crate) fn of_ansible(name: &str) -> Option<Rule> {
    Some(match name {
        "host" | "credentials.username" | "credentials.password" | "credentials.private_key" => ANY,
        _ => return None,
    })
}

pub(crate) fn of_system(name: &str) -> Option<Rule> {
    Some(match name {
        "spot" => YES_NO,
        "image_type" => one_of(&["VMDK", "QCOW", "QCOW2", "RAW"]),
        "virtual_system_type" | "ansible_host" => ANY,
        "price" | "cpu.count" => of_kind(Kind::Number),
        "cpu.arch" => Rule {
            relaxed: &["I686", "AARCH64", "ARM64"],
            ..one_of(&["I386", "X86_64"])
        },
        "cpu.performance" => in_units(Kind::Number, &["ECU", "GCEU", "HRZ"]),
        "memory.size" => in_units(Kind::Integer, SIZES),
        _ => return None,
    })
}

pub(crate) fn of_interface(suffix: &str) -> Option<Rule> {
    matches!(suffix, "connection" | "ip" | "dns_name").then_some(ANY)
}

pub(crate) fn of_disk(number: u64, suffix: &str) -> Option<Rule> {
    Some(match suffix {
        "image.url" => of_kind(Kind::TextOrList),
        "image.name"
        | "type"
        | "device"
        | "mount_path"
        | "fstype"
        | "os.flavour"
        | "os.credentials.username"
        | "os.credentials.password"
        | "os.credentials.private_key"
        | "os.credentials.public_key" => ANY,
        "os.credentials.new.password" if number == 0 => that((
            is_strong,
            "at least 7 characters, among them an upper-case letter, a digit, and a character that is neither",
        )),
        "size" | "free_size" => SIZE,
        "os.name" => one_of(&["LINUX", "WINDOWS", "MAC OS X"]),
        "os.version" => VERSION,
        "applications" => of_kind(Kind::Group),
        _ => return None,
    })
}

pub(crate) fn of_application(name: &str) -> Option<Rule> {
    Some(match name {
        "name" | "path" => NOT_EMPTY,
        "version" => VERSION,
        "preinstalled" => YES_NO,
        _ => return None,
    })
}

/// Features of networks that somebody reads.
pub(crate) const NETWORK: &[&str] = &[
    "outbound",
    "outports",
    "provider_id",
    "create",
    "cidr",
    "router",
    "sg_name",
    "dnsserver",
    "proxy_host",
    "proxy_key",
];

/// Features of Ansible hosts that somebody reads.
pub(crate) const ANSIBLE: &[&str] = &[
    "host",
    "credentials.username",
    "credentials.password",
    "credentials.private_key",
];

/// Features of applications that somebody reads.
pub(crate) const APPLICATION: &[&str] = &["name", "version", "path", "preinstalled"];

/// Options of contextualization that somebody reads.
pub(crate) const OPTION: &[&str] = &["ansible_version"];

/// Features of systems that somebody reads; `N` stands for a number, `*` at the end for anything.
pub(crate) const SYSTEM: &[&str] = &[
    "instance_name",
    "instance_type",
    "instance_id",
    "instance_tags",
    "state",
    "availability_zone",
    "spot",
    "price",
    "nat_instance",
    "rg_name",
    "virtual_system_type",
    "image_type",
    "ansible_host",
    "vault.password",
    "cpu.count",
    "cpu.arch",
    "cpu.performance",
    "cpu.sgx",
    "cpu.sgx.epc_size",
    "memory.size",
    "gpu.count",
    "gpu.vendor",
    "gpu.model",
    "disks.free_size",
    "disk.N.size",
    "disk.N.type",
    "disk.N.device",
    "disk.N.fstype",
    "disk.N.mount_path",
    "disk.N.free_size",
    "disk.N.content",
    "disk.N.provider_id",
    "disk.N.image.url",
    "disk.N.image.name",
    "disk.N.image.vo",
    "disk.N.os.name",
    "disk.N.os.flavour",
    "disk.N.os.version",
    "disk.N.os.image.name",
    "disk.N.os.image.vo",
    "disk.N.os.credentials.username",
    "disk.N.os.credentials.password",
    "disk.N.os.credentials.public_key",
    "disk.N.os.credentials.private_key",
    "disk.N.os.credentials.new.username",
    "disk.N.os.credentials.new.password",
    "disk.N.os.credentials.new.public_key",
    "disk.N.os.credentials.new.private_key",
    "disk.N.applications",
    "net_interface.N.connection",
    "net_interface.N.ip",
    "net_interface.N.ipv6",
    "net_interface.N.dns_name",
    "net_interface.N.additional_ip",
    "net_interface.N.additional_dns_names",
    "net_interface.N.dns_servers",
    "net_interface.N.dns.N.name",
    "net_interface.N.dns.N.tls",
    "net_interface.N.dns.N.tls.certificate",
    "net_interface.N.dns.N.tls.private_key",
    "provider.type",
    "provider.host",
    "provider.port",
    "provider.vo",
    "launch_time",
    "docker.privileged",
    "ec2.associate_public_ip_address",
    "command",
    "environment.variables",
    "name",
    "script",
    "alpine",
    "image_pull_secrets",
    "dependencies",
    "expose.*",
    "function.*",
    "input.N.*",
    "output.N.*",
    "minio.N.*",
    "s3.N.*",
    "onedata.N.*",
];

/// Whether a name is one of a catalogue.
pub(crate) fn is_known(catalogue: &[&str], name: &str) -> bool {
    let pattern = numberless(name);
    catalogue.iter().any(|known| match known.strip_suffix('*') {
        Some(front) => pattern.starts_with(front),
        None => *known == pattern,
    })
}

/// The name with `N` for each segment that is a number.
pub(crate) fn numberless(name: &str) -> String {
    let segment = |part: &str| {
        if part.bytes().all(|b| b.is_ascii_digit()) && !part.is_empty() {
            "N".to_owned()
        } else {
            part.to_owned()
        }
    };
    name.split('.').map(segment).collect::<Vec<_>>().join(".")
}
