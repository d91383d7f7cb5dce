//! Events that a sink has taken before and is to be sent again.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::{
    db::error::{Doing, Error},
    domain::ids::{EventId, StoreId, UserId},
};

use super::super::{LoggedEvent, row::EventRow};

/// The events that are meant, by their own time and type.
#[derive(Clone, Debug)]
pub struct Range {
    pub from: DateTime<Utc>,
    /// Not included.
    pub to: DateTime<Utc>,
    /// `None`: every type.
    pub event_type: Option<String>,
}

/// The events of a range that a sink has taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selection {
    pub count: i64,
    pub first_seq: i64,
    pub last_seq: i64,
}

/// Counts the events of a range that a sink has taken and that have a place in the log; `None` if there is
/// none.
///
/// Ids are UUIDv7 of the instances' clocks, so only those within an hour of the range are looked at.
pub async fn select_published(
    connection: &mut PgConnection,
    sink: &str,
    range: &Range,
) -> Result<Option<Selection>, Error> {
    let row = sqlx::query!(
        r#"
        with taken as (
            select
                p.primary_sink = $1 as is_primary,
                (select position from outbox_sinks where name = $1) as position
            from outbox_sequencing p
        ),
        bounds as (
            select
                (lpad(to_hex((extract(epoch from $2::timestamptz - interval '1 hour') * 1000)::bigint), 12, '0')
                    || repeat('0', 20))::uuid as first_id,
                (lpad(to_hex((extract(epoch from $3::timestamptz + interval '1 hour') * 1000)::bigint), 12, '0')
                    || repeat('0', 20))::uuid as last_id
        )
        select count(*) as "count!", min(e.seq) as first_seq, max(e.seq) as last_seq
        from taken t
        cross join bounds b
        join outbox_events e
            on e.id >= b.first_id
            and e.id < b.last_id
        where e.created_at >= $2
            and e.created_at < $3
            and ($4::text is null or e.event_type = $4)
            and e.seq is not null
            and case when t.is_primary then e.published_at is not null else e.seq <= t.position end
        "#,
        sink,
        range.from,
        range.to,
        range.event_type,
    )
    .fetch_one(connection)
    .await
    .doing("count the events to publish again")?;
    let places = row.first_seq.zip(row.last_seq);
    Ok(places.map(|(first_seq, last_seq)| Selection {
        count: row.count,
        first_seq,
        last_seq,
    }))
}

/// Reads events of a selection after a place in the log, in the order of the log.
pub async fn read_published(
    connection: &mut PgConnection,
    range: &Range,
    selection: Selection,
    after_seq: i64,
    limit: i64,
) -> Result<Vec<LoggedEvent>, Error> {
    let rows = sqlx::query_as!(
        EventRow,
        r#"
        select
            e.seq,
            e.attempts as "attempts!",
            e.id as "id!: EventId",
            e.event_type as "event_type!",
            e.aggregate_type as "aggregate_type!",
            e.aggregate_id as "aggregate_id!",
            e.payload as "payload!",
            e.created_at as "created_at!",
            coalesce(g.created_by, e.actor_user_id) as "actor_user_id?: UserId",
            coalesce(g.buyer_store_id, e.actor_store_id) as "actor_store_id?: StoreId",
            e.traceparent
        from outbox_events e
        left join checkout_groups g
            on e.aggregate_type = 'checkout_group'
            and g.id = e.aggregate_id
        where e.seq > $1
            and e.seq <= $2
            and e.created_at >= $3
            and e.created_at < $4
            and ($5::text is null or e.event_type = $5)
        order by e.seq
        limit $6
        "#,
        after_seq,
        selection.last_seq,
        range.from,
        range.to,
        range.event_type,
        limit,
    )
    .fetch_all(connection)
    .await
    .doing("read events to publish again")?;
    let events = rows.into_iter().map(|row| LoggedEvent {
        seq: row.seq.expect("it is selected by its place"),
        event: row.into(),
    });
    Ok(events.collect())
}
