//! Wishes are rows: stored without owning anything, heeded once, and refused by what has ended.

#![allow(clippy::unwrap_used)] // a test says what it expects

mod common;

use common::{LEASE, created, finish, me, operation, other, submission};
use im_model::{Cancel, InfraId, OpKind, OpState, OperationId, PLAN_FORMAT, Wish};
use im_store::{Heeded, Release, SqliteStore, Store, Submission, Write};
use serde_json::json;
use std::sync::Arc;

async fn pause(store: &SqliteStore, fence: &im_store::Fence, id: &OperationId, state: OpState) {
    let paused = Write::OperationState {
        id: id.clone(),
        state,
        error: Some("why".into()),
    };
    store.commit(fence, vec![paused], Release::Keep).await.unwrap();
}

#[tokio::test]
async fn what_is_paused_goes_on_with_the_new_request_whoever_owns_it() {
    let store = SqliteStore::temporary().await.unwrap();
    let fence = created(&store, "i").await;
    let id = OperationId::from("i-op");
    let seq = store.load(&InfraId::from("i")).await.unwrap().unwrap().seq;
    let request = Arc::new(json!("better"));
    // While it runs, its request is its owner's.
    let early = store
        .wish(&id, &Wish::Retry(Some(request.clone())))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(early.heeded, Heeded::Nothing);
    assert_eq!(*early.operation.request, json!({"kind": "create"}));
    for state in [OpState::Stuck, OpState::WaitingCredentials] {
        pause(&store, &fence, &id, state).await;
        let wished = store
            .wish(&id, &Wish::Retry(Some(request.clone())))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(wished.heeded, Heeded::LetOn);
        let row = wished.operation;
        assert_eq!((row.state, row.error, row.cancel), (OpState::Running, None, None));
        assert_eq!(row.request, request);
        let again = store.wish(&id, &Wish::Retry(None)).await.unwrap().unwrap();
        assert_eq!(
            (again.heeded, again.operation.request),
            (Heeded::Nothing, request.clone())
        );
    }
    let now = store.load(&InfraId::from("i")).await.unwrap().unwrap().seq;
    assert_eq!(now, seq + 2, "a wish is no change of the infrastructure");
    // The owner's permission holds.
    store.commit(&fence, vec![finish("i-op")], Release::Keep).await.unwrap();
    let late = store.wish(&id, &Wish::Abandon).await.unwrap().unwrap();
    assert_eq!((late.heeded, late.operation.state), (Heeded::Nothing, OpState::Done));
    assert!(
        store
            .wish(&OperationId::from("none"), &Wish::Abandon)
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn marks_grow_stronger_and_never_weaker() {
    let store = SqliteStore::temporary().await.unwrap();
    let fence = created(&store, "i").await;
    let id = OperationId::from("i-op");
    let wished = store.wish(&id, &Wish::Abandon).await.unwrap().unwrap();
    assert_eq!(
        (wished.heeded, wished.operation.cancel, wished.operation.state),
        (Heeded::Marked, Some(Cancel::Abandon), OpState::Pending)
    );
    let weaker = store.wish(&id, &Wish::Cancel(None)).await.unwrap().unwrap();
    assert_eq!(
        (weaker.heeded, weaker.operation.cancel),
        (Heeded::Nothing, Some(Cancel::Abandon))
    );
    store.submit(submission("i", "destroy", OpKind::Destroy)).await.unwrap();
    let marked = store.operation(&id).await.unwrap().unwrap();
    assert_eq!(
        marked.cancel,
        Some(Cancel::Abandon),
        "a destroy marks all, and weakens nothing"
    );
    let _ = fence;
}

#[tokio::test]
async fn newer_plan_formats_are_left_to_newer_instances() {
    let store = SqliteStore::temporary().await.unwrap();
    let fence = created(&store, "i").await;
    let newer = Submission {
        operation: Arc::new(im_model::Operation {
            plan_format: PLAN_FORMAT + 1,
            ..operation("newer", "i", OpKind::Add)
        }),
        ..submission("i", "newer", OpKind::Add)
    };
    store.submit(newer).await.unwrap();
    let infra = InfraId::from("i");
    let released = store.commit(&fence, Vec::new(), Release::Now).await.unwrap();
    assert!(released.released, "whatever is left");
    assert!(
        store.claim_due(&me(), LEASE, 9).await.unwrap().is_empty(),
        "something of ours waits behind it"
    );
    // Nothing of ours is left, so the infrastructure is idle for us, and nothing is due.
    let fence = store.claim(&infra, &other(), LEASE).await.unwrap().unwrap().fence;
    let idle = store
        .commit(&fence, vec![finish("i-op")], Release::IfIdle)
        .await
        .unwrap();
    assert!(idle.released);
    assert!(store.claim_due(&me(), LEASE, 9).await.unwrap().is_empty());
    // A destroy goes first.
    store
        .submit(Submission {
            lease_ms: 0,
            ..submission("i", "destroy", OpKind::Destroy)
        })
        .await
        .unwrap();
    store.break_leases().await.unwrap();
    assert_eq!(store.claim_due(&me(), LEASE, 9).await.unwrap().len(), 1);
}
