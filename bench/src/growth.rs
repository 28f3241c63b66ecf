//! More and more `Dummy` VMs in one infrastructure: how long until all are there and configured, how long until they
//! are gone, in how many commits, and how much memory.

use crate::{
    error::{BenchError, BenchResult},
    report::{Aims, Table},
    rows::Rows,
    scale::Options,
    server::{DUMMY, Server, dummies},
};
use std::{
    path::Path,
    time::{Duration, Instant},
};

/// Longest wait for one infrastructure.
const LIMIT: Duration = Duration::from_mins(5);
/// By how much a VM of 10,000 may cost more than one of 100. What is the same for all makes it cost less there; a cost
/// that grows with the number would make it a hundred times as much.
const FLAT: f64 = 1.5;
/// Commits for 1,000 VMs, their creation and configuration or their removal. One per VM and step would be thousands.
const COMMITS: f64 = 60.0;

#[derive(Clone, Copy)]
struct Figures {
    created: Duration,
    configured: Duration,
    deleted: Duration,
    create_commits: u64,
    delete_commits: u64,
    peak_kib: u64,
}

impl Figures {
    /// The best of both in each.
    fn best(self, other: Self) -> Self {
        Self {
            created: self.created.min(other.created),
            configured: self.configured.min(other.configured),
            deleted: self.deleted.min(other.deleted),
            create_commits: self.create_commits.min(other.create_commits),
            delete_commits: self.delete_commits.min(other.delete_commits),
            peak_kib: self.peak_kib.min(other.peak_kib),
        }
    }
}

#[allow(clippy::cast_precision_loss)] // thousands
fn each(time: Duration, count: usize) -> f64 {
    time.as_secs_f64() * 1e3 / count.max(1) as f64
}

pub(crate) async fn run(im: &Path, options: &Options, aims: &mut Aims) -> BenchResult<()> {
    let mut table = Table::new(&[
        "VMs",
        "created (s)",
        "configured (s)",
        "ms per VM",
        "deleted (s)",
        "ms per VM",
        "commits",
        "to delete",
        "peak memory (MiB)",
    ]);
    let mut measured = Vec::new();
    for &count in options.vms.iter().filter(|n| **n > 0) {
        let mut best = measure(im, count).await?;
        for _ in 1..options.runs {
            best = best.best(measure(im, count).await?);
        }
        let seconds = |d: Duration| format!("{:.3}", d.as_secs_f64());
        #[allow(clippy::cast_precision_loss)] // some MiB
        let mib = best.peak_kib as f64 / 1024.0;
        table.row(vec![
            count.to_string(),
            seconds(best.created),
            seconds(best.configured),
            format!("{:.3}", each(best.configured, count)),
            seconds(best.deleted),
            format!("{:.3}", each(best.deleted, count)),
            best.create_commits.to_string(),
            best.delete_commits.to_string(),
            format!("{mib:.1}"),
        ]);
        measured.push((count, best));
    }
    judge(&measured, aims);
    table.print();
    println!();
    Ok(())
}

fn judge(measured: &[(usize, Figures)], aims: &mut Aims) {
    let of = |n: usize| measured.iter().find(|(count, _)| *count == n).map(|(_, f)| *f);
    if let Some(thousand) = of(1_000) {
        aims.at_most("1,000 VMs, seconds", thousand.configured.as_secs_f64(), 0.2);
        #[allow(clippy::cast_precision_loss)] // tens
        let (create, delete) = (thousand.create_commits as f64, thousand.delete_commits as f64);
        aims.at_most("commits that create and configure 1,000 VMs", create, COMMITS);
        aims.at_most("commits that delete 1,000 VMs", delete, COMMITS);
    }
    // Flat: what a VM costs does not grow with their number.
    let Some(most) = of(10_000) else { return };
    for few in [100, 1_000] {
        let Some(less) = of(few) else { continue };
        let ratio = |time: fn(&Figures) -> Duration| each(time(&most), 10_000) / each(time(&less), few);
        aims.at_most(
            &format!("time per VM created at 10,000 over that at {few}"),
            ratio(|f| f.configured),
            FLAT,
        );
        aims.at_most(
            &format!("time per VM deleted at 10,000 over that at {few}"),
            ratio(|f| f.deleted),
            FLAT,
        );
    }
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
    let mut rows = Rows::open(&server.database()).await?;
    let create_commits = rows.commits(&id).await?;
    let begin = Instant::now();
    server.call("DELETE", &format!("/infrastructures/{id}"), "").await?;
    let deleted = begin.elapsed();
    if server.state(&id).await?.is_some() {
        return Err(BenchError::Setup(format!("{count} VMs: deleted, and still there")));
    }
    Ok(Figures {
        created,
        configured,
        deleted,
        create_commits,
        delete_commits: rows.commits(&id).await?.saturating_sub(create_commits),
        peak_kib: server.memory("VmHWM")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(millis: u64, commits: u64) -> Figures {
        let time = Duration::from_millis(millis);
        Figures {
            created: time,
            configured: time,
            deleted: time,
            create_commits: commits,
            delete_commits: commits,
            peak_kib: 1,
        }
    }

    #[test]
    fn a_cost_that_grows_with_the_number_is_missed() {
        let linear = [
            (100, figures(10, 5)),
            (1_000, figures(100, 10)),
            (10_000, figures(1_000, 60)),
        ];
        let mut aims = Aims::default();
        judge(&linear, &mut aims);
        assert!(aims.print());
        let quadratic = [
            (100, figures(10, 5)),
            (1_000, figures(100, 10)),
            (10_000, figures(10_000, 60)),
        ];
        let mut aims = Aims::default();
        judge(&quadratic, &mut aims);
        assert!(!aims.print());
        let mut aims = Aims::default();
        judge(&[(1_000, figures(100, 1_000))], &mut aims);
        assert!(!aims.print());
    }
}
