//! `docs/configuration.md`, from the table of the keys.

use crate::{Effect, KEYS, Key, Origin, Section};
use std::fmt::Write as _;

const BEGIN: &str = "\
# Configuration

<!-- Made from crates/config/src/keys.rs. To renew it: IM_UPDATE_DOCS=1 cargo test -p im-config -->

`im serve --config FILE` reads that file. Without `--config` these are read, where they exist, each winning over those
before: `../im.cfg` and `../etc/im.cfg`, seen from the folder of the program, and `/etc/im/im.cfg`.

```ini
[im]
DATA_DB = /var/lib/im/inf.dat
REST_PORT = 8800
LOG_FILE = -
```

The form is INI: sections, `KEY = value` or `KEY: value`, keys in capitals or not. A comment has a line of its own that
begins with `#` or `;`. An indented line continues the value above it. A percent sign is written `%%`; `%(KEY)s` stands
for another value of the section. A key may be there once per file.

A *switch* is `yes`, `true`, `on` or `1`, or `no`, `false`, `off` or `0`. A *list* is separated by commas. A value of
the wrong type stops the start, and the message names file and line; an unknown key is only warned about.

Files for the original service work as they are: its keys are all known. Those that need no effect here, and those
whose part of the service is not there yet, are listed at the end.

From the environment come `IM_DATA_DB`, which wins over `DATA_DB`, `IM_KEYS`, which wins over the file of `KEY_FILE`
([secrets.md](secrets.md)), and `FORWARDED_ALLOW_IPS`, which stands in for `TRUSTED_PROXIES`.
";

/// The manual's page.
pub fn manual() -> String {
    let mut out = BEGIN.to_owned();
    table(
        &mut out,
        "Keys",
        "Those marked ✶ are ours; the original ignores them with a warning.",
        |key| key.effect == Effect::Works,
    );
    table(
        &mut out,
        "Keys without effect yet",
        "What they belong to comes with a later version. Setting one is no error.",
        |key| key.effect == Effect::Later,
    );
    table(
        &mut out,
        "Keys that need no effect",
        "Accepted, so that files for the original need no change.",
        |key| key.effect == Effect::Nothing,
    );
    out
}

fn table(out: &mut String, title: &str, about: &str, which: impl Fn(&Key) -> bool) {
    let _ = write!(
        out,
        "\n## {title}\n\n{about}\n\n| key | type | default | meaning |\n|---|---|---|---|\n"
    );
    for key in KEYS.iter().filter(|key| which(key)) {
        let own = if key.origin == Origin::Own { " ✶" } else { "" };
        let section = match key.section {
            Section::Im => "",
            Section::OpenNebula => " in `[OpenNebula]`",
        };
        let default = match key.default().as_str() {
            "" => String::new(),
            text => format!("`{}`", text.replace('|', "\\|")),
        };
        let meaning = key.text.replace('|', "\\|");
        let _ = writeln!(
            out,
            "| `{}`{own}{section} | {} | {default} | {meaning} |",
            key.name, key.kind
        );
    }
}
