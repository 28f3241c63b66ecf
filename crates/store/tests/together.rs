//! Many callers at once, and random sequences against a model.

mod common;

use common::*;
use im_model::{EventBody, InfraId, Key, LogScope, OpKind, Resource, ResourceState, Vm, VmId, VmState};
use im_store::{Fence, Release, SqliteOptions, SqliteStore, Store, StoreError, Write};
use proptest::prelude::*;
use std::{collections::BTreeMap, sync::Arc};

fn event(text: String) -> Write {
    Write::Event(EventBody::Step {
        name: text,
        vms: Vec::new(),
        outcome: "started".into(),
        error: None,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn feeds_have_no_gaps_whoever_writes() {
    let store = Arc::new(SqliteStore::temporary().await.unwrap());
    let mut tasks = Vec::new();
    for i in 0..12 {
        let infra = format!("i{i}");
        let fence = created(&store, &infra).await;
        for writer in 0..4 {
            let (store, fence, infra) = (Arc::clone(&store), fence.clone(), infra.clone());
            tasks.push(tokio::spawn(async move {
                let mut seqs = Vec::new();
                for n in 0..10_u64 {
                    // Some submissions and stale owners among the commits.
                    if n == 5 {
                        let mut add = submission(&infra, &format!("{infra}-{writer}"), OpKind::Add);
                        add.writes = vec![event("added".into())];
                        seqs.push(store.submit(add).await.unwrap().seq);
                        let stale = Fence {
                            epoch: 99,
                            ..fence.clone()
                        };
                        let refused = store.commit(&stale, vec![event("no".into())], Release::Keep).await;
                        assert!(matches!(refused, Err(StoreError::Fenced { .. })));
                    }
                    let writes = (0..=n % 3).map(|k| event(format!("{writer}.{n}.{k}"))).collect();
                    let committed = store.commit(&fence, writes, Release::Keep).await.unwrap();
                    let first = committed.events[0].seq;
                    assert!(committed.events.iter().zip(first..).all(|(e, seq)| e.seq == seq));
                    seqs.push(committed.seq);
                }
                assert!(seqs.is_sorted_by(|a, b| a < b), "{seqs:?}");
                seqs
            }));
        }
    }
    let mut seqs = 0;
    for task in tasks {
        seqs += task.await.unwrap().len();
    }
    assert_eq!(seqs, 12 * 4 * 11);
    for i in 0..12 {
        let infra = InfraId::from(format!("i{i}"));
        let feed = store.events(&infra, 0, usize::MAX).await.unwrap();
        let expected = 4 * (1 + (0..10).map(|n| n % 3 + 1).sum::<usize>());
        assert_eq!(
            feed.iter().map(|e| e.seq).collect::<Vec<_>>(),
            (1..=expected as u64).collect::<Vec<_>>()
        );
        // The create, then one number per commit and submission.
        assert_eq!(store.load(&infra).await.unwrap().unwrap().seq, 1 + 4 * 11);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn commits_of_many_infrastructures_share_flushes() {
    let folder = tempfile::tempdir().unwrap();
    let keys = im_store::KeyRing::random().unwrap();
    let store = Arc::new(
        SqliteStore::open(SqliteOptions::new(folder.path().join("db"), keys))
            .await
            .unwrap(),
    );
    let mut fences = Vec::new();
    for i in 0..40 {
        fences.push(created(&store, &format!("i{i}")).await);
    }
    let before = store.list_stamp().unwrap();
    let tasks: Vec<_> = fences
        .into_iter()
        .map(|fence| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for n in 0..5 {
                    store
                        .commit(
                            &fence,
                            vec![Write::Vm(Arc::new(vm(n, VmState::Running)))],
                            Release::Keep,
                        )
                        .await
                        .unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    // The stamp is raised once for each transaction that writes VMs.
    let transactions = store.list_stamp().unwrap() - before;
    assert!(transactions < 100, "{transactions} transactions for 200 commits");
}

#[tokio::test]
async fn thousands_of_rows_in_one_commit() {
    let store = SqliteStore::temporary().await.unwrap();
    let fence = created(&store, "i").await;
    let count = 2_345;
    let writes = (0..count)
        .flat_map(|n| {
            [
                Write::Vm(Arc::new(vm(n, VmState::Running))),
                Write::Resource(Arc::new(resource("i", &format!("k{n}"), ResourceState::Created))),
                Write::Log {
                    scope: LogScope::Vm(VmId(n)),
                    text: format!("{n}\n"),
                },
            ]
        })
        .collect();
    let committed = store.commit(&fence, writes, Release::Keep).await.unwrap();
    assert_eq!(committed.events.len(), count as usize);
    let state = store.load(&"i".into()).await.unwrap().unwrap();
    assert_eq!(
        (state.vms.len(), state.resources.len()),
        (count as usize, count as usize)
    );
    assert_eq!(store.logs(&"i".into()).await.unwrap().len(), count as usize);
    // Siblings share what they have in common.
    let clouds: Vec<_> = state.vms.values().map(|vm| Arc::as_ptr(&vm.cloud)).collect();
    assert!(clouds.windows(2).all(|pair| pair[0] == pair[1]));
}

#[derive(Clone, Debug)]
enum Change {
    Vm(u32, VmState),
    Resource(u8, ResourceState),
    Log(Option<u32>, String),
    Clear(Option<u32>),
    Event(String),
}

fn change() -> impl Strategy<Value = Change> {
    let states = prop_oneof![Just(VmState::Pending), Just(VmState::Running), Just(VmState::Off)];
    let resource_states = prop_oneof![
        Just(ResourceState::Intended),
        Just(ResourceState::Created),
        Just(ResourceState::Removing),
        Just(ResourceState::Gone),
        Just(ResourceState::Released),
    ];
    let scope = || proptest::option::of(0..3_u32);
    prop_oneof![
        (0..5_u32, states).prop_map(|(n, s)| Change::Vm(n, s)),
        (0..5_u8, resource_states).prop_map(|(n, s)| Change::Resource(n, s)),
        (scope(), "[a-zà-ü]{0,5}\n").prop_map(|(s, t)| Change::Log(s, t)),
        scope().prop_map(Change::Clear),
        "[a-z]{1,3}".prop_map(Change::Event),
    ]
}

fn scope(n: Option<u32>) -> LogScope {
    n.map_or(LogScope::Infra, |n| LogScope::Vm(VmId(n)))
}

/// What should be in the store.
#[derive(Default)]
struct Model {
    vms: BTreeMap<VmId, Vm>,
    resources: BTreeMap<Key, Resource>,
    logs: BTreeMap<LogScope, String>,
    /// Texts of the feed, those of a log joined while nothing comes in between.
    feed: String,
}

impl Model {
    fn apply(&mut self, change: Change) -> Write {
        match change {
            Change::Vm(n, state) => {
                self.vms.insert(VmId(n), vm(n, state));
                Write::Vm(Arc::new(vm(n, state)))
            }
            Change::Resource(n, state) => {
                let row = resource("i", &format!("k{n}"), state);
                self.resources.insert(row.key.clone(), row.clone());
                Write::Resource(Arc::new(row))
            }
            Change::Log(n, text) => {
                self.logs.entry(scope(n)).or_default().push_str(&text);
                self.feed.push_str(&text);
                Write::Log { scope: scope(n), text }
            }
            Change::Clear(n) => {
                self.logs.remove(&scope(n));
                Write::ClearLog { scope: scope(n) }
            }
            Change::Event(text) => {
                self.feed.push_str(&text);
                event(text)
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_commits_reads_back(commits in proptest::collection::vec(proptest::collection::vec(change(), 0..12), 1..8)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let store = SqliteStore::temporary().await.unwrap();
            let fence = created(&store, "i").await;
            let mut model = Model::default();
            for commit in commits {
                let writes: Vec<_> = commit.into_iter().map(|change| model.apply(change)).collect();
                store.commit(&fence, writes, Release::Keep).await.unwrap();
            }
            let state = store.load(&"i".into()).await.unwrap().unwrap();
            let vms: BTreeMap<_, _> = state.vms.iter().map(|(id, vm)| (*id, (**vm).clone())).collect();
            assert_eq!(vms, model.vms);
            let mut resources: BTreeMap<_, _> = state.resources.iter().map(|(k, r)| (k.clone(), (**r).clone())).collect();
            let dead = |r: &Resource| matches!(r.state, ResourceState::Gone | ResourceState::Released);
            assert!(!resources.values().any(dead));
            resources.extend(store.tombstones(&"i".into()).await.unwrap().into_iter().map(|t| (t.row.key.clone(), t.row)));
            assert_eq!(resources, model.resources);
            assert_eq!(store.logs(&"i".into()).await.unwrap(), model.logs);
            let feed = store.events(&"i".into(), 0, usize::MAX).await.unwrap();
            assert!(feed.iter().zip(1..).all(|(e, n)| e.seq == n));
            let told: String = feed.into_iter().map(|e| match e.body {
                EventBody::Step { name, .. } => name,
                EventBody::Log { text, .. } => text,
                _ => String::new(),
            }).collect();
            assert_eq!(told, model.feed);
        });
    }
}
