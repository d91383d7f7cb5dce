//! The program behind `splitcart top`.

use std::process::ExitCode;

use mimalloc::MiMalloc;
use splitcart::cli::tool::{Start, tool_main};
use top::{TopArgs, run};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    tool_main("top", async |args: TopArgs, start: Start| {
        run(args, &start.config).await
    })
}
