//! The audit: what must be true of the database whatever has happened to us or to it.
//!
//! Owns the rules, in a file per group. Each is a query that returns what breaks it, so that a sound
//! database returns no row. None relies on a CHECK, a unique or a foreign key: one that was dropped,
//! or that a restore left out, is what an audit is for. All of them are set-based and read whole
//! tables, so they belong on no path that a client waits for.
//!
//! The queries are text that is sent as it stands, not `query!` macros: they are all of one shape,
//! nothing but numbers is ever put into them, and a test plants a fault for every one of them, so a
//! query that does not fit the schema does not stay unseen.
//!
//! A rule is one statement, so what others write meanwhile alarms none. That all rules judge the
//! same state is the caller's to see to, with a snapshot (`db::transaction::begin_snapshot_on`).

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

/// What must be true of the database.
#[derive(Debug)]
pub struct Rule {
    /// Short and stable: scripts may know a rule by it. It begins with the rule's group.
    pub code: &'static str,
    /// What must be true.
    pub sentence: &'static str,
    /// What breaks it, that is whose ids the query returns.
    pub subject: &'static str,
    /// Returns one column, the ids of what breaks it. May read what [`check`] puts in front.
    query: &'static str,
}

/// What the audit must be told, because the database does not say it.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How long an event may wait until it is published.
    pub unpublished_max: Duration,
    /// How long first answers are kept at least; later they may be gone.
    pub keys_kept: Duration,
    /// How long published events are kept at least; none: for ever.
    pub events_kept: Option<Duration>,
    /// How many ids are returned at most of what breaks a rule.
    pub examples_max: u32,
}

/// What breaks a rule.
#[derive(Clone, Debug)]
pub struct Broken {
    /// How many there are; 0 if the rule holds.
    pub count: u64,
    /// The least ids of what breaks it.
    pub examples: Vec<Uuid>,
}

/// All rules, in the order in which they are told.
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

/// Looks for what breaks a rule.
///
/// # Errors
/// The statement failed.
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
                    as events_kept_since
        ),
        -- A dead letter counts: it is announced to whoever looks after the broker.
        announcements as (
            select id, aggregate_type, aggregate_id, payload
            from outbox_events
            where event_type = 'order_created'
            union all
            select id, aggregate_type, aggregate_id, payload
            from outbox_dead_letters
            where event_type = 'order_created'
        ),
        -- Counted and sorted below; in between it may be as long as the disk allows.
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
        .doing("look for what breaks the rule")?;
    let count: i64 = row.try_get("count").doing("count what breaks the rule")?;
    Ok(Broken {
        count: count.unsigned_abs(),
        examples: row.try_get("examples").doing("name what breaks the rule")?,
    })
}

/// How many events the broker has refused for good. Not a fault of the data, but somebody must look
/// after them.
///
/// # Errors
/// The statement failed.
pub async fn count_dead_letters(connection: &mut PgConnection) -> Result<u64, Error> {
    let count = sqlx::query_scalar!(r#"select count(*) as "count!" from outbox_dead_letters"#)
        .fetch_one(connection)
        .await
        .doing("count the dead letters")?;
    Ok(count.unsigned_abs())
}
