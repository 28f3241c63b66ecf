//! The conformance suite on the connectors without a cloud.

use im_cloud::Connector;
use im_cloud_local::{DeployedNode, Dummy};
use im_model::{AuthLine, CloudRef};
use im_testkit::conformance::Subject;
use std::{collections::BTreeMap, sync::Arc};

const DOCUMENT: &str = "
network private ()
system node (
  cpu.count >= 1 and memory.size >= 512m and net_interface.0.connection = 'private' and
  net_interface.0.ip = '10.1.2.3' and
  disk.0.os.credentials.username = 'admin' and disk.0.os.credentials.password = 'very-secret-word'
)
deploy node 1
";

fn subject(connector: Arc<dyn Connector>) -> Subject {
    let cloud = CloudRef {
        id: "here".to_owned(),
        kind: connector.kind().to_owned(),
        server: String::new(),
        port: None,
        protocol: String::new(),
        path: String::new(),
        extra: BTreeMap::new(),
    };
    let auth = AuthLine::new([("type", connector.kind())]);
    let mut subject = Subject::new(connector, cloud, auth, im_radl::parse(DOCUMENT).document);
    subject.secrets.push("very-secret-word".to_owned());
    subject
}

const NOTHING_OUTSIDE: &str = "it has nothing outside the service";

/// The cases about things outside.
fn excluded(more: &[&str]) -> Vec<String> {
    let outside = [
        "foreign_objects_stay",
        "passing_faults_are_errors",
        "reads_survive_faults",
        "creates_survive_faults",
        "removals_survive_faults",
        "changes_survive_faults",
        "observes_in_few_calls",
        "one_lost_answer_stops_no_other",
    ];
    let mut all: Vec<String> = outside
        .iter()
        .map(|case| format!("{case}: {NOTHING_OUTSIDE}"))
        .collect();
    for (at, more) in more.iter().enumerate() {
        all.insert(2 + at, (*more).to_owned());
    }
    all
}

mod dummy {
    use super::*;
    fn dummy() -> Subject {
        subject(Arc::new(Dummy::new()))
    }
    im_testkit::conformance!(dummy, excluded: excluded(&[]));
}

mod deployed_node {
    use super::*;
    fn deployed_node() -> Subject {
        subject(Arc::new(DeployedNode::new()))
    }
    im_testkit::conformance!(deployed_node, excluded: excluded(&["powers: it cannot switch VMs", "alters: it cannot change VMs"]));
}
