//! Kills, freezes and empties brokers while events pass: see `events_bench` in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    loadtest::events_bench::main()
}
