//! How long a document takes from its text to RADL, its imports and recipes cached. `-- --check` fails above 10 ms.

// A benchmark prints its table.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

use im_tosca::{
    ConvertContext, Embedded, File, Files, Limits, LoadOptions, convert, draw_container_ids,
    functions::{Inputs, draw_inputs},
    load,
};
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    hint::black_box,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

/// A cluster of so many kinds of workers.
fn cluster(kinds: usize) -> String {
    let mut text = String::from(
        "tosca_definitions_version: tosca_simple_yaml_1_0\nimports:\n\
         - t: https://raw.githubusercontent.com/grycap/tosca/main/custom_types.yaml\n\
         topology_template:\n  inputs: {count: {type: integer, default: 2}}\n  node_templates:\n    \
         fe: {type: tosca.nodes.indigo.LRMS.FrontEnd.Kubernetes, properties: {admin_token: secret}, requirements: [{host: front}]}\n    \
         front: {type: tosca.nodes.indigo.Compute, capabilities: {endpoint: {properties: {network_name: PUBLIC}}}}\n",
    );
    for n in 0..kinds {
        let _ = write!(
            text,
            "    node{n}:\n      type: tosca.nodes.indigo.LRMS.WorkerNode.Kubernetes\n      properties: {{front_end_ip: {{get_attribute: [front, private_address, 0]}}}}\n      requirements: [{{host: wn{n}}}]\n    \
             wn{n}:\n      type: tosca.nodes.indigo.Compute\n      capabilities:\n        scalable: {{properties: {{count: {{get_input: count}}}}}}\n        host: {{properties: {{num_cpus: 2, mem_size: 4 GB}}}}\n"
        );
    }
    text
}

/// A folder of the real documents, which may be beside the repository.
fn folder(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join("..");
    ["..", "shared", "documents", "tosca", name]
        .iter()
        .fold(root, |path, part| path.join(part))
}

/// Files as far as the folder beside the repository has them; else a small recipe.
fn fetch(url: &str) -> String {
    let name = url.rsplit_once("/artifacts/").map_or("", |(_, name)| name);
    fs::read_to_string(folder("grycap-artifacts").join(name)).unwrap_or_else(|_| "- tasks: [{debug: }]\n".to_owned())
}

/// One run; what is wanted goes to the files.
fn run(text: &str, files: &mut Files) -> bool {
    let loaded = load(text, "document", files, &LoadOptions::default());
    let mut wanted = loaded.wanted;
    if let Some(template) = &loaded.template {
        let inputs = draw_inputs(template, &Inputs::new(), &mut |n| "x".repeat(n), None);
        let container_ids = draw_container_ids(template, &BTreeMap::new(), &mut |n| "x".repeat(n));
        let context = ConvertContext {
            inputs: &inputs,
            container_ids: &container_ids,
            existing: None,
            limits: Limits::default(),
        };
        let converted = convert(template, files, &context);
        if let Some(document) = converted.document {
            black_box(document);
            return true;
        }
        assert!(!converted.wanted.is_empty(), "{:?}", converted.diagnostics);
        wanted.extend(converted.wanted);
    }
    assert!(!wanted.is_empty(), "{:?}", loaded.diagnostics);
    for one in wanted {
        files.insert(one.url.clone(), Ok(File::new(fetch(&one.url))));
    }
    false
}

fn best(text: &str) -> Duration {
    let mut files = Files::new(Embedded::Prefer);
    while !run(text, &mut files) {}
    let begin = Instant::now();
    let mut best = Duration::MAX;
    while begin.elapsed() < Duration::from_secs(1) {
        let start = Instant::now();
        run(text, &mut files);
        best = best.min(start.elapsed());
    }
    best
}

fn main() -> ExitCode {
    let checked = std::env::args().any(|argument| argument == "--check");
    let sample = folder("grycap-templates").join("kubernetes.yaml");
    let mut cases = vec![("cluster of 2 kinds", cluster(1)), ("cluster of 51 kinds", cluster(50))];
    match fs::read_to_string(sample) {
        Ok(text) => cases.push(("kubernetes.yaml", text)),
        Err(_) => println!("kubernetes.yaml: not run, it is not beside the repository"),
    }
    println!("{:<22} {:>8} {:>10}", "document", "bytes", "ms");
    let mut slowest = Duration::ZERO;
    for (name, text) in cases {
        let time = best(&text);
        println!("{name:<22} {:>8} {:>10.2}", text.len(), time.as_secs_f64() * 1e3);
        slowest = slowest.max(time);
    }
    println!("slowest {:.2} ms (aim: 10)", slowest.as_secs_f64() * 1e3);
    if checked && slowest > Duration::from_millis(10) {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
