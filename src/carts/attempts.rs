//! Keys that were used before: by an earlier request, or by an earlier attempt of the same batch whose
//! commit was not answered.

use chrono::{DateTime, Utc};

use crate::domain::idempotency::FirstCartAnswer;

use super::{Decision, FreezeCart, Refusal};

/// The times of earlier attempts of the same commands. Each may have been committed without an answer.
#[derive(Clone, Debug, Default)]
pub struct EarlierAttempts {
    times: Vec<DateTime<Utc>>,
}

impl EarlierAttempts {
    /// Notes an attempt that is about to be made.
    pub(super) fn note(&mut self, time: DateTime<Utc>) {
        self.times.push(time);
    }

    /// True before the first attempt.
    pub(super) fn are_none(&self) -> bool {
        self.times.is_empty()
    }

    /// True if an answer of this time was made by one of the attempts.
    fn made(&self, time: DateTime<Utc>) -> bool {
        self.times.contains(&time)
    }
}

/// The decision about a command whose key has an answer already.
pub(super) fn answer_again(
    answer: FirstCartAnswer,
    command: &FreezeCart,
    earlier: &EarlierAttempts,
) -> Decision {
    if answer.fingerprint != command.fingerprint {
        return Decision::Refused(Refusal::KeyReused);
    }
    if earlier.made(answer.created_at) {
        return Decision::Frozen(answer.response);
    }
    Decision::Replayed(answer.response)
}
