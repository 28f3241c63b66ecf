//! The master VM: log-in, credentials, Ansible, files, the runner.
//!
//! Whatever is done here may be done again: each call finds what an earlier one has left.

mod follow;
mod prepare;

pub use follow::Follow;
pub(crate) use prepare::collections_dir;

use crate::{Access, Bundle, CredentialInUse, CtxtError, CtxtOptions, Dial, Output, Ssh, SshError, keys::read_private};
use im_model::{InfraId, Secret};
use serde_json::json;
use std::{fmt::Write as _, sync::Arc, time::Duration};
use zeroize::Zeroizing;

/// Becoming root and changing credentials, for all scripts.
const ROOT: &str = include_str!("../runner/root.sh");
const CREDENTIALS: &str = include_str!("credentials.sh");
const UNPACK: &str = include_str!("unpack.py");
/// How long one short command may take.
const SHORT: Duration = Duration::from_mins(1);
/// How long the files may take.
const PUSH: Duration = Duration::from_mins(5);

/// The Ansible that a run uses.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Ansible {
    /// The program `ansible-playbook`.
    pub playbook: String,
    /// The Python it runs with.
    pub python: String,
    /// Version of ansible-core.
    pub version: String,
}

/// How [`Master::start`] ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Started {
    /// The run has begun.
    Now,
    /// It had begun before; it may have ended, too.
    Already,
}

/// Which of the pending credentials are the current ones from now on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// The password is.
    pub password: bool,
    /// The key is.
    pub key: bool,
}

/// A connection to the master VM.
#[derive(Debug)]
pub struct Master {
    dial: Arc<dyn Dial>,
    access: Access,
    dir: String,
    options: CtxtOptions,
    ssh: Ssh,
}

impl Master {
    /// Waits until the master lets us in, for `wait_master` at most.
    pub async fn connect(
        dial: &Arc<dyn Dial>,
        infra: &InfraId,
        access: Access,
        options: &CtxtOptions,
    ) -> Result<Self, SshError> {
        let ssh = Ssh::wait(&**dial, &access, options.wait_master).await?;
        Ok(Self {
            dial: Arc::clone(dial),
            access,
            dir: crate::spec::dir(options, infra),
            options: options.clone(),
            ssh,
        })
    }

    /// The credential that let us in.
    pub fn credential(&self) -> CredentialInUse {
        self.ssh.credential()
    }

    /// The address that answered.
    pub fn address(&self) -> (std::net::IpAddr, u16) {
        self.ssh.address()
    }

    /// Sets the pending password and lets the pending key in, whichever there are. They must have been stored before.
    /// A pending password with which the log-in succeeded needs nothing more.
    pub async fn change_credentials(&mut self) -> Result<Changed, CtxtError> {
        let login = &self.access.login;
        let set_already = self.credential() == CredentialInUse::NewPassword;
        let mut changed = Changed {
            password: set_already && login.new_password.is_some(),
            key: self.credential() == CredentialInUse::NewPrivateKey,
        };
        let new_key = match (&login.new_public_key, &login.new_private_key) {
            (Some(key), _) => key.trim().to_owned(),
            (None, Some(private)) => read_private(&login.user, private)?
                .public_key()
                .to_openssh()
                .map_err(|e| CtxtError::Unusable(format!("the new private key has no public half: {e}")))?,
            (None, None) => String::new(),
        };
        let new_password = login.new_password.clone().filter(|_| !changed.password);
        if new_password.is_some() || !new_key.is_empty() {
            let words = [
                ("IM_NEW_KEY", Some(&Secret::new(new_key)).cloned()),
                ("IM_NEW_PASSWORD", new_password),
                ("IM_PASSWORD", self.login_password()),
            ];
            let said = self.script("changing the credentials", &words, CREDENTIALS).await?;
            changed.password |= said.contains("::im::credentials password");
            changed.key |= said.contains("::im::credentials key");
        }
        let login = &mut self.access.login;
        if changed.password {
            login.password = login.new_password.take();
        }
        if changed.key {
            login.new_public_key = None;
            if login.new_private_key.is_some() {
                login.private_key = login.new_private_key.take();
            }
        }
        Ok(changed)
    }

    /// The password that sudo would ask for now.
    fn login_password(&self) -> Option<Secret> {
        let login = &self.access.login;
        match self.credential() {
            CredentialInUse::NewPassword => login.new_password.clone().or_else(|| login.password.clone()),
            _ => login.password.clone(),
        }
    }

    /// Puts the files of a run on the master, in one stream. Nothing of a run under way changes; the files of a run
    /// that has been started stay as they are.
    pub async fn push(&mut self, bundle: &Bundle) -> Result<(), CtxtError> {
        let files: Vec<_> = bundle
            .files
            .iter()
            .map(|file| json!([file.path, file.mode, file.content.len()]))
            .collect();
        let head = json!({"dir": bundle.dir, "number": bundle.number, "files": files});
        let mut stream = head.to_string().into_bytes();
        stream.push(b'\n');
        for file in &bundle.files {
            stream.extend_from_slice(&file.content);
        }
        let command = format!("exec python3 -c {}", quote(UNPACK));
        let output = self.run(&command, stream, PUSH).await?;
        succeeded("copying the files", output).map(drop)
    }

    /// Starts a run whose files were pushed: atomically, refused when the master has seen a higher number, and killing
    /// any run with a lower one.
    pub async fn start(&mut self, number: u64, ansible: &Ansible) -> Result<Started, CtxtError> {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "lowercase")]
        enum Answer {
            Started(bool),
            Superseded(u64),
            Failed(String),
        }
        let command = format!(
            "exec {} {} start {number} {}",
            quote(&ansible.python),
            quote(&self.runner(number)),
            quote(&ansible.playbook)
        );
        let output = self.run(&command, Vec::new(), SHORT).await?;
        let said = succeeded("starting the run", output)?;
        match serde_json::from_str(said.trim()) {
            Ok(Answer::Started(true)) => Ok(Started::Now),
            Ok(Answer::Started(false)) => Ok(Started::Already),
            Ok(Answer::Superseded(newer)) => Err(CtxtError::Superseded { number, newer }),
            Ok(Answer::Failed(output)) => Err(CtxtError::Command {
                what: "starting the run",
                code: 1,
                output,
            }),
            Err(_) => Err(CtxtError::Command {
                what: "starting the run",
                code: 0,
                output: tail(&said),
            }),
        }
    }

    /// The events of a run after the sequence number `after`.
    pub fn follow(self, number: u64, after: u64) -> Follow {
        Follow::new(self, number, after)
    }

    /// Kills a run, if it is under way, and all its processes on the master.
    pub async fn kill(&mut self, number: u64) -> Result<(), CtxtError> {
        let runner = quote(&self.runner(number));
        let command = format!("exec sh -c '[ ! -e \"$0\" ] || exec python3 \"$0\" kill {number}' {runner}");
        let output = self.run(&command, Vec::new(), SHORT).await?;
        succeeded("killing the run", output).map(drop)
    }

    /// Kills whatever run is under way and removes the infrastructure's folder.
    pub async fn clean(&mut self) -> Result<(), CtxtError> {
        let script = r#"for run in "$0"/runs/*/runner/runner.py; do
            [ -e "$run" ] || continue
            number=${run%/runner/runner.py}
            python3 "$run" kill "${number##*/}"
        done
        rm -rf -- "$0""#;
        let command = format!("exec sh -c {} {}", quote(script), quote(&self.dir));
        let output = self.run(&command, Vec::new(), SHORT).await?;
        succeeded("removing the infrastructure's files", output).map(drop)
    }

    fn runner(&self, number: u64) -> String {
        format!("{}/runs/{number}/runner/runner.py", self.dir)
    }

    /// Connects again, if the connection is gone.
    async fn connected(&mut self) -> Result<(), SshError> {
        if self.ssh.is_closed() {
            self.ssh = Ssh::wait(&*self.dial, &self.access, self.options.wait_master).await?;
        }
        Ok(())
    }

    async fn run(&mut self, command: &str, input: Vec<u8>, within: Duration) -> Result<Output, SshError> {
        self.connected().await?;
        self.ssh.run(command, input, within).await
    }

    /// Runs a shell script that comes through standard input, variables first; answers what it printed.
    async fn script(
        &mut self,
        what: &'static str,
        words: &[(&str, Option<Secret>)],
        body: &str,
    ) -> Result<String, CtxtError> {
        let script = with_words(words, body);
        let output = self.run("exec sh -s", script.as_bytes().to_vec(), SHORT).await?;
        if let Some(reason) = marked(&output.stdout, "::im::failed ").next() {
            return Err(CtxtError::Command {
                what,
                code: output.code,
                output: reason.to_owned(),
            });
        }
        succeeded(what, output)
    }
}

/// A script with its variables, root.sh and body.
fn with_words(words: &[(&str, Option<Secret>)], body: &str) -> Zeroizing<String> {
    let mut script = Zeroizing::new(String::new());
    for (name, value) in words {
        let value = value.as_ref().map_or("", Secret::expose);
        let _ = writeln!(script, "{name}={}", quote(value));
    }
    script.push_str(ROOT);
    script.push_str(body);
    script
}

/// The rests of the lines that begin with a mark.
fn marked<'a>(text: &'a str, mark: &'a str) -> impl Iterator<Item = &'a str> {
    text.lines().filter_map(move |line| line.strip_prefix(mark))
}

fn succeeded(what: &'static str, output: Output) -> Result<String, CtxtError> {
    if output.code == 0 {
        return Ok(output.stdout);
    }
    let said = if output.stderr.trim().is_empty() {
        &output.stdout
    } else {
        &output.stderr
    };
    Err(CtxtError::Command {
        what,
        code: output.code,
        output: tail(said),
    })
}

/// The end of a long text.
fn tail(text: &str) -> String {
    let text = text.trim();
    let start = text.len().saturating_sub(2000);
    let start = (start..=text.len()).find(|i| text.is_char_boundary(*i)).unwrap_or(0);
    text[start..].to_owned()
}

/// A word for a POSIX shell.
pub(crate) fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_the_shell() {
        assert_eq!(quote("it's $x"), r"'it'\''s $x'");
        let script = with_words(&[("A", Some(Secret::new("x'; rm y"))), ("B", None)], "true\n");
        assert!(script.starts_with("A='x'\\''; rm y'\nB=''\n"), "{}", &script[..40]);
    }

    #[test]
    fn the_end_of_what_was_said() {
        assert_eq!(tail(&"é".repeat(1500)).chars().count(), 1000);
    }
}
