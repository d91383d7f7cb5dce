//! The progress of every sink, and the end of one.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::db::{
    error::{Doing, Error},
    transaction::{begin_on, commit},
};

use super::super::{FollowerLag, Lag, follower_lag, lag, primary_sink};

/// A sink and its progress.
#[derive(Clone, Debug, PartialEq)]
pub struct SinkStatus {
    pub name: String,
    /// True for the sink whose progress is `published_at`.
    pub is_primary: bool,
    pub lag: Lag,
    pub dead_letters: i64,
    /// The time until which an instance publishes to a follower; `None` if none does at present.
    pub served_until: Option<DateTime<Utc>>,
    /// The reason for which the sink took nothing at the last attempt.
    pub last_error: Option<String>,
}

/// The primary sink first, then the followers by name, whether or not they are configured.
pub async fn status(connection: &mut PgConnection) -> Result<Vec<SinkStatus>, Error> {
    let mut all = Vec::new();
    if let Some(name) = primary_sink(&mut *connection).await? {
        let dead_letters = count_dead_letters(&mut *connection).await?;
        let last_error = sqlx::query_scalar!(
            r#"
            select last_error
            from outbox_events
            where published_at is null
            order by next_attempt_at, id
            limit 1
            "#
        )
        .fetch_optional(&mut *connection)
        .await
        .doing("read the last error of the primary sink")?;
        all.push(SinkStatus {
            name,
            is_primary: true,
            lag: lag(&mut *connection).await?,
            dead_letters,
            served_until: None,
            last_error: last_error.flatten(),
        });
    }
    let followers = sqlx::query!(
        r#"
        select
            name,
            case when claimed_until > clock_timestamp() then claimed_until end as served_until,
            last_error
        from outbox_sinks
        order by name
        "#
    )
    .fetch_all(&mut *connection)
    .await
    .doing("list the followers of the log of events")?;
    for follower in followers {
        let FollowerLag { lag, dead } = follower_lag(&mut *connection, &follower.name).await?;
        all.push(SinkStatus {
            name: follower.name,
            is_primary: false,
            lag,
            dead_letters: dead,
            served_until: follower.served_until,
            last_error: follower.last_error,
        });
    }
    Ok(all)
}

/// The dead letters of the primary sink.
pub async fn count_dead_letters(connection: &mut PgConnection) -> Result<i64, Error> {
    sqlx::query_scalar!(r#"select count(*) as "count!" from outbox_dead_letters"#)
        .fetch_one(connection)
        .await
        .doing("count the dead letters of the primary sink")
}

/// Forgets a follower, with its backlog. Returns false if there is none of that name.
pub async fn forget(connection: &mut PgConnection, sink: &str) -> Result<bool, Error> {
    let mut tx = begin_on(connection).await?;
    sqlx::query!("delete from outbox_backlog where sink = $1", sink)
        .execute(&mut *tx)
        .await
        .doing("clear the backlog of a follower")?;
    let done = sqlx::query!("delete from outbox_sinks where name = $1", sink)
        .execute(&mut *tx)
        .await
        .doing("forget a follower")?;
    commit(tx).await?;
    Ok(done.rows_affected() > 0)
}
