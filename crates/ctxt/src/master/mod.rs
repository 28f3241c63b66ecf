//! The master VM: log-in, credentials, Ansible, files, the runner.

#![allow(clippy::unused_async, clippy::missing_const_for_fn, dead_code)] // The bodies follow; the callers need the signatures now.
use crate::{Access, Bundle, CredentialInUse, CtxtError, CtxtOptions, RunSpec, RunnerEvent, Ssh, SshError};
use im_cloud::net::Guard;
use im_model::InfraId;

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

/// A connection to the master VM.
#[derive(Debug)]
pub struct Master {
    guard: Guard,
    access: Access,
    dir: String,
    options: CtxtOptions,
    ssh: Ssh,
}

/// The events of a run, from a sequence number on.
#[derive(Debug)]
pub struct Follow {
    #[allow(dead_code)]
    number: u64,
}

impl Master {
    /// Waits until the master lets us in.
    pub async fn connect(
        guard: &Guard,
        infra: &InfraId,
        access: Access,
        options: &CtxtOptions,
    ) -> Result<Self, SshError> {
        let ssh = Ssh::wait(guard, &access, options.wait_master).await?;
        Ok(Self {
            guard: guard.clone(),
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

    /// Sets the pending password and lets the pending key in, whichever there are. They must have been stored before.
    /// Answers whether the password and the key are now the current ones.
    pub async fn change_credentials(&mut self) -> Result<(bool, bool), CtxtError> {
        Ok((false, false))
    }

    /// Finds Ansible or installs it. `log` gets messages for the header log as things go on.
    pub async fn prepare(&mut self, spec: &RunSpec, log: &mut (dyn FnMut(&str) + Send)) -> Result<Ansible, CtxtError> {
        let _ = (spec, log);
        Err(CtxtError::NoAnsible(String::new()))
    }

    /// Puts the files of a run on the master, in one stream. Nothing of a run under way changes.
    pub async fn push(&mut self, bundle: &Bundle) -> Result<(), CtxtError> {
        let _ = bundle;
        Ok(())
    }

    /// Starts a run whose files were pushed: atomically, refused when the master has seen a higher number, and killing
    /// any run with a lower one.
    pub async fn start(&mut self, number: u64, ansible: &Ansible) -> Result<Started, CtxtError> {
        let _ = (number, ansible);
        Ok(Started::Now)
    }

    /// The events of a run after the sequence number `after`.
    pub fn follow(self, number: u64, after: u64) -> Follow {
        let _ = (self.guard, self.access, self.dir, self.options, after);
        Follow { number }
    }

    /// Kills a run, if it is under way, and all its processes on the master.
    pub async fn kill(&mut self, number: u64) -> Result<(), CtxtError> {
        let _ = number;
        Ok(())
    }

    /// Kills whatever run is under way and removes the infrastructure's folder.
    pub async fn clean(&mut self) -> Result<(), CtxtError> {
        Ok(())
    }
}

impl Follow {
    /// The next event; waits for it as long as the run is under way, across lost connections. None after
    /// [`crate::EventKind::Finished`].
    pub async fn next(&mut self) -> Result<Option<RunnerEvent>, CtxtError> {
        Ok(None)
    }
}
