//! The program behind `splitcart loadtest`.

use std::process::ExitCode;

use loadtest::LoadtestArgs;
use mimalloc::MiMalloc;
use splitcart::cli::tool::{Start, tool_main};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    tool_main("loadtest", async |args: Box<LoadtestArgs>, start: Start| {
        let (config_file, data_dir) = (start.config_file.as_deref(), start.data_dir.as_deref());
        Box::pin(loadtest::run(&args, &start.config, config_file, data_dir)).await
    })
}
