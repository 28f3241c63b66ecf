//! How fast documents are read: half features, half recipes, from 1 KB to 10 MB. `-- --check` fails below 50 MB/s of
//! text, or where large documents take longer per byte than small ones.

// A benchmark prints its table.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::cast_precision_loss)]

use im_radl::{Limits, parse_with, print, to_json};
use std::{
    fmt::Write as _,
    hint::black_box,
    process::ExitCode,
    time::{Duration, Instant},
};

fn document(bytes: usize) -> String {
    let mut text = String::from(
        "description bench (name = 'bench')\nnetwork net (outbound = 'yes' and outports = '22,80-8080')\n",
    );
    let mut n = 0;
    while text.len() < bytes {
        let _ = write!(
            text,
            "system node{n} (\n  cpu.count >= 2 and cpu.arch = 'x86_64' and memory.size >= 2048M and # comment\n  \
             net_interface.0.connection = 'net' and net_interface.0.dns_name = 'node-#N#' and\n  \
             disk.0.os.name = 'linux' and disk.0.image.url = ['docker://debian:12','one://server/12'] and\n  \
             disk.0.applications contains (name = 'ansible.roles.x' and version >= '1.2') and\n  \
             disk.1.size = 20GB and disk.1.mount_path = '/mnt/disk' and disk.1.fstype = 'ext4'\n)\n\
             configure node{n} (\n@begin\n---\n- vars:\n    server: '{{{{ hostvars[groups[\"front\"][0]][\"IM_NODE_PRIVATE_IP\"] }}}}'\n  \
             tasks:\n    - name: Install what is needed\n      package: name=nginx state=present\n    \
             - name: Write the configuration\n      copy:\n        dest: /etc/nginx/conf.d/site.conf\n        content: |\n          \
             server {{ listen 80; location / {{ proxy_pass http://backend; }} }}\n      notify: restart\n@end\n)\ndeploy node{n} 1\n"
        );
        n += 1;
    }
    text
}

/// Bytes per second, in millions: the best of the runs of half a second.
fn speed(text: &str, mut run: impl FnMut(&str)) -> f64 {
    run(text);
    let mut best = Duration::MAX;
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_millis(500) {
        let start = Instant::now();
        run(text);
        best = best.min(start.elapsed());
    }
    text.len() as f64 / best.as_secs_f64() / 1e6
}

fn main() -> ExitCode {
    let checked = std::env::args().any(|argument| argument == "--check");
    let limits = Limits {
        bytes: 64 << 20,
        ..Limits::default()
    };
    println!(
        "{:>10} {:>12} {:>12} {:>12} {:>12}",
        "bytes", "text MB/s", "JSON MB/s", "print MB/s", "check MB/s"
    );
    let mut text_speeds = Vec::new();
    for bytes in [1_000, 10_000, 100_000, 1_000_000, 10_000_000] {
        let text = document(bytes);
        let parsed = parse_with(&text, &limits);
        assert!(parsed.is_ok(), "{:?}", parsed.diagnostics);
        let json = to_json(&parsed.document).to_string();
        let read = |text: &str| {
            black_box(parse_with(text, &limits));
        };
        let of_text = speed(&text, read);
        let of_json = speed(&json, read);
        let of_print = speed(&text, |_| {
            black_box(print(&parsed.document));
        });
        let of_check = speed(&text, |_| {
            black_box(im_radl::check_with(&parsed.document, &limits));
        });
        println!(
            "{:>10} {of_text:>12.0} {of_json:>12.0} {of_print:>12.0} {of_check:>12.0}",
            text.len()
        );
        text_speeds.push(of_text);
    }
    let slowest = text_speeds.iter().copied().fold(f64::MAX, f64::min);
    let fastest = text_speeds.iter().copied().fold(0.0, f64::max);
    println!(
        "slowest {slowest:.0} MB/s (aim: 50), fastest / slowest {:.1} (aim: at most 3)",
        fastest / slowest
    );
    if checked && (slowest < 50.0 || fastest > 3.0 * slowest) {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
