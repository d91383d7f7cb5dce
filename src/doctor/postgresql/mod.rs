//! Looks at PostgreSQL, over a connection like those of commands and one like those of the pools.
//!
//! | what | file |
//! |---|---|
//! | whether it lets us in, the room for our connections, its clock | here |
//! | the settings of our sessions | [`session`] |
//! | what it is, and its own settings | [`server`] |
//! | migrations and rights | [`schema`] |

mod schema;
mod server;
mod session;

use chrono::Utc;
use sqlx::PgConnection;
use tokio::time::{Instant, timeout_at};

use crate::{
    app::database::{Room, room_for, silent, too_many},
    config::Config,
    db,
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
    lines.extend(session::look(subject, until).await);
    lines.extend(server::look(&subject.config, &mut connection, until).await);
    lines.extend(schema::look(&subject.config, &mut connection, until).await);
    lines.push(look_at_the_clock(&mut connection, until).await);
    // Last, because a service that hangs is waited for.
    let room = look_at_room(&subject.config, &mut connection, until, running);
    lines.push(room.await);
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
