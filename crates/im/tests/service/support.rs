//! A service that runs, and requests to it.

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::Value;
use std::{
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Credentials of two users and a cloud without machines.
pub(crate) const BOB: &str =
    "type = InfrastructureManager; username = bob; password = s3cret-of-bob\\nid = d; type = Dummy";
pub(crate) const EVE: &str = "type = InfrastructureManager; username = eve; password = x\\nid = d; type = Dummy";

/// Longest that anything here takes.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// A document that deploys so many.
pub(crate) fn radl(vms: usize) -> String {
    format!(
        "description d (name = 'test')\nnetwork net (outbound = 'yes')\nsystem front (cpu.count = 1 and memory.size = \
         512M and net_interface.0.connection = 'net' and disk.0.os.name = 'linux' and disk.0.image.url = 'dummy://x' \
         and disk.0.os.credentials.username = 'u' and disk.0.os.credentials.password = 's3cret-of-vm')\n\
         contextualize ()\ndeploy front {vms}\n"
    )
}

pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_im"));
    for name in ["IM_DATA_DB", "IM_KEYS", "FORWARDED_ALLOW_IPS", "IM_URL", "IM_AUTH"] {
        command.env_remove(name);
    }
    command
}

/// A folder for a service: settings, database, log.
pub(crate) struct Home {
    folder: TempDir,
}

impl Home {
    pub(crate) fn new(more: &str) -> Self {
        let home = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        home.configure(more);
        home
    }

    /// Writes the settings, with more lines.
    pub(crate) fn configure(&self, more: &str) {
        let text = format!(
            "[im]\nDATA_DB = {}\nLOG_FILE = {}\nLOG_LEVEL = DEBUG\nREST_ADDRESS = 127.0.0.1\nREST_PORT = 0\n{more}\n",
            self.path("data/inf.dat").display(),
            self.path("im.log").display(),
        );
        std::fs::write(self.config(), text).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.path("im.cfg")
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.path("im.log")).unwrap_or_default()
    }

    /// Starts the service and waits until it listens.
    pub(crate) fn start(&self) -> Im {
        self.start_as(Path::new(env!("CARGO_BIN_EXE_im")), &["serve"])
    }

    pub(crate) fn start_as(&self, program: &Path, words: &[&str]) -> Im {
        let mut command = Command::new(program);
        command.args(words).arg("--config").arg(self.config());
        Im::start(command)
    }
}

/// A running service. Killed when dropped.
pub(crate) struct Im {
    child: Child,
    lines: mpsc::Receiver<String>,
    pub(crate) url: String,
    /// How long it took until it listened.
    pub(crate) took: Duration,
}

impl Im {
    pub(crate) fn start(mut command: Command) -> Self {
        command
            .env_remove("IM_DATA_DB")
            .env_remove("FORWARDED_ALLOW_IPS")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let since = Instant::now();
        let mut child = command.spawn().unwrap();
        let lines = lines_of(child.stdout.take().unwrap());
        let Ok(first) = lines.recv_timeout(SOON) else {
            let _ = child.kill();
            let mut said = String::new();
            let _ = child.stderr.take().unwrap().read_to_string(&mut said);
            panic!("the service does not listen: {said}");
        };
        let url = first.strip_prefix("listening on ").unwrap_or_else(|| panic!("{first}"));
        Self {
            url: url.to_owned(),
            took: since.elapsed(),
            child,
            lines,
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.url.rsplit(':').next().unwrap().parse().unwrap()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args(["-s", name, &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// Stops it as an operator would; gives what it printed last.
    pub(crate) fn stop(mut self, signal: &str) -> String {
        self.signal(signal);
        let status = self.wait();
        assert!(status.success(), "{status}");
        self.lines.iter().last().unwrap_or_default()
    }

    /// `kill -9`.
    pub(crate) fn crash(mut self) {
        self.child.kill().unwrap();
        self.wait();
    }

    fn wait(&mut self) -> ExitStatus {
        let until = Instant::now() + SOON;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < until, "the service does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        static PROVIDER: std::sync::Once = std::sync::Once::new();
        PROVIDER.call_once(|| {
            let _ = rustls::crypto::ring::default_provider().install_default();
        });
        let client = reqwest::Client::builder().no_proxy().timeout(SOON).build().unwrap();
        client.request(method, format!("{}{path}", self.url))
    }

    /// A request of Bob's.
    pub(crate) fn ask(&self, method: &str, path: &str) -> RequestBuilder {
        self.ask_as(BOB, method, path)
    }

    pub(crate) fn ask_as(&self, who: &str, method: &str, path: &str) -> RequestBuilder {
        self.request(method.parse().unwrap(), path).header("authorization", who)
    }

    /// Status and text of Bob's request.
    pub(crate) async fn text(&self, method: &str, path: &str) -> (StatusCode, String) {
        told(self.ask(method, path)).await
    }

    /// JSON of Bob's `GET`.
    pub(crate) async fn json(&self, path: &str) -> Value {
        let answer = self
            .ask("GET", path)
            .header("accept", "application/json")
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        answer.json().await.unwrap()
    }

    /// Creates an infrastructure and gives its id.
    pub(crate) async fn create(&self, vms: usize) -> String {
        let answer = self
            .ask("POST", "/infrastructures")
            .body(radl(vms))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        let id = answer.headers()["infid"].to_str().unwrap().to_owned();
        let uri = answer.text().await.unwrap();
        assert_eq!(uri, format!("{}/infrastructures/{id}", self.url));
        id
    }

    /// Waits until the infrastructure has a state.
    pub(crate) async fn until(&self, id: &str, state: &str) {
        let until = Instant::now() + SOON;
        loop {
            let now = self.json(&format!("/infrastructures/{id}/state")).await;
            if now["state"]["state"] == state {
                return;
            }
            assert!(Instant::now() < until, "{id} is not {state} but {now}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Im {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Status and text of an answer.
pub(crate) async fn told(request: RequestBuilder) -> (StatusCode, String) {
    let answer = request.send().await.unwrap();
    (answer.status(), answer.text().await.unwrap())
}

fn lines_of(stdout: ChildStdout) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    receiver
}
