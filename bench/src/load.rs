//! Start-up, idle memory, and requests per second with the slowest hundredth, of what clients ask most.

use crate::{
    error::{BenchError, BenchResult},
    http::Client,
    report::{Aims, Table, machine, quantile},
    server::{DUMMY, Server, dummies},
};
use clap::Args;
use std::{
    path::Path,
    time::{Duration, Instant},
};

/// What to measure.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Connections at once.
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// Seconds per kind of request.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// End with status 1 when an aim is missed.
    #[arg(long)]
    check: bool,
}

/// Starts that are timed; the middle one counts.
const STARTS: usize = 5;
/// Infrastructures in the list.
const LISTED: usize = 100;
/// VMs whose states are asked for at once.
const MANY: usize = 1_000;

struct Rate {
    per_second: f64,
    p50: Duration,
    p99: Duration,
}

pub(crate) async fn run(im: &Path, options: &Options) -> BenchResult<bool> {
    println!("{}\n", machine());
    let mut aims = Aims::default();
    let mut server = Server::new(im, DUMMY, "")?;
    let first = server.start().await?;
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        server.kill();
        starts.push(server.start().await?);
    }
    starts.sort_unstable();
    let start = starts[STARTS / 2].as_secs_f64() * 1e3;
    tokio::time::sleep(Duration::from_secs(2)).await;
    #[allow(clippy::cast_precision_loss)] // some MiB
    let idle = server.memory("VmRSS")? as f64 / 1024.0;
    println!(
        "start-up to first answer: {start:.1} ms ({:.1} ms with a new database)",
        first.as_secs_f64() * 1e3
    );
    println!("idle memory:              {idle:.1} MiB\n");
    aims.at_most("start-up, ms", start, 50.0);
    aims.at_most("idle memory, MiB", idle, 20.0);

    let mut ids = Vec::new();
    for _ in 1..LISTED {
        ids.push(server.create(&dummies(1), true).await?);
    }
    let many = server.create(&dummies(MANY), true).await?;
    settled(&server, &many).await?;
    let one = &ids[0];
    let kinds = [
        ("version", "/version".to_owned()),
        ("list of 100", "/infrastructures".to_owned()),
        ("info of one VM", format!("/infrastructures/{one}/vms/0")),
        ("state of 1,000 VMs", format!("/infrastructures/{many}/state")),
    ];
    let mut table = Table::new(&["request", "per second", "p50 (ms)", "p99 (ms)"]);
    let mut rates = Vec::new();
    for (name, path) in &kinds {
        let rate = measure(&server, path, options).await?;
        let ms = |d: Duration| format!("{:.2}", d.as_secs_f64() * 1e3);
        table.row(vec![
            (*name).to_owned(),
            format!("{:.0}", rate.per_second),
            ms(rate.p50),
            ms(rate.p99),
        ]);
        rates.push(rate.per_second);
    }
    table.print();
    println!("\nmemory after it: {} MiB", server.memory("VmRSS")? / 1024);
    let version = rates[0];
    aims.at_least("list of 100 over version", rates[1] / version, 0.25);
    aims.at_least("VM info over version", rates[2] / version, 0.25);
    Ok(aims.print() || !options.check)
}

async fn settled(server: &Server, id: &str) -> BenchResult<()> {
    let limit = Duration::from_mins(1);
    let begin = Instant::now();
    while begin.elapsed() < limit {
        if server.state(id).await?.is_some_and(|(state, _)| state == "configured") {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Err(BenchError::Late {
        what: format!("{id} is not configured"),
        limit,
    })
}

/// All connections ask, each one request after another, for a fixed time.
async fn measure(server: &Server, path: &str, options: &Options) -> BenchResult<Rate> {
    let request = server.request("GET", path, "");
    let begin = Instant::now();
    let end = begin + Duration::from_secs(options.seconds);
    let mut tasks = Vec::new();
    for _ in 0..options.connections.max(1) {
        let (peer, request, path) = (server.peer()?, request.clone(), path.to_owned());
        tasks.push(tokio::spawn(async move {
            let mut client = Client::connect(&peer).await?;
            let mut times = Vec::new();
            while Instant::now() < end {
                let sent = Instant::now();
                client.send(&request).await?.good(&path)?;
                times.push(sent.elapsed());
            }
            BenchResult::Ok(times)
        }));
    }
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.map_err(|e| BenchError::Setup(e.to_string()))??);
    }
    let elapsed = begin.elapsed().as_secs_f64();
    times.sort_unstable();
    #[allow(clippy::cast_precision_loss)] // far below 2^52
    let per_second = times.len() as f64 / elapsed;
    Ok(Rate {
        per_second,
        p50: quantile(&times, 50),
        p99: quantile(&times, 99),
    })
}
