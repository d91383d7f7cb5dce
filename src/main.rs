//! The `splitcart` program.

mod cli;

use std::process::ExitCode;

use clap::Parser;

fn main() -> anyhow::Result<ExitCode> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    let cli = cli::Cli::parse();
    actix_rt::System::new().block_on(cli.run())
}
