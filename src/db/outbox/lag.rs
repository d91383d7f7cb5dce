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

/// The events that a follower has yet to take: those after its place in the log, and those of its backlog
/// that are not dead letters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FollowerLag {
    pub lag: Lag,
    /// Dead letters of this follower.
    pub dead: i64,
}

/// Measures a follower as [`lag`] measures the primary sink.
pub async fn follower_lag(connection: &mut PgConnection, sink: &str) -> Result<FollowerLag, Error> {
    let row = sqlx::query!(
        r#"
        with waiting as (
            (
                select created_at
                from outbox_events
                -- A join would read the log from its beginning.
                where seq > (select position from outbox_sinks where name = $1)
                order by seq
                limit $2
            )
            union all
            (
                select e.created_at
                from outbox_backlog b
                join outbox_events e on e.id = b.event_id
                where b.sink = $1
                    and b.dead_at is null
                limit $2
            )
        )
        select
            least(count(*), $2) as "waiting!",
            coalesce(
                extract(epoch from now() - min(created_at) filter (where isfinite(created_at)))
                    ::double precision,
                0) as "oldest_s!",
            (
                select count(*)
                from outbox_backlog
                where sink = $1
                    and dead_at is not null
            ) as "dead!"
        from waiting
        "#,
        sink,
        COUNTED_MAX + 1,
    )
    .fetch_one(connection)
    .await
    .doing("measure a follower of the outbox")?;
    Ok(FollowerLag {
        lag: Lag {
            waiting: row.waiting,
            oldest_s: row.oldest_s,
        },
        dead: row.dead,
    })
}
