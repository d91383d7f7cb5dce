//! The program behind `splitcart import`.

use std::process::ExitCode;

use catalogue::cli::import::{ImportArgs, run};
use mimalloc::MiMalloc;
use splitcart::cli::tool::{Start, tool_main};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    tool_main("import", async |args: ImportArgs, start: Start| {
        run(&args, &start.config, start.data_dir.as_deref()).await
    })
}
