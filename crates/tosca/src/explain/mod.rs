//! A page for each code: what it means, a wrong and a right example.

mod conversion;
mod document;
mod functions;
mod types;
mod warnings;
mod yaml;

use im_radl::Page;

/// All pages, by code.
pub fn pages() -> impl Iterator<Item = &'static Page> {
    [
        yaml::PAGES,
        document::PAGES,
        types::PAGES,
        functions::PAGES,
        conversion::PAGES,
        warnings::PAGES,
    ]
    .into_iter()
    .flatten()
}

/// The page of a code, in any letter case.
pub fn explain(code: &str) -> Option<&'static Page> {
    pages().find(|page| page.code.eq_ignore_ascii_case(code))
}

/// A document with the first line that all have.
macro_rules! tosca {
    ($body:literal) => {
        concat!("tosca_definitions_version: tosca_simple_yaml_1_0\n", $body)
    };
}
use tosca;

/// A document of these nodes.
macro_rules! nodes {
    ($body:literal) => {
        concat!(
            "tosca_definitions_version: tosca_simple_yaml_1_0\ntopology_template:\n  node_templates:\n",
            $body
        )
    };
}
use nodes;
