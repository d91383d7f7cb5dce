//! Every metric's name, unit and help, on one page.
//!
//! Counters appear with the suffix `_total`, metrics of time in `_seconds` (OpenMetrics). Labels
//! are bounded: routes are patterns, and of the vendors only the ten with the deepest mailboxes are
//! named.

mod labels;
mod registrar;

use std::sync::{Arc, Mutex, PoisonError, atomic::AtomicU64};

use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};
use sqlx::PgPool;

use crate::domain::ids::VendorStoreId;

use self::registrar::Registrar;

pub use self::labels::{
    FileLabel, LimitLabel, OutcomeLabel, PoolLabel, PoolNameLabel, ReasonLabel, RefusedBecause,
    RefusedLabel, ReplayLabel, RequestLabel, VendorLabel,
};

/// How many vendors are named beside their mailbox's depth.
pub const DEEPEST_VENDORS_MAX: usize = 10;

/// The metrics of a desk's queue, and of the transactions behind it.
#[derive(Clone, Debug)]
#[expect(
    missing_docs,
    reason = "each is explained by its help, where it is registered"
)]
pub struct Meters {
    pub depth: Gauge,
    pub wait: Histogram,
    pub rejected: Family<RefusedLabel, Counter>,
    pub overdue: Gauge,
    pub set_aside: Gauge,
    pub slow_lane: Gauge,
}

impl Meters {
    // A table: a metric a line.
    #[rustfmt::skip]
    fn of_checkouts(r: &mut Registrar) -> Self {
        Self {
            depth: r.add("coordinator_mailbox_depth", "Checkouts that wait for a transaction"),
            wait: r.durations("coordinator_mailbox_wait", "How long a checkout waited for a transaction"),
            rejected: r.add("coordinator_rejected", "Checkouts refused by the coordinator, by reason; nothing was done for them"),
            overdue: r.add("coordinator_overdue", "Checkout transactions under way that are much slower than the others"),
            set_aside: r.add("coordinator_set_aside", "Checkouts that wait for a row that somebody else holds"),
            slow_lane: r.add("coordinator_slow_lane_depth", "Checkouts that wait to be tried apart from those that their transaction failed with"),
        }
    }

    /// Only what can happen to a cart PUT is registered: nothing sets one aside.
    #[rustfmt::skip]
    fn of_carts(r: &mut Registrar) -> Self {
        Self {
            depth: r.add("cart_mailbox_depth", "Cart PUTs that wait for a transaction"),
            wait: r.durations("cart_mailbox_wait", "How long a cart PUT waited for a transaction"),
            rejected: r.add("cart_rejected", "Cart PUTs refused before any work, by reason"),
            overdue: Gauge::default(),
            set_aside: Gauge::default(),
            slow_lane: Gauge::default(),
        }
    }
}

/// All metrics. Cloning shares them.
#[derive(Clone, Debug)]
#[expect(
    missing_docs,
    reason = "each is explained by its help, where it is registered"
)]
pub struct Metrics {
    pub checkout_queue: Meters,
    pub cart_queue: Meters,
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
    /// Registers every metric, each with its name and its help.
    #[rustfmt::skip]
    pub fn new() -> Self {
        let mut registrar = Registrar::new();
        let r = &mut registrar;
        let mut metrics = Self {
            checkout_queue: Meters::of_checkouts(r),
            cart_queue: Meters::of_carts(r),
            held_rows: r.add("held_rows", "Rows that checkouts need and that transactions of others are known to hold"),
            cart_batch_size: r.batch_sizes("cart_batch_size", "Cart PUTs in one transaction"),
            vendor_mailbox_depth: r.add("vendor_mailbox_depth", "Reservations in all vendor actors' mailboxes, the one at work included"),
            vendor_mailbox_wait: r.durations("vendor_mailbox_wait", "How long a reservation waited for its vendor's turn"),
            vendor_rejected: r.add("vendor_rejected", "Reservations that a vendor's actor did not take before the deadline"),
            vendor_actors: r.add("vendor_actors", "Live vendor actors"),
            deepest_vendors: r.add("vendor_mailbox_depth_deepest", "The ten vendors with the deepest mailboxes"),
            batch_size: r.batch_sizes("batch_size", "Checkouts in one transaction"),
            batch_duration: r.durations("batch_duration", "How long a checkout transaction took, commit included"),
            batch_retries: r.add("batch_retries", "Checkouts that were tried again, alone, after their transaction failed"),
            batch_stock_moved: r.add("batch_stock_moved", "Transactions begun anew because stock was taken between reading and reserving it"),
            reservations: r.add("reservations", "Line items, by outcome"),
            checkouts: r.add("checkouts", "Checkouts, by outcome"),
            replays: r.add("replays", "Requests answered with the first answer, by where it was found"),
            pool_connections: r.add("pool_connections", "Connections to PostgreSQL, by pool and state"),
            pool_connections_max: r.add("pool_connections_max", "Connections to PostgreSQL that a pool may have"),
            outbox_waiting: r.add("outbox_waiting", "Events that are not published yet; 10001 is that many or more"),
            outbox_oldest: r.in_unit(Unit::Seconds, "outbox_oldest", "Age of the oldest event that is not published yet"),
            outbox_published: r.add("outbox_published", "Events published"),
            outbox_refused: r.add("outbox_refused", "Publications that the broker refused while it took others"),
            outbox_measured: r.in_unit(Unit::Seconds, "outbox_measured_timestamp", "When the outbox was last measured, as Unix time"),
            outbox_sink_up: r.add("outbox_sink_up", "1 while the broker takes events, 0 since it has taken none, whatever the event"),
            outbox_sink_failures: r.add("outbox_sink_failures", "Attempts to publish that the broker failed, whatever the event, by reason"),
            outbox_buried: r.add("outbox_buried", "Events that became dead letters"),
            outbox_claims_ended: r.add("outbox_claims_ended", "Events that were not published because their claim had ended; they are claimed anew"),
            outbox_removed: r.add("outbox_removed", "Published events that were removed after their retention"),
            redis_failures: r.add("redis_failures", "Commands that Redis failed or did not answer in time"),
            answers_left_out: r.add("answers_left_out", "First answers of which Redis got no copy, because their store has its share there"),
            log_lines_dropped: r.add("log_lines_dropped", "Log lines that were dropped because nobody read them"),
            rate_limited: r.add("http_rate_limited", "Requests refused because there were too many of an address or of a user"),
            auth_refused: r.add("auth_refused", "Requests answered with 401 or 403, by reason"),
            file_ok: r.add("watched_file_ok", "Whether what a file of keys or certificates says now is in use (1), or it can't be used (0)"),
            file_read: r.in_unit(Unit::Seconds, "watched_file_read_timestamp", "When a file of keys or certificates was last read and could be used, since 1970"),
            connections: r.add("http_connections", "Open connections of the public listener"),
            requests_under_way: r.add("http_requests_under_way", "Requests of the public listener whose answer is not handed on yet"),
            connections_cut: r.add("http_connections_cut", "Connections that we ended before their time, by reason"),
            broken_requests: r.add("http_broken_requests", "Requests that were broken as HTTP and reached no route, by reason"),
            bodies_bytes: r.in_unit(Unit::Bytes, "http_bodies", "Requests' bodies in memory"),
            certificate_not_after: r.in_unit(Unit::Seconds, "tls_certificate_not_after_timestamp", "When the certificate of the public listener expires, as Unix time; 0 without TLS"),
            requests: r.add("http_requests", "Requests, by route and status"),
            request_duration: r.durations("http_request_duration", "How long a request took"),
            pools: Arc::default(),
            registry: Arc::default(),
        };
        metrics.registry = Arc::new(registrar.finish());
        metrics.begin_at_zero();
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
            for meters in [&self.checkout_queue, &self.cart_queue] {
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
