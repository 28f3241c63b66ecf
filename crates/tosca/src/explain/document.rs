//! Pages of the document and its imports.

use super::{nodes, tosca};
use crate::codes;
use im_radl::Page;

pub(super) const PAGES: &[Page] = &[
    Page::new(
        codes::REQUIRED,
        "something is missing",
        "A node, a group, a policy and a relationship template have a `type`, an output has a `value`.",
        nodes!("    server:\n      capabilities: {}\n"),
        nodes!("    server:\n      type: tosca.nodes.Compute\n"),
    ),
    Page::new(
        codes::IMPORT_FORM,
        "import that cannot be read",
        "`imports` is a list. An entry is a URL, a name with a URL, or a name with `file` and, if wanted, `repository` and\n\
         `namespace_prefix`.",
        tosca!("imports:\n  - types: 5\n"),
        tosca!("imports:\n  - types: https://raw.githubusercontent.com/grycap/tosca/main/custom_types.yaml\n"),
    ),
    Page::new(
        codes::IMPORT_FAILED,
        "import that could not be had",
        "The file could not be fetched, or it is no TOSCA file. Types that it defines are then unknown, which is not said again\n\
         for each of them. Some well-known files are built in and need no fetching.",
        tosca!("imports:\n  - https://example.invalid/types.yaml\n"),
        tosca!("imports:\n  - https://raw.githubusercontent.com/grycap/tosca/main/custom_types.yaml\n"),
    ),
    Page::new(
        codes::IMPORT_REFUSED,
        "import that is not fetched",
        "Only `http:`, `https:` and `ftp:` URLs are fetched, never files of the service's machine. A relative name is relative\n\
         to the file it stands in, so a document that is sent by itself cannot have one.",
        tosca!("imports:\n  - file:///etc/types.yaml\n"),
        tosca!("imports:\n  - https://raw.githubusercontent.com/grycap/tosca/main/custom_types.yaml\n"),
    ),
    Page::new(
        codes::REPOSITORY,
        "repository",
        "`repositories` gives names to URLs. An import or an artifact with a `repository` names one of them.",
        tosca!("imports:\n  - types: {file: custom_types.yaml, repository: there}\n"),
        tosca!(
            "repositories:\n  there: https://raw.githubusercontent.com/grycap/tosca/main\nimports:\n  - types: {file: custom_types.yaml, \
             repository: there}\n"
        ),
    ),
    Page::new(
        codes::TEMPLATE_FILE,
        "whole template that cannot be used",
        "A document whose only import is a `template_file` extends that template: inputs, outputs, nodes, policies and groups\n\
         are there unless it replaces them. The name is relative to the repository that the service is configured with, or a\n\
         URL in it; without a repository, any URL.",
        tosca!("imports:\n  - template_file: /etc/template.yaml\n"),
        nodes!("    server:\n      type: tosca.nodes.Compute\n"),
    ),
];
