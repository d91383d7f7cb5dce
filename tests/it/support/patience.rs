//! Settings with which a busy machine or a slow disk refuses no checkout, for tests of something else than
//! limits of time. Each is shorter than the time that a test waits for a condition.

/// The limits of what the machine may make slow: waiting for a transaction, the transaction, its commit, and
/// waiting for rows that other transactions hold.
pub const PATIENT: [(&str, &str); 4] = [
    ("SPLITCART_QUEUE_WAIT_MS_MAX", "25000"),
    ("SPLITCART_TRANSACTION_MS_MAX", "25000"),
    ("SPLITCART_COMMIT_MS_MAX", "25000"),
    ("SPLITCART_HELD_WAIT_MS_MAX", "25000"),
];
/// A checkout may wait for a row in its batch for as long as the test holds it.
pub const LONG_LOCKS: (&str, &str) = ("SPLITCART_LOCK_MS_MAX", "25000");
/// A busy machine is no failure of Redis.
pub const SLOW_REDIS: (&str, &str) = ("SPLITCART_REDIS_TIMEOUT_MS", "10000");

/// [`PATIENT`] and further settings.
pub fn patient<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&PATIENT[..], more].concat()
}
