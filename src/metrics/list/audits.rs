//! Metrics of the audit, which `splitcart audit --metrics` writes into a file.

use super::{Section, gauge};

/// The rows that break each rule.
pub const BROKEN: &str = "splitcart_audit_broken";
/// The time at which the audit ended.
pub const LAST_RUN: &str = "splitcart_audit_last_run_timestamp_seconds";
/// The time that it took.
pub const DURATION: &str = "splitcart_audit_duration_seconds";

pub(super) const AUDIT: Section = Section {
    title: "The audit",
    question: "Does everything in the database agree? `splitcart audit --metrics FILE` writes these into a file, for \
               the textfile collector of Prometheus' node exporter, and for the console (`ops.audit_file`).",
    entries: &[
        gauge(
            BROKEN,
            &["rule"],
            "Rows that break a rule of the audit, as of the last one",
            "`splitcart audit` names the rows. Anything but 0 is a bug or a change by hand",
        ),
        gauge(
            LAST_RUN,
            &[],
            "Unix time at which the last audit ended",
            "Older than the interval of its timer: the job fails or does not run",
        ),
        gauge(
            DURATION,
            &[],
            "Time that the last audit took",
            "It grows with the tables; audit a standby if it disturbs the service",
        ),
    ],
};
