//! The list of all metrics: name, kind, labels, meaning, and what to do when a value is odd.
//!
//! Everything else about metrics comes from here: the help texts of `/metrics`, and `docs/metrics.md`. A
//! metric that is registered must be in the list, and the other way round.

pub mod audits;
mod checkouts;
mod events;
mod orders;
mod process;
mod requests;
mod servers;

use prometheus_client::{metrics::MetricType, registry::Unit};

/// The metrics of the service, in the order of the page.
pub const SECTIONS: [&Section; 12] = [
    &checkouts::CHECKOUTS,
    &checkouts::QUEUE,
    &checkouts::VENDORS,
    &orders::CARTS,
    &orders::ORDERS,
    &orders::COUNTS,
    &events::EVENTS,
    &events::WEBHOOKS,
    &servers::POSTGRESQL,
    &servers::REDIS,
    &requests::HTTP,
    &process::PROCESS,
];

/// The metrics that `splitcart audit --metrics` writes, for a collector of files.
pub const AUDIT: &Section = &audits::AUDIT;

/// Metrics that answer one question.
#[derive(Debug)]
pub struct Section {
    pub title: &'static str,
    pub question: &'static str,
    pub entries: &'static [Entry],
}

/// A metric.
#[derive(Debug)]
pub struct Entry {
    /// As it is exposed: with the prefix, the unit, and `_total` if it is a counter.
    pub name: &'static str,
    pub kind: Kind,
    pub labels: &'static [&'static str],
    pub meaning: &'static str,
    /// The advice for a value that is odd.
    pub remedy: &'static str,
}

/// The kind of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    /// As Prometheus names it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }

    pub(super) fn is(self, kind: MetricType) -> bool {
        self.name() == kind.as_str()
    }
}

impl Entry {
    /// The unit, which is a part of the name.
    pub fn unit(&self) -> Option<Unit> {
        [Unit::Seconds, Unit::Bytes]
            .into_iter()
            .find(|unit| self.family().ends_with(&format!("_{}", unit.as_str())))
    }

    /// The name without the suffix of a counter's samples.
    pub(super) fn family(&self) -> &'static str {
        match self.kind {
            Kind::Counter => self.name.strip_suffix("_total").unwrap_or(self.name),
            Kind::Gauge | Kind::Histogram => self.name,
        }
    }

    /// The name without what the registry adds to it.
    pub(super) fn stem(&self) -> &'static str {
        let unit = self.unit().map(|unit| format!("_{}", unit.as_str()));
        let stem = unit.and_then(|unit| self.family().strip_suffix(&unit));
        stem.unwrap_or(self.family())
    }
}

/// The metrics of the service.
pub fn entries() -> impl Iterator<Item = &'static Entry> {
    SECTIONS.into_iter().flat_map(|section| section.entries)
}

/// A metric of the service by its name.
pub(super) fn entry(name: &str) -> Option<&'static Entry> {
    entries().find(|entry| entry.name == name)
}

const fn counter(
    name: &'static str,
    labels: &'static [&'static str],
    meaning: &'static str,
    remedy: &'static str,
) -> Entry {
    entry_of(Kind::Counter, name, labels, (meaning, remedy))
}

const fn gauge(
    name: &'static str,
    labels: &'static [&'static str],
    meaning: &'static str,
    remedy: &'static str,
) -> Entry {
    entry_of(Kind::Gauge, name, labels, (meaning, remedy))
}

const fn histogram(
    name: &'static str,
    labels: &'static [&'static str],
    meaning: &'static str,
    remedy: &'static str,
) -> Entry {
    entry_of(Kind::Histogram, name, labels, (meaning, remedy))
}

const fn entry_of(
    kind: Kind,
    name: &'static str,
    labels: &'static [&'static str],
    (meaning, remedy): (&'static str, &'static str),
) -> Entry {
    Entry {
        name,
        kind,
        labels,
        meaning,
        remedy,
    }
}

/// The labels and their values. Each value makes a time series, so there are few of each.
pub const LABELS: [(&str, &str); 18] = [
    (
        "answer",
        "the kind of an answer: `succeeded` (2xx), `refused` (any other below 500), `failed` (5xx)",
    ),
    (
        "kind",
        "the kind of an error: `transient`, `busy`, `unreachable`, `constraint`, `permanent`",
    ),
    (
        "limit",
        "a rate limit: `address`, `user`, `refused_tokens`, `code_guesses`",
    ),
    (
        "method",
        "an HTTP method; `other` for one that no route takes",
    ),
    ("outcome", "the outcome; each metric has a few of its own"),
    (
        "pool",
        "a pool of connections to PostgreSQL, such as `checkout` or `http`",
    ),
    ("reason", "the reason; each metric has a few of its own"),
    (
        "route",
        "the pattern of a route, such as `/api/v1/orders/{id}`; `unknown` for a path without one",
    ),
    (
        "stage",
        "a stage of a checkout: `redis`, `queue`, `retries`, `begin`, `reads`, `rendering`, `writes`, `turns`, \
         `reservation`, `commit`, `rest`",
    ),
    ("rule", "the code of [a rule of the audit](audit.md#rules)"),
    ("setting", "the setting with the path of a file"),
    ("sink", "the name of a sink of events, such as `stream`"),
    ("source", "where an answer was found: `redis`, `postgresql`"),
    ("state", "the state of a connection: `used`, `idle`"),
    ("status", "an HTTP status, or a status of orders"),
    (
        "thread",
        "a thread with an event loop: `main`, `actors`, `carts`, `ops`, `http-0` and so on",
    ),
    (
        "vendor_store_id",
        "the id of a vendor's store; ten at most at a time",
    ),
    ("version", "the version of the program"),
];
