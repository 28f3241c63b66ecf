//! Puts the service together: settings, log, socket, database, clouds, engine, REST.
//!
//! Never here: what any of them does.

mod error;
mod log;
mod policy;
mod settings;

use error::StartError;
use im_api::Rest;
use im_cloud::{Connector, LayerOptions, Layered};
use im_cloud_docker::Docker;
use im_cloud_local::{DeployedNode, Dummy};
use im_service::{Connectors, Service};
use im_store::{KeyRing, SqliteOptions, SqliteStore};
pub(crate) use settings::Settings;
use std::{io::Write as _, net::TcpListener, path::Path, process::ExitCode, sync::Arc, time::Duration};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// How long requests that are under way may take to end once the service stops. What they wait for goes on at the
/// next start in any case.
const GRACE: Duration = Duration::from_secs(5);
/// How long operations may take to reach a place where they can be left.
const LEAVE: Duration = Duration::from_secs(5);
/// How long to wait for a predecessor that is just ending.
const LOCK_WAIT: Duration = Duration::from_secs(3);

/// Runs the service until it is told to stop.
pub(crate) fn run(config: Option<&Path>) -> ExitCode {
    match started(config) {
        Ok(()) => {
            say("IM service stopped.");
            ExitCode::SUCCESS
        }
        Err(errors) => {
            for error in &errors {
                tracing::error!("{error}");
            }
            let mut stderr = std::io::stderr().lock();
            if errors.iter().any(|e| matches!(e, StartError::Database(_))) {
                let _ = writeln!(stderr, "Error connecting with the DB!!.");
            }
            for error in &errors {
                let _ = writeln!(stderr, "im serve: {error}");
            }
            ExitCode::from(errors.iter().map(StartError::exit_code).max().unwrap_or(1))
        }
    }
}

fn started(config: Option<&Path>) -> Result<(), Vec<StartError>> {
    let settings = Settings::load(config)?;
    let log = log::start(&settings.log());
    for warning in settings.warnings() {
        tracing::warn!("{warning}");
    }
    if let Err(why) = log {
        tracing::warn!("{why}; the log goes to standard error");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("im")
        .build()
        .map_err(|e| vec![StartError::Runtime(e)])?;
    let result = runtime.block_on(serve(settings)).map_err(|e| vec![e]);
    // Nothing that still runs there may keep the program from ending.
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

async fn serve(settings: Settings) -> Result<(), StartError> {
    let address = settings.address();
    let listener = TcpListener::bind(address).map_err(|cause| StartError::Listen {
        address: format!("{}:{}", address.0, address.1),
        port: address.1,
        cause,
    })?;
    let bound = listener.local_addr().map_err(StartError::Runtime)?;
    let mut signals = Signals::new().map_err(StartError::Runtime)?;
    let (service, store) = service(&settings, bound).await?;
    let tls = settings.tls()?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let stop = CancellationToken::new();
    let rest = Rest::new(service.clone(), settings.api(bound)?, stop.clone());
    let mut server = tokio::spawn(im_api::serve(listener, rest, tls, stop.clone(), GRACE));
    let version = env!("CARGO_PKG_VERSION");
    tracing::info!("************ Start Infrastructure Manager daemon (v.{version}) ************");
    tracing::info!("listening on {scheme}://{bound}");
    say(&format!("listening on {scheme}://{bound}"));

    let ended = tokio::select! {
        () = signals.any() => None,
        ended = &mut server => Some(ended),
    };
    stop.cancel();
    let ended = if let Some(ended) = ended {
        ended
    } else {
        tokio::select! {
            // Somebody is in a hurry.
            () = signals.any() => Ok(Ok(())),
            ended = &mut server => ended,
        }
    };
    let left = async {
        service.stop().await;
        store.close().await;
    };
    if tokio::time::timeout(LEAVE, left).await.is_err() {
        tracing::warn!("some operations are left in the middle; the next start goes on with them");
    }
    tracing::info!("************ Infrastructure Manager daemon stopped ************");
    match ended {
        Ok(result) => result.map_err(StartError::Serve),
        Err(e) => Err(StartError::Serve(std::io::Error::other(e))),
    }
}

/// The application over its database and clouds.
async fn service(
    settings: &Settings,
    bound: std::net::SocketAddr,
) -> Result<(Arc<Service>, Arc<SqliteStore>), StartError> {
    let database = settings.database()?;
    let keys = match Settings::keys_text() {
        Some(text) => KeyRing::parse(text.expose(), "IM_KEYS"),
        None => SqliteStore::keys_for(&settings.key_file(&database), &database).await,
    };
    let keys = keys.map_err(StartError::store)?;
    let options = SqliteOptions {
        lock_wait: LOCK_WAIT,
        ..SqliteOptions::new(&database, keys)
    };
    let store = Arc::new(SqliteStore::open(options).await.map_err(StartError::store)?);
    let guard = settings.guard()?.serving(bound.port());
    let connectors: [Arc<dyn Connector>; 3] = [
        Arc::new(Dummy),
        Arc::new(DeployedNode),
        Arc::new(Docker::new(guard.clone(), settings.docker()?)),
    ];
    let layered = connectors
        .map(|connector| -> Arc<dyn Connector> { Arc::new(Layered::new(connector, LayerOptions::default())) });
    let (options, engine) = (settings.service(bound)?, settings.engine());
    let service = Service::start(store.clone(), Connectors::new(layered), options, engine, guard)
        .await
        .map_err(StartError::Database)?;
    Ok((service, store))
}

/// What the operating system asks of a service.
struct Signals([Signal; 3]);

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self([
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
        ]))
    }

    /// Waits for a signal to stop.
    async fn any(&mut self) {
        let [a, b, c] = &mut self.0;
        tokio::select! {
            _ = a.recv() => {}
            _ = b.recv() => {}
            _ = c.recv() => {}
        }
    }
}

/// A line on standard output, for whoever started the service: people, scripts, tests.
fn say(line: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}
