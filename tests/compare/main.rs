//! How the comparison (`benches/compare`) reads and judges what it has measured. A benchmark without
//! a harness has no tests of its own, so its pure files are compiled here once more.
#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]
#![expect(
    dead_code,
    reason = "what only the comparison calls is not called here"
)]

mod bars_judge;
mod floors_hold;
mod logs_are_read;

#[path = "../../benches/compare/bars.rs"]
mod bars;
#[path = "../../benches/compare/figures.rs"]
mod figures;
#[path = "../../benches/compare/floors.rs"]
mod floors;
#[path = "../../benches/compare/median.rs"]
mod median;
#[path = "../../benches/compare/pgbench_log.rs"]
mod pgbench_log;
#[path = "../../benches/compare/steps.rs"]
mod steps;
