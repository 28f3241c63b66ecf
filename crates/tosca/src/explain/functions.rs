//! Pages of functions.

use super::tosca;
use crate::codes;
use im_radl::Page;

/// A document with one output.
macro_rules! output {
    ($value:literal) => {
        concat!(
            "tosca_definitions_version: tosca_simple_yaml_1_0\ntopology_template:\n  inputs:\n    size: {type: integer, default: 2}\n  \
             node_templates:\n    server:\n      type: tosca.nodes.Compute\n  outputs:\n    out: {value: ",
            $value,
            "}\n"
        )
    };
}

pub(super) const PAGES: &[Page] = &[
    Page::new(
        codes::FUNCTION,
        "function with wrong arguments",
        "`get_input` takes the name of an input, `get_property` and `get_attribute` a list of a node and a name, `concat` a list\n\
         of at least one value, `token` a text, one character and a number.",
        output!("{ token: [ 'a:b', '::', 0 ] }"),
        output!("{ token: [ 'a:b', ':', 0 ] }"),
    ),
    Page::new(
        codes::UNKNOWN_INPUT,
        "unknown input",
        "`get_input` names an input that the topology does not define.",
        output!("{ get_input: sizes }"),
        output!("{ get_input: size }"),
    ),
    Page::new(
        codes::UNKNOWN_NODE,
        "unknown node",
        "The first argument of `get_property` and `get_attribute` is a node of the document, or SELF, the node that uses the\n\
         value, HOST, one that it runs on, or SOURCE or TARGET in operations of relationships.",
        output!("{ get_attribute: [ serve, public_address ] }"),
        output!("{ get_attribute: [ server, public_address ] }"),
    ),
    Page::new(
        codes::NO_PROPERTY,
        "no such property",
        "`get_property` names a property that the node, the capability or the member does not have.",
        output!("{ get_property: [ server, os, name ] }"),
        output!("{ get_property: [ server, os, type ] }"),
    ),
    Page::new(
        codes::NO_ATTRIBUTE,
        "no such attribute",
        "`get_attribute` names an attribute that the node's type does not declare, or goes into one that is neither a list nor a\n\
         map. `public_address` of `tosca.nodes.Compute` is one text, that of `tosca.nodes.indigo.Compute` a list.",
        output!("{ get_attribute: [ server, public_address, 0 ] }"),
        output!("{ get_attribute: [ server, public_address ] }"),
    ),
    Page::new(
        codes::CYCLE,
        "value that refers to itself",
        "Following `get_property` from here leads back here.",
        tosca!(
            "topology_template:\n  node_templates:\n    a: {type: tosca.nodes.ObjectStorage, properties: {name: {get_property: [b, name]}}}\n    \
             b: {type: tosca.nodes.ObjectStorage, properties: {name: {get_property: [a, name]}}}\n"
        ),
        tosca!(
            "topology_template:\n  node_templates:\n    a: {type: tosca.nodes.ObjectStorage, properties: {name: {get_property: [b, name]}}}\n    \
             b: {type: tosca.nodes.ObjectStorage, properties: {name: bucket}}\n"
        ),
    ),
    Page::new(
        codes::OPERATION_OUTPUT,
        "outputs of operations",
        "`get_operation_output` is not supported. Nodes of `tosca.nodes.indigo.Compute` have the attribute `ansible_output` with\n\
         what each task of their recipes gave.",
        output!("{ get_operation_output: [ server, Standard, create, x ] }"),
        output!("{ get_attribute: [ server, public_address ] }"),
    ),
];
