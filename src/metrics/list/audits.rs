//! Metrics of the audit, which `splitcart audit --metrics` writes into a file.

use super::{Section, gauge};

pub(super) const AUDIT: Section = Section {
    title: "The audit",
    question: "Does everything in the database agree? `splitcart audit --metrics FILE` writes these into a file, for \
               the textfile collector of Prometheus' node exporter.",
    entries: &[
        gauge(
            "splitcart_audit_broken",
            &["rule"],
            "Rows that break a rule of the audit, as of the last one",
            "`splitcart audit` names the rows. Anything but 0 is a bug or a change by hand",
        ),
        gauge(
            "splitcart_audit_last_run_timestamp_seconds",
            &[],
            "Unix time at which the last audit ended",
            "Older than the interval of its timer: the job fails or does not run",
        ),
        gauge(
            "splitcart_audit_duration_seconds",
            &[],
            "Time that the last audit took",
            "It grows with the tables; audit a standby if it disturbs the service",
        ),
    ],
};
