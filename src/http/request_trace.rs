//! The place of a request in a trace: read from its headers at the beginning, and sent as spans at the end if
//! the trace is kept.

use std::time::{Duration, Instant};

use actix_web::{
    HttpMessage, HttpRequest,
    dev::{ServiceRequest, ServiceResponse},
    http::{Version, header::HeaderMap},
    web,
};
use opentelemetry::KeyValue;

use crate::{
    domain::trace_context::TraceParent,
    stages::trip::Way,
    traces::{
        RequestTrace,
        request::{Answered, attribute},
    },
};

use super::{auth::Identity, error::Code, state::State};

/// The longest path in a span.
const PATH_LEN_MAX: usize = 256;

/// Gives the request its place. Without a trace of the client, and with traces off, it has none.
pub(super) fn begin(request: &ServiceRequest) {
    let state = request.app_data::<web::Data<State>>();
    let traces = state.and_then(|state| state.traces.as_ref());
    let parent = traceparent(request.headers());
    if parent.is_some() || traces.is_some() {
        let span = traces.map(|traces| traces.begin(parent.as_ref()));
        let trace = RequestTrace { parent, span };
        request.extensions_mut().insert(trace);
    }
}

/// The place of a request.
pub(super) fn of(request: &HttpRequest) -> RequestTrace {
    let extensions = request.extensions();
    extensions.get().cloned().unwrap_or_default()
}

/// The trace to which the request belongs. A header that is malformed or stands twice counts as absent.
fn traceparent(headers: &HeaderMap) -> Option<TraceParent> {
    let mut values = headers.get_all("traceparent");
    match (values.next(), values.next()) {
        (Some(value), None) => TraceParent::parse(value.as_bytes()),
        _ => None,
    }
}

/// An answered request, as far as its spans need it.
pub(super) struct Ended<'a> {
    pub request_id: &'a str,
    /// As in metrics: `other` for a method that no route takes.
    pub method: &'static str,
    /// `unknown` for a path without a route.
    pub route: &'a str,
    pub began_at: Instant,
    pub took: Duration,
    pub is_replayed: bool,
    pub outcome: Option<&'static str>,
    pub way: Option<&'a Way>,
}

/// Sends the spans of a request that is kept. Returns true if it is.
pub(super) fn end(response: &ServiceResponse, ended: &Ended<'_>) -> bool {
    let request = response.request();
    let state = request.app_data::<web::Data<State>>();
    let Some(traces) = state.and_then(|state| state.traces.as_ref()) else {
        return false;
    };
    let trace = of(request);
    let is_failure = response.status().is_server_error();
    let Some(span) = trace
        .span
        .filter(|span| traces.keep(*span, is_failure, ended.took))
    else {
        return false;
    };
    let state_of_parent = trace.parent.as_ref().and_then(|_| tracestate(request));
    traces.send(&Answered {
        span,
        parent_id: trace.parent.as_ref().map(TraceParent::parent_id),
        trace_state: state_of_parent,
        name: name(ended),
        attributes: attributes(response, ended),
        is_failure,
        began_at: ended.began_at,
        took: ended.took,
        way: ended.way,
    });
    true
}

/// The header, unless it stands twice: it may, but nothing that is sent here needs more than one.
fn tracestate(request: &HttpRequest) -> Option<&str> {
    let mut values = request.headers().get_all("tracestate");
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

/// As the conventions for HTTP ask: of few different values.
fn name(ended: &Ended<'_>) -> String {
    match (ended.method, ended.route) {
        ("other", _) => "HTTP".to_owned(),
        (method, "unknown") => method.to_owned(),
        (method, route) => format!("{method} {route}"),
    }
}

fn attributes(response: &ServiceResponse, ended: &Ended<'_>) -> Vec<KeyValue> {
    let request = response.request();
    let status = response.status();
    let is_under_tls = request
        .app_data::<web::Data<State>>()
        .is_some_and(|state| state.is_under_tls);
    let extensions = request.extensions();
    let caller = extensions.get::<Identity>();
    let has_route = ended.route != "unknown";
    let method = match ended.method {
        "other" => "_OTHER",
        method => method,
    };
    let path = request.path();
    let version = match request.version() {
        Version::HTTP_2 => "2",
        Version::HTTP_10 => "1.0",
        _ => "1.1",
    };
    let last = ended.way.and_then(Way::last_attempt);
    let size = last.and_then(|last| i64::try_from(last.batch_size).ok());
    let error_type = status.is_server_error().then(|| status.as_str().to_owned());
    // A path without a route is a client's own text.
    let path = path
        .get(..path.len().min(PATH_LEN_MAX))
        .filter(|_| has_route);
    [
        attribute("http.request.method", Some(method)),
        attribute(
            "url.scheme",
            Some(if is_under_tls { "https" } else { "http" }),
        ),
        attribute("url.path", path.map(str::to_owned)),
        attribute("http.route", has_route.then(|| ended.route.to_owned())),
        attribute(
            "http.response.status_code",
            Some(i64::from(status.as_u16())),
        ),
        attribute("network.protocol.version", Some(version)),
        attribute("error.type", error_type),
        attribute(
            "error.code",
            extensions.get::<Code>().map(|code| code.as_str()),
        ),
        attribute("http.request_id", Some(ended.request_id.to_owned())),
        attribute("http.replayed", ended.is_replayed.then_some(true)),
        attribute("user.id", caller.map(|it| it.user_id.to_string())),
        attribute("store.id", caller.map(|it| it.store_id.to_string())),
        attribute("checkout.outcome", ended.outcome),
        attribute("batch.size", size),
    ]
    .into_iter()
    .flatten()
    .collect()
}
