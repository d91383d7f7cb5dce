//! Logging: one format for people, one for machines.
//!
//! Lines are written by a thread of its own. When whoever reads them stops reading, so many wait; more
//! are dropped and counted, and nobody else waits.

use std::{
    io::{IsTerminal, stderr},
    sync::OnceLock,
};

use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{EnvFilter, filter::ParseError};

use crate::config::{Log, LogFormat};

/// `log.filter` is malformed.
#[derive(Debug, thiserror::Error)]
#[error("log.filter (SPLITCART_LOG_FILTER) is no filter such as \"info,splitcart=debug\": {0}")]
pub struct BadFilter(#[from] ParseError);

/// How many lines may wait for their reader: some megabytes, and some seconds of a busy service.
const WAITING_MAX: usize = 16_384;

static DROPPED: OnceLock<ErrorCounter> = OnceLock::new();

/// Writes what still waits when it is dropped, for a second at most.
#[must_use]
#[derive(Debug)]
pub struct Logging {
    #[expect(dead_code, reason = "dropping it is its whole use")]
    writer: WorkerGuard,
}

/// How many lines were dropped so far because nobody read them.
pub fn dropped_lines() -> u64 {
    DROPPED
        .get()
        .map_or(0, |dropped| dropped.dropped_lines() as u64)
}

/// Starts logging to stderr for the whole process, by `default_filter` if none is configured.
///
/// # Errors
/// `log.filter` is malformed.
pub fn start(log: &Log, default_filter: &str) -> Result<Logging, BadFilter> {
    let filter = if log.filter.is_empty() {
        default_filter
    } else {
        &log.filter
    };
    let filter = EnvFilter::builder().parse(filter)?;
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(WAITING_MAX)
        .thread_name("log")
        .finish(stderr());
    drop(DROPPED.set(writer.error_counter()));
    let colours = stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colours)
        .with_writer(writer);
    match log.format {
        LogFormat::Human => subscriber.with_target(false).compact().init(),
        LogFormat::Json => subscriber.json().flatten_event(true).init(),
    }
    Ok(Logging { writer: guard })
}
