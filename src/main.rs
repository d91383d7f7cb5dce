//! The `splitcart` program.

mod cli;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    let cli = cli::Cli::parse();
    match actix_rt::System::new().block_on(cli.run()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("splitcart: {error:#}");
            ExitCode::FAILURE
        }
    }
}
