//! Writing to PostgreSQL on behalf of a request that takes no Idempotency-Key.

use sqlx::PgConnection;

use crate::db;

use super::{error::ApiError, state::State};

impl State {
    /// Writes in one transaction. What `work` writes must be the same when it is done twice: a transaction
    /// whose answer was lost is carried out again.
    ///
    /// # Errors
    /// See [`read`](Self::read).
    pub async fn write<T>(
        &self,
        work: impl AsyncFn(&mut PgConnection) -> Result<T, db::Error>,
    ) -> Result<T, ApiError> {
        self.read(async |connection| {
            let mut transaction = db::transaction::begin_on(connection).await?;
            let done = work(&mut transaction).await?;
            db::transaction::commit(transaction).await?;
            Ok(done)
        })
        .await
    }
}
