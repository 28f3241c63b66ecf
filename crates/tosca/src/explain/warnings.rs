//! Pages of warnings.

use super::{nodes, tosca};
use crate::codes;
use im_radl::Page;

pub(super) const PAGES: &[Page] = &[
    Page::new(
        codes::DUPLICATE_KEY,
        "written twice",
        "A mapping has two members of one name. The last one counts, and the others are as if they were not there.",
        tosca!("description: one\ndescription: two\n"),
        tosca!("description: two\n"),
    ),
    Page::new(
        codes::RELAXED,
        "accepted, though not everywhere",
        "The original service refuses this. Write it otherwise if the document is for both.",
        tosca!(
            "topology_template:\n  inputs:\n    flag: {type: string, default: no}\n  node_templates:\n    server: {type: tosca.nodes.Compute}\n"
        ),
        tosca!(
            "topology_template:\n  inputs:\n    flag: {type: string, default: 'no'}\n  node_templates:\n    server: {type: \
             tosca.nodes.Compute}\n"
        ),
    ),
    Page::new(
        codes::DROPPED,
        "link without effect",
        "The link between two nodes has no effect: its relationship is none that the type of the node declares for any of its\n\
         requirements, or none at all.",
        nodes!(
            "    server:\n      type: tosca.nodes.Compute\n      requirements:\n        - host: {node: other, relationship: \
             tosca.relationships.HostedOn}\n    other: {type: tosca.nodes.Compute}\n"
        ),
        nodes!(
            "    server:\n      type: tosca.nodes.Compute\n      requirements:\n        - dependency: {node: other, relationship: \
             tosca.relationships.DependsOn}\n    other: {type: tosca.nodes.Compute}\n"
        ),
    ),
    Page::new(
        codes::UNIT_CASE,
        "unit in another letter case",
        "It is understood, but should be written as the standard does.",
        nodes!(
            "    server:\n      type: tosca.nodes.Compute\n      capabilities: {host: {properties: {mem_size: 4 gb}}}\n"
        ),
        nodes!(
            "    server:\n      type: tosca.nodes.Compute\n      capabilities: {host: {properties: {mem_size: 4 GB}}}\n"
        ),
    ),
    Page::new(
        codes::SUSPICIOUS,
        "surely not what was meant",
        "It is allowed, but part of it has no meaning.",
        nodes!(
            "    server:\n      type: tosca.nodes.Compute\n      capabilities: {host: {properties: {mem_size: 4 GB or more}}}\n"
        ),
        nodes!(
            "    server:\n      type: tosca.nodes.Compute\n      capabilities: {host: {properties: {mem_size: 4 GB}}}\n"
        ),
    ),
];
