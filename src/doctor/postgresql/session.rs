//! Looks at a session with the settings of the pools: they may be refused, or get lost on their way.

use std::time::Duration;

use tokio::time::Instant;

use crate::{
    config::{Config, PoolMode},
    db::{
        self,
        pool::{Limits as PoolLimits, Workload},
        server_state::ServerState,
    },
};

use super::{
    super::{Subject, report::Line},
    ISOLATION, PLANNER, SESSION_SETTINGS, within,
};

const ALL: [&str; 3] = [SESSION_SETTINGS, PLANNER, ISOLATION];
const REMEDY: &str = "if a pooler is in front of PostgreSQL, see docs/postgresql.md";

/// Looks over a connection with the settings of the pools: they may be refused, or get lost on their way.
pub(super) async fn look(subject: &Subject, until: Instant) -> Vec<Line> {
    let Some(servers) = &subject.servers else {
        return Vec::new();
    };
    let limits = pool_limits(&subject.config, subject.limit);
    let url = &servers.database;
    match within(until, db::pooler_check::find_contradiction(url, limits)).await {
        Ok(None) => {}
        Ok(Some(contradiction)) => {
            let not_well = |id| Line::not_well(id, contradiction.to_string(), REMEDY);
            return ALL.map(not_well).to_vec();
        }
        Err(error) => return no_session(&error),
    }
    if subject.config.database.pool_mode == PoolMode::Transaction {
        let well = |id| Line::well(id, "every transaction brings it along behind the pooler");
        return ALL.map(well).to_vec();
    }
    let reading = async {
        let mut session = db::pool::connect_as(url, "splitcart doctor", limits).await?;
        db::server_state::read(&mut session).await
    };
    match within(until, reading).await {
        Ok(state) => judge_session(&subject.config, &state),
        Err(error) => no_session(&error),
    }
}

/// The lines if no connection with our settings can be made.
fn no_session(error: &db::Error) -> Vec<Line> {
    if error.is_of_a_standby() {
        let unseen = |id| Line::not_seen(id, "the service makes no connections to a standby");
        return ALL.map(unseen).to_vec();
    }
    let refused = Line::not_well(
        SESSION_SETTINGS,
        format!("PostgreSQL refuses the settings of our connections: {error}"),
        REMEDY,
    );
    let rest = [PLANNER, ISOLATION];
    let rest = rest.map(|id| Line::not_seen(id, "no connection with our settings can be made"));
    [vec![refused], rest.to_vec()].concat()
}

fn pool_limits(config: &Config, connect_max: Duration) -> PoolLimits {
    PoolLimits {
        workload: Workload::Reads,
        connections_max: 1,
        acquire_wait_max: connect_max,
        statement_max: config.transaction_limit(),
        lock_wait_max: config.transaction_limit(),
    }
}

fn judge_session(config: &Config, state: &ServerState) -> Vec<Line> {
    let limit_ms = state.number("statement_timeout");
    let limits = if limit_ms == Some(config.transaction_ms_max) {
        Line::well(
            SESSION_SETTINGS,
            "the time limits of our connections reach PostgreSQL",
        )
    } else {
        let limit =
            limit_ms.map_or_else(String::new, |ms| format!(": statement_timeout is {ms} ms"));
        let found = format!("the time limits of our connections do not reach PostgreSQL{limit}");
        Line::not_well(SESSION_SETTINGS, found, REMEDY)
    };
    let lost: Vec<_> = Workload::Reads
        .planner_settings()
        .filter(|(name, value)| state.setting(name) != *value)
        .map(|(name, value)| format!("{name} is {} and not {value}", state.setting(name)))
        .collect();
    let planner = if lost.is_empty() {
        Line::well(
            PLANNER,
            "the planner works by keys and indexes in our connections",
        )
    } else {
        Line::not_well(PLANNER, lost.join(", "), REMEDY)
    };
    let isolation = state.setting("default_transaction_isolation");
    let read_only = state.setting("default_transaction_read_only");
    let isolation = if isolation == "read committed" && read_only == "off" {
        Line::well(
            ISOLATION,
            "our transactions are read committed and read-write",
        )
    } else {
        let found = format!("our transactions are {isolation}, and read-only is {read_only}");
        Line::not_well(ISOLATION, found, REMEDY)
    };
    vec![limits, planner, isolation]
}
