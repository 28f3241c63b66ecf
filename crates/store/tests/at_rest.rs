//! What is on the disk: modes, locks, keys, sealed secrets, and what a `kill -9` leaves.

mod common;

use base64::{Engine, engine::general_purpose::STANDARD};
use common::*;
use im_model::{
    BlobId, EventBody, Frozen, LogScope, OpKind, Plan, Resource, ResourceState, StepEvent, StepEventKind, StepFailure,
    StepId, Unit, Vm, VmId, VmState,
};
use im_store::{KeyRing, Release, SqliteOptions, SqliteStore, Store, StoreError, Write};
use serde_json::json;
use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

const SECRET: &str = "pl4nted-s3cret-value";

async fn open(folder: &Path) -> Result<SqliteStore, StoreError> {
    let (db, key) = (folder.join("data").join("im.db"), folder.join("im.key"));
    let keys = SqliteStore::keys_for(&key, &db).await?;
    SqliteStore::open(SqliteOptions::new(db, keys)).await
}

/// Every kind of row, with the secret in whatever of it may hold one.
fn all_rows() -> Vec<Write> {
    let text = || format!("x {SECRET} y");
    let scope = LogScope::Vm(VmId(0));
    let step = |kind| {
        Write::Step(StepEvent {
            operation: "i-op".into(),
            step: StepId(0),
            kind,
        })
    };
    vec![
        Write::Infrastructure(Arc::new(im_model::Infrastructure {
            radl: text().into(),
            ..infrastructure("i", SECRET, SECRET)
        })),
        Write::Vm(Arc::new(Vm {
            own: [("disk.0.os.credentials.password".to_owned(), json!(SECRET))].into(),
            error: Some(text()),
            ..vm(0, VmState::Failed)
        })),
        Write::Resource(Arc::new(Resource {
            frozen: Frozen::of(&json!({ "password": SECRET })),
            ..resource("i", "k", ResourceState::Created)
        })),
        Write::Request {
            id: "i-op".into(),
            request: Arc::new(json!({ "auth": SECRET })),
        },
        Write::Resolved {
            id: "i-op".into(),
            resolved: Arc::new(json!(SECRET)),
        },
        Write::Planned {
            id: "i-op".into(),
            plan: Arc::new(Plan {
                steps: vec![im_model::Step {
                    unit: Unit::Infra,
                    after: Vec::new(),
                    always: false,
                    action: im_model::Action::Run {
                        name: "n".into(),
                        args: Arc::new(json!(SECRET)),
                    },
                }],
            }),
        },
        Write::OperationState {
            id: "i-op".into(),
            state: im_model::OpState::Stuck,
            error: Some(text()),
        },
        step(StepEventKind::Succeeded {
            output: Arc::new(json!({ "key": SECRET })),
        }),
        step(StepEventKind::Failed {
            failure: StepFailure {
                message: text(),
                temporary: false,
            },
            attempt: 0,
            last: true,
        }),
        Write::Event(EventBody::Step {
            name: "n".into(),
            vms: Vec::new(),
            outcome: "failed".into(),
            error: Some(text()),
        }),
        Write::Log { scope, text: text() },
        Write::Blob {
            id: BlobId::from("blob"),
            text: text().into(),
        },
    ]
}

#[tokio::test]
async fn no_secret_is_readable_in_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await.unwrap();
    let mut create = submission("i", "i-op", OpKind::Create);
    create.infrastructure = Some(Arc::new(infrastructure("i", SECRET, SECRET)));
    create.operation = Arc::new(im_model::Operation {
        request: Arc::new(json!({ "auth": [SECRET] })),
        error: Some(SECRET.to_owned()),
        ..operation("i-op", "i", OpKind::Create)
    });
    let fence = store.submit(create).await.unwrap().claim.unwrap().fence;
    store.commit(&fence, all_rows(), Release::Keep).await.unwrap();
    store.load(&"i".into()).await.unwrap().unwrap();
    let deployment = store.deployment();
    let mut searched = 0;
    for closed in [false, true] {
        if closed {
            store.close().await;
        }
        for file in fs::read_dir(folder.path().join("data")).unwrap() {
            let path = file.unwrap().path();
            let bytes = fs::read(&path).unwrap();
            searched += bytes.len();
            let mut needles = vec![
                SECRET.to_owned(),
                hex::encode(SECRET),
                deployment.secret.expose().to_owned(),
            ];
            // In Base64 a text looks different at each of three offsets; the ends depend on what is beside it.
            for offset in 0..3 {
                let coded = STANDARD.encode(format!("{}{SECRET}", &"   "[..offset]));
                needles.push(coded[4..coded.len() - 4].to_owned());
            }
            for needle in needles {
                assert!(
                    !contains(&bytes, needle.as_bytes()),
                    "{} holds {needle}",
                    path.display()
                );
            }
            // The search itself works: ids are in plain.
            if path.extension().is_some_and(|e| e == "db") && closed {
                assert!(contains(&bytes, b"i-op"));
            }
        }
    }
    assert!(searched > 10_000);
}

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|w| w == needle)
}

#[tokio::test]
async fn files_are_private_and_folders_are_made() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await.unwrap();
    created(&store, "i").await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let data = folder.path().join("data");
    assert_eq!(mode(&data), 0o700);
    let names: Vec<_> = fs::read_dir(&data).unwrap().map(|f| f.unwrap().path()).collect();
    assert!(names.len() >= 3, "{names:?}");
    for path in names {
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    assert_eq!(mode(&folder.path().join("im.key")), 0o600);
    store.close().await;
    assert!(matches!(store.now().await, Ok(1..)));
    let after = store.claim(&"i".into(), &me(), LEASE).await;
    assert!(matches!(after, Err(StoreError::Database(_))), "{after:?}");
}

#[tokio::test]
async fn a_second_process_is_kept_out() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await.unwrap();
    let error = open(folder.path()).await.unwrap_err();
    assert!(
        matches!(&error, StoreError::Locked(text) if text.contains("stop it first")),
        "{error}"
    );
    store.close().await;
    open(folder.path()).await.unwrap().close().await;
}

#[tokio::test]
async fn the_wrong_key_is_refused_and_nothing_is_changed() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await.unwrap();
    let name = store.deployment().name.clone();
    created(&store, "i").await;
    store.close().await;
    let (db, key) = (folder.path().join("data").join("im.db"), folder.path().join("im.key"));
    let error = SqliteStore::open(SqliteOptions::new(&db, KeyRing::random().unwrap()))
        .await
        .unwrap_err();
    assert!(
        matches!(&error, StoreError::WrongKey(text) if text.contains("put back")),
        "{error}"
    );
    // A missing key file is not replaced by a new one.
    let kept = fs::read(&key).unwrap();
    fs::remove_file(&key).unwrap();
    let error = open(folder.path()).await.unwrap_err();
    assert!(
        matches!(&error, StoreError::WrongKey(text) if text.contains("is missing")),
        "{error}"
    );
    assert!(!key.exists());
    fs::write(&key, kept).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let error = open(folder.path()).await.unwrap_err();
    assert!(
        matches!(&error, StoreError::KeyFile(text) if text.contains("chmod 600")),
        "{error}"
    );
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let store = open(folder.path()).await.unwrap();
    assert_eq!(store.deployment().name, name);
    assert!(store.load(&"i".into()).await.unwrap().is_some());
}

#[tokio::test]
async fn opening_breaks_the_leases_of_the_dead() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await.unwrap();
    let owned = created(&store, "owned").await;
    let idle = created(&store, "idle").await;
    assert!(
        store
            .commit(&idle, vec![finish("idle-op")], Release::IfIdle)
            .await
            .unwrap()
            .released
    );
    let kept = created(&store, "kept").await;
    store
        .commit(&kept, vec![finish("kept-op")], Release::Keep)
        .await
        .unwrap();
    store.close().await;
    let store = open(folder.path()).await.unwrap();
    let due = store.claim_due(&other(), LEASE, 10).await.unwrap();
    assert_eq!(
        due.iter().map(|c| c.fence.infra.as_str()).collect::<Vec<_>>(),
        ["owned"]
    );
    assert!(due[0].taken_over && due[0].fence.epoch == owned.epoch + 1);
    assert!(
        store
            .claim(&"kept".into(), &other(), LEASE)
            .await
            .unwrap()
            .unwrap()
            .taken_over
    );
    assert!(
        !store
            .claim(&"idle".into(), &other(), LEASE)
            .await
            .unwrap()
            .unwrap()
            .taken_over
    );
    assert!(matches!(
        store.commit(&owned, Vec::new(), Release::Keep).await,
        Err(StoreError::Fenced { .. })
    ));
}

#[tokio::test]
async fn tables_of_the_original_are_left_alone() {
    use sqlx::{ConnectOptions, Connection, sqlite::SqliteConnectOptions};
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("data")).unwrap();
    let options = SqliteConnectOptions::new().filename(folder.path().join("data").join("im.db"));
    let mut conn = options.clone().create_if_missing(true).connect().await.unwrap();
    let make = "CREATE TABLE inf_list (id VARCHAR(255) PRIMARY KEY, deleted INTEGER, date TEXT, data TEXT, auth TEXT);
                INSERT INTO inf_list VALUES ('x', 0, '2024-01-01', '{}', '[]');";
    sqlx::raw_sql(make).execute(&mut conn).await.unwrap();
    conn.close().await.unwrap();
    let store = open(folder.path()).await.unwrap();
    created(&store, "i").await;
    store.close().await;
    let mut conn = options.connect().await.unwrap();
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM inf_list WHERE id = 'x'")
        .fetch_one(&mut conn)
        .await
        .unwrap();
    assert_eq!(count, 1);
    let foreign: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM sqlite_schema WHERE name NOT LIKE 'im\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
    )
    .fetch_one(&mut conn)
    .await
    .unwrap();
    assert_eq!(foreign, 1);
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused() {
    use sqlx::{ConnectOptions, Connection, sqlite::SqliteConnectOptions};
    let folder = tempfile::tempdir().unwrap();
    open(folder.path()).await.unwrap().close().await;
    let mut conn = SqliteConnectOptions::new()
        .filename(folder.path().join("data").join("im.db"))
        .connect()
        .await
        .unwrap();
    sqlx::query("UPDATE im_meta SET value = 99 WHERE name = 'schema'")
        .execute(&mut conn)
        .await
        .unwrap();
    conn.close().await.unwrap();
    let error = open(folder.path()).await.unwrap_err();
    assert!(error.to_string().contains("newer program"), "{error}");
}

#[tokio::test]
async fn a_row_moved_by_hand_is_not_read() {
    use sqlx::{ConnectOptions, Connection, sqlite::SqliteConnectOptions};
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await.unwrap();
    let fence = created(&store, "i").await;
    let writes = [0, 1].map(|n| Write::Vm(Arc::new(vm(n, VmState::Running))));
    store.commit(&fence, writes.to_vec(), Release::Keep).await.unwrap();
    store.close().await;
    let mut conn = SqliteConnectOptions::new()
        .filename(folder.path().join("data").join("im.db"))
        .connect()
        .await
        .unwrap();
    let swap = "UPDATE im_vm SET doc = (SELECT doc FROM im_vm WHERE id = 1) WHERE id = 0";
    sqlx::query(swap).execute(&mut conn).await.unwrap();
    conn.close().await.unwrap();
    let store = open(folder.path()).await.unwrap();
    let error = store.load(&"i".into()).await.unwrap_err();
    assert!(matches!(error, StoreError::Unreadable { .. }), "{error}");
}

/// Not a test by itself: the process that [`a_killed_process_leaves_whole_commits`] kills. Commit `n` writes VM `n`,
/// the infrastructure with `next_vm` = `n` + 1, a step event and an event, and is then told on standard output.
#[tokio::test]
async fn victim() {
    let Some(folder) = std::env::var_os("IM_STORE_VICTIM") else {
        return;
    };
    let store = open(Path::new(&folder)).await.unwrap();
    let fence = store.claim(&"i".into(), &me(), LEASE).await.unwrap().unwrap().fence;
    let first = store.load(&"i".into()).await.unwrap().unwrap().infra.next_vm;
    for n in first.. {
        let row = im_model::Infrastructure {
            next_vm: n + 1,
            ..infrastructure("i", "user", "pass")
        };
        let writes = vec![
            Write::Infrastructure(Arc::new(row)),
            Write::Vm(Arc::new(vm(n, VmState::Running))),
            Write::Step(StepEvent {
                operation: "i-op".into(),
                step: StepId(n),
                kind: StepEventKind::Skipped,
            }),
            Write::Log {
                scope: LogScope::Infra,
                text: format!("{n}\n"),
            },
        ];
        store.commit(&fence, writes, Release::Keep).await.unwrap();
        println!("committed {n}");
    }
}

#[tokio::test]
async fn a_killed_process_leaves_whole_commits() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await.unwrap();
    created(&store, "i").await;
    store.close().await;
    for round in 0..5_usize {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "victim", "--nocapture"])
            .env("IM_STORE_VICTIM", folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let told = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map_while(Result::ok);
        let told: Vec<u32> = told
            .filter_map(|l| l.strip_prefix("committed ")?.parse().ok())
            .take(7 + 13 * round)
            .collect();
        child.kill().unwrap();
        child.wait().unwrap();
        let last = *told.last().expect("the child commits");
        let store = open(folder.path()).await.unwrap();
        let state = store.load(&"i".into()).await.unwrap().unwrap();
        let next = state.infra.next_vm;
        assert!(next > last, "commit {last} was told, {next} is next");
        assert_eq!(state.vms.len(), next as usize);
        assert_eq!(store.step_events(&"i-op".into()).await.unwrap().len(), next as usize);
        let feed = store.events(&"i".into(), 0, usize::MAX).await.unwrap();
        assert_eq!(
            feed.iter().map(|e| e.seq).collect::<Vec<_>>(),
            (1..=u64::from(next)).collect::<Vec<_>>()
        );
        assert_eq!(
            store.log(&"i".into(), LogScope::Infra).await.unwrap().lines().count(),
            next as usize
        );
        store.close().await;
    }
}
