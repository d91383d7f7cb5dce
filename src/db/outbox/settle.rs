//! Ends claims: marks events as published, releases or postpones them, or moves them to the dead letters.
//!
//! Every statement compares `next_attempt_at` with the claim's fencing token, and changes no row that
//! was claimed again or published meanwhile. Each returns the number of rows that it changed.

use std::time::Duration;

use sqlx::PgConnection;

use crate::{
    db::{
        column,
        error::{Doing, Error},
    },
    domain::ids::EventId,
};

use super::ClaimedEvent;

/// Marks events as published by `sink`, and gives them their place in the log. Changes nothing if another
/// sink is the primary one by now.
pub async fn mark_published(
    connection: &mut PgConnection,
    events: &[&ClaimedEvent],
    sink: &str,
) -> Result<u64, Error> {
    let done = sqlx::query!(
        r#"
        with turn as materialized (
            -- See migration 0016: one statement at a time assigns seq, until its commit.
            select is_the_row
            from outbox_sequencing
            where primary_sink = $3
            for update
        )
        update outbox_events
        set
            published_at = now(),
            last_error = null,
            seq = coalesce(seq, nextval('outbox_events_seq'))
        from turn
        -- Neither a join with unnest nor `published_at is null`: a plan made for them while the outbox
        -- was empty later scans the whole table, or every event that waits after the broker was away.
        where id = any($1::uuid[])
            and next_attempt_at = ($2::timestamptz[])[array_position($1::uuid[], id)]
            and num_nulls(published_at) = 1
        "#,
        &column(events, |claimed| claimed.event.id) as &[EventId],
        &column(events, |claimed| claimed.claim.fencing_token),
        sink,
    )
    .execute(connection)
    .await
    .doing("mark outbox events as published")?;
    Ok(done.rows_affected())
}

/// Releases claims because the broker is unavailable. Counts no attempt against the events.
pub async fn release(
    connection: &mut PgConnection,
    events: &[&ClaimedEvent],
    error: &str,
) -> Result<u64, Error> {
    let done = sqlx::query!(
        r#"
        update outbox_events
        set
            next_attempt_at = now(),
            last_error = $3
        -- As in `mark_published`.
        where id = any($1::uuid[])
            and next_attempt_at = ($2::timestamptz[])[array_position($1::uuid[], id)]
            and num_nulls(published_at) = 1
        "#,
        &column(events, |claimed| claimed.event.id) as &[EventId],
        &column(events, |claimed| claimed.claim.fencing_token),
        error,
    )
    .execute(connection)
    .await
    .doing("release outbox claims")?;
    Ok(done.rows_affected())
}

/// Counts an attempt that the broker refused, and lets the event wait.
pub async fn postpone(
    connection: &mut PgConnection,
    event: &ClaimedEvent,
    wait: Duration,
    error: &str,
) -> Result<u64, Error> {
    let done = sqlx::query!(
        r#"
        update outbox_events
        set
            attempts = attempts + 1,
            next_attempt_at = now() + make_interval(secs => $3),
            last_error = $4
        where id = $1
            and next_attempt_at = $2
            and published_at is null
        "#,
        event.event.id as EventId,
        event.claim.fencing_token,
        wait.as_secs_f64(),
        error,
    )
    .execute(connection)
    .await
    .doing("postpone an outbox event")?;
    Ok(done.rows_affected())
}

/// Moves an event that the broker keeps refusing to the dead letters, in one statement.
pub async fn move_to_dead_letters(
    connection: &mut PgConnection,
    event: &ClaimedEvent,
    error: &str,
) -> Result<u64, Error> {
    let done = sqlx::query!(
        r#"
        with turn as materialized (
            select is_the_row
            from outbox_sequencing
            for update
        ),
        dead as (
            delete from outbox_events
            where id = $1
                and next_attempt_at = $2
                and published_at is null
            returning *
        )
        insert into outbox_dead_letters (
            id, event_type, aggregate_type, aggregate_id, payload, created_at, attempts,
            next_attempt_at, published_at, last_error, reason, actor_user_id, actor_store_id,
            traceparent, seq)
        select
            id, event_type, aggregate_type, aggregate_id, payload, created_at, attempts + 1,
            next_attempt_at, published_at, $3, 'max_attempts', actor_user_id, actor_store_id, traceparent,
            -- Other sinks may take what this one refuses.
            coalesce(seq, nextval('outbox_events_seq'))
        from turn
        cross join dead
        "#,
        event.event.id as EventId,
        event.claim.fencing_token,
        error,
    )
    .execute(connection)
    .await
    .doing("move an event to the dead letters")?;
    Ok(done.rows_affected())
}
