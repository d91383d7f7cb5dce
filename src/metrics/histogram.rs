//! A histogram that can be read: its counts are atomic, fine enough for percentiles, and written for
//! Prometheus in fewer, wider buckets.
//!
//! Between two bounds that Prometheus sees there are four buckets, so a percentile that is read here is
//! within a fifth of the true one, and mostly within a tenth.

use std::sync::{
    Arc, LazyLock,
    atomic::{AtomicU64, Ordering},
};

use prometheus_client::{
    encoding::{EncodeMetric, MetricEncoder, NoLabelSet},
    metrics::{MetricType, TypedMetric},
};

/// The bounds for durations in seconds: from 100 µs to about 13 s, and the objective for checkouts.
const SECONDS: [f64; 19] = [
    0.0001, 0.0002, 0.0004, 0.0008, 0.0016, 0.0032, 0.0064, 0.0128, 0.0256, 0.0512, 0.1024, 0.2048,
    0.25, 0.4096, 0.8192, 1.6384, 3.2768, 6.5536, 13.1072,
];
/// The bounds for members of a batch.
const BATCH_SIZES: [f64; 8] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0];

/// The buckets for each of those that Prometheus sees.
const PARTS: usize = 4;

/// The buckets of a kind of histograms.
#[derive(Debug)]
struct Scale {
    /// The upper bounds, ascending; each [`PARTS`]th is one that Prometheus sees.
    bounds: Vec<f64>,
    /// The smallest amount that is added to a sum, as a part of one.
    parts_of_one: f64,
}

static DURATIONS: LazyLock<Scale> = LazyLock::new(|| Scale::new(&SECONDS, 1e9));
static SIZES: LazyLock<Scale> = LazyLock::new(|| Scale::new(&BATCH_SIZES, 1.0));

impl Scale {
    fn new(exposed: &[f64], parts_of_one: f64) -> Self {
        let mut bounds = Vec::with_capacity(exposed.len() * PARTS);
        let mut lower = exposed[0] / 2.0;
        for &upper in exposed {
            let width = (upper - lower) / PARTS as f64;
            bounds.extend((1..PARTS).map(|part| lower + width * part as f64));
            bounds.push(upper);
            lower = upper;
        }
        Self {
            bounds,
            parts_of_one,
        }
    }
}

/// A histogram. Clones share it.
#[derive(Clone, Debug)]
pub struct Histogram(Arc<Buckets>);

#[derive(Debug)]
struct Buckets {
    scale: &'static Scale,
    /// One per bound, and one for what exceeds the last.
    counts: Box<[AtomicU64]>,
    /// In the scale's parts of one. It wraps after 580 years of durations in all, like any counter.
    sum: AtomicU64,
}

impl Histogram {
    /// A histogram of durations in seconds.
    pub fn of_durations() -> Self {
        Self::on(&DURATIONS)
    }

    /// A histogram of the members of batches.
    pub fn of_batch_sizes() -> Self {
        Self::on(&SIZES)
    }

    fn on(scale: &'static Scale) -> Self {
        let counts = (0..=scale.bounds.len()).map(|_| AtomicU64::new(0));
        Self(Arc::new(Buckets {
            scale,
            counts: counts.collect(),
            sum: AtomicU64::new(0),
        }))
    }

    /// Counts a value.
    pub fn observe(&self, value: f64) {
        let Buckets { scale, counts, sum } = &*self.0;
        let bucket = scale.bounds.partition_point(|bound| *bound < value);
        counts[bucket].fetch_add(1, Ordering::Relaxed);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "values are positive, and a cast from a float saturates"
        )]
        let parts = (value * scale.parts_of_one) as u64;
        sum.fetch_add(parts, Ordering::Relaxed);
    }

    /// The counts so far.
    pub fn counts(&self) -> Counts {
        let Buckets { scale, counts, sum } = &*self.0;
        let counts = counts.iter().map(|count| count.load(Ordering::Relaxed));
        Counts {
            bounds: &scale.bounds,
            by_bucket: counts.collect(),
            sum: sum.load(Ordering::Relaxed) as f64 / scale.parts_of_one,
        }
    }
}

impl TypedMetric for Histogram {
    const TYPE: MetricType = MetricType::Histogram;
}

impl EncodeMetric for Histogram {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        let counts = self.counts();
        encoder.encode_histogram::<NoLabelSet>(counts.sum, counts.total(), &counts.exposed(), None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

/// What a histogram has counted up to a moment, or between two.
#[derive(Clone, Debug, PartialEq)]
pub struct Counts {
    bounds: &'static [f64],
    by_bucket: Vec<u64>,
    /// The sum of all values.
    pub sum: f64,
}

impl Counts {
    /// The number of values.
    pub fn total(&self) -> u64 {
        self.by_bucket.iter().sum()
    }

    /// What was counted since an earlier moment of the same histogram.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let both = self.by_bucket.iter().zip(&earlier.by_bucket);
        Self {
            bounds: self.bounds,
            by_bucket: both.map(|(now, then)| now.saturating_sub(*then)).collect(),
            sum: (self.sum - earlier.sum).max(0.0),
        }
    }

    /// The average value; `None` without any.
    pub fn mean(&self) -> Option<f64> {
        let total = self.total();
        (total > 0).then(|| self.sum / total as f64)
    }

    /// The value that a part of all values, such as 0.99, do not exceed; `None` without any. What exceeds
    /// the last bound counts as that bound.
    pub fn quantile(&self, part: f64) -> Option<f64> {
        let total = self.total();
        if total == 0 {
            return None;
        }
        let rank = (part * total as f64).max(f64::MIN_POSITIVE);
        let mut below = 0.0;
        for (index, count) in self.by_bucket.iter().enumerate() {
            let count = *count as f64;
            if below + count >= rank {
                let Some(&upper) = self.bounds.get(index) else {
                    break;
                };
                let lower = index.checked_sub(1).map_or(0.0, |index| self.bounds[index]);
                return Some(lower + (upper - lower) * (rank - below) / count);
            }
            below += count;
        }
        self.bounds.last().copied()
    }

    /// The buckets that Prometheus sees: their upper bounds, and the values in each alone.
    pub fn exposed(&self) -> Vec<(f64, u64)> {
        let (within, beyond) = self.by_bucket.split_at(self.bounds.len());
        let buckets = within.chunks(PARTS).zip(self.bounds.chunks(PARTS));
        buckets
            .map(|(counts, bounds)| (bounds[PARTS - 1], counts.iter().sum()))
            .chain([(f64::INFINITY, beyond.iter().sum())])
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::{encoding::text::encode, registry::Registry};

    use super::*;

    #[test]
    fn a_percentile_is_within_a_fifth_and_mostly_a_tenth() {
        let histogram = Histogram::of_durations();
        for micros in 1..=100_000_u32 {
            histogram.observe(f64::from(micros) * 1e-6);
        }
        let counts = histogram.counts();
        assert_eq!(counts.total(), 100_000);
        for part in [0.01, 0.1, 0.5, 0.9, 0.99, 0.999] {
            let found = counts.quantile(part).unwrap();
            let exact = part * 0.1;
            assert!(
                (found / exact - 1.0).abs() < 0.1,
                "{part}: {found}, {exact}"
            );
        }
        assert!((counts.mean().unwrap() / 0.05 - 1.0).abs() < 0.001);
    }

    #[test]
    fn one_value_is_every_percentile_of_itself() {
        for value in [0.000_05, 0.0123, 0.3, 9.9] {
            let histogram = Histogram::of_durations();
            histogram.observe(value);
            let found = histogram.counts().quantile(0.5).unwrap();
            assert!((found / value - 1.0).abs() < 0.6, "{value}: {found}");
        }
        assert_eq!(Histogram::of_durations().counts().quantile(0.5), None);
        let late = Histogram::of_durations();
        late.observe(60.0);
        assert_eq!(late.counts().quantile(0.5), Some(13.1072));
    }

    #[test]
    fn a_time_is_the_difference_of_two_moments() {
        let histogram = Histogram::of_durations();
        histogram.observe(1.0);
        let earlier = histogram.counts();
        histogram.observe(0.01);
        let since = histogram.counts().since(&earlier);
        assert_eq!(since.total(), 1);
        assert!(since.quantile(0.99).unwrap() < 0.0128);
    }

    #[test]
    fn prometheus_sees_every_value_once() {
        let histogram = Histogram::of_batch_sizes();
        let mut registry = Registry::default();
        registry.register("size", "Members", histogram.clone());
        for size in [1.0, 3.0, 3.5, 64.0, 500.0] {
            histogram.observe(size);
        }
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        for line in [
            "size_sum 571.0",
            "size_count 5",
            "size_bucket{le=\"1.0\"} 1",
            "size_bucket{le=\"2.0\"} 1",
            "size_bucket{le=\"4.0\"} 3",
            "size_bucket{le=\"64.0\"} 4",
            "size_bucket{le=\"128.0\"} 4",
            "size_bucket{le=\"+Inf\"} 5",
        ] {
            assert!(
                text.contains(&format!("{line}\n")),
                "{line} is not in\n{text}"
            );
        }
    }
}
