//! Pages of types and values.

use super::{nodes, tosca};
use crate::codes;
use im_radl::Page;

pub(super) const PAGES: &[Page] = &[
    Page::new(
        codes::UNKNOWN_TYPE,
        "unknown type",
        "Neither the document nor its imports nor TOSCA itself define a type of this name. Import the file that does.",
        nodes!("    server:\n      type: tosca.nodes.indigo.Compute\n"),
        tosca!(
            "imports:\n  - https://raw.githubusercontent.com/grycap/tosca/main/custom_types.yaml\ntopology_template:\n  node_templates:\n    \
             server:\n      type: tosca.nodes.indigo.Compute\n"
        ),
    ),
    Page::new(
        codes::DERIVATION,
        "type that derives from nothing",
        "`derived_from` names a type that nothing defines, or leads back to the type itself.",
        tosca!(
            "node_types:\n  my.Server:\n    derived_from: my.Machine\ntopology_template:\n  node_templates:\n    server:\n      type: \
             my.Server\n"
        ),
        tosca!(
            "node_types:\n  my.Server:\n    derived_from: tosca.nodes.Compute\ntopology_template:\n  node_templates:\n    server:\n      \
             type: my.Server\n"
        ),
    ),
    Page::new(
        codes::SCHEMA,
        "definition that cannot be used",
        "The definition of a property or an attribute has a `type`, `required` is true or false, `constraints` are known ones,\n\
         `occurrences` are two numbers.",
        tosca!(
            "node_types:\n  my.Server:\n    derived_from: tosca.nodes.Compute\n    properties:\n      size: {type: integer, required: maybe}\n"
        ),
        tosca!(
            "node_types:\n  my.Server:\n    derived_from: tosca.nodes.Compute\n    properties:\n      size: {type: integer, required: yes}\n"
        ),
    ),
    Page::new(
        codes::UNKNOWN_PROPERTY,
        "unknown property",
        "The type has no property of this name. It may be misspelt, or be one of a capability of the node.",
        nodes!("    disk:\n      type: tosca.nodes.BlockStorage\n      properties: {sise: 10 GB, size: 10 GB}\n"),
        nodes!("    disk:\n      type: tosca.nodes.BlockStorage\n      properties: {size: 10 GB}\n"),
    ),
    Page::new(
        codes::MISSING_PROPERTY,
        "missing property",
        "The type requires the property, and has no default for it.",
        nodes!("    disk:\n      type: tosca.nodes.BlockStorage\n      properties: {}\n"),
        nodes!("    disk:\n      type: tosca.nodes.BlockStorage\n      properties: {size: 10 GB}\n"),
    ),
    Page::new(
        codes::VALUE,
        "value of the wrong type",
        "The value is none of the property's type, and cannot be taken for one.",
        nodes!(
            "    server:\n      type: tosca.nodes.Compute\n      capabilities: {host: {properties: {num_cpus: two}}}\n"
        ),
        nodes!(
            "    server:\n      type: tosca.nodes.Compute\n      capabilities: {host: {properties: {num_cpus: 2}}}\n"
        ),
    ),
    Page::new(
        codes::CONSTRAINT,
        "value that is not allowed",
        "The value is of the right type, but the type narrows what it may be.",
        nodes!(
            "    server:\n      type: tosca.nodes.Compute\n      capabilities: {host: {properties: {num_cpus: 0}}}\n"
        ),
        nodes!(
            "    server:\n      type: tosca.nodes.Compute\n      capabilities: {host: {properties: {num_cpus: 1}}}\n"
        ),
    ),
    Page::new(
        codes::UNIT,
        "number without unit, or with a wrong one",
        "Sizes, frequencies and times are numbers with units: `4 GB`, `512 MiB`, `2.4 GHz`, `10 m`. Letter case does not count;\n\
         `G` alone is no unit.",
        nodes!(
            "    server:\n      type: tosca.nodes.Compute\n      capabilities: {host: {properties: {mem_size: 4 G}}}\n"
        ),
        nodes!(
            "    server:\n      type: tosca.nodes.Compute\n      capabilities: {host: {properties: {mem_size: 4 GB}}}\n"
        ),
    ),
    Page::new(
        codes::CAPABILITY,
        "unknown capability",
        "The node's type has no capability of this name.",
        nodes!(
            "    server:\n      type: tosca.nodes.Compute\n      capabilities: {hots: {properties: {num_cpus: 1}}}\n"
        ),
        nodes!(
            "    server:\n      type: tosca.nodes.Compute\n      capabilities: {host: {properties: {num_cpus: 1}}}\n"
        ),
    ),
    Page::new(
        codes::REQUIREMENT,
        "unknown requirement",
        "The node's type declares no requirement of this name. Written at length, `name: {node: other}`, any name is taken.",
        nodes!(
            "    server:\n      type: tosca.nodes.Compute\n    web:\n      type: tosca.nodes.SoftwareComponent\n      requirements:\n        - \
             hots: server\n"
        ),
        nodes!(
            "    server:\n      type: tosca.nodes.Compute\n    web:\n      type: tosca.nodes.SoftwareComponent\n      requirements:\n        - \
             host: server\n"
        ),
    ),
    Page::new(
        codes::OCCURRENCES,
        "requirement met too often",
        "The type says how often a requirement may be met.",
        tosca!(
            "node_types:\n  my.App:\n    derived_from: tosca.nodes.Root\n    requirements:\n      - db: {node: tosca.nodes.Compute, occurrences: \
             [0, 1]}\ntopology_template:\n  node_templates:\n    a: {type: tosca.nodes.Compute}\n    b: {type: my.App, requirements: [db: a, db: \
             a]}\n"
        ),
        tosca!(
            "node_types:\n  my.App:\n    derived_from: tosca.nodes.Root\n    requirements:\n      - db: {node: tosca.nodes.Compute, occurrences: \
             [0, 1]}\ntopology_template:\n  node_templates:\n    a: {type: tosca.nodes.Compute}\n    b: {type: my.App, requirements: [db: a]}\n"
        ),
    ),
    Page::new(
        codes::TARGET,
        "no such node",
        "A requirement or a group names a node that the document does not have.",
        nodes!("    web:\n      type: tosca.nodes.SoftwareComponent\n      requirements:\n        - host: server\n"),
        nodes!(
            "    server:\n      type: tosca.nodes.Compute\n    web:\n      type: tosca.nodes.SoftwareComponent\n      requirements:\n        - \
             host: server\n"
        ),
    ),
    Page::new(
        codes::RELATIONSHIP,
        "relationship that cannot be read",
        "The relationship of a requirement is the name of a relationship template or of a type, or a mapping with `type`,\n\
         `properties` and `interfaces`.",
        nodes!(
            "    server:\n      type: tosca.nodes.Compute\n      requirements:\n        - local_storage: {node: disk, relationship: 5}\n    disk: \
             {type: tosca.nodes.BlockStorage, properties: {size: 1 GB}}\n"
        ),
        nodes!(
            "    server:\n      type: tosca.nodes.Compute\n      requirements:\n        - local_storage: {node: disk, relationship: {type: \
             AttachesTo, properties: {location: /mnt}}}\n    disk: {type: tosca.nodes.BlockStorage, properties: {size: 1 GB}}\n"
        ),
    ),
    Page::new(
        codes::OPERATION,
        "unknown interface or operation",
        "`Standard` has the operations create, configure, start, stop and delete. `Configure` has those of relationships. Other\n\
         interfaces are those of the node's type.",
        nodes!("    server:\n      type: tosca.nodes.Compute\n      interfaces: {Standard: {confgure: a.yaml}}\n"),
        nodes!("    server:\n      type: tosca.nodes.Compute\n      interfaces: {Standard: {configure: a.yaml}}\n"),
    ),
    Page::new(
        codes::ARTIFACT,
        "artifact of an unknown type",
        "Nothing defines the type of the artifact. Roles and collections of Ansible are found by their types, so a misspelt one\n\
         is not installed.",
        tosca!(
            "imports:\n  - https://raw.githubusercontent.com/grycap/tosca/main/custom_types.yaml\ntopology_template:\n  node_templates:\n    \
             server:\n      type: tosca.nodes.indigo.Compute\n      artifacts: {r: {file: a.b, type: tosca.artifacts.AnsibleGalaxy.roles}}\n"
        ),
        tosca!(
            "imports:\n  - https://raw.githubusercontent.com/grycap/tosca/main/custom_types.yaml\ntopology_template:\n  node_templates:\n    \
             server:\n      type: tosca.nodes.indigo.Compute\n      artifacts: {r: {file: a.b, type: tosca.artifacts.AnsibleGalaxy.role}}\n"
        ),
    ),
    Page::new(
        codes::POLICY,
        "policy for nothing",
        "`targets` of a policy are nodes and groups of the document.",
        tosca!(
            "topology_template:\n  node_templates:\n    server: {type: tosca.nodes.Compute}\n  policies:\n    - p: {type: \
             tosca.policies.Placement, targets: [serve]}\n"
        ),
        tosca!(
            "topology_template:\n  node_templates:\n    server: {type: tosca.nodes.Compute}\n  policies:\n    - p: {type: \
             tosca.policies.Placement, targets: [server]}\n"
        ),
    ),
    Page::new(
        codes::SCALING,
        "number of instances out of bounds",
        "`default_instances` lies between `min_instances` and `max_instances`, which are given with it.",
        nodes!(
            "    server:\n      type: tosca.nodes.Compute\n      capabilities: {scalable: {properties: {default_instances: 3}}}\n"
        ),
        nodes!(
            "    server:\n      type: tosca.nodes.Compute\n      capabilities: {scalable: {properties: {min_instances: 1, max_instances: 4, \
             default_instances: 3}}}\n"
        ),
    ),
    Page::new(
        codes::SUBSTITUTION,
        "substitution mapping",
        "`substitution_mappings` has a `node_type`. It is checked, and has no effect.",
        tosca!("topology_template:\n  substitution_mappings: {properties: {}}\n"),
        tosca!("topology_template:\n  substitution_mappings: {node_type: tosca.nodes.Compute}\n"),
    ),
];
