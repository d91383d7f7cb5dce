//! Registers metrics and returns them, so that each is named in one place.

use prometheus_client::{
    metrics::histogram::Histogram,
    registry::{Metric, Registry, Unit},
};

/// From 100 µs to about 13 s.
const SECONDS: [f64; 18] = [
    0.0001, 0.0002, 0.0004, 0.0008, 0.0016, 0.0032, 0.0064, 0.0128, 0.0256, 0.0512, 0.1024, 0.2048,
    0.4096, 0.8192, 1.6384, 3.2768, 6.5536, 13.1072,
];
const BATCH_SIZES: [f64; 8] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0];

/// A registry that is being filled.
pub(super) struct Registrar(Registry);

impl Registrar {
    /// Begins a registry whose names have the prefix `splitcart_`.
    pub(super) fn new() -> Self {
        Self(Registry::with_prefix("splitcart"))
    }

    /// Registers a counter, a gauge, or a family of either.
    pub(super) fn add<M: Metric + Clone + Default>(&mut self, name: &str, help: &str) -> M {
        let metric = M::default();
        self.0.register(name, help, metric.clone());
        metric
    }

    /// Registers one with a unit, which becomes the suffix of its name.
    pub(super) fn in_unit<M: Metric + Clone + Default>(
        &mut self,
        unit: Unit,
        name: &str,
        help: &str,
    ) -> M {
        let metric = M::default();
        self.0.register_with_unit(name, help, unit, metric.clone());
        metric
    }

    /// Registers a histogram of durations in seconds.
    pub(super) fn durations(&mut self, name: &str, help: &str) -> Histogram {
        let histogram = Histogram::new(SECONDS);
        self.0
            .register_with_unit(name, help, Unit::Seconds, histogram.clone());
        histogram
    }

    /// Registers a histogram of members per batch.
    pub(super) fn batch_sizes(&mut self, name: &str, help: &str) -> Histogram {
        let histogram = Histogram::new(BATCH_SIZES);
        self.0.register(name, help, histogram.clone());
        histogram
    }

    /// Returns the filled registry.
    pub(super) fn finish(self) -> Registry {
        self.0
    }
}
