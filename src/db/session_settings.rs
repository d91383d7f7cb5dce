//! The settings that our statements need: limits of time, durability, and the planner's. Each connection is
//! given them once, or each transaction, if its connection's session may change between two.
//!
//! None is sent as a startup parameter: poolers refuse or drop those that they do not know.

use std::time::Duration;

use super::pool::{Limits, Workload};

/// The interval in ms at which the server checks during a statement that its client still exists. Locks of
/// a transaction whose client disappeared in the middle of a statement are free after this time.
const CONNECTION_CHECK_MS: &str = "250";

/// The planner's settings of a workload.
pub(super) fn of_planner(workload: Workload) -> impl Iterator<Item = (&'static str, &'static str)> {
    // A statement is planned once per connection, for an unknown number of keys, and possibly while its
    // tables are empty. Nested loops over the keys' indexes are right for one key and for a thousand; a plan
    // that looks cheaper for an empty table scans all of it when it has a million rows. The checks of
    // foreign keys are such statements, too.
    let by_keys = [
        ("plan_cache_mode", "force_generic_plan"),
        ("enable_seqscan", "off"),
        ("enable_hashjoin", "off"),
        ("enable_mergejoin", "off"),
        ("jit", "off"),
    ];
    // A bitmap scan loses the index's sequence: the whole list would be read and sorted for its first rows.
    let in_order = ("enable_bitmapscan", "off");
    let in_order = (workload == Workload::Reads).then_some(in_order);
    by_keys.into_iter().chain(in_order)
}

/// Names and values of the settings that hold in a session and in a transaction.
pub(super) fn of_transactions(limits: &Limits) -> Vec<(&'static str, String)> {
    let ms = |time: Duration| time.as_millis().to_string();
    let mut settings = vec![
        ("statement_timeout", ms(limits.statement_max)),
        ("lock_timeout", ms(limits.lock_wait_max)),
        (
            "idle_in_transaction_session_timeout",
            ms(limits.statement_max),
        ),
        (
            "client_connection_check_interval",
            CONNECTION_CHECK_MS.to_owned(),
        ),
    ];
    let of_planner = of_planner(limits.workload);
    settings.extend(of_planner.map(|(name, value)| (name, value.to_owned())));
    settings
}

/// The settings that only a session can have, for sessions that are ours alone.
const OF_SESSIONS: [(&str, &str); 6] = [
    // The server's detection of a dead client. For this end sqlx has no options.
    ("tcp_keepalives_idle", "10"),
    ("tcp_keepalives_interval", "5"),
    ("tcp_keepalives_count", "3"),
    ("tcp_user_timeout", "10000"),
    // What `begin` says where the session is not ours.
    ("default_transaction_isolation", "read committed"),
    ("default_transaction_read_only", "off"),
];

/// Ensures that a commit is on disk when it returns, whatever the default of a role or a database is.
/// Leaves `remote_apply`, which promises more, as it is.
pub(super) fn pin_synchronous_commit(scope: Scope) -> String {
    format!(
        "case when current_setting('synchronous_commit') not in ('on', 'remote_apply')
            then set_config('synchronous_commit', 'on', {}) end",
        scope.is_local()
    )
}

/// The time for which settings hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    Session,
    Transaction,
}

impl Scope {
    /// The last argument of `set_config`.
    fn is_local(self) -> bool {
        self == Self::Transaction
    }
}

/// The columns of a `select` that makes the settings. Only our own words and numbers stand in them.
pub(super) fn as_columns(limits: &Limits, scope: Scope) -> String {
    let mut settings = of_transactions(limits);
    if scope == Scope::Session {
        let of_sessions = OF_SESSIONS.iter();
        settings.extend(of_sessions.map(|(name, value)| (*name, (*value).to_owned())));
    }
    let is_local = scope.is_local();
    let mut columns: Vec<_> = settings
        .iter()
        .map(|(name, value)| format!("set_config('{name}', '{value}', {is_local})"))
        .collect();
    columns.push(pin_synchronous_commit(scope));
    columns.join(", ")
}
