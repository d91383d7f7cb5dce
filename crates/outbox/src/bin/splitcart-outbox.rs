//! The program behind `splitcart outbox`.

use std::process::ExitCode;

use mimalloc::MiMalloc;
use outbox::{OutboxArgs, run};
use splitcart::cli::tool::{Start, tool_main};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    tool_main("outbox", async |args: OutboxArgs, start: Start| {
        run(args, &start.config, start.data_dir.as_deref()).await
    })
}
