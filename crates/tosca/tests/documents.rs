//! Real documents, where they lie beside the repository: what the original accepts is accepted, what it refuses is
//! refused, but for the reasons that stand here.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod support;

use im_radl::Colours;
use im_tosca::Embedded;
use std::fs;

/// Documents that the original refuses and we accept, with the reason.
const RELAXED: &[(&str, &str)] = &[
    (
        "grycap-templates/galaxy_vm.yaml",
        "a document may have no topology of its own",
    ),
    (
        "grycap-templates/k8s_minio.yaml",
        "a document may have no topology of its own",
    ),
    ("im-examples/tosca_radiomics.yaml", "an integer is taken for a float"),
];

fn outcomes_agree(embedded: Embedded) {
    let Some(folder) = support::folder() else {
        println!("not run: the documents are not beside the repository");
        return;
    };
    let outcomes = fs::read_to_string(folder.join("OUTCOMES.tsv")).unwrap();
    let mut wrong = Vec::new();
    let mut seen = 0;
    for line in outcomes.lines().filter(|line| line.starts_with("tosca/")) {
        let mut fields = line.split('\t');
        let (path, outcome) = (fields.next().unwrap(), fields.next().unwrap_or_default());
        let text = fs::read_to_string(folder.join(path)).unwrap();
        let loaded = support::load_document(&folder, &text, embedded);
        seen += 1;
        let relaxed = RELAXED.iter().any(|(known, _)| path.ends_with(known));
        let expected = outcome.starts_with("accept") || relaxed;
        if loaded.is_ok() != expected {
            let said: String = loaded
                .diagnostics
                .iter()
                .filter(|found| found.is_error())
                .map(|found| loaded.sources.render(found, Colours::Off))
                .collect();
            wrong.push(format!("{path}: expected {line}, got {}\n{said}", loaded.is_ok()));
        }
    }
    assert!(seen > 30, "{seen}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn outcomes_agree_with_fetched_types() {
    outcomes_agree(Embedded::Never);
}

#[test]
fn outcomes_agree_with_built_in_types() {
    outcomes_agree(Embedded::Prefer);
}
