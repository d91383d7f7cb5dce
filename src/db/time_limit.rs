//! Statements of background work, within a limit of this process.
//!
//! PostgreSQL's own timeouts are of no use when it is PostgreSQL, or the way there, that is silent, and
//! sqlx has no option for TCP keepalive or `TCP_USER_TIMEOUT`. A connection on which a statement was
//! given up is closed, so that the next statement gets one that answers.

use std::time::Duration;

use sqlx::{PgConnection, PgPool};
use tokio::time::{Instant, timeout_at};

use super::{
    error::{Error, Fault},
    pool,
};

/// Takes a connection, and carries out `work` on it, within `limit`.
///
/// # Errors
/// No connection could be had or the work was not done in time, or it failed.
pub async fn within<T>(
    pool: &PgPool,
    limit: Duration,
    work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, Error>,
) -> Result<T, Error> {
    let deadline = Instant::now() + limit;
    let late = |_| Err(Error::timed_out("get an answer from PostgreSQL"));
    let connection = timeout_at(deadline, pool::acquire(pool)).await;
    let mut connection =
        connection.unwrap_or_else(|_| Err(Error::timed_out("get a connection")))?;
    let outcome = timeout_at(deadline, work(&mut connection))
        .await
        .unwrap_or_else(late);
    if let Err(error) = &outcome
        && error.fault() == Fault::Unreachable
    {
        drop(connection.detach());
    }
    outcome
}

/// Waits for something for so long at most. What was waited for is dropped when the time is up; a
/// connection in the middle of a statement must then be closed by its owner.
///
/// # Errors
/// Its own, or that the time is up.
pub async fn in_time<T>(
    limit: Duration,
    doing: &'static str,
    operation: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    tokio::time::timeout(limit, operation)
        .await
        .unwrap_or_else(|_| Err(Error::timed_out(doing)))
}
