//! Metrics of PostgreSQL and of Redis, as the service sees them.

use super::{Section, counter, gauge, histogram};

pub(super) const POSTGRESQL: Section = Section {
    title: "PostgreSQL",
    question: "Does it answer, and is there room?",
    entries: &[
        counter(
            "splitcart_database_errors_total",
            &["kind"],
            "Statements that failed and connections that could not be had, by kind",
            "`unreachable`: PostgreSQL is away. `busy`: locks or slow statements. `transient`: deadlocks, \
             retried. `permanent`: rights, schema or a bug, see the log",
        ),
        gauge(
            "splitcart_database_connections",
            &[],
            "Client connections to PostgreSQL, of all its clients",
            "Near the maximum, new connections fail: see which application holds them in \
             `pg_stat_activity`",
        ),
        gauge(
            "splitcart_database_connections_max",
            &[],
            "Client connections that PostgreSQL accepts from the service: `max_connections` or the limit \
             of the role or database, less what is reserved",
            "Should exceed the sum of all instances' `splitcart_pool_connections_max`, with a few left \
             for people",
        ),
        gauge(
            "splitcart_database_lock_waits",
            &[],
            "Sessions of the service's role that wait for a lock in PostgreSQL now",
            "Above 0 for more than seconds: `select pid, pg_blocking_pids(pid) from pg_stat_activity` \
             names the blocking session",
        ),
        gauge(
            "splitcart_database_measured_timestamp_seconds",
            &[],
            "Unix time of the last measurement of PostgreSQL's connections and lock waits",
            "Old: PostgreSQL does not answer the background connections",
        ),
        gauge(
            "splitcart_pool_connections",
            &["pool", "state"],
            "Connections to PostgreSQL, by pool and state",
            "`used` at the pool's maximum for minutes: requests wait for connections. See slow statements \
             first, then the pool's setting",
        ),
        gauge(
            "splitcart_pool_connections_max",
            &["pool"],
            "Most connections to PostgreSQL that a pool may open",
            "[How they add up](operations.md#connections)",
        ),
    ],
};

pub(super) const REDIS: Section = Section {
    title: "Redis",
    question: "Does it answer in time?",
    entries: &[
        histogram(
            "splitcart_redis_command_duration_seconds",
            &[],
            "Round trips of the commands for idempotency keys, failed ones included",
            "Milliseconds: Redis is far, swaps, or runs a slow script (`redis-cli slowlog get`). At \
             `redis.timeout_ms` the service goes on without it for `redis.pause_ms`",
        ),
        counter(
            "splitcart_redis_failures_total",
            &[],
            "Redis commands that failed or timed out",
            "Checkouts go on without Redis and keep every promise; replays come from PostgreSQL. Mend \
             Redis",
        ),
        counter(
            "splitcart_answers_left_out_total",
            &[],
            "First answers not cached in Redis because their store's share is used up",
            "One store sends very many or very large requests: see `idempotency.redis_store_kb_max`",
        ),
    ],
};
