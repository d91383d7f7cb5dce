//! Looks at the server: what it is, and the settings that a session can't change, or does not.

use sqlx::PgConnection;
use tokio::time::Instant;

use crate::{
    app::database::may_lose_commits,
    config::Config,
    db::{self, server::ServerSettings, server_state::ServerState},
};

use super::{
    super::{configuration::apart, report::Line},
    AUTOVACUUM, ENCODING, FSYNC, IDLE_TIMEOUTS, SYNCHRONOUS_COMMIT, VERSION, WRITABLE, within,
};

/// The major versions that the service is tested with.
const VERSIONS: std::ops::RangeInclusive<i32> = 15..=18;

/// Looks at what the server is and at the settings that a session can't change, or does not.
pub(super) async fn look(
    config: &Config,
    connection: &mut PgConnection,
    until: Instant,
) -> Vec<Line> {
    let (state, settings) = match within(until, async {
        let state = db::server_state::read(connection).await?;
        Ok((state, db::server::settings(connection).await?))
    })
    .await
    {
        Ok(read) => read,
        Err(error) => {
            let ids = [
                VERSION,
                WRITABLE,
                FSYNC,
                SYNCHRONOUS_COMMIT,
                IDLE_TIMEOUTS,
                AUTOVACUUM,
                ENCODING,
            ];
            return ids.map(|id| Line::not_seen(id, error.to_string())).to_vec();
        }
    };
    vec![
        version(&state, &settings.version),
        if state.is_standby {
            let remedy = "point database.url at the primary, or name all hosts with target_session_attrs=read-write";
            Line::not_well(WRITABLE, "it is a standby, which takes no writes", remedy)
        } else {
            Line::well(WRITABLE, "it is a primary")
        },
        durability(&settings),
        synchronous_commit(&state),
        idle_timeouts(config, &state),
        autovacuum(&state),
        if state.encoding == "UTF8" {
            Line::well(ENCODING, "the database is in UTF-8")
        } else {
            let found = format!(
                "the database is in {}, and names may have any character",
                state.encoding
            );
            Line::not_well(
                ENCODING,
                found,
                "create the database anew with encoding 'UTF8'",
            )
        },
    ]
}

fn version(state: &ServerState, name: &str) -> Line {
    let major = state.version_number / 10_000;
    if VERSIONS.contains(&major) {
        return Line::well(VERSION, format!("PostgreSQL {name}"));
    }
    let (least, most) = (VERSIONS.start(), VERSIONS.end());
    let found = format!("PostgreSQL {name} is none of the versions {least} to {most}");
    Line::not_well(VERSION, found, format!("use PostgreSQL {least} to {most}"))
}

fn durability(settings: &ServerSettings) -> Line {
    match may_lose_commits(settings) {
        None => Line::well(FSYNC, "fsync and full_page_writes are on"),
        Some(warning) => {
            let (found, remedy) = apart(warning);
            Line::not_well(
                FSYNC,
                found,
                format!("{remedy} in postgresql.conf and restart PostgreSQL"),
            )
        }
    }
}

/// Judges the connection's own value, which it sets itself.
fn synchronous_commit(state: &ServerState) -> Line {
    let present = state.setting("synchronous_commit");
    let default = state.default_of("synchronous_commit");
    if !["on", "remote_apply"].contains(&present) {
        let found =
            format!("synchronous_commit is {present}: a confirmed checkout may be lost in a crash");
        return Line::not_well(SYNCHRONOUS_COMMIT, found, "see if a pooler resets it");
    }
    let found = if present == default {
        format!("synchronous_commit is {present}")
    } else {
        format!("the default is {default}, and our connections set synchronous_commit to {present}")
    };
    Line::well(SYNCHRONOUS_COMMIT, found)
}

/// Looks for limits that end sessions while they wait in a pool, or transactions before our own limit does.
fn idle_timeouts(config: &Config, state: &ServerState) -> Line {
    if let Some(idle_ms @ 1..) = state.number("idle_session_timeout") {
        return Line::not_well(
            IDLE_TIMEOUTS,
            format!("idle_session_timeout ends our connections after {idle_ms} ms in their pool"),
            "alter role … set idle_session_timeout = 0 for the role that serves",
        );
    }
    let longest_ms = config.transaction_ms_max + config.commit_ms_max;
    match state.number("transaction_timeout") {
        Some(limit_ms) if (1..longest_ms).contains(&limit_ms) => Line::not_well(
            IDLE_TIMEOUTS,
            format!(
                "transaction_timeout is {limit_ms} ms, and a transaction may take {longest_ms} ms by our limits"
            ),
            "alter role … set transaction_timeout = 0 for the role that serves",
        ),
        _ => Line::well(
            IDLE_TIMEOUTS,
            "no limit of the server ends our connections or transactions early",
        ),
    }
}

fn autovacuum(state: &ServerState) -> Line {
    let off: Vec<_> = ["autovacuum", "track_counts"]
        .into_iter()
        .filter(|name| state.setting(name) == "off")
        .collect();
    if off.is_empty() {
        Line::well(AUTOVACUUM, "autovacuum is on")
    } else {
        let found = format!(
            "{} off: dead rows pile up, and every statement gets slower",
            off.join(" and ")
        );
        Line::not_well(
            AUTOVACUUM,
            found,
            "turn on autovacuum and track_counts in postgresql.conf",
        )
    }
}
