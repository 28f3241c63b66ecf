//! The whole service over SQLite commits in groups: what it writes to disk for an infrastructure does not grow with
//! every VM.

#![allow(clippy::unwrap_used)] // Helpers of tests.

mod support;

use im_service::{Force, Manager as _, Reply};
use support::{Fake, caller, read, service};

/// Commits that create, and that remove, an infrastructure of so many VMs, each with a volume.
async fn commits(vms: u32) -> (u64, u64) {
    let fake = Fake::new();
    let service = service(&fake).await;
    let document = read(&format!(
        "network net () system s (net_interface.0.connection='net' and disk.0.image.url='fake://image') deploy s {vms}"
    ));
    let infra = service
        .create(&caller(), document, Reply::WhenDone)
        .await
        .unwrap()
        .value;
    assert_eq!(fake.things().len(), 2 * vms as usize + 1);
    let store = service.engine().store().clone();
    // Each commit raises it by one.
    let created = store.load(&infra).await.unwrap().unwrap().seq;
    service
        .destroy(&caller(), &infra, Force::No, Reply::WhenDone)
        .await
        .unwrap();
    assert!(fake.things().is_empty());
    let removed = store.load(&infra).await.unwrap().unwrap().seq - created;
    service.stop().await;
    (created, removed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_vms_are_created_and_removed_in_groups() {
    let (few, few_gone) = commits(10).await;
    let (many, many_gone) = commits(1_000).await;
    println!("10 VMs: {few} and {few_gone} commits; 1,000 VMs: {many} and {many_gone}");
    // Two resources and four steps a VM: one by one they would be thousands.
    for (few, many) in [(few, many), (few_gone, many_gone)] {
        assert!(few >= 3, "a commit is seen: {few}");
        assert!(many <= 80, "{many} commits for 1,000 VMs");
        assert!(many - few <= 70, "{few} commits for 10 VMs, {many} for 1,000");
    }
}
