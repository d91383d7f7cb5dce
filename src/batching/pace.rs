//! The pace of batches: it predicts the wait of a new command, and sets the age at which a transaction
//! is overdue. A command that would wait too long is refused on arrival, and not after having waited.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use super::Limits;

/// A new batch makes up one part in so many of the average.
const MEMORY: u64 = 8;
/// A batch counts as at most so many times the average. One that was held up says nothing about the next;
/// if all are slower, the average still doubles with every few.
const OUTLIER: u64 = 4;
/// A transaction is overdue when it has taken so many times the average …
const OVERDUE_TIMES: u32 = 6;
/// … but not before this: a checkpoint, a busy neighbour or a first connection can hold up any.
const OVERDUE_MIN: Duration = Duration::from_millis(100);
/// … and at the latest after this.
const OVERDUE_MAX: Duration = Duration::from_secs(1);

/// A moving average of how long batches take, in ns; 0 until the first has ended.
#[derive(Debug, Default)]
pub(super) struct Pace(AtomicU64);

impl Pace {
    /// Adds a batch that has ended. Only the coordinator calls this, so no update is lost.
    pub(super) fn observe(&self, took: Duration) {
        let sample = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX / MEMORY);
        let average = match self.0.load(Ordering::Relaxed) {
            0 => sample,
            old => old - old / MEMORY + sample.min(old.saturating_mul(OUTLIER)) / MEMORY,
        };
        self.0.store(average.max(1), Ordering::Relaxed);
    }

    /// The time that a batch takes at present; zero while nothing is known.
    pub(super) fn average(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }

    /// The age from which on a transaction is overdue: the next one need not wait for it.
    pub(super) fn overdue_after(&self) -> Duration {
        (self.average() * OVERDUE_TIMES).clamp(OVERDUE_MIN, OVERDUE_MAX)
    }

    /// The wait of a command behind so many others if all batches were full. When few wait, batches are
    /// small and quick and this is too low, so no command is refused that need not be.
    pub(super) fn forecast(&self, waiting: usize, limits: &Limits) -> Duration {
        let at_a_time = limits.batch_max * limits.transactions_in_flight;
        let rounds = u64::try_from(waiting / at_a_time).unwrap_or(u64::MAX);
        Duration::from_nanos(self.0.load(Ordering::Relaxed).saturating_mul(rounds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        batch_max: 10,
        batch_weight_max: 1000,
        transactions_in_flight: 2,
        transactions_overdue_max: 4,
        batch_min_in_parallel: 1,
        queue_max: 1000,
        aside_max: 100,
        queue_wait_max: Duration::from_secs(1),
        answer_wait_max: Duration::from_secs(2),
    };

    fn pace(samples_ms: &[u64]) -> Pace {
        let pace = Pace::default();
        for sample in samples_ms {
            pace.observe(Duration::from_millis(*sample));
        }
        pace
    }

    #[test]
    fn nobody_waits_for_what_was_never_seen() {
        assert_eq!(pace(&[]).forecast(1000, &LIMITS), Duration::ZERO);
    }

    #[test]
    fn a_newcomer_waits_for_the_full_rounds_in_front() {
        let pace = pace(&[40]);
        assert_eq!(pace.forecast(19, &LIMITS), Duration::ZERO);
        assert_eq!(pace.forecast(20, &LIMITS), Duration::from_millis(40));
        assert_eq!(pace.forecast(200, &LIMITS), Duration::from_millis(400));
    }

    #[test]
    fn one_batch_that_was_held_up_says_little_and_is_soon_forgotten() {
        let mut samples = vec![40; 10];
        samples.push(4000);
        let held_up = pace(&samples).forecast(20, &LIMITS);
        assert!(held_up < Duration::from_millis(60), "{held_up:?}");
        samples.extend([40; 40]);
        let later = pace(&samples).forecast(20, &LIMITS);
        assert!(later < Duration::from_millis(42), "{later:?}");
    }

    #[test]
    fn when_all_batches_become_slow_the_forecast_follows() {
        let mut samples = vec![40; 10];
        samples.extend([4000; 30]);
        let slow = pace(&samples).forecast(20, &LIMITS);
        assert!(slow > Duration::from_secs(3), "{slow:?}");
    }

    #[test]
    fn a_transaction_is_overdue_by_the_pace_of_the_others() {
        assert_eq!(pace(&[]).overdue_after(), OVERDUE_MIN);
        assert_eq!(pace(&[1]).overdue_after(), OVERDUE_MIN);
        assert_eq!(pace(&[50]).overdue_after(), Duration::from_millis(300));
        assert_eq!(pace(&[5000]).overdue_after(), OVERDUE_MAX);
    }

    #[test]
    fn the_longest_times_do_not_overflow() {
        let pace = pace(&[u64::MAX / 2_000_000, u64::MAX / 2_000_000]);
        assert!(pace.forecast(usize::MAX, &LIMITS) > Duration::from_secs(1));
    }
}
