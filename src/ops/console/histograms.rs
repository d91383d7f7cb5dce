//! The figures that come from histograms: percentiles, sizes of batches, and time by stage. Each is of
//! what was counted between two readings.

use std::collections::VecDeque;

use crate::{
    metrics::{ClosedBecause, ClosedLabel, Metrics, histogram::Counts, stage_meters::AnswerKind},
    stages::Stage,
};

/// The percentiles of the first row are those of so many seconds.
const RECENT_S: usize = 10;
/// The largest batch that has a bar of its own.
const BATCH_SIZES_MAX: f64 = 128.0;

const CLOSED: [(&str, ClosedBecause); 4] = [
    ("idle", ClosedBecause::Idle),
    ("enough", ClosedBecause::Enough),
    ("full", ClosedBecause::Full),
    ("others_slow", ClosedBecause::OthersSlow),
];

/// The readings that are still needed.
#[derive(Debug, Default)]
pub(super) struct Histograms {
    /// The newest reading is the last one.
    durations: VecDeque<Counts>,
    batch_size: Option<Counts>,
    /// The checkouts whose stages were measured.
    timed: Option<f64>,
    /// The sums of the stages in seconds.
    stages_s: Option<[f64; Stage::ALL.len()]>,
    closed: Option<[f64; CLOSED.len()]>,
}

impl Histograms {
    pub(super) fn stages() -> Vec<&'static str> {
        Stage::ALL.map(Stage::name).to_vec()
    }

    pub(super) fn batch_sizes() -> Vec<String> {
        let sizes = (0..).map(|power| 2_u32.pow(power)).map(f64::from);
        let sizes = sizes.take_while(|size| *size <= BATCH_SIZES_MAX);
        let sizes = sizes.map(|size| size.to_string());
        sizes.chain(["more".to_owned()]).collect()
    }

    pub(super) fn closed() -> Vec<&'static str> {
        CLOSED.map(|(name, _)| name).to_vec()
    }

    /// The names of the figures.
    pub(super) fn names() -> Vec<String> {
        let single = ["latency.p50_ms", "latency.p99_ms", "batch.size", "timed"];
        let stages = Self::stages().into_iter().map(|it| format!("stage.{it}"));
        let sizes = Self::batch_sizes();
        let sizes = sizes.into_iter().map(|it| format!("batches.{it}"));
        let closed = Self::closed().into_iter().map(|it| format!("closed.{it}"));
        let families = stages.chain(sizes).chain(closed);
        single
            .map(str::to_owned)
            .into_iter()
            .chain(families)
            .collect()
    }

    /// Reads the histograms. The values are in the sequence of [`names`](Self::names); the first reading
    /// has none.
    pub(super) fn read(&mut self, metrics: &Metrics, elapsed_s: f64) -> Vec<Option<f64>> {
        let answered = metrics.checkout_stages.of_answers(AnswerKind::Succeeded);
        let durations = answered.counts();
        let second = self
            .durations
            .back()
            .map(|earlier| durations.since(earlier));
        if self.durations.len() > RECENT_S {
            self.durations.pop_front();
        }
        self.durations.push_back(durations);
        let quantile_ms = |part| {
            let value = second.as_ref().and_then(|second| second.quantile(part));
            value.map(|seconds| seconds * 1e3)
        };
        let mut values = vec![quantile_ms(0.5), quantile_ms(0.99)];

        let sizes = metrics.batch_size.counts();
        let earlier = self.batch_size.replace(sizes.clone());
        let sizes = earlier.map(|earlier| sizes.since(&earlier));
        values.push(sizes.as_ref().and_then(Counts::mean));

        let rate = |earlier: Option<f64>, now: f64| Some((now - earlier?).max(0.0) / elapsed_s);
        let by_stage = Stage::ALL.map(|stage| metrics.checkout_stages.of(stage).counts());
        // Each of them has a time of every stage.
        let timed = by_stage[0].total() as f64;
        values.push(rate(self.timed.replace(timed), timed));
        let stages_s = by_stage.map(|counts| counts.sum);
        let earlier = self.stages_s.replace(stages_s);
        for (index, now) in stages_s.iter().enumerate() {
            values.push(rate(earlier.map(|it| it[index]), *now));
        }

        let exposed = sizes.map(|sizes| sizes.exposed());
        for index in 0..Self::batch_sizes().len() {
            let buckets = exposed.as_ref();
            let count = buckets
                .and_then(|it| it.get(index))
                .map(|(_, count)| *count as f64);
            values.push(count.map(|count| count / elapsed_s));
        }

        let closed = CLOSED.map(|(_, reason)| {
            let counter = metrics.checkout_queue.closed.get(&ClosedLabel { reason });
            counter.map_or(0.0, |it| it.get() as f64)
        });
        let earlier = self.closed.replace(closed);
        for (index, now) in closed.iter().enumerate() {
            values.push(rate(earlier.map(|it| it[index]), *now));
        }
        values
    }

    /// The time in seconds that a part of the checkouts of the last seconds did not exceed.
    pub(super) fn recent_duration(&self, part: f64) -> Option<f64> {
        let (oldest, newest) = (self.durations.front()?, self.durations.back()?);
        newest.since(oldest).quantile(part)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_name_has_a_value_and_only_new_observations_count() {
        let metrics = Metrics::new();
        let mut histograms = Histograms::default();
        let answered = |ms| {
            let took = Duration::from_millis(ms);
            metrics.checkout_stages.observe_answer(201, took);
        };
        answered(900);
        let first = histograms.read(&metrics, 1.0);
        assert_eq!(first.len(), Histograms::names().len());
        assert!(first.iter().all(Option::is_none), "{first:?}");
        answered(20);
        metrics.batch_size.observe(3.0);

        let values = histograms.read(&metrics, 1.0);

        let value = |name: &str| {
            let at = Histograms::names().iter().position(|it| it == name);
            values[at.unwrap()]
        };
        assert!(value("latency.p99_ms").unwrap() < 26.0);
        assert!(histograms.recent_duration(0.5).unwrap() < 0.026);
        assert_eq!(value("batch.size"), Some(3.0));
        assert_eq!(value("batches.4"), Some(1.0));
        assert_eq!(value("batches.2"), Some(0.0));
        assert_eq!(value("stage.commit"), Some(0.0));
    }
}
