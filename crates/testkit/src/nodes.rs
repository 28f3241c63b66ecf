//! Container nodes: machines with sshd for tests, gone when dropped.
//!
//! Uses the `docker` command and the variables of `scripts/README.md`; never builds an image.

// A fixture that fails is a test that fails.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::missing_panics_doc
)]

use std::{net::IpAddr, process::Command};

/// The node images that tests use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeImage {
    /// It has Ansible in it.
    Ansible,
    /// It has not.
    Bare,
}

/// A running container node.
#[derive(Clone, Debug)]
pub struct TestNode {
    /// Id of the container.
    pub id: String,
    /// Its address.
    pub ip: IpAddr,
    /// The password of root.
    pub password: String,
}

/// Container nodes of one test.
#[derive(Debug)]
pub struct Nodes {
    daemon: String,
    /// The nodes.
    pub nodes: Vec<TestNode>,
}

/// What a variable says; `None`, with a line that says so, when it is unset. Fails where `CI` is `true`.
pub fn required(variable: &str) -> Option<String> {
    match std::env::var(variable) {
        Ok(value) if !value.is_empty() => Some(value),
        _ => {
            assert!(
                std::env::var("CI").as_deref() != Ok("true"),
                "{variable} is unset: scripts/README.md says how to set it"
            );
            eprintln!("not run: {variable} is unset");
            None
        }
    }
}

impl Nodes {
    /// Starts so many nodes; `None` where there is no daemon for tests. `key`: a public key that may log in.
    pub fn start(image: NodeImage, count: usize, key: Option<&str>) -> Option<Self> {
        let daemon = required("IM_TEST_DOCKER")?;
        let image = required(match image {
            NodeImage::Ansible => "IM_TEST_NODE_IMAGE",
            NodeImage::Bare => "IM_TEST_NODE_IMAGE_BARE",
        })?;
        let mut nodes = Self {
            daemon,
            nodes: Vec::new(),
        };
        for n in 0..count {
            let password = format!("start-pw-{n}");
            let mut arguments = vec!["run".to_owned(), "--detach".to_owned(), "--label=im.test=1".to_owned()];
            arguments.push(format!("--env=IM_ROOT_PASSWORD={password}"));
            arguments.extend(key.map(|key| format!("--env=IM_AUTHORIZED_KEY={key}")));
            arguments.push(image.clone());
            let id = nodes.docker(&arguments);
            // Kept before the address is asked for: it must go away whatever fails.
            nodes.nodes.push(TestNode {
                id: id.clone(),
                ip: IpAddr::from([0, 0, 0, 0]),
                password,
            });
            let format = "--format={{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
            let address = nodes.docker(&["inspect".to_owned(), format.to_owned(), id]);
            nodes.nodes[n].ip = address.parse().unwrap();
        }
        Some(nodes)
    }

    /// Runs a command in a node; answers what it prints, or panics with its errors.
    pub fn exec(&self, node: usize, script: &str) -> String {
        let words = ["exec", &self.nodes[node].id, "sh", "-c", script];
        self.docker(&words.map(str::to_owned))
    }

    /// Runs a command of the daemon on a node: `stop`, `start`, `pause`.
    pub fn control(&self, node: usize, command: &str) {
        self.docker(&[command.to_owned(), self.nodes[node].id.clone()]);
    }

    fn docker(&self, arguments: &[String]) -> String {
        let output = Command::new("docker")
            .env("DOCKER_HOST", &self.daemon)
            .args(arguments)
            .output()
            .expect("the docker command runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "docker {arguments:?}: {errors}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        for node in &self.nodes {
            let removed = Command::new("docker")
                .env("DOCKER_HOST", &self.daemon)
                .args(["rm", "--force", "--volumes", &node.id])
                .output();
            if let Err(error) = removed {
                eprintln!("the node {} is left over: {error}", node.id);
            }
        }
    }
}
