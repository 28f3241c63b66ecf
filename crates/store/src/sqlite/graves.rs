//! Tombstones, the requests that are kept to search for them again, and pruning.

use super::{
    apply::Tx,
    db,
    prepare::{operation_place, resource_place},
    read::{Reader, get, number},
};
use crate::{Bounds, Grave, Graves, Owned, Pruned, StoreResult, Tombstone};
use im_model::{InfraId, Millis, Operation, Resource};
use sqlx::{AssertSqlSafe, SqliteConnection};
use std::sync::Arc;

/// The end of an operation. What a replay needs is dropped, but for the request of one that may have made tombstones
/// while any of its infrastructure are still to be searched for. Bound: time, infrastructure, state, error; then, as
/// with every change of an operation, its id and the infrastructure.
pub(super) const END: &str = "UPDATE im_operation SET final = 1, resolved = NULL, plan = NULL, ended = ?, \
     request = iif(kind IN ('create', 'add', 'remove', 'destroy') AND EXISTS (SELECT 1 FROM im_resource \
     WHERE infra = ? AND state = 'gone' AND searched IS NULL), request, NULL), state = ?, error = ? \
     WHERE id = ? AND infra = ?";

impl Tx<'_> {
    /// Notes which tombstones were searched for again, and drops the requests that nothing needs any more.
    pub(super) async fn searched(&mut self, infra: i64, keys: &[String], drop_requests: bool) -> StoreResult<()> {
        if keys.is_empty() && !drop_requests {
            return Ok(());
        }
        for key in keys {
            sqlx::query("UPDATE im_resource SET searched = ? WHERE infra = ? AND key = ? AND state = 'gone'")
                .bind(self.now)
                .bind(infra)
                .bind(key)
                .execute(&mut *self.conn)
                .await
                .map_err(db)?;
        }
        sqlx::query(
            "UPDATE im_operation SET request = NULL WHERE infra = ?1 AND final = 1 AND request IS NOT NULL AND (?2 OR \
             NOT EXISTS (SELECT 1 FROM im_resource WHERE infra = ?1 AND state = 'gone' AND searched IS NULL))",
        )
        .bind(infra)
        .bind(drop_requests)
        .execute(&mut *self.conn)
        .await
        .map_err(db)?;
        Ok(())
    }

    /// See [`crate::Store::prune`].
    pub(super) async fn prune(&mut self, bounds: &Bounds) -> StoreResult<Pruned> {
        let most = i64::from(bounds.at_once.max(1));
        let before = self.now.saturating_sub(bounds.history);
        let keep = i64::try_from(bounds.events.max(1)).unwrap_or(i64::MAX);
        let conn = &mut *self.conn;
        let tombstones = delete(
            conn,
            "DELETE FROM im_resource WHERE rowid IN (SELECT rowid FROM im_resource WHERE state = 'gone' \
             AND searched IS NOT NULL AND since < ? LIMIT ?)",
            &[before, most],
        )
        .await?;
        // Operations with many steps go one by one, so that no call takes long.
        delete(
            conn,
            "DELETE FROM im_step_event WHERE rowid IN (SELECT rowid FROM im_step_event WHERE operation IN (SELECT n \
             FROM im_operation WHERE final = 1 AND ended < ?1 AND request IS NULL LIMIT ?2) LIMIT ?2)",
            &[before, most],
        )
        .await?;
        let operations = delete(
            conn,
            "DELETE FROM im_operation WHERE n IN (SELECT n FROM im_operation o WHERE final = 1 AND ended < ?1 \
             AND request IS NULL AND NOT EXISTS (SELECT 1 FROM im_step_event WHERE operation = o.n) LIMIT ?2)",
            &[before, most],
        )
        .await?;
        let left: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM im_operation WHERE final = 1 AND ended < ? AND request IS NULL)",
        )
        .bind(before)
        .fetch_one(&mut *conn)
        .await
        .map_err(db)?;
        let mut events = delete(
            conn,
            "DELETE FROM im_event WHERE rowid IN (SELECT e.rowid FROM im_infrastructure i JOIN im_event e \
             ON e.infra = i.n AND e.n <= i.feed - ?1 WHERE i.feed > ?1 LIMIT ?2)",
            &[keep, most],
        )
        .await?;
        events += delete(
            conn,
            "DELETE FROM im_event WHERE rowid IN (SELECT e.rowid FROM im_infrastructure i JOIN im_event e \
             ON e.infra = i.n WHERE i.deleted = 1 AND i.saved < ? LIMIT ?)",
            &[before, most],
        )
        .await?;
        let logs = delete(
            conn,
            "DELETE FROM im_log WHERE rowid IN (SELECT l.rowid FROM im_infrastructure i JOIN im_log l \
             ON l.infra = i.n WHERE i.deleted = 1 AND i.saved < ? LIMIT ?)",
            &[before, most],
        )
        .await?;
        let full = |n: u64| n >= u64::from(bounds.at_once.max(1));
        Ok(Pruned {
            events,
            operations,
            tombstones,
            logs,
            more: left || [events, operations, tombstones, logs].into_iter().any(full),
        })
    }
}

async fn delete(conn: &mut SqliteConnection, text: &'static str, bound: &[i64]) -> StoreResult<u64> {
    let mut query = sqlx::query(text);
    for value in bound {
        query = query.bind(*value);
    }
    Ok(query.execute(conn).await.map_err(db)?.rows_affected())
}

impl Reader {
    pub(super) async fn tombstones(&self, infra: &InfraId) -> StoreResult<Vec<Tombstone>> {
        let mut tx = self.pool.begin().await.map_err(db)?;
        let Some(n) = number(&mut tx, infra).await? else {
            return Ok(Vec::new());
        };
        let rows = sqlx::query(
            "SELECT key, doc, coalesce(since, 0), searched FROM im_resource WHERE infra = ? \
             AND state IN ('gone', 'released')",
        )
        .bind(n)
        .fetch_all(&mut *tx)
        .await
        .map_err(db)?;
        tx.commit().await.map_err(db)?;
        let mut tombstones = Vec::with_capacity(rows.len());
        for row in &rows {
            let resource: Resource = self.keys.open_json(resource_place(get(row, 0)?), get(row, 1)?)?;
            tombstones.push(Tombstone {
                row: resource,
                since: get(row, 2)?,
                searched: get(row, 3)?,
            });
        }
        Ok(tombstones)
    }

    pub(super) async fn graves(&self, which: &Graves) -> StoreResult<Vec<Grave>> {
        let (filter, names): (String, &[String]) = match which {
            Graves::WithRequest => (
                "AND r.infra IN (SELECT infra FROM im_operation WHERE final = 1 AND request IS NOT NULL)".to_owned(),
                &[],
            ),
            Graves::Of(Owned::All) => (String::new(), &[]),
            Graves::Of(Owned::By(names)) => {
                let marks = vec!["?"; names.len()].join(",");
                let owned = format!("AND r.infra IN (SELECT infra FROM im_owner WHERE name IN ({marks}))");
                (owned, names)
            }
        };
        let text = format!(
            "SELECT i.id, min(coalesce(r.since, 0)) FROM im_resource r JOIN im_infrastructure i ON i.n = r.infra \
             WHERE r.state = 'gone' AND r.searched IS NULL {filter} GROUP BY r.infra ORDER BY 2"
        );
        let mut query = sqlx::query(AssertSqlSafe(text));
        for name in names {
            query = query.bind(self.keys.name_tag(name)?);
        }
        let rows = query.fetch_all(&self.pool).await.map_err(db)?;
        let grave = |row| {
            Ok(Grave {
                infra: InfraId::from(get::<String>(row, 0)?),
                since: get::<Millis>(row, 1)?,
            })
        };
        rows.iter().map(grave).collect()
    }

    pub(super) async fn kept_requests(&self, infra: &InfraId) -> StoreResult<Vec<Operation>> {
        let rows = sqlx::query(
            "SELECT o.id, o.request FROM im_operation o JOIN im_infrastructure i ON i.n = o.infra \
             WHERE i.id = ? AND o.final = 1 AND o.request IS NOT NULL ORDER BY o.n DESC",
        )
        .bind(infra.as_str())
        .fetch_all(&self.pool)
        .await
        .map_err(db)?;
        let mut kept = Vec::with_capacity(rows.len());
        for row in &rows {
            let id = get::<String>(row, 0)?.into();
            // It may have been dropped since.
            let Some(mut operation) = self.operation(&id).await? else {
                continue;
            };
            operation.request = Arc::new(self.keys.open_json(operation_place(&id, "request"), get(row, 1)?)?);
            kept.push(operation);
        }
        Ok(kept)
    }
}
