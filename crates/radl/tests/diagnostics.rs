//! How findings are shown.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used)]

use im_radl::{Colours, check, parse};

fn shown(text: &str) -> String {
    let parsed = parse(text);
    let found = parsed.diagnostics.iter().cloned().chain(check(&parsed.document));
    found.map(|d| d.render("bad.radl", text, Colours::Off) + "\n").collect()
}

#[test]
fn syntax() {
    insta::assert_snapshot!(shown(
        "network n (outbound = yes)
sistem b ()
system a (
  cpu.count = 1
  memory.size = 512M and
  disk.0.os.credentials.password = @input.Password@ and
  x = \"y\"
)
configure c (
@begin
- tasks:
  @end
)
"
    ));
}

#[test]
fn meaning() {
    insta::assert_snapshot!(shown(
        "network public (outbound = 'yes' and outports = '22-80/udp')
network spare ()
system front (
  cpu.count >= 4 and cpu.count <= 2 and
  cpu.arch = 'x86' and
  memory.sizes = 1G and
  memory.size = 1.5X and
  disk.0.os.name = 5 and
  disk.0.os.credentials.new.password = 'secret' and
  disk.2.size = 20GB and
  net_interface.0.connection = 'pubilc' and
  net_interface.0.dns_name = 'ñandú' and net_interface.0.dns_name = 'x'
)
system front
configure front (
@begin
---
- tasks:
    - shell: echo {{ x }}
      when: {{ y }}
@end
)
contextualize (system font configure front step 1)
deploy front 0
deploy frnt 2
"
    ));
}

#[test]
fn json() {
    insta::assert_snapshot!(shown(
        r#"[
  {"class": "network", "id": "n", "outbound": true},
  {"class": "sytem", "id": "a"},
  {"class": "system", "id": "b c", "cpu.count": 1},
  {"class": "system", "id": "d", "cpu.count_min": 4, "cpu.count_max": 2, "price": null}
]"#
    ));
    insta::assert_snapshot!(shown("[{\"class\": \"network\" \"id\": 5}]"));
}

#[test]
fn colours_and_machine_form() {
    let text = "system a (\n\tx = y)";
    let finding = &parse(text).diagnostics[0];
    insta::assert_snapshot!(finding.render("f", text, Colours::On).replace('\x1b', "ESC"));
    insta::assert_json_snapshot!(finding);
}

#[test]
fn long_lines_are_cut() {
    let text = format!("system a ({}z = y)", "x = 1 and ".repeat(100));
    insta::assert_snapshot!(shown(&text).lines().take(5).collect::<Vec<_>>().join("\n"));
}
