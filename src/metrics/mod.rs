//! All metrics. The [`list`] has their names, meanings and remedies.
//!
//! As OpenMetrics requires, counters are exposed with the suffix `_total` and times with `_seconds`. The
//! values of labels are bounded: routes are patterns, and only the vendors with the deepest mailboxes
//! are named.
//!
//! | file | what |
//! |---|---|
//! | [`list`] | every metric: name, kind, labels, meaning, what to do when it is odd |
//! | [`markdown`] | the list as `docs/metrics.md` |
//! | [`event_loop`] | the lag of each thread's event loop |
//! | `process` | memory, CPU time and open files of the process |
//! | `registrar` | registers what the list has |
//! | `zeros` | the counters that exist before their first event |

pub mod event_loop;
pub mod histogram;
mod labels;
pub mod list;
pub mod markdown;
mod process;
mod registrar;
pub mod stage_meters;
#[cfg(test)]
mod tests;
pub mod zeros;

use std::sync::{Arc, Mutex, PoisonError, atomic::AtomicU64};

use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use sqlx::PgPool;

use crate::domain::ids::VendorStoreId;

use self::{
    histogram::Histogram, process::Process, registrar::Registrar, stage_meters::StageMeters,
};

pub use self::labels::{
    AnswerLabel, ClosedBecause, ClosedLabel, FileLabel, KindLabel, LimitLabel, OutcomeLabel,
    PoolLabel, PoolNameLabel, ReasonLabel, RefusedBecause, RefusedLabel, ReplayLabel, RequestLabel,
    SinkFailureLabel, SinkLabel, StageLabel, StatusLabel, ThreadLabel, VendorLabel, VersionLabel,
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
            depth: r.add("splitcart_coordinator_mailbox_depth"),
            wait: r.durations("splitcart_coordinator_mailbox_wait_seconds"),
            rejected: r.add("splitcart_coordinator_rejected_total"),
            overdue: r.add("splitcart_coordinator_overdue"),
            set_aside: r.add("splitcart_coordinator_set_aside"),
            slow_lane: r.add("splitcart_coordinator_slow_lane_depth"),
            running: r.add("splitcart_coordinator_running"),
            closed: r.add("splitcart_batches_closed_total"),
        }
    }

    #[rustfmt::skip]
    fn of_orders(r: &mut Registrar) -> Self {
        Self {
            depth: r.add("splitcart_order_mailbox_depth"),
            wait: r.durations("splitcart_order_mailbox_wait_seconds"),
            rejected: r.add("splitcart_order_rejected_total"),
            overdue: r.add("splitcart_order_overdue"),
            set_aside: r.add("splitcart_order_set_aside"),
            slow_lane: r.add("splitcart_order_slow_lane_depth"),
            running: r.add("splitcart_order_running"),
            closed: r.add("splitcart_order_batches_closed_total"),
        }
    }

    /// Registers only what can happen to a cart PUT: none is ever set aside or in a slow lane.
    #[rustfmt::skip]
    fn of_carts(r: &mut Registrar) -> Self {
        Self {
            depth: r.add("splitcart_cart_mailbox_depth"),
            wait: r.durations("splitcart_cart_mailbox_wait_seconds"),
            rejected: r.add("splitcart_cart_rejected_total"),
            overdue: Gauge::default(),
            set_aside: Gauge::default(),
            slow_lane: Gauge::default(),
            running: r.add("splitcart_cart_running"),
            closed: r.add("splitcart_cart_batches_closed_total"),
        }
    }

    /// Registers only what can happen to a stock count: none is ever in a slow lane.
    #[rustfmt::skip]
    fn of_counts(r: &mut Registrar) -> Self {
        Self {
            depth: r.add("splitcart_count_mailbox_depth"),
            wait: r.durations("splitcart_count_mailbox_wait_seconds"),
            rejected: r.add("splitcart_count_rejected_total"),
            overdue: r.add("splitcart_count_overdue"),
            set_aside: r.add("splitcart_count_set_aside"),
            slow_lane: Gauge::default(),
            running: r.add("splitcart_count_running"),
            closed: r.add("splitcart_count_batches_closed_total"),
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
    pub batch_tables_locked: Counter,
    pub held_rows: Gauge,
    pub held_row_wait: Family<OutcomeLabel, Histogram>,
    pub reservations: Family<OutcomeLabel, Counter>,
    pub checkouts: Family<OutcomeLabel, Counter>,
    pub replays: Family<ReplayLabel, Counter>,
    database_errors: Family<KindLabel, Counter>,
    pub database_connections: Gauge,
    pub database_connections_max: Gauge,
    pub database_lock_waits: Gauge,
    pub database_measured: Gauge<f64, AtomicU64>,
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
    pub orders_waiting: Gauge,
    pub orders_waiting_oldest: Gauge<f64, AtomicU64>,
    pub orders_measured: Gauge<f64, AtomicU64>,
    pub orders_expired: Counter,
    pub orders_not_expired: Counter,
    pub expiry_waiting: Gauge,
    pub expiry_overdue: Gauge<f64, AtomicU64>,
    pub redis_command_duration: Histogram,
    pub redis_failures: Counter,
    build_info: Family<VersionLabel, Gauge>,
    pub event_loop_lag: Family<ThreadLabel, Histogram>,
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
        let mut registrar = Registrar::default();
        let r = &mut registrar;
        let mut metrics = Self {
            checkout_queue: Meters::of_checkouts(r),
            cart_queue: Meters::of_carts(r),
            order_queue: Meters::of_orders(r),
            order_batch_size: r.batch_sizes("splitcart_order_batch_size"),
            order_moves: r.add("splitcart_order_moves_total"),
            orders_moved: r.add("splitcart_orders_moved_total"),
            count_queue: Meters::of_counts(r),
            count_duration: r.durations("splitcart_count_duration_seconds"),
            counted_rows: r.add("splitcart_counted_rows_total"),
            held_rows: r.add("splitcart_held_rows"),
            held_row_wait: r.durations_by("splitcart_held_row_wait_seconds"),
            cart_batch_size: r.batch_sizes("splitcart_cart_batch_size"),
            vendor_mailbox_depth: r.add("splitcart_vendor_mailbox_depth"),
            vendor_mailbox_wait: r.durations("splitcart_vendor_mailbox_wait_seconds"),
            vendor_rejected: r.add("splitcart_vendor_rejected_total"),
            vendor_actors: r.add("splitcart_vendor_actors"),
            deepest_vendors: r.add("splitcart_vendor_mailbox_depth_deepest"),
            batch_size: r.batch_sizes("splitcart_batch_size"),
            batch_duration: r.durations("splitcart_batch_duration_seconds"),
            checkout_stages: StageMeters::new(r),
            batch_retries: r.add("splitcart_batch_retries_total"),
            batch_stock_moved: r.add("splitcart_batch_stock_moved_total"),
            batch_tables_locked: r.add("splitcart_batch_tables_locked_total"),
            reservations: r.add("splitcart_reservations_total"),
            checkouts: r.add("splitcart_checkouts_total"),
            replays: r.add("splitcart_replays_total"),
            database_errors: r.add("splitcart_database_errors_total"),
            database_connections: r.add("splitcart_database_connections"),
            database_connections_max: r.add("splitcart_database_connections_max"),
            database_lock_waits: r.add("splitcart_database_lock_waits"),
            database_measured: r.add("splitcart_database_measured_timestamp_seconds"),
            pool_connections: r.add("splitcart_pool_connections"),
            pool_connections_max: r.add("splitcart_pool_connections_max"),
            outbox_waiting: r.add("splitcart_outbox_waiting"),
            outbox_oldest: r.add("splitcart_outbox_oldest_seconds"),
            outbox_published: r.add("splitcart_outbox_published_total"),
            outbox_refused: r.add("splitcart_outbox_refused_total"),
            outbox_measured: r.add("splitcart_outbox_measured_timestamp_seconds"),
            outbox_sink_up: r.add("splitcart_outbox_sink_up"),
            outbox_sink_waiting: r.add("splitcart_outbox_sink_waiting"),
            outbox_sink_oldest: r.add("splitcart_outbox_sink_oldest_seconds"),
            outbox_sink_dead_letters: r.add("splitcart_outbox_sink_dead_letters"),
            outbox_sink_failures: r.add("splitcart_outbox_sink_failures_total"),
            outbox_buried: r.add("splitcart_outbox_buried_total"),
            outbox_claims_ended: r.add("splitcart_outbox_claims_ended_total"),
            outbox_removed: r.add("splitcart_outbox_removed_total"),
            webhook_deliveries: r.add("splitcart_webhook_deliveries_total"),
            webhook_waiting: r.add("splitcart_webhook_waiting"),
            webhook_duration: r.durations("splitcart_webhook_duration_seconds"),
            webhook_endpoints_disabled: r.add("splitcart_webhook_endpoints_disabled_total"),
            live_streams: r.add("splitcart_live_streams"),
            live_streams_dropped: r.add("splitcart_live_streams_dropped_total"),
            live_streams_refused: r.add("splitcart_live_streams_refused_total"),
            orders_waiting: r.add("splitcart_orders_waiting"),
            orders_waiting_oldest: r.add("splitcart_orders_waiting_oldest_seconds"),
            orders_measured: r.add("splitcart_orders_measured_timestamp_seconds"),
            orders_expired: r.add("splitcart_orders_expired_total"),
            orders_not_expired: r.add("splitcart_orders_not_expired_total"),
            expiry_waiting: r.add("splitcart_expiry_waiting"),
            expiry_overdue: r.add("splitcart_expiry_overdue_seconds"),
            redis_command_duration: r.durations("splitcart_redis_command_duration_seconds"),
            redis_failures: r.add("splitcart_redis_failures_total"),
            answers_left_out: r.add("splitcart_answers_left_out_total"),
            build_info: r.add("splitcart_build_info"),
            event_loop_lag: r.durations_by("splitcart_event_loop_lag_seconds"),
            log_lines_dropped: r.add("splitcart_log_lines_dropped_total"),
            spans_exported: r.add("splitcart_spans_exported_total"),
            spans_dropped: r.add("splitcart_spans_dropped_total"),
            rate_limited: r.add("splitcart_http_rate_limited_total"),
            auth_refused: r.add("splitcart_auth_refused_total"),
            file_ok: r.add("splitcart_watched_file_ok"),
            file_read: r.add("splitcart_watched_file_read_timestamp_seconds"),
            connections: r.add("splitcart_http_connections"),
            requests_under_way: r.add("splitcart_http_requests_under_way"),
            connections_cut: r.add("splitcart_http_connections_cut_total"),
            broken_requests: r.add("splitcart_http_broken_requests_total"),
            bodies_bytes: r.add("splitcart_http_bodies_bytes"),
            certificate_not_after: r.add("splitcart_tls_certificate_not_after_timestamp_seconds"),
            requests: r.add("splitcart_http_requests_total"),
            request_duration: r.durations("splitcart_http_request_duration_seconds"),
            pools: Arc::default(),
            registry: Arc::default(),
        };
        registrar.collect(Process::starting());
        metrics.registry = Arc::new(registrar.finish());
        let version = env!("CARGO_PKG_VERSION");
        metrics
            .build_info
            .get_or_create(&VersionLabel { version })
            .set(1);
        metrics.begin_at_zero();
        metrics
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

    /// Sets the numbers of errors of PostgreSQL so far, by kind.
    pub fn set_database_errors(&self, errors: impl IntoIterator<Item = (&'static str, u64)>) {
        for (kind, count) in errors {
            let counter = self.database_errors.get_or_create(&KindLabel { kind });
            counter.inc_by(count.saturating_sub(counter.get()));
        }
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
