//! Open loop: when each request is meant to be sent. Pure.

use std::time::{Duration, Instant};

/// Arrivals at equal distances: the first at once, the next after `1 / rate` seconds.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    begin: Instant,
    rate: f64,
    deadline: Option<Instant>,
    arrived: u64,
}

impl Schedule {
    /// Ends with the last arrival before the deadline.
    pub fn new(begin: Instant, rate: f64, deadline: Option<Instant>) -> Self {
        Self {
            begin,
            rate,
            deadline,
            arrived: 0,
        }
    }

    /// When the next request is meant to be sent, if there is one.
    pub fn next(&self) -> Option<Instant> {
        // From the beginning each time: a sum of rounded distances would drift.
        let since = Duration::from_secs_f64(self.arrived as f64 / self.rate);
        let next = self.begin + since;
        self.deadline
            .is_none_or(|deadline| next < deadline)
            .then_some(next)
    }

    /// Takes the next arrival, if it is due.
    pub fn take(&mut self, now: Instant) -> Option<Instant> {
        let due = self.next().filter(|next| *next <= now)?;
        self.arrived += 1;
        Some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn arrivals_come_at_equal_distances_and_end_before_the_deadline() {
        let begin = Instant::now();
        let mut schedule = Schedule::new(begin, 250.0, Some(begin + 20 * MS));
        let long_after = begin + 1000 * MS;
        let taken: Vec<_> = std::iter::from_fn(|| schedule.take(long_after)).collect();
        assert_eq!(taken, [0, 4, 8, 12, 16].map(|ms| begin + ms * MS));
        assert_eq!(schedule.next(), None);
    }

    /// This is what keeps a slow server from slowing its own test.
    #[test]
    fn arrivals_that_were_missed_keep_their_own_times() {
        let begin = Instant::now();
        let mut schedule = Schedule::new(begin, 1000.0, None);
        assert_eq!(schedule.take(begin), Some(begin));
        assert_eq!(schedule.take(begin), None, "the next one is not due");
        let late = begin + 50 * MS;
        let taken: Vec<_> = std::iter::from_fn(|| schedule.take(late)).collect();
        assert_eq!(taken.len(), 50);
        assert_eq!(taken[0], begin + MS);
        assert_eq!(schedule.next(), Some(begin + 51 * MS));
    }

    #[test]
    fn a_rate_that_divides_nothing_does_not_drift() {
        let begin = Instant::now();
        let mut schedule = Schedule::new(begin, 3333.0, None);
        let hour = begin + Duration::from_hours(1);
        let mut count = 0_u64;
        while schedule.take(hour).is_some() {
            count += 1;
        }
        assert_eq!(count, 3333 * 3600 + 1);
    }
}
