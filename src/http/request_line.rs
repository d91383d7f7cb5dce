//! The one canonical log line of a request: its ids, its answer, and where its time went. No body, token or
//! name is in it, and no address unless `log.addresses` asks for it.

use std::{fmt::Write, net::IpAddr, time::Duration};

use tracing::Level;

use crate::{
    config::LogFormat,
    stages::{Stage, StageTimes, trip::Way},
};

use super::{
    auth::Identity,
    error::{Cause, Code},
};

/// The longest part of an unknown method that is logged.
const METHOD_LEN_MAX: usize = 16;

/// What the line says.
#[derive(Debug)]
pub(super) struct RequestLine<'a> {
    pub request_id: &'a str,
    pub method: &'a str,
    pub route: &'a str,
    pub status: u16,
    pub took: Duration,
    pub is_replayed: bool,
    pub code: Option<&'a Code>,
    pub auth_reason: Option<&'static str>,
    pub cause: Option<&'a Cause>,
    pub caller: Option<&'a Identity>,
    pub address: Option<IpAddr>,
    pub trace_id: Option<u128>,
    /// True if the trace was handed to the exporter.
    pub is_trace_kept: bool,
    pub outcome: Option<&'static str>,
    /// The way of a checkout that got to a transaction, with its times.
    pub way: Option<(&'a Way, StageTimes)>,
}

impl RequestLine<'_> {
    pub(super) fn write(&self, format: LogFormat) {
        let (method, route, status) = (short(self.method), self.route, self.status);
        let last = self.way.as_ref().and_then(|(way, _)| way.last_attempt());
        let attempts = self.way.as_ref().map(|(way, _)| way.attempts.len());
        let waited = self.way.as_ref().and_then(|(way, _)| way.waited());
        let times = self.way.as_ref().map(|(_, times)| times);
        let each = times.filter(|_| format == LogFormat::Json);
        let stage = |stage: Stage| {
            let time = each.map(|times| times.of(stage));
            time.filter(|time| !time.is_zero()).map(milliseconds)
        };
        let compact = times.filter(|_| format == LogFormat::Human).map(in_words);
        // A level is a constant.
        macro_rules! line {
            ($level:expr) => {
                tracing::event!(
                    $level,
                    http.request_id = self.request_id,
                    http.method = method,
                    http.route = route,
                    http.status = status,
                    http.duration_ms = milliseconds(self.took),
                    http.replayed = self.is_replayed,
                    error.code = self.code.map(|code| code.as_str()),
                    auth.reason = self.auth_reason,
                    error.cause = self.cause.map(|cause| display(&cause.0)),
                    user.id = self.caller.map(|caller| display(caller.user_id)),
                    store.id = self.caller.map(|caller| display(caller.store_id)),
                    client.address = self.address.map(display),
                    trace.id = self.trace_id.map(|id| display(format!("{id:032x}"))),
                    trace.kept = self.is_trace_kept.then_some(true),
                    checkout.outcome = self.outcome,
                    batch.size = last.map(|last| last.batch_size),
                    batch.attempts = attempts,
                    wait_ms = waited.map(milliseconds),
                    stage.redis_ms = stage(Stage::Redis),
                    stage.queue_ms = stage(Stage::Queue),
                    stage.retries_ms = stage(Stage::Retries),
                    stage.begin_ms = stage(Stage::Begin),
                    stage.reads_ms = stage(Stage::Reads),
                    stage.rendering_ms = stage(Stage::Rendering),
                    stage.writes_ms = stage(Stage::Writes),
                    stage.turns_ms = stage(Stage::Turns),
                    stage.reservation_ms = stage(Stage::Reservation),
                    stage.commit_ms = stage(Stage::Commit),
                    stage.rest_ms = stage(Stage::Rest),
                    stages_ms = compact.map(display),
                    "{method} {route} answered {status}",
                )
            };
        }
        match status {
            503 => line!(Level::WARN),
            500.. => line!(Level::ERROR),
            _ => line!(Level::INFO),
        }
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_micros() as f64 / 1000.0
}

/// The stages that took time, as people read them.
fn in_words(times: &StageTimes) -> String {
    let mut words = String::new();
    for (stage, time) in times.iter().filter(|(_, time)| !time.is_zero()) {
        let gap = if words.is_empty() { "" } else { ", " };
        let (name, time) = (stage.name(), milliseconds(time));
        write!(words, "{gap}{name} {time:.1}").expect("a string takes everything");
    }
    words
}

/// The method, which a client can make up, cut to a bounded length.
fn short(method: &str) -> &str {
    // A method is ASCII.
    method.get(..METHOD_LEN_MAX).unwrap_or(method)
}
