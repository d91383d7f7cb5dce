//! Logging: one format for people, one for machines.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::{EnvFilter, filter::ParseError};

use crate::config::{Log, LogFormat};

/// `log.filter` is malformed.
#[derive(Debug, thiserror::Error)]
#[error("log.filter (SPLITCART_LOG_FILTER) is no filter such as \"info,splitcart=debug\": {0}")]
pub struct BadFilter(#[from] ParseError);

/// Starts logging to stderr for the whole process, by `default_filter` if none is configured.
///
/// # Errors
/// `log.filter` is malformed.
pub fn start(log: &Log, default_filter: &str) -> Result<(), BadFilter> {
    let filter = if log.filter.is_empty() {
        default_filter
    } else {
        &log.filter
    };
    let filter = EnvFilter::builder().parse(filter)?;
    let colours = stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colours)
        .with_writer(stderr);
    match log.format {
        LogFormat::Human => subscriber.with_target(false).compact().init(),
        LogFormat::Json => subscriber.json().flatten_event(true).init(),
    }
    Ok(())
}
