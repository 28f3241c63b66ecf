//! What others can see of a container node while it is worked on: command lines and environments of its processes, and
//! the files that everybody may read.
//!
//! The look is from a second container that shares the node's processes. A command inside the node would see its own
//! environment, which holds what the node was started with. Never here: judging what was seen.

// A fixture that fails is a test that fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::missing_panics_doc)]

use crate::required;
use serde::Deserialize;
use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::mpsc,
    thread::JoinHandle,
};

const WATCH: &str = include_str!("watch.py");

/// Something that was to be seen in a node at some time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// What: `cmdline of 17`, `file /var/tmp/x (644)`.
    pub name: String,
    /// Its bytes.
    pub content: Vec<u8>,
}

/// Looks at a node, every few milliseconds, until it is told to end. Gone when dropped.
#[derive(Debug)]
pub struct NodeWatch {
    child: Child,
    /// It ends when this is closed.
    stdin: Option<ChildStdin>,
    samples: Option<JoinHandle<Vec<Sample>>>,
}

#[derive(Deserialize)]
struct Head {
    name: String,
    size: usize,
}

impl NodeWatch {
    /// Begins with a container once it has taken its first password out of its environment, or does not do so within a
    /// minute. `None` where there is no daemon for tests.
    pub fn start(container: &str) -> Option<Self> {
        Self::begin(container, "")
    }

    /// Begins with a container as it is.
    pub fn start_at_once(container: &str) -> Option<Self> {
        Self::begin(container, "at-once")
    }

    fn begin(container: &str, how: &str) -> Option<Self> {
        let daemon = required("IM_TEST_DOCKER")?;
        let image = required("IM_TEST_NODE_IMAGE")?;
        let mut child = Command::new("docker")
            .env("DOCKER_HOST", daemon)
            .args(["run", "--rm", "--interactive", "--label=im.test=1", "--network=none"])
            .args([&format!("--pid=container:{container}"), "--cap-add=SYS_PTRACE"])
            .args(["--entrypoint=python3", &image, "-c", WATCH, how])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the docker command runs");
        let stdout = child.stdout.take().unwrap();
        let (began, begins) = mpsc::channel();
        let watch = Self {
            stdin: child.stdin.take(),
            samples: Some(std::thread::spawn(move || read(stdout, &began))),
            child,
        };
        begins.recv().expect("the node can be watched");
        Some(watch)
    }

    /// Looks once more, and gives all that was seen. Fails where looking has failed; that the node is gone by now is
    /// none.
    pub fn end(mut self) -> Vec<Sample> {
        drop(self.stdin.take());
        let samples = self.samples.take().unwrap().join().expect("what was seen can be read");
        assert!(
            !samples.iter().any(|sample| sample.name.starts_with("the files ")),
            "{samples:?}"
        );
        samples
    }
}

impl Drop for NodeWatch {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.child.wait();
    }
}

fn read(stdout: ChildStdout, began: &mpsc::Sender<()>) -> Vec<Sample> {
    let mut samples = Vec::new();
    let mut stdout = BufReader::new(stdout);
    let mut line = String::new();
    while stdout.read_line(&mut line).is_ok_and(|n| n > 0) {
        // The last one may be cut off: the node has ended, and all that ran there.
        let Ok(Head { name, size }) = serde_json::from_str(&line) else {
            break;
        };
        let mut content = vec![0; size];
        if stdout.read_exact(&mut content).is_err() {
            break;
        }
        if name == "watching" {
            let _ = began.send(());
        } else {
            samples.push(Sample { name, content });
        }
        line.clear();
    }
    samples
}
