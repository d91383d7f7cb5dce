//! The times of checkouts by stage, and of their answers.

use std::time::Duration;

use prometheus_client::metrics::family::Family;

use crate::stages::{Stage, StageTimes};

use super::{AnswerLabel, StageLabel, histogram::Histogram, registrar::Registrar};

/// The histograms of the stages of checkouts, and of the whole.
#[derive(Clone, Debug)]
pub struct StageMeters {
    /// By [`Stage`].
    by_stage: [Histogram; Stage::ALL.len()],
    /// By [`AnswerKind`].
    by_answer: [Histogram; AnswerKind::ALL.len()],
}

/// The kinds of answers to a checkout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerKind {
    /// 2xx.
    Succeeded,
    /// Any other status below 500: the caller's fault, or a refusal by a rule.
    Refused,
    /// 5xx: overload, a database that is away, a fault of this service.
    Failed,
}

impl AnswerKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Succeeded, Self::Refused, Self::Failed];

    /// The kind of an HTTP status.
    pub fn of_status(status: u16) -> Self {
        match status {
            200..300 => Self::Succeeded,
            500.. => Self::Failed,
            _ => Self::Refused,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

impl StageMeters {
    #[rustfmt::skip]
    pub(super) fn new(r: &mut Registrar) -> Self {
        let stages: Family<StageLabel, Histogram> = r.durations_by("splitcart_checkout_stage_seconds");
        let answers: Family<AnswerLabel, Histogram> = r.durations_by("splitcart_checkout_duration_seconds");
        let by_stage = Stage::ALL
            .map(|stage| stages.get_or_create(&StageLabel { stage: stage.name() }).clone());
        let by_answer = AnswerKind::ALL
            .map(|kind| answers.get_or_create(&AnswerLabel { answer: kind.name() }).clone());
        Self { by_stage, by_answer }
    }

    /// The histogram of a stage.
    pub fn of(&self, stage: Stage) -> &Histogram {
        &self.by_stage[stage as usize]
    }

    /// The histogram of a kind of answers.
    pub fn of_answers(&self, kind: AnswerKind) -> &Histogram {
        &self.by_answer[kind as usize]
    }

    /// Counts the stages of a checkout.
    pub fn observe(&self, times: &StageTimes) {
        for (stage, time) in times.iter() {
            self.of(stage).observe(time.as_secs_f64());
        }
    }

    /// Counts the answer to a checkout.
    pub fn observe_answer(&self, status: u16, took: Duration) {
        let histogram = self.of_answers(AnswerKind::of_status(status));
        histogram.observe(took.as_secs_f64());
    }
}
