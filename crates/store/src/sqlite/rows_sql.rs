//! Multi-row statements: a thousand rows in a handful of statements, each prepared once.

use super::db;
use crate::StoreResult;
use sqlx::{Arguments, AssertSqlSafe, SqliteConnection, sqlite::SqliteArguments};
use std::{collections::HashMap, sync::Arc};

/// How many rows go into one statement; every number is a sum of these, so few texts are prepared. With at most 6
/// columns, 256 rows stay far below SQLite's limit of bound values.
const CHUNKS: [usize; 5] = [256, 64, 16, 4, 1];

/// `INSERT` of many rows.
pub(super) struct Insert {
    /// Up to `VALUES `.
    pub(super) head: &'static str,
    /// Number of columns.
    pub(super) columns: usize,
    /// What comes after the rows.
    pub(super) tail: &'static str,
}

/// Texts of statements made so far.
#[derive(Default)]
pub(super) struct Texts(HashMap<(&'static str, usize), Arc<str>>);

impl Texts {
    fn of(&mut self, insert: &Insert, rows: usize) -> Arc<str> {
        let text = self.0.entry((insert.head, rows)).or_insert_with(|| {
            let row = format!("({})", vec!["?"; insert.columns].join(","));
            format!("{}{}{}", insert.head, vec![row.as_str(); rows].join(","), insert.tail).into()
        });
        Arc::clone(text)
    }

    /// Inserts all rows; `bind` adds the columns of one.
    pub(super) async fn insert<T>(
        &mut self,
        conn: &mut SqliteConnection,
        insert: &Insert,
        rows: Vec<T>,
        mut bind: impl FnMut(&mut SqliteArguments, T) -> Result<(), sqlx::error::BoxDynError>,
    ) -> StoreResult<()> {
        let mut left = rows.len();
        let mut rows = rows.into_iter();
        for size in CHUNKS {
            while left >= size {
                let mut arguments = SqliteArguments::default();
                arguments.reserve(size * insert.columns, 0);
                for row in rows.by_ref().take(size) {
                    bind(&mut arguments, row).map_err(|e| db(sqlx::Error::Encode(e)))?;
                }
                left -= size;
                let text = self.of(insert, size);
                sqlx::query_with(AssertSqlSafe(text), arguments)
                    .execute(&mut *conn)
                    .await
                    .map_err(db)?;
            }
        }
        Ok(())
    }
}
