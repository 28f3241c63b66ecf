//! More and more `Dummy` VMs in one infrastructure: how long until all are there and configured, and how much memory.

use crate::{
    error::{BenchError, BenchResult},
    report::{Aims, Table, machine},
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
    /// Numbers of VMs.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 10, 100, 1_000, 10_000])]
    vms: Vec<usize>,
    /// Times each is measured; the best counts.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// End with status 1 when an aim is missed.
    #[arg(long)]
    check: bool,
}

/// Longest wait for one infrastructure.
const LIMIT: Duration = Duration::from_mins(5);

struct Figures {
    created: Duration,
    configured: Duration,
    peak_kib: u64,
}

pub(crate) async fn run(im: &Path, options: &Options) -> BenchResult<bool> {
    println!("{}\n", machine());
    let mut table = Table::new(&["VMs", "created (s)", "configured (s)", "ms per VM", "peak memory (MiB)"]);
    let mut aims = Aims::default();
    let mut per_vm = Vec::new();
    for &count in &options.vms {
        let mut best: Option<Figures> = None;
        for _ in 0..options.runs.max(1) {
            let figures = measure(im, count).await?;
            if best.as_ref().is_none_or(|b| figures.configured < b.configured) {
                best = Some(figures);
            }
        }
        let Some(best) = best else { continue };
        let seconds = best.configured.as_secs_f64();
        #[allow(clippy::cast_precision_loss)] // thousands
        let (each, mib) = (seconds * 1e3 / count.max(1) as f64, best.peak_kib as f64 / 1024.0);
        table.row(vec![
            count.to_string(),
            format!("{:.3}", best.created.as_secs_f64()),
            format!("{seconds:.3}"),
            format!("{each:.3}"),
            format!("{mib:.1}"),
        ]);
        if count == 1_000 {
            aims.at_most("1,000 VMs, seconds", seconds, 0.2);
        }
        per_vm.push((count, each));
    }
    // Flat: what a VM costs does not grow with their number.
    if let (Some((_, thousand)), Some((_, most))) = (
        per_vm.iter().find(|(n, _)| *n == 1_000),
        per_vm.iter().find(|(n, _)| *n == 10_000),
    ) {
        aims.at_most("time per VM at 10,000 over that at 1,000", most / thousand, 1.5);
    }
    table.print();
    println!();
    Ok(aims.print() || !options.check)
}

async fn measure(im: &Path, count: usize) -> BenchResult<Figures> {
    let mut server = Server::new(im, DUMMY, "")?;
    server.start().await?;
    let document = dummies(count);
    let begin = Instant::now();
    let id = server.create(&document, true).await?;
    let created = begin.elapsed();
    loop {
        match server.state(&id).await? {
            Some((state, vms)) if state == "configured" && vms.len() == count => break,
            Some((state, _)) if state == "failed" || state == "unconfigured" => {
                return Err(BenchError::Setup(format!(
                    "{count} VMs: the infrastructure is {state}\n{}",
                    server.log_end()
                )));
            }
            _ if begin.elapsed() > LIMIT => {
                return Err(BenchError::Late {
                    what: format!("{count} VMs are not configured"),
                    limit: LIMIT,
                });
            }
            _ => tokio::time::sleep(Duration::from_millis(2)).await,
        }
    }
    let configured = begin.elapsed();
    Ok(Figures {
        created,
        configured,
        peak_kib: server.memory("VmHWM")?,
    })
}
