//! All metrics with their names, units and help texts.
//!
//! As OpenMetrics requires, counters are exposed with the suffix `_total` and times with `_seconds`. The
//! values of labels are bounded: routes are patterns, and only the vendors with the deepest mailboxes
//! are named.

pub mod histogram;
mod labels;
mod registrar;
pub mod stage_meters;

use std::sync::{Arc, Mutex, PoisonError, atomic::AtomicU64};

use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};
use sqlx::PgPool;

use crate::domain::ids::VendorStoreId;

use self::{histogram::Histogram, registrar::Registrar, stage_meters::StageMeters};

pub use self::labels::{
    AnswerLabel, ClosedBecause, ClosedLabel, FileLabel, LimitLabel, OutcomeLabel, PoolLabel,
    PoolNameLabel, ReasonLabel, RefusedBecause, RefusedLabel, ReplayLabel, RequestLabel,
    SinkFailureLabel, SinkLabel, StageLabel, StatusLabel, VendorLabel,
};

/// The most vendors whose mailboxes' depths are reported.
pub const DEEPEST_VENDORS_MAX: usize = 10;

/// The metrics of a desk: of its queue, and of the transactions behind it.
#[derive(Clone, Debug)]
pub struct Meters {
    pub depth: Gauge,
    pub wait: Histogram,
    pub rejected: Family<RefusedLabel, Counter>,
    pub overdue: Gauge,
    pub set_aside: Gauge,
    pub slow_lane: Gauge,
    /// Transactions that have a slot or have lost it, without those of the slow lane.
    pub running: Gauge,
    pub closed: Family<ClosedLabel, Counter>,
}

impl Meters {
    // A table: a metric a line.
    #[rustfmt::skip]
    fn of_checkouts(r: &mut Registrar) -> Self {
        Self {
            depth: r.add("coordinator_mailbox_depth", "Checkouts waiting for a transaction"),
            wait: r.durations("coordinator_mailbox_wait", "Time that checkouts waited for a transaction"),
            rejected: r.add("coordinator_rejected", "Checkouts refused before any work was done, by reason"),
            overdue: r.add("coordinator_overdue", "Running checkout transactions that are much slower than the others"),
            set_aside: r.add("coordinator_set_aside", "Checkouts waiting, outside any transaction, for a row that another transaction holds"),
            slow_lane: r.add("coordinator_slow_lane_depth", "Checkouts whose transaction failed, waiting to be tried again alone"),
            running: r.add("coordinator_running", "Transactions of checkouts under way"),
            closed: r.add("batches_closed", "Batches of checkouts by the reason why they were closed"),
        }
    }

    #[rustfmt::skip]
    fn of_orders(r: &mut Registrar) -> Self {
        Self {
            depth: r.add("order_mailbox_depth", "Moves of orders waiting for a transaction"),
            wait: r.durations("order_mailbox_wait", "Time that moves of orders waited for a transaction"),
            rejected: r.add("order_rejected", "Moves of orders refused before any work was done, by reason"),
            overdue: r.add("order_overdue", "Running transactions of moves that are much slower than the others"),
            set_aside: r.add("order_set_aside", "Moves of orders waiting, outside any transaction, for a row that another transaction holds"),
            slow_lane: r.add("order_slow_lane_depth", "Moves of orders whose transaction failed, waiting to be tried again alone"),
            running: r.add("order_running", "Transactions of moves of orders under way"),
            closed: r.add("order_batches_closed", "Batches of moves of orders by the reason why they were closed"),
        }
    }

    /// Registers only what can happen to a cart PUT: none is ever set aside or in a slow lane.
    #[rustfmt::skip]
    fn of_carts(r: &mut Registrar) -> Self {
        Self {
            depth: r.add("cart_mailbox_depth", "Cart PUTs waiting for a transaction"),
            wait: r.durations("cart_mailbox_wait", "Time that cart PUTs waited for a transaction"),
            rejected: r.add("cart_rejected", "Cart PUTs refused before any work was done, by reason"),
            overdue: Gauge::default(),
            set_aside: Gauge::default(),
            slow_lane: Gauge::default(),
            running: r.add("cart_running", "Transactions of cart PUTs under way"),
            closed: r.add("cart_batches_closed", "Batches of cart PUTs by the reason why they were closed"),
        }
    }

    /// Registers only what can happen to a stock count: none is ever in a slow lane.
    #[rustfmt::skip]
    fn of_counts(r: &mut Registrar) -> Self {
        Self {
            depth: r.add("count_mailbox_depth", "Stock counts waiting for a transaction"),
            wait: r.durations("count_mailbox_wait", "Time that stock counts waited for a transaction"),
            rejected: r.add("count_rejected", "Stock counts refused before any work was done, by reason"),
            overdue: r.add("count_overdue", "Running transactions of stock counts that are much slower than the others"),
            set_aside: r.add("count_set_aside", "Stock counts waiting, outside any transaction, for a row that another transaction holds"),
            slow_lane: Gauge::default(),
            running: r.add("count_running", "Transactions of stock counts under way"),
            closed: r.add("count_batches_closed", "Batches of stock counts by the reason why they were closed"),
        }
    }
}

/// The connections of a pool.
#[derive(Clone, Copy, Debug)]
pub struct PoolUse {
    pub name: &'static str,
    pub used: u32,
    pub idle: u32,
    pub max: u32,
}

/// All metrics. Clones share them.
#[derive(Clone, Debug)]
pub struct Metrics {
    pub checkout_queue: Meters,
    pub cart_queue: Meters,
    pub order_queue: Meters,
    pub order_batch_size: Histogram,
    pub order_moves: Family<OutcomeLabel, Counter>,
    orders_moved: Family<StatusLabel, Counter>,
    pub count_queue: Meters,
    pub count_duration: Histogram,
    pub counted_rows: Family<OutcomeLabel, Counter>,
    pub cart_batch_size: Histogram,
    pub vendor_mailbox_depth: Gauge,
    pub vendor_mailbox_wait: Histogram,
    pub vendor_rejected: Counter,
    pub vendor_actors: Gauge,
    deepest_vendors: Family<VendorLabel, Gauge>,
    pub batch_size: Histogram,
    pub batch_duration: Histogram,
    pub batch_retries: Counter,
    pub checkout_stages: StageMeters,
    pub batch_stock_moved: Counter,
    pub held_rows: Gauge,
    pub reservations: Family<OutcomeLabel, Counter>,
    pub checkouts: Family<OutcomeLabel, Counter>,
    pub replays: Family<ReplayLabel, Counter>,
    pool_connections: Family<PoolLabel, Gauge>,
    pool_connections_max: Family<PoolNameLabel, Gauge>,
    pub outbox_waiting: Gauge,
    pub outbox_oldest: Gauge<f64, AtomicU64>,
    pub outbox_published: Family<SinkLabel, Counter>,
    pub outbox_refused: Family<SinkLabel, Counter>,
    pub outbox_measured: Gauge<f64, AtomicU64>,
    pub outbox_sink_up: Family<SinkLabel, Gauge>,
    pub outbox_sink_waiting: Family<SinkLabel, Gauge>,
    pub outbox_sink_oldest: Family<SinkLabel, Gauge<f64, AtomicU64>>,
    pub outbox_sink_dead_letters: Family<SinkLabel, Gauge>,
    pub outbox_sink_failures: Family<SinkFailureLabel, Counter>,
    pub outbox_buried: Family<SinkLabel, Counter>,
    pub outbox_claims_ended: Counter,
    pub outbox_removed: Counter,
    pub webhook_deliveries: Family<OutcomeLabel, Counter>,
    pub webhook_duration: Histogram,
    pub webhook_waiting: Gauge,
    pub webhook_endpoints_disabled: Counter,
    pub live_streams: Gauge,
    pub live_streams_dropped: Counter,
    pub live_streams_refused: Family<ReasonLabel, Counter>,
    pub orders_expired: Counter,
    pub orders_not_expired: Counter,
    pub expiry_waiting: Gauge,
    pub expiry_overdue: Gauge<f64, AtomicU64>,
    pub redis_failures: Counter,
    log_lines_dropped: Counter,
    pub spans_exported: Counter,
    pub spans_dropped: Family<ReasonLabel, Counter>,
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
    /// Registers all metrics.
    #[rustfmt::skip]
    pub fn new() -> Self {
        let mut registrar = Registrar::new();
        let r = &mut registrar;
        let mut metrics = Self {
            checkout_queue: Meters::of_checkouts(r),
            cart_queue: Meters::of_carts(r),
            order_queue: Meters::of_orders(r),
            order_batch_size: r.batch_sizes("order_batch_size", "Moves of orders per transaction"),
            order_moves: r.add("order_moves", "Decisions, fulfilments, cancellations and expiries of orders, by outcome"),
            orders_moved: r.add("orders_moved", "Orders moved to a status after their checkout"),
            count_queue: Meters::of_counts(r),
            count_duration: r.durations("count_duration", "Duration of the transactions of stock counts, commit included"),
            counted_rows: r.add("counted_rows", "Items of stock counts, by result"),
            held_rows: r.add("held_rows", "Rows needed by checkouts that other transactions are known to hold"),
            cart_batch_size: r.batch_sizes("cart_batch_size", "Cart PUTs per transaction"),
            vendor_mailbox_depth: r.add("vendor_mailbox_depth", "Reservations in the mailboxes of all vendor actors, those being carried out included"),
            vendor_mailbox_wait: r.durations("vendor_mailbox_wait", "Time that reservations waited for their vendor's turn"),
            vendor_rejected: r.add("vendor_rejected", "Reservations that a vendor's actor did not take before their deadline"),
            vendor_actors: r.add("vendor_actors", "Live vendor actors"),
            deepest_vendors: r.add("vendor_mailbox_depth_deepest", "The ten vendors with the deepest mailboxes"),
            batch_size: r.batch_sizes("batch_size", "Checkouts per transaction"),
            batch_duration: r.durations("batch_duration", "Duration of checkout transactions, commit included"),
            checkout_stages: StageMeters::new(r),
            batch_retries: r.add("batch_retries", "Checkouts tried again, alone, after their transaction failed"),
            batch_stock_moved: r.add("batch_stock_moved", "Transactions restarted because stock changed between reading and reserving it"),
            reservations: r.add("reservations", "Line items of checkouts, by outcome"),
            checkouts: r.add("checkouts", "Checkouts, by outcome"),
            replays: r.add("replays", "Requests answered with a stored first answer, by where it was found"),
            pool_connections: r.add("pool_connections", "Connections to PostgreSQL, by pool and state"),
            pool_connections_max: r.add("pool_connections_max", "Most connections to PostgreSQL that a pool may open"),
            outbox_waiting: r.add("outbox_waiting", "Events not yet published to the primary sink; 10001 means 10001 or more"),
            outbox_oldest: r.in_unit(Unit::Seconds, "outbox_oldest", "Age of the oldest event not yet published to the primary sink"),
            outbox_published: r.add("outbox_published", "Events published, by sink"),
            outbox_refused: r.add("outbox_refused", "Publications refused by a sink while it accepted others, by sink"),
            outbox_measured: r.in_unit(Unit::Seconds, "outbox_measured_timestamp", "Unix time of the last measurement of the outbox"),
            outbox_sink_up: r.add("outbox_sink_up", "1 while the sink accepts events, 0 while it accepts none, by sink"),
            outbox_sink_waiting: r.add("outbox_sink_waiting", "Events that the sink has yet to take; 10001 means 10001 or more"),
            outbox_sink_oldest: r.in_unit(Unit::Seconds, "outbox_sink_oldest", "Age of the oldest event that the sink has yet to take"),
            outbox_sink_dead_letters: r.add("outbox_sink_dead_letters", "Dead letters of the sink: splitcart outbox list --dead"),
            outbox_sink_failures: r.add("outbox_sink_failures", "Attempts to publish that failed because of the sink, not of an event, by sink and reason"),
            outbox_buried: r.add("outbox_buried", "Events that became dead letters, by sink"),
            outbox_claims_ended: r.add("outbox_claims_ended", "Events left unpublished by a relay because their claim had expired; they are claimed again"),
            outbox_removed: r.add("outbox_removed", "Published events removed after their retention"),
            webhook_deliveries: r.add("webhook_deliveries", "Attempts to deliver an event to an endpoint of a store, by outcome"),
            webhook_waiting: r.add("webhook_waiting", "Deliveries to endpoints of stores that wait, those after a failure among them; 10001 means 10001 or more"),
            webhook_duration: r.durations("webhook_duration", "Time of an attempt to deliver a webhook, from the look-up of the host to the answer"),
            webhook_endpoints_disabled: r.add("webhook_endpoints_disabled", "Endpoints disabled because they failed for five days or are gone"),
            live_streams: r.add("live_streams", "Open live streams of orders"),
            live_streams_dropped: r.add("live_streams_dropped", "Live streams of orders ended because their reader was too slow"),
            live_streams_refused: r.add("live_streams_refused", "Live streams of orders that were not opened, by reason"),
            orders_expired: r.add("orders_expired", "Late orders that this instance has expired"),
            orders_not_expired: r.add("orders_not_expired", "Attempts to expire a late order that failed; each is tried again"),
            expiry_waiting: r.add("expiry_waiting", "Late orders that could not be expired and are tried again"),
            expiry_overdue: r.in_unit(Unit::Seconds, "expiry_overdue", "Time by which the oldest order that was last found to be late was late; 0 if none was"),
            redis_failures: r.add("redis_failures", "Redis commands that failed or timed out"),
            answers_left_out: r.add("answers_left_out", "First answers not cached in Redis because their store's share is used up"),
            log_lines_dropped: r.add("log_lines_dropped", "Log lines dropped because their reader stalled"),
            spans_exported: r.add("spans_exported", "Spans that the collector of traces has taken"),
            spans_dropped: r.add("spans_dropped", "Spans dropped because too many waited to be sent, or because the collector did not take them, by reason"),
            rate_limited: r.add("http_rate_limited", "Requests refused by a rate limit, by limit"),
            auth_refused: r.add("auth_refused", "Requests answered with 401 or 403, by reason"),
            file_ok: r.add("watched_file_ok", "1 if the present content of a file of keys or certificates is in use, 0 if it is invalid"),
            file_read: r.in_unit(Unit::Seconds, "watched_file_read_timestamp", "Unix time of the last valid reading of a file of keys or certificates"),
            connections: r.add("http_connections", "Open connections of the public listener"),
            requests_under_way: r.add("http_requests_under_way", "Requests of the public listener that are not yet answered"),
            connections_cut: r.add("http_connections_cut", "Connections that the server closed early, by reason"),
            broken_requests: r.add("http_broken_requests", "Requests that were invalid HTTP and reached no route, by reason"),
            bodies_bytes: r.in_unit(Unit::Bytes, "http_bodies", "Bytes of request bodies in memory"),
            certificate_not_after: r.in_unit(Unit::Seconds, "tls_certificate_not_after_timestamp", "Unix time at which the public listener's certificate expires; 0 without TLS"),
            requests: r.add("http_requests", "Requests, by route and status"),
            request_duration: r.durations("http_request_duration", "Duration of requests"),
            pools: Arc::default(),
            registry: Arc::default(),
        };
        metrics.registry = Arc::new(registrar.finish());
        metrics.begin_at_zero();
        metrics
    }

    /// Creates the counters of refusals and replays with the value 0. A counter that appears with its first
    /// event hides that event from every rate.
    fn begin_at_zero(&self) {
        for reason in [
            RefusedBecause::QueueFull,
            RefusedBecause::WouldWaitTooLong,
            RefusedBecause::WaitedTooLong,
            RefusedBecause::TooManySetAside,
            RefusedBecause::Draining,
        ] {
            for meters in [
                &self.checkout_queue,
                &self.cart_queue,
                &self.order_queue,
                &self.count_queue,
            ] {
                drop(meters.rejected.get_or_create(&RefusedLabel { reason }));
            }
        }
        for reason in [
            ClosedBecause::Idle,
            ClosedBecause::Full,
            ClosedBecause::Enough,
            ClosedBecause::OthersSlow,
        ] {
            for meters in [
                &self.checkout_queue,
                &self.cart_queue,
                &self.order_queue,
                &self.count_queue,
            ] {
                drop(meters.closed.get_or_create(&ClosedLabel { reason }));
            }
        }
        for outcome in ["changed", "unchanged", "refused"] {
            drop(self.counted_rows.get_or_create(&OutcomeLabel { outcome }));
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
        for reason in ["streams", "user_streams", "stopping", "unavailable"] {
            drop(
                self.live_streams_refused
                    .get_or_create(&ReasonLabel { reason }),
            );
        }
        for reason in ["queue_full", "not_taken"] {
            drop(self.spans_dropped.get_or_create(&ReasonLabel { reason }));
        }
        for source in ["redis", "postgresql"] {
            drop(self.replays.get_or_create(&ReplayLabel { source }));
        }
    }

    /// Counts an outcome.
    pub fn count(family: &Family<OutcomeLabel, Counter>, outcome: &'static str) {
        family.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    /// Counts an order that a move has brought to a status.
    pub fn count_order_moved_to(&self, status: &'static str) {
        self.orders_moved
            .get_or_create(&StatusLabel { status })
            .inc();
    }

    /// Counts a connection that the server closed early.
    pub fn count_cut_connection(&self, reason: &'static str) {
        let label = ReasonLabel { reason };
        self.connections_cut.get_or_create(&label).inc();
    }

    /// Counts a request that was invalid HTTP.
    pub fn count_broken(&self, reason: &'static str) {
        let label = ReasonLabel { reason };
        self.broken_requests.get_or_create(&label).inc();
    }

    /// Sets the number of log lines dropped so far.
    pub fn set_log_lines_dropped(&self, dropped: u64) {
        let counter = &self.log_lines_dropped;
        counter.inc_by(dropped.saturating_sub(counter.get()));
    }

    /// Reports a pool's connections from now on. Pools of the same name are added up.
    pub fn watch_pool(&self, name: &'static str, pool: PgPool) {
        self.pools
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((name, pool));
    }

    /// Writes all metrics in the OpenMetrics text format.
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

    /// The connections of each pool now.
    pub fn pools(&self) -> Vec<PoolUse> {
        let pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        let measure = |(name, pool): &(&'static str, PgPool)| {
            let idle = u32::try_from(pool.num_idle()).unwrap_or(u32::MAX);
            PoolUse {
                name,
                used: pool.size().saturating_sub(idle),
                idle,
                max: pool.options().get_max_connections(),
            }
        };
        pools.iter().map(measure).collect()
    }

    /// The orders that moves have brought to a status.
    pub fn orders_moved_to(&self, status: &StatusLabel) -> f64 {
        let counter = self.orders_moved.get(status);
        counter.map_or(0.0, |it| it.get() as f64)
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
