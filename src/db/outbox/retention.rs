//! Removes published events after their retention. Dead letters stay until an operator handles them.

use std::time::Duration;

use sqlx::PgConnection;

use crate::{
    db::error::{Doing, Error},
    domain::ids::EventId,
};

/// The result of one sweeping statement.
#[derive(Clone, Copy, Debug)]
pub struct Swept {
    /// The number of events removed.
    pub removed: u64,
    /// The last of them, where the next statement continues.
    pub last: Option<EventId>,
}

/// Removes at most `limit` events with ids after `after` that were published longer than `retention` ago,
/// oldest first. Instances that sweep at the same time remove different events.
///
/// Needs no index of its own: ids are UUIDv7, so old events are at the beginning of the primary key, and
/// events younger than the retention are not read. An event that was inserted by hand with another kind of
/// id may stay forever. An event stays while one of these `followers` has yet to take it.
pub async fn sweep_published(
    connection: &mut PgConnection,
    after: EventId,
    retention: Duration,
    limit: i64,
    followers: &[String],
) -> Result<Swept, Error> {
    let row = sqlx::query!(
        r#"
        with taken as materialized (
            select coalesce(min(position), 9223372036854775807) as up_to
            from outbox_sinks
            where name = any($4)
        ),
        old as (
            select e.id
            from outbox_events e
            cross join taken t
            where e.id > $1
                -- The smallest UUIDv7 of that time: the first 48 bits are milliseconds.
                and e.id < (
                    lpad(
                        to_hex((extract(epoch from now() - make_interval(secs => $2)) * 1000)::bigint),
                        12, '0')
                    || repeat('0', 20))::uuid
                and e.published_at < now() - make_interval(secs => $2)
                and coalesce(e.seq, 0) <= t.up_to
                and not exists (
                    select
                    from outbox_backlog b
                    where b.event_id = e.id
                        and b.sink = any($4)
                )
            order by e.id
            limit $3
            for update of e skip locked
        ),
        removed as (
            delete from outbox_events
            where id = any(array(select id from old))
            returning id
        )
        select
            (select count(*) from removed) as "removed!",
            (select id from removed order by id desc limit 1) as "last?: EventId"
        "#,
        after as EventId,
        retention.as_secs_f64(),
        limit,
        followers,
    )
    .fetch_one(connection)
    .await
    .doing("remove published events")?;
    Ok(Swept {
        removed: row.removed.unsigned_abs(),
        last: row.last,
    })
}
