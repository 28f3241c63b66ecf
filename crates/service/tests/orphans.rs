//! What bears our mark and belongs to nothing: found, told, and removed only where a tombstone proves it dead.

#![allow(clippy::unwrap_used, clippy::panic)] // a test says what it expects

mod support;

use im_model::{InfraId, Key, Mark, ResourceKind, ResourceState};
use im_service::{Force, Manager, OrphanStatus, Reply, Service};
use im_store::Write;
use std::{sync::Arc, time::Duration};
use support::{Fake, caller, caller_of, engine_options, options, read, service, service_with};

const ONE: &str = "network net ()
    system s (net_interface.0.connection='net' and disk.0.image.url='fake://image')
    deploy s 1";

async fn created(service: &Service) -> InfraId {
    let accepted = service.create(&caller(), read(ONE), Reply::WhenDone).await.unwrap();
    accepted.value
}

async fn destroyed(service: &Service, id: &InfraId) {
    service
        .destroy(&caller(), id, Force::No, Reply::WhenDone)
        .await
        .unwrap();
}

fn mark(service: &Service, infra: &str, key: &str) -> String {
    let deployment = service.engine().store().deployment();
    let mark = Mark {
        deployment: deployment.name.clone(),
        infra: InfraId::from(infra),
        key: Key::from_stored(key),
    };
    mark.seal(&deployment)
}

async fn statuses(service: &Service) -> Vec<(String, OrphanStatus)> {
    let found = service.orphans(&caller()).await.unwrap();
    assert!(found.errors.is_empty() && found.removed.is_empty(), "{found:?}");
    found.orphans.into_iter().map(|o| (o.name, o.status)).collect()
}

#[tokio::test]
async fn what_was_removed_and_is_there_again_goes() {
    let fake = Fake::new();
    let service = service(&fake).await;
    let id = created(&service).await;
    let mark = fake.mark_of("vm 0");
    assert_eq!(statuses(&service).await, [], "what lives is no orphan");
    destroyed(&service, &id).await;
    assert_eq!(statuses(&service).await, []);
    // The same machine once more; and its mark on what is no machine of that account.
    fake.plant("late", &mark, "fake account");
    fake.plant("elsewhere", &mark, "another account");
    assert_eq!(statuses(&service).await, [("late".to_owned(), OrphanStatus::Dead)]);
    let found = service.remove_orphans(&caller()).await.unwrap();
    assert_eq!((found.removed.len(), found.orphans.len()), (1, 0), "{found:?}");
    assert_eq!(found.removed[0].infrastructure, id);
    assert_eq!(fake.things(), ["elsewhere"]);
}

#[tokio::test]
async fn what_no_row_knows_is_told_and_stays() {
    let fake = Fake::new();
    let service = service(&fake).await;
    let id = created(&service).await;
    // As after a database was put back from an older copy: of an infrastructure that is not there, and of one that is.
    fake.plant("lost 1", &mark(&service, "not there", "00ff"), "fake account");
    fake.plant("lost 2", &mark(&service, id.as_str(), "00ff"), "fake account");
    // Marks that we did not make.
    let forged = fake.mark_of("vm 0");
    let forged = forged.replace(id.as_str(), "not there");
    fake.plant("forged", &forged, "fake account");
    fake.plant("foreign", "", "fake account");
    let lost = ["lost 1", "lost 2"].map(|name| (name.to_owned(), OrphanStatus::Unknown));
    let mut told = statuses(&service).await;
    told.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(told, lost);
    let before = fake.things();
    let found = service.remove_orphans(&caller()).await.unwrap();
    assert_eq!((found.removed.len(), found.orphans.len()), (0, 2), "{found:?}");
    assert_eq!(fake.things(), before);
    destroyed(&service, &id).await;
    assert_eq!(fake.things(), ["foreign", "forged", "lost 1", "lost 2"]);
}

#[tokio::test]
async fn what_was_given_away_is_nobody_s_business() {
    let fake = Fake::new();
    let service = service(&fake).await;
    let id = created(&service).await;
    let give = |state: &im_store::InfraState| {
        let vm = state.resources.values().find(|r| r.kind == ResourceKind::Vm).unwrap();
        let mut row = (**vm).clone();
        row.state = ResourceState::Released;
        vec![Write::Resource(Arc::new(row))]
    };
    assert!(service.engine().update(&id, give).await.unwrap());
    destroyed(&service, &id).await;
    assert_eq!(fake.things(), ["vm 0"]);
    assert_eq!(statuses(&service).await, []);
    service.remove_orphans(&caller()).await.unwrap();
    assert_eq!(fake.things(), ["vm 0"]);
}

#[tokio::test]
async fn others_are_told_nothing_of_infrastructures_that_they_may_not_touch() {
    let fake = Fake::new();
    let service = service(&fake).await;
    let id = created(&service).await;
    let late = fake.mark_of("vm 0");
    destroyed(&service, &id).await;
    fake.plant("late", &late, "fake account");
    let of = |found: im_service::Orphans| found.orphans.len();
    let you = caller_of("you", "fake account");
    assert_eq!(of(service.orphans(&you).await.unwrap()), 0);
    assert_eq!(of(service.remove_orphans(&you).await.unwrap()), 0);
    // With credentials of another account there is nothing to be seen; the administrator sees what the account has.
    assert_eq!(of(service.orphans(&caller_of("me", "another")).await.unwrap()), 0);
    assert_eq!(
        of(service.orphans(&caller_of("root", "fake account")).await.unwrap()),
        1
    );
    assert_eq!(fake.things(), ["late"]);
}

#[tokio::test]
async fn what_a_forced_destroy_left_is_told() {
    let fake = Fake::new();
    let service = service(&fake).await;
    let id = created(&service).await;
    fake.keep("vm 0", "it is locked");
    service
        .destroy(&caller(), &id, Force::Yes, Reply::WhenDone)
        .await
        .unwrap();
    let left = statuses(&service).await;
    assert!(
        left.contains(&("vm 0".to_owned(), OrphanStatus::LeftBehind)),
        "{left:?}"
    );
    fake.release();
    let found = service.remove_orphans(&caller()).await.unwrap();
    assert!(
        found.removed.is_empty() && fake.things().contains(&"vm 0".to_owned()),
        "{found:?}"
    );
}

async fn gone(fake: &Fake) {
    for _ in 0..500 {
        if fake.things().is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("still there: {:?}", fake.things());
}

#[tokio::test]
async fn tombstones_are_searched_for_again_with_whose_credentials_ever_come() {
    let fake = Fake::new();
    let mut engine = engine_options();
    engine.lease = Duration::from_secs(2);
    engine.call_deadline = Duration::from_millis(500);
    engine.settle = Duration::from_millis(10);
    // Nobody looks through clouds here: only tombstones are searched for.
    let quiet = || im_service::ServiceOptions {
        reap_every: Duration::ZERO,
        ..options()
    };
    let by_itself = service_with(&fake, quiet(), engine.clone()).await;
    let id = created(&by_itself).await;
    let late = fake.mark_of("vm 0");
    destroyed(&by_itself, &id).await;
    fake.plant("late", &late, "fake account");
    gone(&fake).await;

    engine.keep_requests = Duration::ZERO;
    let without = service_with(&fake, quiet(), engine).await;
    let id = created(&without).await;
    let late = fake.mark_of("vm 0");
    destroyed(&without, &id).await;
    fake.plant("late", &late, "fake account");
    tokio::time::sleep(Duration::from_millis(3500)).await;
    assert_eq!(fake.things(), ["late"], "nobody has credentials for it");
    // The next call that changes something, of whatever infrastructure.
    let other = created(&without).await;
    destroyed(&without, &other).await;
    gone(&fake).await;
}
