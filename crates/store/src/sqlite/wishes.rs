//! What changes rows without being a change of an infrastructure: wishes, and giving an infrastructure up.
//!
//! Never here: beginning or ending the transaction.

use super::{
    apply::Tx,
    db,
    prepare::{cancel_number, cancel_of},
    read::word,
};
use crate::{Heeded, StoreResult};
use im_model::{OpState, OperationId, PLAN_FORMAT, Wish};
use sqlx::Row;

impl Tx<'_> {
    /// What became of the wish; `None`: no such operation.
    pub(super) async fn wish(
        &mut self,
        id: &OperationId,
        wish: &Wish,
        request: Option<Vec<u8>>,
    ) -> StoreResult<Option<Heeded>> {
        let found = sqlx::query("SELECT state, cancel FROM im_operation WHERE id = ?")
            .bind(id.as_str())
            .fetch_optional(&mut *self.conn)
            .await
            .map_err(db)?;
        let Some(row) = found else { return Ok(None) };
        let state: OpState = word(id, row.try_get(0).map_err(db)?)?;
        let next = wish.heeded(state, cancel_of(row.try_get(1).map_err(db)?));
        let heeded = Heeded::from(state, next.as_ref());
        let Some((next, cancel)) = next else {
            return Ok(Some(heeded));
        };
        let paused = state.is_paused();
        sqlx::query(
            "UPDATE im_operation SET state = ?, cancel = ?, error = iif(?, NULL, error), request = coalesce(?, request) \
             WHERE id = ?",
        )
        .bind(next.as_str())
        .bind(cancel_number(cancel))
        .bind(paused)
        .bind(request.filter(|_| paused))
        .bind(id.as_str())
        .execute(&mut *self.conn)
        .await
        .map_err(db)?;
        Ok(Some(heeded))
    }

    pub(super) async fn release(&mut self, infra: i64) -> StoreResult<bool> {
        let done = sqlx::query("UPDATE im_infrastructure SET owner = NULL, lease_until = 0 WHERE n = ?")
            .bind(infra)
            .execute(&mut *self.conn)
            .await
            .map_err(db)?;
        Ok(done.rows_affected() > 0)
    }

    pub(super) async fn release_if_idle(&mut self, infra: i64) -> StoreResult<bool> {
        let done = sqlx::query(
            "UPDATE im_infrastructure SET owner = NULL, lease_until = 0 WHERE n = ?1 \
             AND NOT EXISTS (SELECT 1 FROM im_operation WHERE infra = ?1 AND final = 0 AND plan_format <= ?2)",
        )
        .bind(infra)
        .bind(i64::from(PLAN_FORMAT))
        .execute(&mut *self.conn)
        .await
        .map_err(db)?;
        Ok(done.rows_affected() > 0)
    }
}
