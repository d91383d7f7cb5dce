//! Checks of the database before anything is served: it can be reached, it is migrated, the settings of our
//! connections reach it, and it has room for them. Every wait here has a limit.

use std::time::{Duration, Instant};

use secrecy::SecretString;
use sqlx::PgConnection;
use tokio::time::timeout;

use crate::{
    config::{Config, PoolMode},
    db::{
        self, Fault,
        pool::{Limits as PoolLimits, Workload},
        server::ServerSettings,
    },
};

use super::Error;

/// The longest time of one attempt to connect: a host that is gone answers nothing at all.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// The longest time of the checks, once connected.
const CHECK_MAX: Duration = Duration::from_secs(10);
/// The pause between two attempts.
const PAUSE: Duration = Duration::from_millis(500);
/// The reason of waiting is logged again after this time.
const SAY_AGAIN: Duration = Duration::from_secs(10);
/// Connections that are left for others: an operator who investigates, a backup.
const LEFT_FOR_OTHERS: i64 = 3;

/// The warning about a role that may do too much.
pub(crate) const SUPERUSER: &str = "the role that serves is a superuser of PostgreSQL; one that may do what \
    serving needs, and no more, is made by `splitcart migrate --grant-to ROLE` (docs/operations.md)";

/// Waits for PostgreSQL, applies migrations if `database.migrate_on_start` says so, and checks the server.
pub(super) async fn prepare(config: &Config, url: &SecretString) -> Result<(), Error> {
    let wait_max = Duration::from_secs(config.database.start_wait_s_max);
    let place = db::pool::place_of(url)?;
    let mut connection = connect_patiently(wait_max, url, &place).await?;
    let missing = db::migrations::missing_migrations(&mut connection);
    let missing = timeout(CHECK_MAX, missing).await;
    let missing = missing.unwrap_or_else(|_| Err(silent()))?;
    if config.database.migrate_on_start {
        db::migrations::migrate_within(&mut connection, wait_max).await?;
    } else if missing > 0 {
        return Err(Error::NotMigrated(missing));
    }
    drop(connection);
    let checked = timeout(CHECK_MAX, check(config, url, &place, missing)).await;
    checked.unwrap_or_else(|_| Err(silent().into()))
}

/// Connects as soon as PostgreSQL answers: it may be starting at the same time as this service.
async fn connect_patiently(
    wait_max: Duration,
    url: &SecretString,
    place: &str,
) -> Result<PgConnection, Error> {
    let started = Instant::now();
    let give_up = started + wait_max;
    let mut said: Option<(String, Instant)> = None;
    loop {
        let left = give_up.saturating_duration_since(Instant::now());
        let attempt_max = left.clamp(Duration::from_secs(1), CONNECT_MAX);
        let attempt = timeout(attempt_max, db::pool::connect_to_primary(url)).await;
        let error = match attempt.unwrap_or_else(|_| Err(silent())) {
            Ok(connection) => return Ok(connection),
            Err(error) => error,
        };
        let may_pass = error.fault() == Fault::Unreachable && !error.is_refusal();
        if !may_pass || Instant::now() + PAUSE >= give_up {
            let waited = said.map_or(Duration::ZERO, |_| started.elapsed());
            return Err(Error::Unreachable {
                place: place.to_owned(),
                waited,
                error,
            });
        }
        let text = error.to_string();
        // The same reason is logged again now and then, to show that the service still waits.
        let is_new =
            !matches!(&said, Some((last, at)) if *last == text && at.elapsed() < SAY_AGAIN);
        if is_new {
            tracing::warn!("waiting for PostgreSQL at {place}, up to {wait_max:?}: {text}");
            said = Some((text, Instant::now()));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

pub(crate) fn silent() -> db::Error {
    db::Error::timed_out("hear from PostgreSQL in time")
}

/// Connects as the pools do, and checks what the server says of itself.
async fn check(
    config: &Config,
    url: &SecretString,
    place: &str,
    migrations_applied: usize,
) -> Result<(), Error> {
    let limits = PoolLimits {
        workload: Workload::KeyLookups,
        connections_max: 1,
        acquire_wait_max: CONNECT_MAX,
        statement_max: config.transaction_limit(),
        lock_wait_max: config.transaction_limit(),
    };
    let mut connection = db::pool::connect_as(url, "splitcart start", limits).await?;
    let server = db::server::settings(&mut connection).await?;
    drop(connection);
    if let Some(warning) = may_lose_commits(&server) {
        tracing::warn!("{warning}");
    }
    if server.is_superuser {
        tracing::warn!("{SUPERUSER}");
    }
    tracing::info!(
        database.version = server.version,
        database.migrations_applied = migrations_applied,
        "PostgreSQL {} at {place}; {migrations_applied} of {} migrations were missing",
        server.version,
        db::migrations::MIGRATIONS.iter().count(),
    );
    let own = i64::try_from(config.connections_max()).unwrap_or(i64::MAX);
    if config.database.pool_mode == PoolMode::Transaction {
        tracing::info!(
            database.connections_max = own,
            "this instance opens up to {own} connections to a pooler, which lends sessions for a transaction"
        );
        return refuse_contradiction(url, limits).await;
    }
    tracing::info!(
        database.connections_max = own,
        database.server_usable = server.usable(),
        database.server_free = server.free(),
        "this instance opens up to {own} connections; PostgreSQL has {} of {} free",
        server.free(),
        server.usable(),
    );
    match room_for(own, &server) {
        Room::Enough => {}
        Room::Scarce => tracing::warn!("{}", too_many(own, &server)),
        Room::TooLittle => return Err(Error::TooManyConnections(too_many(own, &server))),
    }
    refuse_contradiction(url, limits).await
}

async fn refuse_contradiction(url: &SecretString, limits: PoolLimits) -> Result<(), Error> {
    match db::pooler_check::find_contradiction(url, limits).await? {
        Some(contradiction) => Err(contradiction.into()),
        None => Ok(()),
    }
}

/// The warning about a server that is not durable.
pub(crate) fn may_lose_commits(server: &ServerSettings) -> Option<&'static str> {
    (!server.fsync || !server.full_page_writes).then_some(
        "PostgreSQL runs with fsync or full_page_writes off: when its machine crashes, checkouts that \
         were confirmed to buyers are lost, or all of the database; turn both on",
    )
}

/// The room that a server has for the connections of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    Enough,
    /// Too little beside the connections of others, or nothing is left for anybody else.
    Scarce,
    /// Too little even for this instance alone.
    TooLittle,
}

pub(crate) fn room_for(own: i64, server: &ServerSettings) -> Room {
    if own > server.usable() {
        Room::TooLittle
    } else if own + LEFT_FOR_OTHERS > server.free() {
        Room::Scarce
    } else {
        Room::Enough
    }
}

pub(crate) fn too_many(own: i64, server: &ServerSettings) -> String {
    format!(
        "this instance may open {own} connections to PostgreSQL, which lets in {} and has {} free, and a few \
         should be left for operators and backups: raise its max_connections (or our role's or database's limit), or \
         lower SPLITCART_DATABASE_POOL_PER_WORKER or SPLITCART_HTTP_WORKERS",
        server.usable(),
        server.free(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(connections_max: i64, taken: i64) -> ServerSettings {
        ServerSettings {
            version: "15.0".to_owned(),
            is_superuser: false,
            connections_max,
            reserved: 3,
            taken,
            fsync: true,
            full_page_writes: true,
        }
    }

    #[test]
    fn a_server_that_may_lose_what_it_has_committed_is_warned_of() {
        let safe = server(100, 0);
        assert_eq!(may_lose_commits(&safe), None);
        for (fsync, full_page_writes) in [(false, true), (true, false)] {
            let server = ServerSettings {
                fsync,
                full_page_writes,
                ..safe.clone()
            };
            assert!(may_lose_commits(&server).is_some());
        }
    }

    #[test]
    fn an_instance_fits_if_room_is_left_for_others() {
        assert_eq!(room_for(20, &server(100, 74)), Room::Enough);
        assert_eq!(room_for(20, &server(100, 75)), Room::Scarce);
        assert_eq!(room_for(94, &server(100, 0)), Room::Enough);
    }

    #[test]
    fn an_instance_that_does_not_fit_alone_is_refused() {
        assert_eq!(room_for(97, &server(100, 0)), Room::Scarce);
        assert_eq!(room_for(98, &server(100, 0)), Room::TooLittle);
    }
}
