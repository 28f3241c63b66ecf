//! Tables, and what is checked when a database is opened.
//!
//! Names begin with `im_`: a database of the original service (table `inf_list`) is left as it is. Columns in plain
//! are those that queries need; `doc`, `body` and the like are sealed.
//!
//! `im_infrastructure` is split from `im_document`: the first is written by every commit and is small.

use super::db;
use crate::{
    KeyId, KeyRing, StoreError, StoreResult,
    keys::{Identity, Place},
};
use im_model::Deployment;
use ring::rand::{SecureRandom, SystemRandom};
use sqlx::{Row, SqliteConnection};

/// Raised by each change of the tables; older databases are brought up to it when opened.
const SCHEMA: i64 = 3;

const TABLES: &str = "
CREATE TABLE im_meta (
    name TEXT PRIMARY KEY,
    value ANY NOT NULL
) STRICT;
CREATE TABLE im_infrastructure (
    n INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    owner TEXT,
    epoch INTEGER NOT NULL,
    lease_until INTEGER NOT NULL,
    broken INTEGER NOT NULL DEFAULT 0,
    seq INTEGER NOT NULL,
    feed INTEGER NOT NULL,
    lines INTEGER NOT NULL,
    saved INTEGER NOT NULL,
    saved_n INTEGER NOT NULL,
    deleted INTEGER NOT NULL,
    owners_tag BLOB
) STRICT;
CREATE INDEX im_infrastructure_owner ON im_infrastructure (owner) WHERE owner IS NOT NULL;
CREATE INDEX im_infrastructure_saved ON im_infrastructure (saved_n) WHERE deleted = 0;
CREATE TABLE im_document (
    infra INTEGER PRIMARY KEY,
    owners BLOB NOT NULL,
    doc BLOB NOT NULL
) STRICT;
CREATE TABLE im_owner (
    name BLOB NOT NULL,
    infra INTEGER NOT NULL,
    PRIMARY KEY (name, infra)
) STRICT, WITHOUT ROWID;
CREATE INDEX im_owner_infra ON im_owner (infra);
CREATE TABLE im_vm (
    infra INTEGER NOT NULL,
    id INTEGER NOT NULL,
    doc BLOB NOT NULL,
    UNIQUE (infra, id)
) STRICT;
CREATE TABLE im_resource (
    infra INTEGER NOT NULL,
    key TEXT NOT NULL,
    state TEXT NOT NULL,
    doc BLOB NOT NULL,
    since INTEGER,
    searched INTEGER,
    UNIQUE (infra, key)
) STRICT;
CREATE INDEX im_resource_gone ON im_resource (searched, infra, since) WHERE state = 'gone';
CREATE TABLE im_operation (
    n INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    infra INTEGER NOT NULL,
    kind TEXT NOT NULL,
    plan_format INTEGER NOT NULL,
    state TEXT NOT NULL,
    final INTEGER NOT NULL,
    cancel INTEGER NOT NULL,
    created INTEGER NOT NULL,
    steps INTEGER NOT NULL DEFAULT 0,
    error BLOB,
    request BLOB,
    resolved BLOB,
    plan BLOB,
    ended INTEGER
) STRICT;
CREATE INDEX im_operation_kept ON im_operation (infra, n) WHERE final = 1 AND request IS NOT NULL;
CREATE INDEX im_operation_ended ON im_operation (ended) WHERE final = 1;
CREATE INDEX im_operation_infra ON im_operation (infra, n);
CREATE INDEX im_operation_due ON im_operation (infra) WHERE final = 0;
CREATE TABLE im_step_event (
    operation INTEGER NOT NULL,
    n INTEGER NOT NULL,
    step INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    body BLOB,
    UNIQUE (operation, n)
) STRICT;
CREATE TABLE im_event (
    infra INTEGER NOT NULL,
    n INTEGER NOT NULL,
    time INTEGER NOT NULL,
    body BLOB NOT NULL,
    UNIQUE (infra, n)
) STRICT;
CREATE TABLE im_log (
    infra INTEGER NOT NULL,
    scope INTEGER NOT NULL,
    n INTEGER NOT NULL,
    text BLOB NOT NULL,
    UNIQUE (infra, scope, n)
) STRICT;
CREATE TABLE im_blob (
    id TEXT PRIMARY KEY,
    text BLOB NOT NULL
) STRICT;
";

/// What brings a database of one version to the next. The first entry is for those of version 1.
const STEPS: &[&str] = &[
    // Tombstones say since when and whether they were searched for again; operations say when they ended.
    "
ALTER TABLE im_resource ADD COLUMN since INTEGER;
ALTER TABLE im_resource ADD COLUMN searched INTEGER;
UPDATE im_resource SET since = 0 WHERE state IN ('gone', 'released');
CREATE INDEX im_resource_gone ON im_resource (searched, infra, since) WHERE state = 'gone';
ALTER TABLE im_operation ADD COLUMN ended INTEGER;
UPDATE im_operation SET ended = created WHERE final = 1;
CREATE INDEX im_operation_kept ON im_operation (infra, n) WHERE final = 1 AND request IS NOT NULL;
CREATE INDEX im_operation_ended ON im_operation (ended) WHERE final = 1;
",
    // What stands for the owners; rows get it when they are next written.
    "ALTER TABLE im_infrastructure ADD COLUMN owners_tag BLOB;",
];

const CHECK: Place<'static> = Place {
    table: "im_meta",
    key: "key_check",
    column: "value",
};
const CHECK_TEXT: &str = "these are the keys";

/// The identity of the deployment, sealed: see [`KeyRing::bound`].
const IDENTITY: Place<'static> = Place {
    table: "im_meta",
    key: "identity",
    column: "value",
};

/// Names of the rows of `im_meta` that say which keys something was sealed with.
pub(super) const KEY_PREFIX: &str = "key:";

/// Whether the database has our tables.
pub(super) async fn present(conn: &mut SqliteConnection) -> StoreResult<bool> {
    let row = sqlx::query("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'im_meta'")
        .fetch_optional(conn)
        .await
        .map_err(db)?;
    Ok(row.is_some())
}

/// Makes the tables, or checks that they are of a version and under a key that we know. Runs in a transaction of the
/// caller.
pub(super) async fn prepare(
    conn: &mut SqliteConnection,
    keys: &KeyRing,
    database: &str,
) -> StoreResult<(Deployment, KeyRing)> {
    let name = if present(conn).await? {
        let version = check_version(conn, database).await?;
        check_keys(conn, keys, database).await?;
        bring_up(conn, version).await?;
        meta(conn, "deployment").await?
    } else {
        make(conn, keys).await?
    };
    let keys = keys.bound(identity(conn, keys).await?);
    record(conn, keys.writing()).await?;
    let deployment = Deployment {
        secret: keys.mark_secret(&name)?,
        name,
    };
    Ok((deployment, keys))
}

/// Reads the identity. A database that was made before there was one gets what served as such then.
async fn identity(conn: &mut SqliteConnection, keys: &KeyRing) -> StoreResult<Identity> {
    let mut identity = Identity::new([0; 32]);
    if let Some(sealed) = optional::<Vec<u8>>(conn, IDENTITY.key).await? {
        let bytes = keys.open(IDENTITY, sealed)?;
        if bytes.len() != identity.len() {
            return Err(IDENTITY.unreadable("it has another length"));
        }
        identity.copy_from_slice(&bytes);
        return Ok(identity);
    }
    let identity = keys.first_identity();
    set(conn, IDENTITY.key, keys.seal(IDENTITY, &*identity)?).await?;
    for id in super::sealed::used(conn).await?.into_keys() {
        record(conn, id).await?;
    }
    Ok(identity)
}

/// Says that something is sealed with a key, or may be from now on.
pub(super) async fn record(conn: &mut SqliteConnection, id: KeyId) -> StoreResult<()> {
    sqlx::query("INSERT INTO im_meta (name, value) VALUES (?, 1) ON CONFLICT (name) DO NOTHING")
        .bind(format!("{KEY_PREFIX}{id}"))
        .execute(conn)
        .await
        .map_err(db)?;
    Ok(())
}

async fn make(conn: &mut SqliteConnection, keys: &KeyRing) -> StoreResult<String> {
    sqlx::raw_sql(TABLES).execute(&mut *conn).await.map_err(db)?;
    let mut bytes = [0; 4];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| StoreError::Database("the system gives no random numbers".to_owned()))?;
    let name = format!("im{}", hex::encode(bytes));
    set(conn, "schema", SCHEMA).await?;
    set(conn, "deployment", name.clone()).await?;
    set(conn, "key_check", keys.seal(CHECK, CHECK_TEXT.as_bytes())?).await?;
    let mut identity = Identity::new([0; 32]);
    SystemRandom::new()
        .fill(&mut *identity)
        .map_err(|_| StoreError::Database("the system gives no random numbers".to_owned()))?;
    set(conn, IDENTITY.key, keys.seal(IDENTITY, &*identity)?).await?;
    Ok(name)
}

async fn check_version(conn: &mut SqliteConnection, database: &str) -> StoreResult<i64> {
    let found: i64 = meta(conn, "schema").await?;
    if (1..=SCHEMA).contains(&found) {
        return Ok(found);
    }
    Err(StoreError::Unreadable {
        what: format!("the database {database}"),
        why: format!("its tables are of version {found}, this program knows version {SCHEMA}: use a newer program"),
    })
}

async fn bring_up(conn: &mut SqliteConnection, version: i64) -> StoreResult<()> {
    let done = usize::try_from(version - 1).unwrap_or(0);
    for step in STEPS.iter().skip(done) {
        sqlx::raw_sql(*step).execute(&mut *conn).await.map_err(db)?;
    }
    if version < SCHEMA {
        sqlx::query("UPDATE im_meta SET value = ? WHERE name = 'schema'")
            .bind(SCHEMA)
            .execute(conn)
            .await
            .map_err(db)?;
    }
    Ok(())
}

/// Every key that something is sealed with must be there, and be the right one: better no start than a service that
/// finds out in the middle.
async fn check_keys(conn: &mut SqliteConnection, keys: &KeyRing, database: &str) -> StoreResult<()> {
    let has: Vec<KeyId> = keys.list().into_iter().map(|(id, _)| id).collect();
    let needed: Vec<String> = sqlx::query_scalar("SELECT substr(name, 5) FROM im_meta WHERE name LIKE 'key:%'")
        .fetch_all(&mut *conn)
        .await
        .map_err(db)?;
    let missing: Vec<String> = needed
        .into_iter()
        .filter(|id| !id.parse().is_ok_and(|id| has.contains(&id)))
        .collect();
    let sealed: Vec<u8> = meta(conn, CHECK.key).await?;
    let opens = matches!(keys.open_text(CHECK, sealed), Ok(text) if text == CHECK_TEXT);
    if missing.is_empty() && opens {
        return Ok(());
    }
    let which = match missing.as_slice() {
        [] => String::new(),
        [one] => format!(" (it needs key {one})"),
        several => format!(" (it needs keys {})", several.join(", ")),
    };
    Err(StoreError::WrongKey(format!(
        "the keys in {} do not open the database {database}{which}: put back the key file that was used with it, or \
         move the database away to begin with an empty one",
        keys.origin()
    )))
}

async fn meta<T>(conn: &mut SqliteConnection, name: &'static str) -> StoreResult<T>
where
    T: for<'r> sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    let unreadable = |why: String| StoreError::Unreadable {
        what: format!("{name} of im_meta"),
        why,
    };
    optional(conn, name)
        .await?
        .ok_or_else(|| unreadable("it is not there".to_owned()))
}

async fn optional<T>(conn: &mut SqliteConnection, name: &'static str) -> StoreResult<Option<T>>
where
    T: for<'r> sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    let row = sqlx::query("SELECT value FROM im_meta WHERE name = ?")
        .bind(name)
        .fetch_optional(conn)
        .await
        .map_err(db)?;
    row.map(|row| row.try_get(0))
        .transpose()
        .map_err(|e| StoreError::Unreadable {
            what: format!("{name} of im_meta"),
            why: e.to_string(),
        })
}

async fn set<'t, T>(conn: &mut SqliteConnection, name: &'static str, value: T) -> StoreResult<()>
where
    T: sqlx::Encode<'t, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    sqlx::query("INSERT INTO im_meta (name, value) VALUES (?, ?)")
        .bind(name)
        .bind(value)
        .execute(conn)
        .await
        .map_err(db)?;
    Ok(())
}
