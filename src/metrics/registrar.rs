//! Registers metrics and returns them, so that each is named in one place.

use std::{fmt::Debug, hash::Hash};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::family::Family,
    registry::{Metric, Registry, Unit},
};

use super::histogram::Histogram;

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
        let histogram = Histogram::of_durations();
        self.0
            .register_with_unit(name, help, Unit::Seconds, histogram.clone());
        histogram
    }

    /// Registers histograms of durations in seconds, one per value of a label.
    pub(super) fn durations_by<L>(&mut self, name: &str, help: &str) -> Family<L, Histogram>
    where
        L: EncodeLabelSet + Clone + Debug + Eq + Hash + Send + Sync + 'static,
    {
        let family = Family::new_with_constructor(Histogram::of_durations as fn() -> Histogram);
        self.0
            .register_with_unit(name, help, Unit::Seconds, family.clone());
        family
    }

    /// Registers a histogram of members per batch.
    pub(super) fn batch_sizes(&mut self, name: &str, help: &str) -> Histogram {
        let histogram = Histogram::of_batch_sizes();
        self.0.register(name, help, histogram.clone());
        histogram
    }

    /// Returns the filled registry.
    pub(super) fn finish(self) -> Registry {
        self.0
    }
}
