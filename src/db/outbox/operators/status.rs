//! The progress of every sink.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::db::error::{Doing, Error};

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
}

/// The primary sink first, then the followers by name, whether or not they are configured.
pub async fn status(connection: &mut PgConnection) -> Result<Vec<SinkStatus>, Error> {
    let mut all = Vec::new();
    if let Some(name) = primary_sink(&mut *connection).await? {
        let dead_letters =
            sqlx::query_scalar!(r#"select count(*) as "count!" from outbox_dead_letters"#)
                .fetch_one(&mut *connection)
                .await
                .doing("count the dead letters of the primary sink")?;
        all.push(SinkStatus {
            name,
            is_primary: true,
            lag: lag(&mut *connection).await?,
            dead_letters,
            served_until: None,
        });
    }
    let followers = sqlx::query!(
        r#"
        select
            name,
            case when claimed_until > clock_timestamp() then claimed_until end as served_until
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
        });
    }
    Ok(all)
}
