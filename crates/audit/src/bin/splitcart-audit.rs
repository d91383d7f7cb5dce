//! The program behind `splitcart audit`.

use std::process::ExitCode;

use audit::{AuditArgs, run};
use mimalloc::MiMalloc;
use splitcart::cli::tool::{Start, tool_main};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    tool_main("audit", async |args: AuditArgs, start: Start| {
        run(&args, &start.config, start.data_dir.as_deref()).await
    })
}
