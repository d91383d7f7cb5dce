//! The command line.

mod embedded;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The checkout core of a B2B marketplace.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start a private PostgreSQL and Redis, alone or around a command.
    Embedded(embedded::EmbeddedArgs),
}

impl Cli {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Embedded(args) => embedded::run(args).await,
        }
    }
}
