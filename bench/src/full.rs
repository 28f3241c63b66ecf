//! A full database: filled by many clients at once, then read, then opened again.
//!
//! The filling is itself a measurement: every client creates one infrastructure after another and waits for each.

use crate::{
    error::{BenchError, BenchResult},
    http::Client,
    report::{Aims, Table, quantile},
    rows::Rows,
    scale::Options,
    server::{DUMMY, Server, dummies, last_segment, parse},
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

/// Starts that are timed; the middle one counts.
const STARTS: usize = 5;
/// Longest wait for what was created to be configured.
const LIMIT: Duration = Duration::from_mins(2);

/// What one client saw.
#[derive(Default)]
struct Seen {
    ids: Vec<String>,
    times: Vec<Duration>,
    errors: Vec<String>,
}

pub(crate) async fn run(im: &Path, options: &Options, aims: &mut Aims) -> BenchResult<()> {
    let mut server = Server::new(im, DUMMY, "")?;
    let empty = server.start().await?;
    println!("start-up with a new database: {:.1} ms\n", ms(empty));

    let mut ids = fill(&server, options, aims).await?;
    settled(&server, options).await?;
    println!(
        "memory when full:  {:.1} MiB, at most {:.1}",
        mib(&server, "VmRSS")?,
        mib(&server, "VmHWM")?
    );
    println!("database:          {:.1} MiB\n", size(&server)?);

    let mut starts = Vec::new();
    for _ in 0..STARTS {
        server.kill();
        starts.push(server.start().await?);
    }
    println!(
        "start-up after `kill -9`: {:?} ms",
        starts.iter().map(|d| ms(*d).round()).collect::<Vec<_>>()
    );
    starts.sort_unstable();
    aims.at_most("start-up with the full database, ms", ms(starts[STARTS / 2]), 100.0);
    println!("memory after start-up:    {:.1} MiB\n", mib(&server, "VmRSS")?);

    ids.sort_unstable();
    reads(&server, &ids, options, aims).await?;
    // Whatever is kept for readers is kept now.
    every_state(&server, &ids, options.each).await?;
    println!(
        "\nmemory after reading all: {:.1} MiB, at most {:.1}",
        mib(&server, "VmRSS")?,
        mib(&server, "VmHWM")?
    );
    aims.at_most("memory with everything read, MiB", mib(&server, "VmHWM")?, 200.0);
    println!();
    Ok(())
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[allow(clippy::cast_precision_loss)] // some MiB
fn mib(server: &Server, line: &str) -> BenchResult<f64> {
    Ok(server.memory(line)? as f64 / 1024.0)
}

#[allow(clippy::cast_precision_loss)] // some MiB
fn size(server: &Server) -> BenchResult<f64> {
    Ok(std::fs::metadata(server.database())?.len() as f64 / f64::from(1 << 20))
}

/// All clients create until there are enough.
async fn fill(server: &Server, options: &Options, aims: &mut Aims) -> BenchResult<Vec<String>> {
    let request: Arc<str> = server
        .request("POST", "/infrastructures", &dummies(options.each))
        .into();
    let next = Arc::new(AtomicUsize::new(0));
    let (clients, wanted) = (options.clients.max(1), options.infrastructures);
    let begin = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..clients {
        let (peer, request, next) = (server.peer()?, Arc::clone(&request), Arc::clone(&next));
        tasks.push(tokio::spawn(async move {
            let mut seen = Seen::default();
            let mut client = Client::connect(&peer).await?;
            while next.fetch_add(1, Ordering::Relaxed) < wanted {
                let sent = Instant::now();
                let answer = client
                    .send(&request)
                    .await
                    .and_then(|a| a.good("POST /infrastructures"));
                match answer.and_then(|text| created(&text)) {
                    Ok(id) => {
                        seen.times.push(sent.elapsed());
                        seen.ids.push(id);
                    }
                    Err(error) => {
                        seen.errors.push(error.to_string());
                        client = Client::connect(&peer).await?;
                    }
                }
            }
            BenchResult::Ok(seen)
        }));
    }
    let mut all = Seen::default();
    for task in tasks {
        let seen = task.await.map_err(|e| BenchError::Setup(e.to_string()))??;
        all.ids.extend(seen.ids);
        all.times.extend(seen.times);
        all.errors.extend(seen.errors);
    }
    let took = begin.elapsed().as_secs_f64();
    all.times.sort_unstable();
    let mut table = Table::new(&[
        "clients",
        "created",
        "VMs of each",
        "per second",
        "p50 (ms)",
        "p99 (ms)",
        "errors",
    ]);
    #[allow(clippy::cast_precision_loss)] // thousands
    let (rate, errors) = (all.ids.len() as f64 / took, all.errors.len() as f64);
    let (p50, p99) = (quantile(&all.times, 50), quantile(&all.times, 99));
    table.row(vec![
        clients.to_string(),
        all.ids.len().to_string(),
        options.each.to_string(),
        format!("{rate:.0}"),
        format!("{:.1}", ms(p50)),
        format!("{:.1}", ms(p99)),
        all.errors.len().to_string(),
    ]);
    table.print();
    println!();
    if let Some(first) = all.errors.first() {
        println!("first error: {first}\n");
    }
    aims.at_most("errors while all clients create", errors, 0.0);
    // Nobody waits while others are served: the slowest hundredth stays near the middle.
    aims.at_most("p99 over p50 of creating", p99.as_secs_f64() / p50.as_secs_f64(), 5.0);
    Ok(all.ids)
}

fn created(answer: &str) -> BenchResult<String> {
    let answer = parse(answer)?;
    last_segment(&answer["uri"]).ok_or_else(|| BenchError::Answer(answer.to_string()))
}

/// Waits until no operation is left, and sees that everything is there.
async fn settled(server: &Server, options: &Options) -> BenchResult<()> {
    let mut rows = Rows::open(&server.database()).await?;
    let begin = Instant::now();
    while rows.unfinished().await? > 0 {
        if begin.elapsed() > LIMIT {
            return Err(BenchError::Late {
                what: format!("{} operations are unfinished", rows.unfinished().await?),
                limit: LIMIT,
            });
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("settled {:.1} ms after the last answer", ms(begin.elapsed()));
    let (there, wanted) = (rows.vms().await?, options.infrastructures * options.each);
    if usize::try_from(there) != Ok(wanted) {
        return Err(BenchError::Setup(format!("{there} VMs are stored, not {wanted}")));
    }
    Ok(())
}

/// One client asks: first for what nobody has asked for since the start, then for the same again.
async fn reads(server: &Server, ids: &[String], options: &Options, aims: &mut Aims) -> BenchResult<()> {
    let mut random = StdRng::seed_from_u64(1);
    let drawn: Vec<&String> = (0..options.reads.max(1))
        .filter_map(|_| ids.get(random.random_range(0..ids.len().max(1))))
        .collect();
    let mut table = Table::new(&["request", "first (ms)", "p50 (ms)", "p99 (ms)"]);
    let list = vec!["/infrastructures".to_owned(); 50];
    let of = |what: &str| {
        drawn
            .iter()
            .map(|id| format!("/infrastructures/{id}{what}"))
            .collect::<Vec<_>>()
    };
    let kinds = [
        (format!("list of {}", ids.len()), list, 100.0),
        ("infrastructure, not in memory".to_owned(), of(""), 20.0),
        ("infrastructure, in memory".to_owned(), of(""), 10.0),
        ("state".to_owned(), of("/state"), 20.0),
        ("a VM".to_owned(), of("/vms/0"), 20.0),
    ];
    let mut client = Client::connect(&server.peer()?).await?;
    for (name, paths, aim) in kinds {
        let mut times = Vec::with_capacity(paths.len());
        for path in &paths {
            let request = server.request("GET", path, "");
            let sent = Instant::now();
            client.send(&request).await?.good(path)?;
            times.push(sent.elapsed());
        }
        let first = times.first().copied().unwrap_or_default();
        times.sort_unstable();
        let p99 = quantile(&times, 99);
        table.row(vec![
            name.clone(),
            format!("{:.2}", ms(first)),
            format!("{:.2}", ms(quantile(&times, 50))),
            format!("{:.2}", ms(p99)),
        ]);
        aims.at_most(&format!("{name}, p99, ms"), ms(p99), aim);
    }
    table.print();
    Ok(())
}

async fn every_state(server: &Server, ids: &[String], each: usize) -> BenchResult<()> {
    let mut client = Client::connect(&server.peer()?).await?;
    for id in ids {
        let path = format!("/infrastructures/{id}/state");
        let answer = parse(&client.send(&server.request("GET", &path, "")).await?.good(&path)?)?;
        let state = &answer["state"];
        let vms = state["vm_states"].as_object().map_or(0, serde_json::Map::len);
        if state["state"] != "configured" || vms != each {
            return Err(BenchError::Setup(format!("{id} is {state}")));
        }
    }
    Ok(())
}
