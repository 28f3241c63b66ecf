//! Keys are rotated: while nobody or a service has the database, in pieces, and over a crash.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers outside the test functions fail the test, too

mod common;

use common::{LEASE, infrastructure, me, submission, vm};
use im_model::{OpKind, VmState};
use im_store::{
    Fence, KeyFile, KeyId, KeyRing, Owned, Release, SealedRows, SqliteOptions, SqliteStore, Store, StoreError, Write,
};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
    fn database(&self) -> PathBuf {
        self.0.path().join("im.db")
    }
    fn key(&self) -> PathBuf {
        self.0.path().join("im.key")
    }
    fn ring(&self) -> KeyRing {
        KeyRing::load_or_create(&self.key()).unwrap()
    }
    async fn open(&self, ring: KeyRing) -> Result<SqliteStore, StoreError> {
        let options = SqliteOptions {
            durable: false,
            ..SqliteOptions::new(self.database(), ring)
        };
        SqliteStore::open(options).await
    }
    async fn rows(&self, ring: &KeyRing) -> SealedRows {
        SealedRows::open(&self.database(), ring).await.unwrap().unwrap()
    }
    /// As `im keys rotate` does, up to sealing anew.
    async fn new_key(&self, ring: &KeyRing) -> KeyId {
        let mut file = KeyFile::open(&self.key()).unwrap();
        let id = file.stage_new().unwrap();
        self.rows(ring).await.announce(id).await.unwrap();
        file.promote(id).unwrap();
        ring.refresh();
        id
    }
}

async fn fill(store: &SqliteStore, infra: &str, vms: u32) -> Fence {
    let mut create = submission(infra, &format!("{infra}-op"), OpKind::Create);
    create.infrastructure = Some(Arc::new(infrastructure(infra, "user", "pass")));
    let fence = store.submit(create).await.unwrap().claim.unwrap().fence;
    let mut writes: Vec<_> = (0..vms).map(|n| Write::Vm(Arc::new(vm(n, VmState::Running)))).collect();
    writes.push(Write::Log {
        scope: im_model::LogScope::Infra,
        text: "said\n".into(),
    });
    writes.push(Write::Blob {
        id: format!("blob-{infra}").as_str().into(),
        text: "text".into(),
    });
    store.commit(&fence, writes, Release::Keep).await.unwrap();
    fence
}

async fn all_is_there(store: &SqliteStore, infra: &str, vms: usize) {
    let state = store.load(&infra.into()).await.unwrap().unwrap();
    assert_eq!(state.vms.len(), vms);
    assert_eq!(
        store
            .operations(&infra.into(), im_store::OperationFilter::All)
            .await
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        store.log(&infra.into(), im_model::LogScope::Infra).await.unwrap(),
        "said\n"
    );
    assert_eq!(
        store
            .blob(&format!("blob-{infra}").as_str().into())
            .await
            .unwrap()
            .as_deref(),
        Some("text")
    );
    assert!(!store.events(&infra.into(), 0, 10).await.unwrap().is_empty());
    assert_eq!(store.list(&Owned::By(vec!["user".into()])).await.unwrap().len(), 1);
}

#[tokio::test]
async fn everything_is_sealed_anew_and_the_former_key_can_go() {
    let home = Home::new();
    let ring = home.ring();
    let first = ring.writing();
    let store = home.open(ring.clone()).await.unwrap();
    let mark = store.deployment().secret.clone();
    fill(&store, "i", 250).await;
    store.close().await;

    let second = home.new_key(&ring).await;
    let mut rows = home.rows(&ring).await;
    let uses = rows.used().await.unwrap();
    assert_eq!(uses.iter().map(|u| u.id).collect::<Vec<_>>(), [first, second]);
    assert!(uses[0].values > 250 && uses[1].values == 0, "{uses:?}");
    let refused = rows.forget(first).await.unwrap_err().to_string();
    assert!(refused.contains("im keys rotate"), "{refused}");
    assert!(rows.forget(second).await.is_err(), "it seals");

    let mut batches = 0;
    let done = rows.reseal(|_| batches += 1).await.unwrap();
    assert_eq!((done.values, done.left), (uses[0].values, 0));
    assert!(batches >= 3, "bounded: {batches} batches");
    // Again: nothing is left to do.
    assert_eq!(rows.reseal(|_| {}).await.unwrap().values, 0);
    rows.forget(first).await.unwrap();
    assert!(rows.compact().await.unwrap());
    rows.close().await.unwrap();
    KeyFile::open(&home.key()).unwrap().remove(first).unwrap();

    let only = home.ring();
    assert_eq!(only.list().len(), 1);
    let store = home.open(only).await.unwrap();
    all_is_there(&store, "i", 250).await;
    assert_eq!(store.deployment().secret, mark, "marks of machines outlive every key");
    store.close().await;
    // Nothing of what the former key sealed is left in any file: its id is at the head of each value.
    let id = hex::decode(first.to_string()).unwrap();
    let head: Vec<u8> = [vec![1], id].concat();
    for file in fs::read_dir(home.0.path()).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(head.len()).any(|w| w == head));
    }
}

#[tokio::test]
async fn a_rotation_that_was_interrupted_needs_both_keys_and_is_gone_on_with() {
    let home = Home::new();
    let ring = home.ring();
    let first = ring.writing();
    let store = home.open(ring.clone()).await.unwrap();
    fill(&store, "i", 350).await;
    store.close().await;
    let before = fs::read_to_string(home.key()).unwrap();
    home.new_key(&ring).await;
    // Dropped in the middle of it, as a crash does.
    let mut rows = home.rows(&ring).await;
    let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let work = tokio::spawn(async move {
        let _ = rows.reseal(|n| told.send(n).unwrap_or(())).await;
    });
    while heard.recv().await.unwrap() < 100 {}
    work.abort();
    let _ = work.await;

    let mut rows = home.rows(&ring).await;
    let uses = rows.used().await.unwrap();
    assert!(uses.iter().all(|u| u.values > 0), "half of it: {uses:?}");
    rows.close().await.unwrap();
    // Neither key alone is enough, and that is said at once.
    let both = fs::read_to_string(home.key()).unwrap();
    let second: String = both.lines().last().unwrap().to_owned();
    for text in [&before, &second] {
        let ring = KeyRing::parse(text, "here").unwrap();
        let error = home.open(ring).await.unwrap_err();
        assert!(
            matches!(&error, StoreError::WrongKey(t) if t.contains("it needs key") && t.contains("put back")),
            "{error}"
        );
    }
    let store = home.open(ring.clone()).await.unwrap();
    all_is_there(&store, "i", 350).await;
    store.close().await;
    let mut rows = home.rows(&ring).await;
    assert_eq!(rows.reseal(|_| {}).await.unwrap().left, 0);
    assert_eq!(rows.used().await.unwrap()[0].values, 0);
    rows.forget(first).await.unwrap();
}

#[tokio::test]
async fn a_service_that_runs_notices_the_new_key_and_loses_nothing() {
    let home = Home::new();
    let ring = home.ring();
    let first = ring.writing();
    // The service has a ring of its own, as another process does.
    let store = Arc::new(home.open(home.ring()).await.unwrap());
    let fence = fill(&store, "i", 150).await;
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let writer = tokio::spawn({
        let (store, stop) = (Arc::clone(&store), Arc::clone(&stop));
        async move {
            let mut n = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let row = im_model::Vm {
                    error: Some(format!("round {n}")),
                    ..vm(n % 150, VmState::Running)
                };
                store
                    .commit(&fence, vec![Write::Vm(Arc::new(row))], Release::Keep)
                    .await
                    .unwrap();
                store.load(&"i".into()).await.unwrap().unwrap();
                n += 1;
            }
            n
        }
    });
    let second = home.new_key(&ring).await;
    let mut rows = home.rows(&ring).await;
    assert!(rows.is_served().unwrap());
    assert!(!rows.compact().await.unwrap(), "a service would have to wait");
    let done = rows.reseal(|_| {}).await.unwrap();
    assert_eq!(done.left, 0, "the service seals with the new key by now");
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let n = writer.await.unwrap();
    let uses = rows.used().await.unwrap();
    assert_eq!((uses[0].id, uses[0].values, uses[1].id), (first, 0, second));
    let state = store.load(&"i".into()).await.unwrap().unwrap();
    let last = state
        .vms
        .values()
        .filter_map(|vm| vm.error.clone())
        .max_by_key(|t| t.trim_start_matches("round ").parse::<u32>().unwrap());
    assert_eq!(last, Some(format!("round {}", n - 1)), "the service has the last word");
    all_is_there(&store, "i", 150).await;
    store.close().await;
    assert!(!rows.is_served().unwrap());
}

#[tokio::test]
async fn a_database_from_before_there_was_an_identity_keeps_its_marks() {
    use sqlx::{ConnectOptions, Connection, sqlite::SqliteConnectOptions};
    let home = Home::new();
    let ring = home.ring();
    let store = home.open(ring.clone()).await.unwrap();
    fill(&store, "i", 1).await;
    store.close().await;
    let mut conn = SqliteConnectOptions::new()
        .filename(home.database())
        .connect()
        .await
        .unwrap();
    sqlx::raw_sql("DELETE FROM im_meta WHERE name = 'identity' OR name LIKE 'key:%'")
        .execute(&mut conn)
        .await
        .unwrap();
    conn.close().await.unwrap();
    let store = home.open(ring.clone()).await.unwrap();
    let mark = store.deployment().secret.clone();
    store.close().await;
    let first = ring.writing();
    home.new_key(&ring).await;
    let mut rows = home.rows(&ring).await;
    rows.reseal(|_| {}).await.unwrap();
    rows.forget(first).await.unwrap();
    rows.close().await.unwrap();
    KeyFile::open(&home.key()).unwrap().remove(first).unwrap();
    let store = home.open(home.ring()).await.unwrap();
    assert_eq!(store.deployment().secret, mark);
    store.close().await;
}

#[tokio::test]
async fn there_is_nothing_to_rotate_where_there_is_no_database() {
    let home = Home::new();
    let ring = home.ring();
    assert!(SealedRows::open(&home.database(), &ring).await.unwrap().is_none());
    assert!(!Path::new(&home.database()).exists(), "none was made");
    let _ = (me(), LEASE);
}
