//! The audit: invariants of the stored data that must hold whatever happened to the service or the
//! database.
//!
//! Owns the rules, in a file per group. Each rule is a query that returns the rows that break it, so a
//! sound database returns none. No rule relies on a CHECK, a unique or a foreign key: a constraint that
//! was dropped, or that a restore left out, is what an audit must survive. All rules are set-based and
//! read whole tables, so they belong on no path that a client waits for.
//!
//! The queries are texts, not `query!` macros: they all have one shape, only numbers are bound to them,
//! and a test plants a fault for each, which fails if a query does not fit the schema.
//!
//! A rule is one statement, so concurrent writes alarm none. The caller lets all rules see the same
//! state, by a snapshot (`db::transaction::begin_snapshot_on`).

mod events;
mod groups;
mod keys;
mod lines;
mod orders;
mod payments;
mod stock;

use std::time::Duration;

use sqlx::{AssertSqlSafe, PgConnection, Row};
use uuid::Uuid;

use super::error::{Doing, Error};

/// An invariant of the stored data.
#[derive(Debug)]
pub struct Rule {
    /// A stable name for scripts, which begins with the rule's group.
    pub code: &'static str,
    /// The invariant in words.
    pub sentence: &'static str,
    /// The kind of row that breaks the rule, whose ids the query returns.
    pub subject: &'static str,
    /// Returns one column, the ids. May read the common table expressions of [`check`].
    query: &'static str,
}

/// Parameters of the audit that the database does not contain.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The longest time that an event may wait for publication.
    pub unpublished_max: Duration,
    /// The shortest time that first answers are kept.
    pub keys_kept: Duration,
    /// The shortest time that published events are kept; `None` means forever.
    pub events_kept: Option<Duration>,
    /// The most ids that are returned for a rule.
    pub examples_max: u32,
}

/// The rows that break a rule.
#[derive(Clone, Debug)]
pub struct Broken {
    /// The number of rows; 0 if the rule holds.
    pub count: u64,
    /// The smallest ids of these rows.
    pub examples: Vec<Uuid>,
}

/// All rules, in the sequence in which they are reported.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    let groups: [&[Rule]; 7] = [
        stock::RULES,
        groups::RULES,
        orders::RULES,
        lines::RULES,
        payments::RULES,
        events::RULES,
        keys::RULES,
    ];
    groups.into_iter().flatten()
}

/// Finds the rows that break a rule.
pub async fn check(
    connection: &mut PgConnection,
    rule: &Rule,
    options: Options,
) -> Result<Broken, Error> {
    let statement = format!(
        r"
        with bounds as (
            select
                now() - make_interval(secs => $1) as published_before,
                now() - make_interval(secs => $2) as keys_kept_since,
                coalesce(now() - make_interval(secs => $4), timestamptz '-infinity')
                    as events_kept_since,
                -- The first version that moves orders after their checkout.
                coalesce(
                    (select installed_on from _sqlx_migrations where version = 13),
                    timestamptz '-infinity') as moves_since
        ),
        -- A dead letter counts as announced: an operator must handle it.
        announcements as (
            select id, aggregate_type, aggregate_id, payload
            from outbox_events
            where event_type = 'order_created'
            union all
            select id, aggregate_type, aggregate_id, payload
            from outbox_dead_letters
            where event_type = 'order_created'
        ),
        moves as (
            select id, event_type, aggregate_id, payload
            from outbox_events
            where event_type in ('order_decided', 'order_fulfilled', 'order_canceled', 'order_expired')
            union all
            select id, event_type, aggregate_id, payload
            from outbox_dead_letters
            where event_type in ('order_decided', 'order_fulfilled', 'order_canceled', 'order_expired')
        ),
        -- Materialized, because it is read twice below; it may be as long as the disk allows.
        broken (id) as materialized (
            select distinct * from ({query}) as found
        )
        select
            (select count(*) from broken) as count,
            array(select id from broken order by id limit $3) as examples
        ",
        query = rule.query,
    );
    let row = sqlx::query(AssertSqlSafe(statement))
        .bind(options.unpublished_max.as_secs_f64())
        .bind(options.keys_kept.as_secs_f64())
        .bind(i64::from(options.examples_max))
        .bind(options.events_kept.map(|kept| kept.as_secs_f64()))
        .fetch_one(connection)
        .await
        .doing("find the rows that break the rule")?;
    let count: i64 = row
        .try_get("count")
        .doing("count the rows that break the rule")?;
    Ok(Broken {
        count: count.unsigned_abs(),
        examples: row
            .try_get("examples")
            .doing("name the rows that break the rule")?,
    })
}

/// Counts dead letters, which are no fault of the data but need an operator.
pub async fn count_dead_letters(connection: &mut PgConnection) -> Result<u64, Error> {
    let count = sqlx::query_scalar!(
        r#"
        select
            (select count(*) from outbox_dead_letters)
            + (select count(*) from outbox_backlog where dead_at is not null) as "count!"
        "#
    )
    .fetch_one(connection)
    .await
    .doing("count the dead letters")?;
    Ok(count.unsigned_abs())
}
