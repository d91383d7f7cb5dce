//! `splitcart events`: the contract of events, for consumers.

use std::{fs, path::PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::{Map, Value};

use crate::outbox::schemas;

use super::contract::print;

const EXAMPLES: &str = "\
Examples:
  splitcart events schemas | jq 'keys'
                                        the types of events, each with its version
  splitcart events schemas | jq '.[\"order_created.v1.json\"]'
                                        the schema of one type
  splitcart events schemas --dir docs/events
                                        a file for each, after a change to src/domain/event.rs

docs/events.md explains the contract.";

/// Print the contract of events
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct EventsArgs {
    #[command(subcommand)]
    command: EventsCommand,
}

#[derive(Clone, Debug, Subcommand)]
enum EventsCommand {
    /// Print the JSON Schemas of all events, as one object by their file names
    #[command(after_help = EXAMPLES)]
    Schemas {
        /// Write each schema to a file in this directory instead
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
}

/// # Errors
/// The schemas can't be written.
pub fn run(args: &EventsArgs) -> anyhow::Result<()> {
    let EventsCommand::Schemas { dir } = &args.command;
    let Some(dir) = dir else {
        let by_name: Map<String, Value> = schemas::all()
            .into_iter()
            .map(|named| (named.file_name, named.schema))
            .collect();
        return Ok(print(&format!("{:#}", Value::Object(by_name)))?);
    };
    let in_dir = || format!("can't write to {}", dir.display());
    fs::create_dir_all(dir).with_context(in_dir)?;
    for named in schemas::all() {
        fs::write(dir.join(&named.file_name), named.text()).with_context(in_dir)?;
    }
    Ok(())
}
