//! `splitcart outbox list` and `show`.

use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use serde_json::json;
use sqlx::PgConnection;
use terminal::narrow_table;
use uuid::Uuid;

use splitcart::{
    db::{
        outbox::operators::{self, EventDetail, ListedEvent, SinkProgress, State},
        webhooks::source_of,
    },
    domain::ids::EventId,
};

const LIST_EXAMPLES: &str = "\
Examples:
  splitcart outbox list                           what waits, in all sinks
  splitcart outbox list --sink nats --limit 5     the five oldest that one sink has yet to take
  splitcart outbox list --dead                    the dead letters, each with its last error
  splitcart outbox list --dead --json | jq -r '.events[].id'
                                                  their ids, for a script";

const SHOW_EXAMPLES: &str = "\
Examples:
  splitcart outbox show 01a2…                     an event, as `list` and consumers name it
  splitcart outbox show 01a2… --json | jq '.sinks[] | select(.state != \"published\")'
                                                  the sinks that have yet to take it";

/// List the events that a sink has yet to take, oldest first
#[derive(Args, Clone, Debug)]
#[command(after_help = LIST_EXAMPLES)]
pub(crate) struct ListArgs {
    /// List dead letters instead
    #[arg(long)]
    dead: bool,
    /// Only those of this sink
    #[arg(long, value_name = "NAME")]
    sink: Option<String>,
    /// The most events to list
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 50,
        value_parser = clap::value_parser!(i64).range(1..=100_000),
    )]
    limit: i64,
}

/// Show one event, and its state in every sink
#[derive(Args, Clone, Copy, Debug)]
#[command(after_help = SHOW_EXAMPLES)]
pub(crate) struct ShowArgs {
    /// The id of the event, or the `webhook-id` that a receiver got
    id: Uuid,
}

pub(crate) async fn list(
    connection: &mut PgConnection,
    args: &ListArgs,
    json: bool,
) -> anyhow::Result<ExitCode> {
    if let Some(sink) = &args.sink {
        let known: Vec<_> = operators::status(connection).await?;
        let known: Vec<_> = known.into_iter().map(|known| known.name).collect();
        if !known.contains(sink) {
            bail!("there is no sink {sink}; known are: {}", known.join(", "));
        }
    }
    let state = if args.dead {
        State::Dead
    } else {
        State::Waiting
    };
    let events = operators::list(connection, state, args.sink.as_deref(), args.limit).await?;
    if json {
        let events: Vec<_> = events.iter().map(to_json).collect();
        println!("{:#}", json!({ "events": events }));
    } else if events.is_empty() {
        println!(
            "{}",
            if args.dead {
                "There are no dead letters."
            } else {
                "Nothing waits."
            }
        );
    } else {
        let header = [
            "event",
            "type",
            "occurred at",
            "sink",
            "attempts",
            "last error",
        ];
        let mut rows = narrow_table(&header, [4]);
        for event in &events {
            rows.add_row([
                event.id.to_string(),
                event.event_type.clone(),
                event.created_at.format("%F %T").to_string(),
                event.sink.clone(),
                event.attempts.to_string(),
                event.last_error.clone().unwrap_or_default(),
            ]);
        }
        println!("{rows}");
        if events.len() as u64 == args.limit.unsigned_abs() {
            println!("There may be more: --limit is {}.", args.limit);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn to_json(event: &ListedEvent) -> serde_json::Value {
    json!({
        "id": event.id,
        "type": event.event_type,
        "aggregate_type": event.aggregate_type,
        "aggregate_id": event.aggregate_id,
        "occurred_at": event.created_at,
        "sink": event.sink,
        "attempts": event.attempts,
        "next_attempt_at": event.next_attempt_at,
        "last_error": event.last_error,
    })
}

pub(crate) async fn show(
    connection: &mut PgConnection,
    args: &ShowArgs,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let named = EventId::new(args.id);
    let mut found = operators::find(connection, named).await?;
    if found.is_none()
        && let Some(source) = source_of(connection, named).await?
    {
        eprintln!("{named} was delivered to webhooks; it was made from the event {source}:");
        found = operators::find(connection, source).await?;
    }
    let Some(EventDetail { event, sinks }) = found else {
        eprintln!(
            "splitcart: there is no event {}: it never was, or its retention is over",
            args.id
        );
        return Ok(ExitCode::FAILURE);
    };
    let envelope = event.envelope();
    if json {
        let sinks: Vec<_> = sinks.iter().map(progress_to_json).collect();
        println!("{:#}", json!({ "event": envelope, "sinks": sinks }));
        return Ok(ExitCode::SUCCESS);
    }
    println!("{:#}", json!(envelope));
    let mut rows = narrow_table(
        &["sink", "state", "attempts", "next attempt", "last error"],
        [2],
    );
    for sink in sinks {
        let next = sink
            .next_attempt_at
            .map(|at| at.format("%F %T").to_string());
        rows.add_row([
            sink.sink,
            sink.state.to_owned(),
            sink.attempts.to_string(),
            next.unwrap_or_default(),
            sink.last_error.unwrap_or_default(),
        ]);
    }
    println!("{rows}");
    Ok(ExitCode::SUCCESS)
}

fn progress_to_json(sink: &SinkProgress) -> serde_json::Value {
    json!({
        "sink": sink.sink,
        "state": sink.state,
        "published_at": sink.published_at,
        "attempts": sink.attempts,
        "next_attempt_at": sink.next_attempt_at,
        "last_error": sink.last_error,
    })
}
