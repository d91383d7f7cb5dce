//! Reading from PostgreSQL on behalf of a request: again on another connection where one has lost its
//! server.

use std::time::{Duration, Instant};

use sqlx::PgConnection;

use crate::{
    db::{self, Fault},
    request_id,
};

use super::{error::ApiError, state::State};

/// The time that a first attempt may take. A connection whose server has vanished answers nothing;
/// after this time it is closed, and another one is tried.
const FIRST_TRY_MAX: Duration = Duration::from_secs(1);
/// The time that the second attempt may take. A read takes milliseconds.
const SECOND_TRY_MAX: Duration = Duration::from_millis(1_500);
/// The time in which a lost connection fails: its statement fails without any waiting.
const AT_ONCE: Duration = Duration::from_millis(500);

impl State {
    /// Reads from one snapshot, so that everything is of one moment.
    ///
    /// # Errors
    /// See [`read`](Self::read).
    pub async fn read_snapshot<T>(
        &self,
        work: impl AsyncFn(&mut PgConnection) -> Result<T, db::Error>,
    ) -> Result<T, ApiError> {
        self.read_with(async || {
            let mut snapshot = db::transaction::begin_snapshot(&self.pool).await?;
            let found = work(&mut snapshot).await?;
            db::transaction::commit(snapshot).await?;
            Ok(found)
        })
        .await
    }

    /// Reads with a single statement.
    ///
    /// # Errors
    /// A failed statement, or 503 if the database does not answer in time: PostgreSQL's own timeouts do not
    /// help when PostgreSQL itself hangs.
    pub async fn read<T>(
        &self,
        work: impl AsyncFn(&mut PgConnection) -> Result<T, db::Error>,
    ) -> Result<T, ApiError> {
        self.read_with(async || {
            let mut connection = db::pool::acquire(&self.pool).await?;
            let found = work(&mut connection).await?;
            connection.finish().await?;
            Ok(found)
        })
        .await
    }

    /// Pooled connections may have lost their server. The silence of one is noticed once, after a while;
    /// reading again is harmless, and the other connections are checked before they are used.
    async fn read_with<T>(
        &self,
        work: impl AsyncFn() -> Result<T, db::Error>,
    ) -> Result<T, ApiError> {
        let first_max = FIRST_TRY_MAX.min(self.statements_max);
        if let Ok(result) = tokio::time::timeout(first_max, self.read_at_once(&work)).await {
            return Ok(result?);
        }
        tracing::info!(
            http.request_id = request_id::current().as_deref(),
            "PostgreSQL was silent; reading again on another connection"
        );
        db::stale_connections::server_was_silent();
        let second_max = SECOND_TRY_MAX.min(self.statements_max);
        if let Ok(result) = tokio::time::timeout(second_max, self.read_at_once(&work)).await {
            return Ok(result?);
        }
        db::stale_connections::server_was_silent();
        Err(ApiError::unavailable().because("PostgreSQL did not answer in time"))
    }

    /// Tries one connection after the other: those that were cut fail at once, until a new one is made. A
    /// server that is down takes longer than that and is not tried again.
    async fn read_at_once<T>(
        &self,
        work: &impl AsyncFn() -> Result<T, db::Error>,
    ) -> Result<T, db::Error> {
        let started = Instant::now();
        let mut left = self.pool.options().get_max_connections();
        loop {
            match work().await {
                Err(error)
                    if matches!(error.fault(), Fault::Unreachable | Fault::Transient)
                        && !error.is_about_a_login()
                        && left > 0
                        && started.elapsed() < AT_ONCE =>
                {
                    tracing::info!(
                        http.request_id = request_id::current().as_deref(),
                        "reading again: {error}"
                    );
                    left -= 1;
                }
                result => return result,
            }
        }
    }
}
