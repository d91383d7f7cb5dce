//! Measures the events that wait.

use sqlx::PgConnection;

use crate::db::error::{Doing, Error};

/// The most waiting events that are counted, so that the cost of [`lag`] is bounded.
pub const COUNTED_MAX: i64 = 10_000;

/// The events that wait to be published.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lag {
    /// The number of waiting events; [`COUNTED_MAX`] + 1 means any larger number.
    pub waiting: i64,
    /// The age of the oldest in seconds, of those that were counted.
    pub oldest_s: f64,
}

/// Measures along the index, over [`COUNTED_MAX`] + 1 events at most.
pub async fn lag(connection: &mut PgConnection) -> Result<Lag, Error> {
    let row = sqlx::query!(
        r#"
        select
            count(*) as "waiting!",
            coalesce(
                extract(epoch from now() - min(created_at) filter (where isfinite(created_at)))
                    ::double precision,
                0) as "oldest_s!"
        from (
            select created_at
            from outbox_events
            where published_at is null
            order by next_attempt_at, id
            limit $1
        ) as first_due
        "#,
        COUNTED_MAX + 1,
    )
    .fetch_one(connection)
    .await
    .doing("measure the outbox")?;
    Ok(Lag {
        waiting: row.waiting,
        oldest_s: row.oldest_s,
    })
}
