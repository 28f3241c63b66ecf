//! Image references, and how a container of an image comes to run sshd.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Name and tag (or digest) of a reference, as the pull call wants them: `registry:5000/a/b:1` and `a@sha256:…`
/// included.
pub(crate) fn split(reference: &str) -> (&str, &str) {
    if let Some((name, digest)) = reference.split_once('@') {
        return (name, digest);
    }
    // A colon before the last slash belongs to the registry's port.
    let last = reference.rfind('/').map_or(0, |at| at + 1);
    match reference[last..].rfind(':') {
        Some(at) => (&reference[..last + at], &reference[last + at + 1..]),
        None => (reference, "latest"),
    }
}

/// The reference in an image URL that this connector accepts.
pub(crate) fn reference(url: &str) -> Option<&str> {
    let reference = url.strip_prefix("docker://")?;
    let host = reference.split('/').next().unwrap_or_default();
    let sane = |c: char| c.is_ascii_graphic() && !matches!(c, '?' | '#' | '%' | '\\');
    (!host.is_empty() && reference.chars().all(sane) && !reference.contains("..")).then_some(reference)
}

/// How sshd comes to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Start {
    /// The image's own command does it, and reads our environment variables (label `im.sshd=1`).
    Image,
    /// The image's own command, given here, does it; log-in must be set before.
    Own(Vec<String>),
    /// The image has none: it is installed when the container starts.
    Install,
}

/// What an image says of itself.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Inspected {
    #[serde(rename = "Config")]
    config: Option<Config>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Config {
    labels: Option<BTreeMap<String, String>>,
    exposed_ports: Option<BTreeMap<String, serde_json::Value>>,
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
}

impl Inspected {
    pub(crate) fn start(self) -> Start {
        let config = self.config.unwrap_or_default();
        if config
            .labels
            .unwrap_or_default()
            .get("im.sshd")
            .is_some_and(|v| v == "1")
        {
            return Start::Image;
        }
        let exposes = config.exposed_ports.unwrap_or_default().contains_key("22/tcp");
        let mut command = config.entrypoint.unwrap_or_default();
        command.extend(config.cmd.unwrap_or_default());
        if exposes && !command.is_empty() {
            Start::Own(command)
        } else {
            Start::Install
        }
    }
}

/// Takes the log-in out of the environment, then runs the script that follows as first argument.
pub(crate) const HIDE_SCRIPT: &str = include_str!("start/hide.sh");
/// Sets the log-in once, then runs the image's own command, which follows as arguments.
pub(crate) const OWN_SCRIPT: &str = concat!(include_str!("start/login.sh"), include_str!("start/own.sh"));
/// Installs sshd where it is missing, sets the log-in once, then runs sshd.
pub(crate) const INSTALL_SCRIPT: &str = concat!(
    include_str!("start/packages.sh"),
    include_str!("start/login.sh"),
    include_str!("start/install.sh")
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references() {
        for (text, name, tag) in [
            ("ubuntu", "ubuntu", "latest"),
            ("ubuntu:22.04", "ubuntu", "22.04"),
            ("ghcr.io/a/b:1", "ghcr.io/a/b", "1"),
            ("localhost:5000/a", "localhost:5000/a", "latest"),
            ("localhost:5000/a:2", "localhost:5000/a", "2"),
            ("a/b@sha256:00ff", "a/b", "sha256:00ff"),
        ] {
            assert_eq!(split(text), (name, tag), "{text}");
        }
    }

    #[test]
    fn urls() {
        assert_eq!(reference("docker://im-node:ansible"), Some("im-node:ansible"));
        assert_eq!(reference("docker://localhost:5000/a:2"), Some("localhost:5000/a:2"));
        for url in [
            "docker:///a/b:1",
            "docker://",
            "ubuntu",
            "one://h/1",
            "docker://a?b",
            "docker://a/../b",
            "docker://a b",
        ] {
            assert_eq!(reference(url), None, "{url}");
        }
    }

    #[test]
    fn how_images_start() {
        let start = |json: serde_json::Value| serde_json::from_value::<Inspected>(json).unwrap().start();
        let cmd = serde_json::json!({"Config": {"Labels": {"im.sshd": "1"}, "Cmd": ["/sbin/im-init"]}});
        assert_eq!(start(cmd), Start::Image);
        let own =
            serde_json::json!({"Config": {"ExposedPorts": {"22/tcp": {}}, "Cmd": ["-D"], "Entrypoint": ["sshd"]}});
        assert_eq!(start(own), Start::Own(vec!["sshd".into(), "-D".into()]));
        assert_eq!(
            start(serde_json::json!({"Config": {"Cmd": ["bash"], "Labels": null}})),
            Start::Install
        );
        assert_eq!(start(serde_json::json!({})), Start::Install);
    }
}
