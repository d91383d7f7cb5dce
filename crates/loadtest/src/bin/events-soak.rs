//! Keeps events coming for a long time, with an old snapshot open for a part of it: see `events_soak` in the
//! library.

use std::process::ExitCode;

fn main() -> ExitCode {
    loadtest::events_soak::main()
}
