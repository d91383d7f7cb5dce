//! The figures that are kept: their names, how each is read from the metrics, and a quarter of an hour of
//! their values.

use std::{collections::VecDeque, fmt};

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::{
    domain::order::OrderStatus,
    metrics::{
        Metrics, OutcomeLabel, RefusedBecause, RefusedLabel, ReplayLabel, SinkLabel, StatusLabel,
    },
};

/// The seconds that are kept. A second has about 70 figures of four bytes, so all of it is about 260 kB.
const KEPT_S: usize = 15 * 60;

pub(super) use crate::metrics::zeros::{CHECKOUTS, RESERVATIONS as LINES};

const REFUSALS: [(&str, RefusedBecause); 5] = [
    ("queue_full", RefusedBecause::QueueFull),
    ("would_wait_too_long", RefusedBecause::WouldWaitTooLong),
    ("waited_too_long", RefusedBecause::WaitedTooLong),
    ("too_many_set_aside", RefusedBecause::TooManySetAside),
    ("draining", RefusedBecause::Draining),
];

/// The pools of connections that checkouts and requests use.
const POOLS: [&str; 5] = ["checkout", "carts", "orders", "inventory", "http"];

/// Reads the present value of a metric.
type Read = Box<dyn Fn(&Metrics) -> f64 + Send>;

enum Kind {
    /// The increase of a counter in a second.
    Rate(Read),
    /// The value of a gauge.
    Level(Read),
    /// See [`Figures::set_computed`].
    Computed,
}

struct Figure {
    name: String,
    kind: Kind,
}

/// All figures, with the values of their counters at the previous reading.
pub(super) struct Figures {
    figures: Vec<Figure>,
    before: Vec<f64>,
}

impl fmt::Debug for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Figures")
            .field("figures", &self.figures.len())
            .finish_non_exhaustive()
    }
}

/// The values of all figures in one second. A figure without a value is NaN.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub at_ms: i64,
    /// The time since the row before.
    pub elapsed_s: f64,
    pub values: Vec<f32>,
}

impl Figures {
    /// The figures of a service with these sinks and pools.
    pub(super) fn new(sinks: &[String], computed: &[String]) -> Self {
        let mut list = List(Vec::new());
        list.checkouts();
        list.queue();
        list.orders();
        list.sinks(sinks);
        for pool in POOLS {
            list.level(&format!("pool.{pool}"), move |m| used(m, pool));
        }
        for name in computed {
            list.add(name, Kind::Computed);
        }
        let figures = list.0;
        let before = vec![f64::NAN; figures.len()];
        Self { figures, before }
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.figures.iter().map(|it| it.name.clone()).collect()
    }

    pub(super) fn index_of(&self, name: &str) -> usize {
        let index = self.figures.iter().position(|it| it.name == name);
        index.unwrap_or_else(|| panic!("there is no figure {name}"))
    }

    /// Sets the figures that were computed, in the sequence in which they were named.
    pub(super) fn set_computed(&self, row: &mut Row, values: &[Option<f64>]) {
        let places = self.figures.iter().zip(&mut row.values);
        let computed = places.filter(|(figure, _)| matches!(figure.kind, Kind::Computed));
        for ((_, place), value) in computed.zip(values) {
            *place = value.map_or(f32::NAN, stored);
        }
    }

    /// Reads all metrics. The first reading has no rates.
    pub(super) fn read(&mut self, metrics: &Metrics, at_ms: i64, elapsed_s: f64) -> Row {
        let figures = self.figures.iter().zip(&mut self.before);
        let values = figures.map(|(figure, before)| match &figure.kind {
            Kind::Level(read) => stored(read(metrics)),
            Kind::Rate(read) => {
                let now = read(metrics);
                let earlier = std::mem::replace(before, now);
                // Not `max`, which would make 0 of a first reading.
                let rise = if now < earlier { 0.0 } else { now - earlier };
                stored(rise / elapsed_s)
            }
            Kind::Computed => f32::NAN,
        });
        let values = values.collect();
        Row {
            at_ms,
            elapsed_s,
            values,
        }
    }
}

/// The list while it is being made.
struct List(Vec<Figure>);

impl List {
    fn add(&mut self, name: &str, kind: Kind) {
        let name = name.to_owned();
        self.0.push(Figure { name, kind });
    }

    fn rate(&mut self, name: &str, read: impl Fn(&Metrics) -> f64 + Send + 'static) {
        self.add(name, Kind::Rate(Box::new(read)));
    }

    fn level(&mut self, name: &str, read: impl Fn(&Metrics) -> f64 + Send + 'static) {
        self.add(name, Kind::Level(Box::new(read)));
    }

    fn checkouts(&mut self) {
        for outcome in CHECKOUTS {
            let label = OutcomeLabel { outcome };
            self.rate(&format!("checkouts.{outcome}"), move |m| {
                m.checkouts.get(&label).map_or(0.0, |it| it.get() as f64)
            });
        }
        for outcome in LINES {
            let label = OutcomeLabel { outcome };
            self.rate(&format!("lines.{outcome}"), move |m| {
                m.reservations.get(&label).map_or(0.0, |it| it.get() as f64)
            });
        }
        for source in ["redis", "postgresql"] {
            let label = ReplayLabel { source };
            self.rate(&format!("replays.{source}"), move |m| {
                m.replays.get(&label).map_or(0.0, |it| it.get() as f64)
            });
        }
        for (name, reason) in REFUSALS {
            let label = RefusedLabel { reason };
            self.rate(&format!("refused.{name}"), move |m| {
                let rejected = &m.checkout_queue.rejected;
                rejected.get(&label).map_or(0.0, |it| it.get() as f64)
            });
        }
        self.rate("batch.retries", |m| m.batch_retries.get() as f64);
        self.rate("batch.stock_moved", |m| m.batch_stock_moved.get() as f64);
        self.rate("batch.tables_locked", |m| {
            m.batch_tables_locked.get() as f64
        });
        self.rate("redis.failures", |m| m.redis_failures.get() as f64);
    }

    fn queue(&mut self) {
        self.level("queue.depth", |m| m.checkout_queue.depth.get() as f64);
        self.level("queue.running", |m| m.checkout_queue.running.get() as f64);
        self.level("queue.set_aside", |m| {
            m.checkout_queue.set_aside.get() as f64
        });
        self.level("queue.slow_lane", |m| {
            m.checkout_queue.slow_lane.get() as f64
        });
        self.level("queue.overdue", |m| m.checkout_queue.overdue.get() as f64);
        self.level("rows.held", |m| m.held_rows.get() as f64);
        self.level("vendors.live", |m| m.vendor_actors.get() as f64);
        self.level("vendors.depth", |m| m.vendor_mailbox_depth.get() as f64);
        self.rate("vendors.rejected", |m| m.vendor_rejected.get() as f64);
    }

    fn orders(&mut self) {
        for (status, _) in OrderStatus::WORDS {
            let label = StatusLabel { status };
            self.rate(&format!("orders.{status}"), move |m| {
                m.orders_moved_to(&label)
            });
        }
        self.level("orders.undecided", |m| m.orders_waiting.get() as f64);
        self.level("orders.undecided_s", |m| m.orders_waiting_oldest.get());
        self.level("orders.queue", |m| m.order_queue.depth.get() as f64);
        self.level("expiry.waiting", |m| m.expiry_waiting.get() as f64);
        self.level("expiry.overdue_s", |m| m.expiry_overdue.get());
        self.level("webhooks.waiting", |m| m.webhook_waiting.get() as f64);
    }

    fn sinks(&mut self, sinks: &[String]) {
        for sink in sinks {
            let label = SinkLabel::of(sink);
            let (published, waiting) = (label.clone(), label.clone());
            let (oldest, dead) = (label.clone(), label);
            self.rate(&format!("sink.{sink}.published"), move |m| {
                m.outbox_published
                    .get(&published)
                    .map_or(0.0, |it| it.get() as f64)
            });
            self.level(&format!("sink.{sink}.waiting"), move |m| {
                m.outbox_sink_waiting
                    .get(&waiting)
                    .map_or(0.0, |it| it.get() as f64)
            });
            self.level(&format!("sink.{sink}.oldest_s"), move |m| {
                m.outbox_sink_oldest.get(&oldest).map_or(0.0, |it| it.get())
            });
            self.level(&format!("sink.{sink}.dead"), move |m| {
                m.outbox_sink_dead_letters
                    .get(&dead)
                    .map_or(0.0, |it| it.get() as f64)
            });
        }
    }
}

/// A figure as it is kept.
#[expect(
    clippy::cast_possible_truncation,
    reason = "seven digits are enough for a chart"
)]
fn stored(value: f64) -> f32 {
    value as f32
}

fn used(metrics: &Metrics, pool: &str) -> f64 {
    let pools = metrics.pools();
    let used = pools.iter().filter(|it| it.name == pool).map(|it| it.used);
    used.sum::<u32>().into()
}

/// The last quarter of an hour.
#[derive(Debug, Default)]
pub(super) struct History {
    names: Vec<String>,
    rows: VecDeque<Row>,
}

impl History {
    pub(super) fn begin(&mut self, names: Vec<String>) {
        self.names = names;
        self.rows = VecDeque::with_capacity(KEPT_S);
    }

    pub(super) fn add(&mut self, row: Row) {
        if self.rows.len() == KEPT_S {
            self.rows.pop_front();
        }
        self.rows.push_back(row);
    }

    /// The average of a figure over the newest seconds, those without a value left out.
    pub(super) fn average(&self, index: usize, seconds: usize) -> Option<f64> {
        let newest = self.rows.iter().rev().take(seconds);
        let values = newest.map(|row| f64::from(row.values[index]));
        let (sum, count) = values
            .filter(|value| !value.is_nan())
            .fold((0.0, 0_u32), |(sum, count), value| (sum + value, count + 1));
        (count > 0).then(|| sum / f64::from(count))
    }

    /// What a rate comes to over the newest rows, which are a second each unless the machine was busy.
    pub(super) fn sum(&self, index: usize, seconds: usize) -> f64 {
        let newest = self.rows.iter().rev().take(seconds);
        let values = newest.map(|row| f64::from(row.values[index]) * row.elapsed_s);
        // An empty sum would be -0.
        values.filter(|value| !value.is_nan()).sum::<f64>() + 0.0
    }
}

/// As it is sent: the times, and a column for each figure.
impl Serialize for History {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let times: Vec<_> = self.rows.iter().map(|row| row.at_ms).collect();
        let mut map = serializer.serialize_map(Some(self.names.len() + 1))?;
        map.serialize_entry("at_ms", &times)?;
        for (index, name) in self.names.iter().enumerate() {
            let column: Vec<_> = self
                .rows
                .iter()
                .map(|row| sent(row.values[index]))
                .collect();
            map.serialize_entry(name, &column)?;
        }
        map.end()
    }
}

/// A value as it is sent: `null` if there is none, and whole from a hundred on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent(f32);

pub(super) fn sent(value: f32) -> Sent {
    Sent(value)
}

impl Serialize for Sent {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a rate is far below the largest integer"
    )]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(value) = *self;
        if !value.is_finite() {
            return serializer.serialize_none();
        }
        let value = f64::from(value);
        if value.fract() == 0.0 || value.abs() >= 100.0 {
            serializer.serialize_i64(value.round() as i64)
        } else {
            serializer.serialize_f64((value * 1000.0).round() / 1000.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(at_ms: i64, value: f32) -> Row {
        Row {
            at_ms,
            elapsed_s: 1.0,
            values: vec![value],
        }
    }

    #[test]
    fn no_more_than_a_quarter_of_an_hour_is_kept() {
        let mut history = History::default();
        history.begin(vec!["a".to_owned()]);
        for second in 0..2_000 {
            history.add(row(second * 1000, 1.0));
        }
        assert_eq!(history.rows.len(), KEPT_S);
        assert_eq!(history.rows[0].at_ms, 1_100_000);
        assert!((history.sum(0, 60) - 60.0).abs() < 1e-9);
    }

    #[test]
    fn a_second_without_a_value_is_null_and_no_part_of_an_average() {
        let mut history = History::default();
        history.begin(vec!["a".to_owned()]);
        for (at_ms, value) in [(1, f32::NAN), (2, 0.12345), (3, 1234.6), (4, 7.0)] {
            history.add(row(at_ms, value));
        }
        let text = serde_json::to_string(&history).unwrap();
        assert_eq!(text, r#"{"at_ms":[1,2,3,4],"a":[null,0.123,1235,7]}"#);
        assert_eq!(history.average(0, 1), Some(7.0));
        assert!(history.average(0, 9).is_some_and(|it| it > 400.0));
    }

    #[test]
    fn a_rate_is_the_increase_of_its_counter() {
        let metrics = Metrics::new();
        let mut figures = Figures::new(&[], &[]);
        let retries = figures.index_of("batch.retries");
        assert!(figures.read(&metrics, 0, 1.0).values[retries].is_nan());
        metrics.batch_retries.inc_by(6);
        let row = figures.read(&metrics, 0, 2.0);
        assert!((row.values[retries] - 3.0).abs() < 1e-6);
    }
}
