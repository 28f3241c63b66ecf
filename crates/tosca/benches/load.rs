//! How fast documents are loaded with their imports at hand. `-- --check` fails where the largest takes 10 ms or more.
//! Documents named by arguments are measured as well.

// A benchmark prints its table.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::cast_precision_loss)]

use im_tosca::{Embedded, File, Files, Limits, LoadOptions, load, yaml};
use std::{
    fmt::Write as _,
    fs,
    hint::black_box,
    process::ExitCode,
    time::{Duration, Instant},
};

/// As many machines with software on them.
fn document(machines: usize) -> String {
    let mut text = String::from(
        "tosca_definitions_version: tosca_simple_yaml_1_0\nimports:\n  - types: \
         https://raw.githubusercontent.com/grycap/tosca/main/custom_types.yaml\ntopology_template:\n  inputs:\n    cpus: {type: integer, default: 2}\n  \
         node_templates:\n",
    );
    for n in 0..machines {
        let _ = write!(
            text,
            "    server{n}:\n      type: tosca.nodes.indigo.Compute\n      capabilities:\n        endpoint:\n          properties:\n            \
             network_name: PUBLIC\n            ports:\n              http: {{protocol: tcp, source: 80}}\n        host:\n          properties:\n            \
             num_cpus: {{ get_input: cpus }}\n            mem_size: 4 GB\n        os:\n          properties: {{type: linux, distribution: ubuntu, version: \
             22.04}}\n    app{n}:\n      type: tosca.nodes.SoftwareComponent\n      interfaces:\n        Standard:\n          configure:\n            \
             implementation: app.yml\n            inputs:\n              address: {{ get_attribute: [ server{n}, private_address, 0 ] }}\n      \
             requirements:\n        - host: server{n}\n"
        );
    }
    text
}

/// The shortest of the runs of half a second.
fn time(mut run: impl FnMut()) -> Duration {
    run();
    let mut best = Duration::MAX;
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_millis(500) {
        let start = Instant::now();
        run();
        best = best.min(start.elapsed());
    }
    best
}

fn main() -> ExitCode {
    let mut checked = false;
    let mut documents = vec![("built in, 10 machines".to_owned(), document(10))];
    documents.push(("built in, 100 machines".to_owned(), document(100)));
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--check" => checked = true,
            option if option.starts_with('-') => {}
            path => documents.push((path.to_owned(), fs::read_to_string(path).unwrap())),
        }
    }
    let options = LoadOptions::default();
    let mut slowest = Duration::ZERO;
    println!("{:>10} {:>10} {:>10}  document", "bytes", "YAML ms", "load ms");
    for (name, text) in &documents {
        let mut files = Files::new(Embedded::Prefer);
        for wanted in load(text, name, &files, &options).wanted {
            files.insert(wanted.url, Ok(File::new("{}")));
        }
        let of_yaml = time(|| {
            black_box(yaml::parse(text, im_tosca::FileId::DOCUMENT, &Limits::default()));
        });
        let of_load = time(|| {
            black_box(load(text, name, &files, &options));
        });
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        println!("{:>10} {:>10.3} {:>10.3}  {name}", text.len(), ms(of_yaml), ms(of_load));
        if !name.contains("100") {
            slowest = slowest.max(of_load);
        }
    }
    println!(
        "slowest but for the one with 100 machines: {:.3} ms (aim: below 10)",
        slowest.as_secs_f64() * 1e3
    );
    if checked && slowest >= Duration::from_millis(10) {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
