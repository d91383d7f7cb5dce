//! Gives events that wait for the primary sink their place in the log, so that no follower waits for it.

use std::time::Duration;

use sqlx::PgConnection;

use crate::db::error::{Doing, Error};

use super::LookBack;

/// The time for which an event that was just written stays within a recent search: the longest transaction,
/// and some searches that fail.
pub const RECENTLY_WRITTEN: Duration = Duration::from_secs(10);

/// Assigns `seq` to at most `limit` unpublished events that have none, those of one aggregate in their
/// order. Returns the number of events that were found.
///
/// An event waits if an earlier one of its aggregate has no place and is too old for a recent search. The
/// next search for everything finds both.
pub async fn sequence_waiting(
    connection: &mut PgConnection,
    look_back: LookBack,
    limit: i64,
) -> Result<u64, Error> {
    let found = sqlx::query_scalar!(
        r#"
        with turn as materialized (
            select is_the_row
            from outbox_sequencing
            for update
        ),
        since as materialized (
            select coalesce(
                (select now() - make_interval(secs => $1) from turn),
                timestamptz '-infinity') as at
        ),
        waiting as materialized (
            select e.id
            from since s
            cross join lateral (
                select *
                from outbox_events
                where published_at is null
                    and next_attempt_at >= s.at
            ) e
            where e.seq is null
                and (
                    e.aggregate_type = 'checkout_group'
                    or not exists (
                        select
                        from outbox_events earlier
                        where earlier.aggregate_type <> 'checkout_group'
                            and earlier.published_at is null
                            and earlier.aggregate_id = e.aggregate_id
                            and earlier.seq is null
                            and (earlier.created_at, earlier.id) < (e.created_at, e.id)
                            and earlier.next_attempt_at < s.at
                    )
                )
            order by e.created_at, e.id
            limit $2
        ),
        -- In the order of the rows above it.
        numbered as materialized (
            select id, nextval('outbox_events_seq') as seq
            from waiting
        ),
        sequenced as (
            update outbox_events e
            set seq = n.seq
            from numbered n
            where e.id = n.id
                -- Compared again after a wait for the row's lock: it may have been published.
                and e.seq is null
        )
        select count(*) as "found!" from numbered
        "#,
        match look_back {
            LookBack::Everything => None,
            LookBack::Recent(time) => Some(time.as_secs_f64()),
        },
        limit,
    )
    .fetch_one(connection)
    .await
    .doing("give waiting events their place in the log")?;
    Ok(found.unsigned_abs())
}
