//! How the fault benchmark (`benches/faults`) reads and judges what it has measured. A benchmark
//! without a harness has no tests of its own, so its pure files are compiled here once more.
#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]
#![expect(dead_code, reason = "what only the benchmark calls is not called here")]

mod events_are_counted;
mod rows_are_judged;
mod statements_are_known;

#[path = "../../benches/faults/floors.rs"]
mod floors;
#[path = "../../benches/faults/frames.rs"]
mod frames;
#[path = "../../benches/faults/judge.rs"]
mod judge;
#[path = "../../benches/faults/record.rs"]
mod record;
#[path = "../../benches/faults/rows.rs"]
mod rows;
