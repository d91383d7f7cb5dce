//! `splitcart outbox retry` and `discard`.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use splitcart::{
    db::outbox::operators::{self, Scope},
    domain::ids::EventId,
};

const RETRY_EXAMPLES: &str = "\
Examples:
  splitcart outbox retry 01a2… 01a3…              send these again, in all sinks that refused them
  splitcart outbox retry --dead --sink nats       send all dead letters of one sink again

Attempts are counted from 0 again. The service must run: it sends them.";

const DISCARD_EXAMPLES: &str = "\
Examples:
  splitcart outbox show 01a2…                     look at it first
  splitcart outbox discard 01a2…                  give it up in all sinks that refused it
  splitcart outbox discard 01a2… --sink nats      give it up in one sink

Other sinks still get the event.";

/// Send dead letters again
#[derive(Args, Clone, Debug)]
#[command(after_help = RETRY_EXAMPLES)]
pub(crate) struct RetryArgs {
    /// The events
    #[arg(required_unless_present = "dead", conflicts_with = "dead")]
    ids: Vec<Uuid>,
    /// All dead letters
    #[arg(long)]
    dead: bool,
    /// Only in this sink
    #[arg(long, value_name = "NAME")]
    sink: Option<String>,
}

/// Give dead letters up: their sinks never get them
#[derive(Args, Clone, Debug)]
#[command(after_help = DISCARD_EXAMPLES)]
pub(crate) struct DiscardArgs {
    /// The events
    #[arg(required = true)]
    ids: Vec<Uuid>,
    /// Only in this sink
    #[arg(long, value_name = "NAME")]
    sink: Option<String>,
}

pub(crate) async fn retry(
    connection: &mut PgConnection,
    args: &RetryArgs,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let ids = event_ids(&args.ids);
    let scope = Scope {
        ids: (!args.dead).then_some(&ids),
        sink: args.sink.as_deref(),
    };
    let changed = operators::retry(connection, scope).await?;
    let outcome = "will be sent again";
    Ok(report(changed, "retried", outcome, args.dead, json))
}

pub(crate) async fn discard(
    connection: &mut PgConnection,
    args: &DiscardArgs,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let ids = event_ids(&args.ids);
    let scope = Scope {
        ids: Some(&ids),
        sink: args.sink.as_deref(),
    };
    let changed = operators::discard(connection, scope).await?;
    Ok(report(changed, "discarded", "given up", false, json))
}

fn event_ids(ids: &[Uuid]) -> Vec<EventId> {
    ids.iter().copied().map(EventId::new).collect()
}

/// Naming what is no dead letter is a mistake; having none at all is not.
fn report(changed: u64, verb: &str, outcome: &str, may_be_none: bool, json: bool) -> ExitCode {
    if json {
        println!("{:#}", json!({ verb: changed }));
    } else {
        match changed {
            0 if may_be_none => println!("There are no dead letters."),
            0 => println!(
                "None of these is a dead letter; `splitcart outbox list --dead` lists them."
            ),
            1 => println!("1 dead letter: {outcome}."),
            many => println!("{many} dead letters: {outcome}."),
        }
    }
    if changed == 0 && !may_be_none {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}
