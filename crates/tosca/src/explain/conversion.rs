//! Pages of the conversion to RADL.

use super::{nodes, tosca};
use crate::codes;
use im_radl::Page;

pub(super) const PAGES: &[Page] = &[
    Page::new(
        codes::CONVERSION,
        "value that cannot be converted",
        "The value is allowed by the type, but a machine cannot be made of it: a credential without user, a count that is no\n\
         whole number.",
        tosca!(
            "imports:\n  - https://raw.githubusercontent.com/grycap/tosca/main/custom_types.yaml\ntopology_template:\n  node_templates:\n    \
             server:\n      type: tosca.nodes.indigo.Compute\n      capabilities: {os: {properties: {credential: {token: secret}}}}\n"
        ),
        tosca!(
            "imports:\n  - https://raw.githubusercontent.com/grycap/tosca/main/custom_types.yaml\ntopology_template:\n  node_templates:\n    \
             server:\n      type: tosca.nodes.indigo.Compute\n      capabilities: {os: {properties: {credential: {user: ubuntu, token: \
             secret}}}}\n"
        ),
    ),
    Page::new(
        codes::CIRCLE,
        "circle of requirements",
        "Nodes are configured after those that they require, so no node can require itself, by way of others or not.",
        nodes!(
            "    a: {type: tosca.nodes.Compute, requirements: [dependency: b]}\n    b: {type: tosca.nodes.Compute, requirements: [dependency: \
             a]}\n"
        ),
        nodes!(
            "    a: {type: tosca.nodes.Compute, requirements: [dependency: b]}\n    b: {type: tosca.nodes.Compute}\n"
        ),
    ),
    Page::new(
        codes::NULL_INPUT,
        "input of an operation without value",
        "An operation is given a value that is null: an input of the document without default, a property that is not set, an\n\
         attribute that is not known before the machines run.",
        tosca!(
            "topology_template:\n  inputs:\n    name: {type: string}\n  node_templates:\n    server:\n      type: tosca.nodes.Compute\n      \
             interfaces: {Standard: {configure: {implementation: 'https://example.org/a.yml', inputs: {name: {get_input: name}}}}}\n"
        ),
        tosca!(
            "topology_template:\n  inputs:\n    name: {type: string, default: front}\n  node_templates:\n    server:\n      type: \
             tosca.nodes.Compute\n      interfaces: {Standard: {configure: {implementation: 'https://example.org/a.yml', inputs: {name: \
             {get_input: name}}}}}\n"
        ),
    ),
    Page::new(
        codes::FILE,
        "file that cannot be fetched",
        "Scripts, playbooks and other files of a document are fetched from `http:`, `https:` and `ftp:` URLs, never from the\n\
         service's machine. A path without host is one below the artifacts of the well-known types.",
        nodes!(
            "    server:\n      type: tosca.nodes.Compute\n      interfaces: {Standard: {configure: {implementation: \
             'file:///etc/a.yml'}}}\n"
        ),
        nodes!(
            "    server:\n      type: tosca.nodes.Compute\n      interfaces: {Standard: {configure: {implementation: \
             'https://example.org/a.yml'}}}\n"
        ),
    ),
    Page::new(
        codes::PORT,
        "port that cannot be opened",
        "A port has `source`, the port outside, `target`, the one of the machine, or both, or a `source_range`; and a protocol\n\
         that firewalls of clouds know.",
        nodes!(
            "    server:\n      type: tosca.nodes.Compute\n      capabilities: {endpoint: {properties: {network_name: PUBLIC, ports: {http: \
             {protocol: tcp}}}}}\n"
        ),
        nodes!(
            "    server:\n      type: tosca.nodes.Compute\n      capabilities: {endpoint: {properties: {network_name: PUBLIC, ports: {http: \
             {protocol: tcp, source: 80}}}}}\n"
        ),
    ),
    Page::new(
        codes::NETWORK,
        "network that cannot be made",
        "Ports of a machine link to networks, and are numbered 0, 1, 2 by `order`, each number once. A proxy has both\n\
         `proxy_host` and `proxy_credential`, with a user.",
        nodes!(
            "    server: {type: tosca.nodes.Compute}\n    net: {type: tosca.nodes.network.Network}\n    one: {type: tosca.nodes.network.Port, \
             requirements: [binding: server, link: net]}\n    two: {type: tosca.nodes.network.Port, requirements: [binding: server, link: \
             net]}\n"
        ),
        nodes!(
            "    server: {type: tosca.nodes.Compute}\n    net: {type: tosca.nodes.network.Network}\n    one: {type: tosca.nodes.network.Port, \
             requirements: [binding: server, link: net]}\n    two: {type: tosca.nodes.network.Port, properties: {order: 1}, requirements: \
             [binding: server, link: net]}\n"
        ),
    ),
    Page::new(
        codes::CONTAINER,
        "container that cannot be run",
        "A container application has an artifact that is its image; there is one of it or none; its volumes are `NAME:PATH`.",
        tosca!(
            "imports:\n  - https://raw.githubusercontent.com/grycap/tosca/main/custom_types.yaml\ntopology_template:\n  node_templates:\n    app: \
             {type: tosca.nodes.Container.Application.Docker}\n"
        ),
        tosca!(
            "imports:\n  - https://raw.githubusercontent.com/grycap/tosca/main/custom_types.yaml\ntopology_template:\n  node_templates:\n    \
             app:\n      type: tosca.nodes.Container.Application.Docker\n      artifacts: {image: {file: nginx, type: \
             tosca.artifacts.Deployment.Image.Container.Docker}}\n"
        ),
    ),
    Page::new(
        codes::NOT_KNOWN,
        "value that is not known",
        "An output asks for what nobody could tell at that moment, for instance because a cloud did not answer. Ask again.",
        tosca!("topology_template: {}\n"),
        tosca!("topology_template: {}\n"),
    ),
];
