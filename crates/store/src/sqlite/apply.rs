//! What each call does inside a transaction of the writer: submit, commit, claim, renew.
//!
//! Never here: beginning or ending the transaction.

use super::{
    db,
    prepare::{OperationRow, OperationWrite, Prepared, numbered, place, scope_number},
    rows_sql::{Insert, Texts},
};
use crate::{Claim, Committed, Fence, KeyRing, Release, StoreError, StoreResult, Submitted};
use im_model::{Event, InfraId, InstanceId, LogScope, Millis, OperationId, PLAN_FORMAT};
use sqlx::{Arguments, Row, SqliteConnection};
use std::collections::HashMap;

const VMS: Insert = Insert {
    head: "INSERT INTO im_vm (infra, id, doc) VALUES ",
    columns: 3,
    tail: " ON CONFLICT (infra, id) DO UPDATE SET doc = excluded.doc",
};
const RESOURCES: Insert = Insert {
    head: "INSERT INTO im_resource (infra, key, state, doc, since) VALUES ",
    columns: 5,
    tail: " ON CONFLICT (infra, key) DO UPDATE SET since = iif(state = excluded.state, since, excluded.since), \
           state = excluded.state, doc = excluded.doc",
};
const STEPS: Insert = Insert {
    head: "INSERT INTO im_step_event (operation, n, step, kind, attempt, body) VALUES ",
    columns: 6,
    tail: "",
};
const EVENTS: Insert = Insert {
    head: "INSERT INTO im_event (infra, n, time, body) VALUES ",
    columns: 4,
    tail: "",
};
const LOGS: Insert = Insert {
    head: "INSERT INTO im_log (infra, scope, n, text) VALUES ",
    columns: 4,
    tail: "",
};
const BLOBS: Insert = Insert {
    head: "INSERT INTO im_blob (id, text) VALUES ",
    columns: 2,
    tail: " ON CONFLICT (id) DO NOTHING",
};
const OWNERS: Insert = Insert {
    head: "INSERT INTO im_owner (name, infra) VALUES ",
    columns: 2,
    tail: "",
};

/// Takes every infrastructure from its owner. The next claim says that it was taken over.
pub(super) const BREAK_LEASES: &str =
    "UPDATE im_infrastructure SET owner = NULL, lease_until = 0, broken = 1 WHERE owner IS NOT NULL";

/// A connection inside a transaction, and what the writer keeps between them.
pub(super) struct Tx<'a> {
    pub(super) conn: &'a mut SqliteConnection,
    pub(super) texts: &'a mut Texts,
    pub(super) keys: &'a KeyRing,
    pub(super) now: Millis,
    /// The last `saved_n` given.
    pub(super) saved: &'a mut i64,
}

/// A submission whose rows are ready.
pub(super) struct PreparedSubmission {
    pub(super) infra: InfraId,
    pub(super) operation: OperationRow,
    /// The infrastructure is new.
    pub(super) create: bool,
    pub(super) prepared: Prepared,
    pub(super) supersede_all: bool,
    pub(super) instance: InstanceId,
    pub(super) lease_ms: u64,
}

/// What the row of an infrastructure says about its owner.
struct Ownership {
    n: i64,
    owner: Option<String>,
    epoch: i64,
    lease_until: Millis,
    broken: bool,
    seq: i64,
}

/// Numbers given to the rows of a transaction.
struct Numbers {
    /// Of the infrastructure's row.
    n: i64,
    seq: i64,
    /// Of the last event.
    feed: i64,
    /// Of the last step event.
    lines: i64,
}

impl Tx<'_> {
    pub(super) async fn submit(&mut self, submission: PreparedSubmission) -> StoreResult<Submitted> {
        let PreparedSubmission {
            infra,
            operation,
            create,
            prepared,
            supersede_all,
            instance,
            lease_ms,
        } = submission;
        let inserted = create && self.insert_infrastructure(&infra).await?;
        let before = self.ownership(&infra).await?.ok_or_else(|| missing_infra(&infra))?;
        let repeated = self.is_stored(&operation, before.n).await?;
        if create && !inserted && !repeated {
            return Err(StoreError::Exists {
                what: format!("infrastructure {infra}"),
            });
        }
        let supersede = supersede_all && !repeated;
        let claim = self
            .claim_for_submission(&infra, &before, supersede, &instance, lease_ms)
            .await?;
        if repeated {
            return Ok(Submitted {
                claim,
                events: Vec::new(),
                seq: unsigned(before.seq),
            });
        }
        let epoch = None; // A submission needs no permission: it only adds.
        let numbers = self.begin(&infra, epoch, &prepared).await?;
        let id = operation.id.clone();
        self.insert_operation(numbers.n, operation).await?;
        if supersede {
            sqlx::query("UPDATE im_operation SET cancel = max(cancel, 1) WHERE infra = ? AND final = 0 AND id <> ?")
                .bind(numbers.n)
                .bind(id.as_str())
                .execute(&mut *self.conn)
                .await
                .map_err(db)?;
        }
        let events = self.write(&infra, &numbers, prepared).await?;
        Ok(Submitted {
            claim,
            events,
            seq: unsigned(numbers.seq),
        })
    }

    pub(super) async fn commit(
        &mut self,
        fence: &Fence,
        prepared: Prepared,
        release: Release,
    ) -> StoreResult<Committed> {
        let numbers = self.begin(&fence.infra, Some(fence.epoch), &prepared).await?;
        let events = self.write(&fence.infra, &numbers, prepared).await?;
        let released = match release {
            Release::Keep => false,
            Release::IfIdle => self.release_if_idle(numbers.n).await?,
            Release::Now => self.release(numbers.n).await?,
        };
        Ok(Committed {
            seq: unsigned(numbers.seq),
            events,
            released,
        })
    }

    pub(super) async fn claim(
        &mut self,
        infra: &InfraId,
        instance: &InstanceId,
        lease_ms: u64,
    ) -> StoreResult<Option<Claim>> {
        let Some(row) = self.ownership(infra).await? else {
            return Ok(None);
        };
        let own = row.owner.as_deref() == Some(instance.as_str());
        if row.owner.is_some() && !own && row.lease_until > self.now {
            return Ok(None);
        }
        self.take(infra, &row, instance, lease_ms).await.map(Some)
    }

    pub(super) async fn claim_due(
        &mut self,
        instance: &InstanceId,
        lease_ms: u64,
        limit: usize,
    ) -> StoreResult<Vec<Claim>> {
        let rows = sqlx::query(
            "SELECT id, n, owner, epoch, lease_until, broken, seq FROM im_infrastructure WHERE n IN \
             (SELECT infra FROM im_operation WHERE final = 0 AND plan_format <= ?1) \
             AND (n NOT IN (SELECT infra FROM im_operation WHERE final = 0 AND plan_format > ?1) OR n IN \
             (SELECT infra FROM im_operation WHERE final = 0 AND plan_format <= ?1 AND kind = 'destroy')) \
             AND (owner IS NULL OR lease_until <= ?2) ORDER BY n LIMIT ?3",
        )
        .bind(i64::from(PLAN_FORMAT))
        .bind(self.now)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&mut *self.conn)
        .await
        .map_err(db)?;
        let mut claims = Vec::with_capacity(rows.len());
        for row in rows {
            let infra = InfraId::from(row.try_get::<String, _>(0).map_err(db)?);
            let before = Ownership::read(&row, 1)?;
            claims.push(self.take(&infra, &before, instance, lease_ms).await?);
        }
        Ok(claims)
    }

    pub(super) async fn renew(&mut self, instance: &InstanceId, lease_ms: u64) -> StoreResult<()> {
        sqlx::query("UPDATE im_infrastructure SET lease_until = ? WHERE owner = ?")
            .bind(self.until(lease_ms))
            .bind(instance.as_str())
            .execute(&mut *self.conn)
            .await
            .map_err(db)?;
        Ok(())
    }

    /// Takes every infrastructure from its owner: none is alive.
    pub(super) async fn break_leases(&mut self) -> StoreResult<()> {
        sqlx::query(BREAK_LEASES).execute(&mut *self.conn).await.map_err(db)?;
        Ok(())
    }

    fn until(&self, lease_ms: u64) -> Millis {
        self.now.saturating_add(i64::try_from(lease_ms).unwrap_or(i64::MAX))
    }

    /// Writes owner, epoch and lease.
    async fn take(
        &mut self,
        infra: &InfraId,
        row: &Ownership,
        instance: &InstanceId,
        lease_ms: u64,
    ) -> StoreResult<Claim> {
        let own = row.owner.as_deref() == Some(instance.as_str());
        sqlx::query("UPDATE im_infrastructure SET owner = ?, epoch = ?, lease_until = ?, broken = 0 WHERE n = ?")
            .bind(instance.as_str())
            .bind(row.epoch + 1)
            .bind(self.until(lease_ms))
            .bind(row.n)
            .execute(&mut *self.conn)
            .await
            .map_err(db)?;
        Ok(Claim {
            fence: Fence {
                infra: infra.clone(),
                epoch: unsigned(row.epoch + 1),
            },
            taken_over: row.broken || (row.owner.is_some() && !own),
        })
    }

    /// An owner keeps its epoch, so that what it is doing goes on; a destroy takes the infrastructure from everybody.
    async fn claim_for_submission(
        &mut self,
        infra: &InfraId,
        row: &Ownership,
        supersede: bool,
        instance: &InstanceId,
        lease_ms: u64,
    ) -> StoreResult<Option<Claim>> {
        let own = row.owner.as_deref() == Some(instance.as_str());
        if own && !supersede {
            let fence = Fence {
                infra: infra.clone(),
                epoch: unsigned(row.epoch),
            };
            return Ok(Some(Claim {
                fence,
                taken_over: false,
            }));
        }
        if row.owner.is_some() && row.lease_until > self.now && !supersede {
            return Ok(None);
        }
        self.take(infra, row, instance, lease_ms).await.map(Some)
    }

    async fn ownership(&mut self, infra: &InfraId) -> StoreResult<Option<Ownership>> {
        sqlx::query("SELECT n, owner, epoch, lease_until, broken, seq FROM im_infrastructure WHERE id = ?")
            .bind(infra.as_str())
            .fetch_optional(&mut *self.conn)
            .await
            .map_err(db)?
            .map(|row| Ownership::read(&row, 0))
            .transpose()
    }

    async fn insert_infrastructure(&mut self, infra: &InfraId) -> StoreResult<bool> {
        let done = sqlx::query(
            "INSERT INTO im_infrastructure (id, epoch, lease_until, seq, feed, lines, saved, saved_n, deleted) \
             VALUES (?, 0, 0, 0, 0, 0, 0, 0, 0) ON CONFLICT (id) DO NOTHING",
        )
        .bind(infra.as_str())
        .execute(&mut *self.conn)
        .await
        .map_err(db)?;
        Ok(done.rows_affected() > 0)
    }

    /// Whether this very operation is there already.
    async fn is_stored(&mut self, operation: &OperationRow, infra: i64) -> StoreResult<bool> {
        let found = sqlx::query("SELECT infra, kind FROM im_operation WHERE id = ?")
            .bind(operation.id.as_str())
            .fetch_optional(&mut *self.conn)
            .await
            .map_err(db)?;
        let Some(row) = found else { return Ok(false) };
        let same =
            row.try_get::<i64, _>(0).map_err(db)? == infra && row.try_get::<&str, _>(1).map_err(db)? == operation.kind;
        if same {
            return Ok(true);
        }
        Err(StoreError::Exists {
            what: format!("another operation {}", operation.id),
        })
    }

    /// The first statement of every change: checks the epoch and gives numbers.
    async fn begin(&mut self, infra: &InfraId, epoch: Option<u64>, prepared: &Prepared) -> StoreResult<Numbers> {
        let saved = prepared.saves().then(|| {
            *self.saved += 1;
            *self.saved
        });
        let row = sqlx::query(
            "UPDATE im_infrastructure SET seq = seq + 1, feed = feed + ?, lines = lines + ?, \
             saved = coalesce(?, saved), saved_n = coalesce(?, saved_n) \
             WHERE id = ? AND epoch = coalesce(?, epoch) RETURNING n, seq, feed, lines",
        )
        .bind(signed(prepared.events.len()))
        .bind(signed(prepared.steps.len()))
        .bind(saved.map(|_| self.now))
        .bind(saved)
        .bind(infra.as_str())
        .bind(epoch.map(|e| i64::try_from(e).unwrap_or(i64::MAX)))
        .fetch_optional(&mut *self.conn)
        .await
        .map_err(db)?;
        let Some(row) = row else {
            return Err(match self.ownership(infra).await? {
                Some(_) => StoreError::Fenced { infra: infra.clone() },
                None => missing_infra(infra),
            });
        };
        Ok(Numbers {
            n: row.try_get(0).map_err(db)?,
            seq: row.try_get(1).map_err(db)?,
            feed: row.try_get(2).map_err(db)?,
            lines: row.try_get(3).map_err(db)?,
        })
    }

    async fn write(&mut self, infra: &InfraId, numbers: &Numbers, prepared: Prepared) -> StoreResult<Vec<Event>> {
        let Prepared {
            document,
            vms,
            resources,
            operations,
            steps,
            events,
            cleared,
            logs,
            blobs,
            searched,
            drop_requests,
        } = prepared;
        let n = numbers.n;
        if !blobs.is_empty() {
            self.texts
                .insert(self.conn, &BLOBS, blobs, |a, (id, text)| {
                    a.add(id)?;
                    a.add(text)
                })
                .await?;
        }
        if let Some(document) = document {
            self.write_document(n, document).await?;
        }
        self.texts
            .insert(self.conn, &VMS, vms, |a, (id, doc)| {
                a.add(n)?;
                a.add(i64::from(id))?;
                a.add(doc)
            })
            .await?;
        let now = self.now;
        self.texts
            .insert(self.conn, &RESOURCES, resources, |a, (key, state, doc)| {
                let since = matches!(&*state, "gone" | "released").then_some(now);
                a.add(n)?;
                a.add(key)?;
                a.add(state)?;
                a.add(doc)?;
                a.add(since)
            })
            .await?;
        // After the resources: whether an operation that ends keeps its request depends on its tombstones.
        for change in operations {
            self.write_operation(n, change).await?;
        }
        self.searched(n, &searched, drop_requests).await?;
        self.write_steps(numbers, steps).await?;
        self.write_logs(infra, numbers, &events, cleared, logs).await?;
        self.write_events(infra, numbers, events).await
    }

    async fn write_document(&mut self, infra: i64, document: super::prepare::Document) -> StoreResult<()> {
        sqlx::query(
            "INSERT INTO im_document (infra, owners, doc) VALUES (?, ?, ?) \
             ON CONFLICT (infra) DO UPDATE SET owners = excluded.owners, doc = excluded.doc",
        )
        .bind(infra)
        .bind(document.owners)
        .bind(document.doc)
        .execute(&mut *self.conn)
        .await
        .map_err(db)?;
        sqlx::query(
            "UPDATE im_infrastructure SET deleted = ?1, owners_tag = ?2 \
             WHERE n = ?3 AND (deleted <> ?1 OR owners_tag IS NOT ?2)",
        )
        .bind(document.deleted)
        .bind(document.owners_tag)
        .bind(infra)
        .execute(&mut *self.conn)
        .await
        .map_err(db)?;
        let stored: Vec<Vec<u8>> = sqlx::query_scalar("SELECT name FROM im_owner WHERE infra = ?")
            .bind(infra)
            .fetch_all(&mut *self.conn)
            .await
            .map_err(db)?;
        let same = stored.len() == document.names.len() && stored.iter().all(|name| document.names.contains(name));
        if !same {
            sqlx::query("DELETE FROM im_owner WHERE infra = ?")
                .bind(infra)
                .execute(&mut *self.conn)
                .await
                .map_err(db)?;
            self.texts
                .insert(self.conn, &OWNERS, document.names, |a, name| {
                    a.add(name)?;
                    a.add(infra)
                })
                .await?;
        }
        Ok(())
    }

    async fn insert_operation(&mut self, infra: i64, row: OperationRow) -> StoreResult<()> {
        sqlx::query(
            "INSERT INTO im_operation (id, infra, kind, plan_format, state, final, cancel, created, steps, error, \
             request, resolved, plan) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
        )
        .bind(row.id.as_str())
        .bind(infra)
        .bind(row.kind)
        .bind(i64::from(row.plan_format))
        .bind(row.state.as_str())
        .bind(row.state.is_final())
        .bind(row.cancel)
        .bind(row.created)
        .bind(row.steps)
        .bind(row.error)
        .bind(row.request)
        .bind(row.resolved)
        .bind(row.plan)
        .execute(&mut *self.conn)
        .await
        .map_err(db)?;
        Ok(())
    }

    async fn write_operation(&mut self, infra: i64, change: OperationWrite) -> StoreResult<()> {
        let (id, query) = match change {
            OperationWrite::New(row) => return self.insert_operation(infra, *row).await,
            OperationWrite::State { id, state, error } => {
                let query = if state.is_final() {
                    sqlx::query(super::graves::END).bind(self.now).bind(infra)
                } else {
                    sqlx::query("UPDATE im_operation SET final = 0, state = ?, error = ? WHERE id = ? AND infra = ?")
                };
                (id, query.bind(state.as_str()).bind(error))
            }
            OperationWrite::Cancel(id) => (
                id,
                sqlx::query("UPDATE im_operation SET cancel = max(cancel, 1) WHERE id = ? AND infra = ?"),
            ),
            // What a replay needs is not kept once nothing will be replayed.
            OperationWrite::Resolved(id, sealed) => (
                id,
                sqlx::query("UPDATE im_operation SET resolved = iif(final, NULL, ?) WHERE id = ? AND infra = ?")
                    .bind(sealed),
            ),
            OperationWrite::Planned(id, sealed, steps) => (
                id,
                sqlx::query("UPDATE im_operation SET plan = iif(final, NULL, ?), steps = ? WHERE id = ? AND infra = ?")
                    .bind(sealed)
                    .bind(steps),
            ),
            OperationWrite::Request(id, sealed) => (
                id,
                sqlx::query("UPDATE im_operation SET request = iif(final, NULL, ?) WHERE id = ? AND infra = ?")
                    .bind(sealed),
            ),
        };
        let done = query
            .bind(id.as_str().to_owned())
            .bind(infra)
            .execute(&mut *self.conn)
            .await
            .map_err(db)?;
        if done.rows_affected() == 0 {
            return Err(missing_operation(&id));
        }
        Ok(())
    }

    async fn write_steps(&mut self, numbers: &Numbers, steps: Vec<super::prepare::StepRow>) -> StoreResult<()> {
        let mut operations: HashMap<OperationId, i64> = HashMap::new();
        for step in &steps {
            if !operations.contains_key(&step.operation) {
                let n = sqlx::query_scalar("SELECT n FROM im_operation WHERE id = ? AND infra = ?")
                    .bind(step.operation.as_str())
                    .bind(numbers.n)
                    .fetch_optional(&mut *self.conn)
                    .await
                    .map_err(db)?
                    .ok_or_else(|| missing_operation(&step.operation))?;
                operations.insert(step.operation.clone(), n);
            }
        }
        let mut n = numbers.lines - signed(steps.len());
        let mut rows = Vec::with_capacity(steps.len());
        for step in steps {
            n += 1;
            let key = numbered(step.operation.as_str(), n);
            let body = step
                .body
                .map(|json| self.keys.seal(place("im_step_event", &key, "body"), &json))
                .transpose()?;
            rows.push((
                operations[&step.operation],
                n,
                step.step,
                step.kind as i64,
                step.attempt,
                body,
            ));
        }
        self.texts
            .insert(
                self.conn,
                &STEPS,
                rows,
                |a, (operation, n, step, kind, attempt, body)| {
                    a.add(operation)?;
                    a.add(n)?;
                    a.add(i64::from(step))?;
                    a.add(kind)?;
                    a.add(i64::from(attempt))?;
                    a.add(body)
                },
            )
            .await
    }

    async fn write_logs(
        &mut self,
        infra: &InfraId,
        numbers: &Numbers,
        events: &[(im_model::EventBody, Vec<u8>)],
        cleared: impl IntoIterator<Item = LogScope>,
        logs: Vec<(LogScope, usize)>,
    ) -> StoreResult<()> {
        for scope in cleared {
            sqlx::query("DELETE FROM im_log WHERE infra = ? AND scope = ?")
                .bind(numbers.n)
                .bind(scope_number(scope))
                .execute(&mut *self.conn)
                .await
                .map_err(db)?;
        }
        // A piece of a log has the number of the event that announces it.
        let first = numbers.feed - signed(events.len()) + 1;
        let mut rows = Vec::with_capacity(logs.len());
        for (scope, at) in logs {
            let Some((im_model::EventBody::Log { text, .. }, _)) = events.get(at) else {
                continue;
            };
            let n = first + signed(at);
            let key = numbered(infra.as_str(), n);
            rows.push((
                scope_number(scope),
                n,
                self.keys.seal(place("im_log", &key, "text"), text.as_bytes())?,
            ));
        }
        self.texts
            .insert(self.conn, &LOGS, rows, |a, (scope, n, text)| {
                a.add(numbers.n)?;
                a.add(scope)?;
                a.add(n)?;
                a.add(text)
            })
            .await
    }

    async fn write_events(
        &mut self,
        infra: &InfraId,
        numbers: &Numbers,
        events: Vec<(im_model::EventBody, Vec<u8>)>,
    ) -> StoreResult<Vec<Event>> {
        let mut n = numbers.feed - signed(events.len());
        let mut rows = Vec::with_capacity(events.len());
        let mut numbered_events = Vec::with_capacity(events.len());
        for (body, json) in events {
            n += 1;
            let key = numbered(infra.as_str(), n);
            rows.push((n, self.keys.seal(place("im_event", &key, "body"), &json)?));
            numbered_events.push(Event {
                infra: infra.clone(),
                seq: unsigned(n),
                time: self.now,
                body,
            });
        }
        let now = self.now;
        self.texts
            .insert(self.conn, &EVENTS, rows, |a, (n, body)| {
                a.add(numbers.n)?;
                a.add(n)?;
                a.add(now)?;
                a.add(body)
            })
            .await?;
        Ok(numbered_events)
    }
}

impl Ownership {
    fn read(row: &sqlx::sqlite::SqliteRow, first: usize) -> StoreResult<Self> {
        Ok(Self {
            n: row.try_get(first).map_err(db)?,
            owner: row.try_get(first + 1).map_err(db)?,
            epoch: row.try_get(first + 2).map_err(db)?,
            lease_until: row.try_get(first + 3).map_err(db)?,
            broken: row.try_get(first + 4).map_err(db)?,
            seq: row.try_get(first + 5).map_err(db)?,
        })
    }
}

fn missing_infra(infra: &InfraId) -> StoreError {
    StoreError::Missing {
        what: format!("infrastructure {infra}"),
    }
}

fn missing_operation(id: &OperationId) -> StoreError {
    StoreError::Missing {
        what: format!("operation {id}"),
    }
}

/// Numbers in the database are never negative.
pub(super) fn unsigned(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

fn signed(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
