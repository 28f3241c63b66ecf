//! Pages of YAML.

use super::{nodes, tosca};
use crate::codes;
use im_radl::Page;

pub(super) const PAGES: &[Page] = &[
    Page::new(
        codes::SYNTAX,
        "not YAML",
        "The text cannot be read as YAML. Often a value holds a colon followed by a space, a template such as `{{ x }}` stands\n\
         without quotes, a tab is used for indentation, or lines that belong together are indented differently.",
        tosca!("description: what: this is\n"),
        tosca!("description: 'what: this is'\n"),
    ),
    Page::new(
        codes::TAG,
        "unknown tag",
        "A word that begins with `!` before a value is a tag, and only those of YAML itself are known: `!!str`, `!!int`. If\n\
         the `!` belongs to the text, put the text between quotes.",
        tosca!("description: !Ref x\n"),
        tosca!("description: '!Ref x'\n"),
    ),
    Page::new(
        codes::LIMIT,
        "larger than allowed",
        "Documents, their nesting, what their aliases repeat, their imports and their nodes are bounded, so that none costs the\n\
         service more than it may.",
        tosca!(
            "dsl_definitions: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]\n"
        ),
        tosca!("dsl_definitions: [[[]]]\n"),
    ),
    Page::new(
        codes::SCALAR,
        "value that cannot be read",
        "Without quotes the text looks like a date, a time or a number, but is none. Put it between quotes if it is text.",
        tosca!("metadata:\n  creation_date: 2020-13-45\n"),
        tosca!("metadata:\n  creation_date: '2020-13-45'\n"),
    ),
    Page::new(
        codes::VERSION,
        "version of the language",
        "`tosca_definitions_version` says which version of TOSCA the document is in. There are `tosca_simple_yaml_1_0`, `_1_2`\n\
         and `_1_3`, and the profiles `tosca_simple_profile_for_mec_1_0_0` and `tosca_simple_profile_for_nfv_1_0_0`.",
        "tosca_definitions_version: tosca_2_0\n",
        tosca!(""),
    ),
    Page::new(
        codes::FIELD,
        "unknown field",
        "Nothing of this kind has a field of this name. It may be misspelt, or be indented too little or too much.",
        nodes!("    server:\n      type: tosca.nodes.Compute\n      capabilitys: {}\n"),
        nodes!("    server:\n      type: tosca.nodes.Compute\n      capabilities: {}\n"),
    ),
    Page::new(
        codes::SHAPE,
        "wrong kind of value",
        "Here stands a list, a mapping or a text where another of them must stand. Items of a list begin with `- `, members of a\n\
         mapping are `name: value`, all indented alike.",
        tosca!("topology_template:\n  node_templates:\n    - server\n"),
        nodes!("    server:\n      type: tosca.nodes.Compute\n"),
    ),
];
