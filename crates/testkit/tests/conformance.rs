//! The conformance suite on the simulated cloud: what the engine is proved with keeps the promises that it relies on.

use im_model::{AuthLine, CloudRef, Idempotence};
use im_testkit::{
    Fault, Life, SimCloud, SimCloudOptions,
    conformance::{self, Faults, LATE, Subject},
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// Makes calls of the simulated cloud go wrong.
struct SimFaults {
    cloud: Arc<SimCloud>,
    /// Number of the call that does.
    at: AtomicU64,
}

impl Faults for SimFaults {
    fn arm(&self, fault: conformance::Fault, call: u32) {
        let fault = match fault {
            conformance::Fault::DropRequest => Fault::NotDoneNoAnswer,
            conformance::Fault::DropAnswer => Fault::AnswerLost,
            conformance::Fault::Delay(pause) => Fault::Slow(pause),
            conformance::Fault::Repeat => Fault::Repeated,
            conformance::Fault::Late => Fault::Late(LATE),
        };
        let at = self.cloud.calls() + u64::from(call);
        self.at.store(at, Ordering::Relaxed);
        self.cloud.fail_at(at, fault);
    }

    fn disarm(&self) -> Option<String> {
        self.cloud.heal();
        let at = self.at.load(Ordering::Relaxed);
        (self.cloud.calls() > at).then(|| format!("call {at} of the simulated cloud"))
    }

    fn calls(&self) -> u64 {
        self.cloud.calls()
    }
}

fn subject(idempotence: Idempotence) -> Subject {
    let options = SimCloudOptions {
        idempotence,
        ..SimCloudOptions::default()
    };
    let sim = SimCloud::new(options, 7);
    let cloud = CloudRef {
        id: "sim".to_owned(),
        kind: "Sim".to_owned(),
        server: String::new(),
        port: None,
        protocol: String::new(),
        path: String::new(),
        extra: BTreeMap::new(),
    };
    let auth = AuthLine::new([("type", "Sim"), ("account", "mine")]);
    let document = im_radl::parse("system node ()\ndeploy node 1").document;
    let mut subject = Subject::new(sim.connector(&Life::default()), cloud, auth, document);
    subject.faults = Some(Arc::new(SimFaults {
        cloud: sim,
        at: AtomicU64::new(u64::MAX),
    }));
    subject
}

mod unique_names {
    use super::*;
    fn unique() -> Subject {
        subject(Idempotence::UniqueName)
    }
    im_testkit::conformance!(unique, excluded: ["passing_faults_are_errors: it has no other place where nobody answers"]);
}

mod free_names {
    use super::*;
    fn free() -> Subject {
        subject(Idempotence::MarkThenSearch)
    }
    const NAMES: &str =
        "names are free there: of a request that arrives twice or late the engine's settle time takes care";
    im_testkit::conformance!(free, excluded: [
        "passing_faults_are_errors: it has no other place where nobody answers",
        &format!("creates_survive_faults, Repeat: {NAMES}"),
        &format!("creates_survive_faults, Late: {NAMES}"),
    ]);
}
