//! How fast batches go, and so how long a newcomer would wait: who would wait too long is refused at
//! the door, at once, and not after having waited.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use super::Limits;

/// How much of the average a new batch makes up: one in so many.
const MEMORY: u64 = 8;

/// See the module.
#[derive(Debug)]
pub(super) struct Pace {
    /// A moving average of how long batches take, in ns; 0 until the first has ended.
    average: AtomicU64,
    opened_at: Instant,
    /// When the last batch ended, or work came where none was; in ms since `opened_at`.
    moved_at: AtomicU64,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            average: AtomicU64::default(),
            opened_at: Instant::now(),
            moved_at: AtomicU64::default(),
        }
    }
}

impl Pace {
    /// A batch has ended. Only the coordinator calls this, so no update is lost.
    pub(super) fn observe(&self, took: Duration) {
        let sample = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX / MEMORY);
        let average = match self.average.load(Ordering::Relaxed) {
            0 => sample,
            old => old - old / MEMORY + sample / MEMORY,
        };
        self.average.store(average.max(1), Ordering::Relaxed);
        self.moved();
    }

    /// A batch has ended, or work has come where none was.
    pub(super) fn moved(&self) {
        self.moved_at.store(self.now_ms(), Ordering::Relaxed);
    }

    /// How long ago that was.
    pub(super) fn moved_ago(&self) -> Duration {
        let moved_at = self.moved_at.load(Ordering::Relaxed);
        Duration::from_millis(self.now_ms().saturating_sub(moved_at))
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.opened_at.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// How long the last of so many would wait if all batches were full. When few wait, batches are
    /// small and quick, so this tells too little; nobody is refused then who need not be.
    pub(super) fn forecast(&self, waiting: usize, limits: &Limits) -> Duration {
        let at_a_time = limits.batch_max * limits.transactions_in_flight;
        let rounds = u64::try_from(waiting / at_a_time).unwrap_or(u64::MAX);
        Duration::from_nanos(self.average.load(Ordering::Relaxed).saturating_mul(rounds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        batch_max: 10,
        transactions_in_flight: 2,
        batch_min_in_parallel: 1,
        queue_max: 1000,
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
    fn one_slow_batch_is_soon_forgotten() {
        let mut samples = vec![40; 10];
        samples.push(4000);
        let slow = pace(&samples).forecast(20, &LIMITS);
        assert!(slow > Duration::from_millis(400), "{slow:?}");
        samples.extend([40; 40]);
        let later = pace(&samples).forecast(20, &LIMITS);
        assert!(later < Duration::from_millis(50), "{later:?}");
    }

    #[test]
    fn the_longest_times_do_not_overflow() {
        let pace = pace(&[u64::MAX / 2_000_000, u64::MAX / 2_000_000]);
        assert!(pace.forecast(usize::MAX, &LIMITS) > Duration::from_secs(1));
    }
}
