//! `splitcart outbox`: what operators ask about events, and do with them.
//!
//! | command | file |
//! |---|---|
//! | `status`, `forget` | `status` |
//! | `list`, `show` | `events` |
//! | `retry`, `discard` | `dead` |
//! | `republish` | `republish` |

mod dead;
mod events;
mod moment;
mod republish;
mod status;

use std::{path::Path, process::ExitCode};

use clap::{Args, Subcommand};

use splitcart::{
    cli::services::{self, Services},
    config::{Config, Sink},
};

const EXAMPLES: &str = "\
Examples:
  splitcart outbox status                         each sink: what waits, since when, dead letters
  splitcart outbox list                           the events that a sink has yet to take, oldest first
  splitcart outbox list --dead --sink stream      the dead letters of one sink
  splitcart outbox show 01a2…                     one event, and its state in every sink
  splitcart outbox retry --dead                   send all dead letters again
  splitcart outbox discard 01a2…                  give a dead letter up
  splitcart outbox republish --sink stream --from 2h
                                                  fill a stream that was lost two hours ago
  splitcart outbox status --json | jq '.sinks[] | select(.dead_letters > 0)'
                                                  for a script

`status`, `list` and `show` change nothing.";

/// Show events and their sinks, send dead letters again, publish events anew
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct OutboxArgs {
    #[command(subcommand)]
    command: Command,
    /// Print the result as JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Clone, Debug, Subcommand)]
enum Command {
    /// Each sink: what waits, since when, and dead letters
    Status,
    List(events::ListArgs),
    Show(events::ShowArgs),
    Retry(dead::RetryArgs),
    Discard(dead::DiscardArgs),
    Forget(status::ForgetArgs),
    Republish(republish::RepublishArgs),
}

/// Runs the command. The status is 1 if what was named does not exist, or if not everything was published.
///
/// # Errors
/// PostgreSQL or a sink can't be reached, or the command makes no sense with these settings.
pub async fn run(
    args: OutboxArgs,
    config: &Config,
    data_dir: Option<&Path>,
) -> anyhow::Result<ExitCode> {
    let OutboxArgs { command, json } = args;
    if let Command::Republish(args) = &command {
        // It ends in its own way at a signal.
        let services = Services::get(config, data_dir).await?;
        let urls = services.urls.clone();
        let published = republish::run(args, config, &urls, json).await;
        services.stop().await?;
        return published;
    }
    Services::during(config, data_dir, async |urls| {
        let mut connection = services::connect(&urls.database).await?;
        let configured: Vec<_> = config.outbox.sinks.iter().map(Sink::name).collect();
        match &command {
            Command::Status => status::run(&mut connection, &configured, json).await,
            Command::Forget(args) => status::forget(&mut connection, args, &configured, json).await,
            Command::List(args) => events::list(&mut connection, args, json).await,
            Command::Show(args) => events::show(&mut connection, args, json).await,
            Command::Retry(args) => dead::retry(&mut connection, args, json).await,
            Command::Discard(args) => dead::discard(&mut connection, args, json).await,
            Command::Republish(_) => unreachable!("it has returned above"),
        }
    })
    .await
}
