//! What is forgotten, and what readers who come too late are told.

#![allow(clippy::unwrap_used, clippy::panic)] // a test says what it expects

mod support;

use futures::StreamExt as _;
use im_model::{EventBody, InfraId};
use im_service::{Housekeeping, Manager, Reply, Service, ServiceOptions};
use im_store::Bounds;
use std::time::Duration;
use support::{Fake, caller, engine_options, options, read, service, service_with};

async fn created(service: &Service) -> InfraId {
    let one = "network net ()
        system s (net_interface.0.connection='net' and disk.0.image.url='fake://image')
        deploy s 1";
    service
        .create(&caller(), read(one), Reply::WhenDone)
        .await
        .unwrap()
        .value
}

#[tokio::test]
async fn a_reader_who_comes_too_late_is_told_to_read_anew() {
    let fake = Fake::new();
    let service = service(&fake).await;
    let id = created(&service).await;
    let store = service.engine().store();
    let all = store.events(&id, 0, 1000).await.unwrap();
    let bounds = Bounds {
        events: 2,
        history: 1_000_000,
        at_once: 1000,
    };
    store.prune(&bounds).await.unwrap();
    let kept = &all[all.len() - 2..];
    let feed = |after: u64| {
        let (service, id) = (&service, &id);
        async move { service.events(&caller(), id, after).await.unwrap() }
    };
    let (oldest, newest) = (kept[0].seq, kept[1].seq);
    for after in [0, oldest - 2] {
        let told: Vec<_> = feed(after).await.take(3).collect().await;
        assert_eq!(
            (told[0].seq, &told[0].body),
            (oldest - 1, &EventBody::Reset),
            "after {after}"
        );
        assert_eq!(told[1..], *kept);
    }
    // Who is at the edge has missed nothing; nor has who comes back with the number that `reset` had.
    for after in [oldest - 1, oldest] {
        let told: Vec<_> = feed(after).await.take(1).collect().await;
        assert_eq!(told[0].seq, after + 1);
        assert_ne!(told[0].body, EventBody::Reset);
    }
    assert!(newest > oldest);
}

#[tokio::test]
async fn the_house_is_kept() {
    let fake = Fake::new();
    let options = ServiceOptions {
        housekeeping: Housekeeping {
            every: Duration::from_millis(50),
            events: 3,
            history: Duration::ZERO,
        },
        ..options()
    };
    let service = service_with(&fake, options, engine_options()).await;
    let id = created(&service).await;
    let store = service.engine().store();
    for _ in 0..500 {
        let events = store.events(&id, 0, 1000).await.unwrap().len();
        let operations = store
            .operations(&id, im_store::OperationFilter::All)
            .await
            .unwrap()
            .len();
        if events == 3 && operations == 0 {
            let vms = service.vms(&caller(), &id).await.unwrap();
            assert_eq!(vms.len(), 1, "what lives is not touched");
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("nothing was pruned");
}
