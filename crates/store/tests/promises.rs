//! The promises of [`Store`], one after the other.

mod common;

use common::*;
use im_model::{
    Cancel, EventBody, InfraId, LogScope, OpKind, OpState, OperationId, Plan, ResourceState, StepEvent, StepEventKind,
    StepFailure, StepId, VmId, VmState,
};
use im_store::{Fence, OperationFilter, Owned, Release, SqliteStore, Store, StoreError, Write};
use serde_json::{Value, json};
use std::sync::Arc;

#[tokio::test]
async fn what_is_submitted_and_committed_is_loaded() {
    let store = SqliteStore::temporary().await.unwrap();
    let infra = InfraId::from("i");
    assert_eq!(store.load(&infra).await.unwrap(), None);
    let fence = created(&store, "i").await;
    let row = Arc::new(im_model::Infrastructure {
        next_vm: 2,
        ..infrastructure("i", "user", "pass")
    });
    let (a, b) = (Arc::new(vm(0, VmState::Pending)), Arc::new(vm(1, VmState::Running)));
    let writes = vec![
        Write::Infrastructure(Arc::clone(&row)),
        Write::Vm(Arc::clone(&a)),
        Write::Vm(Arc::new(vm(1, VmState::Pending))),
        Write::Vm(Arc::clone(&b)),
        Write::Resource(Arc::new(resource("i", "k1", ResourceState::Created))),
        Write::Resource(Arc::new(resource("i", "k2", ResourceState::Intended))),
        Write::Resource(Arc::new(resource("i", "k2", ResourceState::Gone))),
        Write::Blob {
            id: "blob".into(),
            text: "text".into(),
        },
    ];
    let committed = store.commit(&fence, writes, Release::Keep).await.unwrap();
    let state = store.load(&infra).await.unwrap().unwrap();
    assert_eq!(state.infra, row);
    assert_eq!(state.vms.values().collect::<Vec<_>>(), [&a, &b]);
    assert_eq!(
        state.resources.keys().map(im_model::Key::as_str).collect::<Vec<_>>(),
        ["k1"]
    );
    assert_eq!(state.seq, committed.seq);
    let dead = store.tombstones(&infra).await.unwrap();
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].row, resource("i", "k2", ResourceState::Gone));
    assert!(dead[0].since > 0 && dead[0].searched.is_none(), "{dead:?}");
    assert_eq!(store.blob(&"blob".into()).await.unwrap().as_deref(), Some("text"));
    assert_eq!(store.blob(&"none".into()).await.unwrap(), None);
}

#[tokio::test]
async fn a_submission_is_repeated_safely() {
    let store = SqliteStore::temporary().await.unwrap();
    let mut first = submission("i", "op", OpKind::Create);
    first.writes = vec![Write::Event(log_event("once"))];
    let one = store.submit(first.clone()).await.unwrap();
    let two = store.submit(first.clone()).await.unwrap();
    assert_eq!(one.claim, two.claim);
    assert_eq!((one.events.len(), two.events.len()), (1, 0));
    assert_eq!(one.seq, two.seq);
    assert_eq!(store.events(&"i".into(), 0, 10).await.unwrap().len(), 1);
    assert_eq!(
        store.operations(&"i".into(), OperationFilter::All).await.unwrap().len(),
        1
    );
    // The same names with other content.
    let other_kind = submission("i", "op", OpKind::Add);
    assert!(matches!(store.submit(other_kind).await, Err(StoreError::Exists { .. })));
    let second_create = submission("i", "op2", OpKind::Create);
    assert!(matches!(
        store.submit(second_create).await,
        Err(StoreError::Exists { .. })
    ));
    let nowhere = submission("j", "op3", OpKind::Add);
    assert!(matches!(store.submit(nowhere).await, Err(StoreError::Missing { .. })));
    assert_eq!(
        store.operations(&"i".into(), OperationFilter::All).await.unwrap().len(),
        1
    );
}

#[tokio::test]
async fn a_destroy_repeated_does_not_raise_the_epoch_again() {
    let store = SqliteStore::temporary().await.unwrap();
    let first = created(&store, "i").await;
    store.submit(submission("i", "add", OpKind::Add)).await.unwrap();
    let done = store.submit(submission("i", "destroy", OpKind::Destroy)).await.unwrap();
    assert_eq!(epoch(done.claim.as_ref()), first.epoch + 1);
    let again = store.submit(submission("i", "destroy", OpKind::Destroy)).await.unwrap();
    assert_eq!(done.claim, again.claim);
    let cancelled: Vec<_> = store
        .operations(&"i".into(), OperationFilter::Unfinished)
        .await
        .unwrap()
        .into_iter()
        .map(|o| (o.id.as_str().to_owned(), o.cancel.is_some()))
        .collect();
    let expected = [("i-op", true), ("add", true), ("destroy", false)].map(|(id, c)| (id.to_owned(), c));
    assert_eq!(cancelled, expected);
    // What the former owner was about to write is refused.
    let late = store.commit(&first, vec![finish("add")], Release::Keep).await;
    assert!(matches!(late, Err(StoreError::Fenced { .. })));
}

#[tokio::test]
async fn a_destroy_takes_a_living_owner_s_infrastructure() {
    let store = SqliteStore::temporary().await.unwrap();
    let first = created(&store, "i").await;
    let mut destroy = submission("i", "destroy", OpKind::Destroy);
    destroy.instance = other();
    let claim = store.submit(destroy).await.unwrap().claim.unwrap();
    assert_eq!((claim.fence.epoch, claim.taken_over), (first.epoch + 1, true));
    assert!(store.claim(&"i".into(), &me(), LEASE).await.unwrap().is_none());
}

#[tokio::test]
async fn a_fenced_commit_writes_nothing() {
    let store = SqliteStore::temporary().await.unwrap();
    let fence = created(&store, "i").await;
    let before = store.load(&"i".into()).await.unwrap();
    for epoch in [fence.epoch - 1, fence.epoch + 1, u64::MAX] {
        let stale = Fence { epoch, ..fence.clone() };
        let writes = vec![
            Write::Vm(Arc::new(vm(0, VmState::Running))),
            Write::Event(log_event("x")),
            finish("i-op"),
        ];
        let result = store.commit(&stale, writes, Release::IfIdle).await;
        assert!(matches!(result, Err(StoreError::Fenced { .. })), "{result:?}");
    }
    assert_eq!(store.load(&"i".into()).await.unwrap(), before);
    assert!(store.events(&"i".into(), 0, 10).await.unwrap().is_empty());
    assert_eq!(
        store.operation(&"i-op".into()).await.unwrap().unwrap().state,
        OpState::Pending
    );
    let nowhere = Fence {
        infra: "none".into(),
        epoch: 1,
    };
    assert!(matches!(
        store.commit(&nowhere, Vec::new(), Release::Keep).await,
        Err(StoreError::Missing { .. })
    ));
}

#[tokio::test]
async fn a_commit_that_fails_half_way_writes_nothing() {
    let store = SqliteStore::temporary().await.unwrap();
    let fence = created(&store, "i").await;
    let before = store.load(&"i".into()).await.unwrap();
    let writes = vec![
        Write::Vm(Arc::new(vm(0, VmState::Running))),
        Write::Blob {
            id: "b".into(),
            text: "t".into(),
        },
        Write::Step(step("none", 0, StepEventKind::Skipped)),
    ];
    let result = store.commit(&fence, writes, Release::Keep).await;
    assert!(matches!(result, Err(StoreError::Missing { .. })), "{result:?}");
    let foreign = vec![Write::Resource(Arc::new(resource("j", "k", ResourceState::Intended)))];
    assert!(matches!(
        store.commit(&fence, foreign, Release::Keep).await,
        Err(StoreError::Refused(_))
    ));
    assert_eq!(store.load(&"i".into()).await.unwrap(), before);
    assert_eq!(store.blob(&"b".into()).await.unwrap(), None);
}

#[tokio::test]
async fn leases_end_on_the_database_s_clock() {
    let hand = Hand::new();
    let store = SqliteStore::temporary_with(hand.clock()).await.unwrap();
    let (infra, fence) = (InfraId::from("i"), created(&store, "i").await);
    assert_eq!(store.now().await.unwrap(), 1_000_000);
    assert_eq!(store.claim(&infra, &other(), LEASE).await.unwrap(), None);
    assert!(store.claim_due(&other(), LEASE, 10).await.unwrap().is_empty());
    hand.advance(LEASE - 1);
    store.renew(&me(), LEASE).await.unwrap();
    store.renew(&other(), LEASE).await.unwrap();
    hand.advance(LEASE - 1);
    assert_eq!(store.claim(&infra, &other(), LEASE).await.unwrap(), None);
    hand.advance(1);
    let claims = store.claim_due(&other(), LEASE, 10).await.unwrap();
    assert_eq!(claims.len(), 1);
    assert!(claims[0].taken_over);
    assert_eq!(claims[0].fence.epoch, fence.epoch + 1);
    assert!(matches!(
        store.commit(&fence, Vec::new(), Release::Keep).await,
        Err(StoreError::Fenced { .. })
    ));
    // Renewing does not bring back what was lost.
    store.renew(&me(), LEASE).await.unwrap();
    assert_eq!(store.claim(&infra, &me(), LEASE).await.unwrap(), None);
    store.commit(&claims[0].fence, Vec::new(), Release::Keep).await.unwrap();
}

#[tokio::test]
async fn an_owner_may_claim_again_under_a_new_epoch() {
    let store = SqliteStore::temporary().await.unwrap();
    let fence = created(&store, "i").await;
    let again = store.claim(&"i".into(), &me(), LEASE).await.unwrap().unwrap();
    assert_eq!((again.fence.epoch, again.taken_over), (fence.epoch + 1, false));
    assert_eq!(store.claim(&"none".into(), &me(), LEASE).await.unwrap(), None);
    // A submission leaves the epoch of its own instance alone, so that what runs goes on.
    let done = store.submit(submission("i", "add", OpKind::Add)).await.unwrap();
    assert_eq!(done.claim.unwrap(), again);
    let mut foreign = submission("i", "add2", OpKind::Add);
    foreign.instance = other();
    assert_eq!(store.submit(foreign).await.unwrap().claim, None);
}

#[tokio::test]
async fn only_what_is_idle_is_released() {
    let store = SqliteStore::temporary().await.unwrap();
    let fence = created(&store, "i").await;
    assert!(
        !store
            .commit(&fence, Vec::new(), Release::IfIdle)
            .await
            .unwrap()
            .released
    );
    store.submit(submission("i", "add", OpKind::Add)).await.unwrap();
    assert!(
        !store
            .commit(&fence, vec![finish("i-op")], Release::IfIdle)
            .await
            .unwrap()
            .released
    );
    assert!(
        store
            .commit(&fence, vec![finish("add")], Release::IfIdle)
            .await
            .unwrap()
            .released
    );
    assert!(store.claim_due(&other(), LEASE, 10).await.unwrap().is_empty());
    let claim = store.claim(&"i".into(), &other(), LEASE).await.unwrap().unwrap();
    assert_eq!((claim.fence.epoch, claim.taken_over), (fence.epoch + 1, false));
}

#[tokio::test]
async fn only_known_plan_formats_are_due() {
    let hand = Hand::new();
    let store = SqliteStore::temporary_with(hand.clock()).await.unwrap();
    let mut newer = submission("i", "op", OpKind::Create);
    newer.operation = Arc::new(im_model::Operation {
        plan_format: im_model::PLAN_FORMAT + 1,
        ..operation("op", "i", OpKind::Create)
    });
    store.submit(newer).await.unwrap();
    for n in 0..5 {
        created(&store, &format!("j{n}")).await;
    }
    hand.advance(LEASE);
    assert_eq!(store.claim_due(&other(), LEASE, 3).await.unwrap().len(), 3);
    let rest = store.claim_due(&other(), LEASE, 100).await.unwrap();
    assert_eq!(rest.len(), 2);
    assert!(rest.iter().all(|claim| claim.fence.infra != InfraId::from("i")));
}

#[tokio::test]
async fn a_final_operation_keeps_only_its_outcome() {
    let store = SqliteStore::temporary().await.unwrap();
    let fence = created(&store, "i").await;
    let id = OperationId::from("i-op");
    let plan = Arc::new(plan_of(3));
    let events = six_events();
    let mut writes = vec![
        Write::Resolved {
            id: id.clone(),
            resolved: Arc::new(json!({ "a": 1 })),
        },
        Write::Planned {
            id: id.clone(),
            plan: Arc::clone(&plan),
        },
        Write::Request {
            id: id.clone(),
            request: Arc::new(json!("new")),
        },
        Write::OperationState {
            id: id.clone(),
            state: OpState::Running,
            error: Some("so far".into()),
        },
        Write::Cancel { id: id.clone() },
    ];
    writes.extend(events.iter().take(3).cloned().map(Write::Step));
    store.commit(&fence, writes, Release::Keep).await.unwrap();
    let stored = store.operation(&id).await.unwrap().unwrap();
    assert_eq!(stored.resolved.as_deref(), Some(&json!({ "a": 1 })));
    assert_eq!(stored.plan.as_ref(), Some(&plan));
    assert_eq!(*stored.request, json!("new"));
    assert_eq!(
        (stored.state, stored.cancel, stored.error.as_deref()),
        (OpState::Running, Some(Cancel::Unwind), Some("so far"))
    );
    assert_eq!(store.step_counts(&id).await.unwrap(), (3, 1));

    let mut writes: Vec<_> = events.iter().skip(3).cloned().map(Write::Step).collect();
    writes.push(Write::OperationState {
        id: id.clone(),
        state: OpState::Undone,
        error: Some("why".into()),
    });
    writes.push(Write::Request {
        id: id.clone(),
        request: Arc::new(json!("late")),
    });
    store.commit(&fence, writes, Release::Keep).await.unwrap();
    let stored = store.operation(&id).await.unwrap().unwrap();
    assert_eq!(
        (stored.resolved, stored.plan, &*stored.request),
        (None, None, &Value::Null)
    );
    assert_eq!((stored.state, stored.error.as_deref()), (OpState::Undone, Some("why")));
    assert_eq!(store.step_counts(&id).await.unwrap(), (3, 3));
    assert_eq!(store.step_events(&id).await.unwrap(), events);
    assert!(
        store
            .operations(&"i".into(), OperationFilter::Unfinished)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(store.step_counts(&"none".into()).await.unwrap(), (0, 0));
    let missing = store.commit(&fence, vec![finish("none")], Release::Keep).await;
    assert!(matches!(missing, Err(StoreError::Missing { .. })));
}

#[tokio::test]
async fn logs_are_kept_and_published() {
    let store = SqliteStore::temporary().await.unwrap();
    let (infra, fence) = (InfraId::from("i"), created(&store, "i").await);
    let one = LogScope::Vm(VmId(1));
    let log = |scope, text: &str| Write::Log {
        scope,
        text: text.into(),
    };
    let writes = vec![
        log(one, "a\n"),
        log(one, "b\n"),
        log(LogScope::Infra, "head\n"),
        log(one, "c\n"),
    ];
    let events = store.commit(&fence, writes, Release::Keep).await.unwrap().events;
    let told: String = events
        .iter()
        .map(|e| match &e.body {
            EventBody::Log { text, .. } => text.as_str(),
            _ => "?",
        })
        .collect();
    assert_eq!(told, "a\nb\nhead\nc\n");
    store
        .commit(&fence, vec![log(one, "d\n")], Release::Keep)
        .await
        .unwrap();
    assert_eq!(store.log(&infra, one).await.unwrap(), "a\nb\nc\nd\n");
    let clear = vec![log(one, "lost\n"), Write::ClearLog { scope: one }, log(one, "new\n")];
    store.commit(&fence, clear, Release::Keep).await.unwrap();
    let logs = store.logs(&infra).await.unwrap();
    assert_eq!(logs[&one], "new\n");
    assert_eq!(logs[&LogScope::Infra], "head\n");
    assert_eq!(store.log(&infra, LogScope::Vm(VmId(9))).await.unwrap(), "");
    let feed = store.events(&infra, 0, 100).await.unwrap();
    assert_eq!(
        feed.iter().map(|e| e.seq).collect::<Vec<_>>(),
        (1..=feed.len() as u64).collect::<Vec<_>>()
    );
    assert_eq!(store.events(&infra, 2, 1).await.unwrap(), [feed[2].clone()]);
}

#[tokio::test]
async fn deleting_and_releasing_one_leaves_the_others() {
    let store = SqliteStore::temporary().await.unwrap();
    let mut fences = Vec::new();
    for id in ["a", "b", "c"] {
        fences.push(created(&store, id).await);
    }
    let row = im_model::Infrastructure {
        deleted: true,
        ..infrastructure("b", "user", "pass")
    };
    let writes = vec![Write::Infrastructure(Arc::new(row)), finish("b-op")];
    assert!(
        store
            .commit(&fences[1], writes, Release::IfIdle)
            .await
            .unwrap()
            .released
    );
    let left: Vec<_> = store
        .list(&Owned::All)
        .await
        .unwrap()
        .iter()
        .map(|row| row.id.clone())
        .collect();
    assert_eq!(left, [InfraId::from("c"), InfraId::from("a")]);
    for id in ["a", "c"] {
        assert_eq!(
            store.claim(&id.into(), &other(), LEASE).await.unwrap(),
            None,
            "{id} is still owned"
        );
    }
    assert!(store.claim(&"b".into(), &other(), LEASE).await.unwrap().is_some());
}

#[tokio::test]
async fn lists_show_the_newest_saved_first() {
    let store = SqliteStore::temporary().await.unwrap();
    for (id, user) in [("a", "ann"), ("b", "bob"), ("c", "ann")] {
        let mut create = submission(id, &format!("{id}-op"), OpKind::Create);
        create.infrastructure = Some(Arc::new(infrastructure(id, user, "pw")));
        store.submit(create).await.unwrap();
    }
    let ids = |rows: Arc<[im_store::Listed]>| rows.iter().map(|r| r.id.as_str().to_owned()).collect::<Vec<_>>();
    let by = |name: &str| Owned::By(vec![name.to_owned()]);
    assert_eq!(ids(store.list(&Owned::All).await.unwrap()), ["c", "b", "a"]);
    assert_eq!(ids(store.list(&by("ann")).await.unwrap()), ["c", "a"]);
    assert!(store.list(&by("an")).await.unwrap().is_empty());
    let stamp = store.list_stamp();
    let mut row = infrastructure("a", "ann", "pw");
    row.owners
        .lines
        .push(infrastructure("a", "bob", "pw").owners.lines.remove(0));
    let fence = store.claim(&"a".into(), &me(), LEASE).await.unwrap().unwrap().fence;
    store
        .commit(
            &fence,
            vec![Write::Infrastructure(Arc::new(row.clone()))],
            Release::Keep,
        )
        .await
        .unwrap();
    assert_ne!(store.list_stamp(), stamp);
    assert_eq!(ids(store.list(&by("bob")).await.unwrap()), ["a", "b"]);
    let many = (0..1200)
        .map(|n| format!("u{n}"))
        .chain(["bob".to_owned(), "ann".to_owned()])
        .collect();
    assert_eq!(ids(store.list(&Owned::By(many)).await.unwrap()), ["a", "c", "b"]);
    row.deleted = true;
    row.owners.lines.truncate(1);
    store
        .commit(
            &fence,
            vec![Write::Infrastructure(Arc::new(row.clone()))],
            Release::Keep,
        )
        .await
        .unwrap();
    assert_eq!(ids(store.list(&Owned::All).await.unwrap()), ["c", "b"]);
    assert_eq!(ids(store.list(&by("bob")).await.unwrap()), ["b"]);
    assert!(store.load(&"a".into()).await.unwrap().unwrap().infra.deleted);
    let listed = store.list(&by("bob")).await.unwrap()[0].clone();
    assert_eq!(*listed.owners, infrastructure("b", "bob", "pw").owners);
}

#[tokio::test]
async fn lists_tell_the_owners_of_now_and_share_those_that_are_the_same() {
    let store = SqliteStore::temporary().await.unwrap();
    for (id, password) in [("a", "one"), ("b", "one"), ("c", "two")] {
        let mut create = submission(id, &format!("{id}-op"), OpKind::Create);
        create.infrastructure = Some(Arc::new(infrastructure(id, "ann", password)));
        store.submit(create).await.unwrap();
    }
    let owners = |id: &str, password: &str| infrastructure(id, "ann", password).owners;
    for _ in 0..2 {
        let list = store.list(&Owned::All).await.unwrap();
        let [c, b, a] = &*list else { panic!("{list:?}") };
        assert_eq!(*a.owners, owners("a", "one"));
        assert!(Arc::ptr_eq(&a.owners, &b.owners), "opened once");
        assert_eq!(*c.owners, owners("c", "two"), "the same name, but another secret");
    }
    let fence = store.claim(&"b".into(), &me(), LEASE).await.unwrap().unwrap().fence;
    let row = Arc::new(infrastructure("b", "ann", "two"));
    let writes = vec![Write::Infrastructure(row)];
    store.commit(&fence, writes, Release::Keep).await.unwrap();
    let list = store.list(&Owned::All).await.unwrap();
    let of = |id: &str| &list.iter().find(|row| row.id.as_str() == id).unwrap().owners;
    assert_eq!(**of("a"), owners("a", "one"));
    assert_eq!(**of("b"), owners("b", "two"));
    assert!(Arc::ptr_eq(of("b"), of("c")));
}

fn log_event(text: &str) -> EventBody {
    EventBody::Step {
        name: text.into(),
        vms: vec![VmId(1)],
        outcome: "started".into(),
        error: None,
    }
}

fn step(operation: &str, step: u32, kind: StepEventKind) -> StepEvent {
    StepEvent {
        operation: operation.into(),
        step: StepId(step),
        kind,
    }
}

fn plan_of(steps: usize) -> Plan {
    let step = im_model::Step {
        unit: im_model::Unit::Infra,
        after: Vec::new(),
        always: false,
        action: im_model::Action::Run {
            name: "n".into(),
            args: Arc::new(Value::Null),
        },
    };
    Plan {
        steps: vec![step; steps],
    }
}

/// One of each kind, of the three steps of `i-op`.
fn six_events() -> [StepEvent; 6] {
    let failure = StepFailure {
        message: "no".into(),
        temporary: true,
    };
    [
        step("i-op", 0, StepEventKind::Started { attempt: 2 }),
        step(
            "i-op",
            0,
            StepEventKind::Succeeded {
                output: Arc::new(json!({ "id": 7 })),
            },
        ),
        step(
            "i-op",
            1,
            StepEventKind::Failed {
                failure: failure.clone(),
                attempt: 0,
                last: false,
            },
        ),
        step(
            "i-op",
            1,
            StepEventKind::Failed {
                failure,
                attempt: 1,
                last: true,
            },
        ),
        step("i-op", 2, StepEventKind::Skipped),
        step("i-op", 1, StepEventKind::Undone),
    ]
}
