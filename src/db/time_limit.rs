//! Time limits of this process for statements.
//!
//! PostgreSQL's own timeouts do not help while PostgreSQL or the network is silent, and sqlx has no
//! option for TCP keepalive or `TCP_USER_TIMEOUT`. A connection whose statement timed out is closed, so
//! that the next statement gets one that answers.

use std::time::Duration;

use sqlx::{PgConnection, PgPool};
use tokio::time::{Instant, error::Elapsed, timeout_at};

use super::{
    error::{Error, Fault},
    pool,
};

/// Takes a connection and does `work` on it, all within `limit`.
pub async fn within<T>(
    pool: &PgPool,
    limit: Duration,
    work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, Error>,
) -> Result<T, Error> {
    limited(pool, limit, Error::timed_out, work).await
}

/// Like [`within`], for a look that nobody misses: one that takes too long is given up, and is no sign that
/// PostgreSQL is in trouble.
pub async fn glance_within<T>(
    pool: &PgPool,
    limit: Duration,
    work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, Error>,
) -> Result<T, Error> {
    limited(pool, limit, Error::given_up, work).await
}

async fn limited<T>(
    pool: &PgPool,
    limit: Duration,
    late: fn(&'static str) -> Error,
    work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, Error>,
) -> Result<T, Error> {
    let no_answer = |_: Elapsed| Err(late("get an answer from PostgreSQL"));
    let deadline = Instant::now() + limit;
    let connection = timeout_at(deadline, pool::acquire(pool)).await;
    let mut connection = connection.unwrap_or_else(|_| Err(late("get a connection")))?;
    let outcome = timeout_at(deadline, work(&mut connection)).await;
    match outcome.unwrap_or_else(no_answer) {
        Ok(done) => {
            let finished = timeout_at(deadline, connection.finish()).await;
            finished.unwrap_or_else(|_| Err(late("get an answer from PostgreSQL")))?;
            Ok(done)
        }
        Err(error) => {
            if error.fault() == Fault::Unreachable {
                connection.close();
            }
            Err(error)
        }
    }
}

/// Waits for an operation, and drops it when the time is up. The owner must then close a connection that
/// is in the middle of a statement.
pub async fn in_time<T>(
    limit: Duration,
    doing: &'static str,
    operation: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    tokio::time::timeout(limit, operation)
        .await
        .unwrap_or_else(|_| Err(Error::timed_out(doing)))
}
