//! Reads: rows back into values, each answer from one moment of the database.
//!
//! Never here: writing.

use super::{
    apply::unsigned,
    db,
    lists::OpenedOwners,
    prepare::{
        StepKind, cancel_of, document_place, numbered, operation_place, place, resource_place, vm_key, vm_place,
    },
};
use crate::{InfraState, KeyRing, Listed, OperationFilter, Owned, StoreError, StoreResult};
use im_model::{
    BlobId, Credentials, Event, InfraId, LogScope, Millis, Operation, OperationId, Resource, StepEvent, StepEventKind,
    StepId, Vm, VmId,
};
use serde::de::{DeserializeOwned, IntoDeserializer, value::Error as WordError};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Row, SqliteConnection, SqlitePool, sqlite::SqliteRow};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

/// Names in one query; more are asked for in several.
const NAMES: usize = 500;

/// Reads.
pub(super) struct Reader {
    pub(super) pool: SqlitePool,
    pub(super) keys: KeyRing,
    owners: OpenedOwners,
}

const OPERATION: &str = "SELECT o.id, i.id, o.kind, o.plan_format, o.state, o.cancel, o.created, o.error, \
                         iif(o.final, NULL, o.request), o.resolved, o.plan FROM im_operation o JOIN im_infrastructure i ON i.n = o.infra ";

impl Reader {
    pub(super) fn new(pool: SqlitePool, keys: KeyRing) -> Self {
        Self {
            pool,
            keys,
            owners: OpenedOwners::default(),
        }
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }

    pub(super) async fn load(&self, infra: &InfraId) -> StoreResult<Option<InfraState>> {
        let mut tx = self.pool.begin().await.map_err(db)?;
        let found = sqlx::query(
            "SELECT i.n, i.seq, d.doc FROM im_infrastructure i JOIN im_document d ON d.infra = i.n WHERE i.id = ?",
        )
        .bind(infra.as_str())
        .fetch_optional(&mut *tx)
        .await
        .map_err(db)?;
        let Some(row) = found else { return Ok(None) };
        let (n, seq) = (get::<i64>(&row, 0)?, get::<i64>(&row, 1)?);
        let document = self.keys.open_json(document_place(infra, "doc"), get(&row, 2)?)?;
        let vms = self.vms(&mut tx, infra, n).await?;
        let living = "SELECT key, doc FROM im_resource WHERE infra = ? AND state NOT IN ('gone', 'released')";
        let resources = self.resources(&mut tx, living, n).await?;
        tx.commit().await.map_err(db)?;
        Ok(Some(InfraState {
            infra: Arc::new(document),
            vms,
            resources: resources.into_iter().map(|r| (r.key.clone(), Arc::new(r))).collect(),
            seq: unsigned(seq),
        }))
    }

    async fn vms(&self, conn: &mut SqliteConnection, infra: &InfraId, n: i64) -> StoreResult<BTreeMap<VmId, Arc<Vm>>> {
        let rows = sqlx::query("SELECT id, doc FROM im_vm WHERE infra = ? ORDER BY id")
            .bind(n)
            .fetch_all(conn)
            .await
            .map_err(db)?;
        let mut vms: BTreeMap<VmId, Arc<Vm>> = BTreeMap::new();
        let mut last: Option<Arc<Vm>> = None;
        for row in rows {
            let id = u32::try_from(get::<i64>(&row, 0)?).unwrap_or(u32::MAX);
            let key = vm_key(infra, id);
            let mut vm: Vm = self.keys.open_json(vm_place(&key), get(&row, 1)?)?;
            // Siblings share what they have in common, as they did before they were written.
            if let Some(last) = &last {
                share(&mut vm.cloud, &last.cloud);
                share(&mut vm.base, &last.base);
                share(&mut vm.account, &last.account);
                share(&mut vm.operation, &last.operation);
            }
            let vm = Arc::new(vm);
            last = Some(Arc::clone(&vm));
            vms.insert(VmId(id), vm);
        }
        Ok(vms)
    }

    async fn resources(&self, conn: &mut SqliteConnection, query: &'static str, n: i64) -> StoreResult<Vec<Resource>> {
        let rows = sqlx::query(query).bind(n).fetch_all(conn).await.map_err(db)?;
        let mut resources: Vec<Resource> = Vec::with_capacity(rows.len());
        for row in rows {
            let mut resource: Resource = self.keys.open_json(resource_place(get(&row, 0)?), get(&row, 1)?)?;
            if let Some(last) = resources.last() {
                share(&mut resource.cloud, &last.cloud);
                share(&mut resource.account, &last.account);
                share(&mut resource.operation, &last.operation);
                share(&mut resource.infra, &last.infra);
                share(&mut resource.frozen, &last.frozen);
            }
            resources.push(resource);
        }
        Ok(resources)
    }

    pub(super) async fn operations(&self, infra: &InfraId, filter: OperationFilter) -> StoreResult<Vec<Operation>> {
        let which = match filter {
            OperationFilter::Unfinished => "WHERE i.id = ? AND o.final = 0 ORDER BY o.n",
            OperationFilter::All => "WHERE i.id = ? ORDER BY o.n",
        };
        let rows = sqlx::query(AssertSqlSafe(format!("{OPERATION}{which}")))
            .bind(infra.as_str())
            .fetch_all(&self.pool)
            .await
            .map_err(db)?;
        rows.iter().map(|row| self.read_operation(row)).collect()
    }

    pub(super) async fn operation(&self, id: &OperationId) -> StoreResult<Option<Operation>> {
        let row = sqlx::query(AssertSqlSafe(format!("{OPERATION}WHERE o.id = ?")))
            .bind(id.as_str())
            .fetch_optional(&self.pool)
            .await
            .map_err(db)?;
        row.map(|row| self.read_operation(&row)).transpose()
    }

    pub(super) fn read_operation(&self, row: &SqliteRow) -> StoreResult<Operation> {
        let id = OperationId::from(get::<String>(row, 0)?);
        let (error, request, resolved, plan): (Sealed, Sealed, Sealed, Sealed) =
            (get(row, 7)?, get(row, 8)?, get(row, 9)?, get(row, 10)?);
        Ok(Operation {
            infra: InfraId::from(get::<String>(row, 1)?),
            kind: word(&id, get(row, 2)?)?,
            plan_format: u32::try_from(get::<i64>(row, 3)?).unwrap_or(u32::MAX),
            state: word(&id, get(row, 4)?)?,
            cancel: cancel_of(get(row, 5)?),
            created: get(row, 6)?,
            error: error
                .map(|s| self.keys.open_text(operation_place(&id, "error"), s))
                .transpose()?,
            request: Arc::new(self.json(&id, "request", request)?.unwrap_or(Value::Null)),
            resolved: self.json(&id, "resolved", resolved)?.map(Arc::new),
            plan: self.json(&id, "plan", plan)?.map(Arc::new),
            id,
        })
    }

    fn json<T: DeserializeOwned>(
        &self,
        id: &OperationId,
        column: &'static str,
        sealed: Sealed,
    ) -> StoreResult<Option<T>> {
        sealed
            .map(|s| self.keys.open_json(operation_place(id, column), s))
            .transpose()
    }

    pub(super) async fn step_events(&self, id: &OperationId) -> StoreResult<Vec<StepEvent>> {
        let rows = sqlx::query(
            "SELECT n, step, kind, attempt, body FROM im_step_event \
             WHERE operation = (SELECT n FROM im_operation WHERE id = ?) ORDER BY n",
        )
        .bind(id.as_str())
        .fetch_all(&self.pool)
        .await
        .map_err(db)?;
        rows.iter().map(|row| self.read_step(id, row)).collect()
    }

    fn read_step(&self, id: &OperationId, row: &SqliteRow) -> StoreResult<StepEvent> {
        let key = numbered(id.as_str(), get(row, 0)?);
        let at = place("im_step_event", &key, "body");
        let (kind, attempt) = (
            get::<i64>(row, 2)?,
            u32::try_from(get::<i64>(row, 3)?).unwrap_or(u32::MAX),
        );
        let body = || get::<Sealed>(row, 4)?.ok_or_else(|| at.unreadable("it is missing"));
        let failed = |last| {
            Ok(StepEventKind::Failed {
                failure: self.keys.open_json(at, body()?)?,
                attempt,
                last,
            })
        };
        let kind = match StepKind::from_number(kind) {
            Some(StepKind::Started) => StepEventKind::Started { attempt },
            Some(StepKind::Succeeded) => StepEventKind::Succeeded {
                output: Arc::new(self.keys.open_json(at, body()?)?),
            },
            Some(StepKind::Failed) => failed(false)?,
            Some(StepKind::FailedLast) => failed(true)?,
            Some(StepKind::Skipped) => StepEventKind::Skipped,
            Some(StepKind::Undone) => StepEventKind::Undone,
            None => return Err(at.unreadable("of a kind that this version does not know")),
        };
        Ok(StepEvent {
            operation: id.clone(),
            step: StepId(u32::try_from(get::<i64>(row, 1)?).unwrap_or(u32::MAX)),
            kind,
        })
    }

    pub(super) async fn step_counts(&self, id: &OperationId) -> StoreResult<(usize, usize)> {
        let row = sqlx::query(
            "SELECT o.steps, (SELECT count(DISTINCT step) FROM im_step_event WHERE operation = o.n \
             AND kind IN (1, 3, 4, 5)) FROM im_operation o WHERE o.id = ?",
        )
        .bind(id.as_str())
        .fetch_optional(&self.pool)
        .await
        .map_err(db)?;
        let Some(row) = row else { return Ok((0, 0)) };
        let count = |n: i64| usize::try_from(n).unwrap_or(0);
        Ok((count(get(&row, 0)?), count(get(&row, 1)?)))
    }

    pub(super) async fn events(&self, infra: &InfraId, after: u64, limit: usize) -> StoreResult<Vec<Event>> {
        let rows = sqlx::query(
            "SELECT n, time, body FROM im_event WHERE infra = (SELECT n FROM im_infrastructure WHERE id = ?) \
             AND n > ? ORDER BY n LIMIT ?",
        )
        .bind(infra.as_str())
        .bind(i64::try_from(after).unwrap_or(i64::MAX))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&self.pool)
        .await
        .map_err(db)?;
        let mut events = Vec::with_capacity(rows.len());
        for row in rows {
            let n: i64 = get(&row, 0)?;
            let key = numbered(infra.as_str(), n);
            events.push(Event {
                infra: infra.clone(),
                seq: unsigned(n),
                time: get(&row, 1)?,
                body: self.keys.open_json(place("im_event", &key, "body"), get(&row, 2)?)?,
            });
        }
        Ok(events)
    }

    pub(super) async fn log(&self, infra: &InfraId, scope: LogScope) -> StoreResult<String> {
        let rows = sqlx::query(
            "SELECT scope, n, text FROM im_log WHERE infra = (SELECT n FROM im_infrastructure WHERE id = ?) \
             AND scope = ? ORDER BY n",
        )
        .bind(infra.as_str())
        .bind(super::prepare::scope_number(scope))
        .fetch_all(&self.pool)
        .await
        .map_err(db)?;
        Ok(self.join(infra, &rows)?.remove(&scope).unwrap_or_default())
    }

    pub(super) async fn logs(&self, infra: &InfraId) -> StoreResult<BTreeMap<LogScope, String>> {
        let rows = sqlx::query(
            "SELECT scope, n, text FROM im_log WHERE infra = (SELECT n FROM im_infrastructure WHERE id = ?) \
             ORDER BY scope, n",
        )
        .bind(infra.as_str())
        .fetch_all(&self.pool)
        .await
        .map_err(db)?;
        self.join(infra, &rows)
    }

    fn join(&self, infra: &InfraId, rows: &[SqliteRow]) -> StoreResult<BTreeMap<LogScope, String>> {
        let mut logs: BTreeMap<LogScope, String> = BTreeMap::new();
        for row in rows {
            let scope = match get::<i64>(row, 0)? {
                -1 => LogScope::Infra,
                vm => LogScope::Vm(VmId(u32::try_from(vm).unwrap_or(u32::MAX))),
            };
            let key = numbered(infra.as_str(), get(row, 1)?);
            let text = self.keys.open_text(place("im_log", &key, "text"), get(row, 2)?)?;
            logs.entry(scope).or_default().push_str(&text);
        }
        Ok(logs)
    }

    pub(super) async fn blob(&self, id: &BlobId) -> StoreResult<Option<Arc<str>>> {
        let row = sqlx::query("SELECT text FROM im_blob WHERE id = ?")
            .bind(id.as_str())
            .fetch_optional(&self.pool)
            .await
            .map_err(db)?;
        let Some(row) = row else { return Ok(None) };
        let text = self
            .keys
            .open_text(place("im_blob", id.as_str(), "text"), get(&row, 0)?)?;
        Ok(Some(text.into()))
    }

    pub(super) async fn list(&self, owned: &Owned) -> StoreResult<Vec<Listed>> {
        const ALL: &str = "SELECT i.n, i.id, i.saved, i.saved_n, i.owners_tag FROM im_infrastructure i \
                           WHERE i.deleted = 0 ";
        const ORDER: &str = "ORDER BY i.saved_n DESC";
        let mut tx = self.pool.begin().await.map_err(db)?;
        let mut rows: Vec<ListRow> = match owned {
            Owned::All => sqlx::query_as(AssertSqlSafe(format!("{ALL}{ORDER}")))
                .fetch_all(&mut *tx)
                .await
                .map_err(db)?,
            Owned::By(names) => {
                let mut rows = Vec::new();
                for some in names.chunks(NAMES) {
                    let marks = vec!["?"; some.len()].join(",");
                    let text = format!("{ALL}AND i.n IN (SELECT infra FROM im_owner WHERE name IN ({marks})) {ORDER}");
                    let mut query = sqlx::query_as(AssertSqlSafe(text));
                    for name in some {
                        query = query.bind(self.keys.name_tag(name)?);
                    }
                    rows.extend(query.fetch_all(&mut *tx).await.map_err(db)?);
                }
                rows
            }
        };
        if matches!(owned, Owned::By(names) if names.len() > NAMES) {
            rows.sort_unstable_by_key(|row| std::cmp::Reverse(row.saved_n));
            rows.dedup_by_key(|row| row.saved_n);
        }
        let opened = self.open_owners(&mut tx, &rows).await?;
        tx.commit().await.map_err(db)?;
        let listed = |(row, owners): (ListRow, _)| Listed {
            id: InfraId::from(row.id),
            owners,
            saved: row.saved,
            deleted: false,
        };
        Ok(rows.into_iter().zip(opened).map(listed).collect())
    }

    /// The owners of each row. Rows whose owners are the same share them, and those that were opened before are not
    /// opened again: opening is what costs time.
    async fn open_owners(&self, conn: &mut SqliteConnection, rows: &[ListRow]) -> StoreResult<Vec<Arc<Credentials>>> {
        let mut owners: Vec<Option<Arc<Credentials>>> =
            self.owners.get(rows.iter().map(|row| row.owners_tag.as_deref()));
        let mut wanted: HashMap<i64, usize> = HashMap::new();
        let mut seen = HashSet::new();
        for (at, row) in rows.iter().enumerate() {
            if owners[at].is_none() && row.owners_tag.as_ref().is_none_or(|tag| seen.insert(tag)) {
                wanted.insert(row.n, at);
            }
        }
        if !wanted.is_empty() {
            let numbers: Vec<i64> = wanted.keys().copied().collect();
            let sealed: Vec<(i64, Vec<u8>)> =
                sqlx::query_as("SELECT infra, owners FROM im_document WHERE infra IN (SELECT value FROM json_each(?))")
                    .bind(serde_json::Value::from(numbers).to_string())
                    .fetch_all(conn)
                    .await
                    .map_err(db)?;
            let mut fresh = HashMap::new();
            for (n, sealed) in sealed {
                let at = wanted[&n];
                let id = InfraId::from(rows[at].id.as_str());
                let opened: Arc<Credentials> = Arc::new(self.keys.open_json(document_place(&id, "owners"), sealed)?);
                if let Some(tag) = &rows[at].owners_tag {
                    fresh.insert(tag.clone(), Arc::clone(&opened));
                }
                owners[at] = Some(opened);
            }
            for (row, owners) in rows.iter().zip(&mut owners) {
                if let (None, Some(tag)) = (&owners, &row.owners_tag) {
                    *owners = fresh.get(tag).cloned();
                }
            }
            self.owners.put(fresh);
        }
        let all: Option<Vec<_>> = owners.into_iter().collect();
        all.ok_or_else(|| StoreError::Unreadable {
            what: "the list of infrastructures".to_owned(),
            why: "one of them has no document".to_owned(),
        })
    }
}

/// A row of a list; its owners are looked up.
struct ListRow {
    n: i64,
    id: String,
    saved: Millis,
    saved_n: i64,
    owners_tag: Option<Vec<u8>>,
}

impl sqlx::FromRow<'_, SqliteRow> for ListRow {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        Ok(Self {
            n: row.try_get(0)?,
            id: row.try_get(1)?,
            saved: row.try_get(2)?,
            saved_n: row.try_get(3)?,
            owners_tag: row.try_get(4)?,
        })
    }
}

/// A sealed column that may be empty.
type Sealed = Option<Vec<u8>>;

pub(super) async fn number(conn: &mut SqliteConnection, infra: &InfraId) -> StoreResult<Option<i64>> {
    sqlx::query_scalar("SELECT n FROM im_infrastructure WHERE id = ?")
        .bind(infra.as_str())
        .fetch_optional(conn)
        .await
        .map_err(db)
}

pub(super) fn get<'r, T>(row: &'r SqliteRow, column: usize) -> StoreResult<T>
where
    T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    row.try_get(column).map_err(db)
}

/// An enum from the word it is serialised as.
pub(super) fn word<T: DeserializeOwned>(id: &OperationId, text: &str) -> StoreResult<T> {
    T::deserialize(IntoDeserializer::<WordError>::into_deserializer(text)).map_err(|e| StoreError::Unreadable {
        what: format!("operation {id}"),
        why: e.to_string(),
    })
}

/// Equal values become one.
fn share<T: PartialEq + Clone>(mine: &mut T, other: &T) {
    if mine == other {
        mine.clone_from(other);
    }
}
