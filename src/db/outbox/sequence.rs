//! Gives events that wait for the primary sink their place in the log, so that no follower waits for it.

use std::time::Duration;

use sqlx::PgConnection;

use crate::{
    db::error::{Doing, Error},
    domain::ids::EventId,
};

use super::LookBack;

/// The time for which an event that was just written stays within a recent search: the longest transaction,
/// and some searches that fail.
pub const RECENTLY_WRITTEN: Duration = Duration::from_secs(10);

/// Assigns `seq` to at most `limit` unpublished events that have none, those of one aggregate in their
/// order. Returns the number of events that were found.
///
/// An event waits if an earlier one of its aggregate has no place and is too old for a recent search. The
/// next search for everything finds both. The search takes no lock, however long it takes.
pub async fn sequence_waiting(
    connection: &mut PgConnection,
    look_back: LookBack,
    limit: i64,
) -> Result<u64, Error> {
    let found = find_waiting(connection, look_back, limit).await?;
    if !found.is_empty() {
        assign_places(connection, &found).await?;
    }
    Ok(found.len() as u64)
}

/// Oldest first.
async fn find_waiting(
    connection: &mut PgConnection,
    look_back: LookBack,
    limit: i64,
) -> Result<Vec<EventId>, Error> {
    let look_back_s = match look_back {
        LookBack::Everything => None,
        LookBack::Recent(time) => Some(time.as_secs_f64()),
    };
    sqlx::query_scalar!(
        r#"
        select e.id as "id: EventId"
        from outbox_events e
        where e.published_at is null
            and e.next_attempt_at
                >= coalesce(now() - make_interval(secs => $1), timestamptz '-infinity')
            and e.seq is null
            and (
                e.aggregate_type = 'checkout_group'
                or not exists (
                    select
                    from outbox_events earlier
                    where earlier.aggregate_type <> 'checkout_group'
                        and num_nulls(earlier.published_at) = 1
                        and earlier.aggregate_id = e.aggregate_id
                        and earlier.seq is null
                        and (earlier.created_at, earlier.id) < (e.created_at, e.id)
                        and earlier.next_attempt_at
                            < coalesce(now() - make_interval(secs => $1), timestamptz '-infinity')
                )
            )
        order by e.created_at, e.id
        limit $2
        "#,
        look_back_s,
        limit,
    )
    .fetch_all(connection)
    .await
    .doing("find waiting events without a place in the log")
}

/// An event that was given its place meanwhile keeps it.
async fn assign_places(connection: &mut PgConnection, ids: &[EventId]) -> Result<(), Error> {
    sqlx::query!(
        r#"
        with turn as materialized (
            select is_the_row
            from outbox_sequencing
            for update
        ),
        -- In the order of the ids, once it is our turn.
        numbered as materialized (
            select id, nextval('outbox_events_seq') as seq
            from (
                select w.id
                from turn
                cross join unnest($1::uuid[]) with ordinality as w (id, number)
                order by w.number
            ) as waiting
        )
        update outbox_events e
        set seq = n.seq
        from numbered n
        where e.id = n.id
            and e.seq is null
        "#,
        ids as &[EventId],
    )
    .execute(connection)
    .await
    .doing("give waiting events their place in the log")?;
    Ok(())
}
