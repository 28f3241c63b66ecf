//! What the tests of the engine share: an executor whose clock is the test's, and requests.

use im_testkit::simulator::Ask;

/// The infrastructure of tests that need but one.
pub(crate) const I: &str = "infra";

/// Runs a test on one thread and paused time. `IM_SIM_TRACE=im_ops=debug` shows what the engine says.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    if let Ok(filter) = std::env::var("IM_SIM_TRACE") {
        let _ = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_test_writer()
            .try_init();
    }
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(future)
}

/// A request for so many VMs, or about these.
pub(crate) fn ask(vms: u32, ids: &[u32]) -> Ask {
    Ask {
        vms,
        clouds: vec!["a".into(), "b".into()],
        ids: ids.to_vec(),
        account: "x".into(),
        boot_fails: Vec::new(),
    }
}
