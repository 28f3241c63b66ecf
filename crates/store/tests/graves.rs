//! Tombstones with their times, the requests that are kept for them, pruning, and databases of version 1.

#![allow(clippy::unwrap_used)] // a test says what it expects

mod common;

use common::{Hand, created, finish, infrastructure, operation, resource};
use im_model::{EventBody, InfraId, LogScope, OpKind, OperationId, ResourceState, StepEvent, StepEventKind, StepId};
use im_store::{
    Bounds, Fence, Graves, KeyRing, OperationFilter, Owned, Release, SqliteOptions, SqliteStore, Store, Write,
};
use sqlx::{ConnectOptions as _, Connection as _, sqlite::SqliteConnectOptions};
use std::{path::Path, sync::Arc};

const DAY: u64 = 24 * 3600 * 1000;

fn row(infra: &str, key: &str, state: ResourceState) -> Write {
    Write::Resource(Arc::new(resource(infra, key, state)))
}

async fn commit(store: &SqliteStore, fence: &Fence, writes: Vec<Write>) {
    store.commit(fence, writes, Release::Keep).await.unwrap();
}

async fn kept(store: &SqliteStore, infra: &str) -> Vec<String> {
    let kept = store.kept_requests(&InfraId::from(infra)).await.unwrap();
    assert!(kept.iter().all(|o| o.request.is_object()), "{kept:?}");
    kept.iter().map(|o| o.id.to_string()).collect()
}

fn another(id: &str, kind: OpKind) -> Write {
    Write::NewOperation(Arc::new(operation(id, "i", kind)))
}

#[tokio::test]
async fn a_request_is_kept_as_long_as_there_is_something_to_search_for() {
    let hand = Hand::new();
    let store = SqliteStore::temporary_with(hand.clock()).await.unwrap();
    let infra = InfraId::from("i");
    let fence = created(&store, "i").await;
    commit(&store, &fence, vec![row("i", "k1", ResourceState::Created)]).await;
    commit(&store, &fence, vec![finish("i-op"), another("idle", OpKind::Add)]).await;
    assert_eq!(kept(&store, "i").await, [""; 0], "nothing is gone yet");
    assert_eq!(store.graves(&Graves::WithRequest).await.unwrap(), []);

    // Tombstone and end in one commit; a configuration makes no tombstones.
    let gone = vec![
        another("remove", OpKind::Remove),
        another("conf", OpKind::Configure),
        row("i", "k1", ResourceState::Gone),
        row("i", "k2", ResourceState::Released),
        finish("remove"),
        finish("conf"),
    ];
    commit(&store, &fence, gone).await;
    assert_eq!(kept(&store, "i").await, ["remove"]);
    let row_of = |id: &str| {
        let (store, id) = (&store, OperationId::from(id));
        async move { store.operation(&id).await.unwrap().unwrap() }
    };
    assert!(row_of("remove").await.request.is_null());
    let all = store.operations(&infra, OperationFilter::All).await.unwrap();
    assert!(all.iter().filter(|o| o.state.is_final()).all(|o| o.request.is_null()));
    let graves = store.graves(&Graves::WithRequest).await.unwrap();
    assert_eq!(
        (graves.len(), graves[0].since, &graves[0].infra),
        (1, 1_000_000, &infra)
    );
    for (owner, count) in [("user", 1), ("other", 0)] {
        let of = Graves::Of(Owned::By(vec![owner.to_owned()]));
        assert_eq!(store.graves(&of).await.unwrap().len(), count);
    }

    // Writing the row again changes nothing of that.
    hand.advance(10);
    commit(&store, &fence, vec![row("i", "k1", ResourceState::Gone)]).await;
    let dead = store.tombstones(&infra).await.unwrap();
    assert!(
        dead.iter().all(|t| t.since == 1_000_000 && t.searched.is_none()),
        "{dead:?}"
    );

    let key = dead
        .iter()
        .find(|t| t.row.state == ResourceState::Gone)
        .unwrap()
        .row
        .key
        .clone();
    commit(&store, &fence, vec![Write::Searched { key: key.clone() }]).await;
    assert_eq!(kept(&store, "i").await, [""; 0]);
    assert_eq!(store.graves(&Graves::Of(Owned::All)).await.unwrap(), []);
    let dead = store.tombstones(&infra).await.unwrap();
    let searched: Vec<_> = dead.iter().map(|t| (t.row.state, t.searched)).collect();
    assert_eq!(
        searched,
        [(ResourceState::Gone, Some(1_000_010)), (ResourceState::Released, None)]
    );
}

#[tokio::test]
async fn requests_can_be_dropped_before() {
    let store = SqliteStore::temporary().await.unwrap();
    let fence = created(&store, "i").await;
    let gone = vec![row("i", "k1", ResourceState::Gone), finish("i-op")];
    commit(&store, &fence, gone).await;
    assert_eq!(kept(&store, "i").await, ["i-op"]);
    commit(&store, &fence, vec![Write::DropRequests]).await;
    assert_eq!(kept(&store, "i").await, [""; 0]);
    assert_eq!(store.graves(&Graves::WithRequest).await.unwrap(), []);
    assert_eq!(store.graves(&Graves::Of(Owned::All)).await.unwrap().len(), 1);
}

fn events(count: usize) -> Vec<Write> {
    let event = |n: usize| {
        Write::Event(EventBody::Step {
            name: n.to_string(),
            vms: Vec::new(),
            outcome: "started".into(),
            error: None,
        })
    };
    (0..count).map(event).collect()
}

fn line(operation: &str) -> Write {
    Write::Step(StepEvent {
        operation: OperationId::from(operation),
        step: StepId(0),
        kind: StepEventKind::Skipped,
    })
}

async fn prune(store: &SqliteStore, events: u64) -> (u64, u64, u64, u64) {
    let bounds = Bounds {
        events,
        history: i64::try_from(DAY).unwrap(),
        at_once: 3,
    };
    let mut all = (0, 0, 0, 0);
    loop {
        let some = store.prune(&bounds).await.unwrap();
        all = (
            all.0 + some.events,
            all.1 + some.operations,
            all.2 + some.tombstones,
            all.3 + some.logs,
        );
        if !some.more {
            return all;
        }
    }
}

#[tokio::test]
async fn only_what_is_beyond_the_bounds_is_pruned() {
    let hand = Hand::new();
    let store = SqliteStore::temporary_with(hand.clock()).await.unwrap();
    let infra = InfraId::from("i");
    let fence = created(&store, "i").await;
    let mut writes = events(20);
    writes.extend([
        row("i", "dead", ResourceState::Gone),
        row("i", "doubtful", ResourceState::Gone),
        row("i", "given", ResourceState::Released),
        row("i", "alive", ResourceState::Created),
        another("later", OpKind::Power),
        another("open", OpKind::Add),
        line("i-op"),
        line("i-op"),
        line("later"),
        line("open"),
    ]);
    commit(&store, &fence, writes).await;
    let dead = resource("i", "dead", ResourceState::Gone).key;
    commit(&store, &fence, vec![Write::Searched { key: dead }, finish("i-op")]).await;
    assert_eq!(prune(&store, 100).await, (0, 0, 0, 0), "all is new");
    hand.advance(DAY + 1);
    commit(&store, &fence, vec![finish("later")]).await;

    // The operation that ended first keeps its request for a tombstone that is still to be searched for, and so its row.
    assert_eq!(kept(&store, "i").await, ["i-op"]);
    assert_eq!(prune(&store, 5).await, (15, 0, 1, 0));
    let feed = store.events(&infra, 0, 100).await.unwrap();
    assert_eq!(feed.iter().map(|e| e.seq).collect::<Vec<_>>(), [16, 17, 18, 19, 20]);
    commit(&store, &fence, vec![Write::DropRequests]).await;
    assert_eq!(prune(&store, 5).await, (0, 1, 0, 0));
    let left = store.operations(&infra, OperationFilter::All).await.unwrap();
    assert_eq!(
        left.iter().map(|o| o.id.as_str()).collect::<Vec<_>>(),
        ["later", "open"]
    );
    assert_eq!(store.step_events(&"i-op".into()).await.unwrap(), []);
    assert_eq!(store.step_events(&"later".into()).await.unwrap().len(), 1);
    let dead = store.tombstones(&infra).await.unwrap();
    let names: Vec<_> = dead.iter().map(|t| t.row.key.as_str()).collect();
    assert_eq!(names, ["doubtful", "given"]);
    assert_eq!(store.load(&infra).await.unwrap().unwrap().resources.len(), 1);
    // Numbers go on where they were.
    let next = store.commit(&fence, events(1), Release::Keep).await.unwrap();
    assert_eq!(next.events[0].seq, 21);
}

#[tokio::test]
async fn feed_and_logs_of_what_was_deleted_go_after_a_while() {
    let hand = Hand::new();
    let store = SqliteStore::temporary_with(hand.clock()).await.unwrap();
    let fence = created(&store, "i").await;
    let stays = created(&store, "j").await;
    let log = |text: &str| Write::Log {
        scope: LogScope::Infra,
        text: text.to_owned(),
    };
    commit(&store, &stays, vec![log("stays\n")]).await;
    let mut row = infrastructure("i", "user", "pass");
    row.deleted = true;
    commit(
        &store,
        &fence,
        vec![log("goes\n"), Write::Infrastructure(Arc::new(row)), finish("i-op")],
    )
    .await;
    assert_eq!(prune(&store, 100).await, (0, 0, 0, 0));
    hand.advance(DAY + 1);
    assert_eq!(prune(&store, 100).await, (1, 1, 0, 1));
    assert_eq!(store.log(&"i".into(), LogScope::Infra).await.unwrap(), "");
    assert_eq!(store.log(&"j".into(), LogScope::Infra).await.unwrap(), "stays\n");
}

/// Makes the tables what they were in version 1.
async fn turn_back(path: &Path) {
    let mut conn = SqliteConnectOptions::new().filename(path).connect().await.unwrap();
    for text in [
        "DROP INDEX im_resource_gone",
        "DROP INDEX im_operation_kept",
        "DROP INDEX im_operation_ended",
        "ALTER TABLE im_resource DROP COLUMN since",
        "ALTER TABLE im_resource DROP COLUMN searched",
        "ALTER TABLE im_operation DROP COLUMN ended",
        "ALTER TABLE im_infrastructure DROP COLUMN owners_tag",
        "UPDATE im_meta SET value = 1 WHERE name = 'schema'",
    ] {
        sqlx::query(text).execute(&mut conn).await.unwrap();
    }
    conn.close().await.unwrap();
}

#[tokio::test]
async fn a_database_of_version_1_is_brought_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("im.db");
    let keys = KeyRing::random().unwrap();
    let open = || SqliteStore::open(SqliteOptions::new(path.clone(), keys.clone()));
    let store = open().await.unwrap();
    let fence = created(&store, "i").await;
    let writes = vec![
        row("i", "k1", ResourceState::Gone),
        row("i", "k2", ResourceState::Created),
        finish("i-op"),
        Write::DropRequests,
    ];
    commit(&store, &fence, writes).await;
    store.close().await;
    turn_back(&path).await;

    let store = open().await.unwrap();
    let infra = InfraId::from("i");
    let dead = store.tombstones(&infra).await.unwrap();
    assert_eq!((dead.len(), dead[0].since, dead[0].searched), (1, 0, None));
    assert_eq!(store.load(&infra).await.unwrap().unwrap().resources.len(), 1);
    // Nobody noted whether these were searched for again: whoever brings credentials does it.
    assert_eq!(store.graves(&Graves::Of(Owned::All)).await.unwrap()[0].since, 0);
    // The rows have nothing yet that stands for their owners.
    let owners = store.load(&infra).await.unwrap().unwrap().infra.owners.clone();
    assert_eq!(*store.list(&Owned::All).await.unwrap()[0].owners, owners);
    store.close().await;
    open().await.unwrap().close().await;
}
