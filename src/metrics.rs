//! Every metric's name, unit and help, on one page.
//!
//! Counters appear with the suffix `_total`, metrics of time in `_seconds` (OpenMetrics). Labels
//! are bounded: routes are patterns, and of the vendors only the ten with the deepest mailboxes are
//! named.

use std::sync::{Arc, Mutex, PoisonError, atomic::AtomicU64};

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};
use sqlx::PgPool;

use crate::domain::ids::VendorStoreId;

/// How many vendors are named beside their mailbox's depth.
pub const DEEPEST_VENDORS_MAX: usize = 10;

/// From 100 µs to about 13 s.
const SECONDS: [f64; 18] = [
    0.0001, 0.0002, 0.0004, 0.0008, 0.0016, 0.0032, 0.0064, 0.0128, 0.0256, 0.0512, 0.1024, 0.2048,
    0.4096, 0.8192, 1.6384, 3.2768, 6.5536, 13.1072,
];
const BATCH_SIZES: [f64; 8] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0];

/// One label that says which of a few things happened.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OutcomeLabel {
    /// What happened.
    pub outcome: &'static str,
}

/// Why the coordinator refused a checkout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
#[expect(missing_docs, reason = "the names say it")]
pub enum RefusedBecause {
    QueueFull,
    WouldWaitTooLong,
    WaitedTooLong,
    TooManySetAside,
    Draining,
}

/// The label `reason`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RefusedLabel {
    /// Why.
    pub reason: RefusedBecause,
}

/// One vendor.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct VendorLabel {
    /// Its store's id.
    pub vendor_store_id: String,
}

/// A pool, or all of one name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct PoolNameLabel {
    /// Whose it is.
    pub pool: &'static str,
}

/// Connections of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct PoolLabel {
    /// Whose pool.
    pub pool: &'static str,
    /// `used` or `idle`.
    pub state: &'static str,
}

/// One route and how it was answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RequestLabel {
    /// The method; `other` where no route knows it.
    pub method: &'static str,
    /// The route's pattern; `unknown` where there is none.
    pub route: String,
    /// The HTTP status.
    pub status: u16,
}

/// The limit that was used up.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct LimitLabel {
    /// `address`, `user`, `refused_tokens` or `code_guesses`.
    pub limit: &'static str,
}

/// A file, by the setting that names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct FileLabel {
    /// The setting.
    pub setting: &'static str,
}

/// Why something failed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReasonLabel {
    /// One of a few.
    pub reason: &'static str,
}

/// Where a replay came from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReplayLabel {
    /// `redis` or `postgresql`.
    pub source: &'static str,
}

/// What is measured of a queue in front of transactions.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each one's help stands where it is registered")]
pub struct Meters {
    pub depth: Gauge,
    pub wait: Histogram,
    pub rejected: Family<RefusedLabel, Counter>,
    pub overdue: Gauge,
    pub set_aside: Gauge,
    pub slow_lane: Gauge,
}

impl Meters {
    fn new() -> Self {
        Self {
            depth: Gauge::default(),
            wait: Histogram::new(SECONDS),
            rejected: Family::default(),
            overdue: Gauge::default(),
            set_aside: Gauge::default(),
            slow_lane: Gauge::default(),
        }
    }
}

/// All metrics. Cloning shares them.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each one's help stands where it is registered")]
pub struct Metrics {
    pub coordinator: Meters,
    pub carts: Meters,
    pub cart_batch_size: Histogram,
    pub vendor_mailbox_depth: Gauge,
    pub vendor_mailbox_wait: Histogram,
    pub vendor_rejected: Counter,
    pub vendor_actors: Gauge,
    deepest_vendors: Family<VendorLabel, Gauge>,
    pub batch_size: Histogram,
    pub batch_duration: Histogram,
    pub batch_retries: Counter,
    pub batch_stock_moved: Counter,
    pub held_rows: Gauge,
    pub reservations: Family<OutcomeLabel, Counter>,
    pub checkouts: Family<OutcomeLabel, Counter>,
    pub replays: Family<ReplayLabel, Counter>,
    pool_connections: Family<PoolLabel, Gauge>,
    pool_connections_max: Family<PoolNameLabel, Gauge>,
    pub outbox_waiting: Gauge,
    pub outbox_oldest: Gauge<f64, AtomicU64>,
    pub outbox_published: Counter,
    pub outbox_refused: Counter,
    pub outbox_measured: Gauge<f64, AtomicU64>,
    pub outbox_sink_up: Gauge,
    pub outbox_sink_failures: Family<ReasonLabel, Counter>,
    pub outbox_buried: Counter,
    pub outbox_claims_ended: Counter,
    pub outbox_removed: Counter,
    pub redis_failures: Counter,
    log_lines_dropped: Counter,
    pub answers_left_out: Counter,
    pub rate_limited: Family<LimitLabel, Counter>,
    pub auth_refused: Family<ReasonLabel, Counter>,
    pub file_ok: Family<FileLabel, Gauge>,
    pub file_read: Family<FileLabel, Gauge<f64, AtomicU64>>,
    connections_cut: Family<ReasonLabel, Counter>,
    broken_requests: Family<ReasonLabel, Counter>,
    pub connections: Gauge,
    pub requests_under_way: Gauge,
    pub bodies_bytes: Gauge,
    pub certificate_not_after: Gauge,
    pub requests: Family<RequestLabel, Counter>,
    pub request_duration: Histogram,
    pools: Arc<Mutex<Vec<(&'static str, PgPool)>>>,
    registry: Arc<Registry>,
}

impl Metrics {
    /// Registers everything.
    #[expect(
        clippy::too_many_lines,
        reason = "one page for all metrics is the point"
    )]
    pub fn new() -> Self {
        let mut metrics = Self {
            coordinator: Meters::new(),
            carts: Meters::new(),
            cart_batch_size: Histogram::new(BATCH_SIZES),
            vendor_mailbox_depth: Gauge::default(),
            vendor_mailbox_wait: Histogram::new(SECONDS),
            vendor_rejected: Counter::default(),
            vendor_actors: Gauge::default(),
            deepest_vendors: Family::default(),
            batch_size: Histogram::new(BATCH_SIZES),
            batch_duration: Histogram::new(SECONDS),
            batch_retries: Counter::default(),
            batch_stock_moved: Counter::default(),
            held_rows: Gauge::default(),
            reservations: Family::default(),
            checkouts: Family::default(),
            replays: Family::default(),
            pool_connections: Family::default(),
            pool_connections_max: Family::default(),
            outbox_waiting: Gauge::default(),
            outbox_oldest: Gauge::default(),
            outbox_published: Counter::default(),
            outbox_refused: Counter::default(),
            outbox_measured: Gauge::default(),
            outbox_sink_up: Gauge::default(),
            outbox_sink_failures: Family::default(),
            outbox_buried: Counter::default(),
            outbox_claims_ended: Counter::default(),
            outbox_removed: Counter::default(),
            redis_failures: Counter::default(),
            log_lines_dropped: Counter::default(),
            answers_left_out: Counter::default(),
            rate_limited: Family::default(),
            auth_refused: Family::default(),
            file_ok: Family::default(),
            file_read: Family::default(),
            connections_cut: Family::default(),
            broken_requests: Family::default(),
            connections: Gauge::default(),
            requests_under_way: Gauge::default(),
            bodies_bytes: Gauge::default(),
            certificate_not_after: Gauge::default(),
            requests: Family::default(),
            request_duration: Histogram::new(SECONDS),
            pools: Arc::default(),
            registry: Arc::default(),
        };
        metrics.begin_at_zero();
        let mut r = Registry::with_prefix("splitcart");
        r.register(
            "coordinator_mailbox_depth",
            "Checkouts that wait for a transaction",
            metrics.coordinator.depth.clone(),
        );
        r.register_with_unit(
            "coordinator_mailbox_wait",
            "How long a checkout waited for a transaction",
            Unit::Seconds,
            metrics.coordinator.wait.clone(),
        );
        r.register(
            "coordinator_rejected",
            "Checkouts refused by the coordinator, by reason; nothing was done for them",
            metrics.coordinator.rejected.clone(),
        );
        r.register(
            "coordinator_overdue",
            "Checkout transactions under way that are much slower than the others",
            metrics.coordinator.overdue.clone(),
        );
        r.register(
            "coordinator_set_aside",
            "Checkouts that wait for a row that somebody else holds",
            metrics.coordinator.set_aside.clone(),
        );
        r.register(
            "coordinator_slow_lane_depth",
            "Checkouts that wait to be tried apart from those that their transaction failed with",
            metrics.coordinator.slow_lane.clone(),
        );
        r.register(
            "held_rows",
            "Rows that checkouts need and that transactions of others are known to hold",
            metrics.held_rows.clone(),
        );
        r.register(
            "cart_mailbox_depth",
            "Cart PUTs that wait for a transaction",
            metrics.carts.depth.clone(),
        );
        r.register_with_unit(
            "cart_mailbox_wait",
            "How long a cart PUT waited for a transaction",
            Unit::Seconds,
            metrics.carts.wait.clone(),
        );
        r.register(
            "cart_rejected",
            "Cart PUTs refused before any work, by reason",
            metrics.carts.rejected.clone(),
        );
        r.register(
            "cart_batch_size",
            "Cart PUTs in one transaction",
            metrics.cart_batch_size.clone(),
        );
        r.register(
            "vendor_mailbox_depth",
            "Reservations in all vendor actors' mailboxes, the one at work included",
            metrics.vendor_mailbox_depth.clone(),
        );
        r.register_with_unit(
            "vendor_mailbox_wait",
            "How long a reservation waited for its vendor's turn",
            Unit::Seconds,
            metrics.vendor_mailbox_wait.clone(),
        );
        r.register(
            "vendor_rejected",
            "Reservations that a vendor's actor did not take before the deadline",
            metrics.vendor_rejected.clone(),
        );
        r.register(
            "vendor_actors",
            "Live vendor actors",
            metrics.vendor_actors.clone(),
        );
        r.register(
            "vendor_mailbox_depth_deepest",
            "The ten vendors with the deepest mailboxes",
            metrics.deepest_vendors.clone(),
        );
        r.register(
            "batch_size",
            "Checkouts in one transaction",
            metrics.batch_size.clone(),
        );
        r.register_with_unit(
            "batch_duration",
            "How long a checkout transaction took, commit included",
            Unit::Seconds,
            metrics.batch_duration.clone(),
        );
        r.register(
            "batch_retries",
            "Checkouts that were tried again, alone, after their transaction failed",
            metrics.batch_retries.clone(),
        );
        r.register(
            "batch_stock_moved",
            "Transactions begun anew because stock was taken between reading and reserving it",
            metrics.batch_stock_moved.clone(),
        );
        r.register(
            "reservations",
            "Line items, by outcome",
            metrics.reservations.clone(),
        );
        r.register(
            "checkouts",
            "Checkouts, by outcome",
            metrics.checkouts.clone(),
        );
        r.register(
            "replays",
            "Requests answered with the first answer, by where it was found",
            metrics.replays.clone(),
        );
        r.register(
            "pool_connections",
            "Connections to PostgreSQL, by pool and state",
            metrics.pool_connections.clone(),
        );
        r.register(
            "pool_connections_max",
            "Connections to PostgreSQL that a pool may have",
            metrics.pool_connections_max.clone(),
        );
        r.register(
            "outbox_waiting",
            "Events that are not published yet; 10001 is that many or more",
            metrics.outbox_waiting.clone(),
        );
        r.register_with_unit(
            "outbox_oldest",
            "Age of the oldest event that is not published yet",
            Unit::Seconds,
            metrics.outbox_oldest.clone(),
        );
        r.register(
            "outbox_published",
            "Events published",
            metrics.outbox_published.clone(),
        );
        r.register(
            "outbox_refused",
            "Publications that the broker refused while it took others",
            metrics.outbox_refused.clone(),
        );
        r.register_with_unit(
            "outbox_measured_timestamp",
            "When the outbox was last measured, as Unix time",
            Unit::Seconds,
            metrics.outbox_measured.clone(),
        );
        r.register(
            "outbox_sink_up",
            "1 while the broker takes events, 0 since it has taken none, whatever the event",
            metrics.outbox_sink_up.clone(),
        );
        r.register(
            "outbox_sink_failures",
            "Attempts to publish that the broker failed, whatever the event, by reason",
            metrics.outbox_sink_failures.clone(),
        );
        r.register(
            "outbox_buried",
            "Events that became dead letters",
            metrics.outbox_buried.clone(),
        );
        r.register(
            "outbox_claims_ended",
            "Events that were not published because their claim had ended; they are claimed anew",
            metrics.outbox_claims_ended.clone(),
        );
        r.register(
            "outbox_removed",
            "Published events that were removed after their retention",
            metrics.outbox_removed.clone(),
        );
        r.register(
            "redis_failures",
            "Commands that Redis failed or did not answer in time",
            metrics.redis_failures.clone(),
        );
        r.register(
            "answers_left_out",
            "First answers of which Redis got no copy, because their store has its share there",
            metrics.answers_left_out.clone(),
        );
        r.register(
            "log_lines_dropped",
            "Log lines that were dropped because nobody read them",
            metrics.log_lines_dropped.clone(),
        );
        r.register(
            "http_rate_limited",
            "Requests refused because there were too many of an address or of a user",
            metrics.rate_limited.clone(),
        );
        r.register(
            "auth_refused",
            "Requests answered with 401 or 403, by reason",
            metrics.auth_refused.clone(),
        );
        r.register(
            "watched_file_ok",
            "Whether what a file of keys or certificates says now is in use (1), or it can't be used (0)",
            metrics.file_ok.clone(),
        );
        r.register_with_unit(
            "watched_file_read_timestamp",
            "When a file of keys or certificates was last read and could be used, since 1970",
            Unit::Seconds,
            metrics.file_read.clone(),
        );
        r.register(
            "http_connections",
            "Open connections of the public listener",
            metrics.connections.clone(),
        );
        r.register(
            "http_requests_under_way",
            "Requests of the public listener whose answer is not handed on yet",
            metrics.requests_under_way.clone(),
        );
        r.register(
            "http_connections_cut",
            "Connections that we ended before their time, by reason",
            metrics.connections_cut.clone(),
        );
        r.register(
            "http_broken_requests",
            "Requests that were broken as HTTP and reached no route, by reason",
            metrics.broken_requests.clone(),
        );
        r.register_with_unit(
            "http_bodies",
            "Requests' bodies in memory",
            Unit::Bytes,
            metrics.bodies_bytes.clone(),
        );
        r.register_with_unit(
            "tls_certificate_not_after_timestamp",
            "When the certificate of the public listener expires, as Unix time; 0 without TLS",
            Unit::Seconds,
            metrics.certificate_not_after.clone(),
        );
        r.register(
            "http_requests",
            "Requests, by route and status",
            metrics.requests.clone(),
        );
        r.register_with_unit(
            "http_request_duration",
            "How long a request took",
            Unit::Seconds,
            metrics.request_duration.clone(),
        );
        metrics.registry = Arc::new(r);
        metrics
    }

    /// A family shows nothing until one of its members exists, and a counter that appears with its
    /// first event hides that event from every rate: what is refused and repeated is 0 from the
    /// start.
    fn begin_at_zero(&self) {
        for reason in [
            RefusedBecause::QueueFull,
            RefusedBecause::WouldWaitTooLong,
            RefusedBecause::WaitedTooLong,
            RefusedBecause::TooManySetAside,
            RefusedBecause::Draining,
        ] {
            for meters in [&self.coordinator, &self.carts] {
                drop(meters.rejected.get_or_create(&RefusedLabel { reason }));
            }
        }
        for limit in ["address", "user", "refused_tokens", "code_guesses"] {
            drop(self.rate_limited.get_or_create(&LimitLabel { limit }));
        }
        for reason in ["unread", "requests", "head", "frames", "address"] {
            drop(self.connections_cut.get_or_create(&ReasonLabel { reason }));
        }
        for reason in ["malformed", "head_too_large", "late_head", "body", "http2"] {
            drop(self.broken_requests.get_or_create(&ReasonLabel { reason }));
        }
        for source in ["redis", "postgresql"] {
            drop(self.replays.get_or_create(&ReplayLabel { source }));
        }
    }

    /// Counts a thing that happened.
    pub fn count(family: &Family<OutcomeLabel, Counter>, outcome: &'static str) {
        family.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    /// Counts a connection that we end before its time.
    pub fn count_cut_connection(&self, reason: &'static str) {
        let label = ReasonLabel { reason };
        self.connections_cut.get_or_create(&label).inc();
    }

    /// Counts a request that was broken as HTTP.
    pub fn count_broken(&self, reason: &'static str) {
        let label = ReasonLabel { reason };
        self.broken_requests.get_or_create(&label).inc();
    }

    /// How many log lines have been dropped so far.
    pub fn set_log_lines_dropped(&self, dropped: u64) {
        let counter = &self.log_lines_dropped;
        counter.inc_by(dropped.saturating_sub(counter.get()));
    }

    /// Includes a pool in what is reported; pools of one name are added up.
    pub fn watch_pool(&self, name: &'static str, pool: PgPool) {
        self.pools
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((name, pool));
    }

    /// Everything in the OpenMetrics text format.
    ///
    /// # Errors
    /// Never in practice: writing to a string can't fail.
    pub fn encode(&self, deepest: &[(VendorStoreId, usize)]) -> Result<String, std::fmt::Error> {
        self.deepest_vendors.clear();
        for (vendor, depth) in deepest {
            let label = VendorLabel {
                vendor_store_id: vendor.to_string(),
            };
            self.deepest_vendors
                .get_or_create(&label)
                .set(i64::try_from(*depth).unwrap_or(i64::MAX));
        }
        self.measure_pools();
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }

    fn measure_pools(&self) {
        self.pool_connections.clear();
        self.pool_connections_max.clear();
        let pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, connections) in pools.iter() {
            let idle = i64::try_from(connections.num_idle()).unwrap_or(i64::MAX);
            let used = i64::from(connections.size()) - idle;
            let most = connections.options().get_max_connections();
            self.pool_connections_max
                .get_or_create(&PoolNameLabel { pool: name })
                .inc_by(most.into());
            for (state, count) in [("used", used), ("idle", idle)] {
                let label = PoolLabel { pool: name, state };
                self.pool_connections
                    .get_or_create(&label)
                    .inc_by(count.max(0));
            }
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}
