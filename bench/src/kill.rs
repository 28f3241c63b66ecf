//! `kill -9` at seeded moments while the service deploys, configures and deletes real containers with real Ansible.
//!
//! Each time it is started again on the same database. Then the infrastructure must end configured, or gone where it
//! was being deleted, without another request; once it is deleted, nothing of it may be left; and by the daemon's own
//! events nothing may have been made twice.

use crate::{
    docker::{Accounts, Daemon, Watch},
    error::{BenchError, BenchResult},
    http::Client,
    report::{Table, machine},
    server::Server,
};
use clap::Args;
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{
    env, fmt,
    path::Path,
    time::{Duration, Instant},
};

/// What to do.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Times the service is killed.
    #[arg(long, default_value_t = 10)]
    moments: usize,
    /// What the moments are drawn from: the same seed gives the same fractions of the phases.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Longest wait, in seconds, for an end after a restart.
    #[arg(long, default_value_t = 180)]
    patience: u64,
}

/// VMs of the document.
const VMS: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Deploy,
    Configure,
    Delete,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deploy => "deployment",
            Self::Configure => "configuration",
            Self::Delete => "deletion",
        })
    }
}

/// How long each phase takes when nobody disturbs it.
struct Lengths {
    deploy: Duration,
    configure: Duration,
    delete: Duration,
}

impl Lengths {
    fn of(&self, phase: Phase) -> Duration {
        match phase {
            Phase::Deploy => self.deploy,
            Phase::Configure => self.configure,
            Phase::Delete => self.delete,
        }
    }
}

/// What came of one moment.
#[derive(Default)]
struct Outcome {
    ended: String,
    /// From the restart to the end.
    resumed: Duration,
    accounts: Accounts,
    wrong: Vec<String>,
}

struct Bench {
    server: Server,
    daemon: Daemon,
    watch: Watch,
    document: String,
    patience: Duration,
}

pub(crate) async fn run(im: &Path, options: &Options) -> BenchResult<bool> {
    let (Ok(docker), Ok(image)) = (env::var("IM_TEST_DOCKER"), env::var("IM_TEST_NODE_IMAGE")) else {
        println!("not run: IM_TEST_DOCKER and IM_TEST_NODE_IMAGE are not set; see scripts/README.md");
        return Ok(!env::var("CI").is_ok_and(|ci| ci == "true"));
    };
    println!("{}\n", machine());
    let host = docker.replacen("tcp:", "http:", 1);
    let local = docker.trim_start_matches("tcp://");
    let clouds = format!("id = docker; type = Docker; host = {host}");
    let daemon = Daemon::new(&docker).await?;
    let mut bench = Bench {
        server: Server::new(im, &clouds, &format!("ALLOWED_LOCAL_HOSTS = {local}"))?,
        watch: daemon.watch().await?,
        daemon,
        document: document(&image),
        patience: Duration::from_secs(options.patience),
    };
    bench.server.start().await?;
    let lengths = bench.undisturbed().await?;
    println!(
        "undisturbed: deployment {:.1} s, configuration {:.1} s, deletion {:.1} s\n",
        lengths.deploy.as_secs_f64(),
        lengths.configure.as_secs_f64(),
        lengths.delete.as_secs_f64()
    );
    let mut random = StdRng::seed_from_u64(options.seed);
    let mut table = Table::new(&[
        "killed during",
        "after (s)",
        "ended",
        "resumed in (s)",
        "made",
        "removed",
        "verdict",
    ]);
    let mut wrong = Vec::new();
    for n in 0..options.moments {
        let phase = [Phase::Deploy, Phase::Configure, Phase::Delete][n % 3];
        let after = lengths.of(phase).mul_f64(random.random::<f64>());
        println!("{}: killed {:.2} s into {phase}", n + 1, after.as_secs_f64());
        let outcome = bench.moment(phase, after).await?;
        for text in &outcome.wrong {
            println!("   {text}");
            wrong.push(format!("moment {}: {text}", n + 1));
        }
        let sum = |f: fn(&crate::docker::Account) -> usize| outcome.accounts.values().map(f).sum::<usize>().to_string();
        table.row(vec![
            phase.to_string(),
            format!("{:.2}", after.as_secs_f64()),
            outcome.ended,
            format!("{:.1}", outcome.resumed.as_secs_f64()),
            sum(|a| a.made),
            sum(|a| a.removed),
            if outcome.wrong.is_empty() { "good" } else { "WRONG" }.to_owned(),
        ]);
    }
    println!();
    table.print();
    if !wrong.is_empty() {
        println!("\nseed {}:", options.seed);
        for text in &wrong {
            println!("  {text}");
        }
        println!("\nlog of the service:\n{}", bench.server.log_end());
    }
    Ok(wrong.is_empty())
}

/// Two networks, a volume, two systems with a step each.
fn document(image: &str) -> String {
    let system = |name: &str, more: &str| {
        format!(
            "system {name} (\n  cpu.count >= 1 and\n  memory.size >= 256m and\n  net_interface.0.connection = 'private' and\n  \
             net_interface.0.dns_name = '{name}-#N#' and\n{more}  disk.0.os.name = 'linux' and\n  \
             disk.0.image.url = 'docker://{image}'\n)\nconfigure {name} (\n@begin\n---\n- tasks:\n    - name: Say who it is\n      \
             ansible.builtin.copy:\n        dest: /root/who\n        content: \"{name} {{{{ IM_NODE_HOSTNAME }}}}\\n\"\n    \
             - name: Read it\n      ansible.builtin.command: grep -q {name} /root/who\n@end\n)\n"
        )
    };
    format!(
        "network public ( outbound = 'yes' )\nnetwork private ( )\n{}{}contextualize (\n  system worker configure worker step 1\n  \
         system front configure front step 2\n)\ndeploy front 1\ndeploy worker {}\n",
        system(
            "front",
            "  net_interface.1.connection = 'public' and\n  disk.1.size = 1g and\n  disk.1.mount_path = '/data' and\n"
        ),
        system("worker", ""),
        VMS - 1
    )
}

impl Bench {
    /// One infrastructure from beginning to end, timed.
    async fn undisturbed(&self) -> BenchResult<Lengths> {
        let begin = Instant::now();
        let id = self.server.create(&self.document, true).await?;
        self.until_up(&id).await?;
        let deploy = begin.elapsed();
        let begin = Instant::now();
        let ended = self.until_settled(&id).await?;
        if ended != "configured" {
            let log = self
                .server
                .get(&format!("/infrastructures/{id}/contmsg"))
                .await
                .unwrap_or_default();
            self.daemon.remove(&self.daemon.left(&id).await?).await?;
            return Err(BenchError::Setup(format!(
                "without being killed the infrastructure ends {ended}\n{log}\n{}",
                self.server.log_end()
            )));
        }
        let configure = begin.elapsed();
        let begin = Instant::now();
        self.server
            .call("DELETE", &format!("/infrastructures/{id}"), "")
            .await?;
        self.until_gone(&id).await?;
        let delete = begin.elapsed();
        let wrong = self.judge(&id).await?.1;
        if wrong.is_empty() {
            return Ok(Lengths {
                deploy,
                configure,
                delete,
            });
        }
        Err(BenchError::Setup(format!("without being killed: {}", wrong.join("; "))))
    }

    /// Kills the service that long into a phase of a new infrastructure, starts it again and sees how that ends.
    async fn moment(&mut self, phase: Phase, after: Duration) -> BenchResult<Outcome> {
        let before = self.server.list().await?;
        let create = self.send("POST", "/infrastructures?async=true", &self.document.clone())?;
        let mut known = None;
        if phase != Phase::Deploy {
            let id = known.insert(self.new_one(&before).await?).clone();
            self.until_up(&id).await?;
            if phase == Phase::Delete {
                self.until_settled(&id).await?;
                drop(self.send("DELETE", &format!("/infrastructures/{id}"), "")?);
            }
        }
        tokio::time::sleep(after).await;
        self.server.kill();
        create.abort();
        let begin = Instant::now();
        self.server.start().await?;
        let listed = self.server.list().await?.into_iter().find(|id| !before.contains(id));
        let Some(id) = listed.or(known) else {
            // Never accepted: then nothing was made either.
            return Ok(Outcome {
                ended: "not stored".to_owned(),
                ..Outcome::default()
            });
        };
        let mut outcome = Outcome::default();
        if phase == Phase::Delete {
            // A request that was not stored when the service died is the client's to repeat.
            if self
                .server
                .state(&id)
                .await?
                .is_some_and(|(state, _)| state != "deleting")
            {
                let again = self
                    .server
                    .call("DELETE", &format!("/infrastructures/{id}?async=true"), "")
                    .await;
                if !matches!(again, Ok(_) | Err(BenchError::Status { status: 404, .. })) {
                    again?;
                }
            }
            let gone = self.until_gone(&id).await.is_ok();
            outcome.ended = if gone { "gone" } else { "not gone" }.into();
            if !gone {
                outcome.wrong.push(format!("it is not gone after {:?}", self.patience));
            }
        } else {
            outcome.ended = self.until_settled(&id).await?;
            if outcome.ended != "configured" {
                outcome.wrong.push(format!("it ends {}", outcome.ended));
            }
        }
        outcome.resumed = begin.elapsed();
        if phase != Phase::Delete {
            self.server
                .call("DELETE", &format!("/infrastructures/{id}"), "")
                .await?;
            self.until_gone(&id).await?;
        }
        let (accounts, wrong) = self.judge(&id).await?;
        outcome.accounts = accounts;
        outcome.wrong.extend(wrong);
        Ok(outcome)
    }

    /// Sends a request and does not wait for its answer.
    fn send(&self, method: &str, path: &str, body: &str) -> BenchResult<tokio::task::JoinHandle<()>> {
        let (peer, request) = (self.server.peer()?, self.server.request(method, path, body));
        Ok(tokio::spawn(async move {
            if let Ok(mut client) = Client::connect(&peer).await {
                drop(client.send(&request).await);
            }
        }))
    }

    /// The infrastructure that was not there before.
    async fn new_one(&self, before: &[String]) -> BenchResult<String> {
        self.until("the infrastructure is not listed", async || {
            Ok(self.server.list().await?.into_iter().find(|id| !before.contains(id)))
        })
        .await
    }

    /// All its VMs run.
    async fn until_up(&self, id: &str) -> BenchResult<()> {
        let up = |state: &String| ["running", "configured", "unconfigured"].contains(&state.as_str());
        self.until("its VMs are not up", async || {
            Ok(self
                .server
                .state(id)
                .await?
                .filter(|(_, vms)| vms.len() == VMS && vms.iter().all(up))
                .map(drop))
        })
        .await
    }

    /// The state in which it stays.
    async fn until_settled(&self, id: &str) -> BenchResult<String> {
        let result = self
            .until("it does not settle", async || {
                let Some((state, _)) = self.server.state(id).await? else {
                    return Ok(Some("gone".to_owned()));
                };
                Ok(["configured", "unconfigured", "failed"]
                    .contains(&state.as_str())
                    .then_some(state))
            })
            .await;
        match result {
            Err(BenchError::Late { .. }) => {
                let state = self
                    .server
                    .state(id)
                    .await?
                    .map_or_else(|| "gone".to_owned(), |(state, _)| state);
                Ok(format!("{state} for ever"))
            }
            other => other,
        }
    }

    async fn until_gone(&self, id: &str) -> BenchResult<()> {
        self.until("it is not gone", async || {
            Ok(self.server.state(id).await?.is_none().then_some(()))
        })
        .await
    }

    async fn until<T>(&self, what: &str, mut ask: impl AsyncFnMut() -> BenchResult<Option<T>>) -> BenchResult<T> {
        let begin = Instant::now();
        while begin.elapsed() < self.patience {
            if let Some(found) = ask().await? {
                return Ok(found);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(BenchError::Late {
            what: what.to_owned(),
            limit: self.patience,
        })
    }

    /// What is wrong with a deleted infrastructure, by the daemon's own account. Whatever is left is removed.
    async fn judge(&self, id: &str) -> BenchResult<(Accounts, Vec<String>)> {
        // The last events may be on their way.
        let mut accounts = self.watch.accounts(id);
        for _ in 0..50 {
            if accounts.values().all(|a| a.removed >= a.made) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            accounts = self.watch.accounts(id);
        }
        let mut wrong = Vec::new();
        for ((kind, name), account) in &accounts {
            if account.made > 1 {
                wrong.push(format!("{kind} {name} was made {} times", account.made));
            }
            if account.removed < account.made {
                wrong.push(format!("{kind} {name} is left over"));
            }
        }
        let containers: usize = accounts
            .iter()
            .filter(|((kind, _), _)| kind == "container")
            .map(|(_, a)| a.made)
            .sum();
        if containers != VMS {
            wrong.push(format!("{containers} containers were made for {VMS} VMs"));
        }
        let left = self.daemon.left(id).await?;
        wrong.extend(left.iter().map(|path| format!("the daemon still has {path}")));
        self.daemon.remove(&left).await?;
        Ok((accounts, wrong))
    }
}
