//! How the service grows: with the VMs of one infrastructure, with infrastructures, with clients.
//!
//! Never here: a measurement of its own; see [`crate::growth`] and [`crate::full`].

use crate::{
    error::BenchResult,
    full, growth,
    report::{Aims, machine},
};
use clap::Args;
use std::path::Path;

/// What to measure.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Numbers of VMs of one infrastructure; `0` alone leaves that part out.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 10, 100, 1_000, 10_000])]
    pub(crate) vms: Vec<usize>,
    /// Times each is measured; the best counts.
    #[arg(long, default_value_t = 3)]
    pub(crate) runs: usize,
    /// Infrastructures in the full database; `0` leaves that part out.
    #[arg(long, default_value_t = 10_000)]
    pub(crate) infrastructures: usize,
    /// VMs of each of those.
    #[arg(long, default_value_t = 10)]
    pub(crate) each: usize,
    /// Clients that create them at once.
    #[arg(long, default_value_t = 100)]
    pub(crate) clients: usize,
    /// Reads of each kind, of infrastructures drawn at random.
    #[arg(long, default_value_t = 500)]
    pub(crate) reads: usize,
    /// End with status 1 when an aim is missed.
    #[arg(long)]
    check: bool,
}

pub(crate) async fn run(im: &Path, options: &Options) -> BenchResult<bool> {
    println!("{}\n", machine());
    let mut aims = Aims::default();
    if options.vms.iter().any(|n| *n > 0) {
        growth::run(im, options, &mut aims).await?;
    }
    if options.infrastructures > 0 {
        full::run(im, options, &mut aims).await?;
    }
    Ok(aims.print() || !options.check)
}
