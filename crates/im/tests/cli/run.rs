//! Runs the program as a user would, away from the settings of whoever runs the tests.

use crate::server::Server;
use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};
use tempfile::TempDir;

/// Credentials of the tests.
pub(crate) const AUTH: &str = "type = InfrastructureManager; username = me; password = s3cret\n";

/// A document that is right.
pub(crate) const DOCUMENT: &str = "network n ()\nsystem s ( net_interface.0.connection = 'n' )\ndeploy s 2\n";

/// A user: a home folder of their own, and maybe a service.
pub(crate) struct User {
    home: TempDir,
    url: Option<String>,
}

impl User {
    /// A user who knows of no service.
    pub(crate) fn new() -> Self {
        Self {
            home: tempfile::tempdir().unwrap(),
            url: None,
        }
    }

    /// A user with credentials for a service.
    pub(crate) fn of(server: &Server) -> Self {
        let user = Self {
            url: Some(server.url.clone()),
            ..Self::new()
        };
        user.file("auth.dat", AUTH);
        user.file("d.radl", DOCUMENT);
        user
    }

    /// Writes a file of the user's.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.home.path().join(name);
        fs::write(&path, text).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        }
        path
    }

    /// The user's folder.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// A call, ready to run.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_im"));
        command
            .args(words)
            .current_dir(self.home.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.home.path())
            .env("COLUMNS", "100")
            .stdin(Stdio::null());
        if let Some(url) = &self.url {
            command
                .env("IM_URL", url)
                .env("IM_AUTH", self.home.path().join("auth.dat"));
        }
        command
    }

    /// Runs a call to its end and tells what came of it.
    pub(crate) fn run(&self, words: &[&str]) -> String {
        let output = self.command(words).output().unwrap();
        self.tell(words, &output)
    }

    /// Starts a call and leaves it running.
    pub(crate) fn start(&self, words: &[&str]) -> Child {
        self.command(words)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Exit code, standard output and standard error, without what differs from run to run.
    pub(crate) fn tell(&self, words: &[&str], output: &Output) -> String {
        let mut told = format!(
            "$ im {}\nexit: {}\n",
            words.join(" "),
            output.status.code().unwrap_or(-1)
        );
        for (name, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
            if !bytes.is_empty() {
                let _ = write!(told, "--- {name}\n{}", String::from_utf8_lossy(bytes));
            }
        }
        if let Some(url) = &self.url {
            told = told.replace(url, "[URL]");
        }
        told.replace(&self.home.path().display().to_string(), "[HOME]")
    }
}
