//! The sinks: the primary one, whose progress is `published_at`, and the followers, each of which has a
//! place in the log and one instance at a time that publishes to it.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::db::{
    error::{Doing, Error},
    transaction::{begin_on, commit},
};

/// The primary sink, as an instance finds or makes it at start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Primary {
    pub name: String,
    /// The primary sink before, if it is not configured any more.
    pub replaces: Option<String>,
}

/// Finds the primary sink among the configured ones, and adds the others as followers that begin at the end
/// of the log, unless they exist. The primary sink is the same as before if it is still configured, else the
/// first.
///
/// A sink that becomes the primary one stops being a follower: the events that it has yet to take are
/// unpublished again.
pub async fn settle_sinks(
    connection: &mut PgConnection,
    configured: &[String],
) -> Result<Primary, Error> {
    let mut tx = begin_on(connection).await?;
    let primary = settle_primary(&mut tx, configured).await?;
    for name in configured.iter().filter(|name| **name != primary.name) {
        add_follower(&mut tx, name).await?;
    }
    commit(tx).await?;
    Ok(primary)
}

/// Until the end of the transaction no event is marked as published.
async fn settle_primary(
    connection: &mut PgConnection,
    configured: &[String],
) -> Result<Primary, Error> {
    let before = sqlx::query_scalar!("select primary_sink from outbox_sequencing for update")
        .fetch_one(&mut *connection)
        .await
        .doing("find the primary sink")?;
    let before = match before {
        Some(name) if configured.contains(&name) => {
            return Ok(Primary {
                name,
                replaces: None,
            });
        }
        before => before,
    };
    let name = configured.first().expect("a sink is configured").clone();
    sqlx::query!(
        "update outbox_sequencing set primary_sink = $1, updated_at = now()",
        name
    )
    .execute(&mut *connection)
    .await
    .doing("set the primary sink")?;
    sqlx::query!(
        r#"
        with follower as (
            select position from outbox_sinks where name = $1
        )
        update outbox_events
        set published_at = null, next_attempt_at = now(), attempts = 0
        where id = any(array(
            select e.id
            from follower f
            join outbox_events e on e.seq > f.position
            union all
            select event_id from outbox_backlog where sink = $1 and dead_at is null))
        "#,
        name
    )
    .execute(&mut *connection)
    .await
    .doing("unpublish what the new primary sink has yet to take")?;
    hand_over_dead_letters(&mut *connection, &name).await?;
    sqlx::query!("delete from outbox_backlog where sink = $1", name)
        .execute(&mut *connection)
        .await
        .doing("clear the backlog of the new primary sink")?;
    sqlx::query!("delete from outbox_sinks where name = $1", name)
        .execute(connection)
        .await
        .doing("remove the primary sink from the followers")?;
    Ok(Primary {
        name,
        replaces: before,
    })
}

/// The dead letters of the primary sink before are no concern of the new one, which gets them if it has not
/// had them as a follower. Its own stay dead letters.
async fn hand_over_dead_letters(connection: &mut PgConnection, name: &str) -> Result<(), Error> {
    sqlx::query!(
        r#"
        with back as (
            delete from outbox_dead_letters returning *
        )
        insert into outbox_events (
            id, event_type, aggregate_type, aggregate_id, payload, created_at, attempts, next_attempt_at,
            published_at, last_error, actor_user_id, actor_store_id, traceparent, seq)
        select
            b.id, b.event_type, b.aggregate_type, b.aggregate_id, b.payload, b.created_at, 0, now(),
            case when b.seq > s.position then null else now() end,
            b.last_error, b.actor_user_id, b.actor_store_id, b.traceparent, b.seq
        from back b
        left join outbox_sinks s on s.name = $1
        "#,
        name,
    )
    .execute(&mut *connection)
    .await
    .doing("hand over the dead letters of the primary sink")?;
    sqlx::query!(
        r#"
        with dead as (
            delete from outbox_events e
            using outbox_backlog b
            where b.sink = $1
                and b.dead_at is not null
                and e.id = b.event_id
            returning e.*, b.attempts as refusals, b.last_error as refusal
        )
        insert into outbox_dead_letters (
            id, event_type, aggregate_type, aggregate_id, payload, created_at, attempts,
            next_attempt_at, published_at, last_error, reason, actor_user_id, actor_store_id,
            traceparent, seq)
        select
            id, event_type, aggregate_type, aggregate_id, payload, created_at, refusals,
            next_attempt_at, null, refusal, 'max_attempts', actor_user_id, actor_store_id,
            traceparent, seq
        from dead
        "#,
        name,
    )
    .execute(connection)
    .await
    .doing("take over the dead letters of the new primary sink")?;
    Ok(())
}

/// The name of the primary sink.
pub async fn primary_sink(connection: &mut PgConnection) -> Result<Option<String>, Error> {
    sqlx::query_scalar!("select primary_sink from outbox_sequencing")
        .fetch_one(connection)
        .await
        .doing("read the primary sink")
}

async fn add_follower(connection: &mut PgConnection, name: &str) -> Result<(), Error> {
    sqlx::query!(
        r#"
        insert into outbox_sinks (name, position)
        select
            $1,
            greatest(
                (select max(seq) from outbox_events where seq is not null),
                (select max(seq) from outbox_dead_letters where seq is not null),
                0)
        on conflict do nothing
        "#,
        name
    )
    .execute(connection)
    .await
    .doing("add a follower of the log of events")?;
    Ok(())
}

/// The right to publish to a follower, until it expires.
#[derive(Clone, Debug)]
pub struct Ownership {
    pub sink: String,
    /// The row's `claimed_until`, which changes when another instance takes over.
    pub(super) fencing_token: DateTime<Utc>,
    /// The expiry by this process's clock, never later than PostgreSQL's.
    expires_at: Instant,
}

impl Ownership {
    /// True if the right has not expired. After that another instance may publish to the sink.
    pub fn holds(&self) -> bool {
        Instant::now() < self.expires_at
    }
}

/// Takes a follower that no other instance owns. Returns its place in the log; `None` if it is owned.
pub async fn own_follower(
    connection: &mut PgConnection,
    sink: &str,
    instance: Uuid,
    lease: Duration,
) -> Result<Option<(Ownership, i64)>, Error> {
    let expires_at = Instant::now() + lease;
    let row = sqlx::query!(
        r#"
        update outbox_sinks
        set
            claimed_by = $2,
            claimed_until = clock_timestamp() + make_interval(secs => $3),
            updated_at = now()
        where name = $1
            and (claimed_until is null or claimed_until < clock_timestamp() or claimed_by = $2)
        returning claimed_until as "claimed_until!", position
        "#,
        sink,
        instance,
        lease.as_secs_f64(),
    )
    .fetch_optional(connection)
    .await
    .doing("take a follower of the log of events")?;
    Ok(row.map(|row| {
        let ownership = Ownership {
            sink: sink.to_owned(),
            fencing_token: row.claimed_until,
            expires_at,
        };
        (ownership, row.position)
    }))
}

/// Records the progress of a follower, and extends the ownership. Returns `None` if another instance has
/// taken over; nothing is changed then.
pub async fn save_progress(
    connection: &mut PgConnection,
    ownership: &Ownership,
    position: i64,
    lease: Duration,
) -> Result<Option<Ownership>, Error> {
    let expires_at = Instant::now() + lease;
    let until = sqlx::query_scalar!(
        r#"
        update outbox_sinks
        set
            position = $3,
            claimed_until = clock_timestamp() + make_interval(secs => $4),
            last_error = null,
            updated_at = now()
        where name = $1
            and claimed_until = $2
        returning claimed_until as "claimed_until!"
        "#,
        ownership.sink,
        ownership.fencing_token,
        position,
        lease.as_secs_f64(),
    )
    .fetch_optional(connection)
    .await
    .doing("record the progress of a follower")?;
    Ok(until.map(|fencing_token| Ownership {
        sink: ownership.sink.clone(),
        fencing_token,
        expires_at,
    }))
}

/// Records the progress of a follower, and lets another instance take it at once. `error` is what ended the
/// publishing, if anything did.
pub async fn give_up_follower(
    connection: &mut PgConnection,
    ownership: &Ownership,
    position: i64,
    error: Option<&str>,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        update outbox_sinks
        set
            position = $3,
            claimed_by = null,
            claimed_until = null,
            last_error = $4,
            updated_at = now()
        where name = $1
            and claimed_until = $2
        "#,
        ownership.sink,
        ownership.fencing_token,
        position,
        error,
    )
    .execute(connection)
    .await
    .doing("give up a follower")?;
    Ok(())
}
