//! The way of one checkout through the service. Those who carry the checkout write it, and the answer reads
//! it.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{Stage, StageTimes, laps::Laps, span_ids::SpanIds};

/// A trip that is being written. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Trip(Arc<Mutex<Way>>);

/// The way so far.
#[derive(Clone, Debug, Default)]
pub struct Way {
    /// The round trips to Redis before the work: begin and end of each.
    pub redis: Vec<(Instant, Instant)>,
    /// The time at which the checkout got into the queue.
    pub queued_at: Option<Instant>,
    /// The attempts, the last of which has decided the checkout, if any has.
    pub attempts: Vec<Attempt>,
    /// Such as `created`; `None` if the checkout did not get to the database.
    pub outcome: Option<&'static str>,
    /// The time at which the checkout was given up, undecided.
    pub given_up_at: Option<Instant>,
    /// The span of the request, where requests are traced.
    span: Option<SpanIds>,
}

/// An attempt at a batch that the checkout was a member of.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub laps: Laps,
    /// The members of the batch.
    pub batch_size: usize,
}

impl Trip {
    /// Begins the trip of a request that has this span.
    pub fn of_span(span: Option<SpanIds>) -> Self {
        let trip = Self::default();
        trip.way().span = span;
        trip
    }

    /// Notes a round trip to Redis that ends now.
    pub fn asked_redis(&self, since: Instant) {
        self.way().redis.push((since, Instant::now()));
    }

    /// Notes that the checkout gets into the queue now. An attempt will tell the time more exactly.
    pub fn enqueue(&self) {
        self.way().queued_at = Some(Instant::now());
    }

    /// Notes that an attempt begins.
    pub fn begin_attempt(&self, queued_at: Instant, laps: &Laps, batch_size: usize) {
        let mut way = self.way();
        way.queued_at = Some(queued_at);
        if let Some(span) = way.span {
            laps.add_traced(span);
        }
        way.attempts.push(Attempt {
            laps: laps.clone(),
            batch_size,
        });
    }

    /// Notes what became of the checkout.
    pub fn end(&self, outcome: &'static str, is_decided: bool) {
        let mut way = self.way();
        way.outcome = Some(outcome);
        way.given_up_at = (!is_decided).then(Instant::now);
    }

    /// The way so far.
    pub fn so_far(&self) -> Way {
        self.way().clone()
    }

    fn way(&self) -> MutexGuard<'_, Way> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Way {
    /// The last attempt.
    pub fn last_attempt(&self) -> Option<&Attempt> {
        self.attempts.last()
    }

    /// The time from the queue to the attempt that decided: the wait for a transaction, and what earlier
    /// attempts took.
    pub fn waited(&self) -> Option<Duration> {
        let last_began = self.last_attempt()?.laps.began_at();
        Some(last_began.saturating_duration_since(self.queued_at?))
    }

    /// The times of the stages of a request that was answered in `total`. They add up to it.
    pub fn times(&self, total: Duration) -> StageTimes {
        let mut times = StageTimes::default();
        for (since, until) in &self.redis {
            times.add(Stage::Redis, until.duration_since(*since));
        }
        if let (Some(queued_at), [first, ..], [.., last]) =
            (self.queued_at, &self.attempts[..], &self.attempts[..])
        {
            let first = first.laps.began_at();
            times.add(Stage::Queue, first.saturating_duration_since(queued_at));
            let last_began = last.laps.began_at();
            times.add(Stage::Retries, last_began.saturating_duration_since(first));
            let last_ended = last.laps.add_to(&mut times);
            if let Some(given_up_at) = self.given_up_at {
                // It was set aside, or it was to be tried again.
                let waited = given_up_at.saturating_duration_since(last_ended);
                times.add(Stage::Retries, waited);
            }
        } else if let (Some(queued_at), Some(given_up_at)) = (self.queued_at, self.given_up_at) {
            times.add(
                Stage::Queue,
                given_up_at.saturating_duration_since(queued_at),
            );
        }
        times.add(Stage::Rest, total.saturating_sub(times.sum()));
        times
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stages_of_a_trip_add_up_to_its_time() {
        let began = Instant::now();
        let trip = Trip::default();
        trip.asked_redis(began);
        let queued_at = Instant::now();
        let failed = Laps::begin();
        trip.begin_attempt(queued_at, &failed, 3);
        failed.end(Stage::Reads, "lock carts");
        let laps = Laps::begin();
        trip.begin_attempt(queued_at, &laps, 2);
        laps.end(Stage::Begin, "begin");
        laps.end(Stage::Commit, "commit");
        let total = began.elapsed();
        let way = trip.so_far();
        let times = way.times(total);
        assert_eq!(times.sum(), total);
        assert_eq!(way.last_attempt().unwrap().batch_size, 2);
        // What the first attempt has read is time that the checkout has lost.
        assert_eq!(times.of(Stage::Reads), Duration::ZERO);
        assert_eq!(
            times.of(Stage::Retries),
            laps.began_at() - failed.began_at()
        );
        assert_eq!(times.of(Stage::Queue), failed.began_at() - queued_at);
    }

    #[test]
    fn the_wait_of_a_checkout_that_is_given_up_is_no_rest() {
        let began = Instant::now();
        let trip = Trip::default();
        trip.enqueue();
        let in_queue = trip.clone();
        let laps = Laps::begin();
        trip.begin_attempt(began, &laps, 2);
        laps.end(Stage::Commit, "commit");
        let set_aside_at = Instant::now();
        trip.end("overloaded", false);
        let total = began.elapsed();
        let way = trip.so_far();
        let waited = way.given_up_at.unwrap() - set_aside_at;
        assert!(way.times(total).of(Stage::Retries) >= waited);
        assert_eq!(way.times(total).sum(), total);
        in_queue.end("created", true);
        assert_eq!(
            trip.so_far().times(total).of(Stage::Retries),
            Duration::ZERO
        );

        let never_tried = Trip::default();
        never_tried.enqueue();
        never_tried.end("overloaded", false);
        let way = never_tried.so_far();
        let waited = way.given_up_at.unwrap() - way.queued_at.unwrap();
        assert_eq!(way.times(total).of(Stage::Queue), waited);
    }

    #[test]
    fn a_trip_that_met_no_batch_is_redis_and_the_rest() {
        let trip = Trip::default();
        let total = Duration::from_secs(1);
        let times = trip.so_far().times(total);
        assert_eq!(times.of(Stage::Rest), total);
        assert!(trip.so_far().last_attempt().is_none());
    }
}
