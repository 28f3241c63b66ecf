//! Ansible on the master: found in the image, or installed.

use super::{Ansible, Master, quote, tail, with_words};
use crate::{
    CtxtError, CtxtOptions, InstallMethod, RunSpec, SshError,
    ssh::{Exec, Piece},
};
use im_model::Secret;
use serde_json::json;
use std::time::Duration;
use tokio::time::timeout;

const PREPARE: &str = include_str!("prepare.sh");
const SCAN: &str = include_str!("scan.py");
/// Version of the community package where none is named.
const DEFAULT_VERSION: &str = "9.5.1";
/// What recipes expect beside Ansible: `json_query` and `password_hash`.
const COMPANIONS: &str = "jmespath passlib";

/// The series of ansible-core in a version of the community package: 9 is 2.16, 10 is 2.17.
fn core_series(version: &str) -> Option<String> {
    let major: u32 = version.split('.').next()?.parse().ok()?;
    (3..100).contains(&major).then(|| format!("2.{}", major + 7))
}

/// The folder of the community collections that we install.
pub(crate) fn collections_dir(options: &CtxtOptions, version: Option<&str>) -> String {
    let conf = options.conf_dir.trim_end_matches('/');
    format!("{conf}/.collections/{}", safe(version.unwrap_or(DEFAULT_VERSION)))
}

/// A version as a name of a folder and a word of a requirement.
fn safe(version: &str) -> String {
    let fine = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let kept: String = version.chars().filter(fine).collect();
    let kept = kept.trim_start_matches('.').to_owned();
    if kept.is_empty() {
        DEFAULT_VERSION.to_owned()
    } else {
        kept
    }
}

impl Master {
    /// Finds Ansible or installs it, in the order of the options; then makes sure that the collections are there which
    /// the recipes mention. `log` gets messages for the header log as things go on.
    pub async fn prepare(&mut self, spec: &RunSpec, log: &mut (dyn FnMut(&str) + Send)) -> Result<Ansible, CtxtError> {
        let within = self.options.install_timeout;
        timeout(within, self.prepare_in_time(spec, log))
            .await
            .unwrap_or_else(|_| {
                Err(CtxtError::NoAnsible(format!(
                    "it took longer than {} s (ANSIBLE_INSTALL_TIMEOUT)",
                    within.as_secs()
                )))
            })
    }

    async fn prepare_in_time(
        &mut self,
        spec: &RunSpec,
        log: &mut (dyn FnMut(&str) + Send),
    ) -> Result<Ansible, CtxtError> {
        let named = spec.ansible_version().map(safe);
        let version = named.clone().unwrap_or_else(|| DEFAULT_VERSION.to_owned());
        let series = core_series(&version).unwrap_or_else(|| "2.16".to_owned());
        let ways: Vec<&str> = self
            .options
            .install
            .iter()
            .map(|way| match way {
                InstallMethod::Image => "image",
                InstallMethod::Pip => "pip",
                InstallMethod::Packages => "packages",
            })
            .collect();
        let conf = self.options.conf_dir.trim_end_matches('/');
        let text = |text: String| Some(Secret::new(text));
        let words = [
            ("IM_PASSWORD", self.login_password()),
            ("IM_NEW_PASSWORD", None),
            ("IM_ORDER", text(ways.join(" "))),
            ("IM_CORE", named.as_ref().and_then(|_| text(series.clone()))),
            ("IM_PIP", text(format!("ansible-core=={series}.* {COMPANIONS}"))),
            ("IM_VENV", text(format!("{conf}/.ansible/{version}"))),
        ];
        let script = with_words(&words, PREPARE).as_bytes().to_vec();
        self.connected().await?;
        let mut exec = self.ssh.start("exec sh -s", script).await?;
        let mut found = None;
        let mut failed = None;
        let said = lines(&mut exec, &mut |line| {
            if let Some(message) = line.strip_prefix("::im::log ") {
                log(message);
            } else if let Some(words) = line.strip_prefix("::im::ansible ") {
                found = words.split('|').map(str::to_owned).collect::<Vec<_>>().try_into().ok();
            } else if let Some(reason) = line.strip_prefix("::im::failed ") {
                failed = Some(reason.trim().to_owned());
            }
        })
        .await?;
        let Some([playbook, python, version]): Option<[String; 3]> = found else {
            return Err(CtxtError::NoAnsible(failed.unwrap_or_else(|| tail(&said))));
        };
        let ansible = Ansible {
            playbook,
            python,
            version,
        };
        log(&format!(
            "Using Ansible core {} of {}.",
            ansible.version, ansible.playbook
        ));
        self.collections(spec, &ansible, log).await?;
        Ok(ansible)
    }

    /// Installs the community collections, if recipes mention some that are not there.
    async fn collections(
        &mut self,
        spec: &RunSpec,
        ansible: &Ansible,
        log: &mut (dyn FnMut(&str) + Send),
    ) -> Result<(), CtxtError> {
        let recipes: Vec<&str> = spec.document.configures.iter().filter_map(|c| c.text()).collect();
        if recipes.is_empty() {
            return Ok(());
        }
        let version = spec.ansible_version();
        let target = collections_dir(&self.options, version);
        let own = format!("{}/collections", spec.dir());
        let paths = [own.as_str(), target.as_str(), "/var/tmp/ansible"];
        let input = json!({"recipes": recipes, "paths": paths});
        let command = format!("exec {} -c {}", quote(&ansible.python), quote(SCAN));
        let output = self
            .run(&command, input.to_string().into_bytes(), Duration::from_mins(1))
            .await?;
        let missing: Vec<String> = serde_json::from_str(output.stdout.trim()).unwrap_or_default();
        if output.code != 0 {
            tracing::warn!(
                output = tail(&output.stderr),
                "the recipes could not be searched for collections"
            );
        }
        if missing.is_empty() {
            return Ok(());
        }
        log(&format!(
            "The recipes use {}: installing the Ansible community package.",
            missing.join(", ")
        ));
        let version = version.map_or_else(|| DEFAULT_VERSION.to_owned(), safe);
        // Only its collections count: ansible-core and what it needs are there.
        let script = r#"python=$0 final=$1 version=$2; shift 2
            new="$final.new.$$"; rm -rf "$new"; mkdir -p "${final%/*}" || exit 1
            if "$python" -m pip --version >/dev/null 2>&1; then
                "$python" -m pip install -q --no-deps --no-compile --target "$new" "ansible==$version" 2>&1
            else
                ansible-galaxy collection install -p "$new" "$@" 2>&1
            fi && rm -rf "$final" && mv "$new" "$final""#;
        let mut command = format!(
            "exec sh -c {} {} {} {}",
            quote(script),
            quote(&ansible.python),
            quote(&target),
            quote(&version)
        );
        for name in &missing {
            command.push(' ');
            command.push_str(&quote(name));
        }
        let output = self.run(&command, Vec::new(), self.options.install_timeout).await?;
        if output.code != 0 {
            // A recipe that really needs one fails with its name; others still work.
            log(&format!(
                "Error installing the Ansible community package: {}",
                tail(&output.stdout)
            ));
        }
        Ok(())
    }
}

/// Hands out the lines of standard output as they come; answers the end of all that was said.
async fn lines(exec: &mut Exec, each: &mut (dyn FnMut(&str) + Send)) -> Result<String, SshError> {
    let (mut pending, mut all) = (Vec::new(), String::new());
    while let Some(piece) = exec.next().await? {
        let bytes = match piece {
            Piece::Out(bytes) => {
                pending.extend_from_slice(&bytes);
                while let Some(end) = pending.iter().position(|b| *b == b'\n') {
                    let line: Vec<u8> = pending.drain(..=end).collect();
                    each(String::from_utf8_lossy(&line).trim_end());
                }
                bytes
            }
            Piece::Err(bytes) => bytes,
        };
        all.push_str(&String::from_utf8_lossy(&bytes));
        if all.len() > 1 << 16 {
            all = tail(&all);
        }
    }
    // A last line without an end.
    if !pending.is_empty() {
        each(String::from_utf8_lossy(&pending).trim_end());
    }
    Ok(tail(&all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_of_versions() {
        assert_eq!(core_series("9.5.1").as_deref(), Some("2.16"));
        assert_eq!(core_series("12").as_deref(), Some("2.19"));
        assert_eq!(core_series("latest"), None);
        assert_eq!(safe("9.5.1; rm -rf /"), "9.5.1rm-rf");
        assert_eq!(safe("../.."), DEFAULT_VERSION);
    }
}
