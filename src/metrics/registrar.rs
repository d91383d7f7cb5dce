//! Registers metrics of the list and returns them.

use std::{fmt::Debug, hash::Hash};

use prometheus_client::{
    collector::Collector,
    encoding::EncodeLabelSet,
    metrics::family::Family,
    registry::{Metric, Registry},
};

use super::{histogram::Histogram, list};

/// A registry that is being filled. Names are whole, as the list has them.
#[derive(Default)]
pub(super) struct Registrar(Registry);

impl Registrar {
    /// Registers a counter, a gauge, or a family of either.
    pub(super) fn add<M: Metric + Clone + Default>(&mut self, name: &str) -> M {
        let metric = M::default();
        self.register(name, metric.clone());
        metric
    }

    /// Registers a histogram of durations in seconds.
    pub(super) fn durations(&mut self, name: &str) -> Histogram {
        let histogram = Histogram::of_durations();
        self.register(name, histogram.clone());
        histogram
    }

    /// Registers histograms of durations in seconds, one per value of a label.
    pub(super) fn durations_by<L>(&mut self, name: &str) -> Family<L, Histogram>
    where
        L: EncodeLabelSet + Clone + Debug + Eq + Hash + Send + Sync + 'static,
    {
        let family = Family::new_with_constructor(Histogram::of_durations as fn() -> Histogram);
        self.register(name, family.clone());
        family
    }

    /// Registers a histogram of members per batch.
    pub(super) fn batch_sizes(&mut self, name: &str) -> Histogram {
        let histogram = Histogram::of_batch_sizes();
        self.register(name, histogram.clone());
        histogram
    }

    /// Adds metrics that are read when they are asked for.
    pub(super) fn collect(&mut self, collector: impl Collector) {
        self.0.register_collector(Box::new(collector));
    }

    /// Returns the filled registry.
    pub(super) fn finish(self) -> Registry {
        self.0
    }

    fn register(&mut self, name: &str, metric: impl Metric) {
        let entry = list::entry(name)
            .unwrap_or_else(|| panic!("{name} is missing in the list (src/metrics/list)"));
        assert!(
            entry.kind.is(metric.metric_type()),
            "{name} is no {}",
            entry.kind.name()
        );
        let (stem, meaning) = (entry.stem(), entry.meaning);
        match entry.unit() {
            Some(unit) => self.0.register_with_unit(stem, meaning, unit, metric),
            None => self.0.register(stem, meaning, metric),
        }
    }
}
