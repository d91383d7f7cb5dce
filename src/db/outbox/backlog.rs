//! Events that a follower has yet to take although its place in the log is past them: it refused them while
//! it took others, or an earlier event of their aggregate stands here.
//!
//! Every statement that changes rows names the ownership under which it acts, and changes nothing if another
//! instance has taken over.

use std::time::Duration;

use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    db::{
        column,
        error::{Doing, Error},
    },
    domain::ids::{EventId, StoreId, UserId},
};

use super::{LoggedEvent, Ownership, row::EventRow};

/// A row of the backlog, with its event.
#[derive(Clone, Debug)]
pub struct BacklogEvent {
    pub logged: LoggedEvent,
    /// The number of times that the sink has refused it.
    pub attempts: i32,
}

/// A row of the backlog, without its event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BacklogRow {
    pub seq: i64,
    pub aggregate_id: Uuid,
    /// True if the event is not sent again, and holds up no other.
    pub is_dead: bool,
}

/// Reads the rows of a sink's backlog that are no dead letters, and every row after a place in the log.
pub async fn read_backlog(
    connection: &mut PgConnection,
    sink: &str,
    position: i64,
) -> Result<Vec<BacklogRow>, Error> {
    sqlx::query_as!(
        BacklogRow,
        r#"
        select seq, aggregate_id, dead_at is not null as "is_dead!"
        from outbox_backlog
        where sink = $1
            and (dead_at is null or seq > $2)
        "#,
        sink,
        position,
    )
    .fetch_all(connection)
    .await
    .doing("read the backlog of a follower")
}

/// Removes rows whose events are not kept any more: the sink was not configured for longer than their
/// retention.
pub async fn drop_gone_from_backlog(
    connection: &mut PgConnection,
    ownership: &Ownership,
) -> Result<u64, Error> {
    let done = sqlx::query!(
        r#"
        delete from outbox_backlog b
        where b.sink = (select name from outbox_sinks where name = $1 and claimed_until = $2 for share)
            and not exists (select from outbox_events e where e.id = b.event_id)
            and not exists (select from outbox_dead_letters d where d.id = b.event_id)
        "#,
        ownership.sink,
        ownership.fencing_token,
    )
    .execute(connection)
    .await
    .doing("drop events that are gone from a backlog")?;
    Ok(done.rows_affected())
}

/// Adds events; those that are there already stay as they are. `errors` has the refusal of each, or `None`
/// for an event that only waits for an earlier one.
pub async fn add_to_backlog(
    connection: &mut PgConnection,
    ownership: &Ownership,
    events: &[(&LoggedEvent, Option<String>)],
    wait: Duration,
) -> Result<u64, Error> {
    let done = sqlx::query!(
        r#"
        insert into outbox_backlog (
            sink, seq, event_id, aggregate_id, attempts, next_attempt_at, last_error)
        select
            s.name, n.seq, n.event_id, n.aggregate_id,
            case when n.error is null then 0 else 1 end,
            case when n.error is null then now() else now() + make_interval(secs => $7) end,
            n.error
        from (
            select name from outbox_sinks where name = $1 and claimed_until = $2 for share
        ) s
        cross join unnest($3::bigint[], $4::uuid[], $5::uuid[], $6::text[])
            as n (seq, event_id, aggregate_id, error)
        on conflict do nothing
        "#,
        ownership.sink,
        ownership.fencing_token,
        &column(events, |(logged, _)| logged.seq),
        &column(events, |(logged, _)| logged.event.id) as &[EventId],
        &column(events, |(logged, _)| logged.event.aggregate_id),
        &column(events, |(_, error)| error.clone()) as &[Option<String>],
        wait.as_secs_f64(),
    )
    .execute(connection)
    .await
    .doing("add to the backlog of a follower")?;
    Ok(done.rows_affected())
}

/// The first event of each aggregate in the backlog that is due.
pub async fn due_of_backlog(
    connection: &mut PgConnection,
    sink: &str,
    limit: i64,
) -> Result<Vec<BacklogEvent>, Error> {
    let rows = sqlx::query_as!(
        EventRow,
        r#"
        with first as (
            select distinct on (aggregate_id) seq, event_id, attempts, next_attempt_at
            from outbox_backlog
            where sink = $1
                and dead_at is null
            order by aggregate_id, seq
        ),
        due as (
            select * from first where next_attempt_at <= now() order by seq limit $2
        ),
        kept as (
            select
                id, event_type, aggregate_type, aggregate_id, payload, created_at, actor_user_id,
                actor_store_id, traceparent
            from outbox_events
            where id = any(array(select event_id from due))
            union all
            select
                id, event_type, aggregate_type, aggregate_id, payload, created_at, actor_user_id,
                actor_store_id, traceparent
            from outbox_dead_letters
            where id = any(array(select event_id from due))
        )
        select
            d.seq as "seq?",
            d.attempts as "attempts!",
            k.id as "id!: EventId",
            k.event_type as "event_type!",
            k.aggregate_type as "aggregate_type!",
            k.aggregate_id as "aggregate_id!",
            k.payload as "payload!",
            greatest(
                least(k.created_at, timestamptz '9999-12-31 00:00Z'),
                timestamptz '0001-01-01 00:00Z') as "created_at!",
            coalesce(g.created_by, k.actor_user_id) as "actor_user_id?: UserId",
            coalesce(g.buyer_store_id, k.actor_store_id) as "actor_store_id?: StoreId",
            k.traceparent
        from due d
        join kept k on k.id = d.event_id
        left join checkout_groups g
            on k.aggregate_type = 'checkout_group'
            and g.id = k.aggregate_id
        order by d.seq
        "#,
        sink,
        limit,
    )
    .fetch_all(connection)
    .await
    .doing("read what is due of a backlog")?;
    let due = rows.into_iter().map(|row| BacklogEvent {
        attempts: row.attempts,
        logged: LoggedEvent {
            seq: row
                .seq
                .expect("a row of the backlog has a place in the log"),
            event: row.into(),
        },
    });
    Ok(due.collect())
}

/// Removes events that the sink has taken.
pub async fn remove_from_backlog(
    connection: &mut PgConnection,
    ownership: &Ownership,
    seqs: &[i64],
) -> Result<u64, Error> {
    let done = sqlx::query!(
        r#"
        delete from outbox_backlog
        where sink = (select name from outbox_sinks where name = $1 and claimed_until = $2 for share)
            and seq = any($3)
        "#,
        ownership.sink,
        ownership.fencing_token,
        seqs,
    )
    .execute(connection)
    .await
    .doing("remove from the backlog of a follower")?;
    Ok(done.rows_affected())
}

/// Counts an attempt that the sink refused. The event waits, or is a dead letter from now on.
pub async fn count_refusal_in_backlog(
    connection: &mut PgConnection,
    ownership: &Ownership,
    seq: i64,
    wait: Option<Duration>,
    error: &str,
) -> Result<u64, Error> {
    let done = sqlx::query!(
        r#"
        update outbox_backlog
        set
            attempts = attempts + 1,
            next_attempt_at = now() + make_interval(secs => coalesce($4::double precision, 0)),
            dead_at = case when $4 is null then now() end,
            last_error = $5
        where sink = (select name from outbox_sinks where name = $1 and claimed_until = $2 for share)
            and seq = $3
            and dead_at is null
        "#,
        ownership.sink,
        ownership.fencing_token,
        seq,
        wait.map(|wait| wait.as_secs_f64()),
        error,
    )
    .execute(connection)
    .await
    .doing("count a refusal by a follower")?;
    Ok(done.rows_affected())
}
