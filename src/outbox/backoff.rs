//! Exponential backoff: the pauses between attempts, and the time that an attempt may take.

use std::time::Duration;

use rand::RngExt;

/// The pause after a first failure; each further failure doubles it.
const PAUSE_MIN: Duration = Duration::from_millis(500);
/// The longest wait of an event that a sink has refused.
pub(super) const REFUSED_WAIT_MAX: Duration = Duration::from_mins(5);

/// The pause after a number of failures in a row, `longest` at most, with equal jitter: half of the pause
/// is fixed and the other half is random, so that relays that failed together do not retry together.
pub(super) fn pause_after(failures: u32, longest: Duration) -> Duration {
    let half = full_pause(failures, longest) / 2;
    half + half.mul_f64(rand::rng().random())
}

/// 0.5 s, 1 s, 2 s, … up to the longest.
fn full_pause(failures: u32, longest: Duration) -> Duration {
    let exponent = failures.saturating_sub(1).min(16);
    (PAUSE_MIN * 2_u32.pow(exponent)).min(longest)
}

/// The time limit of a statement: doubled by each failure in a row, up to eight times, so that a database
/// that is merely slow gets the work done.
pub(super) fn limit_after(failures: u32, shortest: Duration) -> Duration {
    shortest * 2_u32.pow(failures.min(3))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const LONGEST: Duration = Duration::from_secs(10);

    #[test]
    fn a_pause_is_at_least_half_and_at_most_all_of_what_is_doubled_by_each_failure() {
        let full = [0.5, 0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0].map(Duration::from_secs_f64);
        for (failures, full) in (0..).zip(full) {
            for _ in 0..1000 {
                let pause = pause_after(failures, LONGEST);
                assert!(pause >= full / 2 && pause <= full, "{failures}: {pause:?}");
            }
        }
        assert!(pause_after(u32::MAX, LONGEST) <= LONGEST);
    }

    #[test]
    fn relays_that_failed_together_do_not_come_back_together() {
        let pauses: HashSet<_> = (0..100).map(|_| pause_after(5, LONGEST)).collect();
        assert!(pauses.len() > 90, "{} of 100 differ", pauses.len());
        let earliest = pauses.iter().min().unwrap();
        let latest = pauses.iter().max().unwrap();
        assert!(
            *latest > *earliest + LONGEST / 5,
            "{earliest:?} to {latest:?}"
        );
    }

    #[test]
    fn a_slow_database_gets_up_to_eight_times_as_long() {
        let second = Duration::from_secs(1);
        let limits = [0, 1, 2, 3, 4, u32::MAX].map(|failures| limit_after(failures, second));
        assert_eq!(limits, [1, 2, 4, 8, 8, 8].map(Duration::from_secs));
    }
}
