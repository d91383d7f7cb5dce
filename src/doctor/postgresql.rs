//! Looks at PostgreSQL, over a connection like those of commands and one like those of the pools.

use std::time::Duration;

use chrono::Utc;
use sqlx::PgConnection;
use tokio::time::{Instant, timeout_at};

use crate::{
    app::database::{Room, SUPERUSER, may_lose_commits, room_for, silent, too_many},
    config::Config,
    db::{
        self,
        migrations::Differences,
        pool::{Limits as PoolLimits, Workload},
        roles::OwnRole,
        server::ServerSettings,
        server_state::ServerState,
    },
};

use super::{
    NOT_RUNNING, Subject,
    configuration::apart,
    report::{Line, clock},
    running::Running,
};

const REACHABLE: &str = "postgresql.reachable";
const SESSION_SETTINGS: &str = "postgresql.session_settings";
const PLANNER: &str = "postgresql.planner";
const ISOLATION: &str = "postgresql.isolation";
const VERSION: &str = "postgresql.version";
const WRITABLE: &str = "postgresql.writable";
const FSYNC: &str = "postgresql.fsync";
const SYNCHRONOUS_COMMIT: &str = "postgresql.synchronous_commit";
const IDLE_TIMEOUTS: &str = "postgresql.idle_timeouts";
const AUTOVACUUM: &str = "postgresql.autovacuum";
const ENCODING: &str = "postgresql.encoding";
const CONNECTIONS: &str = "postgresql.connections";
const MIGRATIONS: &str = "postgresql.migrations";
const ROLE: &str = "postgresql.role";
const PRIVILEGES: &str = "postgresql.privileges";
const CLOCK: &str = "postgresql.clock";

/// The lines that are not seen where no connection can be made.
const BEHIND_A_CONNECTION: [&str; 15] = [
    SESSION_SETTINGS,
    PLANNER,
    ISOLATION,
    VERSION,
    WRITABLE,
    FSYNC,
    SYNCHRONOUS_COMMIT,
    IDLE_TIMEOUTS,
    AUTOVACUUM,
    ENCODING,
    CONNECTIONS,
    MIGRATIONS,
    ROLE,
    PRIVILEGES,
    CLOCK,
];

/// The major versions that the service is tested with.
const VERSIONS: std::ops::RangeInclusive<i32> = 15..=18;

pub(super) async fn look(subject: &Subject, running: impl Future<Output = Running>) -> Vec<Line> {
    let Some(servers) = &subject.servers else {
        let all = [REACHABLE].into_iter().chain(BEHIND_A_CONNECTION);
        return all.map(|id| Line::not_seen(id, NOT_RUNNING)).collect();
    };
    let url = &servers.database;
    let place = db::pool::place_of(url).unwrap_or_default();
    let began = Instant::now();
    let connected = within(began + subject.limit, db::pool::connect(url)).await;
    let mut connection = match connected {
        Ok(connection) => connection,
        Err(error) => return unreachable(&place, &error),
    };
    // A server that begins to hang now is given up as a whole.
    let until = Instant::now() + subject.limit;
    let took_ms = began.elapsed().as_millis();
    let found = format!("{place} lets us in, within {took_ms} ms");
    let mut lines = vec![Line::well(REACHABLE, found)];
    lines.extend(look_at_sessions(subject, until).await);
    lines.extend(look_at_the_server(&subject.config, &mut connection, until).await);
    let room = look_at_room(&subject.config, &mut connection, until, running);
    lines.push(room.await);
    lines.extend(look_at_the_schema(&subject.config, &mut connection, until).await);
    lines.push(look_at_the_clock(&mut connection, until).await);
    lines
}

async fn within<T>(
    until: Instant,
    reading: impl Future<Output = Result<T, db::Error>>,
) -> Result<T, db::Error> {
    timeout_at(until, reading)
        .await
        .unwrap_or_else(|_| Err(silent()))
}

fn unreachable(place: &str, error: &db::Error) -> Vec<Line> {
    let remedy = error.advice().unwrap_or("see the log of PostgreSQL");
    let found = format!("{place} can't be used: {error}");
    let rest = BEHIND_A_CONNECTION.map(|id| Line::not_seen(id, "PostgreSQL can't be reached"));
    [
        vec![Line::not_well(REACHABLE, found, remedy)],
        rest.to_vec(),
    ]
    .concat()
}

/// Looks over a connection with the settings of the pools: they may be refused, or get lost on their way.
async fn look_at_sessions(subject: &Subject, until: Instant) -> Vec<Line> {
    let Some(servers) = &subject.servers else {
        return Vec::new();
    };
    let limits = pool_limits(&subject.config, subject.limit);
    let reading = async {
        let mut session =
            db::pool::connect_as(&servers.database, "splitcart doctor", limits).await?;
        db::server_state::read(&mut session).await
    };
    match within(until, reading).await {
        Ok(state) => judge_session(&subject.config, &state),
        Err(error) => {
            let refused = Line::not_well(
                SESSION_SETTINGS,
                format!("PostgreSQL refuses the settings of our connections: {error}"),
                "if a pooler is in front of PostgreSQL, see \"Poolers\" in docs/operations.md",
            );
            let rest = [PLANNER, ISOLATION];
            let rest =
                rest.map(|id| Line::not_seen(id, "no connection with our settings can be made"));
            [vec![refused], rest.to_vec()].concat()
        }
    }
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
    const LOST: &str = "a pooler in front of PostgreSQL drops our settings: see \"Poolers\" in \
        docs/operations.md";
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
        Line::not_well(SESSION_SETTINGS, found, LOST)
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
        Line::not_well(PLANNER, lost.join(", "), LOST)
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
        Line::not_well(ISOLATION, found, LOST)
    };
    vec![limits, planner, isolation]
}

/// Looks at what the server is and at the settings that a session can't change, or does not.
async fn look_at_the_server(
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

/// Judges the room for this instance. One that runs here has taken its connections already.
async fn look_at_room(
    config: &Config,
    connection: &mut PgConnection,
    until: Instant,
    running: impl Future<Output = Running>,
) -> Line {
    let mut settings = match within(until, db::server::settings(connection)).await {
        Ok(settings) => settings,
        Err(error) => return Line::not_seen(CONNECTIONS, error.to_string()),
    };
    let own = i64::try_from(config.connections_max()).unwrap_or(i64::MAX);
    if running.await.is_splitcart() {
        settings.taken = (settings.taken - own).max(0);
    }
    match room_for(own, &settings) {
        Room::Enough => {
            let (free, usable) = (settings.free(), settings.usable());
            let found = format!(
                "one instance needs {own} connections, and {free} of {usable} are free for it"
            );
            Line::well(CONNECTIONS, found)
        }
        Room::Scarce | Room::TooLittle => {
            let (found, remedy) = apart(&too_many(own, &settings));
            Line::not_well(CONNECTIONS, found, remedy)
        }
    }
}

async fn look_at_the_schema(
    config: &Config,
    connection: &mut PgConnection,
    until: Instant,
) -> Vec<Line> {
    let differences = within(until, db::migrations::differences(connection)).await;
    let own_role = within(until, db::roles::own_role(connection)).await;
    let migrations = match (&differences, &own_role) {
        (Ok(differences), Ok(role)) => migrations(config, differences, *role),
        (Err(error), _) | (_, Err(error)) => Line::not_seen(MIGRATIONS, error.to_string()),
    };
    let role_line = match &own_role {
        Ok(own) => role(config, *own),
        Err(error) => Line::not_seen(ROLE, error.to_string()),
    };
    let is_complete = differences.is_ok_and(|it| it.missing.is_empty());
    let privileges = if is_complete {
        match within(until, db::roles::missing_privileges(connection)).await {
            Ok(missing) => privileges(&missing),
            Err(error) => Line::not_seen(PRIVILEGES, error.to_string()),
        }
    } else {
        Line::not_seen(
            PRIVILEGES,
            "they are compared once all migrations are applied",
        )
    };
    vec![migrations, role_line, privileges]
}

fn migrations(config: &Config, found: &Differences, role: OwnRole) -> Line {
    let Differences {
        missing,
        newer,
        unfinished,
        changed,
    } = found;
    if let Some(version) = unfinished.first() {
        let found = format!("migration {version} was begun and did not finish");
        let remedy = "restore a backup of before, or finish it by hand and set `success` in _sqlx_migrations";
        return Line::not_well(MIGRATIONS, found, remedy);
    }
    if let Some(version) = newer.last() {
        let found =
            format!("the database has migration {version}, which this version does not know");
        return Line::not_well(
            MIGRATIONS,
            found,
            "run the newer version, or restore an older backup",
        );
    }
    if let Some(version) = changed.first() {
        let found = format!("migration {version} differs from the one that was applied");
        let remedy =
            "a development version migrated this database: create it anew, or restore a backup";
        return Line::not_well(MIGRATIONS, found, remedy);
    }
    let all = db::migrations::MIGRATIONS.iter().count();
    let count = missing.len();
    if missing.is_empty() {
        return Line::well(MIGRATIONS, format!("all {all} are applied"));
    }
    if config.database.migrate_on_start && role.owns {
        return Line::well(
            MIGRATIONS,
            format!("{count} of {all} are missing, and the next start applies them"),
        );
    }
    let found = format!("{count} of {all} are missing");
    Line::not_well(
        MIGRATIONS,
        found,
        "run `splitcart migrate` as the owner of the database",
    )
}

fn role(config: &Config, role: OwnRole) -> Line {
    if role.is_superuser {
        let (found, remedy) = apart(SUPERUSER);
        Line::not_well(ROLE, found, remedy)
    } else if config.database.migrate_on_start && !role.owns {
        Line::not_well(
            ROLE,
            "database.migrate_on_start is on, and this role does not own the tables",
            db::error::NOT_ALLOWED,
        )
    } else if role.owns {
        Line::well(ROLE, "it owns the tables, and is no superuser")
    } else {
        Line::well(ROLE, "it owns no table and is no superuser")
    }
}

fn privileges(missing: &[String]) -> Line {
    if missing.is_empty() {
        return Line::well(PRIVILEGES, "the role may do all that serving needs");
    }
    let found = format!("the role lacks {}", missing.join(", "));
    Line::not_well(
        PRIVILEGES,
        found,
        "have the owner run `splitcart migrate --grant-to ROLE`, after every upgrade",
    )
}

async fn look_at_the_clock(connection: &mut PgConnection, until: Instant) -> Line {
    let began = Instant::now();
    match within(until, db::server_state::clock(connection)).await {
        Ok(theirs) => {
            let round_trip = began.elapsed();
            clock(CLOCK, (theirs - Utc::now()).num_milliseconds(), round_trip)
        }
        Err(error) => Line::not_seen(CLOCK, error.to_string()),
    }
}
