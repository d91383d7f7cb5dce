//! Metrics of the process itself.

use super::{Section, counter, gauge, histogram};

pub(super) const PROCESS: Section = Section {
    title: "The process",
    question: "What does it take from the machine?",
    entries: &[
        gauge(
            "splitcart_build_info",
            &["version"],
            "1; the version of the program is its label",
            "Several versions at once for longer than a roll-out: an instance was left behind",
        ),
        histogram(
            "splitcart_event_loop_lag_seconds",
            &["thread"],
            "Time by which a timer of a thread's event loop was late",
            "Above 10 ms for minutes: the thread has more to do than one core gives, or the machine is \
             overcommitted. `http-…` threads: `http.workers`; `actors`: batches and reservations",
        ),
        counter(
            "splitcart_log_lines_dropped_total",
            &[],
            "Log lines dropped because their reader stalled",
            "See what reads the log: journald, the container's runtime, a full disk",
        ),
        counter(
            "splitcart_spans_exported_total",
            &[],
            "Spans that the collector of traces has taken",
            "None although traces are on: see the other counter, and what is kept (docs/traces.md)",
        ),
        counter(
            "splitcart_spans_dropped_total",
            &["reason"],
            "Spans dropped because too many waited to be sent, or because the collector did not take them",
            "`queue_full`: keep a smaller share (`telemetry.trace_ratio`), or raise \
             `OTEL_BSP_MAX_QUEUE_SIZE`; `not_taken`: see the collector, and the log",
        ),
        counter(
            "process_cpu_seconds_total",
            &[],
            "CPU time of the process, user and system",
            "As many seconds a second as there are cores: add capacity",
        ),
        gauge(
            "process_open_fds",
            &[],
            "Open file descriptors of the process",
            "Growth without more connections is a leak",
        ),
        gauge(
            "process_max_fds",
            &[],
            "Open file descriptors that the process may have",
            "Raise the limit (`LimitNOFILE`, `ulimit -n`): it bounds the connections",
        ),
        gauge(
            "process_resident_memory_bytes",
            &[],
            "Memory of the process that is in RAM",
            "It follows connections, waiting checkouts and actors. Steady growth at a steady load is a \
             leak",
        ),
        gauge(
            "process_start_time_seconds",
            &[],
            "Unix time at which the process started",
            "Changes without a deployment: it crashed or was killed, see the log and the system's",
        ),
    ],
};
