//! `splitcart audit` at the end of a test.

use std::time::Duration;

use audit::audit;
use splitcart::db::audit::Options;

use super::Database;

/// Long limits: a test that stops the relay or the broker does not start them again before the audit,
/// and the machine may be slow.
pub const PATIENT: Options = Options {
    unpublished_max: Duration::from_mins(10),
    keys_kept: Duration::from_hours(24),
    events_kept: None,
    examples_max: 3,
};

/// Panics with everything that breaks a rule.
pub async fn assert_consistent(database: &Database) {
    let mut connection = database.pool.acquire().await.unwrap();
    let report = audit(&mut connection, PATIENT, &|_| {}).await.unwrap();
    let findings: Vec<_> = report.findings().collect();
    assert!(findings.is_empty(), "{findings:#?}");
}
