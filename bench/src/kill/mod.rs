//! `kill -9` at seeded moments of each phase while the service deploys, configures and deletes real containers with
//! real Ansible.
//!
//! A moment is not a time: a proxy before the daemon stops the service at a call ([`trap`]), and contextualization is
//! recognised by the events that the service has stored. After the kill the service's own database says which phase
//! was truly hit; a moment that missed its phase is drawn again.
//!
//! Each time it is started again on the same database. Then the infrastructure must end configured, or gone where it
//! was being deleted, without another request; once it is deleted, nothing of it may be left; and by the daemon's own
//! events nothing may have been made twice.

mod phase;
mod trap;

use crate::{
    docker::{Accounts, Daemon, Watch},
    error::{BenchError, BenchResult},
    http::Client,
    report::{Table, machine},
    rows::{Rows, Standing},
    server::Server,
};
use clap::Args;
use im_testkit::proxy::{Proxy, Upstream};
use phase::{Moment, Phase, Place, Sizes};
use rand::{SeedableRng, rngs::StdRng};
use std::{
    env,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use trap::Trap;

/// What to do.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Times the service is killed in each phase.
    #[arg(long, default_value_t = 8)]
    each: usize,
    /// The phases.
    #[arg(long, value_delimiter = ',', value_enum, default_values_t = Phase::ALL)]
    phases: Vec<Phase>,
    /// What the moments are drawn from: the same seed gives the same calls and events of the phases.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Longest wait, in seconds, for an end after a restart.
    #[arg(long, default_value_t = 180)]
    patience: u64,
    /// End with status 1 when something is wrong.
    #[arg(long)]
    check: bool,
}

/// VMs of the document.
const VMS: usize = 3;
/// How often a moment is drawn that misses its phase.
const DRAWS: usize = 4;
/// Networks, volumes and containers of the document; its public network is the daemon's own.
const OBJECTS: usize = 1 + 1 + VMS;

/// What came of one moment.
#[derive(Default)]
struct Outcome {
    /// The call or event at which the service was killed.
    at: String,
    /// What the database said then.
    standing: Standing,
    hit: bool,
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
    trap: Arc<Trap>,
    _proxy: Proxy,
    /// With steps to configure, and without.
    documents: [String; 2],
    patience: Duration,
}

pub(crate) async fn run(im: &Path, options: &Options) -> BenchResult<bool> {
    let (Ok(docker), Ok(image)) = (env::var("IM_TEST_DOCKER"), env::var("IM_TEST_NODE_IMAGE")) else {
        println!("not run: IM_TEST_DOCKER and IM_TEST_NODE_IMAGE are not set; see scripts/README.md");
        return Ok(!env::var("CI").is_ok_and(|ci| ci == "true"));
    };
    println!("{}\n", machine());
    let mut bench = Bench::new(im, &docker, &image, options).await?;
    bench.server.start().await?;
    let sizes = bench.undisturbed().await?;
    println!(
        "undisturbed: {} calls create, {} change something until all is up, {} while all is deleted; {} events while it \
         is configured\n",
        sizes.creates, sizes.changes, sizes.removals, sizes.events
    );
    let mut table = Table::new(&[
        "phase",
        "killed at",
        "database",
        "hit",
        "ended",
        "resumed in (s)",
        "made",
        "removed",
        "verdict",
    ]);
    let mut wrong = Vec::new();
    let mut random = StdRng::seed_from_u64(options.seed);
    for n in 0..options.each {
        for phase in &options.phases {
            let name = format!("{phase} {}", n + 1);
            let mut outcome = Outcome::default();
            for _ in 0..DRAWS {
                outcome = bench.moment(phase.draw(n, &sizes, &mut random)).await?;
                println!("{name}: {}, {}: {}", outcome.at, outcome.standing, outcome.ended);
                if outcome.hit || !outcome.wrong.is_empty() {
                    break;
                }
            }
            if !outcome.hit {
                outcome.wrong.push(format!("in {DRAWS} draws the phase was never hit"));
            }
            for text in &outcome.wrong {
                println!("   {text}");
                wrong.push(format!("{name}: {text}"));
            }
            table.row(outcome.row(&name));
        }
    }
    println!();
    table.print();
    let moments = options.each * options.phases.len();
    println!("\n{moments} moments, seed {}: {} wrong", options.seed, wrong.len());
    if !wrong.is_empty() {
        for text in &wrong {
            println!("  {text}");
        }
        println!("\nlog of the service:\n{}", bench.server.log_end());
    }
    Ok(wrong.is_empty() || !options.check)
}

impl Outcome {
    fn row(&self, name: &str) -> Vec<String> {
        let sum = |f: fn(&crate::docker::Account) -> usize| self.accounts.values().map(f).sum::<usize>().to_string();
        vec![
            name.to_owned(),
            self.at.clone(),
            self.standing.to_string(),
            if self.hit { "yes" } else { "NO" }.to_owned(),
            self.ended.clone(),
            format!("{:.1}", self.resumed.as_secs_f64()),
            sum(|a| a.made),
            sum(|a| a.removed),
            if self.wrong.is_empty() { "good" } else { "WRONG" }.to_owned(),
        ]
    }
}

/// Two networks, a volume, two systems with a step each, or with none.
fn document(image: &str, configured: bool) -> String {
    let system = |name: &str, more: &str| {
        format!(
            "system {name} (\n  cpu.count >= 1 and\n  memory.size >= 256m and\n  net_interface.0.connection = 'private' and\n  \
             net_interface.0.dns_name = '{name}-#N#' and\n{more}  disk.0.os.name = 'linux' and\n  \
             disk.0.image.url = 'docker://{image}'\n)\n"
        )
    };
    let step = |name: &str| {
        format!(
            "configure {name} (\n@begin\n---\n- tasks:\n    - name: Say who it is\n      \
             ansible.builtin.copy:\n        dest: /root/who\n        content: \"{name} {{{{ IM_NODE_HOSTNAME }}}}\\n\"\n    \
             - name: Read it\n      ansible.builtin.command: grep -q {name} /root/who\n@end\n)\n"
        )
    };
    let steps = if configured {
        format!(
            "{}{}contextualize (\n  system worker configure worker step 1\n  system front configure front step 2\n)\n",
            step("front"),
            step("worker")
        )
    } else {
        "contextualize ( )\n".to_owned()
    };
    format!(
        "network public ( outbound = 'yes' )\nnetwork private ( )\n{}{}{steps}deploy front 1\ndeploy worker {}\n",
        system(
            "front",
            "  net_interface.1.connection = 'public' and\n  disk.1.size = 1g and\n  disk.1.mount_path = '/data' and\n"
        ),
        system("worker", ""),
        VMS - 1
    )
}

/// A call for people: without the query, ids cut short.
fn short(call: &str, infra: &str) -> String {
    let path = call.split('?').next().unwrap_or(call).replace(infra, "ID");
    let words = path.split('/').map(|word| match word.get(..12) {
        Some(start) if word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit()) => start,
        _ => word,
    });
    words.collect::<Vec<_>>().join("/")
}

impl Bench {
    async fn new(im: &Path, docker: &str, image: &str, options: &Options) -> BenchResult<Self> {
        let daemon = Daemon::new(docker).await?;
        let upstream =
            Upstream::parse(docker).ok_or_else(|| BenchError::Setup(format!("{docker} is not the URL of a daemon")))?;
        let trap = Arc::new(Trap::new());
        let proxy = Proxy::with(upstream, trap.clone()).await?;
        let address = proxy.address();
        let clouds = format!("id = docker; type = Docker; host = http://{address}");
        Ok(Self {
            server: Server::new(im, &clouds, &format!("ALLOWED_LOCAL_HOSTS = {address}"))?,
            watch: daemon.watch().await?,
            daemon,
            trap,
            _proxy: proxy,
            documents: [document(image, true), document(image, false)],
            patience: Duration::from_secs(options.patience),
        })
    }

    async fn rows(&self) -> BenchResult<Rows> {
        Rows::open(&self.server.database()).await
    }

    /// One infrastructure from beginning to end, counted.
    async fn undisturbed(&self) -> BenchResult<Sizes> {
        self.trap.release();
        let id = self.server.create(&self.documents[0], true).await?;
        self.until_up(&id).await?;
        let (creates, changes) = self.trap.counts();
        let mut rows = self.rows().await?;
        let before = rows.events(&id).await?;
        let ended = self.until_settled(&id).await?;
        if ended != "configured" || creates < OBJECTS {
            let log = self
                .server
                .get(&format!("/infrastructures/{id}/contmsg"))
                .await
                .unwrap_or_default();
            self.daemon.remove(&self.daemon.left(&id).await?).await?;
            return Err(BenchError::Setup(format!(
                "without being killed the infrastructure ends {ended}, after {creates} creating calls\n{log}\n{}",
                self.server.log_end()
            )));
        }
        let events = rows.events(&id).await? - before;
        self.trap.release();
        self.server
            .call("DELETE", &format!("/infrastructures/{id}"), "")
            .await?;
        self.until_gone(&id).await?;
        let (_, removals) = self.trap.counts();
        let wrong = self.judge(&id).await?.1;
        if wrong.is_empty() {
            return Ok(Sizes {
                creates,
                changes,
                events,
                removals,
            });
        }
        Err(BenchError::Setup(format!("without being killed: {}", wrong.join("; "))))
    }

    /// Brings a new infrastructure to the moment and kills the service there. Answers its id and what the moment was.
    async fn kill_at(&mut self, moment: &Moment) -> BenchResult<(String, Outcome)> {
        let before = self.server.list().await?;
        if let Place::Call(bait) = moment.place
            && moment.phase != Phase::Deletion
        {
            self.trap.set(bait);
        }
        let document = &self.documents[usize::from(!moment.configured)];
        let create = self.send("POST", "/infrastructures?async=true", document)?;
        let id = self.new_one(&before).await?;
        let at = match moment.place {
            Place::Call(bait) => {
                if moment.phase == Phase::Deletion {
                    self.until_up(&id).await?;
                    self.until_settled(&id).await?;
                    self.trap.set(bait);
                    drop(self.send("DELETE", &format!("/infrastructures/{id}"), "")?);
                }
                let sprung = tokio::time::timeout(self.patience, self.trap.sprung()).await;
                sprung.map_or_else(|_| "the call never came".to_owned(), |sprung| short(&sprung.0, &id))
            }
            Place::Event(nth) => {
                self.until_up(&id).await?;
                let mut rows = self.rows().await?;
                let first = rows.events(&id).await?;
                self.until("the event never comes", async || {
                    let come = rows.events(&id).await? >= first + nth;
                    Ok((come || rows.standing(&id).await?.running.is_empty()).then_some(()))
                })
                .await?;
                format!("event {nth} of the configuration")
            }
        };
        tokio::time::sleep(moment.pause).await;
        self.server.kill();
        create.abort();
        let standing = self.rows().await?.standing(&id).await?;
        let answered = self.trap.release();
        let outcome = Outcome {
            at,
            hit: moment.hit(&standing, answered),
            standing,
            ..Outcome::default()
        };
        Ok((id, outcome))
    }

    /// Kills the service at a moment of a new infrastructure, starts it again and sees how that ends.
    async fn moment(&mut self, moment: Moment) -> BenchResult<Outcome> {
        let (id, mut outcome) = self.kill_at(&moment).await?;
        let begin = Instant::now();
        self.server.start().await?;
        if moment.phase == Phase::Deletion {
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
        if moment.phase != Phase::Deletion {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_short() {
        let id = "0123456789abcdef".repeat(4);
        assert_eq!(
            short(&format!("POST /containers/{id}/start"), "i-1"),
            "POST /containers/0123456789ab/start"
        );
        assert_eq!(
            short("DELETE /volumes/im_i-1_vm0-disk1?force=1", "i-1"),
            "DELETE /volumes/im_ID_vm0-disk1"
        );
    }
}
