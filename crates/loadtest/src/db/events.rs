//! The tables of the consumers that `events-bench` holds against the outbox: one per sink, in a schema of
//! their own.

use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

/// What a consumer has got, held against the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, sqlx::FromRow)]
pub struct Compared {
    /// Events in the consumer's table.
    pub got: i64,
    /// Events of the outbox that are not in it.
    pub missing: i64,
    /// Events in it that are not in the outbox.
    pub unknown: i64,
    /// Events that came after a later one of their aggregate.
    pub late: i64,
}

/// What became of events that a sink did not take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, sqlx::FromRow)]
pub struct Blamed {
    pub events: i64,
    pub dead_letters: i64,
    pub backlog: i64,
}

/// Makes an empty table for each consumer. Names are those of sinks: letters.
pub async fn make_tables(connection: &mut PgConnection, names: &[&str]) -> sqlx::Result<()> {
    run(connection, "create schema consumers".to_owned()).await?;
    for name in names {
        let table = format!(
            "create table consumers.{name} (nr bigserial, event_id uuid primary key, aggregate_id uuid not null)"
        );
        run(connection, table).await?;
    }
    Ok(())
}

/// Adds events in the order of their arrival, each once. Returns the number of those that are new.
pub async fn add(
    connection: &mut PgConnection,
    name: &str,
    events: &[(Uuid, Uuid)],
) -> sqlx::Result<u64> {
    let (ids, aggregates): (Vec<_>, Vec<_>) = events.iter().copied().unzip();
    let statement = format!(
        "insert into consumers.{name} (event_id, aggregate_id)
         select event_id, aggregate_id
         from unnest($1::uuid[], $2::uuid[]) with ordinality as e (event_id, aggregate_id, nr)
         order by nr
         on conflict do nothing"
    );
    let added = sqlx::query(AssertSqlSafe(statement))
        .bind(ids)
        .bind(aggregates)
        .execute(connection)
        .await?;
    Ok(added.rows_affected())
}

pub async fn compare(connection: &mut PgConnection, name: &str) -> sqlx::Result<Compared> {
    let statement = format!(
        "select
            (select count(*) from consumers.{name}) as got,
            (select count(*) from outbox_events e
             where not exists (select from consumers.{name} c where c.event_id = e.id)) as missing,
            (select count(*) from consumers.{name} c
             where not exists (select from outbox_events e where c.event_id = e.id)) as unknown,
            (select count(*) from (
                select e.created_at,
                       max(e.created_at) over (
                           partition by c.aggregate_id order by c.nr
                           rows between unbounded preceding and 1 preceding) as latest
                from consumers.{name} c join outbox_events e on e.id = c.event_id) as arrived
             where created_at < latest) as late"
    );
    sqlx::query_as(AssertSqlSafe(statement))
        .fetch_one(connection)
        .await
}

pub async fn count_events(connection: &mut PgConnection) -> sqlx::Result<i64> {
    sqlx::query_scalar("select count(*) from outbox_events")
        .fetch_one(connection)
        .await
}

pub async fn count_blamed(connection: &mut PgConnection) -> sqlx::Result<Blamed> {
    sqlx::query_as(
        "select (select count(*) from outbox_events where attempts > 0) as events,
                (select count(*) from outbox_dead_letters) as dead_letters,
                (select count(*) from outbox_backlog) as backlog",
    )
    .fetch_one(connection)
    .await
}

async fn run(connection: &mut PgConnection, statement: String) -> sqlx::Result<()> {
    sqlx::query(AssertSqlSafe(statement))
        .execute(connection)
        .await?;
    Ok(())
}
