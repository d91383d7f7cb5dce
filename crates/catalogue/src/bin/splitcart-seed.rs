//! The program behind `splitcart seed`.

use std::process::ExitCode;

use catalogue::cli::seed::{SeedArgs, run_command};
use mimalloc::MiMalloc;
use splitcart::cli::tool::{Start, tool_main};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    tool_main("seed", async |args: SeedArgs, start: Start| {
        run_command(&args, &start.config, start.data_dir.as_deref()).await?;
        Ok(ExitCode::SUCCESS)
    })
}
