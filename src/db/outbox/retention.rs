//! Published events are kept for a while, for whoever looks into what was sent, and then removed.
//! Dead letters never are: somebody must look after them.

use std::time::Duration;

use sqlx::PgConnection;

use crate::{
    db::error::{Doing, Error},
    domain::ids::EventId,
};

/// What one statement has removed.
#[derive(Clone, Copy, Debug)]
pub struct Swept {
    /// How many events.
    pub removed: u64,
    /// The last of them; the next statement goes on behind it.
    pub last: Option<EventId>,
}

/// Removes at most `limit` events with ids behind `after` that were published longer than `retention`
/// ago, in the order in which they were written. Instances that sweep at the same time remove
/// different ones.
///
/// Needs no index of its own: ids are UUIDv7, so the old ones stand together at the beginning of the
/// primary key, and what is younger than the retention is not looked at. An event with an id of
/// another kind, by hand, may stay for ever.
///
/// # Errors
/// The statement failed.
pub async fn sweep_published(
    connection: &mut PgConnection,
    after: EventId,
    retention: Duration,
    limit: i64,
) -> Result<Swept, Error> {
    let row = sqlx::query!(
        r#"
        with old as (
            select id
            from outbox_events
            where id > $1
                -- The least UUIDv7 of that moment: its first 48 bits are milliseconds.
                and id < (
                    lpad(
                        to_hex((extract(epoch from now() - make_interval(secs => $2)) * 1000)::bigint),
                        12, '0')
                    || repeat('0', 20))::uuid
                and published_at < now() - make_interval(secs => $2)
            order by id
            limit $3
            for update skip locked
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
    )
    .fetch_one(connection)
    .await
    .doing("remove published events")?;
    Ok(Swept {
        removed: row.removed.unsigned_abs(),
        last: row.last,
    })
}
