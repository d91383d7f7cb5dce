//! Reasons why the service can't start, each with what to do about it.

use std::{io, net::SocketAddr, time::Duration};

use crate::{db, http::watched_file, traces};

use super::redis::UnusableRedis;

/// The reason why the service can't start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// PostgreSQL did not answer in time, or its URL is malformed.
    #[error("PostgreSQL can't be used: {}{}", .0, advice_for(.0))]
    Database(#[from] db::Error),
    /// PostgreSQL could not be connected to.
    #[error(
        "PostgreSQL at {place} can't be used: {error}{}{}",
        waited_for(*waited),
        advice_for(error)
    )]
    Unreachable {
        /// Host and port of its URL.
        place: String,
        /// The time spent waiting for it; zero if it was not waited for.
        waited: Duration,
        /// The error of the last attempt.
        error: db::Error,
    },
    /// A migration failed.
    #[error(transparent)]
    Migrate(#[from] db::migrations::MigrationError),
    /// The schema is older than this program, which may not change it.
    #[error(
        "{0} migrations are missing and database.migrate_on_start is off; run `splitcart migrate`"
    )]
    NotMigrated(usize),
    /// A pooler in front of PostgreSQL works otherwise than the settings say.
    #[error(transparent)]
    Pooler(#[from] db::pooler_check::Contradiction),
    /// PostgreSQL allows fewer connections than the pools need, even if no other client had any.
    #[error("{0}")]
    TooManyConnections(String),
    /// The progress of the sinks of events can't be read, or a sink can't be opened.
    #[error("the outbox can't be served: {0}")]
    Outbox(#[from] crate::outbox::start::StartError),
    /// A URL of Redis is malformed, or a file that goes with it can't be read.
    #[error(transparent)]
    Redis(#[from] UnusableRedis),
    /// A variable or a setting of traces can't be used.
    #[error(transparent)]
    Traces(#[from] traces::options::Unusable),
    /// Traces can't be sent.
    #[error(transparent)]
    TracesClient(#[from] traces::client::NoClient),
    /// An address is in use, or does not belong to this machine.
    #[error("can't listen on {addr}: {source}; choose another address with {setting}")]
    Listen {
        /// The variable of the setting that chose the address.
        setting: &'static str,
        /// The address.
        addr: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
    /// A key of tokens or a certificate can't be used.
    #[error(transparent)]
    File(#[from] watched_file::Error),
    /// TLS can't be offered.
    #[error("TLS can't be offered: {0}")]
    Tls(#[from] rustls::Error),
    /// A listener failed.
    #[error("a listener failed: {0}")]
    Serve(#[from] io::Error),
}

fn waited_for(waited: Duration) -> String {
    if waited.is_zero() {
        return String::new();
    }
    let waited = waited.as_secs();
    format!(", after {waited} s of waiting (database.start_wait_s_max)")
}

fn advice_for(error: &db::Error) -> String {
    let advice = error.advice();
    advice.map_or_else(String::new, |advice| format!("; {advice}"))
}
