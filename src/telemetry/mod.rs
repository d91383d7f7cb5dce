//! Logging to stderr, in a format for people or as JSON.
//!
//! A thread of its own writes the lines. While the reader of the log stalls, a bounded number of lines
//! waits; further lines are dropped and counted, and no request waits.

pub mod filter;

use std::{
    io::{self, IsTerminal, Write, stderr},
    sync::OnceLock,
};

use chrono::{SecondsFormat, Utc};
use serde_json::json;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::ParseError;

use crate::config::{Log, LogFormat};

/// `log.filter` is malformed.
#[derive(Debug, thiserror::Error)]
#[error("log.filter (SPLITCART_LOG_FILTER) is no filter such as \"info,splitcart=debug\": {0}")]
pub struct BadFilter(#[from] pub ParseError);

/// The most lines that wait for their reader: some megabytes, and some seconds of a busy service.
const WAITING_MAX: usize = 16_384;

/// The longest line in bytes, so that no line takes the room of all others.
const LINE_LEN_MAX: usize = 16 * 1024;
/// The bytes that are kept of a longer line.
const KEPT_OF_LONG: usize = 2 * 1024;

static DROPPED: OnceLock<ErrorCounter> = OnceLock::new();

/// The running logger. Dropping it writes the lines that still wait, for a second at most.
#[must_use]
#[derive(Debug)]
pub struct Logging {
    #[expect(dead_code, reason = "dropping it is its whole use")]
    writer: WorkerGuard,
}

/// The number of lines dropped so far because nothing read them.
pub fn dropped_lines() -> u64 {
    DROPPED
        .get()
        .map_or(0, |dropped| dropped.dropped_lines() as u64)
}

/// Checks what [`start`] would refuse.
///
/// # Errors
/// `log.filter` is malformed.
pub fn check(log: &Log) -> Result<(), BadFilter> {
    filter::read(&log.filter).map(drop)
}

/// Starts logging for the whole process, with `default_filter` if none is configured.
///
/// # Errors
/// `log.filter` is malformed.
pub fn start(log: &Log, default_filter: &str) -> Result<Logging, BadFilter> {
    let filter = if log.filter.is_empty() {
        default_filter
    } else {
        &log.filter
    };
    let configured = filter;
    let filter = filter::read(configured)?;
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(WAITING_MAX)
        .thread_name("log")
        .finish(stderr());
    drop(DROPPED.set(writer.error_counter()));
    let colours = stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let format = log.format;
    let bounded = move || BoundedLines {
        writer: writer.clone(),
        format,
    };
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colours)
        .with_writer(bounded);
    match log.format {
        LogFormat::Human => {
            let subscriber = subscriber.with_target(false).compact();
            let subscriber = subscriber.with_filter_reloading();
            let handle = subscriber.reload_handle();
            filter::keep(configured, Box::new(move |it| handle.reload(it).is_ok()));
            subscriber.init();
        }
        LogFormat::Json => {
            let subscriber = subscriber.json().flatten_event(true);
            let subscriber = subscriber.with_filter_reloading();
            let handle = subscriber.reload_handle();
            filter::keep(configured, Box::new(move |it| handle.reload(it).is_ok()));
            subscriber.init();
        }
    }
    Ok(Logging { writer: guard })
}

/// Cuts lines that are too long. Relies on each line being one call of `write`.
struct BoundedLines<W> {
    writer: W,
    format: LogFormat,
}

impl<W: Write> Write for BoundedLines<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if line.len() <= LINE_LEN_MAX {
            return self.writer.write(line);
        }
        let cut = cut(line, self.format);
        self.writer.write_all(cut.as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// Keeps the beginning of a line that is too long, and its length.
fn cut(line: &[u8], format: LogFormat) -> String {
    let begins_with = String::from_utf8_lossy(&line[..KEPT_OF_LONG]);
    let length = line.len();
    match format {
        LogFormat::Human => format!("{begins_with} ... (a line of {length} bytes)\n"),
        // Half of an object would not be JSON.
        LogFormat::Json => {
            let line = json!({
                "timestamp": Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true),
                "level": "WARN",
                "message": format!("a log line of {length} bytes was cut"),
                "begins_with": begins_with,
            });
            format!("{line}\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(line: &str, format: LogFormat) -> String {
        let mut lines = BoundedLines {
            writer: Vec::new(),
            format,
        };
        lines.write_all(line.as_bytes()).unwrap();
        String::from_utf8(lines.writer).unwrap()
    }

    #[test]
    fn a_line_of_sane_length_is_written_as_it_is() {
        for format in [LogFormat::Human, LogFormat::Json] {
            let line = "x".repeat(LINE_LEN_MAX);
            assert_eq!(written(&line, format), line);
        }
    }

    #[test]
    fn a_longer_one_is_cut_and_stays_a_line_of_its_format() {
        let line = format!("{}\"\n", "ä\"".repeat(100_000));
        let human = written(&line, LogFormat::Human);
        assert!(human.len() < 3 * KEPT_OF_LONG && human.ends_with("bytes)\n"));
        let json = written(&line, LogFormat::Json);
        assert!(json.len() < 3 * KEPT_OF_LONG);
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        let message = json["message"].as_str().unwrap();
        assert!(message.contains(&line.len().to_string()), "{message}");
    }
}
