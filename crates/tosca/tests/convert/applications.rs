//! Containers and functions, as snapshots that were read.

use crate::rules::gallery;

#[test]
fn containers() {
    let app = |artifacts: &str, host: &str, more: &str| {
        format!(
            "inputs: {{tag: {{type: string, default: '8'}}}}\nnode_templates:\n  my_app:\n    type: tosca.nodes.Container.Application.Docker\n    properties: {{command: [a, 'b c'], environment: {{A: '1', B: 'x,y', C: {{concat: [p, q]}}}}}}\n    artifacts: {{{artifacts}}}\n    requirements: [{{host: run}}]\n  run:\n    type: tosca.nodes.Container.Runtime.Docker\n    capabilities: {{{more}host: {{properties: {{{host}}}}}}}\n  data: {{type: tosca.nodes.BlockStorage, properties: {{size: 1 GB, volume_id: pv}}}}\n"
        )
    };
    let image = "i: {file: {concat: ['mysql:', {get_input: tag}]}, repository: hub, type: tosca.artifacts.Deployment.Image.Container.Docker}";
    let later =
        format!("{image}, f: {{file: 'http://files/file.txt', deploy_path: /etc/f, type: tosca.artifacts.File}}");
    let cases = [
        ("an image", app(image, "num_cpus: 0.5, mem_size: 1 GB, num_gpus: 1", "")),
        (
            "files",
            app(
                &format!(
                    "{later}, g: {{file: x, deploy_path: /etc/g, properties: {{content: {{concat: [a, True]}}}}, type: tosca.artifacts.File}}"
                ),
                "",
                "",
            ),
        ),
        ("no image", app("", "", "")),
        (
            "volumes",
            app(&later, "volumes: ['data:/var/a:b', 'unknown:/x', nopath]", ""),
        ),
        (
            "public and private ports",
            app(
                image,
                "publish_ports: [{source: 30880, target: 80, endpoint: 'https://a.b/c'}, {target: 81}], expose_ports: [{target: 3306}]",
                "",
            ),
        ),
        (
            "none of it",
            app(
                image,
                "",
                "scalable: {properties: {min_instances: 0, max_instances: 1, default_instances: 0}}, ",
            ),
        ),
        (
            "two of it",
            app(
                image,
                "",
                "scalable: {properties: {min_instances: 0, max_instances: 2, default_instances: 2}}, ",
            ),
        ),
    ];
    let cases: Vec<(&str, &str)> = cases.iter().map(|(title, text)| (*title, text.as_str())).collect();
    insta::assert_snapshot!(gallery(&cases));
}

#[test]
fn functions() {
    let function = |properties: &str, rest: &str| {
        format!(
            "node_templates:\n  f:\n    type: tosca.nodes.aisprint.FaaS.Function\n    properties: {{name: fn, memory: 512MB, cpu: 1.0, image: 'docker://a/b', script: \"echo 'x' \\\"y\\\"\\n\"{properties}}}\n{rest}"
        )
    };
    let oscar = |host: &str, count: &str| {
        format!(
            "    requirements: [{{host: o}}]\n{count}  o:\n    type: tosca.nodes.indigo.OSCAR\n    properties: {{password: secret-pass{host}}}\n    requirements: [{{host: n}}]\n  n: {{type: tosca.nodes.indigo.Compute}}\n"
        )
    };
    let full = ", enable_gpu: true, enable_sgx: true, alpine: true, exposed: {min_scale: '1', max_scale: '5', port: '80', cpu_threshold: '0.5'}, env_variables: {A: b}, image_pull_secrets: [s], input: [{storage_provider: minio.default, path: in, suffix: x}], output: [], storage_providers: {minio: {default: {access_key: k, secret_key: s, region: r, endpoint: e}}}";
    let none = "    capabilities: {scalable: {properties: {count: 0}}}\n";
    let cases = [
        ("at a cloud", function(full, "")),
        ("memory without B", function("", "").replace("512MB", "1024Mi")),
        ("no function", function("", none)),
        ("at OSCAR", function(full, &oscar(", dns_host: o.example.com", ""))),
        ("at OSCAR without name", function("", &oscar("", ""))),
        (
            "not at OSCAR any more",
            function("", &oscar(", dns_host: o.example.com", none)),
        ),
        (
            "templates in the script",
            function("", &oscar("", "")).replace("echo 'x'", "echo {{ x }}"),
        ),
    ];
    let cases: Vec<(&str, &str)> = cases.iter().map(|(title, text)| (*title, text.as_str())).collect();
    insta::assert_snapshot!(gallery(&cases));
}
