//! Dead letters that are sent again, or given up.

use sqlx::PgConnection;

use crate::{
    db::{
        error::{Doing, Error},
        transaction::{begin_on, commit},
    },
    domain::ids::EventId,
};

/// The dead letters that are meant.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// `None`: all.
    pub ids: Option<&'a [EventId]>,
    /// `None`: in every sink.
    pub sink: Option<&'a str>,
}

/// Lets the sinks be sent dead letters again. Returns the number of dead letters, counted per sink.
pub async fn retry(connection: &mut PgConnection, scope: Scope<'_>) -> Result<u64, Error> {
    let mut tx = begin_on(connection).await?;
    let of_primary = leave_the_dead_letters(&mut tx, scope, false).await?;
    let of_followers = sqlx::query!(
        r#"
        update outbox_backlog
        set dead_at = null, attempts = 0, next_attempt_at = now()
        where dead_at is not null
            and ($1::text is null or sink = $1)
            and ($2::uuid[] is null or event_id = any($2))
        "#,
        scope.sink,
        scope.ids as Option<&[EventId]>,
    )
    .execute(&mut *tx)
    .await
    .doing("retry dead letters of followers")?;
    commit(tx).await?;
    Ok(of_primary + of_followers.rows_affected())
}

/// Gives dead letters up: their sinks never get them. The events stay for other sinks, and are removed with
/// others after their retention. Returns the number of dead letters, counted per sink.
pub async fn discard(connection: &mut PgConnection, scope: Scope<'_>) -> Result<u64, Error> {
    let mut tx = begin_on(connection).await?;
    let of_primary = leave_the_dead_letters(&mut tx, scope, true).await?;
    let of_followers = sqlx::query!(
        r#"
        delete from outbox_backlog
        where dead_at is not null
            and ($1::text is null or sink = $1)
            and ($2::uuid[] is null or event_id = any($2))
        "#,
        scope.sink,
        scope.ids as Option<&[EventId]>,
    )
    .execute(&mut *tx)
    .await
    .doing("discard dead letters of followers")?;
    commit(tx).await?;
    Ok(of_primary + of_followers.rows_affected())
}

/// Moves dead letters of the primary sink back among the events: as unpublished ones that are due, or as
/// ones that count as published.
async fn leave_the_dead_letters(
    connection: &mut PgConnection,
    scope: Scope<'_>,
    as_published: bool,
) -> Result<u64, Error> {
    let done = sqlx::query!(
        r#"
        with back as (
            delete from outbox_dead_letters
            where ($1::text is null or $1 = (select primary_sink from outbox_sequencing))
                and ($2::uuid[] is null or id = any($2))
            returning *
        )
        insert into outbox_events (
            id, event_type, aggregate_type, aggregate_id, payload, created_at, attempts, next_attempt_at,
            published_at, last_error, actor_user_id, actor_store_id, traceparent, seq)
        select
            id, event_type, aggregate_type, aggregate_id, payload, created_at, 0, now(),
            case when $3 then now() end, last_error, actor_user_id, actor_store_id, traceparent, seq
        from back
        "#,
        scope.sink,
        scope.ids as Option<&[EventId]>,
        as_published,
    )
    .execute(connection)
    .await
    .doing("take events back from the dead letters")?;
    Ok(done.rows_affected())
}
