//! A page for each code: what it means, a wrong and a right example.

use crate::codes;

/// What a code means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// The code.
    pub code: &'static str,
    /// In a few words.
    pub title: &'static str,
    /// In some sentences.
    pub text: &'static str,
    /// A document that has it.
    pub wrong: &'static str,
    /// The same without it.
    pub right: &'static str,
}

impl Page {
    /// A page of a code: its title, what it means, a document that has it, and the same without it.
    pub const fn new(
        code: &'static str,
        title: &'static str,
        text: &'static str,
        wrong: &'static str,
        right: &'static str,
    ) -> Self {
        Self {
            code,
            title,
            text,
            wrong,
            right,
        }
    }
}

impl std::fmt::Display for Page {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            code,
            title,
            text,
            wrong,
            right,
        } = self;
        writeln!(f, "{code}: {title}\n\n{text}\n\nWrong:\n")?;
        for line in wrong.lines() {
            writeln!(f, "    {line}")?;
        }
        writeln!(f, "\nRight:\n")?;
        for line in right.lines() {
            writeln!(f, "    {line}")?;
        }
        Ok(())
    }
}

/// The page of a code, in any letter case.
pub fn explain(code: &str) -> Option<&'static Page> {
    PAGES.iter().find(|page| page.code.eq_ignore_ascii_case(code))
}

/// All pages, by code.
pub const PAGES: &[Page] = &[
    Page::new(
        codes::SYNTAX,
        "syntax error",
        "Something stands where the grammar does not allow it. A document is a row of sentences, each beginning with one of\n\
         `description`, `network`, `system`, `ansible`, `configure`, `contextualize` and `deploy`. Features stand between\n\
         parentheses and are joined by `and`. Line ends mean nothing. Strings are written between single quotes.",
        "network net (outbound = yes)",
        "network net (outbound = 'yes')",
    ),
    Page::new(
        codes::OPEN_STRING,
        "string without end",
        "A string goes from one single quote to the next, over several lines if need be. A quote within it is written `\\'`.",
        "system a (instance_name = 'front)",
        "system a (instance_name = 'front')",
    ),
    Page::new(
        codes::BACKSLASH_LINE,
        "backslash before a line end",
        "Within a string a backslash goes with the character after it, which cannot be a line end. Other line ends may stand\n\
         in a string as they are.",
        "system a (command = 'one \\\ntwo')",
        "system a (command = 'one\ntwo')",
    ),
    Page::new(
        codes::OPEN_RECIPE,
        "recipe without end",
        "A recipe goes from `@begin` to a line that begins with `@end`, at its first column. An indented `@end` is a line of\n\
         the recipe, except where nothing else can end it.",
        "configure a (\n@begin\n- tasks: []\n)",
        "configure a (\n@begin\n- tasks: []\n@end\n)",
    ),
    Page::new(
        codes::EMPTY_RECIPE,
        "recipe without lines",
        "Between `@begin` and `@end` there is at least one line. To say that a system is not configured, leave out both.",
        "configure a (@begin@end)",
        "configure a ()",
    ),
    Page::new(
        codes::BIG_NUMBER,
        "number too large",
        "Integers go up to 9223372036854775807.",
        "system a (memory.size = 99999999999999999999)",
        "system a (memory.size = 8G)",
    ),
    Page::new(
        codes::INPUT,
        "input parameter left in the document",
        "`@input.NAME@` is replaced by the command-line client, which asks for the value, before the document is sent. The\n\
         service does not know it.",
        "system a (cpu.count = @input.CPUs@)",
        "system a (cpu.count = 2)",
    ),
    Page::new(
        codes::RANDOM,
        "random value too long",
        "`'random(N)'` stands for N random letters and digits, 4096 at most.",
        "system a (instance_name = 'random(100000)')",
        "system a (instance_name = 'random(12)')",
    ),
    Page::new(
        codes::LIMIT,
        "larger than allowed",
        "Documents, their nesting, their lists and the number of their VMs are bounded, so that none costs the service more\n\
         than it may. Whoever runs the service sets the bounds.",
        "system a ()\ndeploy a 1000000",
        "system a ()\ndeploy a 10",
    ),
    Page::new(
        codes::TOO_MANY,
        "more than is shown",
        "After a number of errors the reading ends, since most of the rest would be consequences. Repair the first ones.",
        "deploy deploy deploy deploy deploy deploy deploy deploy deploy deploy deploy deploy deploy deploy deploy deploy deploy \
         deploy deploy deploy deploy deploy deploy deploy deploy deploy deploy deploy deploy deploy deploy deploy deploy deploy \
         deploy deploy deploy deploy deploy deploy deploy deploy deploy deploy deploy deploy deploy deploy deploy deploy deploy \
         deploy deploy deploy deploy deploy deploy deploy",
        "system a ()\ndeploy a 1",
    ),
    Page::new(
        codes::DUPLICATE,
        "defined twice",
        "Networks, systems, configures and Ansible hosts are either defined or referred to (without parentheses), once each.\n\
         There is one description.",
        "system a\nsystem a (cpu.count = 1)",
        "system a (cpu.count = 1)",
    ),
    Page::new(
        codes::CONFLICT,
        "features that exclude each other",
        "A feature may be given several times: numbers with `<=`, `>=` and `=` make an interval, which must not become empty;\n\
         a string must be the same each time; a feature cannot be a number here and a string there.",
        "system a (cpu.count >= 4 and cpu.count <= 2)",
        "system a (cpu.count >= 2 and cpu.count <= 4)",
    ),
    Page::new(
        codes::TYPE,
        "value of the wrong type",
        "The feature takes another kind of value. Numbers are written without quotes, strings between single quotes, lists\n\
         of strings in brackets, groups with `contains`.",
        "system a (cpu.count = '2')",
        "system a (cpu.count = 2)",
    ),
    Page::new(
        codes::OPERATOR,
        "wrong operator",
        "Strings take `=`, except for versions, which can be compared as numbers are.",
        "system a (disk.0.os.flavour > 'ubuntu')",
        "system a (disk.0.os.flavour = 'ubuntu' and disk.0.os.version >= '22.04')",
    ),
    Page::new(
        codes::VALUE,
        "value that is not allowed",
        "The feature takes only some values; the message lists them. Letter case does not count.",
        "system a (disk.0.os.name = 'lunix')",
        "system a (disk.0.os.name = 'linux')",
    ),
    Page::new(
        codes::UNIT,
        "wrong unit",
        "Sizes take K, M, G and T (powers of 1000) and KI, MI, GI and TI (powers of 1024), each with or without a B, in any\n\
         letter case; without a unit they are bytes. `cpu.performance` needs ECU, GCEU or HRZ. Nothing else has a unit.\n\
         A name after a number is its unit, so this is also the consequence of a forgotten `and`.",
        "system a (memory.size = 512X)",
        "system a (memory.size = 512M)",
    ),
    Page::new(
        codes::REFERENCE,
        "named, but not there",
        "The document names a network, a system, a configure or an Ansible host that it does not have. Define it; or, if the\n\
         infrastructure has it already, refer to it: its class and name, without parentheses.",
        "system a ()\ndeploy b 1",
        "system a ()\nsystem b\ndeploy a 1\ndeploy b 1",
    ),
    Page::new(
        codes::INDEX,
        "wrong numbers of disks or interfaces",
        "Disks and interfaces are numbered from 0, without gaps. Disk 0 is the boot disk.",
        "system a (disk.0.size = 20G and disk.2.size = 10G)",
        "system a (disk.0.size = 20G and disk.1.size = 10G)",
    ),
    Page::new(
        codes::REQUIRED,
        "something is missing",
        "An interface needs a network (`connection`); an Ansible host needs `host`, `credentials.username` and a password or\n\
         a private key.",
        "system a (net_interface.0.dns_name = 'front')",
        "network net ()\nsystem a (net_interface.0.connection = 'net' and net_interface.0.dns_name = 'front')",
    ),
    Page::new(
        codes::OUTPORTS,
        "ports that cannot be read",
        "`outports` is a list of entries separated by commas, without spaces. An entry is a port, or two joined by `-` (the\n\
         one outside and the one of the VM), or a range `first:last`; each with `/tcp`, `/udp` or `/icmp` if it is not TCP;\n\
         and with `CIDR-` before it, if not everybody may come in.",
        "network net (outports = '22, 80')",
        "network net (outports = '22,8080-80,10.0.0.0/8-5000:5010/udp')",
    ),
    Page::new(
        codes::PASSWORD,
        "weak password",
        "A new password has at least 7 characters, among them an upper-case letter, a digit, and a character that is neither\n\
         letter nor digit.",
        "system a (disk.0.os.credentials.new.password = 'secret')",
        "system a (disk.0.os.credentials.new.password = 'Sec-ret-5')",
    ),
    Page::new(
        codes::YAML,
        "recipe that is not YAML",
        "A recipe is an Ansible playbook: one YAML document. Often a template stands without quotes at the beginning of a\n\
         value, or a value holds a colon followed by a space.",
        "configure a (\n@begin\n- vars:\n    server: {{ x }}\n@end\n)",
        "configure a (\n@begin\n- vars:\n    server: '{{ x }}'\n@end\n)",
    ),
    Page::new(
        codes::UNKNOWN_REFERENCE,
        "the infrastructure does not have it",
        "A network, system or configure without parentheses stands for one that the infrastructure has, and it has none of\n\
         this name. It can only be found out when the document is added to an infrastructure.",
        "network other",
        "network other (outbound = 'no')",
    ),
    Page::new(
        codes::SAME_CLOUD,
        "one private network at two clouds",
        "Systems that share a private network, directly or through others, go to one cloud. It can only be found out when the\n\
         document is deployed.",
        "network net ()\nsystem a (net_interface.0.connection = 'net')\ndeploy a 1 here\ndeploy a 1 there",
        "network net ()\nsystem a (net_interface.0.connection = 'net')\ndeploy a 1 here\ndeploy a 1 here",
    ),
    Page::new(
        codes::JSON,
        "JSON that cannot be read",
        "A document that begins with `[` is JSON, and it must be valid JSON.",
        "[{\"class\": \"network\" \"id\": \"net\"}]",
        "[{\"class\": \"network\", \"id\": \"net\"}]",
    ),
    Page::new(
        codes::JSON_SHAPE,
        "JSON that is no document",
        "The document is an array of objects. Each has a `class`; a network, system, Ansible host, configure and description\n\
         also an `id`; a configure has `recipes`, which may be null; a deploy has `system` and `vm_number`.",
        "[{\"class\": \"configure\", \"id\": \"a\"}]",
        "[{\"class\": \"configure\", \"id\": \"a\", \"recipes\": null}]",
    ),
    Page::new(
        codes::JSON_NAME,
        "name that the language cannot write",
        "Names begin with a letter, `_` or `.`, go on with letters, digits, `_`, `.` and `-`, and are no reserved words, in\n\
         JSON as well: the document is also shown in the plain form.",
        "[{\"class\": \"network\", \"id\": \"my net\"}]",
        "[{\"class\": \"network\", \"id\": \"my_net\"}]",
    ),
    Page::new(
        codes::SKIPPED,
        "characters without meaning",
        "Characters that the language has no use for are skipped, as they always were. What is left may not be what was\n\
         meant: `-5` is 5, and `\"x\"` is the name x, no string.",
        "system a (price = -5)",
        "system a (price = 5)",
    ),
    Page::new(
        codes::INPUT_IN_TEXT,
        "input parameter left in a string or recipe",
        "`@input.NAME@` is replaced by the command-line client before the document is sent. Here it was not, and stays as it\n\
         is.",
        "system a (instance_name = '@input.Name@')",
        "system a (instance_name = 'front')",
    ),
    Page::new(
        codes::UNKNOWN_FEATURE,
        "a feature that nobody reads",
        "The feature is kept and shown, but nothing depends on it. It may be misspelt.",
        "system a (memory.sizes = 1G)",
        "system a (memory.size = 1G)",
    ),
    Page::new(
        codes::UNUSED,
        "defined, but not used",
        "No system has an interface on the network, or nothing in `contextualize` runs the configure.",
        "network net ()\nsystem a (cpu.count = 1)",
        "network net ()\nsystem a (net_interface.0.connection = 'net')",
    ),
    Page::new(
        codes::NO_VMS,
        "nothing is deployed",
        "A deploy of 0 VMs is allowed: it makes the system known for later. Often it is a mistake.",
        "system a ()\ndeploy a 0",
        "system a ()\ndeploy a 1",
    ),
    Page::new(
        codes::UNWRITABLE,
        "string that the plain form cannot write",
        "In the plain form a string cannot end in a backslash that no other one precedes, nor have one before a quote or a\n\
         line end; a recipe cannot have a line that begins with `@end`. JSON can. In the plain form the backslash is doubled.",
        "[{\"class\": \"system\", \"id\": \"a\", \"command\": \"dir C:\\\\\"}]",
        "[{\"class\": \"system\", \"id\": \"a\", \"command\": \"dir C:\"}]",
    ),
    Page::new(
        codes::RELAXED,
        "accepted, though not everywhere",
        "The original service refuses this: documents of comments or of a description alone, architectures other than\n\
         i386 and x86_64, data disks without a word on the boot disk, an indented `@end`. Do without it if the document is\n\
         for both.",
        "system a (cpu.arch = 'arm64')",
        "system a (cpu.arch = 'x86_64')",
    ),
    Page::new(
        codes::SUSPICIOUS,
        "surely not what was meant",
        "It is allowed, but its meaning is hardly the one intended: a port above 65535, a side behind a range of ports, which\n\
         nobody reads, a fraction of a VM, an unknown tool, in JSON a boolean instead of \"yes\" or \"no\", or a member that\n\
         stands twice.",
        "network net (outports = '99999')",
        "network net (outports = '9999')",
    ),
];
