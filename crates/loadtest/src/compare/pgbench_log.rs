//! pgbench's log of transactions, read as a figure. Pure.

use anyhow::{Context, ensure};

use crate::compare::figures::Figure;

const MICROS: u64 = 1_000_000;

/// A transaction that has ended, in microseconds.
struct Done {
    at: u64,
    took: u64,
}

/// Reads a log of `pgbench --log`: of what was begun in its first `warmup_s` seconds nothing counts,
/// and a rate is of what ended in the `seconds` after them, as a load test counts.
pub fn figure(log: &str, warmup_s: u32, seconds: u32) -> anyhow::Result<Figure> {
    let done = log.lines().map(read).collect::<anyhow::Result<Vec<_>>>()?;
    let start = done.iter().map(|it| it.at.saturating_sub(it.took)).min();
    let begin = start.context("pgbench has logged nothing")? + u64::from(warmup_s) * MICROS;
    let end = begin + u64::from(seconds) * MICROS;
    let ended = done.iter().filter(|it| (begin..end).contains(&it.at));
    let per_second = ended.count() as f64 / f64::from(seconds);

    let counts = |it: &&Done| (begin..end).contains(&it.at.saturating_sub(it.took));
    let mut latencies: Vec<_> = done.iter().filter(counts).map(|it| it.took).collect();
    latencies.sort_unstable();
    ensure!(
        !latencies.is_empty(),
        "no textbook transaction was begun in {seconds} s"
    );
    let at = |percent: usize| {
        let rank = (latencies.len() * percent).div_ceil(100).max(1);
        latencies[rank - 1] as f64 / 1000.0
    };
    Ok(Figure {
        per_second,
        p50_ms: at(50),
        p99_ms: at(99),
        max_ms: at(100),
    })
}

/// `client transaction microseconds script epoch_seconds epoch_microseconds`.
fn read(line: &str) -> anyhow::Result<Done> {
    let fields: Vec<_> = line.split(' ').collect();
    let field = |number: usize| fields.get(number)?.parse::<u64>().ok();
    let done = || {
        let (took, seconds, micros) = (field(2)?, field(4)?, field(5)?);
        Some(Done {
            at: seconds * MICROS + micros,
            took,
        })
    };
    done().with_context(|| format!("pgbench has logged what is no finished transaction: {line}"))
}
