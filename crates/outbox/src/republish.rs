//! `splitcart outbox republish`: sends events to a sink that has taken them before, with the same ids. The
//! service goes on meanwhile.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use chrono::{DateTime, Utc};
use clap::Args;
use serde_json::json;
use sqlx::PgConnection;
use terminal::{Screen, count};
use uuid::Uuid;

use splitcart::{
    app::{options, redis::Targets},
    cli::{
        services::{self, Urls},
        signals::stop_signal,
    },
    config::Config,
    db::{
        self,
        outbox::{
            LoggedEvent,
            operators::{Range, Selection, read_published, select_published},
            place_of, primary_sink,
        },
        pool::{Limits, Workload},
    },
    domain::{
        event::{OrderCreated, TYPES, VendorOrderCreated},
        ids::EventId,
    },
    outbox::{
        sink::{Answer, Sink, webhook::Repeats},
        waves::waves,
    },
};

use crate::moment;

/// The number of events that are read and sent at once.
const BATCH: i64 = 500;
/// The pause after a failure.
const PAUSE: Duration = Duration::from_secs(1);
/// The time after which a sink that takes nothing ends the command.
const GIVE_UP_AFTER: Duration = Duration::from_mins(1);
/// The limits of the sink's own connections.
const POOL: Limits = Limits {
    workload: Workload::Reads,
    connections_max: 1,
    acquire_wait_max: Duration::from_secs(5),
    statement_max: Duration::from_secs(30),
    lock_wait_max: Duration::from_secs(30),
};
/// The number of refused events that are named.
const NAMED_MAX: usize = 10;

const EXAMPLES: &str = "\
Examples:
  splitcart outbox republish --from 2h                    what happened in the last two hours
  splitcart outbox republish --from 2026-11-26T14:00:00Z --to 2026-11-26T15:00:00Z --sink stream
  splitcart outbox republish --from 7days --type order_created
  splitcart outbox republish --from 2h --after 01a2…      go on where a run was stopped

Consumers recognise events that they have had by their id. Ctrl-C stops after the batch under way and says
how to go on.";

/// Publish events anew to a sink that has lost them
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RepublishArgs {
    /// Events from this time on: 2026-11-26T16:30:00Z, or how long ago, such as 2h
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    from: DateTime<Utc>,
    /// Events before this time [default: now]
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    to: Option<DateTime<Utc>>,
    /// Only events of this type, such as `order_created`
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,
    /// The sink [default: the primary one]
    #[arg(long, value_name = "NAME")]
    sink: Option<String>,
    /// Go on after this event, as the run that was stopped says
    #[arg(long, value_name = "EVENT")]
    after: Option<Uuid>,
}

pub(crate) async fn run(
    args: &RepublishArgs,
    config: &Config,
    urls: &Urls,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let mut connection = services::connect(&urls.database).await?;
    let connection = &mut connection;
    let range = Range {
        from: args.from,
        to: args.to.unwrap_or_else(Utc::now),
        event_type: args.event_type.clone(),
    };
    if range.from >= range.to {
        bail!("--from must be before --to");
    }
    match range.event_type.as_deref() {
        Some(VendorOrderCreated::TYPE) => bail!(
            "{} is made from {}: name that one",
            VendorOrderCreated::TYPE,
            OrderCreated::TYPE
        ),
        Some(unknown) if !TYPES.contains(&unknown) => {
            bail!(
                "there are no events of the type {unknown}; there are: {}",
                TYPES.join(", ")
            )
        }
        _ => {}
    }
    let name = match &args.sink {
        Some(name) => name.clone(),
        None => primary_sink(&mut *connection)
            .await?
            .context("there is no sink yet: the service has never been started on this database")?,
    };
    let targets = Targets::of_sinks(config, &urls.redis)?;
    let sinks = options::outbox(config, &targets).sinks;
    let Some(sink) = sinks.iter().find(|sink| sink.name == name) else {
        let known: Vec<_> = sinks.iter().map(|sink| sink.name.as_str()).collect();
        bail!(
            "there is no sink {name} in the settings; known are: {}",
            known.join(", ")
        );
    };
    // Only a sink that writes into PostgreSQL uses it.
    let pool = db::pool::lazy(&urls.database, "splitcart outbox", POOL)?;
    let sink = sink.open(&pool, Repeats::Delivered);
    let mut selection = select_published(&mut *connection, &name, &range).await?;
    if let (Some(selection), Some(after)) = (&mut selection, args.after) {
        let place = place_of(&mut *connection, EventId::new(after)).await?;
        let place = place.with_context(|| format!("there is no event {after} any more"))?;
        selection.first_seq = place + 1;
    }
    let Some(selection) = selection else {
        println!("{}", nothing(json, &name));
        return Ok(ExitCode::SUCCESS);
    };
    let run = Run {
        connection,
        sink,
        range,
        selection,
        published: 0,
        refused: Vec::new(),
        last: None,
    };
    run.finish(&name, json).await
}

fn nothing(json: bool, sink: &str) -> String {
    if json {
        format!(
            "{:#}",
            json!({ "sink": sink, "published": 0, "refused": [], "complete": true })
        )
    } else {
        format!("{sink} has taken no such event: nothing was published.")
    }
}

struct Run<'a> {
    connection: &'a mut PgConnection,
    sink: Box<dyn Sink>,
    range: Range,
    selection: Selection,
    published: u64,
    refused: Vec<EventId>,
    /// The last event of which, and of all before it, the sink has given an answer.
    last: Option<EventId>,
}

impl Run<'_> {
    async fn finish(mut self, name: &str, json: bool) -> anyhow::Result<ExitCode> {
        let stop = stop_signal()?;
        tokio::pin!(stop);
        let screen = Screen::on_stderr();
        let total = self.selection.count.unsigned_abs();
        screen.begin(format!("publishing to {name}"), total);
        let mut after_seq = self.selection.first_seq - 1;
        let mut is_stopped = false;
        let mut said_at = Instant::now();
        while !is_stopped {
            let events = read_published(
                &mut *self.connection,
                &self.range,
                self.selection,
                after_seq,
                BATCH,
            );
            let events = events.await?;
            let Some(last) = events.last() else { break };
            after_seq = last.seq;
            if let Err(error) = self.send(&events).await {
                screen.close();
                eprintln!("splitcart: {}", self.how_to_go_on());
                return Err(error);
            }
            let done = self.published + self.refused.len() as u64;
            screen.at(done);
            if !screen.is_watched() && said_at.elapsed() >= Duration::from_secs(5) {
                screen.say(format!("{} of {}", count(done), count(total)));
                said_at = Instant::now();
            }
            is_stopped = futures_ready(&mut stop).await;
        }
        screen.close();
        self.report(name, is_stopped, json);
        Ok(if is_stopped || !self.refused.is_empty() {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        })
    }

    /// Sends a batch until the sink has given an answer to each event. What fails as a whole is sent in halves;
    /// an event that makes the sink hang up even alone is refused.
    async fn send(&mut self, events: &[LoggedEvent]) -> anyhow::Result<()> {
        for wave in waves(events) {
            let mut since = Instant::now();
            let mut parts = vec![wave];
            while let Some(mut part) = parts.pop() {
                let sent: Vec<_> = part.iter().map(|logged| &logged.event).collect();
                let problem = match self.sink.publish(&sent).await {
                    Ok(answers) => {
                        let (left, problem) = self.count(&part, answers);
                        if left.len() < part.len() {
                            since = Instant::now();
                        }
                        if !left.is_empty() {
                            parts.push(left);
                        }
                        problem
                    }
                    Err(failure) if part.len() > 1 => {
                        let later = part.split_off(part.len() / 2);
                        parts.extend([later, part]);
                        Some(failure.to_string())
                    }
                    Err(failure)
                        if failure.is_hang_up && self.sink.would_take_events().await.is_ok() =>
                    {
                        self.refused
                            .extend(part.iter().map(|logged| logged.event.id));
                        None
                    }
                    Err(failure) => {
                        parts.push(part);
                        Some(failure.to_string())
                    }
                };
                if let Some(problem) = problem {
                    if since.elapsed() >= GIVE_UP_AFTER {
                        bail!("the sink takes no events: {problem}");
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        self.last = events.last().map(|logged| logged.event.id);
        Ok(())
    }

    /// Counts answers. Returns the events that the sink could not take at present, and why.
    fn count<'a>(
        &mut self,
        part: &[&'a LoggedEvent],
        answers: Vec<Answer>,
    ) -> (Vec<&'a LoggedEvent>, Option<String>) {
        let mut left = Vec::new();
        let mut problem = None;
        for (event, answer) in part.iter().zip(answers) {
            match answer {
                Answer::Accepted => self.published += 1,
                Answer::Refused(_) => self.refused.push(event.event.id),
                Answer::Unavailable(_, text) => {
                    problem = Some(text);
                    left.push(*event);
                }
            }
        }
        (left, problem)
    }

    fn how_to_go_on(&self) -> String {
        match self.last {
            Some(last) => format!(
                "{} events were published; go on with the same command and --after {last}",
                count(self.published)
            ),
            None => "no event was published for sure; run the same command again".to_owned(),
        }
    }

    fn report(&self, name: &str, is_stopped: bool, json: bool) {
        if json {
            let report = json!({
                "sink": name,
                "published": self.published,
                "refused": self.refused,
                "complete": !is_stopped,
                "last": self.last,
            });
            println!("{report:#}");
            return;
        }
        if is_stopped {
            println!("Stopped: {}.", self.how_to_go_on());
        } else {
            println!("{} events were published to {name}.", count(self.published));
        }
        if !self.refused.is_empty() {
            let named: Vec<_> = self
                .refused
                .iter()
                .take(NAMED_MAX)
                .map(ToString::to_string)
                .collect();
            println!(
                "{} were refused, such as {}.",
                count(self.refused.len() as u64),
                named.join(", ")
            );
        }
    }
}

/// True if the future is ready now.
async fn futures_ready(future: &mut (impl Future<Output = ()> + Unpin)) -> bool {
    tokio::select! {
        biased;
        () = future => true,
        () = std::future::ready(()) => false,
    }
}
