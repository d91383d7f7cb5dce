//! A consumer to copy: counts events by type, each exactly once, whatever dies.
//!
//! It reads the Redis stream in a consumer group. Events arrive at least once, so each one's id is kept in a
//! table, and written in the transaction of the event's effect: both are there, or neither. Redis is
//! told (XACK) after the commit. What was read and not acknowledged stays pending in the group, and is
//! handled again: by this consumer when it starts again under its name, or by another one (XAUTOCLAIM).
//!
//! One consumer keeps the order of events per aggregate. Several of one group share the work and lose the
//! order; an effect that depends on it compares `occurred_at`.

use std::time::Duration;

use clap::Parser;
use redis::{
    aio::MultiplexedConnection,
    streams::{StreamAutoClaimReply, StreamId, StreamReadReply},
};
use serde::Deserialize;
use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};
use uuid::Uuid;

/// Entries that are read at a time.
const BATCH: usize = 100;
/// The time that a read waits for new entries.
const BLOCK: Duration = Duration::from_secs(1);
/// The time that any other command or transaction may take.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// The pause after a failure.
const PAUSE: Duration = Duration::from_secs(1);

/// Counts splitcart's events by type in PostgreSQL, each exactly once
#[derive(Clone, Debug, Parser)]
#[command(name = "consumer", max_term_width = 100)]
struct Options {
    /// The Redis with the stream
    #[arg(long, value_name = "URL", default_value = "redis://127.0.0.1:6379")]
    redis_url: String,
    /// The database of the consumer; its tables are made in the schema `consumer`
    #[arg(long, value_name = "URL")]
    database_url: String,
    /// The stream (splitcart's setting outbox.stream)
    #[arg(long, default_value = "splitcart.events")]
    stream: String,
    /// The group: each group gets every event
    #[arg(long, default_value = "counts")]
    group: String,
    /// The name of this consumer: the same after a restart, and no other's in the group
    #[arg(long, default_value = "first")]
    name: String,
    /// Take over what another consumer has read and not acknowledged within this time
    #[arg(long, value_name = "MS", default_value_t = 60_000)]
    take_over_after_ms: usize,
}

/// The part of an event that this consumer needs. Unknown fields are ignored: a version may get new ones.
#[derive(Debug, Deserialize)]
struct Event {
    event_id: Uuid,
    #[serde(rename = "type")]
    event_type: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    loop {
        // A failure leaves what was read pending. The connections are opened anew, and everything pending
        // is handled before anything new, which keeps the order.
        let Err(error) = consume(&options).await;
        eprintln!("consumer: {error:#}; trying again");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Consumes until something fails.
async fn consume(options: &Options) -> anyhow::Result<std::convert::Infallible> {
    let mut consumer = Consumer::connect(options).await?;
    consumer.handle_own_pending().await?;
    loop {
        consumer.take_over().await?;
        let new = consumer.read(">").await?;
        consumer.handle(new).await?;
    }
}

struct Consumer<'a> {
    options: &'a Options,
    redis: MultiplexedConnection,
    database: PgConnection,
}

impl<'a> Consumer<'a> {
    async fn connect(options: &'a Options) -> anyhow::Result<Self> {
        let config = redis::AsyncConnectionConfig::new()
            .set_connection_timeout(Some(ANSWER_MAX))
            .set_response_timeout(Some(ANSWER_MAX));
        let mut redis = redis::Client::open(options.redis_url.as_str())?
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        make_group(&mut redis, options).await?;
        let mut database = in_time(async {
            let address: PgConnectOptions = options.database_url.parse()?;
            let address = address.application_name(&format!("consumer {}", options.name));
            Ok(PgConnection::connect_with(&address).await?)
        })
        .await?;
        in_time(make_tables(&mut database)).await?;
        Ok(Self {
            options,
            redis,
            database,
        })
    }

    /// Handles what this consumer had read before it was restarted.
    async fn handle_own_pending(&mut self) -> anyhow::Result<()> {
        let mut after = "0".to_owned();
        loop {
            let pending = self.read(&after).await?;
            let Some(last) = pending.last() else {
                return Ok(());
            };
            after = last.id.clone();
            self.handle(pending).await?;
        }
    }

    /// Takes over what others have read and not acknowledged for long.
    async fn take_over(&mut self) -> anyhow::Result<()> {
        let mut start = "0-0".to_owned();
        loop {
            let claimed: StreamAutoClaimReply = redis::cmd("XAUTOCLAIM")
                .arg(&self.options.stream)
                .arg(&self.options.group)
                .arg(&self.options.name)
                .arg(self.options.take_over_after_ms)
                .arg(&start)
                .arg("COUNT")
                .arg(BATCH)
                .query_async(&mut self.redis)
                .await?;
            if !claimed.deleted_ids.is_empty() {
                eprintln!(
                    "consumer: the stream has lost {} events that were not handled; ask for them again \
                     with `splitcart outbox republish`",
                    claimed.deleted_ids.len()
                );
            }
            self.handle(claimed.claimed).await?;
            start = claimed.next_stream_id;
            if start == "0-0" {
                return Ok(());
            }
        }
    }

    /// Reads new entries (`>`), or this consumer's own pending ones after an id.
    async fn read(&mut self, after: &str) -> anyhow::Result<Vec<StreamId>> {
        let options = self.options;
        let reply: Option<StreamReadReply> = redis::cmd("XREADGROUP")
            .arg("GROUP")
            .arg(&options.group)
            .arg(&options.name)
            .arg("COUNT")
            .arg(BATCH)
            .arg("BLOCK")
            .arg(BLOCK.as_millis().to_string())
            .arg("STREAMS")
            .arg(&options.stream)
            .arg(after)
            .query_async(&mut self.redis)
            .await?;
        let streams = reply.map(|reply| reply.keys).unwrap_or_default();
        Ok(streams.into_iter().flat_map(|stream| stream.ids).collect())
    }

    /// Handles entries one after the other, each exactly once.
    async fn handle(&mut self, entries: Vec<StreamId>) -> anyhow::Result<()> {
        for entry in entries {
            match entry.get::<String>("event").map(|text| parse(&text)) {
                Some(Ok(event)) => in_time(self.apply_once(&event)).await?,
                // No repetition would make it readable. It stays on the stream, to be looked at.
                unreadable => eprintln!("consumer: {} is no event: {unreadable:?}", entry.id),
            }
            // After the commit: if this is lost, the event comes again and is recognised.
            redis::cmd("XACK")
                .arg(&self.options.stream)
                .arg(&self.options.group)
                .arg(&entry.id)
                .query_async::<()>(&mut self.redis)
                .await?;
        }
        Ok(())
    }

    /// Applies an event's effect, unless that was done before.
    async fn apply_once(&mut self, event: &Event) -> anyhow::Result<()> {
        let mut transaction = self.database.begin().await?;
        let new = sqlx::query(
            "insert into consumer.consumed_events (event_id) values ($1) on conflict do nothing",
        )
        .bind(event.event_id)
        .execute(&mut *transaction)
        .await?;
        if new.rows_affected() == 1 {
            apply(&mut transaction, event).await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}

/// The effect of an event: replace it with yours. It must be in this transaction; what can't be (an
/// e-mail, a call) is written here as a row of work, and carried out with the event's id as its key.
async fn apply(transaction: &mut PgConnection, event: &Event) -> anyhow::Result<()> {
    sqlx::query(
        "insert into consumer.events_by_type as t (event_type, count) values ($1, 1)
         on conflict (event_type) do update set count = t.count + 1",
    )
    .bind(&event.event_type)
    .execute(transaction)
    .await?;
    Ok(())
}

fn parse(text: &str) -> serde_json::Result<Event> {
    serde_json::from_str(text)
}

/// Makes the group, which begins with the oldest entry. One that exists stays as it is.
async fn make_group(redis: &mut MultiplexedConnection, options: &Options) -> anyhow::Result<()> {
    let made: redis::RedisResult<()> = redis::cmd("XGROUP")
        .arg("CREATE")
        .arg(&options.stream)
        .arg(&options.group)
        .arg("0")
        .arg("MKSTREAM")
        .query_async(redis)
        .await;
    match made {
        Err(error) if error.code() == Some("BUSYGROUP") => Ok(()),
        made => Ok(made?),
    }
}

async fn make_tables(database: &mut PgConnection) -> anyhow::Result<()> {
    let exists: bool =
        sqlx::query_scalar("select to_regclass('consumer.events_by_type') is not null")
            .fetch_one(&mut *database)
            .await?;
    if !exists {
        // Rows of consumed_events may be removed when no repetition can come any more: that is when they
        // are older than the outbox keeps events (splitcart's setting outbox.retention).
        sqlx::raw_sql(
            "create schema if not exists consumer;
             create table if not exists consumer.consumed_events (
                event_id uuid primary key,
                consumed_at timestamptz not null default now()
             );
             create table if not exists consumer.events_by_type (
                event_type text primary key,
                count bigint not null
             );",
        )
        .execute(database)
        .await?;
    }
    Ok(())
}

async fn in_time<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::time::timeout(ANSWER_MAX, work)
        .await
        .map_err(|_| anyhow::anyhow!("PostgreSQL did not answer within {ANSWER_MAX:?}"))?
}
