//! Which columns are sealed, which keys they are sealed with, and sealing them anew.
//!
//! Works beside a service that has the database: each batch is a short transaction of its own, and a value is replaced
//! only if it is still the one that was read. What a crash leaves is a database with two keys in use, which is what it
//! was before; the next run goes on.
//!
//! Never here: the keys themselves. See [`crate::KeyFile`].

use super::{connect_options, db, schema};
use crate::{
    KeyId, KeyRing, StoreError, StoreResult,
    keys::{Place, sealed_by},
};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row, SqliteConnection};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

/// Most values of one transaction.
const BATCH: i64 = 100;
/// A transaction takes no further value once it has so many bytes.
const BATCH_BYTES: usize = 1 << 20;
/// How often a run begins again for values that a service sealed with the former key meanwhile.
const ROUNDS: u32 = 20;
/// How long a service may take to notice that the key file changed, and to commit what it had sealed before.
const NOTICED: Duration = Duration::from_secs(2);

/// A column that is sealed.
pub(super) struct SealedColumn {
    pub(super) table: &'static str,
    pub(super) column: &'static str,
    /// SQL for the key of the row's place: what the row is called in the associated data. `t` is the table.
    key: &'static str,
    /// SQL for which rows of the table; `1` for all.
    only: &'static str,
}

const fn sealed(table: &'static str, column: &'static str, key: &'static str) -> SealedColumn {
    SealedColumn {
        table,
        column,
        key,
        only: "1",
    }
}

const INFRA: &str = "(SELECT id FROM im_infrastructure i WHERE i.n = t.infra)";
const INFRA_ID: &str = "(SELECT id FROM im_infrastructure i WHERE i.n = t.infra) || '/' || t.id";
const INFRA_N: &str = "(SELECT id FROM im_infrastructure i WHERE i.n = t.infra) || '/' || t.n";
const OPERATION_N: &str = "(SELECT id FROM im_operation o WHERE o.n = t.operation) || '/' || t.n";

/// Every column that is sealed. A column that is neither here nor known to be in plain fails a test.
pub(super) const SEALED: &[SealedColumn] = &[
    sealed("im_document", "owners", INFRA),
    sealed("im_document", "doc", INFRA),
    sealed("im_vm", "doc", INFRA_ID),
    sealed("im_resource", "doc", "t.key"),
    sealed("im_operation", "error", "t.id"),
    sealed("im_operation", "request", "t.id"),
    sealed("im_operation", "resolved", "t.id"),
    sealed("im_operation", "plan", "t.id"),
    sealed("im_step_event", "body", OPERATION_N),
    sealed("im_event", "body", INFRA_N),
    sealed("im_log", "text", INFRA_N),
    sealed("im_blob", "text", "t.id"),
    // Last: until all the rest is sealed anew, the former key is needed anyway.
    SealedColumn {
        table: "im_meta",
        column: "value",
        key: "t.name",
        only: "t.name IN ('identity', 'key_check')",
    },
];

/// How many values are sealed with each key.
pub(super) async fn used(conn: &mut SqliteConnection) -> StoreResult<BTreeMap<KeyId, u64>> {
    let mut used = BTreeMap::new();
    for SealedColumn {
        table, column, only, ..
    } in SEALED
    {
        let text = format!(
            "SELECT substr(t.{column}, 1, 5), count(*) FROM {table} t WHERE t.{column} IS NOT NULL AND {only} GROUP BY 1"
        );
        let rows = sqlx::query(AssertSqlSafe(text))
            .fetch_all(&mut *conn)
            .await
            .map_err(db)?;
        for row in rows {
            let head: Vec<u8> = row.try_get(0).map_err(db)?;
            let id = sealed_by(&head).ok_or_else(|| StoreError::Unreadable {
                what: format!("{column} of {table}"),
                why: "not sealed in a form that this version knows".to_owned(),
            })?;
            let count: i64 = row.try_get(1).map_err(db)?;
            *used.entry(id).or_default() += u64::try_from(count).unwrap_or(0);
        }
    }
    Ok(used)
}

/// How much a key is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyUse {
    /// The key.
    pub id: KeyId,
    /// How many values of the database are sealed with it.
    pub values: u64,
}

/// What sealing anew did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resealed {
    /// Values sealed anew.
    pub values: u64,
    /// Values that are sealed with another key still: somebody who has not got the new one goes on sealing.
    pub left: u64,
}

/// The sealed values of a database that is there, whether a service has it or not.
pub struct SealedRows {
    conn: SqliteConnection,
    keys: KeyRing,
    path: PathBuf,
}

impl std::fmt::Debug for SealedRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SealedRows")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl SealedRows {
    /// Opens a database; `None` where there is none of ours. Refuses keys that do not open it.
    pub async fn open(path: &Path, keys: &KeyRing) -> StoreResult<Option<Self>> {
        if !super::has_tables(path).await? {
            return Ok(None);
        }
        let mut conn = connect_options(path, true)
            // What is replaced must not stay readable, with the former key, where it was.
            .pragma("secure_delete", "ON")
            .connect()
            .await
            .map_err(db)?;
        let mut tx = conn.begin_with("BEGIN IMMEDIATE").await.map_err(db)?;
        schema::prepare(&mut tx, keys, &path.display().to_string()).await?;
        tx.commit().await.map_err(db)?;
        Ok(Some(Self {
            conn,
            keys: keys.clone(),
            path: path.to_owned(),
        }))
    }

    /// How much each key is used: first those of the ring, in its order.
    pub async fn used(&mut self) -> StoreResult<Vec<KeyUse>> {
        let mut used = used(&mut self.conn).await?;
        let mut list: Vec<_> = self
            .keys
            .list()
            .into_iter()
            .map(|(id, _)| KeyUse {
                id,
                values: used.remove(&id).unwrap_or(0),
            })
            .collect();
        list.extend(used.into_iter().map(|(id, values)| KeyUse { id, values }));
        Ok(list)
    }

    /// Says that a key will be used: from then on nobody starts without it. To be done before anybody seals with it.
    pub async fn announce(&mut self, id: KeyId) -> StoreResult<()> {
        schema::record(&mut self.conn, id).await
    }

    /// Seals with the key that seals now whatever is sealed with another. `told` hears of each batch.
    pub async fn reseal(&mut self, mut told: impl FnMut(u64)) -> StoreResult<Resealed> {
        self.keys.refresh();
        self.announce(self.keys.writing()).await?;
        let mut done = Resealed::default();
        for round in 0..ROUNDS {
            for column in SEALED {
                self.reseal_column(column, &mut done, &mut told).await?;
            }
            done.left = self.others().await?;
            if done.left == 0 && (round > 0 || !self.is_served()?) {
                break;
            }
            // A service beside us notices the new key when it seals next, a second late at most.
            tokio::time::sleep(NOTICED).await;
        }
        Ok(done)
    }

    /// Writes the file anew, without the free space in which values that were replaced long ago may still be. `false`:
    /// not done, since a service has the database and would have to wait.
    pub async fn compact(&mut self) -> StoreResult<bool> {
        if self.is_served()? {
            return Ok(false);
        }
        for text in ["VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"] {
            sqlx::query(text).execute(&mut self.conn).await.map_err(db)?;
        }
        Ok(true)
    }

    /// Says that a key is not used any more. Refused while a value is sealed with it, or while it is the one that seals.
    pub async fn forget(&mut self, id: KeyId) -> StoreResult<()> {
        if self.keys.writing() == id {
            return Err(StoreError::Refused(format!(
                "key {id} is the one that seals: `im keys rotate` makes another one do it"
            )));
        }
        let mut tx = self.conn.begin_with("BEGIN IMMEDIATE").await.map_err(db)?;
        if let Some(values) = used(&mut tx).await?.get(&id) {
            return Err(StoreError::Refused(format!(
                "{values} values of the database are sealed with key {id}: `im keys rotate` seals them anew"
            )));
        }
        sqlx::query("DELETE FROM im_meta WHERE name = ?")
            .bind(format!("{}{id}", schema::KEY_PREFIX))
            .execute(&mut *tx)
            .await
            .map_err(db)?;
        tx.commit().await.map_err(db)
    }

    /// Whether a service has the database now.
    pub fn is_served(&self) -> StoreResult<bool> {
        super::files::is_locked(&self.path)
    }

    /// Closes the database.
    pub async fn close(self) -> StoreResult<()> {
        self.conn.close().await.map_err(db)
    }

    async fn others(&mut self) -> StoreResult<u64> {
        let writing = self.keys.writing();
        let used = used(&mut self.conn).await?;
        Ok(used.into_iter().filter(|(id, _)| *id != writing).map(|(_, n)| n).sum())
    }

    async fn reseal_column(
        &mut self,
        column: &SealedColumn,
        done: &mut Resealed,
        told: &mut impl FnMut(u64),
    ) -> StoreResult<()> {
        let mut after = i64::MIN;
        while let Some(last) = self.reseal_batch(column, after, done).await? {
            after = last;
            told(done.values);
        }
        Ok(())
    }

    /// Seals some values anew; gives the last row looked at, `None` when there is none left.
    async fn reseal_batch(&mut self, at: &SealedColumn, after: i64, done: &mut Resealed) -> StoreResult<Option<i64>> {
        let SealedColumn {
            table,
            column,
            key,
            only,
        } = at;
        let writing = self.keys.writing();
        let text = format!(
            "SELECT t.rowid, {key}, t.{column} FROM {table} t WHERE t.rowid > ? AND t.{column} IS NOT NULL AND {only} \
             AND substr(t.{column}, 2, 4) <> ? ORDER BY t.rowid LIMIT ?"
        );
        let rows = sqlx::query(AssertSqlSafe(text))
            .bind(after)
            .bind(writing.0.to_vec())
            .bind(BATCH)
            .fetch_all(&mut self.conn)
            .await
            .map_err(db)?;
        let mut last = None;
        let (mut anew, mut bytes) = (Vec::with_capacity(rows.len()), 0);
        for row in rows {
            let (rowid, key): (i64, Option<String>) = (row.try_get(0).map_err(db)?, row.try_get(1).map_err(db)?);
            let old: Vec<u8> = row.try_get(2).map_err(db)?;
            // A row whose owner was removed in between is gone by now, too.
            if let Some(key) = key {
                let place = Place {
                    table,
                    key: &key,
                    column,
                };
                let plain = self.keys.open(place, old.clone())?;
                bytes += old.len();
                anew.push((rowid, old, self.keys.seal(place, &plain)?));
            }
            last = Some(rowid);
            if bytes >= BATCH_BYTES {
                break;
            }
        }
        let replace = format!("UPDATE {table} SET {column} = ? WHERE rowid = ? AND {column} = ?");
        let mut tx = self.conn.begin_with("BEGIN IMMEDIATE").await.map_err(db)?;
        for (rowid, old, new) in anew {
            // Compared byte by byte: whoever wrote meanwhile has the last word.
            let changed = sqlx::query(AssertSqlSafe(replace.as_str()))
                .bind(new)
                .bind(rowid)
                .bind(old)
                .execute(&mut *tx)
                .await
                .map_err(db)?;
            done.values += changed.rows_affected();
        }
        tx.commit().await.map_err(db)?;
        Ok(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SqliteStore;

    /// What is in plain, and why that is no loss: ids that we made, numbers, states, and a keyed hash.
    const PLAIN: &[(&str, &str)] = &[
        ("im_meta", "name"),                 // "schema", "deployment", "identity", "key_check", "key:…"
        ("im_infrastructure", "id"),         // drawn by us; in every URL
        ("im_infrastructure", "owner"),      // the id of an instance
        ("im_infrastructure", "owners_tag"), // keyed hash of all owners
        ("im_owner", "name"),                // keyed hash of a user's name
        ("im_resource", "key"),              // keyed hash
        ("im_resource", "state"),
        ("im_operation", "id"),
        ("im_operation", "kind"),
        ("im_operation", "state"),
        ("im_blob", "id"), // keyed or public hash: see `BlobId`
    ];

    #[tokio::test]
    async fn every_column_that_may_hold_text_is_sealed_or_known_to_be_in_plain() {
        let store = SqliteStore::temporary().await.unwrap();
        let mut conn = connect_options(store.path(), false).connect().await.unwrap();
        let columns: Vec<(String, String, String)> = sqlx::query_as(
            "SELECT s.name, c.name, c.type FROM sqlite_schema s JOIN pragma_table_info(s.name) c \
             WHERE s.type = 'table' AND s.name NOT LIKE 'sqlite%'",
        )
        .fetch_all(&mut conn)
        .await
        .unwrap();
        let mut seen = 0;
        for (table, column, kind) in &columns {
            let sealed = SEALED.iter().any(|s| s.table == table && s.column == column);
            let plain = PLAIN.contains(&(table.as_str(), column.as_str()));
            assert!(!(sealed && plain), "{table}.{column} is both");
            assert!(
                sealed || plain || kind == "INTEGER",
                "{table}.{column} ({kind}) is new: seal it and add it to SEALED, or say in PLAIN why it may be read"
            );
            seen += usize::from(sealed);
        }
        assert_eq!(seen, SEALED.len(), "SEALED names a column that is not there");
        // STRICT tables keep text out of the integers.
        let loose: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND sql NOT LIKE '%STRICT%'",
        )
        .fetch_one(&mut conn)
        .await
        .unwrap();
        assert_eq!(loose, 0);
        store.close().await;
    }
}
