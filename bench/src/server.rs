//! The service under test: a process with a database of its own, which can be killed and started again.

use crate::{
    error::{BenchError, BenchResult},
    http::{Client, Peer},
};
use serde_json::Value;
use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Who we are there: any name and password make an account.
const OWNER: &str = "type = InfrastructureManager; username = bench; password = bench";

/// A folder with settings, database and log, and the process that works in it.
pub(crate) struct Server {
    im: PathBuf,
    folder: TempDir,
    auth: String,
    running: Option<Running>,
}

struct Running {
    child: Child,
    address: SocketAddr,
}

impl Server {
    /// Prepares a folder; `clouds` are lines of credentials, `settings` further lines of `im.cfg`.
    pub(crate) fn new(im: &Path, clouds: &str, settings: &str) -> BenchResult<Self> {
        let folder = tempfile::Builder::new().prefix("im-bench-").tempdir()?;
        let path = folder.path().display();
        let config = format!(
            "[im]\nDATA_DB = {path}/im.db\nKEY_FILE = {path}/im.key\nREST_ADDRESS = 127.0.0.1\nREST_PORT = 0\n\
             LOG_FILE = {path}/im.log\nLOG_LEVEL = INFO\n{settings}\n"
        );
        fs::write(folder.path().join("im.cfg"), config)?;
        Ok(Self {
            im: im.to_owned(),
            folder,
            auth: format!("{OWNER}\\n{clouds}"),
            running: None,
        })
    }

    /// Starts the process and waits for its first answer; tells how long that took.
    pub(crate) async fn start(&mut self) -> BenchResult<Duration> {
        let stderr = File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("stderr"))?;
        let begin = Instant::now();
        let mut child = Command::new(&self.im)
            .args(["serve", "--config"])
            .arg(self.folder.path().join("im.cfg"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .map_err(|e| BenchError::NotStarted(self.im.clone(), e))?;
        let address = child.stdout.take().and_then(|stdout| {
            let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
            let address = lines.find_map(|line| line.strip_prefix("listening on http://")?.parse().ok());
            // What it says later is read too, so that it never has to wait.
            std::thread::spawn(move || lines.for_each(drop));
            address
        });
        let Some(address) = address else {
            let _ = child.kill();
            let _ = child.wait();
            return Err(BenchError::Ended(self.log_end()));
        };
        self.running = Some(Running { child, address });
        self.get("/version").await?;
        Ok(begin.elapsed())
    }

    /// The database's file.
    pub(crate) fn database(&self) -> PathBuf {
        self.folder.path().join("im.db")
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        if let Some(mut running) = self.running.take() {
            let _ = running.child.kill();
            let _ = running.child.wait();
        }
    }

    /// Last lines of what it wrote.
    pub(crate) fn log_end(&self) -> String {
        let mut end = String::new();
        for name in ["stderr", "im.log"] {
            let text = fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
            let lines: Vec<_> = text.lines().collect();
            for line in lines.iter().skip(lines.len().saturating_sub(20)) {
                end.push_str(line);
                end.push('\n');
            }
        }
        end
    }

    pub(crate) fn peer(&self) -> BenchResult<Peer> {
        let running = self
            .running
            .as_ref()
            .ok_or_else(|| BenchError::Setup("the service is not running".to_owned()))?;
        Ok(Peer::Tcp(running.address))
    }

    /// Text of a request with our credentials.
    pub(crate) fn request(&self, method: &str, path: &str, body: &str) -> String {
        let headers = [
            ("Authorization", self.auth.as_str()),
            ("Accept", "application/json"),
            ("Content-Type", "text/plain"),
        ];
        Client::request(method, path, &headers, body)
    }

    /// A request on a connection of its own; the body of a good answer.
    pub(crate) async fn call(&self, method: &str, path: &str, body: &str) -> BenchResult<String> {
        let mut client = Client::connect(&self.peer()?).await?;
        let answer = client.send(&self.request(method, path, body)).await?;
        answer.good(&format!("{method} {path}"))
    }

    pub(crate) async fn get(&self, path: &str) -> BenchResult<String> {
        self.call("GET", path, "").await
    }

    /// Creates an infrastructure; its id.
    pub(crate) async fn create(&self, document: &str, wait: bool) -> BenchResult<String> {
        let path = if wait {
            "/infrastructures"
        } else {
            "/infrastructures?async=true"
        };
        let answer: Value = parse(&self.call("POST", path, document).await?)?;
        last_segment(&answer["uri"]).ok_or_else(|| BenchError::Answer(answer.to_string()))
    }

    /// Ids of our infrastructures.
    pub(crate) async fn list(&self) -> BenchResult<Vec<String>> {
        let answer: Value = parse(&self.get("/infrastructures").await?)?;
        let uris = answer["uri-list"].as_array().cloned().unwrap_or_default();
        Ok(uris.iter().filter_map(|uri| last_segment(&uri["uri"])).collect())
    }

    /// State of an infrastructure and of its VMs; `None` once it is gone.
    pub(crate) async fn state(&self, id: &str) -> BenchResult<Option<(String, Vec<String>)>> {
        let text = match self.get(&format!("/infrastructures/{id}/state")).await {
            Ok(text) => text,
            Err(BenchError::Status { status: 404, .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let answer: Value = parse(&text)?;
        let state = &answer["state"];
        let word = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let vms = state["vm_states"]
            .as_object()
            .map(|vms| vms.values().map(word).collect())
            .unwrap_or_default();
        Ok(Some((word(&state["state"]), vms)))
    }

    /// A line of the process's `status`, in KiB: `VmRSS`, `VmHWM`.
    pub(crate) fn memory(&self, line: &str) -> BenchResult<u64> {
        let running = self
            .running
            .as_ref()
            .ok_or_else(|| BenchError::Setup("the service is not running".to_owned()))?;
        let status = fs::read_to_string(format!("/proc/{}/status", running.child.id()))?;
        let value = status.lines().find_map(|l| {
            l.strip_prefix(line)?
                .strip_prefix(':')?
                .split_whitespace()
                .next()?
                .parse()
                .ok()
        });
        value.ok_or(BenchError::Answer(status))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

pub(crate) fn parse(text: &str) -> BenchResult<Value> {
    serde_json::from_str(text).map_err(|e| BenchError::Answer(format!("{e}: {text}")))
}

pub(crate) fn last_segment(uri: &Value) -> Option<String> {
    Some(uri.as_str()?.rsplit('/').next()?.to_owned())
}

/// An infrastructure of that many `Dummy` VMs, which are not configured.
pub(crate) fn dummies(count: usize) -> String {
    format!(
        "network net ( outbound = 'yes' )\nsystem node (\n  cpu.count >= 1 and\n  memory.size >= 512m and\n  \
         net_interface.0.connection = 'net' and\n  disk.0.os.name = 'linux' and\n  \
         disk.0.image.url = 'mock0://linux.for.ev.er/image1'\n)\ncontextualize ( )\ndeploy node {count}\n"
    )
}

/// Credentials of the cloud that creates nothing.
pub(crate) const DUMMY: &str = "id = dummy; type = Dummy";
