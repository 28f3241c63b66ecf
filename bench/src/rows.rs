//! What the service's database says in plain columns: how many commits an infrastructure took, where its operations
//! and resources stand.
//!
//! Read beside the service or after it was killed, on a connection that cannot write. Never here: what is sealed.

use crate::error::{BenchError, BenchResult};
use sqlx::{ConnectOptions as _, Row as _, SqliteConnection, sqlite::SqliteConnectOptions};
use std::{collections::BTreeMap, fmt, path::Path, time::Duration};

/// A database, for reading.
pub(crate) struct Rows(SqliteConnection);

/// Where one infrastructure stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Resources by state.
    pub(crate) resources: BTreeMap<String, u64>,
    /// Kind and state of the operations that are not final, in the order stored.
    pub(crate) running: Vec<(String, String)>,
    /// Steps of unfinished operations that have begun and not ended.
    pub(crate) open_steps: u64,
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let running = self.running.iter().map(|(kind, state)| format!("{kind} {state}"));
        let resources = self.resources.iter().map(|(state, n)| format!("{n} {state}"));
        let steps = (self.open_steps > 0).then(|| format!("{} steps open", self.open_steps));
        let all: Vec<_> = running.chain(resources).chain(steps).collect();
        f.write_str(if all.is_empty() { "nothing" } else { "" })?;
        f.write_str(&all.join(", "))
    }
}

fn unreadable(error: &sqlx::Error) -> BenchError {
    BenchError::Answer(format!("the service's database: {error}"))
}

impl Rows {
    pub(crate) async fn open(path: &Path) -> BenchResult<Self> {
        let connection = SqliteConnectOptions::new()
            .filename(path)
            .read_only(true)
            .busy_timeout(Duration::from_secs(5))
            .disable_statement_logging()
            .connect()
            .await
            .map_err(|e| unreadable(&e))?;
        Ok(Self(connection))
    }

    async fn number(&mut self, query: &'static str, infra: &str) -> BenchResult<u64> {
        let n: i64 = sqlx::query_scalar(query)
            .bind(infra)
            .fetch_one(&mut self.0)
            .await
            .map_err(|e| unreadable(&e))?;
        Ok(u64::try_from(n).unwrap_or(0))
    }

    /// Commits that changed an infrastructure: each raises its `seq` by one.
    pub(crate) async fn commits(&mut self, infra: &str) -> BenchResult<u64> {
        self.number(
            "SELECT coalesce(max(seq), 0) FROM im_infrastructure WHERE id = ?",
            infra,
        )
        .await
    }

    /// Operations of all infrastructures that are not final.
    pub(crate) async fn unfinished(&mut self) -> BenchResult<u64> {
        self.number("SELECT count(*) FROM im_operation WHERE final = 0 AND ? = ''", "")
            .await
    }

    /// VMs that are stored.
    pub(crate) async fn vms(&mut self) -> BenchResult<u64> {
        self.number("SELECT count(*) FROM im_vm WHERE ? = ''", "").await
    }

    /// Events that an infrastructure has had.
    pub(crate) async fn events(&mut self, infra: &str) -> BenchResult<u64> {
        self.number(
            "SELECT coalesce(max(feed), 0) FROM im_infrastructure WHERE id = ?",
            infra,
        )
        .await
    }

    pub(crate) async fn standing(&mut self, infra: &str) -> BenchResult<Standing> {
        let mut standing = Standing::default();
        let resources = sqlx::query(
            "SELECT state, count(*) FROM im_resource WHERE infra = (SELECT n FROM im_infrastructure WHERE id = ?) \
             GROUP BY state",
        );
        let operations = sqlx::query(
            "SELECT kind, state FROM im_operation WHERE infra = (SELECT n FROM im_infrastructure WHERE id = ?) \
             AND final = 0 ORDER BY n",
        );
        for row in resources
            .bind(infra)
            .fetch_all(&mut self.0)
            .await
            .map_err(|e| unreadable(&e))?
        {
            let count: i64 = row.try_get(1).map_err(|e| unreadable(&e))?;
            let state = row.try_get(0).map_err(|e| unreadable(&e))?;
            standing.resources.insert(state, u64::try_from(count).unwrap_or(0));
        }
        for row in operations
            .bind(infra)
            .fetch_all(&mut self.0)
            .await
            .map_err(|e| unreadable(&e))?
        {
            let text = |n: usize| row.try_get::<String, _>(n).map_err(|e| unreadable(&e));
            standing.running.push((text(0)?, text(1)?));
        }
        // Kind 0: begun; 2: failed, to be tried again. Anything later of the same step ends it.
        standing.open_steps = self
            .number(
                "SELECT count(*) FROM im_step_event e WHERE e.kind IN (0, 2) AND e.n = (SELECT max(n) FROM im_step_event l \
                 WHERE l.operation = e.operation AND l.step = e.step) AND e.operation IN (SELECT o.n FROM im_operation o \
                 JOIN im_infrastructure i ON i.n = o.infra WHERE i.id = ? AND o.final = 0)",
                infra,
            )
            .await?;
        Ok(standing)
    }
}
