//! pgbench's log is read.

use crate::compare::pgbench_log::figure;

/// A client that works without a pause from `start` on, in milliseconds.
fn log(start: u64, end: u64, took: u64) -> String {
    let ends = (start..end).step_by(took.try_into().unwrap());
    let line = |begin: u64| {
        let at = begin + took;
        let micros = at % 1000 * 1000;
        format!(
            "0 1 {} 0 {} {micros}\n",
            took * 1000,
            1_700_000_000 + at / 1000
        )
    };
    ends.map(line).collect()
}

#[test]
fn the_warm_up_does_not_count() {
    let slow_then_quick = log(0, 2000, 100) + &log(2000, 5000, 10);
    let figure = figure(&slow_then_quick, 2, 3).unwrap();
    // A transaction that ends with the window is outside of it.
    assert!((figure.per_second - 100.0).abs() < 0.5, "{figure:?}");
    for latency in [figure.p50_ms, figure.p99_ms, figure.max_ms] {
        assert!((latency - 10.0).abs() < 1e-9, "{figure:?}");
    }
}

#[test]
fn what_ends_after_the_window_is_slow_but_not_part_of_the_rate() {
    let figure = figure(&(log(0, 1000, 10) + &log(990, 991, 500)), 0, 1).unwrap();
    assert!((figure.per_second - 99.0).abs() < 0.5, "{figure:?}");
    assert!((figure.max_ms - 500.0).abs() < 1e-9, "{figure:?}");
}

#[test]
fn what_failed_is_not_passed_over() {
    let error = figure("0 1 failed 0 100 0\n", 0, 1).unwrap_err();
    assert!(error.to_string().contains("failed"), "{error}");
    assert!(figure("", 0, 1).is_err());
}
